"""Recordings of lessons that never were, made by hand from real media."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from loadtest.bench import _journals as journals

START_US: Final = 1_790_000_000_000_000


def pictures(width: int, height: int, count: int) -> list[NDArray[np.uint8]]:
    """I420 pictures of somebody before a wall: soft, and a third of it with detail that moves."""
    chance = np.random.default_rng(1)
    wall = np.linspace(70, 150, width)[None, :] + np.linspace(0, 40, height)[:, None]
    coarse = chance.integers(0, 120, (height // 24, width // 16))
    detail = np.kron(coarse, np.ones((8, 8)))[: height // 3, : width // 3]
    detail = 60 + (detail + np.roll(detail, 3, 0) + np.roll(detail, 3, 1)) / 3
    made = []
    for number in range(count):
        angle = 2 * math.pi * number / count
        left = round(width / 3 * (1 + 0.3 * math.sin(angle)))
        top = round(height / 3 * (1 + 0.2 * math.cos(3 * angle)))
        luma = wall.copy()
        luma[top : top + detail.shape[0], left : left + detail.shape[1]] = np.roll(detail, number % 7, 1)
        luma += chance.normal(0, 1.5, luma.shape)
        picture = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
        picture[:height] = luma.clip(16, 235)
        made.append(picture)
    return made


def speech(seconds: int) -> NDArray[np.int16]:
    """Samples at 48 kHz with the strength and the syllables of a voice."""
    times = np.arange(seconds * journals.SOUND_RATE) / journals.SOUND_RATE
    chance = np.random.default_rng(2)
    tone = sum(np.sin(2 * np.pi * 140 * n * times + n) / n for n in range(1, 12))
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * times)
    return np.asarray(3000 * syllables * (tone + 0.3 * chance.standard_normal(len(times))), dtype=np.int16)


@cache
def encoded_film(width: int, height: int, seconds: int, bps: int, key_every: int) -> list[journals.Frame]:
    made = pictures(width, height, seconds * journals.FRAMES_A_SECOND)
    return journals.encode_film(made, bps=bps, key_every=key_every)


@cache
def encoded_voice() -> list[bytes]:
    return journals.encode_sound(speech(12))[100:500]


@dataclass(frozen=True, slots=True)
class Written:
    """A recording's folder and how many bytes of packets are in it."""

    folder: Path
    received: int


def write_lesson(
    folder: Path,
    minutes: float,
    *,
    overlap: float = 0.0,
    students: int = 1,
    camera: bool = True,
    small: bool = False,
) -> Written:
    """The journals of a lesson: the teacher's camera (720p at 900 kbit/s, ``small``: 180p at 100) and voice.

    With ``overlap`` the microphones of so many students are open besides, and one after the other speaks at
    the same time as the teacher for this share of it.
    """
    seconds = round(minutes * 60)
    line = journals.Line(START_US, drift_ppm=50, wrong_us=7_000_000)
    voice = encoded_voice()
    received = 0

    def tap(arrived: list[journals.Arrived], **options: Any) -> None:
        nonlocal received
        received += sum(len(packet) for _, packet in arrived)
        journals.write_tap(folder, arrived, **options)

    people = [f"s{number}" for number in range(1, students + 1)] if overlap else []
    on = {"on/t1/camera": camera, "on/t1/microphone": True} | {f"on/{who}/microphone": True for who in people}
    if camera:
        size = (320, 180, 5, 100_000) if small else (1280, 720, 5, 900_000)
        film = encoded_film(*size, 5 * journals.FRAMES_A_SECOND)
        tap(journals.film_packets(film, line, count=seconds * journals.FRAMES_A_SECOND), source="camera")
    tap(
        journals.sound_packets(voice, line, count=seconds * 50, level=lambda n: 30 if n % 250 < 200 else 75),
        source="microphone",
    )
    for number, who in enumerate(people):
        turn = range(
            round(3000 * overlap * number / students), round(3000 * overlap * (number + 1) / students)
        )
        tap(
            journals.sound_packets(
                voice,
                line,
                count=seconds * 50,
                ssrc=0x4444 + number,
                # In silence an encoder sends one packet each 400 ms.
                level=lambda n, turn=turn: 32 if n % 3000 in turn else 80 if n % 20 == 0 else None,  # type: ignore[misc]
            ),
            source="microphone",
            participant=who,
            role="student",
            connection=2 + number,
        )
    end_us = START_US + seconds * 1_000_000
    journals.write_log(
        folder,
        [
            journals.event(
                1,
                "restated",
                START_US,
                {
                    **{path: True for path, is_on in on.items() if is_on},
                    "person/t1": journals.person("T", "teacher"),
                    **{
                        f"person/{who}": journals.person("S", "student", order)
                        for order, who in enumerate(people, 2)
                    },
                    "recording": journals.recording("on", 1, START_US),
                },
            ),
            journals.event(2, "ended", end_us, {"recording": journals.recording("off", 1, end_us)}),
        ],
    )
    return Written(folder, received)
