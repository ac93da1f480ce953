//! A receive section of a peer: what it shows, and under which numbers packets leave through it.

use std::cell::RefCell;
use std::rc::Rc;

use crate::api::{ALL_TEMPORAL, AddSlot, Codec};
use crate::core::cache::PacketCache;
use crate::core::clock::{MediaClock, rtp_from_us};
use crate::core::extensions::ExtensionWriter;
use crate::core::keyframes::KeyframeBackOff;
use crate::core::munger::{Changes, Munger};
use crate::core::packet::{Packet, TemporalLayer};
use crate::core::repair::RepairBudget;
use crate::core::source::Layer;
use crate::core::tables::{LayerKey, SourceKey, TransportKey};
use crate::rtcp;

/// Numbers of this many sent packets are kept for repair; the packets stay in the layers' caches.
pub const HISTORY: usize = 512;
const SEGMENTS: usize = 8;
const NOT_SENT: i32 = -1;
const HEADER_LENGTH: usize = 12;
/// The original number that stands before a repaired payload (RFC 4588 section 4).
const ORIGINAL_NUMBER_LENGTH: usize = 2;

/// How a packet's numbers are changed for a slot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offsets {
    /// Added to extended timestamps.
    pub timestamp: i64,
    /// Added to extended picture ids.
    pub picture: i64,
    /// Added to TL0PICIDX, modulo 256.
    pub tl0: i64,
}

/// What the slot sent from one number on: a layer and how its numbers were changed.
pub struct Segment {
    /// Extended number of the first packet.
    pub first: i64,
    /// Whose packets.
    pub layer: LayerKey,
    /// Of the SSRC that was shown, as is the clock; the layer may get another.
    pub cache: Rc<RefCell<PacketCache>>,
    /// See `cache`.
    pub clock: Rc<RefCell<MediaClock>>,
    /// How timestamps and TL0PICIDX were changed.
    pub offsets: Offsets,
    /// How picture ids were.
    pub changes: Rc<RefCell<Changes>>,
}

/// A packet that left through a slot and can be sent again.
pub struct Sent {
    /// The extended number under which it left.
    pub sequence: i64,
    /// How its numbers were changed.
    pub offsets: Offsets,
    /// Whose it is.
    pub layer: LayerKey,
    /// What it was.
    pub packet: Rc<Packet>,
}

/// SSRCs, numbering and time line live as long as the slot.
pub struct Slot {
    /// As it was added, but for `mid` and `cname`: those are in `extensions` and `description` and empty here.
    pub add: AddSlot,
    /// Whose it is.
    pub transport: TransportKey,
    /// Whether its codec has keyframes.
    pub video: bool,
    /// What it is to show.
    pub source: Option<SourceKey>,
    /// Of that source; as commanded, not yet clamped.
    pub wanted_layer: i64,
    /// Highest temporal layer that is to be sent.
    pub wanted_temporal: u8,
    /// Highest temporal layer that is sent now.
    temporal: u8,
    /// Of the newest packet with a temporal layer, the least number before the first.
    frame_timestamp: i64,
    /// Whose packets it gets now.
    pub current: Option<LayerKey>,
    /// To which it switches at the next keyframe.
    pub pending: Option<LayerKey>,
    /// The SDES packet with the slot's CNAME.
    pub description: Box<[u8]>,
    /// Continuous numbers.
    pub munger: Munger,
    /// How far timestamps run ahead of the time line, since they must not fall where sources meet.
    pub ahead_rtp: i64,
    /// Oldest first.
    pub segments: Vec<Segment>,
    /// Of its receiver's keyframe requests.
    pub back_off: KeyframeBackOff,
    /// Of repairs.
    pub budget: RepairBudget,
    /// The next repair's extended number.
    pub rtx_sequence: i64,
    /// Sent, repairs not counted.
    pub packets: u64,
    /// Sent, header and payload.
    pub octets: u64,
    /// How many there were at our last sender report, at `reported_us`.
    pub packets_reported: u64,
    /// See `packets_reported`.
    pub reported_us: i64,
    /// Repairs sent.
    pub repair_packets: u64,
    /// Repairs sent, header and payload.
    pub repair_octets: u64,
    /// Extended.
    pub highest_sent: i64,
    /// Highest number of the peer's last report block.
    pub reported_highest: Option<u32>,
    /// By extended number modulo `HISTORY`: low 31 bits of the source's number, or -1; empty until used.
    sent: Box<[i32]>,
    /// Writes the extension block.
    pub extensions: ExtensionWriter,
    /// Cycle of the first number under the present keys, (media, repair): rollover counts (RFC 3711 section
    /// 3.3.1) begin there. None until one left.
    rollover_base: (Option<i64>, Option<i64>),
}

