"""A life once more over real WebSockets, and its log without what differs from one lesson to the next."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import aiohttp

from loadtest.door import Door, code_of
from loadtest.term.life import TEACHER, Life
from signaling import wire
from signaling.codec import builtins, pack, unpack
from signaling.replica import Record

ANSWER_LIMIT_S: Final = 30.0
_TOKEN: Final = re.compile(r"[0-9a-f]{8,}")
_TIME_MS: Final = 10**12
"""Whole numbers from here on are times."""


def comparable(events: Sequence[Record]) -> list[Any]:
    """A lesson's events with everybody's id, every token and every time replaced by how the lesson itself
    would name them: the same person, the same moment's token in the order of their first appearance."""
    names: dict[str, str] = {}

    def name(text: str) -> str:
        return names.setdefault(text, f"#{len(names)}")

    for event in events:
        for path in (*event.set, *event.delete):
            kind, _, who = path.partition("/")
            if kind in ("person", "lobby"):
                name(who.partition("/")[0])

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            for known, short in names.items():
                value = value.replace(known, short)
            return _TOKEN.sub(lambda found: name(found[0]), value)
        if isinstance(value, dict):
            return {plain(key): plain(each) for key, each in sorted(value.items())}
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        if isinstance(value, int) and value > _TIME_MS:
            return "time"
        return value

    return [
        [event.number, event.kind, plain(event.by or ""), plain(dict(event.set)), plain(list(event.delete))]
        for event in events
    ]


class _Person:
    """One browser: a door and a socket."""

    def __init__(self, door: Door, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.door = door
        self.socket = socket

    async def until(self, kind: str, number: int = 0) -> None:
        """Read until a message of this kind comes, or the lesson's end; raises ConnectionError,
        TimeoutError."""
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while True:
                message = await self.socket.receive()
                if message.type is not aiohttp.WSMsgType.BINARY:
                    raise ConnectionError(f"no {kind} came: {message.type.name}")
                said: Any = unpack(message.data)
                ended = (said["t"], said.get("kind")) == ("event", "ended")
                if ended or (said["t"] == kind and said.get("id", 0) == number):
                    return


async def live_by_sockets(origin: str, key: str, plan: Life) -> str:
    """The lesson's id. ``key``: a teacher's one-time key. Raises Refused, OSError, TimeoutError."""
    async with AsyncExitStack() as stack:

        async def come(door: Door, link: str, name: str) -> _Person:
            reply = await door.join(code_of(link), name)
            socket = await stack.enter_async_context(await door.open_socket())
            await socket.send_bytes(pack(builtins(wire.Hello(ticket=reply.ticket))))
            return _Person(door, socket)

        office = await stack.enter_async_context(Door(origin))
        await office.sign_in(key)
        info = await office.new_lesson(
            plan.title, subject=plan.subject, grade=plan.grade, teacher_name="Anna Orlova"
        )
        people: dict[int, _Person] = {}
        for step in plan.steps:
            if step.what == "come" and step.who == TEACHER:
                people[TEACHER] = await come(office, info.teacher_link, "")
                for each in people.values():
                    await each.until("welcome")
            elif step.what == "come":
                door = await stack.enter_async_context(Door(origin))
                people[step.who] = await come(door, info.student_link, plan.names[step.who - 1])
                await people[step.who].until("welcome" if TEACHER in people else "waiting")
            else:
                person = people[step.who]
                await person.socket.send_bytes(step.frame)
                await person.until("done" if step.what == "ask" else "closed", step.number)
        return info.lesson
