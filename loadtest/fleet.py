"""The people of a load test in a process of their own: one asyncio loop that a Locust process asks to act.

Own, because Locust's gevent replaces threads and sockets of the whole process, which aiortc's codecs and
uvloop do not survive, and because times are to be taken where things happen. A request on the socket given
by its descriptor is a msgpack map with ``id`` and ``do``; each gets one reply with its ``id`` and either
``value`` or ``error``. When the socket closes everybody leaves and the process ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
import ssl
import sys
import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgpack
import msgspec
import uvloop

from loadtest.client import LessonClient, use_loopback_candidates
from loadtest.door import Door
from loadtest.light_client import LightKit
from loadtest.meter import TICK_S, Meter
from loadtest.person import Person
from loadtest.seats import Place, Seat
from loadtest.verdict import Sample
from sfu.model import Refused
from signaling import wire

AGAIN_S: Final = 3.0
PATIENCE_S: Final = 90.0
CLOSE_LIMIT_S: Final = 5.0


class Fleet:
    """Everybody who sits in this process. ``ca``: a file of authorities to trust besides the system's."""

    def __init__(self, name: str, ca: str) -> None:
        self.name = name
        self.meter = Meter()
        self._tls = _tls(ca)
        self._kit = LightKit()
        self._people: dict[int, Person] = {}

    async def watch_itself(self) -> None:
        """Note CPU and lateness for ever."""
        while True:
            self.meter.tick(time.monotonic(), time.process_time())
            await asyncio.sleep(TICK_S)

    async def do(self, what: str, values: dict[str, Any]) -> Any:
        """One request; raises what went wrong."""
        match what:
            case "step":
                return await self._step(**values)
            case "close":
                return await self._close(int(values["person"]))
            case "prepare":
                return await self._prepare(**values)
            case "sweep":
                return await self._sweep(**values)
            case "usage":
                return self.meter.usage(self.name, values["since_s"], values["until_s"])
        raise ValueError(f"nobody here can {what}")

    async def close(self) -> None:
        """Everybody leaves."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await asyncio.gather(*map(self._close, list(self._people)), return_exceptions=True)
                await self._kit.lines.close()

    # --- people --------------------------------------------------------------------------------------

    async def _step(
        self, person: int, step: str, seat: dict[str, Any] | None = None, at_s: float = 0.0
    ) -> dict[str, Any]:
        if seat is not None:
            taken = msgspec.convert(seat, Seat)
            _reach(taken.origin)
            self._people[person] = Person(taken, self._tls, self._kit)
        who = self._people[person]
        failed, lost, began_s = False, "", time.monotonic()
        try:
            arguments = (at_s,) if step == "arrive" else ()
            lost = await getattr(who, step)(*arguments) or ""
        except Exception as error:  # noqa: BLE001  # whatever befalls one person is counted as theirs
            failed = True
            spent_ms = (time.monotonic() - began_s) * 1000
            who.samples.append(Sample(who.doing or step, spent_ms, describe(error)))
        return {
            "samples": msgspec.to_builtins(who.take_samples()),
            "failed": failed,
            "lost": lost,
            "late_ms": who.late_ms,
            "came_in": who.came_in,
            "heard": msgspec.to_builtins(who.heard),
            "at_s": time.monotonic(),
        }

    async def _close(self, person: int) -> None:
        who = self._people.pop(person, None)
        if who is not None:
            await who.close()

    # --- lessons -------------------------------------------------------------------------------------

    async def _prepare(self, origin: str, keys: Sequence[str], lessons: int) -> list[Place]:
        """Make the lessons, dealt out to the teachers who sign in with these keys."""
        _reach(origin)
        async with contextlib.AsyncExitStack() as stack:
            doors: list[Door] = []
            for key in keys[:lessons]:
                door = await stack.enter_async_context(Door(origin, tls=self._tls))
                await _patiently(lambda door=door, key=key: door.sign_in(key))
                doors.append(door)
            places = []
            for number in range(lessons):
                door = doors[number % len(doors)]
                title, name = f"Bell test {number + 1}", f"Teacher {number % len(doors) + 1}"
                made: wire.LessonInfo = await _patiently(
                    lambda door=door, title=title, name=name: door.new_lesson(title, teacher_name=name)
                )
                places.append(Place(made.lesson, made.teacher_link, made.student_link, door.cookies))
            return places

    async def _sweep(self, origin: str, places: list[dict[str, Any]]) -> dict[str, int]:
        """End what is not ended; how many that were, and how many could not be."""
        made = msgspec.convert(places, list[Place])
        ours = {place.lesson for place in made}
        swept = left = 0
        for cookies in {tuple(sorted(place.cookies.items())) for place in made}:
            async with Door(origin, tls=self._tls, cookies=dict(cookies)) as door:
                for lesson in (await door.teacher()).lessons:
                    if lesson.lesson in ours and lesson.state != "ended":
                        swept += 1
                        with contextlib.suppress(Refused, OSError, TimeoutError):
                            async with LessonClient.join(door, lesson.teacher_link) as teacher:
                                await teacher.end()
                left += sum(
                    lesson.lesson in ours and lesson.state != "ended"
                    for lesson in (await door.teacher()).lessons
                )
        return {"swept": swept, "left": left}


def describe(error: BaseException) -> str:
    """An error in words that are the same for everybody whom it meets."""
    if isinstance(error, Refused):
        return f"refused: {error.code}"
    if isinstance(error, TimeoutError):
        return "timed out"
    return f"{type(error).__name__}: {error}"[:200]


async def _patiently(ask: Any) -> Any:
    """Ask again while the door says that it is too much at once."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await ask()
        except Refused as refused:
            if refused.code != "rate_limited" or time.monotonic() > deadline_s:
                raise
        await asyncio.sleep(AGAIN_S)


def _tls(ca: str) -> ssl.SSLContext | None:
    if not ca:
        return None
    context = ssl.create_default_context()
    context.load_verify_locations(ca)
    return context


def _reach(origin: str) -> None:
    """A server on this machine is reached by loopback, media too."""
    host = urlsplit(origin).hostname or ""
    with contextlib.suppress(ValueError):
        if not ipaddress.ip_address(host).is_loopback:
            return
        host = "localhost"
    if host == "localhost":
        use_loopback_candidates()


async def _serve(fleet: Fleet, connection: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=connection)
    unpacker = msgpack.Unpacker(raw=False)
    tasks: set[asyncio.Task[None]] = {asyncio.create_task(fleet.watch_itself())}

    async def answer(request: dict[str, Any]) -> None:
        reply: dict[str, Any] = {"id": request["id"]}
        try:
            value = await fleet.do(request["do"], request["values"])
            reply["value"] = msgspec.to_builtins(value)
        except Exception as error:  # noqa: BLE001  # the other process says it
            reply["error"] = describe(error)
        except asyncio.CancelledError:
            reply["error"] = "cancelled"
        writer.write(msgpack.packb(reply))

    writer.write(msgpack.packb({"id": 0, "value": True}))
    while data := await reader.read(65536):
        unpacker.feed(data)
        for request in unpacker:
            task = asyncio.create_task(answer(request))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await fleet.close()
    writer.close()


def main(arguments: Sequence[str]) -> int:
    """``loadtest.fleet NAME DESCRIPTOR [CA-FILE]``; Ctrl-C is for the one who started us."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    name, descriptor, ca = arguments
    uvloop.run(_serve(Fleet(name, ca), socket.socket(fileno=int(descriptor))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
