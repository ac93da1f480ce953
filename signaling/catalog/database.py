"""The database behind the catalog: connections, transactions, what SQLite needs to be told."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

BUSY_MS: Final = 5000
"""How long SQLite waits for another process that writes."""
CONNECT_S: Final = 5.0
COMMAND_S: Final = 10.0
"""How long PostgreSQL is waited for. A line that was cut is not an error but a wait, the pool's own ping too:
without an end it would hold connections long after the line is back."""
_MIGRATING: Final = 7_105_119
"""PostgreSQL's advisory lock of whoever makes the tables."""


class Database:
    """Make it with ``open``; errors of the database go through as they are."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._one_writer = asyncio.Lock() if engine.dialect.name == "sqlite" else None

    @classmethod
    async def open(cls, url: str, *, migrate: bool) -> Self:
        """Connect and, with ``migrate``, bring the tables up to date. ``url``: as Catalog.open."""
        parsed = make_url(url)
        is_sqlite = parsed.get_backend_name() == "sqlite"
        if is_sqlite and parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        # Errors are logged, so they must not show the values of a statement: there are names in them.
        limits = {} if is_sqlite else {"timeout": CONNECT_S, "command_timeout": COMMAND_S}
        engine = create_async_engine(
            parsed, pool_pre_ping=not is_sqlite, hide_parameters=True, connect_args=limits
        )
        if is_sqlite:
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        if migrate:
            async with engine.begin() as connection:
                await connection.run_sync(_migrate)
        return cls(engine)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    def connect(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection that reads."""
        return self._engine.connect()

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes, kept when the block ends and undone when it raises.

        SQLite has one writer, and those who wait for it poll: whoever is unlucky waits until it is given up
        as locked. Within a process they come one by one instead, in the order in which they asked.
        """
        if self._one_writer is None:
            async with self._engine.begin() as connection:
                yield connection
            return
        async with self._one_writer, self._engine.begin() as connection:
            yield connection

    def insert(self, table: type[Any]) -> Any:
        """The dialect's own INSERT, which knows ON CONFLICT."""
        dialect = sqlite if self._engine.dialect.name == "sqlite" else postgresql
        return dialect.insert(table)


def check_is_there(url: str) -> None:
    """For commands beside the server, which make no database where SQLite would: raises FileNotFoundError."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), parsed.database)


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # nodes that start at once come one after the other
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATING})
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={BUSY_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
