//! Datagrams on their way to the socket.

use std::net::SocketAddr;

use crate::core::tables::TransportKey;

/// Messages in a batch.
pub const MAX_MESSAGES: usize = 64;
/// Bytes in a batch, but for answers to checks.
pub const MAX_BATCH_BYTES: usize = 256 * 1024;
/// Segments in a message: what every kernel with UDP GSO takes.
pub const MAX_SEGMENTS: usize = 64;
/// Bytes in a message of several segments: they are one IP packet until they leave.
pub const MAX_GROUP_BYTES: usize = 65_000;

/// One datagram, or several of one size (the last may be shorter) for one UDP GSO send.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Where to.
    pub address: SocketAddr,
    /// Whose, so that a failure can be told; None for answers to checks.
    pub transport: Option<TransportKey>,
    /// Where its bytes begin in the batch's buffer.
    pub start: usize,
    /// How many there are.
    pub length: usize,
    /// Size of each segment; equals `length` when it is one datagram.
    pub segment: usize,
}

impl Message {
    /// How many datagrams it is.
    pub fn segments(&self) -> usize {
        if self.segment == 0 { 1 } else { self.length.div_ceil(self.segment) }
    }
}

/// What is handed to the socket at once.
#[derive(Default)]
pub struct Batch {
    /// The messages' bytes, one after another.
    pub buffer: Vec<u8>,
    /// In order.
    pub messages: Vec<Message>,
    /// Datagrams that the socket's buffer had no room for; the socket counts.
    pub without_room: u64,
    /// Datagrams that could not be sent where they should go; the socket counts.
    pub unreachable: u64,
}

impl Batch {
    /// Append one datagram.
    pub fn push(&mut self, datagram: &[u8], address: SocketAddr, transport: Option<TransportKey>) {
        let start = self.buffer.len();
        let length = datagram.len();
        self.buffer.extend_from_slice(datagram);
        self.messages.push(Message { address, transport, start, length, segment: length });
    }

    /// The bytes of a message.
    pub fn bytes(&self, message: &Message) -> &[u8] {
        self.buffer.get(message.start..message.start + message.length).unwrap_or_default()
    }

    /// Empty it, keeping its memory.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.messages.clear();
    }
}
