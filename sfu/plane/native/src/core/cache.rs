//! The last packets of a layer, for answers to NACK; bounded by count.

use std::rc::Rc;

use crate::core::packet::Packet;

/// How many of a layer of video.
pub const VIDEO_PACKETS: usize = 512;
/// How many of sound.
pub const AUDIO_PACKETS: usize = 64;

/// A ring by sequence number, allocated when the first packet comes.
pub struct PacketCache {
    size: usize,
    ring: Vec<Option<Rc<Packet>>>,
}

impl PacketCache {
    /// Room for `size` packets, a power of two.
    pub fn new(size: usize) -> Self {
        Self { size, ring: Vec::new() }
    }

    /// Keep a packet. `Ok`: the one whose place it took; `Err`: itself, when it is already there or its place
    /// holds a later one.
    pub fn put(&mut self, packet: Rc<Packet>) -> Result<Option<Rc<Packet>>, Rc<Packet>> {
        if self.ring.is_empty() {
            self.ring.resize(self.size, None);
        }
        let index = self.index(packet.sequence);
        match self.ring.get_mut(index) {
            Some(Some(present)) if present.sequence >= packet.sequence => Err(packet),
            Some(place) => Ok(place.replace(packet)),
            None => Err(packet),
        }
    }

    /// The packet with this extended number, if it is still there.
    pub fn get(&self, sequence: i64) -> Option<&Rc<Packet>> {
        self.at(sequence).filter(|packet| packet.sequence == sequence)
    }

    /// The packet whose extended number has these low 31 bits, if it is still there.
    pub fn find(&self, low_bits: i32) -> Option<&Rc<Packet>> {
        let low_bits = i64::from(low_bits);
        self.at(low_bits).filter(|packet| packet.sequence & 0x7FFF_FFFF == low_bits)
    }

    /// Forget everything.
    pub fn clear(&mut self) {
        self.ring = Vec::new();
    }

    fn at(&self, sequence: i64) -> Option<&Rc<Packet>> {
        self.ring.get(self.index(sequence))?.as_ref()
    }

    fn index(&self, sequence: i64) -> usize {
        sequence as usize & (self.size - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: i64) -> Rc<Packet> {
        Rc::new(Packet { sequence, ..Packet::default() })
    }

    #[test]
    fn the_last_packets_are_found_and_the_one_that_made_room_is_handed_back() {
        let mut cache = PacketCache::new(4);
        assert!(cache.get(1).is_none());
        for sequence in [-3, 1, 2] {
            let evicted = cache.put(packet(sequence)).unwrap();
            assert_eq!(evicted.map(|evicted| evicted.sequence), (sequence == 1).then_some(-3));
        }
        assert!(cache.get(-3).is_none());
        assert_eq!(cache.get(2).unwrap().sequence, 2);
        assert_eq!(cache.put(packet(2)).unwrap_err().sequence, 2, "it is there");
        assert_eq!(cache.put(packet(-2)).unwrap_err().sequence, -2, "a later one is there");
        cache.clear();
        assert!(cache.get(2).is_none());
    }

    #[test]
    fn a_packet_is_found_by_its_low_bits() {
        let mut cache = PacketCache::new(4);
        let sequence = (5_i64 << 31) + 7;
        cache.put(packet(sequence)).unwrap();
        assert_eq!(cache.find(7).unwrap().sequence, sequence);
        assert!(cache.find(3).is_none());
    }
}
