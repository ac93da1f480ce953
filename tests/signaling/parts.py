"""Real parts for signalling's tests: a small client, a worker that answers by script, one process."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import msgpack
import msgspec
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config.settings import Settings, load_settings
from sfu.rpc import messages as rpc
from sfu.rpc.registration import WORKERS_KEY, WorkerRecord, pack, worker_key
from sfu.rpc.server import RpcServer
from signaling import wire
from signaling.app import Signalling
from signaling.log import stop
from signaling.tickets import issue_one_time_key

LIMIT_S = 10.0


async def until(condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    """Wait for a condition; its value. Fails naming what was missing."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit_s} s: {what}")
        await asyncio.sleep(0.005)
    return found


async def until_answer(question: Callable[[], Awaitable[Any]], what: str, limit_s: float = LIMIT_S) -> Any:
    """As ``until``, for what has to be asked; a server that is away is asked again."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            if found := await question():
                return found
        except RedisConnectionError:
            pass
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {limit_s} s: {what}")
        await asyncio.sleep(0.01)


class Clock:
    """Server time that a test may push forward, or stop."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        self._stopped_ms: int | None = None

    def __call__(self) -> int:
        now_ms = time.time_ns() // 1_000_000 if self._stopped_ms is None else self._stopped_ms
        return now_ms + self.ahead_ms

    def stop(self) -> None:
        """From now on it goes only where ``ahead_ms`` pushes it."""
        self._stopped_ms = time.time_ns() // 1_000_000


def settings(var: Path, redis_url: str, **overrides: Any) -> Settings:
    """Settings of a process of its own folder; ``lesson__max_people=3`` sets lesson.max_people."""
    values = {
        "redis.url": redis_url,
        "paths.var": str(var),
        "paths.web": str(var / "web"),
        "server.port": 0,
        "admin.port": 0,
        "lesson.drop_grace_s": 10,
    }
    values |= {key.replace("__", "."): value for key, value in overrides.items()}
    return load_settings({}, overrides=values)


class FakeWorker:
    """An rpc server that notes what it is asked and answers offers with their own bytes."""

    def __init__(self, redis: Redis, key: bytes, name: str = "w0") -> None:
        self.name = name
        self.asked: list[rpc.Request] = []
        self.people: dict[str, rpc.Person] = {}
        self.epochs: dict[str, int] = {}
        self.stage: str | None = None
        self.refuse: str | None = None
        self.address = ("", 0)
        """Where it really listens."""
        self._redis = redis
        self._server = RpcServer(key, name, self._handle)
        self._renewing: asyncio.Task[None] | None = None

    async def start(self, before: Forwarder | None = None, lessons: int = 0) -> Self:
        """Listen and register; with ``before`` at that one's address, which leads here."""
        address = await self._server.listen()
        self.address = address
        if before is not None:
            address = await before.open(address)
        record = WorkerRecord(
            worker=self.name, pid=1, rpc_host=address[0], rpc_port=address[1], udp_port=1, addresses=("::1",),
            plane="fake", lessons=lessons, transports=0, max_transports=100, cpu=0.0, started_at_ms=0,
        )  # fmt: skip

        async def renew() -> None:
            while True:
                try:
                    await self._redis.set(worker_key(self.name), pack(record), ex=5)
                    await self._redis.zadd(WORKERS_KEY, {self.name: 1})
                except Exception:
                    pass
                await asyncio.sleep(0.5)

        await self._redis.set(worker_key(self.name), pack(record), ex=5)
        await self._redis.zadd(WORKERS_KEY, {self.name: 1})
        self._renewing = asyncio.create_task(renew())
        return self

    async def unregister(self) -> None:
        """Redis forgets it."""
        if self._renewing is not None:
            await stop(self._renewing)
            self._renewing = None
            await self._redis.delete(worker_key(self.name))

    async def stop(self) -> None:
        """Its record in a Redis that was stopped meanwhile is left to expire."""
        with suppress(RedisConnectionError):
            await self.unregister()
        await self._server.close()

    def push(self, body: rpc.Push) -> None:
        self._server.push(body)

    def of(self, kind: type[Any]) -> list[Any]:
        return [request for request in self.asked if isinstance(request, kind)]

    def _handle(self, request: rpc.Request) -> rpc.Reply:
        self.asked.append(request)
        if isinstance(request, rpc.OpenLesson):
            self.epochs[request.lesson] = max(request.epoch, self.epochs.get(request.lesson, 0))
        elif not isinstance(request, rpc.GetStatus) and request.epoch < self.epochs.get(request.lesson, 0):
            return rpc.Failed("stale_epoch")
        if isinstance(request, rpc.SetPerson):
            self.people[request.person.participant] = request.person
        elif isinstance(request, rpc.RemovePerson):
            self.people.pop(request.participant, None)
        elif isinstance(request, rpc.SetStage):
            self.stage = request.participant
        elif isinstance(request, rpc.Offer):
            if self.refuse:
                return rpc.Failed(self.refuse)
            if request.participant not in self.people:
                return rpc.Failed("not_found")
            return rpc.Answered(gzip.compress(b"answer to " + gzip.decompress(request.sdp)))
        elif isinstance(request, rpc.GetStatus):
            return rpc.Status(self.name, "fake", 0, 0, 0, 0, 0.0)
        return rpc.Done()


