"""A video lesson says what is missing: only what a leader had on, and only when it is missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from signaling.wire import TimelineMissing
from tests.recorder.made import Lesson, beeps, film

SMALL = 160, 90


def lost(lesson: Lesson) -> TimelineMissing | None:
    return lesson.finish()[2].missing


def test_of_a_whole_lesson_nothing_is_missing(tmp_path: Path) -> None:
    """Not even while camera and microphone are off, or a student has on what is not recorded."""
    lesson = Lesson(tmp_path, people={"t1": "teacher", "s1": "student"})
    lesson.shows(3, 0, 5, frames=film(3, *SMALL))
    lesson.sounds(beeps(), 5, 12)
    lesson.told(0, 12, "microphone", "s1")
    lesson.on(0.4)
    lesson.off(12)
    assert lost(lesson) is None


def test_seconds_without_picture_and_sound_are_told(tmp_path: Path) -> None:
    """As a worker's and a recorder's death leave them."""
    lesson = Lesson(tmp_path)
    for since_s, until_s in ((0, 4), (9, 14)):
        lesson.shows(3, since_s, until_s, frames=film(3, *SMALL), told=False)
    for since_s, until_s in ((0, 6), (9, 14)):
        lesson.sounds(beeps(), since_s, until_s, told=False)
    lesson.told(0, 14, "camera")
    lesson.told(0, 14, "microphone")
    lesson.on(1)
    lesson.off(13)
    found = lost(lesson)
    assert found is not None
    assert found.picture_ms == pytest.approx(5_000, abs=100)
    assert found.sound_ms == pytest.approx(3_000, abs=100)
    assert (found.parts, found.journals) == (0, 0)


def test_what_never_came_is_told_and_a_screen_may_stand_still(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    for since_s in range(0, 40, 8):
        lesson.shows(5, since_s, since_s + 1, source="screen", frames=film(5, *SMALL), told=False)
    lesson.told(0, 40, "screen")
    lesson.told(0, 40, "microphone")
    lesson.on(0)
    lesson.off(38)
    assert lost(lesson) == TimelineMissing(picture_ms=0, sound_ms=38_000, parts=0, journals=0)


def test_a_part_without_anything_and_damaged_journals_are_counted(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 6, frames=film(3, *SMALL), told=False)
    lesson.sounds(beeps(), 0, 6, told=False)
    lesson.on(0)
    lesson.off(6)
    lesson.told(0, 30, "camera")
    lesson.on(20, part=2)
    lesson.off(28, part=2)
    path = next(lesson.folder.glob("*microphone*"))
    data = bytearray(path.read_bytes())
    data[-3_000] ^= 1
    path.write_bytes(data)
    (lesson.folder / "001-t1-screen-000000.zj").write_bytes(b"ZVJR")
    assert lost(lesson) == TimelineMissing(picture_ms=8_000, sound_ms=0, parts=1, journals=2)
