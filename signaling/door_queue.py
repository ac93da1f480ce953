"""The queue at the door, for a bell that brings more people than one process can let in. Pure: time is an
argument.

Who comes gets a number; numbers are called in order at a steady rate, and who is called comes in when they
ask next. One who is called and stays away has cost the others one admission, and nobody waits for them.

Each process has a queue of its own, and who asks again may come to another one. They bring with them when it
is their turn, and come in then: the admission is counted where the number was given.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from math import ceil
from random import Random
from typing import Final

MOST: Final = 20_000
"""People with a place."""
FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 10.0
KEPT_S: Final = LAST_RETRY_S + 30.0
"""A place is forgotten when its owner has not asked for this time."""
FULL_RETRY_S: Final = 30.0
SPREAD: Final = 1.4
"""Up to this times the wait: who came at one moment does not come back at one moment."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """Come in."""


@dataclass(frozen=True, slots=True)
class Waits:
    """``place`` counts from 1 and never grows; ``wait_s`` is about when it is one's turn, ``retry_s`` when to
    ask again."""

    place: int
    wait_s: float
    retry_s: float


@dataclass(frozen=True, slots=True)
class Full:
    """No place is left, nothing is remembered."""

    retry_s: float


@dataclass(frozen=True, slots=True)
class _Place:
    number: int
    asked_s: float


class DoorQueue:
    """``per_s`` people a second, one second's worth at once after a quiet time."""

    def __init__(self, per_s: float, random: Random, now_s: float, most: int = MOST) -> None:
        self._per_s = per_s
        self._random = random
        self._most = most
        self._tokens = per_s
        self._at_s = now_s
        self._places: OrderedDict[str, _Place] = OrderedDict()
        """Who waits or was called, the one who asked longest ago first."""
        self._gone: set[int] = set()
        """Numbers to come whose owners are forgotten: calling them costs nothing."""
        self._called = 0
        self._given = 0

    def ask(
        self, who: str, leads: bool, now_s: float, turn_s: float | None = None
    ) -> Admitted | Waits | Full:
        """Who leads comes in always, before all others, who wait for it; at most a second's worth longer.

        ``turn_s``: when it is the turn of one who has a number at another process.
        """
        self._advance(now_s)
        if leads:
            self._tokens = max(-self._per_s, self._tokens - 1)
            return Admitted()
        place = self._places.get(who)
        if place is None and turn_s is not None:
            return self._as_told_elsewhere(turn_s - now_s)
        if place is None:
            if self._called == self._given and self._tokens >= 1:
                self._tokens -= 1
                return Admitted()
            if len(self._places) >= self._most:
                return Full(FULL_RETRY_S)
            self._given += 1
            place = _Place(self._given, now_s)
        elif place.number <= self._called:
            del self._places[who]
            return Admitted()
        self._places[who] = replace(place, asked_s=now_s)
        self._places.move_to_end(who)
        ahead = place.number - self._called
        wait_s = self._wait_s(ahead)
        return Waits(ahead, wait_s, self._retry_s(wait_s))

    def waits(self, who: str) -> bool:
        """Whether somebody has a place."""
        return who in self._places

    def _advance(self, now_s: float) -> None:
        elapsed = max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._tokens = min(self._per_s, self._tokens + elapsed * self._per_s)
        while self._places:
            who, place = next(iter(self._places.items()))
            if now_s - place.asked_s <= KEPT_S:
                break
            del self._places[who]
            if place.number > self._called:
                self._gone.add(place.number)
        while self._called < self._given:
            gone = self._called + 1 in self._gone
            if not gone and self._tokens < 1:
                break
            self._called += 1
            if gone:
                self._gone.remove(self._called)
            else:
                self._tokens -= 1

    def _as_told_elsewhere(self, wait_s: float) -> Admitted | Waits:
        if wait_s <= 0:
            return Admitted()
        return Waits(ceil(wait_s * self._per_s), wait_s, self._retry_s(wait_s))

    def _wait_s(self, ahead: int) -> float:
        return (ahead - min(0.0, self._tokens)) / self._per_s

    def _retry_s(self, wait_s: float) -> float:
        spread_s = min(wait_s, LAST_RETRY_S / SPREAD) * self._random.uniform(1, SPREAD)
        return min(max(spread_s, FIRST_RETRY_S), LAST_RETRY_S)
