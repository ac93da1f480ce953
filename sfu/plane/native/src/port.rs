//! The socket as the plane uses it: many datagrams a call where the kernel can, otherwise what it can.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use crate::egress::{Batch, MAX_MESSAGES, Message};
use crate::socket::{Limits, MAX_DATAGRAMS, Receiver, Sender, Socket};

/// Destinations remembered as taking no segmented messages.
const MAX_REMEMBERED: usize = 4096;

/// What becomes of a message that was not sent.
enum Failure {
    /// This kernel has no such call.
    NoCall,
    /// Try the same again.
    Again,
    /// The socket's buffer is full.
    NoRoom,
    /// The route takes no message of several segments, or no segments of this size.
    Refused,
    /// It can't be sent there. Consent will tell whether the peer is gone.
    Unreachable,
}

impl Failure {
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOSYS) => Self::NoCall,
            Some(libc::EINTR) => Self::Again,
            Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => Self::NoRoom,
            Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE | libc::ENOPROTOOPT | libc::EOPNOTSUPP) => {
                Self::Refused
            }
            _ => Self::Unreachable,
        }
    }
}

/// Reads and writes one UDP port.
pub struct Port {
    socket: Socket,
    many_messages: bool,
    segmented: bool,
    receiver: Receiver,
    sender: Sender,
    /// Destinations that take single datagrams only; bounded.
    singly: HashSet<SocketAddr>,
    /// What is to be sent of a batch, in order.
    plan: Vec<Message>,
}

impl Port {
    /// Use a socket within limits.
    pub fn new(socket: Socket, limits: Limits) -> Self {
        let segmented = Self::can_segment(&socket, limits);
        Self {
            socket,
            many_messages: limits.many_messages,
            segmented,
            receiver: Receiver::default(),
            sender: Sender::default(),
            singly: HashSet::new(),
            plan: Vec::with_capacity(4 * MAX_MESSAGES),
        }
    }

    /// Whether a socket can send messages of several segments within limits.
    pub fn can_segment(socket: &Socket, limits: Limits) -> bool {
        limits.many_messages && limits.segmentation && socket.has_segmentation()
    }

    /// Whether it pays to make messages of several segments.
    pub fn is_segmented(&self) -> bool {
        self.segmented
    }

    /// The socket, to wait for.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Read what is there, at most `MAX_DATAGRAMS`; returns how many there are for [`datagram`](Self::datagram).
    pub fn receive(&mut self) -> usize {
        for _ in 0..MAX_DATAGRAMS {
            let result = if self.many_messages {
                self.receiver.receive(&self.socket)
            } else {
                self.receiver.receive_singly(&self.socket)
            };
            match result {
                Ok(count) => return count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return 0,
                Err(error) => {
                    if matches!(Failure::of(&error), Failure::NoCall) {
                        self.many_messages = false;
                        self.segmented = false;
                    }
                    // Else an ICMP error of an earlier send: the next read goes on.
                }
            }
        }
        0
    }

    /// Whether there may be more than was read last.
    pub fn may_have_more(&self) -> bool {
        self.receiver.may_have_more()
    }

    /// One of the datagrams that were read last, and who sent it.
    pub fn datagram(&mut self, index: usize) -> Option<(&mut [u8], SocketAddr)> {
        self.receiver.datagram(index)
    }

    /// Send a batch; what fails is counted in it, the rest goes on.
    pub fn send(&mut self, batch: &mut Batch) {
        self.plan.clear();
        for message in &batch.messages {
            if message.segments() > 1 && (!self.segmented || self.singly.contains(&message.address)) {
                self.plan.extend(split(*message));
            } else {
                self.plan.push(*message);
            }
        }
        let mut next = 0;
        while let Some(&first) = self.plan.get(next) {
            let result = if self.many_messages {
                self.sender.send(&self.socket, batch, &self.plan[next..])
            } else {
                self.socket.send_one(batch.bytes(&first), first.address).map(|()| 1)
            };
            let failure = match result {
                Ok(count) => {
                    next += count.max(1);
                    continue;
                }
                Err(error) => Failure::of(&error),
            };
            let segments = first.segments();
            match failure {
                Failure::Again => {}
                Failure::NoCall if self.many_messages => {
                    self.many_messages = false;
                    self.segmented = false;
                    self.split_from(next);
                }
                Failure::Refused if segments > 1 => {
                    self.remember(first.address);
                    self.plan.splice(next..=next, split(first));
                }
                Failure::NoRoom => {
                    batch.without_room += segments as u64;
                    next += 1;
                }
                Failure::NoCall | Failure::Refused | Failure::Unreachable => {
                    batch.unreachable += segments as u64;
                    next += 1;
                }
            }
        }
    }

    /// Make single datagrams of everything that is still to be sent.
    fn split_from(&mut self, next: usize) {
        let rest: Vec<Message> = self.plan.drain(next..).collect();
        self.plan.extend(rest.into_iter().flat_map(split));
    }

    fn remember(&mut self, address: SocketAddr) {
        if self.singly.len() >= MAX_REMEMBERED {
            self.singly.clear();
        }
        self.singly.insert(address);
    }
}

/// Its segments as messages of their own.
fn split(message: Message) -> impl Iterator<Item = Message> {
    let Message { start, length, segment, .. } = message;
    (0..message.segments()).map(move |index| {
        let offset = index * segment;
        let length = segment.min(length - offset);
        Message { start: start + offset, length, segment: length, ..message }
    })
}

#[cfg(test)]
mod tests;
