"""Writes WebM (Matroska, RFC 9559) that is whole and seekable after every step: VP8 and Opus as they are.

The head has a fixed size and is written in place: duration, size of the largest picture, cues, and how much
of the file belongs to it. What is behind that is not there for a reader.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from struct import Struct as Layout
from struct import pack
from typing import Final, Self

from recorder.opus import SAMPLE_RATE

CLUSTER_MS: Final = 2_000
CUES: Final = 800
"""There is room for so many: an hour's, one each 5 s. Of more, each second one is left out, and so on."""
_CUES_APART_MS: Final = 1_000
_PICTURE: Final = 1
_SOUND: Final = 2
_OPUS_HEAD: Final = b"OpusHead" + pack("<BBHIhB", 1, 2, 0, SAMPLE_RATE, 0, 0)
"""RFC 7845 section 5.1: two channels, which mono packets play in too, and no pre-skip."""
_SEEK_PREROLL_NS: Final = 80_000_000

_EBML: Final = 0x1A45DFA3
_SEGMENT: Final = 0x18538067
_SEEK_HEAD: Final = 0x114D9B74
_INFO: Final = 0x1549A966
_TRACKS: Final = 0x1654AE6B
_CUES: Final = 0x1C53BB6B
_CLUSTER: Final = 0x1F43B675
_VOID: Final = 0xEC

_BLOCK: Final = Layout(">BIBhB")
_block: Final = _BLOCK.pack
_CUE: Final = Layout(">HHIHHBHQ")
_CLUSTER_HEAD: Final = Layout(">IIHI")
"""Its size in 4 bytes, then its time in 4."""
_WIDE: Final = 1 << 56
"""A size written in 8 bytes."""
_VOID_HEAD: Final = 9
_SEEK_HEAD_SIZE: Final = 8 + 3 * (6 + 10 + 10)
_FLUSH: Final = 1 << 20


def _element(identity: int, *bodies: bytes) -> bytes:
    """An element; its size takes 4 bytes (RFC 8794 section 4)."""
    body = b"".join(bodies)
    return _id(identity) + (len(body) | 1 << 28).to_bytes(4) + body


