"""Stills: a picture a second for those who get no video. Who sends one, what is taken, who gets it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from sfu.model import ParseError, SlotIndex
from signaling.limits import Bucket, Rate
from signaling.wire import MAX_STILL, MAX_STILL_SIDE, SendStill, Slots, Still

STILLS: Final = Rate(3, 2)
"""How many of one publisher are taken."""
Picture = Literal["camera", "screen"]
_JPEG_SIZES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of frames, which tell the size (ISO/IEC 10918-1 table B.1)."""


class Stills:
    """One lesson's, by what its clients' slots show. Call ``slots`` with each news of them."""

    def __init__(self) -> None:
        self._subjects: dict[str, tuple[str, Picture]] = {}
        """Of whom each one who is lite gets stills."""
        self._buckets: dict[str, Bucket] = {}

    def slots(self, participant: str, slots: Slots | None) -> None:
        """These are somebody's slots now; None: they have none."""
        subject = None if slots is None or not slots.lite else _subject(slots)
        if subject is None:
            self._subjects.pop(participant, None)
        else:
            self._subjects[participant] = subject

    def wanted(self) -> Mapping[str, Picture]:
        """Who is to send stills, and of what: of camera and screen the screen."""
        found: dict[str, Picture] = {}
        for publisher, source in self._subjects.values():
            if found.get(publisher) != "screen":
                found[publisher] = source
        return found

    def take(self, publisher: str, message: SendStill, now_s: float) -> Still | None:
        """What goes to viewers; None for what nobody asked for, what is too much, and what is no picture."""
        if self.wanted().get(publisher) != message.source:
            return None
        bucket = self._buckets.setdefault(publisher, Bucket(STILLS, now_s))
        if bucket.take(now_s) > 0:
            return None
        try:
            width, height = picture_size(message.image)
        except ParseError:
            return None
        if not 0 < width <= MAX_STILL_SIDE or not 0 < height <= MAX_STILL_SIDE:
            return None
        return Still(publisher, message.source, message.image)

    def viewers(self, publisher: str, source: Picture) -> list[str]:
        """Who gets this still."""
        return [
            who for who, (of, what) in self._subjects.items() if of == publisher and _serves(source, what)
        ]

    def forget(self, participant: str) -> None:
        """Somebody is gone."""
        self._subjects.pop(participant, None)
        self._buckets.pop(participant, None)


def picture_size(data: bytes) -> tuple[int, int]:
    """Width and height in pixels of a WebP or JPEG, by its content; raises ParseError for anything else."""
    if len(data) > MAX_STILL:
        raise ParseError("still is too large", MAX_STILL)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_size(data)
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg_size(data)
    raise ParseError("neither WebP nor JPEG", 0)


def _subject(slots: Slots) -> tuple[str, Picture] | None:
    for index, source in ((SlotIndex.SCREEN_VIDEO, "screen"), (SlotIndex.STAGE_VIDEO, "camera")):
        content = next((slot for slot in slots.slots if slot.index == index), None)
        if content is not None and content.participant is not None and content.source == source:
            return content.participant, "screen" if source == "screen" else "camera"
    return None


def _serves(source: Picture, wanted: Picture) -> bool:
    """Who wants a camera gets the screen while its publisher sends that to others."""
    return source in (wanted, "screen")


def _webp_size(data: bytes) -> tuple[int, int]:
    """RFC 9649 sections 2.5 to 2.7."""
    if len(data) < 30:
        raise ParseError("WebP is cut short", len(data))
    match data[12:16]:
        case b"VP8 ":
            if data[23:26] != b"\x9d\x01\x2a":
                raise ParseError("WebP without a keyframe", 23)
            return (
                int.from_bytes(data[26:28], "little") & 0x3FFF,
                int.from_bytes(data[28:30], "little") & 0x3FFF,
            )
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return (
                int.from_bytes(data[24:27], "little") + 1,
                int.from_bytes(data[27:30], "little") + 1,
            )
    raise ParseError("unknown WebP chunk", 12)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """ISO/IEC 10918-1 section B.2.2."""
    at = 2
    while at + 9 <= len(data):
        if data[at] != 0xFF:
            raise ParseError("JPEG marker is missing", at)
        marker = data[at + 1]
        if marker in _JPEG_SIZES:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    raise ParseError("JPEG without a frame", len(data))
