"""The native parsers beside Python's: whatever comes, both refuse it or both read the same of it.

What has no parser of its own to call (RTP headers and extensions, everything that is built) is compared by
what both cores do with it.
"""

from __future__ import annotations

import binascii
import hmac
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from random import Random
from struct import pack
from typing import Any, Final, TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfu import rtcp, stun
from sfu.codecs import vp8
from sfu.model import ParseError
from sfu.plane.api import Drop, Levels, RequestKeyframe, SetIngressEstimate, StreamBound
from tests.sfu.plane.cores import TWIN, native_module
from tests.sfu.plane.rig import IDS, OPUS_PT, PASSWORD, VP8_PT, VP8_RTX_PT, Encoder, Peer, Rig

T = TypeVar("T")

REFUSED: Final = "refused"
COOKIE: Final = b"\x21\x12\xa4\x42"
FINGERPRINT: Final = 0x8028
MESSAGE_INTEGRITY: Final = 0x0008
STUN_ATTRIBUTES: Final = (
    *(0x0001, 0x0003, 0x0004, 0x0005, 0x0006, 0x0009, 0x000C, 0x000D, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016),
    *(0x0019, 0x0020, 0x0024, 0x0025, 0x8022, 0x8029, 0x802A, 0x802B, 0x802C),
)
STUN_TYPES: Final = (0x0001, 0x0011, 0x0101, 0x0111)


def outcome(parse: Callable[[bytes], T], data: bytes) -> T | tuple[str, str, int]:
    """What was read, or that it was refused, why and where."""
    try:
        return parse(data)
    except ParseError as error:
        return REFUSED, error.reason, error.offset


def rtcp_outcome(parse: Callable[[bytes], list[rtcp.Packet]], data: bytes) -> Any:
    """Without the reason, which Python's libraries word."""
    found = outcome(parse, data)
    return (REFUSED, found[2]) if isinstance(found, tuple) else found


def stun_outcome(parse: Callable[[bytes], stun.Message], data: bytes) -> Any:
    """Without reason and offset: Python walks a message twice. Addresses are compared as addresses, since
    Pythons write IPv4-mapped ones differently."""
    found = outcome(parse, data)
    if isinstance(found, tuple):
        return REFUSED
    if isinstance(found, stun.BindingSuccess) and found.mapped_address is not None:
        host, port = found.mapped_address
        return replace(found, mapped_address=(str(int(ip_address(host))), port))
    return found


def same_rtcp(data: bytes) -> Any:
    expected = rtcp_outcome(rtcp.parse, data)
    assert rtcp_outcome(native_module().parse_rtcp, data) == expected, data.hex()
    return expected


def same_stun(data: bytes) -> Any:
    expected = stun_outcome(stun.parse, data)
    assert stun_outcome(native_module().parse_stun, data) == expected, data.hex()
    return expected


def same_vp8(payload: bytes) -> Any:
    expected = outcome(vp8.parse_descriptor, payload)
    assert outcome(native_module().parse_vp8, payload) == expected, payload.hex()
    return expected


def told(found: Any) -> str:
    """One word for an outcome, to count what a test has seen."""
    refused = found == REFUSED or (type(found) is tuple and found[0] == REFUSED)
    return REFUSED if refused else type(found).__name__


