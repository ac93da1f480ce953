//! The way of a received RTP packet, step by step:
//! header -> bind -> repair stream -> number -> gate -> payload -> cache -> slots -> taps.

use std::rc::Rc;

use crate::api::{AddSource, Drop, Event, MAX_SSRCS_PER_TRANSPORT};
use crate::core::binding;
use crate::core::forwarding;
use crate::core::levels::LoudestLevels;
use crate::core::outbox::Outbox;
use crate::core::packet::{Packet, read_vp8};
use crate::core::source::Layer;
use crate::core::switching;
use crate::core::tables::{LayerKey, SourceKey, Tables, TransportKey};
use crate::core::tapping;
use crate::core::transport::Stream;
use crate::red::{self, RedPayload};
use crate::rtp;

/// The P bit in a header's first byte.
const PADDED: u8 = 0x20;
/// Longest packet taken, so that what a slot writes fits a path's MTU.
const MAX_PACKET: usize = 1300;
/// A jump of extended numbers beyond this is a sender that began anew.
const ANEW: i64 = 0xFFFF;
/// The level in its extension's byte, -dBov; the bit above says voice (RFC 6464 section 3).
const LEVEL_MASK: u8 = 0x7F;

/// What a packet's number means for those before it.
enum Arrival {
    /// It follows, or was late.
    InStep,
    /// Numbers were left out.
    Missing,
    /// The sender began anew.
    Anew,
}

/// Take one unprotected RTP packet; tells why it went no further.
pub fn receive(
    tables: &mut Tables,
    outbox: &mut Outbox,
    peer: TransportKey,
    data: &[u8],
    now_us: i64,
) -> Result<(), Drop> {
    if data.len() > MAX_PACKET {
        return Err(Drop::RtpMalformed);
    }
    let offset = rtp::payload_offset(data).map_err(|_| Drop::RtpMalformed)?;
    let padding = rtp::padding_length(data, offset).map_err(|_| Drop::RtpMalformed)?;
    let mut payload = data.get(offset..data.len() - padding).ok_or(Drop::RtpMalformed)?;
    let ssrc = rtp::ssrc(data);
    let known = tables.transports.get(peer).and_then(|transport| transport.stream(ssrc));
    let stream = match known {
        Some(stream) => stream,
        None => bind(tables, outbox, peer, data, ssrc)?,
    };
    let key = stream.layer;

    let source = tables.sources.get_mut(key.source).ok_or(Drop::UnboundSsrc)?;
    let layer = source.layers.get_mut(key.index).ok_or(Drop::UnboundSsrc)?;
    let payload_type = rtp::payload_type(data);
    let wrapped = !source.video && !stream.rtx && Some(payload_type) == source.add.red_payload_type;
    let mut sequence = rtp::sequence_number(data);
    if stream.rtx {
        if Some(payload_type) != source.add.rtx_payload_type {
            return Err(Drop::PayloadType);
        }
        // RFC 4588 section 4: the original sequence number stands before the payload.
        let (original, rest) = payload.split_first_chunk::<2>().ok_or(Drop::PaddingOnly)?;
        sequence = u16::from_be_bytes(*original);
        payload = rest;
        if layer.ssrc.is_none() || layer.reception.highest().is_none() {
            return Err(Drop::RtxUnknown);
        }
    } else if payload_type != source.add.payload_type && !wrapped {
        return Err(Drop::PayloadType);
    }

    let before = layer.reception.highest();
    let timestamp = rtp::timestamp(data);
    let repairable = source.video && source.open;
    let (number, arrival) = number(layer, stream.rtx, repairable, sequence, timestamp, now_us)?;
    match arrival {
        Arrival::InStep => {}
        Arrival::Missing => {
            tables.missing_layers.insert(key);
        }
        Arrival::Anew => hold(tables, outbox, key.source),
    }
    let source = tables.sources.get_mut(key.source).ok_or(Drop::UnboundSsrc)?;
    let layer = source.layers.get_mut(key.index).ok_or(Drop::UnboundSsrc)?;
    layer.octets += data.len() as u64;
    source.packets += 1;
    tables.active_sources.insert(key.source);
    if !source.open {
        return Err(Drop::Gated);
    }

    let extended = layer.timestamps.extend(timestamp);
    let redundant = take_apart(&source.add, if wrapped { payload } else { &[] })?;
    payload = redundant.map_or(payload, |redundant| redundant.payload);
    let mut packet = tables.pool.packet(number, extended, rtp::marker(data), payload);
    let read = if !source.video {
        read_level(&source.add, &mut tables.levels, data, &mut packet)
    } else if payload.is_empty() {
        Ok(())
    } else {
        read_vp8(&mut packet, &mut layer.picture_ids).map_err(|_| Drop::PayloadMalformed)
    };
    let packet = packet.share();
    if let Err(dropped) = read {
        tables.pool.reclaim(packet);
        return Err(dropped);
    }
    if let (Some(redundant), Some(before)) = (redundant, before) {
        take_back(tables, outbox, key, &redundant, &packet, before, now_us);
    }
    let source = tables.sources.get_mut(key.source).ok_or(Drop::UnboundSsrc)?;
    let layer = source.layers.get_mut(key.index).ok_or(Drop::UnboundSsrc)?;
    let kept = layer.cache.borrow_mut().put(Rc::clone(&packet));
    match kept {
        Ok(None) => {}
        Ok(Some(former)) => tables.pool.reclaim(former),
        Err(duplicate) => {
            drop(duplicate);
            tables.pool.reclaim(packet);
            return Err(Drop::Duplicate);
        }
    }
    let is_tapped = !source.taps.is_empty();
    if payload.is_empty() {
        forwarding::pass_over(tables, outbox, key, &packet);
    } else {
        note_alive(tables, outbox, key, &packet, now_us);
        forwarding::forward(tables, outbox, key, &packet, now_us);
    }
    if is_tapped {
        // Padding too: its number would be missed.
        let form = match (stream.rtx, wrapped) {
            (true, _) => Form::Repaired,
            (_, true) => Form::TakenApart { header_length: offset },
            _ => Form::AsItCame,
        };
        take(tables, outbox, key, &packet, (data, payload), form, now_us);
    }
    if payload.is_empty() { Err(Drop::PaddingOnly) } else { Ok(()) }
}

