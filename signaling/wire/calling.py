"""Calling a student to the board: asked, at the board, back in the seat."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from signaling.wire.names import Id, RequestNumber, SourceName


class Call(Struct, tag_field="t", tag="call", frozen=True):
    """Leaders: ask a student to the board, or take the question back. Refused: ``not_found`` (nobody who is
    here), ``not_allowed`` (who leads is not called), ``calm``."""

    id: RequestNumber
    participant: Id
    on: bool = True


class AnswerCall(Struct, tag_field="t", tag="answer_call", frozen=True):
    """Who was asked: goes to the board, or not now. Refused: ``not_found`` for who is not asked."""

    id: RequestNumber
    go: bool


class Seat(Struct, tag_field="t", tag="seat", frozen=True):
    """Back to the seat: oneself (``participant`` None), or leaders somebody at the board."""

    id: RequestNumber
    participant: Id | None = None


class CalledField(Struct, frozen=True):
    """A student was asked to the board and has not gone; leaders see it, and the student."""

    by: str
    at_ms: int
    answer: Literal["none", "not_now"] = "none"


class AtBoardField(Struct, frozen=True):
    """A student is at the board: on the stage, may speak, draw and share the screen.

    ``may`` and ``given`` are what their own rule was before and became, ``microphone`` whether it was on,
    ``ink`` whether they could draw already: going back to the seat undoes the rest.
    """

    by: str
    at_ms: int
    given: tuple[SourceName, ...]
    may: tuple[SourceName, ...] | None = None
    microphone: bool = False
    ink: bool = False
