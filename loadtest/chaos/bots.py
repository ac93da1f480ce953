"""People who stay: a client that comes back as the page does, tells a witness all it hears, and speaks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from random import Random
from typing import Any, Final

import aiohttp

from loadtest.chaos.invariants import Witness, twice
from loadtest.chaos.recovery import Asked, Hearing
from loadtest.client import LessonClient
from loadtest.door import Door
from loadtest.tracks import Tone
from sfu.model import MediaKind, Refused, Source, slot_kind
from signaling import wire

_SOCKET_BACKOFF_S: Final = 0.4
_MEDIA_BACKOFF_S: Final = 0.5
_LONGEST_BACKOFF_S: Final = 1.0
"""As the page's in the first minute of an outage (``web/src/core/backoff.ts``)."""
_PASSING: Final = frozenset({"internal", "rate_limited", "no_worker", "worker_lost", "hello_timeout"})
_TICKET: Final = frozenset({"ticket_bad", "ticket_expired"})
_BEAT_S: Final = 0.25
_CHAT_EVERY: Final = 5

LOSSES: Final = (OSError, TimeoutError, aiohttp.ClientError)
"""What a request or a connection ends with when the server, or a part of it, is gone."""


def backoff_s(first_s: float, attempt: int, random: float) -> float:
    """When to try again; ``attempt`` counts from 0, ``random`` is 0..1."""
    ceiling: float = min(_LONGEST_BACKOFF_S, first_s * 2 ** min(attempt, 20))
    return ceiling * (0.5 + random / 2)


class Bot(LessonClient):
    """One person who stays: ``stay`` comes in and comes back until it is cancelled.

    ``fault`` is told of whatever breaks an invariant. The rules of coming back are the page's: a new socket
    that resumes after the last event; a new media connection when the welcome says that the old one is dead,
    when the lesson moved, and when the worker ended it.
    """

    def __init__(
        self,
        door: Door,
        code: str,
        reply: wire.JoinReply,
        witness: Witness,
        fault: Callable[[str], None],
        *,
        speaks: bool = False,
        listens: bool = False,
        chance: Random,
    ) -> None:
        super().__init__(door, code, reply)
        self.witness = witness
        self.hearing = Hearing()
        self.welcomed_s: list[float] = []
        self.asked: list[Asked] = []
        self.acknowledged: list[str] = []
        self.may_end = False
        """Whether the lesson's end is no fault."""
        self._fault = fault
        self._speaks = speaks
        self._listens = listens
        self._chance = chance
        self._connecting: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """For the report."""
        return self.witness.name

    @property
    def inside(self) -> bool:
        """Whether the socket is up and welcomed."""
        return self.connected and self.welcome is not None

    # --- coming back -------------------------------------------------------------------------------

    async def stay(self) -> None:
        """Come in, and again after each loss. Returns only when the server shuts the door for good."""
        attempt, renewed = 0, False
        while True:
            at_once = False
            try:
                await self.connect(resume=self.number > 0)
                attempt, renewed = 0, False
                await self.gone()
            except Refused as refused:
                if refused.code in _TICKET:
                    at_once, renewed = not renewed, True
                    with contextlib.suppress(*LOSSES, Refused):
                        await self.renew()
            except LOSSES:
                pass
            if self._shut_out:
                return
            with contextlib.suppress(OSError):
                await self.cut()
            if not at_once:
                await asyncio.sleep(backoff_s(_SOCKET_BACKOFF_S, attempt, self._chance.random()))
                attempt += 1

    @property
    def _shut_out(self) -> bool:
        closed = self.closed
        if closed is None or closed.retry or closed.code in {*_PASSING, *_TICKET}:
            return False
        if not (self.may_end and closed.code == "ended"):
            self._fault(f"{self.name}: was closed with {closed.code}")
        return True

    async def stop(self) -> None:
        """Hang up without a word."""
        await _cancelled(self._connecting)
        with contextlib.suppress(OSError):
            await self.cut()
        if self.call is not None:
            await self.call.close()

    def _take(self, message: wire.ServerMessage) -> None:
        super()._take(message)
        for fault in self.witness.take(message):
            self._fault(fault)
        match message:
            case wire.Welcome():
                self.welcomed_s.append(time.monotonic())
                self._check_people()
                call = self.call
                kept = call is not None and call.lease == message.lease and message.media_alive
                if not kept or self._is_connecting:
                    self._renew(0.0)
            case wire.Event() if any(path.startswith("person/") for path in message.set):
                self._check_people()
            case wire.Moved() if self.call is not None and self.call.lease != message.lease:
                self._renew(message.delay_ms / 1000)
            case wire.MediaLost() if self.call is not None and self.call.number == message.connection:
                self._renew(0.0)
            case _:
                pass

    def _check_people(self) -> None:
        for name in twice(self.fields):
            self._fault(f"{self.name}: {name} is here twice")

    # --- media ----------------------------------------------------------------------------------------

    @property
    def _is_connecting(self) -> bool:
        return self._connecting is not None and not self._connecting.done()

    def _renew(self, delay_s: float) -> None:
        if self._speaks or self._listens:
            self._connecting = asyncio.create_task(self._connect_media(self._connecting, delay_s))

    async def _connect_media(self, former: asyncio.Task[None] | None, delay_s: float) -> None:
        """A new media connection, tried until it is there; without a socket the next welcome tries."""
        await _cancelled(former)
        await asyncio.sleep(delay_s)
        attempt = 0
        while self.inside:
            tracks = {Source.MICROPHONE: Tone()} if self._speaks else None
            try:
                await self.connect_media(tracks, tiles=0, frames=self._heard if self._listens else None)
            except (*LOSSES, Refused):
                await asyncio.sleep(backoff_s(_MEDIA_BACKOFF_S, attempt, self._chance.random()))
                attempt += 1
            else:
                return

    def _heard(self, slot: int, _: Any) -> None:
        if self.call is not None and slot_kind(slot) is MediaKind.AUDIO:
            self.hearing.heard(self.call.lease, time.monotonic())

    async def packets_lost(self) -> tuple[int, int]:
        """Number of the media connection (0: none), and the packets of sound it lost so far."""
        if self.call is None:
            return 0, 0
        reports = [
            await section.receiver.getStats()
            for index, section in enumerate(self.call.slots)
            if slot_kind(index) is MediaKind.AUDIO
        ]
        return self.call.number, sum(
            each.packetsLost for report in reports for each in report.values() if each.type == "inbound-rtp"
        )

    # --- speaking ----------------------------------------------------------------------------------------

    async def talk(self) -> None:
        """Raise and lower the hand and say something in between, one after the other, until cancelled."""
        number = 0
        while True:
            await asyncio.sleep(_BEAT_S)
            if not self.inside:
                continue
            number += 1
            text = f"{self.name} says {number}" if number % _CHAT_EVERY == 0 else ""
            sent_s = time.monotonic()
            try:
                await (self.chat(text) if text else self.raise_hand(up=number % 2 == 1))
            except TimeoutError:
                with contextlib.suppress(OSError):
                    await self.cut()  # a line that does not answer is dead
            except (OSError, aiohttp.ClientError, Refused):
                pass
            else:
                self.asked.append(Asked(sent_s, time.monotonic()))
                if text:
                    self.acknowledged.append(text)


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
