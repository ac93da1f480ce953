//! RTCP packets (RFC 3550 section 6, RFC 4585, RFC 5104, REMB) as values, and NTP time.

use std::borrow::Cow;

use crate::parse::{ParseError, u16_at, u32_at};

/// Packet type of sender reports.
pub const SR: u8 = 200;
/// Packet type of receiver reports.
pub const RR: u8 = 201;
/// Packet type of source descriptions.
pub const SDES: u8 = 202;
/// Packet type of goodbyes.
pub const BYE: u8 = 203;
/// Packet type of transport layer feedback.
pub const RTPFB: u8 = 205;
/// Packet type of payload-specific feedback.
pub const PSFB: u8 = 206;
/// Extended reports.
pub const XR: u8 = 207;
const RECEIVER_REFERENCE_TIME: u8 = 4;
const DLRR: u8 = 5;
/// Report blocks that one report holds at most.
pub const MAX_BLOCKS: usize = 31;

const FMT_NACK: u8 = 1;
const FMT_PLI: u8 = 1;
const FMT_FIR: u8 = 4;
const FMT_AFB: u8 = 15;
const SDES_CNAME: u8 = 1;
const BLOCK_LENGTH: usize = 24;
const NTP_UNIX_OFFSET_S: i64 = 2_208_988_800;
const PACKETS_LOST: (i64, i64) = (-(1 << 23), (1 << 23) - 1);

/// One source's reception (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReportBlock {
    /// Whose packets.
    pub ssrc: u32,
    /// In 1/256.
    pub fraction_lost: u8,
    /// 24 bits with sign; clamped when written.
    pub packets_lost: i64,
    /// Low 32 bits of the extended number.
    pub highest_sequence: u32,
    /// RTP units.
    pub jitter: u32,
    /// The middle 32 bits of an NTP time, 0 for none.
    pub lsr: u32,
    /// In 1/65536 s.
    pub dlsr: u32,
}

/// What a sender sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SenderReport {
    /// Whose.
    pub ssrc: u32,
    /// 64-bit NTP time at which the media clock stood at `rtp_timestamp`.
    pub ntp: u64,
    /// RTP units.
    pub rtp_timestamp: u32,
    /// Since the SSRC began.
    pub packet_count: u32,
    /// Payload bytes since the SSRC began.
    pub octet_count: u32,
    /// At most 31.
    pub reports: Vec<ReportBlock>,
}

/// Reports of who sends nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReceiverReport {
    /// Who reports.
    pub ssrc: u32,
    /// At most 31.
    pub reports: Vec<ReportBlock>,
}

/// Generic NACK (RFC 4585 section 6.2.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nack {
    /// Who asks.
    pub sender_ssrc: u32,
    /// Whose packets.
    pub media_ssrc: u32,
    /// Sequence numbers in packet order.
    pub lost: Vec<u16>,
}

/// Picture loss indication (RFC 4585 section 6.3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pli {
    /// Who asks.
    pub sender_ssrc: u32,
    /// Whose keyframe.
    pub media_ssrc: u32,
}

/// Full intra request (RFC 5104 section 4.3.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fir {
    /// Who asks.
    pub sender_ssrc: u32,
    /// (ssrc, command number) each.
    pub requests: Vec<(u32, u8)>,
}

/// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remb {
    /// Who estimates.
    pub sender_ssrc: u32,
    /// Bit/s; what is beyond 64 bits is told as their largest.
    pub bps: u64,
    /// Of all of these together.
    pub ssrcs: Vec<u32>,
}

/// Source description.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sdes<'a> {
    /// (ssrc, CNAME) of each chunk that has one.
    pub cnames: Vec<(u32, Cow<'a, str>)>,
}

/// Sources that leave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bye {
    /// At most 31.
    pub ssrcs: Vec<u32>,
}

/// When one who may send nothing sent this, on its own clock (RFC 3611 section 4.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReceiverReference {
    /// Who sent it.
    pub sender_ssrc: u32,
    /// 32.32 fixed point.
    pub ntp: u64,
}

