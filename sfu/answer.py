"""From a client's one offer to the server's one answer (RFC 8829, RFC 9143, ICE-lite of RFC 8445).

:func:`plan` reads and checks the offer and says what was negotiated; :func:`render` writes the answer
with the worker's own parameters. Both are pure; the set of sections never changes afterwards.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, NoReturn

from sfu.formats import is_codec, red_of, rtx_of
from sfu.model import MAX_TILES, SEND_SECTIONS, MediaKind, ParseError, Refused, SlotIndex, Source, slot_kind
from sfu.plane.api import Codec, ExtensionIds
from sfu.sdp import (
    CodecFormat,
    Direction,
    Extension,
    Fingerprint,
    Formats,
    Section,
    SessionDescription,
    parse,
)

MAX_COMPRESSED_BYTES: Final = 16 * 1024
MAX_OFFER_BYTES: Final = 128 * 1024
MAX_LAYERS: Final = 3
MAX_SLOTS: Final = SlotIndex.FIRST_TILE + MAX_TILES

MID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID_URI: Final = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
ABS_SEND_TIME_URI: Final = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
AUDIO_LEVEL_URI: Final = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

_FIELD_OF_URI: Final = {
    MID_URI: "mid",
    RID_URI: "rid",
    REPAIRED_RID_URI: "repaired_rid",
    ABS_SEND_TIME_URI: "abs_send_time",
    AUDIO_LEVEL_URI: "audio_level",
}
_SEND_ONLY_FIELDS: Final = frozenset(("rid", "repaired_rid"))
"""Extensions that only publishers use; slots never carry them."""

_VIDEO_FEEDBACK: Final = ("goog-remb", "ccm fir", "nack", "nack pli")
_OPUS_PARAMETERS: Final = "minptime=10;useinbandfec=1"
_MAX_ONE_BYTE_ID: Final = 14
_DIGEST_LENGTHS: Final = {"sha-256": 95, "sha-384": 143, "sha-512": 191}


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What one RTP section settled on; ids and payload types are the offerer's."""

    codec: Codec
    clock_rate: int
    payload_type: int
    rtx_payload_type: int | None
    extensions: ExtensionIds
    red_payload_type: int | None = None
    """Opus with redundancy (RFC 2198); the answer puts it first where the client sends, so that it does."""


@dataclass(frozen=True, slots=True)
class SendSection:
    """A section in which the client may send ``source``.

    ``rids`` are its layers, lowest first, empty for one layer without rid. ``ssrcs`` and ``rtx_ssrcs``
    are announced ones (at most one each), empty where packets are bound by MID and RID.
    """

    source: Source
    mid: str
    negotiated: Negotiated
    rids: tuple[str, ...]
    ssrcs: tuple[int, ...]
    rtx_ssrcs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SlotSection:
    """A section in which the client receives; ``index`` is its slot index."""

    index: int
    mid: str
    negotiated: Negotiated


@dataclass(frozen=True, slots=True)
class OfferPlan:
    """A checked offer. ``send`` follows SEND_SECTIONS, ``slots`` the slot order, both as long as the
    request's lists; absent sections are None."""

    ufrag: str
    pwd: str
    fingerprints: tuple[Fingerprint, ...]
    send: tuple[SendSection | None, ...]
    slots: tuple[SlotSection | None, ...]
    parts: tuple[_Part, ...] = field(repr=False)
    """The answer's sections in order, as far as they do not depend on the worker."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One section of the answer: its lines, and the slot whose SSRCs are to follow (-1: none)."""

    head: str
    lines: str
    """What follows the head; sections with the same formats share it."""
    bundled_mid: str
    """Empty for a rejected section."""
    slot: int = -1
    repairs: bool = False
    """Whether the slot negotiated RTX."""


@dataclass(frozen=True, slots=True)
class SlotParameters:
    """What a slot keeps for life; ``rtx_ssrc`` is left out of the answer where RTX was not negotiated.

    ``msid`` is the stream id alone: slots with one stream id are kept in lip sync.
    """

    ssrc: int
    rtx_ssrc: int | None
    cname: str
    msid: str


