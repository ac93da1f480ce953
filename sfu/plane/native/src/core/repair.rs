//! How much may be sent again: as much as was sent, a packet once a round trip.

use std::collections::VecDeque;

const MIN_INTERVAL_US: i64 = 20_000;
/// What may be saved up: a thin line that gets it all at once is full for a second or two.
const MAX_OCTETS: u64 = 64 * 1024;
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
        let earned = sent_octets.saturating_sub(self.earned_octets);
        self.octets = MAX_OCTETS.min(self.octets + earned);
        self.earned_octets = sent_octets;
        let before = self.repaired_us.iter().rposition(|(repaired, _)| *repaired == sequence);
        let last_us = before.and_then(|index| self.repaired_us.get(index)).map(|(_, us)| *us);
        if last_us.is_some_and(|last_us| now_us - last_us < MIN_INTERVAL_US.max(round_trip_us)) {
            return false;
        }
        if !self.take(length) {
            return false;
        }
        if let Some(index) = before {
            self.repaired_us.remove(index);
        }
        self.repaired_us.push_back((sequence, now_us));
        if self.repaired_us.len() > MAX_REMEMBERED {
            self.repaired_us.pop_front();
        }
        true
    }

    /// Whether there is room for so many octets more; they are taken off if so.
    pub fn take(&mut self, length: usize) -> bool {
        let left = self.octets.checked_sub(length as u64);
        self.octets = left.unwrap_or(self.octets);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_quiet_call_earns_no_flood() {
        let mut budget = RepairBudget::new();
        let allowed = (0..10_000).filter(|number| budget.allow(*number, 1000, 1_000_000_000, 0, 0)).count();
        assert_eq!(allowed, 64 * 1024 / 1000);
    }

    #[test]
    fn a_packet_goes_once_a_round_trip() {
        let mut budget = RepairBudget::new();
        assert!(budget.allow(1, 100, 10_000, 0, 50_000));
        assert!(!budget.allow(1, 100, 10_000, 49_999, 50_000));
        assert!(budget.allow(2, 100, 10_000, 49_999, 50_000));
        assert!(budget.allow(1, 100, 10_000, 50_000, 50_000));
        assert!(!budget.allow(1, 100, 10_000, 69_999, 0), "at most one in 20 ms");
        assert!(budget.allow(1, 100, 10_000, 70_000, 0));
    }

    #[test]
    fn what_was_sent_is_earned_once() {
        let mut budget = RepairBudget::new();
        assert!(budget.allow(1, 100, 100, 0, 0));
        assert!(!budget.allow(2, 1, 100, 0, 0));
        assert!(budget.allow(2, 10, 110, 0, 0));
    }

    #[test]
    fn what_it_remembers_is_bounded() {
        let mut budget = RepairBudget::new();
        for number in 0..=512 {
            assert!(budget.allow(number, 1, 1_000_000, 0, 0));
        }
        assert!(!budget.allow(1, 1, 1_000_000, 0, 0));
        assert!(budget.allow(0, 1, 1_000_000, 0, 0), "the first one is forgotten");
        assert_eq!(budget.repaired_us.len(), MAX_REMEMBERED);
    }
}
