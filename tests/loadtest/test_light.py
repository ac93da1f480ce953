"""People of light media against a real server: what they count, what they survive, what they cost."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from loadtest.client import LessonClient, use_loopback_candidates
from loadtest.continuity import Count, total
from loadtest.door import Door, code_of
from loadtest.light_client import LightClient, LightKit
from loadtest.network import BAD_LINES
from loadtest.person import Person
from loadtest.seats import Seat
from loadtest.tracks import FRAMES_A_SECOND, HEIGHT
from sfu.model import Role, SlotIndex, Source
from signaling.tickets import KeyRing, Ticket, issue_ticket
from tests.serving import Server, serving
from tests.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

PEOPLE = 6
SECONDS = 4.0
DRAWN: dict[int, int] = {SlotIndex.STAGE_VIDEO: HEIGHT, SlotIndex.STAGE_SOUND: 1, SlotIndex.TEACHER_SOUND: 1}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """``zvonok serve`` on free ports."""
    async with serving(tmp_path_factory.mktemp("server") / "var") as running:
        yield running


class Lesson:
    """A teacher who plays what was recorded, and whoever comes."""

    def __init__(self, stack: AsyncExitStack, server: Server) -> None:
        self._stack = stack
        self._server = server
        self._kit = LightKit()
        stack.push_async_callback(self._kit.lines.close)
        self.link = ""

    async def begin(self) -> None:
        """The teacher sends."""
        use_loopback_candidates()
        door = await self._stack.enter_async_context(Door(self._server.origin))
        await door.sign_in((await self._server.new_teacher_link()).rpartition("#")[2])
        made = await door.new_lesson("Weights", teacher_name="Teacher")
        self.link = made.student_link
        teacher = await self._light(door, made.teacher_link, publishes=True)
        await teacher.connect_light({})
        for source in (Source.MICROPHONE, Source.CAMERA):
            await teacher.publish(source)

    async def listeners(self, count: int, *, bad_line: bool = False) -> list[LightClient]:
        """Who counts packets."""
        found = []
        for number in range(count):
            door = await self._stack.enter_async_context(Door(self._server.origin))
            client = await self._light(
                door, self.link, publishes=False, bad_line=bad_line, name=f"Listener {number}"
            )
            await client.connect_light(DRAWN)
            found.append(client)
        await until(
            lambda: all(each.report().picture.received for each in found), "a picture at each listener"
        )
        return found

    async def full(self, count: int) -> Counter[tuple[int, int]]:
        """Who decodes: frames by (person, slot)."""
        frames: Counter[tuple[int, int]] = Counter()
        for number in range(count):

            def seen(slot: int, _: Any, number: int = number) -> None:
                frames[number, slot] += 1

            door = await self._stack.enter_async_context(Door(self._server.origin))
            joined = LessonClient.join(door, self.link, f"Full {number}")
            client = await self._stack.enter_async_context(joined)
            await client.connect_media(tiles=0, frames=seen)
            await client.draw(DRAWN)
        await until(
            lambda: all(frames[number, SlotIndex.STAGE_VIDEO] for number in range(count)),
            "a picture at each full client",
        )
        return frames

    async def _light(
        self, door: Door, link: str, *, publishes: bool, bad_line: bool = False, name: str = ""
    ) -> LightClient:
        code = code_of(link)
        reply = await door.join(code, name)
        client = LightClient(door, code, reply, self._kit, publishes=publishes, bad_line=bad_line)
        self._stack.push_async_callback(client.close)
        await client.connect()
        return client


async def cpu_ms_s(seconds: float = SECONDS) -> float:
    """CPU of this process, all its threads, in ms a second."""
    used_s, began_s = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    return 1000 * (time.process_time() - used_s) / (time.monotonic() - began_s)


async def test_a_full_client_decodes_what_a_publisher_plays(server: Server) -> None:
    async with AsyncExitStack() as stack:
        lesson = Lesson(stack, server)
        await lesson.begin()
        (listener,) = await lesson.listeners(1)
        frames = await lesson.full(1)
        await until(
            lambda: frames[0, SlotIndex.STAGE_VIDEO] >= 2 * FRAMES_A_SECOND, "two seconds of decoded pictures"
        )
        heard = listener.report()
        assert heard.sound.received > 90
        assert heard.picture.received >= 2 * FRAMES_A_SECOND
        assert (heard.sound.lost, heard.picture.lost, heard.moves) == (0, 0, 0)
        assert (heard.sound.duplicates, heard.picture.duplicates, heard.picture.reordered) == (0, 0, 0)


@pytest.mark.long
async def test_bad_lines_lose_sound_and_have_pictures_repaired(server: Server) -> None:
    async with AsyncExitStack() as stack:
        lesson = Lesson(stack, server)
        await lesson.begin()
        listeners = await lesson.listeners(len(BAD_LINES), bad_line=True)

        def pictures() -> Count:
            return total(each.report().picture for each in listeners)

        def sound() -> Count:
            return total(each.report().sound for each in listeners)

        await until(
            lambda: pictures().repaired >= 3 and sound().lost >= 10, "losses, and repairs of pictures"
        )
        assert sound().repaired == 0
        assert sound().duplicates == 0
        assert pictures().lost <= pictures().repaired


@pytest.mark.long
async def test_people_come_back_when_their_worker_is_killed(server: Server) -> None:
    server.forgiven.append("worker")
    async with AsyncExitStack() as stack:
        lesson = Lesson(stack, server)
        await lesson.begin()
        (listener,) = await lesson.listeners(1)
        await until(lambda: listener.report().sound.received > 25, "sound")
        before = listener.report()
        os.kill(server.child("sfu.worker"), signal.SIGKILL)
        await until(lambda: listener.report().moves > 0, "word that the media is gone")
        await until(
            lambda: (
                listener.report().sound.received > before.sound.received + 25
                and listener.report().picture.received > before.picture.received + 5
            ),
            "sound and pictures again",
        )
        after = listener.report()
        assert 0.1 < after.pause_ms / 1000 < 10
        assert (after.sound.lost, after.picture.lost) == (0, 0), "a new connection has numbers of its own"
        assert listener.silent_s < 1


@pytest.mark.parametrize("age_s", [0, 3600])
async def test_who_loses_the_line_comes_again_as_the_same_person(server: Server, age_s: int) -> None:
    async with AsyncExitStack() as stack:
        lesson = Lesson(stack, server)
        await lesson.begin()
        seat = Seat(
            number=1,
            kind="student",
            origin=server.origin,
            link=lesson.link,
            name="Nina",
            weight="listener",
            at_s=0,
            stay_s=1.0,
            rejoin_s=0.3,
            away_s=0.1,
        )
        person = Person(seat, None, LightKit())
        stack.push_async_callback(person.close)
        await person.enter()
        await person.watch()
        client, before = person.client, person.client.participant
        issued_s = int(time.time()) - age_s
        ticket = Ticket(before, client.reply.lesson, Role.STUDENT, "Nina")
        keys = KeyRing.read(server.var / "keys" / "ticket.key")
        client.reply = replace(client.reply, ticket=issue_ticket(keys, ticket, issued_s))
        assert await person.stay() == ""
        assert [each.error for each in person.samples if each.kind == "rejoin"] == [""]
        assert client.participant == before
        assert person.heard is not None
        assert person.heard.moves == 0
        assert person.heard.pause_ms < 800, "media went on"
        assert sum(path.startswith("person/") for path in client.fields) == 2, "nobody is there twice"


@pytest.mark.long
async def test_a_listener_costs_far_less_than_a_full_client(server: Server) -> None:
    costs = {}
    for weight in ("listener", "full"):
        async with AsyncExitStack() as stack:
            lesson = Lesson(stack, server)
            await lesson.begin()
            alone = await cpu_ms_s()
            found: Sequence[Any] = (
                await lesson.listeners(PEOPLE) if weight == "listener" else [await lesson.full(PEOPLE)]
            )
            assert found
            costs[weight] = (await cpu_ms_s() - alone) / PEOPLE
            costs["publisher"] = alone
    print({weight: f"{cost:.2f} ms of CPU a second" for weight, cost in costs.items()})
    assert 0 < costs["listener"] < costs["full"] / 4
