"""One participant's connection: ICE credentials, DTLS, its publications and the slots it receives."""

from __future__ import annotations

import asyncio
import logging
import secrets
from enum import StrEnum
from typing import Final, Protocol

from sfu import answer
from sfu.answer import LocalParameters, OfferPlan, SlotParameters
from sfu.context import WorkerContext
from sfu.dtls import DtlsFailed, DtlsServer
from sfu.estimate import Budget, LineEstimate, Redundancy, Report
from sfu.model import LessonId, ParticipantId, Refused, Source, slot_msid
from sfu.plane.api import (
    AddSlot,
    AddSource,
    AddTransport,
    Command,
    RemoveTransport,
    RestartIce,
    SendDtls,
    SetIngressEstimate,
    SetKeys,
    SetPacing,
    SetRedundancy,
    SlotHandle,
    SourceHandle,
    SourceState,
    TransportHandle,
    TransportState,
)
from sfu.publication import Publication
from sfu.receiver import Receiver

log = logging.getLogger(__name__)

FIRST_DATAGRAM_S: Final = 30.0
"""How long ICE may take until the first DTLS datagram."""
HANDSHAKE_S: Final = 10.0
MAX_WAITING_DATAGRAMS: Final = 8
CAMERA_BPS: Final = 4_000_000
SCREEN_BPS: Final = 2_500_000
SOUND_BPS: Final = 200_000
DEAF_US: Final = 5_000_000
DEAF_PACKETS: Final = 100
"""Who was sent so many and reports nothing gets nothing."""
_PICTURES: Final = (Source.CAMERA, Source.SCREEN)
_ICE_CHARACTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class State(StrEnum):
    """Of a Transport; it only moves forward."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


class Owner(Protocol):
    """The router, as its transports see it."""

    lesson: LessonId

    def connected(self, transport: Transport) -> None:
        """Media may flow: keys are set."""

    def lost(self, transport: Transport, reason: str) -> None:
        """The peer or the line ended it (a reason of ``rpc.messages.Disconnected``): close it."""

    def heard(self, transport: Transport, level: int) -> None:
        """A level of the microphone, -dBov."""

    def slots_changed(self) -> None:
        """A slot shows another source than before."""

    def wanted_bps(self, transport: Transport) -> int:
        """What all that its peer draws would cost, without a limit."""

    def line_changed(self) -> None:
        """A line bears more or less than before."""


class Transport:
    """Made from an offer; ``answer_sdp`` is its answer. Closed by its owner with ``close``, after which
    the owner hears nothing more."""

    def __init__(
        self,
        context: WorkerContext,
        participant: ParticipantId,
        connection: int,
        plan: OfferPlan,
        owner: Owner,
    ) -> None:
        self.participant = participant
        self.connection = connection
        self.handle = TransportHandle(context.next_handle())
        self.state = State.CONNECTING
        self.line: TransportState | None = None
        """The last report of the plane."""
        self.budget = Budget()
        self.redundancy = Redundancy()
        self._estimate = LineEstimate()
        self._distance = 0
        self._takes_redundancy = any(
            slot is not None and slot.negotiated.red_payload_type is not None for slot in plan.slots
        )
        self._heard = (0, 0, 0)
        """(when, packets received, packets sent) when those received last grew."""
        self.publications: dict[Source, Publication] = {}
        self.told_watched: tuple[tuple[bool, ...], tuple[bool, ...]] | None = None
        """Layers of (camera, screen) that the peer was told are watched; None: nothing, so all are."""
        self._context = context
        self._plan = plan
        self._owner = owner
        self._first_datagram = asyncio.Event()
        self._waiting: list[bytes] = []
        self._dtls: DtlsServer | None = None
        self._local = self._local_parameters()
        commands, slots = self._opening()
        self.receiver = Receiver(slots)
        context.transports[self.handle] = self
        context.plane.apply(commands)
        self._task = asyncio.create_task(self._connect(), name=f"dtls {participant}/{connection}")

    @property
    def answer_sdp(self) -> str:
        """The answer to the last offer; made anew each time, since hardly anybody asks twice."""
        return answer.render(self._plan, self._local)

    def is_peer(self, plan: OfferPlan) -> bool:
        """Whether an offer comes from the peer connection at the other end; a reloaded page is another."""
        return plan.fingerprints == self._plan.fingerprints

    def restart(self, plan: OfferPlan) -> str:
        """The answer to an ICE restart: new credentials, all else as before; the same offer again gets
        the same answer. Raises Refused when sections have changed."""
        before = self._plan
        if (plan.ufrag, plan.pwd) == (before.ufrag, before.pwd):
            return self.answer_sdp
        if not _continues(plan, before):
            raise Refused("offer_sections", "an ICE restart must keep the sections")
        self._plan = plan
        self._local = LocalParameters(
            ufrag=_ice_text(8),
            pwd=_ice_text(24),
            fingerprint=self._local.fingerprint,
            candidates=self._local.candidates,
            slots=self._local.slots,
            session_id=self._local.session_id,
            version=self._local.version + 1,
        )
        self._context.plane.apply(
            [RestartIce(self.handle, self._local.ufrag, self._local.pwd, plan.ufrag, plan.pwd)]
        )
        return self.answer_sdp

    def receive_dtls(self, datagram: bytes) -> None:
        """A DTLS datagram from a validated address."""
        if self.state is State.CLOSED:
            return
        if self._dtls is not None:
            self._dtls.receive(datagram)
        elif len(self._waiting) < MAX_WAITING_DATAGRAMS:
            self._waiting.append(datagram)
            self._first_datagram.set()

    def heard(self, source: SourceHandle, level: int) -> None:
        """A level of one of its sources."""
        microphone = self.publications.get(Source.MICROPHONE)
        if microphone is not None and microphone.handle == source:
            self._owner.heard(self, level)

    def received(self, state: SourceState) -> None:
        """What arrived from one of its sources."""
        for publication in self.publications.values():
            if publication.handle == state.source:
                publication.count(state, self._context.now_us())

    def moved(self) -> None:
        """The peer is at another address: another line, of which nothing is known."""
        self._estimate = LineEstimate(self._context.now_us())
        if self.budget.bps is not None:
            self.budget = Budget()
            self._owner.line_changed()

    def reported(self, line: TransportState) -> None:
        """How the peer's line is, by its reports; tells the owner when it bears more or less than before."""
        self.line = line
        now_us = self._context.now_us()
        report = Report(
            now_us,
            line.media_bytes_sent,
            line.pictures_reported,
            line.pictures_lost,
            line.sound_reported,
            line.sound_lost,
            line.round_trip_ms,
            line.remb_bps,
        )
        self._estimate.update(report, 0 if self._estimate.bps is None else self._owner.wanted_bps(self))
        changed = self.redundancy.follow(line.fraction_lost, now_us)
        if self.budget.follow(self._estimate.bps, now_us) or changed:
            self._owner.line_changed()

    def set_redundancy(self, distance: int) -> list[SetRedundancy]:
        """How many earlier packets of sound come along, if the peer takes any; a command when it changes."""
        if distance == self._distance or not self._takes_redundancy:
            return []
        self._distance = distance
        return [SetRedundancy(self.handle, distance)]

    def deaf(self, now_us: int) -> bool:
        """Whether nothing has come from the peer for so long that its line is gone. Call about every 2 s."""
        state = self._context.plane.transport_state(self.handle)
        if state is None or self.state is not State.CONNECTED:
            return False
        since_us, received, sent = self._heard
        if state.packets_received != received or not since_us:
            self._heard = (now_us, state.packets_received, state.packets_sent)
            return False
        # Who gets nothing has nothing to report.
        return now_us - since_us >= DEAF_US and state.packets_sent - sent >= DEAF_PACKETS

    def watched_news(self, now_us: int) -> tuple[tuple[bool, ...], tuple[bool, ...]] | None:
        """Which layers of (camera, screen) are watched, when that differs from what the peer was told."""
        told = self.told_watched
        now = tuple(
            publication.watching.watched(now_us)
            if (publication := self.publications.get(source)) is not None and publication.open
            else before
            for source, before in zip(_PICTURES, told or self._all_watched(), strict=True)
        )
        news = (now[0], now[1])
        if news == (told or self._all_watched()):
            return None
        self.told_watched = news
        return news

    def _all_watched(self) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
        camera, screen = (
            (True,) * (publication.layers if (publication := self.publications.get(source)) else 0)
            for source in _PICTURES
        )
        return camera, screen

    def switched(self, index: int, source: SourceHandle | None) -> None:
        """The packets of a slot are of this source now."""
        self.receiver.switched(index, source)
        self._owner.slots_changed()

    def lose(self, reason: str) -> None:
        """Tell the owner, once, that this connection is gone."""
        if self.state is not State.CLOSED:
            self._owner.lost(self, reason)

    def close(self) -> None:
        """Tell the peer by DTLS, forget everything at the plane. Idempotent."""
        if self.state is State.CLOSED:
            return
        if self._dtls is not None:
            self._dtls.close()  # its goodbye still goes out
        self.state = State.CLOSED
        if self._task is not asyncio.current_task():
            self._task.cancel()
        context = self._context
        context.plane.apply([RemoveTransport(self.handle)])
        del context.transports[self.handle]
        for publication in self.publications.values():
            del context.sources[publication.handle]
        for slot in self.receiver.slots:
            if slot is not None:
                del context.slots[slot]

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(FIRST_DATAGRAM_S):
                await self._first_datagram.wait()
            async with self._context.handshakes:
                dtls = self._dtls = DtlsServer(
                    self._context.certificate,
                    self._plan.fingerprints,
                    self._send,
                    lambda: self.lose("dtls_closed"),
                )
                for datagram in self._waiting:
                    dtls.receive(datagram)
                self._waiting.clear()
                keys = await dtls.handshake(HANDSHAKE_S)
        except (DtlsFailed, TimeoutError) as error:
            log.info("handshake failed", extra={**self._ids, "reason": str(error) or "timeout"})
            self.lose("dtls_failed")
            return
        except Exception:
            log.exception("handshake failed", extra=self._ids)
            self.lose("dtls_failed")
            return
        if self.state is State.CLOSED:
            return
        self.state = State.CONNECTED
        self._context.plane.apply(
            [
                SetKeys(self.handle, keys.profile, keys.receive_key, keys.send_key),
                SetIngressEstimate(self.handle, self._ingress_bps()),
            ]
        )
        self._owner.connected(self)

    @property
    def _ids(self) -> dict[str, object]:
        return {
            "lesson": self._owner.lesson,
            "participant": self.participant,
            "connection": self.connection,
        }

    def _send(self, datagram: bytes) -> None:
        if self.state is not State.CLOSED:
            self._context.plane.apply([SendDtls(self.handle, datagram)])

    def _ingress_bps(self) -> int:
        # By what could be sent, not by what is: a browser raises its own estimate to what it was told only
        # in the first two seconds, then by 8 % a second.
        camera, screen = Source.CAMERA in self.publications, Source.SCREEN in self.publications
        return SOUND_BPS + camera * CAMERA_BPS + screen * SCREEN_BPS

    def _local_parameters(self) -> LocalParameters:
        taken = {
            ssrc for section in self._plan.send if section for ssrc in (*section.ssrcs, *section.rtx_ssrcs)
        }
        cname = secrets.token_hex(8)
        slots = tuple(
            None
            if section is None
            else SlotParameters(
                ssrc=_free_ssrc(taken),
                rtx_ssrc=None if section.negotiated.rtx_payload_type is None else _free_ssrc(taken),
                cname=f"{cname}-{slot_msid(section.index)}",
                msid=slot_msid(section.index),
            )
            for section in self._plan.slots
        )
        return LocalParameters(
            ufrag=_ice_text(8),
            pwd=_ice_text(24),
            fingerprint=self._context.certificate.fingerprint_sha256,
            candidates=self._context.candidates,
            slots=slots,
            session_id=secrets.randbits(62) + 1,
        )

    def _opening(self) -> tuple[list[Command], list[SlotHandle | None]]:
        """The commands that make this connection at the plane, and its slots' handles."""
        context, local, plan = self._context, self._local, self._plan
        can = context.plane.capabilities
        commands: list[Command] = [
            AddTransport(
                self.handle,
                local.ufrag,
                local.pwd,
                plan.ufrag,
                plan.pwd,
                pad_frames="pad_frames" in can,
            )
        ]
        if "pacing" in can:
            commands.append(SetPacing(self.handle, context.pacing_bps))
        for section in plan.send:
            if section is None:
                continue
            source = SourceHandle(context.next_handle())
            negotiated = section.negotiated
            self.publications[section.source] = Publication(
                section.source, source, len(section.rids), negotiated
            )
            context.sources[source] = self
            commands.append(
                AddSource(
                    source,
                    self.handle,
                    codec=negotiated.codec,
                    clock_rate=negotiated.clock_rate,
                    mid=section.mid,
                    payload_type=negotiated.payload_type,
                    rtx_payload_type=negotiated.rtx_payload_type,
                    extensions=negotiated.extensions,
                    rids=section.rids,
                    ssrcs=section.ssrcs,
                    rtx_ssrcs=section.rtx_ssrcs,
                    red_payload_type=negotiated.red_payload_type,
                )
            )
        slots: list[SlotHandle | None] = []
        for slot_section, parameters in zip(plan.slots, local.slots, strict=True):
            if slot_section is None or parameters is None:
                slots.append(None)
                continue
            slot = SlotHandle(context.next_handle())
            slots.append(slot)
            context.slots[slot] = (self, slot_section.index)
            negotiated = slot_section.negotiated
            commands.append(
                AddSlot(
                    slot,
                    self.handle,
                    codec=negotiated.codec,
                    clock_rate=negotiated.clock_rate,
                    mid=slot_section.mid,
                    ssrc=parameters.ssrc,
                    rtx_ssrc=parameters.rtx_ssrc,
                    cname=parameters.cname,
                    payload_type=negotiated.payload_type,
                    rtx_payload_type=negotiated.rtx_payload_type,
                    extensions=negotiated.extensions,
                    first_sequence_number=secrets.randbits(15),
                    first_timestamp=secrets.randbits(32),
                    red_payload_type=negotiated.red_payload_type,
                )
            )
        return commands, slots


def _continues(plan: OfferPlan, before: OfferPlan) -> bool:
    """Whether this offer has the same sections as the one before."""

    def shape(of: OfferPlan) -> object:
        return len(of.send), [(s.mid, s.negotiated) if s else None for s in (*of.send, *of.slots)]

    return shape(plan) == shape(before)


def _free_ssrc(taken: set[int]) -> int:
    while (ssrc := secrets.randbits(32)) in taken or ssrc == 0:
        pass
    taken.add(ssrc)
    return ssrc


def _ice_text(length: int) -> str:
    return "".join(secrets.choice(_ICE_CHARACTERS) for _ in range(length))
