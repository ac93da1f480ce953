//! Our own RTCP: sender reports of slots, receiver reports and REMB to publishers.

use slotmap::SlotMap;

use crate::core::slot::Slot;
use crate::core::source::{Layer, Source};
use crate::core::tables::{LayerKey, SlotKey, SourceKey};
use crate::core::transport::Transport;
use crate::rtcp;

const MAX_DATAGRAM: usize = 1150;
const MAX_BLOCKS: usize = 31;
const PACKETS_A_REPORT: u64 = 20;
const SLOW_INTERVAL_US: i64 = 5_000_000;
/// RFC 3550 section 6.4.1, without report blocks.
const SENDER_REPORT_LENGTH: usize = 28;

/// Whether the slot owes a report, asked each second: when 20 packets were sent since the last, so that reports
/// stay below a twentieth of what is sent (RFC 3550 section 6.2), else after 5 s.
pub fn is_due(slot: &Slot, now_us: i64) -> bool {
    let fresh = slot.packets - slot.packets_reported;
    fresh >= PACKETS_A_REPORT || (fresh > 0 && now_us - slot.reported_us >= SLOW_INTERVAL_US)
}

/// The slot's report on the server's clock with its CNAME; None when it shows nothing.
///
/// NTP time and RTP timestamp are of this moment, by what the present layer's clock says; so slots of one peer
/// stay in step whatever the clocks of the publishers behind them.
pub fn sender_report(
    slot: &mut Slot,
    sources: &SlotMap<SourceKey, Source>,
    now_us: i64,
    wall_offset_us: i64,
) -> Option<Vec<u8>> {
    let layer = layer(sources, slot.current?)?;
    if slot.packets == 0 {
        return None;
    }
    slot.packets_reported = slot.packets;
    slot.reported_us = now_us;
    let timestamp = layer.clock.borrow().timestamp_rtp(now_us) + slot.munger.offsets().timestamp;
    // Packed here: with many quiet receivers these reports are most of what the plane writes.
    let mut report = Vec::with_capacity(SENDER_REPORT_LENGTH + slot.description.len());
    report.extend_from_slice(&[0x80, rtcp::SR, 0, (SENDER_REPORT_LENGTH / 4 - 1) as u8]);
    report.extend_from_slice(&slot.add.ssrc.to_be_bytes());
    report.extend_from_slice(&rtcp::ntp_from_us(now_us + wall_offset_us).to_be_bytes());
    report.extend_from_slice(&(timestamp as u32).to_be_bytes());
    report.extend_from_slice(&(slot.packets as u32).to_be_bytes());
    report.extend_from_slice(&(slot.payload_octets() as u32).to_be_bytes());
    report.extend_from_slice(&slot.description);
    Some(report)
}

/// Reports on what the peer sent since the last ones; None when it sent nothing.
pub fn receiver_report(
    transport: &Transport,
    sources: &mut SlotMap<SourceKey, Source>,
    slots: &SlotMap<SlotKey, Slot>,
    now_us: i64,
) -> Option<Vec<u8>> {
    let mut blocks = Vec::new();
    for (ssrc, stream) in transport.streams.iter().filter(|(_, stream)| !stream.rtx) {
        let source = sources.get_mut(stream.layer.source);
        let Some(layer) = source.and_then(|source| source.layers.get_mut(stream.layer.index)) else {
            continue;
        };
        if layer.reception.heard() {
            blocks.push(layer.reception.report(*ssrc, now_us));
        }
    }
    blocks.truncate(MAX_BLOCKS);
    if blocks.is_empty() {
        return None;
    }
    Some(rtcp::build_receiver_report(transport.reporter_ssrc(slots), &blocks))
}

/// REMB for all video of the peer; None when nothing was estimated or no video is sent.
pub fn estimate(
    transport: &Transport,
    sources: &SlotMap<SourceKey, Source>,
    slots: &SlotMap<SlotKey, Slot>,
) -> Option<Vec<u8>> {
    let bps = transport.estimate_bps?.min(transport.max_ingress_bps);
    let videos = transport.streams.iter().filter(|(_, stream)| {
        !stream.rtx && sources.get(stream.layer.source).is_some_and(|source| source.video)
    });
    let ssrcs: Vec<u32> = videos.map(|(ssrc, _)| *ssrc).collect();
    if ssrcs.is_empty() {
        return None;
    }
    Some(rtcp::build_remb(transport.reporter_ssrc(slots), bps, &ssrcs))
}

/// Join packets into datagrams that fit a path.
pub fn compounds(parts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut datagrams: Vec<Vec<u8>> = Vec::new();
    for part in parts {
        match datagrams.last_mut() {
            Some(gathered) if gathered.len() + part.len() <= MAX_DATAGRAM => {
                gathered.extend_from_slice(&part);
            }
            _ => datagrams.push(part),
        }
    }
    datagrams
}

fn layer(sources: &SlotMap<SourceKey, Source>, key: LayerKey) -> Option<&Layer> {
    sources.get(key.source)?.layers.get(key.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_into_datagrams_that_fit_a_path() {
        let datagrams = compounds(vec![vec![1; 600], vec![2; 550], vec![3; 1], vec![4; 1200], vec![5; 2]]);
        assert_eq!(datagrams.iter().map(Vec::len).collect::<Vec<_>>(), [1150, 1, 1200, 2]);
        assert_eq!(compounds(Vec::new()), Vec::<Vec<u8>>::new());
    }
}
