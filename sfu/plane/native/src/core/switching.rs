//! Which slot gets which layer's packets: commands, gates and layers that come and go.
//!
//! Keeps `viewers` and `waiting` of the layers in step with what the slots are to show.

use crate::api::{Event, LINGER_US};
use crate::core::outbox::Outbox;
use crate::core::packet::Packet;
use crate::core::selection::choose_layer;
use crate::core::tables::{LayerKey, SlotKey, SourceKey, Tables, TransportKey};
use crate::core::transport::Transport;

/// Carry out `SetForward`. The picture of another source may linger until this one's keyframe.
pub fn show(
    tables: &mut Tables,
    outbox: &mut Outbox,
    slot: SlotKey,
    source: SourceKey,
    wanted_layer: i64,
    now_us: i64,
) {
    let Some(shown) = tables.slots.get_mut(slot) else { return };
    shown.wanted_layer = wanted_layer;
    let former = shown.source;
    if former != Some(source) {
        let (current, video) = (shown.current, shown.video);
        shown.source = Some(source);
        forget_pending(tables, slot);
        if let Some(former) = former {
            discard(tables, former, slot);
        }
        if let Some(entered) = tables.sources.get_mut(source) {
            entered.slots.push(slot);
        }
        if current.is_none_or(|layer| layer.source == source) {
            tables.lingering_slots.shift_remove(&slot);
        } else if video {
            // Of three sources in a row the first still has only its own second.
            tables.lingering_slots.entry(slot).or_insert(now_us + LINGER_US);
        } else {
            forget_current(tables, slot);
        }
    }
    aim(tables, outbox, slot, source);
}

/// Show nothing from now on.
pub fn empty(tables: &mut Tables, outbox: &mut Outbox, slot: SlotKey) {
    let Some(shown) = tables.slots.get(slot) else { return };
    if shown.source.is_some() {
        let emptied = Event::SlotSwitched { slot: shown.add.slot, source: None, layer: 0 };
        release(tables, slot);
        outbox.batched.push(emptied);
    }
}

/// Layers of the source came or went.
pub fn retarget(tables: &mut Tables, outbox: &mut Outbox, source: SourceKey) {
    each_slot(tables, source, |tables, slot| aim(tables, outbox, slot, source));
}

/// The source is interrupted: who shows it goes on at its next keyframe, without a gap.
pub fn hold(tables: &mut Tables, outbox: &mut Outbox, source: SourceKey) {
    stop_viewers(tables, outbox, source);
    each_slot(tables, source, |tables, slot| {
        forget_pending(tables, slot);
        aim(tables, outbox, slot, source);
    });
}

/// The source goes away: who shows it, or is to, goes empty; who lingers on it waits without.
pub fn remove(tables: &mut Tables, outbox: &mut Outbox, source: SourceKey) {
    let slots = tables.sources.get_mut(source).map(|source| std::mem::take(&mut source.slots));
    for slot in slots.unwrap_or_default() {
        empty(tables, outbox, slot);
    }
    stop_viewers(tables, outbox, source);
}

/// Stop the pictures that have lingered long enough; their slots still wait for the new ones.
pub fn expire(tables: &mut Tables, outbox: &mut Outbox, now_us: i64) {
    while let Some((&slot, &until_us)) = tables.lingering_slots.first() {
        if now_us < until_us {
            break;
        }
        stop(tables, outbox, slot);
        tables.lingering_slots.shift_remove(&slot);
    }
}

/// The receiver can't be sent to: its slots go on at a keyframe when it can, without a gap.
pub fn hold_slots(tables: &mut Tables, outbox: &mut Outbox, receiver: TransportKey) {
    each_slot_of(tables, receiver, |tables, slot| {
        if let Some(source) = tables.slots.get(slot).and_then(|slot| slot.source) {
            stop(tables, outbox, slot);
            forget_pending(tables, slot);
            aim(tables, outbox, slot, source);
        }
    });
}

/// The receiver can be sent to: ask for the keyframes its slots wait for.
pub fn receiver_ready(tables: &mut Tables, receiver: TransportKey) {
    each_slot_of(tables, receiver, |tables, slot| {
        if let Some(layer) = tables.slots.get(slot).and_then(|slot| slot.pending) {
            want_keyframe(tables, layer);
        }
    });
}

/// The slot itself goes away.
pub fn release(tables: &mut Tables, slot: SlotKey) {
    leave(tables, slot);
    if let Some(source) = tables.slots.get_mut(slot).and_then(|slot| slot.source.take()) {
        discard(tables, source, slot);
    }
}

