"""Offers in, one answer out: what is negotiated, mirrored, refused, and how fast."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
from hypothesis import given
from hypothesis import strategies as st

from sfu import answer, sdp
from sfu.answer import LocalParameters, OfferPlan, SlotParameters
from sfu.model import SEND_SECTIONS, Refused, SlotIndex, Source, slot_kind, slot_msid
from sfu.plane.api import Codec, ExtensionIds
from sfu.sdp import Direction

VECTORS = Path(__file__).parent.parent / "vectors"
OFFERS = {path.stem: path.read_bytes().decode() for path in sorted(VECTORS.glob("*.sdp"))}
STUDENT, TEACHER = OFFERS["chromium_student"], OFFERS["chromium_teacher"]
SEND = tuple(str(number) for number in range(4))
FINGERPRINT = ":".join(["AB"] * 32)
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"


def slots_of(count: int) -> tuple[str, ...]:
    return tuple(str(4 + index) for index in range(count))


def local(count: int, **changes: object) -> LocalParameters:
    values: dict[str, object] = {
        "ufrag": "serv",
        "pwd": "s" * 24,
        "fingerprint": FINGERPRINT,
        "candidates": [("192.0.2.1", 40000), ("2001:db8::1", 40000)],
        "slots": [
            SlotParameters(1000 + 2 * index, 1001 + 2 * index, slot_msid(index), slot_msid(index))
            for index in range(count)
        ],
    }
    return LocalParameters(**{**values, **changes})  # type: ignore[arg-type]


def section(text: str, mid: str) -> list[str]:
    """Lines of the answer's section with this mid."""
    (found,) = [part.split("\r\n") for part in text.split("m=")[1:] if f"\r\na=mid:{mid}\r\n" in part]
    return found


def small_offer(*extra: str, kind: str = "video", direction: str = "sendonly", session: str = "") -> str:
    """One bundled section with what every offer needs; ``extra`` replaces lines that start alike."""
    lines = [
        f"m={kind} 9 UDP/TLS/RTP/SAVPF 96 97",
        "a=mid:0",
        "a=ice-ufrag:peer",
        "a=ice-pwd:" + "p" * 24,
        f"a=fingerprint:sha-256 {FINGERPRINT}",
        "a=setup:actpass",
        f"a={direction}",
        "a=rtcp-mux",
        "a=rtpmap:96 VP8/90000" if kind == "video" else "a=rtpmap:96 opus/48000/2",
    ]
    for line in extra:
        name = line.split(":")[0]
        if name in (
            "a=ice-ufrag",
            "a=ice-pwd",
            "a=fingerprint",
            "a=setup",
            "a=rtcp-mux",
            "a=mid",
            "m=video 9",
        ):
            lines = [old for old in lines if old.split(":")[0] != name]
        lines.append(line)
    return "\r\n".join(("v=0", session or "a=group:BUNDLE 0", *lines)) + "\r\n"


def plan_camera(*extra: str) -> OfferPlan:
    return answer.plan(small_offer(*extra), ("", "0"), ())


def test_chromium_offer_is_planned() -> None:
    plan = answer.plan(STUDENT, SEND, slots_of(17))
    assert [section and section.source for section in plan.send] == list(SEND_SECTIONS)
    microphone, camera, screen, _ = plan.send
    assert microphone is not None
    assert camera is not None
    assert screen is not None
    assert microphone.negotiated == answer.Negotiated(
        Codec.OPUS, 48000, 111, None, ExtensionIds(mid=4, abs_send_time=2, audio_level=1)
    )
    assert len(microphone.ssrcs) == 1
    assert camera.negotiated == answer.Negotiated(
        Codec.VP8, 90000, 96, 97, ExtensionIds(mid=4, rid=10, repaired_rid=11, abs_send_time=2)
    )
    assert (camera.rids, camera.ssrcs, camera.rtx_ssrcs) == (("q", "h", "f"), (), ())
    assert (len(screen.rids), len(screen.ssrcs), len(screen.rtx_ssrcs)) == (0, 1, 1)
    assert [slot and slot.index for slot in plan.slots] == list(range(17))
    for slot in plan.slots:
        assert slot is not None
        assert slot.negotiated.codec is (Codec.VP8 if slot_kind(slot.index) == "video" else Codec.OPUS)
        assert slot.negotiated.extensions.rid == 0
        assert slot.negotiated.extensions.mid == 4
    assert len(plan.pwd) >= 22
    assert [f.algorithm for f in plan.fingerprints] == ["sha-256"]


