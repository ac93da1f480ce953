//! Which packets of a publisher are missing, and when to ask for them again.

use std::collections::VecDeque;

/// How many are remembered.
pub const MAX_MISSING: usize = 256;
/// How often one is asked for.
pub const MAX_TRIES: u32 = 10;
/// A packet may come this much after its followers before it is asked for.
const REORDERING_US: i64 = 10_000;
const MAX_AGE_US: i64 = 1_000_000;
const MIN_RETRY_US: i64 = 30_000;

struct Missing {
    sequence: i64,
    next_us: i64,
    since_us: i64,
    asked_us: i64,
    tries: u32,
}

/// Extended numbers that are missing, ascending, each with when it is next asked for and how often it was.
#[derive(Default)]
pub struct NackList {
    missing: VecDeque<Missing>,
    /// From a request to its repair, smoothed; only of what was asked for once. None before the first.
    pub round_trip_us: Option<i64>,
}

impl NackList {
    /// With nothing missing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }

    /// Numbers `first` up to but not including `end` were left out by the packet just received; they are
    /// above all that were told before.
    pub fn gap(&mut self, first: i64, end: i64, now_us: i64) {
        let first = first.max(end - MAX_MISSING as i64);
        let excess = (self.missing.len() + (end - first).max(0) as usize).saturating_sub(MAX_MISSING);
        self.missing.drain(..excess.min(self.missing.len()));
        self.missing.extend((first..end).map(|sequence| Missing {
            sequence,
            next_us: now_us + REORDERING_US,
            since_us: now_us,
            asked_us: now_us,
            tries: 0,
        }));
    }

    /// A late packet came.
    pub fn received(&mut self, sequence: i64) {
        self.take(sequence);
    }

    /// A packet came again that was asked for.
    pub fn repaired(&mut self, sequence: i64, now_us: i64) {
        if let Some(missing) = self.take(sequence).filter(|missing| missing.tries == 1) {
            let sample_us = now_us - missing.asked_us;
            let before_us = self.round_trip_us.unwrap_or(sample_us);
            self.round_trip_us = Some(before_us + (sample_us - before_us).div_euclid(8));
        }
    }

    fn take(&mut self, sequence: i64) -> Option<Missing> {
        let index = self.missing.binary_search_by_key(&sequence, |missing| missing.sequence).ok()?;
        self.missing.remove(index)
    }

    /// What to ask for now, ascending; gives up after `MAX_TRIES` or a second.
    pub fn due(&mut self, now_us: i64, round_trip_us: i64) -> Vec<i64> {
        let retry_us = MIN_RETRY_US.max(round_trip_us + round_trip_us.div_euclid(4));
        let mut asked = Vec::new();
        self.missing.retain_mut(|missing| {
            if now_us - missing.since_us > MAX_AGE_US || missing.tries >= MAX_TRIES {
                return false;
            }
            if missing.next_us <= now_us {
                missing.next_us = now_us + retry_us;
                missing.asked_us = now_us;
                missing.tries += 1;
                asked.push(missing.sequence);
            }
            true
        });
        asked
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        self.missing.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_missing_packets_is_bounded() {
        let mut missing = NackList::new();
        missing.gap(0, 100_000, 0);
        assert_eq!(missing.due(1_000_000, 0).len(), MAX_MISSING);
        missing.gap(100_000, 100_100, 0);
        assert!(missing.due(2_000_000, 0).is_empty());
        assert!(missing.is_empty(), "all were given up");
    }

    #[test]
    fn the_oldest_make_room() {
        let mut missing = NackList::new();
        missing.gap(0, 200, 0);
        missing.gap(300, 400, 0);
        let asked = missing.due(10_000, 0);
        assert_eq!(asked.len(), MAX_MISSING);
        assert_eq!((asked.first(), asked.last()), (Some(&44), Some(&399)));
    }

    #[test]
    fn what_is_missing_is_asked_for_again_each_round_trip_until_it_comes() {
        let mut missing = NackList::new();
        missing.gap(5, 7, 0);
        assert!(missing.due(9_999, 100_000).is_empty());
        assert_eq!(missing.due(10_000, 100_000), [5, 6]);
        assert!(missing.due(134_999, 100_000).is_empty());
        missing.received(5);
        missing.received(99);
        assert_eq!(missing.due(135_000, 100_000), [6]);
        missing.received(6);
        assert!(missing.is_empty());
    }

    #[test]
    fn what_was_asked_for_once_tells_the_round_trip() {
        let mut missing = NackList::new();
        missing.gap(5, 8, 0);
        missing.due(10_000, 100_000);
        missing.received(5);
        assert_eq!(missing.round_trip_us, None, "late by itself");
        missing.repaired(6, 50_000);
        assert_eq!(missing.round_trip_us, Some(40_000));
        missing.due(135_000, 100_000);
        missing.repaired(7, 140_000);
        assert_eq!(missing.round_trip_us, Some(40_000), "nobody knows which request it answers");
        missing.gap(9, 10, 200_000);
        missing.due(210_000, 100_000);
        missing.repaired(9, 330_000);
        assert_eq!(missing.round_trip_us, Some(50_000));
    }

    #[test]
    fn it_gives_up_after_so_many_tries() {
        let mut missing = NackList::new();
        missing.gap(5, 6, 0);
        let asked = (0..100).filter(|step| !missing.due(step * 10_000, 0).is_empty()).count();
        assert_eq!(asked, MAX_TRIES as usize);
        assert!(missing.is_empty());
    }
}
