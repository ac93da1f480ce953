//! The one error of everything that reads bytes.

use std::fmt;

/// Bytes that are not what they claim to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ParseError {
    /// What is wrong, for a person.
    pub reason: &'static str,
    /// The byte at which reading stopped.
    pub offset: usize,
}

impl ParseError {
    pub(crate) const fn new(reason: &'static str, offset: usize) -> Self {
        Self { reason, offset }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", self.reason, self.offset)
    }
}

impl std::error::Error for ParseError {}

/// 16 bits in network order, None past the end.
pub(crate) fn u16_at(data: &[u8], offset: usize) -> Option<u16> {
    data.get(offset..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// 32 bits in network order, None past the end.
pub(crate) fn u32_at(data: &[u8], offset: usize) -> Option<u32> {
    data.get(offset..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
