//! RTCP from a peer: reports, requests for packets and keyframes, within the budgets.

use crate::api::Drop;
use crate::core::housekeeping;
use crate::core::outbox::Outbox;
use crate::core::switching;
use crate::core::tables::{SlotKey, Tables, TransportKey};
use crate::core::tapping;
use crate::core::transport::Transport;
use crate::egress::Outgoing;
use crate::rtcp::{self, ReceiverReference, ReportBlock, SenderReport};

const MAX_NACKED: usize = 512;
const MAX_FULL_INTRA: usize = 64;
const DEFAULT_ROUND_TRIP_US: i64 = 20_000;
/// A browser's receivers each ask about once a second; one answer tells all of them.
const REFERENCE_US: i64 = 400_000;
/// From this loss on a repair is sent twice: where it is lost too, the next comes too late to be seen.
const LOSSY: f64 = 0.03;
/// From so much on it is a queue that loses, and two copies are too many.
const OVERFULL: f64 = 0.4;

/// One unprotected RTCP datagram, compound or of reduced size (RFC 5506).
pub fn receive(
    tables: &mut Tables,
    outbox: &mut Outbox,
    peer: TransportKey,
    data: &[u8],
    now_us: i64,
    wall_offset_us: i64,
) -> Result<(), Drop> {
    for packet in rtcp::parse(data).map_err(|_| Drop::RtcpMalformed)? {
        match packet {
            rtcp::Packet::SenderReport(report) => {
                sender_report(tables, outbox, peer, &report, now_us);
                reports(tables, peer, &report.reports, now_us, wall_offset_us);
            }
            rtcp::Packet::ReceiverReport(report) => {
                reports(tables, peer, &report.reports, now_us, wall_offset_us);
            }
            rtcp::Packet::Nack(nack) => {
                let lost = &nack.lost[..nack.lost.len().min(MAX_NACKED)];
                repair_all(tables, outbox, peer, nack.media_ssrc, lost, now_us);
            }
            rtcp::Packet::Pli(pli) => keyframe(tables, outbox, peer, pli.media_ssrc, now_us),
            rtcp::Packet::Fir(fir) => {
                for &(ssrc, _) in fir.requests.iter().take(MAX_FULL_INTRA) {
                    keyframe(tables, outbox, peer, ssrc, now_us);
                }
            }
            rtcp::Packet::Remb(remb) => {
                if let Some(transport) = tables.transports.get_mut(peer) {
                    transport.remb_bps = Some(remb.bps);
                    transport.reports_changed = true;
                }
            }
            rtcp::Packet::ReceiverReference(reference) => {
                answer_reference(tables, outbox, peer, reference, now_us);
            }
            _ => {}
        }
    }
    Ok(())
}

fn sender_report(
    tables: &mut Tables,
    outbox: &mut Outbox,
    peer: TransportKey,
    report: &SenderReport,
    now_us: i64,
) {
    let Some(transport) = tables.transports.get_mut(peer) else { return };
    let Some(stream) = transport.stream(report.ssrc).filter(|stream| !stream.rtx) else { return };
    let Some(source) = tables.sources.get_mut(stream.layer.source) else { return };
    let Some(layer) = source.layers.get_mut(stream.layer.index) else { return };
    let ntp_us = rtcp::us_from_ntp(report.ntp);
    transport.clock.report(ntp_us, now_us);
    layer.clock.borrow_mut().report(ntp_us, layer.timestamps.nearest(report.rtp_timestamp));
    layer.reception.sender_report(rtcp::ntp_middle(report.ntp), now_us);
    if source.open && !source.taps.is_empty() {
        let alone = rtcp::build_sender_report(
            report.ssrc,
            report.ntp,
            report.rtp_timestamp,
            report.packet_count,
            report.octet_count,
            &[],
        );
        tapping::take_report(tables, outbox, stream.layer.source, &alone, now_us);
    }
}

fn reports(
    tables: &mut Tables,
    peer: TransportKey,
    blocks: &[ReportBlock],
    now_us: i64,
    wall_offset_us: i64,
) {
    let Tables { transports, slots, .. } = tables;
    let Some(transport) = transports.get_mut(peer) else { return };
    let mut expected = 0_i64;
    let mut lost_256 = 0_i64;
    let mut pictures_expected = 0_i64;
    let mut pictures_lost_256 = 0_i64;
    for block in blocks {
        let Some(slot) = transport.slot_by_ssrc(block.ssrc).and_then(|key| slots.get_mut(key)) else {
            continue;
        };
        let never_sent = slot.never_sent(block.highest_sequence);
        if let Some(before) = slot.reported_highest.replace(block.highest_sequence) {
            let packets = i64::from(block.highest_sequence.wrapping_sub(before));
            if packets < 1 << 20 {
                let sent = (packets - never_sent).max(0);
                let missing_256 = (packets * i64::from(block.fraction_lost) - 256 * never_sent).max(0);
                expected += sent;
                lost_256 += missing_256;
                if slot.video {
                    pictures_expected += sent;
                    pictures_lost_256 += missing_256;
                }
            }
        }
        let now_ntp = rtcp::ntp_from_us(now_us + wall_offset_us);
        if let Some(round_trip_us) = rtcp::round_trip_us(now_ntp, block.lsr, block.dlsr) {
            transport.round_trip_us = Some(round_trip_us);
        }
        transport.reports_changed = true;
    }
    transport.pictures_reported += pictures_expected.unsigned_abs();
    transport.pictures_lost_256 += pictures_lost_256.unsigned_abs();
    transport.sound_reported += (expected - pictures_expected).unsigned_abs();
    transport.sound_lost_256 += (lost_256 - pictures_lost_256).unsigned_abs();
    if expected > 0 {
        #[expect(clippy::cast_precision_loss, reason = "at most 2^20 packets a block, 31 blocks a packet")]
        let fraction = lost_256 as f64 / (256 * expected) as f64;
        transport.fraction_lost = Some(fraction);
    } else if transport.fraction_lost.is_none() && transport.reports_changed {
        transport.fraction_lost = Some(0.0);
    }
}

