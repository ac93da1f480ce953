//! SRTP and SRTCP (RFC 3711, RFC 7714) in place, without allocation a packet; keys are expanded once.
//!
//! Both directions of one peer are a [`Session`]. What is received changes nothing before it is authenticated.

mod cm;
mod gcm;
mod header;
mod keys;
mod replay;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;

use crate::api::SrtpProfile;
use cm::Cm;
use gcm::Gcm;
use keys::Derivation;
use replay::Replay;

/// SSRCs whose media is followed, a session. Further ones are refused: forgetting one would let its packets be
/// replayed.
pub const MAX_RTP_SSRCS: usize = 64;
/// SSRCs whose RTCP is followed. A browser may answer for each of its receivers with an SSRC of its own.
pub const MAX_RTCP_SSRCS: usize = 128;

/// SRTCP packets under one key (RFC 3711 section 9.2).
const MAX_RTCP_INDEX: u32 = 0x7FFF_FFFF;
/// The E flag of the word with the SRTCP index.
const ENCRYPTED: u32 = 0x8000_0000;

/// Why a packet was not (un)protected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// Too short, or its header goes beyond its end.
    Malformed,
    /// The tag does not fit key, packet and index.
    Authentication,
    /// Its index was seen before.
    Replayed,
    /// Its index is older than the replay window.
    TooOld,
    /// There are [`MAX_RTP_SSRCS`] or [`MAX_RTCP_SSRCS`] already.
    TooManySsrcs,
    /// The key has protected as many SRTCP packets as it may.
    Exhausted,
}

impl Refused {
    /// In a few words.
    pub const fn text(self) -> &'static str {
        match self {
            Refused::Malformed => "malformed packet",
            Refused::Authentication => "authentication failed",
            Refused::Replayed => "replayed",
            Refused::TooOld => "older than the replay window",
            Refused::TooManySsrcs => "too many SSRCs",
            Refused::Exhausted => "the key is used up",
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

impl Error for Refused {}

/// Master key and salt together are not as long as the profile wants them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyError {
    /// Bytes the profile wants.
    pub expected: usize,
    /// Bytes there were.
    pub length: usize,
}

impl fmt::Display for KeyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "master key and salt are {} bytes together, not {}", self.expected, self.length)
    }
}

impl Error for KeyError {}

/// Both directions of one peer.
pub struct Session {
    /// None: packets pass through.
    protection: Option<Box<Protection>>,
}

struct Protection {
    inbound: Suite,
    outbound: Suite,
    rtp: Windows<MAX_RTP_SSRCS>,
    rtcp: Windows<MAX_RTCP_SSRCS>,
    /// Of the next SRTCP packet sent. One row of numbers for all our SSRCs keeps each of them growing.
    next_rtcp_index: u32,
}

impl Session {
    /// From the keys of the DTLS handshake (RFC 5764 section 4.2): master key followed by master salt, 28 bytes
    /// for AES-128-GCM, 44 for AES-256-GCM, 30 for AES-CM.
    pub fn new(profile: SrtpProfile, receive_key: &[u8], send_key: &[u8]) -> Result<Session, KeyError> {
        let protection = Protection {
            inbound: Suite::new(profile, receive_key)?,
            outbound: Suite::new(profile, send_key)?,
            rtp: Windows::default(),
            rtcp: Windows::default(),
            next_rtcp_index: 0,
        };
        Ok(Session { protection: Some(Box::new(protection)) })
    }

    /// No protection at all: for tests that look at plain packets.
    pub const fn plain() -> Session {
        Session { protection: None }
    }

    /// Authenticate and decrypt one SRTP packet in place; returns the length of the RTP packet, which begins
    /// where `packet` does. After a refusal the bytes may be spoilt, the session is as it was.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        match &mut self.protection {
            Some(protection) => protection.unprotect_rtp(packet),
            None => Ok(packet.len()),
        }
    }

    /// The same for one SRTCP packet, encrypted or only authenticated (E = 0).
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        match &mut self.protection {
            Some(protection) => protection.unprotect_rtcp(packet),
            None => Ok(packet.len()),
        }
    }

    /// Protect the RTP packet that is `buffer[start..]` in place and append its tag. `rollover` is the ROC of
    /// its number (RFC 3711 section 3.3.1); the same packet may be protected again, another one under the same
    /// SSRC, number and ROC must not be. When refused, the packet is cut off `buffer`, so that it can't leave
    /// in the clear.
    pub fn protect_rtp(&mut self, buffer: &mut Vec<u8>, start: usize, rollover: u32) -> Result<(), Refused> {
        let Some(protection) = &self.protection else { return Ok(()) };
        let result = protection.protect_rtp(buffer, start, rollover);
        if result.is_err() {
            buffer.truncate(start);
        }
        result
    }

    /// Protect the RTCP packet (compound or of reduced size) that is `buffer[start..]` in place and append
    /// index and tag. When refused, the packet is cut off `buffer`.
    pub fn protect_rtcp(&mut self, buffer: &mut Vec<u8>, start: usize) -> Result<(), Refused> {
        let Some(protection) = &mut self.protection else { return Ok(()) };
        let result = protection.protect_rtcp(buffer, start);
        if result.is_err() {
            buffer.truncate(start);
        }
        result
    }
}

