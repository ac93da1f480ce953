"""The shells of both planes: a real socket, real SRTP, real time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import select
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Self

import pytest

from sfu import rtcp, stun
from sfu.plane import reference
from sfu.plane.api import (
    Address,
    AddressNominated,
    AddSlot,
    AddSource,
    Codec,
    Drop,
    DtlsReceived,
    Event,
    EventSink,
    Plane,
    SendDtls,
    SetForward,
    SetPacing,
    SlotHandle,
    SlotSwitched,
    SourceHandle,
    SrtpProfile,
)
from sfu.plane.reference import ReferencePlane
from tests.sfu.plane.cores import native_module
from tests.sfu.plane.rig import (
    IDS,
    OPUS_PT,
    VP8_PT,
    VP8_RTX_PT,
    Encoder,
    Sent,
    consecutive,
    sequences,
)
from tests.sfu.plane.shell_peer import LIMIT_S, Client
from tests.waiting import until

WAYS: Final = ("reference", "native", "native-ungrouped", "native-one-by-one")
"""The native plane as the kernel lets it: in groups, in batches, and each datagram by its own call."""


async def create(way: str, host: str, port: int, sink: EventSink) -> Plane:
    """A running plane of one of WAYS."""
    if way == "reference":
        return await ReferencePlane.create(host, port, sink)
    native = native_module()
    from sfu.plane.threaded import NativePlane

    if way == "native":
        return await NativePlane.create(host, port, sink)
    wall_offset_us = (time.time_ns() - time.monotonic_ns()) // 1000
    many = way == "native-ungrouped"
    plane = native.Plane(host, port, wall_offset_us, segmentation=False, many_messages=many)
    return NativePlane(plane, sink)


class Running:
    """A plane and the events it told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.told = asyncio.Event()
        self.plane: Plane
        self._clients: list[Client] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, way: str, host: str = "::", sink: EventSink | None = None) -> AsyncIterator[Self]:
        running = cls()
        running.plane = await create(way, host, 0, sink or running._sink)
        try:
            yield running
        finally:
            await running.plane.close()
            for client in running._clients:
                client.sock.close()

    def client(
        self,
        *,
        host: str = "127.0.0.1",
        profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM,
        pad_frames: bool = False,
    ) -> Client:
        number = len(self._clients) + 1
        self._clients.append(Client(self.plane, number, host, profile, pad_frames=pad_frames))
        return self._clients[-1]

    def _sink(self, events: Sequence[Event]) -> None:
        self.events += events
        self.told.set()

    async def until(self, condition: Callable[[], object], what: str) -> None:
        try:
            async with asyncio.timeout(LIMIT_S):
                while not condition():
                    self.told.clear()
                    await self.told.wait()
        except TimeoutError:
            raise AssertionError(f"missing: {what}; {self.events} {self.plane.counters()}") from None

    async def total(self, name: str, wanted: int) -> None:
        """Wait until a total is this; a thread of its own tells it a little later."""
        counters = self.plane.counters
        await until(lambda: getattr(counters(), name) == wanted, f"{name} of {wanted}")

    async def dropped(self, reason: Drop, wanted: int) -> None:
        counters = self.plane.counters
        await until(lambda: counters().dropped.get(reason, 0) == wanted, f"{reason} of {wanted}")


