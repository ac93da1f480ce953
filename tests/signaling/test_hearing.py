"""Who hears a worker, and from when on nobody can have confirmed it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sfu.rpc.holding import BLIND_ALONE_S, BLIND_S, LOOK_S, MOVE_S
from signaling.hearing import Hearing, Note
from signaling.whereabouts import here, is_gone


def note(number: int, *workers: str, alone: bool = False, where: str = "there") -> Note:
    return Note(number, where, frozenset(workers), alone)


class Looks:
    """A process that looks each second at what another one says."""

    def __init__(self) -> None:
        self.hearing = Hearing("here")
        self.now_s = 1000.0
        self.other: Note | None = None
        self.gone = False

    def look(self, seconds: float = 1) -> set[str]:
        forgotten: set[str] = set()
        for _ in range(round(seconds)):
            self.now_s += 1
            notes = {} if self.other is None else {"other": self.other}
            forgotten |= self.hearing.saw(notes, lambda _: self.gone, self.now_s)
        return forgotten

    def until_it_may_move(self) -> float:
        began_s = self.now_s
        while not self.hearing.may_move("w", self.now_s):
            assert self.now_s - began_s < 2 * BLIND_ALONE_S
            self.look()
        return self.now_s - began_s


def test_a_worker_that_nobody_hears_may_move_after_a_while() -> None:
    looks = Looks()
    assert not looks.hearing.may_move("w", looks.now_s), "it has not looked yet"
    looks.look()
    assert looks.until_it_may_move() == MOVE_S
    looks.hearing.heard("w", looks.now_s)
    assert looks.until_it_may_move() == MOVE_S


def test_a_process_that_did_not_look_counts_from_the_beginning() -> None:
    looks = Looks()
    looks.look(MOVE_S + 1)
    assert looks.hearing.may_move("w", looks.now_s)
    looks.now_s += LOOK_S + 1
    assert not looks.hearing.may_move("w", looks.now_s)
    looks.look()
    assert looks.until_it_may_move() == MOVE_S


def test_what_another_process_hears_does_not_move() -> None:
    looks = Looks()
    for number in range(round(MOVE_S) * 2):
        looks.other = note(number, "w")
        looks.look()
        assert looks.hearing.heard_elsewhere("w", looks.now_s)
    assert not looks.hearing.may_move("w", looks.now_s)
    looks.other = note(1000)
    looks.look()
    assert not looks.hearing.heard_elsewhere("w", looks.now_s)
    assert looks.until_it_may_move() == MOVE_S, "from the moment at which the other heard it no more"


@pytest.mark.parametrize(("alone", "blind_s"), [(False, BLIND_S), (True, BLIND_ALONE_S)])
def test_a_process_that_falls_silent_may_still_confirm_for_a_while(*, alone: bool, blind_s: float) -> None:
    looks = Looks()
    looks.other = note(1, "w", alone=alone)
    looks.look()
    assert blind_s + MOVE_S <= looks.until_it_may_move() <= blind_s * 1.01 + MOVE_S + 1


def test_a_note_that_redis_lost_is_still_believed() -> None:
    looks = Looks()
    looks.other = note(1, "w")
    looks.look()
    looks.other = None
    assert looks.until_it_may_move() >= BLIND_S + MOVE_S


def test_a_process_that_is_gone_confirms_nothing() -> None:
    looks = Looks()
    looks.other = note(1, "w", alone=True)
    looks.look()
    looks.gone = True
    assert looks.look() == {"other"}
    assert looks.until_it_may_move() == MOVE_S


def test_it_confirms_what_the_others_know_of() -> None:
    looks = Looks()
    hearing = looks.hearing
    assert not hearing.confirms("w", 0)
    assert not hearing.note(["w"]).alone, "it has not looked for others yet"
    hearing.told(hearing.note(["w"]), 100)
    assert hearing.confirms("w", 100 + BLIND_S)
    assert not hearing.confirms("w", 101 + BLIND_S)
    assert not hearing.confirms("x", 100)
    looks.look()
    hearing.told(hearing.note(["w"]), 200)
    assert hearing.confirms("w", 200 + BLIND_ALONE_S)
    looks.other = note(1)
    looks.look()
    assert not hearing.note(["w"]).alone


def test_numbers_grow() -> None:
    hearing = Hearing("here")
    assert hearing.note([]).number < hearing.note([]).number


def test_a_process_is_gone_when_it_is() -> None:
    assert not is_gone(here())
    machine, _, started = here().rpartition(f" {os.getpid()} ")
    assert is_gone(f"{machine} {os.getpid()} {int(started) - 1}"), "its number is another's now"
    said = subprocess.run(
        [sys.executable, "-c", "from signaling.whereabouts import here; print(here())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert is_gone(said)
    assert not is_gone("another" + said), "on another machine"
    for unclear in ("", "x", "1", " ".join(said.split()[:2])):
        assert not is_gone(unclear)
