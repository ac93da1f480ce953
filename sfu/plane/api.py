"""The data plane's contract: commands go down, events come up in batches.

A plane owns one UDP port and everything that happens for a packet: STUN answers, address
validation, SRTP, binding, selection, rewriting, repair, reports. Python decides who sees whom and
says so by commands; nothing here costs an object a packet.

Handles (``TransportHandle``, ``SourceHandle``, ``SlotHandle``) are small integers chosen by the
caller, unique within the plane and never reused while alive. Commands are applied in order; a
command that names an unknown handle is ignored and counted (the other side may just have closed).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NewType, Protocol

TransportHandle = NewType("TransportHandle", int)
SourceHandle = NewType("SourceHandle", int)
SlotHandle = NewType("SlotHandle", int)

Address = tuple[str, int]
"""(IP address as text, port); IPv4 peers of a dual-stack socket are given as plain IPv4."""


class SrtpProfile(StrEnum):
    """DTLS-SRTP protection profiles (RFC 5764 section 4.1.2, RFC 7714 section 14.2)."""

    AEAD_AES_128_GCM = "SRTP_AEAD_AES_128_GCM"
    AEAD_AES_256_GCM = "SRTP_AEAD_AES_256_GCM"
    AES128_CM_SHA1_80 = "SRTP_AES128_CM_SHA1_80"


class Codec(StrEnum):
    """Codecs whose payload the plane can read as far as forwarding needs it."""

    OPUS = "opus"
    VP8 = "vp8"


@dataclass(frozen=True, slots=True)
class ExtensionIds:
    """Ids of the one-byte or two-byte header extensions (RFC 8285) of a section; 0 = not negotiated."""

    mid: int = 0
    rid: int = 0
    repaired_rid: int = 0
    abs_send_time: int = 0
    audio_level: int = 0


ALL_TEMPORAL: Final = 3
"""Highest temporal layer there can be: nothing is left out."""


# --- commands -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AddTransport:
    """A peer that may now validate addresses by STUN with these credentials (ICE-lite)."""

    transport: TransportHandle
    local_ufrag: str
    local_pwd: str
    remote_ufrag: str
    remote_pwd: str
    max_ingress_bps: int = 12_000_000
    """Packets above this rate are dropped with reason ``publisher_cap``."""
    pad_frames: bool = False
    """Packets of a frame may get a byte of RTP padding (RFC 3550 section 5.1), so that they leave as one
    send. Only a plane with capability ``pad_frames`` does."""


@dataclass(frozen=True, slots=True)
class RestartIce:
    """New credentials for an existing transport (RFC 8445 section 9); keys and media go on.

    The old credentials stay valid until the first check with the new ones succeeds.
    """

    transport: TransportHandle
    local_ufrag: str
    local_pwd: str
    remote_ufrag: str
    remote_pwd: str


@dataclass(frozen=True, slots=True)
class SetKeys:
    """SRTP keys of a finished DTLS handshake; ``*_key`` is master key followed by master salt.

    Set anew, a late packet whose place is among those sent under the former keys may be left out.
    """

    transport: TransportHandle
    profile: SrtpProfile
    receive_key: bytes
    send_key: bytes


@dataclass(frozen=True, slots=True)
class SendDtls:
    """One DTLS datagram to the transport's nominated (or, before that, last validated) address."""

    transport: TransportHandle
    datagram: bytes


@dataclass(frozen=True, slots=True)
class RemoveTransport:
    """Forget the transport, its sources, slots and keys; slots of others showing it go empty."""

    transport: TransportHandle


