//! What is done by the clock: requests upstream, reports, liveness, the batch of events.

use indexmap::IndexSet;
use slotmap::SlotMap;

use crate::api::{EVENT_INTERVAL_US, Event};
use crate::core::feedback::round_trip_or;
use crate::core::outbox::Outbox;
use crate::core::reports;
use crate::core::source::Source;
use crate::core::switching;
use crate::core::tables::{LayerKey, SourceKey, Tables, TransportKey};
use crate::core::tapping;
use crate::core::transport::Transport;
use crate::rtcp;

const WHEEL_US: i64 = 10_000;
const WHEEL_SLOTS: i64 = 100;
/// Receiver reports to who sends: by their absence a page learns within a second that its line is dead.
const REPORTS_A_SECOND: i64 = 4;
/// A publisher's round trip while none was measured.
const ROUND_TRIP_US: i64 = 100_000;
const RECEIVING_US: i64 = 1_000_000;

/// One `tick` every 10 ms or so. Each transport's second falls on its own tick, to spread the work.
pub struct Housekeeping {
    wall_offset_us: i64,
    wheel: Vec<IndexSet<TransportKey>>,
    wheel_position: Option<i64>,
    batch_us: Option<i64>,
}

impl Housekeeping {
    /// Nothing to care for. `wall_offset_us` added to our clock is Unix time.
    pub fn new(wall_offset_us: i64) -> Self {
        Self {
            wall_offset_us,
            wheel: (0..WHEEL_SLOTS).map(|_| IndexSet::new()).collect(),
            wheel_position: None,
            batch_us: None,
        }
    }

    /// Care for a new transport once a second.
    pub fn add(&mut self, transport: TransportKey, handle: u64) {
        self.spoke(handle).insert(transport);
    }

    /// No more.
    pub fn remove(&mut self, transport: TransportKey, handle: u64) {
        self.spoke(handle).shift_remove(&transport);
    }

    /// Whether no transport is cared for.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.wheel.iter().all(IndexSet::is_empty)
    }

    fn spoke(&mut self, handle: u64) -> &mut IndexSet<TransportKey> {
        let place = handle % self.wheel.len() as u64;
        &mut self.wheel[place as usize]
    }

    /// Do what is due.
    pub fn tick(&mut self, tables: &mut Tables, outbox: &mut Outbox, now_us: i64) {
        switching::expire(tables, outbox, now_us);
        ask_for_packets(tables, outbox, now_us);
        ask_for_keyframes(tables, outbox, now_us);
        self.first_reports(tables, outbox, now_us);
        first_estimates(tables, outbox);
        self.turn_wheel(tables, outbox, now_us);
        let elapsed_us = now_us - *self.batch_us.get_or_insert(now_us);
        if elapsed_us >= EVENT_INTERVAL_US {
            self.batch_us = Some(now_us);
            batch(tables, outbox, elapsed_us);
        }
    }

    /// The reports of slots that have just begun, so that sound and picture are in step from the start.
    fn first_reports(&self, tables: &mut Tables, outbox: &mut Outbox, now_us: i64) {
        if tables.unreported_slots.is_empty() {
            return;
        }
        let mut owed: Vec<(TransportKey, Vec<Vec<u8>>)> = Vec::new();
        let Tables { unreported_slots, slots, sources, .. } = tables;
        unreported_slots.retain(|&key| {
            let Some(slot) = slots.get_mut(key) else { return false };
            let Some(report) = reports::sender_report(slot, sources, now_us, self.wall_offset_us) else {
                return slot.current.is_some();
            };
            let receiver = slot.transport;
            match owed.iter_mut().find(|(other, _)| *other == receiver) {
                Some((_, parts)) => parts.push(report),
                None => owed.push((receiver, vec![report])),
            }
            false
        });
        for (receiver, parts) in owed {
            for compound in reports::compounds(parts) {
                send_feedback(&mut tables.transports, outbox, receiver, &compound);
            }
        }
    }

    fn turn_wheel(&mut self, tables: &mut Tables, outbox: &mut Outbox, now_us: i64) {
        let position = now_us.div_euclid(WHEEL_US);
        let before = self.wheel_position.replace(position).unwrap_or(position);
        for index in before.max(position - WHEEL_SLOTS) + 1..=position {
            let spoke = &self.wheel[index.rem_euclid(WHEEL_SLOTS) as usize];
            for &transport in spoke {
                self.each_second(tables, outbox, transport, now_us);
            }
            for turn in 1..REPORTS_A_SECOND {
                let spoke = (index + turn * WHEEL_SLOTS / REPORTS_A_SECOND).rem_euclid(WHEEL_SLOTS);
                for &transport in &self.wheel[spoke as usize] {
                    report_between(tables, outbox, transport, now_us);
                }
            }
        }
    }

    fn each_second(&self, tables: &mut Tables, outbox: &mut Outbox, key: TransportKey, now_us: i64) {
        let Some(transport) = tables.transports.get_mut(key) else { return };
        if transport.address.is_some() && !transport.ice.has_consent(now_us) {
            transport.address = None;
            transport.consent_lost = true;
            let lost = Event::ConsentLost { transport: transport.handle };
            switching::hold_slots(tables, outbox, key);
            outbox.batched.push(lost);
            return;
        }
        if !transport.ready() {
            return;
        }
        let Tables { transports, sources, slots, .. } = tables;
        let Some(transport) = transports.get(key) else { return };
        let mut parts = Vec::new();
        parts.extend(reports::receiver_report(transport, sources, slots, now_us));
        parts.extend(reports::estimate(transport, sources, slots));
        for &slot in &transport.slots {
            let Some(slot) = slots.get_mut(slot) else { continue };
            if reports::is_due(slot, now_us) {
                parts.extend(reports::sender_report(slot, sources, now_us, self.wall_offset_us));
            }
        }
        for compound in reports::compounds(parts) {
            send_feedback(transports, outbox, key, &compound);
        }
    }
}

