//! Payloads with redundancy (RFC 2198): earlier ones before the newest, which is the primary.

use crate::parse::ParseError;

/// RTP units by which a block may be older than the primary.
pub const MAX_TIMESTAMP_OFFSET: i64 = (1 << 14) - 1;
/// Bytes of a block at most.
pub const MAX_BLOCK_LENGTH: usize = (1 << 10) - 1;
/// Bytes of each redundant block's header; the primary's is one byte.
pub const BLOCK_HEADER_LENGTH: usize = 4;

const MORE: u8 = 0x80;

/// An earlier payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Its payload type.
    pub payload_type: u8,
    /// How many RTP units before the primary.
    pub timestamp_offset: i64,
    /// May be empty.
    pub payload: &'a [u8],
}

/// A payload taken apart.
#[derive(Clone, Copy, Debug)]
pub struct RedPayload<'a> {
    headers: &'a [u8],
    bodies: &'a [u8],
    /// The primary's payload type.
    pub payload_type: u8,
    /// The primary; may be empty.
    pub payload: &'a [u8],
}

impl<'a> RedPayload<'a> {
    /// How many redundant blocks there are.
    pub fn count(&self) -> usize {
        self.headers.len() / BLOCK_HEADER_LENGTH
    }

    /// The redundant blocks as they stand, oldest first where the sender keeps the order.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'a>> + use<'a> {
        let mut bodies = self.bodies;
        self.headers.chunks_exact(BLOCK_HEADER_LENGTH).filter_map(|header| header.first_chunk()).map(
            move |header| {
                let (payload_type, timestamp_offset, length) = read_header(*header);
                let (payload, rest) = bodies.split_at_checked(length).unwrap_or((bodies, &[]));
                bodies = rest;
                Block { payload_type, timestamp_offset, payload }
            },
        )
    }
}

/// Take one RTP payload (padding removed) apart.
pub fn parse(payload: &[u8]) -> Result<RedPayload<'_>, ParseError> {
    let mut at = 0;
    let mut length = 0;
    while payload.get(at).is_some_and(|first| first & MORE != 0) {
        let header = payload
            .get(at..)
            .and_then(|rest| rest.first_chunk::<BLOCK_HEADER_LENGTH>())
            .ok_or(ParseError::new("RED block header is cut short", payload.len()))?;
        length += read_header(*header).2;
        at += BLOCK_HEADER_LENGTH;
    }
    let (headers, rest) = payload
        .split_at_checked(at)
        .ok_or(ParseError::new("RED block header is cut short", payload.len()))?;
    let (&payload_type, rest) =
        rest.split_first().ok_or(ParseError::new("RED primary header is missing", payload.len()))?;
    let (bodies, payload) =
        rest.split_at_checked(length).ok_or(ParseError::new("RED block is cut short", at + 1))?;
    Ok(RedPayload { headers, bodies, payload_type, payload })
}

/// Write the header of a redundant block; `timestamp_offset` and `length` must be within their limits.
pub fn write_header(buffer: &mut Vec<u8>, payload_type: u8, timestamp_offset: i64, length: usize) {
    let head = u32::from(MORE | payload_type) << 24 | (timestamp_offset as u32) << 10 | length as u32;
    buffer.extend_from_slice(&head.to_be_bytes());
}

fn read_header(header: [u8; BLOCK_HEADER_LENGTH]) -> (u8, i64, usize) {
    let head = u32::from_be_bytes(header);
    ((header[0] & !MORE), i64::from(head >> 10 & 0x3FFF), (head & 0x3FF) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut payload = Vec::new();
        write_header(&mut payload, 111, 1_920, 3);
        write_header(&mut payload, 112, 16_383, 0);
        payload.extend_from_slice(&[111, 1, 2, 3, 9, 9]);
        let read = parse(&payload).unwrap();
        assert_eq!((read.count(), read.payload_type, read.payload), (2, 111, &[9, 9][..]));
        let blocks: Vec<Block> = read.blocks().collect();
        assert_eq!(
            blocks,
            [
                Block { payload_type: 111, timestamp_offset: 1_920, payload: &[1, 2, 3] },
                Block { payload_type: 112, timestamp_offset: 16_383, payload: &[] },
            ]
        );
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let whole = [0xEF, 0, 0, 2, 111, 1, 2];
        assert_eq!(parse(&whole).unwrap().payload, &[] as &[u8]);
        for length in 0..whole.len() {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
        assert!(parse(&[0xFF; 8]).is_err());
    }
}
