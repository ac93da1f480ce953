"""DTLS as the server, against aiortc's own client in memory, and what is used of aiortc's private names."""

from __future__ import annotations

import asyncio
import inspect
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from aiortc import rtcdtlstransport as aiortc_dtls
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from pylibsrtp import Policy, Session

from sfu import rtp
from sfu.dtls import MAX_WAITING_DATAGRAMS, Certificate, DtlsFailed, DtlsServer, SrtpKeys
from sfu.plane.api import SrtpProfile
from sfu.sdp import Fingerprint

CERTIFICATE = Certificate.generate()
CLIENT_CERTIFICATE = RTCCertificate.generateCertificate()
TIMEOUT_S = 10.0


class Pipe:
    """The client's stand-in for ICE; ``loses`` says of the n-th datagram whether it is lost."""

    role = "controlling"
    state = "completed"

    def __init__(self) -> None:
        self.deliver: Callable[[bytes], None] = lambda _: None
        self.loses: Callable[[int], bool] = lambda _: False
        self.sent = 0
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()

    def put(self, datagram: bytes) -> None:
        self._arrived.put_nowait(datagram)

    async def _recv(self) -> bytes:
        return await self._arrived.get()

    async def _send(self, data: bytes) -> None:
        self.sent += 1
        if not self.loses(self.sent):
            asyncio.get_running_loop().call_soon(self.deliver, data)

    async def stop(self) -> None:
        pass


class Pair:
    """A server of ours and aiortc's client, joined."""

    def __init__(self, *, expected: list[Fingerprint] | None = None) -> None:
        self.pipe = Pipe()
        ice: Any = self.pipe
        self.client = RTCDtlsTransport(ice, [CLIENT_CERTIFICATE])
        self.client._set_role("client")
        self.closed = asyncio.Event()
        self.close_calls = 0
        self.to_client: list[bytes] = []
        if expected is None:
            expected = [client_fingerprint("sha-256")]
        self.server = DtlsServer(CERTIFICATE, expected, self._to_client, self._on_closed)
        self.pipe.deliver = self.server.receive

    def _to_client(self, datagram: bytes) -> None:
        self.to_client.append(datagram)
        asyncio.get_running_loop().call_soon(self.pipe.put, datagram)

    def _on_closed(self) -> None:
        self.close_calls += 1
        self.closed.set()

    def start_client(self) -> asyncio.Task[None]:
        fingerprint = RTCDtlsFingerprint("sha-256", CERTIFICATE.fingerprint_sha256)
        return asyncio.create_task(self.client.start(RTCDtlsParameters(fingerprints=[fingerprint])))

    async def connect(self) -> SrtpKeys:
        client = self.start_client()
        keys = await self.server.handshake(TIMEOUT_S)
        await asyncio.wait_for(client, TIMEOUT_S)
        assert self.client.state == "connected"
        return keys

    async def end(self) -> None:
        self.server.close()
        await self.client.stop()
        await asyncio.sleep(0)


def client_fingerprint(algorithm: str) -> Fingerprint:
    (found,) = [f.value for f in CLIENT_CERTIFICATE.getFingerprints() if f.algorithm == algorithm]
    return Fingerprint(algorithm, found)


def session(key: bytes, profile: SrtpProfile, *, inbound: bool) -> Session:
    number = {
        SrtpProfile.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        SrtpProfile.AEAD_AES_256_GCM: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
        SrtpProfile.AES128_CM_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    }[profile]
    direction = Policy.SSRC_ANY_INBOUND if inbound else Policy.SSRC_ANY_OUTBOUND
    return Session(Policy(key=key, ssrc_type=direction, srtp_profile=number))


PACKET = rtp.build(payload_type=96, sequence_number=1, timestamp=2, ssrc=3, payload=b"sound")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (None, SrtpProfile.AEAD_AES_128_GCM),
        (
            [aiortc_dtls.SRTP_AEAD_AES_256_GCM, aiortc_dtls.SRTP_AES128_CM_SHA1_80],
            SrtpProfile.AEAD_AES_256_GCM,
        ),
        ([aiortc_dtls.SRTP_AES128_CM_SHA1_80], SrtpProfile.AES128_CM_SHA1_80),
    ],
)
async def test_both_sides_hold_the_keys_of_our_favourite_profile(
    offered: list[aiortc_dtls.SRTPProtectionProfile] | None, chosen: SrtpProfile
) -> None:
    """What one side protects, the other reads; aiortc's client lists AES-256-GCM first."""
    pair = Pair()
    if offered is not None:
        pair.client._srtp_profiles = offered
    keys = await pair.connect()
    assert keys.profile is chosen
    assert (
        session(keys.receive_key, chosen, inbound=True).unprotect(pair.client._tx_srtp.protect(PACKET))
        == PACKET
    )
    assert (
        pair.client._rx_srtp.unprotect(session(keys.send_key, chosen, inbound=False).protect(PACKET))
        == PACKET
    )
    assert keys.receive_key != keys.send_key
    await pair.end()


