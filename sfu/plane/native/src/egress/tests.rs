//! Grouping, padding, holding, pacing over made-up tables.

use std::net::SocketAddr;
use std::rc::Rc;

use super::*;
use crate::api::{AddSlot, AddTransport, Codec, ExtensionIds};

const MEDIA_PAYLOAD: usize = 1000;
const HEADER: usize = 12;
/// Within the first quantum.
const NOW_US: i64 = QUANTUM_US * 1000 + 1;

struct Rig {
    tables: Tables,
    egress: Egress,
    counters: Counters,
    receivers: Vec<(TransportKey, SlotKey, SlotKey)>,
    sequence: i64,
    sent: Vec<Sent>,
    batches: usize,
}

/// One message as the socket gets it.
struct Sent {
    address: SocketAddr,
    segments: Vec<Vec<u8>>,
}

impl Rig {
    fn new(receivers: usize, pad_frames: bool) -> Self {
        let mut rig = Self {
            tables: Tables::default(),
            egress: Egress::new(true, true),
            counters: Counters::default(),
            receivers: Vec::new(),
            sequence: 0,
            sent: Vec::new(),
            batches: 0,
        };
        for index in 0..receivers {
            rig.add_receiver(index, pad_frames);
        }
        rig
    }

    fn add_receiver(&mut self, index: usize, pad_frames: bool) {
        let add = AddTransport {
            transport: index as u64,
            local_ufrag: String::new(),
            local_pwd: String::new(),
            remote_ufrag: String::new(),
            remote_pwd: String::new(),
            max_ingress_bps: 1,
            pad_frames,
        };
        let mut transport = Transport::new(add, 0);
        transport.session = Some(Session::plain());
        transport.address = Some(SocketAddr::from(([127, 0, 0, 1], 1000 + index as u16)));
        let key = self.tables.transports.insert(transport);
        let mut slot = |codec, ssrc| {
            let add = AddSlot {
                slot: 0,
                transport: index as u64,
                codec,
                clock_rate: 90_000,
                mid: String::new(),
                ssrc,
                rtx_ssrc: Some(ssrc + 1),
                cname: String::new(),
                payload_type: 96,
                rtx_payload_type: Some(97),
                extensions: ExtensionIds::default(),
                first_sequence_number: 0,
                first_timestamp: 0,
                red_payload_type: None,
            };
            self.tables.slots.insert(Slot::new(add, key))
        };
        let video = slot(Codec::Vp8, 10);
        let sound = slot(Codec::Opus, 20);
        self.receivers.push((key, video, sound));
    }

    fn queue_as(
        &mut self,
        receiver: usize,
        payload: usize,
        marker: bool,
        repair: Option<i64>,
        sound: bool,
    ) -> Result<(), Drop> {
        let (key, video, audio) = self.receivers[receiver];
        let slot = if sound { audio } else { video };
        let sequence = self.sequence;
        self.sequence += 1;
        let packet = Packet { sequence, marker, bytes: vec![7; payload], ..Packet::default() };
        let length = HEADER + payload + if repair.is_some() { 2 } else { 0 };
        let outgoing =
            Outgoing { slot, packet: Rc::new(packet), sequence, offsets: Offsets::default(), repair, length };
        let transport = self.tables.transports.get_mut(key).unwrap();
        self.egress.queue(transport, key, outgoing, sound || repair.is_some())
    }

    fn video(&mut self, receiver: usize, payload: usize, marker: bool) {
        self.queue_as(receiver, payload, marker, None, false).unwrap();
    }

    fn sound(&mut self, receiver: usize) {
        self.queue_as(receiver, 80, false, None, true).unwrap();
    }

    fn frame(&mut self, receiver: usize, payloads: &[usize]) {
        for (index, payload) in payloads.iter().enumerate() {
            self.video(receiver, *payload, index + 1 == payloads.len());
        }
    }

    fn set_rate(&mut self, receiver: usize, bps: u64) {
        let (key, ..) = self.receivers[receiver];
        let transport = self.tables.transports.get_mut(key).unwrap();
        transport.queue.set_rate(bps);
        self.egress.touch(transport, key);
    }

