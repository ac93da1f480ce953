"""Live and ready: what each fault is called, and that it comes and goes with what it is about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from sqlalchemy import text

from sfu.rpc.registration import WORKERS_KEY, WorkerRecord, pack, worker_key
from signaling.app import Signalling
from signaling.watch import BEAT_S, FRESH_S, SHOWN_S, STOOD_STILL_S, Pulse, Watch
from tests.signaling.conftest import Start
from tests.signaling.parts import settings, until_answer
from tests.valkey import server as valkey_server


def record(worker: str = "w", transports: int = 0, *, draining: bool = False) -> WorkerRecord:
    return WorkerRecord(
        worker=worker, pid=1, rpc_host="::1", rpc_port=1, udp_port=1, addresses=(), plane="fake", lessons=0,
        transports=transports, max_transports=10, cpu=0.0, started_at_ms=0, draining=draining,
    )  # fmt: skip


def test_a_pulse_tells_how_late_the_loop_is_and_remembers_that_it_stood() -> None:
    pulse = Pulse(100.0)
    assert pulse.beat(100.0 + BEAT_S) == pytest.approx(0.0)
    assert pulse.beat(100.4) == pytest.approx(0.4 - 2 * BEAT_S)
    assert pulse.stood_s(100.4) == 0
    # Asked before the loop came round again: nobody has measured it yet.
    assert pulse.stood_s(100.4 + BEAT_S + STOOD_STILL_S + 1) == pytest.approx(STOOD_STILL_S + 1)
    at_s = 100.4 + BEAT_S + STOOD_STILL_S + 2
    assert pulse.beat(at_s) == pytest.approx(STOOD_STILL_S + 2)
    for after_s, stood_s in ((SHOWN_S - 1, STOOD_STILL_S + 2), (SHOWN_S, 0.0)):
        for second in range(1, int(after_s) + 1):
            pulse.beat(at_s + second)
        assert pulse.stood_s(at_s + after_s) == pytest.approx(stood_s)


@pytest.mark.parametrize(
    ("workers", "ready"),
    [
        ({}, False),
        ({"w": record()}, True),
        ({"w": record(draining=True)}, False),
        ({"w": record(transports=10)}, False),
        ({"w": record(transports=10), "v": record("v", transports=9)}, True),
    ],
)
def test_one_worker_that_takes_lessons_is_enough(workers: Mapping[str, WorkerRecord], ready: bool) -> None:
    watch = Watch(_never, _never, _never)
    watch.workers = workers
    assert ("no_worker" not in watch.not_ready()) is ready


def test_what_did_not_answer_for_a_while_does_not() -> None:
    now_s = [50.0]
    watch = Watch(_never, _never, _never, lambda: now_s[0])
    assert (watch.redis_ok, watch.sql_ok) == (True, True)
    now_s[0] += FRESH_S
    assert set(watch.not_ready()) == {"redis_unreachable", "sql_unreachable", "no_worker"}


async def _never() -> Any:
    raise AssertionError("not asked")


Probe = tuple[int, set[str]]


class Admin:
    """The admin listener of one process."""

    def __init__(self, http: aiohttp.ClientSession, signalling: Signalling) -> None:
        self._http = http
        self._address = f"http://127.0.0.1:{signalling.admin_port}"

    async def probe(self, path: str) -> Probe:
        """Status and codes of faults."""
        async with self._http.get(self._address + path) as answer:
            said = await answer.json()
            assert said["ok"] is (not said["faults"])
            assert all(said["faults"].values()), "a code without a sentence"
            return answer.status, set(said["faults"])

    async def until(self, path: str, *codes: str) -> None:
        wanted = (503 if codes else 200, set(codes))

        async def as_wanted() -> bool:
            return await self.probe(path) == wanted

        await until_answer(as_wanted, f"{path}: {codes or 'well'}")

    async def metric(self, name: str) -> float:
        async with self._http.get(self._address + "/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name))


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.asyncio
async def test_readiness_follows_the_workers_in_the_registry(
    start: Start, redis: Redis, http: aiohttp.ClientSession
) -> None:
    admin = Admin(http, await start())
    await admin.until("/readyz", "no_worker")
    assert await admin.probe("/livez") == (200, set())
    assert await admin.probe("/healthz") == (200, set())
    await redis.zadd(WORKERS_KEY, {"w": 1})
    await redis.set(worker_key("w"), pack(record()))
    await admin.until("/readyz")
    assert await admin.metric("zvonok_workers_ready ") == 1
    await redis.set(worker_key("w"), pack(record(draining=True)))
    await admin.until("/readyz", "no_worker")
    await redis.set(worker_key("w"), pack(record(transports=9)))
    await admin.until("/readyz")
    await redis.delete(worker_key("w"))
    await admin.until("/readyz", "no_worker")


@pytest.mark.asyncio
async def test_readiness_follows_sql(start: Start, worker: object, http: aiohttp.ClientSession) -> None:
    signalling = await start()
    admin = Admin(http, signalling)
    await admin.until("/readyz")
    database = signalling.catalog._database
    for old, new, codes in (("teachers", "away", ("sql_unreachable",)), ("away", "teachers", ())):
        async with database.begin() as connection:
            await connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))
        await admin.until("/readyz", *codes)
        assert await admin.metric("zvonok_sql_up ") == (not codes)
    assert await admin.probe("/healthz") == (200, set())


@pytest.mark.asyncio
async def test_readiness_follows_redis_and_closing(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    own = valkey_server()
    own.start()
    signalling = Signalling(settings(tmp_path, own.connection_url))
    try:
        await signalling.start()
        admin = Admin(http, signalling)
        await admin.until("/readyz", "no_worker")
        await asyncio.to_thread(own.stop)
        await admin.until("/readyz", "no_worker", "redis_unreachable")
        assert await admin.probe("/healthz") == (503, {"redis"})
        assert await admin.metric("zvonok_redis_up ") == 0
        signalling.watch.draining = True
        assert "draining" in (await admin.probe("/readyz"))[1]
    finally:
        await signalling.close()
    assert signalling.watch.draining


@pytest.mark.asyncio
async def test_a_loop_that_stood_still_says_so(start: Start, http: aiohttp.ClientSession) -> None:
    signalling = await start()
    admin = Admin(http, signalling)
    ahead_s = [0.0]
    signalling.watch._clock_s = lambda: time.monotonic() + ahead_s[0]
    before = await admin.metric('zvonok_loop_lag_seconds_bucket{le="5.0"}')
    assert before >= 0
    ahead_s[0] = STOOD_STILL_S + 1  # as the clock does while the loop stands
    await admin.until("/livez", "loop_stood_still")
    ahead_s[0] += SHOWN_S

    async def slow() -> bool:
        return await admin.metric("zvonok_loop_lag_seconds_sum") >= STOOD_STILL_S

    await until_answer(slow, "the lag in the metrics")
