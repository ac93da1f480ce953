//! What waits for one receiver, how long, and how much of it may leave.

use std::collections::VecDeque;

use super::{MAX_GROUP_BYTES, MAX_SEGMENTS, Outgoing};
use crate::api::Drop;

/// How long the first packets of a frame wait at most for the rest of it.
pub const HOLD_US: i64 = 1_000;
/// The pacer's step.
pub const QUANTUM_US: i64 = 5_000;
/// A receiver's rate until `SetPacing` says another.
pub const DEFAULT_PACING_BPS: u64 = 20_000_000;
/// Video that waited longer for its receiver's rate is of no use any more.
pub const MAX_WAIT_US: i64 = 1_000_000;
/// Packets of video that may wait for one receiver.
pub const MAX_VIDEO_PACKETS: usize = 1024;
/// Packets of sound and repairs for one receiver between two flushes.
pub const MAX_URGENT_PACKETS: usize = 1024;

/// The time of what no flush has seen.
const UNSEEN: i64 = i64::MAX;
/// More than any profile's tag.
pub(super) const PROTECTION_BYTES: usize = 32;
/// What sound and repairs may take of the quanta to come.
const MAX_DEBT_QUANTA: i64 = 10;

/// The rate of one receiver, as bits that may still leave in this quantum.
struct Pacer {
    /// Bits a quantum; 0: no pacing.
    quantum_bits: i64,
    /// Below zero: taken of the quanta to come.
    left_bits: i64,
    /// When the present quantum began, a multiple of `QUANTUM_US`: what waits for several receivers leaves in
    /// one batch.
    quantum_us: i64,
}

impl Pacer {
    fn new(bps: u64) -> Self {
        let mut pacer = Self { quantum_bits: 0, left_bits: 0, quantum_us: 0 };
        pacer.set_rate(bps);
        pacer.left_bits = pacer.quantum_bits;
        pacer
    }

    fn set_rate(&mut self, bps: u64) {
        let bits = i64::try_from(bps).unwrap_or(i64::MAX).saturating_mul(QUANTUM_US) / 1_000_000;
        self.quantum_bits = if bps == 0 { 0 } else { bits.max(1) };
        self.left_bits = self.left_bits.min(self.quantum_bits);
    }

    fn advance(&mut self, now_us: i64) {
        let quanta = (now_us - self.quantum_us).div_euclid(QUANTUM_US);
        if quanta > 0 {
            self.quantum_us += quanta * QUANTUM_US;
            let earned = quanta.saturating_mul(self.quantum_bits);
            self.left_bits = self.left_bits.saturating_add(earned).min(self.quantum_bits);
        }
    }

    fn allows(&self) -> bool {
        self.quantum_bits == 0 || self.left_bits > 0
    }

    fn take(&mut self, bytes: usize) {
        let debt = self.quantum_bits.saturating_mul(MAX_DEBT_QUANTA);
        self.left_bits = self.left_bits.saturating_sub(bytes as i64 * 8).max(-debt);
    }
}

/// Packets from the front of the video queue for one message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Group {
    /// How many, at least one.
    pub(super) packets: usize,
    /// Bytes of all but the last before protection, once those with one byte less are padded.
    pub(super) size: usize,
}

impl Group {
    /// The first packet alone.
    pub(super) fn single(queue: &TransportQueue) -> Self {
        Self { packets: 1, size: queue.length(0) }
    }
}

/// What waits for one receiver. Sound and repairs go first; video within the pacer's rate.
pub struct TransportQueue {
    urgent: VecDeque<Outgoing>,
    /// (when the first flush saw it in us, packet).
    video: VecDeque<(i64, Outgoing)>,
    /// So many at the front of `video` wait for the rate only, the others for the end of their frame.
    released: usize,
    /// When the first of those others was seen.
    held_us: Option<i64>,
    pacer: Pacer,
    /// Whether it is among those that the next flush looks at.
    pub(super) touched: bool,
    /// Its place among those who wait.
    pub(super) place: Option<usize>,
}

impl Default for TransportQueue {
    fn default() -> Self {
        Self {
            urgent: VecDeque::new(),
            video: VecDeque::new(),
            released: 0,
            held_us: None,
            pacer: Pacer::new(DEFAULT_PACING_BPS),
            touched: false,
            place: None,
        }
    }
}

impl TransportQueue {
    /// What is sent to this receiver at most, bit/s; 0: no pacing. Call [`super::Egress::touch`] too.
    pub fn set_rate(&mut self, bps: u64) {
        self.pacer.set_rate(bps);
    }

