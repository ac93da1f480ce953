"""Recorders' connections: what they may ask, what they hear, what becomes of one that does not read."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable
from typing import Self, TypeVar

import msgpack
import pytest
import pytest_asyncio

from sfu.capture import MAX_PACKETS_BYTES, MAX_UNSENT_BYTES
from sfu.plane.api import Tapped
from sfu.rpc import server as server_module
from sfu.rpc.client import WorkerClient, WorkerLost
from sfu.rpc.connection import Connection
from sfu.rpc.frames import check_shape, encode
from sfu.rpc.messages import (
    RPC_VERSION,
    Capture,
    CloseLesson,
    Disconnected,
    Done,
    Draw,
    EndCapture,
    Failed,
    Frame,
    GetStatus,
    Hello,
    Offer,
    OpenLesson,
    Person,
    Push,
    PushFrame,
    RemovePerson,
    ReplyFrame,
    Request,
    RequestFrame,
    SetPerson,
    SetStage,
    Status,
    TapClosed,
    TapData,
    TapOpened,
)
from sfu.rpc.server import MAX_CONNECTIONS, MAX_UNSENT_TO_RECORDER, RecorderConnection, RpcServer
from tests.sfu.recording_plane import LESSON, Bench

KEY = b"k" * 64
LIMIT_S = 10.0
PACKET = bytes(1200)

Kind = TypeVar("Kind")


class Ears(WorkerClient):
    """A recorder that keeps what it hears."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, KEY, self._keep, kind="recorder")
        self.pushes: list[Push] = []
        self._heard = asyncio.Event()

    def _keep(self, push: Push) -> None:
        self.pushes.append(push)
        self._heard.set()

    def told(self, kind: type[Kind]) -> list[Kind]:
        return [push for push in self.pushes if isinstance(push, kind)]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._heard.clear()
                await self._heard.wait()


class Office:
    """A worker's lessons, without packets, behind a real rpc server."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.lost = 0
        self.server = RpcServer(
            KEY,
            "w1",
            bench.lessons.handle,
            on_capture=bench.lessons.capture,
            on_recorder_lost=self._on_lost,
        )
        self.address = ("", 0)
        self._changed = asyncio.Event()

    def _on_lost(self, recorder: RecorderConnection) -> None:
        self.lost += 1
        self.bench.lessons.recorder_lost(recorder)
        self._changed.set()

    async def __aenter__(self) -> Self:
        self.address = await self.server.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.close()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def signalling(self) -> WorkerClient:
        return WorkerClient(self.address, KEY, lambda _: None)

    def copy(self, count: int) -> None:
        """The plane copied so many packets of the first tap that is open."""
        tap = min(self.bench.plane.taps)
        self.bench.event(Tapped(tap, tuple((number, PACKET) for number in range(count)), 0))

    async def deaf(self) -> tuple[Connection, AsyncIterator[Frame]]:
        """A recorder that captures the lesson and then does not read, until its frames are asked for."""
        connection = Connection(*await asyncio.open_connection(*self.address))
        connection.send(Hello(KEY, kind="recorder"))
        connection.send(RequestFrame(1, Capture(LESSON, 1)))
        frames = connection.frames()
        async with asyncio.timeout(LIMIT_S):
            assert isinstance(await anext(frames), Hello)
            assert await anext(frames) == ReplyFrame(1, Done())
        await self.bench.settled()
        assert self.bench.plane.taps
        return connection, frames


@pytest_asyncio.fixture
async def office(bench: Bench) -> AsyncIterator[Office]:
    """A teacher's microphone and camera are on and may be recorded."""
    bench.seat("teacher", "teacher", 0, on="microphone camera", recorded="microphone camera")
    await bench.connect("teacher")
    async with Office(bench) as office:
        yield office


REFUSED: list[Request] = [
    OpenLesson(LESSON, 1),
    CloseLesson(LESSON, 1),
    SetPerson(LESSON, 1, 99, Person("stranger", "teacher", 0)),
    RemovePerson(LESSON, 1, 99, "teacher"),
    SetStage(LESSON, 1, 99, "teacher"),
    Offer(LESSON, 1, "teacher", 9, b"", (), ()),
    Draw(LESSON, 1, "teacher", ()),
]


@pytest.mark.asyncio
async def test_a_recorder_may_capture_and_ask_for_the_status_only(office: Office) -> None:
    async with Ears(office.address) as ears:
        for request in REFUSED:
            reply = await ears.request(request)
            assert isinstance(reply, Failed), request
            assert reply.code == "not_allowed"
        assert isinstance(await ears.request(GetStatus()), Status)
        assert await ears.request(Capture(LESSON, 1)) == Done()
        assert await ears.request(EndCapture(LESSON, 1)) == Done()
    assert office.bench.lessons.count == 1


@pytest.mark.asyncio
async def test_signalling_may_not_capture(office: Office) -> None:
    async with office.signalling() as client:
        for request in (Capture(LESSON, 1), EndCapture(LESSON, 1)):
            reply = await client.request(request)
            assert isinstance(reply, Failed)
            assert reply.code == "not_allowed"
    assert not office.bench.plane.taps


@pytest.mark.asyncio
async def test_a_recorder_does_not_count_as_signalling_and_hears_of_its_taps_only(office: Office) -> None:
    async with Ears(office.address) as ears:
        assert office.server.connections == 0
        office.server.push(Disconnected(LESSON, 1, "teacher", 1, "consent_lost"))
        await ears.request(Capture(LESSON, 1))
        await ears.until(lambda: len(ears.told(TapOpened)) == 2)
        assert len(ears.pushes) == 2
        async with office.signalling():
            assert office.server.connections == 1


