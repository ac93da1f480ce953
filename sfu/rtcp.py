"""RTCP packets (RFC 3550 section 6, RFC 3611, RFC 4585, RFC 5104, REMB) as frozen values, and NTP time.

aiortc's classes do the report and feedback bodies; transport feedback and SDES are read here, because
aiortc takes any RTPFB for a NACK and does not align SDES chunks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import Struct
from struct import error as struct_error
from typing import Final

from aiortc import rtp as _aiortc

from sfu.model import ParseError
from sfu.rtp import Buffer

SR: Final = 200
RR: Final = 201
SDES: Final = 202
BYE: Final = 203
RTPFB: Final = 205
PSFB: Final = 206
XR: Final = 207

_FMT_NACK: Final = 1
_FMT_PLI: Final = 1
_FMT_FIR: Final = 4
_FMT_AFB: Final = 15
_SDES_CNAME: Final = 1
_RECEIVER_REFERENCE_TIME: Final = 4
_DLRR: Final = 5
_MAX_BPS: Final = (1 << 64) - 1
_NTP_UNIX_OFFSET_S: Final = 2_208_988_800

_HEAD: Final = Struct("!BBH")
_U32: Final = Struct("!I")
_TWO_U32: Final = Struct("!II")
_BLOCK: Final = Struct("!BBH")
_U64: Final = Struct("!Q")
_NACK_ITEM: Final = Struct("!HH")
_FIR_ITEM: Final = Struct("!IB3x")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """One source's reception (RFC 3550 section 6.4.1). ``fraction_lost`` is in 1/256, ``jitter`` in RTP
    units, ``lsr`` the middle 32 bits of an NTP time, ``dlsr`` in 1/65536 s."""

    ssrc: int
    fraction_lost: int = 0
    packets_lost: int = 0
    highest_sequence: int = 0
    jitter: int = 0
    lsr: int = 0
    dlsr: int = 0


@dataclass(frozen=True, slots=True)
class SenderReport:
    """``ntp`` is 64-bit NTP time at which the media clock stood at ``rtp_timestamp``."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """Reports of who sends nothing."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class Nack:
    """Generic NACK (RFC 4585 section 6.2.1); ``lost`` holds 16-bit sequence numbers in packet order."""

    sender_ssrc: int
    media_ssrc: int
    lost: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Pli:
    """Picture loss indication (RFC 4585 section 6.3.1)."""

    sender_ssrc: int
    media_ssrc: int


@dataclass(frozen=True, slots=True)
class Fir:
    """Full intra request (RFC 5104 section 4.3.1): (ssrc, command number) each."""

    sender_ssrc: int
    requests: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Remb:
    """Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb). ``bps`` beyond 64 bits, which the
    format can hold, is told as their largest."""

    sender_ssrc: int
    bps: int
    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sdes:
    """(ssrc, CNAME) of each chunk that has one."""

    cnames: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Bye:
    """Sources that leave."""

    ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReceiverReference:
    """When one who may send nothing sent this, on its own clock (RFC 3611 section 4.4)."""

    sender_ssrc: int
    ntp: int


@dataclass(frozen=True, slots=True)
class Other:
    """A well-framed packet that nobody here reads (APP, other XR, transport-wide feedback, ...)."""

    packet_type: int
    count: int
    """Report count, source count or FMT: the low five bits of the first byte."""
    body: bytes


Packet = SenderReport | ReceiverReport | Nack | Pli | Fir | Remb | Sdes | Bye | ReceiverReference | Other


def parse(data: Buffer) -> list[Packet]:
    """Read a compound or reduced-size (RFC 5506) datagram; raises ParseError.

    All or nothing: one malformed packet makes the whole datagram malformed.
    """
    packets: list[Packet] = []
    data = bytes(data)
    end = len(data)
    if end == 0:
        raise ParseError("RTCP datagram is empty", 0)
    pos = 0
    while pos < end:
        if end - pos < 4:
            raise ParseError("RTCP header is cut short", pos)
        first, packet_type, words = _HEAD.unpack_from(data, pos)
        if first & 0xC0 != 0x80:
            raise ParseError("RTCP version is not 2", pos)
        body_end = pos + 4 + 4 * words
        if body_end > end:
            raise ParseError("RTCP packet runs past the datagram", pos)
        body = data[pos + 4 : body_end]
        if first & 0x20:
            count = body[-1] if body else 0
            if count == 0 or count > len(body):
                raise ParseError("RTCP padding length is wrong", body_end - 1)
            body = body[:-count]
        try:
            packets.append(_read(packet_type, first & 0x1F, body))
        except ParseError as error:
            raise ParseError(error.reason, pos + 4 + error.offset) from None
        except (ValueError, struct_error, IndexError) as error:
            raise ParseError(f"RTCP packet {packet_type} is malformed: {error}", pos) from None
        pos = body_end
    return packets