@dataclass(frozen=True, slots=True)
class AddSource:
    """A send section of the peer: packets are bound to it by MID (and RID) and latched by SSRC.

    ``rids`` are the simulcast layers from lowest to highest, empty when there is one layer.
    ``ssrcs`` are SSRCs announced by ``a=ssrc`` (then no MID is needed), with ``rtx_ssrcs`` beside.
    The source is gated (``open`` false: packets are decrypted for their counters, then dropped).

    Packets of ``red_payload_type`` (RFC 2198, Opus only) are taken apart: the primary block goes on as if it
    had come alone, under the packet's number, also to taps. Packets that just turned out to be missing come
    back from the redundant blocks, in order and before it: the last block is number - 1, the one before it
    number - 2 and so on. One taken back has the level of the packet that brought it, no extensions at taps,
    and still counts as lost; its own packet, come late, is a duplicate.
    """

    source: SourceHandle
    transport: TransportHandle
    codec: Codec
    clock_rate: int
    mid: str
    payload_type: int
    rtx_payload_type: int | None
    extensions: ExtensionIds
    rids: tuple[str, ...] = ()
    ssrcs: tuple[int, ...] = ()
    rtx_ssrcs: tuple[int, ...] = ()
    open: bool = False
    red_payload_type: int | None = None


@dataclass(frozen=True, slots=True)
class SetGate:
    """Open or shut a source. Shut: not one packet of it is forwarded or tapped."""

    source: SourceHandle
    open: bool


@dataclass(frozen=True, slots=True)
class AddSlot:
    """A receive section of the peer. SSRC, RTX SSRC, CNAME and numbering live as long as the slot."""

    slot: SlotHandle
    transport: TransportHandle
    codec: Codec
    clock_rate: int
    mid: str
    ssrc: int
    rtx_ssrc: int | None
    cname: str
    payload_type: int
    rtx_payload_type: int | None
    extensions: ExtensionIds
    first_sequence_number: int
    first_timestamp: int
    """First RTP sequence number and timestamp sent (inputs, so that two planes can be compared)."""
    red_payload_type: int | None = None
    """By which sound with redundancy is sent (RFC 2198); None: the peer takes none. See SetRedundancy."""


@dataclass(frozen=True, slots=True)
class SetForward:
    """What a slot shows. ``source`` None empties it. ``layer`` indexes ``AddSource.rids`` (0 = lowest).

    If the wanted layer is not being received, the nearest lower one (else higher) that is, is sent.
    A video switch takes effect at the target's next keyframe, which the plane asks for (throttled).
    Until then the old picture goes on. When it is another source's, it does so for at most ``LINGER_US``
    since that source was wanted last, and only while it may be sent and there is something to wait for:
    it stops at once when no layer of the new source is being received, when either gate is shut, when
    either source goes away, when the receiver can't be sent to. Sound of another source stops at once.

    ``temporal`` is the highest temporal layer (TID of RFC 7741 section 4.2) that is sent; packets without a
    TID always are. Frames above it are left out without a gap in numbers and picture ids; what comes late of
    them fills the gap that it left. Lowered, it holds from the next frame on; raised, from the first frame of
    each further temporal layer that is a sync point (Y bit), or from a keyframe.

    Sound whose level (RFC 6464) has been inaudible for 400 ms is left out as a sender's DTX would leave it
    out, without a gap in the numbers: an empty frame per 400 ms goes on, and the first audible one at once.
    """

    slot: SlotHandle
    source: SourceHandle | None
    layer: int = 0
    temporal: int = ALL_TEMPORAL


@dataclass(frozen=True, slots=True)
class SetRedundancy:
    """How many earlier packets each one of sound brings along to this receiver (RFC 2198): 0 (at first) to 2.

    They are those with the source's numbers just before, oldest first, as far as they are in its cache, the
    slot shows the source since before them, and they fit: a time of at most 16,383 units before, 1,023 bytes
    each, 1,200 bytes of payload in all (the oldest are left out first). A packet that has none, comes late
    or stands for silence goes alone, by the plain payload type.
    """

    transport: TransportHandle
    distance: int


@dataclass(frozen=True, slots=True)
class RequestKeyframe:
    """Ask the publisher for a keyframe, within the source's throttle (one per 500 ms)."""

    source: SourceHandle


@dataclass(frozen=True, slots=True)
class SetIngressEstimate:
    """What REMB (draft-alvestrand-rmcat-remb) tells this publisher that it may send, in bit/s."""

    transport: TransportHandle
    bps: int


@dataclass(frozen=True, slots=True)
class SetPacing:
    """What the pacer sends to this receiver at most, in bit/s; 0: no pacing.

    Only a plane with capability ``pacing`` paces; others do nothing with it.
    """

    transport: TransportHandle
    bps: int


