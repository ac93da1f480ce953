"""Sound that brings earlier packets along (RFC 2198): what came back by it, and what goes along."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sfu.codecs import red
from sfu.codecs.red import RedPayload
from sfu.plane.core.cache import PacketCache
from sfu.plane.core.packet import Packet

MAX_DISTANCE: Final = 2
MAX_PAYLOAD: Final = 1200
"""Bytes of a payload with redundancy, its headers included."""


def taken_back(wrapped: RedPayload, packet: Packet, before: int) -> list[Packet]:
    """Packets out of the gap between ``before`` and this one, ascending.

    A block's place tells its number, the last one being just before the packet; one that can't be used
    keeps its place. They have the level of the packet that brought them.
    """
    found: list[Packet] = []
    first = packet.sequence - len(wrapped.blocks)
    for number, block in enumerate(wrapped.blocks, first):
        if number <= before or block.payload_type != wrapped.payload_type or not block.payload:
            continue
        earlier = Packet(number, packet.timestamp - block.timestamp_offset, 0, block.payload)
        earlier.level = packet.level
        found.append(earlier)
    return found


def brought_along(packet: Packet, cache: PacketCache, distance: int, since: int) -> list[Packet]:
    """Packets of sound, oldest first, that this one brings along: none from before the number ``since``."""
    found: list[Packet] = []
    room = MAX_PAYLOAD - 1 - len(packet.payload)
    for number in range(max(since, packet.sequence - distance), packet.sequence):
        earlier = cache.get(number)
        if earlier is None or not 0 < len(earlier.payload) <= red.MAX_BLOCK_LENGTH:
            continue
        if not 0 < packet.timestamp - earlier.timestamp <= red.MAX_TIMESTAMP_OFFSET:
            continue
        found.append(earlier)
        room -= red.BLOCK_HEADER_LENGTH + len(earlier.payload)
    while found and room < 0:
        room += red.BLOCK_HEADER_LENGTH + len(found.pop(0).payload)
    return found


def wrap(packet: Packet, earlier: Sequence[Packet], payload_type: int) -> bytes:
    """The payload with redundancy, all of whose blocks are of one payload type."""
    now = packet.timestamp
    blocks = [red.RedundantBlock(payload_type, now - each.timestamp, each.payload) for each in earlier]
    return red.build(blocks, payload_type, packet.payload)