@pytest.mark.asyncio
async def test_a_server_without_captures_turns_recorders_away() -> None:
    server = RpcServer(KEY, "w1", lambda _: Done())
    address = await server.listen()
    try:
        with pytest.raises(WorkerLost):
            await Ears(address).connect()
        async with WorkerClient(address, KEY, print) as client:
            assert await client.request(GetStatus()) == Done()
    finally:
        await server.close()


@pytest.mark.asyncio
async def test_a_kind_that_nobody_knows_is_cut_off(office: Office) -> None:
    reader, writer = await asyncio.open_connection(*office.address)
    body = msgpack.packb({"type": "hello", "key": KEY, "version": RPC_VERSION, "kind": "listener"})
    writer.write(struct.pack("!I", len(body)) + body)
    async with asyncio.timeout(LIMIT_S):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


@pytest.mark.asyncio
async def test_recorders_leave_signalling_its_places(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(server_module, "MAX_RECORDERS", 5)
    assert MAX_CONNECTIONS > 3
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(Ears(office.address))
        with pytest.raises(WorkerLost):
            await Ears(office.address).connect()
        for _ in range(3):
            await stack.enter_async_context(office.signalling())
        assert office.server.connections == 3


@pytest.mark.asyncio
async def test_what_was_tapped_is_heard_before_the_end_is_answered(office: Office) -> None:
    async with Ears(office.address) as ears:
        await ears.request(Capture(LESSON, 1))
        await ears.until(lambda: len(ears.told(TapOpened)) == 2)
        office.copy(3)
        assert await ears.request(EndCapture(LESSON, 1)) == Done()
        kinds = [type(push) for push in ears.pushes]
        assert kinds == [TapOpened, TapOpened, TapData, TapClosed, TapClosed]


@pytest.mark.asyncio
async def test_a_second_recorder_takes_over_and_the_first_is_told(office: Office) -> None:
    async with Ears(office.address) as first, Ears(office.address) as second:
        await first.request(Capture(LESSON, 1))
        await first.until(lambda: len(first.told(TapOpened)) == 2)
        await second.request(Capture(LESSON, 1))
        await first.until(lambda: len(first.told(TapClosed)) == 2)
        await second.until(lambda: len(second.told(TapOpened)) == 2)
        office.copy(1)
        await second.until(lambda: second.told(TapData))
        assert not first.told(TapData)


@pytest.mark.asyncio
async def test_a_recorder_that_goes_is_tapped_for_no_more(office: Office) -> None:
    async with Ears(office.address) as ears:
        await ears.request(Capture(LESSON, 1))
        await ears.until(lambda: len(ears.told(TapOpened)) == 2)
    await office.until(lambda: office.lost)
    assert not office.bench.plane.taps
    assert office.lost == 1


@pytest.mark.asyncio
async def test_large_batches_arrive_whole(office: Office) -> None:
    async with Ears(office.address) as ears:
        await ears.request(Capture(LESSON, 1))
        await ears.until(lambda: len(ears.told(TapOpened)) == 2)
        office.copy(2048)
        await ears.until(lambda: sum(map(packets_of, ears.told(TapData))) == 2048)
        assert all(len(data.packets) <= MAX_PACKETS_BYTES for data in ears.told(TapData))


def packets_of(data: TapData) -> int:
    return len(data.packets) // (10 + len(PACKET))


def test_checking_a_frame_of_packets_does_not_cost_by_the_packet() -> None:
    frame = encode(PushFrame(TapData(LESSON, 1, 7, bytes(MAX_PACKETS_BYTES), 3)))
    check_shape(frame[4:], max_depth=2, max_elements=20)


@pytest.mark.asyncio
async def test_who_does_not_read_loses_packets_only_and_is_told_how_many(office: Office) -> None:
    bench = office.bench
    connection, frames = await office.deaf()
    sent = 0
    while not unread(bench):
        office.copy(200)
        sent += 200
        await asyncio.sleep(0)
        assert sent * len(PACKET) < 200 * 1024 * 1024, "nothing was ever dropped"
    lost = unread(bench)
    bench.seat("teacher", "teacher", 0, on="microphone", recorded="microphone camera")
    bench.seat("teacher", "teacher", 0, on="microphone camera", recorded="microphone camera")
    await bench.settled()
    office.copy(100)
    sent += 100
    lost = unread(bench)
    assert lost >= 100
    connection.send(RequestFrame(2, EndCapture(LESSON, 1)))
    heard: list[Push] = []
    async with asyncio.timeout(LIMIT_S):
        async for frame in frames:
            if isinstance(frame, ReplyFrame):
                assert frame == ReplyFrame(2, Done())
                break
            assert isinstance(frame, PushFrame)
            heard.append(frame.body)
    connection.abort()
    data = [push for push in heard if isinstance(push, TapData)]
    assert sum(map(packets_of, data)) == sent - lost
    assert sum(push.dropped for push in data) == lost
    assert sum(isinstance(push, TapOpened) for push in heard) == 3
    assert sum(isinstance(push, TapClosed) for push in heard) == 3


def unread(bench: Bench) -> int:
    status = bench.ask(GetStatus())
    assert isinstance(status, Status)
    return status.dropped.get("recorder_unread", 0)


@pytest.mark.asyncio
async def test_who_reads_nothing_at_all_is_cut_off(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_UNSENT_TO_RECORDER > MAX_UNSENT_BYTES
    monkeypatch.setattr(server_module, "MAX_UNSENT_TO_RECORDER", 100_000)
    connection, _ = await office.deaf()
    async with asyncio.timeout(LIMIT_S):
        while not office.lost:
            if office.bench.plane.taps:
                office.copy(200)
            await asyncio.sleep(0)
    assert not office.bench.plane.taps
    connection.abort()
