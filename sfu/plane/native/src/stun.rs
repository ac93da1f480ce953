//! STUN messages of an ICE-lite agent (RFC 8489, RFC 8445 section 7).
//!
//! Messages borrow from the datagram: reading a check and answering it allocates the answer only.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str;

use aws_lc_rs::{constant_time, hmac};

use crate::parse::{ParseError, u16_at};

/// In bytes 4 to 7 of every message.
pub const MAGIC_COOKIE: u32 = 0x2112_A442;
/// Bytes before the first attribute.
pub const HEADER_LENGTH: usize = 20;
/// RFC 8489 section 14.8.
pub const ERROR_BAD_REQUEST: u16 = 400;
/// RFC 8489 section 14.8.
pub const ERROR_UNAUTHENTICATED: u16 = 401;
/// RFC 8489 section 14.8.
pub const ERROR_UNKNOWN_ATTRIBUTE: u16 = 420;
/// RFC 8445 section 7.1.3.
pub const ERROR_ROLE_CONFLICT: u16 = 487;

/// What tells an answer from others.
pub type TransactionId = [u8; 12];

const COOKIE: [u8; 4] = MAGIC_COOKIE.to_be_bytes();
const METHOD_MASK: u16 = 0x3EEF;
const CLASS_MASK: u16 = 0x0110;
const BINDING: u16 = 0x0001;
const REQUEST: u16 = 0x0000;
const INDICATION: u16 = 0x0010;
const SUCCESS: u16 = 0x0100;
const ERROR: u16 = 0x0110;

const INTEGRITY_LENGTH: usize = 20;
const FINGERPRINT_XOR: u32 = 0x5354_554E;
/// RFC 8489 section 14.3: at most 508 bytes; ICE allows two fragments of 256 characters and a colon.
const MAX_USERNAME_CHARACTERS: usize = 513;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802A;

/// What an attribute that we know has to look like.
#[derive(Clone, Copy)]
enum Shape {
    Address,
    Bytes,
    ErrorCode,
    Text,
    U16,
    U32,
    U64,
}

/// None for attributes that we do not know.
fn shape(kind: u16) -> Option<Shape> {
    Some(match kind {
        // MAPPED-, SOURCE-, CHANGED-, XOR-PEER-, XOR-RELAYED-, XOR-MAPPED-ADDRESS, RESPONSE-ORIGIN, OTHER-ADDRESS
        0x0001 | 0x0004 | 0x0005 | 0x0012 | 0x0016 | XOR_MAPPED_ADDRESS | 0x802B | 0x802C => Shape::Address,
        // DATA, NONCE
        MESSAGE_INTEGRITY | 0x0013 | 0x0015 | USE_CANDIDATE => Shape::Bytes,
        ERROR_CODE => Shape::ErrorCode,
        // REALM, SOFTWARE
        USERNAME | 0x0014 | 0x8022 => Shape::Text,
        // CHANNEL-NUMBER
        0x000C => Shape::U16,
        // CHANGE-REQUEST, LIFETIME, REQUESTED-TRANSPORT
        0x0003 | 0x000D | 0x0019 | PRIORITY | FINGERPRINT => Shape::U32,
        ICE_CONTROLLED | ICE_CONTROLLING => Shape::U64,
        _ => return None,
    })
}

/// A connectivity check. Nothing here is authenticated until [`check_integrity`] says so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BindingRequest<'a> {
    /// To be repeated in the answer.
    pub transaction_id: TransactionId,
    /// The receiver's: the first half of USERNAME.
    pub local_ufrag: &'a str,
    /// The sender's.
    pub remote_ufrag: &'a str,
    /// Of the candidate that the check would make.
    pub priority: Option<u32>,
    /// The sender nominates.
    pub use_candidate: bool,
    /// Tie-breaker of a sender that takes itself for controlling.
    pub controlling: Option<u64>,
    /// Tie-breaker of a sender that takes itself for controlled.
    pub controlled: Option<u64>,
    /// Comprehension-required attributes we do not know: answer with 420 (RFC 8489 section 6.3.1).
    pub unknown_attributes: Vec<u16>,
    /// MESSAGE-INTEGRITY as received, None when absent.
    pub integrity: Option<&'a [u8; INTEGRITY_LENGTH]>,
    /// The bytes before MESSAGE-INTEGRITY.
    pub covered: &'a [u8],
}

