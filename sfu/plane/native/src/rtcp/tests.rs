//! Vectors by hand: framing, every packet type both ways, refusals, NTP time.

use super::*;

/// One packet with a body of whole words.
fn packet(packet_type: u8, count: u8, body: &[u8]) -> Vec<u8> {
    let mut data = vec![0x80 | count, packet_type, 0, (body.len() / 4) as u8];
    data.extend_from_slice(body);
    data
}

fn padded(packet_type: u8, count: u8, body: &[u8]) -> Vec<u8> {
    let mut data = packet(packet_type, count, body);
    data[0] |= 0x20;
    data
}

fn refused(data: &[u8]) -> ParseError {
    parse(data).unwrap_err()
}

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 0x0102_0304,
    fraction_lost: 5,
    packets_lost: -2,
    highest_sequence: 0xA1A2_A3A4,
    jitter: 0xB1B2_B3B4,
    lsr: 0xC1C2_C3C4,
    dlsr: 0xD1D2_D3D4,
};

#[test]
fn sender_report_stands_as_the_rfc_says() {
    let data = build_sender_report(0x1111_1111, 0x2222_2222_3333_3333, 0x4444_4444, 5, 6, &[BLOCK]);
    assert_eq!(data[..8], [0x81, 200, 0, 12, 0x11, 0x11, 0x11, 0x11]);
    assert_eq!(data[28..36], [1, 2, 3, 4, 5, 0xFF, 0xFF, 0xFE]);
    assert_eq!(data.len(), 52);
    let expected = SenderReport {
        ssrc: 0x1111_1111,
        ntp: 0x2222_2222_3333_3333,
        rtp_timestamp: 0x4444_4444,
        packet_count: 5,
        octet_count: 6,
        reports: vec![BLOCK],
    };
    assert_eq!(parse(&data), Ok(vec![Packet::SenderReport(expected)]));
}

#[test]
fn reports_hold_31_blocks_and_24_bits_of_loss() {
    let lost = |packets_lost| ReportBlock { packets_lost, ..BLOCK };
    let mut blocks = vec![BLOCK; 40];
    blocks[0] = lost(1 << 30);
    blocks[1] = lost(-(1 << 30));
    let data = build_receiver_report(9, &blocks);
    let parsed = parse(&data).unwrap();
    let [Packet::ReceiverReport(report)] = &parsed[..] else { panic!("{parsed:?}") };
    assert_eq!(report.reports.len(), MAX_BLOCKS);
    assert_eq!(report.reports[0].packets_lost, (1 << 23) - 1);
    assert_eq!(report.reports[1].packets_lost, -(1 << 23));
}

#[test]
fn reports_may_have_more_after_their_blocks_but_not_less() {
    let report = build_receiver_report(9, &[BLOCK]);
    let mut longer = report.clone();
    longer.extend_from_slice(&[7; 8]);
    longer[3] += 2;
    assert_eq!(parse(&longer), parse(&report));
    let mut more = report.clone();
    more[0] += 1;
    assert_eq!(refused(&more).offset, 0);
    assert_eq!(refused(&packet(SR, 0, &[0; 20])).offset, 0);
    assert!(parse(&packet(SR, 0, &[0; 24])).is_ok());
    assert_eq!(refused(&packet(RR, 0, &[])).offset, 0);
}

#[test]
fn framing_is_all_or_nothing() {
    let pli = build_pli(1, 2);
    let mut data = [pli.clone(), pli.clone()].concat();
    assert_eq!(parse(&data).unwrap().len(), 2);
    data.pop();
    assert_eq!(refused(&data).offset, 12);
    assert_eq!(refused(&[]).offset, 0);
    assert_eq!(refused(&[pli.as_slice(), &[0x80, 200, 0]].concat()).offset, 12);
    assert_eq!(refused(&[pli.as_slice(), &[0x40, 200, 0, 0]].concat()).offset, 12);
}

