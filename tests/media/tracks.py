"""Known media as aiortc tracks: a film and its beeps on one time line; a publisher whose clock is wrong.

aiortc's sender reports pair a frame's RTP timestamp with the time at which it was sent, so a busy machine
moves picture against sound. Here they tell the time at which it was captured, as browsers' reports do (RFC
3550, section 6.4.1): each track notes it for the task that sends its frames.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from typing import Final

import aiortc.clock
import av
import numpy as np
from aiortc import AudioStreamTrack, VideoStreamTrack

from loadtest.media.block_code import Mark, read
from loadtest.media.films import FRAMES_A_SECOND, SAMPLE_RATE, sound, yuv_frame

SAMPLES_A_PACKET: Final = SAMPLE_RATE // 50
LOOP_S: Final = 4

_clock_error_s: ContextVar[float] = ContextVar("clock_error_s", default=0.0)
_captured_s: ContextVar[float | None] = ContextVar("captured_s", default=None)
_right_ntp_time = aiortc.clock.current_ntp_time


def _own_ntp_time() -> int:
    captured_s = _captured_s.get()
    late_s = 0.0 if captured_s is None else time.monotonic() - captured_s
    return _right_ntp_time() + int((_clock_error_s.get() - late_s) * 2**32)


aiortc.clock.current_ntp_time = _own_ntp_time


class Film(VideoStreamTrack):
    """The film of ``films.write_film``, endless: frame n comes n / 25 s after ``start_s`` (monotonic)."""

    def __init__(self, who: int, start_s: float, *, width: int = 320, height: int = 180) -> None:
        super().__init__()
        self._start_s = start_s
        self._number = -1
        loop = LOOP_S * FRAMES_A_SECOND
        self._frames = [yuv_frame(width, height, Mark(who, counter)) for counter in range(loop)]

    async def recv(self) -> av.VideoFrame:
        """The next frame when its time has come; frames that are late already are left out."""
        behind = int((time.monotonic() - self._start_s) * FRAMES_A_SECOND)
        self._number = max(self._number + 1, behind)
        captured_s = self._start_s + self._number / FRAMES_A_SECOND
        await asyncio.sleep(captured_s - time.monotonic())
        _captured_s.set(captured_s)
        frame = av.VideoFrame.from_ndarray(self._frames[self._number % len(self._frames)], format="yuv420p")
        frame.pts, frame.time_base = self._number, Fraction(1, FRAMES_A_SECOND)
        return frame


class Sound(AudioStreamTrack):
    """A tone and beeps, endless: what sounds at t is handed out t after ``start_s`` (monotonic)."""

    def __init__(self, start_s: float, *, tone_hz: int | None = None, beeps: bool = True) -> None:
        super().__init__()
        self._start_s = start_s
        self._number = -1
        self._samples = sound(seconds=LOOP_S, tone_hz=tone_hz, beeps=beeps)

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms when their time has come."""
        seconds = SAMPLES_A_PACKET / SAMPLE_RATE
        behind = int((time.monotonic() - self._start_s) / seconds) - 5
        self._number = max(self._number + 1, behind)
        captured_s = self._start_s + self._number * seconds
        await asyncio.sleep(captured_s - time.monotonic())
        _captured_s.set(captured_s)
        at = self._number * SAMPLES_A_PACKET
        chunk = np.take(self._samples, np.arange(at, at + SAMPLES_A_PACKET), mode="wrap")
        frame = av.AudioFrame.from_ndarray(chunk.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = at, Fraction(1, SAMPLE_RATE)
        return frame


class Watcher:
    """What aiortc decoded in each slot: the marks of its frames with the time they came (monotonic s).

    ``heights`` is the last frame's, in pixels.
    """

    def __init__(self) -> None:
        self.seen: dict[int, list[tuple[float, Mark]]] = {}
        self.heights: dict[int, int] = {}
        self.sound_frames: dict[int, int] = {}
        self.last_sound: dict[int, av.AudioFrame] = {}

    def __call__(self, slot: int, frame: object) -> None:
        if isinstance(frame, av.VideoFrame):
            self.heights[slot] = frame.height
            mark = read(frame.to_ndarray(format="gray").astype(np.uint8))
            if mark is not None:
                self.seen.setdefault(slot, []).append((time.monotonic(), mark))
        elif isinstance(frame, av.AudioFrame):
            self.sound_frames[slot] = self.sound_frames.get(slot, 0) + 1
            self.last_sound[slot] = frame

    def counters(self, slot: int, who: int) -> list[int]:
        """Frame numbers of one publisher in one slot, in the order they came."""
        return [mark.counter for _, mark in self.seen.get(slot, []) if mark.who == who]


@contextmanager
def wrong_clock(error_s: float) -> Iterator[None]:
    """Tasks begun inside (so: senders of connections made inside) keep a clock that is ahead by this."""
    token = _clock_error_s.set(error_s)
    try:
        yield
    finally:
        _clock_error_s.reset(token)