def test_chromiums_receivers_may_ask_for_their_round_trip() -> None:
    text = OFFERS["chromium_all_codecs"]
    reply = answer.render(answer.plan(text, SEND, slots_of(17)), local(17))
    assert "a=rtcp-xr:rcvr-rtt=all\r\n" in reply
    for other in ("rcvr-rtt=sender", "voip-metrics", "rcvr-rtt=allure"):
        changed = text.replace("rcvr-rtt=all", other)
        assert "rtcp-xr" not in answer.render(answer.plan(changed, SEND, slots_of(17)), local(17))


@pytest.mark.parametrize(("name", "slots"), [("student", 17), ("teacher", 32), ("all_codecs", 17)])
def test_answer_has_one_section_for_each_offered_one(name: str, slots: int) -> None:
    text = OFFERS[f"chromium_{name}"]
    offer = sdp.parse(text)
    reply = sdp.parse(answer.render(answer.plan(text, SEND, slots_of(slots)), local(slots)))
    assert [(s.kind, s.mid) for s in reply.sections] == [(s.kind, s.mid) for s in offer.sections]
    assert reply.bundle == offer.bundle
    for ours, theirs in zip(reply.sections, offer.sections, strict=True):
        assert ours.direction is theirs.direction.mirrored
        assert (ours.ufrag, ours.pwd, ours.setup) == ("serv", "s" * 24, "passive")
        assert [(f.algorithm, f.value) for f in ours.fingerprints] == [("sha-256", FINGERPRINT)]
        assert ours.formats.rtcp_mux
        assert ours.formats.rtcp_rsize
        shown = ours.kind == "video" and ours.direction is not sdp.Direction.RECVONLY
        assert ours.formats.receiver_round_trip == (shown and theirs.formats.receiver_round_trip)
        offered = {(e.id, e.uri) for e in theirs.formats.extensions}
        assert {(e.id, e.uri) for e in ours.formats.extensions} <= offered
        names = [codec.name for codec in ours.formats.codecs]
        assert names == (["vp8", "rtx"] if ours.kind == "video" else ["opus"])
        if ours.kind == "video":
            assert ours.formats.codecs[0].feedback == {"goog-remb", "ccm fir", "nack", "nack pli"}
        else:
            assert ours.formats.codecs[0].parameters == "minptime=10;useinbandfec=1"
    ssrcs = [ssrc for ours in reply.sections for ssrc in ours.ssrcs]
    assert len(ssrcs) == len(set(ssrcs)) == slots + sum(slot_kind(i) == "video" for i in range(slots))
    assert "transport-cc" not in answer.render(answer.plan(text, SEND, slots_of(slots)), local(slots))


def test_camera_section_accepts_the_layers() -> None:
    lines = section(answer.render(answer.plan(STUDENT, SEND, slots_of(17)), local(17)), "1")
    assert [line for line in lines if "rid:" in line or "simulcast" in line] == [
        "a=rid:q recv",
        "a=rid:h recv",
        "a=rid:f recv",
        "a=simulcast:recv q;h;f",
    ]
    assert "a=recvonly" in lines


def test_slots_tell_their_sources() -> None:
    text = answer.render(answer.plan(STUDENT, SEND, slots_of(17)), local(17))
    assert [line for line in section(text, "4") if "ssrc" in line or "msid" in line] == [
        "a=ssrc-group:FID 1000 1001",
        "a=msid:stage slot0",
        "a=ssrc:1000 cname:stage",
        "a=ssrc:1001 cname:stage",
    ]
    assert [line for line in section(text, "5") if "ssrc:" in line or "msid" in line] == [
        "a=msid:stage slot1",
        "a=ssrc:1002 cname:stage",
    ]
    assert "a=msid:slot8 slot8" in section(text, "12")


