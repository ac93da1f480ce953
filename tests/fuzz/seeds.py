"""Where mutation begins: what browsers sent (the captures among the vectors) and what a rig's peers send."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from sfu import rtcp, rtp, stun
from sfu.codecs import red
from tests.fuzz.mutation import Input
from tests.fuzz.orders import PROGRAMS
from tests.sfu.plane.rig import OPUS_PT, PASSWORD, RIDS, VP8_PT, Encoder, repair
from tests.sfu.plane.test_native_bytes import VALID_RTCP
from tests.vectors.browser_capture import CAPTURES, Received, read_capture

OURS: Final = range(2, 6)
"""Handles of a Classroom's peers, which are in their fragments."""
CAPTURED: Final = 2000
"""Entries of a capture that are looked at."""
FIREFOX_VP8_PT: Final = 120
_SHARE: Final = 40


def _checks() -> list[bytes]:
    checks = []
    for handle in OURS:
        ask = partial(
            stun.build_binding_request,
            local_ufrag=f"remote{handle}",
            remote_ufrag=f"local{handle}",
            remote_password=PASSWORD,
        )
        checks += [
            ask(bytes(12), priority=7, use_candidate=True, controlling=1),
            ask(bytes(12), priority=2**32 - 1, controlled=2**64 - 1),
            ask(b"\xff" * 12, priority=0),
        ]
    return checks


def stun_messages() -> list[Input]:
    """Checks of a Classroom's peers, answers, and what browsers asked."""
    answers = (
        stun.build_binding_success(bytes(12), ("192.0.2.1", 5), PASSWORD),
        stun.build_binding_success(bytes(12), ("2001:db8::1", 65_535), PASSWORD),
        stun.build_error(bytes(12), 487, "Role Conflict", PASSWORD),
        bytes.fromhex("001100002112a442") + bytes(12),
    )
    theirs = [data for path in CAPTURES for data in _captured(path) if data[0] <= 3]
    return [*_parted(_checks(), 4), answers, *_parted(theirs, 6)]


def rtp_packets() -> list[Input]:
    """A lesson's packets: sound, three layers with a repair, one layer, padding; and browsers'."""
    voice = Encoder(50, mid="0", payload_type=111, sequence=65_530)
    sound = [voice.sound(level=127 if index > 5 else 30) for index in range(12)]
    lossy = [voice.sound(redundancy=min(index, 3)) for index in range(12)]
    del lossy[4], lossy[6:8]
    return [tuple(sound), tuple(lossy), simulcast(), tuple(_single()), *_captured_beginnings()]


def _captured_beginnings() -> list[Input]:
    """Each browser's first packets, and those of each SSRC, which tell whose it is."""
    found: list[Input] = []
    for path in CAPTURES:
        streams: dict[int, list[bytes]] = {}
        packets = [data for data in _captured(path) if 128 <= data[0] <= 191 and not rtp.is_rtcp(data)]
        for packet in packets:
            streams.setdefault(rtp.ssrc(packet), []).append(packet)
        found += [tuple(stream[:40]) for stream in (packets, *streams.values())]
    return found


def simulcast() -> Input:
    """Three layers, with a loss that is repaired."""
    layers = [
        Encoder(60 + index, mid="1", rid=rid, picture_id=125, temporal_layers=3)
        for index, rid in enumerate(RIDS)
    ]
    packets: list[bytes] = []
    for number in range(5):
        for encoder in layers:
            packets += encoder.frame(2, keyframe=number in (0, 3))
    lost = packets.pop(8)
    return (*packets, repair(lost, ssrc=90, sequence=4, rid=RIDS[1]))


def _single() -> list[bytes]:
    camera = Encoder(70, mid="2", wide=False, sequence=65_533, timestamp=4_294_960_000)
    packets = [packet for number in range(8) for packet in camera.frame(2, keyframe=number % 4 == 0)]
    return [*packets, camera.padding(), *camera.frame()]


