//! How often a publisher is asked for a keyframe: a throttle a source, a back-off a receiver.

use std::collections::BTreeMap;

use crate::api::KEYFRAME_THROTTLE_US;

const IDLE_RETRY_US: i64 = 2_000_000;
/// How often one request is repeated when nobody waits for its answer to begin.
const TRIES: u32 = 6;
const BACK_OFF_US: [i64; 4] = [1_000_000, 2_000_000, 4_000_000, 8_000_000];
const FORGET_US: i64 = 16_000_000;

/// At most one request per 500 ms for a source; what is wanted is asked for until it comes.
///
/// Repeated without end only while somebody waits to begin with the keyframe: each request makes keyframes on
/// all layers, so a forgotten one would cost everybody picture quality.
#[derive(Default)]
pub struct KeyframeThrottle {
    last_us: Option<i64>,
    wanted: BTreeMap<usize, u32>,
}

impl KeyframeThrottle {
    /// With nothing wanted.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether any layer's keyframe is outstanding.
    pub fn wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// A keyframe of this layer is needed.
    pub fn want(&mut self, layer: usize) {
        self.wanted.insert(layer, TRIES);
    }

    /// A keyframe of this layer came.
    pub fn arrived(&mut self, layer: usize) {
        self.wanted.remove(&layer);
    }

    /// Layers to ask for now, ascending. A source that sends nothing is asked less often.
    pub fn due(&mut self, now_us: i64, receiving: bool, waited_for: &[usize]) -> Vec<usize> {
        let interval_us = if receiving { KEYFRAME_THROTTLE_US } else { IDLE_RETRY_US };
        if self.last_us.is_some_and(|last_us| now_us - last_us < interval_us) {
            return Vec::new();
        }
        let mut asked = Vec::new();
        self.wanted.retain(|layer, tries| {
            if waited_for.contains(layer) {
                asked.push(*layer);
            } else if *tries > 0 {
                asked.push(*layer);
                *tries -= 1;
            } else {
                return false;
            }
            true
        });
        if !asked.is_empty() {
            self.last_us = Some(now_us);
        }
        asked
    }
}

/// One receiver's requests: the first is free, then one per 1, 2, 4, 8 s.
#[derive(Default)]
pub struct KeyframeBackOff {
    step: usize,
    next_us: i64,
    last_us: Option<i64>,
}

impl KeyframeBackOff {
    /// The next request is free.
    pub fn new() -> Self {
        Self::default()
    }

    /// The slot shows something new: the next request is free again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether this request is passed on.
    pub fn allow(&mut self, now_us: i64) -> bool {
        if self.last_us.is_some_and(|last_us| now_us - last_us > FORGET_US) {
            self.reset();
        }
        if self.last_us.is_some() && now_us < self.next_us {
            return false;
        }
        self.last_us = Some(now_us);
        self.next_us = now_us + BACK_OFF_US.get(self.step).copied().unwrap_or_default();
        self.step = (self.step + 1).min(BACK_OFF_US.len() - 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_receiver_backs_off() {
        let mut back_off = KeyframeBackOff::new();
        let passed: Vec<i64> = (0..40_000).step_by(10).filter(|ms| back_off.allow(ms * 1000)).collect();
        assert_eq!(passed, [0, 1000, 3000, 7000, 15_000, 23_000, 31_000, 39_000]);
    }

    #[test]
    fn a_quiet_receiver_starts_afresh() {
        let mut back_off = KeyframeBackOff::new();
        assert!(back_off.allow(0));
        assert!(!back_off.allow(900_000));
        assert!(back_off.allow(1_000_000));
        assert!(back_off.allow(18_000_000));
        assert!(back_off.allow(19_000_000));
    }

    #[test]
    fn what_is_waited_for_is_asked_for_without_end_and_the_rest_is_given_up() {
        let mut throttle = KeyframeThrottle::new();
        throttle.want(2);
        throttle.want(0);
        assert_eq!(throttle.due(0, true, &[2]), [0, 2]);
        assert!(throttle.due(499_999, true, &[2]).is_empty());
        assert!(
            throttle.due(500_000, false, &[2]).is_empty(),
            "a source that sends nothing is asked less often"
        );
        let asked: Vec<Vec<usize>> =
            (1..=8).map(|step| throttle.due(step * 2_000_000, false, &[2])).collect();
        assert_eq!(asked.iter().filter(|layers| layers.contains(&0)).count(), 5);
        assert!(asked.iter().all(|layers| layers.contains(&2)));
        throttle.arrived(2);
        assert!(!throttle.wanted());
    }
}
