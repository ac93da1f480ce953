"""Between lessons and workers: connections to workers, and for each lesson one LessonMedia that keeps the
worker told of people and relays offers, drawings and pushes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec

from sfu.model import Refused, Role
from sfu.rpc import messages as rpc
from sfu.rpc.client import WorkerClient, WorkerLost
from signaling import wire
from signaling.codec import unpack
from signaling.leasing import Leasing, StaleEpoch
from signaling.lesson import fields, groups
from signaling.lesson.permissions import allowed
from signaling.lesson.recording import recorded
from signaling.log import LogUnreachable
from signaling.objectives import carries
from signaling.placement import Lease
from signaling.quality import Words
from signaling.replica import Record
from signaling.stills import Stills
from signaling.workers import CONNECT_TIMEOUT_S, Workers

log = logging.getLogger(__name__)

RECONNECT_TIMEOUT_S: Final = 0.5
WITHOUT_WORKER_S: Final = 0.5
"""Pause between tries to find a worker when there is none."""
LOST_AFTER_S: Final = 5.0
"""Without a media connection for so long, somebody who had one has lost it."""

_WORKER_CODES: Final = frozenset(
    {
        "offer_malformed", "offer_too_big", "offer_no_codec", "offer_sections", "no_worker", "stale_number",
        "not_found", "bad_request", "lesson_full",
    }
)  # fmt: skip
"""What a worker may refuse that a client is told as it is."""


class Audience(Protocol):
    """The lesson's clients in this process, as its media needs them."""

    @property
    def number(self) -> int:
        """Number of the last event applied."""

    @property
    def state(self) -> Mapping[str, Any]:
        """The lesson's state after that event."""

    def to_participant(self, participant: str, message: wire.ServerMessage) -> None: ...

    def to_everybody(self, message: wire.ServerMessage) -> None: ...

    def moved(self, epoch: int) -> None:
        """Every client makes a new connection."""

    def send_away(self) -> None:
        """Every client comes again, to whichever process."""

    def quality(self, lines: tuple[wire.LineQuality, ...]) -> None:
        """Lines that are not good."""


