"""The lesson log in Redis: append, load, follow. With ``signaling.placement`` the only user of Redis here.

Keys of a lesson share its hash tag: ``zvonok:{<lesson>}:state|log|meta`` (see log.lua), ``:seats`` (which
socket a participant has, and in which process), ``:keeper`` (a process that holds the lesson in memory)
and ``:recorder`` (the recorder that has claimed the lesson). Everything published on
``zvonok:{<lesson>}:live`` begins with a letter: e event, r restored, s seat taken, l lease changed,
t still, i ink.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from signaling import metrics
from signaling.autopipeline import AutoPipeline, Script
from signaling.codec import pack
from signaling.lesson.change import Change
from signaling.replica import Record

log = logging.getLogger(__name__)

_SCRIPT: Final = Script(Path(__file__).with_name("log.lua").read_text(encoding="utf-8"))
_LIVE: Final = "zvonok:live"
_PAGE: Final = 500
RECENT: Final = 500
_PARTS: Final = ("state", "log", "meta", "lease", "seats")
"""What a lesson has in Redis until it is retired; the rest is over within seconds by itself."""
SEATS_KEPT_S: Final = 24 * 3600
PROCESS_TTL_MS: Final = 5_000
SUBSCRIBE_LIMIT_S: Final = 2.0
KEEPER_TTL_MS: Final = 10_000
RECORDER_WORK: Final = "zvonok:recorder:work"
"""Stream of lessons (field ``lesson``) that want a recorder; ``recorder.claims`` reads it."""
RECORDER_WORK_KEPT: Final = 10_000

LogUnreachable = (RedisConnectionError, RedisTimeoutError, OSError)
"""What is raised while Redis cannot be reached; the outcome of the command is then unknown."""


Client = Any
"""redis-py's Redis; its own types are unions over every way of decoding."""


def connect(url: str) -> Client:
    """A client whose commands fail within seconds rather than hang.

    A command on a connection that broke meanwhile is sent again on a new one. That is safe for all of
    ours: an append rests on the fields it changes, so a second one is a conflict.
    """
    return Redis.from_url(
        url,
        socket_timeout=3.0,
        socket_connect_timeout=2.0,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2),
        retry_on_error=[RedisConnectionError],
    )


class Conflict(Exception):
    """Somebody else changed what the change rests on: read again, decide again."""


class Absent(Exception):
    """Redis does not know the lesson (any more)."""


@dataclass(frozen=True, slots=True)
class EventHeard:
    lesson: str
    event: Record


@dataclass(frozen=True, slots=True)
class RestoredHeard:
    lesson: str


@dataclass(frozen=True, slots=True)
class SeatHeard:
    """``participant`` has a newer socket: ``seat``."""

    lesson: str
    participant: str
    seat: str


@dataclass(frozen=True, slots=True)
class LeaseHeard:
    lesson: str


@dataclass(frozen=True, slots=True)
class StillHeard:
    """A still of somebody: packed ``signaling.wire.Still``. Nothing keeps it."""

    lesson: str
    still: bytes


@dataclass(frozen=True, slots=True)
class ReactionHeard:
    """Somebody reacted just now. Nothing keeps it."""

    lesson: str
    participant: str
    kind: str


@dataclass(frozen=True, slots=True)
class InkHeard:
    """Ink of somebody whose socket is in ``process``: packed ``signaling.wire.Ink``. Nothing keeps it."""

    lesson: str
    process: str
    participant: str
    ink: bytes


Heard = EventHeard | RestoredHeard | SeatHeard | LeaseHeard | StillHeard | ReactionHeard | InkHeard


class Clock(Protocol):
    """Server time in ms since 1970."""

    def __call__(self) -> int: ...


def key(lesson: str, part: str) -> str:
    """Key of one part of a lesson."""
    return f"zvonok:{{{lesson}}}:{part}"


