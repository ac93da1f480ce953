"""Who directs a bell: makes the lessons, hands out the seats, gathers how it went, ends what is left.

Knows neither Locust nor gevent: ``call`` asks a fleet (raises CallFailed), ``send`` sends a message to
whoever runs users.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from loadtest.meter import Usage
from loadtest.seats import Kind, Options, Place, Seat, seats
from loadtest.verdict import Outcome, Verdict, judge

SPAWN_S: Final = 2.0
"""Time between lessons made and the first to come, for Locust to start everybody."""
USERS_A_SECOND: Final = 50
CLASS_PATIENCE_S: Final = 20.0
PATIENCE_S: Final = 40.0
"""How long after the last should have left everybody is waited for."""

Call = Callable[..., Any]
Send = Callable[[str, Any, str], None]


class CallFailed(Exception):
    """A fleet did not do what it was asked; the message says why."""


class Director:
    """One run. ``begin`` it, answer ``ask`` and ``heard``, and ``conclude`` it once it is ``over``."""

    def __init__(self, options: Options, call: Call, send: Send) -> None:
        self.options = options
        self.began = False
        self.verdict: Verdict | None = None
        self.outcomes: dict[int, Outcome] = {}
        self._call = call
        self._send = send
        self._origin = ""
        self._places: list[Place] = []
        self._seats: dict[Kind, deque[Seat]] = {"teacher": deque(), "student": deque()}
        self._usages: dict[str, list[Usage]] = {}
        self._nodes: set[str] = set()
        self._void: list[str] = []
        self._bell_s = 0.0
        self._deadline_s = 0.0

    def begin(self, origin: str, keys: Sequence[str]) -> None:
        """Make the lessons; from now on seats are handed out. A run that cannot be is void."""
        self._origin = origin
        try:
            if not keys:
                raise CallFailed("no teacher's key")
            made = self._call("prepare", origin=origin, keys=list(keys), lessons=self.options.lessons)
            self._places = msgspec.convert(made, list[Place])
        except CallFailed as error:
            self._void.append(f"no lessons could be made: {error}")
        everybody = seats(self.options, origin, self._places, patience_s=CLASS_PATIENCE_S)
        for seat in everybody:
            self._seats[seat.kind].append(seat)
        spawning_s = SPAWN_S + self.options.people / USERS_A_SECOND
        self._bell_s = time.monotonic() + spawning_s + self.options.lead_s
        last_s = max((seat.at_s for seat in everybody), default=0.0)
        self._deadline_s = self._bell_s + last_s + self.options.stay_s + PATIENCE_S
        self.began = True

    def ask(self, kind: Kind, node: str) -> None:
        """A user of this kind wants a seat; none is sent when all are taken."""
        free = self._seats[kind]
        seat = free.popleft() if free else None
        in_s = self._bell_s + seat.at_s - time.monotonic() if seat is not None else 0.0
        self._send("bell_seat", {"kind": kind, "seat": msgspec.to_builtins(seat), "in_s": in_s}, node)

    def heard(self, outcome: dict[str, Any], node: str) -> None:
        """A person is done."""
        found = msgspec.convert(outcome, Outcome)
        self.outcomes[found.number] = found
        self._nodes.add(node)

    def used(self, usages: list[dict[str, Any]], node: str) -> None:
        """What a node's processes took; the last word of a node counts."""
        self._usages[node] = msgspec.convert(usages, list[Usage])

    @property
    def over(self) -> bool:
        """Whether there is nothing to wait for."""
        if not self.began:
            return False
        if not self._places or time.monotonic() > self._deadline_s:
            return True
        return len(self.outcomes) >= self.options.people and self._nodes <= self._usages.keys()

    def progress(self) -> str:
        """One line."""
        to_bell_s = time.monotonic() - self._bell_s
        done = len(self.outcomes)
        return f"bell {to_bell_s:+.0f} s: {done} of {self.options.people} people are done"

    def conclude(self) -> Verdict:
        """End what is left and judge, once."""
        if self.verdict is not None:
            return self.verdict
        if not self.over:
            self._void.append("it was ended before everybody was done")
        elif self._places and not self._usages:
            self._void.append("the generator's own CPU is not known")
        found = {"swept": 0, "left": len(self._places)}
        if self._places:
            try:
                places = msgspec.to_builtins(self._places)
                found = self._call("sweep", origin=self._origin, places=places)
            except CallFailed as error:
                self._void.append(f"nobody knows which lessons are left: {error}")
        usages = [
            msgspec.structs.replace(
                usage, name=f"{usage.name} {number}" if len(self._usages) > 1 else usage.name
            )
            for number, node in enumerate(sorted(self._usages), 1)
            for usage in self._usages[node]
        ]
        self.verdict = judge(
            self.options,
            [self.outcomes[number] for number in sorted(self.outcomes)],
            usages,
            leftovers=found["left"],
            swept=found["swept"],
            void=self._void,
        )
        return self.verdict