def show(plane: Plane, teacher: Client, student: Client) -> None:
    source, slot = SourceHandle(100), SlotHandle(200)
    plane.apply(
        [
            AddSource(
                source,
                teacher.handle,
                Codec.VP8,
                90_000,
                "1",
                VP8_PT,
                VP8_RTX_PT,
                IDS,
                ("q",),
                open=True,
            ),
            AddSlot(
                slot, student.handle, Codec.VP8, 90_000, "5", 77, 78, "c", VP8_PT, VP8_RTX_PT, IDS, 65_530, 9
            ),
            SetForward(slot, source),
        ]
    )


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("profile", list(SrtpProfile))
async def test_protected_packets_go_from_one_socket_to_another(way: str, profile: SrtpProfile) -> None:
    async with Running.start(way) as running:
        plane = running.plane
        teacher, student = running.client(profile=profile), running.client(profile=profile)
        for client in (teacher, student):
            answer = await client.connect()
            assert isinstance(answer, stun.BindingSuccess)
            assert answer.mapped_address == client.address

        def nominated() -> list[Address]:
            return [event.address for event in running.events if isinstance(event, AddressNominated)]

        await running.until(lambda: nominated() == [teacher.address, student.address], "both are nominated")
        show(plane, teacher, student)
        encoder = Encoder(7, mid="1", rid="q")
        for index in range(20):
            for packet in encoder.frame(2, keyframe=index == 0):
                teacher.send(packet)
        sent = await student.packets(40)
        assert consecutive(sequences(sent))
        await running.until(
            lambda: any(isinstance(event, SlotSwitched) for event in running.events), "the switch is told"
        )
        student.sock.sendto(
            student.outbound.protect_rtcp(rtcp.build_nack(1, 77, [sent[5].sequence])), student.to
        )
        (again,) = await student.packets(1)
        assert (again.ssrc, again.payload[2:]) == (78, sent[5].payload)
        await running.total("packets_forwarded", 40)

        def sent_to_student() -> int:
            state = plane.transport_state(student.handle)
            return 0 if state is None else state.packets_sent

        await until(lambda: sent_to_student() >= 41, "the state tells what was sent")


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
async def test_replayed_and_forged_packets_are_dropped_and_disturb_nobody(way: str) -> None:
    async with Running.start(way) as running:
        plane = running.plane
        teacher, student = running.client(), running.client()
        await teacher.connect()
        await student.connect()
        show(plane, teacher, student)
        encoder = Encoder(7, mid="1", rid="q")
        protected = teacher.outbound.protect(encoder.frame(keyframe=True)[0])
        forged = protected[:-1] + bytes((protected[-1] ^ 1,))
        for datagram in (forged, protected, protected, forged):
            teacher.sock.sendto(datagram, teacher.to)
        teacher.send(encoder.frame()[0])
        assert len(await student.packets(2)) == 2
        await running.dropped(Drop.UNPROTECT, 3)


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
async def test_dtls_goes_up_at_once_and_down_to_the_nominated_address(way: str) -> None:
    async with Running.start(way) as running:
        client = running.client()
        await client.connect()
        client.sock.sendto(b"\x16hello", client.to)
        await running.until(
            lambda: DtlsReceived(client.handle, b"\x16hello") in running.events, "the datagram comes up"
        )
        running.plane.apply([SendDtls(client.handle, b"\x16back")])
        assert await client.read() == b"\x16back"


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("host", "peer"), [("::", "::1"), ("::", "127.0.0.1"), ("127.0.0.1", "127.0.0.1")])
async def test_one_port_serves_both_families(way: str, host: str, peer: str) -> None:
    async with Running.start(way, host) as running:
        client = running.client(host=peer)
        answer = await client.connect()
        assert isinstance(answer, stun.BindingSuccess)
        assert answer.mapped_address == client.address


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
async def test_a_taken_port_is_refused(way: str) -> None:
    async with Running.start(way) as running:
        with pytest.raises(OSError, match="in use"):
            await create(way, "::", running.plane.port, lambda _: None)


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
async def test_close_is_idempotent_frees_the_port_and_ends_commands(way: str) -> None:
    async with Running.start(way) as running:
        plane = running.plane
        client = running.client()
        await client.connect()
        await plane.close()
        await plane.close()
        plane.apply([SendDtls(client.handle, b"\x16late")])
        again = await create(way, "::", plane.port, lambda _: None)
        await again.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("way", WAYS)
async def test_a_sink_that_fails_is_logged_and_packets_go_on(
    way: str, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(events: object) -> None:
        raise RuntimeError("the sink is broken")

    async with Running.start(way, sink=fail) as running:
        client = running.client()
        with caplog.at_level(logging.ERROR):
            await client.connect()
            client.sock.sendto(b"\x16hello", client.to)
            await client.connect()
            await until(lambda: "event sink failed" in caplog.text, "the failure in the log")


@pytest.mark.asyncio
async def test_a_machine_without_ipv6_is_served_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the reference only: a machine's lack can't be put before the other plane's thread."""
    opened = reference._open

    def open_ipv4_only(family: int, address: tuple[str, int]) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError("address family not supported")
        return opened(family, address)

    monkeypatch.setattr(reference, "_open", open_ipv4_only)
    monkeypatch.setattr(reference, "_has_ipv6", lambda: False)
    async with Running.start("reference", "::") as running:
        assert isinstance(await running.client().connect(), stun.BindingSuccess)


SOL_UDP: Final = 17
UDP_GRO: Final = 104
"""Linux's udp(7); Python does not name them."""


def opened(client: Client, message: tuple[bytes, list[tuple[int, int, bytes]]]) -> list[Sent]:
    """The RTP packets of one message; several left as one send when the kernel says their size."""
    data, told = message
    size = next((int.from_bytes(raw, "little") for _, kind, raw in told if kind == UDP_GRO), len(data))
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return [Sent(client.inbound.unprotect(part)) for part in parts if not 192 <= part[1] <= 223]


async def frame_of(client: Client) -> list[list[Sent]]:
    """The five packets of the next frame, by message."""
    got: list[list[Sent]] = []
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(client.sock, readable.set)
    try:
        async with asyncio.timeout(LIMIT_S):
            while sum(map(len, got)) < 5:
                await readable.wait()
                readable.clear()
                with contextlib.suppress(BlockingIOError):
                    while True:
                        got.append(opened(client, client.sock.recvmsg(65_535, 64)[:2]))
    finally:
        loop.remove_reader(client.sock)
    return [message for message in got if message]


FRAMES: Final = 30
"""So many may be tried: on a busy machine a frame's packets come further apart than they are held."""


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("way", "pad_frames", "messages"),
    [
        ("native", True, [5]),
        ("native", False, [2, 3]),
        ("native-ungrouped", True, [1] * 5),
        ("native-one-by-one", True, [1] * 5),
        ("reference", True, [1] * 5),
    ],
)
async def test_a_frame_leaves_as_one_send_where_that_is_possible(
    way: str, pad_frames: bool, messages: list[int]
) -> None:
    """A browser's packets of a frame differ by a byte, the shorter ones first: one of padding evens them."""
    async with Running.start(way, "127.0.0.1") as running:
        teacher, student = running.client(), running.client(pad_frames=pad_frames)
        assert ("pad_frames" in running.plane.capabilities) == (way == "native")
        student.sock.setsockopt(SOL_UDP, UDP_GRO, 1)
        await teacher.connect()
        await student.connect()
        show(running.plane, teacher, student)
        encoder = Encoder(7, mid="1", rid="q")
        for _ in range(FRAMES):
            for index, packet in enumerate(encoder.frame(5, keyframe=True)):
                teacher.send(packet + bytes((1000 if index < 2 else 1001) - len(packet)))
            got = await frame_of(student)
            if [len(message) for message in got] == messages:
                break
        assert [len(message) for message in got] == messages
        packets = [packet for message in got for packet in message]
        assert consecutive(sequences(packets))
        padded = [bool(packet.data[0] & 0x20) for packet in packets]
        assert padded == ([True, True, False, False, False] if messages == [5] else [False] * 5)
        assert len({len(packet.data) for packet in packets}) == (1 if messages == [5] else 2)
        for sent, odd in zip(packets, padded, strict=True):
            content = sent.payload[:-1] if odd else sent.payload
            assert content.endswith(bytes(900))
            assert sent.payload[-1] == odd, "the last byte of padding counts it"