def mutations(valid: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Changed in up to three places: bytes set, cut out, put in, doubled; or cut short."""
    random = Random(seed)
    for _ in range(count):
        data = bytearray(random.choice(valid))
        for _ in range(random.randrange(1, 4)):
            at = random.randrange(len(data) + 1)
            match random.randrange(6):
                case 0 if at < len(data):
                    data[at] ^= 1 << random.randrange(8)
                case 1 if at < len(data):
                    data[at] = random.choice((0, 1, 4, 0x7F, 0x80, 0xFF))
                case 2:
                    del data[at : at + random.choice((1, 4, 8))]
                case 3:
                    data[at:at] = random.randbytes(random.choice((1, 4)))
                case 4:
                    data[at:at] = data[at : at + 4]
                case _:
                    del data[at:]
        yield bytes(data)


# RTCP

_BLOCK = rtcp.ReportBlock(7, 200, -5, 0xFFFFFFFF, 1, 2, 3)
_WORDS = b"\x00\x00\x00\x01\x00\x00\x00\x02"
VALID_RTCP: Final = (
    rtcp.build_sender_report(
        1, ntp=2**63 + 5, rtp_timestamp=3, packet_count=4, octet_count=5, reports=[_BLOCK, _BLOCK]
    )
    + rtcp.build_sdes(1, "zvonok"),
    rtcp.build_receiver_report(1, [_BLOCK]) + rtcp.build_remb(1, 2_000_000, [7, 8]),
    rtcp.build_receiver_report(1) + rtcp.build_nack(1, 2, [65_530, 65_531, 65_540, 70_000]),
    rtcp.build_pli(1, 2) + rtcp.build_fir(1, [(2, 3), (4, 5)]),
    rtcp.build_sdes(1, "имя") + rtcp.build_bye([1, 2, 3]),
    b"\xa1\xce\x00\x03" + _WORDS + b"\x00\x00\x00\x04",
    b"\x8f\xcd\x00\x03" + _WORDS + b"abcd",
    b"\x8f\xce\x00\x03" + _WORDS + b"ABCD",
    b"\x80\xcc\x00\x02" + _WORDS,
    b"\x80\xcf\x00\x04" + _WORDS[:4] + b"\x04\x00\x00\x02" + _WORDS,
)


def rtcp_packet(kind: int, count: int, body: bytes, padding: int | None, words: int) -> bytes:
    """Framed by hand; ``words`` is by how much the length field is wrong."""
    if padding is not None and body:
        body = body[:-1] + bytes((padding,))
    length = max(0, len(body) // 4 + words)
    return pack("!BBH", 0x80 | (0x20 if padding is not None else 0) | count, kind, length) + body


def _of_words(body: bytes) -> bytes:
    return body[: len(body) // 4 * 4]


_SDES_ITEM = st.builds(
    lambda kind, value, wrong: bytes((kind, max(0, len(value) + wrong))) + value,
    st.sampled_from([0, 1, 1, 1, 2, 8]),
    st.text(max_size=6).map(str.encode) | st.binary(max_size=6),
    st.sampled_from([0, 0, 0, 0, 0, -1, 1]),
)
_BODY = st.one_of(
    st.binary(max_size=80),
    st.builds(
        lambda ssrc, items: ssrc + b"".join(items), st.just(_WORDS[:4]), st.lists(_SDES_ITEM, max_size=4)
    ).map(lambda chunk: chunk + bytes(4 - len(chunk) % 4)),
    st.builds(
        lambda count, rest: _WORDS + b"REMB" + bytes((count,)) + rest,
        st.integers(0, 3),
        st.binary(max_size=16),
    ),
    st.integers(0, 3).map(lambda count: _WORDS + 3 * count * _WORDS),
).map(_of_words)
_RTCP_PACKET = st.builds(
    rtcp_packet,
    st.sampled_from([192, 200, 201, 202, 202, 203, 204, 205, 206, 206, 207, 223]),
    st.sampled_from([0, 1, 1, 2, 3, 4, 15, 31]),
    _BODY,
    st.none() | st.none() | st.integers(0, 9),
    st.sampled_from([0, 0, 0, 0, 0, 0, -1, 1]),
)


@settings(max_examples=1_000)
@given(st.lists(_RTCP_PACKET, min_size=1, max_size=3).map(b"".join) | st.binary(max_size=64))
@example(b"")
def test_rtcp_of_any_shape(data: bytes) -> None:
    same_rtcp(data)


def test_mutated_rtcp() -> None:
    seen: Counter[str] = Counter()
    for data in (*VALID_RTCP, *mutations(VALID_RTCP, 20_000, seed=1)):
        found = same_rtcp(data)
        seen.update([REFUSED] if told(found) == REFUSED else map(told, found))
    kinds = {kind.__name__ for kind in rtcp.Packet.__args__}
    assert {*kinds, REFUSED} == set(seen)
    assert min(seen.values()) > 200, seen


@given(
    st.lists(
        st.sampled_from([b"a", b"\x80", b"\xbf", b"\xc3", b"\xe1\x80", b"\xed\xa0", b"\xf0\x9f\x94", b"\xff"])
    )
)
def test_cname_that_is_no_text(parts: list[bytes]) -> None:
    """Both put as many replacement characters."""
    name = b"".join(parts)
    body = _WORDS[:4] + bytes((1, len(name))) + name
    body += bytes(4 - len(body) % 4)
    found = same_rtcp(rtcp_packet(rtcp.SDES, 1, body, None, 0))
    assert isinstance(found[0], rtcp.Sdes)


# STUN


def attribute(kind: int, value: bytes) -> bytes:
    return pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def stun_message(kind: int, attributes: Sequence[tuple[int, bytes | None]], *, wrong: int = 0) -> bytes:
    """A message framed by hand. A FINGERPRINT or MESSAGE-INTEGRITY of None is the right one."""
    transaction_id = bytes(range(12))
    body = b""
    for number, value in attributes:
        before = (
            pack("!HH", kind, len(body) + (8 if number == FINGERPRINT else 24))
            + COOKIE
            + transaction_id
            + body
        )
        if number == FINGERPRINT and value is None:
            value = pack("!I", binascii.crc32(before) ^ 0x5354554E)
        elif value is None:
            value = hmac.new(PASSWORD.encode(), before, "sha1").digest()
        body += attribute(number, value)
    return pack("!HH", kind, max(0, len(body) + wrong)) + COOKIE + transaction_id + body


_VALUE = st.one_of(
    st.binary(max_size=24),
    st.sampled_from([4, 8]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
    st.text(max_size=8).map(str.encode),
    st.sampled_from([(1, 6), (2, 18), (1, 18), (2, 6), (3, 6)]).flatmap(
        lambda form: st.binary(min_size=form[1], max_size=form[1]).map(
            lambda rest: bytes((0, form[0])) + rest
        )
    ),
)
_ATTRIBUTE = st.one_of(
    st.tuples(st.sampled_from(STUN_ATTRIBUTES), _VALUE),
    st.tuples(st.just(0x0006), st.sampled_from(["a:b", "a:b:c", ":b", "a:", "ab", "ё:" * 3]).map(str.encode)),
    st.tuples(st.integers(0, 0xFFFF) | st.sampled_from([0x7FFF, 0x8000]), _VALUE),
    st.tuples(st.sampled_from([MESSAGE_INTEGRITY, FINGERPRINT]), st.none()),
    st.tuples(st.just(MESSAGE_INTEGRITY), st.binary(min_size=19, max_size=21)),
    st.tuples(st.just(FINGERPRINT), st.binary(min_size=4, max_size=4)),
)


@settings(max_examples=1_000)
@given(
    st.sampled_from([0x0001, *STUN_TYPES]) | st.integers(0, 0x3FF),
    st.lists(_ATTRIBUTE, max_size=5),
    st.sampled_from([0, 0, 0, 0, 0, 0, -1, 1, 4]),
    st.booleans(),
)
def test_stun_of_any_shape(
    kind: int, attributes: list[tuple[int, bytes | None]], wrong: int, named: bool
) -> None:
    if named:
        attributes = [(0x0006, b"ours:theirs"), *attributes]
    same_stun(stun_message(kind, attributes, wrong=wrong))


@pytest.mark.parametrize("kind", STUN_ATTRIBUTES, ids="{:#06x}".format)
def test_stun_attributes_of_every_length(kind: int) -> None:
    for length in range(26):
        for value in (bytes(length), b"\x00\x01" + b"x" * length, b"\x00\x02" + b"\xff" * length):
            for message in STUN_TYPES:
                same_stun(stun_message(message, [(0x0006, b"ours:theirs"), (kind, value)]))


@pytest.mark.parametrize("characters", [1, 254, 255, 256, 508, 509])
@pytest.mark.parametrize("character", ["a", "ё", "𝄞"])
def test_stun_usernames_are_measured_in_characters(character: str, characters: int) -> None:
    found = same_stun(stun_message(1, [(0x0006, f"our:{character * characters}".encode())]))
    assert (told(found) == REFUSED) == (characters + 4 > 513)


def _checks() -> tuple[bytes, ...]:
    transaction_id = bytes(range(12))
    ends: dict[str, Any] = {"local_ufrag": "theirs", "remote_ufrag": "ours", "remote_password": PASSWORD}
    return (
        stun.build_binding_request(
            transaction_id, **ends, priority=5, use_candidate=True, controlling=2**64 - 1
        ),
        stun.build_binding_request(transaction_id, **ends, priority=2**32 - 1, controlled=1),
        stun.build_binding_success(transaction_id, ("192.0.2.1", 5), PASSWORD),
        stun.build_binding_success(transaction_id, ("2001:db8::1", 65_535), PASSWORD),
        stun.build_binding_success(transaction_id, ("::ffff:192.0.2.1", 1), PASSWORD),
        stun.build_error(transaction_id, 487, "Role Conflict", PASSWORD),
        stun.build_error(transaction_id, 400, "ё"),
        stun_message(0x0011, []),
        stun_message(0x0001, [(0x0006, b"ours:theirs"), (0x7FFF, b"x"), (0x0024, bytes(4))]),
        stun_message(0x0001, [(0x0006, b"ours:theirs"), (MESSAGE_INTEGRITY, None), (0x0024, b"x")]),
    )


def test_mutated_stun() -> None:
    seen: Counter[str] = Counter()
    valid = _checks()
    for data in valid:
        assert told(same_stun(data)) != REFUSED
    for data in mutations(valid, 10_000, seed=2):
        seen[told(same_stun(data))] += 1
        # The same with a length that fits, so that what is inside gets read.
        if len(data) >= 20:
            seen[told(same_stun(data[:2] + pack("!H", len(data) - 20) + data[4:]))] += 1
    kinds = {kind.__name__ for kind in stun.Message.__args__}
    assert {*kinds, REFUSED} == set(seen)
    assert min(seen.values()) > 100, seen


# VP8


def test_vp8_descriptors_of_every_kind() -> None:
    """Every first two bytes, with any tail."""
    random = Random(3)
    seen: Counter[str] = Counter()
    for start in range(1 << 16):
        seen[told(same_vp8(pack("!H", start) + random.randbytes(random.randrange(14))))] += 1
    assert seen.keys() == {REFUSED, "Vp8Descriptor"}
    assert min(seen.values()) > 5_000, seen


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("present", range(0, 256, 16))
def test_vp8_keyframes_and_their_cuts(present: int, wide: bool, extended: bool) -> None:
    fields = bytes((0x90, present)) if extended else b"\x10"
    if extended and present & 0x80:
        fields += b"\x92\x34" if wide else b"\x12"
    if extended and present & 0x40:
        fields += b"\x56"
    if extended and present & 0x30:
        fields += b"\xab"
    payload = fields + bytes.fromhex("5000009d012affffe081")
    found = same_vp8(payload)
    assert (found.keyframe_width, found.keyframe_height) == (0x3FFF, 0x01E0)
    for end in range(len(payload)):
        assert told(same_vp8(payload[:end])) == REFUSED
    for at in range(len(payload)):
        for bit in range(8):
            same_vp8(payload[:at] + bytes((payload[at] ^ 1 << bit,)) + payload[at + 1 :])


# RTP, through the cores

_RIDS = (b"q", b"h", b"f", b"x", b"\xff")
_PAYLOADS = (
    (OPUS_PT, b"opus"),
    (VP8_PT, b"\x10\x01\x02\x03"),
    (VP8_PT, b"\x90\x80\x05\x01\x02"),
    (VP8_PT, b"\x80"),
    (VP8_RTX_PT, b"\x00\x01\x10\x01\x02"),
    (5, b"other"),
    (OPUS_PT, b""),
)


def _element(random: Random) -> tuple[int, bytes] | None:
    """(id, value), or a byte of padding."""
    match random.randrange(5):
        case 0:
            return IDS.mid, random.choice((b"0", b"1", b"2", b"", b"11"))
        case 1:
            return random.choice((IDS.rid, IDS.repaired_rid)), random.choice(_RIDS)
        case 2:
            return IDS.audio_level, random.choice((b"\x8a", b"\x8a\x01", b""))
        case 3:
            return random.choice((0, 7, 15, 200)), random.randbytes(random.randrange(18))
        case _:
            return None


def _block(profile: int, elements: Sequence[tuple[int, bytes] | None]) -> bytes:
    """The elements in the form of ``profile``, also where they don't fit it."""
    body = b""
    for element in elements:
        if element is None:
            body += b"\x00"
        elif profile == 0xBEDE:
            body += bytes(((element[0] & 0x0F) << 4 | max(0, len(element[1]) - 1) & 0x0F,)) + element[1]
        else:
            body += bytes((element[0], len(element[1]))) + element[1]
    return body + bytes(-len(body) % 4)


def _rtp(random: Random) -> bytes:
    """A packet of one of a few SSRCs, every other one with mistakes."""
    right = random.randrange(2) == 0
    csrcs = random.choice((0, 0, 1, 15))
    first = (0x80 if right else random.choice((0x80, 0x80, 0x80, 0x40, 0xC0))) | csrcs
    payload_type, payload = random.choice(_PAYLOADS)
    elements = [_element(random) for _ in range(random.randrange(4))]
    if right and payload_type == OPUS_PT:
        elements[:0] = [(IDS.mid, b"0")]
    elif right:
        rid = IDS.repaired_rid if payload_type == VP8_RTX_PT else IDS.rid
        elements[:0] = [(IDS.mid, b"1"), (rid, random.choice(_RIDS))]
    block = b""
    if random.randrange(8):
        first |= 0x10
        profile = random.choice((0xBEDE, 0xBEDE, 0x1000, 0x100F, 0xABCD))
        body = _block(profile, elements)
        wrong = 0 if right else random.choice((0, 0, -1, 1))
        block = pack("!HH", profile, max(0, len(body) // 4 + wrong)) + body
    padding = random.choice((None, None, None, 1, 4) if right else (None, 0, 5, 255))
    if padding is not None:
        first |= 0x20
        payload += bytes((0, 0, 0, padding))
    header = pack("!BBHII", first, payload_type, random.randrange(100), 0, random.randrange(40))
    packet = header + bytes(4 * csrcs) + block + payload
    return packet if right else packet[: random.choice((len(packet), len(packet), 12, 13, 14, 16, 20))]


def _classroom() -> tuple[Rig, Peer, Peer]:
    """Both cores with a microphone, a camera with one encoding (mid 0, 1) and who gets both."""
    rig = Rig(TWIN)
    teacher, student = rig.add_peer(), rig.add_peer()
    rig.show(rig.add_slot(student, video=False), rig.add_microphone(teacher))
    rig.show(rig.add_slot(student), rig.add_camera(teacher))
    return rig, teacher, student


def test_rtp_of_any_shape() -> None:
    random = Random(4)
    dropped: Counter[Drop] = Counter()
    seen: Counter[str] = Counter()
    for _ in range(200):
        rig, teacher, _student = _classroom()
        for _ in range(40):
            rig.receive(_rtp(random), teacher.address)
        rig.pass_us(200_000, step_us=100_000)
        counters = rig.core.counters()
        dropped.update(counters.dropped)
        seen["forwarded"] += counters.packets_forwarded
        seen["levels"] += len(rig.of(Levels))
        seen.update(f"layer {event.layer} rtx {event.rtx}" for event in rig.of(StreamBound))
    for reason in (Drop.RTP_MALFORMED, Drop.UNBOUND_SSRC, Drop.PAYLOAD_TYPE, Drop.PAYLOAD_MALFORMED):
        assert dropped[reason] > 100, dropped
    assert len(seen) == 8, seen
    assert min(seen.values()) > 20, seen


# What is built, through the cores


@settings(max_examples=200)
@given(
    st.one_of(
        st.ip_addresses(v=4).map(str),
        st.ip_addresses(network="2001:db8::/32").map(str),
        st.ip_addresses(v=4).map("::ffff:{}".format),
    ),
    st.integers(1, 65_535),
    st.binary(min_size=12, max_size=12),
    st.sampled_from(["controlling", "controlled"]),
    st.booleans(),
)
def test_answers_to_checks(host: str, port: int, transaction_id: bytes, role: str, unknown: bool) -> None:
    rig, _, student = _classroom()
    role_type = 0x802A if role == "controlling" else 0x8029
    attributes: list[tuple[int, bytes | None]] = [
        (0x0006, f"{student.ufrag}:{student.remote_ufrag}".encode()),
        (0x0024, b"\x01\x02\x03\x04"),
        (role_type, bytes(8)),
        *([(0x7777, b"?")] if unknown else []),
        (MESSAGE_INTEGRITY, None),
        (FINGERPRINT, None),
    ]
    check = stun_message(1, attributes)
    covered = check[:8] + transaction_id + check[20:-32]
    integrity = hmac.new(
        PASSWORD.encode(), covered[:2] + pack("!H", len(covered) + 4) + covered[4:], "sha1"
    ).digest()
    signed = covered + attribute(MESSAGE_INTEGRITY, integrity)
    signed = signed[:2] + pack("!H", len(signed) - 12) + signed[4:]
    rig.out.clear()
    rig.receive(
        signed + attribute(FINGERPRINT, pack("!I", binascii.crc32(signed) ^ 0x5354554E)), (host, port)
    )
    ((answer, _address),) = rig.out
    found = stun.parse(answer)
    if unknown or role == "controlled":
        assert isinstance(found, stun.BindingError)
        assert found.code == (420 if unknown else 487)
    else:
        assert isinstance(found, stun.BindingSuccess)
    assert found.transaction_id == transaction_id
    assert stun.check_integrity(found, PASSWORD)


@settings(max_examples=100)
@given(st.integers(0, 2**40), st.integers(0, 65_535), st.sets(st.integers(1, 28), min_size=1, max_size=20))
def test_what_publishers_are_told(bps: int, sequence: int, lost: set[int]) -> None:
    """REMB, NACK, PLI and receiver reports."""
    rig = Rig(TWIN)
    teacher, student = rig.add_peer(), rig.add_peer()
    source = rig.add_camera(teacher)
    rig.show(rig.add_slot(student), source)
    camera = Encoder(77, mid="1", rid="f", sequence=sequence)
    rig.apply(SetIngressEstimate(teacher.handle, bps))
    for index in range(30):
        (packet,) = camera.frame(keyframe=index == 0)
        if index not in lost:
            rig.receive(packet, teacher.address)
        rig.pass_us(20_000, step_us=20_000)
    rig.apply(RequestKeyframe(source))
    rig.pass_us(1_000_000, step_us=50_000)
    told_kinds = {type(packet) for packet in rig.feedback(teacher)}
    assert {rtcp.Nack, rtcp.Remb, rtcp.ReceiverReport, rtcp.Pli} <= told_kinds
