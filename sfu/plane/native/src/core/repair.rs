//! How much may be sent again: twice what was sent, a packet once a round trip.

use std::collections::VecDeque;

const MIN_INTERVAL_US: i64 = 20_000;
/// What may be saved up; a long quiet call earns no flood.
const MAX_OCTETS: u64 = 512 * 1024;
const MAX_REMEMBERED: usize = 512;

/// One slot's repairs.
#[derive(Default)]
pub struct RepairBudget {
    octets: u64,
    earned_octets: u64,
    /// (extended number, when it was repaired), each number once, in order of repair.
    repaired_us: VecDeque<(i64, i64)>,
}

impl RepairBudget {
    /// With nothing earned.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the packet of this extended number may go again; it is taken off if so.
    ///
    /// `sent_octets` is all that the slot ever sent, repairs not counted.
    pub fn allow(
        &mut self,
        sequence: i64,
        length: usize,
        sent_octets: u64,
        now_us: i64,
        round_trip_us: i64,
    ) -> bool {
        let earned = 2 * sent_octets.saturating_sub(self.earned_octets);
        self.octets = MAX_OCTETS.min(self.octets + earned);
        self.earned_octets = sent_octets;
        let before = self.repaired_us.iter().rposition(|(repaired, _)| *repaired == sequence);
        let last_us = before.and_then(|index| self.repaired_us.get(index)).map(|(_, us)| *us);
        if last_us.is_some_and(|last_us| now_us - last_us < MIN_INTERVAL_US.max(round_trip_us)) {
            return false;
        }
        let Some(left) = self.octets.checked_sub(length as u64) else {
            return false;
        };
        self.octets = left;
        if let Some(index) = before {
            self.repaired_us.remove(index);
        }
        self.repaired_us.push_back((sequence, now_us));
        if self.repaired_us.len() > MAX_REMEMBERED {
            self.repaired_us.pop_front();
        }
        true
    }
}
