//! Which source and layer an SSRC carries: by announced SSRC, else by MID and RID (RFC 8843 section 9.2).

use slotmap::SlotMap;

use crate::api::Drop;
use crate::core::source::Source;
use crate::core::tables::{LayerKey, SourceKey};
use crate::core::transport::{Stream, Transport};
use crate::rtp;

/// What an unknown SSRC belongs to; `UnboundSsrc` when the packet does not tell.
///
/// A repair stream is told by repaired-rid, by its announced SSRC, or, with one layer, by MID and the repair
/// payload type.
pub fn bind(
    transport: &Transport,
    sources: &SlotMap<SourceKey, Source>,
    packet: &[u8],
    ssrc: u32,
) -> Result<Stream, Drop> {
    let known = || transport.sources.iter().filter_map(|&key| Some((key, sources.get(key)?)));
    for (key, source) in known() {
        let layers = source.layers.len();
        for (announced, rtx) in [(&source.add.ssrcs, false), (&source.add.rtx_ssrcs, true)] {
            if let Some(index) = announced.iter().take(layers).position(|&one| one == ssrc) {
                return Ok(Stream { layer: LayerKey { source: key, index }, rtx });
            }
        }
    }
    let elements = rtp::extensions(packet).map_err(|_| Drop::RtpMalformed)?;
    let element = |id: u8| if id == 0 { None } else { elements.get(id) };
    for (key, source) in known() {
        let add = &source.add;
        if element(add.extensions.mid) != Some(add.mid.as_bytes()) {
            continue;
        }
        if add.rids.is_empty() {
            let rtx = Some(rtp::payload_type(packet)) == add.rtx_payload_type;
            return Ok(Stream { layer: LayerKey { source: key, index: 0 }, rtx });
        }
        for (id, rtx) in [(add.extensions.rid, false), (add.extensions.repaired_rid, true)] {
            let Some(rid) = element(id) else { continue };
            if let Some(index) = add.rids.iter().position(|known| known.as_bytes() == rid) {
                return Ok(Stream { layer: LayerKey { source: key, index }, rtx });
            }
        }
    }
    Err(Drop::UnboundSsrc)
}
