"""One lesson from record to its journals, with a worker whose every word the test decides."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.asyncio import Redis

from recorder.app import Recorder
from recorder.journal import Kind, LogHead, dropped_of
from sfu.rpc import messages as rpc
from signaling import wire
from signaling.log import key
from tests.recorder.conftest import Class, StartRecorder
from tests.recorder.parts import TapWorker, journal, log_of, taps
from tests.signaling.parts import settings, until

pytestmark = pytest.mark.asyncio


async def ended_parts(recorder: Recorder, recording: str, count: int) -> list[tuple[int, int, str | None]]:
    """Number, start and reason of each part in SQL, once so many have ended."""
    deadline = time.monotonic() + 10
    while True:
        rows = await recorder.catalog.recordings.parts(recording)
        if sum(row.ended_at_ms is not None for row in rows) == count:
            return [(row.number, row.started_at_ms, row.reason) for row in rows]
        assert time.monotonic() < deadline, rows
        await asyncio.sleep(0.02)


async def test_record_writes_what_the_worker_sends(lesson: Class, recorder: Recorder) -> None:
    field = await lesson.record()
    worker = lesson.worker
    assert worker.captured[lesson.id][0] == worker.epochs[lesson.id]
    worker.open_tap(lesson.id, 7, lesson.teacher.me)
    worker.send(lesson.id, 7, b"one", b"two", at_us=5)
    worker.send(lesson.id, 7, b"three", at_us=6, dropped=3)
    await until(lambda: taps(lesson.recordings) and len(taps(lesson.recordings)[0].packets) == 3, "packets")
    (tap,) = taps(lesson.recordings)
    assert tap.packets == [b"one", b"two", b"three"]
    assert [(kind, body) for kind, _, body in tap.records][2] == (Kind.DROPPED, (3).to_bytes(4))
    assert dropped_of(tap.records[2][2]) == 3
    assert [time_us for kind, time_us, _ in tap.records if kind == Kind.PACKET] == [5, 5, 6]
    head = tap.tap
    assert (head.lesson, head.recording, head.part) == (lesson.id, field.id, 1)
    assert (head.participant, head.role, head.name) == (lesson.teacher.me, "teacher", "Анна Петровна")
    assert (head.source, head.codec, head.clock_rate, head.payload_type) == ("microphone", "opus", 48000, 111)
    assert tap.path.parent.name == field.id
    assert tap.path.name.startswith(f"001-{lesson.teacher.me}-microphone-")
    assert tap.path.parent.stat().st_mode & 0o077 == 0, "what is said in a lesson is not everybody's"


async def test_nothing_is_captured_before_record(lesson: Class, recorder: Recorder, redis: Redis) -> None:
    await lesson.teacher.done(wire.Chat, text="до записи")
    await redis.xadd("zvonok:recorder:work", {"lesson": lesson.id})  # called by mistake
    await until(lambda: recorder.disk.free_bytes, "the recorder's first look")
    await lesson.record()
    assert len(lesson.worker.asked_for_capture) == 1
    assert "до записи" not in repr(log_of(lesson.recordings).events)


async def test_the_log_tells_who_was_there_and_what_happened_but_not_what_is_hidden(
    lesson: Class, recorder: Recorder
) -> None:
    student = lesson.school.person()
    await student.enter(lesson.lesson.student_link, "Маша")
    await student.done(wire.Hand, up=True)
    field = await lesson.record()
    number = await student.done(wire.Chat, text="да")
    await lesson.teacher.done(wire.Remove, participant=student.me)
    await until(lambda: "removed" in " ".join(log_of(lesson.recordings).kinds), "the removal in the log")
    log = log_of(lesson.recordings)
    head = log.head
    assert isinstance(head, LogHead)
    assert (head.recording, head.title, head.subject, head.grade) == (field.id, "Optics", "Physics", 8)
    assert (head.teacher.id, head.teacher.name) == ("main", "Анна Петровна")
    restated = {
        path: value for event in log.events if event.kind == "restated" for path, value in event.set.items()
    }
    assert restated[f"person/{student.me}"]["name"] == "Маша"
    assert f"hand/{student.me}" in restated
    assert restated["recording"]["state"] == "starting"
    on = next(event for event in log.events if event.kind == "recording_on")
    assert on.set["recording"]["since_ms"] == field.since_ms
    said = next(event for event in log.events if event.number == number)
    assert next(iter(said.set.values()))["text"] == "да"
    everything = {path for event in log.events for path in (*event.set, *event.delete)}
    assert not [path for path in everything if path.startswith(("_", "lobby/"))]


async def test_stop_and_start_make_parts_and_nothing_between(lesson: Class, recorder: Recorder) -> None:
    first = await lesson.record()
    lesson.worker.open_tap(lesson.id, 1)
    lesson.worker.send(lesson.id, 1, b"one")
    await lesson.stop()
    await until(lambda: taps(lesson.recordings)[0].ended, "the first part's end")
    await lesson.teacher.done(wire.Chat, text="между нами")
    second = await lesson.record()
    assert (second.id, second.part) == (first.id, 2)
    lesson.worker.open_tap(lesson.id, 2)
    lesson.worker.send(lesson.id, 2, b"two")
    lesson.worker.close_tap(lesson.id, 2)
    await lesson.stop()
    await until(lambda: [tap.ended for tap in taps(lesson.recordings)] == [True, True], "both parts' ends")
    await until(lambda: log_of(lesson.recordings).kinds.count("recording_off") == 2, "the log's end")
    assert [(tap.tap.part, tap.packets) for tap in taps(lesson.recordings)] == [(1, [b"one"]), (2, [b"two"])]
    log = log_of(lesson.recordings)
    assert log.kinds.count("restated") == 4
    assert [kind for kind in log.kinds if kind.startswith("recording_")] == [
        "recording_on", "recording_off", "recording_on", "recording_off",
    ]  # fmt: skip
    assert "между нами" not in repr(log.events)
    assert await ended_parts(recorder, first.id, 2) == [
        (1, first.since_ms, "stopped"),
        (2, second.since_ms, "stopped"),
    ]


async def test_the_claim_is_kept_between_parts_and_the_worker_is_let_go(
    lesson: Class, recorder: Recorder, redis: Redis
) -> None:
    await lesson.record()
    await lesson.stop()
    assert lesson.id not in lesson.worker.captured
    assert await redis.get(key(lesson.id, "recorder")) == recorder.claims.recorder.encode()
    assert recorder.lessons == 1


async def test_refusals_are_tried_again_under_the_lease_in_force(lesson: Class, recorder: Recorder) -> None:
    lesson.worker.capture_refusals += ["not_found", "stale_epoch", "internal"]
    await lesson.record()
    assert len(lesson.worker.asked_for_capture) == 4


async def test_a_tap_that_closes_and_opens_again_is_another_file(lesson: Class, recorder: Recorder) -> None:
    await lesson.record()
    for tap in (1, 2):
        lesson.worker.open_tap(lesson.id, tap)
        lesson.worker.send(lesson.id, tap, b"%d" % tap)
        lesson.worker.close_tap(lesson.id, tap)
    await until(lambda: len(taps(lesson.recordings)) == 2, "two files")
    await until(lambda: all(tap.ended for tap in taps(lesson.recordings)), "their ends")
    assert sorted(tap.packets for tap in taps(lesson.recordings)) == [[b"1"], [b"2"]]


async def test_pushes_of_another_epoch_or_an_unknown_tap_are_passed_over(
    lesson: Class, recorder: Recorder
) -> None:
    await lesson.record()
    worker = lesson.worker
    worker.open_tap(lesson.id, 1)
    worker.send(lesson.id, 9, b"nobody's")
    epoch, connection = worker.captured[lesson.id]
    connection.send(rpc.TapData(lesson.id, epoch - 1, 1, b"", 5))
    connection.send(rpc.TapData(lesson.id, epoch, 1, b"torn", 0))
    worker.send(lesson.id, 1, b"good")
    await until(lambda: taps(lesson.recordings) and taps(lesson.recordings)[0].packets, "the packet")
    assert [kind for kind, _, _ in taps(lesson.recordings)[0].records] == [Kind.PACKET]


async def test_a_lost_worker_that_comes_back_is_captured_again_in_the_same_part(
    lesson: Class, recorder: Recorder, redis: Redis
) -> None:
    await lesson.record()
    worker = lesson.worker
    worker.open_tap(lesson.id, 1)
    worker.send(lesson.id, 1, b"before")
    await until(lambda: taps(lesson.recordings), "the tap's file")
    await worker.stop()
    await until(lambda: taps(lesson.recordings)[0].ended, "the journal's end")
    other = TapWorker(redis, settings(lesson.recordings.parent, "").paths.secret("rpc.key"), "w1")
    await other.start()
    try:
        await until(lambda: lesson.id in other.captured, "the capture at the other worker")
        other.open_tap(lesson.id, 1)
        other.send(lesson.id, 1, b"after")
        await until(lambda: len(taps(lesson.recordings)) == 2, "the other file")
        await until(lambda: any(tap.packets == [b"after"] for tap in taps(lesson.recordings)), "its packet")
        assert {tap.tap.part for tap in taps(lesson.recordings)} == {1}
        assert (await lesson.is_on()).part == 1
    finally:
        await recorder.close()
        await other.stop()


async def test_a_capture_that_the_worker_lost_silently_begins_anew(lesson: Class, recorder: Recorder) -> None:
    await lesson.record()
    former = lesson.worker.captured.pop(lesson.id)
    await until(lambda: lesson.id in lesson.worker.captured, "another capture")
    assert lesson.worker.captured[lesson.id][0] == former[0]


async def test_who_lost_the_claim_stops_and_leaves_the_recording_on(
    lesson: Class, recorder: Recorder, redis: Redis
) -> None:
    await lesson.record()
    lesson.worker.open_tap(lesson.id, 1)
    lesson.worker.send(lesson.id, 1, b"one")
    await redis.set(key(lesson.id, "recorder"), "elsewhere.r", px=60_000)
    await until(lambda: recorder.lessons == 0, "the recorder to let go")
    assert taps(lesson.recordings)[0].ended
    assert lesson.worker.asked_for_end
    assert (await lesson.is_on()).state == "on"
    assert await redis.get(key(lesson.id, "recorder")) == b"elsewhere.r"


async def test_a_claim_that_lapsed_is_taken_again(lesson: Class, recorder: Recorder, redis: Redis) -> None:
    await lesson.record()
    await redis.delete(key(lesson.id, "recorder"))
    claims: list[bytes | str | None] = []

    async def look() -> None:
        while not claims or claims[-1] is None:
            claims.append(await redis.get(key(lesson.id, "recorder")))
            await asyncio.sleep(0.02)

    await asyncio.wait_for(look(), 5)
    assert claims[-1] == recorder.claims.recorder.encode()
    assert (recorder.lessons, len(lesson.worker.asked_for_end)) == (1, 0)


async def test_a_recorder_without_room_says_so_to_everybody(
    lesson: Class, start_recorder: StartRecorder
) -> None:
    await start_recorder(recorder__reserve_mb=1 << 40)
    await lesson.teacher.done(wire.Record, on=True)
    off = await lesson.is_off()
    assert (off.reason, off.part) == ("disk_full", 1)
    assert not lesson.worker.asked_for_capture
    assert not taps(lesson.recordings)


async def test_when_room_gets_short_the_recording_stops_and_what_was_written_stays(
    lesson: Class, recorder: Recorder
) -> None:
    field = await lesson.record()
    lesson.worker.open_tap(lesson.id, 1)
    lesson.worker.send(lesson.id, 1, b"one")
    await until(lambda: taps(lesson.recordings) and taps(lesson.recordings)[0].packets, "the packet")
    recorder.disk._reserve_bytes = 1 << 60
    off = await lesson.is_off()
    assert off.reason == "disk_full"
    await until(lambda: taps(lesson.recordings)[0].ended, "the journal's end")
    await until(lambda: log_of(lesson.recordings).kinds[-1] == "recording_off", "the end in the log")
    assert await ended_parts(recorder, field.id, 1) == [(1, field.since_ms, "disk_full")]
    recorder.disk._reserve_bytes = 0
    assert (await lesson.record()).part == 2


async def test_journals_that_cannot_be_written_stop_the_recording(lesson: Class, recorder: Recorder) -> None:
    await lesson.record()
    folder = next(lesson.recordings.iterdir())
    folder.rename(lesson.recordings / "elsewhere")
    folder.write_text("no journal can be made in a file")
    lesson.worker.open_tap(lesson.id, 1)
    assert (await lesson.is_off()).reason == "failed"
    await until(lambda: not recorder.disk.journals, "the journals to be closed")


async def test_journals_are_closed_in_order_when_the_recorder_is_told_to_stop(
    lesson: Class, recorder: Recorder, start_recorder: StartRecorder, redis: Redis
) -> None:
    first = await lesson.record()
    lesson.worker.open_tap(lesson.id, 1)
    lesson.worker.send(lesson.id, 1, b"one")
    await until(lambda: recorder.disk.journals == 2, "the journals")
    await recorder.close()
    assert all(each.ended for each in [*taps(lesson.recordings), log_of(lesson.recordings)])
    assert await redis.get(key(lesson.id, "recorder")) is None
    other = await start_recorder()
    await until(lambda: other.lessons == 1 and lesson.id in lesson.worker.captured, "the next recorder")
    lesson.worker.open_tap(lesson.id, 2)
    lesson.worker.send(lesson.id, 2, b"two")
    await until(lambda: [b"two"] in [tap.packets for tap in taps(lesson.recordings)], "its packets")
    assert {tap.tap.part for tap in taps(lesson.recordings)} == {first.part}
    log = journal(lesson.recordings / first.id / "log.zj")
    assert log.kinds.count("restated") == 4
    assert (await lesson.is_on()).part == 1
