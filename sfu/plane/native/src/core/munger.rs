//! Continuous numbers for one slot across packets left out, layers and publishers.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::core::gaps::Gaps;
use crate::core::packet::Packet;
use crate::core::slot::Offsets;

const HISTORY: usize = 64;

/// What is added to a source's numbers and picture ids, from which number on; old ones are forgotten.
#[derive(Default)]
pub struct Changes {
    /// (first number of the source, number offset, picture offset), oldest first.
    changes: VecDeque<(i64, i64, i64)>,
}

impl Changes {
    /// From this number on, which is the highest so far or just above it, these hold.
    fn hold_from(&mut self, sequence: i64, offset: i64, picture: i64) {
        if self.changes.back().is_some_and(|(first, ..)| *first >= sequence - 1) {
            self.changes.pop_back();
        } else if self.changes.len() >= HISTORY {
            self.changes.pop_front();
        }
        self.changes.push_back((sequence, offset, picture));
    }

    /// (number offset, picture offset) of a packet; None when it is older than what is known here.
    fn at(&self, sequence: i64) -> Option<(i64, i64)> {
        let (_, offset, picture) = self.changes.iter().rev().find(|(first, ..)| sequence >= *first)?;
        Some((*offset, *picture))
    }

    /// The picture offset of a packet; for older ones than those known here, the oldest.
    pub fn picture_offset(&self, sequence: i64) -> i64 {
        let oldest = self.changes.front().map_or(0, |(.., picture)| *picture);
        self.at(sequence).map_or(oldest, |(_, picture)| picture)
    }
}

/// Maps a source's extended numbers to the slot's.
///
/// `start` at the first packet of each new source or layer, then `place` for every packet in whatever order
/// they arrive, and `skip` for those that are left out. Timestamps and TL0PICIDX follow by the offsets, which
/// hold until the next `start`; picture ids by `changes`.
pub struct Munger {
    /// Added to the source's numbers; before a start, the first number.
    offset: i64,
    changes: Rc<RefCell<Changes>>,
    /// Numbers under which nothing left.
    pub gaps: Gaps,
    /// Number of the source with which the present start began.
    pub first: i64,
    /// Highest number of the present source that was placed or skipped, None before a start.
    pub highest: Option<i64>,
    /// Highest timestamp that left, extended; None before the first.
    pub timestamp_highest: Option<i64>,
    /// Newest picture id that left, extended; None before the first.
    pub picture_highest: Option<i64>,
    /// Newest picture id of the present source that was placed or skipped, the least number before the first.
    picture_seen: i64,
    offsets: Offsets,
    tl0_highest: Option<i64>,
}

impl Munger {
    /// The first packet gets this number.
    pub fn new(first_sequence_number: u16) -> Self {
        Self {
            offset: i64::from(first_sequence_number),
            changes: Rc::default(),
            gaps: Gaps::default(),
            first: 0,
            highest: None,
            timestamp_highest: None,
            picture_highest: None,
            picture_seen: i64::MIN,
            offsets: Offsets::default(),
            tl0_highest: None,
        }
    }

    /// How numbers of new packets are changed.
    pub fn offsets(&self) -> Offsets {
        self.offsets
    }

    /// Of the present source; others from each start on.
    pub fn changes(&self) -> &Rc<RefCell<Changes>> {
        &self.changes
    }

    /// The extended number that the next new packet gets.
    pub fn next_sequence(&self) -> i64 {
        self.highest.map_or(self.offset, |highest| highest + self.offset + 1)
    }

    /// Whether nothing of the present source from this number on was placed or skipped.
    pub fn is_newest(&self, sequence: i64) -> bool {
        self.highest.is_some_and(|highest| sequence > highest)
    }

    /// Go on with this packet, at `timestamp_rtp` or just after what was sent; returns its time.
    pub fn start(&mut self, packet: &Packet, timestamp_rtp: i64) -> i64 {
        self.offset = self.next_sequence() - packet.sequence;
        self.first = packet.sequence;
        self.highest = Some(packet.sequence - 1);
        let timestamp_rtp =
            self.timestamp_highest.map_or(timestamp_rtp, |highest| timestamp_rtp.max(highest + 1));
        self.offsets.timestamp = timestamp_rtp - packet.timestamp;
        if let (Some(picture_id), Some(highest)) = (packet.picture_id, self.picture_highest) {
            self.offsets.picture = highest + 1 - picture_id;
        }
        self.picture_seen = i64::MIN;
        if let (Some(tl0picidx), Some(highest)) = (packet.tl0picidx, self.tl0_highest) {
            self.offsets.tl0 = (highest + 1 - i64::from(tl0picidx)) & 0xFF;
        }
        let mut changes = Changes::default();
        changes.hold_from(packet.sequence, self.offset, self.offsets.picture);
        self.changes = Rc::new(RefCell::new(changes));
        timestamp_rtp
    }

    /// The packet's extended number in the slot, and how its numbers are changed; None when it is older than
    /// what is known here.
    pub fn place(&mut self, packet: &Packet) -> Option<(i64, Offsets)> {
        let sequence = packet.sequence;
        let highest = self.highest?;
        if sequence <= highest {
            let (offset, picture) = self.changes.borrow().at(sequence)?;
            self.gaps.fill(sequence + offset);
            return Some((sequence + offset, Offsets { picture, ..self.offsets }));
        }
        self.note_gap(highest, sequence);
        self.highest = Some(sequence);
        self.timestamp_highest = Some(packet.timestamp + self.offsets.timestamp);
        if let Some(picture_id) = packet.picture_id {
            self.see_picture(picture_id);
            self.picture_highest = Some(picture_id + self.offsets.picture);
            if let Some(tl0picidx) = packet.tl0picidx {
                self.tl0_highest = Some(i64::from(tl0picidx) + self.offsets.tl0);
            }
        }
        Some((sequence + self.offset, self.offsets))
    }

