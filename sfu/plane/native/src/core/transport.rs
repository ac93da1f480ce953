//! A peer as the core keeps it: its address, keys, streams, slots.

use std::net::SocketAddr;

use slotmap::SlotMap;

use crate::api::{AddTransport, TransportHandle, TransportState};
use crate::core::clock::PublisherClock;
use crate::core::ice::{Credentials, IceLite};
use crate::core::rate::IngressCap;
use crate::core::slot::Slot;
use crate::core::tables::{LayerKey, SlotKey, SourceKey};
use crate::egress::TransportQueue;
use crate::srtp::Session;

/// Sender SSRC of feedback of a peer that has no slots (any value serves).
const REPORTER_SSRC: u32 = 1;

/// What one SSRC of the peer was bound to.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// The layer it carries.
    pub layer: LayerKey,
    /// Whether it is the layer's repair stream.
    pub rtx: bool,
}

/// One peer.
pub struct Transport {
    /// The caller's number.
    pub handle: TransportHandle,
    /// Credentials and validated addresses.
    pub ice: IceLite,
    /// What it may send at most.
    pub max_ingress_bps: u64,
    /// Holds it to that.
    pub cap: IngressCap,
    /// None until keys are set.
    pub session: Option<Session>,
    /// Where media goes: the nominated address while there is consent.
    pub address: Option<SocketAddr>,
    /// No valid check for 30 s.
    pub consent_lost: bool,
    /// Its NTP clock against ours.
    pub clock: PublisherClock,
    /// In order of entry.
    pub sources: Vec<SourceKey>,
    /// In order of entry.
    pub slots: Vec<SlotKey>,
    /// (SSRC of a slot, the slot): few, looked through.
    pub slots_by_ssrc: Vec<(u32, SlotKey)>,
    /// (SSRC, what it was bound to), in order of binding: at most 16, looked through.
    pub streams: Vec<(u32, Stream)>,
    /// SSRCs ever bound; replaced ones count.
    pub bound_ssrcs: usize,
    /// What REMB tells it.
    pub estimate_bps: Option<u64>,
    /// Of its last reports, 0 to 1.
    pub fraction_lost: Option<f64>,
    /// Of how many of video's packets its reports told.
    pub pictures_reported: u64,
    /// Of those, in 256ths.
    pub pictures_lost_256: u64,
    /// Of how many of sound's packets its reports told.
    pub sound_reported: u64,
    /// Of those, in 256ths.
    pub sound_lost_256: u64,
    /// By LSR and DLSR.
    pub round_trip_us: Option<i64>,
    /// Its last REMB.
    pub remb_bps: Option<u64>,
    /// How many earlier packets each one of sound brings along.
    pub redundancy: u8,
    /// When the peer was last told its round trip.
    pub reference_answered_us: Option<i64>,
    /// Since the last batch.
    pub reports_changed: bool,
    /// Unprotected.
    pub packets_received: u64,
    /// Protected, as they came.
    pub bytes_received: u64,
    /// By slots that are gone, and feedback.
    pub packets_sent_before: u64,
    /// By slots that are gone, and feedback.
    pub bytes_sent_before: u64,
    /// Packets of a frame may get a byte of padding so that they leave as one send.
    pub pad_frames: bool,
    /// What waits to be sent to it.
    pub queue: TransportQueue,
}

impl Transport {
    /// Without address and keys.
    pub fn new(add: AddTransport, now_us: i64) -> Self {
        Self {
            handle: add.transport,
            ice: IceLite::new(Credentials {
                local_ufrag: add.local_ufrag,
                local_pwd: add.local_pwd,
                remote_ufrag: add.remote_ufrag,
            }),
            max_ingress_bps: add.max_ingress_bps,
            cap: IngressCap::new(add.max_ingress_bps, now_us),
            session: None,
            address: None,
            consent_lost: false,
            clock: PublisherClock::new(),
            sources: Vec::new(),
            slots: Vec::new(),
            slots_by_ssrc: Vec::new(),
            streams: Vec::new(),
            bound_ssrcs: 0,
            estimate_bps: None,
            fraction_lost: None,
            pictures_reported: 0,
            pictures_lost_256: 0,
            sound_reported: 0,
            sound_lost_256: 0,
            round_trip_us: None,
            remb_bps: None,
            redundancy: 0,
            reference_answered_us: None,
            reports_changed: false,
            packets_received: 0,
            bytes_received: 0,
            packets_sent_before: 0,
            bytes_sent_before: 0,
            pad_frames: add.pad_frames,
            queue: TransportQueue::default(),
        }
    }

    /// Whether media can be sent to the peer: keys, an address, consent.
    pub fn ready(&self) -> bool {
        self.session.is_some() && self.address.is_some()
    }

    /// Our SSRC in feedback to this peer.
    pub fn reporter_ssrc(&self, slots: &SlotMap<SlotKey, Slot>) -> u32 {
        let first = self.slots.first().and_then(|slot| slots.get(*slot));
        first.map_or(REPORTER_SSRC, |slot| slot.add.ssrc)
    }

    /// What an SSRC of the peer was bound to.
    pub fn stream(&self, ssrc: u32) -> Option<Stream> {
        self.streams.iter().find(|(known, _)| *known == ssrc).map(|(_, stream)| *stream)
    }

    /// The slot that has this SSRC.
    pub fn slot_by_ssrc(&self, ssrc: u32) -> Option<SlotKey> {
        self.slots_by_ssrc.iter().find(|(known, _)| *known == ssrc).map(|(_, slot)| *slot)
    }

    /// One more slot; of two with one SSRC the later has it.
    pub fn add_slot(&mut self, ssrc: u32, slot: SlotKey) {
        self.slots.push(slot);
        match self.slots_by_ssrc.iter_mut().find(|(known, _)| *known == ssrc) {
            Some((_, present)) => *present = slot,
            None => self.slots_by_ssrc.push((ssrc, slot)),
        }
    }

    /// A snapshot for the outside.
    pub fn state(&self, slots: &SlotMap<SlotKey, Slot>) -> TransportState {
        let mut packets_sent = self.packets_sent_before;
        let mut bytes_sent = self.bytes_sent_before;
        let mut media_bytes_sent = 0;
        for slot in self.slots.iter().filter_map(|slot| slots.get(*slot)) {
            packets_sent += slot.packets + slot.repair_packets;
            bytes_sent += slot.octets + slot.repair_octets;
            media_bytes_sent += slot.octets;
        }
        TransportState {
            transport: self.handle,
            fraction_lost: self.fraction_lost,
            round_trip_us: self.round_trip_us,
            remb_bps: self.remb_bps,
            packets_received: self.packets_received,
            packets_sent,
            bytes_received: self.bytes_received,
            bytes_sent,
            media_bytes_sent,
            pictures_reported: self.pictures_reported,
            pictures_lost: self.pictures_lost_256 / 256,
            sound_reported: self.sound_reported,
            sound_lost: self.sound_lost_256 / 256,
        }
    }
}
