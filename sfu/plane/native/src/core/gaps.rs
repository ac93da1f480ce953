//! Numbers of a slot under which nothing left.

use std::collections::VecDeque;

const MOST: usize = 64;

struct Gap {
    first: i64,
    /// The first number behind it.
    behind: i64,
    missing: i64,
}

/// What a publisher's line lost of a slot's numbers: no fault of the receiver's line.
///
/// Only the newest 64 gaps are known. Most slots never have any: those pay for a pointer.
#[derive(Default)]
pub struct Gaps(Option<Box<Known>>);

#[derive(Default)]
struct Known {
    /// Oldest first.
    gaps: VecDeque<Gap>,
}

impl Gaps {
    /// These numbers are missing from now on; `behind` is the next that is not.
    pub fn open(&mut self, first: i64, behind: i64) {
        let gaps = &mut self.0.get_or_insert_default().gaps;
        if gaps.len() >= MOST {
            gaps.pop_front();
        }
        gaps.push_back(Gap { first, behind, missing: behind - first });
    }

    /// A packet left late under this number.
    pub fn fill(&mut self, number: i64) {
        let Some(known) = &mut self.0 else { return };
        let found = known.gaps.iter_mut().rev().find(|gap| gap.first <= number && number < gap.behind);
        if let Some(gap) = found {
            gap.missing = (gap.missing - 1).max(0);
        }
    }

    /// How many are missing up to the highest number that the receiver knows; they are told once.
    pub fn take(&mut self, highest: i64) -> i64 {
        let Some(known) = &mut self.0 else { return 0 };
        let mut missing = 0;
        while let Some(gap) = known.gaps.front().filter(|gap| gap.behind <= highest) {
            missing += gap.missing;
            known.gaps.pop_front();
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_came_is_told_once_and_what_came_late_is_not() {
        let mut gaps = Gaps::default();
        gaps.open(10, 15);
        gaps.open(20, 21);
        gaps.fill(12);
        gaps.fill(15);
        assert_eq!(gaps.take(14), 0, "the receiver knows nothing behind it");
        assert_eq!(gaps.take(15), 4);
        assert_eq!(gaps.take(15), 0);
        gaps.fill(20);
        gaps.fill(20);
        assert_eq!(gaps.take(100), 0);
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut gaps = Gaps::default();
        for number in 0..1_000 {
            gaps.open(2 * number, 2 * number + 1);
        }
        assert_eq!(gaps.take(10_000), 64);
    }
}