@pytest.mark.asyncio
async def test_flights_fit_a_datagram_that_passes_everywhere() -> None:
    pair = Pair()
    await pair.connect()
    assert max(len(datagram) for datagram in pair.to_client) <= 1200
    await pair.end()


@pytest.mark.asyncio
@pytest.mark.parametrize("algorithm", ["sha-256", "sha-384", "sha-512"])
async def test_each_digest_of_the_peer_is_understood(algorithm: str) -> None:
    pair = Pair(expected=[client_fingerprint(algorithm)])
    await pair.connect()
    await pair.end()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "expected",
    [
        [Fingerprint("sha-256", ":".join(["AB"] * 32))],
        [client_fingerprint("sha-256"), Fingerprint("sha-512", ":".join(["AB"] * 64))],
        [Fingerprint("md5", "AB")],
        [],
    ],
    ids=["another certificate", "one of two wrong", "unknown digest only", "none"],
)
async def test_wrong_fingerprint_gives_no_keys(expected: list[Fingerprint]) -> None:
    pair = Pair(expected=expected)
    client = pair.start_client()
    with pytest.raises(DtlsFailed) as caught:
        await pair.server.handshake(TIMEOUT_S)
    assert caught.value.reason == "fingerprint"
    assert pair.close_calls == 0
    client.cancel()
    with suppress(asyncio.CancelledError):
        await client
    await pair.end()


@pytest.mark.asyncio
async def test_client_without_srtp_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = SSL.Context(SSL.DTLS_METHOD)
    bare.use_certificate(CLIENT_CERTIFICATE._cert)
    bare.use_privatekey(CLIENT_CERTIFICATE._key)
    monkeypatch.setattr(CLIENT_CERTIFICATE, "_create_ssl_context", lambda srtp_profiles: bare)
    pair = Pair()
    client = pair.start_client()
    with pytest.raises(DtlsFailed) as caught:
        await pair.server.handshake(TIMEOUT_S)
    assert caught.value.reason == "no_srtp_profile"
    await asyncio.wait_for(client, TIMEOUT_S)
    await pair.end()


@pytest.mark.asyncio
async def test_silent_peer_ends_in_a_timeout() -> None:
    pair = Pair()
    with pytest.raises(DtlsFailed) as caught:
        await pair.server.handshake(0.01)
    assert caught.value.reason == "timeout"
    with pytest.raises(DtlsFailed):
        await pair.server.handshake(0.01)
    await pair.end()


@pytest.mark.asyncio
async def test_lost_flights_are_repeated() -> None:
    pair = Pair()
    pair.pipe.loses = lambda number: number in (1, 3)
    await pair.connect()
    assert pair.pipe.sent > 3
    await pair.end()


@pytest.mark.asyncio
async def test_garbage_before_and_during_the_handshake_does_no_harm() -> None:
    pair = Pair()
    for garbage in (
        b"",
        b"\x16",
        bytes([22, 254, 253]) + bytes(10),
        bytes(range(20, 64)),
        b"\x80rtp",
        b"\x00stun",
    ):
        pair.server.receive(garbage)
    await pair.connect()
    pair.server.receive(b"\x17" + bytes(40))
    pair.server.receive(b"\x3f")
    await pair.end()


@settings(max_examples=30)
@given(
    st.lists(
        st.builds(lambda first, rest: bytes([first]) + rest, st.integers(20, 63), st.binary(max_size=80))
    )
)
def test_garbage_raises_nothing_but_dtls_failed(datagrams: list[bytes]) -> None:
    async def attempt() -> None:
        server = DtlsServer(CERTIFICATE, [client_fingerprint("sha-256")], lambda _: None)
        for datagram in datagrams:
            server.receive(datagram)
        with pytest.raises(DtlsFailed):
            await server.handshake(0.005)
        server.close()

    asyncio.run(attempt())


@pytest.mark.asyncio
async def test_waiting_datagrams_are_bounded() -> None:
    server = DtlsServer(CERTIFICATE, [client_fingerprint("sha-256")], lambda _: None)
    for _ in range(MAX_WAITING_DATAGRAMS + 5):
        server.receive(b"\x16")
    assert server.dropped == 5
    server.close()
    server.receive(b"\x16")
    assert server.dropped == 6


@pytest.mark.asyncio
async def test_goodbye_of_the_peer_is_told_once() -> None:
    pair = Pair()
    await pair.connect()
    await pair.client.stop()
    await asyncio.wait_for(pair.closed.wait(), TIMEOUT_S)
    pair.server.close()
    await pair.end()
    assert pair.close_calls == 1


@pytest.mark.asyncio
async def test_our_goodbye_reaches_the_peer_and_is_not_told_to_us() -> None:
    pair = Pair()
    await pair.connect()
    ended = asyncio.Event()
    pair.client.on("statechange", ended.set)
    pair.server.close()
    pair.server.close()
    await asyncio.wait_for(ended.wait(), TIMEOUT_S)
    assert pair.client.state == "closed"
    await pair.end()
    assert pair.close_calls == 0


