"""The worker process: ``python -m sfu.worker --index N``. One UDP port, one rpc listener, its lessons."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import os
import secrets
import sys
import time
from collections.abc import Sequence
from typing import Final

import uvloop

from config.logs import log_to_stderr
from config.process import on_stop, say_ready
from config.settings import Settings, SettingsError, load_settings
from sfu.addresses import announced, interface_addresses
from sfu.dtls import Certificate
from sfu.lessons import Lessons
from sfu.plane.api import Plane
from sfu.plane.choice import open_plane
from sfu.registry import Registry
from sfu.rpc.holding import require_order
from sfu.rpc.messages import CaptureRequest, Reply, Request
from sfu.rpc.node_tls import NodeTls
from sfu.rpc.registration import WorkerRecord
from sfu.rpc.server import RecorderConnection, RpcServer

log = logging.getLogger(__name__)

CPU_WINDOW_S: Final = 1.0


class WorkerFailed(Exception):
    """The worker can't go on, by a fault of ours; whoever started it starts another."""


class CpuMeter:
    """Cores used by this process over the last window of at least CPU_WINDOW_S."""

    def __init__(self) -> None:
        self._cores = 0.0
        self._wall, self._used = time.monotonic(), time.process_time()

    def cores(self) -> float:
        """0.0 idle, 1.0 one core busy."""
        wall, used = time.monotonic(), time.process_time()
        if wall - self._wall >= CPU_WINDOW_S:
            self._cores = (used - self._used) / (wall - self._wall)
            self._wall, self._used = wall, used
        return round(self._cores, 3)


class Worker:
    """Everything one worker owns. ``start``, then ``close``; the closing order is in docs/closures.md."""

    def __init__(self, settings: Settings, index: int) -> None:
        """``index``: which of this machine's workers; it decides the UDP port."""
        require_order()
        self.id = f"w{index}-{secrets.token_hex(4)}"
        self.rpc_address = ("", 0)
        self.addresses: tuple[str, ...] = ()
        self._settings = settings
        self._index = index
        self._started_at_ms = time.time_ns() // 1_000_000
        self._cpu = CpuMeter()
        self._server = RpcServer(
            settings.paths.secret("rpc.key"),
            self.id,
            self._handle,
            on_capture=self._on_capture,
            on_recorder_lost=self._on_recorder_lost,
        )
        self.lessons = Lessons(self.id, self._server.push, settings.media.max_transports, cpu=self._cpu.cores)
        self.ended = asyncio.Event()
        """Set from outside to end it, and by itself when it can't go on: then ``fault`` says why."""
        self.fault: str | None = None
        self._plane: Plane | None = None
        self._registry: Registry | None = None

    @property
    def udp_port(self) -> int:
        """The media port, 0 before ``start``."""
        return 0 if self._plane is None else self._plane.port

    async def start(self) -> None:
        """Bind, listen, register. Raises OSError when a port cannot be bound."""
        media = self._settings.media
        port = media.port + self._index if media.port else 0
        try:
            self._plane = await open_plane(
                media.plane, media.host, port, self.lessons.on_events, failed=self._on_plane_failed
            )
        except OSError as error:
            raise OSError(
                f"media.port: UDP port {port} of {media.host} cannot be used ({error.strerror})"
            ) from error
        self.addresses = addresses_of(self._settings)
        self.lessons.start(
            self._plane,
            Certificate.generate(),
            [(address, self.udp_port) for address in self.addresses],
            pacing_bps=media.pacing_mbps * 1_000_000,
        )
        self.rpc_address = await self._server.listen(
            media.rpc_host, tls=NodeTls.of(self._settings.paths.keys)
        )
        if self._settings.redis.url:
            keep_s = self._settings.lesson.keep_state_h * 3600
            self._registry = Registry(self._settings.redis.url, self.record, self.lessons.leases, keep_s)
            self._registry.start()

    def record(self) -> WorkerRecord:
        """What placement may know of this worker."""
        return WorkerRecord(
            worker=self.id,
            pid=os.getpid(),
            rpc_host=self.rpc_address[0],
            rpc_port=self.rpc_address[1],
            udp_port=self.udp_port,
            addresses=self.addresses,
            plane="" if self._plane is None else self._plane.name,
            lessons=self.lessons.count,
            transports=self.lessons.transports,
            max_transports=self._settings.media.max_transports,
            cpu=self._cpu.cores(),
            started_at_ms=self._started_at_ms,
        )

    async def close(self) -> None:
        """Nobody finds us, every connection is told, then the ports close. Idempotent."""
        if self._registry is not None:
            await self._registry.close()
            self._registry = None
        await self.lessons.close()
        await self._server.close()
        if self._plane is not None:
            await self._plane.close()

    def _on_plane_failed(self, reason: str) -> None:
        self.fault = f"the plane ended by itself: {reason}"
        self.ended.set()

    def _handle(self, request: Request) -> Reply:
        return self.lessons.handle(request)

    async def _on_capture(self, request: CaptureRequest, recorder: RecorderConnection) -> Reply:
        return await self.lessons.capture(request, recorder)

    def _on_recorder_lost(self, recorder: RecorderConnection) -> None:
        self.lessons.recorder_lost(recorder)


def addresses_of(settings: Settings) -> tuple[str, ...]:
    """The announced addresses: of the one interface that media.host names, else as media.announce says."""
    media = settings.media
    interfaces = interface_addresses()
    host = ipaddress.ip_address(media.host)
    ipv6 = host.version == 6 and any(":" in address for address in interfaces)
    if not host.is_unspecified:
        configured = [str(host) if entry == "auto" else entry for entry in media.announce]
        return announced(configured, (), ipv6=ipv6, loopback=False)
    return announced(media.announce, interfaces, ipv6=ipv6, loopback=not settings.server.public)


async def serve(settings: Settings, index: int) -> None:
    """Run one worker until SIGTERM or SIGINT; prints the readiness line on stdout.

    Raises WorkerFailed when it can't go on by itself, after it has closed.
    """
    worker = Worker(settings, index)
    on_stop(worker.ended.set)
    try:
        await worker.start()
        say_ready(
            worker=worker.id,
            rpc=worker.rpc_address,
            udp_port=worker.udp_port,
            addresses=worker.addresses,
        )
        log.info("ready", extra={"worker": worker.id, "udp_port": worker.udp_port})
        await worker.ended.wait()
        log.info("closing", extra={"worker": worker.id, "lessons": worker.lessons.count})
    finally:
        await worker.close()
    if worker.fault is not None:
        raise WorkerFailed(worker.fault)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sfu.worker", description="One SFU worker.")
    parser.add_argument("--index", type=int, default=0, help="which of this machine's workers (default 0)")
    options = parser.parse_args(arguments)
    try:
        settings = load_settings()
        log_to_stderr(settings.log.level)
        uvloop.run(serve(settings, options.index))
    except (SettingsError, OSError, WorkerFailed) as error:
        print(f"worker {options.index}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
