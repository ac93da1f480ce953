"""What can happen in a lesson, as values that can be drawn, shrunk and printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sfu import rtp
from sfu.plane.api import (
    ALL_TEMPORAL,
    Command,
    ExtensionIds,
    RemoveTransport,
    RestartIce,
    SetForward,
    SetGate,
    SourceHandle,
)
from tests.sfu.plane.lesson import Fate, Lesson, Person, pick
from tests.sfu.plane.rig import IDS

KINDS: Final = ("simulcast", "single", "announced", "narrow", "bare", "sound")
EXTENSIONS: Final = (
    IDS,
    ExtensionIds(),
    ExtensionIds(abs_send_time=2),
    ExtensionIds(mid=4, audio_level=1),
    ExtensionIds(mid=15, abs_send_time=3, audio_level=1),
)
NEW_SSRC: Final = 500
OLD_CREDENTIALS: Final = 50
"""A check of this priority is made with what was valid before the restart."""


class Action:
    """One thing that happens. Numbers choose among what there is at that moment."""

    def __call__(self, lesson: Lesson) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Join(Action):
    keys: bool
    check: bool
    capped: bool

    def __call__(self, lesson: Lesson) -> None:
        lesson.join(keys=self.keys, check=self.check, max_ingress_bps=5_000 if self.capped else 50_000_000)


@dataclass(frozen=True)
class Leave(Action):
    who: int

    def __call__(self, lesson: Lesson) -> None:
        person = pick(lesson.people, self.who)
        if person is not None:
            lesson.rig.apply(RemoveTransport(person.peer.handle))
            lesson.leave(person)


@dataclass(frozen=True)
class Keys(Action):
    """The handshake ends, or ends again."""

    who: int

    def __call__(self, lesson: Lesson) -> None:
        person = pick(lesson.people, self.who)
        if person is not None:
            lesson.set_keys(person)
            lesson.look()


@dataclass(frozen=True)
class Check(Action):
    """Connectivity checks: from the person's place, new ones (``roam``), or somebody else's."""

    who: int
    place: str
    count: int
    nominate: bool
    priority: int
    right: bool
    controlled: bool

    def __call__(self, lesson: Lesson) -> None:
        person = pick(lesson.people, self.who)
        if person is None:
            return
        for _ in range(self.count):
            self._check(lesson, person)
            lesson.wait(10_000)

    def _check(self, lesson: Lesson, person: Person) -> None:
        peer, address = person.peer, person.peer.address
        if self.place == "roam":
            person.checks += 1
            subnet, host = divmod(peer.handle, 250)
            address = (f"198.51.{subnet}.{host + 1}", 1000 + person.checks)
        elif self.place == "other":
            other = pick(lesson.people, self.who + 1)
            address = other.peer.address if other else address
        ufrag = remote = None
        if person.restarted is not None and self.priority != OLD_CREDENTIALS:
            ufrag, remote = person.restarted
        lesson.line.heard(peer, address)
        lesson.rig.check(
            peer,
            address=address,
            nominate=self.nominate,
            priority=self.priority,
            password=person.password if self.right else "x" * 22,
            ufrag=ufrag,
            remote_ufrag=remote,
            controlled=self.controlled,
        )
        if self.nominate and self.right and not self.controlled and self.place != "other":
            peer.address = address
        lesson.look()


@dataclass(frozen=True)
class Restart(Action):
    who: int

    def __call__(self, lesson: Lesson) -> None:
        person = pick(lesson.people, self.who)
        if person is None:
            return
        ufrag, remote = person.restarted = f"again{lesson.number()}", "theirs"
        lesson.rig.apply(RestartIce(person.peer.handle, ufrag, person.password, remote, "q" * 22))


@dataclass(frozen=True)
class Everybody(Action):
    """All refresh their consent, as browsers do all the time."""

    def __call__(self, lesson: Lesson) -> None:
        for person in lesson.people:
            ufrag, remote = person.restarted or (None, None)
            lesson.rig.check(person.peer, ufrag=ufrag, remote_ufrag=remote)
        lesson.look()


@dataclass(frozen=True)
class Publish(Action):
    who: int
    kind: str
    open: bool

    def __call__(self, lesson: Lesson) -> None:
        person = pick(lesson.people, self.who)
        if person is not None:
            lesson.publish(person, self.kind, is_open=self.open)


@dataclass(frozen=True)
class Receive(Action):
    """New slots, which show something at once."""

    who: int
    count: int
    video: bool
    rtx: bool
    extensions: int
    sequence: int
    source: int
    layer: int
    """Slots of sound without ``rtx`` take no redundancy."""

    def __call__(self, lesson: Lesson) -> None:
        person = pick(lesson.people, self.who)
        if person is None:
            return
        for index in range(self.count):
            lesson.add_slot(
                person,
                video=self.video,
                rtx=self.rtx,
                extensions=EXTENSIONS[self.extensions % len(EXTENSIONS)],
                sequence=self.sequence,
                redundant=self.rtx,
            )
            Show(((len(lesson.slots) - 1, self.source + index, self.layer, ALL_TEMPORAL),))(lesson)


@dataclass(frozen=True)
class Show(Action):
    """(slot, source, layer, temporal layer) each, as one batch; source -1 is none, -2 an unknown one."""

    batch: tuple[tuple[int, int, int, int], ...]

    def __call__(self, lesson: Lesson) -> None:
        commands: list[Command] = []
        for index, number, layer, temporal in self.batch:
            chosen = pick(lesson.slots, index)
            if chosen is None:
                continue
            publisher = pick(lesson.publishers, number)
            source = publisher.source if publisher is not None and number >= 0 else None
            shown = SourceHandle(9_999) if number == -2 else source
            commands.append(SetForward(chosen[1], shown, layer, temporal))
            lesson.shown[chosen[1]] = shown, layer
        lesson.rig.apply(*commands)
        lesson.look()


@dataclass(frozen=True)
class Zap(Action):
    """Somebody looks through sources and layers, each of which answers with a keyframe."""

    slot: int
    source: int
    count: int
    fates: tuple[str, ...]

    def __call__(self, lesson: Lesson) -> None:
        for index in range(self.count):
            Show(((self.slot, self.source + index, index, ALL_TEMPORAL),))(lesson)
            Frames(self.source + index, 7, 2, 2, "yes", self.fates, 20_000, 1800)(lesson)


@dataclass(frozen=True)
class Frames(Action):
    """Frames of some layers (a bit each); ``key``: yes, no, asked (when a request came)."""

    publisher: int
    layers: int
    count: int
    packets: int
    key: str
    fates: tuple[str, ...]
    step_us: int
    after_rtp: int

    def __call__(self, lesson: Lesson) -> None:
        publisher = pick(lesson.publishers, self.publisher)
        if publisher is None or not publisher.video:
            return
        for index in range(self.count):
            key = (self.key == "yes" and index == 0) or (self.key == "asked" and publisher.asked)
            publisher.asked &= not key
            for layer, encoder in enumerate(publisher.encoders):
                if len(publisher.encoders) == 1 or self.layers >> layer & 1:
                    frame = encoder.frame(self.packets, keyframe=key, after_rtp=self.after_rtp)
                    turned = self.fates[index % len(self.fates) :] + self.fates[: index % len(self.fates)]
                    lesson.send(publisher, encoder, frame, turned)
            lesson.wait(self.step_us)


@dataclass(frozen=True)
class Sound(Action):
    publisher: int
    count: int
    level: int | None
    fates: tuple[str, ...]
    redundancy: int = 0

    def __call__(self, lesson: Lesson) -> None:
        publisher = pick([each for each in lesson.publishers if not each.video], self.publisher)
        if publisher is None:
            return
        (voice,) = publisher.encoders
        for index in range(self.count):
            fate = (self.fates[index % len(self.fates)],)
            sound = voice.sound(level=self.level, redundancy=self.redundancy)
            lesson.send(publisher, voice, [sound], fate)
            lesson.wait(20_000)


@dataclass(frozen=True)
class Padding(Action):
    """Packets without payload: on the media SSRC, or (probes) on the repair SSRC."""

    publisher: int
    layer: int
    count: int
    probe: bool

    def __call__(self, lesson: Lesson) -> None:
        publisher = pick(lesson.publishers, self.publisher)
        if publisher is None:
            return
        encoder = publisher.encoders[self.layer % len(publisher.encoders)]
        for _ in range(self.count):
            if self.probe:
                lesson.deliver(publisher.person, lesson.probe(publisher, encoder))
            else:
                lesson.send(publisher, encoder, [encoder.padding()], ())


@dataclass(frozen=True)
class Mangle(Action):
    """The last packet of a layer once more, under its next number and damaged: a byte of the header or (from
    12 on) of the payload gets another value, and it is cut short."""

    publisher: int
    layer: int
    at: int
    value: int
    cut: int

    def __call__(self, lesson: Lesson) -> None:
        publisher = pick(lesson.publishers, self.publisher)
        if publisher is None:
            return
        encoder = publisher.encoders[self.layer % len(publisher.encoders)]
        redundancy = self.value % 3
        (packet,) = (
            encoder.frame(keyframe=True) if publisher.video else [encoder.sound(redundancy=redundancy)]
        )
        data = bytearray(packet)
        at = self.at if self.at < 12 else rtp.payload_offset(packet) + self.at - 12
        data[at % len(data)] = self.value
        lesson.deliver(publisher.person, bytes(data[: len(data) - self.cut]))


@dataclass(frozen=True)
class Renew(Action):
    """A sender takes new SSRCs, one after another; ``turned``: each keyframe's first packet comes last."""

    publisher: int
    layer: int
    count: int
    turned: bool

    def __call__(self, lesson: Lesson) -> None:
        publisher = pick(lesson.publishers, self.publisher)
        if publisher is None or publisher.announced:
            return
        encoder = publisher.encoders[self.layer % len(publisher.encoders)]
        for _ in range(self.count):
            encoder.ssrc += NEW_SSRC
            packets = encoder.frame(2, keyframe=True) if publisher.video else [encoder.sound()]
            lesson.send(publisher, encoder, packets, (Fate.LATE, Fate.COME) if self.turned else ())