fn bind(
    tables: &mut Tables,
    outbox: &mut Outbox,
    peer: TransportKey,
    data: &[u8],
    ssrc: u32,
) -> Result<Stream, Drop> {
    let Tables { transports, sources, .. } = tables;
    let transport = transports.get_mut(peer).ok_or(Drop::UnboundSsrc)?;
    let stream = binding::bind(transport, sources, data, ssrc)?;
    if transport.bound_ssrcs >= MAX_SSRCS_PER_TRANSPORT {
        return Err(Drop::TooManySsrcs);
    }
    transport.bound_ssrcs += 1;
    let key = stream.layer;
    transport.streams.retain(|(_, other)| other.layer != key || other.rtx != stream.rtx);
    transport.streams.push((ssrc, stream));
    let source = sources.get_mut(key.source).ok_or(Drop::UnboundSsrc)?;
    let handle = source.add.source;
    if !stream.rtx {
        let video = source.video;
        let was_bound = source.layers.get(key.index).is_some_and(|layer| layer.ssrc.is_some());
        if was_bound {
            source.renew(key.index, &transport.clock);
            hold(tables, outbox, key.source);
        }
        if let Some(layer) = tables.layer_mut(key) {
            layer.ssrc = Some(ssrc);
        }
        if video {
            tables.unestimated_transports.insert(peer);
        }
    }
    outbox.batched.push(Event::StreamBound { source: handle, layer: key.index, ssrc, rtx: stream.rtx });
    Ok(stream)
}

/// The packet's extended number in its layer; gaps are noted, late packets taken off the list.
fn number(
    layer: &mut Layer,
    rtx: bool,
    repairable: bool,
    sequence: u16,
    timestamp: u32,
    now_us: i64,
) -> Result<(i64, Arrival), Drop> {
    let before = layer.reception.highest();
    let number = if rtx {
        layer.reception.extend_repair(sequence).ok_or(Drop::RtxUnknown)?
    } else {
        let number = layer.reception.extend(sequence).ok_or(Drop::TooOld)?;
        layer.reception.arrived(timestamp, now_us);
        if before.is_some_and(|before| number - before > ANEW) {
            layer.cache.borrow_mut().clear();
            layer.nack.clear();
            return Ok((number, Arrival::Anew));
        }
        number
    };
    match before {
        Some(_) if rtx => layer.nack.repaired(number, now_us),
        Some(before) if number <= before => layer.nack.received(number),
        Some(before) if number > before + 1 && repairable => {
            layer.nack.gap(before + 1, number, now_us);
            return Ok((number, Arrival::Missing));
        }
        _ => {}
    }
    Ok((number, Arrival::InStep))
}

fn hold(tables: &mut Tables, outbox: &mut Outbox, source: SourceKey) {
    switching::hold(tables, outbox, source);
    tapping::hold(tables, source);
}

/// The audio level extension (RFC 6464), where there is one.
fn read_level(
    source: &AddSource,
    levels: &mut LoudestLevels,
    data: &[u8],
    packet: &mut Packet,
) -> Result<(), Drop> {
    let id = source.extensions.audio_level;
    if id != 0 {
        let value = rtp::extension(data, id).map_err(|_| Drop::RtpMalformed)?;
        if let Some(&level) = value.and_then(|value| value.first()) {
            packet.level = Some(level);
            levels.add(source.source, level & LEVEL_MASK);
        }
    }
    Ok(())
}

