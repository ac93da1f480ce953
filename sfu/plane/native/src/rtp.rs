//! RTP packets (RFC 3550 section 5.1) and their header extensions (RFC 8285), read and written as bytes.
//!
//! Calling rule for the field readers ([`sequence_number`], [`ssrc`], ...): they read at fixed places of a packet
//! for which [`payload_offset`] has succeeded; of anything shorter they say 0.

use crate::parse::{ParseError, u16_at, u32_at};

/// Bytes of a header without CSRCs and extensions.
pub const HEADER_LENGTH: usize = 12;
/// Profile of the one-byte form.
pub const ONE_BYTE_PROFILE: u16 = 0xBEDE;
/// Upper 12 bits of the two-byte form; the lower four are application bits (RFC 8285 section 4.3).
pub const TWO_BYTE_PROFILE: u16 = 0x1000;

/// Whether a packet of the RTP range is RTCP (RFC 5761 section 4: payload types 64 to 95).
pub fn is_rtcp(data: &[u8]) -> bool {
    data.get(1).is_some_and(|second| (192..=223).contains(second))
}

/// The marker bit: last packet of a video frame, first of a talk spurt.
pub fn marker(data: &[u8]) -> bool {
    data.get(1).is_some_and(|second| *second >= 0x80)
}

/// Payload type, 0 to 127.
pub fn payload_type(data: &[u8]) -> u8 {
    data.get(1).map_or(0, |second| second & 0x7F)
}

/// Sequence number.
pub fn sequence_number(data: &[u8]) -> u16 {
    u16_at(data, 2).unwrap_or(0)
}

/// Timestamp in RTP units.
pub fn timestamp(data: &[u8]) -> u32 {
    u32_at(data, 4).unwrap_or(0)
}

/// Synchronization source.
pub fn ssrc(data: &[u8]) -> u32 {
    u32_at(data, 8).unwrap_or(0)
}

/// Byte at which the payload starts; checks version, CSRC list and extension length. Padding is not looked at.
pub fn payload_offset(data: &[u8]) -> Result<usize, ParseError> {
    let length = data.len();
    let Some(header) = data.first_chunk::<HEADER_LENGTH>() else {
        return Err(ParseError::new("RTP header is cut short", length));
    };
    let first = header[0];
    if first & 0xC0 != 0x80 {
        return Err(ParseError::new("RTP version is not 2", 0));
    }
    let mut offset = extensions_offset(first);
    if first & 0x10 != 0 {
        let Some(words) = u16_at(data, offset + 2) else {
            return Err(ParseError::new("RTP extension header is cut short", offset));
        };
        offset += 4 + 4 * usize::from(words);
    }
    if length < offset {
        return Err(ParseError::new("RTP header runs past the packet", length));
    }
    Ok(offset)
}

/// Bytes of padding at the end, 0 without the P bit; `offset` is the payload's. An error when the count is 0 or
/// larger than the payload.
pub fn padding_length(data: &[u8], offset: usize) -> Result<usize, ParseError> {
    let (Some(first), Some(last)) = (data.first(), data.last()) else { return Ok(0) };
    if first & 0x20 == 0 {
        return Ok(0);
    }
    let count = usize::from(*last);
    if count == 0 || count > data.len().saturating_sub(offset) {
        return Err(ParseError::new("RTP padding length is wrong", data.len() - 1));
    }
    Ok(count)
}

/// Where CSRCs end, by the first byte.
fn extensions_offset(first: u8) -> usize {
    HEADER_LENGTH + 4 * usize::from(first & 0x0F)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    OneByte,
    TwoByte,
}

/// One extension element and where its value stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Element<'a> {
    /// 1 to 14 in the one-byte form, 1 to 255 in the other.
    pub id: u8,
    /// Of the value, from the packet's start.
    pub offset: usize,
    /// May be empty in the two-byte form.
    pub value: &'a [u8],
}

/// The extension elements of a packet in order; ends after an error. A profile that is neither form has none.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    data: &'a [u8],
    position: usize,
    end: usize,
    form: Form,
}

impl<'a> Elements<'a> {
    /// Of a packet for which [`payload_offset`] has succeeded; of anything else none.
    pub fn new(data: &'a [u8]) -> Self {
        Self::of(data).unwrap_or(Self { data, position: 0, end: 0, form: Form::OneByte })
    }