class LessonLog:
    """All lessons' logs. One instance a process; ``close`` at the end."""

    def __init__(
        self, redis: Client, keep_s: int, now_ms: Clock, process: str, keep_ended_s: int = 600
    ) -> None:
        """``process``: this process's id, in seats and announcements. ``keep_ended_s``: longer than a process
        holds a lesson in which nothing happens (``lessons.LINGER_MS``)."""
        self.redis = redis
        self.process = process
        self._keep_s = keep_s
        self._keep_ended_s = keep_ended_s
        self._now_ms = now_ms
        self.pipeline = AutoPipeline(redis)
        self._pubsub = redis.pubsub()
        self._following: set[str] = set()
        self._confirmed: dict[str, asyncio.Event] = {}
        self._wake = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    # --- write ---------------------------------------------------------------------------------

    async def append(
        self,
        lesson: str,
        event: Record,
        change: Change,
        raw: Mapping[str, bytes],
        seen: int = 0,
        keep_s: int | None = None,
    ) -> int:
        """Append if all fields the change rests on are as in ``raw``; the event's number. ``seen``: number of
        the last event that the writer knows. ``keep_s``: how long Redis keeps the lesson if nothing more
        happens.

        Raises Conflict, LogUnreachable; Absent when Redis has not the lesson, or not all that was seen.
        """
        expect = sorted(change.rests_on())
        arguments: list[Any] = [
            "append",
            event.body(),
            keep_s or self._keep_s,
            key(lesson, "live"),
            seen,
            len(expect),
        ]
        for path in expect:
            value = raw.get(path)
            arguments += [path, b"-" if value is None else b"=" + value]
        arguments += _sets({path: pack(value) for path, value in event.set.items()})
        arguments += [len(event.delete), *event.delete]
        answer = await self.pipeline.run(_SCRIPT, _keys(lesson), arguments)
        if answer == b"conflict":
            raise Conflict
        if answer == b"absent":
            raise Absent
        return int(answer)

    async def create(self, lesson: str, event: Record, change: Change, opens_in_s: int = 0) -> None:
        """Write a new lesson's first event; raises LogUnreachable. It is kept for those who come after
        ``opens_in_s``."""
        keep_s = self._keep_s + max(0, opens_in_s)
        await self.pipeline.run(_SCRIPT, _keys(lesson), ["create", keep_s])
        try:
            await self.append(lesson, event, change, {}, keep_s=keep_s)
        except Conflict:
            return  # it was there already

    async def ping(self) -> None:
        """Raises LogUnreachable."""
        await self.redis.ping()

    async def restore(self, lesson: str, number: int, raw: Mapping[str, bytes], seen: int = 0) -> int:
        """Write a lesson that Redis does not have, or not up to the event ``seen``; the number in force
        afterwards."""
        arguments = ["restore", number, self._keep_s, key(lesson, "live"), seen, *_sets(raw)]
        return int(await self.pipeline.run(_SCRIPT, _keys(lesson), arguments))

    async def set_live(self, lesson: str, live: bool) -> None:
        """Enter the lesson among those that some process must hold, at once as held by this one; or take it
        out."""
        if not live:
            await self.redis.zrem(_LIVE, lesson)
            return
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.set(key(lesson, "keeper"), self.process, px=KEEPER_TTL_MS)
            pipe.zadd(_LIVE, {lesson: self._now_ms()})
            await pipe.execute()

    async def retire(self, lessons: Iterable[str]) -> None:
        """Lessons that have ended and are copied go from Redis soon; raises LogUnreachable."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for lesson in lessons:
                for part in _PARTS:
                    pipe.expire(key(lesson, part), self._keep_ended_s)
            await pipe.execute()

    async def count_keys(self, outliving_s: int = 0) -> int:
        """How many keys of lessons will still be there after this time; walks all of Redis. Raises
        LogUnreachable."""
        found, names = 0, []
        async for name in self.redis.scan_iter(match="zvonok:{*", count=1000):
            names.append(name)
            if len(names) == _PAGE:
                found += await self._outliving(names, outliving_s)
                names = []
        return found + await self._outliving(names, outliving_s)

    async def _outliving(self, names: Sequence[bytes], seconds: int) -> int:
        async with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.pttl(name)
            left_ms = await pipe.execute()
        return sum(1 for left in left_ms if left == -1 or left > seconds * 1000)

    async def count_commands(self) -> int:
        """How many commands Redis has carried out since it started; raises LogUnreachable."""
        return int((await self.redis.info("stats"))["total_commands_processed"])

    async def live_lessons(self) -> list[str]:
        """Lessons that some process must hold."""
        return [name.decode() for name in await self.redis.zrange(_LIVE, 0, -1)]

    # --- read ----------------------------------------------------------------------------------

    async def load(self, lesson: str) -> tuple[int, dict[str, bytes], list[Record]] | None:
        """Number, state and last events of a lesson, of one moment; None when Redis does not have it."""
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.hget(key(lesson, "meta"), "number")
            pipe.hgetall(key(lesson, "state"))
            pipe.xrevrange(key(lesson, "log"), count=RECENT)
            number, state, entries = await pipe.execute()
        if number is None:
            return None
        recent = [_record(entry) for entry in reversed(entries)]
        return int(number), {path.decode(): value for path, value in state.items()}, recent

    async def states(self, lessons: Sequence[str]) -> list[dict[str, bytes]]:
        """The state of each lesson; empty where Redis does not have it."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for lesson in lessons:
                pipe.hgetall(key(lesson, "state"))
            found = await pipe.execute()
        return [{path.decode(): value for path, value in state.items()} for state in found]

    async def count_events(self, lesson: str) -> int:
        """How many of a lesson's events Redis has."""
        return int(await self.redis.xlen(key(lesson, "log")))

    async def since(self, lesson: str, number: int) -> list[Record]:
        """Events after ``number``, oldest first, at most a page of them."""
        entries = await self.redis.xrange(key(lesson, "log"), min=f"{number + 1}-0", count=_PAGE)
        return [_record(entry) for entry in entries]

    async def before(self, lesson: str, number: int) -> list[Record]:
        """Events before ``number``, newest first, at most a page of them."""
        entries = await self.redis.xrevrange(key(lesson, "log"), max=f"({number}-0", count=_PAGE)
        return [_record(entry) for entry in entries]

    async def numbers(self, lessons: Sequence[str]) -> list[int | None]:
        """The last event number of each lesson; None where Redis does not have it."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for lesson in lessons:
                pipe.hget(key(lesson, "meta"), "number")
            return [None if found is None else int(found) for found in await pipe.execute()]

    async def field(self, lesson: str, path: str) -> bytes | None:
        """One field of a lesson's state as packed."""
        value: bytes | None = await self.redis.hget(key(lesson, "state"), path)
        return value

    # --- sockets and processes ------------------------------------------------------------------

    async def take_seat(self, lesson: str, participant: str, seat: str) -> None:
        """This socket is the participant's now; every process is told. ``seat``: ``<process>/<socket>``."""
        arguments = ["seat", participant, seat, SEATS_KEPT_S, key(lesson, "live")]
        await self.pipeline.run(_SCRIPT, [key(lesson, "seats")], arguments)

    async def tell_still(self, lesson: str, still: bytes) -> None:
        """Every process that holds the lesson hears of this still, this one too; nothing keeps it."""
        await self.pipeline.call("SPUBLISH", key(lesson, "live"), b"t:" + still)

    async def tell_reaction(self, lesson: str, participant: str, kind: str) -> None:
        """As ``tell_still``, of a reaction."""
        await self.pipeline.call("SPUBLISH", key(lesson, "live"), f"a{participant}:{kind}".encode())

    async def tell_ink(self, lesson: str, participant: str, ink: bytes) -> None:
        """Every process that holds the lesson hears of this ink, which is passed on here already."""
        head = f"i{self.process}/{participant}:".encode()
        await self.pipeline.call("SPUBLISH", key(lesson, "live"), head + ink)

    async def seats(self, lesson: str) -> dict[str, str]:
        """Participant -> ``<process>/<socket>`` that was last theirs."""
        found: dict[bytes, bytes] = await self.redis.hgetall(key(lesson, "seats"))
        return {participant.decode(): seat.decode() for participant, seat in found.items()}

    async def announce(self, lessons: Iterable[str]) -> None:
        """This process is alive and holds these lessons."""
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.set(f"zvonok:signaling:{self.process}", b"1", px=PROCESS_TTL_MS)
            for lesson in lessons:
                pipe.set(key(lesson, "keeper"), self.process, px=KEEPER_TTL_MS)
            await pipe.execute()

    async def withdraw(self) -> None:
        """This process is going away."""
        await self.redis.delete(f"zvonok:signaling:{self.process}")

    async def alive(self, processes: Iterable[str]) -> frozenset[str]:
        """Which of these processes announced themselves lately."""
        names = sorted(set(processes))
        if not names:
            return frozenset()
        async with self.redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.exists(f"zvonok:signaling:{name}")
            found = await pipe.execute()
        return frozenset(name for name, here in zip(names, found, strict=True) if here)

    async def unkept(self, lessons: Sequence[str]) -> list[str]:
        """Which of these lessons no process holds."""
        async with self.redis.pipeline(transaction=False) as pipe:
            for lesson in lessons:
                pipe.exists(key(lesson, "keeper"))
            found = await pipe.execute()
        return [lesson for lesson, kept in zip(lessons, found, strict=True) if not kept]

    # --- recorders -------------------------------------------------------------------------------

    async def call_recorder(self, lesson: str) -> None:
        """Ask for a recorder; repeated while none comes, as calls can be lost. Raises LogUnreachable."""
        await self.redis.xadd(RECORDER_WORK, {"lesson": lesson}, maxlen=RECORDER_WORK_KEPT, approximate=True)

    async def recorder_of(self, lesson: str) -> str | None:
        """The recorder that has the lesson now, None when no living one has. Raises LogUnreachable."""
        found: bytes | None = await self.redis.get(key(lesson, "recorder"))
        return None if found is None else found.decode()

    # --- follow --------------------------------------------------------------------------------

    def start(self, hear: Callable[[Heard], None]) -> None:
        """Begin to hear what is published about followed lessons; ``hear`` must not raise or block."""
        self._reader = asyncio.create_task(self._read(hear), name="lesson log")

    async def follow(self, lesson: str) -> None:
        """Hear about this lesson from now on."""
        confirmed = self._confirmed.setdefault(lesson, asyncio.Event())
        try:
            await self._pubsub.ssubscribe(key(lesson, "live"))
            self._following.add(lesson)  # only now: redis-py cannot read before the first subscription
            self._wake.set()
            if self._reader is not None:
                async with asyncio.timeout(SUBSCRIBE_LIMIT_S):
                    await confirmed.wait()
        except TimeoutError:
            log.warning("redis: subscription not confirmed", extra={"lesson": lesson})  # sync fills gaps
        finally:
            self._confirmed.pop(lesson, None)

    async def unfollow(self, lesson: str) -> None:
        """Hear no more about this lesson."""
        self._following.discard(lesson)
        await self._pubsub.sunsubscribe(key(lesson, "live"))

    async def close(self) -> None:
        """Stop hearing and disconnect."""
        if self._reader is not None:
            await stop(self._reader)
        await self._pubsub.aclose()
        await self.redis.aclose()

    async def _read(self, hear: Callable[[Heard], None]) -> None:
        while True:
            if not self._following:
                self._wake.clear()
                await self._wake.wait()
            try:
                message = await self._pubsub.get_message(timeout=5.0)
            except (RedisError, OSError) as error:
                heed_cancellation()
                log.warning("redis: not heard, trying again", extra={"reason": type(error).__name__})
                await asyncio.sleep(0.3)
                continue
            heed_cancellation()
            try:
                if message is not None:
                    self._take(message, hear)
            except Exception:
                metrics.failures.labels("log").inc()
                log.exception("a published message was not taken")

    def _take(self, message: dict[str, Any], hear: Callable[[Heard], None]) -> None:
        if message["type"] == "ssubscribe":
            confirmed = self._confirmed.get(_lesson_of(message["channel"]))
            if confirmed is not None:
                confirmed.set()
        elif message["type"] == "smessage":
            heard = parse_published(message["channel"], message["data"])
            if heard is not None:
                hear(heard)


