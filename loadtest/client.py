"""A participant without a browser: joins by link, speaks the wire contract, sends and receives by aiortc.

``Door`` makes the HTTP calls of one browser (its cookies are one person's identity), ``LessonClient`` is one
stay in one lesson. Answers of the server are kept as they come: ``fields`` is the lesson's state, ``slots``
who is where. Waiting is by condition (``until``), never by time.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import socket
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

import aiohttp
import aioice.ice
import msgpack
import msgspec
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from sfu.model import SEND_SECTIONS, MediaKind, Refused, SlotIndex, Source, slot_kind
from signaling import wire

LIMIT_S: Final = 10.0
QUEUE_LIMIT_S: Final = 120.0
"""A place in the queue at the door is kept up for this time."""
MESSAGES_KEPT: Final = 1000

Frames = Callable[[int, Any], None]
"""Called with (slot, decoded ``av`` frame) for everything that arrives."""


def use_loopback_candidates() -> None:
    """Let aioice gather loopback addresses too, which it leaves out; for servers on this machine."""
    gather = aioice.ice.get_host_addresses
    if getattr(gather, "with_loopback", False):
        return

    def with_loopback(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        own = ["127.0.0.1"] if use_ipv4 else []
        return own + gather(use_ipv4, use_ipv6)

    with_loopback.with_loopback = True  # type: ignore[attr-defined]
    aioice.ice.get_host_addresses = with_loopback


class Queued(Refused):
    """``door_queue``: ask again after ``after_s``."""

    def __init__(self, after_s: float, detail: str = "") -> None:
        super().__init__("door_queue", detail)
        self.after_s = after_s


class Door:
    """The HTTP side of one browser: one cookie jar, so one person in each lesson.

    Every method raises Refused with the server's code when it says no.
    """

    def __init__(
        self,
        origin: str,
        *,
        tls: ssl.SSLContext | None = None,
        cookies: Mapping[str, str] | None = None,
        source: str | None = None,
    ) -> None:
        """``source``: an address of this machine to come from; the door counts some things an address."""
        self.origin = origin.rstrip("/")
        self._tls: ssl.SSLContext | bool = tls if tls is not None else True
        self.http = aiohttp.ClientSession(
            cookies=cookies,
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            connector=aiohttp.TCPConnector(local_addr=None if source is None else (source, 0)),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.close()

    async def _call(self, method: str, path: str, body: msgspec.Struct | None = None) -> bytes:
        headers = {"Origin": self.origin}
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else msgspec.json.encode(body)
        async with self.http.request(
            method, self.origin + path, data=data, headers=headers, ssl=self._tls
        ) as answer:
            content = await answer.read()
            if answer.status < 400:
                return content
            try:
                reply = msgspec.json.decode(content, type=wire.ErrorReply)
            except msgspec.DecodeError:
                raise Refused(f"http_{answer.status}", path) from None
            if reply.code == "door_queue":
                raise Queued(reply.retry_after_s or 1, path)
            raise Refused(reply.code, path)

    @property
    def cookies(self) -> dict[str, str]:
        """Name and value of each cookie: who this browser is."""
        return {cookie.key: cookie.value for cookie in self.http.cookie_jar}

    async def page(self, path: str) -> bytes:
        """A page, as a browser opens it."""
        return await self._call("GET", path)

    async def sign_in(self, key: str) -> None:
        """Turn a one-time teacher key into this browser's cookie."""
        await self._call("POST", "/api/teacher/sign-in", wire.SignIn(key))

    async def teacher(self) -> wire.TeacherInfo:
        """Who is signed in here, and their lessons."""
        return msgspec.json.decode(await self._call("GET", "/api/teacher"), type=wire.TeacherInfo)

    async def new_lesson(
        self, title: str, *, subject: str = "physics", grade: int = 7, teacher_name: str = ""
    ) -> wire.LessonInfo:
        """Make a lesson; needs the teacher's cookie."""
        body = wire.NewLesson(title=title, subject=subject, grade=grade, teacher_name=teacher_name)
        return msgspec.json.decode(await self._call("POST", "/api/lessons", body), type=wire.LessonInfo)

    async def link(self, code: str) -> wire.LinkInfo:
        """What a join link leads to."""
        return msgspec.json.decode(await self._call("GET", f"/api/links/{code}"), type=wire.LinkInfo)

    async def attendance(self, lesson: str) -> wire.Attendance:
        """Who was in a lesson of one's own."""
        content = await self._call("GET", f"/api/lessons/{lesson}/attendance")
        return msgspec.json.decode(content, type=wire.Attendance)

    async def join(self, code: str, name: str = "") -> wire.JoinReply:
        """Get a ticket for the lesson behind a link's code; as a page does, asks again while there is a
        queue, for QUEUE_LIMIT_S at most."""
        body = wire.JoinRequest(code=code, name=name)
        deadline_s = time.monotonic() + QUEUE_LIMIT_S
        while True:
            try:
                return msgspec.json.decode(await self._call("POST", "/api/join", body), type=wire.JoinReply)
            except Queued as queued:
                if time.monotonic() + queued.after_s > deadline_s:
                    raise
                await asyncio.sleep(queued.after_s)

    async def library_sign_in(self, key: str) -> wire.VideoList:
        """Turn the key of a library link into this browser's cookie; the library's first page."""
        content = await self._call("POST", "/api/library/sign-in", wire.LibrarySignIn(key))
        return msgspec.json.decode(content, type=wire.VideoList)

    async def library(self, **query: str | int) -> wire.VideoList:
        """One page of the library; ``subject``, ``grade``, ``teacher``, ``text``, ``after``."""
        content = await self._call("GET", f"/api/library?{urlencode(query)}")
        return msgspec.json.decode(content, type=wire.VideoList)

    async def video(self, video: str) -> wire.VideoPage:
        """One video of the library, with fresh addresses."""
        return msgspec.json.decode(await self._call("GET", f"/api/library/{video}"), type=wire.VideoPage)

    async def video_of_link(self, code: str) -> wire.VideoPage:
        """The video of the lesson behind a link."""
        content = await self._call("GET", f"/api/links/{code}/video")
        return msgspec.json.decode(content, type=wire.VideoPage)

    async def delete_video(self, video: str) -> None:
        """Delete a video of one's own for ever."""
        await self._call("DELETE", f"/api/library/{video}")

    async def fetch(self, address: str) -> bytes:
        """What a video page's address (``video_url`` and the like) leads to, as a whole."""
        return await self._call("GET", address)

    async def open_socket(self) -> aiohttp.ClientWebSocketResponse:
        """Open the WebSocket."""
        address = f"ws{self.origin.removeprefix('http')}/ws"
        return await self.http.ws_connect(
            address, headers={"Origin": self.origin}, max_msg_size=4 * 1024 * 1024, compress=0, ssl=self._tls
        )