    fn of(data: &'a [u8]) -> Option<Self> {
        let first = *data.first()?;
        if first & 0x10 == 0 {
            return None;
        }
        let offset = extensions_offset(first);
        let form = match u16_at(data, offset)? {
            ONE_BYTE_PROFILE => Form::OneByte,
            profile if profile & 0xFFF0 == TWO_BYTE_PROFILE => Form::TwoByte,
            _ => return None,
        };
        let position = offset + 4;
        let end = position + 4 * usize::from(u16_at(data, offset + 2)?);
        (end <= data.len()).then_some(Self { data, position, end, form })
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.position)?;
        if self.position >= self.end {
            return None;
        }
        self.position += 1;
        Some(byte)
    }

    fn cut_short(&mut self) -> ParseError {
        let error = ParseError::new("RTP extension element is cut short", self.position);
        self.position = self.end;
        error
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (id, length) = loop {
            let byte = self.byte()?;
            if byte == 0 {
                continue;
            }
            if self.form == Form::TwoByte {
                match self.byte() {
                    Some(length) => break (byte, usize::from(length)),
                    None => return Some(Err(self.cut_short())),
                }
            }
            // Id 0 with a length, id 15: reading ends (RFC 8285 section 4.2).
            if !(0x10..0xF0).contains(&byte) {
                self.position = self.end;
                return None;
            }
            break (byte >> 4, usize::from(byte & 0x0F) + 1);
        };
        let offset = self.position;
        let end = offset + length;
        if end > self.end {
            return Some(Err(self.cut_short()));
        }
        let Some(value) = self.data.get(offset..end) else { return Some(Err(self.cut_short())) };
        self.position = end;
        Some(Ok(Element { id, offset, value }))
    }
}

/// Value of the first extension element with this id; an error when an element before it is cut short.
pub fn extension(data: &[u8], id: u8) -> Result<Option<&[u8]>, ParseError> {
    for element in Elements::new(data) {
        let element = element?;
        if element.id == id {
            return Ok(Some(element.value));
        }
    }
    Ok(None)
}

/// Extension elements that were all read and checked.
#[derive(Clone, Debug)]
pub struct Extensions<'a>(Elements<'a>);

/// All extension elements; an error when any is cut short.
pub fn extensions(data: &[u8]) -> Result<Extensions<'_>, ParseError> {
    let elements = Elements::new(data);
    for element in elements.clone() {
        element?;
    }
    Ok(Extensions(elements))
}

impl<'a> Extensions<'a> {
    /// Value of the first element with this id.
    pub fn get(&self, id: u8) -> Option<&'a [u8]> {
        self.0.clone().flatten().find(|element| element.id == id).map(|element| element.value)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.clone().next().is_none()
    }
}

/// The extension block with its four-byte head, empty for no elements.
///
/// One-byte form when every element fits it (id 1 to 14, 1 to 16 bytes), else the two-byte form. Elements that
/// neither form can write (id 0, more than 255 bytes) are the caller's mistake and left out.
pub fn pack_extensions(elements: &[(u8, &[u8])]) -> Vec<u8> {
    let writable = || elements.iter().filter(|(id, value)| *id != 0 && value.len() <= 255);
    let one_byte = writable().all(|(id, value)| *id <= 14 && (1..=16).contains(&value.len()));
    let mut block = vec![0; 4];
    for (id, value) in writable() {
        if one_byte {
            block.push((id << 4) | (value.len() - 1) as u8);
        } else {
            block.extend_from_slice(&[*id, value.len() as u8]);
        }
        block.extend_from_slice(value);
    }
    if block.len() == 4 {
        return Vec::new();
    }
    block.resize(block.len().next_multiple_of(4), 0);
    let profile = if one_byte { ONE_BYTE_PROFILE } else { TWO_BYTE_PROFILE };
    let words = (block.len() / 4 - 1) as u16;
    block[..2].copy_from_slice(&profile.to_be_bytes());
    block[2..4].copy_from_slice(&words.to_be_bytes());
    block
}

/// What [`build`] writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// May be extended: the low 16 bits are sent.
    pub sequence_number: i64,
    /// May be extended: the low 32 bits are sent.
    pub timestamp: i64,
    /// Synchronization source.
    pub ssrc: u32,
    /// What stands after the header.
    pub payload: &'a [u8],
    /// The marker bit.
    pub marker: bool,
    /// As for [`pack_extensions`].
    pub extensions: &'a [(u8, &'a [u8])],
    /// At most 15.
    pub csrcs: &'a [u32],
    /// 0 to 255 bytes, the last of which holds the count.
    pub padding_length: u8,
}

