"""From the end of a lesson to its video in the library, with other steps in place of the real ones."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.asyncio import Redis

from recorder.app import Recorder
from recorder.folder import FolderLock
from recorder.journal import LogEvent, Writer
from recorder.publish import Outcome, Publisher
from recorder.repair import repair
from signaling import wire
from signaling.log import key
from tests.recorder.conftest import Class, StartRecorder
from tests.recorder.parts import dies, finds_nothing, makes, raises, taps
from tests.recorder.test_journal import LOG
from tests.signaling.parts import settings, until

pytestmark = pytest.mark.asyncio


async def recorded(lesson: Class) -> str:
    """A lesson with one part and a packet in it, still on; the recording's id."""
    field = await lesson.record()
    lesson.worker.open_tap(lesson.id, 1)
    lesson.worker.send(lesson.id, 1, b"one")
    await until(lambda: taps(lesson.recordings) and taps(lesson.recordings)[0].packets, "the packet")
    return field.id


async def end(lesson: Class) -> None:
    if lesson.id in lesson.worker.captured:
        lesson.worker.close_tap(lesson.id, 1)
    await lesson.end()


async def state(recorder: Recorder, recording: str, wanted: str) -> None:
    """Wait until SQL calls the recording so."""
    deadline = time.monotonic() + 30
    while True:
        row = await recorder.catalog.recordings.recording(recording)
        if row is not None and row.state == wanted:
            return
        assert time.monotonic() < deadline, f"{row}, not {wanted}"
        await asyncio.sleep(0.02)


async def test_at_the_end_of_a_lesson_its_video_is_in_the_library(lesson: Class, recorder: Recorder) -> None:
    recording = await recorded(lesson)
    await end(lesson)
    await state(recorder, recording, "ready")
    video = await recorder.catalog.recordings.video(recording)
    assert video is not None
    assert (video.state, video.title, video.teacher_name) == ("ready", "Optics", "Анна Петровна")
    assert (video.duration_ms, video.bytes, video.width, video.height) == (2000, 4, 640, 360)
    assert "log.zj" in (lesson.library / recording / "video.webm").read_text()
    await until(lambda: not (lesson.recordings / recording).exists(), "the journals to be gone")
    assert not recorder.publisher.waiting
    assert recorder.lessons == 0
    entries = await recorder.catalog.audit.entries(9)
    assert [(each.what, each.by, each.subject) for each in entries] == [
        ("recording_started", lesson.teacher.me, f"{lesson.id}/{recording}"),
        ("recording_stopped", "server", recording),
    ]


async def test_the_claim_is_let_go_at_the_end(lesson: Class, recorder: Recorder, redis: Redis) -> None:
    recording = await recorded(lesson)
    await end(lesson)
    await state(recorder, recording, "ready")
    assert await redis.get(key(lesson.id, "recorder")) is None


async def test_the_end_of_a_lesson_between_parts_finishes_it_too(lesson: Class, recorder: Recorder) -> None:
    recording = await recorded(lesson)
    lesson.worker.close_tap(lesson.id, 1)
    await lesson.stop()
    await end(lesson)
    await state(recorder, recording, "ready")


async def test_a_recording_with_nothing_in_it_leaves_nothing(
    lesson: Class, start_recorder: StartRecorder
) -> None:
    recorder = await start_recorder(finds_nothing)
    recording = await recorded(lesson)
    await end(lesson)
    await state(recorder, recording, "empty")
    assert await recorder.catalog.recordings.video(recording) is None
    await until(lambda: not (lesson.recordings / recording).exists(), "the journals to be gone")


async def test_steps_that_fail_keep_the_journals_for_repair(
    lesson: Class, start_recorder: StartRecorder, valkey: str
) -> None:
    recorder = await start_recorder(raises)
    recording = await recorded(lesson)
    await end(lesson)
    await state(recorder, recording, "failed")
    assert taps(lesson.recordings)[0].packets == [b"one"]
    said: list[str] = []
    assert await repair(settings(lesson.recordings.parent, valkey), said.append, makes)
    assert said == [f"{recording}  ready    0:02, 0.0 MB, in the library"]
    await state(recorder, recording, "ready")
    assert not (lesson.recordings / recording).exists()