def test_candidates_stand_in_the_first_and_the_last_section() -> None:
    """Browsers read them in a BUNDLE group's first section, aiortc in its last one."""
    text = answer.render(answer.plan(STUDENT, SEND, slots_of(17)), local(17))
    expected = [
        "a=candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host",
        "a=candidate:2 1 udp 2130706175 2001:db8::1 40000 typ host",
        "a=end-of-candidates",
    ]
    assert [line for line in text.split("\r\n") if "candidate" in line] == expected * 2
    for mid in ("0", "20"):
        assert [line for line in section(text, mid) if "candidate" in line] == expected
    assert text.count("a=ice-lite\r\n") == 1


def test_restart_answer_differs_in_credentials_only() -> None:
    plan = answer.plan(STUDENT, SEND, slots_of(17))
    first = answer.render(plan, local(17)).split("\r\n")
    second = answer.render(plan, local(17, ufrag="next", pwd="n" * 24, version=2)).split("\r\n")
    changed = [new for old, new in zip(first, second, strict=True) if old != new]
    assert changed == ["o=- 1 2 IN IP4 0.0.0.0", "a=ice-ufrag:next", "a=ice-pwd:" + "n" * 24]


def test_fewer_sources_and_slots_than_the_full_set() -> None:
    plan = answer.plan(STUDENT, ("0", ""), ("4", "", "6"))
    assert [section and section.source for section in plan.send] == [Source.MICROPHONE, None]
    assert [slot and slot.index for slot in plan.slots] == [0, None, 2]
    text = answer.render(plan, local(3))
    assert "a=sendonly" in section(text, "4")
    assert "a=sendonly" in section(text, "6")
    for unused in ("1", "2", "3", "5", "7", "20"):
        lines = section(text, unused)
        assert "a=inactive" in lines
        assert not any(line.startswith(("a=ssrc", "a=rid", "a=msid")) for line in lines)
    assert len(sdp.parse(text).bundle) == 21


def test_slot_without_parameters_is_our_bug() -> None:
    with pytest.raises(ValueError, match="slot 1 has no parameters"):
        answer.render(
            answer.plan(STUDENT, SEND, slots_of(2)), local(2, slots=[SlotParameters(1, 2, "a", "b"), None])
        )


@pytest.mark.parametrize("direction", ["sendonly", "recvonly", "sendrecv"])
def test_extmap_directions_are_mirrored(direction: str) -> None:
    """A browser drops an extension whose answered direction does not mirror the offered one."""
    for flows, kind, send, slots in (
        (Direction(direction).sends, "sendonly", ("", "0"), ()),
        (Direction(direction).receives, "recvonly", (), ("0",)),
    ):
        offer = small_offer(f"a=extmap:5/{direction} {MID}", direction=kind)
        plan = answer.plan(offer, send, slots)
        found = (plan.send[1] if send else plan.slots[0]).negotiated  # type: ignore[union-attr]
        text = answer.render(plan, local(1))
        if flows:
            assert found.extensions.mid == 5
            assert f"a=extmap:5/{Direction(direction).mirrored} {MID}\r\n" in text
        else:
            assert found.extensions.mid == 0
            assert "extmap" not in text


def test_extension_ids_of_the_two_byte_form_are_not_taken() -> None:
    plan = plan_camera(f"a=extmap:15 {MID}")
    assert plan.send[1] is not None
    assert plan.send[1].negotiated.extensions.mid == 0


def test_first_vp8_of_the_m_line_is_taken_with_its_own_rtx() -> None:
    offer = small_offer(
        "m=video 9 UDP/TLS/RTP/SAVPF 98 99 101 100 96",
        "a=rtpmap:98 VP9/90000",
        "a=rtpmap:99 rtx/90000",
        "a=fmtp:99 apt=98",
        "a=rtpmap:100 vp8/90000",
        "a=rtpmap:101 rtx/90000",
        "a=fmtp:101 rtx-time=3000; apt=100",
    ).replace("m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n", "", 1)
    lines = offer.split("\r\n")
    m_line = next(line for line in lines if line.startswith("m="))
    lines.remove(m_line)
    lines.insert(2, m_line)
    plan = answer.plan("\r\n".join(lines), ("", "0"), ())
    assert plan.send[1] is not None
    negotiated = plan.send[1].negotiated
    assert (negotiated.payload_type, negotiated.rtx_payload_type) == (100, 101)


