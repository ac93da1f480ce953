"""What a client may send, and what becomes of it: garbage, floods, silence, a full queue."""

from __future__ import annotations

import asyncio
import gzip
import random
from typing import Any

import aiohttp
import msgpack
import pytest
from aiohttp import web

from signaling import metrics, wire
from signaling import socket as socket_module
from signaling.codec import encode
from signaling.lessons import Lessons
from signaling.session import MAX_QUEUED
from signaling.socket import Socket
from signaling.tickets import KeyRing
from tests.signaling.parts import FakeWorker, Person, School, until

pytestmark = pytest.mark.asyncio


async def pair(school: School) -> tuple[Person, Person]:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student = school.person()
    await student.enter(lesson.student_link, "Маша")
    return teacher, student


async def closing(person: Person) -> wire.Closed:
    found: wire.Closed = await person.wait(wire.Closed)
    socket = person.socket
    assert socket is not None
    await until(lambda: socket.closed, "the socket closed")
    return found


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", "http://127.0.0.1", "http://localhost:1"]
)
async def test_other_origins_get_no_socket(school: School, origin: str | None) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as error:
            await http.ws_connect(school.origin + "/ws", headers={"Origin": origin} if origin else {})
        assert error.value.status == 403


async def test_our_own_origins_get_a_socket(school: School) -> None:
    port = school.signalling.port
    async with aiohttp.ClientSession() as http:
        for origin in (f"http://localhost:{port}", f"http://127.0.0.1:{port}", f"http://[::1]:{port}"):
            async with http.ws_connect(school.origin + "/ws", headers={"Origin": origin}) as ws:
                assert ws.compress == 0


async def test_compression_is_not_negotiated(school: School) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(school.origin + "/ws", headers={"Origin": school.origin}, compress=15) as ws,
    ):
        assert ws.compress == 0


async def test_silence_is_closed_after_the_hello_timeout(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_module, "HELLO_TIMEOUT_S", 0.05)
    person = school.person()
    await person.open()
    await until(lambda: person.of(wire.Closed), "the socket closed")
    assert person.of(wire.Closed) == [wire.Closed("hello_timeout", retry=True)]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\xc1", "message_malformed"),
        (b"", "message_malformed"),
        (msgpack.packb({"t": "chat", "id": 1, "text": "hi"}), "message_out_of_order"),
        (msgpack.packb({"t": "chat", "id": 1}), "message_out_of_order"),
        (msgpack.packb({"t": "leave"}), "message_out_of_order"),
        (msgpack.packb({"t": "hello", "ticket": "x"}), "ticket_bad"),
        (msgpack.packb({"t": "hello", "ticket": "x", "version": 2}), "version_mismatch"),
        (msgpack.packb({"t": "hello", "ticket": 5}), "message_malformed"),
        (bytes(65537), "message_too_big"),
        (b"\x91" * 60000, "message_malformed"),
    ],
)
async def test_first_frames_that_are_no_hello(school: School, frame: bytes, code: str) -> None:
    person = school.person()
    await person.open()
    await person.raw(frame)
    await until(lambda: person.of(wire.Closed), "the socket closed")
    assert person.of(wire.Closed)[0].code == code


async def test_text_frames_are_malformed(school: School) -> None:
    person = school.person()
    await person.open()
    assert person.socket is not None
    await person.socket.send_str("hello")
    await until(lambda: person.of(wire.Closed), "the socket closed")
    assert person.of(wire.Closed)[0].code == "message_malformed"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\xc1", "message_malformed"),
        (random.Random(1).randbytes(100), "message_malformed"),
        (msgpack.packb({"t": "hello", "ticket": "x"}), "message_out_of_order"),
        (bytes(65537), "message_too_big"),
        (msgpack.packb({"t": "leave"}), "left"),
    ],
)
async def test_frames_that_end_a_stay_end_only_ones_own(school: School, frame: bytes, code: str) -> None:
    teacher, student = await pair(school)
    await student.raw(frame)
    assert (await closing(student)).code == code
    assert await teacher.done(wire.Chat, text="I am fine")


async def test_a_request_that_does_not_fit_is_refused_and_the_stay_goes_on(school: School) -> None:
    _, student = await pair(school)
    await student.raw(msgpack.packb({"t": "chat", "id": 900, "text": "x" * 1001}))
    refused = await student.wait(wire.Refused)
    assert refused == wire.Refused(900, "bad_request")
    assert await student.refused(wire.Chat, text=" \u200b ") == "text_empty"
    assert await student.done(wire.Chat, text="fine")