/// A well-framed packet that nobody here reads (APP, other XR, transport-wide feedback, ...).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Other<'a> {
    /// The header's second byte.
    pub packet_type: u8,
    /// Report count, source count or FMT: the low five bits of the first byte.
    pub count: u8,
    /// After the header, without padding.
    pub body: &'a [u8],
}

/// One packet of a datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the structs tell")]
pub enum Packet<'a> {
    SenderReport(SenderReport),
    ReceiverReport(ReceiverReport),
    Nack(Nack),
    Pli(Pli),
    Fir(Fir),
    Remb(Remb),
    Sdes(Sdes<'a>),
    Bye(Bye),
    ReceiverReference(ReceiverReference),
    Other(Other<'a>),
}

/// Read a compound or reduced-size (RFC 5506) datagram.
///
/// All or nothing: one malformed packet makes the whole datagram malformed.
pub fn parse(data: &[u8]) -> Result<Vec<Packet<'_>>, ParseError> {
    if data.is_empty() {
        return Err(ParseError::new("RTCP datagram is empty", 0));
    }
    let mut packets = Vec::new();
    let mut position = 0;
    while let Some(rest) = data.get(position..).filter(|rest| !rest.is_empty()) {
        let Some([first, packet_type, high, low]) = rest.first_chunk::<4>().copied() else {
            return Err(ParseError::new("RTCP header is cut short", position));
        };
        if first & 0xC0 != 0x80 {
            return Err(ParseError::new("RTCP version is not 2", position));
        }
        let end = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        let Some(mut body) = rest.get(4..end) else {
            return Err(ParseError::new("RTCP packet runs past the datagram", position));
        };
        if first & 0x20 != 0 {
            let count = body.last().map_or(0, |count| usize::from(*count));
            body = match body.len().checked_sub(count) {
                Some(length) if count != 0 => &body[..length],
                _ => return Err(ParseError::new("RTCP padding length is wrong", position + end - 1)),
            };
        }
        let packet = read(packet_type, first & 0x1F, body).map_err(|fault| match fault {
            Fault::At(error) => ParseError::new(error.reason, position + 4 + error.offset),
            Fault::Shape(reason) => ParseError::new(reason, position),
        })?;
        packets.push(packet);
        position += end;
    }
    Ok(packets)
}

/// What is wrong with one packet's body.
enum Fault {
    /// At this byte of the body.
    At(ParseError),
    /// With its length as a whole.
    Shape(&'static str),
}

fn read(packet_type: u8, count: u8, body: &[u8]) -> Result<Packet<'_>, Fault> {
    match (packet_type, count) {
        (SR, _) => read_sender_report(count, body)
            .map(Packet::SenderReport)
            .ok_or(Fault::Shape("RTCP sender report is malformed")),
        (RR, _) => read_receiver_report(count, body)
            .map(Packet::ReceiverReport)
            .ok_or(Fault::Shape("RTCP receiver report is malformed")),
        (SDES, _) => read_sdes(count, body).map(Packet::Sdes).map_err(Fault::At),
        (BYE, _) => body
            .get(..4 * usize::from(count))
            .map(|ssrcs| Packet::Bye(Bye { ssrcs: words(ssrcs).collect() }))
            .ok_or(Fault::Shape("RTCP goodbye is malformed")),
        (RTPFB, FMT_NACK) => read_nack(body).map(Packet::Nack),
        (PSFB, _) => read_payload_feedback(count, body)
            .ok_or(Fault::Shape("RTCP payload-specific feedback is malformed")),
        (XR, _) => Ok(find_receiver_reference(body)
            .map_or(Packet::Other(Other { packet_type, count, body }), Packet::ReceiverReference)),
        _ => Ok(Packet::Other(Other { packet_type, count, body })),
    }
}

/// The first such block; blocks that are not read may be anything.
fn find_receiver_reference(body: &[u8]) -> Option<ReceiverReference> {
    let mut position = 4;
    loop {
        let [kind, _, high, low] = *body.get(position..)?.first_chunk::<4>()?;
        let words = usize::from(u16::from_be_bytes([high, low]));
        position += 4;
        if kind == RECEIVER_REFERENCE_TIME
            && words == 2
            && let Some(ntp) = body.get(position..).and_then(|rest| rest.first_chunk::<8>())
        {
            return Some(ReceiverReference { sender_ssrc: u32_at(body, 0)?, ntp: u64::from_be_bytes(*ntp) });
        }
        position += 4 * words;
    }
}