impl Slot {
    /// Showing nothing.
    pub fn new(mut add: AddSlot, transport: TransportKey) -> Self {
        let video = add.codec == Codec::Vp8;
        let extensions = ExtensionWriter::new(&add.extensions, &add.mid, !video);
        let description = rtcp::build_sdes(add.ssrc, &add.cname).into_boxed_slice();
        add.mid = String::new();
        add.cname = String::new();
        Self {
            transport,
            video,
            source: None,
            wanted_layer: 0,
            wanted_temporal: ALL_TEMPORAL,
            temporal: ALL_TEMPORAL,
            frame_timestamp: i64::MIN,
            current: None,
            pending: None,
            description,
            munger: Munger::new(add.first_sequence_number),
            ahead_rtp: 0,
            segments: Vec::new(),
            back_off: KeyframeBackOff::new(),
            budget: RepairBudget::new(),
            rtx_sequence: 0,
            packets: 0,
            octets: 0,
            packets_reported: 0,
            reported_us: 0,
            repair_packets: 0,
            repair_octets: 0,
            highest_sent: i64::from(add.first_sequence_number) - 1,
            reported_highest: None,
            sent: Box::default(),
            extensions,
            rollover_base: (None, None),
            add,
        }
    }

    /// Bytes before the payload in each packet.
    pub fn overhead(&self) -> usize {
        HEADER_LENGTH + self.extensions.length()
    }

    /// Bytes of a packet as it leaves through the slot, not yet protected or padded.
    pub fn length(&self, packet: &Packet) -> usize {
        self.overhead() + packet.payload_length()
    }

    /// Bytes of its repair (RFC 4588 section 4), not yet protected.
    pub fn repair_length(&self, packet: &Packet) -> usize {
        self.length(packet) + ORIGINAL_NUMBER_LENGTH
    }

    /// What a sender report counts (RFC 3550 section 6.4.1).
    pub fn payload_octets(&self) -> u64 {
        self.octets.saturating_sub(self.packets * self.overhead() as u64)
    }

    /// Go on with this packet of another source or layer.
    ///
    /// Its timestamp is as far from the last one sent as the two were captured apart, on the server's clock; so
    /// the slot's time line goes on whatever clocks stand behind it. Captured before the last one sent, it comes
    /// just after it, and the next switch takes back what that added.
    pub fn start(&mut self, key: LayerKey, layer: &Layer, packet: &Packet) {
        let timestamp = match (self.munger.timestamp_highest, self.segments.last()) {
            (Some(highest), Some(before)) => {
                let last_us = before.clock.borrow().server_us(highest - before.offsets.timestamp);
                let apart_us = layer.clock.borrow().server_us(packet.timestamp) - last_us;
                highest - self.ahead_rtp + rtp_from_us(apart_us, self.add.clock_rate)
            }
            _ => i64::from(self.add.first_timestamp),
        };
        self.ahead_rtp = self.munger.start(packet, timestamp) - timestamp;
        self.current = Some(key);
        if self.segments.len() >= SEGMENTS {
            self.segments.remove(0);
        }
        self.segments.push(Segment {
            first: self.munger.next_sequence(),
            layer: key,
            cache: Rc::clone(&layer.cache),
            clock: Rc::clone(&layer.clock),
            offsets: self.munger.offsets(),
            changes: Rc::clone(self.munger.changes()),
        });
        self.back_off.reset();
        self.temporal = self.wanted_temporal;
        self.frame_timestamp = i64::MIN;
    }

    /// Whether the packet's temporal layer is above what is sent; asked once for each packet.
    ///
    /// Only the first packet of a frame to come changes what is sent, so that no frame is cut in two. What comes
    /// late is sent: the gap that it left is there.
    pub fn leaves_out(&mut self, packet: &Packet) -> bool {
        let Some(TemporalLayer { tid, sync }) = packet.temporal else { return false };
        if !self.munger.is_newest(packet.sequence) {
            return false;
        }
        if self.frame_timestamp != packet.timestamp {
            self.frame_timestamp = packet.timestamp;
            let wanted = self.wanted_temporal;
            if packet.keyframe || wanted < self.temporal {
                self.temporal = wanted;
            } else if sync && self.temporal < tid && tid <= wanted {
                self.temporal = tid;
            }
        }
        tid > self.temporal
    }

