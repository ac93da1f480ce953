"""Ids, enums and errors of the media side; no I/O, no clock."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final, NewType

LessonId = NewType("LessonId", str)
ParticipantId = NewType("ParticipantId", str)
Epoch = NewType("Epoch", int)
"""Grows each time a lesson's media is leased anew; older commands are ignored."""


class MediaKind(StrEnum):
    """The kind of an m= section (RFC 8866, section 5.14)."""

    AUDIO = "audio"
    VIDEO = "video"


class Source(StrEnum):
    """What a participant may publish; one send section of the offer each."""

    MICROPHONE = "microphone"
    CAMERA = "camera"
    SCREEN = "screen"
    SCREEN_SOUND = "screen_sound"

    @property
    def media_kind(self) -> MediaKind:
        return MediaKind.VIDEO if self in (Source.CAMERA, Source.SCREEN) else MediaKind.AUDIO


SEND_SECTIONS: Final = (Source.MICROPHONE, Source.CAMERA, Source.SCREEN, Source.SCREEN_SOUND)
"""Order of the send sections in every offer."""


class SlotIndex(IntEnum):
    """Order of the receive sections in every offer; tiles follow from FIRST_TILE on."""

    STAGE_VIDEO = 0
    STAGE_SOUND = 1
    SCREEN_VIDEO = 2
    SCREEN_SOUND = 3
    TEACHER_SOUND = 4
    LOUD_1 = 5
    LOUD_2 = 6
    LOUD_3 = 7
    FIRST_TILE = 8


MAX_TILES: Final = 24


def slot_kind(index: int) -> MediaKind:
    """Media kind of the slot at this index of the offer's receive sections."""
    if index in (SlotIndex.STAGE_VIDEO, SlotIndex.SCREEN_VIDEO) or index >= SlotIndex.FIRST_TILE:
        return MediaKind.VIDEO
    return MediaKind.AUDIO


def slot_msid(index: int) -> str:
    """msid stream id of a slot: stage and screen pair their video with their sound for lip sync."""
    if index in (SlotIndex.STAGE_VIDEO, SlotIndex.STAGE_SOUND):
        return "stage"
    if index in (SlotIndex.SCREEN_VIDEO, SlotIndex.SCREEN_SOUND):
        return "screen"
    return f"slot{index}"


class Role(StrEnum):
    """Who a participant is in a lesson; decided by the signed ticket only."""

    TEACHER = "teacher"
    CO_TEACHER = "co_teacher"
    STUDENT = "student"

    @property
    def leads(self) -> bool:
        """Whether this role keeps a lesson open and may steer it."""
        return self in (Role.TEACHER, Role.CO_TEACHER)


class Refused(Exception):
    """A request from outside that is not carried out; nothing was changed.

    ``code`` is stable and machine-readable (snake_case); the sentence for a person is chosen
    by the interface from the code. ``detail`` is for the log and holds no personal data.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class ProtocolError(Exception):
    """A peer broke a protocol: that one peer is closed, nobody else notices."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class ParseError(ValueError):
    """Bytes or text that are not what they claim to be.

    ``offset`` is the byte (or line, for SDP) at which reading stopped.
    """

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(f"{reason} at {offset}")
        self.reason = reason
        self.offset = offset
