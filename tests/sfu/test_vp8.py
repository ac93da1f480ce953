"""VP8 payload descriptors by RFC 7741 section 4.2, and what is rewritten in them."""

from __future__ import annotations

from itertools import product

import pytest
from aiortc.codecs.vpx import VpxPayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from sfu.codecs.vp8 import Vp8Descriptor, parse_descriptor, rewrite
from sfu.model import ParseError

INTER = bytes.fromhex("b1040000")
"""Start of an inter frame: P set."""
KEY = bytes.fromhex("300400 9d012a 8002 6801 00")
"""Start of a 640x360 keyframe: tag, start code, sizes."""


def describe(
    *,
    start: bool = True,
    partition: int = 0,
    non_reference: bool = False,
    picture_id: int | None = None,
    wide: bool = True,
    tl0picidx: int | None = None,
    tid: int | None = None,
    sync: bool = False,
    keyidx: int | None = None,
) -> bytes:
    """A descriptor written independently of the module under test, by the RFC's figure."""
    present = (
        (0x80 if picture_id is not None else 0)
        | (0x40 if tl0picidx is not None else 0)
        | (0x20 if tid is not None else 0)
        | (0x10 if keyidx is not None else 0)
    )
    out = bytearray(
        [(0x80 if present else 0) | (0x20 if non_reference else 0) | (0x10 if start else 0) | partition]
    )
    if present:
        out.append(present)
    if picture_id is not None:
        out += (0x8000 | picture_id).to_bytes(2, "big") if wide else bytes([picture_id])
    if tl0picidx is not None:
        out.append(tl0picidx)
    if present & 0x30:
        out.append(((tid or 0) << 6) | (0x20 if sync else 0) | (keyidx or 0))
    return bytes(out)


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        ("one byte, start", "10" + INTER.hex(), Vp8Descriptor(start=True, keyframe=False, size=1)),
        ("one byte, going on", "00" + INTER.hex(), Vp8Descriptor(start=False, keyframe=False, size=1)),
        ("second partition starts", "11" + INTER.hex(), Vp8Descriptor(start=False, keyframe=False, size=1)),
        (
            "non-reference",
            "30" + INTER.hex(),
            Vp8Descriptor(start=True, keyframe=False, size=1, non_reference=True),
        ),
        (
            "X without fields",
            "9000" + INTER.hex(),
            Vp8Descriptor(start=True, keyframe=False, size=2),
        ),
        (
            "7-bit picture id",
            "90807f" + INTER.hex(),
            Vp8Descriptor(
                start=True, keyframe=False, size=3, picture_id=127, picture_id_bits=7, picture_id_offset=2
            ),
        ),
        (
            "15-bit picture id",
            "9080ffff" + INTER.hex(),
            Vp8Descriptor(
                start=True, keyframe=False, size=4, picture_id=32767, picture_id_bits=15, picture_id_offset=2
            ),
        ),
        (
            "TL0PICIDX alone",
            "9040ff" + INTER.hex(),
            Vp8Descriptor(start=True, keyframe=False, size=3, tl0picidx=255, tl0picidx_offset=2),
        ),
        (
            "TID with sync",
            "9020a0" + INTER.hex(),
            Vp8Descriptor(start=True, keyframe=False, size=3, tid=2, layer_sync=True),
        ),
        (
            "KEYIDX alone",
            "90101f" + INTER.hex(),
            Vp8Descriptor(start=True, keyframe=False, size=3, keyidx=31),
        ),
        (
            "all, keyframe",
            "90f08123074e" + KEY.hex(),
            Vp8Descriptor(
                start=True,
                keyframe=True,
                size=6,
                picture_id=0x123,
                picture_id_bits=15,
                picture_id_offset=2,
                tl0picidx=7,
                tl0picidx_offset=4,
                tid=1,
                keyidx=14,
                keyframe_width=640,
                keyframe_height=360,
            ),
        ),
        (
            "scaled keyframe: scale bits are not size",
            "10300400" + "9d012a" + "80c2" + "6841",
            Vp8Descriptor(start=True, keyframe=True, size=1, keyframe_width=640, keyframe_height=360),
        ),
        (
            "P bit of a later packet means nothing",
            "00" + KEY.hex(),
            Vp8Descriptor(start=False, keyframe=False, size=1),
        ),
    ],
)
def test_descriptor_table(name: str, payload: str, expected: Vp8Descriptor) -> None:
    assert parse_descriptor(bytes.fromhex(payload)) == expected


