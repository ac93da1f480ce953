"""A worker that nobody confirms stops sending, and never takes up again what it sent before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sfu.fence import HOLD_US, Fence
from sfu.rpc.beats import Beats
from sfu.rpc.client import WorkerClient
from sfu.rpc.holding import HOLD_S, MOVE_S, require_order
from sfu.rpc.messages import GetStatus, OpenLesson, Status
from sfu.rpc.server import RpcServer
from tests.sfu.recording_plane import LESSON, Bench
from tests.waiting import until

START_US = 1_000_000_000


@pytest.mark.parametrize(
    ("stamps", "at_us", "holds"),
    [
        ([], HOLD_US, True),
        ([], HOLD_US + 1, False),
        ([(500, 900)], 500 + HOLD_US, True),
        ([(500, 900)], 501 + HOLD_US, False),
        ([(0, 900)], HOLD_US + 1, False),
        ([(901, 900)], HOLD_US + 1, False),
        ([(500, 900), (400, 950)], 500 + HOLD_US, True),
        ([(500, HOLD_US * 2)], HOLD_US * 2, False),
    ],
    ids=["start", "alone", "confirmed", "by its stamp", "nothing", "of the future", "late", "too late"],
)
def test_it_holds_from_the_stamp_that_was_confirmed(
    stamps: list[tuple[int, int]], at_us: int, holds: bool
) -> None:
    fence = Fence(START_US)
    for stamp_us, now_us in stamps:
        fence.confirm(START_US + stamp_us if stamp_us else 0, START_US + now_us)
    assert fence.holds(START_US + at_us) == holds


def test_a_worker_has_stopped_before_its_lessons_may_move() -> None:
    require_order()
    for hold_s, move_s in ((HOLD_S + 1, MOVE_S), (HOLD_S, MOVE_S - 1)):
        with pytest.raises(ValueError, match="move after"):
            require_order(hold_s, move_s)


@pytest.mark.asyncio
async def test_lessons_end_when_nobody_confirms_and_their_epochs_are_over(lesson: Bench) -> None:
    lesson.ask(GetStatus())
    lesson.stalled_us = HOLD_US - 1_000_000
    lesson.ask(OpenLesson(LESSON, 1))
    lesson.stalled_us = HOLD_US + 1_000_000
    assert lesson.refused(OpenLesson("other", 1)) == "not_confirmed"
    await lesson.until(lambda: len(lesson.gone()) == 2)
    assert lesson.lessons.count == 0
    status = lesson.ask(GetStatus())
    assert isinstance(status, Status)
    lesson.ask(GetStatus(status.stamp))
    assert lesson.refused(OpenLesson(LESSON, 1)) == "stale_epoch"
    lesson.ask(OpenLesson(LESSON, 2))


@pytest.mark.asyncio
async def test_a_confirmed_worker_goes_on(lesson: Bench) -> None:
    for _ in range(3):
        status = lesson.ask(GetStatus())
        assert isinstance(status, Status)
        lesson.stalled_us += HOLD_US - 1_000_000
        lesson.ask(GetStatus(status.stamp))
    assert lesson.lessons.count == 1
    assert lesson.gone() == []


@pytest.mark.asyncio
async def test_a_beat_confirms_the_status_before_it_if_it_may() -> None:
    asked: list[Any] = []

    def handle(request: Any) -> Status:
        asked.append(request)
        return Status("w1", "x", 0, 0, 0, 0, 0.0, stamp=len(asked))

    may = [False, True, True, False]
    server = RpcServer(b"k" * 64, "w1", handle)
    heard: list[Status] = []
    async with WorkerClient(await server.listen(), b"k" * 64, print) as client:
        beats = Beats(client, lambda: may[len(asked)], heard.append)
        for _ in may:
            await beats.once()
        running = asyncio.create_task(Beats(client).run())
        await until(lambda: len(asked) > len(may), "a beat")
        await server.close()
        await asyncio.wait_for(running, 5)
    assert [request.confirms for request in asked[:4]] == [0, 1, 2, 0]
    assert [status.stamp for status in heard] == [1, 2, 3, 4]