@dataclass(frozen=True, slots=True)
class LocalParameters:
    """The worker's side: ICE credentials, ``sha-256`` fingerprint (hex pairs with colons), one (ip, port)
    for each announced address in order of preference, and parameters of each slot in slot order."""

    ufrag: str
    pwd: str
    fingerprint: str
    candidates: Sequence[tuple[str, int]]
    slots: Sequence[SlotParameters | None]
    session_id: int = 1
    version: int = 1
    """Grows by one with each answer of a connection (RFC 8829 section 5.3.1)."""


def inflate_offer(gz: bytes) -> str:
    """Unpack a gzip-compressed offer; never makes more than 128 KiB of it.

    Raises Refused ``offer_too_big`` or ``offer_malformed``.
    """
    if len(gz) > MAX_COMPRESSED_BYTES:
        raise Refused("offer_too_big", f"{len(gz)} bytes compressed")
    inflater = zlib.decompressobj(wbits=31)
    try:
        data = inflater.decompress(gz, MAX_OFFER_BYTES + 1)
        if len(data) > MAX_OFFER_BYTES:
            raise Refused("offer_too_big", f"more than {MAX_OFFER_BYTES} bytes")
        if not inflater.eof or inflater.unused_data:
            raise Refused("offer_malformed", "gzip does not end where the message ends")
        return data.decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise Refused("offer_malformed", str(error)) from None


def deflate_answer(sdp: str) -> bytes:
    """Pack an answer for the wire (gzip)."""
    deflater = zlib.compressobj(level=1, wbits=31)
    return deflater.compress(sdp.encode()) + deflater.flush()


def plan(offer_sdp: str, send: Sequence[str], slots: Sequence[str]) -> OfferPlan:
    """Check an offer against its lists of mids ("" = absent) and choose what the answer says.

    Raises Refused: ``offer_malformed`` (not SDP, or ICE, DTLS, BUNDLE, rtcp-mux or header extensions
    are unusable), ``offer_too_big``, ``offer_sections`` (mids, kinds or directions do not fit the lists),
    ``offer_no_codec`` (a used section has no VP8 or no Opus).
    """
    if len(offer_sdp) > MAX_OFFER_BYTES:
        raise Refused("offer_too_big", f"{len(offer_sdp)} characters")
    try:
        offer = parse(offer_sdp)
    except ParseError as error:
        raise Refused("offer_malformed", str(error)) from None
    return _Planner(offer).plan(send, slots)


def render(plan: OfferPlan, local: LocalParameters) -> str:
    """The answer's text. ``local.slots`` must hold parameters for every slot that the plan has."""
    bundled = [part for part in plan.parts if part.bundled_mid]
    head = (
        "v=0\r\n"
        f"o=- {local.session_id} {local.version} IN IP4 0.0.0.0\r\n"
        "s=-\r\n"
        "t=0 0\r\n"
        f"a=group:BUNDLE {' '.join(part.bundled_mid for part in bundled)}\r\n"
        "a=msid-semantic:WMS *\r\n"
        "a=ice-lite\r\n"
        f"a=ice-ufrag:{local.ufrag}\r\n"
        f"a=ice-pwd:{local.pwd}\r\n"
        f"a=fingerprint:sha-256 {local.fingerprint}\r\n"
        "a=setup:passive\r\n"
    )
    lines = [head]
    # Browsers read candidates in the first section of a BUNDLE group, aiortc in the last one.
    ends = (bundled[0].bundled_mid, bundled[-1].bundled_mid)
    candidates = _candidates(local.candidates)
    for part in plan.parts:
        lines += (part.head, part.lines)
        if part.slot >= 0:
            lines.append(_slot_lines(part, local.slots[part.slot]))
        if part.bundled_mid in ends:
            lines.append(candidates)
    return "".join(lines)


def _candidates(addresses: Sequence[tuple[str, int]]) -> str:
    """RFC 8839 section 5.1; the priorities follow RFC 8445 section 5.1.2.1, earlier addresses first."""
    lines: list[str] = []
    for number, (ip, port) in enumerate(addresses):
        priority = (126 << 24) | ((65535 - number) << 8) | 255
        lines.append(f"a=candidate:{number + 1} 1 udp {priority} {ip_address(ip)} {port} typ host\r\n")
    return "".join(lines) + "a=end-of-candidates\r\n"


