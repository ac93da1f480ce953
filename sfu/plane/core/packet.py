"""One received media packet, read once for all who get it."""

from __future__ import annotations

from sfu.codecs import vp8
from sfu.rtp import Extender


class Packet:
    """A media packet with extended numbers. VP8 payloads are kept in three parts around the numbers.

    ``payload`` is whole for sound. For VP8 with a picture id, ``lead`` is what stands before it,
    ``payload`` what follows picture id and TL0PICIDX; without one ``lead`` is empty and ``payload`` whole.
    """

    __slots__ = (
        "keyframe",
        "layer_sync",
        "lead",
        "level",
        "marker",
        "payload",
        "picture_id",
        "sequence",
        "tid",
        "timestamp",
        "tl0picidx",
    )

    def __init__(self, sequence: int, timestamp: int, marker: int, payload: bytes) -> None:
        self.sequence = sequence
        self.timestamp = timestamp
        self.marker = marker
        """0x80 or 0, as it stands in the header's second byte."""
        self.payload = payload
        self.lead = b""
        self.picture_id: int | None = None
        """Extended."""
        self.tl0picidx: int | None = None
        self.keyframe = False
        """First packet of a keyframe."""
        self.tid: int | None = None
        """Temporal layer (RFC 7741 section 4.2), None without."""
        self.layer_sync = False
        """The Y bit: a receiver may begin this temporal layer here."""
        self.level: int | None = None
        """The audio level extension's byte (RFC 6464), None without."""

    def prefix(self, picture_offset: int, tl0_offset: int) -> bytes:
        """What stands before ``payload`` with the numbers moved on; a picture id takes its 15-bit form."""
        picture_id = self.picture_id
        if picture_id is None:
            return b""
        number = 0x8000 | (picture_id + picture_offset) & 0x7FFF
        tl0picidx = self.tl0picidx
        if tl0picidx is None:
            return self.lead + number.to_bytes(2, "big")
        return self.lead + (number << 8 | (tl0picidx + tl0_offset) & 0xFF).to_bytes(3, "big")


class PictureIds:
    """Extends picture ids of 7 and 15 bits, also when a sender takes the short form for small ones."""

    __slots__ = ("_narrow", "_wide")

    def __init__(self) -> None:
        self._wide = Extender(15)
        self._narrow = Extender(7)

    def extend(self, picture_id: int, bits: int) -> int:
        """The extended id; both widths share one count."""
        if bits == 7:
            self._narrow.highest = self._wide.highest
            extended = self._narrow.nearest(picture_id)
        else:
            extended = self._wide.nearest(picture_id)
        if self._wide.highest is None or extended > self._wide.highest:
            self._wide.highest = extended
        return extended


def read_vp8(packet: Packet, picture_ids: PictureIds) -> None:
    """Fill in what the payload descriptor says (RFC 7741 section 4.2); raises ParseError."""
    payload = packet.payload
    descriptor = vp8.parse_descriptor(payload)
    packet.keyframe = descriptor.keyframe
    packet.tid = descriptor.tid
    packet.layer_sync = descriptor.layer_sync
    if descriptor.picture_id is None:
        return
    offset = descriptor.picture_id_offset or 0
    packet.picture_id = picture_ids.extend(descriptor.picture_id, descriptor.picture_id_bits)
    packet.tl0picidx = descriptor.tl0picidx
    after = offset + (1 if descriptor.picture_id_bits == 7 else 2) + (descriptor.tl0picidx is not None)
    packet.lead = payload[:offset]
    packet.payload = payload[after:]
