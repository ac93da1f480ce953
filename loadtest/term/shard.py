"""One process of a term: a signalling process whose clients are within it.

``python -m loadtest.term.shard``: settings as signalling's, what to live as JSON on stdin. Each lesson is
announced by the door, joined by its tickets, lived through ``Session.receive`` with the bytes that a
WebSocket would bring, ended, copied to SQL and looked up there. One of REPEATED is lived once more over real
WebSockets, and its log must be the same. One JSON line on stdout now and then, the last one with ``done``.
What is behind it is in ``term-shard-N.json`` in the var folder: another start goes on from there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import uvloop
from sqlalchemy.exc import SQLAlchemyError

from config.logs import log_to_stderr
from config.settings import load_settings
from loadtest.door import code_of
from loadtest.term.life import TEACHER, Life, life, numbers
from loadtest.term.progress import Done, read, write
from loadtest.term.replay import comparable, live_by_sockets
from sfu.model import Refused
from signaling import wire
from signaling.admission import Browser
from signaling.app import Signalling, wall_clock
from signaling.codec import builtins, pack, unpack
from signaling.session import Session
from signaling.tickets import issue_one_time_key

TEACHERS: Final = 50
AT_ONCE: Final = 24
"""Lessons that one process lives side by side."""
LOOK_UP: Final = 100
"""So many lessons are looked up in SQL together."""
REPEATED: Final = 10_000
"""One of so many lessons is lived once more over WebSockets; the first one always is."""
SAY_S: Final = 2.0
MOST_LINES: Final = 100
WELCOME_LIMIT_S: Final = 30.0
_WELCOME: Final = pack("welcome")
"""How its kind stands in a welcome's first bytes."""
_KIND_WITHIN: Final = 32


class Orders(msgspec.Struct, frozen=True):
    """What to live: this shard's lessons of ``lessons``."""

    lessons: int
    shard: int
    shards: int
    seed: int = 0
    at_once: int = AT_ONCE


class Tally(msgspec.Struct):
    """What became of a shard's lessons so far, in all its runs."""

    verified: int = 0
    events: int = 0
    people: int = 0
    frames_in: int = 0
    frames_out: int = 0
    lost: int = 0
    """Lessons that are not as they should be."""
    why: list[str] = msgspec.field(default_factory=list)
    """A line for each of them, the first hundred."""
    repeated: int = 0
    """Lessons that were the same over WebSockets."""
    cpu_s: float = 0.0
    elapsed_s: float = 0.0


class Kept(msgspec.Struct):
    """A shard's file."""

    orders: Orders
    done: Done = msgspec.field(default_factory=Done)
    tally: Tally = msgspec.field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class _Lived:
    lesson: str
    number: int
    events: int
    people: int
    frames_in: int
    frames_out: int


class Lost(Exception):
    """A lesson did not go as it had to."""


class _Person:
    """A client's end of a session: takes what would be sent, as the socket does."""

    def __init__(self, signalling: Signalling, seat: str) -> None:
        self._woken = asyncio.Event()
        self._welcomed = False
        self.got = 0
        self.session = Session(
            signalling.lessons,
            signalling.keys.tickets,
            f"{signalling.process}/{seat}",
            lambda: wall_clock() // 1000,
            self._woken.set,
        )

    def drain(self) -> bytes:
        """Take everything; the last of it."""
        last = b""
        while (message := self.session.take()) is not None:
            last = message
            self.got += 1
            self._welcomed = self._welcomed or _WELCOME in message[:_KIND_WITHIN]
        return last

    async def is_in(self) -> None:
        """Wait for the welcome; raises Lost when none comes."""
        try:
            async with asyncio.timeout(WELCOME_LIMIT_S):
                while True:
                    self._woken.clear()
                    self.drain()
                    if self._welcomed:
                        return
                    if self.session.closed:
                        raise Lost(f"not let in: {self.session.closing}")
                    await self._woken.wait()
        except TimeoutError:
            raise Lost("no welcome") from None


