"""Session descriptions as offers need them (RFC 8866, RFC 8829), parsed once, line by line.

Only what an answer rests on is kept. Remote candidates are never looked at: the server is ICE-lite
and learns addresses from checks alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sfu.model import ParseError

MAX_SECTIONS: Final = 64
MAX_LENGTH: Final = 128 * 1024
"""Characters of one description."""
MAX_LINES: Final = 8192
"""A browser's full offer with every codec has fewer than 4,000."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,64}")
_RID: Final = re.compile(r"[A-Za-z0-9_-]{1,16}")
_ICE: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")


class Direction(StrEnum):
    """Media direction (RFC 8866 section 6.7), from the describing side's view."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def mirrored(self) -> Direction:
        """The same as the other side must say it."""
        if self is Direction.SENDONLY:
            return Direction.RECVONLY
        if self is Direction.RECVONLY:
            return Direction.SENDONLY
        return self


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A certificate's digest (RFC 8122): ``sha-256`` and upper-case hex pairs with colons."""

    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class Extension:
    """One a=extmap; ``direction`` is None when not given."""

    id: int
    direction: Direction | None
    uri: str


@dataclass(slots=True)
class CodecFormat:
    """One payload type: rtpmap, fmtp parameters as text, rtcp-fb values (those of ``*`` included)."""

    payload_type: int
    name: str
    """Lower case."""
    clock_rate: int
    channels: int
    parameters: str = ""
    feedback: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Formats:
    """What a section's m=, rtpmap, fmtp, rtcp-* and extmap lines say.

    ``codecs`` are in the order of the m= line. Sections with equal lines share one object.
    """

    codecs: tuple[CodecFormat, ...]
    extensions: tuple[Extension, ...]
    rtcp_mux: bool
    rtcp_rsize: bool
    receiver_round_trip: bool
    """Whether receivers may ask for their round trip (RFC 3611 section 5.1, ``rcvr-rtt=all``)."""


