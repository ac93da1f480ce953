"""Which worker gets a lesson, and that a lease has one holder and a growing epoch."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from sfu.rpc.registration import WORKERS_KEY, WorkerRecord, coming_key, pack, worker_key
from signaling.log import key
from signaling.placement import COMING_S, Candidate, Lease, Placement, choose


def worker(name: str, **values: Any) -> WorkerRecord:
    plain: dict[str, Any] = {
        "worker": name, "pid": 1, "rpc_host": "127.0.0.1", "rpc_port": 1, "udp_port": 1, "addresses": (),
        "plane": "x", "lessons": 0, "transports": 0, "max_transports": 100, "cpu": 0.0, "started_at_ms": 0,
    }  # fmt: skip
    return WorkerRecord(**(plain | values))


def candidates(*workers: WorkerRecord, **coming: int) -> list[Candidate]:
    return [Candidate(each, coming.get(each.worker, 0)) for each in workers]


@pytest.mark.parametrize(
    ("workers", "avoid", "chosen"),
    [
        ([], (), None),
        (candidates(worker("a", transports=5), worker("b", transports=3)), (), "b"),
        (candidates(worker("a", transports=5, max_transports=1000), worker("b", transports=3)), (), "a"),
        (candidates(worker("a", lessons=2), worker("b", lessons=1)), (), "b"),
        (candidates(worker("a", cpu=0.9), worker("b", cpu=0.1)), (), "b"),
        (candidates(worker("a", cpu=0.9), worker("b", transports=70)), (), "a"),
        (candidates(worker("a"), worker("b", transports=50)), ("a",), "b"),
        (candidates(worker("a", transports=100)), (), None),
        (candidates(worker("a", draining=True), worker("b", transports=99)), (), "b"),
        (candidates(worker("b"), worker("a")), (), "a"),
        (candidates(worker("a", transports=10), worker("b", transports=30), a=26), (), "b"),
        (candidates(worker("a", transports=80), a=26), (), "a"),
        (candidates(worker("a", transports=80), worker("b", transports=90), a=26), (), "b"),
    ],
)
def test_the_worker_with_the_most_room_is_chosen(
    workers: list[Candidate], avoid: tuple[str, ...], chosen: str | None
) -> None:
    found = choose(workers, Random(1), avoid)
    assert (None if found is None else found.record.worker) == chosen


class Now:
    """A clock that is set."""

    ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest_asyncio.fixture
async def placement(redis: Redis) -> AsyncIterator[Placement]:
    yield Placement(redis, 3600)


@pytest.mark.asyncio
async def test_a_bell_is_spread_though_what_is_known_is_old(redis: Redis) -> None:
    """Four processes place 400 lessons within a second; no worker's record tells of any of them."""
    now = Now()
    names = [f"w{n}" for n in range(20)]
    for name in names:
        await redis.zadd(WORKERS_KEY, {name: now.ms})
        await redis.set(worker_key(name), pack(worker(name, max_transports=1000)))
    processes = [Placement(redis, 3600, chance=Random(n), now_ms=now) for n in range(4)]
    placed: Counter[str] = Counter()
    for number in range(400):
        now.ms += 2
        process = processes[number % 4]
        chosen = await process.choose()
        assert chosen is not None
        placed[chosen] += 1
        await process.expect(chosen, f"lesson{number}", 26)
    assert set(placed) == set(names)
    assert max(placed.values()) <= 30, "a fair share is 20"


@pytest.mark.asyncio
async def test_where_none_is_left_the_newest_is_looked_up(redis: Redis) -> None:
    placement = Placement(redis, 3600, chance=Random(1), now_ms=Now())
    assert await placement.choose() is None
    for name in ("a", "b"):
        await redis.zadd(WORKERS_KEY, {name: 1})
        await redis.set(worker_key(name), pack(worker(name)))
        assert await placement.choose({"a"} if name == "b" else ()) == name
    await redis.delete(worker_key("b"))
    assert await placement.choose({"b"}) == "a"
    assert await placement.choose({"a", "b"}) == "a", "rather than none"


