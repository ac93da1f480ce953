"""Makers of known media: films whose every frame carries its number, tones, and beeps once a second.

A film and a sound made for the same ``seconds`` belong together: at each whole second of the film its lowest
third is white for two frames (the flash), and a beep of ``BEEP_HZ`` begins in the sound. Browsers play both
in a loop from any moment on: ``seconds`` is a whole number and only times modulo one second mean something.
"""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loadtest.media.block_code import BLACK, GRID_ROWS, WHITE, Luma, Mark, draw

FRAMES_A_SECOND: Final = 25
SAMPLE_RATE: Final = 48_000
BEEP_HZ: Final = 2_000
BEEP_S: Final = 0.06
FLASH_FRAMES: Final = 2

_DIGITS: Final = (
    "111101101101111",
    "010110010010111",
    "111001111100111",
    "111001111001111",
    "101101111001001",
    "111100111001111",
    "111100111101111",
    "111001001001001",
    "111101111101111",
    "111101111001111",
)
_TINTS: Final = (
    (128, 128),
    (150, 110),
    (110, 150),
    (110, 110),
    (150, 150),
    (170, 120),
    (120, 170),
    (100, 128),
)


def frame(width: int, height: int, mark: Mark) -> Luma:
    """Y plane of one frame: block code at the top left, digits at the right, the flash below."""
    luma = np.full((height, width), 90, dtype=np.uint8)
    draw(luma, mark)
    unit = width // 2 // 20
    for place, digit in enumerate(f"{mark.counter:05d}"):
        shape = np.array([int(bit) for bit in _DIGITS[int(digit)]], dtype=np.uint8).reshape(5, 3)
        big = np.kron(shape, np.ones((unit, unit), dtype=np.uint8)).astype(bool)
        left = width // 2 + place * 4 * unit
        luma[unit : unit * 6, left : left + 3 * unit][big] = WHITE
    flash = mark.counter % FRAMES_A_SECOND < FLASH_FRAMES
    luma[height * (GRID_ROWS - 3) // GRID_ROWS :, :] = WHITE if flash else BLACK
    return luma


def yuv_frame(width: int, height: int, mark: Mark) -> NDArray[np.uint8]:
    """The frame as I420 (``height * 3 // 2`` rows); ``who`` also gives it a tint, for people."""
    blue, red = _TINTS[mark.who % len(_TINTS)]
    chroma = np.empty((2, height // 2 * (width // 2)), dtype=np.uint8)
    chroma[0], chroma[1] = blue, red
    flat = np.concatenate([frame(width, height, mark).ravel(), chroma.ravel()])
    return flat.reshape(height * 3 // 2, width)


def write_film(path: Path, *, who: int, width: int = 640, height: int = 360, seconds: int = 4) -> int:
    """A YUV4MPEG2 file of ``seconds``; returns its number of frames, after which counters begin anew."""
    count = seconds * FRAMES_A_SECOND
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{FRAMES_A_SECOND}:1 Ip A1:1 C420jpeg\n".encode())
        for counter in range(count):
            file.write(b"FRAME\n")
            file.write(yuv_frame(width, height, Mark(who, counter)).tobytes())
    return count


def sound(
    *, seconds: int, tone_hz: int | None = None, beeps: bool = False, rate: int = SAMPLE_RATE
) -> NDArray[np.int16]:
    """Mono samples: a quiet tone that never stops, and beeps once a second."""
    time_s = np.arange(seconds * rate) / rate
    total = np.zeros(len(time_s))
    if tone_hz is not None:
        total += 0.08 * np.sin(2 * np.pi * tone_hz * time_s)
    if beeps:
        total += 0.5 * np.sin(2 * np.pi * BEEP_HZ * time_s) * (time_s % 1 < BEEP_S)
    return (total * 32_000).astype(np.int16)


def write_sound(path: Path, *, seconds: int = 4, tone_hz: int | None = None, beeps: bool = False) -> None:
    """A WAV file of ``sound``."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(sound(seconds=seconds, tone_hz=tone_hz, beeps=beeps).tobytes())
