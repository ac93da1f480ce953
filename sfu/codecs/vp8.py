"""The VP8 payload descriptor and the start of its payload header (RFC 7741 sections 4.2 and 4.3)."""

from __future__ import annotations

from typing import Final, NamedTuple

from sfu.model import ParseError
from sfu.rtp import Buffer

PICTURE_ID_MASK: Final = 0x7FFF
"""Picture ids are kept as 15 bits (extend with ``Extender(15)``), TL0PICIDX as 8."""


class Vp8Descriptor(NamedTuple):
    """One packet's descriptor. Offsets are bytes from the payload's start; absent fields are None.

    ``start``: first packet of a frame (S set, partition 0). ``keyframe``: this is the first packet
    of a keyframe. ``keyframe_width`` and ``keyframe_height`` are in pixels, None if not a keyframe's
    first packet. ``layer_sync`` is the Y bit: a receiver may begin this temporal layer here.
    """

    start: bool
    keyframe: bool
    size: int
    non_reference: bool = False
    picture_id: int | None = None
    picture_id_bits: int = 0
    picture_id_offset: int | None = None
    tl0picidx: int | None = None
    tl0picidx_offset: int | None = None
    tid: int | None = None
    layer_sync: bool = False
    keyidx: int | None = None
    keyframe_width: int | None = None
    keyframe_height: int | None = None


def parse_descriptor(payload: Buffer) -> Vp8Descriptor:
    """Read the descriptor of one RTP payload (padding removed); raises ParseError when cut short."""
    length = len(payload)
    if length < 1:
        raise ParseError("VP8 descriptor is missing", 0)
    first = payload[0]
    start = first & 0x1F == 0x10
    pos = 1
    picture_id = tl0picidx = tid = keyidx = None
    picture_id_offset = tl0picidx_offset = None
    picture_id_bits = 0
    layer_sync = False
    if first & 0x80:
        if length < 2:
            raise ParseError("VP8 descriptor is cut short", 1)
        present = payload[1]
        pos = 2
        if present & 0x80:
            if pos >= length:
                raise ParseError("VP8 picture id is cut short", pos)
            picture_id_offset = pos
            if payload[pos] & 0x80:
                if pos + 1 >= length:
                    raise ParseError("VP8 picture id is cut short", pos + 1)
                picture_id = ((payload[pos] & 0x7F) << 8) | payload[pos + 1]
                picture_id_bits = 15
                pos += 2
            else:
                picture_id = payload[pos]
                picture_id_bits = 7
                pos += 1
        if present & 0x40:
            if pos >= length:
                raise ParseError("VP8 TL0PICIDX is cut short", pos)
            tl0picidx_offset = pos
            tl0picidx = payload[pos]
            pos += 1
        if present & 0x30:
            if pos >= length:
                raise ParseError("VP8 TID/KEYIDX is cut short", pos)
            byte = payload[pos]
            if present & 0x20:
                tid = byte >> 6
                layer_sync = bool(byte & 0x20)
            if present & 0x10:
                keyidx = byte & 0x1F
            pos += 1
    if pos >= length:
        raise ParseError("VP8 payload is empty", pos)

    keyframe = start and not payload[pos] & 0x01
    width = height = None
    if keyframe:
        # RFC 6386 section 9.1: three bytes of frame tag, the start code, then 14-bit sizes.
        if length < pos + 10:
            raise ParseError("VP8 keyframe header is cut short", length)
        if payload[pos + 3] != 0x9D or payload[pos + 4] != 0x01 or payload[pos + 5] != 0x2A:
            raise ParseError("VP8 keyframe start code is wrong", pos + 3)
        width = ((payload[pos + 7] << 8) | payload[pos + 6]) & 0x3FFF
        height = ((payload[pos + 9] << 8) | payload[pos + 8]) & 0x3FFF
    return Vp8Descriptor(
        start,
        keyframe,
        pos,
        bool(first & 0x20),
        picture_id,
        picture_id_bits,
        picture_id_offset,
        tl0picidx,
        tl0picidx_offset,
        tid,
        layer_sync,
        keyidx,
        width,
        height,
    )


def rewrite(packet: bytearray, offset: int, picture_id: int | None, tl0picidx: int | None) -> None:
    """Write the two numbers in place, in a packet whose descriptor at ``offset`` was parsed before.

    Low bits of extended values are written, in the width the field has there (7 or 15 bits); a
    field that the packet does not carry, or a value of None, is left alone.
    """
    if not packet[offset] & 0x80:
        return
    present = packet[offset + 1]
    pos = offset + 2
    if present & 0x80:
        wide = packet[pos] & 0x80
        if picture_id is not None:
            if wide:
                packet[pos] = 0x80 | ((picture_id >> 8) & 0x7F)
                packet[pos + 1] = picture_id & 0xFF
            else:
                packet[pos] = picture_id & 0x7F
        pos += 2 if wide else 1
    if present & 0x40 and tl0picidx is not None:
        packet[pos] = tl0picidx & 0xFF