def code_of(link: str) -> str:
    """The join code of a printed link."""
    return urlsplit(link).path.rsplit("/", 1)[-1]


def origin_of(link: str) -> str:
    """The origin of a printed link."""
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass(slots=True)
class Call:
    """One media connection. ``slots`` are its receiving transceivers in slot order."""

    number: int
    peer: RTCPeerConnection
    lease: int
    slots: list[RTCRtpTransceiver]
    sending: dict[Source, RTCRtpTransceiver]
    readers: set[asyncio.Task[None]] = field(default_factory=set)

    async def close(self) -> None:
        """Hang up."""
        for reader in self.readers:
            reader.cancel()
        await asyncio.gather(*self.readers, return_exceptions=True)
        await self.peer.close()


class LessonClient:
    """One participant of one lesson. Make it by ``LessonClient.join``."""

    def __init__(self, door: Door, code: str, reply: wire.JoinReply) -> None:
        self.door = door
        self.code = code
        self.reply = reply
        self.welcome: wire.Welcome | None = None
        self.waiting: wire.Waiting | None = None
        self.closed: wire.Closed | None = None
        self.fields: dict[str, Any] = {}
        self.number = 0
        self.slots: wire.Slots | None = None
        self.speakers: tuple[tuple[str, int], ...] = ()
        self.quality: tuple[wire.LineQuality, ...] = ()
        self.messages: deque[wire.ServerMessage] = deque(maxlen=MESSAGES_KEPT)
        self.call: Call | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None
        self._requests = 0
        self._connections = 0
        self._changed = asyncio.Condition()
        self._replies: dict[int, asyncio.Future[wire.ServerMessage]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def join(cls, door: Door, link: str, name: str = "") -> AsyncIterator[Self]:
        """Join by link and stay: the socket is open and greeted; leaves at the end."""
        code = code_of(link)
        client = cls(door, code, await door.join(code, name))
        try:
            await client.connect()
            yield client
        finally:
            await client.close()

    @property
    def participant(self) -> str:
        """One's own id."""
        return self.reply.participant

    # --- socket ----------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the socket is open."""
        return self._reading is not None and not self._reading.done()

    async def gone(self) -> None:
        """Wait until the socket is no longer open, whoever closed it."""
        if self._reading is not None:
            await asyncio.wait((self._reading,))

    async def connect(self, *, resume: bool = False) -> None:
        """Open the socket and say hello; ``resume`` continues after the last event that was seen."""
        self.closed = None
        self.welcome = None
        self._socket = await self.door.open_socket()
        self._reading = asyncio.create_task(self._read(self._socket))
        await self._send(
            wire.Hello(
                ticket=self.reply.ticket,
                after=self.number if resume else None,
                lease=self.call.lease if resume and self.call else None,
            )
        )
        opened = self._socket

        def answered() -> object:
            return self.welcome or self.waiting or self.closed

        await self.until(lambda: answered() or opened.closed, "an answer to hello")
        if self.closed is not None:
            raise Refused(self.closed.code, "hello")
        if not answered():
            raise ConnectionError("the socket was closed before an answer to hello")

    async def renew(self) -> None:
        """Get a fresh ticket, as the same person."""
        self.reply = await self.door.join(self.code, self.reply.name)

    async def cut(self) -> None:
        """Lose the socket without a word, as when a network dies; media goes on."""
        if self._socket is not None:
            raw = self._socket.get_extra_info("socket")
            if raw is not None:
                # What uvloop hands out cannot be shut down; another descriptor of it can.
                with socket.socket(fileno=os.dup(raw.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)
        await self._stop_reading()
        if self._socket is not None:
            await self._socket.close()  # nothing is sent any more: it is let go of

    async def close(self) -> None:
        """Leave on purpose and hang up."""
        if self._socket is not None and not self._socket.closed:
            with contextlib.suppress(ConnectionError):
                await self._send(wire.Leave())
            await self._socket.close()
        await self._stop_reading()
        if self.call is not None:
            await self.call.close()
            self.call = None

    async def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
            self._reading = None

    async def _send(self, message: msgspec.Struct) -> None:
        if self._socket is None:
            raise ConnectionError("not connected")
        await self._socket.send_bytes(msgpack.packb(msgspec.to_builtins(message, builtin_types=(bytes,))))

    async def _read(self, messages: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for frame in messages:
                if frame.type is not aiohttp.WSMsgType.BINARY:
                    continue
                value = msgpack.unpackb(frame.data, raw=False)
                message: wire.ServerMessage = msgspec.convert(
                    value, wire.ServerMessage, builtin_types=(bytes,)
                )
                self.messages.append(message)
                self._take(message)
                async with self._changed:
                    self._changed.notify_all()
        finally:
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(ConnectionError("the socket was closed"))
            self._replies.clear()
            async with self._changed:
                self._changed.notify_all()

    def _take(self, message: wire.ServerMessage) -> None:
        match message:
            case wire.Welcome():
                self.welcome, self.waiting = message, None
                if message.fields is not None:
                    self.fields, self.number = dict(message.fields), message.number
                for event in message.events:
                    self._apply(event)
                self.number = max(self.number, message.number)
            case wire.Event():
                self._apply(message)
            case wire.Waiting():
                self.waiting = message
            case wire.Slots():
                if self.slots is None or (message.connection, message.version) >= (
                    self.slots.connection,
                    self.slots.version,
                ):
                    self.slots = message
            case wire.Speakers():
                self.speakers = message.speakers
            case wire.Quality():
                self.quality = message.lines
            case wire.Closed():
                self.closed = message
            case wire.Answer() | wire.Done() | wire.Refused():
                reply = self._replies.pop(message.id, None)
                if reply is not None and not reply.done():
                    reply.set_result(message)
            case _:
                pass

    def _apply(self, event: wire.Event) -> None:
        if event.number <= self.number:
            return
        self.number = event.number
        self.fields.update(event.set)
        for path in event.delete:
            self.fields.pop(path, None)

    async def until(self, condition: Callable[[], object], what: str, *, limit_s: float = LIMIT_S) -> None:
        """Wait until the condition holds; it is looked at after each message."""
        try:
            async with asyncio.timeout(limit_s), self._changed:
                await self._changed.wait_for(lambda: bool(condition()))
        except TimeoutError:
            raise TimeoutError(f"{self.reply.name or self.participant}: no {what} in {limit_s:g} s") from None

    # --- requests --------------------------------------------------------------------------------

    async def request(self, build: Callable[[int], msgspec.Struct]) -> wire.Done | wire.Answer:
        """Send a request (made for its number) and wait for its reply; raises Refused."""
        self._requests += 1
        number = self._requests
        reply: asyncio.Future[wire.ServerMessage] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        try:
            await self._send(build(number))
            async with asyncio.timeout(LIMIT_S):
                message = await reply
        finally:
            self._replies.pop(number, None)
        if isinstance(message, wire.Done | wire.Answer):
            return message
        raise Refused(message.code if isinstance(message, wire.Refused) else "internal", "request")

    async def publish(self, source: Source, *, on: bool = True) -> None:
        """Say that one of one's sources is on or off."""
        await self.request(lambda number: wire.Publish(id=number, source=source.value, on=on))

    async def chat(self, text: str) -> None:
        """Say something to the class."""
        await self.request(lambda number: wire.Chat(id=number, text=text))

    async def raise_hand(self, *, up: bool = True) -> None:
        """Raise or lower one's own hand."""
        await self.request(lambda number: wire.Hand(id=number, up=up))

    async def end(self) -> None:
        """The teacher: end the lesson for all. Raises ConnectionError when the server says anything else."""
        with contextlib.suppress(ConnectionError):  # it may close the socket before it replies
            await self.request(lambda number: wire.End(id=number))
        await self.until(lambda: self.closed or not self.connected, "end")
        if self.closed is None or self.closed.code != "ended":
            raise ConnectionError("the lesson did not end")

    async def draw(self, heights: Mapping[int, int], *, page: int = 0, pin: str | None = None) -> None:
        """Say which slots are drawn how high (pixels); all others are not."""
        count = len(self.call.slots) if self.call else SlotIndex.FIRST_TILE + self.reply.tiles
        wanted = tuple(heights.get(index, 0) for index in range(count))
        await self._send(wire.Draw(heights=wanted, page=page, pin=pin))

    async def send(self, message: msgspec.Struct) -> None:
        """Any message, for those who test what the server makes of it."""
        await self._send(message)

    # --- media -----------------------------------------------------------------------------------

    async def exchange(self, sdp: str, *, send: Sequence[str], slots: Sequence[str]) -> tuple[int, int, str]:
        """Bring a new connection's offer; its number, the lease it lives under, and the answer.

        For media engines other than aiortc; ``send`` and ``slots`` are mids as in ``wire.Offer``.
        """
        self._connections += 1
        offer = wire.Offer(
            id=1,
            connection=self._connections,
            sdp=gzip.compress(sdp.encode()),
            send=tuple(send),
            slots=tuple(slots),
        )
        answer = await self.request(lambda number: msgspec.structs.replace(offer, id=number))
        if not isinstance(answer, wire.Answer):
            raise Refused("internal", "an offer was not answered")
        return offer.connection, answer.lease, gzip.decompress(answer.sdp).decode()

    async def connect_media(
        self,
        tracks: Mapping[Source, MediaStreamTrack] | None = None,
        *,
        tiles: int | None = None,
        frames: Frames | None = None,
    ) -> Call:
        """Make the one offer, take the one answer, wait until media is connected.

        ``tracks`` is what there is to send; ``frames`` gets all that arrives (else it is thrown away).
        """
        if self.call is not None:
            await self.call.close()
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        sending = {
            source: peer.addTransceiver(tracks[source], direction="sendonly")
            for source in SEND_SECTIONS
            if tracks and source in tracks
        }
        count = SlotIndex.FIRST_TILE + (self.reply.tiles if tiles is None else tiles)
        slots = [
            peer.addTransceiver(
                "video" if slot_kind(index) is MediaKind.VIDEO else "audio", direction="recvonly"
            )
            for index in range(count)
        ]
        await peer.setLocalDescription(await peer.createOffer())
        mids = {source: section.mid or "" for source, section in sending.items()}
        last = max((SEND_SECTIONS.index(source) for source in sending), default=-1)
        try:
            connection, lease, answer = await self.exchange(
                peer.localDescription.sdp,
                send=[mids.get(source, "") for source in SEND_SECTIONS[: last + 1]],
                slots=[slot.mid or "" for slot in slots],
            )
        except BaseException:
            await peer.close()  # it has sockets open by now
            raise
        await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
        self.call = Call(connection, peer, lease, slots, sending)
        for index, slot in enumerate(slots):
            self.call.readers.add(asyncio.create_task(_drain(index, slot.receiver.track, frames)))
        await _connected(peer)
        return self.call

    async def packets_received(self, slot: int) -> int:
        """RTP packets that arrived in a slot so far."""
        if self.call is None:
            return 0
        report = await self.call.slots[slot].receiver.getStats()
        return sum(each.packetsReceived for each in report.values() if each.type == "inbound-rtp")


async def _drain(index: int, track: MediaStreamTrack, frames: Frames | None) -> None:
    with contextlib.suppress(MediaStreamError):
        while True:
            frame = await track.recv()
            if frames is not None:
                frames(index, frame)


async def _connected(peer: RTCPeerConnection) -> None:
    changed = asyncio.Event()
    peer.on("connectionstatechange", changed.set)
    async with asyncio.timeout(LIMIT_S):
        while peer.connectionState != "connected":
            if peer.connectionState in ("failed", "closed"):
                raise ConnectionError(f"media is {peer.connectionState}")
            await changed.wait()
            changed.clear()
