"""From what SQL asks for to the video without somebody, by a recorder and by ``zvonok erase``."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import av
import msgspec
import pytest
import pytest_asyncio

from config.consent import CannotErase, audit, erase
from config.settings import Settings
from recorder import card
from recorder.webm import Video
from recorder.withdrawal import Rewriter
from sfu.model import Role
from signaling.catalog.recordings import Published
from signaling.catalog.store import Catalog, Lesson, Outcome
from signaling.catalog.takes import TAKES_NAME, Cast, Take, Takes
from signaling.codec import builtins
from signaling.links import participant_of_device, participant_of_teacher
from signaling.replica import Record
from signaling.wire import AttendanceRow, ChatField, LessonField, PersonField, Timeline, TimelineChat
from tests.signaling.parts import settings

LESSON, VIDEO, TEACHER_ID, DEVICE = "lesson", "vid", "main", "thedevice"
ENDED_MS = 1_790_000_000_000


@cache
def title(*words: Any) -> bytes:
    return card.encode(card.draw(*words))


class World:
    """A database and a library with one finished lesson: a teacher and two students, the first of them seen
    in the video's second second and heard in its third."""

    def __init__(self, made: Settings, catalog: Catalog) -> None:
        self.settings = made
        self.catalog = catalog
        key = made.paths.secret("people.key")
        self.teacher = participant_of_teacher(key, LESSON, TEACHER_ID)
        self.student = participant_of_device(key, LESSON, Role.STUDENT, DEVICE)
        self.other = "other"
        self.folder = made.paths.library / VIDEO
        self.republished: list[str] = []
        self.rewriter = Rewriter(catalog, made.paths.library, self._republished)

    async def _republished(self, recording: str) -> None:
        assert {path.name for path in self.folder.iterdir()} == {"video.webm", "timeline.json", TAKES_NAME}
        self.republished.append(recording)

    async def fill(self) -> None:
        catalog = self.catalog
        await catalog.use_key("jti", TEACHER_ID, 1)
        await catalog.new_lesson(
            Lesson(
                LESSON, TEACHER_ID, "Анна", "Optics", "Physics", 8, "live", 1, None, {Role.STUDENT: "code"}
            )
        )
        names = {
            self.teacher: ("Анна", "teacher"),
            self.student: ("Маша", "student"),
            "other": ("Петя", "student"),
        }
        changes = [{"lesson": LessonField("Optics", "Physics", 8, "live", teacher="Анна")}]
        changes += [
            {f"person/{who}": PersonField(name, role, here=True, order=1)}  # type: ignore[dict-item, arg-type]
            for who, (name, role) in names.items()
        ]
        changes += [
            {f"chat/{who}": ChatField(who, name, f"words of {name}", 5)}  # type: ignore[dict-item]
            for who, (name, _) in names.items()
        ]
        await catalog.add_events(
            [
                (
                    LESSON,
                    Record(number, "x", 5, None, {path: builtins(value) for path, value in change.items()}),
                )
                for number, change in enumerate(changes, 1)
            ]
        )
        rows = tuple(
            AttendanceRow(who, name, role, 1, 2, 1, 1)  # type: ignore[arg-type]
            for who, (name, role) in names.items()
        )
        await catalog.put_outcomes([Outcome(LESSON, "ended", ENDED_MS, rows)])
        await catalog.recordings.begin(VIDEO, LESSON, 1, ENDED_MS - 4000)
        await catalog.recordings.end_part(VIDEO, 1, ENDED_MS, "ended")
        assert await catalog.recordings.finishing(VIDEO)
        self._film(names)
        size = (self.folder / "video.webm").stat().st_size
        assert await catalog.recordings.published(VIDEO, Published(4000, size, 1280, 720), ENDED_MS)

    def _film(self, names: dict[str, tuple[str, str]]) -> None:
        self.folder.mkdir(parents=True)
        face = title("A FACE", "", None, "")
        with Video(self.folder / "video.webm", "Optics") as video:
            for number in range(200):
                if number % 50 == 0:
                    video.picture(number * 20, (face,), key=True)
                video.sound(number * 20, b"\xf8" + bytes(20))
            video.end(4000, 1280, 720)
        takes = (Take(self.student, "camera", 1000, 2000), Take(self.student, "microphone", 2000, 3000))
        cast = tuple(Cast(who, name, role) for who, (name, role) in names.items())  # type: ignore[arg-type]
        said = tuple(TimelineChat(5, name, f"words of {name}", who) for who, (name, _) in names.items())
        (self.folder / TAKES_NAME).write_bytes(msgspec.json.encode(Takes(cast, takes)))
        (self.folder / "timeline.json").write_bytes(msgspec.json.encode(Timeline(4000, (), said)))
        (self.folder / "chapters.json").write_text("made from it")

    async def state(self) -> str:
        video = await self.catalog.recordings.video(VIDEO)
        return "deleted" if video is None else video.state

    def kept(self) -> bytes:
        """All that the database and the library hold."""
        paths = self.settings.paths
        files = [*paths.library.rglob("*"), *paths.var_path.glob("*.sqlite*")]
        return b"".join(path.read_bytes() for path in files if path.is_file())


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = settings(tmp_path, "redis://unused")
    catalog = await Catalog.open(made.sql.url)
    world = World(made, catalog)
    await world.fill()
    yield world
    world.rewriter.close()
    await catalog.close()


