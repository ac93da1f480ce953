//! What only this side of the boundary sees. Behaviour is tested from Python, over both planes.

use std::net::SocketAddr;

use aws_lc_rs::hmac;

use super::*;
use crate::api::{AddSlot, AddSource, AddTransport, Codec, ExtensionIds, SrtpProfile};
use crate::core::tables::{SlotKey, TransportKey};
use crate::egress::HOLD_US;
use crate::rtp;

const START_US: i64 = 1_000_000_000;
const PASSWORD: &str = "a password of 22 bytes";
const CAMERA: u32 = 7_000;
const MICROPHONE: u32 = 7_001;

/// A publisher (1) with camera (10) and microphone (11), and a receiver (2) with a slot for each (20, 21).
fn lesson() -> Core {
    let mut core = Core::new(true, 0);
    for transport in [1, 2] {
        connect(&mut core, transport);
    }
    for (source, codec, ssrc) in [(10, Codec::Vp8, CAMERA), (11, Codec::Opus, MICROPHONE)] {
        core.apply(
            Command::AddSource(AddSource {
                source,
                transport: 1,
                codec,
                clock_rate: 90_000,
                mid: source.to_string(),
                payload_type: 96,
                rtx_payload_type: Some(97),
                extensions: ExtensionIds::default(),
                rids: Vec::new(),
                ssrcs: vec![ssrc],
                rtx_ssrcs: Vec::new(),
                open: true,
                red_payload_type: None,
            }),
            START_US,
        );
        let slot = source + 10;
        core.apply(
            Command::AddSlot(AddSlot {
                slot,
                transport: 2,
                codec,
                clock_rate: 90_000,
                mid: slot.to_string(),
                ssrc: slot as u32,
                rtx_ssrc: Some(slot as u32 + 100),
                cname: "zvonok".to_owned(),
                payload_type: 96,
                rtx_payload_type: Some(97),
                extensions: ExtensionIds::default(),
                first_sequence_number: 65_530,
                first_timestamp: 0,
                red_payload_type: None,
            }),
            START_US,
        );
        core.apply(Command::SetForward { slot, source: Some(source), layer: 0, temporal: 3 }, START_US);
    }
    core.apply(Command::AddTap { tap: 30, source: 10, layer: 0 }, START_US);
    core
}

fn address(transport: u64) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, transport as u8], 5_000))
}

fn connect(core: &mut Core, transport: u64) {
    core.apply(
        Command::AddTransport(AddTransport {
            transport,
            local_ufrag: format!("local{transport}"),
            local_pwd: PASSWORD.to_owned(),
            remote_ufrag: "remote".to_owned(),
            remote_pwd: String::new(),
            max_ingress_bps: 1_000_000_000,
            pad_frames: false,
        }),
        START_US,
    );
    core.receive(&mut check(transport), address(transport), START_US);
    set_keys(core, transport);
}

fn set_keys(core: &mut Core, transport: u64) {
    let keys = Command::SetKeys {
        transport,
        profile: SrtpProfile::AeadAes128Gcm,
        receive_key: Vec::new(),
        send_key: Vec::new(),
    };
    core.apply(keys, START_US);
}

/// A nominating check (RFC 8489): USERNAME, USE-CANDIDATE, MESSAGE-INTEGRITY.
fn check(transport: u64) -> Vec<u8> {
    let mut attributes = Vec::new();
    let username = format!("local{transport}:remote");
    attributes.extend_from_slice(&[0, 6, 0, username.len() as u8]);
    attributes.extend_from_slice(username.as_bytes());
    attributes.resize(attributes.len().next_multiple_of(4), 0);
    attributes.extend_from_slice(&[0, 0x25, 0, 0]);
    let mut message = vec![0, 1, 0, attributes.len() as u8 + 24, 0x21, 0x12, 0xA4, 0x42];
    message.extend_from_slice(&[7; 12]);
    message.extend_from_slice(&attributes);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, PASSWORD.as_bytes());
    let integrity = hmac::sign(&key, &message);
    message.extend_from_slice(&[0, 8, 0, 20]);
    message.extend_from_slice(integrity.as_ref());
    message
}

/// One packet of a frame that nobody finished: its marker is missing.
fn picture(number: i64, keyframe: bool) -> Vec<u8> {
    let head = [0x10, u8::from(!keyframe), 0, 0, 0x9D, 0x01, 0x2A, 0x40, 0x01, 0xB4, 0x00];
    media(CAMERA, number, &head)
}

fn media(ssrc: u32, number: i64, payload: &[u8]) -> Vec<u8> {
    rtp::build(&rtp::Fields {
        payload_type: 96,
        sequence_number: number,
        timestamp: 3_000 * number,
        ssrc,
        payload,
        ..rtp::Fields::default()
    })
}

/// What left for the receiver by now.
fn left(core: &mut Core, now_us: i64) -> usize {
    let mut count = 0;
    core.flush(now_us, &mut |batch: &mut Batch| {
        count += batch.messages.iter().filter(|message| message.address == address(2)).count();
    });
    count
}

