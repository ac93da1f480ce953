//! How a packet stands on the wire when it leaves through a slot.

use super::Outgoing;
use crate::core::slot::Slot;

/// Append the packet as it leaves, not yet protected: media as RFC 3550 section 5.1, a repair as RFC 4588 section 4;
/// `pad` adds one byte of padding.
pub(super) fn write(buffer: &mut Vec<u8>, slot: &Slot, outgoing: &Outgoing, send_time: [u8; 3], pad: bool) {
    let packet = &*outgoing.packet;
    let add = &slot.add;
    let (payload_type, sequence, ssrc) = match outgoing.repair {
        None if packet.redundant => (add.red_payload_type.unwrap_or(0), outgoing.sequence, add.ssrc),
        None => (add.payload_type, outgoing.sequence, add.ssrc),
        Some(sequence) => (add.rtx_payload_type.unwrap_or(0), sequence, add.rtx_ssrc.unwrap_or(0)),
    };
    let mut first = 0x80;
    if slot.extensions.length() > 0 {
        first |= 0x10;
    }
    if pad {
        first |= 0x20;
    }
    let mut header = [0; 12];
    header[0] = first;
    header[1] = payload_type | if packet.marker { 0x80 } else { 0 };
    header[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
    header[4..8].copy_from_slice(&((packet.timestamp + outgoing.offsets.timestamp) as u32).to_be_bytes());
    header[8..].copy_from_slice(&ssrc.to_be_bytes());
    buffer.extend_from_slice(&header);
    slot.extensions.write(buffer, send_time, packet.level);
    if outgoing.repair.is_some() {
        buffer.extend_from_slice(&(outgoing.sequence as u16).to_be_bytes());
    }
    packet.write_payload(buffer, outgoing.offsets.picture, outgoing.offsets.tl0);
    if pad {
        buffer.push(1);
    }
}
