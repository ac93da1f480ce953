//! One received media packet, read once for all who get it.

use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use crate::numbers::Extender;
use crate::parse::ParseError;
use crate::vp8;

/// A picture's temporal layer (RFC 7741 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemporalLayer {
    /// 0 to 3.
    pub tid: u8,
    /// The Y bit: a receiver may begin this layer here.
    pub sync: bool,
}

/// A media packet with extended numbers. A VP8 payload with a picture id is kept in two parts around its
/// numbers: `lead` is what stands before them, `payload` what follows; else `lead` is empty.
#[derive(Clone, Debug, Default)]
pub struct Packet {
    /// Extended.
    pub sequence: i64,
    /// Extended.
    pub timestamp: i64,
    /// Last packet of a frame, first of a talk spurt.
    pub marker: bool,
    /// First packet of a keyframe.
    pub keyframe: bool,
    /// None for what all receivers get.
    pub temporal: Option<TemporalLayer>,
    /// Sound whose payload holds earlier packets too (RFC 2198).
    pub redundant: bool,
    /// The audio level extension's byte (RFC 6464).
    pub level: Option<u8>,
    /// Extended.
    pub picture_id: Option<i64>,
    /// As it came.
    pub tl0picidx: Option<u8>,
    /// Lead, then payload.
    pub bytes: Vec<u8>,
    /// How many of `bytes` are the lead.
    pub lead_length: usize,
}

impl Packet {
    /// What stands before the picture id; empty without one.
    pub fn lead(&self) -> &[u8] {
        self.bytes.get(..self.lead_length).unwrap_or_default()
    }

    /// What follows the numbers; all there is without them.
    pub fn payload(&self) -> &[u8] {
        self.bytes.get(self.lead_length..).unwrap_or_default()
    }

    /// Bytes of what `write_payload` writes: a picture id takes its 15-bit form.
    pub fn payload_length(&self) -> usize {
        let numbers = if self.picture_id.is_none() { 0 } else { 2 + usize::from(self.tl0picidx.is_some()) };
        self.bytes.len() + numbers
    }

    /// The payload as it leaves: lead, numbers moved on, the rest.
    pub fn write_payload(&self, buffer: &mut Vec<u8>, picture_offset: i64, tl0_offset: i64) {
        let Some(picture_id) = self.picture_id else {
            buffer.extend_from_slice(&self.bytes);
            return;
        };
        buffer.extend_from_slice(self.lead());
        let number = 0x8000 | ((picture_id + picture_offset) & 0x7FFF) as u16;
        buffer.extend_from_slice(&number.to_be_bytes());
        if let Some(tl0picidx) = self.tl0picidx {
            buffer.push((i64::from(tl0picidx) + tl0_offset) as u8);
        }
        buffer.extend_from_slice(self.payload());
    }

    fn renew(&mut self, sequence: i64, timestamp: i64, marker: bool, payload: &[u8]) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        bytes.extend_from_slice(payload);
        *self = Self { sequence, timestamp, marker, bytes, ..Self::default() };
    }
}

/// A packet that nobody else holds yet, so that it can be filled in.
pub struct FreshPacket(Rc<Packet>);

impl FreshPacket {
    /// For all who get it.
    pub fn share(self) -> Rc<Packet> {
        self.0
    }
}

impl Deref for FreshPacket {
    type Target = Packet;

    fn deref(&self) -> &Packet {
        &self.0
    }
}

impl DerefMut for FreshPacket {
    fn deref_mut(&mut self) -> &mut Packet {
        Rc::make_mut(&mut self.0) // never copies: it is held here only
    }
}

/// Sound fits these; so a cache of sound does not hold buffers of video's size.
const SMALL: usize = 256;
/// The longest payload there is.
const LARGE: usize = 1_300;
const MAX_FREE: usize = 512;

/// Packets to use again, so that none is allocated while media flows; bounded.
#[derive(Default)]
pub struct PacketPool {
    small: Vec<Rc<Packet>>,
    large: Vec<Rc<Packet>>,
}

impl PacketPool {
    /// A packet with these numbers and a copy of this payload; everything else is as in a new one.
    pub fn packet(&mut self, sequence: i64, timestamp: i64, marker: bool, payload: &[u8]) -> FreshPacket {
        let (free, capacity) =
            if payload.len() <= SMALL { (&mut self.small, SMALL) } else { (&mut self.large, LARGE) };
        let mut packet =
            FreshPacket(free.pop().unwrap_or_else(|| {
                Rc::new(Packet { bytes: Vec::with_capacity(capacity), ..Packet::default() })
            }));
        packet.renew(sequence, timestamp, marker, payload);
        packet
    }

    /// How many wait to be used again.
    #[cfg(test)]
    pub(crate) fn free(&self) -> usize {
        self.small.len() + self.large.len()
    }

    /// Use a packet again unless somebody still holds it (then who lets go last frees it).
    pub fn reclaim(&mut self, mut packet: Rc<Packet>) {
        if Rc::get_mut(&mut packet).is_none() {
            return;
        }
        let free = if packet.bytes.capacity() < LARGE { &mut self.small } else { &mut self.large };
        if free.len() < MAX_FREE {
            free.push(packet);
        }
    }
}