/// A keyframe begins, one packet is missing after it and the sound goes along; the picture is held.
fn play(core: &mut Core) {
    left(core, START_US);
    for mut packet in [picture(5, true), picture(7, false), media(MICROPHONE, 1, b"sound")] {
        core.receive(&mut packet, address(1), START_US);
    }
    assert_eq!(core.counters().packets_forwarded, 3);
}

fn assert_empty(core: &Core) {
    let tables = &core.tables;
    assert!(tables.transports.is_empty() && tables.transports_by_handle.is_empty());
    assert!(tables.sources.is_empty() && tables.sources_by_handle.is_empty());
    assert!(tables.slots.is_empty() && tables.slots_by_handle.is_empty());
    assert!(tables.taps.is_empty() && tables.addresses.is_empty() && tables.ufrags.is_empty());
    assert!(tables.active_sources.is_empty() && tables.keyframe_sources.is_empty());
    assert!(tables.lingering_slots.is_empty() && tables.missing_layers.is_empty());
    assert!(tables.unestimated_transports.is_empty() && tables.unreported_slots.is_empty());
    assert!(core.housekeeping.is_empty());
}

#[test]
fn who_leaves_leaves_nothing_behind_whoever_goes_first() {
    for order in [[1, 2], [2, 1]] {
        let mut core = lesson();
        play(&mut core);
        assert!(!core.tables.missing_layers.is_empty() && !core.tables.unreported_slots.is_empty());
        let restart = Command::RestartIce {
            transport: 2,
            local_ufrag: "another".to_owned(),
            local_pwd: PASSWORD.to_owned(),
            remote_ufrag: "remote".to_owned(),
        };
        core.apply(restart, START_US);
        for transport in order {
            core.apply(Command::RemoveTransport { transport }, START_US);
            core.after_commands(START_US);
        }
        assert_empty(&core);
        assert!(core.tables.levels.drain().is_empty());
        core.tick(START_US + 1_000_000);
        assert_eq!(left(&mut core, START_US + 1_000_000), 0);
        assert_eq!(core.egress().deadline_us(), None, "nobody waits for a time");
    }
}

#[test]
fn a_picture_that_was_held_for_someone_who_left_is_let_go() {
    let mut core = lesson();
    play(&mut core);
    assert_eq!(left(&mut core, START_US), 1, "the sound alone");
    assert!(core.egress().deadline_us().is_some());
    core.apply(Command::RemoveTransport { transport: 2 }, START_US);
    assert_eq!(left(&mut core, START_US + HOLD_US), 0);
    assert_eq!(core.egress().deadline_us(), None);
    let cache = core.tables.sources.values().next().map(|source| source.layers[0].cache.clone()).unwrap();
    let packet = cache.borrow().get(5).cloned().unwrap();
    assert_eq!(std::rc::Rc::strong_count(&packet), 2, "held by its cache and here only");
}

#[test]
fn keys_of_those_who_left_name_nobody_new() {
    let mut core = lesson();
    play(&mut core);
    let (slot, transport): (SlotKey, TransportKey) =
        core.tables.slots.iter().map(|(key, slot)| (key, slot.transport)).next().unwrap();
    core.apply(Command::RemoveTransport { transport: 2 }, START_US);
    connect(&mut core, 2);
    assert!(core.tables.transports.get(transport).is_none() && core.tables.slots.get(slot).is_none());
    play_on(&mut core);
    assert_eq!(left(&mut core, START_US + 1_000_000), 1, "the answer to the check alone");
}

fn play_on(core: &mut Core) {
    core.receive(&mut picture(8, true), address(1), START_US);
    core.receive(&mut media(MICROPHONE, 2, b"sound"), address(1), START_US);
}

#[test]
fn packets_are_used_again_when_they_fall_out_of_their_cache() {
    let mut core = lesson();
    play(&mut core);
    let mut now_us = START_US;
    for number in 8..2_000 {
        now_us += 10_000;
        core.receive(&mut picture(number, false), address(1), now_us);
        left(&mut core, now_us + HOLD_US);
    }
    assert!(core.counters().packets_forwarded > 1_900);
    assert_eq!(core.tables.pool.free(), 1, "each packet took the one that the packet before set free");
}

#[test]
fn rollover_counts_begin_anew_with_new_keys() {
    let mut core = lesson();
    play(&mut core);
    let mut now_us = START_US;
    for number in 8..20 {
        now_us += 10_000;
        core.receive(&mut picture(number, false), address(1), now_us);
        left(&mut core, now_us + HOLD_US);
    }
    let slot = *core.tables.slots_by_handle.get(&20).unwrap();
    let sent = core.tables.slots.get(slot).unwrap().highest_sent;
    assert!(sent > 0xFFFF, "its numbers passed their end");
    assert_eq!(core.tables.slots.get_mut(slot).unwrap().rollover(sent), Some(1));
    set_keys(&mut core, 2);
    assert_eq!(core.tables.slots.get_mut(slot).unwrap().rollover(sent + 1), Some(0));
}
