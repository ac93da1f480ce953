"""Answers of a class, written together: what thirty give in a few seconds is a few events, not thirty. And
when the time for them is over."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from sfu.model import Refused
from signaling.follower import Decision
from signaling.lesson import quiz
from signaling.lesson.change import Change
from signaling.lesson.fields import State
from signaling.replica import Record
from signaling.wire import QUIZ_LATE_MS

GATHER_S: Final = 0.3
"""How long the first of them waits for others."""
LIMIT_S: Final = 15.0


@dataclass(slots=True)
class _Waiting:
    decision: Decision
    outcome: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    refused: Refused | None = None


class Answers:
    """One lesson's. Each client waits for its answer before it asks for more, so as many wait as there are
    clients."""

    def __init__(
        self,
        execute: Callable[[Decision, str | None], Awaitable[int]],
        spawn: Callable[[Coroutine[Any, Any, Any]], None],
    ) -> None:
        self._execute = execute
        self._spawn = spawn
        self._waiting: list[_Waiting] = []
        self._ends_ms: float | None = None

    async def give(self, decision: Decision) -> int:
        """Carry it out together with others'; the number of their event, which is nobody's in particular
        (``by`` None). Raises Refused, for its own reasons only, or ``internal``."""
        waiting = _Waiting(decision)
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            self._spawn(self._write())
        try:
            async with asyncio.timeout(LIMIT_S):
                return await waiting.outcome
        except TimeoutError:
            raise Refused("internal", "answers were not written") from None

    def heard(self, event: Record | None) -> None:
        """An event of the lesson; None: its state was replaced."""
        if event is None or any(path.startswith("quiz/") for path in event.set):
            self._ends_ms = None

    def time_up(self, state: State, now_ms: int) -> bool:
        """Whether a quiz has had its time; asked a few times a second, so it looks only when one has
        changed."""
        if self._ends_ms is None:
            running = (each for _, each in quiz.quizzes(state) if each.state == "open")
            ends = [each.ends_at_ms for each in running if each.ends_at_ms is not None]
            self._ends_ms = min(ends, default=math.inf)
        return now_ms > self._ends_ms + QUIZ_LATE_MS

    async def _write(self) -> None:
        await asyncio.sleep(GATHER_S)
        together, self._waiting = self._waiting, []
        try:
            number = await self._execute(lambda state: merged(state, together), None)
        except Refused as failed:
            for each in together:
                each.refused = failed
            number = 0
        for each in together:
            if each.outcome.done():
                continue
            if each.refused is not None:
                each.outcome.set_exception(each.refused)
            else:
                each.outcome.set_result(number)


def merged(state: State, together: list[_Waiting]) -> Change | None:
    """One change of them all, each decided on what those before it leave; None: nothing has to change.
    Whoever is refused has the reason noted and changes nothing."""
    now = dict(state)
    made: dict[str, Any] = {}
    expect: set[str] = set()
    kind = ""
    for each in together:
        each.refused = None
        try:
            change = each.decision(now)
        except Refused as refused:
            each.refused = refused
            continue
        if change is None:
            continue
        kind = change.kind
        made |= change.set
        now |= change.set
        expect |= change.expect
    return Change(kind, made, (), frozenset(expect)) if made else None
