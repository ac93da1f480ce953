"""A million datagrams from people and from anybody: nothing ends, nothing grows."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from contextlib import suppress
from itertools import count, islice
from random import Random
from typing import Final

import pytest

from sfu import rtp
from sfu.plane.api import (
    Address,
    AddSlot,
    AddSource,
    Codec,
    Command,
    Drop,
    RemoveTransport,
    SetForward,
    SlotHandle,
    SourceHandle,
    SrtpProfile,
)
from sfu.plane.threaded import NativePlane
from tests.fuzz import seeds
from tests.fuzz.flood import SEGMENTS, Shower, check, datagrams, pool, resident_bytes
from tests.fuzz.running import new_seed
from tests.sfu.plane.cores import NATIVE, REFERENCE
from tests.sfu.plane.rig import IDS, OPUS_PT, TAG, VP8_PT, VP8_RTX_PT, Encoder, Peer, Rig, Sent
from tests.sfu.plane.shell_peer import LIMIT_S, Client

MILLION: Final = 1_000_000
WARM: Final = 0.2
"""Share of the datagrams after which every table, cache and buffer has its size."""
GROWTH_BYTES: Final = 4 << 20
"""Nothing of the native plane was seen to grow, of Python's allocator half of this. Less than an object for
each of a hundred thousand datagrams."""
A_TICK: Final = 100
"""10,000 datagrams a second, which is a worker's load."""
CHECK_EVERY: Final = 1_000
RENEW_EVERY: Final = 5_000
SIZES: Final = (12, 20, 40, 90, 90, 300, 900)
WANTED, UNWANTED = SlotHandle(10), SlotHandle(20)
"""The viewer's: what the speaker shows, and what the hostile one does."""
ON_THE_WAY: Final = 2 * SEGMENTS
"""As many as the smallest receive buffer takes."""


class Flooded:
    """A lesson between two who mean well, in a core that others flood: two at a time who are let in with a
    camera, a microphone and slots, and go. Plain, so that everything that they send is looked into."""

    def __init__(self, plane: str) -> None:
        self.rig = rig = Rig(plane)
        for _ in seeds.OURS:  # in the datagrams are right checks of these: nobody may answer to them
            rig.apply(RemoveTransport(rig.add_peer().handle))
        self.speaker, self.viewer = rig.add_peer(), rig.add_peer()
        self.encoders = [
            Encoder(900, mid="1", rid="f", sequence=65_000),
            Encoder(901, mid="0", payload_type=OPUS_PT),
        ]
        self.sent = 0
        self.sources = [rig.add_camera(self.speaker), rig.add_microphone(self.speaker)]
        self._watch(self.viewer)
        self.hostile: list[Peer] = []
        self.insiders: list[Address] = []

    def _watch(self, peer: Peer) -> None:
        for source, video in zip(self.sources, (True, False), strict=True):
            self.rig.show(self.rig.add_slot(peer, video=video), source, 2)

    def renew(self) -> None:
        """Those who flood are others now."""
        for peer in self.hostile:
            self.rig.apply(RemoveTransport(peer.handle))
        self.hostile[:] = [self.rig.add_peer(max_ingress_bps=1_000_000_000) for _ in range(2)]
        self.insiders[:] = [peer.address for peer in self.hostile]
        for peer in self.hostile:
            source = self.rig.add_camera(peer)
            self.rig.add_microphone(peer)
            self._watch(peer)
            self.rig.show(self.rig.add_slot(self.hostile[0]), source, 2)

    def speak(self) -> None:
        """The lesson goes on."""
        camera, voice = self.encoders
        for packet in (*camera.frame(3, keyframe=self.sent % 400 == 0), voice.sound()):
            self.sent += 1
            self.rig.receive(packet, self.speaker.address)

    def keep(self, number: int, roamed: Address) -> None:
        """Everybody keeps their consent; one of the hostile has come to another place."""
        for peer in (self.speaker, self.viewer, *self.hostile):
            self.rig.receive(check(peer, number), peer.address)
        self.rig.receive(check(self.hostile[0], number), roamed)

    def tick(self) -> None:
        """10 ms go by; what came out is looked at no more."""
        self.rig.pass_us(10_000)
        self.rig.out.clear()
        self.rig.events.clear()


