"""Three signalling processes on one port: any client at any of them, one killed under its clients."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from config.cli import main
from config.tree import RUNNING
from loadtest.chaos.bots import Bot
from loadtest.chaos.invariants import LessonHistory, Witness, apart, undelivered
from loadtest.door import Door, code_of
from sfu.model import Refused
from signaling.wire import LessonInfo
from tests.serving import Server, serving
from tests.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90)]

PROCESSES = 3
BACK_S = 3.0
FEWEST, MOST = 12, 40


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    var = tmp_path_factory.mktemp("several") / "var"
    async with serving(var, server__processes=PROCESSES, recorder__workers=0) as running:
        yield running


async def statuses(server: Server) -> list[dict[str, Any]]:
    """What each process says, at the admin port of its own."""
    note = json.loads((server.var / RUNNING).read_text())
    said = []
    async with aiohttp.ClientSession() as http:
        for admin in note["admins"]:
            async with http.get(f"{admin}/status") as answer:
                said.append(json.loads(await answer.text()))
    return said


class Classroom:
    """People who stay in one lesson, each wherever the kernel puts them."""

    def __init__(self, server: Server, lesson: LessonInfo, stack: AsyncExitStack) -> None:
        self.bots: list[Bot] = []
        self.faults: list[str] = []
        self._server = server
        self._lesson = lesson
        self._stack = stack
        self._history = LessonHistory()

    async def _browser(self) -> Door:
        return await self._stack.enter_async_context(Door(self._server.origin))

    async def come(self, name: str, link: str, door: Door | None = None) -> Bot:
        browser = await self._browser() if door is None else door
        reply = await browser.join(code_of(link), name)
        witness = Witness(name, self._history)
        bot = Bot(browser, code_of(link), reply, witness, self.faults.append, chance=Random(name))
        staying = asyncio.create_task(bot.stay())
        self._stack.push_async_callback(bot.stop)
        self._stack.callback(staying.cancel)
        await until(lambda: bot.inside, f"{name} in the lesson")
        self.bots.append(bot)
        return bot

    async def spread(self) -> None:
        """Students come until every process has some."""
        while len(self.bots) < FEWEST or not all(each["clients"] for each in await statuses(self._server)):
            assert len(self.bots) < MOST, "the kernel gives every connection to the same processes"
            await self.come(f"Student {len(self.bots)}", self._lesson.student_link)

    async def together(self) -> None:
        """Everybody has everything, and that is the same."""
        await until(
            lambda: all(bot.inside for bot in self.bots) and len({bot.number for bot in self.bots}) == 1,
            "all at the same number",
        )
        assert not self.faults
        assert not apart({bot.name: bot.fields for bot in self.bots})


@pytest_asyncio.fixture(loop_scope="module")
async def classroom(server: Server) -> AsyncIterator[Classroom]:
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(Door(server.origin))
        link = await server.new_teacher_link()
        await door.sign_in(link.partition("#")[2])
        lesson = await door.new_lesson("Light", teacher_name="Anna Orlova")
        made = Classroom(server, lesson, stack)
        await made.come("Anna Orlova", lesson.teacher_link, door)
        await made.spread()
        yield made


async def test_whoever_is_where_a_lesson_is_one(
    server: Server, classroom: Classroom, capsys: pytest.CaptureFixture[str]
) -> None:
    said = await statuses(server)
    assert len({each["pid"] for each in said}) == len({each["process"] for each in said}) == PROCESSES
    assert sum(each["clients"] for each in said) == len(classroom.bots)
    texts = [f"{bot.name} is here" for bot in classroom.bots]
    for bot, text in zip(classroom.bots, texts, strict=True):
        await bot.chat(text)
    await classroom.together()
    assert not undelivered(texts, [bot.witness for bot in classroom.bots])

    # One more tab of the same browser, at whichever process, is the same person.
    former = classroom.bots[-1]
    reply = await former.door.join(former.code, former.name)
    assert reply.participant == former.participant

    arguments = ["status", f"--set=paths.var={server.var}", "--json"]
    assert await asyncio.to_thread(main, arguments) == 0
    shown = capsys.readouterr().out
    assert all(each["process"] in shown for each in said)


async def test_a_key_is_used_up_at_every_process(server: Server) -> None:
    key = (await server.new_teacher_link()).partition("#")[2]
    async with Door(server.origin) as first:
        await first.sign_in(key)
    for _ in range(2 * PROCESSES):  # each from a connection of its own
        async with Door(server.origin) as door:
            with pytest.raises(Refused, match="sign_in_key_used"):
                await door.sign_in(key)


async def test_the_clients_of_a_killed_process_are_back_at_the_others(
    server: Server, classroom: Classroom
) -> None:
    server.forgiven += ["signalling"]
    talker = classroom.bots[1]
    talking = asyncio.create_task(talker.talk())
    await until(lambda: talker.acknowledged, "something said")
    before = await statuses(server)
    victim = max(before, key=lambda each: each["clients"])
    inside = {bot.name: len(bot.welcomed_s) for bot in classroom.bots}
    killed_s = time.monotonic()
    os.kill(victim["pid"], signal.SIGKILL)

    def back() -> list[Bot]:
        return [bot for bot in classroom.bots if len(bot.welcomed_s) > inside[bot.name]]

    await until(lambda: len(back()) == victim["clients"], "all clients of the killed process")
    took_s = max(bot.welcomed_s[-1] for bot in back()) - killed_s
    assert took_s < BACK_S, f"back after {took_s:.1f} s"

    name = Path(server.var, "log").glob("signalling*.log")
    assert len(list(name)) == PROCESSES
    await until(lambda: any("is back" in line for line in server.said), "the process itself")
    said = len(talker.acknowledged)
    await until(lambda: len(talker.acknowledged) > said, "something said after it")
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    await classroom.together()
    assert not undelivered(talker.acknowledged, [bot.witness for bot in classroom.bots])
    after = await statuses(server)
    assert victim["process"] not in {each["process"] for each in after}
    assert len(after) == PROCESSES
