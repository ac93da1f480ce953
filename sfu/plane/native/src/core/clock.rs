//! Media time on the server's clock: which server time an RTP timestamp stands for.
//!
//! A publisher's sender reports tie RTP timestamps to its own NTP clock, and the smallest delay of its reports
//! ties that clock to ours: one offset a publisher, so that its sound and picture keep their relation. Until a
//! layer's first report the smallest delay of its packets stands in.

use std::cell::Cell;
use std::rc::Rc;

const WINDOW_US: i64 = 15_000_000;
/// A delay that grows by more than this is a step of the publisher's clock, not a slow network.
const STEP_US: i64 = 1_000_000;
const PLAUSIBLE_PAST_US: i64 = 2_000_000;
const PLAUSIBLE_FUTURE_US: i64 = 200_000;
/// Without reports a publisher's clock may run slow by 1/5000 (200 ppm).
const DRIFT_PER_US: i64 = 5_000;
const SECOND_US: i64 = 1_000_000;

/// `us` of a clock in RTP units, rounded down; the products of whole seconds cannot overflow.
pub(crate) fn rtp_from_us(us: i64, rate: u32) -> i64 {
    let rate = i64::from(rate);
    us.div_euclid(SECOND_US) * rate + (us.rem_euclid(SECOND_US) * rate).div_euclid(SECOND_US)
}

/// RTP units in us, rounded down.
fn us_from_rtp(units: i64, rate: u32) -> i64 {
    let rate = i64::from(rate.max(1));
    units.div_euclid(rate) * SECOND_US + (units.rem_euclid(rate) * SECOND_US).div_euclid(rate)
}

/// The offset from one publisher's NTP time to server time, by the smallest delay seen lately.
#[derive(Default)]
pub struct PublisherClock {
    /// Shared with the layers' clocks; us.
    offset: Rc<Cell<Option<i64>>>,
    current_us: Option<i64>,
    previous_us: Option<i64>,
    rotated_us: i64,
}

impl PublisherClock {
    /// Before the first report.
    pub fn new() -> Self {
        Self::default()
    }

    /// Add this to the publisher's NTP time in us; None before the first report.
    pub fn offset_us(&self) -> Option<i64> {
        self.offset.get()
    }

    /// A sender report that carries `ntp_us` arrived.
    pub fn report(&mut self, ntp_us: i64, now_us: i64) {
        let delay_us = now_us - ntp_us;
        if self.offset.get().is_some_and(|offset_us| delay_us > offset_us + STEP_US) {
            self.current_us = None;
            self.previous_us = None;
        }
        let current_us = match self.current_us {
            Some(current_us) if now_us - self.rotated_us <= WINDOW_US => current_us.min(delay_us),
            before => {
                self.previous_us = before;
                self.rotated_us = now_us;
                delay_us
            }
        };
        self.current_us = Some(current_us);
        let offset_us = self.previous_us.map_or(current_us, |previous_us| previous_us.min(current_us));
        self.offset.set(Some(offset_us));
    }
}

/// Between RTP timestamps (extended) of one layer and server time in us.
pub struct MediaClock {
    rate: u32,
    /// Of the publisher's clock; us.
    offset: Rc<Cell<Option<i64>>>,
    anchor_us: i64,
    anchor_rtp: Option<i64>,
    report_ntp_us: i64,
    report_rtp: Option<i64>,
    trusted: bool,
}

impl MediaClock {
    /// Of a layer with this clock rate, Hz.
    pub fn new(rate: u32, publisher: &PublisherClock) -> Self {
        Self {
            rate,
            offset: Rc::clone(&publisher.offset),
            anchor_us: 0,
            anchor_rtp: None,
            report_ntp_us: 0,
            report_rtp: None,
            trusted: false,
        }
    }

    /// The first packet of a frame arrived in order.
    pub fn packet(&mut self, timestamp_rtp: i64, now_us: i64) {
        self.anchor_us = self.anchor_rtp.map_or(now_us, |anchor_rtp| {
            let elapsed_us = us_from_rtp(timestamp_rtp - anchor_rtp, self.rate);
            let expected_us = self.anchor_us + elapsed_us;
            let late_us = now_us - expected_us;
            if (0..=PLAUSIBLE_PAST_US).contains(&late_us) {
                expected_us + late_us.min(elapsed_us.max(0) / DRIFT_PER_US)
            } else {
                now_us
            }
        });
        self.anchor_rtp = Some(timestamp_rtp);
        self.check(timestamp_rtp, now_us);
    }

