"""Calm at a real worker: nothing of a student reaches anybody, whatever that student's program sends."""

from __future__ import annotations

import asyncio
import time

import pytest

from loadtest.client import LessonClient
from loadtest.door import Door
from sfu.model import Refused, SlotIndex, Source
from signaling import wire
from tests.integration.conftest import Joining
from tests.integration.test_clients_join_by_link import DRAWN, has_seen, media
from tests.media.tracks import Watcher
from tests.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60), pytest.mark.long]

WATCHED_S = 1.5


async def arrived(client: LessonClient) -> int:
    """Packets in all slots so far."""
    assert client.call is not None
    return sum([await client.packets_received(slot) for slot in range(len(client.call.slots))])


async def sent(client: LessonClient) -> int:
    """Packets that left this client so far."""
    assert client.call is not None
    reports = [await sender.getStats() for sender in client.call.peer.getSenders()]
    return sum(
        each.packetsSent for report in reports for each in report.values() if each.type == "outbound-rtp"
    )


async def test_packets_of_students_stop_within_a_second(
    teacher_door: Door, lesson: wire.LessonInfo, joining: Joining
) -> None:
    async with LessonClient.join(teacher_door, lesson.teacher_link) as teacher:
        student = await joining(lesson.student_link, "Boris")
        watcher = Watcher()
        await student.connect_media(media(2, 600), tiles=1)
        await teacher.connect_media({}, tiles=1, frames=watcher)
        for source in (Source.MICROPHONE, Source.CAMERA):
            await student.publish(source)
        await teacher.draw(DRAWN, pin=student.participant)
        await until(lambda: has_seen(watcher, 2), "a second of the student")

        asked_s = last_s = time.monotonic()
        await teacher.request(lambda number: wire.Calm(number, on=True))
        before, left = await arrived(teacher), await sent(student)
        with pytest.raises(Refused, match="calm"):
            await student.publish(Source.CAMERA)
        while time.monotonic() < asked_s + WATCHED_S:  # what is pinned is that nothing comes in this time
            if (now := await arrived(teacher)) > before:
                before, last_s = now, time.monotonic()
            await asyncio.sleep(0.02)
        assert last_s - asked_s < 1
        assert await sent(student) > left + 10, "the student's program was to go on sending"

        await teacher.request(lambda number: wire.Calm(number, on=False))
        assert await arrived(teacher) == before
        await student.publish(Source.CAMERA)
        shown = len(watcher.counters(SlotIndex.STAGE_VIDEO, 2))
        await until(
            lambda: len(watcher.counters(SlotIndex.STAGE_VIDEO, 2)) > shown, "the camera, turned on again"
        )
