"""All lessons of one worker: requests find their lesson and are fenced by epoch, events find their owner."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from sfu.capture import Recorder
from sfu.context import WorkerContext, monotonic_us
from sfu.dtls import Certificate
from sfu.fence import Fence
from sfu.model import Epoch, LessonId, Refused
from sfu.plane.api import (
    AddressNominated,
    ConsentLost,
    Drop,
    DtlsReceived,
    Event,
    Levels,
    Plane,
    SlotSwitched,
    SourceState,
    StreamBound,
    Tapped,
    TransportState,
)
from sfu.router import LessonRouter
from sfu.rpc.messages import (
    Capture,
    CaptureRequest,
    CloseLesson,
    Done,
    Draw,
    EndCapture,
    Failed,
    GetStatus,
    Offer,
    OpenLesson,
    Push,
    RemovePerson,
    Reply,
    Request,
    SetPerson,
    SetStage,
    Status,
)

log = logging.getLogger(__name__)

TICK_S: Final = 0.1
FLUSH_AFTER_S: Final = 0.03
"""Changes within this time become one allocation."""
FLUSH_SHARE: Final = 0.2
"""At most this share of the time goes into allocations; beyond it they wait longer for each other."""
LATE_S: Final = 0.3
"""A tick as late as this is the sign of a worker that can't keep up."""
DROPPED_SHARE: Final = 0.01
DROPS_EVERY_US: Final = 2_000_000
OVERLOADED_US: Final = 4_000_000
MAX_LESSONS: Final = 2000