def flood_core(plane: str, datagrams_in: int) -> None:
    seed = new_seed()
    random = Random(seed)
    flooded = Flooded(plane)
    flooded.renew()
    receive, rig = flooded.rig.core.receive, flooded.rig
    before = 0
    for number, (data, address) in enumerate(islice(datagrams(random, flooded.insiders), datagrams_in), 1):
        receive(data, address, rig.now_us)
        if number % A_TICK == 0:
            flooded.speak()
            flooded.tick()
        if number % CHECK_EVERY == 0:
            flooded.keep(number, address)
        if number % RENEW_EVERY == 0:
            flooded.renew()
        if number == int(WARM * datagrams_in):
            gc.collect()
            before = resident_bytes()
    gc.collect()
    grown = resident_bytes() - before
    counters = rig.core.counters()
    assert counters.datagrams_in > datagrams_in
    assert counters.packets_forwarded >= flooded.sent, f"seed {seed}: the lesson did not go on: {counters}"
    assert counters.dropped[Drop.NOT_VALIDATED] > datagrams_in / 10
    assert grown < GROWTH_BYTES, f"seed {seed}: grew by {grown} bytes"


@pytest.mark.timeout(240)
def test_a_million_datagrams_into_the_native_core() -> None:
    flood_core(NATIVE, MILLION)


