"""What fake cameras and microphones of pages are given: a picture that costs what it may, and a tone."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path
from typing import Final

import numpy as np

WIDTH: Final = 640
HEIGHT: Final = 360
FRAMES_S: Final = 25
_PAN_PX: Final = 10
_FRAMES: Final = WIDTH // _PAN_PX
_SQUARE_PX: Final = 20
_NOISE: Final = 12
TONE_HZ: Final = 400
_SAMPLE_RATE: Final = 48_000


def write_film(path: Path) -> None:
    """A YUV4MPEG2 file: coarse squares that pan once around in ``_FRAMES``, each frame under other noise."""
    chance = np.random.default_rng(1)
    squares = np.kron(
        chance.integers(60, 190, (HEIGHT // _SQUARE_PX, WIDTH // _SQUARE_PX)),
        np.ones((_SQUARE_PX, _SQUARE_PX), dtype=np.int64),
    )
    chroma = bytes([128]) * (WIDTH * HEIGHT // 2)
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FRAMES_S}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(_FRAMES):
            noise = chance.integers(-_NOISE, _NOISE + 1, squares.shape)
            luma = np.roll(squares, number * _PAN_PX, axis=1) + noise
            file.write(b"FRAME\n" + luma.astype(np.uint8).tobytes() + chroma)


def write_sound(path: Path) -> None:
    """One second of a tone."""
    samples = array(
        "h",
        (round(8000 * math.sin(2 * math.pi * TONE_HZ * at / _SAMPLE_RATE)) for at in range(_SAMPLE_RATE)),
    )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_SAMPLE_RATE)
        file.writeframes(samples.tobytes())