async def test_a_finishing_process_that_dies_is_tried_three_times(
    lesson: Class, start_recorder: StartRecorder
) -> None:
    recorder = await start_recorder(dies)
    recording = await recorded(lesson)
    await end(lesson)
    await state(recorder, recording, "failed")
    assert (lesson.library / "deaths").read_text() == "xxx"
    assert taps(lesson.recordings)[0].packets == [b"one"]


async def test_a_recorder_that_starts_finishes_what_was_left(
    lesson: Class, recorder: Recorder, start_recorder: StartRecorder
) -> None:
    recording = await recorded(lesson)
    await recorder.close()
    torn = taps(lesson.recordings)[0].path
    with torn.open("ab") as file:
        file.write(b"\0\0\0\7\2 torn")
    await lesson.end()
    other = await start_recorder()
    await state(other, recording, "ready")
    await until(lambda: not (lesson.recordings / recording).exists(), "the journals to be gone")


async def test_repair_leaves_live_lessons_and_those_in_use_alone(
    lesson: Class, recorder: Recorder, valkey: str
) -> None:
    recording = await recorded(lesson)
    said: list[str] = []
    own = settings(lesson.recordings.parent, valkey)
    assert await repair(own, said.append, makes)
    assert said.pop() == f"{recording}  busy     is being recorded or finished by the server"
    await recorder.close()
    assert await repair(own, said.append, makes)
    assert said.pop() == f"{recording}  live     its lesson has not ended, left to the server"
    assert taps(lesson.recordings)[0].packets == [b"one"]


async def test_two_never_finish_one(lesson: Class, recorder: Recorder) -> None:
    recording = await recorded(lesson)
    await recorder.close()
    publisher = Publisher(recorder.catalog, lesson.recordings, lesson.library, makes)
    with FolderLock(lesson.recordings / recording, alone=True):
        result = await publisher.publish(recording, torn=True)
    await publisher.close()
    assert result.outcome is Outcome.BUSY


async def test_what_sql_never_heard_of_is_told_from_the_log(
    lesson: Class, recorder: Recorder, start_recorder: StartRecorder
) -> None:
    recording = await recorded(lesson)
    field = lesson.field
    assert field is not None
    await until(lambda: (lesson.recordings / recording / "entered").exists(), "SQL to know it")
    await recorder.close()
    await lesson.end()
    (lesson.recordings / recording / "entered").unlink()
    other = await start_recorder()
    await state(other, recording, "ready")
    (part,) = await other.catalog.recordings.parts(recording)
    assert (part.number, part.started_at_ms) == (1, field.since_ms)


async def test_a_recording_that_was_deleted_leaves_nothing(
    lesson: Class, start_recorder: StartRecorder
) -> None:
    recorder = await start_recorder(raises)
    recording = await recorded(lesson)
    await end(lesson)
    await state(recorder, recording, "failed")
    assert await recorder.catalog.recordings.delete(recording, "teacher1", 900)
    other = await start_recorder(makes)
    await until(lambda: not (lesson.recordings / recording).exists(), "the journals to be gone")
    assert not await other.catalog.recordings.exists(recording)
    assert not (lesson.library / recording).exists()


async def test_a_folder_whose_lesson_nobody_knows_is_kept(
    lesson: Class, recorder: Recorder, valkey: str
) -> None:
    folder = lesson.recordings / "R1"
    writer = Writer(folder / "log.zj", LOG, 1)
    writer.open()
    on = {"recording": {"id": "R1", "state": "on", "part": 1, "since_ms": 5}}
    writer.add_event(LogEvent(number=1, kind="recording_on", at_ms=5, by=None, set=on), 5)
    writer.close(6)
    await until(lambda: "R1" in recorder.publisher.given_up, "the sweep")
    said: list[str] = []
    assert not await repair(settings(lesson.recordings.parent, valkey), said.append, makes)
    assert said == ["R1  unknown  its lesson is not in the database, kept"]
    assert (folder / "log.zj").exists()


async def test_a_part_that_never_began_leaves_nothing(lesson: Class, recorder: Recorder) -> None:
    lesson.worker.capture_refusals += ["not_found"] * 100
    await lesson.teacher.done(wire.Record, on=True)
    assert (await lesson.is_off()).reason == "no_recorder"
    await lesson.end()
    await until(lambda: recorder.lessons == 0 and not recorder.publisher.waiting, "the recorder to be done")
    await until(lambda: not list(lesson.recordings.iterdir()), "the folder to be gone")
