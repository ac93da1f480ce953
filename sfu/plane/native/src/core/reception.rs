//! What arrived of one SSRC: extended numbers, losses, jitter (RFC 3550 appendix A).

use crate::core::clock::rtp_from_us;
use crate::numbers::Extender;
use crate::rtcp::ReportBlock;

const MAX_MISORDER: i64 = 512;
const MAX_DROPOUT: i64 = 3000;

/// Extends sequence numbers and counts, for receiver reports and for the state events.
pub struct Reception {
    clock_rate: u32,
    numbers: Extender,
    base: i64,
    /// Packets that came on their own.
    pub received: i64,
    expected_before: i64,
    received_before: i64,
    jitter_q4: i64,
    transit: Option<i64>,
    restart: Option<u16>,
    /// The middle of the last sender report's NTP time, for LSR; 0 before the first.
    pub report_ntp_middle: u32,
    /// When it came.
    pub report_arrived_us: i64,
}

impl Reception {
    /// Before the first packet.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            numbers: Extender::new(16),
            base: 0,
            received: 0,
            expected_before: 0,
            received_before: 0,
            jitter_q4: 0,
            transit: None,
            restart: None,
            report_ntp_middle: 0,
            report_arrived_us: 0,
        }
    }

    /// Highest extended number, None before the first packet.
    pub fn highest(&self) -> Option<i64> {
        self.numbers.highest
    }

    /// The extended number; None when the packet is far from where the stream stands.
    ///
    /// Two consecutive far numbers mean that the sender began anew: the second one's number is then more than
    /// 65,535 above all before.
    pub fn extend(&mut self, sequence: u16) -> Option<i64> {
        let Some(highest) = self.numbers.highest else {
            self.base = i64::from(sequence);
            return Some(self.numbers.extend(u32::from(sequence)));
        };
        let extended = self.numbers.nearest(u32::from(sequence));
        let ahead = extended - highest;
        if -MAX_MISORDER < ahead && ahead < MAX_DROPOUT {
            if ahead > 0 {
                self.numbers.highest = Some(extended);
            }
            return Some(extended);
        }
        if self.restart == Some(sequence) {
            self.begin_anew(highest, sequence);
            return self.numbers.highest;
        }
        self.restart = Some(sequence.wrapping_add(1));
        None
    }

    /// The extended number of a repaired packet; None when it is none that is missing now.
    pub fn extend_repair(&self, sequence: u16) -> Option<i64> {
        let highest = self.numbers.highest?;
        let extended = self.numbers.nearest(u32::from(sequence));
        let ahead = extended - highest;
        (-MAX_MISORDER < ahead && ahead <= 0).then_some(extended)
    }

    /// Number on above everything known, so that extended numbers never fall.
    fn begin_anew(&mut self, highest: i64, sequence: u16) {
        let fresh = (((highest >> 16) + 2) << 16) + i64::from(sequence);
        self.numbers.highest = Some(fresh);
        self.base = fresh;
        self.received = 0;
        self.expected_before = 0;
        self.received_before = 0;
        self.transit = None;
        self.restart = None;
    }

    /// Count a packet that came on its own (not by repair); jitter by RFC 3550 section 6.4.1.
    pub fn arrived(&mut self, timestamp_rtp: u32, now_us: i64) {
        self.received += 1;
        let transit = rtp_from_us(now_us, self.clock_rate) - i64::from(timestamp_rtp);
        if let Some(before) = self.transit {
            let difference = (transit - before).abs();
            if difference < 10 * i64::from(self.clock_rate) {
                self.jitter_q4 += difference - ((self.jitter_q4 + 8) >> 4);
            }
        }
        self.transit = Some(transit);
    }

    /// A sender report came.
    pub fn sender_report(&mut self, ntp_middle: u32, now_us: i64) {
        self.report_ntp_middle = ntp_middle;
        self.report_arrived_us = now_us;
    }

    /// Whether anything came since the last report (RFC 3550 section 6.4).
    pub fn heard(&self) -> bool {
        self.received != self.received_before
    }

    /// Packets sent as far as the numbers tell.
    pub fn expected(&self) -> i64 {
        self.numbers.highest.map_or(0, |highest| highest - self.base + 1)
    }

    /// The next report block; `fraction_lost` is since the one before.
    pub fn report(&mut self, ssrc: u32, now_us: i64) -> ReportBlock {
        let expected = self.expected();
        let expected_interval = expected - self.expected_before;
        let lost_interval = expected_interval - (self.received - self.received_before);
        self.expected_before = expected;
        self.received_before = self.received;
        let fraction_lost = if expected_interval > 0 && lost_interval > 0 {
            ((lost_interval << 8) / expected_interval).min(255) as u8
        } else {
            0
        };
        let dlsr = if self.report_ntp_middle == 0 {
            0
        } else {
            ((now_us - self.report_arrived_us) * 65_536).div_euclid(1_000_000) as u32
        };
        ReportBlock {
            ssrc,
            fraction_lost,
            packets_lost: expected - self.received,
            highest_sequence: self.numbers.highest.unwrap_or_default() as u32,
            jitter: (self.jitter_q4 >> 4) as u32,
            lsr: self.report_ntp_middle,
            dlsr,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_extended_and_losses_reported_since_the_last_report() {
        let mut reception = Reception::new(90_000);
        for sequence in [65_534, 65_535, 1, 2, 0] {
            assert!(reception.extend(sequence).is_some());
            reception.arrived(0, 0);
        }
        assert_eq!((reception.highest(), reception.expected()), (Some(65_538), 5));
        assert_eq!(reception.extend(5), Some(65_541));
        reception.arrived(0, 0);
        let block = reception.report(7, 0);
        assert_eq!((block.packets_lost, block.fraction_lost), (2, 64));
        assert_eq!((block.highest_sequence, block.lsr, block.dlsr), (65_541, 0, 0));
        assert!(!reception.heard());
        reception.sender_report(0x1234_5678, 1_000_000);
        let block = reception.report(7, 1_500_000);
        assert_eq!((block.fraction_lost, block.lsr, block.dlsr), (0, 0x1234_5678, 32_768));
    }

    #[test]
    fn two_far_numbers_in_a_row_begin_anew_above_all_before() {
        let mut reception = Reception::new(90_000);
        reception.extend(100);
        assert_eq!(reception.extend(30_000), None);
        assert_eq!(reception.extend(101), Some(101));
        assert_eq!(reception.extend(40_000), None);
        assert_eq!(reception.extend(40_001), Some(131_072 + 40_001));
        assert_eq!((reception.expected(), reception.received), (1, 0));
        assert_eq!(reception.extend(40_000), Some(131_072 + 40_000));
    }

    #[test]
    fn only_what_can_be_missing_is_a_repair() {
        let mut reception = Reception::new(90_000);
        assert_eq!(reception.extend_repair(9), None);
        reception.extend(1_000);
        let numbers = [1_000, 1_001, 489, 488].map(|sequence| reception.extend_repair(sequence));
        assert_eq!(numbers, [Some(1_000), None, Some(489), None]);
    }

    #[test]
    fn jitter_is_smoothed_and_jumps_are_left_out() {
        let mut reception = Reception::new(90_000);
        for (index, now_us) in [0, 33_000, 71_000, 20_000_000].into_iter().enumerate() {
            reception.extend(index as u16);
            reception.arrived(index as u32 * 2_970, now_us);
        }
        assert_eq!(reception.jitter_q4, 450);
        assert_eq!(reception.report(1, 0).jitter, 28);
    }
}