    fn flush(&mut self, now_us: i64) -> Vec<Sent> {
        let Self { tables, egress, counters, sent, batches, .. } = self;
        egress.flush(tables, counters, now_us, &mut |batch| {
            *batches += 1;
            assert!(batch.messages.len() <= MAX_MESSAGES);
            assert!(batch.buffer.len() <= MAX_BATCH_BYTES);
            for message in &batch.messages {
                assert!(message.segments() <= MAX_SEGMENTS);
                let segments: Vec<_> =
                    batch.bytes(message).chunks(message.segment).map(<[u8]>::to_vec).collect();
                assert!(segments.len() == 1 || message.length <= MAX_GROUP_BYTES);
                assert_eq!(segments.len(), message.segments());
                sent.push(Sent { address: message.address, segments });
            }
        });
        std::mem::take(sent)
    }

    fn sizes(&mut self, now_us: i64) -> Vec<Vec<usize>> {
        let sent = self.flush(now_us);
        sent.iter()
            .map(|message| message.segments.iter().map(|bytes| bytes.len() - HEADER).collect())
            .collect()
    }

    fn dropped(&self, reason: Drop) -> u64 {
        self.counters.dropped[reason as usize]
    }
}

fn sequence_of(datagram: &[u8]) -> u16 {
    u16::from_be_bytes([datagram[2], datagram[3]])
}

#[test]
fn a_frame_leaves_as_one_message_a_receiver() {
    let mut rig = Rig::new(3, false);
    for receiver in 0..3 {
        rig.frame(receiver, &[MEDIA_PAYLOAD; 4]);
    }
    let sent = rig.flush(NOW_US);
    assert_eq!(sent.iter().map(|message| message.segments.len()).collect::<Vec<_>>(), [4, 4, 4]);
    assert_eq!(sent[1].address.port(), 1001);
    assert_eq!(sent[1].segments.iter().map(|bytes| sequence_of(bytes)).collect::<Vec<_>>(), [4, 5, 6, 7]);
    assert_eq!((rig.counters.datagrams_out, rig.counters.bytes_out), (12, 12 * 1012));
    assert_eq!(rig.egress.deadline_us(), None);
}

#[test]
fn packets_one_byte_smaller_are_padded_where_agreed() {
    let mut rig = Rig::new(1, true);
    rig.frame(0, &[999, 1000, 999, 1000, 999]);
    let sent = rig.flush(NOW_US);
    assert_eq!(sent.len(), 1);
    let segments = &sent[0].segments;
    assert_eq!(segments.iter().map(Vec::len).collect::<Vec<_>>(), [1012, 1012, 1012, 1012, 1011]);
    for (bytes, padded) in segments.iter().zip([true, false, true, false, false]) {
        assert_eq!(bytes[0], if padded { 0xA0 } else { 0x80 });
        assert_eq!(bytes.last(), Some(if padded { &1 } else { &7 }));
    }
}

#[test]
fn packets_of_other_sizes_make_messages_of_their_own_where_padding_is_not_agreed() {
    let mut rig = Rig::new(1, false);
    rig.frame(0, &[999, 1000, 1000, 999]);
    let sent = rig.flush(NOW_US);
    assert_eq!(sent.iter().map(|message| message.segments.len()).collect::<Vec<_>>(), [1, 3]);
    assert!(sent.iter().flat_map(|message| &message.segments).all(|bytes| bytes[0] == 0x80));
}

#[test]
fn only_the_last_of_a_message_is_shorter() {
    let mut rig = Rig::new(1, true);
    rig.frame(0, &[1000, 1000, 300, 1000, 1002, 1001]);
    assert_eq!(rig.sizes(NOW_US), [vec![1000, 1000, 300], vec![1000], vec![1002, 1001]]);
}

#[test]
fn messages_are_of_64_segments_and_65000_bytes_at_most() {
    let mut rig = Rig::new(1, true);
    rig.set_rate(0, 0);
    rig.frame(0, &[100; 70]);
    rig.frame(0, &[1100; 70]);
    let counts: Vec<usize> = rig.flush(NOW_US).iter().map(|message| message.segments.len()).collect();
    assert_eq!(counts, [64, 6, 56, 14]);
}