    pub(super) fn push(&mut self, outgoing: Outgoing, urgent: bool) -> Result<(), Drop> {
        if urgent {
            if self.urgent.len() >= MAX_URGENT_PACKETS {
                return Err(Drop::PacerFull);
            }
            self.urgent.push_back(outgoing);
        } else {
            if self.video.len() >= MAX_VIDEO_PACKETS {
                return Err(Drop::PacerFull);
            }
            self.video.push_back((UNSEEN, outgoing));
        }
        Ok(())
    }

    pub(super) fn push_in_order(&mut self, outgoing: Outgoing) {
        self.urgent.push_back(outgoing);
    }

    pub(super) fn pop_in_order(&mut self) -> Option<Outgoing> {
        self.urgent.pop_front()
    }

    /// Forget everything; returns how many packets that were.
    pub(super) fn clear(&mut self) -> u64 {
        let count = self.urgent.len() + self.video.len();
        self.urgent.clear();
        self.video.clear();
        self.released = 0;
        self.held_us = None;
        count as u64
    }

    /// A flush begins.
    pub(super) fn begin(&mut self, now_us: i64) {
        self.pacer.advance(now_us);
        for (seen_us, _) in self.video.iter_mut().rev().take_while(|(seen_us, _)| *seen_us == UNSEEN) {
            *seen_us = now_us;
        }
    }

    /// The next packet that does not wait; it takes of the rate nevertheless.
    pub(super) fn pop_urgent(&mut self) -> Option<Outgoing> {
        let outgoing = self.urgent.pop_front()?;
        self.pacer.take(outgoing.length);
        Some(outgoing)
    }

    /// Forget video that waited too long; returns how many packets that were.
    pub(super) fn drop_stale(&mut self, now_us: i64) -> u64 {
        let mut count = 0;
        while let Some(&(seen_us, _)) = self.video.front()
            && now_us - seen_us > MAX_WAIT_US
        {
            self.video.pop_front();
            self.released = self.released.saturating_sub(1);
            count += 1;
        }
        count
    }

    /// See which packets need not wait for the rest of their frame any more.
    pub(super) fn release(&mut self, now_us: i64) {
        let Some((_, last)) = self.video.back() else {
            self.held_us = None;
            return;
        };
        if self.released < self.video.len() {
            let held_us = *self.held_us.get_or_insert(now_us);
            if last.packet.marker || now_us - held_us >= HOLD_US {
                self.released = self.video.len();
                self.held_us = None;
            }
        }
    }

    /// Take what the rate allows of the released packets: so many of the first ones leave now. A packet goes while
    /// anything is left of the quantum, so that the largest ones pass at the smallest rate.
    pub(super) fn take_released(&mut self) -> usize {
        let mut count = 0;
        while count < self.released && self.pacer.allows() {
            let length = self.length(count);
            self.pacer.take(length);
            count += 1;
        }
        count
    }

    /// Which of the first `count` packets make one message: of one size, or one byte less where they may be padded,
    /// and perhaps a smaller one at the end.
    pub(super) fn group(&self, count: usize, pad: bool) -> Group {
        let tolerance = usize::from(pad);
        let mut smallest = self.length(0);
        let mut size = smallest;
        let mut packets = 1;
        while packets < count.min(MAX_SEGMENTS) {
            let length = self.length(packets);
            let largest = size.max(length);
            if (packets + 1) * (largest + PROTECTION_BYTES) > MAX_GROUP_BYTES {
                break;
            }
            if largest - smallest.min(length) > tolerance {
                if length < size {
                    packets += 1;
                }
                break;
            }
            smallest = smallest.min(length);
            size = largest;
            packets += 1;
        }
        Group { packets, size }
    }

    /// The first packets of video.
    pub(super) fn first(&self, count: usize) -> impl Iterator<Item = &Outgoing> {
        self.video.iter().take(count).map(|(_, outgoing)| outgoing)
    }

    /// The first packets left.
    pub(super) fn finish(&mut self, count: usize) {
        self.video.drain(..count.min(self.video.len()));
        self.released = self.released.saturating_sub(count);
    }

    /// When a flush is to look at this queue again, us; None when nothing waits.
    pub(super) fn due_us(&self) -> Option<i64> {
        let held_until_us = self.held_us.map(|held_us| held_us + HOLD_US);
        if self.released > 0 { Some(self.pacer.quantum_us + QUANTUM_US) } else { held_until_us }
    }

    #[cfg(test)]
    pub(super) fn waiting_packets(&self) -> usize {
        self.urgent.len() + self.video.len()
    }

    fn length(&self, index: usize) -> usize {
        self.video.get(index).map_or(0, |(_, outgoing)| outgoing.length)
    }
}
