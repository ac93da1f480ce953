//! As much of RTP's and RTCP's headers as protection needs (RFC 3711 sections 3.1 and 3.4).

/// The version-independent part of an RTP header.
#[derive(Clone, Copy, Debug)]
pub(super) struct RtpHeader {
    pub(super) sequence_number: u16,
    pub(super) ssrc: u32,
    /// Bytes up to the payload: fixed part, CSRCs, extension block. Never beyond the packet's end.
    pub(super) length: usize,
}

/// Bytes of RTCP that are never encrypted.
pub(super) const RTCP_CLEAR: usize = 8;

const FIXED: usize = 12;

/// None when the packet ends before its header does.
pub(super) fn rtp(packet: &[u8]) -> Option<RtpHeader> {
    let fixed: &[u8; FIXED] = packet.first_chunk()?;
    let mut length = FIXED + 4 * usize::from(fixed[0] & 0x0F);
    if fixed[0] & 0x10 != 0 {
        let &[_, _, high, low] = packet.get(length..)?.first_chunk()?;
        length += 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
    }
    (length <= packet.len()).then_some(RtpHeader {
        sequence_number: u16::from_be_bytes([fixed[2], fixed[3]]),
        ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
        length,
    })
}

/// SSRC of a (compound) packet's first sender.
pub(super) fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    let &[_, _, _, _, ssrc @ ..]: &[u8; RTCP_CLEAR] = packet.first_chunk()?;
    Some(u32::from_be_bytes(ssrc))
}

/// The word at the offset.
pub(super) fn word(packet: &[u8], offset: usize) -> Option<u32> {
    packet.get(offset..)?.first_chunk().copied().map(u32::from_be_bytes)
}
