//! The VP8 payload descriptor and the start of its payload header (RFC 7741 sections 4.2 and 4.3).

use crate::parse::ParseError;

/// One packet's descriptor. Offsets are bytes from the payload's start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "they are bits of the descriptor")]
pub struct Vp8Descriptor {
    /// First packet of a frame (S set, partition 0).
    pub start: bool,
    /// First packet of a keyframe.
    pub keyframe: bool,
    /// Of the descriptor, bytes.
    pub size: usize,
    /// The N bit.
    pub non_reference: bool,
    /// 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// 7 or 15, 0 without a picture id.
    pub picture_id_bits: u8,
    /// Where the picture id stands.
    pub picture_id_offset: Option<usize>,
    /// 8 bits.
    pub tl0picidx: Option<u8>,
    /// Where TL0PICIDX stands.
    pub tl0picidx_offset: Option<usize>,
    /// Temporal layer.
    pub tid: Option<u8>,
    /// The Y bit: a receiver may begin this temporal layer here.
    pub layer_sync: bool,
    /// 5 bits.
    pub keyidx: Option<u8>,
    /// Pixels, None if not a keyframe's first packet.
    pub keyframe_width: Option<u16>,
    /// Pixels, None if not a keyframe's first packet.
    pub keyframe_height: Option<u16>,
}

/// Read the descriptor of one RTP payload (padding removed).
pub fn parse_descriptor(payload: &[u8]) -> Result<Vp8Descriptor, ParseError> {
    let byte =
        |position: usize, reason| payload.get(position).copied().ok_or(ParseError::new(reason, position));
    let first = byte(0, "VP8 descriptor is missing")?;
    let mut descriptor =
        Vp8Descriptor { start: first & 0x1F == 0x10, non_reference: first & 0x20 != 0, ..Default::default() };
    let mut position = 1;
    if first & 0x80 != 0 {
        let present = byte(1, "VP8 descriptor is cut short")?;
        position = 2;
        if present & 0x80 != 0 {
            let high = byte(position, "VP8 picture id is cut short")?;
            descriptor.picture_id_offset = Some(position);
            if high & 0x80 == 0 {
                descriptor.picture_id = Some(u16::from(high));
                descriptor.picture_id_bits = 7;
                position += 1;
            } else {
                let low = byte(position + 1, "VP8 picture id is cut short")?;
                descriptor.picture_id = Some(u16::from_be_bytes([high & 0x7F, low]));
                descriptor.picture_id_bits = 15;
                position += 2;
            }
        }
        if present & 0x40 != 0 {
            descriptor.tl0picidx = Some(byte(position, "VP8 TL0PICIDX is cut short")?);
            descriptor.tl0picidx_offset = Some(position);
            position += 1;
        }
        if present & 0x30 != 0 {
            let value = byte(position, "VP8 TID/KEYIDX is cut short")?;
            if present & 0x20 != 0 {
                descriptor.tid = Some(value >> 6);
                descriptor.layer_sync = value & 0x20 != 0;
            }
            if present & 0x10 != 0 {
                descriptor.keyidx = Some(value & 0x1F);
            }
            position += 1;
        }
    }
    let tag = byte(position, "VP8 payload is empty")?;
    descriptor.size = position;
    descriptor.keyframe = descriptor.start && tag & 0x01 == 0;
    if descriptor.keyframe {
        // RFC 6386 section 9.1: three bytes of frame tag, the start code, then 14-bit sizes.
        let Some(header) = payload.get(position..).and_then(|rest| rest.first_chunk::<10>()) else {
            return Err(ParseError::new("VP8 keyframe header is cut short", payload.len()));
        };
        if header[3..6] != [0x9D, 0x01, 0x2A] {
            return Err(ParseError::new("VP8 keyframe start code is wrong", position + 3));
        }
        descriptor.keyframe_width = Some(u16::from_le_bytes([header[6], header[7]]) & 0x3FFF);
        descriptor.keyframe_height = Some(u16::from_le_bytes([header[8], header[9]]) & 0x3FFF);
    }
    Ok(descriptor)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYFRAME: [u8; 10] = [0x50, 0, 0, 0x9D, 0x01, 0x2A, 0x80, 0x42, 0xE0, 0x81];

    fn with_keyframe(descriptor: &[u8]) -> Vec<u8> {
        [descriptor, &KEYFRAME].concat()
    }

    #[test]
    fn reads_every_field() {
        let descriptor = parse_descriptor(&with_keyframe(&[0xB0, 0xF0, 0x92, 0x34, 0x56, 0xAB])).unwrap();
        let expected = Vp8Descriptor {
            start: true,
            keyframe: true,
            size: 6,
            non_reference: true,
            picture_id: Some(0x1234),
            picture_id_bits: 15,
            picture_id_offset: Some(2),
            tl0picidx: Some(0x56),
            tl0picidx_offset: Some(4),
            tid: Some(2),
            layer_sync: true,
            keyidx: Some(11),
            keyframe_width: Some(0x0280),
            keyframe_height: Some(0x01E0),
        };
        assert_eq!(descriptor, expected);
    }

    #[test]
    fn reads_a_short_picture_id() {
        let descriptor = parse_descriptor(&[0x80, 0x80, 0x7F, 0x01]).unwrap();
        assert_eq!((descriptor.picture_id, descriptor.picture_id_bits, descriptor.size), (Some(127), 7, 3));
    }

    #[test]
    fn tells_a_frame_start_from_a_partition() {
        let starts = [0x10, 0x11, 0x00, 0x18].map(|first| parse_descriptor(&[first, 0x01]).unwrap().start);
        assert_eq!(starts, [true, false, false, false]);
    }

    #[test]
    fn refuses_every_cut() {
        let payload = with_keyframe(&[0x90, 0xF0, 0x92, 0x34, 0x56, 0xAB]);
        for length in 0..payload.len() {
            assert!(parse_descriptor(&payload[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn refuses_a_keyframe_without_its_start_code() {
        let mut payload = with_keyframe(&[0x10]);
        payload[4] = 0x9C;
        assert_eq!(parse_descriptor(&payload).unwrap_err().offset, 4);
    }
}
