"""Chapters and names: what is chosen of a timeline, and how it is written."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

from recorder.jobs.chapters import APART_MS, MOST, Chapter, chapters, chapters_vtt
from recorder.jobs.composite import MOST_NAMES, labels
from recorder.jobs.vtt import vtt
from signaling.catalog.takes import Cast, Take, Takes
from signaling.wire import SourceName, Timeline, TimelineChat, TimelineHand, TimelinePart

MINUTE = 60_000


def lesson(**changed: object) -> Timeline:
    told = {"duration_ms": 45 * MINUTE, "parts": (TimelinePart(0, 45 * MINUTE, 1),)} | changed
    return Timeline(**told)  # type: ignore[arg-type]


def takes(*some: tuple[float, float, str, SourceName]) -> Takes:
    """Who is seen or heard from one minute to another."""
    people = dict.fromkeys(name for _, _, name, _ in some)
    return Takes(
        tuple(Cast(name.lower(), name, "student") for name in people),
        tuple(
            Take(name.lower(), source, round(start * MINUTE), round(end * MINUTE))
            for start, end, name, source in some
        ),
    )


def said(*some: tuple[float, float, str]) -> Takes:
    return takes((0, 45, "Anna", "camera"), *((start, end, name, "microphone") for start, end, name in some))


def test_an_empty_lesson_begins() -> None:
    assert chapters(lesson(), Takes()) == [Chapter(0, "begin")]


def test_parts_screens_and_who_was_on_the_stage() -> None:
    told = lesson(parts=(TimelinePart(0, 20 * MINUTE, 1), TimelinePart(20 * MINUTE, 25 * MINUTE, 9)))
    seen = takes(
        (0, 5, "Anna", "camera"),
        (5, 15, "Anna", "screen"),
        (15, 30, "Anna", "camera"),
        (30, 32, "Boris", "camera"),
        (32, 40, "Anna", "camera"),
    )
    assert [(each.at_ms / MINUTE, each.kind, each.name, each.count) for each in chapters(told, seen)] == [
        (0, "begin", "", 0),
        (5, "screen", "Anna", 0),
        (15, "stage", "Anna", 0),
        (20, "part", "", 2),
        (30, "stage", "Boris", 0),
    ]


def test_who_speaks_for_a_while_and_is_not_the_host() -> None:
    heard = said(
        (0, 10, "Anna"),
        (10, 10.13, "Boris"),
        (10.2, 10.34, "Boris"),
        (10.34, 20, "Anna"),
        (20, 20.08, "Vera"),
    )
    assert [(each.at_ms, each.name) for each in chapters(lesson(), heard)[1:]] == [(10 * MINUTE, "Boris")]


def test_who_was_taken_out_is_in_no_chapter_and_on_no_picture() -> None:
    told = takes(
        (0, 30, "Anna", "camera"),
        (0, 10, "Anna", "microphone"),
        (10, 12, "Boris", "microphone"),
        (30, 32, "Boris", "camera"),
        (32, 40, "Anna", "camera"),
    )
    assert "Boris" in chapters_vtt(chapters(lesson(), told), 45 * MINUTE, "ru")
    assert any("Boris" in names for _, names in labels(told))
    left = told.without({"boris"})
    assert "Boris" not in chapters_vtt(chapters(lesson(), left), 45 * MINUTE, "ru")
    assert labels(left) == [(0, ("Anna",)), (30 * MINUTE, ()), (32 * MINUTE, ("Anna",)), (40 * MINUTE, ())]


def test_bursts_of_hands_and_chat() -> None:
    told = lesson(
        hands=tuple(
            TimelineHand(at_ms, f"p{at_ms}", "N", up)
            for at_ms in (2 * MINUTE, 9 * MINUTE, 9 * MINUTE + 20_000, 9 * MINUTE + 40_000)
            for up in (True, False)
        ),
        chat=tuple(TimelineChat(30 * MINUTE + second * 4_000, "N", "!") for second in range(8)),
    )
    assert [(each.at_ms, each.kind, each.count) for each in chapters(told, Takes())[1:]] == [
        (9 * MINUTE, "hands", 3),
        (30 * MINUTE, "chat", 8),
    ]


def test_of_near_ones_the_weightier_stands_and_there_are_never_too_many() -> None:
    told = lesson(
        parts=(TimelinePart(0, 10 * MINUTE, 1), TimelinePart(10 * MINUTE, 10 * MINUTE, 2)),
    )
    seen = takes((0, 0.2, "Anna", "camera"), (0.2, 9.8, "Vera", "camera"), (9.8, 20, "Anna", "screen"))
    assert [each.kind for each in chapters(told, seen)] == ["begin", "part"]
    busy = takes(*((minute / 2, minute / 2 + 0.5, f"N{minute}", "camera") for minute in range(89)))
    found = chapters(lesson(), busy)
    assert len(found) == MOST
    assert all(b.at_ms - a.at_ms >= APART_MS for a, b in pairwise(found))


def test_as_webvtt_in_both_languages_whatever_the_names_are() -> None:
    bad = "<b>A-->&\nNOTE x\r\n\n1"
    found = [Chapter(0, "begin"), Chapter(61_001, "screen", bad), Chapter(3_600_000, "hands", count=4)]
    for language, begin in (("ru", "Начало"), ("en", "Beginning")):
        text = chapters_vtt(found, 3_700_000, language)  # type: ignore[arg-type]
        blocks = text.strip().split("\n\n")
        assert blocks[0] == "WEBVTT"
        assert len(blocks) == 4
        assert blocks[1] == f"00:00:00.000 --> 00:01:01.001\n{begin}"
        assert blocks[2].startswith("00:01:01.001 --> 01:00:00.000\n")
        assert "&lt;b&gt;A--&gt;&amp; NOTE x 1" in blocks[2]
        assert blocks[3].startswith("01:00:00.000 --> 01:01:40.000\n")
        assert len(re.findall("-->", text)) == 3


def test_a_cue_lasts_at_least_a_moment() -> None:
    assert "00:00:05.000 --> 00:00:05.001" in vtt([(5_000, 5_000, "x")])


def test_names_are_of_who_speaks_else_of_who_is_seen() -> None:
    told = takes(
        (0, 3, "Anna", "camera"),
        (1, 2, "Boris", "microphone"),
        (1.1, 2, "Vera", "microphone"),
        (1.2, 1.4, "Gleb", "microphone"),
        (1.3, 1.35, "Dina", "microphone"),
        (1.5, 1.505, "Gleb", "screen_sound"),
        (2.5, 2.51, "Cough", "microphone"),
        (4, 4.5, "Anna", "microphone"),
        (4.52, 5, "Anna", "microphone"),
    )
    assert [(round(at_ms / MINUTE, 2), names) for at_ms, names in labels(told)] == [
        (0, ("Anna",)),
        (1, ("Boris",)),
        (1.1, ("Boris", "Vera")),
        (1.2, ("Boris", "Vera", "Gleb")),
        (1.4, ("Boris", "Vera")),
        (2, ("Anna",)),
        (3, ()),
        (4, ("Anna",)),
        (5, ()),
    ]
    assert MOST_NAMES == 3
    assert labels(Takes()) == [(0, ())]
    assert labels(Takes((Cast("anna", "", "teacher"),), told.takes)) == [(0, ())]


@pytest.mark.parametrize("name", ["", "\u202e", "Анна " * 60, "שלום", "🧪"])
def test_any_name_is_drawn(name: str, tmp_path: Path) -> None:
    import numpy as np

    from recorder.jobs.lettering import lay, plate

    label = plate((name,), 720)
    luma, colour = np.full((720, 1280), 200, np.uint8), np.full((360, 640), 90, np.uint8)
    if label is None:
        assert name in ("", "\u202e")
        return
    lay(label, luma, colour, colour)
    assert luma.min() < 100
    assert (luma == 200).mean() > 0.9
    assert colour.max() > 90
