"""How fast the MP4 of a video lesson is made, beside a plain transcode by the same encoders."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from recorder.finish import finish
from recorder.jobs.composite import HEIGHT, SOUND_BPS, VIDEO_OPTIONS, WIDTH, make_composite
from signaling.catalog.takes import Cast, Take, Takes

SECONDS: Final = 20.0
"""Enough for steady figures; 45 minutes would take as many times longer."""

Write = Callable[[Path, float], object]
"""Writes the journals of a lesson of so many minutes."""


def measure_composite(write: Write, minutes: float) -> dict[str, Any]:
    """A row: times real time by CPU and by the clock, the plain transcode's too. Of SECONDS at most."""
    with tempfile.TemporaryDirectory(prefix="zvonok-bench-") as root:
        folder, library = Path(root) / "recordings" / "rec1", Path(root) / "library"
        write(folder, min(minutes, SECONDS / 60))
        made = finish(folder, library)
        video, target = library / "rec1" / "video.webm", Path(root) / "lesson.mp4"
        lasts_s = made.duration_ms / 1000
        takes = Takes(
            (Cast("t1", "Teacher", "teacher"), Cast("s1", "Student", "student")),
            (
                Take("t1", "camera", 0, made.duration_ms),
                *(Take("s1", "microphone", at, at + 1000) for at in range(0, made.duration_ms, 5000)),
            ),
        )
        ours = _timed(lambda: make_composite(video, target, takes, -3.0, lambda _: None))
        ours_mb = target.stat().st_size / 1e6
        plain = _timed(lambda: _transcode(video, target))
        return {
            "composite": "MP4 720p",
            "x": round(lasts_s / ours[0], 1),
            "x_clock": round(lasts_s / ours[1], 1),
            "plain_x": round(lasts_s / plain[0], 1),
            "plain_x_clock": round(lasts_s / plain[1], 1),
            "seconds": lasts_s,
            "mb": round(ours_mb, 2),
            "webm_mb": round(made.bytes / 1e6, 2),
        }


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    began_s, used_s = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - used_s, time.perf_counter() - began_s


def _transcode(video: Path, target: Path) -> None:
    """No names, no loudness, nothing told again: decode, scale, encode."""
    with av.open(str(video)) as source, av.open(str(target), "w", options={"movflags": "+faststart"}) as out:
        picture = out.add_stream("libx264", rate=25, options=VIDEO_OPTIONS)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        picture.codec_context.time_base = Fraction(1, 1000)
        sound = out.add_stream("aac", rate=48_000, layout="stereo")
        sound.bit_rate = SOUND_BPS
        scale, resampler = VideoReformatter(), av.AudioResampler("fltp", "stereo", 48_000, 1024)
        for packet in source.demux(source.streams.video[0], source.streams.audio[0]):
            for frame in packet.decode():
                if isinstance(frame, VideoFrame):
                    scaled = scale.reformat(frame, WIDTH, HEIGHT, format="yuv420p")
                    scaled.pts, scaled.time_base, scaled.pict_type = frame.pts, frame.time_base, 0
                    out.mux(picture.encode(scaled))
                elif isinstance(frame, AudioFrame):
                    for piece in resampler.resample(frame):
                        out.mux(sound.encode(piece))
        out.mux(picture.encode(None))
        out.mux(sound.encode(None))
