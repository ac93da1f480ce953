"""The reader of video lessons reads what was written, so that tests of recordings can trust it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from loadtest.media.block_code import Mark
from loadtest.media.films import FRAMES_A_SECOND, SAMPLE_RATE, sound, yuv_frame
from loadtest.media.video_lesson import VideoLesson, read_video_lesson


def write(path: Path, *, late_ms: int, missing: range = range(0)) -> None:
    """Four seconds of film and beeps in a WebM; the sound comes late by so much."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libvpx", rate=FRAMES_A_SECOND, options={"deadline": "realtime"})
        video.width, video.height, video.pix_fmt, video.bit_rate = 320, 180, "yuv420p", 500_000
        audio = container.add_stream("libopus", rate=SAMPLE_RATE, layout="mono")
        for number in range(4 * FRAMES_A_SECOND):
            if number in missing:
                continue
            frame = av.VideoFrame.from_ndarray(yuv_frame(320, 180, Mark(3, number)), format="yuv420p")
            frame.pts = number
            container.mux(video.encode(frame))
        samples = np.concatenate(
            [np.zeros(SAMPLE_RATE * late_ms // 1000, np.int16), sound(seconds=4, beeps=True)]
        )
        for first in range(0, len(samples) - 960, 960):
            piece = av.AudioFrame.from_ndarray(
                samples[None, first : first + 960], format="s16", layout="mono"
            )
            piece.sample_rate, piece.pts = SAMPLE_RATE, first
            container.mux(audio.encode(piece))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


@pytest.mark.parametrize("late_ms", [80, *(pytest.param(each, marks=pytest.mark.long) for each in (0, 300))])
def test_beep_after_flash_is_measured(tmp_path: Path, late_ms: int) -> None:
    write(tmp_path / "lesson.webm", late_ms=late_ms)
    lesson = read_video_lesson(tmp_path / "lesson.webm")
    skews = [skew for _, skew in lesson.skews(3)]
    assert len(skews) >= 3
    assert all(abs(skew - late_ms) < 12 for skew in skews), skews
    assert [counter for _, counter in lesson.of(3)] == list(range(4 * FRAMES_A_SECOND))


def test_beeps_are_found_beside_a_much_louder_one() -> None:
    samples = sound(seconds=8, beeps=True) / 32768 * 0.2
    samples[: SAMPLE_RATE // 2] *= 5
    lesson = VideoLesson(duration_s=8, frames=(), samples=samples.astype(np.float32))
    assert len(lesson.beeps()) >= 7


def test_a_gap_is_found(tmp_path: Path) -> None:
    write(tmp_path / "lesson.webm", late_ms=0, missing=range(30, 55))
    lesson = read_video_lesson(tmp_path / "lesson.webm")
    assert lesson.longest_gap_s() == pytest.approx(1.04, abs=0.05)
    assert lesson.longest_gap_s(since_s=2.4) < 0.2