    /// Leave a packet out without a gap; false when later ones were sent, so that one remains.
    ///
    /// `picture_id` of a frame that is left out: the first time it is told, no id is missing either.
    pub fn skip(&mut self, sequence: i64, picture_id: Option<i64>) -> bool {
        let Some(highest) = self.highest.filter(|&highest| sequence > highest) else { return false };
        self.note_gap(highest, sequence);
        self.highest = Some(sequence);
        self.offset -= 1;
        if picture_id.is_some_and(|picture_id| self.see_picture(picture_id)) {
            self.offsets.picture -= 1;
        }
        self.changes.borrow_mut().hold_from(sequence + 1, self.offset, self.offsets.picture);
        true
    }

    fn note_gap(&mut self, highest: i64, sequence: i64) {
        if sequence > highest + 1 {
            self.gaps.open(highest + 1 + self.offset, sequence + self.offset);
        }
    }

    fn see_picture(&mut self, picture_id: i64) -> bool {
        let newer = picture_id > self.picture_seen;
        self.picture_seen = self.picture_seen.max(picture_id);
        newer
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

    fn number(munger: &mut Munger, packet: &Packet) -> Option<i64> {
        munger.place(packet).map(|(sequence, _)| sequence)
    }

    #[test]
    fn every_count_goes_on_across_sources() {
        let mut munger = Munger::new(65_535);
        assert_eq!(number(&mut munger, &packet(9, 0, 0, 0)), None, "nothing was started");
        assert_eq!(munger.start(&packet(10, 1_000, 100, 250), 5_000), 5_000);
        assert_eq!(number(&mut munger, &packet(10, 1_000, 100, 250)), Some(65_535));
        assert_eq!(number(&mut munger, &packet(11, 1_500, 101, 255)), Some(65_536));
        assert_eq!(munger.next_sequence(), 65_537);
        let other = packet(70_000, 9, 7, 3);
        assert_eq!(munger.start(&other, 0), 5_501, "just after what was sent");
        assert_eq!(number(&mut munger, &other), Some(65_537));
        let offsets = munger.offsets();
        assert_eq!(offsets.timestamp, 5_501 - 9);
        assert_eq!(offsets.picture, 102 - 7);
        assert_eq!((3 + offsets.tl0) & 0xFF, 0, "after 255");
        assert_eq!(number(&mut munger, &packet(69_999, 0, 6, 2)), None, "from before the start");
    }

    #[test]
    fn late_packets_take_their_places() {
        let mut munger = Munger::new(100);
        munger.start(&packet(0, 0, 0, 0), 0);
        let numbers: Vec<Option<i64>> = [0, 3, 1, 2]
            .into_iter()
            .map(|sequence| number(&mut munger, &packet(sequence, 0, 0, 0)))
            .collect();
        assert_eq!(numbers, [Some(100), Some(103), Some(101), Some(102)]);
    }

    #[test]
    fn what_is_left_out_leaves_no_gap() {
        let mut munger = Munger::new(100);
        assert!(!munger.skip(5, None));
        munger.start(&packet(0, 0, 0, 0), 0);
        assert_eq!(number(&mut munger, &packet(0, 0, 0, 0)), Some(100));
        assert!(munger.skip(1, None));
        assert!(munger.skip(2, None));
        assert_eq!(number(&mut munger, &packet(4, 0, 0, 0)), Some(102));
        assert!(!munger.skip(3, None), "a later one was sent");
        assert_eq!(number(&mut munger, &packet(3, 0, 0, 0)), Some(101));
    }

    #[test]
    fn what_is_remembered_of_packets_left_out_is_bounded() {
        let mut munger = Munger::new(0);
        munger.start(&packet(0, 0, 0, 0), 0);
        for sequence in 0..1_000 {
            if sequence % 2 == 0 {
                munger.place(&packet(sequence, 0, 0, 0));
            } else {
                munger.skip(sequence, None);
            }
        }
        assert_eq!(munger.changes.borrow().changes.len(), HISTORY);
        assert_eq!(number(&mut munger, &packet(998, 0, 0, 0)), Some(499));
        assert_eq!(number(&mut munger, &packet(2, 0, 0, 0)), None);
    }

    #[test]
    fn frames_left_out_leave_no_gap_in_picture_ids_either() {
        let mut munger = Munger::new(100);
        munger.start(&packet(0, 0, 50, 0), 0);
        munger.place(&packet(0, 0, 50, 0));
        for sequence in [1, 2] {
            assert!(munger.skip(sequence, Some(51)), "two packets of one frame");
        }
        let (sequence, offsets) = munger.place(&packet(4, 0, 52, 1)).unwrap();
        assert_eq!((sequence, offsets.picture), (102, -1));
        let (sequence, offsets) = munger.place(&packet(0, 0, 50, 0)).unwrap();
        assert_eq!((sequence, offsets.picture), (100, 0), "late: as it would have been");
        assert_eq!(munger.changes().borrow().picture_offset(0), 0);
        assert_eq!(munger.changes().borrow().picture_offset(9), -1);
    }
}
