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
