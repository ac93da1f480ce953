"""Writes a WebM file (Matroska, RFC 9559): VP8 and Opus as they are, cues before the clusters."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path
from struct import pack
from typing import Final, Self

import av
from av.container import InputContainer
from av.stream import Stream

from recorder.opus import SAMPLE_RATE

CUE_BYTES: Final = 32
"""More than a cue needs: two elements of times and places, with their heads."""
_MILLISECOND: Final = Fraction(1, 1000)
_OPUS_HEAD: Final = b"OpusHead" + pack("<BBHIhB", 1, 2, 0, SAMPLE_RATE, 0, 0)
"""RFC 7845 section 5.1: two channels, which mono packets play in too, and no pre-skip."""
_SEEK_PREROLL_NS: Final = 80_000_000


class Video:
    """A WebM file being written, packet by packet in ascending time, sound and picture each for itself.

    Times are in ms, the file's unit, which packets are taken to have that have none of their own. Use as a
    context manager: leaving it writes cues and length.
    """

    def __init__(self, path: Path, *, title: str, width: int, height: int, keyframes: int) -> None:
        """``width`` and ``height`` are of the largest frame, ``keyframes`` at least as many as there will be.

        Raises OSError.
        """
        self._file = av.open(
            str(path),
            "w",
            format="webm",
            # Without bitexact there would be random numbers in it: the same lesson is the same file.
            options={"reserve_index_space": str(CUE_BYTES * keyframes + 128), "fflags": "+bitexact"},
        )
        self._file.metadata["title"] = title
        self._picture: Stream = self._file.add_mux_stream(
            "vp8", width=width, height=height, time_base=_MILLISECOND
        )
        with _template() as template:
            self._sound: Stream = self._file.add_stream_from_template(template.streams.audio[0])
        self._sound.time_base = _MILLISECOND
        self._last_picture_ms = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._file.close()
            return
        try:
            self._file.close()
        except OSError:
            pass  # what went wrong before is what counts

    def picture(self, at_ms: int, frame: bytes, key: bool) -> None:
        """Add a VP8 frame; one that is not later than the last comes 1 ms after it."""
        if at_ms <= self._last_picture_ms:
            at_ms = self._last_picture_ms + 1
        self._last_picture_ms = at_ms
        packet = av.Packet(frame)
        packet.stream = self._picture
        packet.pts = packet.dts = at_ms
        packet.is_keyframe = key
        self._file.mux_one(packet)

    def sound(self, at_ms: int, data: bytes, duration_ms: int) -> None:
        """Add an Opus packet."""
        packet = av.Packet(data)
        packet.stream = self._sound
        packet.pts = packet.dts = at_ms
        packet.duration = duration_ms
        packet.is_keyframe = True
        self._file.mux_one(packet)


def _template() -> InputContainer:
    """A file without packets that has the sound's header: streams take headers from files only."""

    def element(identity: str, body: bytes) -> bytes:
        return bytes.fromhex(identity) + (len(body) | 1 << 28).to_bytes(4) + body

    audio = element("b5", pack(">f", SAMPLE_RATE)) + element("9f", b"\x02")
    track = (
        element("d7", b"\x01")
        + element("73c5", b"\x01")
        + element("83", b"\x02")
        + element("86", b"A_OPUS")
        + element("56bb", _SEEK_PREROLL_NS.to_bytes(4))
        + element("63a2", _OPUS_HEAD)
        + element("e1", audio)
    )
    cluster = element("1f43b675", element("e7", b"\x00"))
    data = element("1a45dfa3", element("4282", b"webm")) + element(
        "18538067", element("1654ae6b", element("ae", track)) + cluster
    )
    return av.open(io.BytesIO(data), "r", format="webm")


def keep(path: Path) -> None:
    """Have the disk keep a file; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