@pytest.mark.asyncio
async def test_a_recorder_takes_out_who_is_to_be_taken_out(world: World) -> None:
    old = world.folder / "video.webm"
    with old.open("rb") as file:
        before = file.read()
        assert await world.catalog.withdrawals.ask(VIDEO, (world.student,), TEACHER_ID, 5)
        descriptor = os.open(world.folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # as another recorder that does it
        assert await world.rewriter.run() == 0
        assert await world.state() == "processing"
        os.close(descriptor)
        assert await world.rewriter.run() == 1
        assert await world.state() == "ready"
        assert os.fstat(file.fileno()).st_nlink == 0  # nothing on the disk leads to it any more
    video = await world.catalog.recordings.video(VIDEO)
    assert video is not None
    assert video.bytes == old.stat().st_size
    assert old.read_bytes() != before
    assert world.republished == [VIDEO]
    assert world.student.encode() not in (world.folder / TAKES_NAME).read_bytes()
    assert await world.rewriter.run() == 0


@pytest.mark.asyncio
async def test_a_video_that_cannot_be_rewritten_stays_hidden_and_as_it_was(world: World) -> None:
    await world.catalog.withdrawals.ask(VIDEO, (world.student,), TEACHER_ID, 5)
    old = (world.folder / "video.webm").read_bytes()
    (world.folder / "timeline.json").write_text("torn")
    assert await world.rewriter.run() == 0
    assert await world.state() == "processing"
    assert (world.folder / "video.webm").read_bytes() == old
    (world.folder / "timeline.json").write_bytes(msgspec.json.encode(Timeline(4000, ())))
    assert await world.rewriter.run() == 0  # not at once again
    world.rewriter._later_s.clear()
    assert await world.rewriter.run() == 1


@pytest.mark.asyncio
async def test_a_video_deleted_meanwhile_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.catalog.withdrawals.ask(VIDEO, (world.student,), TEACHER_ID, 5)
    (waiting,) = await world.catalog.withdrawals.waiting()
    await world.catalog.recordings.delete(VIDEO, TEACHER_ID, 6)
    assert not await world.rewriter._one(waiting)
    assert not world.folder.exists()
    assert not world.republished


# --- zvonok erase --------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_person_is_found_by_every_id_there_is_of_them(world: World) -> None:
    for who in (world.student, DEVICE, f"{LESSON}/{world.student}", TEACHER_ID, world.teacher):
        said = await told(world, who, dry=True)
        assert "would be" in said
        assert "1 rows" in said
        assert f"{VIDEO}: would be published without them" in said
    assert await world.state() == "ready"


@pytest.mark.asyncio
async def test_a_student_is_erased(world: World) -> None:
    who = world.student
    assert world.kept().count("Маша".encode()) >= 3
    assert await world.state() == "ready"

    said = await told(world, who)
    assert "2 events" in said
    assert "1 rows" in said
    assert f"{VIDEO}: is published without them" in said
    assert "backups" in said
    attendance = await world.catalog.attendance(LESSON)
    assert {row.participant: row.name for row in attendance} == {
        world.teacher: "Анна", world.student: "—", "other": "Петя",
    }  # fmt: skip
    events = await world.catalog.events(LESSON)
    assert "Маша" not in repr(events)
    assert "Петя" in repr(events)
    assert len(events) == 7
    assert "Маша" not in (world.folder / "timeline.json").read_text()
    assert world.student not in (world.folder / TAKES_NAME).read_text()
    assert await world.state() == "ready"
    entries = await world.catalog.audit.entries(10)
    assert [(each.what, each.by) for each in entries[-3:]] == [
        ("withdrawal_asked", "operator"), ("erased", "operator"), ("withdrawn", "operator"),
    ]  # fmt: skip
    said = await told(world, who)
    assert "0 events" in said
    assert "video " not in said


@pytest.mark.asyncio
async def test_a_teacher_is_erased_from_the_title_card_too(world: World) -> None:
    await told(world, TEACHER_ID)
    assert "Анна" not in repr(await world.catalog.events(LESSON))
    teacher, lesson = await world.catalog.teacher(TEACHER_ID), await world.catalog.lesson(LESSON)
    video = await world.catalog.recordings.video(VIDEO)
    assert teacher is not None
    assert lesson is not None
    assert video is not None
    assert {teacher.name, lesson.teacher_name, video.teacher_name} == {"—"}
    takes = msgspec.json.decode((world.folder / TAKES_NAME).read_bytes(), type=Takes)
    assert [each.participant for each in takes.people] == [world.student, "other"]
    with av.open(str(world.folder / "video.webm")) as file:
        frames = [bytes(packet) for packet in file.demux(video=0) if packet.size]
    nameless, face = title("Optics", "Physics", 8, "—"), title("A FACE", "", None, "")
    assert face in frames  # the student is still seen
    assert nameless in frames
    assert set(frames) == {face, nameless}


@pytest.mark.asyncio
async def test_what_cannot_be_done_is_said(world: World) -> None:
    with pytest.raises(CannotErase, match="nobody"):
        await told(world, "nobody")
    assert "erased" not in {entry.what for entry in await world.catalog.audit.entries(9)}
    await world.catalog.use_key("other", "idle", 1)
    assert "lessons          0" in await told(
        world, "idle"
    )  # a teacher without a lesson has a name all the same
    (world.folder / TAKES_NAME).unlink()
    assert "nobody knows who is in it" in await told(world, world.student, code=1)
    assert await world.state() == "ready"


async def told(world: World, who: str, *, dry: bool = False, code: int = 0) -> str:
    """Run the command as a process of its own would."""
    lines: list[str] = []
    got = await asyncio.to_thread(erase, world.settings, who, lines.append, dry=dry)
    assert got == code, lines
    listed: list[str] = []
    assert await asyncio.to_thread(audit, world.settings, 5, listed.append, as_json=False) == 0
    assert 2 <= len(listed) <= 5
    return "\n".join(lines)
