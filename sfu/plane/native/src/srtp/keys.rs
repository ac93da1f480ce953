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
