"""A thousand random schedules of cuts, kills, stalls and an emptied Redis: never do two workers send for one
lesson, epochs only grow, and in the end the lesson has a worker again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from random import Random

import pytest
from redis.asyncio import Redis

from sfu.rpc.holding import BLIND_ALONE_S, DRIFT, MOVE_S
from sfu.rpc.registration import lease_key
from signaling.placement import Lease, Placement
from tests.signaling.lease_world import LESSON, LeaseTable, Process, Worker, World

SCHEDULES = 1000
FAULTS = 8
SERVED_WITHIN_S = round(BLIND_ALONE_S * (1 + DRIFT) + MOVE_S) + 10
"""Mostly it is seconds; so long where a machine died with a worker and with the one process that heard it."""

Mend = Callable[[], object]


def play(seed: int) -> World:
    """One schedule; in the end every line is whole, everybody awake, and one of each kind is there."""
    chance = Random(seed)
    world = World(chance)
    for machine in range(chance.choice((1, 2, 2, 3))):
        world.start_process(machine)
    for _ in range(2):
        world.start_worker()
    world.run(3)
    mends: list[Mend] = []
    for _ in range(chance.randint(1, FAULTS)):
        mends.append(fault(world, chance))
        world.run(chance.choice((1, 2, 5, 9, 12, 16, 20, 40, 75)))
        if chance.random() < 0.6:
            mends.pop()()
            world.run(chance.choice((0, 2, 5)))
    for mend in mends:
        mend()
    for _ in range(SERVED_WITHIN_S):
        if world.served or world.broken:
            break
        world.step()
    return world


def fault(world: World, chance: Random) -> Mend:
    """Something happens; how it is mended."""
    processes = [process for process in world.processes.values() if process.alive]
    workers = [worker for worker in world.workers.values() if worker.alive]
    names = [*world.processes, *world.workers, "redis"]
    kind = chance.choice(("cut", "cut", "island", "island", "process", "worker", "power", "stall", "empty"))
    if kind == "cut":
        return cut(world, {frozenset(chance.sample(names, 2))})
    if kind == "island":
        inside = set(chance.sample(names, chance.randint(1, len(names) - 1)))
        return cut(world, {frozenset((a, b)) for a in inside for b in names if b not in inside})
    if kind == "process" and processes:
        chance.choice(processes).alive = False
        machine = chance.choice(processes).machine
        return lambda: world.start_process(machine)
    if kind in ("worker", "power") and workers:
        victim = chance.choice(workers)
        victim.alive, victim.silent = False, kind == "power"
        return world.start_worker
    if kind == "stall" and (processes or workers):
        actors: list[Process | Worker] = [*processes, *workers]
        actor = chance.choice(actors)
        actor.stalled = True
        return actor.wake
    world.empty()
    return lambda: None


def cut(world: World, pairs: set[frozenset[str]]) -> Mend:
    world.cuts |= pairs
    return lambda: world.cuts.difference_update(pairs)


def broken(schedules: int) -> list[str]:
    """What did not hold, with the seed."""
    found = []
    for seed in range(schedules):
        world = play(seed)
        found += [f"seed {seed}: {what}" for what in world.broken[:1]]
        if not world.broken and not world.served:
            found.append(f"seed {seed}: no worker {SERVED_WITHIN_S} s after all was mended")
    return found


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What is lost in passing is no news here."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.spare
@pytest.mark.timeout(300)
def test_never_two_workers_and_always_one_again() -> None:
    assert broken(SCHEDULES) == []


@pytest.mark.spare
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("rule", "broken_so"),
    [
        ("signaling.hearing.MOVE_S", 6.0),
        ("sfu.fence.HOLD_US", 10**12),
        ("signaling.hearing._Seen.until_s", 0.0),
    ],
    ids=["moved early", "never stops", "blind not believed"],
)
def test_a_broken_rule_is_found(rule: str, broken_so: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule, broken_so)
    assert any("send" in what for what in broken(80))


@pytest.mark.asyncio
async def test_the_played_leases_are_those_of_the_script(redis: Redis) -> None:
    chance = Random(5)
    placement, table = Placement(redis, 3600), LeaseTable()
    for _ in range(300):
        worker, epoch, highest = chance.choice("abc"), chance.randrange(12), chance.randrange(12)
        match chance.choice(("place", "place believing", "reclaim", "lose")):
            case "place":
                played, real = (
                    table.place(worker, epoch, highest),
                    await placement.place(LESSON, worker, epoch, highest),
                )
            case "place believing":
                believed = table.lease.epoch if table.lease else 0
                played, real = (
                    table.place(worker, believed, highest),
                    await placement.place(LESSON, worker, believed, highest),
                )
            case "reclaim":
                lease = Lease(worker, epoch + 1)
                played, real = table.reclaim(lease), await placement.reclaim(LESSON, lease)
            case _:
                if chance.random() < 0.2:
                    table.lease = None
                    await redis.delete(lease_key(LESSON))
                continue
        assert played == real
        assert await placement.lease(LESSON) == table.lease