fn words(data: &[u8]) -> impl Iterator<Item = u32> {
    data.chunks_exact(4).filter_map(|word| u32_at(word, 0))
}

/// Profile-specific extensions may follow the blocks (RFC 3550 section 6.4.3).
fn read_blocks(count: u8, body: &[u8], start: usize) -> Option<Vec<ReportBlock>> {
    let blocks = body.get(start..start + BLOCK_LENGTH * usize::from(count))?;
    blocks.chunks_exact(BLOCK_LENGTH).map(read_block).collect()
}

fn read_block(block: &[u8]) -> Option<ReportBlock> {
    let fraction_and_lost = u32_at(block, 4)?;
    Some(ReportBlock {
        ssrc: u32_at(block, 0)?,
        fraction_lost: (fraction_and_lost >> 24) as u8,
        packets_lost: i64::from((fraction_and_lost << 8) as i32 >> 8),
        highest_sequence: u32_at(block, 8)?,
        jitter: u32_at(block, 12)?,
        lsr: u32_at(block, 16)?,
        dlsr: u32_at(block, 20)?,
    })
}

fn read_sender_report(count: u8, body: &[u8]) -> Option<SenderReport> {
    Some(SenderReport {
        reports: read_blocks(count, body, 24)?,
        ssrc: u32_at(body, 0)?,
        ntp: u64::from(u32_at(body, 4)?) << 32 | u64::from(u32_at(body, 8)?),
        rtp_timestamp: u32_at(body, 12)?,
        packet_count: u32_at(body, 16)?,
        octet_count: u32_at(body, 20)?,
    })
}

fn read_receiver_report(count: u8, body: &[u8]) -> Option<ReceiverReport> {
    Some(ReceiverReport { reports: read_blocks(count, body, 4)?, ssrc: u32_at(body, 0)? })
}

fn read_nack(body: &[u8]) -> Result<Nack, Fault> {
    let (Some(sender_ssrc), Some(media_ssrc)) = (u32_at(body, 0), u32_at(body, 4)) else {
        return Err(Fault::At(ParseError::new("RTCP NACK is cut short", body.len())));
    };
    if body.len() % 4 != 0 {
        return Err(Fault::Shape("RTCP NACK is malformed"));
    }
    let mut lost = Vec::with_capacity(body.len() / 4);
    for item in words(&body[8..]) {
        let (pid, mut blp) = ((item >> 16) as u16, item as u16);
        lost.push(pid);
        while blp != 0 {
            lost.push(pid.wrapping_add(blp.trailing_zeros() as u16 + 1));
            blp &= blp - 1;
        }
    }
    Ok(Nack { sender_ssrc, media_ssrc, lost })
}

fn read_payload_feedback(fmt: u8, body: &[u8]) -> Option<Packet<'_>> {
    let sender_ssrc = u32_at(body, 0)?;
    let media_ssrc = u32_at(body, 4)?;
    let control = body.get(8..)?;
    Some(match fmt {
        FMT_PLI => Packet::Pli(Pli { sender_ssrc, media_ssrc }),
        FMT_FIR => {
            if control.len() % 8 != 0 {
                return None;
            }
            let requests = control.chunks_exact(8).filter_map(|item| Some((u32_at(item, 0)?, *item.get(4)?)));
            Packet::Fir(Fir { sender_ssrc, requests: requests.collect() })
        }
        FMT_AFB if control.starts_with(b"REMB") => {
            let [count, exponent, ..] = *control.get(4..)?.first_chunk::<4>()?;
            let mantissa = u128::from(exponent & 0x03) << 16 | u128::from(u16_at(control, 6)?);
            let bps = u64::try_from(mantissa << (exponent >> 2)).unwrap_or(u64::MAX);
            let ssrcs = words(control.get(8..8 + 4 * usize::from(count))?).collect();
            Packet::Remb(Remb { sender_ssrc, bps, ssrcs })
        }
        _ => Packet::Other(Other { packet_type: PSFB, count: fmt, body }),
    })
}

