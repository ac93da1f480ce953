"""Lessons over a plane that only remembers, with handshakes that succeed when told to."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from sfu.context import monotonic_us
from sfu.dtls import Certificate, DtlsFailed, SrtpKeys
from sfu.lessons import Lessons
from sfu.plane.api import (
    AddSlot,
    AddSource,
    AddTap,
    AddTransport,
    Command,
    Counters,
    DtlsReceived,
    Event,
    EventSink,
    RemoveTap,
    RemoveTransport,
    SetForward,
    SetGate,
    SrtpProfile,
    Tapped,
    TransportHandle,
    TransportState,
)
from sfu.rpc.messages import (
    Answered,
    Connected,
    Disconnected,
    Draw,
    Failed,
    Offer,
    OpenLesson,
    Person,
    Push,
    RemovePerson,
    Reply,
    Request,
    SetPerson,
    Slots,
)

LESSON = "lesson1"
LIMIT_S = 5.0
OFFER = (Path(__file__).parent.parent / "vectors" / "chromium_student.sdp").read_text()
SEND = ("0", "1", "2", "3")
SLOTS = tuple(str(mid) for mid in range(4, 21))
EVERYTHING = (360, 1, 720, 1, 1, 1, 1, 1, *([180] * 9))

Kind = TypeVar("Kind")


class InstantDtls:
    """In place of DtlsServer: each datagram is a word that says what happens."""

    def __init__(
        self,
        certificate: Certificate,
        remote_fingerprints: Sequence[object],
        send: Callable[[bytes], None],
        on_closed: Callable[[], None],
    ) -> None:
        self._send = send
        self._on_closed = on_closed
        self._word: asyncio.Queue[bytes] = asyncio.Queue()
        self._finished = False

    def receive(self, datagram: bytes) -> None:
        if self._finished and datagram == b"close":
            self._on_closed()
        self._word.put_nowait(datagram)

    async def handshake(self, timeout_s: float) -> SrtpKeys:
        word = await self._word.get()
        if word != b"hello":
            raise DtlsFailed(word.decode())
        self._finished = True
        return SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, b"r" * 28, b"s" * 28)

    def close(self) -> None:
        self._send(b"bye")


class RecordingPlane:
    """Keeps every command; tells ``sink`` the end of taps, as a plane does."""

    name = "recording"
    port = 40000

    def __init__(self, capabilities: frozenset[str] = frozenset()) -> None:
        self.capabilities = capabilities
        self.commands: list[Command] = []
        self.sink: EventSink = lambda _: None
        self.taps: dict[int, AddTap] = {}
        """Those that are not removed."""
        self.states: dict[TransportHandle, TransportState] = {}
        self.totals = Counters()

    def apply(self, commands: Sequence[Command]) -> None:
        self.commands += commands
        for command in commands:
            if isinstance(command, AddTap):
                self.taps[command.tap] = command
            elif isinstance(command, RemoveTap):
                del self.taps[command.tap]
                self.sink([Tapped(command.tap, (), 0, last=True)])

    def counters(self) -> Counters:
        return self.totals

    def transport_state(self, transport: TransportHandle) -> TransportState | None:
        return self.states.get(transport)

    async def close(self) -> None:
        pass

    def of(self, kind: type[Kind]) -> list[Kind]:
        """All commands of one kind, in order."""
        return [command for command in self.commands if isinstance(command, kind)]


class Bench:
    """``Lessons`` with a RecordingPlane; used with ``async with``."""

    def __init__(
        self, max_transports: int = 100, *, capabilities: frozenset[str] = frozenset(), pacing_bps: int = 0
    ) -> None:
        self.plane = RecordingPlane(capabilities)
        self.pacing_bps = pacing_bps
        self.pushes: list[Push] = []
        self.stalled_us = 0
        """How long the process stood still."""
        self.lessons = Lessons(
            "w1", self._push, max_transports, clock_us=lambda: monotonic_us() + self.stalled_us
        )
        self.plane.sink = self.lessons.on_events
        self.numbers = 0
        self.ahead_us = 0
        """How far the clock was put on."""
        self._pushed = asyncio.Event()

    def _push(self, push: Push) -> None:
        self.pushes.append(push)
        self._pushed.set()

    async def __aenter__(self) -> Self:
        self.lessons.start(
            self.plane,
            Certificate.generate(),
            [("127.0.0.1", 40000)],
            pacing_bps=self.pacing_bps,
            now_us=lambda: monotonic_us() + self.ahead_us,
        )
        self.ask(OpenLesson(LESSON, 1))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.lessons.close()

    # --- asking -----------------------------------------------------------------------------

    def ask(self, request: Request) -> Reply:
        reply = self.lessons.handle(request)
        assert not isinstance(reply, Failed), reply
        return reply

    def refused(self, request: Request) -> str:
        reply = self.lessons.handle(request)
        assert isinstance(reply, Failed), reply
        return reply.code

    def next_number(self) -> int:
        self.numbers += 1
        return self.numbers

    def seat(
        self,
        name: str,
        role: str = "student",
        order: int = 5,
        on: str = "",
        may: str | None = None,
        recorded: str = "",
        group: str = "",
        *,
        to_all: bool = False,
    ) -> None:
        allowed = frozenset((on if may is None else may).split())
        sources = frozenset(on.split())
        person = Person(name, role, order, allowed, sources, frozenset(recorded.split()), group, to_all)
        self.ask(SetPerson(LESSON, 1, self.next_number(), person))

    def remove(self, name: str) -> None:
        self.ask(RemovePerson(LESSON, 1, self.next_number(), name))

    def draw(
        self, name: str, heights: Sequence[int] = EVERYTHING, page: int = 0, pin: str | None = None
    ) -> None:
        self.ask(Draw(LESSON, 1, name, tuple(heights), page, pin))

    def offer(self, name: str, connection: int = 1, ufrag: str = "aECH") -> str:
        reply = self.ask(make_offer(name, connection, ufrag))
        assert isinstance(reply, Answered)
        return gzip.decompress(reply.sdp).decode()

    async def connect(self, name: str, connection: int = 1) -> TransportHandle:
        """Offer, and let the handshake succeed; the transport's handle."""
        self.offer(name, connection)
        transport = self.transport()
        self.event(DtlsReceived(transport, b"hello"))
        await self.until(
            lambda: any(
                (push.participant, push.connection) == (name, connection) for push in self.told(Connected)
            )
        )
        await self.settled()
        return transport

    # --- what came of it ----------------------------------------------------------------------

    def event(self, *events: Event) -> None:
        self.lessons.on_events(events)

    def told(self, kind: type[Kind]) -> list[Kind]:
        return [push for push in self.pushes if isinstance(push, kind)]

    def slots(self, name: str) -> Slots:
        return [push for push in self.told(Slots) if push.participant == name][-1]

    def content(self, name: str, index: int) -> tuple[str | None, str | None, bool]:
        content = self.slots(name).slots[index]
        return content.participant, content.source, content.live

    def transport(self, which: int = -1) -> TransportHandle:
        return self.plane.of(AddTransport)[which].transport

    def sources(self, transport: TransportHandle) -> list[AddSource]:
        """Of one transport: microphone, camera, screen, screen sound."""
        return [command for command in self.plane.of(AddSource) if command.transport == transport]

    def slot_handles(self, transport: TransportHandle) -> list[AddSlot]:
        return [command for command in self.plane.of(AddSlot) if command.transport == transport]

    def forwards(self, transport: TransportHandle) -> dict[int, tuple[int, int]]:
        """Present forwards of a receiver: slot index -> (source handle, layer)."""
        index = {command.slot: n for n, command in enumerate(self.slot_handles(transport))}
        found: dict[int, tuple[int, int]] = {}
        for command in self.plane.of(SetForward):
            if command.slot not in index:
                continue
            if command.source is None:
                found.pop(index[command.slot], None)
            else:
                found[index[command.slot]] = (command.source, command.layer)
        return found

    def gates(self, transport: TransportHandle) -> list[bool]:
        """Present gates of the transport's sources, in the order of ``sources``."""
        state = {command.source: command.open for command in self.sources(transport)}
        for command in self.plane.of(SetGate):
            if command.source in state:
                state[command.source] = command.open
        return list(state.values())

    def removed(self) -> list[TransportHandle]:
        return [command.transport for command in self.plane.of(RemoveTransport)]

    def gone(self) -> list[tuple[str, int, str]]:
        return [(push.participant, push.connection, push.reason) for push in self.told(Disconnected)]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition, looked at after every push."""
        async with asyncio.timeout(LIMIT_S):
            while not condition():
                self._pushed.clear()
                await self._pushed.wait()

    async def settled(self) -> None:
        """Everything asked for so far is allocated."""
        async with asyncio.timeout(LIMIT_S):
            await self.lessons.settled()


def make_offer(name: str, connection: int = 1, ufrag: str = "aECH", **changes: Any) -> Offer:
    sdp = re.sub(r"a=ice-ufrag:.*", f"a=ice-ufrag:{ufrag}\r", OFFER.replace("\r\n", "\n")).replace("\r", "")
    fields: dict[str, Any] = {
        "lesson": LESSON,
        "epoch": 1,
        "participant": name,
        "connection": connection,
        "sdp": gzip.compress(sdp.replace("\n", "\r\n").encode()),
        "send": SEND,
        "slots": SLOTS,
    }
    return Offer(**(fields | changes))
