//! What the core puts out: packets on their way, events, counters.

use crate::api::{Counters, Drop, Event};
use crate::core::tables::SlotKey;
use crate::egress::Egress;

/// Drained by the shell: what waits in `egress` and the `ready` events, after every call or every few.
///
/// `batched` events become ready with the next batch, ten times a second.
pub struct Outbox {
    /// Packets and datagrams that leave at the next flush.
    pub egress: Egress,
    /// To be delivered now.
    pub ready: Vec<Event>,
    /// To be delivered with the next batch.
    pub batched: Vec<Event>,
    /// Totals since the start.
    pub counters: Counters,
    /// Room for one RTCP datagram while it is written and protected.
    pub rtcp: Vec<u8>,
    /// Room for the slots that a packet begins for.
    pub begun: Vec<SlotKey>,
}

impl Outbox {
    /// Empty.
    pub fn new(egress: Egress) -> Self {
        Self {
            egress,
            ready: Vec::new(),
            batched: Vec::new(),
            counters: Counters::default(),
            rtcp: Vec::new(),
            begun: Vec::new(),
        }
    }

    /// Count one that went no further.
    pub fn drop(&mut self, reason: Drop) {
        self.counters.drop(reason, 1);
    }

    /// The batched events become ready.
    pub fn deliver_batch(&mut self) {
        self.ready.append(&mut self.batched);
    }
}
