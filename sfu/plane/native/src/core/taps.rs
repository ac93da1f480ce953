//! Copies of a source's packets for the recorder, bounded.

use crate::api::{Event, TapNumber};
use crate::core::tables::{LayerKey, SourceKey};

/// What one batch holds at most.
pub const MAX_PACKETS_A_BATCH: usize = 2048;

/// Packets since the last batch; beyond `MAX_PACKETS_A_BATCH` they are counted, not kept.
pub struct Tap {
    /// The caller's number.
    pub number: TapNumber,
    /// What is copied.
    pub source: SourceKey,
    /// As commanded, not yet clamped.
    pub wanted_layer: i64,
    /// Whose packets are copied now, from the extended number `first` on.
    pub current: Option<LayerKey>,
    /// See `current`.
    pub first: i64,
    /// To which it goes at the next keyframe (sound: next packet).
    pub pending: Option<LayerKey>,
    /// Highest number copied of each layer, forgotten with its SSRC: what was before is not begun with.
    pub copied: Vec<Option<i64>>,
    /// When a keyframe is asked for, us.
    pub keyframe_due_us: i64,
    packets: Vec<(i64, Vec<u8>)>,
    dropped: u64,
}

impl Tap {
    /// With nothing copied.
    pub fn new(number: TapNumber, source: SourceKey, wanted_layer: i64) -> Self {
        Self {
            number,
            source,
            wanted_layer,
            current: None,
            first: 0,
            pending: None,
            copied: Vec::new(),
            keyframe_due_us: 0,
            packets: Vec::new(),
            dropped: 0,
        }
    }

    /// Whether nothing from this number on was copied of the layer.
    pub fn is_new(&self, layer: usize, sequence: i64) -> bool {
        self.copied.get(layer).copied().flatten().is_none_or(|copied| sequence > copied)
    }

    /// So far the layer is copied.
    pub fn note_copied(&mut self, layer: usize, sequence: i64) {
        if self.copied.len() <= layer {
            self.copied.resize(layer + 1, None);
        }
        if let Some(copied) = self.copied.get_mut(layer) {
            *copied = Some(sequence);
        }
    }

    /// Whether there is something to drain.
    pub fn waits(&self) -> bool {
        !self.packets.is_empty() || self.dropped > 0
    }

    /// Keep one packet; false when the batch is full.
    pub fn copy(&mut self, now_us: i64, packet: &[u8]) -> bool {
        if self.packets.len() >= MAX_PACKETS_A_BATCH {
            self.dropped += 1;
            return false;
        }
        self.packets.push((now_us, packet.to_vec()));
        true
    }

    /// What was copied since the last time (`Tapped`); `last`: nothing more comes.
    pub fn drain(&mut self, last: bool) -> Event {
        Event::Tapped {
            tap: self.number,
            packets: std::mem::take(&mut self.packets),
            dropped: std::mem::take(&mut self.dropped),
            last,
        }
    }
}
