"""A whole lesson while one student's line is bad: what that student sees and hears, and what the others get.

The student is a page in Chromium, which reports as browsers do, so that the server's allocation is at work;
the others are sockets on clean lines that count what comes. Each line begins with the page opened anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, Final

from loadtest.bench._join_visitors import School, Visitor
from loadtest.bench._network_pages import Look, Pages
from loadtest.bench._page_media import FRAMES_S, HEIGHT
from loadtest.bench.record import Server
from loadtest.network import CLEAN, Impairment
from sfu.model import SlotIndex

OTHERS: Final = 3
SETTLE_S: Final = 2.0
RECOVER_LIMIT_S: Final = 40.0
_KEEP_S: Final = 2.5
_LOOK_S: Final = 0.1
_FLOWS_FRAMES: Final = FRAMES_S // 2
"""Half of the frames in a second are a picture that flows."""


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of one line."""

    name: str
    line: Impairment


class _Other:
    """Somebody who looks on, on a clean line."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.octets = 0
        visitor.media = self._take

    def _take(self, data: bytes, _: int) -> None:
        self.octets += len(data)


class _Lesson:
    """The pages, the others, and what is read off them."""

    def __init__(self, pages: Pages, others: Sequence[_Other], server: Server) -> None:
        self._pages = pages
        self._others = others
        self._server = server

    async def measure(self, what: str, seconds: float) -> dict[str, Any]:
        """What the student gets, and each other, in so many seconds; in a row."""
        before, octets = await self._pages.look(), [other.octets for other in self._others]
        used_s, own_s, began_s = self._browsers_s(), time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        elapsed_s = time.monotonic() - began_s
        after = await self._pages.look()
        played = after.played - before.played
        got = [other.octets - sofar for other, sofar in zip(self._others, octets, strict=True)]
        return {
            "line": what,
            "kbit_s": round((after.octets - before.octets) * 8 / 1000 / elapsed_s),
            "height": after.height,
            "frames_s": round((after.frames - before.frames) / elapsed_s, 1),
            "freezes_min": round((after.freezes - before.freezes) * 60 / elapsed_s, 1),
            "frozen_percent": round(100 * (after.frozen_s - before.frozen_s) / elapsed_s, 1),
            "concealed_percent": round(100 * (after.concealed - before.concealed) / played, 2)
            if played
            else None,
            "others_kbit_s": round(mean(got) * 8 / 1000 / elapsed_s),
            "drop_s": None,
            "back_s": None,
            "generator_cpu": round((time.process_time() - own_s) / elapsed_s, 3),
            "browsers_cpu": round((self._browsers_s() - used_s) / elapsed_s, 3),
        }

    async def until(self, holds: Callable[[Look, Look], bool], limit_s: float) -> float | None:
        """Seconds until two looks, a second apart, are as wanted; None: not within the limit."""
        began_s = time.monotonic()
        looks = [(began_s, await self._pages.look())]
        while (now_s := time.monotonic()) - began_s < limit_s:
            await asyncio.sleep(_LOOK_S)
            look = await self._pages.look()
            looks.append((time.monotonic(), look))
            earlier = [each for at_s, each in looks if at_s <= now_s - 1]
            if earlier and holds(earlier[-1], look):
                return round(time.monotonic() - began_s, 1)
        return None

    def _browsers_s(self) -> float:
        """CPU seconds of everything that this process started, without the server."""
        server = self._server.processes()
        return sum(_cpu_s(pid) for pid in _descendants(os.getpid()) if pid not in server)


def flows(before: Look, after: Look) -> bool:
    """In a second the picture came in full size and most of its frames."""
    return after.height == HEIGHT and after.frames - before.frames >= _FLOWS_FRAMES


def dropped(before: Look, after: Look) -> bool:
    """The picture is smaller than it was, or most of its frames stay away."""
    return after.height < HEIGHT or after.frames - before.frames < _FLOWS_FRAMES


async def measure(
    lines: Sequence[Step], rates: Sequence[Step], plane: str, seconds: float, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """A row for each of ``lines``, each on its own, and for ``rates``, one after the other; the first of each
    is what the others' change is counted from, so it should be clean."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="zvonok-bench-"))
        server = Server(Path(folder), media__plane=plane)
        stack.push_async_callback(server.stop)
        await server.start()
        pages = await stack.enter_async_context(Pages.lesson(server.teacher_link))
        school = School(server, stack)
        stack.push_async_callback(school.clear)
        others = []
        for _ in range(OTHERS):
            others.append(other := _Other(await school.student(pages.student_link)))
            await other.visitor.offer(0)
            await other.visitor.client.draw({SlotIndex.STAGE_VIDEO: HEIGHT, SlotIndex.STAGE_SOUND: 1})
            await stack.enter_async_context(school.always(_KEEP_S, other.visitor.keep))
        lesson = _Lesson(pages, others, server)
        rows = []
        for step in lines:
            say(f"a page over a line: {step.name}")
            await pages.again()
            pages.impair(step.line)
            await asyncio.sleep(SETTLE_S)
            row = await lesson.measure(step.name, seconds)
            pages.impair(CLEAN)
            row["back_s"] = await lesson.until(flows, RECOVER_LIMIT_S)
            rows.append(row)
        await pages.again()
        for number, step in enumerate(rates):
            say(f"a page over a line: {step.name}")
            pages.impair(step.line)
            away = await lesson.until(dropped, SETTLE_S + seconds) if number == 1 else None
            back = await lesson.until(flows, RECOVER_LIMIT_S) if number == 2 else None
            rows.append({**await lesson.measure(step.name, seconds), "drop_s": away, "back_s": back})
    return rows


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *_descendants(int(child))]
    return found


def _cpu_s(pid: int) -> float:
    """0 for a process that has just ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