def _slot_lines(part: _Part, slot: SlotParameters | None) -> str:
    if slot is None:
        raise ValueError(f"slot {part.slot} has no parameters")
    main = f"a=msid:{slot.msid} slot{part.slot}\r\na=ssrc:{slot.ssrc} cname:{slot.cname}\r\n"
    if slot.rtx_ssrc is None or not part.repairs:
        return main
    return (
        f"a=ssrc-group:FID {slot.ssrc} {slot.rtx_ssrc}\r\n{main}a=ssrc:{slot.rtx_ssrc} cname:{slot.cname}\r\n"
    )


def _malformed(detail: str) -> NoReturn:
    raise Refused("offer_malformed", detail)


def _sections(detail: str) -> NoReturn:
    raise Refused("offer_sections", detail)


class _Planner:
    """One offer on its way to a plan."""

    def __init__(self, offer: SessionDescription) -> None:
        self._offer = offer
        self._by_mid: dict[str, Section] = {}
        for section in offer.sections:
            if section.mid in self._by_mid:
                _malformed(f"mid {section.mid!r} twice")
            self._by_mid[section.mid] = section
        self._choices: dict[tuple[int, MediaKind, bool], tuple[Negotiated, str] | None] = {}
        self._extension_uris: dict[int, str] = {}
        self._encodings: dict[int, tuple[str, int]] = {}
        self._ssrcs: set[int] = set()

    def plan(self, send: Sequence[str], slots: Sequence[str]) -> OfferPlan:
        if len(send) > len(SEND_SECTIONS) or len(slots) > MAX_SLOTS:
            _sections("more sections than there are sources or slots")
        used = [mid for mid in (*send, *slots) if mid]
        if not used or len(set(used)) != len(used):
            _sections("no mid, or one mid twice")
        bundle = set(self._offer.bundle)
        for mid in used:
            section = self._by_mid.get(mid)
            if section is None or (section.port == 0 and not section.bundle_only):
                _sections(f"no section with mid {mid!r}")
            if mid not in bundle:
                _malformed(f"mid {mid!r} is not in the BUNDLE group")
        ufrag, pwd, fingerprints = self._transport()

        parts: dict[str, _Part] = {}
        send_sections: list[SendSection | None] = []
        for source, mid in zip(SEND_SECTIONS, send, strict=False):
            send_sections.append(self._send_section(source, mid, parts) if mid else None)
        slot_sections: list[SlotSection | None] = []
        for index, mid in enumerate(slots):
            slot_sections.append(self._slot_section(index, mid, parts) if mid else None)
        return OfferPlan(
            ufrag=ufrag,
            pwd=pwd,
            fingerprints=fingerprints,
            send=tuple(send_sections),
            slots=tuple(slot_sections),
            parts=tuple(parts.get(s.mid) or self._unused(s, bundle) for s in self._offer.sections),
        )

    def _transport(self) -> tuple[str, str, tuple[Fingerprint, ...]]:
        """ICE and DTLS parameters: those of the BUNDLE group's first section (RFC 9143 section 7.2)."""
        tagged = self._by_mid.get(self._offer.bundle[0])
        if tagged is None:
            _malformed("the BUNDLE group names a missing mid")
        if "RTP/" in tagged.protocol and not tagged.formats.rtcp_mux:
            _malformed("no rtcp-mux")
        if not tagged.ufrag or not tagged.pwd:
            _malformed("no ICE credentials")
        if tagged.setup not in ("actpass", "active"):
            _malformed("a=setup lets nobody be the DTLS client")
        fingerprints = tuple(
            f for f in tagged.fingerprints if _DIGEST_LENGTHS.get(f.algorithm) == len(f.value)
        )
        if not fingerprints:
            _malformed("no usable certificate fingerprint")
        return tagged.ufrag, tagged.pwd, fingerprints

    def _send_section(self, source: Source, mid: str, parts: dict[str, _Part]) -> SendSection:
        section = self._by_mid[mid]
        if section.kind != source.media_kind.value or not section.direction.sends:
            _sections(f"mid {mid!r} can't send {source.value}")
        negotiated, text = self._choose(section, source.media_kind, publishes=True)
        rids, rid_lines = self._layers(section, negotiated) if section.kind == "video" else ((), "")
        ssrcs, rtx_ssrcs = ((), ()) if rids else self._announced(section)
        parts[mid] = _Part(_head(section, negotiated, Direction.RECVONLY), text + rid_lines, mid)
        return SendSection(source, mid, negotiated, rids, ssrcs, rtx_ssrcs)

    def _slot_section(self, index: int, mid: str, parts: dict[str, _Part]) -> SlotSection:
        section = self._by_mid[mid]
        kind = slot_kind(index)
        if section.kind != kind.value or not section.direction.receives:
            _sections(f"mid {mid!r} can't receive slot {index}")
        negotiated, text = self._choose(section, kind, publishes=False)
        repairs = negotiated.rtx_payload_type is not None
        parts[mid] = _Part(_head(section, negotiated, Direction.SENDONLY), text, mid, index, repairs)
        return SlotSection(index, mid, negotiated)

    def _unused(self, section: Section, bundle: set[str]) -> _Part:
        """Inactive, or rejected where we could not say with which codec (RFC 3264 section 6)."""
        usable = section.mid in bundle and (section.port != 0 or section.bundle_only)
        if usable and section.kind in (MediaKind.AUDIO, MediaKind.VIDEO):
            choice = self._choice(section.formats, MediaKind(section.kind), publishes=False)
            if choice is not None:
                negotiated, text = choice
                return _Part(_head(section, negotiated, Direction.INACTIVE), text, section.mid)
        first = section.payload_types[0]
        return _Part(
            f"m={section.kind} 0 {section.protocol} {first}\r\nc=IN IP4 0.0.0.0\r\n"
            + (f"a=mid:{section.mid}\r\n" if section.mid else ""),
            "",
            "",
        )

    def _choose(self, section: Section, kind: MediaKind, *, publishes: bool) -> tuple[Negotiated, str]:
        choice = self._choice(section.formats, kind, publishes=publishes)
        if choice is None:
            raise Refused("offer_no_codec", f"mid {section.mid!r} has no {_CODEC_OF_KIND[kind].value}")
        return choice

    def _choice(self, formats: Formats, kind: MediaKind, *, publishes: bool) -> tuple[Negotiated, str] | None:
        key = (id(formats), kind, publishes)
        if key not in self._choices:
            self._choices[key] = self._negotiate(formats, kind, publishes)
        return self._choices[key]

    def _negotiate(self, formats: Formats, kind: MediaKind, publishes: bool) -> tuple[Negotiated, str] | None:
        codec = _CODEC_OF_KIND[kind]
        chosen = next((c for c in formats.codecs if is_codec(c, codec)), None)
        if chosen is None:
            return None
        self._check_encoding(chosen)
        rtx = rtx_of(formats, chosen) if kind is MediaKind.VIDEO else None
        if rtx is not None:
            self._check_encoding(rtx)
        red = red_of(formats, chosen) if codec is Codec.OPUS else None
        if red is not None:
            self._check_encoding(red)
        ids, extension_lines = self._extensions(formats, publishes)
        lines = [extension_lines, "a=rtcp-mux\r\n"]
        if formats.rtcp_rsize:
            lines.append("a=rtcp-rsize\r\n")
        if formats.receiver_round_trip and kind is MediaKind.VIDEO and not publishes:
            lines.append("a=rtcp-xr:rcvr-rtt=all\r\n")
        payload_type = chosen.payload_type
        if codec is Codec.OPUS:
            lines.append(f"a=rtpmap:{payload_type} opus/48000/2\r\n")
            lines.append(f"a=fmtp:{payload_type} {_OPUS_PARAMETERS}\r\n")
            if red is not None:
                lines.append(f"a=rtpmap:{red.payload_type} red/48000/2\r\n")
                lines.append(f"a=fmtp:{red.payload_type} {red.parameters}\r\n")
        else:
            lines.append(f"a=rtpmap:{payload_type} VP8/90000\r\n")
            lines.extend(
                f"a=rtcp-fb:{payload_type} {feedback}\r\n"
                for feedback in _VIDEO_FEEDBACK
                if feedback in chosen.feedback
            )
        if rtx is not None:
            lines.append(
                f"a=rtpmap:{rtx.payload_type} rtx/90000\r\na=fmtp:{rtx.payload_type} apt={payload_type}\r\n"
            )
        negotiated = Negotiated(
            codec,
            chosen.clock_rate,
            payload_type,
            rtx.payload_type if rtx else None,
            ids,
            red.payload_type if red else None,
        )
        return negotiated, "".join(lines)

    def _check_encoding(self, codec: CodecFormat) -> None:
        """One payload type means one thing in a BUNDLE group (RFC 9143 section 9.2)."""
        wraps = codec.name in ("rtx", "red")
        encoding = (codec.name + codec.parameters if wraps else codec.name, codec.clock_rate)
        if self._encodings.setdefault(codec.payload_type, encoding) != encoding:
            _malformed(f"payload type {codec.payload_type} means two codecs")

    def _extensions(self, formats: Formats, publishes: bool) -> tuple[ExtensionIds, str]:
        ids: dict[str, int] = {}
        lines: list[str] = []
        for extension in formats.extensions:
            name = _FIELD_OF_URI.get(extension.uri)
            if name is None or name in ids or not _flows(extension, publishes):
                continue
            if not publishes and name in _SEND_ONLY_FIELDS:
                continue
            if self._extension_uris.setdefault(extension.id, extension.uri) != extension.uri:
                _malformed(f"extension id {extension.id} means two extensions")
            ids[name] = extension.id
            direction = f"/{extension.direction.mirrored.value}" if extension.direction else ""
            lines.append(f"a=extmap:{extension.id}{direction} {extension.uri}\r\n")
        return ExtensionIds(**ids), "".join(lines)

    def _layers(self, section: Section, negotiated: Negotiated) -> tuple[tuple[str, ...], str]:
        """Rids we accept and their lines; none when packets could not tell their rid."""
        if negotiated.extensions.rid == 0 or negotiated.extensions.mid == 0:
            return (), ""
        offered = section.simulcast_send or section.send_rids[:1]
        rids = tuple(dict.fromkeys(rid for rid in offered if rid in section.send_rids))[:MAX_LAYERS]
        lines = "".join(f"a=rid:{rid} recv\r\n" for rid in rids)
        if section.simulcast_send and rids:
            lines += f"a=simulcast:recv {';'.join(rids)}\r\n"
        return rids, lines

    def _announced(self, section: Section) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The first announced SSRC and its RTX partner (RFC 5576, RFC 4588 section 8.5)."""
        if not section.ssrcs:
            return (), ()
        repair = {
            members[0]: members[1]
            for semantics, members in section.ssrc_groups
            if semantics == "FID" and len(members) == 2
        }
        main = next((ssrc for ssrc in section.ssrcs if ssrc not in repair.values()), None)
        if main is None:
            _malformed(f"mid {section.mid!r} announces repair SSRCs only")
        found = (main,) if main not in repair else (main, repair[main])
        for ssrc in found:
            if ssrc in self._ssrcs:
                _malformed(f"SSRC {ssrc} twice")
            self._ssrcs.add(ssrc)
        return found[:1], found[1:]


_CODEC_OF_KIND: Final = {MediaKind.AUDIO: Codec.OPUS, MediaKind.VIDEO: Codec.VP8}


def _flows(extension: Extension, publishes: bool) -> bool:
    """Whether the extension may go the section's way, in ids that the one-byte form can carry."""
    if extension.id > _MAX_ONE_BYTE_ID:
        return False
    if extension.direction is None:
        return True
    return extension.direction.sends if publishes else extension.direction.receives


def _head(section: Section, negotiated: Negotiated, direction: Direction) -> str:
    types = [negotiated.payload_type]
    if negotiated.rtx_payload_type is not None:
        types.append(negotiated.rtx_payload_type)
    if negotiated.red_payload_type is not None:
        # A browser sends by the answer's first.
        types.insert(0 if direction is Direction.RECVONLY else 1, negotiated.red_payload_type)
    return (
        f"m={section.kind} 9 {section.protocol} {' '.join(map(str, types))}\r\n"
        "c=IN IP4 0.0.0.0\r\n"
        f"a=mid:{section.mid}\r\n"
        f"a={direction.value}\r\n"
    )
