"""STUN: the short-term vectors of RFC 5769, ICE attributes, refusals, garbage."""

from __future__ import annotations

import binascii
import hmac
from struct import pack

import pytest
from aioice import stun as aioice_stun
from hypothesis import given
from hypothesis import strategies as st

from sfu import stun
from sfu.model import ParseError

PASSWORD = "VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")

# RFC 5769 section 2.1
SAMPLE_REQUEST = bytes.fromhex(
    "00010058 2112a442 b7e7a701 bc34d686 fa87dfae"
    "80220010 5354554e 20746573 7420636c 69656e74"
    "00240004 6e0001ff"
    "80290008 932ff9b1 51263b36"
    "00060009 6576746a 3a683676 59202020"
    "00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2"
    "80280004 e57a3bcf"
)
# RFC 5769 section 2.2
SAMPLE_IPV4_RESPONSE = bytes.fromhex(
    "0101003c 2112a442 b7e7a701 bc34d686 fa87dfae"
    "8022000b 74657374 20766563 746f7220"
    "00200008 0001a147 e112a643"
    "00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7"
    "80280004 c07d4c96"
)
# RFC 5769 section 2.3
SAMPLE_IPV6_RESPONSE = bytes.fromhex(
    "01010048 2112a442 b7e7a701 bc34d686 fa87dfae"
    "8022000b 74657374 20766563 746f7220"
    "00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9"
    "00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41"
    "80280004 c8fb0b4c"
)


def raw(kind: int, *attributes: tuple[int, bytes], cookie: bytes = b"\x21\x12\xa4\x42") -> bytes:
    """A message written independently of the module under test."""
    body = b"".join(pack("!HH", t, len(v)) + v + bytes(-len(v) % 4) for t, v in attributes)
    return pack("!HH", kind, len(body)) + cookie + TRANSACTION + body


def signed(kind: int, *attributes: tuple[int, bytes], after: bytes = b"") -> bytes:
    """The same with MESSAGE-INTEGRITY, then ``after``, then FINGERPRINT."""
    body = raw(kind, *attributes)
    covered = body[:2] + pack("!H", len(body) - 20 + 24) + body[4:]
    body = covered + pack("!HH", 8, 20) + hmac.new(PASSWORD.encode(), covered, "sha1").digest() + after
    body = body[:2] + pack("!H", len(body) - 20 + 8) + body[4:]
    return body + pack("!HHI", 0x8028, 4, binascii.crc32(body) ^ 0x5354554E)


USERNAME = (0x0006, b"evtj:h6vY")


def test_rfc_5769_sample_request() -> None:
    request = stun.parse(SAMPLE_REQUEST)
    assert isinstance(request, stun.BindingRequest)
    assert request.transaction_id == TRANSACTION
    assert (request.local_ufrag, request.remote_ufrag) == ("evtj", "h6vY")
    assert request.priority == 0x6E0001FF
    assert request.controlled == 0x932FF9B151263B36
    assert request.controlling is None
    assert not request.use_candidate
    assert request.unknown_attributes == ()
    assert stun.check_integrity(request, PASSWORD)
    assert not stun.check_integrity(request, PASSWORD + "x")


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (SAMPLE_IPV4_RESPONSE, ("192.0.2.1", 32853)),
        (SAMPLE_IPV6_RESPONSE, ("2001:db8:1234:5678:11:2233:4455:6677", 32853)),
    ],
)
def test_rfc_5769_sample_responses(data: bytes, address: tuple[str, int]) -> None:
    response = stun.parse(data)
    assert isinstance(response, stun.BindingSuccess)
    assert response.mapped_address == address
    assert stun.check_integrity(response, PASSWORD)
    assert not stun.check_integrity(response, "")


