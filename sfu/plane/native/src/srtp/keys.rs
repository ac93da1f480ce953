//! Session keys from a master key (RFC 3711 section 4.3, RFC 6188 for AES-256), key derivation rate 0.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use super::KeyError;
use crate::api::SrtpProfile;

/// What a derived key is for (RFC 3711 section 4.3.1).
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// A master key, ready to derive from.
pub(super) struct Derivation {
    cipher: EncryptingKey,
    /// AEAD's 96-bit salts are filled with zeros on the right (RFC 7714 section 11).
    salt: [u8; 14],
    /// Of master key and salt.
    length: usize,
}

impl Derivation {
    /// The key is master key followed by master salt.
    pub(super) fn new(profile: SrtpProfile, key: &[u8]) -> Result<Derivation, KeyError> {
        let (algorithm, key_length, salt_length) = match profile {
            SrtpProfile::AeadAes128Gcm => (&AES_128, 16, 12),
            SrtpProfile::AeadAes256Gcm => (&AES_256, 32, 12),
            SrtpProfile::Aes128CmSha1_80 => (&AES_128, 16, 14),
        };
        let length = key_length + salt_length;
        let error = KeyError { expected: length, length: key.len() };
        if key.len() != length {
            return Err(error);
        }
        let (key, master_salt) = key.split_at(key_length);
        let mut salt = [0; 14];
        salt[..salt_length].copy_from_slice(master_salt);
        let unbound = UnboundCipherKey::new(algorithm, key).map_err(|_| error)?;
        Ok(Derivation { cipher: EncryptingKey::ctr(unbound).map_err(|_| error)?, salt, length })
    }

    /// The first N bytes of the key with this label.
    pub(super) fn derive<const N: usize>(&self, label: Label) -> Result<[u8; N], KeyError> {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        iv[7] ^= label as u8;
        let mut key = [0; N];
        self.cipher
            .less_safe_encrypt(&mut key, EncryptionContext::Iv128(FixedLength::from(iv)))
            .map_err(|_| self.error())?;
        Ok(key)
    }

    /// For what a key of the right length never causes.
    pub(super) fn error(&self) -> KeyError {
        KeyError { expected: self.length, length: self.length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::tests::hex;

    #[test]
    fn vectors_of_rfc_3711_appendix_b3() {
        let key = hex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6");
        let derivation = Derivation::new(SrtpProfile::Aes128CmSha1_80, &key).unwrap();
        let cipher = derivation.derive::<16>(Label::RtpEncryption).unwrap();
        assert_eq!(cipher[..], hex("c61e7a93744f39ee10734afe3ff7a087"));
        let salt = derivation.derive::<14>(Label::RtpSalt).unwrap();
        assert_eq!(salt[..], hex("30cbbc08863d8c85d49db34a9ae1"));
        let authentication = derivation.derive::<20>(Label::RtpAuthentication).unwrap();
        assert_eq!(authentication[..], hex("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
    }

    #[test]
    fn aes_256_vectors_of_rfc_6188_section_7_2() {
        // The profiles with AES-256 have shorter salts: the last two bytes are added by hand.
        let key = hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6\
                       3b04803de51ee7c96423ab5b");
        let mut derivation = Derivation::new(SrtpProfile::AeadAes256Gcm, &key).unwrap();
        assert_eq!(derivation.salt[12..], [0, 0]);
        derivation.salt[12..].copy_from_slice(&hex("78d2"));
        let cipher = derivation.derive::<32>(Label::RtpEncryption).unwrap();
        assert_eq!(cipher[..], hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"));
        let salt = derivation.derive::<14>(Label::RtpSalt).unwrap();
        assert_eq!(salt[..], hex("fa31791685ca444a9e07c6c64e93"));
        let authentication = derivation.derive::<20>(Label::RtpAuthentication).unwrap();
        assert_eq!(authentication[..], hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
    }
}