#[test]
fn padding_is_taken_off_every_packet() {
    let mut body = [0; 12];
    body[11] = 4;
    let data = [padded(PSFB, 1, &body), build_pli(0, 0)].concat();
    let pli = Packet::Pli(Pli { sender_ssrc: 0, media_ssrc: 0 });
    assert_eq!(parse(&data), Ok(vec![pli.clone(), pli]));
    assert_eq!(refused(&padded(204, 0, &[0, 0, 0, 0])).offset, 7);
    assert_eq!(refused(&padded(204, 0, &[0, 0, 0, 5])).offset, 7);
    assert_eq!(refused(&padded(204, 0, &[])).offset, 3);
    let expected = Packet::Other(Other { packet_type: 204, count: 3, body: &[9] });
    assert_eq!(parse(&padded(204, 3, &[9, 0, 0, 3])), Ok(vec![expected]));
}

#[test]
fn nack_tells_numbers_over_the_end() {
    let data = build_nack(1, 2, [65_535, 65_536, 65_551, 65_552, 65_552, 70_000]);
    let items = [0xFF, 0xFF, 0x80, 0x01, 0x00, 0x10, 0, 0, 0x11, 0x70, 0, 0];
    assert_eq!(data[12..], items);
    assert_eq!(data[..4], [0x81, 205, 0, 5]);
    let lost = vec![65_535, 0, 15, 16, 4464];
    assert_eq!(parse(&data), Ok(vec![Packet::Nack(Nack { sender_ssrc: 1, media_ssrc: 2, lost })]));
    assert_eq!(build_nack(1, 2, []).len(), 12);
}

#[test]
fn nack_of_broken_length_is_refused() {
    assert_eq!(refused(&packet(RTPFB, 1, &[0; 4])).offset, 8);
    assert_eq!(refused(&padded(RTPFB, 1, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])).offset, 0);
}

#[test]
fn transport_feedback_but_nack_is_other() {
    let body = [7; 8];
    let expected = Packet::Other(Other { packet_type: RTPFB, count: 15, body: &body });
    assert_eq!(parse(&packet(RTPFB, 15, &body)), Ok(vec![expected]));
}

#[test]
fn fir_is_read() {
    let body = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 200, 1, 2, 3];
    let fir = Fir { sender_ssrc: 1, requests: vec![(9, 200)] };
    assert_eq!(parse(&packet(PSFB, 4, &body)), Ok(vec![Packet::Fir(fir)]));
    assert_eq!(refused(&packet(PSFB, 4, &body[..12])).offset, 0);
}

#[test]
fn remb_keeps_eighteen_bits() {
    for (bps, kept) in [(0, 0), (262_143, 262_143), (262_145, 262_144), (5_000_031, 5_000_000)] {
        let data = build_remb(1, bps, &[7, 8]);
        let remb = Remb { sender_ssrc: 1, bps: kept, ssrcs: vec![7, 8] };
        assert_eq!(parse(&data), Ok(vec![Packet::Remb(remb)]));
    }
    assert_eq!(build_remb(1, 262_145, &[])[16..], [0, 0x06, 0, 0]);
}

#[test]
fn remb_beyond_64_bits_is_their_largest() {
    let mut data = build_remb(1, u64::MAX, &[]);
    assert_eq!(parse(&data).map(|packets| bps(&packets)), Ok(0x3FFFF << 46));
    data[17] += 4;
    assert_eq!(parse(&data).map(|packets| bps(&packets)), Ok(u64::MAX));
}

