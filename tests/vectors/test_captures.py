"""What real browsers sent, played to both planes in step: the same comes out, and receivers miss nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final

import pytest

from sfu import rtcp, rtp, stun
from sfu.plane.api import (
    ALL_TEMPORAL,
    Address,
    AddSlot,
    AddSource,
    AddTap,
    AddTransport,
    Codec,
    Event,
    RemoveTap,
    SetForward,
    SetKeys,
    SlotHandle,
    SlotSwitched,
    SrtpProfile,
    StreamBound,
    Tapped,
    TransportHandle,
)
from tests.sfu.plane.cores import PlaneCore, TwinCore, native_core, reference_core
from tests.sfu.plane.rig import PASSWORD, START_US, Sent
from tests.vectors.browser_capture import CAPTURES, Received, Told, read_capture

TICK_US: Final = 10_000
LOSS: Final = 0.03
LATE: Final = 0.03
LATE_US: Final = 60_000
NACK_EVERY_US: Final = 50_000
TAP: Final = 900
ADDED: Final = 100
"""Handles and ports of receivers that were not there begin here."""
REPAIR: Final = 50_000
"""Added to a slot's SSRC: its RTX SSRC."""

captures = pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)


def test_both_browsers_were_captured() -> None:
    assert {path.stem for path in CAPTURES} == {"chromium", "firefox"}
    assert all(path.stat().st_size < 300_000 for path in CAPTURES)


@dataclass
class Receiver:
    """Somebody who takes a picture and a sound; the line to them loses ``loss`` of the packets."""

    number: int
    picture: SlotHandle
    sound: SlotHandle
    loss: float
    came: dict[int, list[Sent]] = field(default_factory=dict)
    """By the slot's SSRC, in the order of sending; repaired ones stand where they were lost."""
    lost: dict[tuple[int, int], Sent] = field(default_factory=dict)
    """(SSRC, number) -> what is not repaired yet."""
    repaired: int = 0

    @property
    def address(self) -> Address:
        return ("198.51.100.1", self.number)


class Replay:
    """A capture into both cores; ``happen`` is called at every command of the capture."""

    def __init__(self, path: Path, *, late: float = 0) -> None:
        self.core: PlaneCore = TwinCore(reference_core(), native_core())
        self.now_us = START_US
        self.receivers: list[Receiver] = []
        self.events: list[Event] = []
        self.out: dict[Address, list[bytes]] = {}
        self.random = Random(path.stem)
        self.late = late
        self._entries = read_capture(path).entries
        self._held: list[tuple[int, Received]] = []
        self._nacked_us = 0

    def source(self, codec: Codec) -> AddSource:
        """The first publication of a codec: the teacher's camera or microphone."""
        commands = (entry.command for entry in self._entries if isinstance(entry, Told))
        return next(each for each in commands if isinstance(each, AddSource) and each.codec is codec)

    def join(self, loss: float) -> Receiver:
        """One more, who takes the teacher's camera and microphone."""
        number = ADDED + 10 * len(self.receivers)
        picture, sound = SlotHandle(number + 1), SlotHandle(number + 2)
        receiver = Receiver(number, picture, sound, loss)
        self.receivers.append(receiver)
        transport = TransportHandle(number)
        camera, voice = self.source(Codec.VP8), self.source(Codec.OPUS)
        slots = (_slot(transport, picture, camera), _slot(transport, sound, voice))
        shown = SetForward(picture, camera.source, len(self.receivers) % 3)
        keys = SetKeys(transport, SrtpProfile.AEAD_AES_128_GCM, bytes(28), bytes(28))
        self.core.apply([AddTransport(transport, f"u{number}", PASSWORD, "r", PASSWORD)], self.now_us)
        self.check()
        self.core.apply([keys, *slots, shown, SetForward(sound, voice.source)], self.now_us)
        return receiver

    def check(self) -> None:
        """The added ones keep their consent."""
        for receiver in self.receivers:
            request = stun.build_binding_request(
                bytes(12),
                local_ufrag="r",
                remote_ufrag=f"u{receiver.number}",
                remote_password=PASSWORD,
                priority=1,
                use_candidate=True,
                controlling=1,
            )
            self.core.receive(request, receiver.address, self.now_us)

    def run(self, happen: Callable[[Told], None] = lambda _: None) -> None:
        """Play all of it and what is due half a second later."""
        for entry in self._entries:
            self._until(START_US + entry.at_us)
            if isinstance(entry, Told):
                self.core.apply([entry.command], self.now_us)
                happen(entry)
            elif self.late and is_media(entry.data) and self.random.random() < self.late:
                self._held.append((self.now_us + LATE_US, entry))
            else:
                self.core.receive(entry.data, entry.address, self.now_us)
            self._look()
        self._until(self.now_us + 500_000)

    def _until(self, at_us: int) -> None:
        while self.now_us + TICK_US <= at_us:
            self.now_us += TICK_US
            while self._held and self._held[0][0] <= self.now_us:
                entry = self._held.pop(0)[1]
                self.core.receive(entry.data, entry.address, self.now_us)
            self.core.tick(self.now_us)
            self._look()
            if self.now_us - self._nacked_us >= NACK_EVERY_US:
                self._nacked_us = self.now_us
                self._ask()
        self.now_us = max(self.now_us, at_us)

    def _look(self) -> None:
        self.events += self.core.drain_events()
        addresses = {receiver.address: receiver for receiver in self.receivers}
        for data, address in self.core.datagrams:
            self.out.setdefault(address, []).append(data)
            if address in addresses and is_media(data):
                self._take(addresses[address], Sent(data))
        self.core.datagrams.clear()

    def _take(self, receiver: Receiver, packet: Sent) -> None:
        if packet.ssrc == REPAIR + receiver.picture:
            original = receiver.lost.pop((packet.ssrc - REPAIR, int.from_bytes(packet.payload[:2], "big")))
            assert packet.payload[2:] == original.payload
            assert packet.timestamp == original.timestamp
            receiver.repaired += 1
            return
        receiver.came.setdefault(packet.ssrc, []).append(packet)
        if packet.ssrc == receiver.picture and self.random.random() < receiver.loss:
            receiver.lost[packet.ssrc, packet.sequence] = packet

    def _ask(self) -> None:
        for receiver in self.receivers:
            if receiver.lost:
                numbers = sorted(number for _, number in receiver.lost)
                self.core.receive(
                    rtcp.build_nack(1, receiver.picture, numbers), receiver.address, self.now_us
                )
        self._look()


