"""The server process of the plane's bench: one forwarding path, its CPU counted between two words.

Reads lines on stdin, answers with JSON lines: ``start`` (the line process is ready), ``mark`` (CPU and
counts so far), ``stop``.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from typing import Protocol

import uvloop

from loadtest.bench._plane_setting import (
    CLOCK_RATE,
    IDS,
    RTX_PT,
    VP8_PT,
    Setting,
    key,
    local_pwd,
    local_ufrag,
    remote_pwd,
    remote_ufrag,
    slot_ssrc,
    source_ssrc,
)
from sfu.plane.api import (
    AddSlot,
    AddSource,
    AddTransport,
    Codec,
    SetForward,
    SetKeys,
    SlotHandle,
    SourceHandle,
    SrtpProfile,
    TransportHandle,
)
from sfu.plane.reference import ReferencePlane


class Server(Protocol):
    """One path under test."""

    async def start(self, ports: list[int]) -> None:
        """Connect all peers; theirs are these UDP ports on loopback, by number."""

    def port(self) -> int:
        """Where peers send to, 0 when each is told by the server's own checks."""

    def forwarded(self) -> int:
        """Packets sent to receivers so far."""


class ReferenceServer:
    """The reference plane."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._plane: ReferencePlane

    async def open(self) -> None:
        self._plane = await ReferencePlane.create("::", 0, lambda _: None)
        for peer in range(self._setting.peers):
            transport = TransportHandle(peer + 1)
            self._plane.apply(
                [
                    AddTransport(
                        transport, local_ufrag(peer), local_pwd(peer), remote_ufrag(peer), remote_pwd(peer)
                    ),
                    SetKeys(transport, SrtpProfile.AEAD_AES_128_GCM, key(peer, "up"), key(peer, "down")),
                ]
            )

    async def start(self, ports: list[int]) -> None:  # noqa: ARG002 - peers check first
        setting = self._setting
        for lesson in range(setting.lessons):
            publisher = setting.publisher_of(lesson)
            source = SourceHandle(lesson + 1)
            self._plane.apply(
                [
                    AddSource(
                        source,
                        TransportHandle(publisher + 1),
                        Codec.VP8,
                        CLOCK_RATE,
                        "0",
                        VP8_PT,
                        RTX_PT,
                        IDS,
                        ssrcs=(source_ssrc(lesson),),
                        open=True,
                    )
                ]
            )
            for peer in range(publisher + 1, publisher + setting.peers_a_lesson):
                slot = SlotHandle(peer + 1)
                self._plane.apply(
                    [
                        AddSlot(
                            slot,
                            TransportHandle(peer + 1),
                            Codec.VP8,
                            CLOCK_RATE,
                            "4",
                            slot_ssrc(peer),
                            slot_ssrc(peer) + 1,
                            "zvonok",
                            VP8_PT,
                            RTX_PT,
                            IDS,
                            first_sequence_number=1000,
                            first_timestamp=0,
                        ),
                        SetForward(slot, source),
                    ]
                )

    def port(self) -> int:
        return self._plane.port

    def forwarded(self) -> int:
        return self._plane.counters().packets_forwarded


async def serve(setting: Setting) -> None:
    """Until ``stop``."""
    server: Server
    if setting.path == "reference":
        server = reference = ReferenceServer(setting)
        await reference.open()
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
        elif word == "mark":
            usage = resource.getrusage(resource.RUSAGE_SELF)
            _say(cpu_s=usage.ru_utime + usage.ru_stime, forwarded=server.forwarded())
        else:
            return


def _say(**words: object) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    uvloop.run(serve(Setting(**json.loads(sys.argv[1]))))