fn read_sdes(count: u8, body: &[u8]) -> Result<Sdes<'_>, ParseError> {
    let mut cnames = Vec::new();
    let mut position = 0;
    for _ in 0..count {
        let Some(ssrc) = u32_at(body, position) else {
            return Err(ParseError::new("RTCP SDES chunk is cut short", position));
        };
        position += 4;
        while let Some(kind) = body.get(position).copied().filter(|kind| *kind != 0) {
            let value = body.get(position + 1).and_then(|length| {
                let start = position + 2;
                body.get(start..start + usize::from(*length))
            });
            let Some(value) = value else {
                return Err(ParseError::new("RTCP SDES item is cut short", position));
            };
            if kind == SDES_CNAME {
                cnames.push((ssrc, String::from_utf8_lossy(value)));
            }
            position += 2 + value.len();
        }
        if position >= body.len() {
            return Err(ParseError::new("RTCP SDES chunk has no end", position));
        }
        position += 4 - position % 4; // the null item and padding up to the next word
    }
    Ok(Sdes { cnames })
}

/// A packet of which only the body's length is not known yet.
struct Builder(Vec<u8>);

impl Builder {
    fn new(packet_type: u8, count: u8, body_capacity: usize) -> Self {
        let mut packet = Vec::with_capacity(4 + body_capacity);
        packet.extend_from_slice(&[0x80 | count, packet_type, 0, 0]);
        Self(packet)
    }