class LessonMedia:
    """One lesson's media as this process sees it. All methods are called on the event loop.

    People are sent as they are now, not as a list of changes: ``changed`` marks, a task sends. So nothing
    piles up while a worker is slow, and a new worker gets all by marking everybody.
    """

    def __init__(
        self, lesson: str, audience: Audience, workers: Workers, spawn: Callable[[Any], None]
    ) -> None:
        self.lesson = lesson
        self._leasing = Leasing(lesson, workers, self._moved)
        self._audience = audience
        self._workers = workers
        self._spawn = spawn
        self._lock = asyncio.Lock()
        self._dirty: set[str] = set()
        self._stage_dirty = False
        self._opened = False
        self._connections: dict[str, int] = {}
        self._slots: dict[str, wire.Slots] = {}
        self._watched: dict[str, wire.Watched] = {}
        self.stills = Stills()
        self._stills_asked: dict[str, wire.PictureName] = {}
        self._speakers: dict[str, rpc.Speakers] = {}
        """For each group in which somebody speaks, and for the lesson itself (empty)."""
        self._draws: dict[str, wire.Draw] = {}
        self._drawing = False
        self._without: dict[str, float] = {}
        """Since when (s, monotonic) people have lost their media connection."""
        self._words = Words()
        self._lines: tuple[wire.LineQuality, ...] = ()
        self._replacing = False
        self._let_go_of: str | None = None
        self._closed = self._leaving = False
        self._missing = False
        workers.add(self)

    @property
    def lease(self) -> Lease | None:
        """The lease in force, None before there is one."""
        return self._leasing.lease

    @property
    def worker(self) -> str | None:
        """The worker that has the lesson."""
        return None if self.lease is None else self.lease.worker

    @property
    def epoch(self) -> int:
        """Epoch of the lease in force, 0 before there is one."""
        return 0 if self.lease is None else self.lease.epoch

    @property
    def ready(self) -> bool:
        """Whether the lesson is placed and its worker connected."""
        return self.lease is not None and self._workers.connected_link(self.lease.worker) is not None

    def alive(self, participant: str, lease: int | None) -> bool:
        """Whether a participant's media connection made under ``lease`` still lives."""
        return self.ready and lease == self.epoch and participant in self._connections

    def hears(self, participant: str, speakers: Collection[str]) -> bool:
        """Whether the microphone of one of ``speakers`` is forwarded to a participant who is connected."""
        said = self._slots.get(participant)
        return said is not None and participant in self._connections and carries(said.slots, speakers)

    # --- placing -------------------------------------------------------------------------------

    async def ensure(self) -> int:
        """The lesson is placed and its worker knows its people; the epoch. Raises Refused ``no_worker``."""
        if not self.ready or not self._opened or self._dirty or self._stage_dirty:
            async with self._lock:
                try:
                    await self._ensure()
                except (WorkerLost, *LogUnreachable) as error:
                    raise Refused("no_worker", str(error)) from None
        return self.epoch

    @property
    def _people(self) -> int:
        return sum(person.here for _, person in fields.people(self._audience.state))

    async def _ensure(self) -> None:
        try:
            await self._leasing.carry(self._tell_all, self._people)
        except WorkerLost:
            self._let_go_if_cut_off()
            raise

    async def _tell_all(self, lease: Lease) -> None:
        await self._open(lease)
        await self._tell(lease)

    def _let_go_if_cut_off(self) -> None:
        """Once each time the worker is lost here but heard elsewhere: clients do better there."""
        if self.worker is not None and self.worker != self._let_go_of and self._workers.cut_off(self.worker):
            self._let_go_of = self.worker
            log.warning("cut off from the worker: clients are sent away", extra={"lesson": self.lesson})
            self._audience.send_away()

    def _moved(self, former: Lease | None, lease: Lease) -> None:
        if former is not None and former.worker != lease.worker:
            self._spawn(self._close_at(former))
        self._opened = False
        self._connections.clear()
        self._slots.clear()
        self._watched.clear()
        self.stills = Stills()
        self._ask_for_stills()
        self._speakers.clear()
        self._mark_all()
        self._audience.moved(lease.epoch)

    async def _close_at(self, former: Lease) -> None:
        """The worker that had the lesson may not know that it has moved."""
        link = self._workers.connected_link(former.worker)
        if link is not None:
            with suppress(WorkerLost):
                await link.request(rpc.CloseLesson(self.lesson, former.epoch))

    async def _open(self, lease: Lease) -> None:
        connected = self._workers.connected_link(lease.worker)
        link = connected or await self._workers.link(
            lease.worker, RECONNECT_TIMEOUT_S if self._replacing else CONNECT_TIMEOUT_S, lease.address
        )
        if connected is None or not self._opened:
            await self._ask(link, rpc.OpenLesson(self.lesson, lease.epoch))
            self._opened = True
            self._let_go_of = None
            self._mark_all()

    async def restored(self) -> None:
        """Redis lost the lesson and has it again; the lease is what it was. Raises LogUnreachable."""
        await self._leasing.reclaim(self._audience.number)

    def worker_lost(self) -> None:
        """The connection to this lesson's worker is gone: try it once more, else place the lesson anew."""
        if self._closed or self._replacing:
            return
        self._replacing = True
        self._opened = False
        self._spawn(self._replace())

    def leave(self) -> None:
        """Its worker is drained: move the lesson to another one."""
        if not self._closed and not self._leaving:
            self._leaving = True
            self._spawn(self._leave())

    async def _leave(self) -> None:
        try:
            async with self._lock:
                await self._leasing.leave(self._people)
            await self._replace()
        except (WorkerLost, *LogUnreachable) as error:
            log.info("lesson stays for now", extra={"lesson": self.lesson, "reason": str(error)})
        finally:
            self._leaving = False

    async def _replace(self) -> None:
        try:
            await self.ensure()
            self._missing = False
        except Refused as refused:
            if not self._missing:
                log.warning("lesson without a worker", extra={"lesson": self.lesson, "code": refused.code})
            self._missing = True
            await asyncio.sleep(WITHOUT_WORKER_S)
        finally:
            self._replacing = False

    async def lease_changed(self) -> None:
        """Another process placed the lesson: follow it."""
        async with self._lock:
            await self._leasing.follow()
        await self._replace()

    # --- people ----------------------------------------------------------------------------------

    def changed(self, event: Record) -> None:
        """Mark what this event changes for the media side."""
        for path in (*event.set, *event.delete):
            head, _, rest = path.partition("/")
            if head in ("person", "unrecorded", "in", "speech"):
                self._dirty.add(rest)
            elif head == "on":
                self._dirty.add(rest.partition("/")[0])
            elif head == "lesson":
                self._stage_dirty = True
                if event.kind in ("may", "recordable"):
                    self._mark_people()
            elif head in (fields.RECORDING, fields.CALM, fields.GROUPS):
                self._mark_people()
        if self.lease is not None and (self._dirty or self._stage_dirty) and not self._lock.locked():
            self._spawn(self._flush())

    async def _flush(self) -> None:
        try:
            await self.ensure()
        except Refused as refused:
            log.warning("worker not told", extra={"lesson": self.lesson, "code": refused.code})

    def _mark_people(self) -> None:
        self._dirty.update(who for who, person in fields.people(self._audience.state) if person.here)

    def _mark_all(self) -> None:
        self._stage_dirty = True
        self._mark_people()

    async def _tell(self, lease: Lease) -> None:
        """Send marked people and the stage as they are now, until nothing is marked."""
        link = self._workers.connected_link(lease.worker)
        if link is None:
            raise WorkerLost("not connected")
        while self._dirty or self._stage_dirty:
            number, state = self._audience.number, self._audience.state
            dirty, self._dirty = self._dirty, set()
            stage, self._stage_dirty = self._stage_dirty, False
            try:
                requests: list[rpc.Request] = [
                    self._person(participant, state, lease.epoch, number) for participant in sorted(dirty)
                ]
                if stage:
                    requests.append(
                        rpc.SetStage(self.lesson, lease.epoch, number, fields.lesson(state).stage)
                    )
                await asyncio.gather(*(self._ask(link, request) for request in requests))
            except BaseException:
                self._dirty |= dirty
                self._stage_dirty |= stage
                raise

    def _person(self, participant: str, state: Mapping[str, Any], epoch: int, number: int) -> rpc.Request:
        person: wire.PersonField | None = state.get(fields.person(participant))
        if person is None or not person.here:
            self._connections.pop(participant, None)
            self._without.pop(participant, None)
            self._draws.pop(participant, None)
            self._slots.pop(participant, None)
            self._watched.pop(participant, None)
            self.stills.forget(participant)
            self._ask_for_stills()
            return rpc.RemovePerson(self.lesson, epoch, number, participant)
        return rpc.SetPerson(
            self.lesson,
            epoch,
            number,
            rpc.Person(
                participant=participant,
                role=Role(person.role).value,
                order=person.order,
                allowed=allowed(state, participant),
                on=fields.sources_on(state, participant),
                recorded=recorded(state, participant),
                group=groups.group_of(state, participant) or "",
                to_all=fields.speech(participant) in state,
            ),
        )

    async def _ask(self, link: WorkerClient, request: rpc.Request) -> rpc.Reply:
        reply = await link.request(request)
        if isinstance(reply, rpc.Failed):
            if reply.code == "stale_epoch":
                raise StaleEpoch
            if reply.code == "not_confirmed":
                raise WorkerLost("the worker is not confirmed")
            if reply.code not in ("stale_number", "not_found"):
                log.warning(
                    "worker refused",
                    extra={"lesson": self.lesson, "request": type(request).__name__, "code": reply.code},
                )
        return reply

    # --- relaying ----------------------------------------------------------------------------------

    async def offer(self, participant: str, message: wire.Offer) -> wire.Answer:
        """The worker's answer; raises Refused."""
        for last in (False, True):
            await self.ensure()
            lease = self.lease
            link = None if lease is None else self._workers.connected_link(lease.worker)
            if lease is None or link is None:
                raise Refused("no_worker")
            try:
                reply = await link.request(
                    rpc.Offer(
                        self.lesson, lease.epoch, participant, message.connection, message.sdp, message.send,
                        message.slots,
                    )
                )  # fmt: skip
            except WorkerLost:
                raise Refused("worker_lost") from None
            if isinstance(reply, rpc.Answered):
                return wire.Answer(message.id, message.connection, lease.epoch, reply.sdp)
            code = reply.code if isinstance(reply, rpc.Failed) else "internal"
            if code in ("stale_epoch", "not_found") and not last:
                self._opened = False
                continue
            raise Refused(code if code in _WORKER_CODES else "internal", code)
        raise Refused("internal")

    def draw(self, participant: str, message: wire.Draw) -> None:
        """Relay what a client draws; only its last wish counts."""
        self._draws[participant] = message
        if not self._drawing and self.lease is not None:
            self._drawing = True
            self._spawn(self._send_draws())

    async def _send_draws(self) -> None:
        try:
            await self.ensure()
            while self._draws and self.lease is not None:
                participant = next(iter(self._draws))
                message = self._draws.pop(participant)
                link = self._workers.connected_link(self.lease.worker)
                if link is None:
                    return
                await link.request(
                    rpc.Draw(
                        self.lesson, self.epoch, participant, message.heights, message.page, message.pin,
                        message.mode,
                    )
                )  # fmt: skip
        except (WorkerLost, Refused):
            self._draws.clear()  # clients draw again after `moved`
        finally:
            self._drawing = False

    def hear(self, push: rpc.Push) -> None:
        """What the worker says on its own; older epochs are passed over."""
        if push.epoch != self.epoch:
            return
        match push:
            case rpc.Slots():
                slots = tuple(
                    wire.SlotContent(slot.index, slot.participant, _source(slot.source), slot.live)
                    for slot in push.slots
                )
                message = wire.Slots(push.connection, push.version, push.pages, slots, push.spared, push.lite)
                self._slots[push.participant] = message
                self._audience.to_participant(push.participant, message)
                self.stills.slots(push.participant, message)
                self._ask_for_stills()
            case rpc.Watched():
                watched = wire.Watched(push.connection, push.camera, push.screen)
                self._watched[push.participant] = watched
                self._audience.to_participant(push.participant, watched)
            case rpc.Speakers():
                self._hear_speakers(push)
            case rpc.Connected():
                self._connections[push.participant] = push.connection
                self._without.pop(push.participant, None)
            case rpc.Disconnected():
                if push.reason == "replaced":
                    return
                if self._connections.get(push.participant) == push.connection:
                    del self._connections[push.participant]
                    self._without[push.participant] = time.monotonic()
                    self._slots.pop(push.participant, None)
                    self._watched.pop(push.participant, None)
                    self.stills.slots(push.participant, None)
                    self._ask_for_stills()
                self._audience.to_participant(push.participant, wire.MediaLost(push.connection))
            case rpc.Quality():
                now_s = time.monotonic()
                lost = [who for who, since_s in self._without.items() if now_s - since_s >= LOST_AFTER_S]
                lines = self._words.say(push.lines, lost, now_s, overloaded=push.overloaded)
                if lines != self._lines:
                    self._lines = lines
                    self._audience.quality(lines)

    def _hear_speakers(self, push: rpc.Speakers) -> None:
        self._speakers[push.group] = push
        if not push.speakers and push.group:
            del self._speakers[push.group]
        if not groups.is_open(self._audience.state):
            together = self._speakers.get("")  # of groups that are over the worker only tells that they are
            self._audience.to_everybody(wire.Speakers(() if together is None else together.speakers))
            return
        for participant, person in fields.people(self._audience.state):
            if person.here and (Role(person.role).leads or self._group(participant) == push.group):
                self._audience.to_participant(participant, self._speakers_for(participant))

    def _speakers_for(self, participant: str) -> wire.Speakers:
        """Who speaks where somebody is; leaders are told of every place."""
        group = self._group(participant)
        here = self._speakers.get(group)
        speakers = () if here is None else here.speakers
        person: wire.PersonField | None = self._audience.state.get(fields.person(participant))
        if person is not None and Role(person.role).leads:
            others = (said for said in self._speakers.values() if said.group != group)
            speakers += tuple(each for said in others for each in said.speakers)
        return wire.Speakers(speakers)

    def _group(self, participant: str) -> str:
        return groups.group_of(self._audience.state, participant) or ""

    def hear_still(self, data: bytes) -> None:
        """A still that some process has taken: to those of its viewers that are clients here."""
        still = msgspec.convert(unpack(data), wire.Still, builtin_types=(bytes,))
        for viewer in self.stills.viewers(still.participant, still.source):
            self._audience.to_participant(viewer, still)

    def _ask_for_stills(self) -> None:
        wanted = self.stills.wanted()
        for publisher in wanted.keys() | self._stills_asked.keys():
            source = wanted.get(publisher)
            if source != self._stills_asked.get(publisher):
                self._audience.to_participant(publisher, wire.StillWanted(source))
        self._stills_asked = dict(wanted)

    # --- the end -------------------------------------------------------------------------------------

    async def end(self) -> None:
        """The lesson is over: its media is closed at the worker."""
        link = None if self.lease is None else self._workers.connected_link(self.lease.worker)
        if link is not None and self.lease is not None:
            try:
                await link.request(rpc.CloseLesson(self.lesson, self.lease.epoch))
            except WorkerLost:
                pass
        self.close()

    def resend(self) -> None:
        """The state was replaced as a whole: tell the worker everything again."""
        self._mark_all()
        if self.lease is not None:
            self._spawn(self._flush())

    def repeat(self, participant: str) -> None:
        """A client is there anew: tell it again who is in its slots, and what of its pictures is watched."""
        for message in (self._slots.get(participant), self._watched.get(participant)):
            if message is not None:
                self._audience.to_participant(participant, message)
        if participant in self._stills_asked:
            self._audience.to_participant(participant, wire.StillWanted(self._stills_asked[participant]))
        if self._speakers:
            self._audience.to_participant(participant, self._speakers_for(participant))

    def close(self) -> None:
        """This process holds the lesson no longer; its media goes on."""
        self._closed = True
        self._workers.discard(self)


def _source(value: str | None) -> wire.SourceName | None:
    match value:
        case "microphone" | "camera" | "screen" | "screen_sound":
            return value
        case _:
            return None