def _read(packet_type: int, count: int, body: bytes) -> Packet:
    if packet_type == SR:
        # Profile-specific extensions may follow the blocks (RFC 3550 section 6.4.3).
        sender = _aiortc.RtcpSrPacket.parse(body[: 24 + 24 * count], count)
        info = sender.sender_info
        return SenderReport(
            sender.ssrc,
            info.ntp_timestamp,
            info.rtp_timestamp,
            info.packet_count,
            info.octet_count,
            _blocks(sender.reports),
        )
    if packet_type == RR:
        receiver = _aiortc.RtcpRrPacket.parse(body[: 4 + 24 * count], count)
        return ReceiverReport(receiver.ssrc, _blocks(receiver.reports))
    if packet_type == SDES:
        return _read_sdes(count, body)
    if packet_type == BYE:
        return Bye(tuple(_aiortc.RtcpByePacket.parse(body, count).sources))
    if packet_type == RTPFB and count == _FMT_NACK:
        return _read_nack(body)
    if packet_type == PSFB:
        return _read_psfb(count, body)
    if packet_type == XR and (reference := _find_receiver_reference(body)) is not None:
        return reference
    return Other(packet_type, count, body)


def _blocks(reports: Iterable[_aiortc.RtcpReceiverInfo]) -> tuple[ReportBlock, ...]:
    return tuple(
        ReportBlock(r.ssrc, r.fraction_lost, r.packets_lost, r.highest_sequence, r.jitter, r.lsr, r.dlsr)
        for r in reports
    )


def _read_nack(body: bytes) -> Nack:
    if len(body) < 8:
        raise ParseError("RTCP NACK is cut short", len(body))
    sender_ssrc, media_ssrc = _TWO_U32.unpack_from(body, 0)
    lost: list[int] = []
    for pid, blp in _NACK_ITEM.iter_unpack(body[8:]):
        lost.append(pid)
        while blp:
            bit = blp & -blp
            lost.append((pid + bit.bit_length()) & 0xFFFF)
            blp ^= bit
    return Nack(sender_ssrc, media_ssrc, tuple(lost))


def _read_psfb(fmt: int, body: bytes) -> Packet:
    feedback = _aiortc.RtcpPsfbPacket.parse(body, fmt)
    if fmt == _FMT_PLI:
        return Pli(feedback.ssrc, feedback.media_ssrc)
    if fmt == _FMT_FIR:
        requests = tuple((ssrc, number) for ssrc, number in _FIR_ITEM.iter_unpack(feedback.fci))
        return Fir(feedback.ssrc, requests)
    if fmt == _FMT_AFB and feedback.fci[:4] == b"REMB":
        bps, ssrcs = _aiortc.unpack_remb_fci(feedback.fci)
        return Remb(feedback.ssrc, min(bps, _MAX_BPS), tuple(ssrcs))
    return Other(PSFB, fmt, body)


def _find_receiver_reference(body: bytes) -> ReceiverReference | None:
    """The first such block; blocks that are not read may be anything."""
    pos = 4
    while pos + 4 <= len(body):
        kind, _, words = _BLOCK.unpack_from(body, pos)
        pos += 4
        if kind == _RECEIVER_REFERENCE_TIME and words == 2 and pos + 8 <= len(body):
            return ReceiverReference(_U32.unpack_from(body)[0], _U64.unpack_from(body, pos)[0])
        pos += 4 * words
    return None


def _read_sdes(count: int, body: bytes) -> Sdes:
    cnames: list[tuple[int, str]] = []
    pos = 0
    for _ in range(count):
        if pos + 4 > len(body):
            raise ParseError("RTCP SDES chunk is cut short", pos)
        ssrc: int = _U32.unpack_from(body, pos)[0]
        pos += 4
        while pos < len(body) and body[pos]:
            if pos + 2 > len(body) or pos + 2 + body[pos + 1] > len(body):
                raise ParseError("RTCP SDES item is cut short", pos)
            kind, length = body[pos], body[pos + 1]
            if kind == _SDES_CNAME:
                cnames.append((ssrc, body[pos + 2 : pos + 2 + length].decode("utf-8", "replace")))
            pos += 2 + length
        if pos >= len(body):
            raise ParseError("RTCP SDES chunk has no end", pos)
        pos += 4 - pos % 4  # the null item and padding up to the next word
    return Sdes(tuple(cnames))


def _info(block: ReportBlock) -> _aiortc.RtcpReceiverInfo:
    return _aiortc.RtcpReceiverInfo(
        ssrc=block.ssrc,
        fraction_lost=block.fraction_lost,
        packets_lost=_aiortc.clamp_packets_lost(block.packets_lost),
        highest_sequence=block.highest_sequence & 0xFFFFFFFF,
        jitter=block.jitter & 0xFFFFFFFF,
        lsr=block.lsr,
        dlsr=block.dlsr & 0xFFFFFFFF,
    )


def build_sender_report(
    ssrc: int,
    *,
    ntp: int,
    rtp_timestamp: int,
    packet_count: int,
    octet_count: int,
    reports: Sequence[ReportBlock] = (),
) -> bytes:
    """A sender report with at most 31 blocks; counters are cut to 32 bits, losses clamped to 24."""
    return bytes(
        _aiortc.RtcpSrPacket(
            ssrc=ssrc,
            sender_info=_aiortc.RtcpSenderInfo(
                ntp_timestamp=ntp,
                rtp_timestamp=rtp_timestamp & 0xFFFFFFFF,
                packet_count=packet_count & 0xFFFFFFFF,
                octet_count=octet_count & 0xFFFFFFFF,
            ),
            reports=[_info(block) for block in reports],
        )
    )


