use super::*;

const PROFILES: [(SrtpProfile, usize); 3] =
    [(SrtpProfile::AeadAes128Gcm, 28), (SrtpProfile::AeadAes256Gcm, 44), (SrtpProfile::Aes128CmSha1_80, 30)];

pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Two ends of one connection.
fn pair(profile: SrtpProfile, length: usize) -> (Session, Session) {
    let (ours, theirs) = (vec![7; length], vec![9; length]);
    (Session::new(profile, &theirs, &ours).unwrap(), Session::new(profile, &ours, &theirs).unwrap())
}

/// With a CSRC, an extension block of one word and some payload.
fn rtp(ssrc: u32, sequence_number: u16) -> Vec<u8> {
    let mut packet = vec![0xB1, 0x60];
    packet.extend(sequence_number.to_be_bytes());
    packet.extend([0, 0, 1, 0]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(hex("01020304bede000110aa0000"));
    packet.extend(b"some payload 123\x04");
    packet
}

fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = hex("80c90001");
    packet.extend(ssrc.to_be_bytes());
    packet.extend(hex("81ce00020000000100000002"));
    packet
}

fn protected(session: &mut Session, packet: &[u8], rollover: u32) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    session.protect_rtp(&mut buffer, 0, rollover).unwrap();
    buffer
}

fn protected_rtcp(session: &mut Session, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    session.protect_rtcp(&mut buffer, 0).unwrap();
    buffer
}

