"""A recording without a recorder, on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
import pytest

from sfu.model import Refused
from signaling.follower import Decision
from signaling.recording_watch import LOOK_MS, LOST_LIMIT_MS, START_LIMIT_MS, RecordingWatch
from signaling.wire import RecordingField

pytestmark = pytest.mark.asyncio

TICK_MS = 250


class Bench:
    """A watch with its lesson's state, a clock, and Redis as scripted."""

    def __init__(self, state: Any = "starting") -> None:
        self.now_ms = 1_000_000
        self.field: RecordingField | None = RecordingField("r", state, 1, self.now_ms)
        self.recorder: str | None = None
        self.away = False
        self.calls: list[int] = []
        self.looks = 0
        self.decisions = 0
        self.refuse = False
        self._tasks: list[asyncio.Task[None]] = []
        self.watch = RecordingWatch("l", self, self._execute, self._spawn, lambda: self.now_ms)

    async def recorder_of(self, lesson: str) -> str | None:
        self.looks += 1
        if self.away:
            raise ConnectionError
        return self.recorder

    async def call_recorder(self, lesson: str) -> None:
        assert lesson == "l"
        self.calls.append(self.now_ms)

    async def _execute(self, decision: Decision, by: str | None) -> int:
        assert by is None
        self.decisions += 1
        if self.refuse:
            raise Refused("internal")
        change = decision({} if self.field is None else {"recording": self.field})
        if change is None:
            return 0
        assert change.kind == "recording_off"
        self.field = change.set["recording"]
        return 1

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    def become(self, state: Any) -> None:
        assert self.field is not None
        self.field = msgspec.structs.replace(self.field, state=state, since_ms=self.now_ms)

    async def ticks(self, for_ms: int) -> None:
        """Time passes, as LiveLesson lets it pass."""
        for _ in range(for_ms // TICK_MS):
            running = self.field if self.field is not None and self.field.state != "off" else None
            self.watch.tick(running)
            await self.settle()
            self.now_ms += TICK_MS

    async def settle(self) -> None:
        """What was begun in the background is done."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def state(self) -> tuple[str, str | None]:
        assert self.field is not None
        return self.field.state, self.field.reason


async def test_no_recording_asks_nothing() -> None:
    bench = Bench()
    bench.field = None
    await bench.ticks(60_000)
    assert bench.looks == 0


async def test_a_recorder_is_called_at_once_and_about_once_a_second() -> None:
    bench = Bench("on")
    begin_ms = bench.now_ms
    await bench.ticks(5_000)
    assert bench.calls == [begin_ms + n * LOOK_MS for n in range(5)]


async def test_a_start_without_a_recorder_is_over_within_two_seconds() -> None:
    bench = Bench()
    begin_ms = bench.now_ms
    await bench.ticks(START_LIMIT_MS)
    assert bench.state() == ("starting", None)
    await bench.ticks(TICK_MS)
    assert bench.state() == ("off", "no_recorder")
    assert bench.field is not None
    assert bench.field.since_ms - begin_ms == START_LIMIT_MS
    assert START_LIMIT_MS + TICK_MS <= 2000
    looks = bench.looks
    await bench.ticks(10_000)
    assert bench.looks == looks


async def test_a_recorder_that_claims_but_never_begins_is_over_as_well() -> None:
    bench = Bench()
    bench.recorder = "x"
    await bench.ticks(2_000)
    assert bench.state() == ("off", "no_recorder")
    assert bench.calls == []


async def test_each_start_has_its_own_time() -> None:
    bench = Bench()
    await bench.ticks(1_500)
    bench.field = RecordingField("r", "starting", 2, bench.now_ms)
    await bench.ticks(1_500)
    assert bench.state() == ("starting", None)
    await bench.ticks(500)
    assert bench.state() == ("off", "no_recorder")


async def test_one_that_begins_in_time_is_on_for_as_long_as_it_is_claimed() -> None:
    bench = Bench()
    await bench.ticks(1_000)
    bench.recorder = "x"
    bench.become("on")
    await bench.ticks(60_000)
    assert bench.state() == ("on", None)
    assert len(bench.calls) == 1


async def test_a_recording_whose_recorder_is_gone_waits_for_another_before_it_is_off() -> None:
    bench = Bench("on")
    bench.recorder = "x"
    await bench.ticks(5_000)
    bench.recorder = None
    await bench.ticks(LOST_LIMIT_MS - 1_000)
    assert bench.state() == ("on", None)
    assert len(bench.calls) == 9
    bench.recorder = "y"
    await bench.ticks(60_000)
    assert bench.state() == ("on", None)
    bench.recorder = None
    await bench.ticks(LOST_LIMIT_MS)
    assert bench.state() == ("on", None)
    await bench.ticks(1_000)
    assert bench.state() == ("off", "no_recorder")


@pytest.mark.parametrize("state", ["starting", "on"])
async def test_nothing_is_decided_while_redis_is_away(state: str) -> None:
    bench = Bench(state)
    await bench.ticks(1_000)
    bench.away = True
    await bench.ticks(60_000)
    assert bench.state() == (state, None)
    bench.away = False
    await bench.ticks(1_000)
    assert bench.state() == (state, None)  # known for no longer than this
    await bench.ticks(START_LIMIT_MS if state == "starting" else LOST_LIMIT_MS)
    await bench.ticks(TICK_MS)
    assert bench.state() == ("off", "no_recorder")


async def test_what_cannot_be_written_now_is_written_later() -> None:
    bench = Bench()
    bench.refuse = True
    await bench.ticks(5_000)
    assert bench.state() == ("starting", None)
    bench.refuse = False
    await bench.ticks(1_250)
    assert bench.state() == ("off", "no_recorder")


async def test_a_recorder_that_begins_in_the_very_moment_of_the_decision_wins() -> None:
    bench = Bench()
    await bench.ticks(START_LIMIT_MS)
    heard = bench.field
    bench.become("on")  # in the log, not heard yet
    bench.watch.tick(heard)
    await bench.settle()
    assert bench.decisions == 1
    assert bench.state() == ("on", None)


async def test_one_look_at_a_time_however_slow_redis_is() -> None:
    bench = Bench("on")
    answers = asyncio.Event()

    async def slow(lesson: str) -> str | None:
        bench.looks += 1
        await answers.wait()
        return "x"

    bench.recorder_of = slow  # type: ignore[method-assign]
    for _ in range(100):
        bench.watch.tick(bench.field)
        await asyncio.sleep(0)
        bench.now_ms += TICK_MS
    assert bench.looks == 1
    answers.set()
    await bench.ticks(2 * TICK_MS)
    assert bench.looks == 2