@pytest.mark.timeout(240)
def test_a_hundred_thousand_datagrams_into_the_reference_core() -> None:
    flood_core(REFERENCE, MILLION // 10)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_million_datagrams_into_the_reference_core() -> None:
    flood_core(REFERENCE, MILLION)


class Shell:
    """The native plane with its thread and its port; two who mean well, and one at a time who does not."""

    def __init__(self, plane: NativePlane, random: Random) -> None:
        self.plane = plane
        self.sent = 0
        self._random = random
        self._rubbish = pool(random)
        self._numbers = count(1)
        self.speaker, self.viewer = self.client(), self.client(pad_frames=True)
        self._hostile: Client | None = None
        self._protected: list[list[bytes]] = []
        self._stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def client(self, *, pad_frames: bool = False) -> Client:
        profile = SrtpProfile.AEAD_AES_128_GCM
        return Client(self.plane, next(self._numbers), "127.0.0.1", profile, pad_frames=pad_frames)

    async def renew(self) -> None:
        """Another one is let in, for a burst of what one may send a second."""
        if self._hostile is not None:
            self.plane.apply([RemoveTransport(self._hostile.handle)])
            self._hostile.sock.close()
        self._hostile = hostile = self.client()
        await hostile.connect()
        camera = Encoder(1000, mid="1")
        self.plane.apply([_camera(hostile), SetForward(UNWANTED, SourceHandle(hostile.handle))])
        frames = [camera.frame(4, keyframe=index % 50 == 0) for index in range(150)]
        packets = [self._spoilt(packet) for frame in frames for packet in frame]
        by_size: dict[int, list[bytes]] = {}
        for packet in packets:
            by_size.setdefault(len(packet), []).append(hostile.outbound.protect(packet))
        self._protected = list(by_size.values())

    def _spoilt(self, packet: bytes) -> bytes:
        """Every other one with another byte in its payload."""
        if self._random.getrandbits(1):
            return packet
        at = self._random.randrange(rtp.payload_offset(packet), len(packet) - TAG)
        return packet[:at] + self._random.randbytes(1) + packet[at + 1 :]

    async def shower(self) -> None:
        """Datagrams of one size, together: from the stranger or, more often, from the hostile one, whose are
        protected every other time."""
        random = self._random
        sock = self._stranger
        parts: list[bytes] = []
        if self._hostile is not None and random.randrange(3):
            sock = self._hostile.sock
            if random.getrandbits(1):
                packets = random.choice(self._protected)
                at = random.randrange(len(packets))
                parts = packets[at : at + SEGMENTS]
        if not parts:
            at, size = random.randrange(len(self._rubbish) - SEGMENTS), random.choice(SIZES)
            parts = [each[:size].ljust(size, b"\x9d") for each in self._rubbish[at : at + SEGMENTS]]
        Shower(sock, self.speaker.to).send(parts)
        self.sent += len(parts)
        await self.taken(ON_THE_WAY)

    async def taken(self, all_but: int = 0) -> None:
        """Wait until the plane has read what was sent: nobody may be faster than it."""
        wanted = self.sent - all_but
        deadline = time.monotonic() + LIMIT_S
        while (came := self.plane.counters().datagrams_in) < wanted:
            assert time.monotonic() < deadline, f"{came} of {wanted} datagrams came"
            await asyncio.sleep(0)

    async def close(self) -> None:
        await self.plane.close()
        for sock in (
            self._stranger,
            *(each.sock for each in (self.speaker, self.viewer, self._hostile) if each),
        ):
            sock.close()


@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_a_million_datagrams_through_the_native_planes_socket() -> None:
    """The thread goes on, and forwards as before."""
    seed = new_seed()
    failures: list[str] = []
    plane = await NativePlane.create("127.0.0.1", 0, lambda _: None, failed=failures.append)
    shell = Shell(plane, Random(seed))
    speaker, viewer = shell.speaker, shell.viewer
    try:
        plane.apply([_camera(speaker), *_shown(viewer)])
        before = 0
        for part in range(MILLION // RENEW_EVERY):
            await shell.renew()
            for client in (speaker, viewer):
                _empty(client.sock)
                await client.connect()
            shell.sent = plane.counters().datagrams_in
            until = (part + 1) * RENEW_EVERY
            while shell.sent < until:
                await shell.shower()
            await shell.taken()
            if part == int(WARM * MILLION / RENEW_EVERY):
                gc.collect()
                before = resident_bytes()
        gc.collect()
        grown = resident_bytes() - before

        (packet,) = Encoder(77, mid="1").frame(keyframe=True)
        _empty(viewer.sock)  # full of what the hostile one showed
        speaker.send(packet)
        while rtp.ssrc(data := await viewer.read()) != WANTED:  # the others' indexes were not followed here
            pass
        assert packet.endswith(Sent(viewer.inbound.unprotect(data)).payload[-TAG:])
        counters = plane.counters()
        assert counters.datagrams_in >= MILLION
        assert counters.packets_forwarded > MILLION / 100
        assert counters.dropped[Drop.UNPROTECT] > MILLION / 10
        assert counters.dropped[Drop.NOT_VALIDATED] > MILLION / 10
        assert not failures
        assert grown < GROWTH_BYTES, f"seed {seed}: grew by {grown} bytes"
    finally:
        await shell.close()


def _camera(client: Client) -> AddSource:
    formats = (VP8_PT, VP8_RTX_PT, IDS)
    source = SourceHandle(client.handle)
    return AddSource(source, client.handle, Codec.VP8, 90_000, "1", *formats, open=True)


def _shown(client: Client) -> list[Command]:
    formats = (VP8_PT, VP8_RTX_PT, IDS)
    return [
        *(
            AddSlot(slot, client.handle, Codec.VP8, 90_000, "s", slot, slot + 1, "zvonok", *formats, 0, 0)
            for slot in (WANTED, UNWANTED)
        ),
        SetForward(WANTED, SourceHandle(1)),
    ]


def _empty(sock: socket.socket) -> None:
    with suppress(BlockingIOError):
        while True:
            sock.recv(2048)
