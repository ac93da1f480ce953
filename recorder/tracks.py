"""One tap's journal as a track: frames or sound packets with RTP times, and the sender reports beside them.

A track keeps places in the journal, never media, so that a long lesson fits into memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from struct import Struct as Layout
from typing import Final

from recorder.frames import LENGTH_BITS, Assembler, Frames
from recorder.journal import Kind, Placed, TapHead, read

UNKNOWN_LEVEL: Final = 255
"""Of a sound packet that does not tell its level."""

_RTP: Final = Layout(">HII").unpack_from
_REPORT: Final = Layout(">IQI").unpack_from
_PACKET: Final = int(Kind.PACKET)
_SENDER_REPORT: Final = 200
_ONE_BYTE: Final = b"\xbe\xde"
_Batches = Iterator[list[Placed]]


@dataclass(frozen=True, slots=True)
class Report:
    """One sender report (RFC 3550 section 6.4.1): NTP (64 bits) and RTP time (32 bits) as in the packet."""

    receive_us: int
    ntp: int
    rtp: int


class SoundPackets:
    """A tap's Opus packets as they arrived, as columns.

    ``layer`` numbers the RTP stream, ``rtp`` is extended, ``level`` is -dBov (RFC 6464: 0 loudest, 127
    silent) or UNKNOWN_LEVEL, ``where`` the payload's place (see ``recorder.frames.span``).
    """

    __slots__ = ("layer", "level", "receive_us", "rtp", "where")

    def __init__(self) -> None:
        self.layer = array("H")
        self.rtp = array("q")
        self.receive_us = array("q")
        self.level = array("B")
        self.where = array("Q")

    def __len__(self) -> int:
        return len(self.rtp)


@dataclass(slots=True)
class Track:
    """What a journal holds. One of ``frames`` and ``sound`` stays empty; layers are numbered as they came,
    ``reports`` by that number."""

    path: Path
    head: TapHead
    frames: Frames = field(default_factory=Frames)
    sound: SoundPackets = field(default_factory=SoundPackets)
    reports: list[list[Report]] = field(default_factory=list)
    last_us: int = 0
    """Receive time of the last RTP packet, 0 when there is none."""
    left_out: int = 0
    """Packets that are not the tap's media, and frames of which something is missing."""
    damage: str = ""
    """Why reading ended before the file did; empty: it did not."""


def read_track(path: Path) -> Track | None:
    """Read a tap's journal up to its first damaged record; None when it has no head. Raises OSError."""
    head, records = read(path)
    if not isinstance(head, TapHead):
        return None
    track = Track(path, head)
    codec = head.codec.lower()
    if codec == "vp8":
        _read_frames(track, records.batches())
    elif codec == "opus":
        _read_sound(track, records.batches())
    else:
        track.damage = "a codec that is not recorded"
        return track
    track.damage = records.damage
    return track


def _read_frames(track: Track, batches: _Batches) -> None:
    payload_type = track.head.payload_type
    layers: dict[int, int] = {}
    assemblers: list[Assembler] = []
    current = -1
    add = None
    for record, time_us, packet, offset in chain.from_iterable(batches):
        if record != _PACKET or len(packet) < 13:
            track.left_out += record == _PACKET
            continue
        kind = packet[1]
        if kind & 0x7F != payload_type:
            _take_other(track, layers, time_us, packet)
            continue
        number, rtp, ssrc = _RTP(packet, 2)
        if ssrc != current or add is None:
            current = ssrc
            layer = _layer(track, layers, ssrc)
            while len(assemblers) <= layer:
                assemblers.append(Assembler(track.frames, len(assemblers)))
            add = assemblers[layer].add
        track.last_us = time_us
        add(number, rtp, time_us, packet, offset)
    for assembler in assemblers:
        assembler.flush()
        track.left_out += assembler.left_out


def _read_sound(track: Track, batches: _Batches) -> None:
    payload_type, tag = track.head.payload_type, track.head.audio_level_id << 4
    sound = track.sound
    add_layer, add_rtp, add_receive = sound.layer.append, sound.rtp.append, sound.receive_us.append
    add_level, add_where = sound.level.append, sound.where.append
    layers: dict[int, int] = {}
    extended: list[int] = []
    current, layer = -1, 0
    block, level_at = b"", 0
    for record, time_us, packet, offset in chain.from_iterable(batches):
        length = len(packet)
        if record != _PACKET or length < 13:
            track.left_out += record == _PACKET
            continue
        if packet[1] & 0x7F != payload_type:
            _take_other(track, layers, time_us, packet)
            continue
        _, rtp, ssrc = _RTP(packet, 2)
        if ssrc != current:
            current = ssrc
            layer = _layer(track, layers, ssrc)
            while len(extended) <= layer:
                extended.append(-1)
        first = packet[0]
        begin = 12 + 4 * (first & 0x0F)
        level = UNKNOWN_LEVEL
        if first & 0x10:
            head = begin
            begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4])
            if begin > length:
                track.left_out += 1
                continue
            # Extensions mostly stand where they stood in the packet before.
            if packet[head : head + 4] != block or not level_at or packet[level_at - 1] != tag:
                block, level_at = packet[head : head + 4], _level_place(packet, head, begin, tag)
            if level_at:
                level = packet[level_at] & 0x7F
        if first & 0x20:
            length -= packet[-1]
        if begin >= length:
            continue  # padding only
        last = extended[layer]
        if last >= 0:
            ahead = (rtp - last) & 0xFFFFFFFF
            rtp = last + (ahead if ahead < 0x80000000 else ahead - 0x100000000)
        extended[layer] = rtp
        track.last_us = time_us
        add_layer(layer)
        add_rtp(rtp)
        add_receive(time_us)
        add_level(level)
        add_where((offset + begin) << LENGTH_BITS | (length - begin))


def _level_place(packet: bytes, head: int, end: int, tag: int) -> int:
    """Where the level of RFC 6464 stands, 0: nowhere. In the two-byte form too (RFC 8285)."""
    one_byte = packet[head : head + 2] == _ONE_BYTE
    pos = head + 4
    while tag and pos + 1 < end:
        byte = packet[pos]
        if not byte:
            pos += 1
        elif one_byte:
            if byte == tag:
                return pos + 1
            pos += 2 + (byte & 0x0F)
        else:
            if byte == tag >> 4 and packet[pos + 1] and pos + 2 < end:
                return pos + 2
            pos += 2 + packet[pos + 1]
    return 0


def _take_other(track: Track, layers: dict[int, int], time_us: int, packet: bytes) -> None:
    if packet[1] == _SENDER_REPORT and len(packet) >= 28:
        ssrc, ntp, rtp = _REPORT(packet, 4)
        track.reports[_layer(track, layers, ssrc)].append(Report(time_us, ntp, rtp))
    else:
        track.left_out += 1


def _layer(track: Track, layers: dict[int, int], ssrc: int) -> int:
    if ssrc not in layers:
        layers[ssrc] = len(layers)
        track.reports.append([])
    return layers[ssrc]