fn unprotected(session: &mut Session, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut bytes = packet.to_vec();
    let length = session.unprotect_rtp(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn unprotected_rtcp(session: &mut Session, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut bytes = packet.to_vec();
    let length = session.unprotect_rtcp(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

#[test]
fn what_one_end_protects_the_other_reads() {
    for (profile, length) in PROFILES {
        let (mut a, mut b) = pair(profile, length);
        for (sequence_number, rollover) in [(65_000, 0), (65_535, 0), (0, 1), (65_534, 0), (1, 1)] {
            let plain = rtp(5, sequence_number);
            let secret = protected(&mut a, &plain, rollover);
            assert_eq!(secret[..24], plain[..24]);
            assert_ne!(secret[24..41], plain[24..]);
            assert_eq!(unprotected(&mut b, &secret), Ok(plain));
        }
        for ssrc in [5, 6, 5] {
            let plain = rtcp(ssrc);
            let secret = protected_rtcp(&mut b, &plain);
            assert_ne!(secret[8..20], plain[8..]);
            assert_eq!(unprotected_rtcp(&mut a, &secret), Ok(plain));
        }
    }
}

#[test]
fn a_packet_is_protected_behind_what_the_buffer_holds_already() {
    for (profile, length) in PROFILES {
        let (mut a, mut b) = pair(profile, length);
        let mut buffer = b"before".to_vec();
        buffer.extend(rtp(5, 1));
        a.protect_rtp(&mut buffer, 6, 0).unwrap();
        let end = buffer.len();
        buffer.extend(rtcp(5));
        a.protect_rtcp(&mut buffer, end).unwrap();
        assert_eq!(&buffer[..6], b"before");
        assert_eq!(unprotected(&mut b, &buffer[6..end]), Ok(rtp(5, 1)));
        assert_eq!(unprotected_rtcp(&mut b, &buffer[end..]), Ok(rtcp(5)));
    }
}

#[test]
fn a_repeat_is_equal_and_refused_by_the_receiver() {
    for (profile, length) in PROFILES {
        let (mut a, mut b) = pair(profile, length);
        let secret = protected(&mut a, &rtp(5, 1), 0);
        assert_eq!(protected(&mut a, &rtp(5, 1), 0), secret);
        unprotected(&mut b, &secret).unwrap();
        assert_eq!(unprotected(&mut b, &secret), Err(Refused::Replayed));
        let report = protected_rtcp(&mut a, &rtcp(5));
        assert_ne!(protected_rtcp(&mut a, &rtcp(5)), report);
        unprotected_rtcp(&mut b, &report).unwrap();
        assert_eq!(unprotected_rtcp(&mut b, &report), Err(Refused::Replayed));
    }
}

#[test]
fn what_is_not_authentic_changes_nothing() {
    for (profile, length) in PROFILES {
        let (mut a, mut b) = pair(profile, length);
        unprotected(&mut b, &protected(&mut a, &rtp(5, 1), 0)).unwrap();
        // With a number far ahead, it would push the window away and guess later cycles wrongly.
        let mut forged = protected(&mut a, &rtp(5, 60_000), 0);
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(unprotected(&mut b, &forged), Err(Refused::Authentication));
        for ssrc in 0..200 {
            assert_eq!(unprotected(&mut b, &rtp(ssrc, 2)), Err(Refused::Authentication));
        }
        unprotected(&mut b, &protected(&mut a, &rtp(5, 2), 0)).unwrap();
        unprotected(&mut b, &protected(&mut a, &rtp(1000, 2), 0)).unwrap();
    }
}

#[test]
fn ssrcs_are_bounded_and_those_that_are_known_go_on() {
    let (mut a, mut b) = pair(SrtpProfile::AeadAes128Gcm, 28);
    let (media, reports) = (MAX_RTP_SSRCS as u32, MAX_RTCP_SSRCS as u32);
    for ssrc in 0..media {
        unprotected(&mut b, &protected(&mut a, &rtp(ssrc, 1), 0)).unwrap();
    }
    for ssrc in 0..reports {
        unprotected_rtcp(&mut b, &protected_rtcp(&mut a, &rtcp(ssrc))).unwrap();
    }
    let packet = protected(&mut a, &rtp(media, 1), 0);
    assert_eq!(unprotected(&mut b, &packet), Err(Refused::TooManySsrcs));
    let report = protected_rtcp(&mut a, &rtcp(reports));
    assert_eq!(unprotected_rtcp(&mut b, &report), Err(Refused::TooManySsrcs));
    unprotected(&mut b, &protected(&mut a, &rtp(media - 1, 2), 0)).unwrap();
    unprotected_rtcp(&mut b, &protected_rtcp(&mut a, &rtcp(reports - 1))).unwrap();
}

#[test]
fn authenticated_rtcp_that_is_not_encrypted_is_read() {
    let (mut a, mut b) = pair(SrtpProfile::Aes128CmSha1_80, 30);
    let plain = rtcp(5);
    // A tag can be made for it by the sender's own means only: the word without E, then HMAC over both.
    let Suite::Cm(cm) = &a.protection.as_ref().unwrap().outbound else { unreachable!() };
    let packet = cm.authenticated_rtcp(&plain, 3);
    assert_eq!(unprotected_rtcp(&mut b, &packet), Ok(plain));
    let mut tampered = cm.authenticated_rtcp(&rtcp(5), 4);
    tampered[9] ^= 1;
    assert_eq!(unprotected_rtcp(&mut b, &tampered), Err(Refused::Authentication));
    // Nor can an encrypted packet be passed off as a clear one.
    let mut cleared = protected_rtcp(&mut a, &rtcp(6));
    let word = cleared.len() - 14;
    cleared[word] &= 0x7F;
    assert_eq!(unprotected_rtcp(&mut b, &cleared), Err(Refused::Authentication));
}

#[test]
fn no_input_makes_it_panic_or_pass() {
    let mut state = 1_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    for (profile, length) in PROFILES {
        let (mut a, mut b) = pair(profile, length);
        let secrets = [protected(&mut a, &rtp(5, 1), 0), protected_rtcp(&mut a, &rtcp(5))];
        for secret in &secrets {
            for end in 0..secret.len() {
                assert!(unprotected(&mut b, &secret[..end]).is_err());
                assert!(unprotected_rtcp(&mut b, &secret[..end]).is_err());
            }
        }
        for size in (0..120).cycle().take(20_000) {
            let mut packet: Vec<u8> = (0..size).map(|_| random()).collect();
            if let Some(first) = packet.first_mut() {
                *first = 0x80 | *first & 0x3F;
            }
            assert!(unprotected(&mut b, &packet).is_err());
            assert!(unprotected_rtcp(&mut b, &packet).is_err());
            let _ = a.protect_rtp(&mut packet.clone(), 0, 1);
            let _ = a.protect_rtcp(&mut packet, 0);
        }
    }
}

#[test]
fn what_can_not_be_protected_does_not_leave() {
    for (profile, length) in PROFILES {
        let (mut a, _) = pair(profile, length);
        let mut buffer = b"before".to_vec();
        // Says that it has an extension block, and ends.
        buffer.extend(&rtp(5, 1)[..16]);
        assert_eq!(a.protect_rtp(&mut buffer, 6, 0), Err(Refused::Malformed));
        assert_eq!(buffer, b"before");
        assert_eq!(a.protect_rtp(&mut buffer, 60, 0), Err(Refused::Malformed));
        a.protection.as_mut().unwrap().next_rtcp_index = MAX_RTCP_INDEX;
        buffer.extend(rtcp(5));
        a.protect_rtcp(&mut buffer, 6).unwrap();
        buffer.truncate(6);
        buffer.extend(rtcp(5));
        assert_eq!(a.protect_rtcp(&mut buffer, 6), Err(Refused::Exhausted));
        assert_eq!(buffer, b"before");
    }
}

#[test]
fn keys_of_another_length_are_refused() {
    for (profile, length) in PROFILES {
        for wrong in [0, length - 1, length + 1] {
            let error = Session::new(profile, &vec![0; length], &vec![0; wrong]).err();
            assert_eq!(error, Some(KeyError { expected: length, length: wrong }));
            assert!(Session::new(profile, &vec![0; wrong], &vec![0; length]).is_err());
        }
    }
}

#[test]
fn a_plain_session_changes_nothing() {
    let mut session = Session::plain();
    assert_eq!(protected(&mut session, &rtp(5, 1), 0), rtp(5, 1));
    assert_eq!(unprotected(&mut session, &rtp(5, 1)), Ok(rtp(5, 1)));
    assert_eq!(protected_rtcp(&mut session, &rtcp(5)), rtcp(5));
    assert_eq!(unprotected_rtcp(&mut session, &rtcp(5)), Ok(rtcp(5)));
}
