"""A participant without a browser: joins by link, speaks the wire contract, sends and receives by aiortc.

``LessonClient`` is one stay in one lesson of who came in by ``loadtest.door``. Answers of the server are kept
as they come: ``fields`` is the lesson's state, ``slots`` who is where. Waiting is by condition (``until``),
never by time.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

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

from loadtest.door import Door, code_of
from sfu.model import SEND_SECTIONS, MediaKind, Refused, SlotIndex, Source, slot_kind
from signaling import wire

LIMIT_S: Final = 10.0
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