    fn word(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn blocks(mut self, reports: &[ReportBlock]) -> Self {
        for block in reports {
            let lost = block.packets_lost.clamp(PACKETS_LOST.0, PACKETS_LOST.1) as u32 & 0xFF_FFFF;
            self = self
                .word(block.ssrc)
                .word(u32::from(block.fraction_lost) << 24 | lost)
                .word(block.highest_sequence)
                .word(block.jitter)
                .word(block.lsr)
                .word(block.dlsr);
        }
        self
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        let words = (self.0.len() / 4 - 1) as u16;
        self.0[2..4].copy_from_slice(&words.to_be_bytes());
        self.0
    }
}

fn at_most(reports: &[ReportBlock]) -> &[ReportBlock] {
    &reports[..reports.len().min(MAX_BLOCKS)]
}

/// A sender report with at most 31 blocks; further ones are left out, losses clamped to 24 bits.
pub fn build_sender_report(
    ssrc: u32,
    ntp: u64,
    rtp_timestamp: u32,
    packet_count: u32,
    octet_count: u32,
    reports: &[ReportBlock],
) -> Vec<u8> {
    let reports = at_most(reports);
    Builder::new(SR, reports.len() as u8, 24 + BLOCK_LENGTH * reports.len())
        .word(ssrc)
        .word((ntp >> 32) as u32)
        .word(ntp as u32)
        .word(rtp_timestamp)
        .word(packet_count)
        .word(octet_count)
        .blocks(reports)
        .finish()
}

/// A receiver report with at most 31 blocks; further ones are left out.
pub fn build_receiver_report(ssrc: u32, reports: &[ReportBlock]) -> Vec<u8> {
    let reports = at_most(reports);
    Builder::new(RR, reports.len() as u8, 4 + BLOCK_LENGTH * reports.len())
        .word(ssrc)
        .blocks(reports)
        .finish()
}

/// One chunk with a CNAME of at most 255 bytes; further ones are left out.
pub fn build_sdes(ssrc: u32, cname: &str) -> Vec<u8> {
    let cname = &cname.as_bytes()[..cname.len().min(255)];
    let mut builder = Builder::new(SDES, 1, cname.len() + 12).word(ssrc);
    builder.0.extend_from_slice(&[SDES_CNAME, cname.len() as u8]);
    builder.0.extend_from_slice(cname);
    builder.0.extend_from_slice(&[0, 0]);
    builder.finish()
}

/// A generic NACK for ascending sequence numbers (extended or 16 bits, wrapping allowed).
pub fn build_nack(sender_ssrc: u32, media_ssrc: u32, numbers: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let mut builder = Builder::new(RTPFB, FMT_NACK, 24).word(sender_ssrc).word(media_ssrc);
    let mut item: Option<(u16, u16)> = None;
    for number in numbers {
        let number = number as u16;
        let Some((pid, blp)) = item else {
            item = Some((number, 0));
            continue;
        };
        match number.wrapping_sub(pid) {
            0 => {}
            ahead @ 1..=16 => item = Some((pid, blp | 1 << (ahead - 1))),
            _ => {
                builder = builder.word(u32::from(pid) << 16 | u32::from(blp));
                item = Some((number, 0));
            }
        }
    }
    if let Some((pid, blp)) = item {
        builder = builder.word(u32::from(pid) << 16 | u32::from(blp));
    }
    builder.finish()
}

/// Ask for a keyframe.
pub fn build_pli(sender_ssrc: u32, media_ssrc: u32) -> Vec<u8> {
    Builder::new(PSFB, FMT_PLI, 8).word(sender_ssrc).word(media_ssrc).finish()
}

/// The answer to a [`ReceiverReference`] of `ssrc` (RFC 3611 section 4.5): the middle 32 bits of its time, and how
/// long ago it came, in 1/65536 s.
pub fn build_dlrr(sender_ssrc: u32, ssrc: u32, last_rr: u32, delay: u32) -> Vec<u8> {
    Builder::new(XR, 0, 20)
        .word(sender_ssrc)
        .word(u32::from(DLRR) << 24 | 3)
        .word(ssrc)
        .word(last_rr)
        .word(delay)
        .finish()
}

/// Allow a sender `bps` for all of `ssrcs` (at most 255; further ones are left out) together; 18 significant bits
/// are kept.
pub fn build_remb(sender_ssrc: u32, bps: u64, ssrcs: &[u32]) -> Vec<u8> {
    let ssrcs = &ssrcs[..ssrcs.len().min(255)];
    let exponent = (64 - bps.leading_zeros()).saturating_sub(18);
    let mantissa = (bps >> exponent) as u32;
    let mut builder = Builder::new(PSFB, FMT_AFB, 16 + 4 * ssrcs.len())
        .word(sender_ssrc)
        .word(0)
        .word(u32::from_be_bytes(*b"REMB"))
        .word((ssrcs.len() as u32) << 24 | exponent << 18 | mantissa);
    for ssrc in ssrcs {
        builder = builder.word(*ssrc);
    }
    builder.finish()
}

/// 64-bit NTP time (32.32 fixed point since 1900) of microseconds since the Unix epoch.
pub fn ntp_from_us(unix_us: i64) -> u64 {
    let seconds = unix_us.div_euclid(1_000_000) + NTP_UNIX_OFFSET_S;
    let rest_us = unix_us.rem_euclid(1_000_000) as u64;
    (u64::from(seconds as u32) << 32) | ((rest_us << 32) / 1_000_000)
}

/// Microseconds since the Unix epoch, rounded; the inverse of [`ntp_from_us`].
pub fn us_from_ntp(ntp: u64) -> i64 {
    let seconds = (ntp >> 32) as i64 - NTP_UNIX_OFFSET_S;
    let fraction = i64::from(ntp as u32);
    seconds * 1_000_000 + ((fraction * 1_000_000 + (1 << 31)) >> 32)
}

/// The middle 32 bits: what LSR holds (RFC 3550 section 4).
pub fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// Round trip in us by RFC 3550 section 6.4.1, None without LSR or when it comes out negative.
pub fn round_trip_us(now_ntp: u64, lsr: u32, dlsr: u32) -> Option<i64> {
    if lsr == 0 {
        return None;
    }
    let elapsed = ntp_middle(now_ntp).wrapping_sub(lsr).wrapping_sub(dlsr);
    (elapsed < 0x8000_0000).then(|| (i64::from(elapsed) * 1_000_000) >> 16)
}

#[cfg(test)]
mod tests;