fn report_between(tables: &mut Tables, outbox: &mut Outbox, key: TransportKey, now_us: i64) {
    let Tables { transports, sources, slots, .. } = tables;
    let Some(transport) = transports.get(key).filter(|transport| transport.ready()) else { return };
    if let Some(report) = reports::receiver_report(transport, sources, slots, now_us) {
        send_feedback(transports, outbox, key, &report);
    }
}

/// REMB now.
pub fn send_estimate(tables: &mut Tables, outbox: &mut Outbox, key: TransportKey) {
    let Tables { transports, sources, slots, .. } = tables;
    let packet = transports.get(key).and_then(|transport| reports::estimate(transport, sources, slots));
    if let Some(packet) = packet {
        send_feedback(transports, outbox, key, &packet);
    }
}

/// Send the keyframe requests that are wanted and within the throttle.
pub fn ask_for_keyframes(tables: &mut Tables, outbox: &mut Outbox, now_us: i64) {
    let mut place = 0;
    while let Some(&key) = tables.keyframe_sources.get_index(place) {
        if ask_source(tables, outbox, key, now_us) {
            place += 1;
        } else {
            tables.keyframe_sources.shift_remove_index(place);
        }
    }
}

/// Ask one publisher; whether more is wanted.
fn ask_source(tables: &mut Tables, outbox: &mut Outbox, key: SourceKey, now_us: i64) -> bool {
    let Tables { sources, transports, slots, taps, .. } = tables;
    let Some(source) = sources.get_mut(key) else { return false };
    let receiving = source.media_us.is_some_and(|media_us| now_us - media_us < RECEIVING_US);
    let awaited = source.layers.iter().filter(|layer| !layer.waiting.is_empty()).map(|layer| layer.index);
    let tapped = source.taps.iter().filter_map(|number| Some(taps.get(number)?.pending?.index));
    let waited_for: Vec<usize> = awaited.chain(tapped).collect();
    for index in source.keyframes.due(now_us, receiving, &waited_for) {
        let Some(ssrc) = source.layers.get(index).and_then(|layer| layer.ssrc) else { continue };
        let publisher = source.transport;
        let Some(reporter) = transports.get(publisher).map(|transport| transport.reporter_ssrc(slots)) else {
            continue;
        };
        if send_feedback(transports, outbox, publisher, &rtcp::build_pli(reporter, ssrc)) {
            outbox.counters.keyframe_requests_sent += 1;
        }
    }
    source.keyframes.wanted()
}

/// Send the NACKs that are due.
fn ask_for_packets(tables: &mut Tables, outbox: &mut Outbox, now_us: i64) {
    let mut place = 0;
    while let Some(&key) = tables.missing_layers.get_index(place) {
        if ask_layer(tables, outbox, key, now_us) {
            place += 1;
        } else {
            tables.missing_layers.shift_remove_index(place);
        }
    }
}