/// A success response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BindingSuccess<'a> {
    /// The request's.
    pub transaction_id: TransactionId,
    /// None when absent.
    pub mapped_address: Option<SocketAddr>,
    /// MESSAGE-INTEGRITY as received, None when absent.
    pub integrity: Option<&'a [u8; INTEGRITY_LENGTH]>,
    /// The bytes before MESSAGE-INTEGRITY.
    pub covered: &'a [u8],
}

/// An error response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BindingError<'a> {
    /// The request's.
    pub transaction_id: TransactionId,
    /// 300 to 699 from who keeps to the rules, 0 when absent.
    pub code: u16,
    /// For a person.
    pub reason: &'a str,
    /// MESSAGE-INTEGRITY as received, None when absent.
    pub integrity: Option<&'a [u8; INTEGRITY_LENGTH]>,
    /// The bytes before MESSAGE-INTEGRITY.
    pub covered: &'a [u8],
}

/// One Binding message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message<'a> {
    /// A connectivity check.
    Request(BindingRequest<'a>),
    /// An answer.
    Success(BindingSuccess<'a>),
    /// A refusal.
    Error(BindingError<'a>),
    /// A keepalive that wants no answer (RFC 8445 section 11).
    Indication(TransactionId),
}

/// Whether a datagram claims to be STUN: first byte 0 to 3 (RFC 7983) and the magic cookie.
pub fn is_stun(data: &[u8]) -> bool {
    data.first_chunk::<HEADER_LENGTH>().is_some_and(|header| header[0] <= 3 && header[4..8] == COOKIE)
}

/// Read one Binding message; FINGERPRINT is checked when present.
///
/// An error for anything else, also for a request without a USERNAME of two halves.
pub fn parse(data: &[u8]) -> Result<Message<'_>, ParseError> {
    let (Some(header), true) = (data.first_chunk::<HEADER_LENGTH>(), is_stun(data)) else {
        return Err(ParseError::new("not a STUN message", 0));
    };
    let kind = u16::from_be_bytes([header[0], header[1]]);
    if HEADER_LENGTH + usize::from(u16::from_be_bytes([header[2], header[3]])) != data.len() {
        return Err(ParseError::new("STUN length does not match", 2));
    }
    let mut transaction_id = [0; 12];
    transaction_id.copy_from_slice(&header[8..]);
    let attributes = Attributes::read(data, &transaction_id)?;
    if kind & METHOD_MASK != BINDING {
        return Err(ParseError::new("STUN method is not Binding", 0));
    }
    let Attributes { integrity, covered, .. } = attributes;
    match kind & CLASS_MASK {
        REQUEST => attributes.request(transaction_id).map(Message::Request),
        SUCCESS => Ok(Message::Success(BindingSuccess {
            transaction_id,
            mapped_address: attributes.mapped_address,
            integrity,
            covered,
        })),
        ERROR => {
            let (code, reason) = attributes.error.unwrap_or((0, ""));
            Ok(Message::Error(BindingError { transaction_id, code, reason, integrity, covered }))
        }
        INDICATION => Ok(Message::Indication(transaction_id)),
        _ => Err(ParseError::new("STUN class is unknown", 0)),
    }
}

/// What of a message's attributes is looked at; of several of one kind the last counts.
struct Attributes<'a> {
    username: &'a str,
    error: Option<(u16, &'a str)>,
    mapped_address: Option<SocketAddr>,
    priority: Option<u32>,
    use_candidate: bool,
    controlled: Option<u64>,
    controlling: Option<u64>,
    unknown: Vec<u16>,
    integrity: Option<&'a [u8; INTEGRITY_LENGTH]>,
    covered: &'a [u8],
}

impl<'a> Attributes<'a> {
    fn read(data: &'a [u8], transaction_id: &TransactionId) -> Result<Self, ParseError> {
        let mut found = Self {
            username: "",
            error: None,
            mapped_address: None,
            priority: None,
            use_candidate: false,
            controlled: None,
            controlling: None,
            unknown: Vec::new(),
            integrity: None,
            covered: data,
        };
        let mut position = HEADER_LENGTH;
        while position < data.len() {
            let cut_short = ParseError::new("STUN attribute is cut short", position);
            let kind = u16_at(data, position).ok_or(cut_short)?;
            let length = usize::from(u16_at(data, position + 2).ok_or(cut_short)?);
            let start = position + 4;
            let value = data.get(start..start + length).ok_or(cut_short)?;
            found.take(data, position, kind, value, transaction_id)?;
            position = start + length.next_multiple_of(4);
        }
        Ok(found)
    }

    fn take(
        &mut self,
        data: &'a [u8],
        position: usize,
        kind: u16,
        value: &'a [u8],
        transaction_id: &TransactionId,
    ) -> Result<(), ParseError> {
        if kind == MESSAGE_INTEGRITY {
            let Ok(integrity) = value.try_into() else {
                return Err(ParseError::new("STUN MESSAGE-INTEGRITY is not 20 bytes", position));
            };
            if self.integrity.is_none() {
                self.integrity = Some(integrity);
                self.covered = &data[..position];
            }
            return Ok(());
        }
        // What follows MESSAGE-INTEGRITY is not authenticated; FINGERPRINT proves itself.
        if self.integrity.is_some() && kind != FINGERPRINT {
            return Ok(());
        }
        let Some(shape) = shape(kind) else {
            if kind < 0x8000 {
                self.unknown.push(kind);
            }
            return Ok(());
        };
        self.take_known(data, position, kind, shape, value, transaction_id)
            .ok_or(ParseError::new("STUN message is malformed", HEADER_LENGTH))
    }

    fn take_known(
        &mut self,
        data: &[u8],
        position: usize,
        kind: u16,
        shape: Shape,
        value: &'a [u8],
        transaction_id: &TransactionId,
    ) -> Option<()> {
        match shape {
            Shape::Address => {
                let address = read_xor_address(value, transaction_id)?;
                if kind == XOR_MAPPED_ADDRESS {
                    self.mapped_address = Some(address);
                }
            }
            Shape::Bytes => self.use_candidate |= kind == USE_CANDIDATE,
            Shape::ErrorCode => {
                let ([_, _, hundreds, rest], reason) = value.split_first_chunk()?;
                let code = u16::from(*hundreds) * 100 + u16::from(*rest);
                self.error = Some((code, str::from_utf8(reason).ok()?));
            }
            Shape::Text => {
                let text = str::from_utf8(value).ok()?;
                if kind == USERNAME {
                    self.username = text;
                }
            }
            Shape::U16 => u16_at(value, 0).map(|_| ())?,
            Shape::U32 => {
                let number = u32::from_be_bytes(value.try_into().ok()?);
                match kind {
                    PRIORITY => self.priority = Some(number),
                    FINGERPRINT if number != fingerprint(&data[..position]) => return None,
                    _ => {}
                }
            }
            Shape::U64 => {
                let number = Some(u64::from_be_bytes(value.try_into().ok()?));
                if kind == ICE_CONTROLLED {
                    self.controlled = number;
                } else {
                    self.controlling = number;
                }
            }
        }
        Some(())
    }

    fn request(self, transaction_id: TransactionId) -> Result<BindingRequest<'a>, ParseError> {
        let username = self.username;
        let fragments = username
            .split_once(':')
            .filter(|(local, remote)| !local.is_empty() && !remote.is_empty())
            .filter(|_| username.chars().nth(MAX_USERNAME_CHARACTERS).is_none());
        let Some((local_ufrag, remote_ufrag)) = fragments else {
            return Err(ParseError::new("STUN USERNAME is not two fragments", HEADER_LENGTH));
        };
        Ok(BindingRequest {
            transaction_id,
            local_ufrag,
            remote_ufrag,
            priority: self.priority,
            use_candidate: self.use_candidate,
            controlling: self.controlling,
            controlled: self.controlled,
            unknown_attributes: self.unknown,
            integrity: self.integrity,
            covered: self.covered,
        })
    }
}