class Lessons:
    """Owns the routers of a worker; its calls come from the event loop's thread and never raise for what
    came from outside. Set ``plane`` (which needs ``on_events`` first) by ``start``; end with ``close``."""

    def __init__(
        self,
        worker: str,
        push: Callable[[Push], None],
        max_transports: int,
        cpu: Callable[[], float] = lambda: 0.0,
        clock_us: Callable[[], int] = monotonic_us,
    ) -> None:
        """``clock_us`` never steps and never stands still."""
        self.worker = worker
        self._push = push
        self._max_transports = max_transports
        self._cpu = cpu
        self._routers: dict[LessonId, LessonRouter] = {}
        self._context: WorkerContext | None = None
        self._due: dict[LessonId, Epoch] = {}
        self._flush_timer: asyncio.TimerHandle | None = None
        self._flush_after_s = FLUSH_AFTER_S
        self._flushed = asyncio.Event()
        self._flushed.set()
        self._ticking: asyncio.Task[None] | None = None
        self._events: deque[Event] = deque()
        self._in_events = False
        self._clock_us = clock_us
        self._fence = Fence(clock_us())
        self._overloaded_until_us = 0
        self._drops_due_us = 0
        self._sent_and_dropped = (0, 0)

    def start(
        self,
        plane: Plane,
        certificate: Certificate,
        candidates: Sequence[tuple[str, int]],
        *,
        pacing_bps: int = 0,
        now_us: Callable[[], int] = monotonic_us,
    ) -> None:
        """Begin; called once, on the running loop. ``pacing_bps`` for each receiver, when the plane paces;
        ``now_us``: the plane's clock."""
        self._context = WorkerContext(
            plane=plane,
            certificate=certificate,
            candidates=tuple(candidates),
            push=self._push,
            max_transports=self._max_transports,
            changed=self._changed,
            pacing_bps=pacing_bps,
            now_us=now_us,
            wall_offset_us=(time.time_ns() - time.monotonic_ns()) // 1000,
        )
        self._ticking = asyncio.create_task(self._tick(), name="lessons")

    @property
    def count(self) -> int:
        """Lessons that are open."""
        return len(self._routers)

    def leases(self) -> list[tuple[str, int]]:
        """The lessons that are here, and under which epoch."""
        return [(router.lesson, router.epoch) for router in self._routers.values()]

    @property
    def transports(self) -> int:
        """Connections that are open or being made."""
        return 0 if self._context is None else len(self._context.transports)

    def handle(self, request: Request) -> Reply:
        """Carry out one request of signalling."""
        try:
            return self._carry_out(request)
        except Refused as refused:
            return Failed(refused.code, refused.detail)

    async def capture(self, request: CaptureRequest, recorder: Recorder) -> Reply:
        """Carry out one request of a recorder's connection."""
        try:
            router = self._fenced(request.lesson, request.epoch)
        except Refused as refused:
            return Failed(refused.code, refused.detail)
        if isinstance(request, EndCapture):
            ending = None if router is None else router.end_capture(recorder)
            if ending is not None:
                await ending.ended()
        elif router is None:
            return Failed("not_found", "no such lesson here")
        else:
            router.capture(recorder)
            log.info("lesson captured", extra={"lesson": router.lesson, "epoch": router.epoch})
        return Done()

    def recorder_lost(self, recorder: Recorder) -> None:
        """A recorder's connection is gone: what it captured is tapped no more."""
        for router in self._routers.values():
            router.end_capture(recorder)

    def on_events(self, events: Sequence[Event]) -> None:
        """The plane's sink. Handling an event may command the plane, which may call this again: then the
        new events wait for their turn."""
        self._events.extend(events)
        if self._in_events:
            return
        self._in_events = True
        try:
            while self._events:
                self._on_event(self._events.popleft())
        finally:
            self._in_events = False

    async def settled(self) -> None:
        """Return when nothing waits to be allocated."""
        await self._flushed.wait()

    async def close(self) -> None:
        """End every lesson; what was tapped until then is still sent to the recorders. Idempotent."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait([self._ticking])
            self._ticking = None
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        for router in tuple(self._routers.values()):
            self._end(router)
        if self._context is not None:
            for capture in set(self._context.taps.values()):
                try:
                    await capture.ended()
                except TimeoutError:
                    log.warning("what was tapped last is lost", extra={"lesson": capture.lesson})

    # --- requests ---------------------------------------------------------------------------

    def _carry_out(self, request: Request) -> Reply:
        if isinstance(request, GetStatus):
            now_us = self._clock_us()
            self._fence.confirm(request.confirms, now_us)
            return self._status(now_us)
        if isinstance(request, Capture | EndCapture):
            raise Refused("not_allowed", "only a recorder's connection may capture")
        router = self._fenced(request.lesson, request.epoch)
        if isinstance(request, OpenLesson):
            self._open(LessonId(request.lesson), Epoch(request.epoch), router)
            return Done()
        if isinstance(request, CloseLesson):
            if router is not None:
                self._end(router)
            return Done()
        if router is None:
            raise Refused("not_found", "no such lesson here")
        return self._for_router(router, request)

    def _fenced(self, name: str, number: int) -> LessonRouter | None:
        """The lesson's router of this epoch; an older epoch is refused, a newer one ends what was before."""
        lesson, epoch = LessonId(name), Epoch(number)
        self._fence.admit(lesson, epoch)
        router = self._routers.get(lesson)
        if router is not None and epoch > router.epoch:
            self._end(router)
            router = None
        return router

    def _for_router(
        self, router: LessonRouter, request: SetPerson | RemovePerson | SetStage | Offer | Draw
    ) -> Reply:
        match request:
            case Offer():
                return router.offer(request)
            case SetPerson():
                router.set_person(request)
            case RemovePerson():
                router.remove_person(request)
            case SetStage():
                router.set_stage(request)
            case Draw():
                router.draw(request)
        return Done()

    def _open(self, lesson: LessonId, epoch: Epoch, router: LessonRouter | None) -> None:
        if router is not None:
            router.tell_again()
            return
        if not self._fence.holds(self._clock_us()):
            raise Refused("not_confirmed")
        if len(self._routers) >= MAX_LESSONS:
            raise Refused("no_worker", "this worker takes no more lessons")
        self._routers[lesson] = LessonRouter(self._live_context, lesson, epoch)
        log.info("lesson opened", extra={"lesson": lesson, "epoch": epoch})

    def _end(self, router: LessonRouter, reason: str | None = None) -> None:
        router.close(reason)
        del self._routers[router.lesson]
        self._due.pop(router.lesson, None)
        log.info("lesson closed", extra={"lesson": router.lesson, "epoch": router.epoch})

    def _status(self, now_us: int) -> Status:
        context = self._live_context
        plane = context.plane
        counters = plane.counters()
        dropped = {str(reason): number for reason, number in counters.dropped.items()}
        if context.unread_by_recorders:
            dropped["recorder_unread"] = context.unread_by_recorders
        return Status(
            worker=self.worker,
            plane=plane.name,
            lessons=self.count,
            transports=self.transports,
            packets_in=counters.datagrams_in,
            packets_out=counters.datagrams_out,
            cpu=self._cpu(),
            packets_forwarded=counters.packets_forwarded,
            bytes_in=counters.bytes_in,
            bytes_out=counters.bytes_out,
            dropped=dropped,
            stamp=now_us,
        )

    @property
    def _live_context(self) -> WorkerContext:
        if self._context is None:
            raise Refused("no_worker", "starting")
        return self._context

    # --- events -----------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        try:
            self._dispatch(event)
        except Exception:
            log.exception("event failed", extra={"event": type(event).__name__})

    def _dispatch(self, event: Event) -> None:
        context = self._context
        if context is None:
            return
        match event:
            case DtlsReceived():
                if (transport := context.transports.get(event.transport)) is not None:
                    transport.receive_dtls(event.datagram)
            case TransportState():
                if (transport := context.transports.get(event.transport)) is not None:
                    transport.reported(event)
            case SourceState():
                if (transport := context.sources.get(event.source)) is not None:
                    transport.received(event)
            case Levels():
                for source, level in event.levels:
                    if (transport := context.sources.get(source)) is not None:
                        transport.heard(source, level)
            case SlotSwitched():
                if (found := context.slots.get(event.slot)) is not None:
                    found[0].switched(found[1], event.source)
            case ConsentLost():
                if (transport := context.transports.get(event.transport)) is not None:
                    transport.lose("consent_lost")
            case Tapped():
                if (capture := context.taps.get(event.tap)) is not None:
                    capture.tapped(event)
            case AddressNominated():
                if (transport := context.transports.get(event.transport)) is not None:
                    transport.moved()
            case StreamBound():
                pass

    # --- time -------------------------------------------------------------------------------

    def _changed(self, lesson: LessonId, epoch: Epoch) -> None:
        self._due[lesson] = epoch
        self._flushed.clear()
        if self._flush_timer is None:
            self._flush_timer = asyncio.get_running_loop().call_later(self._flush_after_s, self._flush)

    def _flush(self) -> None:
        self._flush_timer = None
        started = time.perf_counter()
        due, self._due = self._due, {}
        for lesson, epoch in due.items():
            router = self._routers.get(lesson)
            if router is not None and router.epoch == epoch:
                self._guarded(router.flush, router)
        self._flush_after_s = max(FLUSH_AFTER_S, (time.perf_counter() - started) / FLUSH_SHARE)
        if not self._due:
            self._flushed.set()

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + TICK_S, loop.time())
            await asyncio.sleep(due - loop.time())
            if self._routers and not self._fence.holds(self._clock_us()):
                self._stop_sending()
            self._note_load(loop.time() - due)
            now_us = self._live_context.now_us()
            for router in tuple(self._routers.values()):
                self._guarded(partial(router.tick, now_us), router)

    def _stop_sending(self) -> None:
        """Not confirmed in time: the lessons may be elsewhere soon, so their epochs are over here."""
        log.warning("not confirmed: every lesson ends", extra={"lessons": self.count})
        for router in tuple(self._routers.values()):
            self._end(router, "dtls_closed")
            self._fence.over(router.lesson, router.epoch)

    def _note_load(self, late_s: float) -> None:
        """Late ticks are a loop that can't keep up; packets that find no room are a thread that can't."""
        context = self._live_context
        now_us = context.now_us()
        if late_s >= LATE_S:
            self._overloaded_until_us = now_us + OVERLOADED_US
        if now_us >= self._drops_due_us:
            self._drops_due_us = now_us + DROPS_EVERY_US
            counters = context.plane.counters()
            found = (
                counters.packets_forwarded,
                sum(counters.dropped.get(reason, 0) for reason in (Drop.SEND_BUFFER, Drop.PACER_FULL)),
            )
            sent, dropped = (now - before for now, before in zip(found, self._sent_and_dropped, strict=True))
            self._sent_and_dropped = found
            if dropped > DROPPED_SHARE * sent:
                self._overloaded_until_us = now_us + OVERLOADED_US
        context.overloaded = now_us < self._overloaded_until_us

    def _guarded(self, call: Callable[[], None], router: LessonRouter) -> None:
        """Our own bug in one lesson must not stop the others: it is logged and that lesson's media ends."""
        try:
            call()
        except Exception:
            log.exception("lesson failed", extra={"lesson": router.lesson, "epoch": router.epoch})
            self._end(router, "dtls_closed")