    /// Remember which packet left under an extended number.
    pub fn note_sent(&mut self, sequence: i64, source_sequence: i64) {
        if self.sent.is_empty() {
            self.sent = vec![NOT_SENT; HISTORY].into_boxed_slice();
        }
        if sequence > self.highest_sent {
            for missing in (self.highest_sent + 1).max(sequence - HISTORY as i64)..sequence {
                self.note(missing, NOT_SENT);
            }
            self.highest_sent = sequence;
        }
        self.note(sequence, (source_sequence & 0x7FFF_FFFF) as i32);
    }

    fn note(&mut self, sequence: i64, low_bits: i32) {
        if let Some(place) = self.sent.get_mut(place(sequence)) {
            *place = low_bits;
        }
    }

    /// How many numbers up to this highest one (of 16 bits) had nothing to send; they are told once.
    pub fn never_sent(&mut self, highest: u32) -> i64 {
        let last = self.munger.next_sequence() - 1;
        self.munger.gaps.take(last - ((last - i64::from(highest)) & 0xFFFF))
    }

    /// What left under a 16-bit number, if it can be repeated.
    pub fn sent_packet(&self, number: u16) -> Option<Sent> {
        let behind = (self.highest_sent - i64::from(number)) & 0xFFFF;
        if behind >= HISTORY as i64 {
            return None;
        }
        let sequence = self.highest_sent - behind;
        let low_bits = *self.sent.get(place(sequence))?;
        if low_bits == NOT_SENT {
            return None;
        }
        let segment = self.segments.iter().rev().find(|segment| sequence >= segment.first)?;
        let packet = Rc::clone(segment.cache.borrow().find(low_bits)?);
        let picture = segment.changes.borrow().picture_offset(packet.sequence);
        let offsets = Offsets { picture, ..segment.offsets };
        Some(Sent { sequence, offsets, layer: segment.layer, packet })
    }

    /// The receiver's keys were set anew: its rollover counts begin at 0 with the next packet that leaves. Which
    /// that is nobody knows yet: numbers may be left out, also over the end of a cycle.
    pub fn rekey(&mut self) {
        self.rollover_base = (None, None);
    }

    /// Rollover count of a number on the slot's SSRC that leaves now; None for one of a cycle before the first.
    pub fn rollover(&mut self, sequence: i64) -> Option<u32> {
        rollover(&mut self.rollover_base.0, sequence)
    }

    /// Rollover count of a number on the slot's RTX SSRC that leaves now; None likewise.
    pub fn repair_rollover(&mut self, sequence: i64) -> Option<u32> {
        rollover(&mut self.rollover_base.1, sequence)
    }
}

fn rollover(base: &mut Option<i64>, sequence: i64) -> Option<u32> {
    let cycle = sequence >> 16;
    u32::try_from(cycle - *base.get_or_insert(cycle)).ok()
}