def test_without_rtx_the_slot_answers_without_it() -> None:
    plan = answer.plan(small_offer(direction="recvonly"), (), ("0",))
    assert plan.slots[0] is not None
    assert plan.slots[0].negotiated.rtx_payload_type is None
    text = answer.render(plan, local(1))
    assert "a=ssrc:1000 " in text
    assert "1001" not in text


@pytest.mark.parametrize(
    ("lines", "rids"),
    [
        (("a=rid:q send", "a=rid:f send", "a=simulcast:send q;f"), ("q", "f")),
        (("a=rid:f send", "a=rid:q send", "a=simulcast:send q;f"), ("q", "f")),
        (("a=rid:q send", "a=simulcast:send q;missing"), ("q",)),
        (("a=rid:one send",), ("one",)),
        (
            ("a=rid:a send", "a=rid:b send", "a=rid:c send", "a=rid:d send", "a=simulcast:send a;b;c;d"),
            ("a", "b", "c"),
        ),
        (("a=rid:q send", "a=simulcast:send q;q"), ("q",)),
        ((), ()),
    ],
)
def test_layers_are_those_of_simulcast_lowest_first(lines: tuple[str, ...], rids: tuple[str, ...]) -> None:
    plan = plan_camera(f"a=extmap:4 {MID}", f"a=extmap:10 {RID}", *lines)
    assert plan.send[1] is not None
    assert plan.send[1].rids == rids
    text = answer.render(plan, local(0))
    assert [line for line in text.split("\r\n") if line.startswith("a=rid:")] == [
        f"a=rid:{r} recv" for r in rids
    ]
    assert ("a=simulcast:recv " in text) is bool(rids and "simulcast" in " ".join(lines))


def test_without_the_rid_extension_there_is_one_layer() -> None:
    plan = plan_camera(
        f"a=extmap:4 {MID}", "a=rid:q send", "a=rid:f send", "a=simulcast:send q;f", "a=ssrc:5 cname:x"
    )
    assert plan.send[1] is not None
    assert (plan.send[1].rids, plan.send[1].ssrcs) == ((), (5,))
    assert "simulcast" not in answer.render(plan, local(0))


def test_announced_ssrcs_come_with_their_repair_partner() -> None:
    plan = plan_camera("a=ssrc-group:FID 7 8", "a=ssrc:8 cname:x", "a=ssrc:7 cname:x")
    assert plan.send[1] is not None
    assert (plan.send[1].ssrcs, plan.send[1].rtx_ssrcs) == ((7,), (8,))


def test_firefox_form_is_read() -> None:
    """Fingerprint at session level; sections after the first are bundle-only, at port 0, without ICE."""
    offer = (
        "v=0\r\na=group:BUNDLE 0 1\r\na=sendrecv\r\n"
        f"a=fingerprint:sha-256 {FINGERPRINT}\r\na=ice-options:trickle\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 109\r\na=sendonly\r\na=mid:0\r\na=rtcp-mux\r\n"
        "a=rtpmap:109 opus/48000/2\r\n"
        "a=ice-ufrag:abcd1234\r\na=ice-pwd:0123456789abcdef0123456789abcdef\r\na=setup:actpass\r\n"
        f"a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:3/sendonly {RID}\r\n"
        "m=video 0 UDP/TLS/RTP/SAVPF 120 124\r\na=bundle-only\r\na=recvonly\r\na=mid:1\r\na=setup:actpass\r\n"
        "a=rtpmap:120 VP8/90000\r\na=rtpmap:124 rtx/90000\r\na=fmtp:124 apt=120\r\n"
        "a=fmtp:120 max-fs=12288\r\n"
    )
    plan = answer.plan(offer, ("0",), ("1",))
    assert (plan.ufrag, len(plan.fingerprints)) == ("abcd1234", 1)
    assert plan.slots[0] is not None
    assert plan.slots[0].negotiated.payload_type == 120
    text = answer.render(plan, local(1))
    assert "m=video 9 UDP/TLS/RTP/SAVPF 120 124\r\n" in text
    assert "a=group:BUNDLE 0 1\r\n" in text