def parse_published(channel: bytes, data: bytes) -> Heard | None:
    """What a message on a lesson's channel says; None for what this version does not know."""
    lesson = _lesson_of(channel)
    head, _, rest = data.partition(b":")
    if head[:1] == b"e":
        return EventHeard(lesson, Record.parse(int(head[1:]), rest))
    if head[:1] == b"r":
        return RestoredHeard(lesson)
    if head[:1] == b"s":
        return SeatHeard(lesson, head[1:].decode(), rest.decode())
    if head[:1] == b"l":
        return LeaseHeard(lesson)
    if head[:1] == b"t":
        return StillHeard(lesson, rest)
    if head[:1] == b"a":
        return ReactionHeard(lesson, head[1:].decode(), rest.decode())
    if head[:1] == b"i":
        process, _, participant = head[1:].decode().partition("/")
        return InkHeard(lesson, process, participant, rest)
    return None


def heed_cancellation() -> None:
    """Raise CancelledError if this task was cancelled: redis-py can turn that into its own time-out."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def stop(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they ended; asked again where a library mislaid the cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.2)
    await asyncio.gather(*tasks, return_exceptions=True)


def _lesson_of(channel: bytes) -> str:
    return channel.decode().partition("{")[2].partition("}")[0]


def _keys(lesson: str) -> list[str]:
    return [key(lesson, "state"), key(lesson, "log"), key(lesson, "meta")]


def _sets(values: Mapping[str, bytes]) -> list[Any]:
    flat: list[Any] = [len(values)]
    for path, value in values.items():
        flat += [path, value]
    return flat


def _record(entry: tuple[bytes, dict[bytes, bytes]]) -> Record:
    identifier, values = entry
    return Record.parse(int(identifier.partition(b"-")[0]), values[b"e"])