class Forwarder:
    """A TCP port before another one. While ``cut`` nothing passes and nobody is told."""

    def __init__(self) -> None:
        self.cut = False
        self._target = self._address = ("", 0)
        self._server: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()

    async def open(self, target: tuple[str, int]) -> tuple[str, int]:
        """Listen; the address."""
        self._target = target
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self._address = str(host), int(port)
        return self._address

    async def open_again(self) -> None:
        """After ``close``: listen at the same address."""
        self._server = await asyncio.start_server(self._accept, *self._address)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(*self._target)
        for source, sink in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(self._pass(source, sink))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if not self.cut:
                    sink.write(data)
        except OSError:
            pass
        finally:
            sink.close()


class Person:
    """One browser: its cookies, and one socket at a time."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.join_reply: wire.JoinReply | None = None
        self.got: list[Any] = []
        self.fields: dict[str, Any] = {}
        self.number = 0
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None
        self._requests = 0

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        sent = {"Origin": self.origin, "Content-Type": "application/json"} | headers
        async with self.http.post(self.origin + path, data=msgspec.json.encode(body), headers=sent) as answer:
            return answer.status, msgspec.json.decode(await answer.read())

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(self.origin + path) as answer:
            body = await answer.read()
            return answer.status, msgspec.json.decode(
                body
            ) if answer.content_type == "application/json" else body

    async def join(self, link: str, name: str = "") -> str:
        """Get a ticket; the refusal's code, "" when there was none."""
        code = urlsplit(link).path.rpartition("/")[2]
        status, body = await self.post("/api/join", {"code": code, "name": name})
        if status != 200:
            return str(body["code"])
        self.join_reply = msgspec.convert(body, wire.JoinReply)
        return ""

    @property
    def me(self) -> str:
        assert self.join_reply is not None
        return self.join_reply.participant

    async def hello(self, *, resume: bool = False, lease: int | None = None) -> Any:
        """Open the socket and greet; the first message that comes."""
        assert self.join_reply is not None
        await self.open()
        return await self.ask_hello(self.join_reply.ticket, self.number if resume else None, lease)

    async def open(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self.got.clear()
        self.socket = await self.http.ws_connect(
            self.origin.replace("http", "ws") + "/ws",
            headers={"Origin": self.origin},
            max_msg_size=0,
            compress=0,
        )
        self._reading = asyncio.create_task(self._read(self.socket))

    async def ask_hello(self, ticket: str, after: int | None = None, lease: int | None = None) -> Any:
        await self.send(wire.Hello(ticket=ticket, after=after, lease=lease))
        return await until(lambda: self.got[0] if self.got else None, "an answer to hello")

    async def enter(self, link: str, name: str = "") -> Any:
        """Join and greet; the welcome (or whatever came first)."""
        refused = await self.join(link, name)
        assert not refused, refused
        return await self.hello()

    async def send(self, message: Any) -> None:
        await self.raw(msgpack.packb(msgspec.to_builtins(message, builtin_types=(bytes,))))

    async def raw(self, frame: bytes) -> None:
        assert self.socket is not None
        await self.socket.send_bytes(frame)

    async def ask(self, kind: type[Any], **values: Any) -> Any:
        """A request's reply: Done, Refused or Answer."""
        self._requests += 1
        number = self._requests
        await self.send(kind(id=number, **values))
        return await until(
            lambda: next((m for m in self.got if getattr(m, "id", None) == number), None),
            f"a reply to {kind.__name__}",
        )

    async def done(self, kind: type[Any], **values: Any) -> int:
        reply = await self.ask(kind, **values)
        assert isinstance(reply, wire.Done), reply
        return reply.number

    async def refused(self, kind: type[Any], **values: Any) -> str:
        reply = await self.ask(kind, **values)
        assert isinstance(reply, wire.Refused), reply
        return reply.code

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.got if isinstance(message, kind)]

    async def wait(self, kind: type[Any], test: Callable[[Any], bool] = lambda _: True) -> Any:
        return await until(
            lambda: next((m for m in self.of(kind) if test(m)), None), f"{kind.__name__} at {self.me}"
        )

    async def cut(self) -> None:
        """The network dies without a word."""
        assert self.socket is not None
        with socket.socket(fileno=os.dup(self.socket.get_extra_info("socket").fileno())) as raw:
            raw.shutdown(socket.SHUT_RDWR)
        await until(lambda: self._reading is None or self._reading.done(), "the socket to end")

    async def leave(self) -> None:
        await self.send(wire.Leave())
        await until(lambda: self._reading is None or self._reading.done(), "the socket to end")

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self.socket is not None:
            await self.socket.close()
        await self.http.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            assert frame.type is aiohttp.WSMsgType.BINARY, frame
            message: Any = msgspec.convert(
                msgpack.unpackb(frame.data), wire.ServerMessage, builtin_types=(bytes,)
            )
            if isinstance(message, wire.Welcome):
                if message.fields is not None:
                    self.fields = dict(message.fields)
                for event in message.events:
                    self._apply(event)
                self.number = message.number
            elif isinstance(message, wire.Event):
                assert message.number == self.number + 1, (message, self.number)
                self._apply(message)
            self.got.append(message)

    def _apply(self, event: wire.Event) -> None:
        self.number = event.number
        for path in event.delete:
            self.fields.pop(path, None)
        self.fields.update(event.set)


class School:
    """One signalling process with a lesson's teacher; people are made by ``person``."""

    def __init__(self, signalling: Signalling) -> None:
        self.signalling = signalling
        self.worker: FakeWorker | None = None
        self.origin = f"http://127.0.0.1:{signalling.port}"
        self._people: list[Person] = []

    def person(self, origin: str | None = None) -> Person:
        person = Person(origin or self.origin)
        self._people.append(person)
        return person

    async def teacher(self, who: str = "main") -> Person:
        """A browser with a teacher's cookie."""
        person = self.person()
        now_s = self.signalling._now_ms() // 1000
        key = issue_one_time_key(self.signalling.keys.cookies, who, now_s)
        status, body = await person.post("/api/teacher/sign-in", {"key": key})
        assert status == 200, body
        return person

    async def lesson(self, teacher: Person, **values: Any) -> wire.LessonInfo:
        wanted = {
            "title": "Optics",
            "subject": "Physics",
            "grade": 8,
            "teacher_name": "Анна Петровна",
        } | values
        status, body = await teacher.post("/api/lessons", wanted)
        assert status == 200, body
        return msgspec.convert(body, wire.LessonInfo)

    async def close(self) -> None:
        for person in self._people:
            await person.close()
