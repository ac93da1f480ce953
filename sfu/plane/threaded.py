"""The native plane: a thread of Rust that owns the port, and its events on the event loop.

Commands go down through a bounded queue, events come up with an eventfd; no packet passes Python.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import sfu.plane._native as _native
from sfu.plane.api import Command, Counters, EventSink, TransportHandle, TransportState

ABI: Final = 2
"""The ``_native.ABI`` that this file was written for."""
BUILT_ABI: Final = _native.ABI
"""The one that was built; with another one nothing here may be used."""

_log = logging.getLogger(__name__)


class NativePlane:
    """The Plane contract over ``_native.Plane``.

    ``sink`` is called on the loop that ``create`` ran on, never from within ``apply``; an exception it
    raises is logged and goes no further. ``transport_state`` is of 100 ms ago at most.
    """

    @classmethod
    async def create(
        cls,
        host: str,
        port: int,
        sink: EventSink,
        *,
        failed: Callable[[str], None] | None = None,
    ) -> NativePlane:
        """Bind ``host``:``port`` (0: any free port) and start the thread.

        ``host`` "::" takes IPv4 and IPv6 in one socket, and IPv4 alone where the machine has no IPv6.
        Raises OSError when the port can't be bound. ``failed`` is called once, with the reason, when the
        thread ended by itself: nothing is sent any more, and the process had better start anew.
        """
        wall_offset_us = (time.time_ns() - time.monotonic_ns()) // 1000
        return cls(_native.Plane(host, port, wall_offset_us), sink, failed)

    def __init__(
        self, plane: _native.Plane, sink: EventSink, failed: Callable[[str], None] | None = None
    ) -> None:
        self._plane = plane
        self._sink = sink
        self._failed = failed
        self._events_lost = 0
        self._running = True
        self._closed = False
        self._capabilities = plane.capabilities()
        self._loop = asyncio.get_running_loop()
        self._event_fd = plane.event_fd
        self._loop.add_reader(self._event_fd, self._on_events)

    @property
    def name(self) -> str:
        """``native``."""
        return "native"

    @property
    def port(self) -> int:
        """The UDP port that is bound."""
        return self._plane.port

    @property
    def capabilities(self) -> frozenset[str]:
        """``pacing``; ``pad_frames`` where the kernel takes a frame as one send (UDP GSO)."""
        return self._capabilities

    def apply(self, commands: Sequence[Command]) -> None:
        """Hand commands over, to be carried out in order; nothing is waited for while the queue has room.

        After the thread's end they are lost: ``failed`` was told, or is about to be.
        """
        if not self._running:
            return
        try:
            self._plane.apply(commands)
        except RuntimeError as error:
            self._end(str(error))

    def counters(self) -> Counters:
        """A copy of the totals."""
        return self._plane.counters()

    def transport_state(self, transport: TransportHandle) -> TransportState | None:
        """State of one transport, None when it is unknown."""
        return self._plane.transport_state(transport)

    async def close(self) -> None:
        """Stop sending, close the port; the thread has ended then. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._running = False
        self._loop.remove_reader(self._event_fd)
        self._plane.close()

    def _on_events(self) -> None:
        events = self._plane.drain_events()
        if events:
            try:
                self._sink(events)
            except Exception:  # noqa: BLE001 - a failing sink must not stop the events
                _log.exception("the plane's event sink failed")
        lost = self._plane.events_lost
        if lost != self._events_lost:
            _log.warning("events of the plane were lost", extra={"lost": lost - self._events_lost})
            self._events_lost = lost
        reason = self._plane.failure
        if reason is not None:
            self._end(reason)

    def _end(self, reason: str) -> None:
        if not self._running:
            return
        self._running = False
        _log.error("the plane's thread ended by itself: %s", reason)
        if self._failed is not None:
            self._failed(reason)