/// Ask for one layer's packets; whether any is still missing.
fn ask_layer(tables: &mut Tables, outbox: &mut Outbox, key: LayerKey, now_us: i64) -> bool {
    let Tables { sources, transports, slots, .. } = tables;
    let Some(source) = sources.get_mut(key.source) else { return false };
    let publisher = source.transport;
    let Some(layer) = source.layers.get_mut(key.index) else { return false };
    let Some(transport) = transports.get(publisher) else { return false };
    let repaired_us = layer.nack.round_trip_us.filter(|&measured_us| measured_us != 0);
    let unknown_us = repaired_us.unwrap_or(ROUND_TRIP_US);
    let numbers = layer.nack.due(now_us, round_trip_or(transport, unknown_us));
    if let Some(ssrc) = layer.ssrc
        && !numbers.is_empty()
    {
        let packet = rtcp::build_nack(transport.reporter_ssrc(slots), ssrc, numbers);
        if send_feedback(transports, outbox, publisher, &packet) {
            outbox.counters.nacks_sent += 1;
        }
    }
    !layer.nack.is_empty()
}

fn first_estimates(tables: &mut Tables, outbox: &mut Outbox) {
    let mut place = 0;
    while let Some(&transport) = tables.unestimated_transports.get_index(place) {
        send_estimate(tables, outbox, transport);
        place += 1;
    }
    tables.unestimated_transports.clear();
}

/// Protect and queue one RTCP datagram; false when there is nowhere to send it.
pub fn send_feedback(
    transports: &mut SlotMap<TransportKey, Transport>,
    outbox: &mut Outbox,
    key: TransportKey,
    packet: &[u8],
) -> bool {
    let Some(transport) = transports.get_mut(key) else { return false };
    let (Some(session), Some(address)) = (&mut transport.session, transport.address) else { return false };
    outbox.rtcp.clear();
    outbox.rtcp.extend_from_slice(packet);
    if session.protect_rtcp(&mut outbox.rtcp, 0).is_err() {
        return false;
    }
    transport.packets_sent_before += 1;
    transport.bytes_sent_before += packet.len() as u64;
    outbox.egress.raw(&outbox.rtcp, address, Some(key));
    true
}

/// The batch of events, ten times a second.
fn batch(tables: &mut Tables, outbox: &mut Outbox, elapsed_us: i64) {
    let mut place = 0;
    while let Some(&key) = tables.active_sources.get_index(place) {
        check_layers(tables, outbox, key);
        let Some(source) = tables.sources.get_mut(key) else {
            tables.active_sources.shift_remove_index(place);
            continue;
        };
        outbox.batched.push(source_state(source, elapsed_us));
        if std::mem::take(&mut source.packets) > 0 {
            place += 1;
        } else {
            tables.active_sources.shift_remove_index(place); // that nothing came was told once
        }
    }
    let levels = tables.levels.drain();
    if !levels.is_empty() {
        outbox.batched.push(Event::Levels { levels });
    }
    for &key in tables.transports_by_handle.values() {
        let Some(transport) = tables.transports.get_mut(key) else { continue };
        if std::mem::take(&mut transport.reports_changed) {
            outbox.batched.push(Event::TransportState(transport.state(&tables.slots)));
        }
    }
    for tap in tables.taps.values_mut().filter(|tap| tap.waits()) {
        outbox.batched.push(tap.drain(false));
    }
    outbox.deliver_batch();
}

/// Slots and taps that wait for, or show, a layer which is no longer sent turn to another.
fn check_layers(tables: &mut Tables, outbox: &mut Outbox, key: SourceKey) {
    let Some(source) = tables.sources.get_mut(key) else { return };
    let alive = source.alive_layers();
    if alive != source.alive_before {
        source.alive_before = alive;
        switching::retarget(tables, outbox, key);
        tapping::retarget(tables, key);
    }
}

fn source_state(source: &mut Source, elapsed_us: i64) -> Event {
    let lost = source.lost();
    let since = (lost - source.lost_before).max(0);
    source.lost_before = lost;
    let elapsed_us = elapsed_us.max(1) as u64;
    Event::SourceState {
        source: source.add.source,
        packets: source.packets,
        lost: since as u64,
        layer_bps: source
            .layers
            .iter_mut()
            .map(|layer| std::mem::take(&mut layer.octets) * 8_000_000 / elapsed_us)
            .collect(),
    }
}