@pytest.mark.parametrize("vector", [SAMPLE_REQUEST, SAMPLE_IPV4_RESPONSE, SAMPLE_IPV6_RESPONSE], ids=len)
def test_a_flipped_bit_is_seen(vector: bytes) -> None:
    """Framing or fingerprint fails; where the bit hides FINGERPRINT itself, nothing signed has changed."""
    intact = stun.parse(vector)
    for position in range(len(vector) * 8):
        data = bytearray(vector)
        data[position // 8] ^= 1 << (position % 8)
        try:
            message = stun.parse(bytes(data))
        except ParseError:
            continue
        assert position // 8 in (len(vector) - 8, len(vector) - 7)
        assert message == intact


def test_request_round_trip_with_all_ice_attributes() -> None:
    data = stun.build_binding_request(
        TRANSACTION,
        local_ufrag="mine",
        remote_ufrag="your",
        remote_password=PASSWORD,
        priority=1,
        use_candidate=True,
        controlling=2**64 - 1,
    )
    request = stun.parse(data)
    assert isinstance(request, stun.BindingRequest)
    assert (request.local_ufrag, request.remote_ufrag) == ("your", "mine")
    assert request.use_candidate
    assert request.controlling == 2**64 - 1
    assert request.controlled is None
    assert stun.check_integrity(request, PASSWORD)


@pytest.mark.parametrize("address", [("192.0.2.7", 1), ("2001:db8::7", 65535), ("127.0.0.1", 40000)])
def test_success_is_what_aioice_accepts(address: tuple[str, int]) -> None:
    data = stun.build_binding_success(TRANSACTION, address, PASSWORD)
    message = aioice_stun.parse_message(data)
    assert message.message_class == aioice_stun.Class.RESPONSE
    assert message.attributes["XOR-MAPPED-ADDRESS"] == address
    assert "FINGERPRINT" in message.attributes
    assert message.check_message_integrity(PASSWORD.encode())


@pytest.mark.parametrize(
    ("code", "password"), [(stun.ERROR_ROLE_CONFLICT, PASSWORD), (stun.ERROR_UNAUTHENTICATED, None)]
)
def test_errors_carry_code_and_integrity_only_with_a_password(code: int, password: str | None) -> None:
    error = stun.parse(stun.build_error(TRANSACTION, code, "why", password))
    assert isinstance(error, stun.BindingError)
    assert (error.code, error.reason) == (code, "why")
    assert stun.check_integrity(error, PASSWORD) is (password is not None)


def test_unknown_attributes_that_must_be_understood_are_told() -> None:
    request = stun.parse(
        signed(0x0001, USERNAME, (0x7FFF, b"abc"), (0x8FFF, b"optional"), (0xC057, b"\0\0\0\1"))
    )
    assert isinstance(request, stun.BindingRequest)
    assert request.unknown_attributes == (0x7FFF,)
    assert stun.check_integrity(request, PASSWORD)


def test_attributes_after_integrity_are_not_believed() -> None:
    after = pack("!HH", 0x0025, 0)
    request = stun.parse(signed(0x0001, USERNAME, after=after))
    assert isinstance(request, stun.BindingRequest)
    assert stun.check_integrity(request, PASSWORD)
    assert not request.use_candidate


def test_request_without_integrity_is_read_but_never_authentic() -> None:
    request = stun.parse(raw(0x0001, USERNAME))
    assert isinstance(request, stun.BindingRequest)
    assert not stun.check_integrity(request, PASSWORD)


def test_indication_needs_no_username() -> None:
    assert stun.parse(raw(0x0011)) == stun.BindingIndication(TRANSACTION)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty", b""),
        ("19 bytes", SAMPLE_REQUEST[:19]),
        ("RTP", b"\x80" + SAMPLE_REQUEST[1:]),
        ("no cookie", raw(0x0001, USERNAME, cookie=b"\x21\x12\xa4\x43")),
        ("length too small", SAMPLE_REQUEST + b"\0\0\0\0"),
        ("length too large", SAMPLE_REQUEST[:-4]),
        ("attribute cut short", raw(0x0001)[:2] + b"\0\4" + raw(0x0001)[4:] + b"\0\6\0\5"),
        ("half an attribute head", raw(0x0001)[:2] + b"\0\2" + raw(0x0001)[4:] + b"\0\6"),
        ("no username", raw(0x0001)),
        ("username without colon", raw(0x0001, (6, b"evtj"))),
        ("username with an empty half", raw(0x0001, (6, b"evtj:"))),
        ("username too long", raw(0x0001, (6, b"a" * 300 + b":" + b"b" * 300))),
        ("username not UTF-8", raw(0x0001, (6, b"\xff:\xfe"))),
        ("short priority", raw(0x0001, USERNAME, (0x24, b"\0\0"))),
        ("short tie-breaker", raw(0x0001, USERNAME, (0x802A, b"\0\0"))),
        ("integrity of 19 bytes", raw(0x0001, USERNAME, (8, bytes(19)))),
        ("wrong fingerprint", raw(0x0001, USERNAME, (0x8028, bytes(4)))),
        ("Allocate", raw(0x0003, USERNAME)),
        ("unknown method", raw(0x0FEF, USERNAME)),
        ("address of an unknown family", raw(0x0101, (0x20, b"\0\3\0\0\0\0\0\0"))),
        ("IPv4 address cut short", raw(0x0101, (0x20, b"\0\1\0\0\0\0"))),
        ("error code cut short", raw(0x0111, (9, b"\0\0"))),
    ],
)
def test_malformed_messages_are_refused(name: str, data: bytes) -> None:
    with pytest.raises(ParseError):
        stun.parse(data)


@given(st.binary(max_size=120))
def test_garbage_raises_nothing_but_parse_error(data: bytes) -> None:
    framed = b"\0\1" + pack("!H", len(data)) + b"\x21\x12\xa4\x42" + TRANSACTION + data
    for candidate in (data, framed):
        try:
            stun.parse(candidate)
        except ParseError:
            continue
        assert stun.is_stun(candidate)


@given(st.integers(0, len(SAMPLE_REQUEST) - 1), st.binary(min_size=1, max_size=8))
def test_damaged_vectors_raise_nothing_but_parse_error(position: int, damage: bytes) -> None:
    data = SAMPLE_REQUEST[:position] + damage + SAMPLE_REQUEST[position + len(damage) :]
    try:
        message = stun.parse(data)
    except ParseError:
        return
    assert isinstance(message, stun.BindingRequest)


@pytest.mark.parametrize(
    "name", ["parse_message", "message_integrity", "Message", "Method", "Class", "ATTRIBUTES_BY_TYPE"]
)
def test_aioice_still_has_what_is_used_of_it(name: str) -> None:
    assert hasattr(aioice_stun, name)
