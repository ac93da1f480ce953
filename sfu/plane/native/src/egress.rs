//! What leaves: a queue and a pacer per receiver, grouped so that a frame costs a receiver one system call.
//!
//! The core only says which packet goes through which slot under which numbers ([`Outgoing`]); it is written,
//! stamped and protected when it leaves ([`Egress::flush`]), receiver by receiver, while its bytes are warm.

mod batch;
mod queue;
mod writing;

use std::mem;
use std::net::SocketAddr;
use std::rc::Rc;

use slotmap::SlotMap;

use crate::api::{Counters, Drop};
use crate::core::extensions::send_time_bytes;
use crate::core::packet::Packet;
use crate::core::slot::{Offsets, Slot};
use crate::core::tables::{SlotKey, Tables, TransportKey};
use crate::core::transport::Transport;
use crate::srtp::Session;

use queue::{Group, PROTECTION_BYTES};

pub use batch::{Batch, MAX_BATCH_BYTES, MAX_GROUP_BYTES, MAX_MESSAGES, MAX_SEGMENTS, Message};
pub use queue::{
    DEFAULT_PACING_BPS, HOLD_US, MAX_URGENT_PACKETS, MAX_VIDEO_PACKETS, MAX_WAIT_US, QUANTUM_US,
    TransportQueue,
};

/// A packet on its way through a slot, not yet written.
pub struct Outgoing {
    /// Through which slot.
    pub slot: SlotKey,
    /// What.
    pub packet: Rc<Packet>,
    /// Extended number on the slot's SSRC.
    pub sequence: i64,
    /// How its numbers are changed.
    pub offsets: Offsets,
    /// Extended number on the slot's RTX SSRC when this is a repair (RFC 4588).
    pub repair: Option<i64>,
    /// Bytes of the RTP packet before protection and padding.
    pub length: usize,
}

/// What was queued while nothing is paced, in the order of queueing.
enum Step {
    /// The next packet of a receiver's queue.
    Packet(TransportKey),
    /// A message of `Egress::answers`.
    Raw(Message),
}

/// Who has something to send, and what needs no queue.
pub struct Egress {
    /// Receivers that got something since the last flush; each once.
    touched: Vec<TransportKey>,
    /// (when it is due in us, receiver): whose packets stay for a later flush; each once.
    waiting: Vec<(i64, TransportKey)>,
    /// Only while nothing is paced.
    steps: Vec<Step>,
    /// The bytes of `Step::Raw`.
    answers: Vec<u8>,
    batch: Batch,
    /// Whether frames are held and rates kept; off where every call is to be answered at once (tests): then
    /// everything leaves one by one in the order of queueing, whatever `segmented` says.
    pub paced: bool,
    /// Whether messages of several segments are made.
    pub segmented: bool,
}

impl Egress {
    /// Nothing queued.
    pub fn new(paced: bool, segmented: bool) -> Self {
        Self {
            touched: Vec::new(),
            waiting: Vec::new(),
            steps: Vec::new(),
            answers: Vec::new(),
            batch: Batch::default(),
            paced,
            segmented,
        }
    }

    /// Queue a packet for the receiver whose slot it goes through; `urgent` (sound, repairs) goes before video and
    /// waits for nothing. Fails with `PacerFull` when too much waits for this receiver already.
    pub fn queue(
        &mut self,
        transport: &mut Transport,
        key: TransportKey,
        outgoing: Outgoing,
        urgent: bool,
    ) -> Result<(), Drop> {
        let queue = &mut transport.queue;
        if !self.paced {
            queue.push_in_order(outgoing);
            self.steps.push(Step::Packet(key));
            return Ok(());
        }
        queue.push(outgoing, urgent)?;
        if !mem::replace(&mut queue.touched, true) {
            self.touched.push(key);
        }
        Ok(())
    }

    /// Queue a datagram that is ready as it is (STUN, DTLS, RTCP); it leaves at the next flush, before media.
    /// `transport` is whose it is, None for answers to checks that named none.
    pub fn raw(&mut self, datagram: &[u8], address: SocketAddr, transport: Option<TransportKey>) {
        if self.paced {
            self.batch.push(datagram, address, transport);
            return;
        }
        let start = self.answers.len();
        self.answers.extend_from_slice(datagram);
        let length = datagram.len();
        self.steps.push(Step::Raw(Message { address, transport, start, length, segment: length }));
    }

