"""libwebrtc restarts its ICE at a real worker: the same connection, and pictures go on."""

from __future__ import annotations

import asyncio
import gzip
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtest.media.block_code import Mark, read
from sfu.model import SlotIndex, Source, slot_kind
from sfu.rpc.messages import Answered, Connected, Disconnected, Offer
from tests.media.tracks import Film
from tests.sfu.media_peer import EPOCH, LESSON, LIMIT_S, Desk, MediaPeer, WorkerProcess

STAGE = int(SlotIndex.STAGE_VIDEO)
SLOTS = SlotIndex.FIRST_TILE + 1


class Receiver:
    """A libwebrtc peer that receives; ``marks`` of its stage, ``changed`` at each."""

    def __init__(self, desk: Desk, name: str) -> None:
        os.environ["WRTC_ALLOW_LOOPBACK"] = "1"
        import webrtc

        self.webrtc = webrtc
        self.desk = desk
        self.name = name
        self.peer = webrtc.RTCPeerConnection()
        self.slots = [
            self.peer.add_transceiver(
                slot_kind(index).value, webrtc.RTCRtpTransceiverInit(direction="recvonly")
            )
            for index in range(SLOTS)
        ]
        self.marks: list[Mark] = []
        self.changed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def join(cls, desk: Desk, name: str) -> AsyncIterator[Receiver]:
        receiver = cls(desk, name)
        watching = asyncio.create_task(receiver._watch())
        try:
            await receiver.negotiate()
            yield receiver
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            receiver.peer.close()

    async def negotiate(self) -> str:
        """Offer and answer, of connection 1; the answer."""
        offer = await self.peer.create_offer()
        await self.peer.set_local_description(offer)
        mids = tuple(slot.mid or "" for slot in self.slots)
        packed = gzip.compress((offer.sdp or "").encode())
        reply = await self.desk.ask(Offer(LESSON, EPOCH, self.name, 1, packed, (), mids))
        assert isinstance(reply, Answered)
        sdp = gzip.decompress(reply.sdp).decode()
        await self.peer.set_remote_description(self.webrtc.RTCSessionDescriptionInit(type="answer", sdp=sdp))
        return sdp

    async def _watch(self) -> None:
        track: Any = self.slots[STAGE].receiver.track
        processor = self.webrtc.MediaStreamTrackProcessor(self.webrtc.MediaStreamTrackProcessorInit(track))
        async for frame in processor.readable:
            assert isinstance(frame, self.webrtc.VideoFrame)
            with frame:
                width, height = frame.coded_width, frame.coded_height
                pixels = bytearray(frame.allocation_size())
                await frame.copy_to(pixels)
            found = read(np.frombuffer(pixels, np.uint8)[: width * height].reshape(height, width))
            if found is not None:
                self.marks.append(found)
                self.changed.set()

    async def ufrag_in_use(self) -> str:
        """The worker's user fragment of the candidate pair over which packets came last."""
        report = dict((await self.peer.get_stats()).items())
        pairs = [each for each in report.values() if isinstance(each, self.webrtc.RTCIceCandidatePairStats)]
        latest = max(pairs, key=lambda pair: pair.last_packet_received_timestamp or 0)
        candidate = report[latest.remote_candidate_id]
        assert isinstance(candidate, self.webrtc.RTCIceCandidateStats)
        return str(candidate.username_fragment)

    async def until_marks(self, count: int) -> None:
        """Wait for so many readable frames in all."""
        async with asyncio.timeout(LIMIT_S):
            while len(self.marks) < count:
                self.changed.clear()
                await self.changed.wait()


@pytest.mark.asyncio
async def test_pictures_go_on_through_ice_restarts(tmp_path: Path) -> None:
    async with WorkerProcess.start(tmp_path) as worker, Desk.open(worker) as desk:
        await desk.seat("teacher", "teacher", 0, on="camera")
        await desk.seat("student", "student", 1)
        await desk.draw("student", {STAGE: 360})
        tracks = {Source.CAMERA: Film(3, time.monotonic())}
        async with MediaPeer.join(desk, "teacher", tracks), Receiver.join(desk, "student") as student:
            await student.until_marks(10)
            answers = []
            for _ in range(2):
                student.peer.restart_ice()
                answers.append(await student.negotiate())
                await student.until_marks(len(student.marks) + 50)
                assert f"a=ice-ufrag:{await student.ufrag_in_use()}\r\n" in answers[-1]
            assert answers[0] != answers[1]
            assert {mark.who for mark in student.marks} == {3}
            counters = [mark.counter for mark in student.marks]
            steps = {(after - before) % 100 for before, after in pairwise(counters)}
            assert max(steps) <= 12, f"a gap of more than half a second: {counters}"
            assert len([push for push in desk.told(Connected) if push.participant == "student"]) == 1
            assert desk.told(Disconnected) == []
