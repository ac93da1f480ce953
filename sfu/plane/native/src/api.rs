//! The plane's contract as `sfu/plane/api.py` tells it: commands down, events up. Field by field the same.

use std::net::SocketAddr;

/// Number of a transport, chosen by the caller.
pub type TransportHandle = u64;
/// Number of a source, chosen by the caller.
pub type SourceHandle = u64;
/// Number of a slot, chosen by the caller.
pub type SlotHandle = u64;
/// Number of a tap, chosen by the caller.
pub type TapNumber = u64;

/// DTLS-SRTP protection profiles (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SrtpProfile {
    /// `SRTP_AEAD_AES_128_GCM`.
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`.
    AeadAes256Gcm,
    /// `SRTP_AES128_CM_SHA1_80`.
    Aes128CmSha1_80,
}

/// Codecs whose payload is read as far as forwarding needs it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// RFC 7741.
    Vp8,
}

/// Ids of header extensions (RFC 8285) of a section; 0 = not negotiated.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`.
    pub mid: u8,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`.
    pub rid: u8,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`.
    pub repaired_rid: u8,
    /// abs-send-time.
    pub abs_send_time: u8,
    /// RFC 6464.
    pub audio_level: u8,
}

/// See `AddTransport` in the contract.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the contract tells")]
pub struct AddTransport {
    pub transport: TransportHandle,
    pub local_ufrag: String,
    pub local_pwd: String,
    pub remote_ufrag: String,
    pub remote_pwd: String,
    pub max_ingress_bps: u64,
    pub pad_frames: bool,
}

/// See `AddSource` in the contract.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the contract tells")]
pub struct AddSource {
    pub source: SourceHandle,
    pub transport: TransportHandle,
    pub codec: Codec,
    pub clock_rate: u32,
    pub mid: String,
    pub payload_type: u8,
    pub rtx_payload_type: Option<u8>,
    pub extensions: ExtensionIds,
    pub rids: Vec<String>,
    pub ssrcs: Vec<u32>,
    pub rtx_ssrcs: Vec<u32>,
    pub open: bool,
    pub red_payload_type: Option<u8>,
}

/// See `AddSlot` in the contract.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the contract tells")]
pub struct AddSlot {
    pub slot: SlotHandle,
    pub transport: TransportHandle,
    pub codec: Codec,
    pub clock_rate: u32,
    pub mid: String,
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    pub cname: String,
    pub payload_type: u8,
    pub rtx_payload_type: Option<u8>,
    pub extensions: ExtensionIds,
    pub first_sequence_number: u16,
    pub first_timestamp: u32,
    pub red_payload_type: Option<u8>,
}

/// One command of the contract.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the contract tells")]
pub enum Command {
    AddTransport(AddTransport),
    RestartIce { transport: TransportHandle, local_ufrag: String, local_pwd: String, remote_ufrag: String },
    SetKeys { transport: TransportHandle, profile: SrtpProfile, receive_key: Vec<u8>, send_key: Vec<u8> },
    SendDtls { transport: TransportHandle, datagram: Vec<u8> },
    RemoveTransport { transport: TransportHandle },
    AddSource(AddSource),
    SetGate { source: SourceHandle, open: bool },
    AddSlot(AddSlot),
    SetForward { slot: SlotHandle, source: Option<SourceHandle>, layer: i64, temporal: i64 },
    SetRedundancy { transport: TransportHandle, distance: i64 },
    RequestKeyframe { source: SourceHandle },
    SetIngressEstimate { transport: TransportHandle, bps: u64 },
    SetPacing { transport: TransportHandle, bps: u64 },
    AddTap { tap: TapNumber, source: SourceHandle, layer: i64 },
    RemoveTap { tap: TapNumber },
}