@dataclass(frozen=True, slots=True)
class AddTap:
    """Copy what the source sends while its gate is open into the tap's events, unprotected as it came; a
    packet that came by repair has its own form again (without header extensions).

    One layer at a time is copied. ``layer`` says which is wanted, as in SetForward: while it is not being
    received it is the nearest lower one (else higher) that is. A picture begins, and goes over to another
    layer, with the first packet of a keyframe, for which the plane asks (throttled); until then the former
    layer goes on, afterwards not one packet of it comes, nor one from before that keyframe's first. Packets
    of the keyframe that overtook its first one follow it. Sound begins with the next packet. Sender reports
    (RTCP SR, alone) of all layers are copied from the beginning on. After an interruption (a shut gate,
    another SSRC) it goes on in the same way, at a keyframe.

    While a picture is copied, its publisher is asked for a keyframe so early that at most ``TAP_KEYFRAME_US``
    lie between two, if it answers within the throttle.

    ``tap`` is a number of the caller's, as handles are.
    """

    tap: int
    source: SourceHandle
    layer: int = 0


@dataclass(frozen=True, slots=True)
class RemoveTap:
    """Stop a tap: its last Tapped comes at once. Its source's end stops it likewise."""

    tap: int


Command = (
    AddTransport
    | RestartIce
    | SetKeys
    | SendDtls
    | RemoveTransport
    | AddSource
    | SetGate
    | AddSlot
    | SetForward
    | SetRedundancy
    | RequestKeyframe
    | SetIngressEstimate
    | SetPacing
    | AddTap
    | RemoveTap
)


# --- events ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DtlsReceived:
    """A DTLS datagram from a validated address. Delivered at once, not with the 10 Hz batch."""

    transport: TransportHandle
    datagram: bytes


@dataclass(frozen=True, slots=True)
class AddressNominated:
    """Media now goes to this address (USE-CANDIDATE). Delivered at once."""

    transport: TransportHandle
    address: Address


@dataclass(frozen=True, slots=True)
class ConsentLost:
    """No valid check for 30 s (RFC 7675): nothing is sent to the peer until one arrives."""

    transport: TransportHandle


@dataclass(frozen=True, slots=True)
class StreamBound:
    """An SSRC was bound to a source's layer (``rtx``: its repair stream)."""

    source: SourceHandle
    layer: int
    ssrc: int
    rtx: bool


@dataclass(frozen=True, slots=True)
class SlotSwitched:
    """The first packet of a new source or layer left through the slot (None: it went empty, or the old
    picture stopped before the new source's began). Nothing is said when a slot that still sends a source's
    packets is to show that source again: they just go on."""

    slot: SlotHandle
    source: SourceHandle | None
    layer: int


@dataclass(frozen=True, slots=True)
class Levels:
    """Loudest RFC 6464 level since the last batch: (source, -dBov 0..127, 0 the loudest), open sources."""

    levels: tuple[tuple[SourceHandle, int], ...]


@dataclass(frozen=True, slots=True)
class SourceState:
    """What arrived from a source since the last batch; ``layer_bps`` is by layer, lowest first."""

    source: SourceHandle
    packets: int
    lost: int
    layer_bps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TransportState:
    """A receiver's line as its reports tell it; ``None`` until the first report.

    ``fraction_lost`` 0..1 over video and sound of the last reports, without what publishers' lines had
    lost before; ``round_trip_ms`` by LSR/DLSR,
    ``remb_bps`` its last REMB. Packet and byte counts are since the start: ``media_bytes_sent`` is without
    repairs and feedback, ``pictures_reported`` of how many of video's packets its reports told and
    ``pictures_lost`` how many of those it missed (with the same exception), likewise of sound.
    """

    transport: TransportHandle
    fraction_lost: float | None
    round_trip_ms: float | None
    remb_bps: int | None
    packets_received: int
    packets_sent: int
    bytes_received: int
    bytes_sent: int
    media_bytes_sent: int = 0
    pictures_reported: int = 0
    pictures_lost: int = 0
    sound_reported: int = 0
    sound_lost: int = 0