def _slot(transport: TransportHandle, slot: SlotHandle, source: AddSource) -> AddSlot:
    """Its SSRC is its handle."""
    return AddSlot(
        slot,
        transport,
        source.codec,
        source.clock_rate,
        f"s{slot}",
        slot,
        None if source.rtx_payload_type is None else REPAIR + slot,
        "zvonok",
        source.payload_type,
        source.rtx_payload_type,
        source.extensions,
        65_400,
        4_294_900_000,
    )


def is_media(data: bytes) -> bool:
    return len(data) > 12 and 128 <= data[0] <= 191 and not rtp.is_rtcp(data)


def follow(packets: list[Sent]) -> Iterator[tuple[Sent, Sent]]:
    """Each packet with the next, all of consecutive numbers."""
    for before, after in pairwise(packets):
        assert (after.sequence - before.sequence) & 0xFFFF == 1
        yield before, after


def is_continuous_picture(packets: list[Sent]) -> None:
    """What a decoder needs: it begins with a keyframe; pictures go on by one, time goes on."""
    assert packets[0].picture.keyframe
    for before, after in follow(packets):
        old, new = before.picture, after.picture
        forward = (after.timestamp - before.timestamp) & 0xFFFFFFFF
        assert forward < 1 << 31
        if old.picture_id is not None and new.picture_id is not None:
            step = (new.picture_id - old.picture_id) & 0x7FFF
            assert step == (1 if forward else 0), (old, new)
        if old.tl0picidx is not None and new.tl0picidx is not None:
            assert (new.tl0picidx - old.tl0picidx) & 0xFF <= 1