/// Extends picture ids of 7 and 15 bits, also when a sender takes the short form for small ones.
pub struct PictureIds {
    wide: Extender,
    narrow: Extender,
}

impl Default for PictureIds {
    fn default() -> Self {
        Self { wide: Extender::new(15), narrow: Extender::new(7) }
    }
}

impl PictureIds {
    /// Before the first.
    pub fn new() -> Self {
        Self::default()
    }

    /// The extended id; both widths share one count.
    pub fn extend(&mut self, picture_id: u16, bits: u8) -> i64 {
        let extended = if bits == 7 {
            self.narrow.highest = self.wide.highest;
            self.narrow.nearest(u32::from(picture_id))
        } else {
            self.wide.nearest(u32::from(picture_id))
        };
        if self.wide.highest.is_none_or(|highest| extended > highest) {
            self.wide.highest = Some(extended);
        }
        extended
    }
}

/// Fill in what the payload descriptor says (RFC 7741 section 4.2). The packet holds its whole payload.
pub fn read_vp8(packet: &mut Packet, picture_ids: &mut PictureIds) -> Result<(), ParseError> {
    let descriptor = vp8::parse_descriptor(&packet.bytes)?;
    packet.keyframe = descriptor.keyframe;
    packet.temporal = descriptor.tid.map(|tid| TemporalLayer { tid, sync: descriptor.layer_sync });
    let (Some(picture_id), Some(offset)) = (descriptor.picture_id, descriptor.picture_id_offset) else {
        return Ok(());
    };
    packet.picture_id = Some(picture_ids.extend(picture_id, descriptor.picture_id_bits));
    packet.tl0picidx = descriptor.tl0picidx;
    let width = if descriptor.picture_id_bits == 7 { 1 } else { 2 };
    let after = offset + width + usize::from(descriptor.tl0picidx.is_some());
    packet.bytes.drain(offset..after);
    packet.lead_length = offset;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_that_nobody_holds_is_used_again() {
        let mut pool = PacketPool::default();
        let first = pool.packet(1, 2, true, &[7; 1000]).share();
        let held = Rc::clone(&first);
        pool.reclaim(first);
        assert!(pool.large.is_empty(), "somebody holds it");
        let buffer = held.bytes.as_ptr();
        pool.reclaim(held);
        let second = pool.packet(3, 4, false, &[8; 900]).share();
        assert_eq!(second.bytes.as_ptr(), buffer);
        assert_eq!((second.sequence, second.timestamp, second.marker), (3, 4, false));
        assert_eq!(second.bytes, [8; 900]);
    }

    #[test]
    fn sound_does_not_take_the_buffers_of_video() {
        let mut pool = PacketPool::default();
        let (video, sound) =
            (pool.packet(1, 1, true, &[0; 1000]).share(), pool.packet(1, 1, true, &[0; 80]).share());
        pool.reclaim(video);
        pool.reclaim(sound);
        assert_eq!((pool.small.len(), pool.large.len()), (1, 1));
        assert!(pool.packet(2, 2, true, &[0; 80]).bytes.capacity() <= 2 * SMALL);
    }

    #[test]
    fn a_picture_id_leaves_in_its_long_form_whatever_it_came_in() {
        let mut pool = PacketPool::default();
        let mut ids = PictureIds::new();
        let mut packet = pool.packet(0, 0, false, &[0x90, 0xE0, 120, 200, 0x60, 1, 2, 3]);
        read_vp8(&mut packet, &mut ids).unwrap();
        assert_eq!((packet.picture_id, packet.tl0picidx), (Some(120), Some(200)));
        assert_eq!((packet.lead(), packet.payload()), (&[0x90, 0xE0][..], &[0x60, 1, 2, 3][..]));
        let mut written = Vec::new();
        packet.write_payload(&mut written, 32_767, 100);
        assert_eq!(written, [0x90, 0xE0, 0x80, 119, 44, 0x60, 1, 2, 3]);
        assert_eq!(packet.payload_length(), written.len());
    }

    #[test]
    fn a_payload_without_numbers_leaves_as_it_came() {
        let mut pool = PacketPool::default();
        let mut packet = pool.packet(0, 0, false, &[0x10, 1, 2, 3]);
        read_vp8(&mut packet, &mut PictureIds::new()).unwrap();
        let mut written = Vec::new();
        packet.write_payload(&mut written, 5, 5);
        assert_eq!((written.as_slice(), packet.payload_length()), (&[0x10, 1, 2, 3][..], 4));
        assert!(read_vp8(&mut pool.packet(0, 0, false, &[0x90]), &mut PictureIds::new()).is_err());
    }

    #[test]
    fn picture_ids_of_both_widths_share_one_count() {
        let mut ids = PictureIds::new();
        let extended: Vec<i64> = [(126, 7), (127, 7), (0, 7), (130, 15), (5, 7), (120, 7)]
            .into_iter()
            .map(|(picture_id, bits)| ids.extend(picture_id, bits))
            .collect();
        assert_eq!(extended, [126, 127, 128, 130, 133, 120]);
    }
}