def build_receiver_report(ssrc: int, reports: Sequence[ReportBlock] = ()) -> bytes:
    """A receiver report with at most 31 blocks."""
    return bytes(_aiortc.RtcpRrPacket(ssrc=ssrc, reports=[_info(block) for block in reports]))


def build_sdes(ssrc: int, cname: str) -> bytes:
    """One chunk with a CNAME of at most 255 bytes of UTF-8."""
    chunk = _aiortc.RtcpSourceInfo(ssrc=ssrc, items=[(_SDES_CNAME, cname.encode())])
    return bytes(_aiortc.RtcpSdesPacket(chunks=[chunk]))


def build_bye(ssrcs: Sequence[int]) -> bytes:
    """At most 31 sources leave."""
    return bytes(_aiortc.RtcpByePacket(sources=list(ssrcs)))


def build_nack(sender_ssrc: int, media_ssrc: int, numbers: Iterable[int]) -> bytes:
    """A generic NACK for ascending sequence numbers (extended or 16 bits, wrapping allowed)."""
    body = bytearray(_TWO_U32.pack(sender_ssrc, media_ssrc))
    pid: int | None = None
    blp = 0
    for number in numbers:
        if pid is None:
            pid = number
            continue
        ahead = (number - pid) & 0xFFFF
        if 1 <= ahead <= 16:
            blp |= 1 << (ahead - 1)
        elif ahead:
            body += _NACK_ITEM.pack(pid & 0xFFFF, blp)
            pid, blp = number, 0
    if pid is not None:
        body += _NACK_ITEM.pack(pid & 0xFFFF, blp)
    return _HEAD.pack(0x80 | _FMT_NACK, RTPFB, len(body) // 4) + bytes(body)


def build_pli(sender_ssrc: int, media_ssrc: int) -> bytes:
    """Ask for a keyframe."""
    return bytes(_aiortc.RtcpPsfbPacket(fmt=_FMT_PLI, ssrc=sender_ssrc, media_ssrc=media_ssrc))


def build_fir(sender_ssrc: int, requests: Sequence[tuple[int, int]]) -> bytes:
    """Ask for keyframes of (ssrc, command number, 8 bits) each."""
    fci = b"".join(_FIR_ITEM.pack(ssrc, number & 0xFF) for ssrc, number in requests)
    return bytes(_aiortc.RtcpPsfbPacket(fmt=_FMT_FIR, ssrc=sender_ssrc, media_ssrc=0, fci=fci))


def build_dlrr(sender_ssrc: int, ssrc: int, last_rr: int, delay: int) -> bytes:
    """The answer to a ReceiverReference of ``ssrc`` (RFC 3611 section 4.5): the middle 32 bits of its time,
    and how long ago it came, in 1/65536 s."""
    body = _U32.pack(sender_ssrc) + _BLOCK.pack(_DLRR, 0, 3) + _U32.pack(ssrc)
    body += _TWO_U32.pack(last_rr, delay)
    return _HEAD.pack(0x80, XR, len(body) // 4) + body


def build_remb(sender_ssrc: int, bps: int, ssrcs: Sequence[int]) -> bytes:
    """Allow a sender ``bps`` for all of ``ssrcs`` (at most 255) together; 18 significant bits are kept."""
    fci = _aiortc.pack_remb_fci(bps, list(ssrcs))
    return bytes(_aiortc.RtcpPsfbPacket(fmt=_FMT_AFB, ssrc=sender_ssrc, media_ssrc=0, fci=fci))


def ntp_from_us(unix_us: int) -> int:
    """64-bit NTP time (32.32 fixed point since 1900) of microseconds since the Unix epoch."""
    seconds, rest_us = divmod(unix_us, 1_000_000)
    return (((seconds + _NTP_UNIX_OFFSET_S) & 0xFFFFFFFF) << 32) | ((rest_us << 32) // 1_000_000)


def us_from_ntp(ntp: int) -> int:
    """Microseconds since the Unix epoch, rounded; the inverse of :func:`ntp_from_us`."""
    return ((ntp >> 32) - _NTP_UNIX_OFFSET_S) * 1_000_000 + (
        ((ntp & 0xFFFFFFFF) * 1_000_000 + (1 << 31)) >> 32
    )


def ntp_middle(ntp: int) -> int:
    """The middle 32 bits: what LSR holds (RFC 3550 section 4)."""
    return (ntp >> 16) & 0xFFFFFFFF


def round_trip_us(now_ntp: int, lsr: int, dlsr: int) -> int | None:
    """Round trip in us by RFC 3550 section 6.4.1, None without LSR or when it comes out negative."""
    if lsr == 0:
        return None
    elapsed = (ntp_middle(now_ntp) - lsr - dlsr) & 0xFFFFFFFF
    if elapsed >= 0x80000000:
        return None
    return elapsed * 1_000_000 >> 16