fn bps(packets: &[Packet<'_>]) -> u64 {
    let [Packet::Remb(remb)] = packets else { panic!("{packets:?}") };
    remb.bps
}

#[test]
fn remb_that_names_more_than_it_has_is_refused() {
    let mut data = build_remb(1, 1, &[7]);
    data[16] = 2;
    assert_eq!(refused(&data).offset, 0);
    data[16] = 0;
    assert!(parse(&data).is_ok());
    data[12] = b'r';
    assert!(matches!(parse(&data).as_deref(), Ok([Packet::Other(_)])));
}

#[test]
fn sdes_is_aligned_by_chunk() {
    let data = build_sdes(7, "abcde");
    assert_eq!(data, [0x81, 202, 0, 4, 0, 0, 0, 7, 1, 5, b'a', b'b', b'c', b'd', b'e', 0, 0, 0, 0, 0]);
    assert_eq!(build_sdes(7, "abcd").len(), 16);
    let mut two = build_sdes(7, "abcd");
    two.extend_from_slice(&build_sdes(8, "ö")[4..]);
    two[0] += 1;
    two[3] = (two.len() / 4 - 1) as u8;
    let cnames = vec![(7, "abcd".into()), (8, "ö".into())];
    assert_eq!(parse(&two), Ok(vec![Packet::Sdes(Sdes { cnames })]));
    assert_eq!(build_sdes(7, &"x".repeat(300)), build_sdes(7, &"x".repeat(255)));
}

#[test]
fn sdes_tells_where_it_breaks() {
    assert_eq!(refused(&packet(SDES, 1, &[])).offset, 4);
    assert_eq!(refused(&packet(SDES, 1, &[0, 0, 0, 1])).offset, 8);
    assert_eq!(refused(&packet(SDES, 1, &[0, 0, 0, 1, 1, 3, 0, 0])).offset, 8);
    assert_eq!(refused(&packet(SDES, 1, &[0, 0, 0, 1, 1, 2, 0, 0])).offset, 12);
    assert_eq!(refused(&padded(SDES, 1, &[0, 0, 0, 1, 1, 0, 0, 3])).offset, 8);
}

#[test]
fn cname_that_is_no_text_is_read_with_replacements() {
    let data = packet(SDES, 1, &[0, 0, 0, 1, 1, 3, b'a', 0xFF, b'b', 0, 0, 0]);
    let cnames = vec![(1, "a\u{FFFD}b".into())];
    assert_eq!(parse(&data), Ok(vec![Packet::Sdes(Sdes { cnames })]));
}

#[test]
fn bye_may_have_a_reason() {
    let body = [0, 0, 0, 1, 0, 0, 0, 2, 3, b'e', b'n', b'd'];
    assert_eq!(parse(&packet(BYE, 2, &body)), Ok(vec![Packet::Bye(Bye { ssrcs: vec![1, 2] })]));
    assert_eq!(refused(&packet(BYE, 4, &body)).offset, 0);
    assert_eq!(parse(&packet(BYE, 0, &[])), Ok(vec![Packet::Bye(Bye { ssrcs: vec![] })]));
}

#[test]
fn ntp_time_goes_both_ways() {
    assert_eq!(ntp_from_us(0), 2_208_988_800 << 32);
    assert_eq!(ntp_from_us(500_000), 2_208_988_800 << 32 | 0x8000_0000);
    assert_eq!(ntp_from_us(-1) >> 32, 2_208_988_799);
    for unix_us in [0, 1, -1, 999_999, 1_700_000_000_123_457] {
        assert_eq!(us_from_ntp(ntp_from_us(unix_us)), unix_us);
    }
    assert_eq!(us_from_ntp(0), -2_208_988_800_000_000);
    assert_eq!(us_from_ntp(u64::MAX), 2_085_978_496_000_000);
    assert_eq!(ntp_middle(0x1111_2222_3333_4444), 0x2222_3333);
}

#[test]
fn round_trip_is_by_the_middle_bits() {
    assert_eq!(round_trip_us(0x0003_0000_0000_0000, 1, 0), None);
    assert_eq!(round_trip_us(5 << 32, 0x0003_0000, 0x0001_8000), Some(500_000));
    assert_eq!(round_trip_us(0x1_0000_0000, 0xFFFF_8000, 0x8000), Some(1_000_000));
    assert_eq!(round_trip_us(5 << 32, 0, 0), None);
    assert_eq!(round_trip_us(5 << 32, 5 << 16, 1), None);
}
