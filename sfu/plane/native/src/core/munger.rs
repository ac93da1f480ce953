//! Continuous numbers for one slot across packets left out, layers and publishers.

use std::collections::VecDeque;

use crate::core::packet::Packet;
use crate::core::slot::Offsets;

const HISTORY: usize = 64;

/// Maps a source's extended numbers to the slot's.
///
/// `start` at the first packet of each new source or layer, then `place` for every packet in whatever order
/// they arrive, and `skip` for those that are left out. Timestamps, picture ids and TL0PICIDX follow by the
/// offsets, which hold until the next `start`.
pub struct Munger {
    first_sequence: i64,
    offset: i64,
    /// (first number of the source, offset from there on), oldest first.
    history: VecDeque<(i64, i64)>,
    /// Highest number of the present source that was placed or skipped, None before a start.
    pub highest: Option<i64>,
    /// Highest timestamp that left, extended; None before the first.
    pub timestamp_highest: Option<i64>,
    /// Highest picture id that left, extended; None before the first.
    pub picture_highest: Option<i64>,
    offsets: Offsets,
    tl0_highest: Option<i64>,
}

impl Munger {
    /// The first packet gets this number.
    pub fn new(first_sequence_number: u16) -> Self {
        Self {
            first_sequence: i64::from(first_sequence_number),
            offset: 0,
            history: VecDeque::new(),
            highest: None,
            timestamp_highest: None,
            picture_highest: None,
            offsets: Offsets::default(),
            tl0_highest: None,
        }
    }

    /// How numbers are changed since the last `start`.
    pub fn offsets(&self) -> Offsets {
        self.offsets
    }

    /// The extended number that the next new packet gets.
    pub fn next_sequence(&self) -> i64 {
        self.highest.map_or(self.first_sequence, |highest| highest + self.offset + 1)
    }

    /// Go on with this packet, at `timestamp_rtp` or just after what was sent; returns its time.
    pub fn start(&mut self, packet: &Packet, timestamp_rtp: i64) -> i64 {
        self.offset = self.next_sequence() - packet.sequence;
        self.highest = Some(packet.sequence - 1);
        self.history.clear();
        self.history.push_back((packet.sequence, self.offset));
        let timestamp_rtp =
            self.timestamp_highest.map_or(timestamp_rtp, |highest| timestamp_rtp.max(highest + 1));
        self.offsets.timestamp = timestamp_rtp - packet.timestamp;
        if let (Some(picture_id), Some(highest)) = (packet.picture_id, self.picture_highest) {
            self.offsets.picture = highest + 1 - picture_id;
        }
        if let (Some(tl0picidx), Some(highest)) = (packet.tl0picidx, self.tl0_highest) {
            self.offsets.tl0 = (highest + 1 - i64::from(tl0picidx)) & 0xFF;
        }
        timestamp_rtp
    }

    /// The packet's extended number in the slot; None when it is older than what is known here.
    pub fn place(&mut self, packet: &Packet) -> Option<i64> {
        let sequence = packet.sequence;
        if sequence <= self.highest? {
            return self.place_late(sequence);
        }
        self.highest = Some(sequence);
        self.timestamp_highest = Some(packet.timestamp + self.offsets.timestamp);
        if let Some(picture_id) = packet.picture_id {
            self.picture_highest = Some(picture_id + self.offsets.picture);
            if let Some(tl0picidx) = packet.tl0picidx {
                self.tl0_highest = Some(i64::from(tl0picidx) + self.offsets.tl0);
            }
        }
        Some(sequence + self.offset)
    }

    fn place_late(&self, sequence: i64) -> Option<i64> {
        let (_, offset) = self.history.iter().rev().find(|(first, _)| sequence >= *first)?;
        Some(sequence + offset)
    }

    /// Leave a packet out without a gap; false when later ones were sent, so that one remains.
    pub fn skip(&mut self, sequence: i64) -> bool {
        if self.highest.is_none_or(|highest| sequence <= highest) {
            return false;
        }
        self.highest = Some(sequence);
        self.offset -= 1;
        if self.history.back().is_some_and(|(first, _)| *first == sequence) {
            self.history.pop_back();
        } else if self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((sequence + 1, self.offset));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: i64, timestamp: i64, picture_id: i64, tl0picidx: u8) -> Packet {
        Packet {
            sequence,
            timestamp,
            picture_id: Some(picture_id),
            tl0picidx: Some(tl0picidx),
            ..Packet::default()
        }
    }

    #[test]
    fn every_count_goes_on_across_sources() {
        let mut munger = Munger::new(65_535);
        assert_eq!(munger.place(&packet(9, 0, 0, 0)), None, "nothing was started");
        assert_eq!(munger.start(&packet(10, 1_000, 100, 250), 5_000), 5_000);
        assert_eq!(munger.place(&packet(10, 1_000, 100, 250)), Some(65_535));
        assert_eq!(munger.place(&packet(11, 1_500, 101, 255)), Some(65_536));
        assert_eq!(munger.next_sequence(), 65_537);
        let other = packet(70_000, 9, 7, 3);
        assert_eq!(munger.start(&other, 0), 5_501, "just after what was sent");
        assert_eq!(munger.place(&other), Some(65_537));
        let offsets = munger.offsets();
        assert_eq!(offsets.timestamp, 5_501 - 9);
        assert_eq!(offsets.picture, 102 - 7);
        assert_eq!((3 + offsets.tl0) & 0xFF, 0, "after 255");
        assert_eq!(munger.place(&packet(69_999, 0, 6, 2)), None, "from before the start");
    }

    #[test]
    fn late_packets_take_their_places() {
        let mut munger = Munger::new(100);
        munger.start(&packet(0, 0, 0, 0), 0);
        let numbers: Vec<Option<i64>> =
            [0, 3, 1, 2].into_iter().map(|sequence| munger.place(&packet(sequence, 0, 0, 0))).collect();
        assert_eq!(numbers, [Some(100), Some(103), Some(101), Some(102)]);
    }

    #[test]
    fn what_is_left_out_leaves_no_gap() {
        let mut munger = Munger::new(100);
        assert!(!munger.skip(5));
        munger.start(&packet(0, 0, 0, 0), 0);
        assert_eq!(munger.place(&packet(0, 0, 0, 0)), Some(100));
        assert!(munger.skip(1));
        assert!(munger.skip(2));
        assert_eq!(munger.place(&packet(4, 0, 0, 0)), Some(102));
        assert!(!munger.skip(3), "a later one was sent");
        assert_eq!(munger.place(&packet(3, 0, 0, 0)), Some(101));
    }

    #[test]
    fn what_is_remembered_of_packets_left_out_is_bounded() {
        let mut munger = Munger::new(0);
        munger.start(&packet(0, 0, 0, 0), 0);
        for sequence in 0..1_000 {
            if sequence % 2 == 0 {
                munger.place(&packet(sequence, 0, 0, 0));
            } else {
                munger.skip(sequence);
            }
        }
        assert_eq!(munger.history.len(), HISTORY);
        assert_eq!(munger.place(&packet(998, 0, 0, 0)), Some(499));
        assert_eq!(munger.place(&packet(2, 0, 0, 0)), None);
    }
}