fn place(sequence: i64) -> usize {
    sequence.rem_euclid(HISTORY as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AddSource, ExtensionIds};
    use crate::core::clock::PublisherClock;
    use crate::core::source::Source;

    fn slot() -> Slot {
        let extensions = ExtensionIds { mid: 4, abs_send_time: 2, ..ExtensionIds::default() };
        let add = AddSlot {
            slot: 1,
            transport: 1,
            codec: Codec::Vp8,
            clock_rate: 90_000,
            mid: "7".into(),
            ssrc: 5,
            rtx_ssrc: Some(6),
            cname: "c".into(),
            payload_type: 96,
            rtx_payload_type: Some(97),
            extensions,
            first_sequence_number: 65_530,
            first_timestamp: 1_000,
            red_payload_type: None,
        };
        Slot::new(add, TransportKey::default())
    }

    fn source() -> Source {
        let add = AddSource {
            source: 1,
            transport: 1,
            codec: Codec::Vp8,
            clock_rate: 90_000,
            mid: "0".into(),
            payload_type: 96,
            rtx_payload_type: Some(97),
            extensions: ExtensionIds::default(),
            rids: Vec::new(),
            ssrcs: Vec::new(),
            rtx_ssrcs: Vec::new(),
            open: true,
            red_payload_type: None,
        };
        Source::new(add, TransportKey::default(), &PublisherClock::new())
    }

    fn key() -> LayerKey {
        LayerKey { source: SourceKey::default(), index: 0 }
    }

    fn send(slot: &mut Slot, source: &mut Source, sequence: i64, now_us: i64) -> i64 {
        let packet = Rc::new(Packet { sequence, timestamp: sequence * 3_000, ..Packet::default() });
        let layer = &source.layers[0];
        layer.cache.borrow_mut().put(Rc::clone(&packet)).unwrap();
        layer.clock.borrow_mut().packet(packet.timestamp, now_us);
        if slot.current.is_none() {
            slot.start(key(), layer, &packet);
        }
        let (sent, _) = slot.munger.place(&packet).unwrap();
        slot.note_sent(sent, sequence);
        sent
    }

    #[test]
    fn what_left_is_found_by_its_number_while_it_is_remembered() {
        let (mut slot, mut source) = (slot(), source());
        assert!(slot.sent_packet(65_530).is_none());
        for sequence in 0..600 {
            send(&mut slot, &mut source, sequence, sequence * 33_000);
        }
        assert_eq!(slot.highest_sent, 65_530 + 599);
        for sequence in 88..600 {
            let sent = slot.sent_packet((65_530 + sequence) as u16).unwrap();
            assert_eq!((sent.sequence, sent.packet.sequence), (65_530 + sequence, sequence));
            assert_eq!((sent.layer, sent.offsets.timestamp), (key(), 1_000));
        }
        assert!(slot.sent_packet((65_530 + 87) as u16).is_none());
        assert!(slot.sent_packet((65_530 + 600) as u16).is_none());
    }

    #[test]
    fn a_number_that_never_left_is_not_found() {
        let (mut slot, mut source) = (slot(), source());
        for sequence in [0, 1, 3, 500, 1_100] {
            send(&mut slot, &mut source, sequence, 0);
        }
        let found = |sequence: i64| slot.sent_packet((65_530 + sequence) as u16).is_some();
        assert!(found(1_100));
        for sequence in (0..1_100).chain([1_101, 1_612]) {
            assert!(!found(sequence), "{sequence}");
        }
    }

    #[test]
    fn time_goes_on_across_clocks_and_takes_back_what_a_switch_added() {
        let (mut slot, mut one, mut two) = (slot(), source(), source());
        send(&mut slot, &mut one, 0, 1_000_000);
        assert_eq!(slot.munger.timestamp_highest, Some(1_000));
        slot.current = None;
        send(&mut slot, &mut two, 90, 900_000);
        assert_eq!(slot.munger.timestamp_highest, Some(1_001), "captured before: just after the last one");
        assert_eq!(slot.ahead_rtp, 9_001);
        slot.current = None;
        send(&mut slot, &mut one, 30, 2_000_000);
        assert_eq!(slot.munger.timestamp_highest, Some(91_000), "a second after the first one");
        assert_eq!(slot.ahead_rtp, 0);
    }

    #[test]
    fn lengths_count_what_stands_before_the_payload() {
        let slot = slot();
        let packet =
            Packet { bytes: vec![0; 10], picture_id: Some(1), tl0picidx: Some(1), ..Packet::default() };
        assert_eq!(slot.overhead(), 12 + 12);
        assert_eq!(slot.length(&packet), 24 + 10 + 3);
        assert_eq!(slot.repair_length(&packet), 24 + 10 + 3 + 2);
    }

    #[test]
    fn rollovers_are_counted_from_new_keys_on() {
        let (mut slot, mut source) = (slot(), source());
        for sequence in 0..10 {
            send(&mut slot, &mut source, sequence, 0);
        }
        assert_eq!((slot.rollover(65_535), slot.rollover(65_536)), (Some(0), Some(1)));
        slot.rekey();
        assert_eq!(
            (slot.rollover(65_536), slot.rollover(65_535), slot.rollover(131_072)),
            (Some(0), None, Some(1)),
            "what is of a cycle before the first has no count"
        );
        assert_eq!((slot.repair_rollover(70_000), slot.repair_rollover(140_000)), (Some(0), Some(1)));
    }

    #[test]
    fn an_idle_slot_is_small() {
        let slot = slot();
        assert!(size_of::<Slot>() <= 576, "{}", size_of::<Slot>());
        assert!(slot.sent.is_empty());
        assert_eq!(slot.segments.capacity(), 0);
    }
}