def rtcp_datagrams() -> list[Input]:
    """Of every kind, about a Classroom's slots and sources too."""
    about = []
    for media in (500_090, 500_100, 500_101, 500_110, 60, 77):
        block = rtcp.ReportBlock(media, 12, 3, 65_540, 9, 1, 655)
        about += [
            rtcp.build_receiver_report(1, [block, block]) + rtcp.build_remb(1, 900_000, [media]),
            rtcp.build_nack(1, media, [64_999, 65_000, 65_002, 65_030]),
            rtcp.build_pli(1, media) + rtcp.build_fir(1, [(media, 3)]),
            rtcp.build_sender_report(
                media, ntp=2**63, rtp_timestamp=9_000, packet_count=1, octet_count=1, reports=[block]
            )
            + rtcp.build_sdes(media, "theirs")
            + rtcp.build_bye([media]),
        ]
    theirs = [data for path in CAPTURES for data in _captured(path) if data[0] >= 128 and rtp.is_rtcp(data)]
    return [*_parted(VALID_RTCP, 5), *_parted(about, 8), *_parted(theirs, 20)]


def payloads() -> list[Input]:
    """VP8 payloads with and without picture ids, of one and two bytes, in frames of several packets."""
    found: list[Input] = []
    for changes in ({}, {"wide": False, "picture_id": 120}, {"picture_id": None}, {"tl0picidx": None}):
        encoder = Encoder(1, mid="1", **changes)
        packets = [each for number in range(6) for each in encoder.frame(3, keyframe=number in (0, 4))]
        found.append(tuple(_payload(each) for each in packets))
    found.append((bytes.fromhex("9080853920e5b0dc5000009d012affffe081"), bytes.fromhex("10")))
    found += [
        tuple(_payload(each) for each in part if rtp.payload_type(each) in (VP8_PT, FIREFOX_VP8_PT))
        for part in rtp_packets()[4:]
    ]
    return [each for each in found if each]


def redundant_payloads() -> list[Input]:
    """Sound with up to three payloads before it, some of another kind, empty, too old or too many."""
    voice = Encoder(50, mid="0", payload_type=OPUS_PT)
    usual = tuple(_payload(voice.sound(redundancy=min(index, 3))) for index in range(1, 16))
    block = red.RedundantBlock(OPUS_PT, 960, b"before")
    odd: tuple[list[red.RedundantBlock], ...] = (
        [block._replace(payload_type=0), block],
        [block._replace(payload=b""), block],
        [block._replace(timestamp_offset=0), block._replace(timestamp_offset=16_383)],
        [block._replace(payload=bytes(600))] * 2,
        [block] * 40,
        [],
    )
    return [
        usual,
        tuple(red.build(blocks, OPUS_PT, b"now") for blocks in odd),
        (*usual[:3], red.build([block], OPUS_PT, b""), red.build([block], 0, b"now"), b"\x6f", b"\xef"),
    ]


def datagrams() -> list[Input]:
    """Everything above from everybody of ``play_datagrams``, protected and not; DTLS and rubbish between."""
    rest = (
        bytes.fromhex("16fefd0000000000000000003c010000300000"),
        bytes.fromhex("17fefd0001"),
        b"\x00",
        b"",
    )
    lessons = [
        *([b"\x08" + each for each in part] for part in rtp_packets()[:20]),
        *(
            [b"\x08" + each for each in _single()] + [b"\x09" + each for each in part]
            for part in rtcp_datagrams()
        ),
    ]
    for number, mixed in enumerate(lessons):
        first, last = mixed[0], mixed[-1]
        mixed[3:3] = [bytes((who,)) + data for who, data in enumerate((*_checks()[:4], *rest))]
        mixed[2:2] = [bytes((who,)) + first[1:] for who in (2, 3, 4, 9, 10)]
        mixed += [bytes((24,)) + last[1:]]
        mixed[0] = bytes((first[0] | (number % 3) << 5,)) + first[1:]
    return [tuple(mixed) for mixed in lessons]


def orders() -> list[Input]:
    """Lessons as orders."""
    return list(PROGRAMS)


def _payload(packet: bytes) -> bytes:
    return packet[rtp.payload_offset(packet) :]


def _captured(path: Path) -> list[bytes]:
    """Some of what a browser sent, from the beginning on."""
    entries = read_capture(path).entries[:CAPTURED]
    return [entry.data for entry in entries if isinstance(entry, Received) and entry.data]


def _parted(records: Sequence[bytes], size: int) -> list[Input]:
    """In parts of one size, not more of them than a target comes through in a second."""
    parts = [tuple(records[at : at + size]) for at in range(0, len(records), size)]
    return parts[:: max(1, len(parts) // _SHARE)]
