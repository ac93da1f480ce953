//! Wrapping counters made into numbers that do not wrap.

/// Extends a wrapping counter to one that does not wrap.
///
/// The first value stands for itself; each further one for the nearest integer to the highest so far that has
/// the same low bits. A value from before the first can therefore be negative; its low bits are still right.
#[derive(Clone, Debug)]
pub struct Extender {
    mask: i64,
    half: i64,
    /// The highest extended value so far.
    pub highest: Option<i64>,
}

impl Extender {
    /// For a counter of this many bits, 1 to 32.
    pub const fn new(bits: u32) -> Self {
        Self { mask: (1 << bits) - 1, half: 1 << (bits - 1), highest: None }
    }

    /// The extended value; moves `highest` on if it is larger.
    pub fn extend(&mut self, value: u32) -> i64 {
        let result = self.nearest(value);
        self.highest = Some(self.highest.map_or(result, |highest| highest.max(result)));
        result
    }

    /// The extended value, without moving `highest`.
    pub fn nearest(&self, value: u32) -> i64 {
        let value = i64::from(value);
        let Some(highest) = self.highest else { return value };
        let ahead = value.wrapping_sub(highest) & self.mask;
        highest + if ahead < self.half { ahead } else { ahead - self.mask - 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_on_over_the_end_and_back() {
        let mut extender = Extender::new(16);
        let found: Vec<i64> = [65_534, 65_535, 0, 65_533, 3].map(|value| extender.extend(value)).into();
        assert_eq!(found, [65_534, 65_535, 65_536, 65_533, 65_539]);
        assert_eq!(extender.highest, Some(65_539));
    }

    #[test]
    fn goes_below_zero_before_the_first_value() {
        let mut extender = Extender::new(16);
        extender.extend(1);
        assert_eq!(extender.extend(65_535), -1);
        assert_eq!(extender.highest, Some(1));
    }

    #[test]
    fn takes_half_a_turn_for_back() {
        let mut extender = Extender::new(7);
        extender.extend(0);
        assert_eq!(extender.nearest(63), 63);
        assert_eq!(extender.nearest(64), -64);
    }

    #[test]
    fn looks_without_moving_on() {
        let mut extender = Extender::new(32);
        assert_eq!(extender.nearest(7), 7);
        assert_eq!(extender.highest, None);
        extender.extend(u32::MAX);
        assert_eq!(extender.nearest(0), 1 << 32);
        assert_eq!(extender.highest, Some(u32::MAX.into()));
    }
}
