//! What the plane's thread and the others both have.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;
use std::sync::Arc;

use super::MAX_WAITING_WORK;
use crate::api::{Command, Counters, Drop, Event, TransportHandle, TransportState};
use crate::socket::Signal;

/// Events that may wait to be drained.
pub(super) const MAX_WAITING_EVENTS: usize = 8192;

/// What one call of `apply` brings.
pub(super) struct Work {
    pub(super) commands: Vec<Command>,
    /// For the transports that are added.
    pub(super) totals: Vec<Arc<TransportTotals>>,
}

/// Between the plane's thread and the others.
pub(super) struct Shared {
    pub(super) commands: ArrayQueue<Work>,
    pub(super) commands_waiting: Signal,
    pub(super) events: ArrayQueue<Event>,
    pub(super) events_waiting: Signal,
    /// Packets in the `Tapped` events that wait.
    pub(super) tapped_packets: AtomicUsize,
    pub(super) counters: SharedCounters,
    events_lost: AtomicU64,
    running: AtomicBool,
    failure: OnceLock<String>,
    failure_told: AtomicBool,
}

impl Shared {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            commands: ArrayQueue::new(MAX_WAITING_WORK),
            commands_waiting: Signal::new()?,
            events: ArrayQueue::new(MAX_WAITING_EVENTS),
            events_waiting: Signal::new()?,
            tapped_packets: AtomicUsize::new(0),
            counters: SharedCounters::new(),
            events_lost: AtomicU64::new(0),
            running: AtomicBool::new(true),
            failure: OnceLock::new(),
            failure_told: AtomicBool::new(false),
        })
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    pub(super) fn stop(&self) {
        self.running.store(false, Ordering::Release);
        self.commands_waiting.raise();
    }

    /// The thread is at its end; `failure` says why if it was not told to stop.
    pub(super) fn ended(&self, failure: Option<String>) {
        if let Some(failure) = failure
            && self.failure.set(failure).is_ok()
        {
            self.events_waiting.raise();
        }
        self.running.store(false, Ordering::Release);
    }

    pub(super) fn lose_event(&self) {
        self.events_lost.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn events_lost(&self) -> u64 {
        self.events_lost.load(Ordering::Relaxed)
    }

    pub(super) fn drain_events(&self) -> Vec<Event> {
        self.events_waiting.clear();
        let mut events = Vec::with_capacity(self.events.len());
        while let Some(event) = self.events.pop() {
            if let Event::Tapped { packets, .. } = &event {
                self.tapped_packets.fetch_sub(packets.len(), Ordering::Relaxed);
            }
            events.push(event);
        }
        if let Some(reason) = self.failure.get()
            && !self.failure_told.swap(true, Ordering::Relaxed)
        {
            events.push(Event::Failed { reason: reason.clone() });
        }
        events
    }
}

const PLAIN_COUNTERS: usize = 10;

/// Totals that are read without stopping who counts.
pub(super) struct SharedCounters([AtomicU64; PLAIN_COUNTERS + Drop::ALL.len()]);

impl SharedCounters {
    fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    pub(super) fn store(&self, counters: &Counters) {
        let plain = [
            counters.datagrams_in,
            counters.datagrams_out,
            counters.bytes_in,
            counters.bytes_out,
            counters.packets_forwarded,
            counters.packets_retransmitted,
            counters.nacks_received,
            counters.nacks_sent,
            counters.keyframe_requests_received,
            counters.keyframe_requests_sent,
        ];
        let values: &[u64; PLAIN_COUNTERS] = &plain;
        for (shared, value) in self.0.iter().zip(values.iter().chain(&counters.dropped)) {
            shared.store(*value, Ordering::Relaxed);
        }
    }

    pub(super) fn load(&self) -> Counters {
        let mut values = self.0.iter().map(|shared| shared.load(Ordering::Relaxed));
        let mut next = || values.next().unwrap_or(0);
        Counters {
            datagrams_in: next(),
            datagrams_out: next(),
            bytes_in: next(),
            bytes_out: next(),
            packets_forwarded: next(),
            packets_retransmitted: next(),
            nacks_received: next(),
            nacks_sent: next(),
            keyframe_requests_received: next(),
            keyframe_requests_sent: next(),
            dropped: std::array::from_fn(|_| next()),
        }
    }
}

/// No such figure yet.
const NO_TIME: i64 = -1;
const NO_RATE: u64 = u64::MAX;

/// One transport's state, readable without stopping the plane. Its figures are each whole, together they may be of
/// two moments.
pub struct TransportTotals {
    handle: TransportHandle,
    /// The bits of a float, NaN without one.
    fraction_lost: AtomicU64,
    round_trip_us: AtomicI64,
    remb_bps: AtomicU64,
    packets_received: AtomicU64,
    packets_sent: AtomicU64,
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    media_bytes_sent: AtomicU64,
    pictures_reported: AtomicU64,
    pictures_lost: AtomicU64,
    sound_reported: AtomicU64,
    sound_lost: AtomicU64,
}

