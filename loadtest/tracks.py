"""What teachers of a load test send: a small picture that moves and a tone, both really encoded."""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from fractions import Fraction
from typing import Final

import av
from aiortc import AudioStreamTrack, VideoStreamTrack

WIDTH: Final = 160
HEIGHT: Final = 90
FRAMES_A_SECOND: Final = 10
SAMPLE_RATE: Final = 48_000
SAMPLES_A_PACKET: Final = SAMPLE_RATE // 50
_TONE_HZ: Final = 400
_AMPLITUDE: Final = 8000
_BAR: Final = 16
_STEP: Final = 4
LAP: Final = (WIDTH - _BAR) // _STEP
_SAMPLES: Final = array(
    "h",
    (
        round(_AMPLITUDE * math.sin(2 * math.pi * _TONE_HZ * at / SAMPLE_RATE))
        for at in range(SAMPLES_A_PACKET)
    ),
).tobytes()


class _Clock:
    """When the next of so many a second is due; what is late already is left out."""

    def __init__(self, a_second: int) -> None:
        self._a_second = a_second
        self._start_s = time.monotonic()
        self._number = -1

    async def next(self) -> int:
        """Its number, at its time."""
        late = int((time.monotonic() - self._start_s) * self._a_second)
        self._number = max(self._number + 1, late)
        await asyncio.sleep(self._start_s + self._number / self._a_second - time.monotonic())
        return self._number


def picture(number: int) -> av.VideoFrame:
    """A bar that wanders through grey; it is back after ``LAP`` frames."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    left = number * _STEP % (WIDTH - _BAR)
    bar = bytes([128]) * left + bytes([230]) * _BAR
    for index, plane in enumerate(frame.planes):
        line = bar if index == 0 else b""
        plane.update(line.ljust(plane.line_size, b"\x80") * plane.height)
    frame.pts, frame.time_base = number, Fraction(1, FRAMES_A_SECOND)
    return frame


def tone(number: int) -> av.AudioFrame:
    """20 ms of a tone that does not end."""
    frame = av.AudioFrame(format="s16", layout="mono", samples=SAMPLES_A_PACKET)
    frame.planes[0].update(_SAMPLES)
    frame.sample_rate = SAMPLE_RATE
    frame.pts, frame.time_base = number * SAMPLES_A_PACKET, Fraction(1, SAMPLE_RATE)
    return frame


class Picture(VideoStreamTrack):
    """``picture`` after ``picture``."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = _Clock(FRAMES_A_SECOND)

    async def recv(self) -> av.VideoFrame:
        """The next frame."""
        return picture(await self._clock.next())


class Tone(AudioStreamTrack):
    """``tone`` after ``tone``."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = _Clock(SAMPLE_RATE // SAMPLES_A_PACKET)

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms."""
        return tone(await self._clock.next())
