"""A video made while its journals grow has the same bytes as one made at once, however it was cut."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import cast

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtest.bench._journals import Line
from loadtest.media.block_code import Mark
from loadtest.media.block_code import read as read_mark
from loadtest.media.films import FRAMES_A_SECOND
from loadtest.media.video_lesson import read_video_lesson
from recorder.finish import DRAFT, TIMELINE_NAME, VIDEO_NAME, begin, finish
from recorder.journal import LOG_NAME, NEVER_US, TIMED, Kind, Writer, event_of, read
from recorder.live import BEGINNINGS, Live
from recorder.making import Making
from recorder.publish import Publisher
from recorder.tail import Late, Tail
from recorder.tracks import Track
from signaling.catalog.store import Catalog
from tests.recorder.made import LOOP_S, START_US, Lesson, beeps, film, strength, tone

S = 1_000_000
MOST = 1_000
FILM = LOOP_S * FRAMES_A_SECOND


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


def marks(path: Path) -> list[Mark]:
    """What the pictures carry, in their order."""
    with av.open(str(path)) as container:
        found = [
            read_mark(np.asarray(frame.to_ndarray(format="gray"), dtype=np.uint8))
            for frame in container.decode(video=0)
            if frame.width == 160
        ]
    return [mark for mark in found if mark is not None]


def digest(folder: Path) -> list[str]:
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in (VIDEO_NAME, TIMELINE_NAME)]


def at_once(lesson: Lesson) -> list[str]:
    lesson.write_log()
    made = finish(lesson.folder, lesson.library)
    assert made.state == "ready"
    return digest(lesson.library / lesson.folder.name)


def live(
    lesson: Lesson, looks_s: Sequence[float], chance: Random | None = None, *, killed: int = -1
) -> list[str]:
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
    length_s = chance.uniform(35, 70)
    small = film(3, 160, 90, chance.choice((10, 50, 100)))
    for part, (since_s, until_s) in enumerate(_spans(chance, length_s), 1):
        lesson.on(since_s + 0.4, part=part)
        camera, told = _within(chance, since_s, until_s), chance.random() < 0.8
        lesson.shows(3, *camera, frames=small, part=part, told=told)
        if chance.random() < 0.7:
            screen = _within(chance, since_s, until_s)
            lesson.shows(5, *screen, source="screen", ssrc=0x3333, frames=film(5, 160, 90, 50), part=part)
        voices = (("t1", beeps(), 0x2222), ("s1", tone(440), 0x4444), ("s2", tone(700), 0x5555))
        for who, sound, ssrc in voices:
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


def cut(seed: int, cuts: int) -> None:
    with tempfile.TemporaryDirectory() as root:
        lesson = rich(Path(root), seed)
        wanted = at_once(lesson)
        chance = Random(cuts)
        looks = sorted(chance.uniform(0, 130) for _ in range(chance.randrange(1, 30)))
        assert live(lesson, looks, chance, killed=chance.randrange(-1, len(looks))) == wanted


@pytest.mark.long
@pytest.mark.timeout(1200)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 30), st.integers(0, 1 << 30))
def test_however_many_are_cut_they_have_the_same_bytes(seed: int, cuts: int) -> None:
    cut(seed, cuts)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 1 << 30), st.integers(0, 1 << 30))
def test_however_it_is_cut_it_has_the_same_bytes(seed: int, cuts: int) -> None:
    cut(seed, cuts)


def _middle(at_s: float) -> int:
    return 30 if 8 < at_s < 41 else 90


@pytest.fixture
def lesson(tmp_path: Path) -> Lesson:
    """A minute: a camera, a screen for a while, two who speak at once across borders of beats."""
    made = Lesson(tmp_path, people={"t1": "teacher", "s1": "student"})
    made.on(1)
    made.shows(3, 0, 60, frames=film(3, 160, 90, 50))
    made.shows(5, 14.2, 33, source="screen", ssrc=0x3333, frames=film(5, 320, 180))
    made.sounds(tone(440), 0, 60)
    made.sounds(tone(700), 0, 60, participant="s1", ssrc=0x4444, level=_middle)
    made.off(58)
    made.write_log()
    return made


def test_after_every_step_the_file_is_whole(lesson: Lesson) -> None:
    """As long as it says it is, with every keyframe to be found, whatever is torn behind."""
    growing = Growing(lesson.folder, lesson.root / "live" / "rec1")
    making = begin(growing.folder, lesson.library)
    draft = lesson.library / "rec1" / (VIDEO_NAME + DRAFT)
    lengths = []
    for now_s in range(0, 80, 3):
        growing.until(START_US + now_s * S)
        making.advance(START_US + now_s * S, MOST)
        if draft.exists() and now_s % 6 == 0:
            copy = lesson.root / "copy.webm"
            copy.write_bytes(draft.read_bytes() + b"\x1f\x43\xb6\x75\x10\x05torn")
            with av.open(str(copy)) as container:
                assert container.duration is not None
                lengths.append(container.duration / S)
                assert len(list(container.decode(video=0))) >= lengths[-1] * 20
            with av.open(str(copy)) as container:
                container.seek(round(lengths[-1] * 0.7 * S))
                found = next(container.decode(video=0))
                assert found.time is not None
                assert 0 <= lengths[-1] * 0.7 - found.time <= 2.1
    making.close()
    assert lengths == sorted(lengths)
    # The last beat, which has 10 s behind it, ends at 50 s, a second of which was before the recording.
    assert lengths[-1] == pytest.approx(48, abs=2.1)


def test_a_mix_that_goes_on_over_many_beats_has_no_seams(lesson: Lesson) -> None:
    made = finish(lesson.folder, lesson.library)
    assert made.state == "ready"
    video = read_video_lesson(lesson.library / "rec1" / VIDEO_NAME)
    for hertz in (440, 700):
        loud = strength(video, hertz, 12, 36)
        assert loud > 0.05
        assert min(strength(video, hertz, at_s, at_s + 0.04) for at_s in np.arange(9, 38, 0.02)) > loud / 2


def test_what_comes_late_has_it_begun_anew(lesson: Lesson, tmp_path: Path) -> None:
    wanted = at_once(lesson)
    growing = Growing(lesson.folder, tmp_path / "live" / "rec1")
    growing.until(START_US + 40 * S)
    late = next(growing.folder.glob("*screen*.zj"))
    data = late.read_bytes()
    late.unlink()
    library = tmp_path / "live" / "library"
    making = begin(growing.folder, library)
    making.advance(START_US + 40 * S, MOST)
    late.write_bytes(data)
    with pytest.raises(Late):
        making.advance(START_US + 46 * S, MOST)
    making.close()
    growing.complete()
    one = Live()
    late.unlink()
    one.advance(growing.folder, library, START_US + 40 * S)
    growing.complete()
    assert one.advance(growing.folder, library, START_US + 46 * S)
    assert one.finish(growing.folder, library).state == "ready"
    assert digest(library / "rec1") == wanted


def test_a_video_that_is_begun_again_and_again_is_left_to_the_end(lesson: Lesson, tmp_path: Path) -> None:
    growing = Growing(lesson.folder, tmp_path / "live" / "rec1")
    growing.until(START_US + 60 * S)
    late = next(growing.folder.glob("*screen*.zj"))
    data = late.read_bytes()
    one = Live()
    for _ in range(BEGINNINGS):
        late.unlink()
        while one.advance(growing.folder, lesson.library, START_US + 40 * S):
            pass
        late.write_bytes(data)
        assert one.advance(growing.folder, lesson.library, START_US + 46 * S)
    assert not one.advance(growing.folder, lesson.library, START_US + 46 * S)
    assert finish(growing.folder, lesson.library).state == "ready"


def test_what_is_kept_does_not_grow(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.on(0)
    lesson.shows(3, 0, 300, frames=film(3, 160, 90, 50))
    lesson.sounds(beeps(), 0, 300)
    lesson.write_log()
    making = Making(lesson.folder, lesson.library / "draft")
    held = []
    for now_s in (100, 200, 300):
        making.advance(START_US + now_s * S, MOST)
        held.append(making.held)
    making.close()
    assert held[0] == pytest.approx(held[2], rel=0.1)


def test_an_empty_end_is_cut_from_what_was_made_already(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.on(1)
    lesson.shows(3, 0, 8, frames=film(3, 160, 90, 50))
    lesson.sounds(beeps(), 0, 90, level=lambda at_s: 30 if at_s < 10 else 90)
    lesson.off(90)
    wanted = at_once(lesson)
    assert live(lesson, [20, 60, 95]) == wanted
    with av.open(str(lesson.library / "rec1" / VIDEO_NAME)) as container:
        assert container.duration == pytest.approx(11 * S, abs=300_000)
        assert max(packet.pts or 0 for packet in container.demux()) < 11_300


@pytest.mark.asyncio
async def test_the_other_process_makes_what_is_still_recorded(lesson: Lesson) -> None:
    """It may be killed, and it goes when nobody wants anything of it."""
    publisher = Publisher(cast("Catalog", None), lesson.folder.parent, lesson.library)
    draft = lesson.library / "rec1" / (VIDEO_NAME + DRAFT)
    try:
        await publisher.advance("rec1")
        first = draft.read_bytes()
        pid = publisher._maker._apart._pid
        assert pid is not None
        assert os.getpriority(os.PRIO_PROCESS, pid) >= 10
        os.kill(pid, signal.SIGKILL)
        await publisher.advance("rec1")  # that it is dead is seen now or at the next step
        await publisher.advance("rec1")
        assert publisher._maker._apart._pid not in (None, pid)
        assert draft.read_bytes() == first
        await publisher.forget("rec1")
        assert publisher._maker._apart._pid is None
    finally:
        await publisher.close()


def test_times_that_are_settled_stay_and_no_other_is_earlier(lesson: Lesson) -> None:
    (path,) = lesson.folder.glob("*camera*.zj")
    tail = Tail(path)
    batches = list(tail.read(START_US + 2 * S))
    track = Track(tail)
    for batch in batches:
        track.take(batch)
    track.complete(NEVER_US)
    count = len(track.frames)
    track.set_times(np.arange(count) * 10, 0)
    track.set_times(np.arange(count) * 10 - 25, 100)
    assert track.time_us[:12].tolist() == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 100]
    assert track.time_us[13] == 105


def test_where_beats_meet_nothing_is_lost_or_twice(tmp_path: Path) -> None:
    """Though each beat knows the clocks anew."""
    lesson = Lesson(tmp_path, Line(START_US, drift_ppm=100, jitter_us=60_000))
    lesson.on(1)
    lesson.shows(3, 0, 62, frames=film(3, 160, 90, 50))
    lesson.sounds([bytes((0x78, *index.to_bytes(4), *bytes(40))) for index in range(3_100)], 0, 62)
    lesson.off(61)
    lesson.write_log()
    assert finish(lesson.folder, lesson.library).state == "ready"
    path = lesson.library / "rec1" / VIDEO_NAME
    counters = [frame.counter for frame in marks(path)]
    assert len(counters) >= 60 * FRAMES_A_SECOND - 1
    assert all((after - before) % FILM == 1 for before, after in pairwise(counters))
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(audio=0) if packet.size > 20]
    numbers = [int.from_bytes(packet[1:5]) for packet in packets]
    assert len(numbers) >= 60 * 50 - 2
    assert all(after - before == 1 for before, after in pairwise(numbers))


def test_a_tap_of_few_packets_is_shown_though_nothing_comes_behind_them(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(1, 0, 40)
    lesson.shows(5, 8, 9, source="screen", frames=film(5, 160, 90))
    lesson.on(0)
    lesson.off(40)
    at_once(lesson)
    found = marks(lesson.library / lesson.folder.name / VIDEO_NAME)
    assert sum(mark.who == 5 for mark in found) >= FRAMES_A_SECOND // 2


def test_a_log_that_was_put_together_anew_is_read_anew(lesson: Lesson) -> None:
    """As when another recorder's part was fetched: what was made by the old one would end in its middle."""
    wanted = at_once(lesson)
    folder, library = lesson.root / "live" / "rec1", lesson.root / "live" / "library"
    shutil.copytree(lesson.folder, folder)
    head, records = read(folder / LOG_NAME)
    assert head is not None
    part = Writer(folder / "less", head, START_US)
    part.open()
    for index, (kind, time_us, body) in enumerate(records):
        if kind == Kind.EVENT and index > 0:
            part.add_event(event_of(body), time_us)
    part.close(START_US)
    whole = (folder / LOG_NAME).rename(folder / "whole")
    (folder / "less").rename(folder / LOG_NAME)
    made = Live()
    made.advance(folder, library, START_US + 50 * S)
    whole.replace(folder / LOG_NAME)
    assert made.finish(folder, library).state == "ready"
    assert digest(library / "rec1") == wanted
