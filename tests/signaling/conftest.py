"""A real Valkey for the session, a signalling process and a scripted worker for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from signaling.app import Signalling
from signaling.catalog.models import Base
from tests.postgres import postgres
from tests.s3 import S3Server, s3_server
from tests.signaling.parts import Clock, FakeWorker, Forwarder, School, settings
from tests.valkey import server as valkey_server


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """URL of a real server."""
    with valkey_server() as server:
        yield server.connection_url


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An object store with a bucket."""
    with s3_server() as server:
        yield server


@pytest_asyncio.fixture
async def redis(valkey: str) -> AsyncIterator[Redis]:
    """An empty database."""
    client = Redis.from_url(valkey)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[Callable[[], str]]:
    """Start PostgreSQL when first asked for; its URL."""
    with ExitStack() as stack:
        urls: list[str] = []

        def url() -> str:
            if not urls:
                urls.append(stack.enter_context(postgres()))
            return urls[0]

        yield url


@pytest_asyncio.fixture(params=["sqlite", "postgresql"])
async def database_url(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_url: Callable[[], str]
) -> str:
    """A database of each kind with nothing in it; PostgreSQL's may have its tables already."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/new/z.db"
    engine = create_async_engine(postgres_url())
    async with engine.begin() as connection:
        if await connection.scalar(text("SELECT to_regclass('lessons')")):
            await connection.execute(text(f"TRUNCATE {', '.join(Base.metadata.tables)}"))
    await engine.dispose()
    return postgres_url()


Start = Callable[..., Awaitable[Signalling]]


@pytest_asyncio.fixture
async def start(valkey: str, redis: Redis, tmp_path: Path, clock: Clock) -> AsyncIterator[Start]:
    """Start signalling processes that share folder, SQL and Redis; closed at the end."""
    running: list[Signalling] = []

    async def start_one(**overrides: Any) -> Signalling:
        signalling = Signalling(settings(tmp_path, overrides.pop("redis_url", valkey), **overrides), clock)
        await signalling.start()
        running.append(signalling)
        return signalling

    yield start_one
    for signalling in running:
        await signalling.close()


@pytest_asyncio.fixture
async def worker(redis: Redis, tmp_path: Path, valkey: str) -> AsyncIterator[FakeWorker]:
    fake = FakeWorker(redis, settings(tmp_path, valkey).paths.secret("rpc.key"))
    yield await fake.start()
    await fake.stop()


@pytest_asyncio.fixture
async def school(start: Start, worker: FakeWorker) -> AsyncIterator[School]:
    """A signalling process with a worker."""
    made = School(await start())
    yield made
    await made.close()


Make = Callable[..., Awaitable[FakeWorker]]


@pytest_asyncio.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def make(redis: Redis, stack: AsyncExitStack) -> Make:
    """Make a worker for a school's processes; stopped at the end, with what is before it."""

    async def made(
        school: School, name: str, before: Forwarder | None = None, lessons: int = 0
    ) -> FakeWorker:
        worker = FakeWorker(redis, school.signalling._settings.paths.secret("rpc.key"), name)
        if before is not None:
            stack.push_async_callback(before.close)
        stack.push_async_callback(worker.stop)
        return await worker.start(before, lessons)

    return made