impl TransportTotals {
    /// Of a transport that has just been added.
    pub fn new(handle: TransportHandle) -> Self {
        Self {
            handle,
            fraction_lost: AtomicU64::new(f64::NAN.to_bits()),
            round_trip_us: AtomicI64::new(NO_TIME),
            remb_bps: AtomicU64::new(NO_RATE),
            packets_received: AtomicU64::new(0),
            packets_sent: AtomicU64::new(0),
            bytes_received: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
            media_bytes_sent: AtomicU64::new(0),
            pictures_reported: AtomicU64::new(0),
            pictures_lost: AtomicU64::new(0),
            sound_reported: AtomicU64::new(0),
            sound_lost: AtomicU64::new(0),
        }
    }

    /// Whose they are.
    pub fn handle(&self) -> TransportHandle {
        self.handle
    }

    /// Publish.
    pub fn store(&self, state: &TransportState) {
        let fraction_lost = state.fraction_lost.unwrap_or(f64::NAN);
        self.fraction_lost.store(fraction_lost.to_bits(), Ordering::Relaxed);
        self.round_trip_us.store(state.round_trip_us.unwrap_or(NO_TIME), Ordering::Relaxed);
        self.remb_bps.store(state.remb_bps.unwrap_or(NO_RATE), Ordering::Relaxed);
        self.packets_received.store(state.packets_received, Ordering::Relaxed);
        self.packets_sent.store(state.packets_sent, Ordering::Relaxed);
        self.bytes_received.store(state.bytes_received, Ordering::Relaxed);
        self.bytes_sent.store(state.bytes_sent, Ordering::Relaxed);
        self.media_bytes_sent.store(state.media_bytes_sent, Ordering::Relaxed);
        self.pictures_reported.store(state.pictures_reported, Ordering::Relaxed);
        self.pictures_lost.store(state.pictures_lost, Ordering::Relaxed);
        self.sound_reported.store(state.sound_reported, Ordering::Relaxed);
        self.sound_lost.store(state.sound_lost, Ordering::Relaxed);
    }

    /// Read.
    pub fn load(&self) -> TransportState {
        let fraction_lost = f64::from_bits(self.fraction_lost.load(Ordering::Relaxed));
        let round_trip_us = self.round_trip_us.load(Ordering::Relaxed);
        let remb_bps = self.remb_bps.load(Ordering::Relaxed);
        TransportState {
            transport: self.handle,
            fraction_lost: (!fraction_lost.is_nan()).then_some(fraction_lost),
            round_trip_us: (round_trip_us != NO_TIME).then_some(round_trip_us),
            remb_bps: (remb_bps != NO_RATE).then_some(remb_bps),
            packets_received: self.packets_received.load(Ordering::Relaxed),
            packets_sent: self.packets_sent.load(Ordering::Relaxed),
            bytes_received: self.bytes_received.load(Ordering::Relaxed),
            bytes_sent: self.bytes_sent.load(Ordering::Relaxed),
            media_bytes_sent: self.media_bytes_sent.load(Ordering::Relaxed),
            pictures_reported: self.pictures_reported.load(Ordering::Relaxed),
            pictures_lost: self.pictures_lost.load(Ordering::Relaxed),
            sound_reported: self.sound_reported.load(Ordering::Relaxed),
            sound_lost: self.sound_lost.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_as_they_were_stored() {
        let mut counters = Counters { datagrams_in: 1, keyframe_requests_sent: 10, ..Counters::default() };
        for (index, count) in counters.dropped.iter_mut().enumerate() {
            *count = 100 + index as u64;
        }
        let shared = SharedCounters::new();
        shared.store(&counters);
        assert_eq!(format!("{counters:?}"), format!("{:?}", shared.load()));
    }

    #[test]
    fn a_transports_figures_are_read_as_they_were_stored_and_missing_ones_stay_missing() {
        let totals = TransportTotals::new(7);
        let none = totals.load();
        assert_eq!((none.fraction_lost, none.round_trip_us, none.remb_bps), (None, None, None));
        let state = TransportState {
            transport: 7,
            fraction_lost: Some(0.0),
            round_trip_us: Some(0),
            remb_bps: Some(0),
            packets_received: 1,
            packets_sent: 2,
            bytes_received: 3,
            bytes_sent: 4,
            media_bytes_sent: 5,
            pictures_reported: 6,
            pictures_lost: 7,
            sound_reported: 8,
            sound_lost: 9,
        };
        totals.store(&state);
        assert_eq!(totals.load(), state);
    }
}
