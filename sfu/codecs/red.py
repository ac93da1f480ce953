"""Payloads with redundancy (RFC 2198): earlier ones before the newest, which is the primary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sfu.model import ParseError
from sfu.rtp import Buffer

MAX_TIMESTAMP_OFFSET: Final = (1 << 14) - 1
"""RTP units by which a block may be older than the primary."""
MAX_BLOCK_LENGTH: Final = (1 << 10) - 1
BLOCK_HEADER_LENGTH: Final = 4
"""Bytes of each redundant block's header; the primary's is one byte."""

_MORE: Final = 0x80


class RedundantBlock(NamedTuple):
    """An earlier payload; ``timestamp_offset`` is how many RTP units before the primary, 0 to 16,383."""

    payload_type: int
    timestamp_offset: int
    payload: bytes


class RedPayload(NamedTuple):
    """The redundant blocks as they stand, oldest first where the sender keeps the order; then the primary."""

    blocks: tuple[RedundantBlock, ...]
    payload_type: int
    payload: bytes


def parse(payload: Buffer) -> RedPayload:
    """Take one RTP payload (padding removed) apart; blocks and the primary may be empty.

    Raises ParseError when a header or a block is cut short.
    """
    length = len(payload)
    headers: list[tuple[int, int, int]] = []
    at = 0
    while at < length and payload[at] & _MORE:
        if at + BLOCK_HEADER_LENGTH > length:
            raise ParseError("RED block header is cut short", length)
        headers.append(
            (
                payload[at] & 0x7F,
                payload[at + 1] << 6 | payload[at + 2] >> 2,
                (payload[at + 2] & 0x03) << 8 | payload[at + 3],
            )
        )
        at += BLOCK_HEADER_LENGTH
    if at >= length:
        raise ParseError("RED primary header is missing", length)
    primary = payload[at]
    at += 1
    blocks: list[RedundantBlock] = []
    for payload_type, timestamp_offset, block_length in headers:
        if at + block_length > length:
            raise ParseError("RED block is cut short", at)
        blocks.append(RedundantBlock(payload_type, timestamp_offset, bytes(payload[at : at + block_length])))
        at += block_length
    return RedPayload(tuple(blocks), primary, bytes(payload[at:]))


def build(blocks: Sequence[RedundantBlock], payload_type: int, payload: Buffer) -> bytes:
    """The RTP payload. Raises ValueError for a block that is too old or too long for its header."""
    parts: list[bytes] = []
    for block in blocks:
        length = len(block.payload)
        if not 0 <= block.timestamp_offset <= MAX_TIMESTAMP_OFFSET or length > MAX_BLOCK_LENGTH:
            raise ValueError(
                f"block of {length} bytes, {block.timestamp_offset} units before, can't be written"
            )
        head = (_MORE | block.payload_type) << 24 | block.timestamp_offset << 10 | length
        parts.append(head.to_bytes(BLOCK_HEADER_LENGTH, "big"))
    parts.append(bytes((payload_type,)))
    parts.extend(block.payload for block in blocks)
    parts.append(bytes(payload))
    return b"".join(parts)
