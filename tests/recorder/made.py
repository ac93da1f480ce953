"""Recordings made by hand: who had what on when, real media of known content, the video read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from loadtest.bench import _journals as journals
from loadtest.bench._journals import FRAMES_A_SECOND, RECORDING, Frame, Line
from loadtest.media.block_code import Mark
from loadtest.media.films import SAMPLE_RATE, sound, yuv_frame
from loadtest.media.video_lesson import VideoLesson, read_video_lesson
from recorder.finish import TIMELINE_NAME, VIDEO_NAME, Finished, finish
from recorder.journal import LogEvent
from signaling.catalog.takes import TAKES_NAME
from signaling.wire import Timeline

START_US: Final = 1_790_000_000_000_000
LOOP_S: Final = 4
SECOND_US: Final = 1_000_000


@cache
def film(who: int, width: int = 320, height: int = 180, key_every: int = FRAMES_A_SECOND) -> list[Frame]:
    """Block-code film of LOOP_S, a loop: frame n carries n modulo its length."""
    pictures = (yuv_frame(width, height, Mark(who, n)) for n in range(LOOP_S * FRAMES_A_SECOND))
    return journals.encode_film(pictures, bps=300_000, key_every=key_every)


@cache
def beeps() -> list[bytes]:
    """A beep at each second, a loop of LOOP_S."""
    return journals.encode_sound(sound(seconds=2 * LOOP_S, beeps=True))[LOOP_S * 50 :]


@cache
def tone(hertz: int) -> list[bytes]:
    """A quiet tone, a loop of LOOP_S."""
    return journals.encode_sound(sound(seconds=2 * LOOP_S, tone_hz=hertz))[LOOP_S * 50 :]


@dataclass
class Lesson:
    """A recording's folder in the making; times are seconds from when ``recording`` is starting."""

    root: Path
    line: Line = field(default_factory=lambda: Line(START_US))
    events: list[LogEvent] = field(default_factory=list)
    people: dict[str, str] = field(default_factory=lambda: {"t1": "teacher"})
    _files: int = 0

    def __post_init__(self) -> None:
        fields: dict[str, Any] = {
            f"person/{who}": journals.person(f"Person {who}", role, order)
            for order, (who, role) in enumerate(self.people.items(), 1)
        }
        self.event(0, "restated", {**fields, "recording": journals.recording("starting", 1, START_US)})

    @property
    def folder(self) -> Path:
        return self.root / "recordings" / RECORDING

    @property
    def library(self) -> Path:
        return self.root / "library"

    @property
    def video(self) -> Path:
        return self.library / RECORDING / VIDEO_NAME

    def event(self, at_s: float, kind: str, fields: dict[str, Any], *gone: str) -> None:
        """Something happened."""
        at_us = START_US + round(at_s * SECOND_US)
        self.events.append(journals.event(len(self.events) + 1, kind, at_us, fields, *gone))

    def on(self, at_s: float, part: int = 1) -> None:
        """A part begins."""
        since_us = START_US + round(at_s * SECOND_US)
        self.event(at_s, "recording_on", {"recording": journals.recording("on", part, since_us)})

    def off(self, at_s: float, part: int = 1) -> None:
        """A part ends."""
        since_us = START_US + round(at_s * SECOND_US)
        self.event(at_s, "recording_off", {"recording": journals.recording("off", part, since_us)})

    def shows(
        self,
        who: int,
        since_s: float,
        until_s: float,
        *,
        source: str = "camera",
        participant: str = "t1",
        part: int = 1,
        frames: Sequence[Frame] | None = None,
        keep: Callable[[int, bytes], bool] = lambda _index, _packet: True,
        told: bool = True,
        end: bool = True,
        **options: Any,
    ) -> None:
        """A camera or a screen is on; frame n of its film is captured at n / 25 s."""
        first, last = round(since_s * FRAMES_A_SECOND), round(until_s * FRAMES_A_SECOND)
        arrived = journals.film_packets(
            film(who) if frames is None else frames, self.line, first=first, count=last - first, **options
        )
        kept = [each for index, each in enumerate(arrived) if keep(index, each[1])]
        self._tap(kept, source, participant, part, end=end)
        if told:
            self.told(since_s, until_s, source, participant)

    def sounds(
        self,
        packets: Sequence[bytes],
        since_s: float,
        until_s: float,
        *,
        source: str = "microphone",
        participant: str = "t1",
        part: int = 1,
        level: Callable[[float], int | None] = lambda _: 30,
        told: bool = True,
        end: bool = True,
        length_ms: float = 20,
        **options: Any,
    ) -> None:
        """A microphone is on; ``level`` gives -dBov at a second, None: no packet."""
        first, last = round(since_s * 1000 / length_ms), round(until_s * 1000 / length_ms)
        arrived = journals.sound_packets(
            packets,
            self.line,
            first=first,
            count=last - first,
            level=lambda index: level(index * length_ms / 1000),
            length_ms=length_ms,
            **options,
        )
        self._tap(arrived, source, participant, part, end=end)
        if told:
            self.told(since_s, until_s, source, participant)

    def told(self, since_s: float, until_s: float, source: str, participant: str = "t1") -> None:
        """The log says that a source was on."""
        path = f"on/{participant}/{source}"
        self.event(since_s, "published", {path: True})
        self.event(until_s, "unpublished", {}, path)

    def _tap(
        self, arrived: list[tuple[int, bytes]], source: str, participant: str, part: int, *, end: bool
    ) -> None:
        self._files += 1
        journals.write_tap(
            self.folder,
            arrived,
            source=source,
            participant=participant,
            role=self.people.get(participant, "student"),
            part=part,
            connection=hash_of(participant),
            mark=f"{self._files:06}",
            end=end,
        )

    def write_log(self, **words: Any) -> None:
        """Write the log, events in order of time."""
        (self.folder / "log.zj").unlink(missing_ok=True)
        journals.write_log(self.folder, sorted(self.events, key=lambda each: each.at_ms), **words)

    def finish(self, **words: Any) -> tuple[Finished, VideoLesson, Timeline]:
        """Write the log and finish; the video is decoded from end to end."""
        self.write_log(**words)
        made = finish(self.folder, self.library)
        assert made.state == "ready"
        target = self.library / RECORDING
        assert sorted(path.name for path in target.iterdir()) == [TAKES_NAME, TIMELINE_NAME, VIDEO_NAME]
        assert made.bytes == (target / VIDEO_NAME).stat().st_size
        timeline = msgspec.json.decode((target / TIMELINE_NAME).read_bytes(), type=Timeline)
        assert timeline.duration_ms == made.duration_ms
        return made, read_video_lesson(target / VIDEO_NAME), timeline


def off_frames(video: VideoLesson, who: int, on_s: float) -> list[float]:
    """How many frames each shown number is away from the one that was filmed then, by the numbers in the
    picture; the recording was on from ``on_s`` of the lesson."""
    loop = LOOP_S * FRAMES_A_SECOND
    return [
        ((on_s + at_s) * FRAMES_A_SECOND - counter + loop / 2) % loop - loop / 2
        for at_s, counter in video.of(who)
    ]


def hash_of(participant: str) -> int:
    """A connection's number, another one for each participant."""
    return sum(participant.encode()) + 1


def strength(video: VideoLesson, hertz: int, since_s: float, until_s: float) -> float:
    """Amplitude of a tone in a stretch of the sound."""
    samples = video.samples[round(since_s * SAMPLE_RATE) : round(until_s * SAMPLE_RATE)]
    turn = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / SAMPLE_RATE)
    return float(2 * np.abs(samples @ turn) / len(samples))


def shown(video: VideoLesson, since_s: float, until_s: float) -> set[int | None]:
    """Who is on the frames of a stretch; None: no block code, as on the title card."""
    return {
        frame.mark.who if frame.mark is not None else None
        for frame in video.frames
        if since_s <= frame.at_s < until_s
    }
