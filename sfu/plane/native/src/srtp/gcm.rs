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
        let key = derivation.derive::<N>(encryption)?;
        Part::with(&key, derivation.derive(salt)?).ok_or_else(|| derivation.error())
    }

    /// None when the key has another length than 16 or 32.
    fn with(key: &[u8], salt: [u8; 12]) -> Option<Part> {
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).ok()?;
        Some(Part { key: LessSafeKey::new(key), salt })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::tests::hex;

    const RTP: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e697320646976\
                       69736120696e207061727465732074726573";
    const SRTP_128: &str = "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd5\
                            0d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce";
    const SRTP_256: &str = "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab1801238\
                            9a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13";
    const RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61\
                        deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
    const SRTCP_128: &str = "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32d\
                             c676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf872\
                             45d9eade800005d4";
    const SRTCP_256: &str = "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50\
                             a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6c\
                             b26ac3be800005d4";
    const TAG_128: &str = "841dd9683dd78ec92ae58790125f62b3";
    const TAG_256: &str = "91db4afbfeee5a978fab4393ed2615fe";

    /// The session keys and the salt of the vectors.
    fn with_key(length: u8) -> Gcm {
        let key: Vec<u8> = (0..length).collect();
        let part = || Part::with(&key, *b"Quid pro quo").unwrap();
        Gcm { rtp: part(), rtcp: part() }
    }

    #[test]
    fn rtp_vectors_of_rfc_7714_section_16() {
        for (length, protected) in [(16, SRTP_128), (32, SRTP_256)] {
            let gcm = with_key(length);
            let mut buffer = hex(RTP);
            let header = header::rtp(&buffer).unwrap();
            let index = u64::from(header.sequence_number);
            gcm.seal_rtp(&mut buffer, 0, header, index).unwrap();
            assert_eq!(buffer, hex(protected));
            let plain = gcm.open_rtp(&mut buffer, header, index).unwrap();
            assert_eq!(buffer[..plain], hex(RTP));
        }
    }

    #[test]
    fn encrypted_rtcp_vectors_of_rfc_7714_section_17() {
        for (length, protected) in [(16, SRTCP_128), (32, SRTCP_256)] {
            let gcm = with_key(length);
            let mut buffer = hex(RTCP);
            let ssrc = header::rtcp_ssrc(&buffer).unwrap();
            gcm.seal_rtcp(&mut buffer, 0, ssrc, 0x8000_05d4).unwrap();
            assert_eq!(buffer, hex(protected));
            assert_eq!(rtcp_word(&buffer), Some(0x8000_05d4));
            let plain = gcm.open_rtcp(&mut buffer, ssrc, 0x8000_05d4).unwrap();
            assert_eq!(buffer[..plain], hex(RTCP));
        }
    }

    #[test]
    fn authenticated_rtcp_vectors_of_rfc_7714_section_17() {
        for (length, tag) in [(16, TAG_128), (32, TAG_256)] {
            let gcm = with_key(length);
            let mut buffer = [hex(RTCP), hex(tag), hex("000005d4")].concat();
            let ssrc = header::rtcp_ssrc(&buffer).unwrap();
            assert_eq!(rtcp_word(&buffer), Some(0x5d4));
            let plain = gcm.open_rtcp(&mut buffer, ssrc, 0x5d4).unwrap();
            assert_eq!(buffer[..plain], hex(RTCP));
        }
    }
}
