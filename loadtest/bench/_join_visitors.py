"""Cheap visitors of a whole server, and what its processes use: for benches that count joins.

A visitor comes by the real door (HTTP, WebSocket) and brings a browser's offer; its media is a ``Peer``.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pylibsrtp

from loadtest.bench._offer import IDS, SOUND_PT, VIDEO_PT, browser_offer, ssrc_of
from loadtest.bench._peer import Identity, Peer, remote_of
from loadtest.bench._stamps import STAMP, receive, want_arrival
from loadtest.bench.record import Server
from loadtest.client import LessonClient
from loadtest.door import Door, code_of, origin_of
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
_UNREAD_BYTES: Final = 4096
_FRAME_PACKETS: Final = 3
_FRAME_PACKET_BYTES: Final = 800
_KEYFRAME: Final = b"\x10\0\0\x9d\x01\x2a\x80\x02\x68\x01"
"""The beginning of a VP8 keyframe of 640x360 (RFC 6386 section 9.1)."""


def cpu_s(server: Server) -> dict[str, float]:
    """CPU seconds so far by part of the server, to the microsecond; what starts them is "serve"."""
    used: dict[str, float] = {}
    for pid, command in server.processes().items():
        part = next((name for word, name in PART_OF.items() if word in command), "serve")
        used[part] = used.get(part, 0.0) + ran_s(pid)
    return used


def ran_s(pid: int) -> float:
    """CPU seconds of a process's living threads, by the scheduler: ``stat`` has hundredths of a second."""
    return (
        sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    )


