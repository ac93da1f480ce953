//! The sans-IO core: bytes, commands and time in; packets on their way and events out.
//!
//! No socket, no clock, no randomness. It does what `sfu/plane/core` does, module for module.

use std::net::SocketAddr;

use crate::api::{Command, Counters, Drop, Event, TransportHandle, TransportState};
use crate::core::commands::Commands;
use crate::core::housekeeping::Housekeeping;
use crate::core::outbox::Outbox;
use crate::core::tables::Tables;
use crate::egress::{Batch, Egress};

pub mod binding;
pub mod cache;
pub mod checks;
pub mod clock;
pub mod commands;
pub mod extensions;
pub mod feedback;
pub mod forwarding;
pub mod gaps;
pub mod housekeeping;
pub mod ice;
pub mod ingress;
pub mod keyframes;
pub mod levels;
pub mod munger;
pub mod nack;
pub mod outbox;
pub mod packet;
pub mod rate;
pub mod reception;
pub mod redundancy;
pub mod repair;
pub mod reports;
pub mod selection;
pub mod silence;
pub mod slot;
pub mod source;
pub mod switching;
pub mod tables;
pub mod tapping;
pub mod taps;
pub mod transport;

/// Everything that happens for a packet.
///
/// Calling rule: after the `receive`s of a wake, after `apply` with `after_commands`, and after `tick`, call
/// `flush` and hand on what `drain_events` gives. `tick` every 10 ms or so. `now_us` never falls. An address is
/// whatever the socket gives; it comes back as it was.
pub struct Core {
    tables: Tables,
    /// What is put out; the shell sets its egress up.
    pub outbox: Outbox,
    housekeeping: Housekeeping,
    wall_offset_us: i64,
    plain: bool,
}

impl Core {
    /// `wall_offset_us` added to `now_us` is Unix time, for NTP times in reports. `plain`: packets are not
    /// protected, whatever keys are set (tests).
    pub fn new(plain: bool, wall_offset_us: i64) -> Self {
        Self {
            tables: Tables::default(),
            outbox: Outbox::new(Egress::new(true, true)),
            housekeeping: Housekeeping::new(wall_offset_us),
            wall_offset_us,
            plain,
        }
    }

    /// Take one datagram; its bytes are decrypted in place.
    pub fn receive(&mut self, data: &mut [u8], address: SocketAddr, now_us: i64) {
        let counters = &mut self.outbox.counters;
        counters.datagrams_in += 1;
        counters.bytes_in += data.len() as u64;
        if let Err(dropped) = self.take(data, address, now_us) {
            self.outbox.drop(dropped);
        }
    }

    fn take(&mut self, data: &mut [u8], address: SocketAddr, now_us: i64) -> Result<(), Drop> {
        let (tables, outbox) = (&mut self.tables, &mut self.outbox);
        // RFC 7983: the first byte tells what a datagram is.
        let is_media = match data.first() {
            Some(0..=3) => return checks::receive(tables, outbox, data, address, now_us),
            Some(20..=63) => false,
            Some(128..=191) => true,
            _ => return Err(Drop::UnknownFirstByte),
        };

        // From here on only addresses that a check with right integrity came from; before any crypto.
        let key = *tables.addresses.get(&address).ok_or(Drop::NotValidated)?;
        let transport = tables.transports.get_mut(key).ok_or(Drop::NotValidated)?;
        if !transport.cap.admit(data.len(), now_us) {
            return Err(Drop::PublisherCap);
        }
        if !is_media {
            let transport = transport.handle;
            outbox.ready.push(Event::DtlsReceived { transport, datagram: data.to_vec() });
            return Ok(());
        }

        let session = transport.session.as_mut().ok_or(Drop::NoKeys)?;
        let is_rtcp = matches!(data.get(1), Some(192..=223));
        let unprotected = if is_rtcp { session.unprotect_rtcp(data) } else { session.unprotect_rtp(data) };
        let length = unprotected.map_err(|_| Drop::Unprotect)?;
        transport.ice.heard(address, now_us);
        transport.packets_received += 1;
        transport.bytes_received += data.len() as u64;
        let plain = data.get(..length).ok_or(Drop::Unprotect)?;
        if is_rtcp {
            feedback::receive(tables, outbox, key, plain, now_us, self.wall_offset_us)
        } else {
            ingress::receive(tables, outbox, key, plain, now_us)
        }
    }

    /// Carry out one command; after the last of a row call `after_commands`.
    pub fn apply(&mut self, command: Command, now_us: i64) {
        let Self { tables, outbox, housekeeping, plain, .. } = self;
        Commands { tables, outbox, housekeeping, plain: *plain }.apply(command, now_us);
    }

    /// Send the keyframe requests that the commands caused.
    pub fn after_commands(&mut self, now_us: i64) {
        housekeeping::ask_for_keyframes(&mut self.tables, &mut self.outbox, now_us);
    }

    /// Do what is due by the clock.
    pub fn tick(&mut self, now_us: i64) {
        self.housekeeping.tick(&mut self.tables, &mut self.outbox, now_us);
    }

    /// What waits to leave, and how it is held and grouped.
    pub fn egress(&mut self) -> &mut Egress {
        &mut self.outbox.egress
    }

    /// Hand what may leave now to `send`, batch by batch.
    pub fn flush(&mut self, now_us: i64, send: &mut dyn FnMut(&mut Batch)) {
        let Outbox { egress, counters, .. } = &mut self.outbox;
        egress.flush(&mut self.tables, counters, now_us, send);
    }

    /// Append the events that are to be delivered now: DTLS and nominations, and ten times a second the rest.
    pub fn drain_events(&mut self, events: &mut Vec<Event>) {
        events.append(&mut self.outbox.ready);
    }

    /// The totals.
    pub fn counters(&self) -> &Counters {
        &self.outbox.counters
    }

    /// Present state of one transport, None when it is unknown.
    pub fn transport_state(&self, transport: TransportHandle) -> Option<TransportState> {
        let key = *self.tables.transports_by_handle.get(&transport)?;
        Some(self.tables.transports.get(key)?.state(&self.tables.slots))
    }
}

#[cfg(test)]
mod tests;
