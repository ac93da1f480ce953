"""What a client sends over its WebSocket."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from signaling.wire.apps import Score
from signaling.wire.board import (
    BoardClear,
    BoardMake,
    BoardName,
    BoardPut,
    BoardRemove,
    SendInk,
    SetInk,
)
from signaling.wire.calling import AnswerCall, Call, Seat
from signaling.wire.calming import Calm, ReadSealed
from signaling.wire.chat import Chat, JudgeChat, MuteChat, RemoveChat, SetChat, SetChatWords
from signaling.wire.films import PlayFilm, ShowFilm
from signaling.wire.groups import (
    AskIn,
    CloseGroups,
    ExtendGroups,
    GoToGroup,
    GroupChat,
    MakeGroups,
    OpenGroups,
    SpeakToAll,
    SpreadGroups,
    TellGroups,
)
from signaling.wire.materials import AddLink, MoveMaterial, NameMaterial, SetSharing
from signaling.wire.names import MAX_STILL, WIRE_VERSION, Id, PictureName, RequestNumber, SourceName
from signaling.wire.picking import Pick, SetPickable
from signaling.wire.quiz import MakeQuiz, QuizAnswer, SetQuiz
from signaling.wire.reacting import React, SetReactions
from signaling.wire.showing import Show
from signaling.wire.slides import MakeSlides, RemoveSlides, SetBrowse, TurnPage
from signaling.wire.timing import SetTimer


class Hello(Struct, tag_field="t", tag="hello", frozen=True):
    """First message. ``after`` is the last event number this client has applied (resume), else None.

    ``lease`` is the media epoch of its running connection; the server says by ``welcome.lease``
    whether that still lives.
    """

    ticket: Annotated[str, Meta(max_length=4096)]
    version: int = WIRE_VERSION
    after: int | None = None
    lease: int | None = None


class Offer(Struct, tag_field="t", tag="offer", frozen=True):
    """The one offer of a connection or its ICE restart (same ``connection``). ``sdp``: gzip of UTF-8.

    ``send`` and ``slots`` are mids: send sections in the order microphone, camera, screen,
    screen_sound; receive sections in slot order (0 stage video, 1 stage sound, 2 screen video,
    3 screen sound, 4 teacher's sound, 5-7 loudest, 8.. tiles). Reply: Answer.
    """

    id: RequestNumber
    connection: Annotated[int, Meta(ge=1, le=2**31)]
    sdp: Annotated[bytes, Meta(max_length=16 * 1024)]
    send: Annotated[tuple[str, ...], Meta(max_length=4)]
    slots: Annotated[tuple[str, ...], Meta(max_length=40)]


class Draw(Struct, tag_field="t", tag="draw", frozen=True):
    """What is drawn: height in pixels of each slot in slot order, 0 for not drawn. No reply.

    ``mode``: ``audio`` wants no picture whatever is drawn; ``lite`` the teacher's sound and a still a second.
    """

    heights: Annotated[tuple[int, ...], Meta(max_length=40)]
    page: Annotated[int, Meta(ge=0, le=1000)] = 0
    pin: Id | None = None
    mode: Literal["full", "audio", "lite"] = "full"


class SendStill(Struct, tag_field="t", tag="send_still", frozen=True):
    """One's camera or screen as it is now, as was asked for by ``still_wanted``. WebP or JPEG of at most
    ``MAX_STILL_SIDE`` pixels a side. No reply; what can't be taken is dropped."""

    source: PictureName
    image: Annotated[bytes, Meta(max_length=MAX_STILL)]


class Publish(Struct, tag_field="t", tag="publish", frozen=True):
    """Turn one of one's own sources on or off."""

    id: RequestNumber
    source: SourceName
    on: bool


class Hand(Struct, tag_field="t", tag="hand", frozen=True):
    """Raise or lower one's own hand; a leader may lower another's or, without ``participant``, all."""

    id: RequestNumber
    up: bool
    participant: Id | None = None
    all: bool = False


class Mute(Struct, tag_field="t", tag="mute", frozen=True):
    """Leaders: shut a source of one participant, or of all students (``participant`` None)."""

    id: RequestNumber
    participant: Id | None = None
    source: SourceName = "microphone"


class SetMay(Struct, tag_field="t", tag="set_may", frozen=True):
    """Leaders: what students may publish; for one person (None there: as the lesson says)."""

    id: RequestNumber
    may: tuple[SourceName, ...] | None
    participant: Id | None = None


class SetStage(Struct, tag_field="t", tag="set_stage", frozen=True):
    """Leaders: who is large for all."""

    id: RequestNumber
    participant: Id | None


class Lock(Struct, tag_field="t", tag="lock", frozen=True):
    """Leaders: no newcomers."""

    id: RequestNumber
    on: bool


class Remove(Struct, tag_field="t", tag="remove", frozen=True):
    """Leaders: remove a student for the rest of the lesson."""

    id: RequestNumber
    participant: Id


class Record(Struct, tag_field="t", tag="record", frozen=True):
    """Leaders: start or stop the recording. ``students``: what of students is recorded too, from the start
    of a part on; it can't be changed while a part is running (refused: ``recording_running``)."""

    id: RequestNumber
    on: bool
    students: tuple[SourceName, ...] = ()


class SetRecorded(Struct, tag_field="t", tag="set_recorded", frozen=True):
    """Whether a person may be recorded: students about themselves (``participant`` None), leaders about a
    student. It holds at once and after coming back; either can only take back what they said themselves."""

    id: RequestNumber
    on: bool
    participant: Id | None = None


class SetRecordable(Struct, tag_field="t", tag="set_recordable", frozen=True):
    """Leaders: what of students may be recorded at all, whatever ``record`` asks; it holds at once."""

    id: RequestNumber
    sources: Annotated[tuple[SourceName, ...], Meta(max_length=4)]


class End(Struct, tag_field="t", tag="end", frozen=True):
    """The teacher: end the lesson for all."""

    id: RequestNumber


class Leave(Struct, tag_field="t", tag="leave", frozen=True):
    """Going away on purpose: no grace. No reply, the server closes."""


ClientMessage = (
    Hello
    | Offer
    | Draw
    | SendStill
    | Publish
    | Chat
    | SetChat
    | SetChatWords
    | MuteChat
    | JudgeChat
    | RemoveChat
    | Hand
    | Mute
    | SetMay
    | SetStage
    | Show
    | Call
    | AnswerCall
    | Seat
    | React
    | SetReactions
    | SetTimer
    | Pick
    | SetPickable
    | Calm
    | ReadSealed
    | AddLink
    | NameMaterial
    | MoveMaterial
    | SetSharing
    | ShowFilm
    | PlayFilm
    | Score
    | MakeSlides
    | TurnPage
    | SetBrowse
    | RemoveSlides
    | MakeGroups
    | SpreadGroups
    | OpenGroups
    | ExtendGroups
    | CloseGroups
    | GoToGroup
    | AskIn
    | SpeakToAll
    | TellGroups
    | GroupChat
    | Lock
    | Remove
    | Record
    | SetRecorded
    | SetRecordable
    | MakeQuiz
    | SetQuiz
    | QuizAnswer
    | End
    | Leave
    | BoardMake
    | BoardName
    | BoardRemove
    | BoardClear
    | BoardPut
    | SetInk
    | SendInk
)