@pytest.mark.asyncio
async def test_close_ends_a_running_handshake() -> None:
    pair = Pair()
    running = asyncio.create_task(pair.server.handshake(TIMEOUT_S))
    await asyncio.sleep(0)
    pair.server.close()
    with pytest.raises(DtlsFailed) as caught:
        await asyncio.wait_for(running, TIMEOUT_S)
    assert caught.value.reason == "closed"
    with pytest.raises(DtlsFailed):
        await pair.server.handshake(TIMEOUT_S)
    await pair.end()


@pytest.mark.asyncio
async def test_a_handshake_costs_little_after_the_first() -> None:
    """Both sides together, on one thread; the context is made once."""
    spent: list[float] = []
    for _ in range(8):
        pair = Pair()
        start = time.thread_time()
        await pair.connect()
        spent.append((time.thread_time() - start) * 1000)
        await pair.end()
    print(f"both sides: first {spent[0]:.1f} ms, then best {min(spent[1:]):.2f} ms of CPU")
    assert min(spent[1:]) < 10


def test_context_is_made_once_for_all_connections() -> None:
    profiles = list(aiortc_dtls.SRTP_PROFILES)
    assert CERTIFICATE._inner._create_ssl_context(profiles) is CERTIFICATE._inner._create_ssl_context(
        profiles
    )


def test_fingerprint_is_the_certificates() -> None:
    assert re.fullmatch("([0-9A-F]{2}:){31}[0-9A-F]{2}", CERTIFICATE.fingerprint_sha256)
    assert Certificate.generate().fingerprint_sha256 != CERTIFICATE.fingerprint_sha256


def test_keys_are_not_shown() -> None:
    keys = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, b"secret-r", b"secret-s")
    assert "secret" not in repr(keys)
    assert "secret" not in str(keys)


def test_aiortc_still_has_the_private_names_that_are_used() -> None:
    """What sfu.dtls overrides, calls and reads, with its parameters."""
    for name, parameters in (
        ("_set_role", ["self", "role"]),
        ("_set_state", ["self", "state"]),
        ("_setup_srtp", ["self"]),
        ("_validate_peer_identity", ["self", "remoteParameters"]),
        ("start", ["self", "remoteParameters"]),
    ):
        assert list(inspect.signature(getattr(RTCDtlsTransport, name)).parameters) == parameters
    assert list(inspect.signature(RTCCertificate._create_ssl_context).parameters) == ["self", "srtp_profiles"]
    ice: Any = Pipe()
    transport = RTCDtlsTransport(ice, [CLIENT_CERTIFICATE])
    assert transport._state is aiortc_dtls.State.NEW
    assert transport._ssl is None
    assert transport._task is None
    assert transport._role == "auto"
    assert isinstance(transport._srtp_profiles, list)
    assert "FAILED" in aiortc_dtls.State.__members__
    assert set(aiortc_dtls.X509_DIGEST_ALGORITHMS) == {"sha-256", "sha-384", "sha-512"}


def test_aiortc_calls_the_overridden_steps_in_order() -> None:
    """start() must still ask these, and go on only while the state is not FAILED."""
    source = inspect.getsource(RTCDtlsTransport.start)
    steps = [
        "_create_ssl_context",
        "_do_handshake",
        "_validate_peer_identity",
        "_setup_srtp",
        "State.CONNECTED",
    ]
    places = [source.index(step) for step in steps]
    assert places == sorted(places)
    assert source.count("State.FAILED") == 3


def test_aiortc_wants_of_ice_only_what_the_stand_in_has() -> None:
    source = inspect.getsource(RTCDtlsTransport)
    assert set(re.findall(r"self\.(?:_)?transport\.(\w+)", source)) <= {"_recv", "_send", "role"}


@pytest.mark.parametrize(
    ("profile", "key_length", "salt_length"),
    [
        (aiortc_dtls.SRTP_AEAD_AES_128_GCM, 16, 12),
        (aiortc_dtls.SRTP_AEAD_AES_256_GCM, 32, 12),
        (aiortc_dtls.SRTP_AES128_CM_SHA1_80, 16, 14),
    ],
)
def test_profiles_cut_the_exported_material_by_rfc_5764(
    profile: aiortc_dtls.SRTPProtectionProfile, key_length: int, salt_length: int
) -> None:
    """Client key, server key, client salt, server salt (section 4.2); a server reads with the client's."""
    parts = [b"c" * key_length, b"s" * key_length, b"C" * salt_length, b"S" * salt_length]
    material = b"".join(parts)
    assert profile.get_key_and_salt(material, 0) == parts[0] + parts[2]
    assert profile.get_key_and_salt(material, 1) == parts[1] + parts[3]
    assert SrtpProfile(profile.openssl_profile.decode())
