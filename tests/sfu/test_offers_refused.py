"""Offers that can't be answered, by what is wrong with them; and what comes compressed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu import answer
from sfu.answer import OfferPlan
from sfu.model import Refused
from tests.sfu.offers import MID, RID, SEND, STUDENT, TEACHER, plan_camera, small_offer

CHANGES: list[tuple[str, str, Callable[[], OfferPlan]]] = [
    ("not SDP", "offer_malformed", lambda: answer.plan("hello", SEND, ())),
    ("too long", "offer_too_big", lambda: answer.plan("v=0\r\n" + "x" * 200_000, SEND, ())),
    ("no ICE credentials", "offer_malformed", lambda: plan_camera("a=ice-ufrag:peer", "a=ice-pwd:short")),
    ("passive", "offer_malformed", lambda: plan_camera("a=setup:passive")),
    ("no fingerprint", "offer_malformed", lambda: plan_camera("a=fingerprint:sha-1 AB:CD")),
    ("short fingerprint", "offer_malformed", lambda: plan_camera("a=fingerprint:sha-256 AB:CD")),
    (
        "no rtcp-mux",
        "offer_malformed",
        lambda: answer.plan(small_offer().replace("a=rtcp-mux\r\n", ""), ("", "0"), ()),
    ),
    (
        "no BUNDLE",
        "offer_malformed",
        lambda: answer.plan(small_offer(session="a=group:LS 0"), ("", "0"), ()),
    ),
    (
        "BUNDLE of another mid",
        "offer_malformed",
        lambda: answer.plan(small_offer(session="a=group:BUNDLE 7"), ("", "0"), ()),
    ),
    (
        "BUNDLE starts with a missing mid",
        "offer_malformed",
        lambda: answer.plan(small_offer(session="a=group:BUNDLE 7 0"), ("", "0"), ()),
    ),
    (
        "one mid twice in the offer",
        "offer_malformed",
        lambda: answer.plan(small_offer() + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n", ("", "0"), ()),
    ),
    ("one mid twice in the lists", "offer_sections", lambda: answer.plan(STUDENT, ("0",), ("0",))),
    ("no mid at all", "offer_sections", lambda: answer.plan(STUDENT, ("", ""), ("",))),
    ("unknown mid", "offer_sections", lambda: answer.plan(STUDENT, ("99",), ())),
    (
        "rejected section",
        "offer_sections",
        lambda: answer.plan(small_offer().replace(" 9 ", " 0 "), ("", "0"), ()),
    ),
    ("five sources", "offer_sections", lambda: answer.plan(STUDENT, (*SEND, "4"), ())),
    ("33 slots", "offer_sections", lambda: answer.plan(TEACHER, (), ("",) * 32 + ("4",))),
    ("camera in an audio section", "offer_sections", lambda: answer.plan(STUDENT, ("", "0"), ())),
    ("video slot in an audio section", "offer_sections", lambda: answer.plan(STUDENT, (), ("5",))),
    ("source that only receives", "offer_sections", lambda: answer.plan(STUDENT, ("", "4"), ())),
    ("slot that only sends", "offer_sections", lambda: answer.plan(STUDENT, (), ("1",))),
    (
        "no VP8",
        "offer_no_codec",
        lambda: answer.plan(small_offer().replace("VP8/", "VP9/"), ("", "0"), ()),
    ),
    (
        "mono opus only",
        "offer_no_codec",
        lambda: answer.plan(small_offer(kind="audio").replace("48000/2", "48000"), ("0",), ()),
    ),
    (
        "one payload type for two codecs",
        "offer_malformed",
        lambda: answer.plan(
            small_offer(session="a=group:BUNDLE 0 1")
            + "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\na=rtpmap:96 opus/48000/2\r\n",
            ("1", "0"),
            (),
        ),
    ),
    (
        "one payload type for two kinds of redundancy",
        "offer_malformed",
        lambda: answer.plan(
            small_offer(
                "a=rtpmap:97 red/48000/2",
                "a=fmtp:97 96/96",
                kind="audio",
                session="a=group:BUNDLE 0 1",
            )
            + "m=audio 9 UDP/TLS/RTP/SAVPF 98 97\r\na=mid:1\r\na=recvonly\r\na=rtpmap:98 opus/48000/2\r\n"
            "a=rtpmap:97 red/48000/2\r\na=fmtp:97 98/98\r\n",
            ("0",),
            ("", "1"),
        ),
    ),
    (
        "one extension id for two extensions",
        "offer_malformed",
        lambda: plan_camera(f"a=extmap:4 {MID}", f"a=extmap:4 {RID}"),
    ),
    (
        "repair SSRCs only",
        "offer_malformed",
        lambda: plan_camera("a=ssrc-group:FID 7 8", "a=ssrc:8 cname:x"),
    ),
    (
        "one SSRC in two sections",
        "offer_malformed",
        lambda: answer.plan(
            small_offer("a=ssrc:7 cname:x", session="a=group:BUNDLE 0 1")
            + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\na=rtpmap:96 VP8/90000\r\n"
            "a=ssrc:7 cname:y\r\n",
            ("", "0", "1"),
            (),
        ),
    ),
]


@pytest.mark.parametrize(("name", "code", "attempt"), CHANGES, ids=[name for name, _, _ in CHANGES])
def test_offers_that_are_refused(name: str, code: str, attempt: Callable[[], OfferPlan]) -> None:
    with pytest.raises(Refused) as caught:
        attempt()
    assert caught.value.code == code


def test_the_small_offer_itself_is_fine() -> None:
    """What the refusals above change one line of."""
    plan = plan_camera()
    assert plan.send[1] is not None
    assert plan.ufrag == "peer"


def test_gzip_round_trip() -> None:
    assert answer.inflate_offer(gzip.compress(STUDENT.encode())) == STUDENT
    assert gzip.decompress(answer.deflate_answer(STUDENT)).decode() == STUDENT


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("bomb of 8 MiB", gzip.compress(bytes(8 << 20), mtime=0), "offer_too_big"),
        ("one byte too many", gzip.compress(b"x" * (answer.MAX_OFFER_BYTES + 1), mtime=0), "offer_too_big"),
        ("17 KiB compressed", bytes(17 << 10), "offer_too_big"),
        ("empty", b"", "offer_malformed"),
        ("not gzip", b"hello", "offer_malformed"),
        ("zlib, not gzip", zlib.compress(b"v=0"), "offer_malformed"),
        ("cut short", gzip.compress(STUDENT.encode(), mtime=0)[:-9], "offer_malformed"),
        ("something after it", gzip.compress(b"v=0", mtime=0) + b"x", "offer_malformed"),
        ("wrong checksum", gzip.compress(b"v=0", mtime=0)[:-8] + bytes(8), "offer_malformed"),
        ("not UTF-8", gzip.compress(b"\xff", mtime=0), "offer_malformed"),
    ],
)
def test_compressed_offers_that_are_refused(name: str, data: bytes, code: str) -> None:
    with pytest.raises(Refused) as caught:
        answer.inflate_offer(data)
    assert caught.value.code == code


def test_largest_offer_is_inflated() -> None:
    assert len(answer.inflate_offer(gzip.compress(b"x" * answer.MAX_OFFER_BYTES))) == answer.MAX_OFFER_BYTES


@given(st.binary(max_size=200))
def test_garbage_in_gzip_is_refused(data: bytes) -> None:
    for candidate in (data, gzip.compress(b"v=0\r\n")[:10] + data):
        try:
            answer.inflate_offer(candidate)
        except Refused as refused:
            assert refused.code in ("offer_malformed", "offer_too_big")  # noqa: PT017