/// What port and address are combined with: IPv4 takes of it the first half of the cookie and the cookie, IPv6
/// the transaction id too (RFC 8489 section 14.2).
fn xor_pad(transaction_id: &TransactionId) -> [u8; 18] {
    let mut pad = [0; 18];
    pad[..2].copy_from_slice(&COOKIE[..2]);
    pad[2..6].copy_from_slice(&COOKIE);
    pad[6..].copy_from_slice(transaction_id);
    pad
}

fn read_xor_address(value: &[u8], transaction_id: &TransactionId) -> Option<SocketAddr> {
    let ([_, family], rest) = value.split_first_chunk()?;
    let mut plain = xor_pad(transaction_id);
    for (byte, received) in plain.iter_mut().zip(rest) {
        *byte ^= received;
    }
    let [port_high, port_low, address @ ..] = plain;
    let ip: IpAddr = match (family, rest.len()) {
        (1, 6) => [address[0], address[1], address[2], address[3]].into(),
        (2, 18) => Ipv6Addr::from(address).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([port_high, port_low])))
}

/// Of all that stands before FINGERPRINT, with the length that includes it.
fn fingerprint(data: &[u8]) -> u32 {
    let (start, length, rest) = with_attribute(data, 8);
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(start);
    checksum.update(&length);
    checksum.update(rest);
    checksum.finalize() ^ FINGERPRINT_XOR
}

