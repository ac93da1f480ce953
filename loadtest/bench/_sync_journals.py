"""A whole lesson's journals by hand, with the disturbances of ``_sync_lesson`` again and again."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from loadtest.bench import _journals as journals
from loadtest.bench._journals import FRAMES_A_SECOND, RECORDING, Arrived, Frame, Line
from loadtest.media import films
from loadtest.media.block_code import Mark
from loadtest.media.video_lesson import read_video_lesson
from recorder.finish import VIDEO_NAME, finish

WHO: Final = 3
LOOP_S: Final = 4
SEGMENT_S: Final = 60
_KINDS: Final = ("nothing", "mute", "camera off", "DTX", "layer", "rejoin", "worker")
_LASTS_S: Final = 6
_AWAY_S: Final = 2
_LEAD_S: Final = 1
_START_US: Final = 1_790_000_000_000_000
_LINE: Final = Line(
    _START_US, drift_ppm=100, wrong_us=7_000_000, jitter_us=200_000, loss=0.05, repaired=0.9, seed=9
)
_PIECE_S: Final = 60
_LOOP_FRAMES: Final = LOOP_S * FRAMES_A_SECOND
_SILENT_EVERY: Final = 20


@dataclass(frozen=True, slots=True)
class Found:
    """What the video shows. ``drift_ms``: how much later frames are at the end than at the beginning."""

    offsets: list[float]
    duration_error_ms: float
    drift_ms: float
    descending: int
    note: str


@cache
def _film(width: int, height: int) -> list[Frame]:
    pictures = (films.yuv_frame(width, height, Mark(WHO, number)) for number in range(_LOOP_FRAMES))
    return journals.encode_film(pictures, bps=150_000, key_every=FRAMES_A_SECOND)


@cache
def _beeps() -> list[bytes]:
    return journals.encode_sound(films.sound(seconds=2 * LOOP_S, beeps=True))[LOOP_S * 50 :]


class _Writer:
    """Writes segment after segment; SSRCs, RTP bases and the publisher's NTP change with connections."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._connection = 1
        self._files = 0
        self._line = _LINE
        self.stays: list[tuple[str, float, float]] = []

    def segment(self, kind: str, begin_s: float, end_s: float) -> None:
        """One that begins with this disturbance."""
        since_s = begin_s
        if kind in ("rejoin", "worker"):
            since_s += _AWAY_S
            self._connection += 1
            if kind == "rejoin":
                self._line = replace(_LINE, wrong_us=-self._connection * 3_600_000_000)
        camera_s = since_s + (_LASTS_S if kind == "camera off" else 0)
        voice_s = since_s + (_LASTS_S if kind == "mute" else 0)
        quiet_s = since_s + (_LASTS_S if kind == "DTX" else 0)
        small_s = since_s + (_LASTS_S if kind == "layer" else 0)
        film = self._camera(camera_s, min(end_s, max(camera_s, small_s)), (160, 90), 0)
        film += self._camera(max(camera_s, small_s), end_s, (192, 108), 1)
        self._tap(sorted(film, key=lambda each: each[0]), "camera")
        self._tap(self._voice(voice_s, end_s, quiet_s), "microphone")
        self.stays += [("camera", camera_s, end_s), ("microphone", voice_s, end_s)]

    def _camera(self, since_s: float, until_s: float, size: tuple[int, int], layer: int) -> list[Arrived]:
        first, last = round(since_s * FRAMES_A_SECOND), round(until_s * FRAMES_A_SECOND)
        key = -(-first // FRAMES_A_SECOND) * FRAMES_A_SECOND  # where the film has a keyframe
        if key >= last:
            return []
        seed = 100 * self._connection + layer
        return journals.film_packets(
            _film(*size),
            self._line,
            first=key,
            count=last - key,
            ssrc=0x1000 + seed,
            rtp_base=seed * 0x3333_3333 & 0xFFFFFFFF,
            number=seed * 777 + key * 3 & 0xFFFF,
            picture_id=key & 0x7FFF,
        )

    def _voice(self, since_s: float, until_s: float, quiet_until_s: float) -> list[Arrived]:
        def level(index: int) -> int | None:
            at_s = index / 50
            if at_s >= quiet_until_s or not 2 * films.BEEP_S <= at_s % 1 <= 1 - films.BEEP_S:
                return 30
            return 90 if index % _SILENT_EVERY == 0 else None

        first = round(since_s * 50)
        return journals.sound_packets(
            _beeps(),
            self._line,
            first=first,
            count=round(until_s * 50) - first,
            ssrc=0x9000 + self._connection,
            rtp_base=self._connection * 0x5555_5555 & 0xFFFFFFFF,
            number=first & 0xFFFF,
            level=level,
        )

    def _tap(self, arrived: Sequence[Arrived], source: str) -> None:
        self._files += 1
        journals.write_tap(
            self._folder, arrived, source=source, connection=self._connection, mark=f"{self._files:06}"
        )


def write(folder: Path, minutes: float, segment_s: float) -> tuple[float, float]:
    """Journals of so long a lesson; when the recording was on and off, in seconds of the server."""
    end_s = minutes * 60 + 2 * _LEAD_S
    writer = _Writer(folder)
    at_s, number = 0.0, 0
    while at_s < end_s:
        until_s = min(end_s, at_s + segment_s)
        writer.segment(_KINDS[number % len(_KINDS)], at_s, until_s)
        at_s, number = until_s, number + 1
    on_us, off_us = (_LINE.server_us(each * 1e6) for each in (_LEAD_S, end_s - _LEAD_S))
    on_us, off_us = on_us // 1000 * 1000, off_us // 1000 * 1000
    events = [
        journals.event(1, "restated", _START_US, {"person/t1": journals.person("T", "teacher")}),
        journals.event(2, "recording_on", on_us, {"recording": journals.recording("on", 1, on_us)}),
        journals.event(3, "recording_off", off_us, {"recording": journals.recording("off", 1, off_us)}),
    ]
    for source, since_s, until_s in writer.stays:
        path = f"on/t1/{source}"
        events.append(journals.event(4, "published", _LINE.server_us(since_s * 1e6), {path: True}))
        events.append(journals.event(5, "unpublished", _LINE.server_us(until_s * 1e6) - 1000, {}, path))
    journals.write_log(folder, sorted(events, key=lambda each: each.at_ms))
    return on_us / 1e6, off_us / 1e6


def measure(minutes: float, segment_s: float = SEGMENT_S) -> Found:
    """Write, finish, read the video from end to end; ``segment_s``: there is one disturbance in so long."""
    with tempfile.TemporaryDirectory(prefix="zvonok-bench-") as root:
        folder, library = Path(root) / "recordings" / RECORDING, Path(root) / "library"
        folder.mkdir(parents=True)
        on_s, off_s = write(folder, minutes, segment_s)
        made = finish(folder, library)
        offsets: list[float] = []
        late_ms: list[tuple[float, float]] = []
        descending, last, duration_s, at_s = 0, -1, 0.0, 0.0
        while at_s < made.duration_ms / 1000:
            video = read_video_lesson(library / RECORDING / VIDEO_NAME, at_s, at_s + _PIECE_S)
            duration_s, at_s = video.duration_s, at_s + _PIECE_S
            offsets += [ms for _, ms in video.skews(WHO)]
            for shown_s, counter in video.of(WHO):
                number, ms = _placed(on_s + shown_s, counter)
                late_ms.append((shown_s, ms))
                descending += number < last
                last = number
    begins, ends = (
        [ms for shown_s, ms in late_ms if low <= shown_s < low + _PIECE_S]
        for low in (0, duration_s - _PIECE_S)
    )
    drift_ms = abs(float(np.median(ends)) - float(np.median(begins))) if begins and ends else float("inf")
    return Found(
        offsets,
        abs(duration_s - (off_s - on_s)) * 1000,
        drift_ms,
        descending,
        f"drift 100 ppm, jitter 200 ms, 5 % lost and nine of ten repaired; each {segment_s:g} s one of: "
        + ", ".join(_KINDS[1:]),
    )


def _placed(server_s: float, counter: int) -> tuple[int, float]:
    """Which frame of the lesson it is that is shown then, and how much later than it was filmed, in ms."""
    own_frames = (server_s - _START_US / 1e6) * (1 + _LINE.drift_ppm / 1e6) * FRAMES_A_SECOND
    number = round((own_frames - counter) / _LOOP_FRAMES) * _LOOP_FRAMES + counter
    return number, (own_frames - number) / FRAMES_A_SECOND * 1000
