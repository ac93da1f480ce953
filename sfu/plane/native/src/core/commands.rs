//! Carries out the contract's commands. What names an unknown handle is ignored and counted.

use crate::api::{
    ALL_TEMPORAL, AddSlot, AddSource, AddTransport, Command, Drop, SlotHandle, SourceHandle, SrtpProfile,
    TapNumber, TransportHandle,
};
use crate::core::housekeeping::{self, Housekeeping};
use crate::core::ice::Credentials;
use crate::core::outbox::Outbox;
use crate::core::redundancy::MAX_DISTANCE;
use crate::core::slot::Slot;
use crate::core::source::Source;
use crate::core::switching;
use crate::core::tables::{LayerKey, SourceKey, Tables, TransportKey};
use crate::core::tapping;
use crate::core::taps::Tap;
use crate::core::transport::Transport;
use crate::srtp::Session;

/// What a command may change.
pub struct Commands<'a> {
    /// Everything that is known.
    pub tables: &'a mut Tables,
    /// What is put out.
    pub outbox: &'a mut Outbox,
    /// What is done by the clock.
    pub housekeeping: &'a mut Housekeeping,
    /// Whether packets are not protected at all (tests).
    pub plain: bool,
}

impl Commands<'_> {
    /// Carry out one command.
    pub fn apply(&mut self, command: Command, now_us: i64) {
        let done = match command {
            Command::SetForward { slot, source, layer, temporal } => {
                self.set_forward(slot, source, layer, temporal, now_us)
            }
            Command::SetRedundancy { transport, distance } => self.set_redundancy(transport, distance),
            Command::SendDtls { transport, datagram } => self.send_dtls(transport, &datagram),
            Command::SetGate { source, open } => self.set_gate(source, open),
            Command::RequestKeyframe { source } => self.request_keyframe(source),
            Command::SetIngressEstimate { transport, bps } => self.set_estimate(transport, bps),
            Command::SetPacing { transport, bps } => self.set_pacing(transport, bps),
            Command::AddTransport(add) => self.add_transport(add, now_us),
            Command::RestartIce { transport, local_ufrag, local_pwd, remote_ufrag } => {
                self.restart_ice(transport, Credentials { local_ufrag, local_pwd, remote_ufrag })
            }
            Command::SetKeys { transport, profile, receive_key, send_key } => {
                self.set_keys(transport, profile, &receive_key, &send_key)
            }
            Command::RemoveTransport { transport } => self.remove_transport(transport),
            Command::AddSource(add) => self.add_source(add),
            Command::AddSlot(add) => self.add_slot(add),
            Command::AddTap { tap, source, layer } => self.add_tap(tap, source, layer),
            Command::RemoveTap { tap } => tapping::remove(self.tables, self.outbox, tap).then_some(()),
        };
        if done.is_none() {
            self.outbox.drop(Drop::UnknownHandle);
        }
    }

    fn transport(&mut self, handle: TransportHandle) -> Option<(TransportKey, &mut Transport)> {
        let key = *self.tables.transports_by_handle.get(&handle)?;
        Some((key, self.tables.transports.get_mut(key)?))
    }

    fn source(&mut self, handle: SourceHandle) -> Option<(SourceKey, &mut Source)> {
        let key = *self.tables.sources_by_handle.get(&handle)?;
        Some((key, self.tables.sources.get_mut(key)?))
    }

    fn add_transport(&mut self, add: AddTransport, now_us: i64) -> Option<()> {
        let tables = &mut *self.tables;
        let (handle, ufrag) = (add.transport, add.local_ufrag.clone());
        if tables.transports_by_handle.contains_key(&handle) || tables.ufrags.contains_key(&ufrag) {
            return None;
        }
        let key = tables.transports.insert(Transport::new(add, now_us));
        tables.transports_by_handle.insert(handle, key);
        tables.ufrags.insert(ufrag, key);
        self.housekeeping.add(key, handle);
        Some(())
    }

    fn restart_ice(&mut self, handle: TransportHandle, credentials: Credentials) -> Option<()> {
        let (key, _) = self.transport(handle)?;
        let Tables { transports, ufrags, .. } = &mut *self.tables;
        let ice = &mut transports.get_mut(key)?.ice;
        if ufrags.contains_key(&credentials.local_ufrag) {
            return None;
        }
        if ice.old_credentials.is_some() {
            // Restarted twice before a check came: the ones in between were never used.
            ufrags.remove(&ice.credentials.local_ufrag);
        }
        ufrags.insert(credentials.local_ufrag.clone(), key);
        ice.restart(credentials);
        Some(())
    }

    fn set_keys(
        &mut self,
        handle: TransportHandle,
        profile: SrtpProfile,
        receive_key: &[u8],
        send_key: &[u8],
    ) -> Option<()> {
        let plain = self.plain;
        let (key, transport) = self.transport(handle)?;
        let session = if plain { Ok(Session::plain()) } else { Session::new(profile, receive_key, send_key) };
        let Ok(session) = session else {
            // Who commands checks the keys' lengths; a peer has no part in them.
            self.outbox.drop(Drop::NoKeys);
            return Some(());
        };
        transport.session = Some(session);
        let ready = transport.ready();
        let Tables { transports, slots, .. } = &mut *self.tables;
        for &slot in &transports.get(key)?.slots {
            if let Some(slot) = slots.get_mut(slot) {
                slot.rekey();
            }
        }
        if ready {
            switching::receiver_ready(self.tables, key);
        }
        Some(())
    }

    fn send_dtls(&mut self, handle: TransportHandle, datagram: &[u8]) -> Option<()> {
        let (key, transport) = self.transport(handle)?;
        match transport.ice.best().filter(|_| !transport.consent_lost) {
            Some(address) => self.outbox.egress.raw(datagram, address, Some(key)),
            None => self.outbox.drop(Drop::NoAddress),
        }
        Some(())
    }

    fn remove_transport(&mut self, handle: TransportHandle) -> Option<()> {
        let tables = &mut *self.tables;
        let key = tables.transports_by_handle.shift_remove(&handle)?;
        let transport = tables.transports.remove(key)?;
        self.housekeeping.remove(key, handle);
        tables.unestimated_transports.shift_remove(&key);
        let ice = &transport.ice;
        for credentials in std::iter::once(&ice.credentials).chain(&ice.old_credentials) {
            tables.ufrags.remove(&credentials.local_ufrag);
        }
        for validated in &ice.addresses {
            tables.addresses.remove(&validated.address);
        }
        for slot in transport.slots {
            switching::release(tables, slot);
            tables.lingering_slots.shift_remove(&slot);
            tables.unreported_slots.shift_remove(&slot);
            if let Some(slot) = tables.slots.remove(slot) {
                tables.slots_by_handle.remove(&slot.add.slot);
            }
        }
        for source in transport.sources {
            self.remove_source(source);
        }
        Some(())
    }

    fn remove_source(&mut self, key: SourceKey) {
        let (tables, outbox) = (&mut *self.tables, &mut *self.outbox);
        switching::remove(tables, outbox, key);
        while let Some(&tap) = tables.sources.get(key).and_then(|source| source.taps.first()) {
            if !tapping::remove(tables, outbox, tap) {
                break;
            }
        }
        let Some(source) = tables.sources.remove(key) else { return };
        for layer in &source.layers {
            layer.cache.borrow_mut().clear(); // slots that showed it may go on pointing there
            tables.missing_layers.shift_remove(&LayerKey { source: key, index: layer.index });
        }
        tables.keyframe_sources.shift_remove(&key);
        tables.active_sources.shift_remove(&key);
        tables.levels.forget(source.add.source);
        tables.sources_by_handle.remove(&source.add.source);
    }

    fn add_source(&mut self, add: AddSource) -> Option<()> {
        let handle = add.source;
        let (key, _) = self.transport(add.transport)?;
        let tables = &mut *self.tables;
        if tables.sources_by_handle.contains_key(&handle) {
            return None;
        }
        let transport = tables.transports.get_mut(key)?;
        let source = tables.sources.insert(Source::new(add, key, &transport.clock));
        tables.sources_by_handle.insert(handle, source);
        transport.sources.push(source);
        Some(())
    }

    fn set_gate(&mut self, handle: SourceHandle, open: bool) -> Option<()> {
        let (key, source) = self.source(handle)?;
        if source.open == open {
            return Some(());
        }
        source.open = open;
        if open {
            for index in 0..source.layers.len() {
                let layer = LayerKey { source: key, index };
                if self.tables.layer_mut(layer).is_some_and(|layer| !layer.waiting.is_empty()) {
                    switching::want_keyframe(self.tables, layer);
                }
            }
            tapping::resume(self.tables, key);
        } else {
            for layer in &mut source.layers {
                layer.nack.clear();
            }
            self.tables.levels.forget(handle);
            switching::hold(self.tables, self.outbox, key);
            tapping::hold(self.tables, key);
        }
        Some(())
    }

    fn add_slot(&mut self, add: AddSlot) -> Option<()> {
        let (handle, ssrc) = (add.slot, add.ssrc);
        let (key, _) = self.transport(add.transport)?;
        let tables = &mut *self.tables;
        if tables.slots_by_handle.contains_key(&handle) {
            return None;
        }
        let slot = tables.slots.insert(Slot::new(add, key));
        tables.slots_by_handle.insert(handle, slot);
        tables.transports.get_mut(key)?.add_slot(ssrc, slot);
        Some(())
    }

    fn set_forward(
        &mut self,
        handle: SlotHandle,
        source: Option<SourceHandle>,
        layer: i64,
        temporal: i64,
        now_us: i64,
    ) -> Option<()> {
        let slot = *self.tables.slots_by_handle.get(&handle)?;
        let video = self.tables.slots.get(slot)?.video;
        let Some(source) = source else {
            switching::empty(self.tables, self.outbox, slot);
            return Some(());
        };
        let Some((source, _)) = self.source(source).filter(|(_, source)| source.video == video) else {
            // The source may just have gone; what was shown before is not wanted any more either.
            switching::empty(self.tables, self.outbox, slot);
            return None;
        };
        if let Some(slot) = self.tables.slots.get_mut(slot) {
            slot.wanted_temporal = temporal.clamp(0, i64::from(ALL_TEMPORAL)) as u8;
        }
        switching::show(self.tables, self.outbox, slot, source, layer, now_us);
        Some(())
    }

    fn set_redundancy(&mut self, handle: TransportHandle, distance: i64) -> Option<()> {
        let (_, transport) = self.transport(handle)?;
        transport.redundancy = distance.clamp(0, MAX_DISTANCE) as u8;
        Some(())
    }

    fn request_keyframe(&mut self, handle: SourceHandle) -> Option<()> {
        let (key, source) = self.source(handle)?;
        for index in source.alive_layers() {
            switching::want_keyframe(self.tables, LayerKey { source: key, index });
        }
        Some(())
    }

    fn set_estimate(&mut self, handle: TransportHandle, bps: u64) -> Option<()> {
        let (key, transport) = self.transport(handle)?;
        transport.estimate_bps = Some(bps);
        housekeeping::send_estimate(self.tables, self.outbox, key);
        Some(())
    }

    fn set_pacing(&mut self, handle: TransportHandle, bps: u64) -> Option<()> {
        let key = *self.tables.transports_by_handle.get(&handle)?;
        let transport = self.tables.transports.get_mut(key)?;
        transport.queue.set_rate(bps);
        self.outbox.egress.touch(transport, key);
        Some(())
    }

    fn add_tap(&mut self, number: TapNumber, source: SourceHandle, layer: i64) -> Option<()> {
        let (source, _) = self.source(source)?;
        if self.tables.taps.contains_key(&number) {
            return None;
        }
        tapping::add(self.tables, Tap::new(number, source, layer));
        Some(())
    }
}
