"""What receivers and Python ask for in a lesson, and time: see ``actions``."""

from __future__ import annotations

from dataclasses import dataclass

from sfu import rtcp
from sfu.plane.api import (
    AddTap,
    Command,
    RemoveTap,
    RemoveTransport,
    RequestKeyframe,
    SendDtls,
    SetForward,
    SetIngressEstimate,
    SetPacing,
    SetRedundancy,
    SourceHandle,
    TransportHandle,
)
from tests.sfu.plane.actions import Action, Frames
from tests.sfu.plane.cores import WALL_OFFSET_US
from tests.sfu.plane.lesson import MAX_TAPS, Lesson, Person, Publisher, pick
from tests.sfu.plane.rig import Encoder


@dataclass(frozen=True)
class Nack(Action):
    """A receiver misses ``count`` numbers, from so far back of the last one on, and says so some times."""

    slot: int
    back: int
    count: int
    step: int
    times: int

    def __call__(self, lesson: Lesson) -> None:
        chosen = pick(lesson.slots, self.slot)
        if chosen is None:
            return
        person, slot = chosen
        ssrc = lesson.slot_ssrc(slot)
        first = lesson.highest.get(ssrc, 0) - self.back
        numbers = [(first + index * self.step) & 0xFFFF for index in range(self.count)]
        for _ in range(self.times):
            lesson.deliver(person, rtcp.build_nack(1, ssrc, numbers))
            lesson.wait(10_000)


@dataclass(frozen=True)
class KeyframeLost(Action):
    """A receiver asks for a keyframe, by PLI or FIR."""

    slot: int
    fir: bool

    def __call__(self, lesson: Lesson) -> None:
        chosen = pick(lesson.slots, self.slot)
        if chosen is not None:
            person, slot = chosen
            ssrc = lesson.slot_ssrc(slot)
            request = rtcp.build_fir(1, [(ssrc, 1), (ssrc + 10, 2)]) if self.fir else rtcp.build_pli(1, ssrc)
            lesson.deliver(person, request)


@dataclass(frozen=True)
class Report(Action):
    """A receiver's reports on its slots, with an estimate."""

    who: int
    fraction_lost: int
    ahead: int
    dlsr: int
    bps: int | None

    def __call__(self, lesson: Lesson) -> None:
        person = pick(lesson.people, self.who)
        if person is None:
            return
        blocks = [
            rtcp.ReportBlock(
                lesson.slot_ssrc(slot),
                self.fraction_lost,
                3,
                lesson.highest.get(lesson.slot_ssrc(slot), 0) + self.ahead,
                9,
                person.reports.get(lesson.slot_ssrc(slot), 0),
                self.dlsr,
            )
            for owner, slot in lesson.slots
            if owner is person
        ]
        compound = rtcp.build_receiver_report(1, blocks)
        if self.bps is not None:
            compound += rtcp.build_remb(1, self.bps, [block.ssrc for block in blocks])
        lesson.deliver(person, compound)


@dataclass(frozen=True)
class SenderReport(Action):
    """A publisher ties its timestamps to its own clock, which is off by so much."""

    publisher: int
    layer: int
    off_us: int
    off_rtp: int

    def __call__(self, lesson: Lesson) -> None:
        publisher = pick(lesson.publishers, self.publisher)
        if publisher is None:
            return
        encoder: Encoder = publisher.encoders[self.layer % len(publisher.encoders)]
        ntp_us = lesson.rig.now_us + WALL_OFFSET_US + self.off_us
        stamp = (encoder.timestamp + self.off_rtp) & 0xFFFFFFFF
        lesson.deliver(publisher.person, encoder.report(ntp_us, stamp) + rtcp.build_sdes(encoder.ssrc, "me"))


@dataclass(frozen=True)
class Tap(Action):
    publisher: int
    layer: int

    def __call__(self, lesson: Lesson) -> None:
        publisher: Publisher | None = pick(lesson.publishers, self.publisher)
        if publisher is None or len(lesson.taps) >= MAX_TAPS:
            return
        lesson.taps.append(lesson.number())
        lesson.rig.apply(AddTap(lesson.taps[-1], publisher.source, self.layer))
        lesson.look()


@dataclass(frozen=True)
class Untap(Action):
    tap: int

    def __call__(self, lesson: Lesson) -> None:
        tap = pick(lesson.taps, self.tap)
        if tap is not None:
            lesson.taps.remove(tap)
            lesson.rig.apply(RemoveTap(tap))


@dataclass(frozen=True)
class Wait(Action):
    """Time goes by in steps."""

    duration_us: int
    step_us: int

    def __call__(self, lesson: Lesson) -> None:
        lesson.wait(self.duration_us, self.step_us)


@dataclass(frozen=True)
class Ask(Action):
    """Python asks for a keyframe, sets an estimate, sends DTLS; some of it for somebody unknown."""

    publisher: int
    what: str
    value: int

    def __call__(self, lesson: Lesson) -> None:
        publisher = pick(lesson.publishers, self.publisher)
        person: Person | None = publisher.person if publisher else pick(lesson.people, self.publisher)
        source = publisher.source if publisher else SourceHandle(9_999)
        transport = person.peer.handle if person else TransportHandle(9_999)
        command: Command
        match self.what:
            case "keyframe":
                command = RequestKeyframe(source)
            case "estimate":
                command = SetIngressEstimate(transport, self.value)
            case "pacing":
                command = SetPacing(transport, self.value)
            case "dtls":
                command = SendDtls(transport, b"\x16" + self.value.to_bytes(8, "big"))
            case _:
                command = RemoveTransport(TransportHandle(9_999))
        lesson.rig.apply(command)
        lesson.look()


@dataclass(frozen=True)
class Noise(Action):
    """Bytes from a person's address; of media kind they are protected as media is."""

    who: int
    data: bytes
    media: bool

    def __call__(self, lesson: Lesson) -> None:
        person = pick(lesson.people, self.who)
        if person is None:
            lesson.rig.receive(self.data, ("203.0.113.9", 9))
        elif self.media:
            lesson.deliver(person, self.data)
        else:
            lesson.receive(person, self.data)


@dataclass(frozen=True)
class Redundancy(Action):
    """A receiver's line loses packets of sound, or no longer does."""

    who: int
    distance: int

    def __call__(self, lesson: Lesson) -> None:
        person = pick(lesson.people, self.who)
        if person is not None:
            lesson.rig.apply(SetRedundancy(person.peer.handle, self.distance))


@dataclass(frozen=True)
class Thin(Action):
    """Who shows something gets fewer or more of its frames, some of which come each time."""

    slot: int
    temporals: tuple[int, ...]
    count: int
    fates: tuple[str, ...]

    def __call__(self, lesson: Lesson) -> None:
        _, slot = pick(lesson.slots, self.slot) or (None, None)
        if slot is None or slot not in lesson.shown:
            return
        source, layer = lesson.shown[slot]
        for temporal in self.temporals:
            lesson.rig.apply(SetForward(slot, source, layer, temporal))
            lesson.look()
            for index, publisher in enumerate(lesson.publishers):
                if publisher.source == source:
                    Frames(index, 7, self.count, 2, "asked", self.fates, 33_000, 3000)(lesson)