/// A whole packet.
pub fn build(fields: &Fields<'_>) -> Vec<u8> {
    let csrcs = &fields.csrcs[..fields.csrcs.len().min(15)];
    let block = if fields.extensions.is_empty() { Vec::new() } else { pack_extensions(fields.extensions) };
    let padding = usize::from(fields.padding_length);
    let length = HEADER_LENGTH + 4 * csrcs.len() + block.len() + fields.payload.len() + padding;
    let mut packet = Vec::with_capacity(length);
    packet.push(
        0x80 | if padding > 0 { 0x20 } else { 0 }
            | if block.is_empty() { 0 } else { 0x10 }
            | csrcs.len() as u8,
    );
    packet.push(if fields.marker { 0x80 } else { 0 } | fields.payload_type & 0x7F);
    packet.extend_from_slice(&(fields.sequence_number as u16).to_be_bytes());
    packet.extend_from_slice(&(fields.timestamp as u32).to_be_bytes());
    packet.extend_from_slice(&fields.ssrc.to_be_bytes());
    for csrc in csrcs {
        packet.extend_from_slice(&csrc.to_be_bytes());
    }
    packet.extend_from_slice(&block);
    packet.extend_from_slice(fields.payload);
    if padding > 0 {
        packet.resize(length - 1, 0);
        packet.push(fields.padding_length);
    }
    packet
}