@pytest.mark.asyncio
async def test_who_may_still_come_counts_less_and_less(redis: Redis) -> None:
    now = Now()
    for name in ("a", "b"):
        await redis.zadd(WORKERS_KEY, {name: now.ms})
    await redis.set(worker_key("a"), pack(worker("a")))
    await redis.set(worker_key("b"), pack(worker("b", transports=10)))
    here, there = (Placement(redis, 3600, chance=Random(1), now_ms=now) for _ in range(2))
    assert await there.choose() == "a"
    await here.expect("a", "lesson", 26)
    assert await there.choose() == "a", "as it knew it"
    now.ms += 600
    assert await there.choose() == "b"
    now.ms += COMING_S * 1000 * 2 // 3
    assert await there.choose() == "a", "a third of 26 is less than 10"
    now.ms += COMING_S * 1000
    await here.expect("a", "another", 1)
    assert await redis.zcard(coming_key("a")) == 1, "what is over is forgotten"


@pytest.mark.asyncio
async def test_epochs_grow(placement: Placement) -> None:
    assert await placement.lease("l") is None
    assert await placement.place("l", "a", 0, 0) == Lease("a", 1)
    assert await placement.place("l", "b", 1, 1) == Lease("b", 2)
    assert await placement.lease("l") == Lease("b", 2)


@pytest.mark.asyncio
async def test_a_lease_says_where_its_worker_listens(placement: Placement, redis: Redis) -> None:
    await placement.place("l", "a", 0, 0)
    found = await placement.lease("l")
    assert found is not None
    assert found.address is None
    await redis.zadd(WORKERS_KEY, {"b": 1})
    await redis.set(worker_key("b"), pack(worker("b", rpc_host="10.0.0.7", rpc_port=4321)))
    assert await placement.choose() == "b"
    moved = await placement.place("l", "b", 1, 1)
    assert moved.address == ("10.0.0.7", 4321)
    assert (await placement.place("l", "c", 2, 2, ("::1", 5))).address == ("::1", 5)
    await redis.delete(key("l", "lease"))
    assert (await placement.reclaim("l", moved)).address == ("10.0.0.7", 4321)


@pytest.mark.asyncio
async def test_who_believes_in_an_older_epoch_is_told_the_lease_in_force(placement: Placement) -> None:
    await placement.place("l", "a", 0, 0)
    await placement.place("l", "b", 1, 1)
    assert await placement.place("l", "c", 1, 1) == Lease("b", 2)


@pytest.mark.asyncio
async def test_of_many_at_once_one_places(placement: Placement) -> None:
    leases = await asyncio.gather(*(placement.place("l", f"w{n}", 0, 0) for n in range(20)))
    assert len({lease.worker for lease in leases}) == 1
    assert {lease.epoch for lease in leases} == {1}


@pytest.mark.asyncio
async def test_after_redis_lost_the_lease_the_epoch_still_grows(placement: Placement, redis: Redis) -> None:
    await placement.place("l", "a", 0, 0)
    await redis.delete(key("l", "lease"))
    assert await placement.place("l", "a", 7, 7) == Lease("a", 8)


@pytest.mark.asyncio
async def test_a_lost_lease_is_claimed_again_but_a_newer_one_stands(placement: Placement) -> None:
    assert await placement.reclaim("l", Lease("a", 7)) == Lease("a", 7)
    assert await placement.lease("l") == Lease("a", 7)
    assert await placement.reclaim("l", Lease("b", 6)) == Lease("a", 7)


@pytest.mark.asyncio
async def test_the_registry_passes_over_the_dead_and_the_garbled(placement: Placement, redis: Redis) -> None:
    assert await placement.workers() == {}
    for name in ("alive", "dead", "garbled"):
        await redis.zadd(WORKERS_KEY, {name: 1})
    await redis.set(worker_key("alive"), pack(worker("alive")))
    await redis.set(worker_key("garbled"), b"\xc1")
    assert set(await placement.workers()) == {"alive"}
