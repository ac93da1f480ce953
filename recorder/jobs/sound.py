"""How loud a video is: the waveform that a player draws, and the gain that brings it to one loudness."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import av.error
import msgspec
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from numpy.typing import NDArray

from recorder.jobs.media import Progress, check_end, opened
from recorder.opus import SAMPLE_RATE
from signaling.wire import VideoSound

TARGET_LUFS: Final = -18.0
"""ReplayGain 2's reference: quiet enough that speech needs no limiter, loud enough for a phone."""
MOST_GAIN_DB: Final = 20.0
PEAKS: Final = 1000
_SILENT_LUFS: Final = -60.0
"""EBU R128's gate is at -70; what is quieter than this is the noise of an empty line."""


def measure(video: Path, target: Path, progress: Progress) -> VideoSound:
    """Write ``VideoSound`` as JSON and give it. Raises StepFailed, OSError."""
    with opened(video) as (container, duration_ms):
        peaks = np.zeros(PEAKS, dtype=np.float32)
        lufs = -math.inf
        if container.streams.audio:
            meter, at_ms = _Meter(), 0.0
            resampler = av.AudioResampler("flt", "stereo", SAMPLE_RATE)
            for decoded in container.decode(container.streams.audio[0]):
                at_ms = (decoded.time or 0.0) * 1000
                for frame in resampler.resample(decoded):
                    _peak(peaks, frame, at_ms, duration_ms)
                    lufs = meter.take(frame, lufs)
                progress(at_ms / duration_ms)
            lufs = meter.end(lufs)
            check_end(at_ms, duration_ms)
    found = summary(peaks, lufs, duration_ms)
    target.write_bytes(msgspec.json.encode(found))
    return found


def summary(peaks: NDArray[np.float32], lufs: float, duration_ms: int) -> VideoSound:
    """``peaks`` are 0 to 1, of equal stretches; ``lufs`` is the integrated loudness, not finite: none."""
    highest = float(peaks.max(initial=0.0))
    is_heard = math.isfinite(lufs) and lufs > _SILENT_LUFS and highest > 0
    gain_db = max(-MOST_GAIN_DB, min(MOST_GAIN_DB, TARGET_LUFS - lufs)) if is_heard else 0.0
    return VideoSound(
        duration_ms=duration_ms,
        peaks=tuple(int(each) for each in np.rint(peaks.clip(0, 1) * 255)),
        loudness_lufs=round(lufs, 1) if is_heard else None,
        peak_dbfs=round(20 * math.log10(highest), 1) if is_heard else None,
        gain_db=round(gain_db, 1),
    )


def _peak(peaks: NDArray[np.float32], frame: AudioFrame, at_ms: float, duration_ms: int) -> None:
    first = int(at_ms * PEAKS / duration_ms)
    last = int((at_ms + frame.samples * 1000 / SAMPLE_RATE) * PEAKS / duration_ms)
    stretch = peaks[first : max(first, last) + 1]
    np.maximum(stretch, np.abs(frame.to_ndarray()).max(initial=0.0), out=stretch)


class _Meter:
    """FFmpeg's meter of EBU R128 (filter ebur128)."""

    def __init__(self) -> None:
        self._graph = Graph()
        source = self._graph.add_abuffer(
            sample_rate=SAMPLE_RATE, format="flt", layout="stereo", time_base=Fraction(1, SAMPLE_RATE)
        )
        meter = self._graph.add("ebur128", "metadata=1")
        sink = self._graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        self._graph.configure()
        self._at = 0

    def take(self, frame: AudioFrame, before: float) -> float:
        """The integrated loudness by now."""
        frame.pts, self._at = self._at, self._at + frame.samples
        self._graph.push(frame)
        return self._read(before)

    def end(self, before: float) -> float:
        """The same of all."""
        self._graph.push(None)
        return self._read(before)

    def _read(self, found: float) -> float:
        for measured in pulled(self._graph):
            found = float(measured.metadata.get("lavfi.r128.I", found))
        return found


def pulled(graph: Graph) -> Iterator[AudioFrame]:
    """What has come out of a graph by now."""
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        if isinstance(frame, AudioFrame):
            yield frame
