"""Which worker has a lesson's media: the workers' registry, and leases with a growing epoch, in Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

import msgspec

from sfu.model import ParseError
from sfu.rpc.registration import (
    LEASE_SCRIPT,
    WORKERS_KEY,
    WorkerRecord,
    address_text,
    coming_key,
    drain_key,
    lease_key,
    live_channel,
    reclaim_arguments,
    unpack,
    worker_key,
)
from signaling.autopipeline import AutoPipeline, Script
from signaling.hearing import Note
from signaling.log import Client

log = logging.getLogger(__name__)

_SCRIPT: Final = Script(LEASE_SCRIPT)
_LEASE: Final = ("worker", "epoch", "address")
_NOTES: Final = "zvonok:hearing"
"""Hash: what each signalling process hears, by process (``signaling.hearing.Note``)."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lesson's media is at ``worker``; every command carries ``epoch``. ``address``: where its rpc listens,
    which the registry forgets within seconds."""

    worker: str
    epoch: int
    address: tuple[str, int] | None = field(default=None, compare=False)


COMING_S: Final = 180
"""For so long a lesson counts with those who have not come to it yet."""
AHEAD_S: Final = 120
"""So long before it opens an announced lesson is placed."""
EXPECTED: Final = 26
"""How many a lesson brings, until it is known: a class and its teacher."""
DRAIN_KEPT_S: Final = 24 * 3600
"""For so long after its lessons moved a worker stays drained, unless it ends before."""
SURVEY_S: Final = 0.5
"""So old may be what is known of the workers; what this process has placed since is added."""
_CORES: Final = 1.5
"""Of a worker with a busy event loop and a plane's thread."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A worker as placement sees it; ``coming``: people who may still come to lessons just placed there."""

    record: WorkerRecord
    coming: float = 0.0

    @property
    def load(self) -> float:
        """Share of its room that is taken, or spoken for; the processor counts as it is now."""
        record = self.record
        return max((record.transports + self.coming) / record.max_transports, record.cpu / _CORES)


def choose(candidates: Iterable[Candidate], chance: Random, avoid: Collection[str] = ()) -> Candidate | None:
    """The one with more room of two taken by chance; None when all are full, draining or to be avoided.

    By chance, because what is known is old: at a bell many processes would all send their lessons to the same
    worker. Who is full but for those who may still come is taken when nobody else is left.
    """
    free = [each for each in candidates if each.record.worker not in avoid and each.record.takes_lessons]
    roomy = [each for each in free if each.load < 1] or free
    two = roomy if len(roomy) <= 2 else chance.sample(roomy, 2)
    return min(two, key=lambda each: (each.load, each.record.lessons, each.record.worker), default=None)


