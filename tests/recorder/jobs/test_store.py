"""Jobs of videos that lie in an object store, and of those that somebody is taken out of."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import msgspec
import pytest

from recorder.jobs import app
from recorder.jobs.composite import make_composite
from recorder.jobs.files import MADE, VideoFiles
from recorder.jobs.process import COMMAND
from recorder.withdrawal import KEPT, Rewriter
from signaling.catalog.jobs import STEPS
from signaling.catalog.store import Catalog
from signaling.catalog.takes import TAKES_NAME, Takes
from signaling.files.api import Files
from signaling.wire import JobStep, VideoSound
from tests.recorder.jobs.parts import ALL_MADE, ODD, Begin, again, drafts, is_done, job, now_ms, publish
from tests.s3 import S3Server, give_keys
from tests.valkey import free_port
from tests.waiting import until

pytestmark = pytest.mark.asyncio


async def names(files: Files) -> list[str]:
    return [stored.name.partition("/")[2] for stored in await files.below("r1/")]


async def fetched(files: Files, name: str, folder: Path) -> bytes:
    assert await files.fetch(f"r1/{name}", folder / name), name
    return (folder / name).read_bytes()


async def nobody_waits(_recording: str) -> None:
    """As for ``zvonok erase``."""


@pytest.mark.parametrize("command", [ODD, pytest.param(COMMAND, marks=pytest.mark.long)], ids=["odd", "real"])
async def test_with_a_store_any_node_makes_it_and_makes_it_again_without_who_was_taken_out(
    begin: Begin, catalog: Catalog, tmp_path: Path, film: Path, s3: S3Server, command: tuple[str, ...]
) -> None:
    files = s3.files(f"{tmp_path.name}/library")
    for name in KEPT:
        await files.put(f"r1/{name}", film / name)
    shutil.rmtree(await publish(catalog, tmp_path))  # it lies in the store only
    node = tmp_path / "node"
    give_keys(node)
    database = f"sqlite+aiosqlite:///{tmp_path}/zvonok.db"
    await begin(command, var=node, sql__url=database, **s3.settings(tmp_path.name))
    await is_done(catalog, *STEPS)
    assert await names(files) == sorted([*KEPT, *ALL_MADE])
    await until(lambda: not drafts(node), "drafts to be gone")
    assert not (node / "library" / "r1").exists()
    first = await fetched(files, "lesson.mp4", tmp_path)

    assert await catalog.withdrawals.ask("r1", ("s1",), "main", now_ms())
    rewriter = Rewriter(catalog, tmp_path / "rewritten", nobody_waits, files=files)
    assert await rewriter.run() == 1
    await is_done(catalog, *STEPS)
    assert await names(files) == sorted([*KEPT, *ALL_MADE])
    second = await fetched(files, "lesson.mp4", tmp_path)
    await fetched(files, "video.webm", tmp_path)
    left = msgspec.json.decode(await fetched(files, TAKES_NAME, tmp_path), type=Takes)
    before = msgspec.json.decode((film / TAKES_NAME).read_bytes(), type=Takes)
    assert {each.participant for each in before.people} - {each.participant for each in left.people} == {"s1"}
    if command is ODD:
        assert b'"s1"' in first
        assert b'"s1"' not in second
        return
    gain_db = msgspec.json.decode(await fetched(files, "sound.json", tmp_path), type=VideoSound).gain_db
    made = [tmp_path / "without.mp4", tmp_path / "with.mp4"]
    for target, takes in zip(made, (left, before), strict=True):
        await asyncio.to_thread(
            make_composite, tmp_path / "video.webm", target, takes, gain_db, lambda _: None
        )
    assert second == made[0].read_bytes() != made[1].read_bytes()


async def test_while_the_store_is_away_jobs_wait_and_fail_not(
    begin: Begin, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "STORE_AWAY_MS", 100)
    await publish(catalog, tmp_path)
    give_keys(tmp_path)
    nowhere = S3Server("127.0.0.1", free_port())
    await begin(**nowhere.settings("x"))
    first = await job(catalog, "chapters", lambda each: each.error == "store_away", "the first word")
    assert (first.state, first.tries) == ("waiting", 0)
    await job(catalog, "chapters", lambda each: each.due_at_ms > first.due_at_ms, "another try")
    await until(lambda: not drafts(tmp_path), "drafts to be gone")


async def test_files_that_come_too_late_are_made_again_or_go_with_their_video(
    begin: Begin, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "HOLD_S", 60.0)  # nobody notices before it is too late
    keep, going = VideoFiles.keep, asyncio.Event()
    slow, stuck = True, 0

    async def late(self: VideoFiles, video: str, step: JobStep, made: Path) -> None:
        nonlocal slow, stuck
        if step == "sound" and slow:
            slow, stuck = False, stuck + 1
            await going.wait()
        await keep(self, video, step, made)

    monkeypatch.setattr(VideoFiles, "keep", late)
    target = await publish(catalog, tmp_path)
    await begin()
    await until(lambda: stuck == 1, "files that are about to be kept")
    await again(catalog)
    await begin()
    await is_done(catalog, *STEPS)
    other = await job(catalog, "sound", lambda _: True, "there")
    going.set()
    await job(
        catalog, "sound", lambda each: (each.ended_at_ms or 0) > (other.ended_at_ms or 0), "it once more"
    )

    going.clear()
    slow = True
    await again(catalog)
    await until(lambda: stuck == 2, "files that are about to be kept")
    assert await catalog.recordings.delete("r1", "main", now_ms())
    shutil.rmtree(target)
    kept = [target / name for name in MADE["sound"]]
    seen: list[bool] = []
    forget = VideoFiles.forget

    async def looked(self: VideoFiles, video: str, step: JobStep) -> None:
        seen.append(all(path.exists() for path in kept))
        await forget(self, video, step)

    monkeypatch.setattr(VideoFiles, "forget", looked)
    going.set()
    await until(lambda: seen, "them to be kept")
    await until(lambda: not target.exists(), "them to go")
    assert seen == [True]
