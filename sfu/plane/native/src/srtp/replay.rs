//! Which indexes came already, and what a 16-bit number's full index is (RFC 3711 sections 3.3.1 and 3.3.2).

use super::Refused;

/// Indexes that are told apart, the highest included.
pub(super) const WINDOW: u64 = 1024;

const WORDS: usize = WINDOW as usize / 64;
const HALF: u64 = 1 << 15;

/// The highest index and what came below it.
#[derive(Default)]
pub(super) struct Replay {
    highest: u64,
    /// Bit of an index: the index modulo the window.
    seen: [u64; WORDS],
}

impl Replay {
    /// The index nearest to the highest one that ends in this number (RFC 3711 appendix A). Like libsrtp,
    /// everything is of rollover 0 until half a cycle has come: there is no cycle before it.
    pub(super) fn estimate(&self, sequence_number: u16) -> u64 {
        let number = u64::from(sequence_number);
        if self.highest <= HALF {
            return number;
        }
        let (cycle, last) = (self.highest >> 16, self.highest & 0xFFFF);
        let cycle = if last < HALF {
            // The first cycle has none before it; `highest` is beyond its half, so it is not the first.
            if number > last + HALF { cycle - 1 } else { cycle }
        } else if number < last - HALF {
            cycle + 1
        } else {
            cycle
        };
        cycle << 16 | number
    }

    /// Whether a packet of this index may still come.
    pub(super) fn check(&self, index: u64) -> Result<(), Refused> {
        if index > self.highest {
            Ok(())
        } else if self.highest - index >= WINDOW {
            Err(Refused::TooOld)
        } else if self.seen[word(index)] & bit(index) != 0 {
            Err(Refused::Replayed)
        } else {
            Ok(())
        }
    }

    /// It came; only for an index that was checked.
    pub(super) fn enter(&mut self, index: u64) {
        if index > self.highest {
            if index - self.highest >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                for passed in self.highest + 1..index {
                    self.seen[word(passed)] &= !bit(passed);
                }
            }
            self.highest = index;
        }
        self.seen[word(index)] |= bit(index);
    }
}

const fn word(index: u64) -> usize {
    (index % WINDOW / 64) as usize
}

const fn bit(index: u64) -> u64 {
    1 << (index % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(indexes: &[u64]) -> Replay {
        let mut replay = Replay::default();
        for &index in indexes {
            replay.check(index).unwrap();
            replay.enter(index);
        }
        replay
    }

    #[test]
    fn everything_is_of_the_first_cycle_until_half_of_it_has_come() {
        assert_eq!(after(&[]).estimate(0xFFFF), 0xFFFF);
        assert_eq!(after(&[10]).estimate(0xFFF0), 0xFFF0);
        assert_eq!(after(&[0x8000]).estimate(0), 0);
        assert_eq!(after(&[0x8002]).estimate(0), 0x1_0000);
    }

    #[test]
    fn numbers_belong_to_the_nearest_cycle() {
        assert_eq!(after(&[0xFFFE]).estimate(3), 0x1_0003);
        assert_eq!(after(&[0x1_0003]).estimate(0xFFFE), 0xFFFE);
        assert_eq!(after(&[0x1_0003]).estimate(0x8003), 0x1_8003);
        assert_eq!(after(&[0x1_0003]).estimate(0x8004), 0x8004);
        assert_eq!(after(&[0x7_9000]).estimate(0x1000), 0x7_1000);
        assert_eq!(after(&[0x7_9000]).estimate(0x0FFF), 0x8_0FFF);
    }

    #[test]
    fn an_index_comes_once() {
        let replay = after(&[5, 3, 9, 4]);
        for index in [3, 4, 5, 9] {
            assert_eq!(replay.check(index), Err(Refused::Replayed));
        }
        for index in [0, 6, 8, 10] {
            assert_eq!(replay.check(index), Ok(()));
        }
    }

    #[test]
    fn the_window_is_1024_indexes_wide() {
        let replay = after(&[0, 5000, 5000 - 1023]);
        assert_eq!(replay.check(5000 - 1024), Err(Refused::TooOld));
        assert_eq!(replay.check(5000 - 1023), Err(Refused::Replayed));
        assert_eq!(replay.check(5000 - 1022), Ok(()));
    }

    #[test]
    fn a_window_that_moved_on_forgets_what_shared_its_bits() {
        let mut replay = after(&[100, 101, 102]);
        for jump in [1025, 1023, 3000] {
            let highest = replay.highest;
            replay.enter(highest + jump);
            for index in highest + jump - 1023..highest + jump {
                let expected = if index == highest { Err(Refused::Replayed) } else { Ok(()) };
                assert_eq!(replay.check(index), expected);
            }
        }
    }
}
