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
from loadtest.client import Door, code_of
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
BACK_S = 15.0
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
    """Two nodes and one lesson: a teacher who speaks at A, listeners at both, somebody who writes at B."""

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

    async def begin(self) -> None:
        door = await self.stack.enter_async_context(Door(self.nodes["a"].origin))
        await door.sign_in(self.nodes["a"].teacher_link.partition("#")[2])
        lesson = await door.new_lesson("Light", teacher_name="Anna Orlova")
        teacher = await self.come("Anna Orlova", "a", lesson.teacher_link, door, speaks=True)
        await teacher.publish(Source.MICROPHONE)
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
async def school(folder: Path) -> AsyncIterator[School]:
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
        for node, server in nodes.items():
            stack.push_async_callback(server.stop, check=False)
            await server.start(inside=hosts.inside(node))
        made = School(hosts, nodes, stack)
        await made.begin()
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


async def test_a_lesson_is_on_both_nodes_and_goes_on_when_one_dies(tmp_path: Path) -> None:
    async with school(tmp_path) as lesson:
        hosts = lesson.hosts
        assert {each.rpc_host for each in registered(hosts)} == {
            hosts.address("a", "nodes"),
            hosts.address("b", "nodes"),
        }
        said = [f"{bot.name} is here" for bot in lesson.bots]
        for bot, text in zip(lesson.bots, said, strict=True):
            await bot.chat(text)
        await lesson.together(said)

        # The machine of node A is gone: nothing says goodbye. Its people try the other address of the name.
        node = lesson.nodes["a"]
        assert node.process is not None
        for net in NETS:
            hosts.plug("a", net, up=False)
        node.process.send_signal(signal.SIGKILL)
        died_s = time.monotonic()
        for bot in lesson.bots:
            if bot.door.origin == node.origin:
                bot.door.origin = lesson.nodes["b"].origin
                await bot.cut()
        await lesson.heard(after_s=1.0)
        assert time.monotonic() - died_s < BACK_S
        await lesson.bots[0].chat("and on we go")
        await lesson.together([*said, "and on we go"])


@pytest.mark.long
async def test_a_node_that_was_cut_off_from_the_others_is_in_the_lesson_again(tmp_path: Path) -> None:
    async with school(tmp_path) as lesson:
        hosts = lesson.hosts
        said = ["before", "meanwhile", "after"]
        await lesson.bots[0].chat(said[0])
        lesson.nodes["b"].forgiven.append("redis|sql|worker")
        hosts.plug("b", "nodes", up=False)
        cut_s = time.monotonic()
        await lesson.bots[0].chat(said[1])
        await until(lambda: time.monotonic() - cut_s > CUT_S, "the end of the cut")
        assert said[1] not in lesson.bots[-1].witness.chats.values(), "node B was not cut off"
        hosts.plug("b", "nodes", up=True)
        await lesson.heard(after_s=1.0)
        await lesson.bots[-1].chat(said[2])
        await lesson.together(said)
