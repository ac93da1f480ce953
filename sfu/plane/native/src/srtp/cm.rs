//! `SRTP_AES128_CM_SHA1_80`: AES in counter mode, HMAC-SHA1 cut to 80 bits (RFC 3711 sections 4.1.1 and 4.2.1).

use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::header::{self, RTCP_CLEAR, RtpHeader};
use super::keys::{Derivation, Label};
use super::{ENCRYPTED, KeyError, Refused};

const TAG: usize = 10;
const WORD: usize = 4;

/// The keys of one direction.
pub(super) struct Cm {
    rtp: Part,
    rtcp: Part,
}

struct Part {
    cipher: EncryptingKey,
    salt: [u8; 14],
    authentication: hmac::Key,
}

impl Cm {
    pub(super) fn new(derivation: &Derivation) -> Result<Cm, KeyError> {
        Ok(Cm {
            rtp: Part::new(derivation, Label::RtpEncryption, Label::RtpSalt, Label::RtpAuthentication)?,
            rtcp: Part::new(derivation, Label::RtcpEncryption, Label::RtcpSalt, Label::RtcpAuthentication)?,
        })
    }

    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: RtpHeader,
        index: u64,
    ) -> Result<usize, Refused> {
        let end = packet.len().checked_sub(TAG).ok_or(Refused::Malformed)?;
        if end < header.length {
            return Err(Refused::Malformed);
        }
        let (packet, tag) = packet.split_at_mut(end);
        verify(self.rtp.tag(packet, &rollover(index)), tag)?;
        self.rtp.crypt(header.ssrc, index, &mut packet[header.length..])?;
        Ok(end)
    }

    pub(super) fn seal_rtp(
        &self,
        buffer: &mut Vec<u8>,
        start: usize,
        header: RtpHeader,
        index: u64,
    ) -> Result<(), Refused> {
        self.rtp.crypt(header.ssrc, index, &mut buffer[start + header.length..])?;
        let tag = self.rtp.tag(&buffer[start..], &rollover(index));
        buffer.extend_from_slice(&tag);
        Ok(())
    }

    /// `word` is what [`rtcp_word`] read.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, word: u32) -> Result<usize, Refused> {
        let authenticated = packet.len().checked_sub(TAG).ok_or(Refused::Malformed)?;
        let end = authenticated.checked_sub(WORD).ok_or(Refused::Malformed)?;
        let (packet, tag) = packet.split_at_mut(authenticated);
        verify(self.rtcp.tag(packet, &[]), tag)?;
        if word & ENCRYPTED != 0 {
            let secret = packet.get_mut(RTCP_CLEAR..end).ok_or(Refused::Malformed)?;
            self.rtcp.crypt(ssrc, u64::from(word & !ENCRYPTED), secret)?;
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
        self.rtcp.crypt(ssrc, u64::from(word & !ENCRYPTED), &mut buffer[start + RTCP_CLEAR..])?;
        buffer.extend_from_slice(&word.to_be_bytes());
        let tag = self.rtcp.tag(&buffer[start..], &[]);
        buffer.extend_from_slice(&tag);
        Ok(())
    }
}

#[cfg(test)]
impl Cm {
    /// SRTCP without encryption (E = 0), which we never send.
    pub(super) fn authenticated_rtcp(&self, packet: &[u8], index: u32) -> Vec<u8> {
        let mut bytes = [packet, &index.to_be_bytes()].concat();
        let tag = self.rtcp.tag(&bytes, &[]);
        bytes.extend_from_slice(&tag);
        bytes
    }
}

impl Part {
    fn new(
        derivation: &Derivation,
        encryption: Label,
        salt: Label,
        authentication: Label,
    ) -> Result<Part, KeyError> {
        let key = derivation.derive::<16>(encryption)?;
        let key = UnboundCipherKey::new(&AES_128, &key).map_err(|_| derivation.error())?;
        let authentication = derivation.derive::<20>(authentication)?;
        Ok(Part {
            cipher: EncryptingKey::ctr(key).map_err(|_| derivation.error())?,
            salt: derivation.derive(salt)?,
            authentication: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &authentication),
        })
    }

    /// Encryption and decryption are the same.
    fn crypt(&self, ssrc: u32, index: u64, secret: &mut [u8]) -> Result<(), Refused> {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        let [_, _, index @ ..] = index.to_be_bytes();
        for (byte, value) in iv[4..14].iter_mut().zip(ssrc.to_be_bytes().into_iter().chain(index)) {
            *byte ^= value;
        }
        match self.cipher.less_safe_encrypt(secret, EncryptionContext::Iv128(FixedLength::from(iv))) {
            Ok(_) => Ok(()),
            Err(_) => Err(Refused::Malformed),
        }
    }

    fn tag(&self, packet: &[u8], rollover: &[u8]) -> [u8; TAG] {
        let mut context = hmac::Context::with_key(&self.authentication);
        context.update(packet);
        context.update(rollover);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&context.sign().as_ref()[..TAG]);
        tag
    }
}

/// E flag and index: in front of the tag.
pub(super) fn rtcp_word(packet: &[u8]) -> Option<u32> {
    let offset = packet.len().checked_sub(WORD + TAG)?;
    (offset >= RTCP_CLEAR).then(|| header::word(packet, offset))?
}

fn verify(expected: [u8; TAG], tag: &[u8]) -> Result<(), Refused> {
    verify_slices_are_equal(&expected, tag).map_err(|_| Refused::Authentication)
}

const fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::tests::hex;

    #[test]
    fn keystream_of_rfc_3711_appendix_b2() {
        let key = UnboundCipherKey::new(&AES_128, &hex("2b7e151628aed2a6abf7158809cf4f3c")).unwrap();
        let part = Part {
            cipher: EncryptingKey::ctr(key).unwrap(),
            salt: hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd").try_into().unwrap(),
            authentication: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[]),
        };
        let mut stream = vec![0; 0xFF02 * 16];
        part.crypt(0, 0, &mut stream).unwrap();
        let first = "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab\
                     41e95b3bb0a2e8dd477901e4fca894c0";
        let last = "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae\
                    6a2cc3787889374fbeb4c81b17ba6c44";
        assert_eq!(stream[..48], hex(first));
        assert_eq!(stream[0xFEFF * 16..], hex(last));
    }
}
