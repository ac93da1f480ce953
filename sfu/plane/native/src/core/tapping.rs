//! Which layer of its source each tap copies, and from which packet on.
//!
//! A source without taps costs nothing here: who calls asks first.

use crate::api::{Drop, KEYFRAME_THROTTLE_US, TAP_KEYFRAME_US, TapNumber};
use crate::core::outbox::Outbox;
use crate::core::packet::Packet;
use crate::core::selection::choose_layer;
use crate::core::source::{Layer, Source};
use crate::core::switching;
use crate::core::tables::{LayerKey, SourceKey, Tables};
use crate::core::taps::Tap;
use crate::rtp;

/// So that an answer is there in time, whatever was asked for just before.
const ASK_AFTER_US: i64 = TAP_KEYFRAME_US - KEYFRAME_THROTTLE_US;

/// Begin as soon as there is something to begin with.
pub fn add(tables: &mut Tables, tap: Tap) {
    let (number, source) = (tap.number, tap.source);
    tables.taps.insert(number, tap);
    if let Some(source) = tables.sources.get_mut(source) {
        source.taps.push(number);
    }
    aim(tables, number);
}

/// End at once; what was copied is told now. False when there is no such tap.
pub fn remove(tables: &mut Tables, outbox: &mut Outbox, number: TapNumber) -> bool {
    let Some(mut tap) = tables.taps.shift_remove(&number) else { return false };
    if let Some(source) = tables.sources.get_mut(tap.source) {
        source.taps.retain(|&other| other != number);
    }
    outbox.ready.push(tap.drain(true));
    true
}

/// Layers of the source came or went.
pub fn retarget(tables: &mut Tables, source: SourceKey) {
    each_tap(tables, source, aim);
}

/// The source is interrupted: its taps go on at the next keyframe.
pub fn hold(tables: &mut Tables, source: SourceKey) {
    each_tap(tables, source, |tables, number| {
        let Tables { sources, taps, .. } = &mut *tables;
        if let (Some(tap), Some(source)) = (taps.get_mut(&number), sources.get(source)) {
            tap.current = None;
            tap.pending = None;
            for (copied, layer) in tap.copied.iter_mut().zip(&source.layers) {
                if layer.reception.highest().is_none() {
                    *copied = None;
                }
            }
        }
        aim(tables, number);
    });
}

/// The gate was opened: ask for the keyframe that the taps wait for.
pub fn resume(tables: &mut Tables, source: SourceKey) {
    each_tap(tables, source, |tables, number| {
        if let Some(layer) = tables.taps.get(&number).and_then(|tap| tap.pending) {
            switching::want_keyframe(tables, layer);
        }
    });
}

/// A packet of an open source that is tapped, as its publisher sent it.
pub fn take(
    tables: &mut Tables,
    outbox: &mut Outbox,
    key: LayerKey,
    packet: &Packet,
    original: &[u8],
    now_us: i64,
) {
    let mut index = 0;
    let mut wanted = false;
    let Tables { sources, taps, .. } = tables;
    let Some(source) = sources.get(key.source) else { return };
    let Some(layer) = source.layers.get(key.index) else { return };
    while let Some(number) = source.taps.get(index) {
        index += 1;
        let Some(tap) = taps.get_mut(number) else { continue };
        // A keyframe that comes so late was followed by what is copied already.
        let new = tap.is_new(key.index, packet.sequence);
        let begins = tap.pending == Some(key) && new && (packet.keyframe || !source.video);
        if begins {
            tap.current = Some(key);
            tap.pending = None;
            tap.first = packet.sequence;
        }
        if tap.current != Some(key) || packet.sequence < tap.first {
            continue;
        }
        copy(tap, outbox, now_us, original);
        if !new {
            continue;
        }
        tap.note_copied(key.index, packet.sequence);
        if !source.video {
            continue;
        }
        if begins {
            catch_up(tap, outbox, source, layer, packet, now_us);
        }
        if packet.keyframe {
            tap.keyframe_due_us = now_us + ASK_AFTER_US;
        } else if now_us >= tap.keyframe_due_us {
            tap.keyframe_due_us = now_us + ASK_AFTER_US;
            wanted = true;
        }
    }
    if wanted {
        switching::want_keyframe(tables, key);
    }
}

/// A sender report of any layer of an open source that is tapped.
pub fn take_report(tables: &mut Tables, outbox: &mut Outbox, source: SourceKey, report: &[u8], now_us: i64) {
    each_tap(tables, source, |tables, number| {
        if let Some(tap) = tables.taps.get_mut(&number) {
            copy(tap, outbox, now_us, report);
        }
    });
}

fn copy(tap: &mut Tap, outbox: &mut Outbox, now_us: i64, packet: &[u8]) {
    if !tap.copy(now_us, packet) {
        outbox.drop(Drop::TapFull);
    }
}

/// A keyframe's first packet came after others of it: those are in the cache.
fn catch_up(
    tap: &mut Tap,
    outbox: &mut Outbox,
    source: &Source,
    layer: &Layer,
    packet: &Packet,
    now_us: i64,
) {
    let cache = layer.cache.borrow();
    for sequence in packet.sequence + 1..=layer.reception.highest().unwrap_or(0) {
        if let Some(following) = cache.get(sequence) {
            tap.note_copied(layer.index, sequence);
            copy(tap, outbox, now_us, &rebuilt(source, layer, following));
        }
    }
}

fn aim(tables: &mut Tables, number: TapNumber) {
    let Some(tap) = tables.taps.get_mut(&number) else { return };
    let Some(source) = tables.sources.get(tap.source) else { return };
    let target = choose_layer(source, tap.wanted_layer)
        .map(|index| LayerKey { source: tap.source, index })
        .filter(|&target| tap.current != Some(target));
    if target != tap.pending {
        tap.pending = target;
        if let Some(target) = target {
            switching::want_keyframe(tables, target);
        }
    }
}

/// Every tap of the source; `step` must not change which they are.
fn each_tap(tables: &mut Tables, source: SourceKey, mut step: impl FnMut(&mut Tables, TapNumber)) {
    let mut index = 0;
    while let Some(&number) = tables.sources.get(source).and_then(|source| source.taps.get(index)) {
        step(tables, number);
        index += 1;
    }
}

/// A cached packet as its publisher could have sent it: picture ids in the 15-bit form, no extensions.
fn rebuilt(source: &Source, layer: &Layer, packet: &Packet) -> Vec<u8> {
    let mut payload = Vec::with_capacity(packet.payload_length());
    packet.write_payload(&mut payload, 0, 0);
    restored(source, layer, packet, &payload)
}

/// A packet with its publisher's own header again, without extensions.
pub fn restored(source: &Source, layer: &Layer, packet: &Packet, payload: &[u8]) -> Vec<u8> {
    rtp::build(&rtp::Fields {
        payload_type: source.add.payload_type,
        sequence_number: packet.sequence,
        timestamp: packet.timestamp,
        ssrc: layer.ssrc.unwrap_or(0),
        payload,
        marker: packet.marker,
        ..rtp::Fields::default()
    })
}
