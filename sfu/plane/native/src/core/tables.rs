//! Everything the core knows, by key, handle, address and user fragment.

use std::collections::HashMap;
use std::net::SocketAddr;

use indexmap::{IndexMap, IndexSet};
use slotmap::{SlotMap, new_key_type};

use crate::api::{SlotHandle, SourceHandle, TapNumber, TransportHandle};
use crate::core::levels::LoudestLevels;
use crate::core::packet::PacketPool;
use crate::core::slot::Slot;
use crate::core::source::{Layer, Source};
use crate::core::taps::Tap;
use crate::core::transport::Transport;

new_key_type! {
    /// A transport of these tables.
    pub struct TransportKey;
    /// A source of these tables.
    pub struct SourceKey;
    /// A slot of these tables.
    pub struct SlotKey;
}

/// One layer of a source.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LayerKey {
    /// Whose layer.
    pub source: SourceKey,
    /// Its place in `Source::layers`, lowest first.
    pub index: usize,
}

/// Owned by the core; its steps share it. The sets name what the next tick has to look at, in order of entry.
#[derive(Default)]
pub struct Tables {
    /// Every transport.
    pub transports: SlotMap<TransportKey, Transport>,
    /// Every source.
    pub sources: SlotMap<SourceKey, Source>,
    /// Every slot.
    pub slots: SlotMap<SlotKey, Slot>,
    /// By the caller's number, in order of entry.
    pub taps: IndexMap<TapNumber, Tap>,
    /// In order of entry.
    pub transports_by_handle: IndexMap<TransportHandle, TransportKey>,
    /// By the caller's number.
    pub sources_by_handle: HashMap<SourceHandle, SourceKey>,
    /// By the caller's number.
    pub slots_by_handle: HashMap<SlotHandle, SlotKey>,
    /// Validated addresses only.
    pub addresses: HashMap<SocketAddr, TransportKey>,
    /// By our user fragment, of old credentials too while they are valid.
    pub ufrags: HashMap<String, TransportKey>,
    /// Loudest level of each source since the last batch, -dBov.
    pub levels: LoudestLevels,
    /// Sent something since the last batch, or did before it.
    pub active_sources: IndexSet<SourceKey>,
    /// Keyframes are wanted of these.
    pub keyframe_sources: IndexSet<SourceKey>,
    /// Get packets of another source than they are to show, until this time (us) at most, ascending.
    pub lingering_slots: IndexMap<SlotKey, i64>,
    /// Miss packets.
    pub missing_layers: IndexSet<LayerKey>,
    /// Began to send video and have not been told what they may send.
    pub unestimated_transports: IndexSet<TransportKey>,
    /// Began to show something and owe their peer a sender report.
    pub unreported_slots: IndexSet<SlotKey>,
    /// Buffers of packets that fell out of the caches.
    pub pool: PacketPool,
}

impl Tables {
    /// A layer, None when its source is gone.
    pub fn layer_mut(&mut self, key: LayerKey) -> Option<&mut Layer> {
        self.sources.get_mut(key.source)?.layers.get_mut(key.index)
    }
}
