"""One tap's journal as a track: frames or sound packets with RTP times, and the sender reports beside them.

A track keeps places in the journal, never media, and of the last minute or two only.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from struct import Struct as Layout
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recorder.frames import LENGTH_BITS, Assembler, Frames
from recorder.journal import Kind, Placed, TapHead
from recorder.tail import Tail

Times = NDArray[np.int64]
"""Microseconds."""

UNKNOWN_LEVEL: Final = 255
"""Of a sound packet that does not tell its level."""

_RTP: Final = Layout(">HII").unpack_from
_REPORT: Final = Layout(">IQI").unpack_from
_PACKET: Final = int(Kind.PACKET)
_SENDER_REPORT: Final = 200
_NTP_EPOCH_S: Final = 2_208_988_800
_ONE_BYTE: Final = b"\xbe\xde"
MOST_FRAMES: Final = 1_800
"""So many frames are kept at most, a keyframe among them or not."""


@dataclass(frozen=True, slots=True)
class Report:
    """One sender report (RFC 3550 section 6.4.1): the publisher's NTP time, and RTP time (32 bits) as in the
    packet."""

    receive_us: int
    sent_us: int
    rtp: int


def ntp_us(ntp: int) -> int:
    """64-bit NTP time in us since 1970 (RFC 5905 section 6, first era)."""
    return ((ntp >> 32) - _NTP_EPOCH_S) * 1_000_000 + ((ntp & 0xFFFFFFFF) * 1_000_000 >> 32)


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

    def forget(self, count: int) -> None:
        """Forget the ``count`` oldest."""
        for column in (self.layer, self.rtp, self.receive_us, self.level, self.where):
            del column[:count]


class Track:
    """What a tap's journal holds, read up to one time after another; what is old is forgotten.

    One of ``frames`` and ``sound`` stays empty; layers are numbered as they came, ``reports`` by that number.
    Times are given by ``set_times``.
    """

    def __init__(self, tail: Tail) -> None:
        """``tail`` has its head."""
        if not isinstance(tail.head, TapHead):
            raise ValueError("not a tap's journal")
        self.tail = tail
        self.head = tail.head
        self.name = tail.path.name
        self.frames = Frames()
        self.sound = SoundPackets()
        self.time_us: Times = np.empty(0, dtype=np.int64)
        """Server time of each frame or packet."""
        self.first_us: int | None = None
        """Of the first one, settled."""
        self.reports: list[list[Report]] = []
        self.received_us: tuple[int, int] | None = None
        """Receive times of the first and the last RTP packet; None: there is none."""
        self.left_out = 0
        """Packets that are not the tap's media."""
        self._layers: dict[int, int] = {}
        self._assemblers: list[Assembler] = []
        self._extended: list[int] = []
        self._block, self._level_at = b"", 0
        self._take = {"vp8": self._take_frames, "opus": self._take_sound}.get(self.head.codec.lower())

    @property
    def known(self) -> bool:
        """Whether its codec is one that is recorded."""
        return self._take is not None

    @property
    def columns(self) -> Frames | SoundPackets:
        """The frames, or the packets of sound."""
        return self.sound if self.head.codec.lower() == "opus" else self.frames

    def take(self, batch: list[Placed]) -> None:
        """Take these records, which the tail gave. Raises OverflowError for a time that cannot be."""
        if self._take is not None:
            self._take(batch)

    def complete(self, before_us: int) -> None:
        """All that was received before this time was taken: no frame of it waits for a packet any more."""
        for assembler in self._assemblers:
            assembler.settle(before_us)

    @property
    def lost(self) -> int:
        """Packets that are not the tap's media, and frames of which something is missing."""
        return self.left_out + sum(assembler.left_out for assembler in self._assemblers)

    def set_times(self, fresh_us: Times, settled_us: int) -> None:
        """Give each frame or packet its time. Those before ``settled_us`` keep what they have; no other gets
        an earlier one."""
        times = np.maximum(fresh_us, settled_us)
        former = self.time_us
        known = times[: len(former)]
        np.copyto(known, former, where=former < settled_us)
        if self.sound is not self.columns:
            np.maximum.accumulate(times, out=times)
        self.time_us = times

    def settle(self, until_us: int) -> None:
        """What is earlier does not change any more."""
        if self.first_us is None and len(self.time_us) and (first_us := int(self.time_us.min())) < until_us:
            self.first_us = first_us

    def forget(self, before_us: int) -> None:
        """Forget what is older: but of frames only those before the last keyframe of that time, with which a
        decoder begins, and the oldest beyond MOST_FRAMES; of reports all but the last two."""
        for index, reports in enumerate(self.reports):
            keep = next((at for at, each in enumerate(reports) if each.receive_us >= before_us), len(reports))
            self.reports[index] = reports[min(keep, max(0, len(reports) - 2)) :]
        columns = self.columns
        count = int(np.searchsorted(np.frombuffer(columns.receive_us, dtype=np.int64), before_us))
        if isinstance(columns, Frames):
            keys = np.flatnonzero(np.frombuffer(columns.key, dtype=np.uint8)[:count])
            count = max(int(keys[-1]) if len(keys) else 0, min(count, len(columns) - MOST_FRAMES))
        if count > 0:
            columns.forget(count)
            self.time_us = self.time_us[count:]

    def _take_frames(self, batch: list[Placed]) -> None:
        payload_type = self.head.payload_type
        assemblers = self._assemblers
        current = -1
        add = None
        time_us = first_us = -1
        for record, at_us, packet, offset in batch:
            if record != _PACKET or len(packet) < 13:
                self.left_out += record == _PACKET
                continue
            if packet[1] & 0x7F != payload_type:
                self._take_other(at_us, packet)
                continue
            number, rtp, ssrc = _RTP(packet, 2)
            if ssrc != current or add is None:
                current = ssrc
                layer = self._layer(ssrc)
                while len(assemblers) <= layer:
                    assemblers.append(Assembler(self.frames, len(assemblers)))
                add = assemblers[layer].add
            time_us = at_us
            if first_us < 0:
                first_us = at_us
            add(number, rtp, at_us, packet, offset)
        self._received(first_us, time_us)

    def _take_sound(self, batch: list[Placed]) -> None:
        payload_type, tag = self.head.payload_type, self.head.audio_level_id << 4
        sound = self.sound
        add_layer, add_rtp, add_receive = sound.layer.append, sound.rtp.append, sound.receive_us.append
        add_level, add_where = sound.level.append, sound.where.append
        extended = self._extended
        current, layer = -1, 0
        block, level_at = self._block, self._level_at
        time_us = first_us = -1
        for record, at_us, packet, offset in batch:
            length = len(packet)
            if record != _PACKET or length < 13:
                self.left_out += record == _PACKET
                continue
            if packet[1] & 0x7F != payload_type:
                self._take_other(at_us, packet)
                continue
            _, rtp, ssrc = _RTP(packet, 2)
            if ssrc != current:
                current = ssrc
                layer = self._layer(ssrc)
                while len(extended) <= layer:
                    extended.append(-1)
            first = packet[0]
            begin = 12 + 4 * (first & 0x0F)
            level = UNKNOWN_LEVEL
            if first & 0x10:
                head = begin
                begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4])
                if begin > length:
                    self.left_out += 1
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
            time_us = at_us
            if first_us < 0:
                first_us = at_us
            add_layer(layer)
            add_rtp(rtp)
            add_receive(at_us)
            add_level(level)
            add_where((offset + begin) << LENGTH_BITS | (length - begin))
        self._block, self._level_at = block, level_at
        self._received(first_us, time_us)

    def _received(self, first_us: int, last_us: int) -> None:
        if last_us >= 0:
            first_us = first_us if self.received_us is None else self.received_us[0]
            self.received_us = first_us, last_us

    def _take_other(self, time_us: int, packet: bytes) -> None:
        if packet[1] == _SENDER_REPORT and len(packet) >= 28:
            ssrc, ntp, rtp = _REPORT(packet, 4)
            self.reports[self._layer(ssrc)].append(Report(time_us, ntp_us(ntp), rtp))
        else:
            self.left_out += 1

    def _layer(self, ssrc: int) -> int:
        if ssrc not in self._layers:
            self._layers[ssrc] = len(self._layers)
            self.reports.append([])
        return self._layers[ssrc]


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