#[test]
fn a_frame_is_held_until_its_last_packet() {
    let mut rig = Rig::new(1, false);
    rig.video(0, MEDIA_PAYLOAD, false);
    assert!(rig.flush(NOW_US).is_empty());
    assert_eq!(rig.egress.deadline_us(), Some(NOW_US + HOLD_US));
    rig.video(0, MEDIA_PAYLOAD, false);
    assert!(rig.flush(NOW_US + 300).is_empty());
    assert_eq!(rig.egress.deadline_us(), Some(NOW_US + HOLD_US));
    rig.video(0, MEDIA_PAYLOAD, true);
    assert_eq!(rig.sizes(NOW_US + 600), [vec![MEDIA_PAYLOAD; 3]]);
    assert_eq!(rig.egress.deadline_us(), None);
}

#[test]
fn a_frame_whose_end_does_not_come_leaves_after_the_hold() {
    let mut rig = Rig::new(1, false);
    rig.video(0, MEDIA_PAYLOAD, false);
    assert!(rig.flush(NOW_US).is_empty());
    assert!(rig.flush(NOW_US + HOLD_US - 1).is_empty());
    assert_eq!(rig.sizes(NOW_US + HOLD_US), [vec![MEDIA_PAYLOAD]]);
    rig.video(0, MEDIA_PAYLOAD, false);
    assert!(rig.flush(NOW_US + 3 * HOLD_US).is_empty(), "the next packet is held anew");
    assert_eq!(rig.egress.deadline_us(), Some(NOW_US + 4 * HOLD_US));
}

#[test]
fn sound_and_repairs_go_first_at_once_and_alone() {
    let mut rig = Rig::new(1, true);
    rig.video(0, 80, false);
    rig.sound(0);
    rig.sound(0);
    rig.queue_as(0, 78, false, Some(5), false).unwrap();
    let sent = rig.flush(NOW_US);
    assert_eq!(sent.iter().map(|message| message.segments.len()).collect::<Vec<_>>(), [1, 1, 1]);
    let repair = &sent[2].segments[0];
    assert_eq!((repair[1], sequence_of(repair)), (97, 5), "RFC 4588: own payload type, own numbers");
    assert_eq!(&repair[8..14], &[0, 0, 0, 11, 0, 3], "own SSRC, then the original number");
    assert_eq!(rig.sizes(NOW_US + HOLD_US), [vec![80]]);
}

#[test]
fn video_leaves_at_the_rate_of_its_receiver() {
    let mut rig = Rig::new(2, false);
    let quantum_bytes = 4 * (MEDIA_PAYLOAD + HEADER);
    rig.set_rate(0, quantum_bytes as u64 * 8 * 1_000_000 / QUANTUM_US as u64);
    for receiver in 0..2 {
        rig.frame(receiver, &[MEDIA_PAYLOAD; 10]);
    }
    assert_eq!(rig.sizes(NOW_US), [vec![MEDIA_PAYLOAD; 4], vec![MEDIA_PAYLOAD; 10]]);
    let next_us = NOW_US - 1 + QUANTUM_US;
    assert_eq!(rig.egress.deadline_us(), Some(next_us));
    assert!(rig.flush(next_us - 1).is_empty());
    assert_eq!(rig.sizes(next_us), [vec![MEDIA_PAYLOAD; 4]]);
    assert_eq!(rig.sizes(next_us + QUANTUM_US), [vec![MEDIA_PAYLOAD; 2]]);
    assert_eq!(rig.egress.deadline_us(), None);
    rig.frame(0, &[MEDIA_PAYLOAD; 10]);
    assert_eq!(rig.sizes(next_us + 1000 * QUANTUM_US), [vec![MEDIA_PAYLOAD; 4]], "quiet earns no flood");
}