fn message_integrity(covered: &[u8], password: &str) -> hmac::Tag {
    let (start, length, rest) = with_attribute(covered, 4 + INTEGRITY_LENGTH);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(start);
    context.update(&length);
    context.update(rest);
    context.sign()
}

/// A message in three parts, its length field as if an attribute of so many bytes followed.
fn with_attribute(data: &[u8], size: usize) -> (&[u8], [u8; 2], &[u8]) {
    let length = (data.len() + size).saturating_sub(HEADER_LENGTH) as u16;
    let (start, rest) = data.split_at(data.len().min(4));
    (&start[..start.len().min(2)], length.to_be_bytes(), rest)
}

/// Whether MESSAGE-INTEGRITY is there and made with this short-term password (RFC 8489 section 9.1).
pub fn check_integrity(message: &BindingRequest<'_>, password: &str) -> bool {
    message.integrity.is_some_and(|integrity| {
        let expected = message_integrity(message.covered, password);
        constant_time::verify_slices_are_equal(expected.as_ref(), integrity).is_ok()
    })
}

/// The answer to a check that came from `address`, with integrity and fingerprint.
pub fn build_binding_success(transaction_id: &TransactionId, address: SocketAddr, password: &str) -> Vec<u8> {
    let mut value = [0; 20];
    let pad = xor_pad(transaction_id);
    let (family, length) = match address.ip() {
        IpAddr::V4(ip) => {
            value[4..8].copy_from_slice(&ip.octets());
            (1, 8)
        }
        IpAddr::V6(ip) => {
            value[4..].copy_from_slice(&ip.octets());
            (2, 20)
        }
    };
    value[2..4].copy_from_slice(&address.port().to_be_bytes());
    for (byte, pad) in value[2..].iter_mut().zip(pad) {
        *byte ^= pad;
    }
    value[1] = family;
    let mut builder = Builder::new(SUCCESS, transaction_id, length);
    builder.attribute(XOR_MAPPED_ADDRESS, &value[..length]);
    builder.integrity(password);
    builder.finish()
}

/// An error response; without a password it carries no integrity (400 and 401).
pub fn build_error(
    transaction_id: &TransactionId,
    code: u16,
    reason: &str,
    password: Option<&str>,
) -> Vec<u8> {
    let mut value = Vec::with_capacity(4 + reason.len());
    value.extend_from_slice(&[0, 0, (code / 100) as u8, (code % 100) as u8]);
    value.extend_from_slice(reason.as_bytes());
    let mut builder = Builder::new(ERROR, transaction_id, value.len());
    builder.attribute(ERROR_CODE, &value);
    if let Some(password) = password {
        builder.integrity(password);
    }
    builder.finish()
}

struct Builder(Vec<u8>);

impl Builder {
    fn new(class: u16, transaction_id: &TransactionId, value_length: usize) -> Self {
        let value_length = value_length.next_multiple_of(4);
        let mut message = Vec::with_capacity(HEADER_LENGTH + 4 + value_length + 4 + INTEGRITY_LENGTH + 8);
        message.extend_from_slice(&(BINDING | class).to_be_bytes());
        message.extend_from_slice(&[0, 0]);
        message.extend_from_slice(&COOKIE);
        message.extend_from_slice(transaction_id);
        Self(message)
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.0.extend_from_slice(&kind.to_be_bytes());
        self.0.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn integrity(&mut self, password: &str) {
        let tag = message_integrity(&self.0, password);
        self.attribute(MESSAGE_INTEGRITY, tag.as_ref());
    }

    /// Adds FINGERPRINT and writes the length.
    fn finish(mut self) -> Vec<u8> {
        let checksum = fingerprint(&self.0);
        self.attribute(FINGERPRINT, &checksum.to_be_bytes());
        let length = (self.0.len() - HEADER_LENGTH) as u16;
        self.0[2..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests;