def resident_kib(server: Server, part: str = "worker") -> int:
    """Resident memory of a part's processes."""
    word = next(word for word, name in PART_OF.items() if name == part)
    found = [pid for pid, command in server.processes().items() if word in command]
    lines = [line for pid in found for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


class Visitor:
    """One participant. ``first_media``: a packet of media or RTCP came. ``media``: gets all of them, with
    when the kernel had each (ns of the wall clock)."""

    def __init__(self, client: LessonClient, identity: Identity) -> None:
        self.client = client
        self.peer = Peer(identity, self._send)
        self.first_media = asyncio.Event()
        self.media: Callable[[bytes, int], None] = lambda *_: None
        self._identity = identity
        self._to = ("127.0.0.1", 0)
        self._sock: socket.socket | None = None
        self._protection: pylibsrtp.Session | None = None
        self._opened: pylibsrtp.Session | None = None
        self._sent = 0
        self._frames = 0

    @classmethod
    async def come(cls, door: Door, link: str, name: str, identity: Identity) -> Visitor:
        """Through the door and the WebSocket's greeting; no media yet."""
        code = code_of(link)
        client = LessonClient(door, code, await door.join(code, name))
        await client.connect()
        return cls(client, identity)

    async def offer(self, tiles: int, *, media: bool = True) -> None:
        """From the offer to the first packet of media (or, without ``media``, to the keys)."""
        self._sock = sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(0)
        sock.bind(("127.0.0.1", 0))
        want_arrival(sock)
        asyncio.get_running_loop().add_reader(sock, self._read, sock)
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
        self._protection = _session(self.peer.keys.send, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self._opened = _session(self.peer.keys.receive, pylibsrtp.Policy.SSRC_ANY_INBOUND)

    def speak(self) -> None:
        """Send 20 ms of somebody who speaks, stamped."""
        assert self._protection is not None
        packet = rtp.build(
            payload_type=SOUND_PT,
            sequence_number=self._sent & 0xFFFF,
            timestamp=self._sent * 960,
            ssrc=ssrc_of(1000, 0),
            payload=bytes(80 - STAMP.size) + STAMP.pack(time.time_ns()),
            extensions={IDS.abs_send_time: b"\0\0\0", IDS.audio_level: bytes((0x80 | 30 + self._sent % 8,))},
        )
        self._sent += 1
        self._send(self._protection.protect(packet))

    def show(self) -> None:
        """Send a frame of a camera whose every frame is a keyframe."""
        assert self._protection is not None
        for index in range(_FRAME_PACKETS):
            first = index == 0
            header = bytes((0x90 if first else 0x80, 0x80)) + (0x8000 | self._frames & 0x7FFF).to_bytes(
                2, "big"
            )
            packet = rtp.build(
                payload_type=VIDEO_PT,
                sequence_number=(self._frames * _FRAME_PACKETS + index) & 0xFFFF,
                timestamp=self._frames * 9000 & 0xFFFFFFFF,
                ssrc=ssrc_of(1000, 1),
                payload=header + (_KEYFRAME if first else b"") + bytes(_FRAME_PACKET_BYTES),
                marker=index == _FRAME_PACKETS - 1,
                extensions={IDS.abs_send_time: b"\0\0\0"},
            )
            self._send(self._protection.protect(packet))
        self._frames += 1

    def keep(self) -> None:
        """What an idle browser sends: a check (RFC 7675) and a receiver report."""
        assert self._protection is not None
        self.peer.check()
        self._send(self._protection.protect_rtcp(rtcp.build_receiver_report(1)))

    async def leave(self) -> None:
        """Hang up and go."""
        if self._sock is not None:
            self.peer.goodbye()
            self.ignore()
            self._sock.close()
            self._sock = None
        await self.client.close()

    def ignore(self) -> None:
        """Read nothing from now on; a small buffer stays full."""
        assert self._sock is not None
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UNREAD_BYTES)

    def plain(self, packet: bytes) -> bytes | None:
        """RTP that came, in the clear; None for anything else."""
        if self._opened is None or 192 <= packet[1] <= 223:
            return None
        try:
            plain: bytes = self._opened.unprotect(packet)
        except pylibsrtp.Error:
            return None
        return plain

    def _read(self, sock: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, arrived_ns, source = receive(sock)
                if data and data[0] >= _FIRST_MEDIA:
                    self.first_media.set()
                    self.media(data, arrived_ns)
                else:
                    self.peer.receive(data, source)

    def _send(self, data: bytes) -> None:
        if self._sock is not None:
            self._sock.sendto(data, self._to)


def _session(key: bytes, ssrc_type: int) -> pylibsrtp.Session:
    return pylibsrtp.Session(
        pylibsrtp.Policy(
            key=key,
            ssrc_type=ssrc_type,
            srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        )
    )


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds by part of the server over ``seconds``."""

    parts: Mapping[str, float]
    seconds: float

    @property
    def cores(self) -> float:
        """All parts together."""
        return sum(self.parts.values()) / self.seconds


class Watch:
    """What the server uses from now on."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._used, self._began_s = cpu_s(server), time.monotonic()

    def spent(self) -> Spent:
        """So far."""
        used, seconds = cpu_s(self._server), time.monotonic() - self._began_s
        return Spent({part: used[part] - self._used.get(part, 0.0) for part in used}, seconds)


async def over(server: Server, seconds: float) -> Spent:
    """What the server uses in so many seconds."""
    watch = Watch(server)
    await asyncio.sleep(seconds)
    return watch.spent()


class School:
    """Lessons on one server and who is in them."""

    def __init__(self, server: Server, stack: AsyncExitStack) -> None:
        self.server = server
        self._stack = stack
        self._identity = Identity()
        self._origin = origin_of(server.teacher_link)
        self._teachers: Door | None = None
        self._people = 0
        self._visitors: list[Visitor] = []

    async def clear(self) -> None:
        """Everybody leaves."""
        while self._visitors:
            await self._visitors.pop().leave()

    async def lesson(self) -> tuple[Visitor, str]:
        """A new lesson: its teacher, on the WebSocket only, and the students' link."""
        if self._teachers is None:
            self._teachers = await self._stack.enter_async_context(Door(self._origin))
            await self._teachers.sign_in(self.server.teacher_link.partition("#")[2])
        lesson = await self._teachers.new_lesson("Bench", teacher_name="Teacher")
        return await self._come(self._teachers, lesson.teacher_link, ""), lesson.student_link

    async def student(self, link: str) -> Visitor:
        """Somebody new, on the WebSocket only."""
        self._people += 1
        door = await self._stack.enter_async_context(Door(self._origin))
        return await self._come(door, link, f"Student {self._people}")

    async def _come(self, door: Door, link: str, name: str) -> Visitor:
        visitor = await Visitor.come(door, link, name, self._identity)
        self._visitors.append(visitor)
        return visitor

    @contextlib.asynccontextmanager
    async def always(self, every_s: float, what: Callable[[], None]) -> AsyncIterator[None]:
        """Do this again and again meanwhile."""

        async def again() -> None:
            due_s = time.monotonic()
            while True:
                what()
                due_s += every_s
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))

        task = asyncio.create_task(again())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
