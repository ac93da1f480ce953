"""RTP packets (RFC 3550 section 5.1) and their header extensions (RFC 8285), read and written as bytes.

Calling rule for the field readers (``sequence_number``, ``ssrc``, ...): they read at fixed places of
a packet for which :func:`payload_offset` (or :func:`parse_header`) has succeeded, and check nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from sfu.model import ParseError

Buffer = bytes | bytearray | memoryview

HEADER_LENGTH: Final = 12
ONE_BYTE_PROFILE: Final = 0xBEDE
TWO_BYTE_PROFILE: Final = 0x1000
"""Upper 12 bits of the two-byte form; the lower four are application bits (RFC 8285 section 4.3)."""

_FIXED: Final = Struct("!BBHII")
_U16: Final = Struct("!H")
_U32: Final = Struct("!I")


@dataclass(frozen=True, slots=True)
class RtpHeader:
    """All of a packet's header. ``timestamp`` is in RTP units, ``payload_offset`` and
    ``padding_length`` in bytes; the payload is ``data[payload_offset : len(data) - padding_length]``."""

    marker: bool
    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    csrcs: tuple[int, ...]
    extensions: dict[int, bytes]
    payload_offset: int
    padding_length: int


def is_rtcp(data: Buffer) -> bool:
    """Whether a packet of the RTP range is RTCP (RFC 5761 section 4: payload types 64 to 95)."""
    return len(data) >= 2 and 192 <= data[1] <= 223


def marker(data: Buffer) -> bool:
    """The marker bit: last packet of a video frame, first of a talk spurt."""
    return data[1] >= 0x80


def payload_type(data: Buffer) -> int:
    """Payload type, 0 to 127."""
    return data[1] & 0x7F


def sequence_number(data: Buffer) -> int:
    """Sequence number, 16 bits."""
    return (data[2] << 8) | data[3]


def timestamp(data: Buffer) -> int:
    """Timestamp in RTP units, 32 bits."""
    value: int = _U32.unpack_from(data, 4)[0]
    return value


def ssrc(data: Buffer) -> int:
    """Synchronization source, 32 bits."""
    value: int = _U32.unpack_from(data, 8)[0]
    return value


def payload_offset(data: Buffer) -> int:
    """Byte at which the payload starts; checks version, CSRC list and extension length.

    Raises ParseError when the packet is cut short or not RTP version 2. Padding is not looked at.
    """
    length = len(data)
    if length < HEADER_LENGTH:
        raise ParseError("RTP header is cut short", length)
    first = data[0]
    if first & 0xC0 != 0x80:
        raise ParseError("RTP version is not 2", 0)
    offset = HEADER_LENGTH + 4 * (first & 0x0F)
    if first & 0x10:
        if length < offset + 4:
            raise ParseError("RTP extension header is cut short", offset)
        offset += 4 + 4 * ((data[offset + 2] << 8) | data[offset + 3])
    if length < offset:
        raise ParseError("RTP header runs past the packet", length)
    return offset


def padding_length(data: Buffer, offset: int | None = None) -> int:
    """Bytes of padding at the end, 0 without the P bit. ``offset``: the payload's, if already known.

    Raises ParseError when the count is 0 or larger than the payload.
    """
    if not data[0] & 0x20:
        return 0
    if offset is None:
        offset = payload_offset(data)
    count = data[-1]
    if count == 0 or count > len(data) - offset:
        raise ParseError("RTP padding length is wrong", len(data) - 1)
    return count


def _elements(data: Buffer) -> Iterator[tuple[int, int, int]]:
    """(id, offset, length) of each extension element of a packet whose header was checked."""
    first = data[0]
    if not first & 0x10:
        return
    pos = HEADER_LENGTH + 4 * (first & 0x0F)
    profile = (data[pos] << 8) | data[pos + 1]
    end = pos + 4 + 4 * ((data[pos + 2] << 8) | data[pos + 3])
    pos += 4
    if profile == ONE_BYTE_PROFILE:
        while pos < end:
            byte = data[pos]
            pos += 1
            if byte == 0:
                continue
            if byte < 0x10 or byte >= 0xF0:  # id 0 with a length, id 15: reading ends (RFC 8285 section 4.2)
                return
            length = (byte & 0x0F) + 1
            if pos + length > end:
                raise ParseError("RTP extension element is cut short", pos)
            yield byte >> 4, pos, length
            pos += length
    elif profile & 0xFFF0 == TWO_BYTE_PROFILE:
        while pos < end:
            identity = data[pos]
            pos += 1
            if identity == 0:
                continue
            if pos >= end:
                raise ParseError("RTP extension element is cut short", pos)
            length = data[pos]
            pos += 1
            if pos + length > end:
                raise ParseError("RTP extension element is cut short", pos)
            yield identity, pos, length
            pos += length


def extension(data: Buffer, identity: int) -> bytes | None:
    """Value of the first extension element with this id, None when there is none.

    Raises ParseError when an element before it is cut short.
    """
    for found, pos, length in _elements(data):
        if found == identity:
            return bytes(data[pos : pos + length])
    return None


def extension_offset(data: Buffer, identity: int) -> tuple[int, int] | None:
    """(offset, length) of an element's value, for rewriting it in place; None when there is none."""
    for found, pos, length in _elements(data):
        if found == identity:
            return pos, length
    return None


