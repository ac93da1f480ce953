"""The recorder process, ``python -m recorder.app``: claims lessons, records them, makes their videos."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec
import uvloop
from sqlalchemy.exc import SQLAlchemyError

from config.logs import log_to_stderr
from config.process import on_stop, say_ready
from config.settings import Settings, SettingsError, load_settings
from recorder.capture import Capture, Parts
from recorder.capture import Outcome as CaptureOutcome
from recorder.claims import RENEW_S, Claims, place_of
from recorder.disk import Disk
from recorder.elsewhere import Elsewhere
from recorder.folder import Busy, FolderLock, recordings
from recorder.links import Links
from recorder.maker import Finish
from recorder.publish import Outcome, Publisher, Sweep
from recorder.shipping import Shipper
from recorder.withdrawal import Rewriter
from sfu.model import Refused
from sfu.rpc.node_tls import NodeTls
from signaling.catalog.store import Catalog
from signaling.files.api import StoreAway
from signaling.files.opening import open_journals, open_library
from signaling.lesson import fields
from signaling.log import Heard, LessonLog, LogUnreachable, connect, heed_cancellation, stop
from signaling.placement import Placement

log = logging.getLogger(__name__)

CALL_WAIT_MS: Final = 1000
FULL_WAIT_S: Final = 0.5
SWEEP_S: Final = 2.0
MAKE_S: Final = 5.0
"""Videos are made a bit further this often, while their lessons are recorded."""
ADOPT_S: Final = 5.0
TIDY_S: Final = 3600.0
SURE_S: Final = 3.0
"""A claim that was renewed within this time is surely ours."""
AWAY_WAIT_S: Final = 5.0
AFTER_FAULT_S: Final = 1.0
LEAVE_LIMIT_S: Final = 4.0
_MIB: Final = 1024 * 1024


class Recorder:
    """Everything one recorder process owns. ``start``, then ``close``; the order is in docs/closures.md."""

    def __init__(self, settings: Settings, finish: Finish | None = None) -> None:
        """``finish`` is ``recorder.finish.finish`` unless a test brings its own."""
        self.id = secrets.token_hex(4)
        self._settings = settings
        self._finish = finish
        self._folder = settings.paths.recordings
        self._captures: dict[str, Capture] = {}
        self._recording: dict[str, asyncio.Task[None]] = {}
        self._sure: dict[str, float] = {}
        self._given_up: set[str] = set()
        self._closing = AsyncExitStack()
        self.shipper: Shipper | None = None
        """Brings journals to the store; None: recorders share a folder."""
        self.elsewhere: Elsewhere | None = None

    async def start(self) -> None:
        """Connect and begin. Raises OSError, LogUnreachable, SQLAlchemyError; then all is closed again."""
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the journals in order, let go of the claims, disconnect. Idempotent."""
        await self._closing.aclose()

    @property
    def lessons(self) -> int:
        """Lessons that are claimed."""
        return len(self._captures)

    async def _start(self) -> None:
        settings, closing = self._settings, self._closing
        for folder in (self._folder, settings.paths.library):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.catalog = await Catalog.open(settings.sql.url, migrate=False)
        closing.push_async_callback(self.catalog.close)
        redis = connect(settings.redis.url)
        keep_s = settings.lesson.keep_state_h * 3600
        self.log = LessonLog(redis, keep_s, _now_ms, f"recorder-{self.id}")
        closing.push_async_callback(self.log.close)
        await self.log.ping()
        files, shared = open_library(settings), open_journals(settings)
        closing.push_async_callback(files.close)
        self.claims = Claims(redis, await asyncio.to_thread(place_of, settings), self.id)
        if shared is not None:
            closing.push_async_callback(shared.close)
            self.shipper = Shipper(shared, self.claims, self._folder)
            self.elsewhere = Elsewhere(shared, self.claims, self.shipper, self._folder, _now_ms)
        from recorder.jobs.calls import Calls  # not in the processes that make videos, which import this file

        self._calls = Calls(settings.redis.url)
        closing.push_async_callback(self._calls.close)
        self.publisher = Publisher(
            self.catalog,
            self._folder,
            settings.paths.library,
            self._finish,
            files=files,
            elsewhere=self.elsewhere,
            on_ready=self._calls.call,
        )
        closing.push_async_callback(self.publisher.close)
        turn = None if self.elsewhere is None else self.elsewhere.turn
        self.rewriter = Rewriter(
            self.catalog, settings.paths.library, self._republished, files=files, turn=turn
        )
        closing.callback(self.rewriter.close)
        self.links = Links(
            Placement(redis, keep_s), settings.paths.secret("rpc.key"), NodeTls.of(settings.paths.keys)
        )
        closing.push_async_callback(self.links.close)
        closing.push_async_callback(self._withdraw)
        self.disk = Disk(self._folder, _now_us, settings.recorder.reserve_mb * _MIB, self._no_room)
        closing.push_async_callback(self.disk.shut)
        await self.disk.look()
        self._parts = Parts(
            self.log, self.links, self.disk, self.catalog, self._folder, self._is_sure, self.shipper
        )
        self._sweep = Sweep(self.catalog, self._folder, self._is_over)
        await self.claims.forget_dead()
        self.log.start(self._hear)
        if self.shipper is not None:
            closing.push_async_callback(self.shipper.close)
            closing.push_async_callback(stop, asyncio.create_task(self.shipper.run(), name="shipper"))
        closing.push_async_callback(stop, asyncio.create_task(self.disk.run(), name="disk"))
        closing.push_async_callback(self._leave)
        for work in (
            self.publisher.run(),
            self._every(0.0, self._answer_calls),
            self._every(RENEW_S, self._renew),
            self._every(SWEEP_S, self.sweep),
            self._every(MAKE_S, self._make),
            self._every(SWEEP_S, self._rewrite),
            *([self._every(ADOPT_S, self.adopt), self._every(TIDY_S, self.tidy)] if self.elsewhere else []),
        ):
            closing.push_async_callback(stop, asyncio.create_task(work))

    async def _leave(self) -> None:
        """Every journal is closed in order; another recorder may go on at once."""
        for capture in self._captures.values():
            capture.leave()
        tasks = list(self._recording.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=LEAVE_LIMIT_S)
            if late:
                log.warning("lessons left in the middle", extra={"lessons": len(late)})
                await stop(*late)

    async def _withdraw(self) -> None:
        try:
            await self.claims.withdraw()
        except LogUnreachable:
            pass  # it lapses by itself

    # --- claiming ------------------------------------------------------------------------------------

    async def _answer_calls(self) -> None:
        """Take the lessons that signalling calls a recorder to."""
        if self._is_full():
            await asyncio.sleep(FULL_WAIT_S)
            return
        for lesson in await self.claims.calls(CALL_WAIT_MS):
            if lesson in self._captures or self._is_full() or not await self._recording_of(lesson):
                continue
            if await self.claims.take(lesson):
                self._begin(lesson)

    def _is_full(self) -> bool:
        return len(self._captures) >= self._settings.recorder.max_lessons

    async def _recording_of(self, lesson: str) -> str | None:
        """The recording that is to be written now; None: nothing of this lesson is."""
        packed = await self.log.field(lesson, fields.RECORDING)
        if packed is None:
            return None
        field = fields.typed(fields.RECORDING, msgspec.msgpack.decode(packed))
        return None if field.state == "off" else str(field.id)

    def _begin(self, lesson: str) -> None:
        if lesson in self._captures:
            return
        self._sure[lesson] = time.monotonic()
        self._captures[lesson] = Capture(lesson, self._parts)
        task = asyncio.create_task(self._record(lesson, self._captures[lesson]), name=f"capture {lesson}")
        self._recording[lesson] = task
        log.info("lesson claimed", extra={"lesson": lesson, "recorder": self.id})

    async def _record(self, lesson: str, capture: Capture) -> None:
        outcome: CaptureOutcome | None = None
        try:
            outcome = await capture.run()
            if outcome is CaptureOutcome.ENDED:
                self.publisher.add(capture.recording, torn=False)
        except (Refused, *LogUnreachable) as error:
            log.warning("lesson not recorded", extra={"lesson": lesson, "reason": str(error)})
        except Exception:
            log.exception("capture failed", extra={"lesson": lesson})
            await asyncio.sleep(AFTER_FAULT_S)
        finally:
            del self._captures[lesson], self._recording[lesson]
            if outcome is not CaptureOutcome.ENDED:
                await self.publisher.forget(capture.recording)
            self._sure.pop(lesson, None)
        log.info("lesson let go", extra={"lesson": lesson, "why": outcome or "fault"})
        if outcome is not CaptureOutcome.LOST:
            try:
                await self.claims.release(lesson)
            except LogUnreachable:
                pass  # it lapses by itself

    async def _renew(self) -> None:
        """Hold the claims; catch up where published events were missed; say that this recorder lives."""
        lessons = list(self._captures)
        now_s = time.monotonic()
        for lesson, held in zip(lessons, await self.claims.renew(lessons), strict=True):
            capture = self._captures.get(lesson)
            if held:
                self._sure[lesson] = now_s
            elif capture is not None:
                log.warning("claim lost", extra={"lesson": lesson, "recorder": self.id})
                capture.lose()
        if lessons:
            for lesson, number in zip(lessons, await self.log.numbers(lessons), strict=True):
                capture = self._captures.get(lesson)
                if capture is not None and number != capture.number:
                    capture.catch_up()
        await self.claims.announce(self.status())

    def _is_sure(self, lesson: str) -> bool:
        return time.monotonic() - self._sure.get(lesson, 0.0) < SURE_S

    async def _make(self) -> None:
        """Make the videos of what is recorded, as far as they are settled, one after the other."""
        for capture in list(self._captures.values()):
            if capture.recording:
                await self.publisher.advance(capture.recording)

    # --- left behind -----------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Finish recordings that nobody finishes, go on with those whose recorder died."""
        busy = {capture.recording for capture in self._captures.values()} | self._given_up
        for recording in await asyncio.to_thread(recordings, self._folder):
            if recording in busy or self.publisher.has(recording):
                continue
            try:
                # Held for a moment: whoever records or finishes it holds it all the time.
                with FolderLock(self._folder / recording, alone=True):
                    await self._look_at(recording)
            except (Busy, FileNotFoundError):
                continue

    async def _look_at(self, recording: str) -> None:
        what, lesson = await self._sweep.state(recording)
        if what is None and recording not in self.publisher.given_up:
            self.publisher.add(recording, torn=True)
        elif what is Outcome.LIVE and lesson is not None:
            if lesson in self._captures or self._is_full():
                return
            if await self._recording_of(lesson) == recording and await self.claims.succeed(lesson):
                self._begin(lesson)
            elif self.shipper is not None:  # another goes on with it, and will want what is here
                await self.shipper.seal(recording)
        elif what is not Outcome.LIVE:
            self._given_up.add(recording)

    async def _rewrite(self) -> None:
        """Take out of videos whoever is to be taken out."""
        await self.rewriter.run()

    async def _republished(self, recording: str) -> None:
        """A video was exchanged for one without somebody; what was made from the old one is gone already, and
        its jobs wait."""
        log.info("video published again", extra={"recording": recording})
        await self._calls.call()

    async def adopt(self) -> None:
        """Finish recordings of recorders that are gone, whose journals are in the store."""
        if self.elsewhere is None:
            return
        for row in await self.catalog.recordings.unfinished():
            if (self._folder / row.id).exists() or self.publisher.has(row.id) or row.id in self._given_up:
                continue
            if (row.lesson_ended or await self._is_over(row.lesson)) and await self.elsewhere.adopted(row.id):
                self.publisher.add(row.id, torn=True)

    async def tidy(self) -> None:
        """Remove what the store keeps for recorders that never came back."""
        if self.elsewhere is not None:
            await self.elsewhere.tidy()

    async def _is_over(self, lesson: str) -> bool:
        """Whether the lesson's log says that it ended."""
        try:
            packed = await self.log.field(lesson, fields.LESSON)
        except LogUnreachable:
            return False
        if packed is None:
            return False
        return bool(fields.typed(fields.LESSON, msgspec.msgpack.decode(packed)).state == "ended")

    # --------------------------------------------------------------------------------------------------------

    def _hear(self, heard: Heard) -> None:
        capture = self._captures.get(heard.lesson)
        if capture is not None:
            capture.hear(heard)

    def _no_room(self) -> None:
        for capture in self._captures.values():
            capture.stop_writing("disk_full")

    def status(self) -> dict[str, Any]:
        """Figures for people and programs; nothing of people."""
        return {
            "recorder": self.id,
            "pid": os.getpid(),
            "lessons": len(self._captures),
            "writing": sum(capture.writing for capture in self._captures.values()),
            "journals": self.disk.journals,
            "finishing": self.publisher.waiting,
            "free_mb": self.disk.free_bytes // _MIB,
            "sync_ms": round(self.disk.sync_s * 1000),
            "workers_connected": self.links.connected,
            "store_away": self.shipper is not None and self.shipper.away,
        }

    async def _every(self, period_s: float, work: Callable[[], Awaitable[None]]) -> None:
        told = False
        while True:
            try:
                await work()
                told = False
            except StoreAway as error:
                if not told:
                    log.warning("store: not reached, trying again", extra={"reason": str(error)})
                told = True
                await asyncio.sleep(AWAY_WAIT_S)
            except LogUnreachable as error:
                if not told:
                    log.warning("redis: not reached, trying again", extra={"reason": type(error).__name__})
                told = True
                await asyncio.sleep(FULL_WAIT_S)
            except SQLAlchemyError as error:
                if not told:
                    log.warning("sql: not reached, trying again", extra={"reason": type(error).__name__})
                told = True
                await asyncio.sleep(FULL_WAIT_S)
            except Exception:
                log.exception("recorder failed")
                await asyncio.sleep(AFTER_FAULT_S)
            heed_cancellation()
            await asyncio.sleep(period_s)


def _now_us() -> int:
    return time.time_ns() // 1000


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; prints the readiness line on stdout."""
    stopping = asyncio.Event()
    on_stop(stopping.set)
    recorder = Recorder(settings)
    await recorder.start()
    try:
        say_ready(recorder=recorder.id)
        log.info("ready", extra={"recorder": recorder.id})
        await stopping.wait()
        log.info("closing", extra={"recorder": recorder.id, "lessons": recorder.lessons})
    finally:
        await recorder.close()


def main() -> int:
    """Entry point; the exit code."""
    try:
        settings = load_settings()
        log_to_stderr(settings.log.level)
        uvloop.run(serve(settings))
    except (SettingsError, SQLAlchemyError) as error:
        print(f"recorder: {error}", file=sys.stderr)
        return 1
    except LogUnreachable as error:
        print(f"recorder: not reached or not written ({error})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
