"""Reads a recorded video lesson: whose frame is shown when, where the beeps are, how long it is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from loadtest.media.block_code import Mark, read
from loadtest.media.films import BEEP_HZ, FRAMES_A_SECOND, SAMPLE_RATE

_HOP: Final = SAMPLE_RATE // 1000
_WINDOW: Final = 4 * _HOP
_FRAME_S: Final = 1 / FRAMES_A_SECOND
_OVER_S: Final = 1.0
"""So much behind the end of a stretch is read too: sound and picture lie apart in a file."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One frame of the video: when (s), its mark if it carries one, its size."""

    at_s: float
    mark: Mark | None
    width: int
    height: int


@dataclass(frozen=True)
class VideoLesson:
    """A decoded file, or what is in it from ``since_s`` on; times count from the file's beginning.

    ``samples`` are mono at 48 kHz from ``since_s`` on, silent where nothing is.
    """

    duration_s: float
    frames: tuple[Shown, ...]
    samples: NDArray[np.float32]
    since_s: float = 0.0

    def of(self, who: int) -> list[tuple[float, int]]:
        """(when, counter) of one publisher's frames."""
        return [
            (frame.at_s, frame.mark.counter)
            for frame in self.frames
            if frame.mark is not None and frame.mark.who == who
        ]

    def longest_gap_s(self, since_s: float = 0.0, until_s: float = float("inf")) -> float:
        """The longest time between two frames, or to the end, in this stretch."""
        end_s = min(until_s, self.duration_s)
        times = [frame.at_s for frame in self.frames if since_s <= frame.at_s <= end_s]
        return max((after - before for before, after in pairwise([since_s, *times, end_s])), default=end_s)

    def level(self, since_s: float, until_s: float) -> float:
        """Root mean square of the sound in a stretch, 0..1."""
        first, last = (max(0, int((at_s - self.since_s) * SAMPLE_RATE)) for at_s in (since_s, until_s))
        part = self.samples[first:last]
        return float(np.sqrt(np.mean(np.square(part)))) if len(part) else 0.0

    def beeps(self) -> list[float]:
        """When beeps begin (s)."""
        count = max(0, (len(self.samples) - _WINDOW) // _HOP)
        if not count:
            return []
        turned = self.samples * np.exp(-2j * np.pi * BEEP_HZ * np.arange(len(self.samples)) / SAMPLE_RATE)
        sums = np.concatenate([[0], np.cumsum(turned)])
        levels = 2 * np.abs(sums[_WINDOW::_HOP] - sums[:-_WINDOW:_HOP])[:count] / _WINDOW
        a_second = SAMPLE_RATE // _HOP
        # of a usual beep: echo cancelling and a shared tab's sound make some louder and others softer
        usual = float(np.median([levels[at : at + a_second].max() for at in range(0, count, a_second)]))
        loud = levels > max(0.03, usual * 0.5)
        found: list[float] = []
        for index in np.flatnonzero(loud[1:] & ~loud[:-1]) + 1:
            at_s = self.since_s + (index * _HOP + _WINDOW / 2) / SAMPLE_RATE
            if loud[index : index + 25].mean() > 0.9 and (not found or at_s - found[-1] > 0.3):
                found.append(at_s)
        return found

    def skews(self, who: int) -> list[tuple[float, float]]:
        """How much later (ms, -500..500) each beep is than the flash of this publisher: [(when s, skew)].

        Every frame of the second around the beep tells where the flash is, not only the white ones.
        """
        frames = self.of(who)
        pairs: list[tuple[float, float]] = []
        for beep_s in self.beeps():
            near = [(at_s, counter) for at_s, counter in frames if abs(at_s - beep_s) < 0.5]
            if len(near) < 10:
                continue
            late = [beep_s - (at_s - counter % FRAMES_A_SECOND * _FRAME_S) for at_s, counter in near]
            unwrapped = [(each - late[0] + 0.5) % 1 - 0.5 + late[0] for each in late]
            pairs.append((beep_s, ((float(np.median(unwrapped)) + 0.5) % 1 - 0.5) * 1000))
        return pairs


def read_video_lesson(path: Path, since_s: float = 0.0, until_s: float = float("inf")) -> VideoLesson:
    """Decode a file, or a stretch of it; raises av.error.FFmpegError when it does not play."""
    frames: list[Shown] = []
    pieces: list[tuple[float, NDArray[np.float32]]] = []
    with av.open(str(path)) as container:
        duration_s = float(container.duration or 0) / 1_000_000
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        if since_s:
            container.seek(int(since_s * 1_000_000))
        for packet in container.demux():
            if packet.pts is not None and packet.pts * packet.time_base > until_s + _OVER_S:
                break
            for decoded in packet.decode():
                at_s = getattr(decoded, "time", None)
                if at_s is None or not since_s <= at_s < until_s:
                    continue
                if isinstance(decoded, av.VideoFrame):
                    luma = np.asarray(decoded.to_ndarray(format="gray"), dtype=np.uint8)
                    frames.append(Shown(at_s, read(luma), decoded.width, decoded.height))
                elif isinstance(decoded, av.AudioFrame):
                    pieces += [(at_s, piece.to_ndarray()[0]) for piece in resampler.resample(decoded)]
    end_s = max([min(duration_s, until_s), *(at_s + len(samples) / SAMPLE_RATE for at_s, samples in pieces)])
    whole = np.zeros(int((end_s - since_s) * SAMPLE_RATE) + SAMPLE_RATE, dtype=np.float32)
    for at_s, samples in pieces:
        first = max(0, round((at_s - since_s) * SAMPLE_RATE))
        whole[first : first + len(samples)] = samples
    return VideoLesson(
        duration_s,
        tuple(sorted(frames, key=lambda frame: frame.at_s)),
        whole[: int((end_s - since_s) * SAMPLE_RATE)],
        since_s,
    )