def extensions(data: Buffer) -> dict[int, bytes]:
    """All extension elements by id, in packet order; of two with one id the first counts.

    Reads the one-byte and the two-byte form; another profile gives an empty dict.
    Raises ParseError when an element is cut short.
    """
    found: dict[int, bytes] = {}
    for identity, pos, length in _elements(data):
        if identity not in found:
            found[identity] = bytes(data[pos : pos + length])
    return found


def parse_header(data: Buffer) -> RtpHeader:
    """Read and check everything in the header; raises ParseError."""
    offset = payload_offset(data)
    first, second, number, time, source = _FIXED.unpack_from(data, 0)
    return RtpHeader(
        marker=second >= 0x80,
        payload_type=second & 0x7F,
        sequence_number=number,
        timestamp=time,
        ssrc=source,
        csrcs=tuple(_U32.unpack_from(data, HEADER_LENGTH + 4 * i)[0] for i in range(first & 0x0F)),
        extensions=extensions(data),
        payload_offset=offset,
        padding_length=padding_length(data, offset),
    )


def pack_extensions(elements: Mapping[int, bytes]) -> bytes:
    """The extension block with its four-byte head, b"" for no elements.

    One-byte form when every element fits it (id 1 to 14, 1 to 16 bytes), else the two-byte form.
    Raises ValueError for an id outside 1 to 255 or more than 255 bytes.
    """
    if not elements:
        return b""
    body = bytearray()
    if all(1 <= identity <= 14 and 1 <= len(value) <= 16 for identity, value in elements.items()):
        profile = ONE_BYTE_PROFILE
        for identity, value in elements.items():
            body.append((identity << 4) | (len(value) - 1))
            body += value
    else:
        profile = TWO_BYTE_PROFILE
        for identity, value in elements.items():
            if not 1 <= identity <= 255 or len(value) > 255:
                raise ValueError(f"extension {identity} of {len(value)} bytes can't be written")
            body.append(identity)
            body.append(len(value))
            body += value
    body += bytes(-len(body) % 4)
    return _U16.pack(profile) + _U16.pack(len(body) // 4) + bytes(body)


def build(
    *,
    payload_type: int,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    payload: Buffer = b"",
    marker: bool = False,
    extensions: Mapping[int, bytes] | None = None,
    csrcs: Sequence[int] = (),
    padding_length: int = 0,
) -> bytes:
    """A whole packet. Sequence number and timestamp may be extended values: their low bits are sent.

    ``padding_length`` is 0 to 255 bytes, the last of which holds the count.
    """
    block = pack_extensions(extensions) if extensions else b""
    first = 0x80 | (0x20 if padding_length else 0) | (0x10 if block else 0) | len(csrcs)
    parts = [
        _FIXED.pack(
            first,
            (0x80 if marker else 0) | payload_type,
            sequence_number & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            ssrc,
        )
    ]
    parts.extend(_U32.pack(source) for source in csrcs)
    parts.append(block)
    parts.append(bytes(payload))
    if padding_length:
        parts.append(bytes(padding_length - 1) + bytes((padding_length,)))
    return b"".join(parts)


def abs_send_time(now_us: int) -> int:
    """Value of the abs-send-time extension: seconds as 6.18 fixed point, 24 bits."""
    return ((now_us << 18) // 1_000_000) & 0xFFFFFF


class Extender:
    """Extends a wrapping counter to one that does not wrap (64 bits in other languages).

    The first value stands for itself; each further one for the nearest integer to the highest so
    far that has the same low bits. A value from before the first can therefore be negative; its low
    bits are still right.
    """

    __slots__ = ("_half", "_mask", "highest")

    def __init__(self, bits: int) -> None:
        self._mask = (1 << bits) - 1
        self._half = 1 << (bits - 1)
        self.highest: int | None = None

    def extend(self, value: int) -> int:
        """The extended value; moves ``highest`` on if it is larger."""
        highest = self.highest
        if highest is None:
            self.highest = value
            return value
        result = self.nearest(value)
        if result > highest:
            self.highest = result
        return result

    def nearest(self, value: int) -> int:
        """The extended value, without moving ``highest``."""
        highest = self.highest
        if highest is None:
            return value
        ahead = (value - highest) & self._mask
        return highest + (ahead if ahead < self._half else ahead - self._mask - 1)