@pytest.mark.asyncio
async def test_sound_does_not_wait_behind_a_picture_that_is_paced() -> None:
    async with Running.start("native") as running:
        plane = running.plane
        teacher, student = running.client(), running.client()
        await teacher.connect()
        await student.connect()
        show(plane, teacher, student)
        microphone, slot = SourceHandle(101), SlotHandle(201)
        plane.apply(
            [
                AddSource(microphone, teacher.handle, Codec.OPUS, 48_000, "0", OPUS_PT, None, IDS, open=True),
                AddSlot(
                    slot, student.handle, Codec.OPUS, 48_000, "6", 87, None, "c", OPUS_PT, None, IDS, 1, 1
                ),
                SetForward(slot, microphone),
                SetPacing(student.handle, 1_000_000),
            ]
        )
        frame = Encoder(7, mid="1", rid="q").frame(50, keyframe=True)
        started_s = time.monotonic()
        for packet in frame:
            teacher.send(packet + bytes(1000))
        teacher.send(Encoder(8, mid="0", payload_type=OPUS_PT).sound())
        sent = await student.packets(51)
        took_s = time.monotonic() - started_s
        pictures = [packet for packet in sent if packet.ssrc == 77]
        assert consecutive(sequences(pictures))
        assert [packet.ssrc for packet in sent].index(87) < 25, "the sound waited behind the picture"
        assert took_s > 0.3, "50 kB at 1 Mbit/s are 0.4 s"


SENDER: Final = """
import socket, sys, time
sock = socket.socket(fileno=int(sys.argv[1]))
packets = [bytes.fromhex(word) for word in sys.stdin.readline().split()]
print(flush=True)
sys.stdin.readline()
for packet in packets:
    sock.sendto(packet, ("127.0.0.1", int(sys.argv[2])))
    time.sleep(0.01)
print(flush=True)
"""


@pytest.mark.asyncio
async def test_packets_do_not_wait_for_an_interpreter_that_is_busy() -> None:
    """A call that holds the GIL until everything was sent: a handshake, a callback, whatever is slow."""
    async with Running.start("native") as running:
        teacher, student = running.client(), running.client()
        await teacher.connect()
        await student.connect()
        show(running.plane, teacher, student)
        encoder = Encoder(7, mid="1", rid="q")
        frames = [*encoder.frame(1, keyframe=True), *(encoder.frame(1)[0] for _ in range(49))]
        teacher.send(frames[0])
        await student.packets(1)
        protected = " ".join(teacher.outbound.protect(packet).hex() for packet in frames[1:])

        assert len(_sent_while_busy(teacher, student, protected)) == len(frames) - 1


def _sent_while_busy(sender: Client, receiver: Client, packets: str) -> list[bytes]:
    """What reached the receiver while another process sent this through the sender's socket and no thread of
    ours could run Python."""
    sender.sock.setblocking(True)  # it is shared
    descriptor = sender.sock.fileno()
    words = [sys.executable, "-c", SENDER, str(descriptor), str(sender.plane.port)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[descriptor]
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(packets + "\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdin.write("\n")
        process.stdin.flush()
        while not select.select([process.stdout], [], [], 0)[0]:
            sum(range(30_000_000))  # one call in C, which keeps the interpreter
        datagrams = list(iter(lambda: _waiting(receiver.sock), b""))
    return [data for data in datagrams if not 192 <= data[1] <= 223]


def _waiting(sock: socket.socket) -> bytes:
    """A datagram that has come already, else nothing."""
    try:
        return sock.recv(2048)
    except BlockingIOError:
        return b""
