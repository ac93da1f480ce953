"""A lesson's participant for worker tests: aiortc on one side, the rpc instead of signalling on the other."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Self

from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from loadtest.client import use_loopback_candidates
from sfu.model import SEND_SECTIONS, MediaKind, Source, slot_kind
from sfu.rpc.beats import Beats
from sfu.rpc.client import WorkerClient
from sfu.rpc.messages import (
    Answered,
    Connected,
    Disconnected,
    Draw,
    Failed,
    Offer,
    OpenLesson,
    Person,
    Push,
    Quality,
    RemovePerson,
    Reply,
    Request,
    SetPerson,
    Slots,
    Speakers,
)

LIMIT_S = 15.0
LESSON, EPOCH = "lesson1", 1


class WorkerProcess:
    """A real worker, started by ``start``."""

    def __init__(self, process: asyncio.subprocess.Process, ready: Mapping[str, Any], key: bytes) -> None:
        self.process = process
        self.ready = ready
        self.key = key
        self.rpc = (str(ready["rpc"][0]), int(ready["rpc"][1]))

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, var: Path, **settings: str) -> AsyncIterator[Self]:
        """Run ``python -m sfu.worker``; its words on stderr go to the test's."""
        environment = {
            **os.environ,
            "ZVONOK_PATHS__VAR": str(var),
            "ZVONOK_MEDIA__PORT": "0",
            "ZVONOK_REDIS__URL": "",
            **settings,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "sfu.worker",
            "--index",
            "0",
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(LIMIT_S):
                line = await process.stdout.readline()
            yield cls(process, json.loads(line), (var / "keys" / "rpc.key").read_bytes().strip())
        finally:
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(LIMIT_S):
                await process.wait()


class Desk:
    """Stands in for signalling: one rpc connection, one lesson, all pushes kept."""

    def __init__(self, worker: WorkerProcess) -> None:
        self.pushes: list[Push] = []
        self.slots: dict[str, Slots] = {}
        self.lost = False
        self._changed = asyncio.Event()
        self.client = WorkerClient(worker.rpc, worker.key, self._hear, self._on_lost)
        self._number = 0

    def _hear(self, push: Push) -> None:
        self.pushes.append(push)
        if isinstance(push, Slots):
            self.slots[push.participant] = push
        self._changed.set()

    def _on_lost(self) -> None:
        self.lost = True
        self._changed.set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, worker: WorkerProcess) -> AsyncIterator[Self]:
        desk = cls(worker)
        async with desk.client:
            await desk.ask(OpenLesson(LESSON, EPOCH))
            beating = asyncio.create_task(Beats(desk.client).run())
            yield desk
            beating.cancel()

    async def ask(self, request: Request) -> Reply:
        reply = await self.client.request(request)
        assert not isinstance(reply, Failed), reply
        return reply

    async def seat(
        self,
        name: str,
        role: str = "student",
        order: int = 1,
        on: str = "",
        may: str = "",
        recorded: str = "",
        group: str = "",
        *,
        to_all: bool = False,
    ) -> None:
        """Add or change somebody; ``on``, ``may`` and ``recorded`` are blank-separated sources (``may``: as
        ``on``)."""
        self._number += 1
        person = Person(
            name,
            role,
            order,
            frozenset((may or on).split()),
            frozenset(on.split()),
            frozenset(recorded.split()),
            group,
            to_all,
        )
        await self.ask(SetPerson(LESSON, EPOCH, self._number, person))

    async def remove(self, name: str) -> None:
        self._number += 1
        await self.ask(RemovePerson(LESSON, EPOCH, self._number, name))

    async def draw(
        self, name: str, heights: Mapping[int, int], page: int = 0, pin: str | None = None
    ) -> None:
        wanted = tuple(heights.get(index, 0) for index in range(max(heights, default=-1) + 1))
        await self.ask(Draw(LESSON, EPOCH, name, wanted, page, pin))

    def shown(self, name: str, slot: int) -> tuple[str | None, str | None, bool]:
        """(participant, source, live) of a receiver's slot as last told."""
        slots = self.slots.get(name)
        content = slots.slots[slot] if slots is not None else None
        return (None, None, False) if content is None else (content.participant, content.source, content.live)

    def told(self, kind: type[Connected | Disconnected | Speakers | Quality]) -> list[Any]:
        return [push for push in self.pushes if isinstance(push, kind)]

    async def until(self, condition: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
        """Wait for a condition on what was pushed."""
        try:
            async with asyncio.timeout(limit_s):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(
                f"missing within {limit_s} s: {what}; last pushes {self.pushes[-5:]}"
            ) from None


class MediaPeer:
    """One participant's RTCPeerConnection. ``frames`` counts what was decoded by slot, ``last`` keeps it."""

    def __init__(self, desk: Desk, name: str) -> None:
        self.desk = desk
        self.name = name
        self.frames: dict[int, int] = {}
        self.last: dict[int, Any] = {}
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self.slots: list[RTCRtpTransceiver] = []
        self._arrived = asyncio.Event()
        self._readers: list[asyncio.Task[None]] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def join(
        cls,
        desk: Desk,
        name: str,
        tracks: Mapping[Source, MediaStreamTrack] | None = None,
        *,
        slots: int = 10,
        connection: int = 1,
    ) -> AsyncIterator[Self]:
        """Connect; ``desk.seat`` comes before. Yields when media is connected at both ends."""
        use_loopback_candidates()
        peer = cls(desk, name)
        try:
            await peer._connect(tracks or {}, slots, connection)
            yield peer
        finally:
            await peer.close()

    async def close(self) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await self.pc.close()

    async def closed(self) -> None:
        """Wait until the worker hung up."""
        await self._state("closed", "failed")

    async def _state(self, *states: str) -> None:
        changed = asyncio.Event()
        self.pc.on("connectionstatechange", changed.set)
        async with asyncio.timeout(LIMIT_S):
            while self.pc.connectionState not in states:
                changed.clear()
                await changed.wait()

    async def _connect(self, tracks: Mapping[Source, MediaStreamTrack], slots: int, connection: int) -> None:
        pc = self.pc
        sending = {source: pc.addTransceiver(track, direction="sendonly") for source, track in tracks.items()}
        self.slots = [
            pc.addTransceiver(
                "video" if slot_kind(index) is MediaKind.VIDEO else "audio", direction="recvonly"
            )
            for index in range(slots)
        ]
        await pc.setLocalDescription(await pc.createOffer())
        reply = await self.desk.ask(
            Offer(
                LESSON,
                EPOCH,
                self.name,
                connection,
                gzip.compress(pc.localDescription.sdp.encode()),
                tuple((sending[s].mid or "") if s in sending else "" for s in SEND_SECTIONS),
                tuple(slot.mid or "" for slot in self.slots),
            )
        )
        assert isinstance(reply, Answered)
        answer = gzip.decompress(reply.sdp).decode()
        await pc.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        self._readers = [
            asyncio.create_task(self._read(index, slot.receiver.track))
            for index, slot in enumerate(self.slots)
        ]
        await self.desk.until(
            lambda: any(
                (c.participant, c.connection) == (self.name, connection) for c in self.desk.told(Connected)
            ),
            f"{self.name} connected",
        )
        # The worker has its keys before aiortc has read the last flight; closed then, aiortc says no goodbye.
        await self._state("connected")

    async def _read(self, index: int, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                self.last[index] = await track.recv()
                self.frames[index] = self.frames.get(index, 0) + 1
                self._arrived.set()

    async def until(self, condition: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
        """Wait for a condition on decoded frames."""
        try:
            async with asyncio.timeout(limit_s):
                while not condition():
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(f"missing within {limit_s} s: {what}; frames {self.frames}") from None