def _id(identity: int) -> bytes:
    return identity.to_bytes((identity.bit_length() + 7) // 8)


def _number(identity: int, value: int, size: int = 4) -> bytes:
    return _element(identity, value.to_bytes(size))


_HEAD: Final = _element(
    _EBML,
    _number(0x4286, 1, 1),
    _number(0x42F7, 1, 1),
    _number(0x42F2, 4, 1),
    _number(0x42F3, 8, 1),
    _element(0x4282, b"webm"),
    _number(0x4287, 4, 1),
    _number(0x4285, 2, 1),
)
_CUES_SIZE: Final = CUES * _CUE.size + _VOID_HEAD


def _info(title: str, duration_ms: int) -> bytes:
    return _element(
        _INFO,
        _number(0x2AD7B1, 1_000_000),
        _element(0x4489, pack(">d", duration_ms)),
        _element(0x7BA9, title.encode()),
        _element(0x4D80, b"zvonok"),
        _element(0x5741, b"zvonok"),
    )


def _tracks(width: int, height: int) -> bytes:
    size = _element(0xE0, _number(0xB0, width), _number(0xBA, height))
    audio = _element(0xE1, _element(0xB5, pack(">f", SAMPLE_RATE)), _number(0x9F, 2, 1))
    picture = (_number(0x83, 1, 1), _number(0x9C, 0, 1), _element(0x86, b"V_VP8"), size)
    sound = (
        _number(0x83, 2, 1),
        _number(0x9C, 0, 1),
        _element(0x86, b"A_OPUS"),
        _number(0x56AA, 0),
        _number(0x56BB, _SEEK_PREROLL_NS),
        _element(0x63A2, _OPUS_HEAD),
        audio,
    )
    return _element(
        _TRACKS,
        *(
            _element(0xAE, _number(0xD7, number, 1), _number(0x73C5, number, 1), *fields)
            for number, fields in ((_PICTURE, picture), (_SOUND, sound))
        ),
    )


class Video:
    """A WebM file being written in ascending time, sound and picture each for itself. Times are in ms, the
    file's unit. ``step`` makes what was added part of it. Every method raises OSError."""

    def __init__(self, path: Path, title: str) -> None:
        """Begin a new file; one of this name is left to who has it open."""
        path.unlink(missing_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        self._title = title
        self._blocks: list[bytes] = []
        self._blocks_size = 0
        self._cluster_ms = -1
        self._cue_ms: int | None = None
        self._whole: list[bytes] = []
        self._whole_size = 0
        self._last_picture_ms = -1
        self._last_ms = 0
        self._clusters: list[tuple[int, int]] = []
        """Time and position of each, from the segment's data on."""
        self._cues: list[tuple[int, int]] = []
        self._apart_ms = _CUES_APART_MS
        self._segment = len(_HEAD) + 12
        self._end = 0
        self._end = len(self._head(0, 0, 0))
        """Where the next cluster begins."""
        self._write_head(0, 0, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def picture(self, at_ms: int, frame: Sequence[bytes], key: bool) -> int:
        """Add a VP8 frame, in pieces; one that is not later than the last comes 1 ms after it. Its time."""
        if at_ms <= self._last_picture_ms:
            at_ms = self._last_picture_ms + 1
        self._last_ms = self._last_picture_ms = at_ms
        if key and self._cluster_ms >= 0:
            self._end_cluster()
        self._open_cluster(at_ms)
        if key and self._cue_ms is None:
            self._cue_ms = at_ms
        size = sum(map(len, frame)) + 4
        self._blocks.append(
            _block(0xA3, 1 << 28 | size, 0x80 | _PICTURE, at_ms - self._cluster_ms, 0x80 if key else 0)
        )
        self._blocks += frame
        self._blocks_size += size + 5
        return at_ms

    def sound(self, at_ms: int, packet: bytes) -> None:
        """Add an Opus packet."""
        self._last_ms = at_ms
        since_ms = at_ms - self._cluster_ms
        if since_ms >= CLUSTER_MS or self._cluster_ms < 0:
            self._open_cluster(at_ms)
            since_ms = at_ms - self._cluster_ms
        size = len(packet) + 4
        self._blocks += (_block(0xA3, 1 << 28 | size, 0x80 | _SOUND, since_ms, 0x80), packet)
        self._blocks_size += size + 5

    def step(self, width: int, height: int) -> int:
        """From now on the file is whole up to the last cluster that is full. How many ms that are.

        ``width`` and ``height`` are of the largest picture.
        """
        self._flush()
        duration_ms = self._cluster_ms if self._cluster_ms >= 0 else self._last_ms
        self._write_head(duration_ms, width, height)
        return duration_ms

    def end(self, duration_ms: int, width: int, height: int) -> int:
        """Nothing more comes, and what begins at ``duration_ms`` or later is left out. How many bytes it has
        now, which the disk keeps."""
        self._end_cluster()
        self._flush()
        self._cut(duration_ms)
        self._write_head(duration_ms, width, height)
        os.fsync(self._file)
        return self._end

    def _open_cluster(self, at_ms: int) -> None:
        if self._cluster_ms >= 0 and at_ms - self._cluster_ms >= CLUSTER_MS:
            self._end_cluster()
        if self._cluster_ms < 0:
            self._cluster_ms = max(0, at_ms)

    def _end_cluster(self) -> None:
        if self._cluster_ms < 0:
            return
        position = self._end - self._segment
        self._clusters.append((self._cluster_ms, position))
        if self._cue_ms is not None and (
            not self._cues or self._cue_ms - self._cues[-1][0] >= self._apart_ms
        ):
            self._cues.append((self._cue_ms, position))
            while len(self._cues) > CUES:
                self._apart_ms *= 2
                self._cues = _thinned(self._cues, self._apart_ms)
        self._whole.append(
            _CLUSTER_HEAD.pack(_CLUSTER, 1 << 28 | self._blocks_size + 6, 0xE784, self._cluster_ms)
        )
        self._whole += self._blocks
        self._whole_size += _CLUSTER_HEAD.size + self._blocks_size
        self._end += _CLUSTER_HEAD.size + self._blocks_size
        self._blocks, self._blocks_size = [], 0
        self._cluster_ms, self._cue_ms = -1, None
        if self._whole_size >= _FLUSH:
            self._flush()

    def _flush(self) -> None:
        data = b"".join(self._whole)
        self._whole, self._whole_size = [], 0
        _write(self._file, data, self._end - len(data))

    def _write_head(self, duration_ms: int, width: int, height: int) -> None:
        _write(self._file, self._head(duration_ms, width, height), 0)

    def _head(self, duration_ms: int, width: int, height: int) -> bytes:
        info, tracks = _info(self._title, duration_ms), _tracks(width, height)
        # The free room is an element inside the cues: so their size stays, whatever is torn.
        cues = b"".join(
            _CUE.pack(0xBB95, 0xB384, at_ms, 0xB78D, 0xF781, _PICTURE, 0xF188, position)
            for at_ms, position in self._cues
        )
        free = _CUES_SIZE - len(cues) - _VOID_HEAD
        cues += _id(_VOID) + (_WIDE | free).to_bytes(8) + bytes(free)
        places: list[bytes] = []
        at = _SEEK_HEAD_SIZE
        for identity, size in ((_INFO, len(info)), (_TRACKS, len(tracks)), (_CUES, 0)):
            places.append(_element(0x4DBB, _element(0x53AB, _id(identity)), _number(0x53AC, at)))
            at += size
        body = _element(_SEEK_HEAD, *places) + info + tracks + _element(_CUES, cues)
        size = max(len(body), self._end - self._segment)
        return _HEAD + _id(_SEGMENT) + (_WIDE | size).to_bytes(8) + body

    def _cut(self, until_ms: int) -> None:
        while self._clusters and self._clusters[-1][0] >= until_ms:
            self._end = self._segment + self._clusters.pop()[1]
        if self._clusters:
            at_ms, position = self._clusters[-1]
            start = self._segment + position
            data = os.pread(self._file, self._end - start, start)
            blocks = _until(data[_CLUSTER_HEAD.size :], until_ms - at_ms)
            head = _CLUSTER_HEAD.pack(_CLUSTER, 1 << 28 | len(blocks) + 6, 0xE784, at_ms)
            _write(self._file, head + blocks, start)
            self._end = start + len(head) + len(blocks)
        os.ftruncate(self._file, self._end)
        self._cues = [cue for cue in self._cues if cue[0] < until_ms]


def _until(blocks: bytes, until_ms: int) -> bytes:
    """The blocks of a cluster that begin before ``until_ms`` of it."""
    kept: list[bytes] = []
    at = 0
    while at < len(blocks):
        _, size, _, at_ms, _ = _BLOCK.unpack_from(blocks, at)
        end = at + 5 + (size & 0x0FFFFFFF)
        if at_ms < until_ms:
            kept.append(blocks[at:end])
        at = end
    return b"".join(kept)


def _thinned(cues: list[tuple[int, int]], apart_ms: int) -> list[tuple[int, int]]:
    kept = cues[:1]
    for cue in cues:
        if cue[0] - kept[-1][0] >= apart_ms:
            kept.append(cue)
    return kept


def _write(file: int, data: bytes, at: int) -> None:
    rest = memoryview(data)
    while rest:
        count = os.pwrite(file, rest, at)
        rest, at = rest[count:], at + count