@dataclass(frozen=True)
class Break(Action):
    """A sender's numbers or its time jump; the next packet is a usual one."""

    publisher: int
    layer: int
    how: str
    jump: int

    def __call__(self, lesson: Lesson) -> None:
        publisher = pick(lesson.publishers, self.publisher)
        if publisher is None:
            return
        encoder = publisher.encoders[self.layer % len(publisher.encoders)]
        if self.how == "numbers":
            encoder.sequence += self.jump
        else:
            encoder.timestamp += self.jump * 3000


@dataclass(frozen=True)
class Come(Action):
    """What was held back on the way arrives now, last first if ``turned``."""

    turned: bool

    def __call__(self, lesson: Lesson) -> None:
        held = list(lesson.held)
        lesson.held.clear()
        for person, packet in reversed(held) if self.turned else held:
            if person in lesson.people:
                lesson.deliver(person, packet)


@dataclass(frozen=True)
class Gate(Action):
    publisher: int
    open: bool

    def __call__(self, lesson: Lesson) -> None:
        publisher = pick(lesson.publishers, self.publisher)
        if publisher is not None:
            publisher.open = self.open
            lesson.rig.apply(SetGate(publisher.source, open=self.open))
            lesson.look()


@dataclass(frozen=True)
class Repairs(Action):
    """Publishers answer the NACKs that came."""

    fates: tuple[str, ...]

    def __call__(self, lesson: Lesson) -> None:
        lesson.answer_nacks(self.fates)
