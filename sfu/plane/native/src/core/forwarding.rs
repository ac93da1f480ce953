//! From a received packet to the slots that show its layer.

use std::rc::Rc;

use slotmap::SlotMap;

use crate::api::Drop;
use crate::core::outbox::Outbox;
use crate::core::packet::{Packet, PacketPool};
use crate::core::redundancy::wrap;
use crate::core::silence::{Passage, comfort};
use crate::core::slot::Slot;
use crate::core::source::Layer;
use crate::core::switching;
use crate::core::tables::{LayerKey, SlotKey, Tables, TransportKey};
use crate::core::transport::Transport;
use crate::egress::Outgoing;

/// Switch the slots that waited for this packet, then send it to all who show the layer.
pub fn forward(tables: &mut Tables, outbox: &mut Outbox, key: LayerKey, packet: &Rc<Packet>, now_us: i64) {
    let mut begun = std::mem::take(&mut outbox.begun);
    find_begun(tables, key, packet, &mut begun);
    for &slot in &begun {
        switching::begin(tables, outbox, slot, key, packet);
    }
    match passage(tables, key, packet, now_us) {
        Passage::Whole => send_to_all(tables, outbox, key, packet, &begun, true),
        Passage::Nothing if begun.is_empty() => pass_over(tables, outbox, key, packet),
        Passage::Nothing | Passage::Comfort => {
            let payload = comfort(packet.payload());
            let mut empty = tables.pool.packet(packet.sequence, packet.timestamp, packet.marker, &payload);
            empty.level = packet.level;
            let empty = empty.share();
            send_to_all(tables, outbox, key, &empty, &begun, false);
        }
    }
    begun.clear();
    outbox.begun = begun;
}

/// Padding alone, or silence: left out without a gap where later packets are still to come.
pub fn pass_over(tables: &mut Tables, outbox: &mut Outbox, key: LayerKey, packet: &Rc<Packet>) {
    let Tables { sources, slots, transports, .. } = tables;
    let Some(layer) = sources.get(key.source).and_then(|source| source.layers.get(key.index)) else { return };
    for &slot in &layer.viewers {
        if slots.get_mut(slot).is_some_and(|viewer| !viewer.munger.skip(packet.sequence, None)) {
            send(slots, transports, outbox, slot, packet);
        }
    }
}

/// How much of the packet goes to who shows the layer; sound that nobody gets is not looked at.
fn passage(tables: &mut Tables, key: LayerKey, packet: &Packet, now_us: i64) -> Passage {
    let Some(source) = tables.sources.get_mut(key.source) else { return Passage::Whole };
    let Some(layer) = source.layers.get_mut(key.index) else { return Passage::Whole };
    if source.video || layer.viewers.is_empty() {
        return Passage::Whole;
    }
    layer.silence.passes(packet.level, now_us)
}

fn send_to_all(
    tables: &mut Tables,
    outbox: &mut Outbox,
    key: LayerKey,
    packet: &Rc<Packet>,
    begun: &[SlotKey],
    whole: bool,
) {
    let Tables { sources, slots, transports, pool, .. } = tables;
    let Some(source) = sources.get(key.source) else { return };
    let Some(layer) = source.layers.get(key.index) else { return };
    let mut wrapped = Wrapped { shared: None };
    for &slot in &layer.viewers {
        let along = if whole && !source.video {
            wrapped.packet(slots, transports, pool, layer, slot, packet)
        } else {
            None
        };
        send(slots, transports, outbox, slot, along.as_ref().unwrap_or(packet));
    }
    if begun.is_empty() {
        return;
    }
    // A keyframe's first packet came after others of it: those are in the cache.
    let cache = layer.cache.borrow();
    for sequence in packet.sequence + 1..=layer.reception.highest().unwrap_or(0) {
        let Some(following) = cache.get(sequence) else { continue };
        for &slot in begun {
            send(slots, transports, outbox, slot, following);
        }
    }
}

/// The slots that can begin with this packet.
fn find_begun(tables: &Tables, key: LayerKey, packet: &Packet, begun: &mut Vec<SlotKey>) {
    let Some(source) = tables.sources.get(key.source) else { return };
    let Some(layer) = source.layers.get(key.index) else { return };
    if layer.waiting.is_empty() || (source.video && !packet.keyframe) {
        return;
    }
    begun.extend(layer.waiting.iter().copied().filter(|&slot| {
        let receiver = tables.slots.get(slot).and_then(|slot| tables.transports.get(slot.transport));
        receiver.is_some_and(Transport::ready)
    }));
}

/// What receivers must have in common to be sent the same packet.
#[derive(PartialEq, Eq)]
struct Alike {
    distance: u8,
    payload_type: u8,
    since: i64,
}

/// A packet of sound with earlier ones: made once for receivers that have it alike.
struct Wrapped {
    shared: Option<(Alike, Option<Rc<Packet>>)>,
}

impl Wrapped {
    /// What goes to a receiver that is to have redundancy, if the packet is its newest; None: the packet alone.
    fn packet(
        &mut self,
        slots: &SlotMap<SlotKey, Slot>,
        transports: &SlotMap<TransportKey, Transport>,
        pool: &mut PacketPool,
        layer: &Layer,
        slot: SlotKey,
        packet: &Packet,
    ) -> Option<Rc<Packet>> {
        let slot = slots.get(slot)?;
        let distance = transports.get(slot.transport)?.redundancy;
        if distance == 0 || slot.add.red_payload_type.is_none() || !slot.munger.is_newest(packet.sequence) {
            return None;
        }
        let since = slot.munger.first.max(packet.sequence - i64::from(distance));
        let like = Alike { distance, payload_type: slot.add.payload_type, since };
        if let Some((_, made)) = self.shared.as_ref().filter(|(known, _)| *known == like) {
            return made.clone();
        }
        let mut payload = Vec::with_capacity(3 * packet.bytes.len());
        let cache = layer.cache.borrow();
        let along = wrap(&mut payload, packet, &cache, distance.into(), since, slot.add.payload_type);
        let made = along.then(|| {
            let mut made = pool.packet(packet.sequence, packet.timestamp, packet.marker, &payload);
            made.level = packet.level;
            made.redundant = true;
            made.share()
        });
        self.shared = Some((like, made.clone()));
        made
    }
}

fn send(
    slots: &mut SlotMap<SlotKey, Slot>,
    transports: &mut SlotMap<TransportKey, Transport>,
    outbox: &mut Outbox,
    key: SlotKey,
    packet: &Rc<Packet>,
) {
    let Some(slot) = slots.get_mut(key) else { return };
    let receiver = slot.transport;
    let Some(transport) = transports.get_mut(receiver) else { return };
    if !transport.ready() {
        outbox.drop(if transport.session.is_none() { Drop::NoKeys } else { Drop::NoAddress });
        return;
    }
    if slot.leaves_out(packet) {
        slot.munger.skip(packet.sequence, packet.picture_id);
        return;
    }
    let Some((sequence, offsets)) = slot.munger.place(packet) else {
        outbox.drop(Drop::TooOld);
        return;
    };
    if slot.video {
        slot.note_sent(sequence, packet.sequence);
    }
    let length = slot.length(packet);
    slot.packets += 1;
    slot.octets += length as u64;
    let outgoing = Outgoing { slot: key, packet: Rc::clone(packet), sequence, offsets, repair: None, length };
    match outbox.egress.queue(transport, receiver, outgoing, !slot.video) {
        Ok(()) => outbox.counters.packets_forwarded += 1,
        Err(dropped) => outbox.drop(dropped),
    }
}
