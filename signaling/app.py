"""The signalling process: ``python -m signaling.app``. Puts the parts together, starts and closes them."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import ssl
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from random import Random
from typing import Any, Final

import uvloop
from aiohttp import web

from config.logs import log_to_stderr
from config.process import on_stop, say_ready
from config.settings import Settings, SettingsError, load_settings
from sfu.rpc.node_tls import NodeTls
from signaling import admin, metrics, objectives
from signaling.admission import Admission, Keys
from signaling.announced import Announced
from signaling.archive import Archive
from signaling.catalog.store import Catalog
from signaling.door_queue import DoorQueue
from signaling.drafts import Drafts
from signaling.drain import Drain
from signaling.files.opening import open_journals, open_library, open_materials
from signaling.http import Door
from signaling.jobs_http import JobRoutes
from signaling.lesson import fields
from signaling.lessons import Lessons
from signaling.library import Library
from signaling.library_files import LibraryFiles
from signaling.library_http import LibraryRoutes
from signaling.live import Limits
from signaling.log import Clock, LessonLog, LogUnreachable, connect, stop
from signaling.placement import Placement
from signaling.quiz_http import QuizRoutes
from signaling.retention import Retention
from signaling.slides.beside import ShownPages
from signaling.slides.desk import SlidesDesk
from signaling.slides.http import SlidesRoutes, SlidesTaker
from signaling.slides.making import Making
from signaling.tickets import KeyRing
from signaling.uploads.http import Uploads
from signaling.uploads.keeping import Kept
from signaling.watch import Watch
from signaling.withdrawing import Withdrawing
from signaling.workers import Workers

log = logging.getLogger(__name__)

CLOSE_CLIENTS_S: Final = 2.0
_OF_WORKER: Final = ("worker", "plane", "lessons", "transports", "max_transports", "cpu", "draining")


def wall_clock() -> int:
    """Server time in ms since 1970."""
    return time.time_ns() // 1_000_000


class Signalling:
    """One signalling process. ``start``, later ``close``; the closing order is in docs/closures.md."""

    def __init__(self, settings: Settings, now_ms: Clock = wall_clock) -> None:
        self.process = secrets.token_hex(6)
        self.port = 0
        self.admin_port = 0
        self._settings = settings
        self._now_ms = now_ms
        self._started_at_ms = now_ms()
        self._closing = AsyncExitStack()

    async def start(self) -> None:
        """Open SQL, reach Redis, listen. Raises OSError, LogUnreachable, SQLAlchemyError, ValueError; then
        everything is closed again."""
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Tell clients to come back, stop listening, copy the rest, disconnect. Idempotent."""
        await self._closing.aclose()

    async def _start(self) -> None:
        settings, closing = self._settings, self._closing
        for name in ("ticket.key", "cookie.key", "people.key"):
            settings.paths.secret(name)
        self.keys = Keys(
            tickets=KeyRing.read(settings.paths.keys / "ticket.key"),
            cookies=KeyRing.read(settings.paths.keys / "cookie.key"),
            people=settings.paths.secret("people.key"),
        )
        keep_s = settings.lesson.keep_state_h * 3600
        self.catalog = await Catalog.open(settings.sql.url)
        closing.push_async_callback(self.catalog.close)
        redis = connect(settings.redis.url)
        self.log = LessonLog(redis, keep_s, self._now_ms, self.process, settings.lesson.keep_ended_s)
        closing.push_async_callback(self.log.close)
        await self.log.ping()
        self.workers = Workers(
            Placement(redis, keep_s),
            settings.paths.secret("rpc.key"),
            self.process,
            tls=NodeTls.of(settings.paths.keys),
        )
        closing.push_async_callback(self.workers.close)
        self.archive = Archive(self.catalog, self.log, self._now_ms)
        closing.push_async_callback(self._copy_rest)
        limits = Limits(
            max_people=settings.lesson.max_people,
            without_teacher_ends_ms=settings.lesson.without_teacher_ends_s * 1000,
            drop_grace_ms=settings.lesson.drop_grace_s * 1000,
            chat_words=settings.lesson.chat_words,
        )
        self.lessons = Lessons(self.log, self.archive, self.workers, limits, self._now_ms)
        self.door = Door(
            settings, lambda: self.admission, self.lessons, self.keys, self.process, self._now_ms
        )
        queue = DoorQueue(settings.lesson.joins_s, Random(), self._now_ms() / 1000)
        self.admission = Admission(
            settings, self.catalog, self.archive, self.lessons, self.log, self.keys,
            lambda: self.door.origin, queue, self._now_ms,
        )  # fmt: skip
        files = open_library(settings)
        closing.push_async_callback(files.close)
        videos = LibraryFiles(files, settings.paths.recordings, open_journals(settings))
        self.library = Library(
            self.catalog.recordings,
            self.catalog.jobs,
            videos,
            Drafts(settings.paths.library),
            self.keys.cookies,
            settings.paths.secret("media.key"),
            self._now_ms,
        )
        withdrawing = Withdrawing(self.catalog, videos, self._now_ms)
        QuizRoutes(self.door, self.admission, self.archive)
        self.library_routes = LibraryRoutes(self.door, self.library, withdrawing, files, self.admission)
        kept = Kept(open_materials(settings), self.catalog.materials, settings.materials)
        closing.push_async_callback(kept.files.close)
        self.uploads = Uploads(
            settings, self.door, self.admission, self.lessons, self.library, kept, self._now_ms
        )
        self.uploads.takers["slides"] = SlidesTaker(kept)
        SlidesRoutes(self.door, self.admission, self.lessons, self.library, ShownPages(videos), kept.files)
        closing.push_async_callback(self.lessons.close)
        self.lessons.start()
        self.slides = SlidesDesk(self.lessons, self.log, kept, Making.of(settings), settings.paths.making)
        retention = Retention(self.catalog, videos, kept, settings.retention, self._now_ms)
        announced = Announced(self.catalog, self.workers.placement, self._now_ms)
        self.watch = Watch(self.log.ping, self.workers.placement.workers, self.catalog.ping)
        watching = (self.watch.beat(), self.watch.look_at_redis(), self.watch.look_at_sql())
        for work in (
            self.archive.run(), self.library.run(), retention.run(), announced.run(), self.workers.run(),
            self.slides.run(), *watching,
        ):  # fmt: skip
            closing.push_async_callback(stop, asyncio.create_task(work))
        server = settings.server
        public = listening_socket(server.host, server.port, shared=server.processes > 1)
        self.port = await self._listen(self.door.application, public, tls_context(settings))
        self.door.bound(self.port)
        operators = admin.application(self.health, self.watch.not_live, self.watch.not_ready, self.status)
        operators.add_routes(JobRoutes(self.catalog.jobs, self._now_ms).routes())
        operators.add_routes(Drain(self.workers.placement, self.catalog, self._now_ms).routes())
        own = listening_socket(settings.admin.host, settings.admin.port)
        self.admin_port = await self._listen(operators, own, None)
        closing.push_async_callback(self._say_goodbye)

    async def _say_goodbye(self) -> None:
        """Every client is told to come back, and gets a moment to hear it."""
        self.watch.draining = True
        self.door.close_sockets()
        try:
            async with asyncio.timeout(CLOSE_CLIENTS_S):
                await self.door.emptied()
        except TimeoutError:
            log.warning("clients left hanging", extra={"sockets": self.door.sockets})

    async def _copy_rest(self) -> None:
        try:
            await self.archive.flush()
        except Exception:
            log.exception("events not copied at the end; the log still has them")

    def health(self) -> Mapping[str, str]:
        """What is wrong, by part: of Redis only."""
        return {} if self.watch.redis_ok else {"redis": "not reached"}

    def status(self) -> Mapping[str, Any]:
        """Figures of this process for people and programs, nothing of lessons or people one by one. Of all:
        ``workers`` and ``planes`` (each registered worker's data plane)."""
        held, watch = self.lessons.held(), self.watch
        return {
            "process": self.process,
            "pid": os.getpid(),
            "uptime_s": (self._now_ms() - self._started_at_ms) // 1000,
            "port": self.port,
            "redis": watch.redis_ok,
            "sql": watch.sql_ok,
            "not_live": watch.not_live(),
            "not_ready": watch.not_ready(),
            "workers_connected": self.workers.connected,
            "planes": {worker: record.plane for worker, record in watch.workers.items()},
            "workers": [
                {name: getattr(record, name) for name in _OF_WORKER} for record in watch.workers.values()
            ],
            "lessons": len(held),
            "live": sum(fields.is_live(live.state) for live in held),
            "people": sum(fields.count_here(live.state) for live in held),
            "clients": sum(len(live.clients) for live in held),
            "waiting": sum(len(live.lobby) for live in held),
            "sockets": self.door.sockets,
            "unarchived": self.archive.waiting,
            "objectives": objectives.shares(),
            "refused": metrics.values(metrics.refused),
        }

    async def _listen(
        self, application: web.Application, listener: socket.socket, context: ssl.SSLContext | None
    ) -> int:
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        self._closing.push_async_callback(runner.cleanup)
        site = web.SockSite(runner, listener, ssl_context=context, backlog=1024)
        await site.start()
        address = runner.addresses[0]
        return int(address[1])


