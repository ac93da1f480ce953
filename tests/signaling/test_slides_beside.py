"""Pages beside a recording: those that were before the class in it, for who may watch it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from signaling import wire
from signaling.catalog.takes import seal
from signaling.lesson.slides import pages_of
from signaling.slides.beside import shown_pages
from tests.signaling.library_parts import TIMELINE, ask, reader, recorded
from tests.signaling.parts import School


def change(at_ms: int, fields: dict[str, Any], *gone: str) -> wire.TimelineChange:
    return wire.TimelineChange(at_ms, {path: seal(value) for path, value in fields.items()}, gone)


ON = {"kind": "slides", "thing": "s1", "by": "t"}
CHANGES = (
    change(0, {"slides/s1": {"page": 2}, "slides/s2": {"page": 1}}),
    change(10, {"shown": ON}),
    change(20, {"slides/s1": {"page": 3}}),
    change(30, {}, "shown"),
    change(40, {"slides/s1": {"page": 9}}),
    change(50, {"shown": {**ON, "kind": "board"}}),
)


def test_pages_that_were_turned_while_nobody_looked_are_not_shown() -> None:
    assert shown_pages(wire.Timeline(60, (), changes=CHANGES)) == {("s1", 2), ("s1", 3)}


@pytest.mark.asyncio
async def test_who_may_watch_gets_pages_that_the_video_shows(school: School) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await recorded(school, lesson, "video1")
    paths = school.signalling._settings.paths
    shows = msgspec.structs.replace(TIMELINE, changes=CHANGES)
    (paths.library / "video1" / "timeline.json").write_bytes(msgspec.json.encode(shows))
    files = school.signalling.uploads._kept.files
    for page in (2, 9):
        await files.put_bytes(f"{pages_of(lesson.lesson, 's1')}/{page}-small.webp", b"picture")

    watcher = await reader(school)
    code = lesson.student_link.rsplit("/", 1)[1]
    for who, base in ((watcher, "/api/library/video1"), (school.person(), f"/api/links/{code}/video")):
        status, body = await who.get(f"{base}/slides/s1/2-small.webp")
        assert (status, body) == (200, b"picture")
        for wrong in (
            "s1/9-small.webp",
            "s2/1-small.webp",
            "s1/3-small.webp",
            "s1/2-small.svg",
            "s1/0-text.txt",
        ):
            status, _ = await who.get(f"{base}/slides/{wrong}")
            assert status == 404, wrong
    stranger = await ask(school, "/api/library/video1/slides/s1/2-small.webp")
    assert (stranger.status, stranger.code) == (401, "not_signed_in")
