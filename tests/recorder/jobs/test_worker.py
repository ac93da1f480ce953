"""The jobs process: real SQL, a real Valkey, real processes for steps, or some that hang and die."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from recorder.claims import GROUP, Claims, lessons_recorded, place_of
from recorder.jobs import app
from recorder.jobs.calls import STREAM, Calls
from recorder.jobs.files import DRAFTS, VideoFiles
from recorder.jobs.process import COMMAND
from recorder.withdrawal import KEPT
from signaling.catalog import jobs as catalog_jobs
from signaling.catalog.jobs import STEPS
from signaling.catalog.store import Catalog
from signaling.files.folder import FolderFiles
from signaling.log import RECORDER_WORK
from tests.recorder.jobs.parts import ALL_MADE, ODD, Begin, again, drafts, is_done, job, now_ms, publish
from tests.signaling.parts import settings
from tests.signaling.test_recordings import taught
from tests.waiting import until

pytestmark = pytest.mark.asyncio


async def test_everything_is_made_of_a_published_video(
    begin: Begin, catalog: Catalog, tmp_path: Path, film: Path
) -> None:
    target = await publish(catalog, tmp_path, film)
    await begin(COMMAND)
    await is_done(catalog, *STEPS)
    assert sorted(path.name for path in target.iterdir()) == sorted([*KEPT, *ALL_MADE])
    assert all(path.stat().st_size for path in target.iterdir())
    await until(lambda: not drafts(tmp_path), "drafts to be gone")


async def test_a_call_wakes_at_once_and_a_lost_redis_delays_only(
    begin: Begin, catalog: Catalog, tmp_path: Path, valkey: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "LOOK_S", 30.0)
    await begin()
    calls = Calls(valkey)
    await publish(catalog, tmp_path)
    await until_group(redis)
    await calls.call()
    await is_done(catalog, *STEPS)
    await redis.flushall()  # the stream and its group are gone; SQL has all that counts
    await again(catalog)
    monkeypatch.setattr(app, "LOOK_S", 0.2)
    await until_group(redis)
    await calls.call()
    await is_done(catalog, *STEPS)
    await calls.close()


async def until_group(redis: Redis) -> None:
    deadline = time.monotonic() + 15
    while not (await redis.exists(STREAM) and await redis.xinfo_groups(STREAM)):
        assert time.monotonic() < deadline, "nobody answers calls"
        await asyncio.sleep(0.02)


async def test_without_redis_jobs_are_done_but_what_is_costly_waits(
    begin: Begin, catalog: Catalog, tmp_path: Path
) -> None:
    await publish(catalog, tmp_path)
    nobody = "redis://127.0.0.1:1/0"
    await begin(url=nobody)
    calls = Calls(nobody)
    await calls.call()
    await calls.close()
    await is_done(catalog, "chapters", "thumbnails", "sound")
    assert (await job(catalog, "composite", lambda _: True, "there")).state == "waiting"


async def test_progress_is_told_and_a_killed_process_is_followed_by_another(
    begin: Begin, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_jobs, "LEASE_MS", 700)
    target = await publish(catalog, tmp_path)
    (target / "do").write_text("hang 40")
    worker = await begin()
    await job(catalog, "sound", lambda each: each.progress == 40, "progress")
    # as a kill leaves it: the claim in SQL, nobody who holds it
    assert worker._lanes[0].process is not None
    for task in asyncio.all_tasks():
        if getattr(task.get_coro(), "__qualname__", "").startswith("JobWorker._"):
            task.cancel()
    (target / "do").unlink()
    await begin()
    await is_done(catalog, *STEPS)
    assert {each.tries for each in await catalog.jobs.of("r1")} >= {2}


@pytest.mark.long
async def test_a_whole_process_that_is_killed_takes_its_step_along(
    tmp_path: Path,
    catalog: Catalog,
    begin: Begin,
    valkey: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = await publish(catalog, tmp_path)
    (target / "do").write_text("hang 7")
    environment = dict(os.environ) | {
        "ZVONOK_REDIS__URL": valkey,
        "ZVONOK_PATHS__VAR": str(tmp_path),
    }
    odd = f"a.JobWorker.__init__.__defaults__ = ({ODD!r},)"
    script = f"import recorder.jobs.app as a, sys; {odd}; sys.exit(a.main())"
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    await job(catalog, "sound", lambda each: each.progress == 7, "progress")
    pid = int((target / "pid").read_text())
    victim.kill()
    await victim.wait()
    await until(lambda: not is_alive(pid), "the step to be gone with it")
    (target / "do").unlink()
    monkeypatch.setattr(catalog_jobs, "LEASE_MS", 500)
    await begin()
    await is_done(catalog, *STEPS)


def is_alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.mark.parametrize(
    ("does", "error", "state"),
    [
        ("fail damaged", "damaged", "failed"),
        ("again no_room", "no_room", "waiting"),
        ("die", "died", "waiting"),
        ("babble", "died", "waiting"),
        ("forget", "internal", "waiting"),
    ],
)
async def test_what_fails_says_so_by_a_code(
    begin: Begin, catalog: Catalog, tmp_path: Path, does: str, error: str, state: str
) -> None:
    target = await publish(catalog, tmp_path)
    (target / "do").write_text(does)
    await begin()
    found = await job(catalog, "sound", lambda each: each.error is not None, "an error")
    assert (found.error, found.state) == (error, state)
    if state == "waiting":
        assert found.due_at_ms > now_ms() + 20_000
    await until(lambda: not drafts(tmp_path), "drafts to be gone")
    assert not (target / "sound.json").exists()


async def test_a_step_that_takes_too_long_is_ended(
    begin: Begin, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.LIMIT_S, "chapters", 0.3)
    target = await publish(catalog, tmp_path)
    (target / "do").write_text("hang 1 chapters")
    await begin()
    found = await job(catalog, "chapters", lambda each: each.state == "failed", "the end")
    assert found.error == "too_slow"


async def test_near_a_bell_the_mp4_stands_still_and_the_rest_goes_on(
    begin: Begin, catalog: Catalog, tmp_path: Path
) -> None:
    target = await publish(catalog, tmp_path)
    (target / "do").write_text("hang 5 composite")
    await begin()
    await job(catalog, "composite", lambda each: each.progress == 5, "the MP4 to be begun")
    pid = int((target / "pid").read_text())
    await taught(catalog, "bell")
    await bell(catalog, now_ms())
    await until(lambda: ") T " in Path(f"/proc/{pid}/stat").read_text(), "it to stand still")
    (target / "do").unlink()
    await bell(catalog, None)
    await until(lambda: ") T " not in Path(f"/proc/{pid}/stat").read_text(), "it to go on")
    os.kill(pid, signal.SIGUSR1)
    await is_done(catalog, *STEPS)


async def bell(catalog: Catalog, at_ms: int | None) -> None:
    from sqlalchemy import update

    from signaling.catalog.models import LessonRow

    async with catalog._database.begin() as connection:
        await connection.execute(update(LessonRow).where(LessonRow.id == "bell").values(opens_at_ms=at_ms))


async def test_no_mp4_is_begun_while_the_recorders_are_busy(
    begin: Begin, catalog: Catalog, tmp_path: Path, redis: Redis, valkey: str
) -> None:
    place, other = place_of(settings(tmp_path, valkey)), place_of(settings(tmp_path / "other", valkey))
    claims = Claims(redis, place, "one")
    await claims.calls(1)  # makes the group
    await redis.xadd(RECORDER_WORK, {"lesson": "x"})
    assert await claims.calls(100) == ["x"]
    assert await lessons_recorded(redis, place) == 0
    await claims.announce({"lessons": 8})
    assert await lessons_recorded(redis, place) == 8
    assert await lessons_recorded(redis, other) == 0
    assert GROUP
    await publish(catalog, tmp_path)
    await begin(recorder__max_lessons=10)
    await is_done(catalog, "sound")
    assert (await job(catalog, "composite", lambda _: True, "there")).state == "waiting"
    await claims.announce({"lessons": 7})
    await is_done(catalog, "composite")


async def test_a_job_whose_video_changes_or_goes_meanwhile_leaves_nothing(
    begin: Begin, catalog: Catalog, tmp_path: Path
) -> None:
    target = await publish(catalog, tmp_path)
    (target / "do").write_text("hang 3")
    await begin()
    await job(catalog, "sound", lambda each: each.progress == 3, "it to run")
    pid = int((target / "pid").read_text())
    (target / "do").unlink()
    await again(catalog)
    await until(lambda: not is_alive(pid), "the old one to be ended")
    await is_done(catalog, *STEPS)
    (target / "do").write_text("hang 3")
    await again(catalog)
    await job(catalog, "sound", lambda each: each.progress == 3, "it to run again")
    assert await catalog.recordings.delete("r1", "main", now_ms())
    await until(lambda: not drafts(tmp_path), "drafts to be gone")


async def test_who_closes_gives_back_what_it_was_at(begin: Begin, catalog: Catalog, tmp_path: Path) -> None:
    target = await publish(catalog, tmp_path)
    (target / "do").write_text("hang 3")
    worker = await begin()
    await job(catalog, "sound", lambda each: each.progress == 3, "it to run")
    await worker.close()
    found = await job(catalog, "sound", lambda _: True, "there")
    assert (found.state, found.tries, found.error) == ("waiting", 0, None)


async def test_drafts_of_the_dead_are_removed(tmp_path: Path) -> None:
    files = VideoFiles(FolderFiles(tmp_path / "library"), tmp_path / "library")
    left = tmp_path / "library" / DRAFTS / "dead"
    left.mkdir(parents=True)
    (left / "lesson.mp4").write_bytes(b"half")
    os.utime(left, (1, 1))
    with files.drafts() as used:
        os.utime(used, (1, 1))
        assert not left.exists()
        with files.drafts() as other:
            assert used.exists()
            assert other != used
    assert not list((tmp_path / "library" / DRAFTS).iterdir())