/// The slot gets this layer from this packet on.
pub fn begin(tables: &mut Tables, outbox: &mut Outbox, slot: SlotKey, key: LayerKey, packet: &Packet) {
    leave(tables, slot);
    let Some(beginning) = tables.slots.get_mut(slot) else { return };
    let Some(source) = tables.sources.get_mut(key.source) else { return };
    let Some(layer) = source.layers.get_mut(key.index) else { return };
    beginning.start(key, layer, packet);
    layer.viewers.push(slot);
    tables.unreported_slots.insert(slot);
    outbox.batched.push(Event::SlotSwitched {
        slot: beginning.add.slot,
        source: Some(source.add.source),
        layer: key.index,
    });
}

/// Ask the publisher, within the throttle, until one comes.
pub fn want_keyframe(tables: &mut Tables, layer: LayerKey) {
    if let Some(source) = tables.sources.get_mut(layer.source)
        && source.video
        && source.open
    {
        source.keyframes.want(layer.index);
        tables.keyframe_sources.insert(layer.source);
    }
}

/// No slot gets a packet of the source any more, whatever it is to show.
fn stop_viewers(tables: &mut Tables, outbox: &mut Outbox, source: SourceKey) {
    let layers = tables.sources.get(source).map_or(0, |source| source.layers.len());
    for index in 0..layers {
        let Some(layer) = tables.layer_mut(LayerKey { source, index }) else { return };
        let mut viewers = std::mem::take(&mut layer.viewers);
        for slot in viewers.drain(..) {
            stop(tables, outbox, slot);
        }
        if let Some(layer) = tables.layer_mut(LayerKey { source, index }) {
            layer.viewers = viewers; // empty, but with room
        }
    }
}

/// What the slot gets now ends; said when that was another source's, which nobody else tells.
fn stop(tables: &mut Tables, outbox: &mut Outbox, slot: SlotKey) {
    if tables.lingering_slots.contains_key(&slot)
        && let Some(lingering) = tables.slots.get(slot)
    {
        outbox.batched.push(Event::SlotSwitched { slot: lingering.add.slot, source: None, layer: 0 });
    }
    forget_current(tables, slot);
}

fn leave(tables: &mut Tables, slot: SlotKey) {
    forget_current(tables, slot);
    forget_pending(tables, slot);
}

fn forget_current(tables: &mut Tables, slot: SlotKey) {
    if let Some(key) = tables.slots.get_mut(slot).and_then(|slot| slot.current.take()) {
        if let Some(layer) = tables.layer_mut(key) {
            take_out(&mut layer.viewers, slot);
        }
        tables.lingering_slots.shift_remove(&slot);
    }
}

fn forget_pending(tables: &mut Tables, slot: SlotKey) {
    if let Some(key) = tables.slots.get_mut(slot).and_then(|slot| slot.pending.take())
        && let Some(layer) = tables.layer_mut(key)
    {
        take_out(&mut layer.waiting, slot);
    }
}

fn aim(tables: &mut Tables, outbox: &mut Outbox, slot: SlotKey, source: SourceKey) {
    let Some(aimed) = tables.slots.get(slot) else { return };
    let Some(wanted) = tables.sources.get(source) else { return };
    let target = choose_layer(wanted, aimed.wanted_layer)
        .map(|index| LayerKey { source, index })
        .filter(|&target| aimed.current != Some(target));
    let open = wanted.open;
    if target != aimed.pending {
        let receiver = aimed.transport;
        forget_pending(tables, slot);
        if let Some(aimed) = tables.slots.get_mut(slot) {
            aimed.pending = target;
        }
        if let Some(target) = target {
            if let Some(layer) = tables.layer_mut(target) {
                layer.waiting.push(slot);
            }
            if tables.transports.get(receiver).is_some_and(Transport::ready) {
                want_keyframe(tables, target);
            }
        }
    }
    if (target.is_none() || !open) && tables.lingering_slots.contains_key(&slot) {
        stop(tables, outbox, slot);
    }
}

/// The slot is not to show the source any more.
fn discard(tables: &mut Tables, source: SourceKey, slot: SlotKey) {
    if let Some(source) = tables.sources.get_mut(source) {
        take_out(&mut source.slots, slot);
    }
}

fn take_out(slots: &mut Vec<SlotKey>, slot: SlotKey) {
    if let Some(place) = slots.iter().position(|&other| other == slot) {
        slots.remove(place);
    }
}

/// Every slot that is to show the source; `step` must not change which they are.
fn each_slot(tables: &mut Tables, source: SourceKey, mut step: impl FnMut(&mut Tables, SlotKey)) {
    let mut index = 0;
    while let Some(&slot) = tables.sources.get(source).and_then(|source| source.slots.get(index)) {
        step(tables, slot);
        index += 1;
    }
}

/// Every slot of the receiver; `step` must not change which they are.
fn each_slot_of(tables: &mut Tables, receiver: TransportKey, mut step: impl FnMut(&mut Tables, SlotKey)) {
    let mut index = 0;
    while let Some(&slot) = tables.transports.get(receiver).and_then(|receiver| receiver.slots.get(index)) {
        step(tables, slot);
        index += 1;
    }
}