/// Value of the abs-send-time extension: seconds as 6.18 fixed point, 24 bits.
pub fn abs_send_time(now_us: i64) -> u32 {
    let (seconds, rest_us) = (now_us.div_euclid(1_000_000), now_us.rem_euclid(1_000_000));
    (((seconds << 18) + (rest_us << 18) / 1_000_000) & 0xFF_FFFF) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(extensions: &[(u8, &[u8])]) -> Vec<u8> {
        build(&Fields {
            payload_type: 96,
            sequence_number: 65_536 + 7,
            timestamp: (1 << 32) + 9,
            ssrc: 0xDEAD_BEEF,
            payload: b"payload",
            marker: true,
            extensions,
            csrcs: &[1, 2],
            padding_length: 3,
        })
    }

    /// A packet whose extension block of `profile` holds these bytes.
    fn with_block(profile: u16, body: &[u8]) -> Vec<u8> {
        let mut data = vec![0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        data.extend_from_slice(&profile.to_be_bytes());
        data.extend_from_slice(&((body.len() / 4) as u16).to_be_bytes());
        data.extend_from_slice(body);
        data
    }

    fn ids(data: &[u8]) -> Vec<Result<(u8, usize), usize>> {
        Elements::new(data)
            .map(|element| element.map(|found| (found.id, found.value.len())).map_err(|error| error.offset))
            .collect()
    }

    #[test]
    fn reads_what_it_builds() {
        let data = packet(&[(4, b"mid"), (2, b"xyz")]);
        let offset = payload_offset(&data).unwrap();
        let padding = padding_length(&data, offset).unwrap();
        assert_eq!(&data[offset..data.len() - padding], b"payload");
        assert_eq!((marker(&data), payload_type(&data), sequence_number(&data)), (true, 96, 7));
        assert_eq!((timestamp(&data), ssrc(&data)), (9, 0xDEAD_BEEF));
        assert_eq!(extension(&data, 2), Ok(Some(&b"xyz"[..])));
        assert_eq!(extension(&data, 3), Ok(None));
        assert_eq!(data[12..20], [0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(data[data.len() - 3..], [0, 0, 3]);
    }

    #[test]
    fn refuses_every_cut_of_the_header() {
        let data = packet(&[(4, b"mid")]);
        let offset = payload_offset(&data).unwrap();
        for length in 0..offset {
            assert!(payload_offset(&data[..length]).is_err(), "{length}");
        }
        assert_eq!(payload_offset(&data[..offset]), Ok(offset));
    }

    #[test]
    fn refuses_other_versions() {
        let mut data = packet(&[]);
        for version in [0x00, 0x40, 0xC0] {
            data[0] = version;
            assert_eq!(payload_offset(&data).unwrap_err().offset, 0);
        }
    }

    #[test]
    fn refuses_padding_of_nothing_and_beyond_the_payload() {
        let mut data = build(&Fields { payload: b"abcd", ..Fields::default() });
        data[0] |= 0x20;
        for (count, expected) in [(0, None), (1, Some(1)), (4, Some(4)), (5, None), (255, None)] {
            *data.last_mut().unwrap() = count;
            assert_eq!(padding_length(&data, HEADER_LENGTH).ok(), expected);
        }
    }

    #[test]
    fn is_rtcp_by_the_second_byte() {
        let told = [191, 192, 200, 223, 224].map(|second| is_rtcp(&[0x80, second]));
        assert_eq!(told, [false, true, true, true, false]);
        assert!(!is_rtcp(&[0x80]));
    }

    #[test]
    fn one_byte_form_ends_at_id_15_and_at_id_0_with_a_length() {
        assert_eq!(ids(&with_block(0xBEDE, &[0x10, 1, 0, 0x21, 2, 2, 0xF0, 9])), [Ok((1, 1)), Ok((2, 2))]);
        assert_eq!(ids(&with_block(0xBEDE, &[0x10, 1, 0x01, 0x20, 5, 0, 0, 0])), [Ok((1, 1))]);
    }

    #[test]
    fn an_element_over_the_end_is_an_error_once() {
        assert_eq!(ids(&with_block(0xBEDE, &[0x10, 1, 0x23, 1])), [Ok((1, 1)), Err(19)]);
        assert_eq!(ids(&with_block(0x100F, &[1, 0, 2, 3])), [Ok((1, 0)), Err(20)]);
        assert_eq!(ids(&with_block(0x1000, &[0, 0, 0, 3])), [Err(20)]);
    }

    #[test]
    fn looking_for_one_stops_there_and_reading_all_does_not() {
        let data = with_block(0xBEDE, &[0x10, 1, 0x23, 1]);
        assert_eq!(extension(&data, 1), Ok(Some(&[1][..])));
        assert!(extension(&data, 2).is_err());
        assert!(extensions(&data).is_err());
    }

    #[test]
    fn of_two_with_one_id_the_first_counts() {
        let data = with_block(0xBEDE, &[0x10, 1, 0x10, 2]);
        let found = extensions(&data).unwrap();
        assert_eq!(found.get(1), Some(&[1][..]));
        assert!(!found.is_empty());
    }

    #[test]
    fn another_profile_has_no_elements() {
        let data = with_block(0xABCD, &[0x10, 1, 0x10, 2]);
        assert!(extensions(&data).unwrap().is_empty());
    }

    #[test]
    fn elements_of_an_unchecked_packet_are_none() {
        let data = packet(&[(4, b"mid")]);
        for length in 0..payload_offset(&data).unwrap() {
            assert_eq!(Elements::new(&data[..length]).count(), 0);
        }
    }

    #[test]
    fn takes_the_two_byte_form_where_the_other_does_not_fit() {
        assert_eq!(pack_extensions(&[(1, b"ab"), (14, b"c")]), b"\xBE\xDE\x00\x02\x11ab\xE0c\0\0\0");
        assert_eq!(pack_extensions(&[(1, b"ab"), (15, b"c")]), b"\x10\x00\x00\x02\x01\x02ab\x0F\x01c\0");
        assert_eq!(pack_extensions(&[(1, b"")]), b"\x10\x00\x00\x01\x01\x00\0\0");
        assert!(pack_extensions(&[]).is_empty());
    }

    #[test]
    fn what_no_form_can_write_is_left_out() {
        assert!(pack_extensions(&[(0, b"a"), (1, &[0; 256])]).is_empty());
        assert_eq!(pack_extensions(&[(0, b"a"), (1, b"b")]), pack_extensions(&[(1, b"b")]));
    }

    #[test]
    fn send_time_is_6_18_seconds() {
        assert_eq!(abs_send_time(0), 0);
        assert_eq!(abs_send_time(1_500_000), 0x0006_0000);
        assert_eq!(abs_send_time(64_000_000), 0);
        assert_eq!(abs_send_time(63_999_999), 0xFF_FFFF);
        assert_eq!(abs_send_time(-1), 0xFF_FFFF);
        assert_eq!(abs_send_time(i64::MAX), 0xDB_1A6D);
    }
}