class Placement:
    """Leases and registry. Redis errors go through as they are."""

    def __init__(
        self,
        redis: Client,
        keep_s: int,
        *,
        chance: Random | None = None,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._redis = redis
        self._keep_s = keep_s
        self._pipeline = AutoPipeline(redis)
        self._chance = chance or Random()
        self.now_ms = now_ms
        self._seen: dict[str, Candidate] = {}
        self._seen_until_ms = 0
        self._surveying = asyncio.Lock()

    async def workers(self) -> dict[str, WorkerRecord]:
        """Every worker that announced itself within the last seconds, by id."""
        return {name: found.record for name, found in (await self._survey()).items()}

    async def choose(self, avoid: Collection[str] = ()) -> str | None:
        """A worker with room for a lesson, None when there is none; rather one of those to be avoided than
        none. What it knows is at most SURVEY_S old, and new where that leaves none."""
        found = choose((await self._known()).values(), self._chance, avoid)
        if found is None:
            self._seen_until_ms = 0
            candidates = (await self._known()).values()
            found = choose(candidates, self._chance, avoid) or choose(candidates, self._chance)
        return None if found is None else found.record.worker

    async def _known(self) -> dict[str, Candidate]:
        async with self._surveying:
            if self.now_ms() >= self._seen_until_ms:
                self._seen = await self._survey()
                self._seen_until_ms = self.now_ms() + round(SURVEY_S * 1000)
        return self._seen

    async def expect(self, worker: str, lesson: str, people: int, opens_at_ms: int = 0) -> None:
        """A lesson was placed there that may bring so many: they count until they have had time to come, from
        now or from ``opens_at_ms`` on, which is at most AHEAD_S away."""
        seen = self._seen.get(worker)
        if seen is not None:
            self._seen[worker] = replace(seen, coming=seen.coming + people)
        now_ms = self.now_ms()
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.zadd(coming_key(worker), {f"{lesson} {people}": max(now_ms, opens_at_ms) + COMING_S * 1000})
            pipe.zremrangebyscore(coming_key(worker), 0, now_ms)
            pipe.expire(coming_key(worker), AHEAD_S + COMING_S)
            await pipe.execute()

    async def _survey(self) -> dict[str, Candidate]:
        names = [name.decode() for name in await self._redis.zrange(WORKERS_KEY, 0, -1)]
        if not names:
            return {}
        now_ms = self.now_ms()
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.get(worker_key(name))
                pipe.zrangebyscore(coming_key(name), now_ms, "+inf", withscores=True)
            packed = await pipe.execute()
        found: dict[str, Candidate] = {}
        for name, data, coming in zip(names, packed[::2], packed[1::2], strict=True):
            if data is None:
                continue
            try:
                found[name] = Candidate(unpack(data), _coming(coming, now_ms))
            except ParseError as error:
                log.warning("worker passed over", extra={"worker": name, "reason": str(error)})
        return found

    async def lease(self, lesson: str) -> Lease | None:
        """The lease in force, None when the lesson was never placed."""
        return _in_force(await self._pipeline.call("HMGET", lease_key(lesson), *_LEASE))

    async def leases(self, lessons: Sequence[str]) -> list[Lease | None]:
        """The lease in force of each lesson."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for lesson in lessons:
                pipe.hmget(lease_key(lesson), _LEASE)
            rows = await pipe.execute()
        return [_in_force(found) for found in rows]

    async def place(
        self,
        lesson: str,
        worker: str,
        believed_epoch: int,
        highest_epoch: int,
        address: tuple[str, int] | None = None,
    ) -> Lease:
        """Lease the lesson to ``worker`` if ``believed_epoch`` is still in force; the lease in force.
        ``address``: where it listens, unless it was just chosen here."""
        seen = self._seen.get(worker)
        if seen is not None:
            address = seen.record.rpc_host, seen.record.rpc_port
        arguments = [
            "place", believed_epoch, worker, highest_epoch, self._keep_s, live_channel(lesson),
            address_text(address),
        ]  # fmt: skip
        return _lease(await self._pipeline.run(_SCRIPT, [lease_key(lesson)], arguments))

    async def reclaim(self, lesson: str, lease: Lease) -> Lease:
        """Write a lease again that Redis lost, unless it knows a newer one; the lease in force."""
        arguments = reclaim_arguments(lesson, lease.worker, lease.epoch, lease.address, self._keep_s)
        return _lease(await self._pipeline.run(_SCRIPT, [lease_key(lesson)], arguments))

    async def drain(self, worker: str, at_ms: int | None) -> None:
        """The worker takes no new lessons, and those it has move then; None: it takes lessons again."""
        if at_ms is None:
            await self._redis.delete(drain_key(worker))
        else:
            kept_ms = max(at_ms - self.now_ms(), 0) + DRAIN_KEPT_S * 1000
            await self._redis.set(drain_key(worker), at_ms, px=kept_ms)

    # --- what processes hear -------------------------------------------------------------------

    async def tell(self, process: str, note: Note) -> dict[str, Note]:
        """This process's note is there for the others; theirs. What is no note is passed over."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(_NOTES, process, msgspec.msgpack.encode(note))
            pipe.hgetall(_NOTES)
            _, packed = await pipe.execute()
        found: dict[str, Note] = {}
        for name, data in packed.items():
            try:
                found[name.decode()] = msgspec.msgpack.decode(data, type=Note)
            except msgspec.MsgspecError as error:
                log.warning("note passed over", extra={"signalling": name.decode(), "reason": str(error)})
        found.pop(process, None)
        return found

    async def forget(self, processes: Collection[str]) -> None:
        """Their notes go."""
        if processes:
            await self._redis.hdel(_NOTES, *processes)


def _in_force(found: Sequence[Any]) -> Lease | None:
    return None if found[0] is None or found[1] is None else _lease(found)


def _lease(found: Sequence[Any]) -> Lease:
    """Of what _LEASE names, as Redis has it."""
    host, _, port = (found[2] or b"").decode().rpartition(" ")
    return Lease(found[0].decode(), int(found[1]), (host, int(port)) if port else None)


def _coming(lessons: Iterable[tuple[bytes, float]], now_ms: int) -> float:
    """People of (lesson and how many, until when in ms): all before it opens, then fewer and fewer, as they
    come and are counted."""
    left = ((int(lesson.rpartition(b" ")[2]), until_ms - now_ms) for lesson, until_ms in lessons)
    return sum(people * min(1.0, left_ms / (COMING_S * 1000)) for people, left_ms in left)
