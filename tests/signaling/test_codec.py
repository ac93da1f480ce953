"""The WebSocket codec: what is refused before objects are built, and what closes a client."""

from __future__ import annotations

import random
import time

import hypothesis.strategies as st
import msgpack
import pytest
from hypothesis import example, given, settings

from sfu.model import ProtocolError
from signaling import wire
from signaling.codec import BadRequest, builtins, decode, encode, pack, unpack


def frame(**values: object) -> bytes:
    return bytes(msgpack.packb(values))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (frame(t="hello", ticket="x"), wire.Hello("x")),
        (frame(t="publish", id=1, source="camera", on=True), wire.Publish(1, "camera", on=True)),
        (frame(t="draw", heights=[360, 0]), wire.Draw((360, 0))),
        (frame(t="leave"), wire.Leave()),
        (frame(t="leave", unknown=1), wire.Leave()),
        (
            frame(t="offer", id=1, connection=1, sdp=b"z", send=["0"], slots=[]),
            wire.Offer(1, 1, b"z", ("0",), ()),
        ),
    ],
)
def test_well_formed_messages_become_structs(message: bytes, expected: object) -> None:
    assert decode(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        frame(t="leave") + b"\x00",
        frame(t="leave")[:-1],
        msgpack.packb([1, 2]),
        msgpack.packb("leave"),
        frame(t="nonsense"),
        frame(no="tag"),
        msgpack.packb({1: 2}),
        msgpack.packb({"t": msgpack.ExtType(5, b"x")}),
        msgpack.packb({"t": msgpack.Timestamp(0)}),
        b"\x81\xa1t\xa2\xff\xfe",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\x7f\xff\xff\xff",
        b"\x91" * 40 + b"\xc0",
        msgpack.packb([0] * 1001),
        frame(t="draw", heights=[0] * 41),
        frame(t="hello", ticket="x" * 5000),
    ],
)
def test_malformed_frames_close_the_client(message: bytes) -> None:
    with pytest.raises(ProtocolError) as error:
        decode(message)
    assert error.value.code == "message_malformed"


def test_frame_above_the_limit_is_too_big() -> None:
    with pytest.raises(ProtocolError) as error:
        decode(bytes(64 * 1024 + 1))
    assert error.value.code == "message_too_big"


@pytest.mark.parametrize(
    "values",
    [
        {"t": "chat", "id": 7, "text": "x" * 1001},
        {"t": "chat", "id": 7},
        {"t": "publish", "id": 7, "source": "soul", "on": True},
        {"t": "remove", "id": 7, "participant": "../x"},
        {"t": "hand", "id": 7, "up": 1},
        {"t": "who", "id": 7},
    ],
)
def test_a_request_that_does_not_fit_can_be_answered(values: dict[str, object]) -> None:
    with pytest.raises(BadRequest) as error:
        decode(frame(**values))
    assert error.value.number == 7


@pytest.mark.parametrize("number", [0, -1, 2**40, "7", True, None, 1.5])
def test_a_request_number_that_is_none_is_not_answered(number: object) -> None:
    with pytest.raises(ProtocolError):
        decode(frame(t="chat", id=number, text="hi"))


@given(st.binary(max_size=300))
@example(b"\x81\xa1t\xa5hello")
@settings(max_examples=400)
def test_any_bytes_give_a_struct_or_one_of_two_refusals(data: bytes) -> None:
    try:
        message = decode(data)
    except (ProtocolError, BadRequest):
        return
    assert isinstance(message, wire.ClientMessage)


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["t", "id", "source", "on", "text", "may", "up", "heights"]), _values))
def test_any_map_gives_a_struct_or_one_of_two_refusals(value: dict[str, object]) -> None:
    try:
        decode(pack(value))
    except (ProtocolError, BadRequest):
        pass


@pytest.mark.parametrize(
    "hostile",
    [
        b"\xdc\xff\xff" + b"\xc0" * 65000,
        b"\x91" * 65000,
        b"\x81\xa1a" * 20000,
        b"\xdf\x00\x00\x7f\xff" + b"\xa0\xc0" * 32000,
        b"\xc6\x00\x00\xff\x00" + bytes(65280),
    ],
)
def test_hostile_frames_cost_little(hostile: bytes) -> None:
    started = time.process_time()
    with pytest.raises(ProtocolError):
        decode(hostile)
    assert time.process_time() - started < 0.05


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_million_malformed_frames_are_all_refused() -> None:
    chance = random.Random(11)
    good = frame(t="chat", id=1, text="hello")
    accepted = 0
    for _ in range(1_000_000):
        damaged = bytearray(good)
        for _ in range(chance.randrange(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            decode(bytes(damaged))
            accepted += 1
        except (ProtocolError, BadRequest):
            pass
    assert accepted < 500_000


def test_server_messages_carry_their_tag_and_bytes() -> None:
    assert unpack(encode(wire.Answer(1, 2, 3, b"\x1f"))) == {
        "t": "answer", "id": 1, "connection": 2, "lease": 3, "sdp": b"\x1f",
    }  # fmt: skip


def test_packing_what_was_unpacked_gives_the_same_bytes() -> None:
    value = builtins(wire.PersonField("Маша", "student", here=True, order=3, may=("camera",)))
    assert pack(unpack(pack(value))) == pack(value)
