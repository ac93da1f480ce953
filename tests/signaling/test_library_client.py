"""The load test's client speaks to the library as a browser does."""

from __future__ import annotations

import msgspec
import pytest

from loadtest.door import Door, code_of
from sfu.model import Refused
from signaling import wire
from signaling.tickets import issue_one_time_key
from tests.signaling.library_parts import FILM, TIMELINE, new_key, recorded
from tests.signaling.parts import School

pytestmark = pytest.mark.asyncio


async def test_a_client_finds_fetches_and_deletes_a_video(school: School) -> None:
    keys, now_s = school.signalling.keys.cookies, school.signalling._now_ms() // 1000
    async with Door(school.origin) as teacher, Door(school.origin) as reader, Door(school.origin) as student:
        await teacher.sign_in(issue_one_time_key(keys, "main", now_s))
        lesson = await teacher.new_lesson("Свет", teacher_name="Анна")
        await recorded(school, lesson, "vid")
        with pytest.raises(Refused, match="not_signed_in"):
            await reader.library()
        assert (await reader.library_sign_in(new_key(school))).videos[0].video == "vid"
        assert [found.own for found in (await teacher.library(text="свет", grade=7)).videos] == [True]
        assert (await reader.library(subject="другое")).videos == ()
        page = await reader.video("vid")
        assert page.video_url is not None
        assert page.timeline_url is not None
        assert await student.fetch(page.video_url) == FILM
        assert msgspec.json.decode(await student.fetch(page.timeline_url), type=wire.Timeline) == TIMELINE
        assert (await student.video_of_link(code_of(lesson.student_link))).video.state == "ready"
        with pytest.raises(Refused, match="not_signed_in"):
            await reader.delete_video("vid")
        await teacher.delete_video("vid")
        with pytest.raises(Refused, match="not_found"):
            await student.fetch(page.video_url)
