"""Lines in words."""

from __future__ import annotations

import pytest

from sfu.rpc.messages import LineQuality, Spared
from signaling import wire
from signaling.quality import HELD_S, Words


def line(
    who: str = "p",
    *,
    up: float | None = None,
    down: float | None = None,
    round_trip_ms: float | None = None,
    silent: bool = False,
    lost: bool = False,
    spared: Spared = "nothing",
) -> LineQuality:
    return LineQuality(who, up, down, round_trip_ms, silent, lost, spared)


def said(*lines: LineQuality, lost: tuple[str, ...] = (), overloaded: bool = False) -> list[tuple[str, ...]]:
    words = Words().say(lines, lost, 0.0, overloaded=overloaded)
    return [(each.participant, each.line, each.fault or "") for each in words]


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (line(), None),
        (line(up=0.05, down=0.05, round_trip_ms=400), None),
        (line(up=0.06), ("weak", "sender")),
        (line(down=0.06), ("weak", "receiver")),
        (line(up=0.08, down=0.07), ("weak", "sender")),
        (line(up=0.07, down=0.08), ("weak", "receiver")),
        (line(round_trip_ms=401), ("weak", "receiver")),
        (line(spared="tiles"), ("weak", "receiver")),
        (line(lost=True, up=0.5), ("lost", "receiver")),
        (line(silent=True), ("good", "")),
    ],
)
def test_one_line_in_words(found: LineQuality, word: tuple[str, str] | None) -> None:
    assert said(found) == ([] if word is None else [("p", *word)])


def test_somebody_without_a_connection_is_lost() -> None:
    assert said(line("a"), lost=("b",)) == [("b", "lost", "receiver")]


def test_many_weak_lines_at_once_are_the_servers_doing() -> None:
    weak = [line(f"w{n}", down=0.2) for n in range(3)]
    good = [line(f"g{n}") for n in range(3)]
    assert {fault for _, _, fault in said(*weak, *good)} == {"server"}
    assert {fault for _, _, fault in said(*weak, *good, line("g3"))} == {"receiver"}
    assert {fault for _, _, fault in said(*weak[:2])} == {"receiver"}


def test_an_overloaded_worker_takes_the_blame() -> None:
    assert said(line("a", up=0.2), line("b"), overloaded=True) == [("a", "weak", "server")]


def test_a_word_gets_worse_at_once_and_better_after_a_while() -> None:
    words = Words()

    def at(now_s: float, found: LineQuality) -> list[wire.LineQuality]:
        return list(words.say([found], (), now_s, overloaded=False))

    assert at(0, line(down=0.2))[0].line == "weak"
    assert at(2, line(lost=True))[0].line == "lost"
    assert at(4, line())[0].line == "lost", "not better yet"
    assert at(2 + HELD_S, line()) == []


def test_who_is_gone_is_forgotten() -> None:
    words = Words()
    assert words.say([line(down=0.2)], (), 0, overloaded=False)
    assert words.say([], (), 1, overloaded=False) == ()
