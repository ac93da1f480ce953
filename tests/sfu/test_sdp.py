"""Session descriptions: what is read of each line, and where reading stops."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu import sdp
from sfu.model import ParseError
from sfu.sdp import Direction, Extension, Fingerprint, Section

VECTORS = Path(__file__).parent.parent / "vectors"
PWD = "p" * 22
OFFERS = {path.stem: path.read_bytes().decode() for path in sorted(VECTORS.glob("*.sdp"))}


def one_section(*lines: str, head: str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97", session: str = "") -> Section:
    text = "\r\n".join(("v=0", *([session] if session else []), head, *lines)) + "\r\n"
    (section,) = sdp.parse(text).sections
    return section


def test_chromium_offer_is_read() -> None:
    offer = sdp.parse(OFFERS["chromium_student"])
    assert len(offer.sections) == 4 + 8 + 9
    assert offer.bundle == tuple(str(number) for number in range(21))
    microphone, camera, screen, _, stage, *_ = offer.sections
    assert [codec.name for codec in microphone.formats.codecs] == ["opus"]
    assert microphone.formats.codecs[0].channels == 2
    assert microphone.direction is Direction.SENDONLY
    assert len(microphone.ssrcs) == 1
    assert camera.send_rids == camera.simulcast_send == ("q", "h", "f")
    assert camera.ssrcs == ()
    assert camera.setup == "actpass"
    assert len(camera.fingerprints) == 1
    assert camera.fingerprints[0].algorithm == "sha-256"
    vp8, rtx = camera.formats.codecs
    assert (vp8.name, vp8.clock_rate, vp8.parameters) == ("vp8", 90000, "")
    assert vp8.feedback == {"goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"}
    assert (rtx.name, rtx.parameters) == ("rtx", "apt=96")
    assert len(screen.ssrcs) == 2
    assert screen.ssrc_groups == (("FID", screen.ssrcs),)
    assert stage.direction is Direction.RECVONLY
    assert stage.ssrcs == ()


@pytest.mark.parametrize("name", sorted(OFFERS))
def test_equal_sections_share_their_formats(name: str) -> None:
    offer = sdp.parse(OFFERS[name])
    assert len({id(section.formats) for section in offer.sections}) <= 6
    assert all(section.formats.rtcp_mux and section.formats.rtcp_rsize for section in offer.sections)


def test_line_ends_may_be_bare() -> None:
    text = OFFERS["chromium_student"]
    assert sdp.parse(text.replace("\r\n", "\n")) == sdp.parse(text)


def test_session_level_values_hold_where_a_section_has_none() -> None:
    session = "\r\n".join(
        (
            "a=ice-ufrag:sess",
            f"a=ice-pwd:{PWD}",
            "a=fingerprint:SHA-256 ab:cd",
            "a=setup:actpass",
            "a=sendonly",
        )
    )
    inherited = one_section("a=mid:0", session=session)
    assert (inherited.ufrag, inherited.pwd, inherited.setup) == ("sess", PWD, "actpass")
    assert inherited.fingerprints == (Fingerprint("sha-256", "AB:CD"),)
    assert inherited.direction is Direction.SENDONLY
    own = one_section("a=ice-ufrag:mine", "a=setup:active", "a=recvonly", session=session)
    assert (own.ufrag, own.pwd, own.setup, own.direction) == ("mine", PWD, "active", Direction.RECVONLY)


def test_direction_is_sendrecv_when_nobody_says() -> None:
    assert one_section().direction is Direction.SENDRECV


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a=extmap:3 urn:x", Extension(3, None, "urn:x")),
        ("a=extmap:3/recvonly urn:x attributes=1", Extension(3, Direction.RECVONLY, "urn:x")),
        ("a=extmap:4096/inactive urn:x", Extension(4096, Direction.INACTIVE, "urn:x")),
    ],
)
def test_extmap_forms(line: str, expected: Extension) -> None:
    assert one_section(line).formats.extensions == (expected,)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("send a;b;c", ("a", "b", "c")),
        ("send a,b;~c", ("a", "c")),
        ("recv x send a", ("a",)),
        ("send a recv x;y", ("a",)),
        ("recv x", ()),
    ],
)
def test_simulcast_forms(value: str, expected: tuple[str, ...]) -> None:
    assert one_section(f"a=simulcast:{value}").simulcast_send == expected


def test_rids_to_receive_are_not_layers_to_come() -> None:
    assert one_section("a=rid:a send", "a=rid:b recv", "a=rid:c send pt=96;max-width=1").send_rids == (
        "a",
        "c",
    )


def test_feedback_for_all_and_for_one() -> None:
    section = one_section(
        "a=rtcp-fb:* nack", "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 ccm fir", "a=rtpmap:97 VP9/90000"
    )
    assert [codec.feedback for codec in section.formats.codecs] == [{"nack", "ccm fir"}, {"nack"}]


def test_codecs_keep_the_order_of_the_m_line() -> None:
    section = one_section(
        "a=rtpmap:96 VP8/90000",
        "a=fmtp:97 x=1",
        "a=rtpmap:97 H264/90000",
        "a=rtpmap:98 AV1/90000",
        head="m=video 9 UDP/TLS/RTP/SAVPF 97 96 99",
    )
    assert [(codec.payload_type, codec.name) for codec in section.formats.codecs] == [
        (97, "h264"),
        (96, "vp8"),
    ]
    assert section.formats.codecs[0].parameters == "x=1"


def test_candidates_are_not_looked_at() -> None:
    section = one_section("a=candidate:complete nonsense \x00", "a=mid:0", "a=end-of-candidates")
    assert section.mid == "0"


def test_bundle_only_sections_have_port_zero() -> None:
    section = one_section("a=bundle-only", head="m=video 0 UDP/TLS/RTP/SAVPF 96")
    assert section.bundle_only
    assert section.port == 0


def test_description_without_sections_is_whole() -> None:
    assert sdp.parse("v=0\r\na=group:BUNDLE 0 1\r\n") == sdp.SessionDescription((), ("0", "1"))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("no type", "hello"),
        ("empty line", ""),
        ("m= without formats", "m=video 9 RTP/SAVPF"),
        ("m= with a negative port", "m=video -1 RTP/SAVPF 96"),
        ("m= with a port too large", "m=video 65536 RTP/SAVPF 96"),
        ("m= with other digits", "m=video ٣ RTP/SAVPF 96"),
        ("mid with a space", "a=mid:a b"),
        ("mid too long", "a=mid:" + "a" * 65),
        ("empty mid", "a=mid:"),
        ("ufrag too short", "a=ice-ufrag:abc"),
        ("pwd too short", "a=ice-pwd:" + "p" * 21),
        ("pwd too long", "a=ice-pwd:" + "p" * 257),
        ("pwd with other characters", "a=ice-pwd:" + "é" * 22),
        ("fingerprint without digest", "a=fingerprint:sha-256"),
        ("rid with a semicolon", "a=rid:a;b send"),
        ("rid too long", "a=rid:" + "a" * 17 + " send"),
        ("simulcast alone", "a=simulcast:send"),
        ("ssrc not a number", "a=ssrc:abc cname:x"),
        ("ssrc too large", "a=ssrc:4294967296 cname:x"),
        ("ssrc group not of numbers", "a=ssrc-group:FID a b"),
        ("ssrc group without semantics", "a=ssrc-group:"),
        ("rtpmap without clock", "a=rtpmap:96 VP8"),
        ("rtpmap beyond 127", "a=rtpmap:128 VP8/90000"),
        ("rtpmap with four parts", "a=rtpmap:96 opus/48000/2/1"),
        ("extmap without uri", "a=extmap:1"),
        ("extmap id 0", "a=extmap:0 urn:x"),
        ("extmap direction", "a=extmap:1/sideways urn:x"),
        ("feedback without value", "a=rtcp-fb:96"),
        ("fmtp without value", "a=fmtp:96"),
        ("carriage return inside", "a=msid:a\rb"),
    ],
)
def test_malformed_lines_are_named(name: str, line: str) -> None:
    text = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n" + line + "\r\na=sendonly\r\n"
    with pytest.raises(ParseError) as caught:
        sdp.parse(text)
    assert caught.value.offset == 4


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("empty", ""),
        ("not SDP", "hello"),
        ("other version", "v=1\r\n"),
        ("65 sections", "v=0\r\n" + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 65),
        ("too many lines", "v=0\r\n" + "a=x\r\n" * 8192),
        ("too long", "v=0\r\na=" + "x" * 131072),
    ],
)
def test_descriptions_beyond_the_limits_are_refused(name: str, text: str) -> None:
    with pytest.raises(ParseError):
        sdp.parse(text)


def test_64_sections_are_read() -> None:
    assert len(sdp.parse("v=0\r\n" + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" * 64).sections) == 64


ATTRIBUTES = st.sampled_from(
    (
        "a=mid:",
        "a=rtpmap:96 ",
        "a=rtcp-fb:",
        "a=fmtp:96 ",
        "a=extmap:",
        "a=ssrc:",
        "a=ssrc-group:",
        "a=rid:",
        "a=simulcast:",
        "a=fingerprint:",
        "a=ice-pwd:",
        "a=group:BUNDLE ",
        "m=video 9 RTP/SAVPF ",
        "m=",
        "",
    )
)


@given(st.lists(st.tuples(ATTRIBUTES, st.text(max_size=20)), max_size=12))
def test_garbage_raises_nothing_but_parse_error(lines: list[tuple[str, str]]) -> None:
    text = "v=0\n" + "\n".join(name + value for name, value in lines)
    try:
        sdp.parse(text)
    except ParseError:
        return
    assert "\r" not in text.replace("\r\n", "\n")


@given(st.data())
def test_damaged_offers_raise_nothing_but_parse_error(data: st.DataObject) -> None:
    text = OFFERS["chromium_student"][:6000]
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 50)))
    damaged = text[:start] + data.draw(st.text(max_size=10)) + text[end:]
    try:
        offer = sdp.parse(damaged)
    except ParseError:
        return
    assert len(offer.sections) <= sdp.MAX_SECTIONS
