"""RTP headers: fixed fields, CSRCs, extension forms, padding, extended counters."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from sfu import rtp
from sfu.model import ParseError

FIXED = bytes.fromhex("80e01234 00bc614e deadbeef")

packets = st.fixed_dictionaries(
    {
        "payload_type": st.integers(0, 127),
        "sequence_number": st.integers(0, 0xFFFF),
        "timestamp": st.integers(0, 0xFFFFFFFF),
        "ssrc": st.integers(0, 0xFFFFFFFF),
        "payload": st.binary(max_size=64),
        "marker": st.booleans(),
        "extensions": st.dictionaries(st.integers(1, 255), st.binary(max_size=20), max_size=5),
        "csrcs": st.lists(st.integers(0, 0xFFFFFFFF), max_size=15),
        "padding_length": st.integers(0, 255),
    }
)


def test_fields_are_read_at_their_places() -> None:
    data = FIXED + b"payload"
    assert rtp.payload_offset(data) == 12
    assert rtp.marker(data)
    assert rtp.payload_type(data) == 96
    assert rtp.sequence_number(data) == 0x1234
    assert rtp.timestamp(data) == 12345678
    assert rtp.ssrc(data) == 0xDEADBEEF
    assert rtp.extensions(data) == {}
    assert rtp.extension(data, 1) is None
    assert rtp.padding_length(data) == 0


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_read(kind: type) -> None:
    data = kind(rtp.build(payload_type=1, sequence_number=2, timestamp=3, ssrc=4, extensions={5: b"ab"}))
    header = rtp.parse_header(data)
    assert (header.payload_type, header.ssrc, header.extensions) == (1, 4, {5: b"ab"})
    assert rtp.extension(data, 5) == b"ab"


@pytest.mark.parametrize(
    ("name", "block", "found"),
    [
        ("one byte", "bede0001 10aa0000", {1: b"\xaa"}),
        ("one byte, two elements", "bede0002 10aa21bb cc000000", {1: b"\xaa", 2: b"\xbb\xcc"}),
        ("one byte, padding between", "bede0002 10aa0000 21bbcc00", {1: b"\xaa", 2: b"\xbb\xcc"}),
        ("one byte, 16 bytes long", "bede0005 3f" + "77" * 16 + "000000", {3: b"\x77" * 16}),
        ("one byte, id 15 ends the reading", "bede0002 10aaf000 20bb0000", {1: b"\xaa"}),
        ("one byte, id 0 with a length ends the reading", "bede0002 10aa0100 20bb0000", {1: b"\xaa"}),
        ("one byte, first of two counts", "bede0001 10aa10bb", {1: b"\xaa"}),
        ("two byte", "10000001 0101aa00", {1: b"\xaa"}),
        ("two byte, empty value", "10000001 01000000", {1: b""}),
        ("two byte, id 15 and 255", "10000002 0f01aaff 02bbcc00", {15: b"\xaa", 255: b"\xbb\xcc"}),
        ("two byte, application bits", "10070001 0101aa00", {1: b"\xaa"}),
        ("empty block", "bede0000", {}),
        ("another profile", "12340001 10aa0000", {}),
    ],
)
def test_extension_forms(name: str, block: str, found: dict[int, bytes]) -> None:
    data = bytes([FIXED[0] | 0x10]) + FIXED[1:] + bytes.fromhex(block) + b"payload"
    assert rtp.extensions(data) == found
    assert data[rtp.payload_offset(data) :] == b"payload"
    for identity, value in found.items():
        assert rtp.extension(data, identity) == value
        place = rtp.extension_offset(data, identity)
        assert place is not None
        assert data[place[0] : sum(place)] == value


@pytest.mark.parametrize(
    ("name", "data", "offset"),
    [
        ("empty", b"", 0),
        ("11 bytes", FIXED[:11], 11),
        ("version 1", b"\x40" + FIXED[1:], 0),
        ("CSRCs cut short", b"\x83" + FIXED[1:] + bytes(8), 20),
        ("no extension head", b"\x90" + FIXED[1:] + b"\xbe\xde", 12),
        ("extension runs past the end", b"\x90" + FIXED[1:] + b"\xbe\xde\x00\x02" + bytes(4), 20),
        ("element cut short", b"\x90" + FIXED[1:] + b"\xbe\xde\x00\x01\x1f\x00\x00\x00", 17),
        ("two-byte element without length", b"\x90" + FIXED[1:] + b"\x10\x00\x00\x01\x00\x00\x00\x05", 20),
        ("two-byte element cut short", b"\x90" + FIXED[1:] + b"\x10\x00\x00\x01\x05\x03\x00\x00", 18),
        ("padding of 0", b"\xa0" + FIXED[1:] + b"\x00", 12),
        ("padding larger than the payload", b"\xa0" + FIXED[1:] + b"\x00\x03", 13),
        ("padding without payload", b"\xa0" + FIXED[1:], 11),
    ],
)
def test_malformed_headers_say_where(name: str, data: bytes, offset: int) -> None:
    with pytest.raises(ParseError) as caught:
        rtp.parse_header(data)
    assert caught.value.offset == offset


@given(packets)
def test_what_is_built_is_read_again(fields: dict[str, object]) -> None:
    data = rtp.build(**fields)  # type: ignore[arg-type]
    header = rtp.parse_header(data)
    for name in (
        "payload_type",
        "sequence_number",
        "timestamp",
        "ssrc",
        "marker",
        "extensions",
        "padding_length",
    ):
        assert getattr(header, name) == fields[name]
    assert list(header.csrcs) == fields["csrcs"]
    assert data[header.payload_offset : len(data) - header.padding_length] == fields["payload"]


@given(packets)
def test_aiortc_reads_the_same(fields: dict[str, object]) -> None:
    if fields["padding_length"] and not fields["payload"]:
        fields["payload"] = b"x"  # aiortc refuses packets of padding alone
    data = rtp.build(**fields)  # type: ignore[arg-type]
    packet = RtpPacket.parse(data)
    assert packet.sequence_number == rtp.sequence_number(data) == fields["sequence_number"]
    assert packet.timestamp == rtp.timestamp(data) == fields["timestamp"]
    assert packet.ssrc == rtp.ssrc(data) == fields["ssrc"]
    assert packet.payload == fields["payload"]
    assert packet.padding_size == fields["padding_length"]


@given(st.binary(max_size=80))
def test_garbage_raises_nothing_but_parse_error(data: bytes) -> None:
    for candidate in (data, bytes([0x80 | (data[0] & 0x3F)]) + data[1:] if data else data):
        try:
            rtp.parse_header(candidate)
        except ParseError:
            continue
        assert rtp.payload_offset(candidate) + rtp.padding_length(candidate) <= len(candidate)
        rtp.extensions(candidate)


def test_extensions_that_cannot_be_written_are_refused() -> None:
    for elements in ({0: b"a"}, {256: b"a"}, {1: bytes(256)}):
        with pytest.raises(ValueError, match="can't be written"):
            rtp.pack_extensions(elements)


@pytest.mark.parametrize(
    ("second", "expected"),
    [(0x60, False), (0xE0, False), (191, False), (192, True), (200, True), (223, True)],
)
def test_rtcp_is_told_by_its_packet_type(second: int, expected: bool) -> None:
    assert rtp.is_rtcp(bytes([0x80, second])) is expected
    assert not rtp.is_rtcp(b"\x80")


def test_abs_send_time_is_6_18_seconds() -> None:
    assert rtp.abs_send_time(0) == 0
    assert rtp.abs_send_time(1_000_000) == 1 << 18
    assert rtp.abs_send_time(64_500_000) == 1 << 17
    assert rtp.abs_send_time(63_999_999) == (1 << 24) - 1


@pytest.mark.parametrize(
    ("bits", "values", "expected"),
    [
        (16, [65534, 65535, 0, 1], [65534, 65535, 65536, 65537]),
        (16, [0, 65535, 1], [0, -1, 1]),
        (16, [10, 32777, 10], [10, 32777, 10]),
        (16, [10, 32778], [10, -32758]),
        (32, [0xFFFFFF00, 0x100], [0xFFFFFF00, 0x100000100]),
        (15, [32767, 0], [32767, 32768]),
        (8, [250, 3, 251], [250, 259, 251]),
    ],
)
def test_extender_counts_on_over_the_edge(bits: int, values: list[int], expected: list[int]) -> None:
    extender = rtp.Extender(bits)
    assert [extender.extend(value) for value in values] == expected
    assert extender.highest == max(expected)


@given(st.integers(0, 1 << 40), st.lists(st.integers(-30000, 30000), max_size=60))
def test_extender_follows_any_walk_of_less_than_half_a_turn(start: int, steps: list[int]) -> None:
    extender = rtp.Extender(16)
    extender.extend(start & 0xFFFF)
    offset = start - (start & 0xFFFF)
    highest = start
    for step in steps:
        value = highest + step
        assert extender.nearest(value & 0xFFFF) + offset == value
        assert extender.extend(value & 0xFFFF) + offset == value
        highest = max(highest, value)
