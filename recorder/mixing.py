"""Several voices at once: decoded, added, encoded again as Opus packets of 20 ms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import av
import av.error
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from recorder import opus

Samples = NDArray[np.float32]
"""Rows are channels, two of them; 48 kHz; 1.0 is full scale."""

WARM_UP: Final = 5
"""So many packets before the first are decoded too: a decoder's state comes from what it heard before."""
LOOKAHEAD_US: Final = 2 * opus.ENCODER_DELAY_US
"""A packet of the mix holds what sounded up to so long behind its end, as packets are timed."""
_LEAD_FRAMES: Final = 2
"""So many frames are encoded and thrown away first, for the encoder's state."""
_BLOCK_FRAMES: Final = 250
_FRAME: Final = opus.SAMPLE_RATE // 50
_FAR: Final = opus.SAMPLE_RATE * 12 // 1000
_CONCEALED: Final = 3 * _FRAME
_MONO_BPS: Final = 40_000
_STEREO_BPS: Final = 96_000
_LINEAR: Final = 0.7
"""Below this the mix is a plain sum."""


@dataclass(slots=True)
class Part:
    """One voice of a mix: its packets as (time in us of the video, payload), ascending, WARM_UP of them from
    before the mix. More may be added behind, with ``add``."""

    packets: list[tuple[int, bytes]]
    _next: int = 0
    _decoder: AudioCodecContext | None = None
    _former: bytes = b""
    _at: int = 0
    """Sample behind the last decoded one."""
    _rest: list[tuple[int, Samples]] = field(default_factory=list)

    def add(self, packets: Sequence[tuple[int, bytes]]) -> None:
        """These come next; what was mixed is forgotten."""
        del self.packets[: self._next]
        self._next = 0
        self.packets += packets

    def add_to(self, block: Samples, start: int) -> None:
        """Add what sounds in a block that begins with sample ``start``; blocks follow one another."""
        end = start + block.shape[1]
        waiting, self._rest = self._rest, []
        for at, samples in waiting:
            self._place(block, start, at, samples)
        while self._next < len(self.packets):
            time_us, packet = self.packets[self._next]
            at = _sample(time_us)
            if at >= end:
                return
            self._next += 1
            if self._former and _FAR < at - self._at <= _CONCEALED:
                while at - self._at > _FAR:
                    concealed = self._decode(opus.concealed(self._former)[1])
                    self._place(block, start, self._at, concealed)
                    self._at += concealed.shape[1]
            samples = self._decode(packet)
            if abs(at - self._at) > _FAR or not self._former:
                if self._former and at < self._at:
                    continue  # twice, or out of place
                self._at = at
            self._former = packet
            self._place(block, start, self._at, samples)
            self._at += samples.shape[1]

    def _place(self, block: Samples, start: int, at: int, samples: Samples) -> None:
        length = block.shape[1]
        first, last = at - start, at - start + samples.shape[1]
        if last > length:
            cut = max(0, length - first)
            self._rest.append((at + cut, samples[:, cut:]))
            samples, last = samples[:, :cut], length
        if last > max(first, 0):
            block[:, max(first, 0) : last] += samples[:, max(-first, 0) :]

    def _decode(self, packet: bytes) -> Samples:
        if self._decoder is None:
            decoder = av.CodecContext.create("libopus", "r")
            if not isinstance(decoder, AudioCodecContext):
                raise RuntimeError("no Opus decoder")
            decoder.sample_rate = opus.SAMPLE_RATE
            decoder.layout = "stereo"
            self._decoder = decoder
        try:
            pieces = [_samples(frame) for frame in self._decoder.decode(av.Packet(packet))]
        except av.error.FFmpegError:
            pieces = []
        if pieces:
            return np.concatenate(pieces, axis=1)
        return np.zeros((2, opus.duration_us(packet) * opus.SAMPLE_RATE // 1_000_000), dtype=np.float32)


def _samples(frame: av.AudioFrame) -> Samples:
    data = frame.to_ndarray()
    if not frame.format.is_planar:
        data = data.reshape(-1, 2).T
    if data.dtype == np.int16:
        return data.astype(np.float32) / np.float32(32768)
    return data.astype(np.float32)


def _sample(time_us: int) -> int:
    return time_us * opus.SAMPLE_RATE // 1_000_000


class Mix:
    """A stretch of mixed sound, made piece by piece: decoders and encoder go on from one to the next.

    Packet times are those at which their contents sounded (see ``opus.ENCODER_DELAY_US``), as ``at_us`` is.
    """

    def __init__(self, at_us: int, *, stereo: bool) -> None:
        """``at_us``: where in the video the first packet sounds."""
        encoder = av.CodecContext.create("libopus", "w")
        if not isinstance(encoder, AudioCodecContext):
            raise RuntimeError("no Opus encoder")
        encoder.sample_rate = opus.SAMPLE_RATE
        encoder.layout = "stereo" if stereo else "mono"
        encoder.format = "flt"
        encoder.bit_rate = _STEREO_BPS if stereo else _MONO_BPS
        encoder.options = {"application": "audio" if stereo else "voip", "compression_level": "5"}
        self._encoder = encoder
        self._stereo = stereo
        self._start = _sample(at_us + opus.ENCODER_DELAY_US) - _LEAD_FRAMES * _FRAME
        self._made = 0

    def frames(self, parts: Sequence[Part], count: int) -> Iterator[bytes]:
        """The next ``count`` Opus packets of 20 ms. What sounds in them has to be in the parts, up to
        LOOKAHEAD_US behind their end."""
        left = count + (0 if self._made else _LEAD_FRAMES)
        while left:
            frames = min(left, _BLOCK_FRAMES)
            left -= frames
            block: Samples = np.zeros((2, frames * _FRAME), dtype=np.float32)
            for part in parts:
                part.add_to(block, self._start)
            self._start += frames * _FRAME
            sound = soft_clip(block if self._stereo else block.mean(axis=0, keepdims=True))
            for first in range(0, frames * _FRAME, _FRAME):
                yield from self._encode(sound[:, first : first + _FRAME])

    def _encode(self, sound: Samples) -> Iterator[bytes]:
        piece = np.ascontiguousarray(sound.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(piece, format="flt", layout="stereo" if self._stereo else "mono")
        frame.sample_rate = opus.SAMPLE_RATE
        frame.pts = self._made * _FRAME
        self._made += 1
        for packet in self._encoder.encode(frame):
            if self._made > _LEAD_FRAMES:
                yield bytes(packet)


def any_stereo(parts: Iterable[Part]) -> bool:
    """Whether one of the voices has two channels."""
    return any(opus.is_stereo(packet) for part in parts for _, packet in part.packets[:WARM_UP])


def soft_clip(sound: Samples) -> Samples:
    """What is louder than full scale is bent, not cut; quiet sound stays as it is."""
    loud = np.abs(sound)
    if float(loud.max(initial=0.0)) <= _LINEAR:
        return sound
    room = 1 - _LINEAR
    bent = np.copysign(_LINEAR + room * np.tanh((loud - _LINEAR) / room), sound)
    return np.where(loud > _LINEAR, bent, sound).astype(np.float32)
