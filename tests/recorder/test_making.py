"""A video made while its journals grow has the same bytes as one made at once, however it was cut."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtest.bench._journals import Line
from recorder.finish import TIMELINE_NAME, VIDEO_NAME, begin, finish
from recorder.journal import TIMED, read
from recorder.making import LAG_US, LATE_US, Making
from recorder.tail import Late, Tail
from tests.recorder.made import START_US, Lesson, beeps, film, tone

S = 1_000_000
MOST = 1_000


class Growing:
    """A folder into which a finished one's journals come as time goes by, record by record."""

    def __init__(self, whole: Path, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._bytes = {path.name: path.read_bytes() for path in whole.glob("*.zj")}
        self._ends = {path.name: list(_record_ends(path)) for path in whole.glob("*.zj")}

    def until(self, now_us: int, chance: Random | None = None) -> None:
        """What was written by then is there; with ``chance`` up to 4 s more, and its last record torn."""
        for name, ends in self._ends.items():
            to_us = now_us + (chance.randrange(4 * S) if chance else 0)
            size = 0
            for time_us, end in ends:
                if time_us > to_us:
                    size += chance.randrange(20) if chance and size else 0
                    break
                size = end
            path = self.folder / name
            former = path.stat().st_size if path.exists() else 0
            if size > former:
                with path.open("ab") as file:
                    file.write(self._bytes[name][former:size])

    def complete(self) -> None:
        for name, data in self._bytes.items():
            former = (self.folder / name).stat().st_size if (self.folder / name).exists() else 0
            with (self.folder / name).open("ab") as file:
                file.write(data[former:])


def _record_ends(path: Path) -> Iterator[tuple[int, int]]:
    """(Time at which it was written at the latest, offset of its end) of each record."""
    _, records = read(path)
    last_us = 0
    for batch in records.batches():
        for kind, time_us, body, offset in batch:
            last_us = max(last_us, time_us) if kind in TIMED else last_us
            yield last_us, offset + len(body) + 4


def digest(folder: Path) -> list[str]:
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (VIDEO_NAME, TIMELINE_NAME)]


def at_once(lesson: Lesson) -> list[str]:
    lesson.write_log()
    made = finish(lesson.folder, lesson.library)
    assert made.state == "ready"
    return digest(lesson.library / lesson.folder.name)


def live(lesson: Lesson, looks_s: Sequence[float], chance: Random | None = None, *, killed: int = -1) -> list[str]:
    """Made by looks at these seconds, at one of which the maker is killed and another begins."""
    root = lesson.root / "live"
    growing = Growing(lesson.folder, root / "recordings" / lesson.folder.name)
    library = root / "library"
    making = begin(growing.folder, library)
    try:
        for index, at_s in enumerate(looks_s):
            now_us = START_US + round(at_s * S)
            growing.until(now_us, chance)
            if index == killed:
                making.close()
                making = begin(growing.folder, library)
            making.advance(now_us, chance.randrange(1, 9) if chance else MOST)
        growing.complete()
        finish(growing.folder, library, making)
        return digest(library / growing.folder.name)
    finally:
        making.close()
        shutil.rmtree(root)


def rich(root: Path, seed: int) -> Lesson:
    """A minute and more of everything: who comes, goes, speaks at once; loss, jitter, drift, two parts."""
    chance = Random(seed)
    line = Line(
        START_US,
        drift_ppm=chance.choice((-100, 0, 100)),
        wrong_us=chance.choice((0, 7_000_000)),
        jitter_us=chance.choice((0, 30_000, 200_000)),
        loss=chance.choice((0, 0.01)),
        seed=seed,
    )
    people = {"t1": "teacher", "s1": "student", "s2": "student"}
    lesson = Lesson(root, line, people=people)
    length_s = chance.uniform(40, 90)
    small = film(3, 160, 90, chance.choice((10, 50, 100)))
    for part, (since_s, until_s) in enumerate(_spans(chance, length_s), 1):
        lesson.on(since_s + 0.4, part=part)
        lesson.shows(3, *_within(chance, since_s, until_s), frames=small, part=part, told=chance.random() < 0.8)
        if chance.random() < 0.7:
            screen = _within(chance, since_s, until_s)
            lesson.shows(5, *screen, source="screen", ssrc=0x3333, frames=film(5, 160, 90, 50), part=part)
        for who, sound, ssrc in (("t1", beeps(), 0x2222), ("s1", tone(440), 0x4444), ("s2", tone(700), 0x5555)):
            marks = sorted(chance.uniform(since_s, until_s) for _ in range(6))
            lesson.sounds(
                sound,
                *_within(chance, since_s, until_s),
                participant=who,
                ssrc=ssrc,
                part=part,
                level=lambda at_s, marks=marks: _level(at_s, marks),  # type: ignore[misc]
                end=chance.random() < 0.7,
            )
        if chance.random() < 0.8:
            lesson.off(until_s - 0.3, part=part)
    return lesson


def _spans(chance: Random, length_s: float) -> list[tuple[float, float]]:
    if chance.random() < 0.5:
        return [(0.0, length_s)]
    middle_s = length_s * chance.uniform(0.3, 0.6)
    return [(0.0, middle_s), (middle_s + chance.choice((2.0, 21.0)), length_s + 21.0)]


def _within(chance: Random, since_s: float, until_s: float) -> tuple[float, float]:
    since_s += chance.uniform(0, (until_s - since_s) * 0.4)
    return since_s, chance.uniform(since_s + 1.0, until_s)


def _level(at_s: float, marks: Sequence[float]) -> int | None:
    passed = sum(mark <= at_s for mark in marks)
    return (30, 80, 35, None, 30, 127, 52)[passed]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 30), st.integers(0, 1 << 30))
def test_however_it_is_cut_it_has_the_same_bytes(seed: int, cuts: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        lesson = rich(Path(root), seed)
        wanted = at_once(lesson)
        chance = Random(cuts)
        looks = sorted(chance.uniform(0, 130) for _ in range(chance.randrange(1, 30)))
        assert live(lesson, looks, chance, killed=chance.randrange(-1, len(looks))) == wanted
