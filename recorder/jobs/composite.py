"""The video as MP4 for devices that play no WebM: H.264 and AAC, one size, one loudness, names on it.

A video holds one picture at a time: what is not in it, the camera beside a shared screen, is not here either.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from recorder.jobs.appearing import names, shown, talks, together
from recorder.jobs.lettering import lay, plate
from recorder.jobs.media import Progress, check_end, opened
from recorder.jobs.sound import pulled
from recorder.opus import SAMPLE_RATE
from signaling.catalog.takes import Takes

WIDTH: Final = 1280
HEIGHT: Final = 720
FASTEST_MS: Final = 30
"""Frames that come sooner after the last are left out: browsers send 30 a second at most."""
REPEAT_MS: Final = 1_000
"""A picture that stands is told again so often: some players stop at a longer gap."""
MOST_NAMES: Final = 3
PAUSE_MS: Final = 3_000
"""Who pauses for less still speaks."""
CALL_MS: Final = 700
"""Who speaks for less only coughed."""
_MILLISECOND: Final = Fraction(1, 1000)
VIDEO_OPTIONS: Final = {
    "preset": "veryfast",
    "crf": "26",
    "g": "150",
    "threads": "1",
    # What the picture of a camera is; nothing converts it on the way.
    "x264-params": "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m",
}
SOUND_BPS: Final = 96_000
_LEAST_GAIN_DB: Final = 0.5
_LIMIT: Final = 0.89
"""-1 dBFS."""
_LONGEST_GAP: Final = SAMPLE_RATE // 50

Label = tuple[int, tuple[str, ...]]
"""From this ms on these names are on the picture."""


def labels(takes: Takes) -> list[Label]:
    """Who speaks, else whose camera or screen it is; ascending, the first at 0."""
    called, pictures = names(takes), shown(takes)
    speaking = list(together(talks(takes, PAUSE_MS, CALL_MS)))
    shown_at, spoke_at = [at_ms for at_ms, _, _ in pictures], [at_ms for at_ms, _ in speaking]
    found: list[Label] = []
    for moment in sorted({0, *shown_at, *spoke_at}):
        spoke, showing = bisect_right(spoke_at, moment) - 1, bisect_right(shown_at, moment) - 1
        who = speaking[spoke][1] if spoke >= 0 else ()
        if not who and showing >= 0:
            who = (pictures[showing].participant,)
        text = tuple(filter(None, (called.get(each, "") for each in who)))[:MOST_NAMES]
        if not found or found[-1][1] != text:
            found.append((moment, text))
    return found


def make_composite(video: Path, target: Path, takes: Takes, gain_db: float, progress: Progress) -> None:
    """Write ``target``, 720p with its index in front. Raises StepFailed, OSError.

    ``gain_db`` is applied to the sound, and what would be above -1 dBFS then is held down.
    """
    with (
        opened(video) as (source, duration_ms),
        av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as out,
    ):
        picture = _Picture(out, labels(takes), duration_ms)
        streams = [source.streams.video[0], *source.streams.audio[:1]]
        sound = _Sound(out, gain_db) if len(streams) > 1 else None
        at_ms = 0
        for packet in source.demux(streams):
            for frame in packet.decode():
                if isinstance(frame, VideoFrame):
                    at_ms = round((frame.time or 0.0) * 1000)
                    picture.show(frame, at_ms)
                elif isinstance(frame, AudioFrame) and sound is not None:
                    at_ms = round((frame.time or 0.0) * 1000)
                    sound.play(frame)
            progress(at_ms / duration_ms)
        check_end(at_ms, duration_ms)
        picture.end()
        if sound is not None:
            sound.end()


class _Picture:
    """Frames of any size become frames of one; what is between two of them is told again."""

    def __init__(self, out: OutputContainer, names: Sequence[Label], duration_ms: int) -> None:
        self._out = out
        self._names = names
        self._starts = [at_ms for at_ms, _ in names]
        self._duration_ms = duration_ms
        self._stream: VideoStream = out.add_stream("libx264", rate=25, options=VIDEO_OPTIONS)
        context = self._stream.codec_context
        context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        context.time_base = _MILLISECOND
        self._reformatter = VideoReformatter()
        self._canvas: NDArray[np.uint8] | None = None
        self._last_ms = -REPEAT_MS

    def show(self, frame: VideoFrame, at_ms: int) -> None:
        """This is the picture from now on."""
        if self._canvas is not None:
            self._repeat(at_ms)
            if at_ms - self._last_ms < FASTEST_MS:
                return
        self._canvas = fitted(self._reformatter, frame)
        self._write(at_ms)

    def end(self) -> None:
        """It stands until the end."""
        if self._canvas is not None:
            self._repeat(self._duration_ms)
        self._mux(None)

    def _repeat(self, until_ms: int) -> None:
        """Tell the picture again where names change, and at least every REPEAT_MS, before this moment."""
        while True:
            change = bisect_right(self._starts, self._last_ms)
            due_ms = self._last_ms + REPEAT_MS
            if change < len(self._starts):
                due_ms = max(self._last_ms + FASTEST_MS, min(due_ms, self._starts[change]))
            if due_ms > until_ms - FASTEST_MS:
                return
            self._write(due_ms)

    def _write(self, at_ms: int) -> None:
        if self._canvas is None:
            return
        names = self._names[bisect_right(self._starts, at_ms) - 1][1]
        label = plate(names, HEIGHT)
        pixels = self._canvas
        if label is not None:
            pixels = pixels.copy()
            lay(label, *_planes(pixels))
        frame = VideoFrame.from_ndarray(pixels, format="yuv420p")
        frame.pts, frame.time_base = at_ms, _MILLISECOND
        self._last_ms = at_ms
        self._mux(frame)

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            self._out.mux(packet)


def fitted(reformatter: VideoReformatter, frame: VideoFrame) -> NDArray[np.uint8]:
    """A picture as large as fits, on black: YUV 4:2:0, HEIGHT * 3 / 2 rows."""
    scale = min(WIDTH / frame.width, HEIGHT / frame.height)
    width = max(2, round(frame.width * scale) // 2 * 2)
    height = max(2, round(frame.height * scale) // 2 * 2)
    reformatted = reformatter.reformat(
        frame, width, height, format="yuv420p", interpolation=Interpolation.BILINEAR
    )
    scaled = np.ascontiguousarray(reformatted.to_ndarray(), dtype=np.uint8)
    if (width, height) == (WIDTH, HEIGHT):
        return scaled
    canvas = np.empty((HEIGHT * 3 // 2, WIDTH), dtype=np.uint8)
    for plane, part, black in zip(_planes(canvas), _planes(scaled), (16, 128, 128), strict=True):
        plane[:] = black
        top, left = (plane.shape[0] - part.shape[0]) // 2, (plane.shape[1] - part.shape[1]) // 2
        plane[top : top + part.shape[0], left : left + part.shape[1]] = part
    return canvas


def _planes(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """The planes of a picture in YUV 4:2:0, as views."""
    height, width = pixels.shape[0] * 2 // 3, pixels.shape[1]
    flat = pixels.reshape(-1)
    size, small = height * width, height * width // 4
    return (
        flat[:size].reshape(height, width),
        flat[size : size + small].reshape(height // 2, width // 2),
        flat[size + small :].reshape(height // 2, width // 2),
    )


class _Sound:
    """Sound without gaps, at its loudness, in the encoder's pieces."""

    def __init__(self, out: OutputContainer, gain_db: float) -> None:
        self._out = out
        self._stream: AudioStream = out.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        self._stream.bit_rate = SOUND_BPS
        self._resampler = av.AudioResampler("fltp", "stereo", SAMPLE_RATE)
        self._fifo = AudioFifo()
        self._graph = louder(gain_db) if abs(gain_db) >= _LEAST_GAIN_DB else None
        self._at = 0

    def play(self, decoded: AudioFrame) -> None:
        """The next frame; where none was before it, there is silence."""
        start = round((decoded.time or 0.0) * SAMPLE_RATE)
        while start - self._at > _LONGEST_GAP:
            self._add(_silence(min(start - self._at, SAMPLE_RATE)))
        for frame in self._resampler.resample(decoded):
            self._add(frame)

    def end(self) -> None:
        """Nothing more comes."""
        if self._graph is not None:
            self._graph.push(None)
            self._encode(pulled(self._graph))
        last = self._fifo.read()
        for packet in [*(self._stream.encode(last) if last is not None else ()), *self._stream.encode(None)]:
            self._out.mux(packet)

    def _add(self, frame: AudioFrame) -> None:
        frame.pts, frame.time_base = self._at, Fraction(1, SAMPLE_RATE)
        self._at += frame.samples
        if self._graph is None:
            self._encode(iter([frame]))
        else:
            self._graph.push(frame)
            self._encode(pulled(self._graph))

    def _encode(self, frames: Iterator[AudioFrame]) -> None:
        for frame in frames:
            self._fifo.write(frame)
            for piece in self._fifo.read_many(self._stream.codec_context.frame_size or 1024):
                for packet in self._stream.encode(piece):
                    self._out.mux(packet)


def louder(gain_db: float) -> Graph:
    """Sound (48 kHz, two channels) of this gain comes out, held below -1 dBFS."""
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=SAMPLE_RATE, format="fltp", layout="stereo", time_base=Fraction(1, SAMPLE_RATE)
    )
    gain = graph.add("volume", f"{gain_db:.1f}dB")
    limit = graph.add("alimiter", f"limit={_LIMIT}:level=disabled:latency=1")
    shape = graph.add("aformat", f"sample_fmts=fltp:sample_rates={SAMPLE_RATE}:channel_layouts=stereo")
    sink = graph.add("abuffersink")
    for one, next_one in ((source, gain), (gain, limit), (limit, shape), (shape, sink)):
        one.link_to(next_one)
    graph.configure()
    return graph


def _silence(samples: int) -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.zeros((2, samples), dtype=np.float32), format="fltp", layout="stereo")
    frame.sample_rate = SAMPLE_RATE
    return frame
