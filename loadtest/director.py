"""Who directs a run: makes the lessons, hands out the seats, gathers how it went, ends what is left.

Knows neither Locust nor gevent: ``call`` asks a fleet (raises CallFailed), ``send`` sends a message to
whoever runs users, ``strike`` kills a worker and says which (raises OSError).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from loadtest.meter import Usage
from loadtest.scenario import SCENARIOS
from loadtest.seats import Kind, Options, Place, Seat, seats
from loadtest.verdict import Outcome, Verdict, judge

USERS_A_SECOND: Final = 50
SPAWN_LIMIT_S: Final = 60.0
"""How long everybody's user is waited for; then it begins with those who are there."""
SOON_S: Final = 0.5
"""Between the seats and the first who may come, so that no message is late."""
PATIENCE_S: Final = 40.0
"""How long after the last should have left everybody is waited for."""

Call = Callable[..., Any]
Send = Callable[[str, Any, str], None]
Strike = Callable[[], str]
Say = Callable[[str], None]


class CallFailed(Exception):
    """A fleet did not do what it was asked; the message says why."""


class Director:
    """One run. ``begin`` it, answer ``ask`` and ``heard``, and ``conclude`` it once it is ``over``."""

    def __init__(
        self, options: Options, call: Call, send: Send, strike: Strike | None = None, say: Say = print
    ) -> None:
        self.options = options
        self._all = options.people
        self.began = False
        self.verdict: Verdict | None = None
        self.outcomes: dict[int, Outcome] = {}
        self._call = call
        self._send = send
        self._strike = strike
        self._say = say
        self._origin = ""
        self._places: list[Place] = []
        self._seats: dict[Kind, deque[Seat]] = {"teacher": deque(), "student": deque()}
        self._asked: list[tuple[Kind, str]] = []
        self._began_s = 0.0
        self._rang = False
        self._to_kill = options.kill_s > 0
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
            made = self._call("prepare", origin=origin, keys=list(keys), lessons=self.options.all_lessons)
            self._places = msgspec.convert(made, list[Place])
        except CallFailed as error:
            self._void.append(f"no lessons could be made: {error}")
        bad_lines = SCENARIOS[self.options.scenario].bad_lines
        for seat in seats(self.options, origin, self._places, bad_lines=bad_lines):
            self._seats[seat.kind].append(seat)
        self._began_s = time.monotonic()
        self.began = True

    def ask(self, kind: Kind, node: str) -> None:
        """A user of this kind wants a seat. All get theirs at once when the last has asked."""
        self._asked.append((kind, node))
        if self._rang or len(self._asked) >= self._all:
            self._seat()

    def _seat(self) -> None:
        """Seats for who asked; None for who asked in vain. The first time the bell is set, too."""
        if not self._rang:
            everybody = [*self._seats["teacher"], *self._seats["student"]]
            self._rang = True
            self._bell_s = time.monotonic() + SOON_S - min([0.0, *(seat.at_s for seat in everybody)])
            last_s = max((seat.at_s for seat in everybody), default=0.0)
            self._deadline_s = self._bell_s + last_s + self.options.stay_s + PATIENCE_S
        asked, self._asked = self._asked, []
        for kind, node in asked:
            free = self._seats[kind]
            seat = free.popleft() if free else None
            in_s = self._bell_s + seat.at_s - time.monotonic() if seat is not None else 0.0
            self._send("bell_seat", {"kind": kind, "seat": msgspec.to_builtins(seat), "in_s": in_s}, node)

    def heard(self, outcome: dict[str, Any], node: str) -> None:
        """A person is done."""
        found = msgspec.convert(outcome, Outcome)
        self.outcomes[found.number] = found
        self._nodes.add(node)

    def used(self, usages: list[dict[str, Any]], fault: str, node: str) -> None:
        """What a node's processes took, and why that is not all of it; the last word of a node counts."""
        if fault:
            self._void.append(f"a fleet was lost: {fault}")
        self._usages[node] = msgspec.convert(usages, list[Usage])

    def look(self) -> None:
        """Now and then: begin without users who do not come; kill a worker when it is time for that."""
        if self.began and not self._rang and time.monotonic() > self._began_s + SPAWN_LIMIT_S:
            self._seat()
        if self._rang and self._to_kill and time.monotonic() >= self._bell_s + self.options.kill_s:
            self._kill()

    def _kill(self) -> None:
        self._to_kill = False
        try:
            if self._strike is None:
                raise ProcessLookupError("no server of its own")
            self._say(f"killed: {self._strike()}")
        except OSError as error:
            self._void.append(f"no worker could be killed: {error}")

    @property
    def over(self) -> bool:
        """Whether there is nothing to wait for."""
        if not self.began or not self._places:
            return self.began
        if not self._rang:
            return False
        if time.monotonic() > self._deadline_s:
            return True
        return len(self.outcomes) >= self._all and self._nodes <= self._usages.keys()

    def progress(self) -> str:
        """One line."""
        if not self._rang:
            return f"{len(self._asked)} of {self._all} users are ready"
        to_bell_s = time.monotonic() - self._bell_s
        done = len(self.outcomes)
        return f"bell {to_bell_s:+.0f} s: {done} of {self._all} people are done"

    def conclude(self) -> Verdict:
        """End what is left and judge, once."""
        if self.verdict is not None:
            return self.verdict
        if not self.over:
            self._void.append("it was ended before everybody was done")
        elif self._places and not self._usages:
            self._void.append("the generator's own CPU is not known")
        if self._to_kill and not self._void:
            self._void.append("it was over before the worker was killed")
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
