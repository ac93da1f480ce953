"""The native plane's SRTP against libsrtp: each reads what the other protects, and refuses the same."""

from __future__ import annotations

from random import Random
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu import rtcp, rtp
from sfu.plane.api import SrtpProfile
from sfu.plane.core.crypto import Session
from sfu.plane.srtp import LibsrtpCrypto
from tests.sfu.plane.cores import native_module

KEY_BYTES: Final = {
    SrtpProfile.AEAD_AES_128_GCM: 28,
    SrtpProfile.AEAD_AES_256_GCM: 44,
    SrtpProfile.AES128_CM_SHA1_80: 30,
}
OVERHEAD_BYTES: Final = {
    SrtpProfile.AEAD_AES_128_GCM: 16,
    SrtpProfile.AEAD_AES_256_GCM: 16,
    SrtpProfile.AES128_CM_SHA1_80: 10,
}
SSRC: Final = 0xDEADBEEF
WINDOW: Final = 1024
CYCLE: Final = 1 << 16

CRYPTO: Final = LibsrtpCrypto()

every_profile = pytest.mark.parametrize("profile", list(KEY_BYTES), ids=lambda profile: profile.name)


def keys(profile: SrtpProfile) -> tuple[bytes, bytes]:
    """What the native end receives with, what it sends with."""
    random = Random(profile.name)
    return random.randbytes(KEY_BYTES[profile]), random.randbytes(KEY_BYTES[profile])


def ends(profile: SrtpProfile) -> tuple[Any, Session]:
    """The native end of a connection and libsrtp's."""
    receive, send = keys(profile)
    return native_module().Srtp(profile, receive, send), CRYPTO.session(profile, send, receive)


def packet(sequence: int, *, ssrc: int = SSRC, payload: bytes = b"frame") -> bytes:
    return rtp.build(
        payload_type=96, sequence_number=sequence & 0xFFFF, timestamp=sequence, ssrc=ssrc, payload=payload
    )


def shapes() -> dict[str, bytes]:
    """Everything that may stand around a payload (RFC 3550 section 5)."""
    fixed = bytes.fromhex("60000a00000001deadbeef")
    csrcs = b"".join(number.to_bytes(4, "big") for number in range(1, 16))
    block = bytes.fromhex("bede0002") + bytes.fromhex("10aa2233445500ff")
    return {
        "bare": b"\x80" + fixed,
        "payload": b"\x80" + fixed + b"p",
        "one CSRC": b"\x81" + fixed + csrcs[:4] + b"payload",
        "15 CSRCs": b"\x8f" + fixed + csrcs + b"payload",
        "extensions": b"\x90" + fixed + block + b"payload",
        "empty extensions": b"\x90" + fixed + b"\xbe\xde\0\0" + b"payload",
        "padding": b"\xa0" + fixed + b"payload" + b"\0\0\0\x04",
        "only padding": b"\xa0" + fixed + b"\0\0\x03",
        "all": b"\xbf" + fixed + csrcs + block + b"payload" + b"\0\x02",
        "large": b"\x80" + fixed + bytes(1200),
    }


@every_profile
@pytest.mark.parametrize("shape", shapes())
def test_each_end_reads_what_the_other_protects(profile: SrtpProfile, shape: str) -> None:
    native, libsrtp = ends(profile)
    plain = shapes()[shape]
    there = native.protect(plain)
    assert len(there) == len(plain) + OVERHEAD_BYTES[profile]
    assert libsrtp.unprotect(there) == plain
    assert native.unprotect(libsrtp.protect(plain)) == plain