@captures
def test_a_browsers_lesson_is_the_same_on_both(path: Path) -> None:
    """The recorded student's own slots, with the reports of the browser."""
    replay = Replay(path)
    source = replay.source(Codec.VP8).source

    def tap(entry: Told) -> None:
        if isinstance(entry.command, AddSource) and entry.command.source == source:
            replay.core.apply([AddTap(TAP, source, 2)], replay.now_us)

    replay.run(tap)
    replay.core.apply([RemoveTap(TAP)], replay.now_us)
    replay.events += replay.core.drain_events()
    streams: dict[int, list[Sent]] = {}
    for data in (each for datagrams in replay.out.values() for each in datagrams):
        if is_media(data):
            packet = Sent(data)
            streams.setdefault(packet.ssrc, []).append(packet)
    by_type = {packets[0].payload_type: packets for packets in streams.values()}
    assert len(by_type) == len(streams) == 2
    picture, sound = (by_type[replay.source(codec).payload_type] for codec in (Codec.VP8, Codec.OPUS))
    is_continuous_picture(picture)
    assert len(picture) > 200
    assert len(list(follow(sound))) > 200
    shown = [event for event in replay.events if isinstance(event, SlotSwitched) and event.source == source]
    assert [event.layer for event in shown][-3:] == [2, 0, 2]
    bound = {(event.layer, event.rtx) for event in replay.events if isinstance(event, StreamBound)}
    assert {(0, False), (1, False), (2, False)} <= bound
    tapped = [event for event in replay.events if isinstance(event, Tapped)]
    assert tapped[-1].last
    assert sum(len(event.packets) for event in tapped) > 100


@captures
def test_more_receivers_on_lossy_lines_miss_nothing(path: Path) -> None:
    """They change layers whenever the recorded student did, since then the browser made its keyframes."""
    replay = Replay(path)
    camera = replay.source(Codec.VP8).source

    def happen(entry: Told) -> None:
        command = entry.command
        if isinstance(command, SetForward) and command.source == camera:
            if not replay.receivers:
                for loss in (0, LOSS, LOSS, 3 * LOSS):
                    replay.join(loss)
            for turn, receiver in enumerate(replay.receivers):
                layer = (command.layer + turn) % 3
                replay.core.apply([SetForward(receiver.picture, camera, layer)], replay.now_us)

    replay.run(happen)
    for receiver in replay.receivers:
        is_continuous_picture(receiver.came[receiver.picture])
        assert len(list(follow(receiver.came[receiver.sound]))) > 200
        switched = [each for each in replay.events if isinstance(each, SlotSwitched)]
        layers = [each.layer for each in switched if each.slot == receiver.picture]
        assert len(layers) > 2
        assert all(before != after for before, after in pairwise(layers))
        assert not receiver.lost
        assert bool(receiver.repaired) == bool(receiver.loss)


@captures
def test_a_browsers_frames_are_left_out_and_come_again_without_a_gap(path: Path) -> None:
    """Each receiver's temporal layer moves whenever the recorded student's picture changes."""
    replay = Replay(path)
    camera = replay.source(Codec.VP8).source
    turns = 0

    def happen(entry: Told) -> None:
        nonlocal turns
        if isinstance(entry.command, SetForward) and entry.command.source == camera:
            if not replay.receivers:
                for loss in (0, 0, LOSS, LOSS):
                    replay.join(loss)
            for number, receiver in enumerate(replay.receivers):
                temporal = ALL_TEMPORAL if number == 0 else (number + turns) % 3
                replay.core.apply([SetForward(receiver.picture, camera, 2, temporal)], replay.now_us)
            turns += 1

    replay.run(happen)
    assert turns > 2
    whole, *thinned = (receiver.came[receiver.picture] for receiver in replay.receivers)
    for receiver, packets in zip(replay.receivers[1:], thinned, strict=True):
        is_continuous_picture(packets)
        assert not receiver.lost
        assert len(packets) < len(whole)
        layers = [packet.picture.tid for packet in packets]
        assert {0, 1} <= set(layers)


@captures
def test_late_packets_of_a_browser_are_the_same_on_both(path: Path) -> None:
    """Some come after those of the next frame: both ask for them, and both send them on where they belong."""
    replay = Replay(path, late=LATE)

    def happen(entry: Told) -> None:
        if isinstance(entry.command, SetForward) and not replay.receivers:
            for loss in (0, LOSS):
                replay.join(loss)

    replay.run(happen)
    counters = replay.core.counters()
    assert counters.nacks_sent > 5
    assert counters.packets_retransmitted > 0
    for receiver in replay.receivers:
        numbers = [packet.sequence for packet in receiver.came[receiver.picture]]
        assert any((after - before) & 0xFFFF > 1 << 15 for before, after in pairwise(numbers)), (
            "none was late"
        )
        assert len(set(numbers)) == len(numbers)
