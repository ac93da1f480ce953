"""The jobs process, ``python -m recorder.jobs.app``: has what is behind video lessons made, step by step.

It asks SQL what is to be done when it is called and every few seconds, so nothing depends on a call. What is
quick goes its own way beside the MP4, which stands still near a bell and while the recorders here are busy.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvloop
from sqlalchemy.exc import SQLAlchemyError

from config.logs import log_to_stderr
from config.process import on_stop, say_ready
from config.settings import Settings, SettingsError, load_settings
from recorder.claims import lessons_recorded, place_of
from recorder.jobs.calls import Calls
from recorder.jobs.files import VideoFiles
from recorder.jobs.process import COMMAND, Ended, StepProcess
from recorder.jobs.step import NICENESS
from signaling.catalog.jobs import Claim
from signaling.catalog.store import Catalog
from signaling.files.api import StoreAway
from signaling.files.opening import open_library
from signaling.log import LogUnreachable, connect, heed_cancellation, stop
from signaling.wire import JobStep

log = logging.getLogger(__name__)

QUICK: Final[tuple[JobStep, ...]] = ("chapters", "thumbnails", "sound")
COSTLY: Final[tuple[JobStep, ...]] = ("composite",)
LIMIT_S: Final[dict[JobStep, float]] = {
    "chapters": 60.0,
    "thumbnails": 900.0,
    "sound": 900.0,
    "composite": 6 * 3600.0,
}
"""How long a step may run, without the time in which it stands still."""
LOOK_S: Final = 5.0
HOLD_S: Final = 2.0
BUSY_SHARE: Final = 0.8
"""With so many of the lessons that the recorders here may take, the machine has nothing to spare."""
MISSING_S: Final = 3600.0
STORE_AWAY_MS: Final = 30_000
"""How long a job waits that the store kept from being done."""


@dataclass(eq=False)
class _Lane:
    """Steps that are carried out one after the other."""

    steps: tuple[JobStep, ...]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    claim: Claim | None = None
    """What is being done."""
    process: StepProcess | None = None


class JobWorker:
    """Everything one jobs process owns. ``start``, then ``close``; the order is in docs/closures.md."""

    def __init__(self, settings: Settings, command: Sequence[str] = COMMAND) -> None:
        """``command``: what carries out a step, ``recorder.jobs.step`` unless a test brings its own."""
        self.id = secrets.token_hex(4)
        self._settings = settings
        self._command = command
        self._lanes = (_Lane(QUICK), _Lane(COSTLY))
        self._leaving = False
        self._closing = AsyncExitStack()

    async def start(self) -> None:
        """Connect and begin. Raises OSError, SQLAlchemyError, SettingsError; then all is closed again. Redis
        and the store may be away."""
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Give back what is being done, disconnect. Idempotent."""
        await self._closing.aclose()

    async def _start(self) -> None:
        settings, closing = self._settings, self._closing
        for folder in (settings.paths.library, settings.paths.recordings):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.catalog = await Catalog.open(settings.sql.url, migrate=False)
        closing.push_async_callback(self.catalog.close)
        files = open_library(settings)
        closing.push_async_callback(files.close)
        self._files = VideoFiles(files, settings.paths.library)
        await asyncio.to_thread(self._files.sweep)
        self._place = await asyncio.to_thread(place_of, settings)
        self._redis = connect(settings.redis.url)
        closing.push_async_callback(self._redis.aclose)
        calls = Calls(settings.redis.url)
        closing.push_async_callback(calls.close)
        for work in (calls.answer(self._called), self._find_missing(), *map(self._follow, self._lanes)):
            closing.push_async_callback(stop, asyncio.create_task(work))
        closing.push_async_callback(self._give_back)

    async def _called(self) -> None:
        for lane in self._lanes:
            lane.wake.set()

    async def _find_missing(self) -> None:
        """Now and then: videos from before there was a step."""
        while True:
            try:
                added = await self.catalog.jobs.add_missing(_now_ms())
                if added:
                    log.info("jobs of old videos queued", extra={"jobs": added})
                    await self._called()
                await asyncio.sleep(MISSING_S)
            except SQLAlchemyError as error:
                log.warning("old videos not looked at", extra={"reason": type(error).__name__})
                await asyncio.sleep(LOOK_S)

    async def _follow(self, lane: _Lane) -> None:
        told = False
        while True:
            busy = False
            try:
                busy = await self._next(lane)
                told = False
            except SQLAlchemyError as error:
                if not told:
                    log.warning("sql: not reached, trying again", extra={"reason": type(error).__name__})
                told = True
            except Exception:
                log.exception("job left in the middle")
                await asyncio.sleep(LOOK_S)
            heed_cancellation()
            if not busy:
                try:
                    async with asyncio.timeout(LOOK_S):
                        await lane.wake.wait()
                except TimeoutError:
                    pass
                lane.wake.clear()

    async def _next(self, lane: _Lane) -> bool:
        """Carry out the most urgent job; False: there is none now. Raises SQLAlchemyError."""
        if self._leaving or (lane.steps is COSTLY and await self._must_wait()):
            return False
        claim = await self.catalog.jobs.claim(f"{self.id}.{secrets.token_hex(8)}", lane.steps, _now_ms())
        if claim is None:
            return False
        ids = {"recording": claim.recording, "step": claim.step, "try": claim.tries}
        started_s = time.monotonic()
        try:
            ended = await self._carry_out(lane, claim)
        except StoreAway as error:
            log.warning("store: job waits", extra=ids | {"reason": error.strerror})
            await self.catalog.jobs.give_back(claim, _now_ms() + STORE_AWAY_MS, "store_away")
            return True
        if ended is None:
            log.info("job let go", extra=ids)
        elif ended.error is not None:
            await self.catalog.jobs.failed(claim, ended.error, _now_ms(), again=ended.again)
            log.warning("job failed", extra=ids | {"error": ended.error})
        else:
            log.info("job done", extra=ids | {"took_s": round(time.monotonic() - started_s, 1)})
        for each in self._lanes:
            each.wake.set()  # what waited for this
        return True

    async def _carry_out(self, lane: _Lane, claim: Claim) -> Ended | None:
        """None: it is not ours any more, or the video is gone. Else SQL has to be told of an error still.
        Raises StoreAway, SQLAlchemyError."""
        lane.claim = claim
        try:
            with self._files.drafts() as drafts:
                making = asyncio.create_task(self._make(lane, claim, drafts))
                try:
                    return await self._watch(lane, claim, making)
                finally:
                    await stop(making)
        except StoreAway:
            raise
        except FileNotFoundError:
            return Ended("internal", again=True)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            log.error("job's files not written", extra={"step": claim.step, "reason": error.strerror})
            return Ended("no_room" if full else "internal", again=True)
        finally:
            lane.claim = None

    async def _make(self, lane: _Lane, claim: Claim, drafts: Path) -> Ended | None:
        """Fetch what the step needs, have it carried out, keep what it made. As ``_carry_out``."""
        source = await self._files.source(claim.recording, claim.step, drafts)
        made = drafts / "made"
        made.mkdir(mode=0o700)
        lane.process = process = await StepProcess.start(claim.step, source, made, self._command)
        try:
            ended = await process.ended()
            if ended.error is not None:
                return ended
            process.progress = 99
            return ended if await self._keep(claim, made) else None
        finally:
            lane.process = None
            process.kill()
            await asyncio.shield(process.end())

    async def _keep(self, claim: Claim, made: Path) -> bool:
        """False: it was not ours any more; then nothing of it counts."""
        if not await self.catalog.jobs.hold(claim, 99, _now_ms()):
            return False
        done = False
        try:
            await self._files.keep(claim.recording, claim.step, made)
            done = await self.catalog.jobs.done(claim, _now_ms())
        finally:
            if not done:
                await asyncio.shield(self._take_back(claim))
        return done

    async def _take_back(self, claim: Claim) -> None:
        """Files were kept, or some of them, perhaps of a video that is gone or that somebody is out of since:
        they go, and with them what another may have made meanwhile, which is made again."""
        try:
            await self._files.forget(claim.recording, claim.step)
        finally:
            await self.catalog.jobs.undone(claim, _now_ms())

    async def _watch(self, lane: _Lane, claim: Claim, making: asyncio.Task[Ended | None]) -> Ended | None:
        """Hold the claim until it is made; None: the claim was lost. Raises as ``_make``."""
        ran_s = 0.0
        while True:
            done, _ = await asyncio.wait((making,), timeout=HOLD_S)
            if done:
                return making.result()
            process = lane.process
            if process is None or not process.stopped:
                ran_s += HOLD_S
            if ran_s > LIMIT_S[claim.step]:
                return Ended("too_slow")
            try:
                progress = 0 if process is None else process.progress
                if not await self.catalog.jobs.hold(claim, progress, _now_ms()):
                    return None
                if claim.step in COSTLY and process is not None:
                    process.pause(await self._must_wait())
            except SQLAlchemyError as error:
                log.warning("job not held", extra={"reason": type(error).__name__})

    async def _must_wait(self) -> bool:
        """Whether nothing costly is to be done now, or that is not known. Raises SQLAlchemyError."""
        if await self.catalog.bell_near(_now_ms()):
            return True
        recorder = self._settings.recorder
        room = recorder.workers * recorder.max_lessons
        if not room:
            return False
        try:
            return await lessons_recorded(self._redis, self._place) >= BUSY_SHARE * room
        except LogUnreachable:
            return True

    async def _give_back(self) -> None:
        """Others may begin at once with what we leave."""
        self._leaving = True
        for lane in self._lanes:
            if lane.claim is not None:
                if lane.process is not None:
                    lane.process.kill()
                try:
                    await self.catalog.jobs.give_back(lane.claim)
                except SQLAlchemyError:
                    pass  # it lapses by itself


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; prints the readiness line on stdout."""
    stopping = asyncio.Event()
    on_stop(stopping.set)
    worker = JobWorker(settings)
    await worker.start()
    try:
        say_ready(jobs=worker.id)
        log.info("ready", extra={"jobs": worker.id})
        await stopping.wait()
    finally:
        await worker.close()


def main() -> int:
    """Entry point; the exit code."""
    try:
        settings = load_settings()
        log_to_stderr(settings.log.level)
        os.nice(max(0, NICENESS - os.nice(0)))
        uvloop.run(serve(settings))
    except (SettingsError, SQLAlchemyError, OSError) as error:
        print(f"jobs: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