fn repair_all(
    tables: &mut Tables,
    outbox: &mut Outbox,
    peer: TransportKey,
    media_ssrc: u32,
    lost: &[u16],
    now_us: i64,
) {
    outbox.counters.nacks_received += 1;
    let repaired = tables.transports.get(peer).and_then(|transport| transport.slot_by_ssrc(media_ssrc));
    let repaired =
        repaired.filter(|&key| tables.slots.get(key).is_some_and(|slot| slot.add.rtx_ssrc.is_some()));
    let Some(slot) = repaired else {
        outbox.counters.drop(Drop::RtxUnknown, lost.len() as u64);
        return;
    };
    let mut repaired = Vec::with_capacity(lost.len());
    for &number in lost {
        match repair(tables, outbox, peer, slot, number, now_us, Attempt::First) {
            Ok(()) => repaired.push(number),
            Err(dropped) => outbox.drop(dropped),
        }
    }
    outbox.counters.packets_retransmitted += repaired.len() as u64;
    let fraction_lost = tables.transports.get(peer).and_then(|transport| transport.fraction_lost);
    if !(LOSSY..OVERFULL).contains(&fraction_lost.unwrap_or(0.0)) {
        return;
    }
    for number in repaired {
        if repair(tables, outbox, peer, slot, number, now_us, Attempt::Second).is_ok() {
            outbox.counters.packets_retransmitted += 1;
        }
    }
}

#[derive(Clone, Copy)]
enum Attempt {
    First,
    Second,
}

fn repair(
    tables: &mut Tables,
    outbox: &mut Outbox,
    peer: TransportKey,
    key: SlotKey,
    number: u16,
    now_us: i64,
    attempt: Attempt,
) -> Result<(), Drop> {
    let Tables { transports, slots, sources, .. } = tables;
    let transport = transports.get_mut(peer).ok_or(Drop::RtxUnknown)?;
    if !transport.ready() {
        return Err(if transport.session.is_none() { Drop::NoKeys } else { Drop::NoAddress });
    }
    let slot = slots.get_mut(key).ok_or(Drop::RtxUnknown)?;
    let sent = slot.sent_packet(number).ok_or(Drop::RtxUnknown)?;
    // Also when it went away: what its former SSRCs sent may still be in their caches.
    if !sources.get(sent.layer.source).is_some_and(|source| source.open) {
        return Err(Drop::Gated);
    }
    let round_trip_us = round_trip_or(transport, DEFAULT_ROUND_TRIP_US);
    let length = slot.repair_length(&sent.packet);
    let allowed = match attempt {
        Attempt::First => slot.budget.allow(sent.sequence, length, slot.octets, now_us, round_trip_us),
        Attempt::Second => slot.budget.take(length),
    };
    if !allowed {
        return Err(Drop::RtxBudget);
    }
    let outgoing = Outgoing {
        slot: key,
        packet: sent.packet,
        sequence: sent.sequence,
        offsets: sent.offsets,
        repair: Some(slot.rtx_sequence),
        length,
    };
    outbox.egress.queue(transport, peer, outgoing, true)?;
    slot.rtx_sequence += 1;
    slot.repair_packets += 1;
    slot.repair_octets += length as u64;
    Ok(())
}

/// One who sends nothing knows its round trip by this only, and by that when to ask for a packet again.
fn answer_reference(
    tables: &mut Tables,
    outbox: &mut Outbox,
    peer: TransportKey,
    reference: ReceiverReference,
    now_us: i64,
) {
    let Tables { transports, slots, .. } = tables;
    let Some(transport) = transports.get_mut(peer) else { return };
    if transport.reference_answered_us.is_some_and(|answered_us| now_us - answered_us < REFERENCE_US) {
        return;
    }
    transport.reference_answered_us = Some(now_us);
    let last_rr = rtcp::ntp_middle(reference.ntp);
    let answer = rtcp::build_dlrr(transport.reporter_ssrc(slots), reference.sender_ssrc, last_rr, 0);
    housekeeping::send_feedback(transports, outbox, peer, &answer);
}

/// The peer's round trip, else the given one.
pub fn round_trip_or(transport: &Transport, unknown_us: i64) -> i64 {
    transport.round_trip_us.filter(|&measured_us| measured_us != 0).unwrap_or(unknown_us)
}

fn keyframe(tables: &mut Tables, outbox: &mut Outbox, peer: TransportKey, ssrc: u32, now_us: i64) {
    let asked = tables.transports.get(peer).and_then(|transport| transport.slot_by_ssrc(ssrc));
    let Some(slot) = asked.and_then(|key| tables.slots.get_mut(key)).filter(|slot| slot.video) else {
        return;
    };
    outbox.counters.keyframe_requests_received += 1;
    if let Some(layer) = slot.pending.or(slot.current)
        && slot.back_off.allow(now_us)
    {
        switching::want_keyframe(tables, layer);
    }
}
