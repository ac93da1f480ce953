"""Two nodes, and a machine with Valkey and PostgreSQL: a lesson on both, a cable pulled, a node that dies."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import pytest

from config.valkey import valkey_program
from loadtest.chaos.bots import Bot
from loadtest.chaos.invariants import LessonHistory, Witness, apart, two_owners, undelivered
from loadtest.door import Door, code_of
from sfu.model import Source
from sfu.rpc.registration import WORKERS_KEY, WorkerRecord, unpack, worker_key
from tests.integration.three_hosts import NETS, Host, Hosts, three_hosts
from tests.postgres import postgres
from tests.serving import Server
from tests.waiting import until

pytestmark = [pytest.mark.asyncio, pytest.mark.netns, pytest.mark.timeout(120)]

PASSWORD = "0f" * 32
REDIS_PORT = 6379
CUT_S = 10.0
KILLED_S = 10.0
GONE_S = 30.0
"""A worker that nobody hears is waited for until it has surely stopped sending."""
ZVONOK = str(Path(sys.executable).with_name("zvonok"))
NODES: Final[Sequence[Host]] = ("a", "b")


@contextmanager
def data(hosts: Hosts, folder: Path) -> Iterator[dict[str, object]]:
    """Valkey and PostgreSQL on their own machine; the settings of who uses them."""
    address = hosts.address("data", "nodes")
    program = valkey_program(folder / "valkey", REDIS_PORT, PASSWORD, {}, address)
    said = folder / "valkey.log"
    with said.open("wb") as log:
        valkey = subprocess.Popen(
            [*hosts.inside("data"), *program.argv], stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    assert valkey.stdin is not None
    valkey.stdin.write(program.input)
    valkey.stdin.close()
    (folder / "redis.password").write_text(PASSWORD)
    try:
        with postgres(address, 5432, inside=hosts.inside("data"), from_network="198.51.100.0/24") as sql_url:
            while b"Ready to accept" not in said.read_bytes():
                assert valkey.poll() is None, said.read_text()
                time.sleep(0.02)
            yield {
                "redis.url": f"redis://{address}:{REDIS_PORT}/0",
                "redis.password_file": str(folder / "redis.password"),
                "sql.url": sql_url,
            }
    finally:
        valkey.kill()
        valkey.wait()


@dataclass
class School:
    """Two nodes and one lesson: a teacher who speaks, listeners at both, and Igor at B."""

    hosts: Hosts
    nodes: dict[Host, Server]
    stack: AsyncExitStack
    bots: list[Bot] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    history: LessonHistory = field(default_factory=LessonHistory)

    async def browser(self, node: Host) -> Door:
        return await self.stack.enter_async_context(Door(self.nodes[node].origin))

    async def come(self, name: str, node: Host, link: str, door: Door | None = None, **does: bool) -> Bot:
        browser = await self.browser(node) if door is None else door
        reply = await browser.join(code_of(link), name)
        witness = Witness(name, self.history)
        bot = Bot(browser, code_of(link), reply, witness, self.faults.append, chance=Random(name), **does)
        staying = asyncio.create_task(bot.stay())
        self.stack.push_async_callback(bot.stop)
        self.stack.callback(staying.cancel)
        await until(lambda: bot.inside, f"{name} in the lesson")
        self.bots.append(bot)
        return bot

    def kill(self, node: Host) -> None:
        """All processes of a node; its people try the other address."""
        process = self.nodes[node].process
        assert process is not None
        process.send_signal(signal.SIGKILL)

    async def goes_on_at_b(self, limit_s: float, said: list[str]) -> None:
        """A is gone: everybody is at B within this time and hears the teacher, nothing is lost."""
        began_s = time.monotonic()
        for bot in self.bots:
            if bot.door.origin == self.nodes["a"].origin:
                bot.door.origin = self.nodes["b"].origin
                await bot.cut()
        former = {bot.name: bot.hearing.stretches[-1].lease for bot in self.listeners}
        await until(
            lambda: all(bot.hearing.stretches[-1].lease > former[bot.name] for bot in self.listeners),
            "the teacher heard by another worker",
            limit_s,
        )
        await self.heard()
        assert time.monotonic() - began_s < limit_s
        await self.bots[0].chat("and on we go")
        await self.together([*said, "and on we go"])

    async def start(self, node: Host) -> None:
        server = self.nodes[node]
        self.stack.push_async_callback(server.stop, check=False)
        await server.start(inside=self.hosts.inside(node))

    async def begin(self, media_at: Host) -> None:
        """The node that is to have the media is there first, alone."""
        await self.start(media_at)
        door = await self.browser(media_at)
        await door.sign_in(self.nodes[media_at].teacher_link.partition("#")[2])
        lesson = await door.new_lesson("Light", teacher_name="Anna Orlova")
        teacher = await self.come("Anna Orlova", media_at, lesson.teacher_link, door, speaks=True)
        await teacher.publish(Source.MICROPHONE)
        await until(lambda: teacher.call is not None, "the teacher's media")
        await self.start("b" if media_at == "a" else "a")
        for name, node in zip(("Vera", "Boris"), NODES, strict=True):
            await self.come(name, node, lesson.student_link, listens=True)
        await self.come("Igor", "b", lesson.student_link)
        await self.heard()

    @property
    def listeners(self) -> list[Bot]:
        return [bot for bot in self.bots if bot.name in ("Vera", "Boris")]

    async def heard(self, after_s: float = 0.0) -> None:
        """Everybody is in and, that much later, hears the teacher."""
        await until(lambda: all(bot.inside for bot in self.bots), "everybody in the lesson", 30)
        from_s = time.monotonic() + after_s
        await until(
            lambda: all(
                bot.hearing.stretches and bot.hearing.stretches[-1].last_s > from_s for bot in self.listeners
            ),
            "the teacher heard at both nodes",
            30,
        )

    async def together(self, said: list[str]) -> None:
        """Everybody has everything, once, and that is the same."""
        await until(
            lambda: all(bot.inside for bot in self.bots) and len({bot.number for bot in self.bots}) == 1,
            "all at the same number",
            30,
        )
        assert not self.faults
        assert not undelivered(said, [bot.witness for bot in self.bots])
        assert not apart({bot.name: bot.fields for bot in self.bots})
        assert not two_owners({bot.name: bot.hearing.stretches for bot in self.listeners})


@asynccontextmanager
async def school(folder: Path, media_at: Host) -> AsyncIterator[School]:
    """As on three machines: the same keys, Redis and SQL; started by ``zvonok serve``."""
    async with AsyncExitStack() as stack:
        hosts = stack.enter_context(three_hosts())
        shared = stack.enter_context(data(hosts, folder))
        nodes: dict[Host, Server] = {}
        for node in NODES:
            own = {
                "server.public": f"http://{hosts.address(node, 'people')}:8080",
                "server.port": 8080,
                "media.rpc_host": hosts.address(node, "nodes"),
                "media.announce": [hosts.address(node, "people")],
                "recorder.workers": 0,
            }
            nodes[node] = Server(folder / node, {**shared, **own})
        share_keys(folder / "a", folder / "b")
        made = School(hosts, nodes, stack)
        await made.begin(media_at)
        yield made


def share_keys(of: Path, to: Path) -> None:
    """``zvonok keys export | ssh ... zvonok keys import``."""
    exported = subprocess.run(
        [ZVONOK, "keys", "export", f"--set=paths.var={of}"], check=True, capture_output=True
    )
    subprocess.run(
        [ZVONOK, "keys", "import", f"--set=paths.var={to}"],
        check=True, input=exported.stdout, capture_output=True,
    )  # fmt: skip


def registered(hosts: Hosts) -> list[WorkerRecord]:
    """What the workers say of themselves in Redis, read on the machine that has it."""
    script = (
        f"import redis; r = redis.Redis(password={PASSWORD!r}); "
        f"[print(r.get({worker_key('')!r} + n.decode()).hex()) for n in r.zrange({WORKERS_KEY!r}, 0, -1)]"
    )
    command = [*hosts.inside("data"), sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [unpack(bytes.fromhex(line)) for line in done.stdout.split()]


async def test_a_lesson_is_on_both_nodes_and_goes_on_when_one_is_killed(tmp_path: Path) -> None:
    async with school(tmp_path, media_at="a") as lesson:
        addresses = {lesson.hosts.address(node, "nodes") for node in NODES}
        assert {each.rpc_host for each in registered(lesson.hosts)} == addresses
        said = [f"{bot.name} is here" for bot in lesson.bots]
        for bot, text in zip(lesson.bots, said, strict=True):
            await bot.chat(text)
        await lesson.together(said)
        lesson.kill("a")
        await lesson.goes_on_at_b(KILLED_S, said)


@pytest.mark.long
async def test_a_lesson_goes_on_when_the_machine_that_has_it_is_gone(tmp_path: Path) -> None:
    """Nothing says goodbye: no connection is closed."""
    async with school(tmp_path, media_at="a") as lesson:
        for net in NETS:
            lesson.hosts.plug("a", net, up=False)
        lesson.kill("a")
        await lesson.goes_on_at_b(GONE_S, [])


@pytest.mark.long
@pytest.mark.parametrize("media_at", NODES)
async def test_a_node_that_was_cut_off_from_the_others_is_in_the_lesson_again(
    tmp_path: Path, media_at: Host
) -> None:
    async with school(tmp_path, media_at=media_at) as lesson:
        hosts = lesson.hosts
        vera, igor = (next(bot for bot in lesson.bots if bot.name == name) for name in ("Vera", "Igor"))
        said = ["before", "meanwhile", "after"]
        await vera.chat(said[0])
        hosts.plug("b", "nodes", up=False)
        cut_s = time.monotonic()
        await vera.chat(said[1])
        await until(lambda: time.monotonic() - cut_s > CUT_S, "the end of the cut")
        assert said[1] not in igor.witness.chats.values(), "node B was not cut off"
        hosts.plug("b", "nodes", up=True)
        await until(lambda: said[1] in igor.witness.chats.values(), "what was said meanwhile", 30)
        await lesson.heard(after_s=1.0)
        await igor.chat(said[2])
        await lesson.together(said)