/// The layer is being sent; tell the clock, and the slots if it was not before.
fn note_alive(tables: &mut Tables, outbox: &mut Outbox, key: LayerKey, packet: &Packet, now_us: i64) {
    let Some(source) = tables.sources.get_mut(key.source) else { return };
    let was_alive = source.alive(key.index);
    source.media_us = Some(now_us);
    let Some(layer) = source.layers.get_mut(key.index) else { return };
    layer.media_us = Some(now_us);
    if layer.reception.highest() == Some(packet.sequence) {
        layer.clock.borrow_mut().packet(packet.timestamp, now_us);
    }
    if !was_alive {
        source.alive_before = source.alive_layers();
        switching::retarget(tables, outbox, key.source);
        tapping::retarget(tables, key.source);
    }
    // Only now: who was just aimed at this layer begins with this packet and needs no other.
    if packet.keyframe
        && let Some(source) = tables.sources.get_mut(key.source)
    {
        source.keyframes.arrived(key.index);
    }
}

/// A payload with redundancy in its parts; None when it is empty.
fn take_apart<'a>(source: &AddSource, payload: &'a [u8]) -> Result<Option<RedPayload<'a>>, Drop> {
    if payload.is_empty() {
        return Ok(None);
    }
    let redundant = red::parse(payload).map_err(|_| Drop::PayloadMalformed)?;
    if redundant.payload_type == source.payload_type { Ok(Some(redundant)) } else { Err(Drop::PayloadType) }
}

/// Packets out of the gap between `before` and the one that brings them, ascending. A block's place tells its
/// number, the last one being just before the packet; one that can't be used keeps its place.
fn take_back(
    tables: &mut Tables,
    outbox: &mut Outbox,
    key: LayerKey,
    redundant: &RedPayload,
    packet: &Packet,
    before: i64,
    now_us: i64,
) {
    let first = packet.sequence - redundant.count() as i64;
    for (number, block) in (first..).zip(redundant.blocks()) {
        if number <= before || block.payload_type != redundant.payload_type || block.payload.is_empty() {
            continue;
        }
        let timestamp = packet.timestamp - block.timestamp_offset;
        let mut earlier = tables.pool.packet(number, timestamp, false, block.payload);
        earlier.level = packet.level;
        let earlier = earlier.share();
        let Some(layer) = tables.layer_mut(key) else { return };
        let kept = layer.cache.borrow_mut().put(Rc::clone(&earlier));
        match kept {
            Ok(None) => {}
            Ok(Some(former)) => tables.pool.reclaim(former),
            Err(duplicate) => {
                drop(duplicate);
                tables.pool.reclaim(earlier);
                continue;
            }
        }
        forwarding::forward(tables, outbox, key, &earlier, now_us);
        let Some(source) = tables.sources.get(key.source).filter(|source| !source.taps.is_empty()) else {
            continue;
        };
        let Some(layer) = source.layers.get(key.index) else { continue };
        let plain = tapping::restored(source, layer, &earlier, block.payload);
        tapping::take(tables, outbox, key, &earlier, &plain, now_us);
    }
}

/// What became of a packet before it is copied.
#[derive(Clone, Copy)]
enum Form {
    AsItCame,
    /// It came by repair.
    Repaired,
    /// Its payload was taken apart.
    TakenApart {
        header_length: usize,
    },
}

/// Copy the packet, (whole, its payload), into the taps as the publisher sent it, or could have sent it alone.
fn take(
    tables: &mut Tables,
    outbox: &mut Outbox,
    key: LayerKey,
    packet: &Packet,
    (data, payload): (&[u8], &[u8]),
    form: Form,
    now_us: i64,
) {
    let Some(source) = tables.sources.get(key.source) else { return };
    let Some(layer) = source.layers.get(key.index) else { return };
    let original = match form {
        Form::AsItCame => {
            tapping::take(tables, outbox, key, packet, data, now_us);
            return;
        }
        Form::Repaired => tapping::restored(source, layer, packet, payload),
        Form::TakenApart { header_length } => {
            unwrapped(data, header_length, source.add.payload_type, payload)
        }
    };
    tapping::take(tables, outbox, key, packet, &original, now_us);
}

/// The packet with its own header around this payload, without padding.
fn unwrapped(data: &[u8], length: usize, payload_type: u8, payload: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(length + payload.len());
    plain.extend_from_slice(data.get(..length).unwrap_or_default());
    if let [first, second, ..] = plain.as_mut_slice() {
        *first &= !PADDED;
        *second = (*second & 0x80) | payload_type;
    }
    plain.extend_from_slice(payload);
    plain
}