@dataclass(frozen=True, slots=True)
class Tapped:
    """Packets copied by a tap: (receive time us on the plane's clock, packet). RTP and RTCP SR.

    The plane's clock is CLOCK_MONOTONIC. ``dropped``: how many more there were than a batch takes.
    ``last``: the tap was stopped and nothing more comes of it; this one is delivered at once, even empty.
    """

    tap: int
    packets: tuple[tuple[int, bytes], ...]
    dropped: int
    last: bool = False


Event = (
    DtlsReceived
    | AddressNominated
    | ConsentLost
    | StreamBound
    | SlotSwitched
    | Levels
    | SourceState
    | TransportState
    | Tapped
)


class Drop(StrEnum):
    """Why a datagram or packet went no further; each is a counter."""

    NOT_VALIDATED = "not_validated"
    UNKNOWN_FIRST_BYTE = "unknown_first_byte"
    STUN_MALFORMED = "stun_malformed"
    STUN_UNKNOWN_USER = "stun_unknown_user"
    STUN_INTEGRITY = "stun_integrity"
    NO_KEYS = "no_keys"
    UNPROTECT = "unprotect"
    RTP_MALFORMED = "rtp_malformed"
    RTCP_MALFORMED = "rtcp_malformed"
    UNBOUND_SSRC = "unbound_ssrc"
    TOO_MANY_SSRCS = "too_many_ssrcs"
    PUBLISHER_CAP = "publisher_cap"
    PAYLOAD_TYPE = "payload_type"
    PAYLOAD_MALFORMED = "payload_malformed"
    PADDING_ONLY = "padding_only"
    GATED = "gated"
    DUPLICATE = "duplicate"
    TOO_OLD = "too_old"
    RTX_UNKNOWN = "rtx_unknown"
    RTX_BUDGET = "rtx_budget"
    NO_ADDRESS = "no_address"
    SEND_BUFFER = "send_buffer"
    UNKNOWN_HANDLE = "unknown_handle"
    TAP_FULL = "tap_full"
    PACER_FULL = "pacer_full"


@dataclass(slots=True)
class Counters:
    """Totals since the plane started."""

    datagrams_in: int = 0
    datagrams_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    packets_forwarded: int = 0
    """RTP packets sent through slots, repairs not counted."""
    packets_retransmitted: int = 0
    nacks_received: int = 0
    nacks_sent: int = 0
    keyframe_requests_received: int = 0
    keyframe_requests_sent: int = 0
    dropped: dict[Drop, int] = field(default_factory=dict)


MAX_SSRCS_PER_TRANSPORT: Final = 16
CONSENT_TIMEOUT_US: Final = 30_000_000
KEYFRAME_THROTTLE_US: Final = 500_000
LINGER_US: Final = 1_000_000
"""How long a slot goes on with the old source's picture while it waits for the new one's keyframe."""
TAP_KEYFRAME_US: Final = 5_000_000
"""How far apart the keyframes of a tapped picture are at most, so that what is recorded can be sought in."""
EVENT_INTERVAL_US: Final = 100_000


class Plane(Protocol):
    """One UDP port and its packets. All methods are called from the event loop's thread."""

    @property
    def name(self) -> str:
        """Which plane it is, for status and metrics: ``reference`` or ``native``."""

    @property
    def port(self) -> int:
        """The UDP port that is bound."""

    @property
    def capabilities(self) -> frozenset[str]:
        """What this plane can do beyond the core contract; empty for the reference plane.

        ``pacing``: SetPacing holds a receiver to its rate. ``pad_frames``: AddTransport.pad_frames is used.
        """

    def apply(self, commands: Sequence[Command]) -> None:
        """Carry out commands in order; never raises for what a peer sent."""

    def counters(self) -> Counters:
        """A copy of the totals."""

    def transport_state(self, transport: TransportHandle) -> TransportState | None:
        """Present state of one transport, None when it is unknown."""

    async def close(self) -> None:
        """Stop sending, close the port. Idempotent."""


EventSink = Callable[[Sequence[Event]], None]
"""Called on the event loop with each batch: at once for DTLS, nomination and a tap's end, else at 10 Hz."""
