"""Frames within their limits; a server and a client that believe nobody without the key."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgpack
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from sfu.model import ParseError
from sfu.rpc import connection as connection_module
from sfu.rpc.client import WorkerClient, WorkerLost
from sfu.rpc.connection import Connection
from sfu.rpc.frames import MAX_FRAME_BYTES, FrameReader, check_shape, decode, encode
from sfu.rpc.messages import (
    Answered,
    Disconnected,
    Done,
    Draw,
    Failed,
    Frame,
    GetStatus,
    Hello,
    Offer,
    OpenLesson,
    Person,
    Push,
    PushFrame,
    Reply,
    ReplyFrame,
    Request,
    RequestFrame,
    SetPerson,
    SlotContent,
    Slots,
    Speakers,
    Status,
)
from sfu.rpc.server import MAX_CONNECTIONS, RpcServer
from tests.waiting import until

KEY = b"k" * 64
LIMIT_S = 5.0

FRAMES: list[Frame] = [
    Hello(KEY, worker="w1"),
    RequestFrame(1, SetPerson("l", 2, 3, Person("p", "student", 4, frozenset({"camera", "screen"})))),
    RequestFrame(2, Offer("l", 2, "p", 1, bytes(range(256)), ("0", ""), ("1", "2"))),
    RequestFrame(3, Draw("l", 2, "p", (360, 0, 1), page=2, pin="q")),
    RequestFrame(4, GetStatus()),
    ReplyFrame(1, Done()),
    ReplyFrame(2, Answered(b"\x1f\x8b")),
    ReplyFrame(3, Failed("stale_epoch")),
    ReplyFrame(4, Status("w", "reference", 1, 2, 3, 4, 0.5, 6, {"gated": 7})),
    PushFrame(Slots("l", 2, "p", 1, 9, 3, (SlotContent(0, "q", "camera", True),))),
    PushFrame(Speakers("l", 2, (("p", 20), ("q", 33)))),
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: type(getattr(frame, "body", frame)).__name__)
def test_frames_survive_the_wire(frame: Frame) -> None:
    assert list(FrameReader().feed(encode(frame))) == [frame]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=200))
def test_frames_survive_any_cutting(sizes: list[int]) -> None:
    data, reader, found = b"".join(encode(frame) for frame in FRAMES), FrameReader(), list[Frame]()
    for size in sizes:
        found += reader.feed(data[:size])
        data = data[size:]
    found += reader.feed(data)
    assert found == FRAMES


def body(value: Any) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


@pytest.mark.parametrize(
    ("case", "data"),
    [
        ("nothing", b""),
        ("no map", body(7)),
        ("unknown struct", body({"type": "surprise"})),
        ("missing field", body({"type": "request", "number": 1})),
        ("wrong type", body({"type": "request", "number": "one", "body": {"type": "get_status"}})),
        ("unknown request", body({"type": "request", "number": 1, "body": {"type": "shut_down"}})),
        ("two values", body({"type": "hello", "key": b""}) * 2),
        ("cut short", body({"type": "hello", "key": b"abc"})[:-1]),
        ("text that is no UTF-8", b"\x81\xa4type\xa2\xff\xfe"),
        ("list as map key", b"\x81\x91\x01\x02"),
        ("number as map key", body({1: 2})),
        ("extension type", body(msgpack.ExtType(5, b"x"))),
        ("timestamp", body({"type": msgpack.Timestamp(1)})),
        ("unused type byte", b"\xc1"),
        ("deep", b"\x91" * 2000 + b"\xc0"),
        ("list that claims four thousand million items", b"\xdd\xff\xff\xff\xff"),
        ("map that claims four thousand million pairs", b"\xdf\xff\xff\xff\xff"),
        ("bytes that claim more than there are", b"\xc6\xff\xff\xff\xff"),
        ("length field cut short", b"\xdd\xff"),
        ("many elements", body([0] * 30_000)),
    ],
)
def test_what_is_no_frame_is_a_parse_error(case: str, data: bytes) -> None:
    with pytest.raises(ParseError):
        decode(data)


@given(st.binary(max_size=300))
def test_garbage_is_a_parse_error_or_a_frame(data: bytes) -> None:
    with contextlib.suppress(ParseError):
        decode(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(values)
def test_shape_check_reads_msgpack_as_msgpack_does(value: Any) -> None:
    data = body(value)
    check_shape(data, max_depth=100, max_elements=10_000)
    with pytest.raises(ParseError):
        check_shape(data[:-1], max_depth=100, max_elements=10_000)


@pytest.mark.parametrize(("depth", "fits"), [(4, True), (5, False)])
def test_shape_check_counts_depth(depth: int, *, fits: bool) -> None:
    data = b"\x91" * depth + b"\xc0"
    with contextlib.nullcontext() if fits else pytest.raises(ParseError):
        check_shape(data, max_depth=4, max_elements=100)


@pytest.mark.parametrize(("count", "fits"), [(9, True), (10, False)])
def test_shape_check_counts_elements(count: int, *, fits: bool) -> None:
    with contextlib.nullcontext() if fits else pytest.raises(ParseError):
        check_shape(body([0] * count), max_depth=4, max_elements=10)


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_arrive() -> None:
    with pytest.raises(ParseError):
        list(FrameReader().feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big")))


def test_a_frame_too_large_is_not_sent() -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        encode(Hello(bytes(MAX_FRAME_BYTES)))


# --- server and client ---------------------------------------------------------------------------


class Bench:
    """A server whose handler can be changed, and clients of it."""

    def __init__(self) -> None:
        self.handle: Callable[[Request], Reply] = lambda _: Done()
        self.server = RpcServer(KEY, "w1", lambda request: self.handle(request))
        self.address = ("", 0)
        self.pushes: list[Push] = []
        self.lost = asyncio.Event()
        self._changed = asyncio.Event()

    def _hear(self, push: Push) -> None:
        self.pushes.append(push)
        self._changed.set()

    def client(self, key: bytes = KEY) -> WorkerClient:
        return WorkerClient(self.address, key, self._hear, self.lost.set)

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.address)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    bench.address = await bench.server.listen()
    try:
        yield bench
    finally:
        await bench.server.close()


@pytest.mark.asyncio
async def test_requests_are_answered_each_with_its_reply(bench: Bench) -> None:
    bench.handle = lambda request: Failed(request.lesson) if isinstance(request, OpenLesson) else Done()
    async with bench.client() as client:
        replies = await asyncio.gather(*(client.request(OpenLesson(str(n), 1)) for n in range(50)))
        assert replies == [Failed(str(n)) for n in range(50)]
        assert client.worker == "w1"


@pytest.mark.asyncio
async def test_pushes_reach_every_connected_client(bench: Bench) -> None:
    push = Disconnected("l", 1, "p", 2, "consent_lost")
    async with bench.client(), bench.client():
        bench.server.push(push)
        await bench.until(lambda: bench.pushes == [push, push])


@pytest.mark.asyncio
async def test_connections_are_counted_for_the_worker(bench: Bench) -> None:
    async with bench.client():
        await until(lambda: bench.server.connections == 1, "the connection")
    await until(lambda: bench.server.connections == 0, "no connection")


@pytest.mark.asyncio
@pytest.mark.parametrize("key", [b"", b"x" * 64, KEY + b"k"])
async def test_a_wrong_key_is_turned_away(bench: Bench, key: bytes) -> None:
    with pytest.raises(WorkerLost):
        await bench.client(key).connect()
    assert bench.server.connections == 0


@pytest.mark.asyncio
async def test_a_server_that_does_not_know_the_key_is_not_believed() -> None:
    async def impostor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(Hello(b"guess", worker="w1")))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(impostor, "127.0.0.1", 0)
    async with server:
        with pytest.raises(WorkerLost):
            await WorkerClient(server.sockets[0].getsockname(), KEY, print).connect()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("case", "data"),
    [
        ("a request before the key", encode(RequestFrame(1, GetStatus()))),
        ("garbage", b"GET / HTTP/1.1\r\n\r\n"),
        ("a huge length", b"\xff\xff\xff\xff"),
        ("another version", encode(Hello(KEY, version=99))),
        ("a reply after the key", encode(Hello(KEY)) + encode(ReplyFrame(1, Done()))),
    ],
)
async def test_who_breaks_the_protocol_is_cut_off(bench: Bench, case: str, data: bytes) -> None:
    reader, writer = await bench.raw()
    writer.write(data)
    async with asyncio.timeout(LIMIT_S):
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                pass
    writer.close()
    assert await still_serves(bench)


async def still_serves(bench: Bench) -> bool:
    async with bench.client() as client:
        return await client.request(GetStatus()) == Done()


@pytest.mark.asyncio
async def test_who_says_nothing_is_cut_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.rpc.server.HELLO_TIMEOUT_S", 0.05)
    reader, writer = await bench.raw()
    async with asyncio.timeout(LIMIT_S):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


@pytest.mark.asyncio
async def test_too_many_connections_are_refused_and_the_others_live(bench: Bench) -> None:
    async with bench.client() as client:
        held = [await bench.raw() for _ in range(MAX_CONNECTIONS + 5)]
        assert await client.request(GetStatus()) == Done()
        for _, writer in held:
            writer.close()


@pytest.mark.asyncio
async def test_our_own_bug_fails_one_request_only(bench: Bench) -> None:
    def broken(request: Request) -> Reply:
        if isinstance(request, OpenLesson):
            raise KeyError(request.lesson)
        return Done()

    bench.handle = broken
    async with bench.client() as client:
        assert await client.request(OpenLesson("l", 1)) == Failed("internal")
        assert await client.request(GetStatus()) == Done()


@pytest.mark.asyncio
async def test_a_lost_worker_fails_what_waits_and_is_told_once(bench: Bench) -> None:
    def ends_here(_: Request) -> Reply:
        raise asyncio.CancelledError

    bench.handle = ends_here
    client = bench.client()
    await client.connect()
    with pytest.raises(WorkerLost):
        await client.request(GetStatus())
    async with asyncio.timeout(LIMIT_S):
        await bench.lost.wait()
    with pytest.raises(WorkerLost):
        await client.request(GetStatus())
    await client.close()


@pytest.mark.asyncio
async def test_closing_on_purpose_is_not_a_loss(bench: Bench) -> None:
    client = bench.client()
    await client.connect()
    await client.close()
    await client.close()
    assert not bench.lost.is_set()
    assert not client.connected


@pytest.mark.asyncio
async def test_no_answer_in_time_drops_the_connection() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(Hello(KEY)))
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        lost = asyncio.Event()
        client = WorkerClient(server.sockets[0].getsockname(), KEY, print, lost.set)
        await client.connect()
        with pytest.raises(WorkerLost, match="GetStatus"):
            await client.request(GetStatus(), timeout_s=0.05)
        async with asyncio.timeout(LIMIT_S):
            await lost.wait()
        await client.close()


@pytest.mark.asyncio
async def test_nobody_listens(bench: Bench) -> None:
    await bench.server.close()
    with pytest.raises(WorkerLost):
        await bench.client().connect()


@pytest.mark.asyncio
async def test_who_does_not_read_is_cut_off_and_the_others_are_served(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MAX_UNSENT_BYTES", 200_000)
    reader, writer = await bench.raw()
    deaf = Connection(reader, writer)
    deaf.send(Hello(KEY))
    await until(lambda: bench.server.connections == 1, "the deaf one")
    big = Slots("l", 1, "p", 1, 1, 1, tuple(SlotContent(n, "p" * 40, "camera", True) for n in range(1000)))
    async with bench.client():
        for number in range(1000):
            bench.server.push(big)
            await bench.until(lambda expected=number + 1: len(bench.pushes) == expected)  # type: ignore[misc]
            if bench.server.connections == 1:
                break
        assert bench.server.connections == 1
        bench.pushes.clear()
        bench.server.push(big)
        await bench.until(lambda: bench.pushes == [big])
    deaf.abort()


@pytest.mark.asyncio
async def test_a_line_that_has_just_broken_harms_nobody_who_still_sends_on_it(bench: Bench) -> None:
    reader, writer = await asyncio.open_connection(*bench.address)
    connection = Connection(reader, writer)
    writer.transport.abort()  # as after a write that failed: the reader does not know yet
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    connection.send(ReplyFrame(1, Done()))
    assert connection.unsent_bytes == 0
    await connection.close()