#[test]
fn sound_takes_of_the_rate_but_never_waits() {
    let mut rig = Rig::new(1, false);
    rig.set_rate(0, 8 * 200 * 1_000_000 / QUANTUM_US as u64);
    for _ in 0..10 {
        rig.sound(0);
    }
    rig.frame(0, &[100]);
    assert_eq!(rig.flush(NOW_US).len(), 10);
    let quanta = (1..20).find(|quanta| !rig.flush(NOW_US + quanta * QUANTUM_US).is_empty()).unwrap();
    assert_eq!(quanta, 10 * 92 / 200);
}

#[test]
fn a_packet_larger_than_a_quantum_passes_and_is_paid_for() {
    let mut rig = Rig::new(1, false);
    rig.set_rate(0, 8 * 500 * 1_000_000 / QUANTUM_US as u64);
    rig.frame(0, &[MEDIA_PAYLOAD; 3]);
    let sent: Vec<usize> = (0..7).map(|quanta| rig.flush(NOW_US + quanta * QUANTUM_US).len()).collect();
    assert_eq!(sent, [1, 0, 1, 0, 1, 0, 0]);
}

#[test]
fn a_higher_rate_is_heeded_at_once() {
    let mut rig = Rig::new(1, false);
    rig.set_rate(0, 1);
    rig.frame(0, &[MEDIA_PAYLOAD; 5]);
    assert_eq!(rig.sizes(NOW_US), [vec![MEDIA_PAYLOAD]]);
    rig.set_rate(0, 0);
    assert_eq!(rig.sizes(NOW_US + 10), [vec![MEDIA_PAYLOAD; 4]]);
}

#[test]
fn what_waited_too_long_or_finds_no_room_is_dropped_and_counted() {
    let mut rig = Rig::new(1, false);
    rig.flush(NOW_US);
    rig.set_rate(0, 1);
    for _ in 0..MAX_VIDEO_PACKETS {
        rig.video(0, 100, true);
    }
    assert_eq!(rig.queue_as(0, 100, true, None, false), Err(Drop::PacerFull));
    rig.sound(0);
    assert_eq!(rig.flush(NOW_US + 10).len(), 1, "the sound");
    assert_eq!(rig.flush(NOW_US + MAX_WAIT_US + QUANTUM_US).len(), 0);
    assert_eq!(rig.dropped(Drop::PacerFull), MAX_VIDEO_PACKETS as u64);
    assert_eq!(rig.egress.deadline_us(), None);
}

#[test]
fn urgent_packets_are_bounded_too() {
    let mut rig = Rig::new(1, false);
    for _ in 0..MAX_URGENT_PACKETS {
        rig.sound(0);
    }
    assert_eq!(rig.queue_as(0, 80, false, None, true), Err(Drop::PacerFull));
}

#[test]
fn batches_are_bounded() {
    let mut rig = Rig::new(100, false);
    for receiver in 0..100 {
        rig.frame(receiver, &[1100; 10]);
    }
    let sent = rig.flush(NOW_US);
    assert_eq!(sent.len(), 100);
    assert!(rig.batches >= 100 * 10 * 1112 / MAX_BATCH_BYTES);
}

#[test]
fn what_was_queued_for_a_receiver_that_went_away_vanishes() {
    let mut rig = Rig::new(3, false);
    for receiver in 0..3 {
        rig.video(receiver, 100, false);
    }
    rig.flush(NOW_US);
    rig.tables.transports.remove(rig.receivers[0].0);
    rig.video(1, 100, true);
    rig.tables.transports.remove(rig.receivers[1].0);
    let sent = rig.flush(NOW_US + HOLD_US);
    assert_eq!(sent.iter().map(|message| message.address.port()).collect::<Vec<_>>(), [1002]);
    assert_eq!(rig.egress.deadline_us(), None);
    assert!(rig.counters.dropped.iter().all(|count| *count == 0));
}

#[test]
fn what_was_queued_for_a_slot_that_went_away_vanishes() {
    let mut rig = Rig::new(1, true);
    rig.frame(0, &[100, 100]);
    rig.sound(0);
    rig.tables.slots.remove(rig.receivers[0].1);
    assert_eq!(rig.flush(NOW_US).len(), 1);
    assert!(rig.counters.dropped.iter().all(|count| *count == 0));
}