@dataclass(slots=True)
class Section:
    """One m= section. Session-level ICE, DTLS and direction values are filled in where it has none."""

    kind: str
    port: int
    protocol: str
    payload_types: tuple[str, ...]
    line: int
    """Number of the m= line, from 1."""
    formats: Formats
    mid: str = ""
    direction: Direction = Direction.SENDRECV
    ufrag: str = ""
    pwd: str = ""
    setup: str = ""
    fingerprints: tuple[Fingerprint, ...] = ()
    send_rids: tuple[str, ...] = ()
    """a=rid ids of direction send, in order."""
    simulcast_send: tuple[str, ...] = ()
    """First alternative of each stream of a=simulcast:send, pause marks removed."""
    ssrcs: tuple[int, ...] = ()
    """In order of first mention."""
    ssrc_groups: tuple[tuple[str, tuple[int, ...]], ...] = ()
    bundle_only: bool = False


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description; ``bundle`` are the mids of its first BUNDLE group (RFC 9143)."""

    sections: tuple[Section, ...]
    bundle: tuple[str, ...]


class _BadLine(Exception):
    """A line among the shared ones is wrong."""

    def __init__(self, reason: str, line: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def is_token(text: str) -> bool:
    """RFC 8866 token of at most 64 characters; what mids must be."""
    return _TOKEN.fullmatch(text) is not None


def _number(text: str, highest: int) -> int | None:
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        return None
    value = int(text)
    return value if value <= highest else None


def parse(text: str) -> SessionDescription:
    """Read a description; raises ParseError whose ``offset`` is the line number from 1."""
    if len(text) > MAX_LENGTH:
        raise ParseError("SDP is too long", 0)
    unix = text.replace("\r\n", "\n")
    lines = unix.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines or lines[0] != "v=0":
        raise ParseError("SDP does not start with v=0", 1)
    if "\r" in unix:
        raise ParseError("SDP has a carriage return inside a line", unix.count("\n", 0, unix.index("\r")) + 1)
    if len(lines) > MAX_LINES:
        raise ParseError("SDP has too many lines", MAX_LINES)
    starts = [number for number, line in enumerate(lines) if line.startswith("m=")]
    if len(starts) > MAX_SECTIONS:
        raise ParseError("SDP has too many sections", starts[MAX_SECTIONS] + 1)
    session = _Values()
    bundle: tuple[str, ...] = ()
    session_end = starts[0] if starts else len(lines)
    for number in range(1, session_end):
        line = lines[number]
        if line.startswith("a=group:BUNDLE ") and not bundle:
            bundle = tuple(line[15:].split())
        else:
            _read_line(line, number + 1, session)
    known: dict[tuple[str, ...], Formats] = {}
    ends = [*starts[1:], len(lines)] if starts else []
    sections = [_section(lines, start, end, session, known) for start, end in zip(starts, ends, strict=True)]
    return SessionDescription(tuple(sections), bundle)


class _Values:
    """Attributes that may stand at the session's or at a section's level."""

    __slots__ = (
        "bundle_only",
        "direction",
        "fingerprints",
        "groups",
        "mid",
        "pwd",
        "rids",
        "setup",
        "simulcast",
        "ssrcs",
        "ufrag",
    )

    def __init__(self) -> None:
        self.mid = ""
        self.direction: Direction | None = None
        self.ufrag = ""
        self.pwd = ""
        self.setup = ""
        self.fingerprints: list[Fingerprint] = []
        self.rids: list[str] = []
        self.simulcast: tuple[str, ...] = ()
        self.ssrcs: dict[int, None] = {}
        self.groups: list[tuple[str, tuple[int, ...]]] = []
        self.bundle_only = False


_SHARED: Final = frozenset(("a=rtpma", "a=rtcp-", "a=extma", "a=fmtp:"))
"""First seven characters of lines that are mostly equal in all sections of a kind."""

_DIRECTIONS: Final = {f"a={direction}": direction for direction in Direction}


def _section(
    lines: list[str], start: int, end: int, session: _Values, known: dict[tuple[str, ...], Formats]
) -> Section:
    head = lines[start]
    words = head[2:].split(" ")
    port = _number(words[1].partition("/")[0], 65535) if len(words) >= 4 else None
    if port is None or not _TOKEN.fullmatch(words[0]):
        raise ParseError("SDP m= line is malformed", start + 1)
    payload_types = tuple(words[3:])
    is_rtp = "RTP/" in words[2]

    values = _Values()
    shared: list[str] = [head[head.find(words[2]) :] if is_rtp else ""]
    for number in range(start + 1, end):
        line = lines[number]
        if line[:7] in _SHARED:
            shared.append(line)
        else:
            _read_line(line, number + 1, values)

    key = tuple(shared)
    formats = known.get(key)
    if formats is None:
        try:
            formats = _formats(key, payload_types if is_rtp else ())
        except _BadLine as bad:
            number = lines.index(bad.line, start, end) if bad.line in lines[start:end] else start
            raise ParseError(bad.reason, number + 1) from None
        known[key] = formats
    return Section(
        kind=words[0],
        port=port,
        protocol=words[2],
        payload_types=payload_types,
        line=start + 1,
        formats=formats,
        mid=values.mid,
        direction=values.direction or session.direction or Direction.SENDRECV,
        ufrag=values.ufrag or session.ufrag,
        pwd=values.pwd or session.pwd,
        setup=values.setup or session.setup,
        fingerprints=tuple(values.fingerprints or session.fingerprints),
        send_rids=tuple(values.rids),
        simulcast_send=values.simulcast,
        ssrcs=tuple(values.ssrcs),
        ssrc_groups=tuple(values.groups),
        bundle_only=values.bundle_only,
    )


def _read_line(line: str, number: int, values: _Values) -> None:
    if line[1:2] != "=":
        raise ParseError("SDP line has no type", number)
    if line[0] != "a":
        return
    name, _, value = line[2:].partition(":")
    if name == "ssrc":
        ssrc = _number(value.partition(" ")[0], 0xFFFFFFFF)
        if ssrc is None:
            raise ParseError("SDP a=ssrc is malformed", number)
        values.ssrcs[ssrc] = None
    elif line in _DIRECTIONS:
        values.direction = _DIRECTIONS[line]
    elif name == "mid":
        if not _TOKEN.fullmatch(value):
            raise ParseError("SDP a=mid is malformed", number)
        values.mid = value
    elif name == "ice-ufrag":
        if not _ICE.fullmatch(value):
            raise ParseError("SDP a=ice-ufrag is malformed", number)
        values.ufrag = value
    elif name == "ice-pwd":
        if not _ICE.fullmatch(value) or len(value) < 22:
            raise ParseError("SDP a=ice-pwd is malformed", number)
        values.pwd = value
    elif name == "fingerprint":
        algorithm, space, digest = value.partition(" ")
        if not space or not algorithm or not digest:
            raise ParseError("SDP a=fingerprint is malformed", number)
        values.fingerprints.append(Fingerprint(algorithm.lower(), digest.upper()))
    elif name == "setup":
        values.setup = value
    elif name == "rid":
        rid, _, rest = value.partition(" ")
        if not _RID.fullmatch(rid):
            raise ParseError("SDP a=rid is malformed", number)
        if rest.split(" ")[0] == "send":
            values.rids.append(rid)
    elif name == "simulcast":
        values.simulcast = _simulcast(value, number)
    elif name == "ssrc-group":
        semantics, *members = value.split() or [""]
        ssrcs = [_number(member, 0xFFFFFFFF) for member in members]
        if not semantics or None in ssrcs:
            raise ParseError("SDP a=ssrc-group is malformed", number)
        values.groups.append((semantics, tuple(ssrc for ssrc in ssrcs if ssrc is not None)))
    elif name == "bundle-only":
        values.bundle_only = True


def _simulcast(value: str, number: int) -> tuple[str, ...]:
    """RFC 8853 section 5.1: ``send a;b,c;~d recv ...``."""
    words = value.split()
    if len(words) not in (2, 4):
        raise ParseError("SDP a=simulcast is malformed", number)
    for index in range(0, len(words), 2):
        if words[index] == "send":
            return tuple(stream.partition(",")[0].removeprefix("~") for stream in words[index + 1].split(";"))
    return ()


def _formats(lines: tuple[str, ...], payload_types: tuple[str, ...]) -> Formats:
    codecs: dict[str, CodecFormat] = {}
    extensions: list[Extension] = []
    feedback_for_all: set[str] = set()
    mux = rsize = round_trip = False
    by_type: dict[str, CodecFormat] = {}
    pending: list[tuple[str, str, str]] = []
    for line in lines[1:]:
        name, _, value = line[2:].partition(":")
        if name == "rtpmap":
            payload_type, _, encoding = value.partition(" ")
            parts = encoding.strip().split("/")
            number = _number(payload_type, 127)
            clock = _number(parts[1], 0x7FFFFFFF) if len(parts) in (2, 3) else None
            channels = _number(parts[2], 255) if len(parts) == 3 else 1
            if number is None or clock is None or channels is None:
                raise _BadLine("SDP a=rtpmap is malformed", line)
            by_type.setdefault(payload_type, CodecFormat(number, parts[0].lower(), clock, channels))
        elif name == "rtcp-mux":
            mux = True
        elif name == "rtcp-rsize":
            rsize = True
        elif name == "rtcp-xr":
            round_trip = any(each.partition(":")[0] == "rcvr-rtt=all" for each in value.split())
        elif name in ("rtcp-fb", "fmtp"):
            payload_type, space, rest = value.partition(" ")
            if not space:
                raise _BadLine(f"SDP a={name} is malformed", line)
            if payload_type == "*":
                feedback_for_all.add(rest)
            else:
                pending.append((name, payload_type, rest))
        elif name == "extmap":
            extensions.append(_extension(line, value))
    for name, payload_type, rest in pending:
        codec = by_type.get(payload_type)
        if codec is None:
            continue
        if name == "fmtp":
            codec.parameters = rest
        else:
            codec.feedback.add(rest)
    for payload_type in payload_types:
        codec = by_type.get(payload_type)
        if codec is not None and payload_type not in codecs:
            codec.feedback |= feedback_for_all
            codecs[payload_type] = codec
    return Formats(tuple(codecs.values()), tuple(extensions), mux, rsize, round_trip)


def _extension(line: str, value: str) -> Extension:
    """RFC 8285 section 8: ``id[/direction] uri [attributes]``."""
    words = value.split(" ")
    identity, slash, direction = words[0].partition("/")
    number = _number(identity, 0xFFFF)
    if number is None or number == 0 or len(words) < 2:
        raise _BadLine("SDP a=extmap is malformed", line)
    try:
        return Extension(number, Direction(direction) if slash else None, words[1])
    except ValueError:
        raise _BadLine("SDP a=extmap direction is malformed", line) from None