@pytest.mark.parametrize(
    ("payload", "offset"),
    [
        ("", 0),
        ("90", 1),
        ("9080", 2),
        ("908080", 3),
        ("9040", 2),
        ("9020", 2),
        ("9010", 2),
        ("90f0ffff01", 5),
        ("10", 1),
        ("9000", 2),
        ("90f0ffff0120", 6),
        ("10300400", 4),
        ("10300400" + "9d012b" + "80026801", 4),
    ],
)
def test_cut_short_descriptors_say_where(payload: str, offset: int) -> None:
    with pytest.raises(ParseError) as caught:
        parse_descriptor(bytes.fromhex(payload))
    assert caught.value.offset == offset


@pytest.mark.parametrize(
    ("wide", "has_id", "has_tl0", "has_tid", "has_keyidx"), list(product((False, True), repeat=5))
)
def test_every_combination_of_fields_is_read_and_rewritten(
    wide: bool, has_id: bool, has_tl0: bool, has_tid: bool, has_keyidx: bool
) -> None:
    before = describe(
        picture_id=100 if has_id else None,
        wide=wide,
        tl0picidx=9 if has_tl0 else None,
        tid=1 if has_tid else None,
        sync=has_tid,
        keyidx=3 if has_keyidx else None,
    )
    parsed = parse_descriptor(before + INTER)
    assert parsed.picture_id == (100 if has_id else None)
    assert parsed.picture_id_bits == ((15 if wide else 7) if has_id else 0)
    assert parsed.tl0picidx == (9 if has_tl0 else None)
    assert parsed.tid == (1 if has_tid else None)
    assert parsed.keyidx == (3 if has_keyidx else None)
    assert parsed.size == len(before)

    packet = bytearray(b"header" + before + INTER)
    rewrite(packet, 6, 0x1234567, 0x1FF)
    after = describe(
        picture_id=(0x4567 if wide else 0x67) if has_id else None,
        wide=wide,
        tl0picidx=0xFF if has_tl0 else None,
        tid=1 if has_tid else None,
        sync=has_tid,
        keyidx=3 if has_keyidx else None,
    )
    assert bytes(packet) == b"header" + after + INTER


def test_none_leaves_a_field_alone() -> None:
    before = describe(picture_id=5, tl0picidx=6, tid=0) + INTER
    for picture_id, tl0picidx in ((None, None), (7, None), (None, 8)):
        packet = bytearray(before)
        rewrite(packet, 0, picture_id, tl0picidx)
        parsed = parse_descriptor(packet)
        assert parsed.picture_id == (5 if picture_id is None else picture_id)
        assert parsed.tl0picidx == (6 if tl0picidx is None else tl0picidx)


@given(st.binary(max_size=24))
def test_garbage_raises_nothing_but_parse_error(payload: bytes) -> None:
    try:
        parsed = parse_descriptor(payload)
    except ParseError:
        return
    reference, rest = VpxPayloadDescriptor.parse(payload)
    assert reference.picture_id == parsed.picture_id
    assert reference.tl0picidx == parsed.tl0picidx
    assert len(payload) - len(rest) == parsed.size
    packet = bytearray(payload)
    rewrite(packet, 0, parsed.picture_id, parsed.tl0picidx)
    assert bytes(packet) == payload