def listening_socket(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A TCP listener; ``::`` takes IPv4 too, or is ``0.0.0.0`` where there is no IPv6. Raises OSError.

    ``shared``: beside those of other processes (SO_REUSEPORT), the kernel gives each connection to one.
    """
    if host == "::" and socket.has_dualstack_ipv6():
        return socket.create_server(
            (host, port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=shared
        )
    if host == "::":
        host = "0.0.0.0"  # noqa: S104 - what the setting asks for
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, reuse_port=shared)


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The listener's TLS, None for plain HTTP; raises OSError."""
    if not settings.server.https:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.server.certificate, settings.server.certificate_key)
    return context


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; prints the readiness line on stdout."""
    stopping = asyncio.Event()
    on_stop(stopping.set)
    signalling = Signalling(settings)
    await signalling.start()
    try:
        say_ready(port=signalling.port, admin_port=signalling.admin_port)
        log.info("ready", extra={"signalling": signalling.process, "port": signalling.port})
        await stopping.wait()
        log.info("closing", extra={"signalling": signalling.process})
    finally:
        await signalling.close()


def main() -> int:
    """Entry point; the exit code."""
    try:
        settings = load_settings()
        log_to_stderr(settings.log.level)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        uvloop.run(serve(settings))
    except (SettingsError, OSError, ValueError) as error:
        print(f"signalling: {error}", file=sys.stderr)
        return 1
    except LogUnreachable as error:
        print(f"signalling: redis is not reached ({type(error).__name__})", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
