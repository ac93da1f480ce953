"""Thirty students who all go to six groups at once: how soon each sees the own one, and nothing else."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from loadtest.client import use_loopback_candidates
from loadtest.door import Door, code_of
from loadtest.light_client import LightClient, LightKit
from loadtest.tracks import HEIGHT
from sfu.model import SlotIndex, Source
from signaling.wire.groups import CloseGroups, MakeGroups, NewGroup, OpenGroups
from tests.serving import serving
from tests.waiting import until

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180), pytest.mark.long]

STUDENTS, GROUPS = 30, 6
SENDERS = 12
"""How many send a picture and sound: all would be more than one process of clients can play."""
DRAWN: dict[int, int] = {
    int(SlotIndex.STAGE_VIDEO): HEIGHT,
    **dict.fromkeys(range(SlotIndex.TEACHER_SOUND, SlotIndex.FIRST_TILE), 1),
}


def sees(client: LightClient, mates: set[str], senders: set[str]) -> bool:
    """Whether nobody but ``mates`` is in this client's slots, and picture and sound of one of them flow where
    any of them sends."""
    slots = () if client.slots is None else client.slots.slots
    live = {slot.source for slot in slots if slot.live}
    mine = {slot.participant for slot in slots} - {None} <= mates
    return mine and (live >= {"camera", "microphone"} or not mates & senders)


async def test_everybody_sees_their_group_soon(tmp_path: Path) -> None:
    use_loopback_candidates()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path / "var"))
        kit = LightKit()
        stack.push_async_callback(kit.lines.close)

        async def come(door: Door, link: str, name: str, *, sends: bool) -> LightClient:
            code = code_of(link)
            reply = await door.join(code, name)
            client = LightClient(door, code, reply, kit, publishes=sends, bad_line=False)
            stack.push_async_callback(client.close)
            await client.connect()
            await client.connect_light(DRAWN)
            for source in (Source.MICROPHONE, Source.CAMERA) if sends else ():
                await client.publish(source)
            return client

        door = await stack.enter_async_context(Door(server.origin))
        await door.sign_in((await server.new_teacher_link()).rpartition("#")[2])
        made = await door.new_lesson("Groups", teacher_name="Teacher")
        teacher = await come(door, made.teacher_link, "", sends=True)
        students = []
        for number in range(STUDENTS):
            door = await stack.enter_async_context(Door(server.origin))
            name = f"Student {number}"
            students.append(await come(door, made.student_link, name, sends=number < SENDERS))
        senders = {each.participant for each in (teacher, *students[:SENDERS])}
        everybody = {each.participant for each in (teacher, *students)}
        await until(lambda: all(sees(each, everybody, senders) for each in students), "the class", 40)

        await teacher.request(lambda number: MakeGroups(number, (NewGroup(),) * GROUPS, draw=True))
        room = {each.participant: teacher.fields[f"in/{each.participant}"] for each in students}
        assert len(set(room.values())) == GROUPS
        mates = {who: {each for each in room if room[each] == room[who]} - {who} for who in room}
        took: list[float] = []
        started = time.monotonic()

        async def arrived(student: LightClient) -> None:
            own = mates[student.participant]
            await student.until(lambda: sees(student, own, senders), "the own group", limit_s=20)
            took.append(time.monotonic() - started)

        arriving = [asyncio.create_task(arrived(each)) for each in students]
        await teacher.request(lambda number: OpenGroups(number, minutes=10))
        await asyncio.gather(*arriving)
        median_ms, last_ms = (1000 * took[index] for index in (STUDENTS // 2, -1))
        print(f"picture and sound of the own group: median {median_ms:.0f} ms, last {last_ms:.0f} ms")
        assert last_ms < 5_000, "even on a machine that does other things"

        await teacher.request(CloseGroups)
        await until(lambda: all(sees(each, everybody, senders) for each in students), "the class again", 20)
