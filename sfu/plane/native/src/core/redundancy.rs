//! Sound that brings earlier packets along (RFC 2198): what goes along with which packet.

use crate::core::cache::PacketCache;
use crate::core::packet::Packet;
use crate::red;

/// How many earlier packets there can be.
pub const MAX_DISTANCE: i64 = 2;
/// Bytes of a payload with redundancy, its headers included.
const MAX_PAYLOAD: usize = 1200;

/// Write the payload with those packets that this one brings along, none from before the number `since`; false
/// when there is none, and nothing was written.
pub fn wrap(
    buffer: &mut Vec<u8>,
    packet: &Packet,
    cache: &PacketCache,
    distance: i64,
    since: i64,
    payload_type: u8,
) -> bool {
    let mut first = since.max(packet.sequence - distance);
    let mut length = 1 + packet.bytes.len() + earlier(packet, cache, first).map(cost).sum::<usize>();
    // The oldest are left out first.
    while length > MAX_PAYLOAD && first < packet.sequence {
        length -=
            earlier(packet, cache, first).next().filter(|oldest| oldest.sequence == first).map_or(0, cost);
        first += 1;
    }
    if earlier(packet, cache, first).next().is_none() {
        return false;
    }
    for each in earlier(packet, cache, first) {
        red::write_header(buffer, payload_type, packet.timestamp - each.timestamp, each.bytes.len());
    }
    buffer.push(payload_type);
    for each in earlier(packet, cache, first) {
        buffer.extend_from_slice(&each.bytes);
    }
    buffer.extend_from_slice(&packet.bytes);
    true
}

fn cost(packet: &Packet) -> usize {
    red::BLOCK_HEADER_LENGTH + packet.bytes.len()
}

/// Those before the packet, from this number on, that a block can hold.
fn earlier<'a>(packet: &Packet, cache: &'a PacketCache, first: i64) -> impl Iterator<Item = &'a Packet> {
    let timestamp = packet.timestamp;
    (first..packet.sequence).filter_map(move |number| {
        let found = cache.get(number)?;
        let fits = (1..=red::MAX_BLOCK_LENGTH).contains(&found.bytes.len())
            && (1..=red::MAX_TIMESTAMP_OFFSET).contains(&(timestamp - found.timestamp));
        fits.then_some(&**found)
    })
}
