"""The shell: a real socket, real SRTP, real time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Self

import pylibsrtp
import pytest

from sfu import rtcp, stun
from sfu.plane import reference
from sfu.plane.api import (
    AddressNominated,
    AddSlot,
    AddSource,
    AddTransport,
    Codec,
    Drop,
    DtlsReceived,
    Event,
    EventSink,
    Plane,
    SendDtls,
    SetForward,
    SetKeys,
    SlotHandle,
    SlotSwitched,
    SourceHandle,
    SrtpProfile,
    TransportHandle,
)
from sfu.plane.reference import ReferencePlane
from tests.sfu.plane.rig import IDS, PASSWORD, VP8_PT, VP8_RTX_PT, Encoder, Sent, consecutive, sequences

LIMIT_S = 5.0
KEY_LENGTHS = {
    SrtpProfile.AEAD_AES_128_GCM: 28,
    SrtpProfile.AEAD_AES_256_GCM: 44,
    SrtpProfile.AES128_CM_SHA1_80: 30,
}
PROFILES = {
    SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    SrtpProfile.AES128_CM_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}


class Running:
    """A plane and the events it told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.told = asyncio.Event()
        self.plane: ReferencePlane
        self._clients: list[Client] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, host: str = "::", sink: EventSink | None = None) -> AsyncIterator[Self]:
        running = cls()
        running.plane = await ReferencePlane.create(host, 0, sink or running._sink)
        try:
            yield running
        finally:
            await running.plane.close()
            for client in running._clients:
                client.sock.close()

    def client(
        self, *, host: str = "127.0.0.1", profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM
    ) -> Client:
        self._clients.append(Client(self.plane, len(self._clients) + 1, host, profile))
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


class Client:
    """A peer with a socket of its own and SRTP by libsrtp."""

    def __init__(self, plane: Plane, number: int, host: str, profile: SrtpProfile) -> None:
        self.handle = TransportHandle(number)
        self.plane = plane
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.address = self.sock.getsockname()[:2]
        self.to = (host, plane.port)
        up = bytes(range(number, number + KEY_LENGTHS[profile]))
        down = up[::-1]
        kind = PROFILES[profile]
        self.outbound = pylibsrtp.Session(
            pylibsrtp.Policy(key=up, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND, srtp_profile=kind)
        )
        self.inbound = pylibsrtp.Session(
            pylibsrtp.Policy(key=down, ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND, srtp_profile=kind)
        )
        plane.apply(
            [
                AddTransport(self.handle, f"local{number}", PASSWORD, f"remote{number}", "q" * 22),
                SetKeys(self.handle, profile, up, down),
            ]
        )

    def check(self) -> None:
        self.sock.sendto(
            stun.build_binding_request(
                bytes(12),
                local_ufrag=f"remote{self.handle}",
                remote_ufrag=f"local{self.handle}",
                remote_password=PASSWORD,
                priority=1,
                use_candidate=True,
                controlling=1,
            ),
            self.to,
        )

    async def read(self) -> bytes:
        async with asyncio.timeout(LIMIT_S):
            return await asyncio.get_running_loop().sock_recv(self.sock, 2048)

    async def connect(self) -> stun.Message:
        self.check()
        return stun.parse(await self.read())

    def send(self, packet: bytes) -> None:
        self.sock.sendto(self.outbound.protect(packet), self.to)

    async def packets(self, count: int) -> list[Sent]:
        """The next RTP packets; RTCP between them is checked to decrypt."""
        found: list[Sent] = []
        while len(found) < count:
            data = await self.read()
            if 192 <= data[1] <= 223:
                rtcp.parse(self.inbound.unprotect_rtcp(data))
            else:
                found.append(Sent(self.inbound.unprotect(data)))
        return found


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
@pytest.mark.parametrize("profile", list(SrtpProfile))
async def test_protected_packets_go_from_one_socket_to_another(profile: SrtpProfile) -> None:
    async with Running.start() as running:
        plane = running.plane
        teacher, student = running.client(profile=profile), running.client(profile=profile)
        for client in (teacher, student):
            answer = await client.connect()
            assert isinstance(answer, stun.BindingSuccess)
            assert answer.mapped_address == client.address
        assert [event.address for event in running.events if isinstance(event, AddressNominated)] == [
            teacher.address,
            student.address,
        ]
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
        assert plane.counters().packets_forwarded == 40
        state = plane.transport_state(student.handle)
        assert state is not None
        assert state.packets_sent >= 41


@pytest.mark.asyncio
async def test_replayed_and_forged_packets_are_dropped_and_disturb_nobody() -> None:
    async with Running.start() as running:
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
        assert plane.counters().dropped[Drop.UNPROTECT] == 3


@pytest.mark.asyncio
async def test_dtls_goes_up_at_once_and_down_to_the_nominated_address() -> None:
    async with Running.start() as running:
        client = running.client()
        await client.connect()
        client.sock.sendto(b"\x16hello", client.to)
        await running.until(
            lambda: DtlsReceived(client.handle, b"\x16hello") in running.events, "the datagram comes up"
        )
        running.plane.apply([SendDtls(client.handle, b"\x16back")])
        assert await client.read() == b"\x16back"


@pytest.mark.asyncio
@pytest.mark.parametrize(("host", "peer"), [("::", "::1"), ("::", "127.0.0.1"), ("127.0.0.1", "127.0.0.1")])
async def test_one_port_serves_both_families(host: str, peer: str) -> None:
    async with Running.start(host) as running:
        client = running.client(host=peer)
        answer = await client.connect()
        assert isinstance(answer, stun.BindingSuccess)
        assert answer.mapped_address == client.address


@pytest.mark.asyncio
async def test_a_taken_port_is_refused() -> None:
    async with Running.start() as running:
        with pytest.raises(OSError, match="in use"):
            await ReferencePlane.create("::", running.plane.port, lambda _: None)


@pytest.mark.asyncio
async def test_close_is_idempotent_frees_the_port_and_ends_commands() -> None:
    async with Running.start() as running:
        plane = running.plane
        client = running.client()
        await client.connect()
        await plane.close()
        await plane.close()
        plane.apply([SendDtls(client.handle, b"\x16late")])
        again = await ReferencePlane.create("::", plane.port, lambda _: None)
        await again.close()


@pytest.mark.asyncio
async def test_a_sink_that_fails_is_logged_and_packets_go_on(caplog: pytest.LogCaptureFixture) -> None:
    def fail(events: object) -> None:
        raise RuntimeError("the sink is broken")

    async with Running.start(sink=fail) as running:
        client = running.client()
        with caplog.at_level(logging.ERROR):
            await client.connect()
            client.sock.sendto(b"\x16hello", client.to)
            await client.connect()
        assert "event sink failed" in caplog.text


@pytest.mark.asyncio
async def test_a_machine_without_ipv6_is_served_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = reference._open

    def open_ipv4_only(family: int, address: tuple[str, int]) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError("address family not supported")
        return opened(family, address)

    monkeypatch.setattr(reference, "_open", open_ipv4_only)
    monkeypatch.setattr(reference, "_has_ipv6", lambda: False)
    async with Running.start("::") as running:
        assert isinstance(await running.client().connect(), stun.BindingSuccess)
