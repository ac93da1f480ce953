"""Which worker gets a lesson, and that a lease has one holder and a growing epoch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from sfu.rpc.registration import WORKERS_KEY, WorkerRecord, pack, worker_key
from signaling.log import key
from signaling.placement import Lease, Placement, choose


def worker(name: str, **values: Any) -> WorkerRecord:
    plain: dict[str, Any] = {
        "worker": name, "pid": 1, "rpc_host": "127.0.0.1", "rpc_port": 1, "udp_port": 1, "addresses": (),
        "plane": "x", "lessons": 0, "transports": 0, "max_transports": 100, "cpu": 0.0, "started_at_ms": 0,
    }  # fmt: skip
    return WorkerRecord(**(plain | values))


@pytest.mark.parametrize(
    ("workers", "avoid", "chosen"),
    [
        ([], (), None),
        ([worker("a", transports=5), worker("b", transports=3)], (), "b"),
        ([worker("a", transports=5, max_transports=1000), worker("b", transports=3)], (), "a"),
        ([worker("a", lessons=2), worker("b", lessons=1)], (), "b"),
        ([worker("a", cpu=0.9), worker("b", cpu=0.1)], (), "b"),
        ([worker("a"), worker("b", transports=50)], ("a",), "b"),
        ([worker("a", transports=100)], (), None),
        ([worker("a", draining=True), worker("b", transports=99)], (), "b"),
        ([worker("b"), worker("a")], (), "a"),
    ],
)
def test_the_worker_with_the_most_room_is_chosen(
    workers: list[WorkerRecord], avoid: tuple[str, ...], chosen: str | None
) -> None:
    found = choose(workers, avoid)
    assert (None if found is None else found.worker) == chosen


@pytest_asyncio.fixture
async def placement(redis: Redis) -> AsyncIterator[Placement]:
    yield Placement(redis, 3600)


@pytest.mark.asyncio
async def test_epochs_grow(placement: Placement) -> None:
    assert await placement.lease("l") is None
    assert await placement.place("l", "a", 0, 0) == Lease("a", 1)
    assert await placement.place("l", "b", 1, 1) == Lease("b", 2)
    assert await placement.lease("l") == Lease("b", 2)


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