    /// A sender report of this layer; the publisher's clock was told before.
    pub fn report(&mut self, ntp_us: i64, timestamp_rtp: i64) {
        self.report_ntp_us = ntp_us;
        self.report_rtp = Some(timestamp_rtp);
        if let Some(anchor_rtp) = self.anchor_rtp {
            self.check(anchor_rtp, self.anchor_us);
        }
    }

    fn check(&mut self, timestamp_rtp: i64, now_us: i64) {
        self.trusted = self.told().is_some_and(|(point_us, point_rtp)| {
            let told_us = point_us + us_from_rtp(timestamp_rtp - point_rtp, self.rate);
            (now_us - PLAUSIBLE_PAST_US..=now_us + PLAUSIBLE_FUTURE_US).contains(&told_us)
        });
    }

    /// The (server time us, timestamp) that the last report tells.
    fn told(&self) -> Option<(i64, i64)> {
        Some((self.report_ntp_us + self.offset.get()?, self.report_rtp?))
    }

    /// A (server time us, timestamp) that belong together.
    fn point(&self) -> (i64, i64) {
        let told = if self.trusted { self.told() } else { None };
        told.unwrap_or((self.anchor_us, self.anchor_rtp.unwrap_or_default()))
    }

    /// Server time of a timestamp; call `packet` before the first time.
    pub fn server_us(&self, timestamp_rtp: i64) -> i64 {
        let (point_us, point_rtp) = self.point();
        point_us + us_from_rtp(timestamp_rtp - point_rtp, self.rate)
    }

    /// The inverse of `server_us`.
    pub fn timestamp_rtp(&self, server_us: i64) -> i64 {
        let (point_us, point_rtp) = self.point();
        point_rtp + rtp_from_us(server_us - point_us, self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_of_a_publisher_is_its_smallest_delay_and_follows_a_drifting_clock() {
        let mut clock = PublisherClock::new();
        for second in 0..120 {
            let delay_us = 20_000 + (second * 7919 % 50) * 1000;
            clock.report(second * 1_000_100, second * 1_000_000 + delay_us);
            let offset_us = clock.offset_us().unwrap();
            assert!((offset_us - (20_000 - second * 100)).abs() < 55_000);
        }
        assert!((clock.offset_us().unwrap() - (20_000 - 120 * 100)).abs() < 6_000);
    }

    #[test]
    fn a_step_of_the_publishers_clock_is_followed_at_once() {
        let mut clock = PublisherClock::new();
        clock.report(0, 10_000);
        clock.report(1_000_000 - 5_000_000, 1_010_000);
        assert_eq!(clock.offset_us(), Some(5_010_000));
    }

    #[test]
    fn reports_that_make_no_sense_fall_back_to_arrival() {
        let mut publisher = PublisherClock::new();
        let mut clock = MediaClock::new(90_000, &publisher);
        clock.packet(0, 1_000_000);
        publisher.report(50_000_000, 1_000_000);
        clock.report(50_000_000, 900_000_000);
        clock.packet(90_000, 2_000_000);
        assert_eq!(clock.server_us(90_000), 2_000_000);
        assert_eq!(clock.timestamp_rtp(2_000_000), 90_000);
    }

    #[test]
    fn reports_tie_the_layers_of_a_publisher_together() {
        let mut publisher = PublisherClock::new();
        let mut sound = MediaClock::new(48_000, &publisher);
        let mut picture = MediaClock::new(90_000, &publisher);
        sound.packet(4_800, 1_030_000);
        picture.packet(9_000, 1_150_000);
        publisher.report(77_000_000, 1_000_000);
        sound.report(77_000_000, 0);
        picture.report(77_000_000, 0);
        assert_eq!(sound.server_us(4_800), 1_100_000);
        assert_eq!(picture.server_us(9_000), 1_100_000);
        assert_eq!(picture.timestamp_rtp(1_100_000), 9_000);
        publisher.report(77_500_000, 1_480_000);
        assert_eq!(picture.server_us(9_000), 1_080_000, "a smaller delay holds for all at once");
    }

    #[test]
    fn times_are_rounded_down_on_both_sides_of_zero_and_do_not_overflow() {
        assert_eq!((rtp_from_us(-1, 48_000), rtp_from_us(21, 48_000)), (-1, 1));
        assert_eq!((us_from_rtp(-1, 90_000), us_from_rtp(1, 90_000)), (-12, 11));
        assert_eq!(rtp_from_us(2_000_000_000_000_000, 90_000), 180_000_000_000_000);
        assert_eq!(us_from_rtp(1 << 50, 90_000), 12_509_998_964_918_044);
    }
}
