//! What one publisher may send: bits and packets a second.

/// However long they are.
pub const MAX_PACKETS_PER_S: i64 = 4_000;
const BURST_US: i64 = 500_000;
const REFILL_US: i64 = 10_000;
const SECOND_US: i64 = 1_000_000;
/// A rate beyond all lines, so that nothing overflows.
const MAX_BPS: u64 = 1 << 40;

/// Two token buckets of half a second each, refilled only when one runs dry.
pub struct IngressCap {
    bytes_per_s: i64,
    byte_burst: i64,
    packet_burst: i64,
    bytes: i64,
    packets: i64,
    refilled_us: i64,
}

impl IngressCap {
    /// Full.
    pub fn new(max_bps: u64, now_us: i64) -> Self {
        let bytes_per_s = (max_bps.min(MAX_BPS) / 8) as i64;
        let byte_burst = bytes_per_s * BURST_US / SECOND_US;
        let packet_burst = MAX_PACKETS_PER_S * BURST_US / SECOND_US;
        Self {
            bytes_per_s,
            byte_burst,
            packet_burst,
            bytes: byte_burst,
            packets: packet_burst,
            refilled_us: now_us,
        }
    }

    /// Whether a packet of this many bytes is within the cap; it is taken off if so.
    pub fn admit(&mut self, length: usize, now_us: i64) -> bool {
        let length = length as i64;
        if self.bytes < length || self.packets < 1 {
            let elapsed_us = now_us - self.refilled_us;
            if elapsed_us < REFILL_US {
                return false;
            }
            self.refilled_us = now_us;
            let elapsed_us = elapsed_us.min(BURST_US); // fills both
            self.bytes = self.byte_burst.min(self.bytes + self.bytes_per_s * elapsed_us / SECOND_US);
            self.packets = self.packet_burst.min(self.packets + MAX_PACKETS_PER_S * elapsed_us / SECOND_US);
            if self.bytes < length || self.packets < 1 {
                return false;
            }
        }
        self.bytes -= length;
        self.packets -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_second_may_come_at_once_and_then_no_more_than_the_rate() {
        let mut cap = IngressCap::new(8_000_000, 0);
        let burst = (0..1_000).filter(|_| cap.admit(1_000, 0)).count();
        assert_eq!(burst, 500);
        assert!(!cap.admit(1_000, 9_999), "refilled in steps");
        let second: usize =
            (1..=100).map(|step| (0..50).filter(|_| cap.admit(1_000, step * 10_000)).count()).sum();
        assert_eq!(second, 1_000);
        let burst = (0..1_000).filter(|_| cap.admit(1_000, 1 << 60)).count();
        assert_eq!(burst, 500);
    }

    #[test]
    fn small_packets_are_counted() {
        let mut cap = IngressCap::new(u64::MAX, 0);
        assert_eq!((0..10_000).filter(|_| cap.admit(1, 0)).count(), 2_000);
        assert_eq!((0..10_000).filter(|_| cap.admit(1, 100_000)).count(), 400);
    }
}
