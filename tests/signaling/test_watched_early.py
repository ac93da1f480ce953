"""A lesson watched from its beginning while it is recorded: who may, and ranges of a file that grows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from recorder.webm import Video
from signaling import wire
from signaling.catalog.recordings import Published
from signaling.files.growing import DRAFT_NAME, read_head
from tests.signaling.library_parts import ask, reader
from tests.signaling.parts import Clock, Person, School
from tests.signaling.test_growing import write

pytestmark = pytest.mark.asyncio


class Recorded:
    """A lesson that goes on, with what its recorder has made so far."""

    def __init__(self, school: School, teacher: Person, lesson: wire.LessonInfo, video: Video) -> None:
        self.school, self.teacher, self.lesson, self.video = school, teacher, lesson, video
        self.draft = school.signalling._settings.paths.library / "rec1" / DRAFT_NAME
        self._until_ms = 0

    def grow(self, ms: int = 5_000, width: int = 640) -> bytes:
        """What the file holds then."""
        write(self.video, self._until_ms, self._until_ms + ms)
        self._until_ms += ms
        self.video.step(width, 360)
        return self.draft.read_bytes()

    async def watch(self, person: Person, link: str = "") -> wire.VideoPage | str:
        """The page, or the refusal's code."""
        code = (link or self.lesson.student_link).rpartition("/")[2]
        status, body = await person.get(f"/api/links/{code}/video")
        return msgspec.convert(body, wire.VideoPage) if status == 200 else str(body["code"])

    async def address(self) -> str:
        page = await self.watch(self.teacher)
        assert isinstance(page, wire.VideoPage)
        assert page.video_url is not None
        return page.video_url


@pytest_asyncio.fixture
async def recorded(school: School) -> AsyncIterator[Recorded]:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    await school.signalling.catalog.recordings.begin("rec1", lesson.lesson, 1, 1_790_000_000_000)
    draft: Path = school.signalling._settings.paths.library / "rec1" / DRAFT_NAME
    draft.parent.mkdir(parents=True)
    with Video(draft, "Optics") as video:
        yield Recorded(school, teacher, lesson, video)


@pytest.mark.parametrize(
    ("asker", "link", "seen"),
    [
        ("teacher", "student", True),
        ("teacher", "teacher", True),
        ("pupil", "student", True),
        ("pupil who left", "student", True),
        ("colleague", "co_teacher", True),
        ("removed", "student", False),
        ("stranger", "student", False),
        ("stranger", "teacher", False),
        ("another teacher", "student", False),
        ("another teacher", "teacher", False),
        ("reader of the library", "student", False),
    ],
)
async def test_who_may_watch_from_the_beginning(
    recorded: Recorded, asker: str, link: str, seen: bool
) -> None:
    school, lesson = recorded.school, recorded.lesson
    recorded.grow()
    person = school.person()
    if asker == "teacher":
        person = recorded.teacher
    elif asker == "another teacher":
        person = await school.teacher("other")
    elif asker == "reader of the library":
        person = await reader(school)
    elif asker == "colleague":
        await person.enter(lesson.co_teacher_link, "Ivan")
    elif asker != "stranger":
        await person.enter(lesson.student_link, "Masha")
        await person.wait(wire.Welcome)
        if asker == "pupil who left":
            await person.leave()
        elif asker == "removed":
            await recorded.teacher.done(wire.Remove, participant=person.me)
    page = await recorded.watch(person, getattr(lesson, f"{link}_link"))
    if not seen:
        assert page == "not_found"
        return
    assert isinstance(page, wire.VideoPage)
    assert (page.video.state, page.video.duration_ms, page.video.title) == ("recording", 4_000, "Optics")
    assert page.video_url is not None
    assert (page.timeline_url, page.download_url, page.me) == (None, None, None)
    assert page.video.own == (asker == "teacher")


