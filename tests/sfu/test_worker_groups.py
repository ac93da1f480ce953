"""Groups in a whole worker process with aiortc clients: what of another group reaches nobody, and how soon
the own one is there."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from sfu.model import SlotIndex
from sfu.rpc.messages import Quality
from tests.sfu.media_peer import Desk, MediaPeer, WorkerProcess
from tests.sfu.test_worker_media import film_and_sound, packets, who

STAGE, STAGE_SOUND, TILE = int(SlotIndex.STAGE_VIDEO), int(SlotIndex.STAGE_SOUND), int(SlotIndex.FIRST_TILE)
LOUD = int(SlotIndex.LOUD_1)
BOTH = "camera microphone"
WANTED = {TILE: 180, TILE + 1: 180, LOUD: 1, LOUD + 1: 1, int(SlotIndex.TEACHER_SOUND): 1}


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with WorkerProcess.start(tmp_path) as worker, Desk.open(worker) as desk:
        yield desk


@pytest.mark.asyncio
async def test_groups_are_switched_to_at_once_and_nothing_passes_between_them(desk: Desk) -> None:
    names = ("ann", "ben", "cat")
    async with AsyncExitStack() as stack:
        peers: dict[str, MediaPeer] = {}
        for order, name in enumerate(names):
            await desk.seat(name, "student", order, on=BOTH, group="2" if name == "cat" else "1")
            tracks = film_and_sound(order + 1)
            peers[name] = await stack.enter_async_context(MediaPeer.join(desk, name, tracks))
            await desk.draw(name, WANTED)
        ann, ben, cat = (peers[name] for name in names)
        await ann.until(lambda: who(ann, TILE) == 2 and ann.frames.get(LOUD, 0) > 20, "ben")
        await ben.until(lambda: who(ben, TILE) == 1 and ben.frames.get(LOUD, 0) > 20, "ann")
        assert cat.frames == {}, "somebody of another group reached cat"

        started = time.monotonic()
        await desk.seat("ben", "student", 1, on=BOTH, group="2")
        await cat.until(lambda: cat.frames.get(LOUD, 0) > 1, "ben's sound")
        sound_s = time.monotonic() - started
        await cat.until(lambda: who(cat, TILE) == 2, "ben's picture")
        picture_s = time.monotonic() - started
        await ben.until(lambda: who(ben, TILE) == 3, "cat's picture")
        print(f"after the move: sound {1000 * sound_s:.0f} ms, picture {1000 * picture_s:.0f} ms")
        assert picture_s < 2, "with room for a machine that does other things too"

        await desk.until(lambda: desk.shown("ann", TILE) == (None, None, False), "ann is alone")
        before = [await packets(ann, "inbound-rtp", media) for media in ("audio", "video")]
        seen = len(desk.told(Quality))
        await desk.until(lambda: len(desk.told(Quality)) > seen, "the worker's next report")
        assert [await packets(ann, "inbound-rtp", media) for media in ("audio", "video")] == before