/// See `TransportState` in the contract.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "the contract tells")]
pub struct TransportState {
    pub transport: TransportHandle,
    pub fraction_lost: Option<f64>,
    pub round_trip_us: Option<i64>,
    pub remb_bps: Option<u64>,
    pub packets_received: u64,
    pub packets_sent: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
    pub media_bytes_sent: u64,
    pub pictures_reported: u64,
    pub pictures_lost: u64,
    pub sound_reported: u64,
    pub sound_lost: u64,
}

/// One event of the contract.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the contract tells")]
pub enum Event {
    DtlsReceived { transport: TransportHandle, datagram: Vec<u8> },
    AddressNominated { transport: TransportHandle, address: SocketAddr },
    ConsentLost { transport: TransportHandle },
    StreamBound { source: SourceHandle, layer: usize, ssrc: u32, rtx: bool },
    SlotSwitched { slot: SlotHandle, source: Option<SourceHandle>, layer: usize },
    Levels { levels: Vec<(SourceHandle, u8)> },
    SourceState { source: SourceHandle, packets: u64, lost: u64, layer_bps: Vec<u64> },
    TransportState(TransportState),
    Tapped { tap: TapNumber, packets: Vec<(i64, Vec<u8>)>, dropped: u64, last: bool },
    Failed { reason: String },
}

macro_rules! drops {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// Why a datagram or packet went no further; each is a counter.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        #[expect(missing_docs, reason = "the contract tells")]
        pub enum Drop { $($name),+ }

        impl Drop {
            /// Every reason, in the contract's order.
            pub const ALL: &[Drop] = &[$(Drop::$name),+];

            /// The reason as the contract spells it.
            pub const fn text(self) -> &'static str {
                match self { $(Drop::$name => $text),+ }
            }
        }
    };
}

drops! {
    NotValidated = "not_validated",
    UnknownFirstByte = "unknown_first_byte",
    StunMalformed = "stun_malformed",
    StunUnknownUser = "stun_unknown_user",
    StunIntegrity = "stun_integrity",
    NoKeys = "no_keys",
    Unprotect = "unprotect",
    RtpMalformed = "rtp_malformed",
    RtcpMalformed = "rtcp_malformed",
    UnboundSsrc = "unbound_ssrc",
    TooManySsrcs = "too_many_ssrcs",
    PublisherCap = "publisher_cap",
    PayloadType = "payload_type",
    PayloadMalformed = "payload_malformed",
    PaddingOnly = "padding_only",
    Gated = "gated",
    Duplicate = "duplicate",
    TooOld = "too_old",
    RtxUnknown = "rtx_unknown",
    RtxBudget = "rtx_budget",
    NoAddress = "no_address",
    SendBuffer = "send_buffer",
    UnknownHandle = "unknown_handle",
    TapFull = "tap_full",
    PacerFull = "pacer_full",
}

/// Totals since the plane started.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the contract tells")]
pub struct Counters {
    pub datagrams_in: u64,
    pub datagrams_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub packets_forwarded: u64,
    pub packets_retransmitted: u64,
    pub nacks_received: u64,
    pub nacks_sent: u64,
    pub keyframe_requests_received: u64,
    pub keyframe_requests_sent: u64,
    /// By `Drop as usize`.
    pub dropped: [u64; Drop::ALL.len()],
}

impl Counters {
    /// Count what went no further.
    pub fn drop(&mut self, reason: Drop, count: u64) {
        self.dropped[reason as usize] += count;
    }
}

/// See the contract.
pub const ALL_TEMPORAL: u8 = 3;
/// See the contract.
pub const MAX_SSRCS_PER_TRANSPORT: usize = 16;
/// See the contract.
pub const CONSENT_TIMEOUT_US: i64 = 30_000_000;
/// See the contract.
pub const KEYFRAME_THROTTLE_US: i64 = 500_000;
/// See the contract.
pub const LINGER_US: i64 = 1_000_000;
/// See the contract.
pub const TAP_KEYFRAME_US: i64 = 5_000_000;
/// See the contract.
pub const EVENT_INTERVAL_US: i64 = 100_000;