async def test_who_waits_before_a_lesson_is_not_in_it(school: School) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await school.signalling.catalog.recordings.begin("rec1", lesson.lesson, 1, 1)
    draft = school.signalling._settings.paths.library / "rec1" / DRAFT_NAME
    draft.parent.mkdir(parents=True)
    with Video(draft, "Optics") as video:
        recorded = Recorded(school, teacher, lesson, video)
        recorded.grow()
        pupil = school.person()
        await pupil.enter(lesson.student_link, "Masha")
        await pupil.wait(wire.Waiting)
        assert await recorded.watch(pupil) == "not_found"


async def test_the_library_does_not_show_it(recorded: Recorded) -> None:
    recorded.grow()
    for person in (recorded.teacher, await reader(recorded.school)):
        assert msgspec.convert((await person.get("/api/library"))[1], wire.VideoList).videos == ()
        assert (await person.get("/api/library/rec1"))[0] == 404
        assert (await person.get("/api/library/rec1/people"))[0] in (401, 404)


async def test_there_is_nothing_before_the_first_second(recorded: Recorded) -> None:
    assert await recorded.watch(recorded.teacher) == "not_found"
    recorded.draft.unlink()
    assert await recorded.watch(recorded.teacher) == "not_found"


async def test_ranges_are_of_one_file_while_it_grows(recorded: Recorded) -> None:
    school = recorded.school
    then = recorded.grow(7_000)
    head = len(read_head(then).bytes)
    address = await recorded.address()
    whole = await ask(school, address)
    assert (whole.status, whole.body) == (200, then)
    assert whole.headers["Content-Length"] == str(len(then))
    assert whole.headers["Content-Type"] == "video/webm"
    joined = b""
    cuts = (0, 1, 60, head - 1, head, head + 1, len(then) - 1, len(then))
    for start, stop in pairwise(cuts):
        grown = recorded.grow()
        assert grown[: head + 10] != then[: head + 10]
        headers = {"Range": f"bytes={start}-{stop - 1}", "If-Range": whole.headers["ETag"]}
        part = await ask(school, address, **headers)
        assert (part.status, part.headers["ETag"]) == (206, whole.headers["ETag"])
        assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(then)}"
        joined += part.body
    assert joined == then
    tail = await ask(school, address, Range=f"bytes={head - 5}-")
    assert tail.body == then[head - 5 :]
    assert (await ask(school, address, Range=f"bytes={len(then)}-")).status == 416
    assert (await ask(school, address, "HEAD")).headers["Content-Length"] == str(len(then))
    later = await recorded.address()
    assert later != address
    assert (await ask(school, later)).body == recorded.draft.read_bytes()


@pytest.mark.parametrize("why", ["time", "larger", "anew", "published", "deleted"])
async def test_an_address_that_is_over_says_so(recorded: Recorded, clock: Clock, why: str) -> None:
    school, recordings = recorded.school, recorded.school.signalling.catalog.recordings
    recorded.grow()
    address = await recorded.address()
    assert (await ask(school, address)).status == 200
    if why == "time":
        clock.ahead_ms += 16 * 60_000
    elif why == "larger":
        recorded.grow(width=1280)
    elif why == "anew":
        with Video(recorded.draft, "Optics"):
            pass
    elif why == "published":
        # Somebody is being taken out of it: that is written to a draft too.
        assert await recordings.finishing("rec1")
        assert (await ask(school, address)).status == 200
        assert await recordings.published("rec1", Published(4_000, 1, 640, 360), 2)
    else:
        recorded.draft.unlink()
    answer = await ask(school, address)
    assert (answer.status, answer.code) == (410, "address_expired")


async def test_then_the_same_link_leads_to_the_finished_video(recorded: Recorded) -> None:
    recordings = recorded.school.signalling.catalog.recordings
    recorded.grow()
    assert await recordings.finishing("rec1")
    page = await recorded.watch(recorded.teacher)
    assert isinstance(page, wire.VideoPage)
    assert (page.video.state, page.video_url) == ("processing", None)
    recorded.draft.replace(recorded.draft.with_name("video.webm"))
    assert await recordings.published("rec1", Published(4_000, 1, 640, 360), 2)
    page = await recorded.watch(recorded.school.person())
    assert isinstance(page, wire.VideoPage)
    assert page.video.state == "ready"
    assert page.video_url is not None
    assert (await ask(recorded.school, page.video_url)).status == 200