@every_profile
def test_both_protect_alike(profile: SrtpProfile) -> None:
    native, libsrtp = native_module().Srtp(profile, *keys(profile)), CRYPTO.session(profile, *keys(profile))
    for sequence in range(65_000, 200_000, 77):
        plain = packet(sequence)
        assert native.protect(plain, sequence // CYCLE) == libsrtp.protect(plain)


@every_profile
def test_rtcp_is_read_both_ways(profile: SrtpProfile) -> None:
    native, libsrtp = ends(profile)
    for number in range(300):
        plain = rtcp.build_sdes(SSRC + number % 3, f"number {number}") + rtcp.build_pli(SSRC, number)
        assert libsrtp.unprotect_rtcp(native.protect_rtcp(plain)) == plain
        plain = rtcp.build_nack(number % 5, SSRC, [number])
        assert native.unprotect_rtcp(libsrtp.protect_rtcp(plain)) == plain


@every_profile
@pytest.mark.parametrize("start", [0, 1, 32_767, 32_768, 40_000, 65_535])
def test_numbers_wrap_around_with_loss(profile: SrtpProfile, start: int) -> None:
    native, libsrtp = ends(profile)
    random = Random(start)
    for sequence in range(start, start + 3 * CYCLE):
        # The first one comes: where it is lost before a wrap, nobody can tell that there was one.
        if sequence > start and random.random() < 0.97:
            continue
        plain = packet(sequence)
        assert native.unprotect(libsrtp.protect(plain)) == plain
        plain = packet(sequence, ssrc=7)
        assert libsrtp.unprotect(native.protect(plain, sequence // CYCLE)) == plain


@st.composite
def arrivals(draw: st.DrawFn) -> list[int]:
    """Extended numbers in the order in which packets of them come: lost, late, repeated, around wraps."""
    head = draw(st.integers(0, 2 * CYCLE))
    found: list[int] = []
    close, far = st.integers(-WINDOW - 3, WINDOW + 3), st.integers(-40_000, 40_000)
    steps = st.one_of(st.integers(-5, 5), close, far, st.just(-WINDOW))
    for step in draw(st.lists(steps, min_size=1, max_size=60)):
        number = max(0, head + step)
        found.append(number)
        head = max(head, number)
    return found


@every_profile
@given(numbers=arrivals())
def test_both_receivers_take_and_refuse_the_same(profile: SrtpProfile, numbers: list[int]) -> None:
    receive, send = keys(profile)
    sender = native_module().Srtp(profile, send, receive)
    native = native_module().Srtp(profile, receive, send)
    libsrtp = CRYPTO.session(profile, receive, send)
    for number in numbers:
        plain = packet(number)
        secret = sender.protect(plain, number // CYCLE)
        assert taken(native.unprotect, secret) == taken(libsrtp.unprotect, secret), number


@every_profile
def test_a_replay_is_refused(profile: SrtpProfile) -> None:
    native, libsrtp = ends(profile)
    secrets = [libsrtp.protect(packet(sequence)) for sequence in range(1, 50)]
    reports = [libsrtp.protect_rtcp(rtcp.build_pli(1, number)) for number in range(50)]
    for secret in secrets:
        native.unprotect(secret)
    for report in reports:
        native.unprotect_rtcp(report)
    for secret in secrets:
        with pytest.raises(ValueError, match="replayed"):
            native.unprotect(secret)
    for report in reports:
        with pytest.raises(ValueError, match="replayed"):
            native.unprotect_rtcp(report)


@every_profile
def test_a_packet_that_was_changed_anywhere_is_refused(profile: SrtpProfile) -> None:
    native, libsrtp = ends(profile)
    for plain in shapes().values():
        if len(plain) > 200:
            continue
        secret = libsrtp.protect(plain)
        for place in range(len(secret)):
            for bit in (0x01, 0x10, 0x80):
                with pytest.raises(ValueError, match=r"authentication|malformed"):
                    native.unprotect(changed(secret, place, bit))
        for length in range(len(secret)):
            with pytest.raises(ValueError, match=r"authentication|malformed"):
                native.unprotect(secret[:length])
        # None of it counted as the packet's coming.
        assert native.unprotect(secret) == plain
        native, libsrtp = ends(profile)


@every_profile
def test_rtcp_that_was_changed_anywhere_is_refused(profile: SrtpProfile) -> None:
    native, libsrtp = ends(profile)
    plain = rtcp.build_pli(1, 2)
    secret = libsrtp.protect_rtcp(plain)
    for place in range(len(secret)):
        for bit in (0x01, 0x10, 0x80):
            with pytest.raises(ValueError, match=r"authentication|malformed"):
                native.unprotect_rtcp(changed(secret, place, bit))
    for length in range(len(secret)):
        with pytest.raises(ValueError, match=r"authentication|malformed"):
            native.unprotect_rtcp(secret[:length])
    assert native.unprotect_rtcp(secret) == plain


@every_profile
def test_media_is_no_rtcp_and_rtcp_no_media(profile: SrtpProfile) -> None:
    native, libsrtp = ends(profile)
    with pytest.raises(ValueError, match=r"authentication|malformed"):
        native.unprotect(libsrtp.protect_rtcp(rtcp.build_pli(1, 2)))
    with pytest.raises(ValueError, match=r"authentication|malformed"):
        native.unprotect_rtcp(libsrtp.protect(packet(1)))


@every_profile
def test_keys_of_a_wrong_length_are_refused(profile: SrtpProfile) -> None:
    receive, send = keys(profile)
    for wrong in (b"", send[:-1], send + b"x"):
        with pytest.raises(ValueError, match="bytes together"):
            native_module().Srtp(profile, receive, wrong)
        with pytest.raises(ValueError, match="bytes together"):
            native_module().Srtp(profile, wrong, send)


def changed(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes((data[place] ^ bit,)) + data[place + 1 :]


def taken(unprotect: Any, secret: bytes) -> bytes | None:
    """The plain packet, None when it is refused."""
    try:
        plain: bytes = unprotect(secret)
    except CRYPTO.errors:
        return None
    return plain
