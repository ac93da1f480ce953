"""The media of one lesson under one lease: people, their connections, who sees and hears whom."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from sfu import answer
from sfu.allocation import Member, Scene, Wish, allocate
from sfu.capture import Capture, Recorder, Subject
from sfu.context import WorkerContext
from sfu.fitting import Costs, Mode, fit, wanted_bps
from sfu.model import (
    MAX_TILES,
    Epoch,
    LessonId,
    MediaKind,
    ParticipantId,
    Refused,
    Role,
    SlotIndex,
    Source,
    slot_kind,
)
from sfu.plane.api import Command, SourceHandle
from sfu.publication import Publication
from sfu.rooms import Voices, gathered
from sfu.rpc.messages import (
    Answered,
    Connected,
    Disconnected,
    Draw,
    LineQuality,
    Offer,
    Person,
    Quality,
    RemovePerson,
    SetPerson,
    SetStage,
    Slots,
    Speakers,
    Watched,
)
from sfu.speakers import SILENT
from sfu.transport import State, Transport

log = logging.getLogger(__name__)

MAX_PEOPLE: Final = 1000
MAX_REMEMBERED: Final = 1000
MAX_SLOTS: Final = SlotIndex.FIRST_TILE + MAX_TILES
MAX_HEIGHT: Final = 4320
QUALITY_EVERY_US: Final = 2_000_000
WATCHED_EVERY_US: Final = 500_000
SOUND_WANTED: Final = Wish(
    tuple(int(slot_kind(index) is MediaKind.AUDIO) for index in range(SlotIndex.FIRST_TILE))
)
"""Until a client says what it draws: every sound, no picture."""


Publications = dict[tuple[ParticipantId, Source], Publication]
Scenes = Mapping[str, Scene]
"""One a room."""


class _Seat:
    """A participant as this router knows them."""

    def __init__(self, person: Person, number: int) -> None:
        self.person = person
        self.number = number
        self.role = Role(person.role)
        self.transport: Transport | None = None
        self.wish = SOUND_WANTED
        self.mode = Mode.FULL
        self.flushed: tuple[object, ...] | None = None
        """What the last allocation was made for."""

    @property
    def terms(self) -> tuple[object, ...]:
        """All that an allocation rests on besides the scene."""
        transport = self.transport
        line = None if transport is None else (transport.budget.bps, transport.redundancy.distance)
        return transport, self.wish, self.mode, line, self.person.group

    @property
    def live(self) -> Transport | None:
        """The connection when media may flow over it."""
        transport = self.transport
        return transport if transport is not None and transport.state is State.CONNECTED else None


class LessonRouter:
    """Carries out requests of one lesson and epoch; whoever calls has checked both.

    Requests that cannot be carried out raise Refused. After changes it asks for ``flush``, which allocates
    anew and sends the plane only what differs. ``tick`` is called ten times a second. Close with ``close``.
    """

    def __init__(self, context: WorkerContext, lesson: LessonId, epoch: Epoch) -> None:
        self.lesson = lesson
        self.epoch = epoch
        self._context = context
        self._seats: dict[ParticipantId, _Seat] = {}
        self._removed: OrderedDict[ParticipantId, int] = OrderedDict()
        self._stage: ParticipantId | None = None
        self._stage_number = -1
        self._screens: list[ParticipantId] = []
        self._voices = Voices()
        self._levels: dict[ParticipantId, int] = {}
        self._microphones: dict[str, list[ParticipantId]] = {}
        self._flushed: tuple[Scenes, Publications] = ({}, {})
        self._capture: Capture | None = None
        self._quality_due_us = 0
        self._watched_due_us = 0

    # --- requests ---------------------------------------------------------------------------

    def set_person(self, request: SetPerson) -> None:
        """Add or change somebody; older numbers are refused as ``stale_number``."""
        person = request.person
        participant = ParticipantId(person.participant)
        try:
            Role(person.role)
        except ValueError:
            raise Refused("bad_request", "unknown role") from None
        seat = self._seats.get(participant)
        known = self._removed.get(participant, -1) if seat is None else seat.number
        if request.number < known:
            raise Refused("stale_number")
        if seat is None:
            if len(self._seats) >= MAX_PEOPLE:
                raise Refused("lesson_full")
            self._removed.pop(participant, None)
            seat = self._seats[participant] = _Seat(person, request.number)
        seat.person, seat.number, seat.role = person, request.number, Role(person.role)
        self._set_gates(seat)
        self._changed()

    def remove_person(self, request: RemovePerson) -> None:
        """Close somebody's connection and forget them. Idempotent."""
        participant = ParticipantId(request.participant)
        seat = self._seats.get(participant)
        if request.number < (self._removed.get(participant, -1) if seat is None else seat.number):
            raise Refused("stale_number")
        self._removed[participant] = request.number
        self._removed.move_to_end(participant)
        if len(self._removed) > MAX_REMEMBERED:
            self._removed.popitem(last=False)
        if seat is not None:
            self._drop_transport(seat)
            del self._seats[participant]
            self._changed()

    def set_stage(self, request: SetStage) -> None:
        """Who is large for all."""
        if request.number < self._stage_number:
            raise Refused("stale_number")
        self._stage_number = request.number
        self._stage = None if request.participant is None else ParticipantId(request.participant)
        self._changed()

    def offer(self, request: Offer) -> Answered:
        """A connection's one answer, or that of its ICE restart; see ``rpc.messages.Offer``."""
        seat = self._seat(request.participant)
        if len(request.slots) > MAX_SLOTS:
            raise Refused("offer_sections", "too many slots")
        former = seat.transport
        if former is not None and request.connection < former.connection:
            raise Refused("stale_number", "an older connection")
        plan = answer.plan(answer.inflate_offer(request.sdp), request.send, request.slots)
        if former is not None and request.connection == former.connection and former.is_peer(plan):
            return _answered(former.restart(plan))
        if former is None and len(self._context.transports) >= self._context.max_transports:
            raise Refused("no_worker", "this worker takes no more connections")
        transport = Transport(self._context, _id(seat), request.connection, plan, self)
        if former is not None:
            self._drop_transport(seat)
            self._tell_gone(former, "replaced")
        seat.transport = transport
        self._set_gates(seat)
        self._changed()
        return _answered(transport.answer_sdp)

    def draw(self, request: Draw) -> None:
        """What a client draws now; values out of range are cut to it."""
        seat = self._seat(request.participant)
        heights = tuple(min(max(height, 0), MAX_HEIGHT) for height in request.heights[:MAX_SLOTS])
        pin = None if request.pin is None else ParticipantId(request.pin)
        wish, mode = Wish(heights, max(request.page, 0), pin), Mode(request.mode)
        if (wish, mode) != (seat.wish, seat.mode):
            seat.wish, seat.mode = wish, mode
            self._changed()

    def capture(self, recorder: Recorder) -> None:
        """Tap for this recorder what may be recorded, from the next ``flush`` on; whoever did so before is
        sent no more. Idempotent."""
        if self._capture is not None and self._capture.recorder is recorder:
            return
        self._end_capture()
        self._capture = Capture(self._context, self.lesson, self.epoch, recorder)
        self._changed()

    def end_capture(self, recorder: Recorder) -> Capture | None:
        """Tap nothing for this recorder any more; the capture that ends, None when it has none here."""
        capture = self._capture
        if capture is None or capture.recorder is not recorder:
            return None
        self._end_capture()
        return capture

    def tell_again(self) -> None:
        """Push everything a newly connected signalling process must know."""
        self._voices.tell_again()
        for seat in self._seats.values():
            if (transport := seat.live) is not None:
                self._context.push(
                    Connected(self.lesson, self.epoch, transport.participant, transport.connection)
                )
                self._push_slots(transport, again=True)
                if transport.told_watched is not None:
                    self._push_watched(transport, transport.told_watched)

    def close(self, reason: str | None = None) -> None:
        """End the capture, close every connection; with a reason (of ``Disconnected``) it is told too.
        Idempotent."""
        self._end_capture()
        for seat in self._seats.values():
            transport = seat.transport
            self._drop_transport(seat)
            if transport is not None and reason is not None:
                self._tell_gone(transport, reason)
        self._seats.clear()

    # --- time -------------------------------------------------------------------------------

    def tick(self, now_us: int) -> None:
        """Ten times a second: speakers, and every 2 s the lines."""
        if self._voices.update(now_us, self._levels, self._microphones):
            self._changed()
        self._levels.clear()
        for room, speaking in self._voices.news(now_us):
            self._context.push(Speakers(self.lesson, self.epoch, speaking, room))
        if now_us >= self._watched_due_us:
            self._watched_due_us = now_us + WATCHED_EVERY_US
            self._tell_watched(now_us)
        if now_us >= self._quality_due_us:
            self._quality_due_us = now_us + QUALITY_EVERY_US
            self._fit_again()
            self._push_quality()

    def flush(self) -> None:
        """Allocate for those whom a change concerns; only what differs is sent to plane and signalling."""
        scenes = self._scenes()
        publications = {
            (_id(seat), source): publication
            for seat in self._seats.values()
            if (transport := seat.live) is not None
            for source, publication in transport.publications.items()
        }
        former, known = self._flushed
        anew = {room for room, scene in scenes.items() if publications != known or scene != former.get(room)}
        self._flushed = (scenes, publications)
        commands: list[Command] = []
        receivers: list[Transport] = []
        for seat in self._seats.values():
            transport = seat.live
            if transport is None:
                continue
            receivers.append(transport)
            room = seat.person.group
            if room not in anew and seat.flushed == seat.terms:
                continue
            seat.flushed = seat.terms
            commands += self._allocate(seat, transport, scenes[room], publications)
        if commands:
            self._context.plane.apply(commands)
        for transport in receivers:
            self._push_slots(transport)
        if self._capture is not None:
            self._capture.open(self._recorded())
        if commands or anew:
            self._watch(receivers, publications.values())
            self._tell_watched(self._context.now_us())

    def _allocate(
        self, seat: _Seat, transport: Transport, scene: Scene, publications: Publications
    ) -> list[Command]:
        receiver = transport.receiver
        allocation = allocate(scene, _id(seat), seat.wish, len(receiver.slots), receiver.allocation)
        budget_bps = transport.budget.bps
        costs = {} if budget_bps is None else self._costs(publications)
        found = fit(allocation, costs, seat.mode, budget_bps, transport.redundancy.distance)
        return [
            *receiver.assign(allocation, found, publications),
            *transport.set_redundancy(found.redundancy),
        ]

    # --- what its transports tell -----------------------------------------------------------

    def connected(self, transport: Transport) -> None:
        """A transport's media may flow."""
        log.info("media connected", extra=self._ids(transport))
        self._context.push(Connected(self.lesson, self.epoch, transport.participant, transport.connection))
        self._changed()

    def lost(self, transport: Transport, reason: str) -> None:
        """A transport's peer or line ended it."""
        seat = self._seats.get(transport.participant)
        if seat is None or seat.transport is not transport:
            return
        self._drop_transport(seat)
        self._tell_gone(transport, reason)
        self._changed()

    def heard(self, transport: Transport, level: int) -> None:
        """A level (-dBov) of a transport's microphone."""
        self._levels[transport.participant] = min(level, self._levels.get(transport.participant, SILENT))

    def slots_changed(self) -> None:
        """What flows in a transport's slots has changed."""
        self._changed()

    def wanted_bps(self, transport: Transport) -> int:
        """What all that a transport's peer draws would cost."""
        return wanted_bps(transport.receiver.allocation, self._costs(self._flushed[1]))

    def line_changed(self) -> None:
        """A transport's line bears more or less."""
        self._changed()

    # --- inside -----------------------------------------------------------------------------

    def _costs(self, publications: Publications) -> Costs:
        now_us = self._context.now_us()
        return {whose: publication.costs(now_us) for whose, publication in publications.items()}

    def _seat(self, participant: str) -> _Seat:
        seat = self._seats.get(ParticipantId(participant))
        if seat is None:
            raise Refused("not_found", "no such participant here")
        return seat

    def _open(self) -> dict[ParticipantId, frozenset[Source]]:
        return {
            participant: frozenset(p.source for p in transport.publications.values() if p.open)
            for participant, seat in self._seats.items()
            if (transport := seat.live) is not None
        }

    def _scenes(self) -> Scenes:
        """What is to be seen and heard in each room."""
        sources = self._open()
        sharing = [p for p, found in sources.items() if Source.SCREEN in found]
        self._screens = [p for p in sharing if p not in self._screens] + [
            p for p in self._screens if p in sharing
        ]
        rooms = gathered(
            (
                seat.person.group,
                seat.person.to_all,
                Member(participant, seat.role, seat.person.order, sources.get(participant, frozenset())),
            )
            for participant, seat in self._seats.items()
        )
        self._microphones = {
            room: [member.participant for member in members if Source.MICROPHONE in member.sources]
            for room, members in rooms.items()
        }
        return {
            room: Scene.of(
                members,
                stage=self._stage,
                loudness=self._voices.ranking(room),
                spoke=self._voices.spoke(room),
                screens=self._screens,
            )
            for room, members in rooms.items()
        }

    def _set_gates(self, seat: _Seat) -> None:
        if seat.transport is None:
            return
        wanted = seat.person.allowed & seat.person.on
        now_us = self._context.now_us()
        commands: list[Command] = []
        publications = seat.transport.publications.values()
        for publication in publications:
            commands += publication.set_open(open_=publication.source in wanted, now_us=now_us)
            publication.recorded = publication.open and publication.source in seat.person.recorded
        if commands:
            self._context.plane.apply(commands)
        if self._capture is not None:
            self._capture.close(publication for publication in publications if not publication.recorded)

    def _drop_transport(self, seat: _Seat) -> None:
        if seat.transport is not None:
            transport, seat.transport = seat.transport, None
            if self._capture is not None:
                self._capture.close(transport.publications.values())
            transport.close()

    def _end_capture(self) -> None:
        if self._capture is not None:
            self._capture.end()
            self._capture = None

    def _recorded(self) -> Iterator[Subject]:
        for seat in self._seats.values():
            if (transport := seat.live) is not None:
                for publication in transport.publications.values():
                    if publication.recorded:
                        yield Subject(_id(seat), seat.role, transport.connection, publication)

    def _ids(self, transport: Transport) -> dict[str, object]:
        return {
            "lesson": self.lesson,
            "participant": transport.participant,
            "connection": transport.connection,
        }

    def _tell_gone(self, transport: Transport, reason: str) -> None:
        log.info("media lost", extra={**self._ids(transport), "reason": reason})
        self._context.push(
            Disconnected(self.lesson, self.epoch, transport.participant, transport.connection, reason)
        )

    def _changed(self) -> None:
        self._context.changed(self.lesson, self.epoch)

    def _push_slots(self, transport: Transport, *, again: bool = False) -> None:
        news = transport.receiver.news(again=again)
        if news is not None:
            version, content = news
            self._context.push(
                Slots(
                    self.lesson,
                    self.epoch,
                    transport.participant,
                    transport.connection,
                    version,
                    *content,
                )
            )

    def _watch(self, receivers: Iterable[Transport], publications: Iterable[Publication]) -> None:
        """Note which layers somebody is to get, recorders too."""
        now_us = self._context.now_us()
        wanted: dict[SourceHandle, set[int]] = {}
        for transport in receivers:
            for source, layer in transport.receiver.forwarded():
                wanted.setdefault(source, set()).add(layer)
        for publication in publications:
            layers = wanted.get(publication.handle, set())
            if publication.recorded and self._capture is not None:
                layers.add(publication.layers - 1)
            publication.watching.want(layers, now_us)

    def _tell_watched(self, now_us: int) -> None:
        for seat in self._seats.values():
            if (transport := seat.live) is not None and (news := transport.watched_news(now_us)) is not None:
                self._push_watched(transport, news)

    def _push_watched(self, transport: Transport, watched: tuple[tuple[bool, ...], tuple[bool, ...]]) -> None:
        self._context.push(
            Watched(self.lesson, self.epoch, transport.participant, transport.connection, *watched)
        )

    def _fit_again(self) -> None:
        """What things cost may have changed for those whose line bears less than they want."""
        for seat in self._seats.values():
            if (transport := seat.live) is not None and transport.budget.bps is not None:
                seat.flushed = None
                self._changed()

    def _push_quality(self) -> None:
        now_us = self._context.now_us()
        lines = tuple(
            _line(transport, now_us) for seat in self._seats.values() if (transport := seat.live) is not None
        )
        if lines:
            self._context.push(Quality(self.lesson, self.epoch, lines, self._context.overloaded))


def _id(seat: _Seat) -> ParticipantId:
    return ParticipantId(seat.person.participant)


def _answered(sdp: str) -> Answered:
    return Answered(answer.deflate_answer(sdp))


def _line(transport: Transport, now_us: int) -> LineQuality:
    packets = lost = 0
    silent_microphone = False
    for publication in transport.publications.values():
        more, more_lost, silent = publication.report()
        packets += more
        lost += more_lost
        silent_microphone |= silent and publication.source is Source.MICROPHONE
    line = transport.line
    return LineQuality(
        participant=transport.participant,
        loss_up=min(max(lost, 0) / (packets + max(lost, 0)), 1.0) if packets + max(lost, 0) else None,
        loss_down=None if line is None else line.fraction_lost,
        round_trip_ms=None if line is None else line.round_trip_ms,
        silent_microphone=silent_microphone,
        lost=transport.deaf(now_us),
        spared=transport.receiver.fit.spared,
    )
