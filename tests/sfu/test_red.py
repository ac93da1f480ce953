"""Payloads with redundancy are taken apart and put together as RFC 2198 says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.codecs.red import RedPayload, RedundantBlock, build, parse
from sfu.model import ParseError

BLOCKS = st.lists(
    st.builds(RedundantBlock, st.integers(0, 127), st.integers(0, 16_383), st.binary(max_size=1023)),
    max_size=4,
).map(tuple)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6f", RedPayload((), 111, b"")),
        ("6f aabb", RedPayload((), 111, b"\xaa\xbb")),
        ("ef 0f0002 6f 0102 030405", RedPayload((RedundantBlock(111, 960, b"\1\2"),), 111, b"\3\4\5")),
        (
            "ef 1e0001 ef 0f0002 6f 09 0102 03",
            RedPayload((RedundantBlock(111, 1920, b"\t"), RedundantBlock(111, 960, b"\1\2")), 111, b"\3"),
        ),
        ("ef fffc00 6f 07", RedPayload((RedundantBlock(111, 16_383, b""),), 111, b"\7")),
        ("ff 000400 00" + "00" * 256, RedPayload((RedundantBlock(127, 1, b""),), 0, bytes(256))),
        ("ef 0003ff 6f" + "ab" * 1023, RedPayload((RedundantBlock(111, 0, b"\xab" * 1023),), 111, b"")),
    ],
)
def test_payloads_are_read_and_written_alike(text: str, expected: RedPayload) -> None:
    assert parse(bytes.fromhex(text)) == expected
    assert build(*expected) == bytes.fromhex(text)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("", 0),
        ("ef", 1),
        ("ef 0f00", 3),
        ("ef 0f0001", 4),
        ("ef 0f0001 ef 0f", 6),
        ("ef 0f0001 6f", 5),
        ("ef 0f0002 6f 01", 5),
        ("ef 1e0001 ef 0f0002 6f 09 01", 10),
        ("ef 0003ff 6f" + "ab" * 1022, 5),
    ],
)
def test_payloads_cut_short_are_refused_with_the_place(text: str, offset: int) -> None:
    with pytest.raises(ParseError) as caught:
        parse(bytes.fromhex(text))
    assert caught.value.offset == offset


@pytest.mark.parametrize("block", [(111, 16_384, b"x"), (111, -1, b"x"), (111, 960, bytes(1024))])
def test_blocks_that_do_not_fit_their_header_are_not_written(block: tuple[int, int, bytes]) -> None:
    with pytest.raises(ValueError, match="can't be written"):
        build([RedundantBlock(*block)], 111, b"")


@given(BLOCKS, st.integers(0, 127), st.binary(max_size=200))
def test_what_was_built_is_read_again(
    blocks: tuple[RedundantBlock, ...], payload_type: int, payload: bytes
) -> None:
    assert parse(build(blocks, payload_type, payload)) == RedPayload(blocks, payload_type, payload)


@given(st.binary(max_size=60))
def test_whatever_is_read_is_written_the_same(data: bytes) -> None:
    try:
        payload = parse(data)
    except ParseError as error:
        assert 0 <= error.offset <= len(data)  # noqa: PT017
        return
    assert build(*payload) == data
