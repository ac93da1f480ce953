"""What is older than the settings keep is deleted; what is younger, or going on, is not."""

from __future__ import annotations

import pytest

from config.sections import Retention as Days
from signaling import wire
from signaling.catalog.store import Catalog
from signaling.files.folder import FolderFiles
from signaling.library_files import LibraryFiles
from signaling.retention import Retention
from signaling.uploads.keeping import Kept
from tests.signaling import brought
from tests.signaling.library_parts import RECORDED_AT_MS, recorded
from tests.signaling.parts import School, until_answer
from tests.signaling.test_uploads import bring, lesson_of_two

pytestmark = pytest.mark.asyncio
DAY_MS = 24 * 3600 * 1000


async def has(catalog: Catalog, lesson: wire.LessonInfo) -> tuple[int, int]:
    """Events and people that are kept of a lesson."""
    return len(await catalog.events(lesson.lesson)), len(await catalog.attendance(lesson.lesson))


def retention(school: School, now_ms: int, videos: int = 0, lessons: int = 0) -> Retention:
    signalling = school.signalling
    paths = signalling._settings.paths
    files = LibraryFiles(FolderFiles(paths.library), paths.recordings)
    kept = Kept(FolderFiles(paths.materials), signalling.catalog.materials, signalling._settings.materials)
    return Retention(
        signalling.catalog, files, kept, Days(videos_days=videos, lessons_days=lessons), lambda: now_ms
    )


async def three(school: School) -> list[wire.LessonInfo]:
    """Lessons with a video: ready, failed and being made, each a day after the other."""
    teacher = await school.teacher()
    lessons = []
    for number, state in enumerate(("ready", "failed", "processing")):
        lesson = await school.lesson(teacher)
        await teacher.enter(lesson.teacher_link)
        await teacher.leave()
        await school.signalling.archive.flush()
        await recorded(school, lesson, f"v{number}", state, RECORDED_AT_MS + number * DAY_MS)  # type: ignore[arg-type]
        lessons.append(lesson)
    return lessons


async def test_old_videos_go_with_their_files_and_journals(school: School) -> None:
    await three(school)
    catalog, paths = school.signalling.catalog, school.signalling._settings.paths
    await retention(school, RECORDED_AT_MS + 9 * DAY_MS + 5).sweep()
    await retention(school, RECORDED_AT_MS + 9 * DAY_MS, videos=9).sweep()
    assert (paths.library / "v0").exists()
    await retention(school, RECORDED_AT_MS + 9 * DAY_MS + 5, videos=9).sweep()
    assert not (paths.library / "v0").exists()
    assert await catalog.recordings.video("v0") is None
    assert await catalog.recordings.video("v1") is not None
    await retention(school, RECORDED_AT_MS + 99 * DAY_MS, videos=9).sweep()
    assert not (paths.recordings / "v1").exists()
    # What is being made is not taken from under the recorder.
    assert (paths.recordings / "v2").exists()
    entries = [each for each in await catalog.audit.entries(99) if each.by == "server"]
    assert [(each.what, each.subject, each.count) for each in entries if "recording" not in each.what] == [
        ("video_deleted", "v0", 1), ("retention", "videos", 1),
        ("video_deleted", "v1", 1), ("retention", "videos", 1),
    ]  # fmt: skip


async def test_of_old_lessons_nothing_is_kept_but_that_they_were(school: School) -> None:
    lessons = await three(school)
    catalog = school.signalling.catalog
    alive = await school.lesson(await school.teacher())
    await school.signalling.archive.flush()
    assert (await has(catalog, lessons[0]))[1] == 1
    await retention(school, RECORDED_AT_MS + 3 * DAY_MS, lessons=2).sweep()
    assert [(await has(catalog, lesson)) == (0, 0) for lesson in lessons] == [True, False, False]
    await retention(school, RECORDED_AT_MS + 99 * DAY_MS, lessons=2).sweep()
    assert [await has(catalog, lesson) for lesson in lessons] == [(0, 0)] * 3
    assert (await has(catalog, alive))[0] == 1  # it has not ended
    assert await catalog.lesson(lessons[0].lesson) is not None
    assert await catalog.recordings.video("v0") is not None
    counts = [each.count for each in await catalog.audit.entries(99) if each.what == "retention"]
    assert counts == [1, 2]


async def test_files_of_lessons_go_with_their_logs(school: School) -> None:
    lesson, teacher, _ = await lesson_of_two(school)
    _, reply = await bring(teacher, lesson.lesson, brought.PDF)
    kept = school.signalling._settings.paths.materials / lesson.lesson
    now_ms = school.signalling._now_ms()
    await retention(school, now_ms + 99 * DAY_MS, lessons=2).sweep()
    assert [file.name for file in kept.iterdir()] == [reply["material"]]  # it has not ended
    await teacher.send(wire.End(1000))

    async def is_over() -> bool:
        await school.signalling.archive.flush()
        found = await school.signalling.catalog.lesson(lesson.lesson)
        return found is not None and found.state == "ended"

    await until_answer(is_over, "the end in SQL")
    await retention(school, now_ms + 99 * DAY_MS, lessons=2).sweep()
    assert list(kept.iterdir()) == []
    assert await school.signalling.catalog.materials.find(reply["material"]) is None
