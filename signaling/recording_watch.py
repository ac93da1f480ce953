"""Sees to it that a lesson which is to be recorded has a recorder, and says so when it has none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Protocol

from signaling.follower import Decision
from signaling.lesson import fields, recording
from signaling.lesson.change import Moment
from signaling.log import Clock, LogUnreachable
from signaling.wire import RecordingField

LOOK_MS: Final = 1000
START_LIMIT_MS: Final = 1750
"""How long a recording may be starting: with a tick of 250 ms, a failure is told within 2 s."""
LOST_LIMIT_MS: Final = 10_000
"""How long a recording that is on may be without a recorder before it is off."""


class Claims(Protocol):
    """What is asked of Redis; both raise LogUnreachable."""

    async def call_recorder(self, lesson: str) -> None: ...

    async def recorder_of(self, lesson: str) -> str | None: ...


class RecordingWatch:
    """``tick`` it at every event and a few times a second.

    While a recording is starting or on and no recorder has claimed the lesson, one is called about once a
    second; when none comes in time, the recording is off with reason ``no_recorder``. Only time in which
    Redis answered counts: from not knowing, nothing is decided.
    """

    def __init__(
        self,
        lesson: str,
        claims: Claims,
        execute: Callable[[Decision, str | None], Awaitable[int]],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        now_ms: Clock,
    ) -> None:
        """``execute`` as LiveLesson's; ``spawn`` runs in the background."""
        self._lesson = lesson
        self._claims = claims
        self._execute = execute
        self._spawn = spawn
        self._now_ms = now_ms
        self._field: RecordingField | None = None
        self._without_since_ms: int | None = None
        self._look_at_ms = 0
        self._looking = False

    def tick(self, field: RecordingField | None) -> None:
        """``field``: the recording as it is now, None unless it is starting or on. Returns at once."""
        if field != self._field:
            self._field = field
            self._without_since_ms = None
            self._look_at_ms = 0
        if field is not None and not self._looking and self._now_ms() >= self._look_at_ms:
            self._looking = True
            self._spawn(self._look(field))

    async def _look(self, field: RecordingField) -> None:
        try:
            self._look_at_ms = self._now_ms() + LOOK_MS
            try:
                claimed = await self._claims.recorder_of(self._lesson) is not None
                if not claimed:
                    await self._claims.call_recorder(self._lesson)
            except LogUnreachable:
                self._without_since_ms = None
                return
            if field != self._field:
                return
            if claimed and field.state == "on":
                self._without_since_ms = None
            else:
                await self._wait_no_longer(field)
        finally:
            self._looking = False

    async def _wait_no_longer(self, field: RecordingField) -> None:
        now_ms = self._now_ms()
        if self._without_since_ms is None:
            self._without_since_ms = now_ms
        due_ms = self._without_since_ms + (START_LIMIT_MS if field.state == "starting" else LOST_LIMIT_MS)
        if now_ms < due_ms:
            self._look_at_ms = min(self._look_at_ms, due_ms)
            return
        moment = Moment(now_ms)
        await self._execute(
            lambda state: (
                recording.stopped(state, "no_recorder", moment) if fields.recording(state) == field else None
            ),
            None,
        )
