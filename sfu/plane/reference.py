"""The shell of the reference plane: one UDP socket and a 10 ms timer around the sans-IO core.

Everything that decides is in :mod:`sfu.plane.core`; here datagrams are read in batches, handed in
with the time, and what the core drained is written out.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

from sfu.plane.api import Command, Counters, Drop, Event, EventSink, TransportHandle, TransportState
from sfu.plane.core import Core
from sfu.plane.srtp import LibsrtpCrypto

TICK_US: Final = 10_000
MAX_DATAGRAMS_A_WAKE: Final = 64
_RECEIVE_BYTES: Final = 2048
_SOCKET_BUFFER_BYTES: Final = 8 * 1024 * 1024
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33
"""Linux's socket(7); Python does not name them."""

_log = logging.getLogger(__name__)


class ReferencePlane:
    """The Plane contract in Python, on the running event loop.

    The loop must offer ``add_reader`` (uvloop and the selector loop do). ``sink`` is called on that
    loop; an exception it raises is logged and goes no further.
    """

    @classmethod
    async def create(
        cls,
        host: str,
        port: int,
        sink: EventSink,
        *,
        clock_us: Callable[[], int] | None = None,
    ) -> ReferencePlane:
        """Bind ``host``:``port`` (0: any free port) and start ticking.

        ``host`` "::" takes IPv4 and IPv6 in one socket, and IPv4 alone where the machine has no
        IPv6. ``clock_us`` is a monotonic clock. Raises OSError when the port can't be bound.
        """
        return cls(_bind(host, port), sink, clock_us or _monotonic_us)

    def __init__(self, sock: socket.socket, sink: EventSink, clock_us: Callable[[], int]) -> None:
        self._sock = sock
        self._sink = sink
        self._clock_us = clock_us
        self._port: int = sock.getsockname()[1]
        self._core = Core(LibsrtpCrypto(), wall_offset_us=time.time_ns() // 1000 - clock_us())
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock, self._on_readable)
        self._next_tick_us = clock_us() + TICK_US
        self._timer = self._loop.call_later(TICK_US / 1e6, self._on_tick)
        self._closed = False

    @property
    def name(self) -> str:
        """``reference``."""
        return "reference"

    @property
    def port(self) -> int:
        """The UDP port that is bound."""
        return self._port

    @property
    def capabilities(self) -> frozenset[str]:
        """Empty: the reference plane does the core contract only."""
        return frozenset()

    def apply(self, commands: Sequence[Command]) -> None:
        """Carry out commands in order and send what they cause."""
        if self._closed:
            return
        self._core.apply(commands, self._clock_us())
        self._send_all()
        self._tell()

    def counters(self) -> Counters:
        """A copy of the totals."""
        return self._core.counters()

    def transport_state(self, transport: TransportHandle) -> TransportState | None:
        """Present state of one transport, None when it is unknown."""
        return self._core.transport_state(transport)

    async def close(self) -> None:
        """Stop sending, close the port. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._timer.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()

    def _on_readable(self) -> None:
        receive = self._sock.recvfrom
        core = self._core
        for _ in range(MAX_DATAGRAMS_A_WAKE):
            try:
                data, address = receive(_RECEIVE_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # an ICMP error of an earlier send; the next read goes on
                continue
            core.receive(data, address, self._clock_us())
            self._send_all()
        self._tell()

    def _on_tick(self) -> None:
        now_us = self._clock_us()
        self._core.tick(now_us)
        self._send_all()
        # Ticks keep their pace, but missed ones are not made up for.
        self._next_tick_us = max(self._next_tick_us + TICK_US, now_us)
        self._timer = self._loop.call_later(max(0, self._next_tick_us - now_us) / 1e6, self._on_tick)
        self._tell()

    def _send_all(self) -> None:
        core = self._core
        datagrams = core.datagrams
        if not datagrams:
            return
        send = self._sock.sendto
        for datagram, address in datagrams:
            try:
                send(datagram, address)
            except (BlockingIOError, InterruptedError):
                core.drop(Drop.SEND_BUFFER)
            except OSError:  # no route, or refused: consent will tell whether the peer is gone
                core.drop(Drop.NO_ADDRESS)
        datagrams.clear()

    def _tell(self) -> None:
        events: list[Event] = self._core.drain_events()
        if not events:
            return
        try:
            self._sink(events)
        except Exception:  # noqa: BLE001 - a failing sink must not stop the packets
            _log.exception("the plane's event sink failed")


def _monotonic_us() -> int:
    return time.monotonic_ns() // 1000


def _bind(host: str, port: int) -> socket.socket:
    """A non-blocking UDP socket; "::" is dual-stack, or IPv4 where the machine has no IPv6."""
    if ":" not in host:
        return _open(socket.AF_INET, (host, port))
    try:
        return _open(socket.AF_INET6, (host, port))
    except OSError:
        if host != "::" or _has_ipv6():
            raise
        return _open(socket.AF_INET, ("0.0.0.0", port))  # noqa: S104


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _open(family: int, address: tuple[str, int]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)  # noqa: FBT003
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        for option, beyond_limit in (
            (socket.SO_RCVBUF, _SO_RCVBUFFORCE),
            (socket.SO_SNDBUF, _SO_SNDBUFFORCE),
        ):
            try:
                sock.setsockopt(socket.SOL_SOCKET, beyond_limit, _SOCKET_BUFFER_BYTES)
            except OSError:  # not root: as much as net.core.rmem_max and wmem_max allow
                sock.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER_BYTES)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock
