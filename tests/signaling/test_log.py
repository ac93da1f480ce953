"""The log's one writer in a real Valkey: checks, numbers, gaps, restoring."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from signaling.codec import pack
from signaling.lesson.change import Change
from signaling.log import (
    Absent,
    Conflict,
    EventHeard,
    Heard,
    LeaseHeard,
    LessonLog,
    RestoredHeard,
    SeatHeard,
    connect,
    key,
    parse_published,
)
from signaling.replica import Record, record
from tests.signaling.parts import until

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def log(valkey: str, redis: object) -> AsyncIterator[LessonLog]:
    made = LessonLog(connect(valkey), 3600, lambda: 1, "p1")
    yield made
    await made.close()


async def add(log: LessonLog, change: Change, raw: dict[str, bytes] | None = None) -> int:
    return await log.append("l", record(change, 5, "t"), change, raw or {})


async def test_events_are_numbered_from_one_and_the_state_is_their_sum(log: LessonLog) -> None:
    await log.create(
        "l", record(Change("opened", {"lesson": {"n": 1}}), 5, None), Change("opened", {"lesson": {"n": 1}})
    )
    assert await add(log, Change("x", {"a": 1, "b": [1, 2]})) == 2
    assert await add(log, Change("y", {}, ("a",)), {"a": pack(1)}) == 3
    loaded = await log.load("l")
    assert loaded is not None
    number, raw, recent = loaded
    assert (number, raw) == (3, {"lesson": pack({"n": 1}), "b": pack([1, 2])})
    assert [(event.number, event.kind, event.by) for event in recent] == [
        (1, "opened", None), (2, "x", "t"), (3, "y", "t"),
    ]  # fmt: skip
    assert [event.number for event in await log.since("l", 1)] == [2, 3]
    assert await log.numbers(["l", "other"]) == [3, None]


@pytest.mark.parametrize(
    ("change", "raw"),
    [
        (Change("x", {"new": 1}, expect=frozenset({"a"})), {}),
        (Change("x", {"new": 1}, expect=frozenset({"a"})), {"a": pack(2)}),
        (Change("x", {"a": 2}), {}),
        (Change("x", {}, ("a",)), {}),
        (Change("x", {"new": 1}, expect=frozenset({"missing"})), {"missing": pack(1)}),
        (Change("x", {"-": 1}, expect=frozenset({"a"})), {"a": b"-"}),
    ],
)
async def test_what_rests_on_something_else_is_a_conflict(
    log: LessonLog, change: Change, raw: dict[str, bytes]
) -> None:
    await log.create("l", record(Change("opened", {"a": 1}), 5, None), Change("opened", {"a": 1}))
    with pytest.raises(Conflict):
        await add(log, change, raw)
    assert await log.numbers(["l"]) == [1]
    assert await log.field("l", "new") is None


async def test_a_lesson_that_is_not_there_is_absent(log: LessonLog) -> None:
    with pytest.raises(Absent):
        await add(log, Change("x", {"a": 1}))
    assert await log.load("l") is None


async def test_creating_twice_is_once(log: LessonLog) -> None:
    opened = Change("opened", {"lesson": 1})
    for _ in range(2):
        await log.create("l", record(opened, 5, None), opened)
    assert await log.numbers(["l"]) == [1]


async def test_one_of_many_at_once_wins(log: LessonLog) -> None:
    await log.create("l", record(Change("opened", {"a": 1}), 5, None), Change("opened", {"a": 1}))

    async def try_it(value: int) -> bool:
        try:
            await add(log, Change("x", {"a": value}), {"a": pack(1)})
        except Conflict:
            return False
        return True

    won = await asyncio.gather(*(try_it(value) for value in range(2, 30)))
    assert won.count(True) == 1
    assert await log.numbers(["l"]) == [2]


async def test_keys_expire_together(log: LessonLog) -> None:
    await log.create("l", record(Change("opened", {"a": 1}), 5, None), Change("opened", {"a": 1}))
    for part in ("state", "log", "meta"):
        assert 3500 < await log.redis.ttl(key("l", part)) <= 3600


async def test_a_retired_lesson_goes_soon_and_whole(log: LessonLog) -> None:
    change = Change("opened", {"a": 1})
    await log.create("l", record(change, 5, None), change)
    await log.take_seat("l", "p", "p1/1")
    assert await log.count_keys() == 4
    await log.retire(["l"])
    for part in ("state", "log", "meta", "seats"):
        assert 590 < await log.redis.ttl(key("l", part)) <= 600


async def test_all_that_is_published_is_heard(log: LessonLog, valkey: str) -> None:
    other = LessonLog(connect(valkey), 3600, lambda: 1, "p2")
    heard: list[Heard] = []
    other.start(heard.append)
    await other.follow("l")
    await log.create("l", record(Change("opened", {"a": 1}), 5, None), Change("opened", {"a": 1}))
    await log.take_seat("l", "someone", "p1/3")
    await log.redis.delete(key("l", "meta"))
    await log.restore("l", 1001, {"a": pack(1)})
    await until(lambda: len(heard) == 3, "three things heard")
    assert heard == [
        EventHeard("l", Record(1, "opened", 5, None, {"a": 1}, ())),
        SeatHeard("l", "someone", "p1/3"),
        RestoredHeard("l"),
    ]
    await other.unfollow("l")
    await log.take_seat("l", "someone", "p1/4")
    await other.follow("m")
    await log.take_seat("m", "someone", "p1/5")
    await until(lambda: len(heard) == 4, "the other lesson heard")
    assert heard[-1] == SeatHeard("m", "someone", "p1/5")
    await other.close()


async def test_what_a_newer_version_publishes_is_passed_over() -> None:
    assert parse_published(b"zvonok:{l}:live", b"q:new") is None
    assert parse_published(b"zvonok:{l}:live", b"l:") == LeaseHeard("l")


async def test_restoring_takes_the_most_that_is_known_and_nothing_that_moved(log: LessonLog) -> None:
    assert await log.restore("l", 1100, {"a": pack(1)}) == 1100
    assert await log.restore("l", 1105, {"a": pack(2)}) == 1105
    assert await log.restore("l", 1103, {"a": pack(3)}) == 1105
    assert await log.field("l", "a") == pack(2)
    assert await add(log, Change("x", {"b": 1})) == 1106
    assert await log.restore("l", 1200, {"a": pack(4)}) == 1106
    assert await log.field("l", "a") == pack(2)


async def test_a_redis_that_lacks_what_was_seen_takes_nothing_before_it_is_restored(log: LessonLog) -> None:
    opened, change = Change("opened", {"a": 1}), Change("x", {"b": 1})
    await log.create("l", record(opened, 5, None), opened)
    await add(log, Change("x", {"a": 2}), {"a": pack(1)})
    with pytest.raises(Absent):
        await log.append("l", record(change, 5, "t"), change, {}, seen=3)
    assert await log.restore("l", 1002, {"a": pack(3)}, seen=2) == 2, "nothing is missing"
    assert await log.restore("l", 1003, {"a": pack(3)}, seen=3) == 1003
    assert await log.field("l", "a") == pack(3)
    assert await log.append("l", record(change, 5, "t"), change, {}, seen=1003) == 1004


async def test_processes_and_lessons_they_keep(log: LessonLog) -> None:
    await log.set_live("l", live=True)
    await log.set_live("m", live=True)
    assert await log.unkept(["l", "m"]) == [], "held at once, or every other process takes it on too"
    await log.redis.delete(key("l", "keeper"), key("m", "keeper"))
    await log.announce(["l"])
    assert sorted(await log.live_lessons()) == ["l", "m"]
    assert await log.unkept(["l", "m"]) == ["m"]
    assert await log.alive(["p1", "p2", ""]) == {"p1"}
    assert await log.alive([]) == frozenset()
    await log.withdraw()
    assert await log.alive(["p1"]) == frozenset()
    await log.set_live("m", live=False)
    assert await log.live_lessons() == ["l"]


async def test_seats(log: LessonLog) -> None:
    await log.take_seat("l", "a", "p1/1")
    await log.take_seat("l", "a", "p2/1")
    assert await log.seats("l") == {"a": "p2/1"}


async def test_big_values_and_odd_names_survive(log: LessonLog) -> None:
    values: dict[str, Any] = {"chat/1": {"text": "я" * 1000}, "odd/\u00e9=-\n": b"\x00\xff", "n": 2**40}
    await log.create("l", record(Change("opened", values), 5, None), Change("opened", values))
    loaded = await log.load("l")
    assert loaded is not None
    assert loaded[1] == {path: pack(value) for path, value in values.items()}
    assert loaded[2][0].set == values