def test_sections_that_cannot_be_used_are_rejected() -> None:
    """A data channel and a section without VP8 get port 0 and leave the BUNDLE group."""
    offer = (
        small_offer(session="a=group:BUNDLE 0 1 2")
        + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\na=sctp-port:5000\r\n"
        + "m=video 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:2\r\na=rtcp-mux\r\na=rtpmap:98 VP9/90000\r\n"
    )
    text = answer.render(answer.plan(offer, ("", "0"), ()), local(0))
    assert "a=group:BUNDLE 0\r\n" in text
    assert "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n" in text
    assert "m=video 0 UDP/TLS/RTP/SAVPF 98\r\n" in text


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


TOKENS = st.text(st.characters(exclude_characters="\r\n"), max_size=12)


@given(st.data())
def test_damaged_offers_are_refused_or_answered_whole(data: st.DataObject) -> None:
    lines = STUDENT.split("\r\n")
    lines[4] = "a=group:BUNDLE 0 1 2 3 4"
    lines = lines[: next(n for n, line in enumerate(lines) if line == "a=mid:4") + 30]
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(lines) - 1))
        change = data.draw(st.sampled_from(("drop", "cut", "twice", "text")))
        if change == "drop":
            del lines[index]
        elif change == "cut":
            lines[index] = lines[index][: data.draw(st.integers(0, len(lines[index])))]
        elif change == "twice":
            lines.insert(index, lines[index])
        else:
            lines[index] = lines[index][:8] + data.draw(TOKENS)
    try:
        plan = answer.plan("\r\n".join(lines) + "\r\n", SEND, ("4",))
    except Refused as refused:
        assert refused.code.startswith("offer_")  # noqa: PT017
        return
    reply = sdp.parse(answer.render(plan, local(1)))
    assert len(reply.sections) == sum(line.startswith("m=") for line in lines)


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


def full_offer() -> str:
    """The teacher's offer with five more sections of the kind: 41."""
    head, *parts = TEACHER.split("m=")
    last = parts[-1]
    parts.extend(last.replace("a=mid:35\r\n", f"a=mid:{mid}\r\n") for mid in range(36, 41))
    head = head.replace("a=group:BUNDLE", "a=group:BUNDLE " + " ".join(map(str, range(36, 41))), 1)
    return "m=".join((head, *parts))


def test_planning_and_rendering_41_sections_costs_under_3_ms() -> None:
    text = full_offer()
    compressed = gzip.compress(text.encode())
    parameters = local(32)
    spent: list[float] = []
    for _ in range(25):
        start = time.thread_time()
        plan = answer.plan(answer.inflate_offer(compressed), SEND, slots_of(32))
        reply = answer.deflate_answer(answer.render(plan, parameters))
        spent.append((time.thread_time() - start) * 1000)
    spent.sort()
    print(
        f"{len(text)} bytes in {len(plan.parts)} sections, {len(compressed)} -> {len(reply)} bytes of gzip: "
        f"median {spent[len(spent) // 2]:.2f} ms, best {spent[0]:.2f} ms of CPU"
    )
    assert len(plan.parts) == 41
    assert spent[0] < 3


@pytest.mark.asyncio
async def test_aiortc_takes_the_answer() -> None:
    peer = RTCPeerConnection(RTCConfiguration(bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    try:
        peer.addTransceiver(AudioStreamTrack(), direction="sendonly")
        peer.addTransceiver(VideoStreamTrack(), direction="sendonly")
        for index in range(SlotIndex.FIRST_TILE + 2):
            peer.addTransceiver(slot_kind(index).value, direction="recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        mids = [transceiver.mid or "" for transceiver in peer.getTransceivers()]
        plan = answer.plan(peer.localDescription.sdp, mids[:2], mids[2:])
        camera = plan.send[1]
        assert camera is not None
        assert (camera.rids, len(camera.ssrcs), len(camera.rtx_ssrcs)) == ((), 1, 1)
        assert {f.algorithm for f in plan.fingerprints} == {"sha-256", "sha-384", "sha-512"}
        text = answer.render(plan, local(len(plan.slots)))
        await peer.setRemoteDescription(RTCSessionDescription(text, "answer"))
        directions = [transceiver.currentDirection for transceiver in peer.getTransceivers()]
        assert directions == ["sendonly"] * 2 + ["recvonly"] * 10
    finally:
        await peer.close()