class Shard:
    """``run`` it once."""

    def __init__(self, signalling: Signalling, orders: Orders, file: Path) -> None:
        """``file``: what is behind it, of another start too; raises ValueError when that had other orders."""
        kept = read(file, Kept) or Kept(orders, Done(orders.shard))
        if kept.orders != orders:
            raise ValueError(f"{file} is of another term: {kept.orders}")
        self._signalling = signalling
        self._orders = orders
        self._file = file
        self._kept = kept
        self.tally = kept.tally
        self._left: Iterator[int] = (
            number
            for number in numbers(orders.lessons, orders.shard, orders.shards)
            if number not in kept.done
        )
        self._lived: list[_Lived] = []
        self._looking = asyncio.Lock()
        self._began_s = time.monotonic() - self.tally.elapsed_s
        self._began_cpu_s = time.process_time() - self.tally.cpu_s

    async def run(self) -> Tally:
        """Live all of them, look all of them up."""
        teachers = [await self._teacher(number) for number in range(TEACHERS)]
        talking = asyncio.create_task(self._talk())
        try:
            await asyncio.gather(*(self._live_on(teachers) for _ in range(self._orders.at_once)))
            await self._look_up(all_of_them=True)
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
        self._count()
        return self.tally

    async def _teacher(self, number: int) -> Browser:
        return Browser(f"desk{number}", await self._signalling.admission.sign_in(self._key(number)))

    def _key(self, number: int) -> str:
        now_s = wall_clock() // 1000
        return issue_one_time_key(self._signalling.keys.cookies, f"teacher{number}", now_s)

    async def _live_on(self, teachers: list[Browser]) -> None:
        for number in self._left:
            try:
                lived = await self._live(number, teachers[number % len(teachers)])
                self._lived.append(lived)  # not in one line: the list may be another one by now
                if number % REPEATED == 0:
                    await self._repeat(number, lived.lesson)
            except (Lost, Refused, SQLAlchemyError) as error:
                self._lose(number, str(error) or getattr(error, "code", "refused"))
            if len(self._lived) >= LOOK_UP and not self._looking.locked():
                await self._look_up()

    async def _repeat(self, number: int, lesson: str) -> None:
        """Once more over WebSockets; raises Lost when its log is another one."""
        plan, origin = life(number, self._orders.seed), f"http://127.0.0.1:{self._signalling.port}"
        try:
            again = await live_by_sockets(origin, self._key(number % TEACHERS), plan)
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            raise Lost(f"not to be repeated over WebSockets: {error!r}") from None
        await self._signalling.archive.flush()
        catalog = self._signalling.catalog
        first, second = [comparable(await catalog.events(each)) for each in (lesson, again)]
        for one, other in zip(first, second, strict=False):
            if one != other:
                raise Lost(f"over WebSockets {other} came instead of {one}")
        if len(first) != len(second):
            raise Lost(f"over WebSockets it has {len(second)} events instead of {len(first)}")
        self.tally.repeated += 1

    def _lose(self, number: int, why: str) -> None:
        self._kept.done.add(number, self._orders.shards)
        self.tally.lost += 1
        if len(self.tally.why) < MOST_LINES:
            self.tally.why.append(f"lesson {number}: {why}")

    # --- one life ---------------------------------------------------------------------------------------

    async def _live(self, number: int, teacher: Browser) -> _Lived:
        plan = life(number, self._orders.seed)
        request = wire.NewLesson(plan.title, plan.subject, plan.grade, "Anna Orlova")
        info = await self._signalling.admission.new_lesson(teacher, request)
        people: dict[int, _Person] = {}
        last = frames_out = 0
        try:
            for step in plan.steps:
                if step.what == "come":
                    people[step.who] = await self._come(plan, info, step.who, teacher)
                    if step.who == TEACHER:
                        for each in people.values():
                            await each.is_in()
                    elif TEACHER in people:
                        await people[step.who].is_in()
                    continue
                person = people[step.who]
                person.drain()
                await person.session.receive(step.frame)
                if step.what == "ask":
                    last = max(last, _done(person.drain(), step.number))
        finally:
            for person in people.values():
                person.drain()
                await person.session.end()
                frames_out += person.got
        return _Lived(info.lesson, number, last, len(people), len(plan.steps), frames_out)

    async def _come(self, plan: Life, info: wire.LessonInfo, who: int, teacher: Browser) -> _Person:
        admission = self._signalling.admission
        if who == TEACHER:
            reply = await admission.join(teacher, wire.JoinRequest(code_of(info.teacher_link)))
        else:
            request = wire.JoinRequest(code_of(info.student_link), plan.names[who - 1])
            reply = await admission.join(Browser(f"device{who}"), request)
        person = _Person(self._signalling, f"{info.lesson}/{who}")
        await person.session.receive(pack(builtins(wire.Hello(ticket=reply.ticket))))
        return person

    # --- what is left of it -------------------------------------------------------------------------------

    async def _look_up(self, *, all_of_them: bool = False) -> None:
        async with self._looking:
            while len(self._lived) >= (1 if all_of_them else LOOK_UP):
                batch, self._lived = self._lived[:LOOK_UP], self._lived[LOOK_UP:]
                await self._signalling.archive.flush()
                found = await self._signalling.catalog.copied([each.lesson for each in batch])
                for each in batch:
                    copied = found.get(each.lesson)
                    if copied is None or (copied.events, copied.last) != (each.events, each.events):
                        self._lose(each.number, f"of {each.events} events SQL has {copied}")
                    elif copied.state != "ended" or copied.people != each.people:
                        self._lose(each.number, f"of {each.people} people SQL has {copied}")
                    else:
                        self._verify(each)
                self._count()
                write(self._file, self._kept)

    def _verify(self, lived: _Lived) -> None:
        if lived.number in self._kept.done:
            return  # lost over WebSockets
        self._kept.done.add(lived.number, self._orders.shards)
        self.tally.verified += 1
        self.tally.events += lived.events
        self.tally.people += lived.people
        self.tally.frames_in += lived.frames_in
        self.tally.frames_out += lived.frames_out

    def _count(self) -> None:
        self.tally.cpu_s = time.process_time() - self._began_cpu_s
        self.tally.elapsed_s = time.monotonic() - self._began_s

    async def _talk(self) -> None:
        while True:
            await asyncio.sleep(SAY_S)
            self._count()
            print(json.dumps(msgspec.to_builtins(self.tally)), flush=True)


def _done(answer: bytes, number: int) -> int:
    """The number of the event that a request made, 0 when none; raises Lost when it was refused. To who ends
    a lesson its end is the answer."""
    said: Any = unpack(answer) if answer else {}
    if (said.get("t"), said.get("kind")) == ("event", "ended"):
        return int(said["number"])
    if said.get("t") != "done" or said.get("id") != number:
        raise Lost(f"request {number} was answered with {said}")
    return int(said.get("number", 0))


async def main() -> int:
    """The exit code."""
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)
    log_to_stderr("warning")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings = load_settings()
    signalling = Signalling(settings)
    await signalling.start()
    print(json.dumps({"ready": True}), flush=True)
    try:
        file = Path(settings.paths.var) / f"term-shard-{orders.shard}.json"
        tally = await Shard(signalling, orders, file).run()
    finally:
        await signalling.close()
    print(json.dumps({**msgspec.to_builtins(tally), "done": True}), flush=True)
    return 0


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        raise SystemExit(runner.run(main()))
