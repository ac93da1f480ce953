//! A publisher's source and its layers, as the core keeps them.

use std::cell::RefCell;
use std::rc::Rc;

use crate::api::{AddSource, Codec, TapNumber};
use crate::core::cache::{AUDIO_PACKETS, PacketCache, VIDEO_PACKETS};
use crate::core::clock::{MediaClock, PublisherClock};
use crate::core::keyframes::KeyframeThrottle;
use crate::core::nack::NackList;
use crate::core::packet::PictureIds;
use crate::core::reception::Reception;
use crate::core::silence::SilenceGate;
use crate::core::tables::{SlotKey, TransportKey};
use crate::numbers::Extender;

/// A layer this far behind the newest packet of its source is not being sent any more.
const DEAD_US: i64 = 750_000;

/// One encoding of a source: what binds, what came, who gets it.
pub struct Layer {
    /// Its place in `Source::layers`.
    pub index: usize,
    /// The latched SSRC, None until bound.
    pub ssrc: Option<u32>,
    /// Slots that get this layer's packets.
    pub viewers: Vec<SlotKey>,
    /// Slots that switch to this layer at its next keyframe (sound: next packet).
    pub waiting: Vec<SlotKey>,
    /// Since the last batch of events.
    pub octets: u64,
    /// When the last packet with a payload came.
    pub media_us: Option<i64>,
    /// What arrived.
    pub reception: Reception,
    /// Extends timestamps.
    pub timestamps: Extender,
    /// Extends picture ids.
    pub picture_ids: PictureIds,
    /// Shared with the segments of slots that showed it: a new SSRC gets a new one.
    pub cache: Rc<RefCell<PacketCache>>,
    /// What is missing.
    pub nack: NackList,
    /// Of sound.
    pub silence: SilenceGate,
    /// Shared with segments, likewise.
    pub clock: Rc<RefCell<MediaClock>>,
}

impl Layer {
    fn new(index: usize, add: &AddSource, publisher: &PublisherClock) -> Self {
        let cached = if is_video(add) { VIDEO_PACKETS } else { AUDIO_PACKETS };
        Self {
            index,
            ssrc: None,
            viewers: Vec::new(),
            waiting: Vec::new(),
            octets: 0,
            media_us: None,
            reception: Reception::new(add.clock_rate),
            timestamps: Extender::new(32),
            picture_ids: PictureIds::new(),
            cache: Rc::new(RefCell::new(PacketCache::new(cached))),
            nack: NackList::new(),
            silence: SilenceGate::default(),
            clock: Rc::new(RefCell::new(MediaClock::new(add.clock_rate, publisher))),
        }
    }
}

fn is_video(add: &AddSource) -> bool {
    add.codec == Codec::Vp8
}

/// One send section of a publisher.
pub struct Source {
    /// As it was added.
    pub add: AddSource,
    /// Whose it is.
    pub transport: TransportKey,
    /// Whether its codec has keyframes.
    pub video: bool,
    /// Whether it may be forwarded and tapped.
    pub open: bool,
    /// Lowest first, at least one.
    pub layers: Vec<Layer>,
    /// Every slot that is to show this source, in order of entry.
    pub slots: Vec<SlotKey>,
    /// In order of entry.
    pub taps: Vec<TapNumber>,
    /// Holds requests to the throttle.
    pub keyframes: KeyframeThrottle,
    /// When the last packet with a payload of any layer came.
    pub media_us: Option<i64>,
    /// Since the last batch of events.
    pub packets: u64,
    /// `lost` at the last batch.
    pub lost_before: i64,
    /// Layers that were alive when the slots were last aimed.
    pub alive_before: Vec<usize>,
}

impl Source {
    /// Nothing is bound. `publisher` is its transport's clock.
    pub fn new(add: AddSource, transport: TransportKey, publisher: &PublisherClock) -> Self {
        Self {
            transport,
            video: is_video(&add),
            open: add.open,
            layers: (0..add.rids.len().max(1)).map(|index| Layer::new(index, &add, publisher)).collect(),
            slots: Vec::new(),
            taps: Vec::new(),
            keyframes: KeyframeThrottle::new(),
            media_us: None,
            packets: 0,
            lost_before: 0,
            alive_before: Vec::new(),
            add,
        }
    }

    /// Another SSRC begins on a layer: nothing that was counted or kept holds for it.
    pub fn renew(&mut self, layer: usize, publisher: &PublisherClock) {
        if let Some(layer) = self.layers.get_mut(layer) {
            let fresh = Layer::new(layer.index, &self.add, publisher);
            *layer = Layer {
                ssrc: layer.ssrc,
                viewers: std::mem::take(&mut layer.viewers),
                waiting: std::mem::take(&mut layer.waiting),
                octets: layer.octets,
                media_us: layer.media_us,
                ..fresh
            };
        }
    }

    /// Whether a layer is being sent: it keeps up with the newest packet of the source.
    pub fn alive(&self, layer: usize) -> bool {
        let layer_us = self.layers.get(layer).and_then(|layer| layer.media_us);
        matches!((self.media_us, layer_us), (Some(newest_us), Some(layer_us)) if newest_us - layer_us <= DEAD_US)
    }

    /// Indices of the layers that are being sent.
    pub fn alive_layers(&self) -> Vec<usize> {
        (0..self.layers.len()).filter(|layer| self.alive(*layer)).collect()
    }

    /// Packets of all layers that never came, not counting what repair brought.
    pub fn lost(&self) -> i64 {
        let receptions = self.layers.iter().map(|layer| &layer.reception);
        receptions.map(|reception| (reception.expected() - reception.received).max(0)).sum()
    }
}