    /// The rate of a receiver was changed: look at what waits for it at the next flush.
    pub fn touch(&mut self, transport: &mut Transport, key: TransportKey) {
        if self.paced && !mem::replace(&mut transport.queue.touched, true) {
            self.touched.push(key);
        }
    }

    /// When [`flush`](Self::flush) has something to do though nothing was queued since, us.
    pub fn deadline_us(&self) -> Option<i64> {
        self.waiting.iter().map(|&(due_us, _)| due_us).min()
    }

    /// Write, protect and hand to `send` what may leave now. `send` gets batches in order and says in them what
    /// could not be sent; what it has seen is cleared afterwards.
    pub fn flush(
        &mut self,
        tables: &mut Tables,
        counters: &mut Counters,
        now_us: i64,
        send: &mut dyn FnMut(&mut Batch),
    ) {
        let mut run = Run {
            slots: &mut tables.slots,
            counters,
            batch: &mut self.batch,
            send,
            send_time: send_time_bytes(now_us),
            segmented: self.segmented,
        };
        let transports = &mut tables.transports;
        if !self.paced {
            run.in_order(transports, &mut self.steps, &self.answers);
            self.answers.clear();
            return;
        }
        run.make_room(0);
        for &(due_us, key) in &self.waiting {
            if due_us <= now_us
                && let Some(transport) = transports.get_mut(key)
                && !mem::replace(&mut transport.queue.touched, true)
            {
                self.touched.push(key);
            }
        }
        for key in self.touched.drain(..) {
            let Some(transport) = transports.get_mut(key) else { continue };
            transport.queue.touched = false;
            run.receiver(transport, key, now_us);
            settle(&mut self.waiting, transports, key);
        }
        // Only receivers that went away meanwhile are left with a time that has passed.
        let mut place = 0;
        while let Some(&(due_us, _)) = self.waiting.get(place) {
            if due_us <= now_us {
                take_out(&mut self.waiting, transports, place);
            } else {
                place += 1;
            }
        }
        run.hand_over();
    }
}

/// Bring a receiver's entry among those who wait up to date.
fn settle(
    waiting: &mut Vec<(i64, TransportKey)>,
    transports: &mut SlotMap<TransportKey, Transport>,
    key: TransportKey,
) {
    let Some(transport) = transports.get_mut(key) else { return };
    let queue = &mut transport.queue;
    match (queue.due_us(), queue.place) {
        (None, None) => {}
        (Some(due_us), None) => {
            queue.place = Some(waiting.len());
            waiting.push((due_us, key));
        }
        (Some(due_us), Some(place)) => {
            if let Some(entry) = waiting.get_mut(place) {
                entry.0 = due_us;
            }
        }
        (None, Some(place)) => take_out(waiting, transports, place),
    }
}

/// Remove the entry at a place; the last one takes it.
fn take_out(
    waiting: &mut Vec<(i64, TransportKey)>,
    transports: &mut SlotMap<TransportKey, Transport>,
    place: usize,
) {
    let (_, key) = waiting.swap_remove(place);
    if let Some(transport) = transports.get_mut(key) {
        transport.queue.place = None;
    }
    if let Some(&(_, moved)) = waiting.get(place)
        && let Some(transport) = transports.get_mut(moved)
    {
        transport.queue.place = Some(place);
    }
}

/// One flush.
struct Run<'a> {
    slots: &'a mut SlotMap<SlotKey, Slot>,
    counters: &'a mut Counters,
    batch: &'a mut Batch,
    send: &'a mut dyn FnMut(&mut Batch),
    send_time: [u8; 3],
    segmented: bool,
}

