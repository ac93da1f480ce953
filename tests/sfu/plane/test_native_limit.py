"""The limit that the plane's bench compares with: real sockets, libsrtp at both ends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import pytest

from sfu import rtp, stun
from sfu.plane.api import SrtpProfile
from sfu.plane.srtp import LibsrtpCrypto
from tests.sfu.plane.cores import native_module

BURST: Final = 3
RECEIVERS: Final = 40
"""More than one batch holds of a burst's bytes."""
PATIENCE_S: Final = 5.0
KEY_BYTES: Final = 28


def key(number: int) -> bytes:
    return bytes((number,)) * KEY_BYTES


@pytest.fixture
def limit() -> Iterator[Any]:
    with closing(native_module().Limit("::", 0, BURST)) as made:
        yield made


@pytest.fixture
def peers() -> Iterator[list[socket.socket]]:
    """The publisher and its receivers."""
    made = []
    for _ in range(1 + RECEIVERS):
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.settimeout(PATIENCE_S)
        peer.bind(("127.0.0.1", 0))
        made.append(peer)
    yield made
    for peer in made:
        peer.close()


def lesson(peers: list[socket.socket]) -> tuple[int, bytes, list[tuple[int, bytes, int]]]:
    """Keys by the place among the peers, SSRCs beyond 1000."""
    ports = [peer.getsockname()[1] for peer in peers]
    receivers = [(port, key(place), 1000 + place) for place, port in enumerate(ports) if place > 0]
    return ports[0], key(0), receivers


def packet(number: int) -> bytes:
    payload = f"payload {number:04}".encode() + bytes(1000)
    return rtp.build(
        payload_type=96,
        sequence_number=number,
        timestamp=number // BURST,
        ssrc=7,
        payload=payload,
        marker=number % BURST == BURST - 1,
        extensions={3: b"abc"},
    )


def answer_to_a_check(limit: Any, peer: socket.socket) -> stun.Message:
    """What was sent before it has been handled when this returns."""
    check = stun.build_binding_request(
        bytes(12),
        local_ufrag="a",
        remote_ufrag="b",
        remote_password="c",
        priority=1,
        use_candidate=True,
        controlling=1,
    )
    peer.sendto(check, ("127.0.0.1", limit.port))
    return stun.parse(peer.recv(2048))


def test_every_receiver_gets_bursts_under_its_own_key_and_numbers(
    limit: Any, peers: list[socket.socket]
) -> None:
    limit.start([lesson(peers)])
    publisher, *receivers = peers
    crypto = LibsrtpCrypto()
    send = crypto.session(SrtpProfile.AEAD_AES_128_GCM, key(0), key(0))
    sessions = [
        crypto.session(SrtpProfile.AEAD_AES_128_GCM, key(place), key(place))
        for place in range(1, 1 + RECEIVERS)
    ]
    # The numbers that come in mean nothing: these jump.
    for first in (500, 9_000):
        for number in range(first, first + BURST):
            publisher.sendto(send.protect(packet(number)), ("127.0.0.1", limit.port))
        for place, (receiver, session) in enumerate(zip(receivers, sessions, strict=True), 1):
            for number in range(first, first + BURST):
                came = session.unprotect(receiver.recv(2048))
                expected_number = number - first + (0 if first == 500 else BURST)
                assert rtp.ssrc(came) == 1000 + place
                assert rtp.sequence_number(came) == expected_number
                wanted = packet(number)
                assert came[:2] + came[4:8] + came[12:] == wanted[:2] + wanted[4:8] + wanted[12:]
    answer_to_a_check(limit, publisher)
    assert limit.forwarded() == 2 * BURST * RECEIVERS


def test_checks_are_answered_and_strangers_are_not_forwarded(limit: Any, peers: list[socket.socket]) -> None:
    limit.start([lesson(peers)])
    publisher, stranger = peers[:2]
    send = LibsrtpCrypto().session(SrtpProfile.AEAD_AES_128_GCM, key(1), key(1))
    for number in range(BURST):
        stranger.sendto(send.protect(packet(number)), ("127.0.0.1", limit.port))
        publisher.sendto(send.protect(packet(number)), ("127.0.0.1", limit.port))
    assert isinstance(answer_to_a_check(limit, publisher), stun.BindingSuccess)
    assert limit.forwarded() == 0


def test_it_starts_once_and_closes_twice(limit: Any, peers: list[socket.socket]) -> None:
    limit.start([lesson(peers)])
    with pytest.raises(RuntimeError):
        limit.start([lesson(peers)])
    limit.close()
    limit.close()
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as again:
        again.bind(("::", limit.port))


def test_it_refuses_keys_and_bursts_that_can_not_be(limit: Any, peers: list[socket.socket]) -> None:
    port, _, receivers = lesson(peers)
    with pytest.raises(ValueError, match="28 bytes"):
        limit.start([(port, b"short", receivers)])
    with pytest.raises(ValueError, match="burst"):
        native_module().Limit("::", 0, 0)
    limit.start([lesson(peers)])
