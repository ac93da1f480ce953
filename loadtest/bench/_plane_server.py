"""The server process of the plane's bench: one forwarding path, its CPU counted between two words.

Reads lines on stdin, answers with JSON lines: ``start`` (the line process is ready), ``mark`` (CPU and
counts so far), ``redundancy [[peer, distance], ...]`` (planes of ours only), ``stop``.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Sequence
from typing import Final, Literal, Protocol

import uvloop

from loadtest.bench._plane_setting import (
    CLOCK_RATE,
    IDS,
    OPUS_PT,
    RED_PT,
    RTX_PT,
    SOUND_RATE,
    VP8_PT,
    Setting,
    key,
    local_pwd,
    local_ufrag,
    remote_pwd,
    remote_ufrag,
    slot_ssrc,
    source_ssrc,
    speech_slot_ssrc,
    speech_source_ssrc,
)
from sfu.plane.api import (
    AddSlot,
    AddSource,
    AddTransport,
    Codec,
    Plane,
    SetForward,
    SetKeys,
    SetPacing,
    SetRedundancy,
    SlotHandle,
    SourceHandle,
    SrtpProfile,
    TransportHandle,
)
from sfu.plane.choice import open_plane

PACING_BPS: Final = 20_000_000
"""As `media.pacing_mbps` has it by default."""


class Server(Protocol):
    """One path under test."""

    async def start(self, ports: list[int]) -> None:
        """Connect all peers; theirs are these UDP ports on loopback, by number."""

    def port(self) -> int:
        """Where peers send to, 0 when each is told by the server's own checks."""

    def forwarded(self) -> int:
        """Packets sent to receivers so far."""


class PlaneServer:
    """A plane of ours; ``plane`` is there once it is open."""

    plane: Plane

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    async def open(self) -> None:
        """Start it, with every peer's transport."""
        kind: Literal["reference", "native"] = "native" if self._setting.path == "native" else "reference"
        self.plane = await open_plane(kind, "::", 0, lambda _: None)
        for peer in range(self._setting.peers):
            transport = TransportHandle(peer + 1)
            self.plane.apply(
                [
                    AddTransport(
                        transport,
                        local_ufrag(peer),
                        local_pwd(peer),
                        remote_ufrag(peer),
                        remote_pwd(peer),
                        pad_frames=True,
                    ),
                    SetPacing(transport, PACING_BPS),
                    SetKeys(transport, SrtpProfile.AEAD_AES_128_GCM, key(peer, "up"), key(peer, "down")),
                ]
            )

    async def start(self, ports: list[int]) -> None:  # noqa: ARG002 - peers check first
        """A source a lesson, a slot a receiver."""
        setting = self._setting
        codec, rate = (Codec.OPUS, SOUND_RATE) if setting.sound else (Codec.VP8, CLOCK_RATE)
        payload_type, rtx_payload_type = (OPUS_PT, None) if setting.sound else (VP8_PT, RTX_PT)
        for lesson in range(setting.lessons):
            publisher = setting.publisher_of(lesson)
            source = SourceHandle(lesson + 1)
            self.plane.apply(
                [
                    AddSource(
                        source,
                        TransportHandle(publisher + 1),
                        codec,
                        rate,
                        "0",
                        payload_type,
                        rtx_payload_type,
                        IDS,
                        ssrcs=(source_ssrc(lesson),),
                        open=True,
                    )
                ]
            )
            for peer in range(publisher + 1, publisher + setting.peers_a_lesson):
                slot = SlotHandle(peer + 1)
                self.plane.apply(
                    [
                        AddSlot(
                            slot,
                            TransportHandle(peer + 1),
                            codec,
                            rate,
                            "4",
                            slot_ssrc(peer),
                            None if rtx_payload_type is None else slot_ssrc(peer) + 1,
                            "zvonok",
                            payload_type,
                            rtx_payload_type,
                            IDS,
                            first_sequence_number=1000,
                            first_timestamp=0,
                        ),
                        SetForward(slot, source),
                    ]
                )
            if setting.speech:
                self._add_speech(lesson)

    def redundancy(self, wanted: Sequence[tuple[int, int]]) -> None:
        """How many earlier packets each one of speech brings to a peer."""
        self.plane.apply([SetRedundancy(TransportHandle(n + 1), distance) for n, distance in wanted])

    def _add_speech(self, lesson: int) -> None:
        setting = self._setting
        publisher = setting.publisher_of(lesson)
        source = SourceHandle(setting.lessons + lesson + 1)
        self.plane.apply(
            [
                AddSource(
                    source,
                    TransportHandle(publisher + 1),
                    Codec.OPUS,
                    SOUND_RATE,
                    "1",
                    OPUS_PT,
                    None,
                    IDS,
                    ssrcs=(speech_source_ssrc(lesson),),
                    open=True,
                )
            ]
        )
        for peer in range(publisher + 1, publisher + setting.peers_a_lesson):
            slot = SlotHandle(setting.peers + peer + 1)
            self.plane.apply(
                [
                    AddSlot(
                        slot,
                        TransportHandle(peer + 1),
                        Codec.OPUS,
                        SOUND_RATE,
                        "5",
                        speech_slot_ssrc(peer),
                        None,
                        "zvonok",
                        OPUS_PT,
                        None,
                        IDS,
                        first_sequence_number=1000,
                        first_timestamp=0,
                        red_payload_type=RED_PT,
                    ),
                    SetForward(slot, source),
                ]
            )

    def port(self) -> int:
        """Where peers send to."""
        return self.plane.port

    def forwarded(self) -> int:
        """Packets sent to receivers so far."""
        return self.plane.counters().packets_forwarded


class LimitServer:
    """The native plane's system calls and encryption, and nothing else."""

    def __init__(self, setting: Setting) -> None:
        from sfu.plane._native import Limit

        self._setting = setting
        self._limit = Limit("::", 0, setting.burst)

    async def start(self, ports: list[int]) -> None:
        """It knows its peers by their ports."""
        setting = self._setting
        self._limit.start(
            [
                (
                    ports[first],
                    key(first, "up"),
                    [
                        (ports[peer], key(peer, "down"), slot_ssrc(peer))
                        for peer in range(first + 1, first + setting.peers_a_lesson)
                    ],
                )
                for first in map(setting.publisher_of, range(setting.lessons))
            ]
        )

    def port(self) -> int:
        """Where peers send to."""
        return self._limit.port

    def forwarded(self) -> int:
        """Packets sent to receivers so far."""
        return self._limit.forwarded()


async def serve(setting: Setting) -> None:
    """Until ``stop``."""
    server: Server
    ours: PlaneServer | None = None
    if setting.path in ("reference", "native"):
        server = ours = PlaneServer(setting)
        await ours.open()
    elif setting.path == "limit":
        server = LimitServer(setting)
    else:
        from loadtest.bench._plane_aiortc import AiortcServer

        server = AiortcServer(setting)
    _say(port=server.port())
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    while line := (await reader.readline()).decode().strip():
        word, _, rest = line.partition(" ")
        if word == "start":
            await server.start(json.loads(rest))
            _say(started=True)
        elif word == "redundancy" and ours is not None:
            ours.redundancy(json.loads(rest))
            _say(redundancy=True)
        elif word == "mark":
            usage = resource.getrusage(resource.RUSAGE_SELF)
            _say(cpu_s=usage.ru_utime + usage.ru_stime, forwarded=server.forwarded())
        else:
            return


def _say(**words: object) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(Setting(**json.loads(sys.argv[1]))))
