"""A video that grows, as it was at one moment: the head that ``recorder.webm`` writes, read and cut. Pure.

The head (everything before the first cluster) has a fixed size and is written in place. It says how much of
the file is whole; clusters within that stay as they are while the video grows. So a snapshot is the file's
first bytes, with a head in which nothing is later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct as Layout
from struct import pack_into
from typing import Final, NamedTuple

DRAFT_NAME: Final = "video.webm.draft"
"""Beside the video that it becomes."""
LONGEST_HEAD: Final = 64 * 1024
"""A head is shorter: 18 KiB of cues, and the title."""

_SEGMENT: Final = 0x18538067
_INFO: Final = 0x1549A966
_CUES: Final = 0x1C53BB6B
_DURATION: Final = 0x4489
_CUE: Final = 0xBB
_POSITIONS: Final = 0xB7
_POSITION: Final = 0xF1
_VOID: Final = 0xEC
_WIDE: Final = 1 << 56
"""A size written in 8 bytes."""
_VOID_HEAD: Final = 9
_DOUBLE: Final = Layout(">d")


class NotWhole(Exception):
    """These bytes are no head, or one that is being written."""


class Extent(NamedTuple):
    """How much of a file is whole: bytes from its beginning, and ms of video in them."""

    bytes: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Head:
    """A head and where things stand in it. ``bytes`` end where the first cluster begins."""

    bytes: bytes
    whole: Extent
    segment: int
    """Where the segment's data begins; cues count from there."""
    duration_at: int
    cues_at: int
    cues: tuple[tuple[int, int, int], ...]
    """(where it stands, where it ends, which byte of the file it leads to), in their order."""


class _Element(NamedTuple):
    identity: int
    start: int
    end: int


def read_head(data: bytes) -> Head:
    """The head at the beginning of a file; ``data`` may go on behind it. Raises NotWhole."""
    segment = next((each for each in _elements(data, 0, None) if each.identity == _SEGMENT), None)
    if segment is None:
        raise NotWhole
    duration_at = -1
    duration_ms = 0.0
    for element in _elements(data, segment.start, None):
        if element.identity == _INFO:
            for each in _elements(data, element.start, element.end):
                if each.identity == _DURATION and each.end - each.start == _DOUBLE.size:
                    duration_at = each.start
                    (duration_ms,) = _DOUBLE.unpack_from(data, duration_at)
        elif element.identity == _CUES:
            known = duration_at >= 0 and 0 <= duration_ms < _WIDE
            if not known or element.end > segment.end:
                raise NotWhole
            cues = tuple(_cues(data, element, segment.start))
            whole = Extent(segment.end, round(duration_ms))
            return Head(data[: element.end], whole, segment.start, duration_at, element.start, cues)
    raise NotWhole


def cut(head: Head, to: Extent) -> bytes:
    """The head of a snapshot: as long as this one, with the size and duration of ``to`` and no cues that lead
    beyond it. Raises NotWhole when there is less by now, as of a video that was begun anew."""
    if not len(head.bytes) <= to.bytes <= head.whole.bytes or to.duration_ms > head.whole.duration_ms:
        raise NotWhole
    made = bytearray(head.bytes)
    made[head.segment - 8 : head.segment] = (_WIDE | to.bytes - head.segment).to_bytes(8)
    pack_into(">d", made, head.duration_at, to.duration_ms)
    end = head.cues_at
    for _, behind, leads_to in head.cues:
        if leads_to >= to.bytes:
            break
        end = behind
    free = len(made) - end - _VOID_HEAD
    made[end:] = bytes((_VOID,)) + (_WIDE | free).to_bytes(8) + bytes(free)
    return bytes(made)


def _cues(data: bytes, cues: _Element, segment: int) -> list[tuple[int, int, int]]:
    found: list[tuple[int, int, int]] = []
    at = cues.start
    for point in _elements(data, cues.start, cues.end):
        if point.identity == _VOID and point.end == cues.end:
            return found
        positions = [
            int.from_bytes(data[each.start : each.end])
            for inner in _elements(data, point.start, point.end)
            if inner.identity == _POSITIONS
            for each in _elements(data, inner.start, inner.end)
            if each.identity == _POSITION
        ]
        if point.identity != _CUE or len(positions) != 1:
            raise NotWhole
        found.append((at, point.end, segment + positions[0]))
        at = point.end
    raise NotWhole  # the free room is always there


def _elements(data: bytes, at: int, until: int | None) -> Iterator[_Element]:
    """The elements from ``at`` on (RFC 8794 sections 4 and 5): all up to ``until``, or, without it, up to the
    first that goes on behind ``data``. Raises NotWhole when one is cut short."""
    while until is None or at < until:
        identity, start = _number(data, at, marked=True)
        size, start = _number(data, start, marked=False)
        end = start + size
        if until is not None and end > min(until, len(data)):
            raise NotWhole
        yield _Element(identity, start, end)
        if end > len(data):
            return
        at = end


def _number(data: bytes, at: int, *, marked: bool) -> tuple[int, int]:
    """A number of variable length, with its marker bit if it is an id; and where it ends."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    if not first or at + length > len(data):
        raise NotWhole
    value = int.from_bytes(data[at : at + length])
    return value if marked else value & (1 << 7 * length) - 1, at + length
