//! `AEAD_AES_128_GCM` and `AEAD_AES_256_GCM` (RFC 7714).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::header::{self, RTCP_CLEAR, RtpHeader};
use super::keys::{Derivation, Label};
use super::{ENCRYPTED, KeyError, Refused};

const TAG: usize = 16;
const WORD: usize = 4;

/// The keys of one direction.
pub(super) struct Gcm {
    rtp: Part,
    rtcp: Part,
}

struct Part {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    /// With keys of N bytes, 16 or 32.
    pub(super) fn new<const N: usize>(derivation: &Derivation) -> Result<Gcm, KeyError> {
        Ok(Gcm {
            rtp: Part::new::<N>(derivation, Label::RtpEncryption, Label::RtpSalt)?,
            rtcp: Part::new::<N>(derivation, Label::RtcpEncryption, Label::RtcpSalt)?,
        })
    }

    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: RtpHeader,
        index: u64,
    ) -> Result<usize, Refused> {
        let (clear, secret) = packet.split_at_mut(header.length);
        let length = secret.len().checked_sub(TAG).ok_or(Refused::Malformed)?;
        self.rtp.open(header.ssrc, index, clear, secret)?;
        Ok(header.length + length)
    }

    pub(super) fn seal_rtp(
        &self,
        buffer: &mut Vec<u8>,
        start: usize,
        header: RtpHeader,
        index: u64,
    ) -> Result<(), Refused> {
        let (clear, secret) = buffer[start..].split_at_mut(header.length);
        let tag = self.rtp.seal(header.ssrc, index, clear, secret)?;
        buffer.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// `word` is what [`rtcp_word`] read.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, word: u32) -> Result<usize, Refused> {
        let index = u64::from(word & !ENCRYPTED);
        let end = packet.len().checked_sub(TAG + WORD).ok_or(Refused::Malformed)?;
        if word & ENCRYPTED == 0 {
            // All is associated data, the word right behind the packet (section 9.3): it takes the tag's place.
            let (packet, trailer) = packet.split_at_mut_checked(end + WORD).ok_or(Refused::Malformed)?;
            let mut tag = [0; TAG];
            tag[..WORD].copy_from_slice(&packet[end..]);
            tag[WORD..].copy_from_slice(&trailer[..TAG - WORD]);
            packet[end..].copy_from_slice(&word.to_be_bytes());
            self.rtcp.open(ssrc, index, packet, &mut tag)?;
        } else {
            let (clear, secret) = packet.split_at_mut_checked(RTCP_CLEAR).ok_or(Refused::Malformed)?;
            let secret =
                secret.get_mut(..(end + TAG).saturating_sub(RTCP_CLEAR)).ok_or(Refused::Malformed)?;
            self.rtcp.open(ssrc, index, &rtcp_aad(clear, word), secret)?;
        }
        Ok(end)
    }

    pub(super) fn seal_rtcp(
        &self,
        buffer: &mut Vec<u8>,
        start: usize,
        ssrc: u32,
        word: u32,
    ) -> Result<(), Refused> {
        let (clear, secret) = buffer[start..].split_at_mut(RTCP_CLEAR);
        let tag = self.rtcp.seal(ssrc, u64::from(word & !ENCRYPTED), &rtcp_aad(clear, word), secret)?;
        buffer.extend_from_slice(tag.as_ref());
        buffer.extend_from_slice(&word.to_be_bytes());
        Ok(())
    }
}

impl Part {
    fn new<const N: usize>(
        derivation: &Derivation,
        encryption: Label,
        salt: Label,
    ) -> Result<Part, KeyError> {
        let algorithm = if N == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = derivation.derive::<N>(encryption)?;
        let key = UnboundKey::new(algorithm, &key).map_err(|_| derivation.error())?;
        Ok(Part { key: LessSafeKey::new(key), salt: derivation.derive(salt)? })
    }

    /// Section 8.1 for the 48 bits of ROC and number, section 9.1 for SRTCP's 31 bits.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut nonce = self.salt;
        let [_, _, index @ ..] = index.to_be_bytes();
        for (byte, value) in nonce[2..].iter_mut().zip(ssrc.to_be_bytes().into_iter().chain(index)) {
            *byte ^= value;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// `secret` ends in the tag.
    fn open(&self, ssrc: u32, index: u64, aad: &[u8], secret: &mut [u8]) -> Result<(), Refused> {
        match self.key.open_in_place(self.nonce(ssrc, index), Aad::from(aad), secret) {
            Ok(_) => Ok(()),
            Err(_) => Err(Refused::Authentication),
        }
    }

    fn seal(
        &self,
        ssrc: u32,
        index: u64,
        aad: &[u8],
        secret: &mut [u8],
    ) -> Result<impl AsRef<[u8]> + use<>, Refused> {
        // It can only fail for packets of gigabytes.
        self.key
            .seal_in_place_separate_tag(self.nonce(ssrc, index), Aad::from(aad), secret)
            .map_err(|_| Refused::Malformed)
    }
}

/// E flag and index: the last four bytes.
pub(super) fn rtcp_word(packet: &[u8]) -> Option<u32> {
    let offset = packet.len().checked_sub(WORD)?;
    (offset >= RTCP_CLEAR + TAG).then(|| header::word(packet, offset))?
}

/// What is authenticated but not encrypted when E is set (section 9.2).
fn rtcp_aad(clear: &[u8], word: u32) -> [u8; RTCP_CLEAR + WORD] {
    let mut aad = [0; RTCP_CLEAR + WORD];
    aad[..RTCP_CLEAR].copy_from_slice(clear);
    aad[RTCP_CLEAR..].copy_from_slice(&word.to_be_bytes());
    aad
}