impl Run<'_> {
    /// Everything, one by one, as it was queued.
    fn in_order(
        &mut self,
        transports: &mut SlotMap<TransportKey, Transport>,
        steps: &mut Vec<Step>,
        answers: &[u8],
    ) {
        for step in steps.drain(..) {
            match step {
                Step::Raw(raw) => {
                    let datagram = &answers[raw.start..raw.start + raw.length];
                    self.make_room(raw.length);
                    self.batch.push(datagram, raw.address, raw.transport);
                }
                Step::Packet(key) => {
                    let Some(transport) = transports.get_mut(key) else { continue };
                    let Transport { session, address, queue, .. } = transport;
                    let Some(outgoing) = queue.pop_in_order() else { continue };
                    match (session, *address) {
                        (Some(session), Some(address)) => self.single(&outgoing, session, address, key),
                        (None, _) => self.counters.drop(Drop::NoKeys, 1),
                        (_, None) => self.counters.drop(Drop::NoAddress, 1),
                    }
                }
            }
        }
        self.hand_over();
    }

    /// What one receiver may get now: sound and repairs, then video within its rate.
    fn receiver(&mut self, transport: &mut Transport, key: TransportKey, now_us: i64) {
        let Transport { session, address, queue, pad_frames, .. } = transport;
        let (session, address) = match (session, *address) {
            (Some(session), Some(address)) => (session, address),
            (session, _) => {
                let reason = if session.is_none() { Drop::NoKeys } else { Drop::NoAddress };
                self.counters.drop(reason, queue.clear());
                return;
            }
        };
        queue.begin(now_us);
        while let Some(outgoing) = queue.pop_urgent() {
            self.single(&outgoing, session, address, key);
        }
        self.counters.drop(Drop::PacerFull, queue.drop_stale(now_us));
        queue.release(now_us);
        // Bandwidth probing will fill up here what the quantum leaves.
        let mut left = queue.take_released();
        while left > 0 {
            let group = if self.segmented { queue.group(left, *pad_frames) } else { Group::single(queue) };
            self.group(queue, group, session, address, key);
            queue.finish(group.packets);
            left -= group.packets;
        }
    }

    /// The first packets of the queue, in one message.
    fn group(
        &mut self,
        queue: &TransportQueue,
        group: Group,
        session: &mut Session,
        address: SocketAddr,
        key: TransportKey,
    ) {
        self.make_room(group.packets * (group.size + PROTECTION_BYTES));
        let start = self.batch.buffer.len();
        let mut segment = 0;
        for (index, outgoing) in queue.first(group.packets).enumerate() {
            let pad = index + 1 < group.packets && outgoing.length < group.size;
            if let Some(length) = self.write(outgoing, session, pad)
                && segment == 0
            {
                segment = length;
            }
        }
        let length = self.batch.buffer.len() - start;
        if length > 0 {
            self.batch.messages.push(Message { address, transport: Some(key), start, length, segment });
        }
    }

    /// One packet, in a message of its own.
    fn single(&mut self, outgoing: &Outgoing, session: &mut Session, address: SocketAddr, key: TransportKey) {
        self.make_room(outgoing.length + PROTECTION_BYTES);
        let start = self.batch.buffer.len();
        if let Some(length) = self.write(outgoing, session, false) {
            self.batch.messages.push(Message {
                address,
                transport: Some(key),
                start,
                length,
                segment: length,
            });
        }
    }

    /// Append a protected packet to the batch's buffer; its length, None when there is no such slot any more.
    fn write(&mut self, outgoing: &Outgoing, session: &mut Session, pad: bool) -> Option<usize> {
        let slot = self.slots.get_mut(outgoing.slot)?;
        let rollover = match outgoing.repair {
            None => slot.rollover(outgoing.sequence),
            Some(sequence) => slot.repair_rollover(sequence),
        };
        let Some(rollover) = rollover else {
            self.counters.drop(Drop::NoKeys, 1);
            return None;
        };
        let buffer = &mut self.batch.buffer;
        let start = buffer.len();
        // What is known only when a packet leaves is stamped here: its time, and later its transport-wide number.
        writing::write(buffer, slot, outgoing, self.send_time, pad);
        debug_assert_eq!(buffer.len() - start, outgoing.length + usize::from(pad));
        if session.protect_rtp(buffer, start, rollover).is_err() {
            self.counters.drop(Drop::Unprotect, 1);
            return None;
        }
        Some(buffer.len() - start)
    }

    /// Hand over what there is if a message of `length` more bytes is too much for one batch.
    fn make_room(&mut self, length: usize) {
        let batch = &self.batch;
        if batch.messages.len() >= MAX_MESSAGES || batch.buffer.len() + length > MAX_BATCH_BYTES {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        let batch = &mut *self.batch;
        if batch.messages.is_empty() {
            return;
        }
        for message in &batch.messages {
            self.counters.datagrams_out += message.segments() as u64;
            self.counters.bytes_out += message.length as u64;
        }
        (self.send)(batch);
        self.counters.drop(Drop::SendBuffer, mem::take(&mut batch.without_room));
        self.counters.drop(Drop::NoAddress, mem::take(&mut batch.unreachable));
        batch.clear();
    }
}

#[cfg(test)]
mod tests;