impl Protection {
    fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let header = header::rtp(packet).ok_or(Refused::Malformed)?;
        let place = self.rtp.place(header.ssrc)?;
        let window = self.rtp.at(place);
        let index = window.estimate(header.sequence_number);
        window.check(index)?;
        let length = match &self.inbound {
            Suite::Gcm(gcm) => gcm.open_rtp(packet, header, index),
            Suite::Cm(cm) => cm.open_rtp(packet, header, index),
        }?;
        self.rtp.enter(place, header.ssrc, index);
        Ok(length)
    }

    fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let ssrc = header::rtcp_ssrc(packet).ok_or(Refused::Malformed)?;
        let word = match &self.inbound {
            Suite::Gcm(_) => gcm::rtcp_word(packet),
            Suite::Cm(_) => cm::rtcp_word(packet),
        }
        .ok_or(Refused::Malformed)?;
        let index = u64::from(word & MAX_RTCP_INDEX);
        let place = self.rtcp.place(ssrc)?;
        self.rtcp.at(place).check(index)?;
        let length = match &self.inbound {
            Suite::Gcm(gcm) => gcm.open_rtcp(packet, ssrc, word),
            Suite::Cm(cm) => cm.open_rtcp(packet, ssrc, word),
        }?;
        self.rtcp.enter(place, ssrc, index);
        Ok(length)
    }

    fn protect_rtp(&self, buffer: &mut Vec<u8>, start: usize, rollover: u32) -> Result<(), Refused> {
        let header = buffer.get(start..).and_then(header::rtp).ok_or(Refused::Malformed)?;
        let index = u64::from(rollover) << 16 | u64::from(header.sequence_number);
        match &self.outbound {
            Suite::Gcm(gcm) => gcm.seal_rtp(buffer, start, header, index),
            Suite::Cm(cm) => cm.seal_rtp(buffer, start, header, index),
        }
    }

    fn protect_rtcp(&mut self, buffer: &mut Vec<u8>, start: usize) -> Result<(), Refused> {
        let ssrc = buffer.get(start..).and_then(header::rtcp_ssrc).ok_or(Refused::Malformed)?;
        let index = self.next_rtcp_index;
        if index > MAX_RTCP_INDEX {
            return Err(Refused::Exhausted);
        }
        self.next_rtcp_index = index + 1;
        let word = ENCRYPTED | index;
        match &self.outbound {
            Suite::Gcm(gcm) => gcm.seal_rtcp(buffer, start, ssrc, word),
            Suite::Cm(cm) => cm.seal_rtcp(buffer, start, ssrc, word),
        }
    }
}

/// The keys of one direction.
enum Suite {
    Gcm(Gcm),
    Cm(Box<Cm>),
}

impl Suite {
    fn new(profile: SrtpProfile, key: &[u8]) -> Result<Suite, KeyError> {
        let derivation = Derivation::new(profile, key)?;
        Ok(match profile {
            SrtpProfile::AeadAes128Gcm => Suite::Gcm(Gcm::new::<16>(&derivation)?),
            SrtpProfile::AeadAes256Gcm => Suite::Gcm(Gcm::new::<32>(&derivation)?),
            SrtpProfile::Aes128CmSha1_80 => Suite::Cm(Box::new(Cm::new(&derivation)?)),
        })
    }
}

/// What came, by SSRC: few, looked through.
#[derive(Default)]
struct Windows<const MAX: usize> {
    ssrcs: Vec<u32>,
    replays: Vec<Replay>,
    /// Nothing came yet.
    fresh: Replay,
}

impl<const MAX: usize> Windows<MAX> {
    /// Where the SSRC's window is, or would be.
    fn place(&self, ssrc: u32) -> Result<usize, Refused> {
        let place = self.ssrcs.iter().position(|&known| known == ssrc).unwrap_or(self.ssrcs.len());
        if place < MAX { Ok(place) } else { Err(Refused::TooManySsrcs) }
    }

    fn at(&self, place: usize) -> &Replay {
        self.replays.get(place).unwrap_or(&self.fresh)
    }

    /// A packet was authenticated; with its first one an SSRC gets its window.
    fn enter(&mut self, place: usize, ssrc: u32, index: u64) {
        if place == self.replays.len() {
            self.ssrcs.push(ssrc);
            self.replays.push(Replay::default());
        }
        if let Some(window) = self.replays.get_mut(place) {
            window.enter(index);
        }
    }
}