#[test]
fn what_can_not_be_sent_any_more_is_counted() {
    let mut rig = Rig::new(2, false);
    for receiver in 0..2 {
        rig.video(receiver, 100, false);
    }
    rig.flush(NOW_US);
    rig.tables.transports[rig.receivers[0].0].session = None;
    rig.tables.transports[rig.receivers[1].0].address = None;
    rig.sound(1);
    assert!(rig.flush(NOW_US + HOLD_US).is_empty());
    assert_eq!((rig.dropped(Drop::NoKeys), rig.dropped(Drop::NoAddress)), (1, 2));
    assert_eq!(rig.egress.deadline_us(), None);
}

#[test]
fn what_is_of_a_cycle_before_the_present_keys_first_is_not_sent() {
    let mut rig = Rig::new(1, false);
    rig.frame(0, &[100]);
    rig.tables.slots[rig.receivers[0].1].rollover(0x1_0000);
    assert!(rig.flush(NOW_US).is_empty());
    assert_eq!(rig.dropped(Drop::NoKeys), 1);
}

#[test]
fn answers_leave_before_media() {
    let mut rig = Rig::new(1, false);
    rig.sound(0);
    rig.egress.raw(&[1, 2, 3], SocketAddr::from(([127, 0, 0, 1], 9)), None);
    let sent = rig.flush(NOW_US);
    assert_eq!(sent[0].segments, [[1, 2, 3]]);
    assert_eq!((sent.len(), rig.counters.datagrams_out, rig.counters.bytes_out), (2, 2, 95));
}

#[test]
fn unpaced_everything_leaves_one_by_one_in_the_order_of_queueing() {
    let mut rig = Rig::new(2, true);
    rig.egress.paced = false;
    rig.set_rate(0, 1);
    let answer = SocketAddr::from(([127, 0, 0, 1], 9));
    rig.video(0, MEDIA_PAYLOAD, false);
    rig.video(1, MEDIA_PAYLOAD, false);
    rig.egress.raw(&[0; 12], answer, None);
    rig.video(0, MEDIA_PAYLOAD + 1, false);
    rig.sound(0);
    rig.sound(1);
    let sent = rig.flush(NOW_US);
    let ports: Vec<u16> = sent.iter().map(|message| message.address.port()).collect();
    assert_eq!(ports, [1000, 1001, 9, 1000, 1000, 1001]);
    assert!(sent.iter().all(|message| message.segments.len() == 1));
    let numbers: Vec<u16> = sent.iter().map(|message| sequence_of(&message.segments[0])).collect();
    assert_eq!(numbers, [0, 1, 0, 2, 3, 4]);
    assert!(sent.iter().all(|message| message.segments[0][0] & 0x20 == 0), "nothing is padded");
}

#[test]
fn every_receiver_that_waits_has_its_turn_whoever_else_comes_and_goes() {
    let mut rig = Rig::new(40, false);
    let mut random = 1u64;
    let mut next = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    let mut now_us = NOW_US;
    let (mut queued, mut sent) = (0, 0);
    for receiver in 0..40 {
        rig.set_rate(receiver, 2_000_000);
    }
    for _ in 0..5_000 {
        now_us += next(700) as i64;
        let receiver = next(40) as usize;
        if next(200) == 0 {
            let (key, ..) = rig.receivers[receiver];
            if let Some(transport) = rig.tables.transports.remove(key) {
                queued -= transport.queue.waiting_packets();
            }
            rig.add_receiver(receiver, false);
            rig.receivers.swap_remove(receiver);
        }
        for _ in 0..next(4) {
            rig.video(receiver, 100 + next(3) as usize * 500, next(3) == 0);
            queued += 1;
        }
        sent += rig.flush(now_us).iter().map(|message| message.segments.len()).sum::<usize>();
        assert!(rig.egress.deadline_us().is_none_or(|due_us| due_us > now_us));
    }
    for _ in 0..10_000 {
        let Some(due_us) = rig.egress.deadline_us() else { break };
        sent += rig.flush(due_us).iter().map(|message| message.segments.len()).sum::<usize>();
    }
    assert_eq!(sent, queued);
}
