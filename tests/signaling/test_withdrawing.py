"""Who asks to be taken out of a video lesson, and who may."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from signaling import wire
from signaling.catalog.takes import TAKES_NAME, Cast, Take, Takes
from tests.signaling.library_parts import page_of, reader, recorded
from tests.signaling.parts import Person, School

pytestmark = pytest.mark.asyncio


def keep_takes(school: School, video: str, *people: str) -> None:
    """All of these are seen for 2 s and heard for 1."""
    cast = tuple(Cast(who, f"name of {who}", "student") for who in people)
    takes = tuple(
        take for who in people for take in (Take(who, "camera", 0, 2000), Take(who, "microphone", 500, 1500))
    )
    folder = school.signalling._settings.paths.library / video
    (folder / TAKES_NAME).write_bytes(msgspec.json.encode(Takes(cast, takes)))


async def watched(person: Person, lesson: wire.LessonInfo) -> wire.VideoPage:
    code = lesson.student_link.rpartition("/")[2]
    status, body = await person.get(f"/api/links/{code}/video")
    assert status == 200, body
    return msgspec.convert(body, wire.VideoPage)


async def post(person: Person, path: str, body: dict[str, Any]) -> tuple[int, str]:
    """(status, the refusal's code)."""
    sent = {"Origin": person.origin, "Content-Type": "application/json"}
    data = msgspec.json.encode(body)
    async with person.http.post(person.origin + path, data=data, headers=sent) as answer:
        said = await answer.read()
        return answer.status, str(msgspec.json.decode(said)["code"]) if said else ""


async def had(school: School) -> tuple[wire.LessonInfo, Person, Person, Person]:
    """A lesson with two students, its video with both of them in it."""
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    masha, petya = school.person(), school.person()
    await masha.join(lesson.student_link, "Маша")
    await petya.join(lesson.student_link, "Петя")
    await recorded(school, lesson, "vid")
    keep_takes(school, "vid", masha.me, petya.me)
    return lesson, teacher, masha, petya


async def test_a_teacher_sees_who_is_in_a_video_and_takes_one_out(school: School) -> None:
    lesson, teacher, masha, petya = await had(school)
    status, body = await teacher.get("/api/library/vid/people")
    assert status == 200
    people = msgspec.convert(body, wire.VideoPeople).people
    assert people[0] == wire.VideoPerson(masha.me, f"name of {masha.me}", "student", 2000, 1000)
    assert [each.participant for each in people] == [masha.me, petya.me]

    assert await post(teacher, "/api/library/vid/withdrawals", {"participant": masha.me}) == (204, "")
    page = await page_of(teacher, "vid")
    assert (page.video.state, page.video_url) == ("processing", None)
    withdrawals = school.signalling.catalog.withdrawals
    (waiting,) = await withdrawals.waiting()
    assert (waiting.video, waiting.participants, waiting.title) == ("vid", (masha.me,), "Optics")
    # Somebody else asks before it is done: the video stays hidden until both are out.
    assert await post(teacher, "/api/library/vid/withdrawals", {"participant": petya.me}) == (204, "")
    assert await withdrawals.done("vid", (masha.me,), 77, 5)
    assert (await page_of(teacher, "vid")).video.state == "processing"
    assert await withdrawals.done("vid", (petya.me,), 66, 6)
    page = await page_of(teacher, "vid")
    assert (page.video.state, page.video.bytes) == ("ready", 66)
    assert not await withdrawals.waiting()
    entries = await school.signalling.catalog.audit.entries(10)
    assert [(each.what, each.by, each.subject) for each in entries[-4:]] == [
        ("withdrawal_asked", "main", f"vid/{masha.me}"),
        ("withdrawal_asked", "main", f"vid/{petya.me}"),
        ("withdrawn", "main", f"vid/{masha.me}"),
        ("withdrawn", "main", f"vid/{petya.me}"),
    ]
    assert [each.what for each in entries[:2]] == ["recording_started", "recording_stopped"]
    assert lesson.lesson in entries[0].subject


async def test_nobody_is_shown_a_video_somebody_is_being_taken_out_of(school: School) -> None:
    lesson, _, masha, _ = await had(school)
    page = await watched(masha, lesson)
    assert page.video_url is not None
    code = lesson.student_link.rpartition("/")[2]
    assert await post(masha, f"/api/links/{code}/video/withdrawals", {}) == (204, "")
    for address in (page.video_url, page.timeline_url, page.download_url):
        assert (await masha.get(str(address)))[1]["code"] == "not_found"
    assert (await watched(masha, lesson)).video.state == "processing"
    library = await reader(school)
    assert (await library.get("/api/library/vid"))[0] == 404


async def test_a_student_takes_themselves_out_and_nobody_else(school: School) -> None:
    lesson, teacher, masha, petya = await had(school)
    code = lesson.student_link.rpartition("/")[2]
    path = f"/api/links/{code}/video/withdrawals"
    me = (await watched(masha, lesson)).me
    assert me is not None
    assert me.participant == masha.me

    stranger = school.person()
    assert (await watched(stranger, lesson)).me is None
    assert await post(stranger, path, {}) == (404, "not_found")
    assert (await watched(teacher, lesson)).me is None
    for person in (masha, stranger, await reader(school)):
        asked = await post(person, "/api/library/vid/withdrawals", {"participant": petya.me})
        assert asked == (401, "not_signed_in")
        assert (await person.get("/api/library/vid/people"))[0] == 401

    # A body that names another is only a body: it is about oneself.
    assert await post(masha, path, {"participant": petya.me}) == (204, "")
    (waiting,) = await school.signalling.catalog.withdrawals.waiting()
    assert waiting.participants == (masha.me,)
    assert (await school.signalling.catalog.audit.entries(1))[0].by == masha.me
    assert (await watched(masha, lesson)).me is None


async def test_refusals(school: School) -> None:
    lesson, teacher, masha, _ = await had(school)
    other = await school.teacher("other")
    path = "/api/library/vid/withdrawals"
    assert await post(other, path, {"participant": masha.me}) == (404, "not_found")
    assert (await other.get("/api/library/vid/people"))[0] == 404
    assert await post(teacher, path, {"participant": "nobody"}) == (404, "not_found")
    assert (await post(teacher, path, {"participant": "../x"}))[1] == "bad_request"
    assert (await post(teacher, "/api/library/none/withdrawals", {"participant": masha.me}))[0] == 404
    sent = {"Origin": "https://evil.example", "Content-Type": "application/json"}
    async with teacher.http.post(teacher.origin + path, data=b"{}", headers=sent) as answer:
        assert answer.status == 403

    (school.signalling._settings.paths.library / "vid" / TAKES_NAME).unlink()
    assert await post(teacher, path, {"participant": masha.me}) == (409, "withdrawal_unknown")
    assert (await watched(masha, lesson)).me is None
    assert (await page_of(teacher, "vid")).video.state == "ready"

    second = await school.lesson(teacher)
    await recorded(school, second, "made", "processing")
    (school.signalling._settings.paths.library / "made").mkdir()
    keep_takes(school, "made", masha.me)
    path = "/api/library/made/withdrawals"
    assert await post(teacher, path, {"participant": masha.me}) == (409, "video_busy")


async def test_a_deleted_video_is_not_waited_for(school: School) -> None:
    _, teacher, masha, _ = await had(school)
    await post(teacher, "/api/library/vid/withdrawals", {"participant": masha.me})
    assert await school.signalling.catalog.recordings.delete("vid", "main", 5)
    assert not await school.signalling.catalog.withdrawals.waiting()
    assert not await school.signalling.catalog.withdrawals.done("vid", (masha.me,), 1, 6)
