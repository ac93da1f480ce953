"""Cheap visitors of a whole server, and what its processes use: for benches that count joins.

A visitor comes by the real door (HTTP, WebSocket) and brings a browser's offer; its media is a ``Peer``.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pylibsrtp

from loadtest.bench._offer import IDS, SOUND_PT, browser_offer, ssrc_of
from loadtest.bench._peer import Identity, Peer, remote_of
from loadtest.bench.record import Server
from loadtest.client import Door, LessonClient, code_of
from sfu import rtcp, rtp

LIMIT_S: Final = 20.0
PART_OF: Final[Mapping[str, str]] = {
    "sfu.worker": "worker",
    "signaling.app": "signalling",
    "valkey": "valkey",
    "recorder.app": "recorder",
}
_PROD_S: Final = 0.05
_FIRST_MEDIA: Final = 128


def cpu_s(server: Server) -> dict[str, float]:
    """CPU seconds so far by part of the server, to the microsecond; what starts them is "serve"."""
    used: dict[str, float] = {}
    for pid, command in server.processes().items():
        part = next((name for word, name in PART_OF.items() if word in command), "serve")
        used[part] = used.get(part, 0.0) + _ran_s(pid)
    return used


def _ran_s(pid: int) -> float:
    """All threads that live, by the scheduler's own count (``stat`` has hundredths of a second)."""
    return (
        sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    )


def resident_kib(server: Server, part: str = "worker") -> int:
    """Resident memory of a part's processes."""
    word = next(word for word, name in PART_OF.items() if name == part)
    found = [pid for pid, command in server.processes().items() if word in command]
    lines = [line for pid in found for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


class Visitor(asyncio.DatagramProtocol):
    """One participant. ``connected``: keys are there; ``first_media``: a packet of media or RTCP came."""

    def __init__(self, client: LessonClient, identity: Identity) -> None:
        self.client = client
        self.peer = Peer(identity, self._send)
        self.first_media = asyncio.Event()
        self.media: Callable[[bytes], None] = lambda _: None
        self._identity = identity
        self._to = ("127.0.0.1", 0)
        self._transport: asyncio.DatagramTransport | None = None
        self._protection: pylibsrtp.Session | None = None
        self._sent = 0

    @classmethod
    async def come(cls, door: Door, link: str, name: str, identity: Identity) -> Visitor:
        """Through the door and the WebSocket's greeting; no media yet."""
        code = code_of(link)
        client = LessonClient(door, code, await door.join(code, name))
        await client.connect()
        return cls(client, identity)

    async def offer(self, tiles: int, *, media: bool = True) -> None:
        """From the offer to the first packet of media (or, without ``media``, to the keys)."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        made = browser_offer(self.peer, self._identity, 1000, tiles)
        _, _, answer = await self.client.exchange(
            gzip.decompress(made.sdp).decode(), send=made.send, slots=made.slots
        )
        remote = remote_of(answer)
        self._to = remote.address
        self.peer.begin(remote)
        async with asyncio.timeout(LIMIT_S):
            while self.peer.keys is None or (media and not self.first_media.is_set()):
                try:
                    await asyncio.wait_for(self.first_media.wait(), _PROD_S)
                except TimeoutError:
                    self.peer.prod()
        assert self.peer.keys is not None
        self._protection = pylibsrtp.Session(
            pylibsrtp.Policy(
                key=self.peer.keys.send,
                ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
                srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
            )
        )

    def speak(self) -> None:
        """Send 20 ms of somebody who speaks."""
        assert self._protection is not None
        packet = rtp.build(
            payload_type=SOUND_PT,
            sequence_number=self._sent & 0xFFFF,
            timestamp=self._sent * 960,
            ssrc=ssrc_of(1000, 0),
            payload=bytes(80),
            extensions={IDS.abs_send_time: b"\0\0\0", IDS.audio_level: bytes((0x80 | 30 + self._sent % 8,))},
        )
        self._sent += 1
        self._send(self._protection.protect(packet))

    def keep(self) -> None:
        """What an idle browser sends: a check (RFC 7675) and a receiver report."""
        assert self._protection is not None
        self.peer.check()
        self._send(self._protection.protect_rtcp(rtcp.build_receiver_report(1)))

    async def leave(self) -> None:
        """Hang up and go."""
        if self._transport is not None:
            self.peer.goodbye()
            self._transport.close()
        await self.client.close()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """See asyncio.DatagramProtocol."""
        if data and data[0] >= _FIRST_MEDIA:
            self.first_media.set()
            self.media(data)
        else:
            self.peer.receive(data, addr)

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, self._to)