async def test_a_flood_of_frames_is_rate_limited_and_neighbours_do_not_notice(school: School) -> None:
    teacher, student = await pair(school)
    frame = msgpack.packb({"t": "draw", "heights": [1]})
    for _ in range(400):
        try:
            await student.raw(frame)
        except ConnectionError:
            break
    assert await closing(student) == wire.Closed("rate_limited", retry=True)
    assert await teacher.done(wire.Chat, text="calm")


async def test_a_flood_of_chat_is_refused(school: School) -> None:
    teacher, student = await pair(school)
    replies = await asyncio.gather(*(student.ask(wire.Chat, text=f"{n}") for n in range(20)))
    refused = [reply for reply in replies if isinstance(reply, wire.Refused)]
    assert {reply.code for reply in refused} == {"rate_limited"}
    assert len(refused) >= 10
    assert len([p for p in teacher.fields if p.startswith("chat/")]) <= 10


async def test_garbage_from_many_sockets_harms_nobody(school: School) -> None:
    teacher, _ = await pair(school)
    chance = random.Random(5)

    async def vandal() -> None:
        person = school.person()
        await person.open()
        for _ in range(20):
            try:
                await person.raw(chance.randbytes(chance.randrange(1, 200)))
            except ConnectionError:
                return

    await asyncio.gather(*(vandal() for _ in range(30)))
    assert await teacher.done(wire.Chat, text="all well")
    await until(lambda: school.signalling.door.sockets == 2, "the vandals gone")


async def test_roles_come_from_the_ticket_whatever_is_sent(school: School) -> None:
    teacher, student = await pair(school)
    await student.raw(
        msgpack.packb({"t": "lock", "id": 700, "on": True, "role": "teacher", "participant": teacher.me})
    )
    assert (await student.wait(wire.Refused)) == wire.Refused(700, "not_allowed")


async def test_offers_are_relayed_and_refused_by_the_workers_codes(
    school: School, worker: FakeWorker
) -> None:
    _, student = await pair(school)
    offer: dict[str, Any] = {"connection": 1, "sdp": gzip.compress(b"o"), "send": (), "slots": ()}
    worker.refuse = "offer_no_codec"
    assert await student.refused(wire.Offer, **offer) == "offer_no_codec"
    worker.refuse = "something new"
    assert await student.refused(wire.Offer, **offer) == "internal"
    worker.refuse = None
    assert isinstance(await student.ask(wire.Offer, **offer), wire.Answer)


class Stuck:
    """A WebSocket whose client reads nothing."""

    closed = False
    close_code: int | None = None

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.reads = asyncio.Event()
        self._over = asyncio.Event()

    async def send_bytes(self, data: bytes) -> None:
        await self.reads.wait()
        self.sent.append(data)

    async def receive(self) -> aiohttp.WSMessage:
        await self._over.wait()
        return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSING, None, None)

    async def close(self) -> None:
        self.closed = True
        self._over.set()


async def test_a_client_that_does_not_read_is_closed_as_slow_and_the_queue_is_bounded() -> None:
    stuck: Any = Stuck()
    lessons: Lessons = None  # type: ignore[assignment]
    response: web.WebSocketResponse = stuck
    socket = Socket(response, None, lessons, KeyRing([b"k" * 64]), "p/1", lambda: 0)
    running = asyncio.create_task(socket.run())
    message = encode(wire.Done(1))
    await asyncio.sleep(0)
    for _ in range(MAX_QUEUED + 10):
        socket.session.send(message)
    assert socket.session.closed
    stuck.reads.set()
    await running
    assert len(stuck.sent) <= 2
    assert stuck.sent[-1] == encode(wire.Closed("slow", retry=True))


async def test_what_is_sent_after_the_close_is_dropped() -> None:
    stuck: Any = Stuck()
    stuck.reads.set()
    lessons: Lessons = None  # type: ignore[assignment]
    socket = Socket(stuck, None, lessons, KeyRing([b"k" * 64]), "p/1", lambda: 0)
    socket.close("removed")
    socket.close("ended")
    socket.session.send(encode(wire.Done(1)))
    await socket.run()
    assert stuck.sent == [encode(wire.Closed("removed"))]


async def test_a_fault_of_what_carries_the_bytes_is_counted_and_said() -> None:
    class Broken(Stuck):
        async def receive(self) -> aiohttp.WSMessage:
            raise RuntimeError("of our own")

    broken: Any = Broken()
    broken.reads.set()
    lessons: Lessons = None  # type: ignore[assignment]
    before = metrics.failures.labels("socket")._value.get()
    await Socket(broken, None, lessons, KeyRing([b"k" * 64]), "p/1", lambda: 0).run()
    assert broken.sent == [encode(wire.Closed("internal", retry=True))]
    assert metrics.failures.labels("socket")._value.get() == before + 1
