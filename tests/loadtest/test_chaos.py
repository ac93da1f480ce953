"""Chaos: the schedule is the seed's, each invariant's check finds its violation, and a real server holds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from loadtest.chaos import run as chaos
from loadtest.chaos.bots import backoff_s
from loadtest.chaos.invariants import (
    Leases,
    LessonHistory,
    Stretch,
    Witness,
    apart,
    cut_short,
    twice,
    two_owners,
    undelivered,
)
from loadtest.chaos.recovery import (
    NEVER_S,
    Asked,
    Happened,
    Hearing,
    Told,
    figures,
    not_heard,
    recovery,
    rows,
    silent_s,
)
from loadtest.chaos.schedule import CHOICES, GAP_S, REST_S, STOP_S, Fault, Planned, ends, plan
from signaling import wire

# --- schedule -------------------------------------------------------------------------------------


def test_a_seed_is_a_schedule() -> None:
    assert plan(7, 10) == plan(7, 10)
    assert plan(7, 10) != plan(8, 10)
    assert plan(7, 20)[: len(plan(7, 10))] == plan(7, 10)


@pytest.mark.parametrize("seed", range(20))
def test_faults_leave_time_to_recover_and_all_come_in_a_long_run(seed: int) -> None:
    planned = plan(seed, 30)
    gaps = [after.at_s - before.at_s for before, after in pairwise(planned)]
    assert all(GAP_S[0] - 0.1 <= gap <= GAP_S[1] + 0.1 for gap in gaps)
    assert planned[-1].at_s <= 30 * 60 - GAP_S[1]
    assert {each.faults for each in planned} == set(CHOICES)
    for kind, rest_s in REST_S.items():
        times = [each.at_s for each in planned if kind in each.faults]
        assert all(after - before >= rest_s - 0.2 for before, after in pairwise(times))
    for each in planned:
        assert (STOP_S[0] <= each.stop_s <= STOP_S[1]) == (Fault.WORKER_STOPPED in each.faults)


def test_ten_minutes_have_every_kill_alone() -> None:
    for seed in range(20):
        alone = {next(iter(each.faults)) for each in plan(seed, 10) if len(each.faults) == 1}
        assert alone == set(Fault)


def test_the_last_fault_is_looked_at_until_the_end() -> None:
    planned = [Planned(5, frozenset({Fault.REDIS_KILLED})), Planned(20, frozenset({Fault.WORKER_KILLED}))]
    assert ends(planned, 1) == [20, 60]
    assert ends([], 1) == []
    assert plan(1, 0.3) == []


# --- invariants -----------------------------------------------------------------------------------


def event(number: int, kind: str = "chat", at_ms: int = 1, path: str = "hand/s1") -> wire.Event:
    return wire.Event(number, kind, at_ms, "s1", {path: 1})


def said(number: int, text: str) -> wire.Event:
    return wire.Event(number, "chat", 1, "s1", {f"chat/{number}": {"text": text}})


def welcome(number: int, events: Sequence[wire.Event] | None = None, *, lease: int = 1) -> wire.Welcome:
    whole: dict[str, Any] | None = {} if events is None else None
    return wire.Welcome("s1", "student", "l1", number, lease, 1, whole, tuple(events or ()))


def faults(*messages: wire.ServerMessage, history: LessonHistory | None = None) -> list[str]:
    witness = Witness("A", history or LessonHistory())
    return [fault for message in messages for fault in witness.take(message)]


def test_a_history_without_gaps_is_fine() -> None:
    history = LessonHistory()
    assert faults(welcome(5), event(6), event(7), welcome(9, [event(8), event(9)]), history=history) == []
    assert faults(welcome(7), event(8), welcome(8, []), event(9), welcome(2000), event(2001)) == []


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        ((welcome(5), event(7)), "A: event 7 (chat) came after 5"),
        ((welcome(5), event(6), event(6)), "A: event 6 (chat) came after 6"),
        ((welcome(5), event(6), event(5)), "A: event 5 (chat) came after 6"),
        ((event(1),), "A: event 1 (chat) came after None"),
        ((welcome(5), welcome(7, [event(7)])), "A: event 7 (chat) came after 5"),
        ((welcome(5), welcome(7, [event(6)])), "A: was resumed to 6, the log is at 7"),
        ((welcome(5), welcome(4)), "A: the log went back from 5 to 4"),
        ((welcome(5), event(6, "left")), "A: event 6: left, but everybody stays"),
        ((welcome(5, lease=3), wire.Moved(2, 0)), "A: the lease went back from 3 to 2"),
    ],
)
def test_a_gap_a_repeat_or_a_step_back_is_found(messages: tuple[wire.ServerMessage, ...], fault: str) -> None:
    assert fault in faults(*messages)


def test_the_same_number_must_say_the_same_to_everybody() -> None:
    history = LessonHistory()
    assert faults(welcome(5), event(6), history=history) == []
    assert faults(welcome(5), event(6), history=history) == []
    other = faults(welcome(5), event(6, at_ms=2), history=history)
    assert other == ["A: event 6 (chat) is not what another client got"]


def test_what_only_teachers_see_is_not_compared() -> None:
    history = LessonHistory()
    assert faults(welcome(5), event(6, path="lobby/x"), history=history) == []
    assert faults(welcome(5), event(6, path="lobby/y"), history=history) == []


def test_somebody_who_is_there_twice_is_found() -> None:
    def person(name: str, *, here: bool = True) -> dict[str, Any]:
        return {"name": name, "here": here}

    assert twice({"person/a": person("Ann"), "person/b": person("Bob"), "hand/a": 1}) == []
    assert twice({"person/a": person("Ann"), "person/b": person("Ann", here=False)}) == []
    assert twice({"person/a": person("Ann"), "person/b": person("Ann")}) == ["Ann"]


def test_chat_that_is_missing_or_repeated_is_found() -> None:
    history = LessonHistory()
    first, second = Witness("A", history), Witness("B", history)
    for witness in (first, second):
        witness.take(welcome(5))
        witness.take(said(6, "one"))
    assert undelivered(["one"], [first, second]) == []
    second.take(said(7, "two"))
    assert undelivered(["one", "two"], [first, second]) == ["A: chat 'two' came 0 times"]
    first.take(said(7, "one"))
    assert undelivered(["one"], [first]) == ["A: chat 'one' came 2 times"]
    assert undelivered([], [first]) == ["A: chat 'one' was not acknowledged and came 2 times"]


def test_chat_in_a_state_that_came_whole_counts() -> None:
    witness = Witness("A", LessonHistory())
    witness.take(wire.Welcome("s1", "student", "l1", 9, 1, 1, {"chat/9": {"text": "one"}}))
    assert undelivered(["one"], [witness]) == []


def test_states_that_differ_in_the_end_are_found() -> None:
    assert apart({"A": {"hand/a": 1, "lobby/x": 2}, "B": {"hand/a": 1}}) == []
    assert apart({"A": {"hand/a": 1}, "B": {}}) == ["B: the state differs in hand/a"]


def test_leases_only_grow_and_have_one_owner() -> None:
    leases = Leases()
    assert leases.saw("l", "w0", 1) == leases.saw("l", "w1", 2) == leases.saw("m", "w0", 1) == []
    assert leases.saw("l", "w0", 2) == ["l: epoch 2 is w1's and w0's"]
    assert leases.saw("l", "w0", 1) == ["l: the lease's epoch went back from 2 to 1"]


def test_two_workers_that_forward_one_lesson_are_found() -> None:
    moved = {"A": [Stretch(1, 0, 10), Stretch(2, 12, 20)], "B": [Stretch(1, 0, 13), Stretch(2, 14, 20)]}
    assert two_owners(moved) == []
    stayed = {"A": [Stretch(1, 0, 10), Stretch(2, 12, 20)], "B": [Stretch(1, 0, 20)]}
    assert two_owners(stayed) == ["B: lease 1 was heard 8.0 s after lease 2 was"]


def test_a_recording_lacks_no_more_than_its_lesson_s_silences() -> None:
    assert cut_short("Teacher 1", 55.6, 60.0, [0.5]) == cut_short("Teacher 1", 58.5, 60.0, []) == []
    assert "57.0 of 60.0 s" in cut_short("Teacher 1", 57.0, 60.0, [])[0]
    assert cut_short("Teacher 1", 53.4, 60.0, [0.5, 0.0])
    assert "did not become" in cut_short("Teacher 1", None, 60.0, [])[0]


# --- recovery -------------------------------------------------------------------------------------


def test_a_pause_ends_a_stretch_and_so_does_another_lease() -> None:
    hearing = Hearing()
    for lease, at_s in ((1, 0.0), (1, 0.02), (1, 1.0), (2, 1.02)):
        hearing.heard(lease, at_s)
    assert hearing.stretches == [Stretch(1, 0.0, 0.02), Stretch(1, 1.0, 1.0), Stretch(2, 1.02, 1.02)]


@pytest.mark.parametrize(
    ("stretches", "silence_s"),
    [
        ([Stretch(1, 0, 30)], 0.0),
        ([Stretch(1, 0, 15), Stretch(2, 15.1, 30)], 0.0),
        ([Stretch(1, 0, 10.1), Stretch(2, 12, 30)], 2.0),
        ([Stretch(1, 0, 10.1), Stretch(2, 12, 12.5), Stretch(2, 13, 30)], 3.0),
        ([Stretch(1, 0, 10.1), Stretch(2, 26, 30)], NEVER_S),
        ([Stretch(1, 0, 10.1)], NEVER_S),
    ],
)
def test_silence_is_from_the_fault_until_sound_stays(stretches: list[Stretch], silence_s: float) -> None:
    assert silent_s(stretches, 10, 25) == silence_s


HEARD = {"A": [Stretch(1, 0, 10.1), Stretch(2, 12, 30)], "B": [Stretch(1, 0, 30)]}


def told(heard: dict[str, list[Stretch]] | None = None) -> Told:
    asked = {"T": [Asked(9.9, 10.01), Asked(10.2, 11.5), Asked(11.6, 11.7)]}
    return Told(HEARD if heard is None else heard, {"A": [1, 11], "T": [2, 11.25]}, asked)


def happened(*kinds: Fault, **more: Any) -> Happened:
    return Happened(Planned(10, frozenset(kinds)), 10, 25, **more)


def test_figures_of_faults_that_came_alone() -> None:
    recoveries = [
        recovery(happened(Fault.WORKER_KILLED, cut=frozenset({"A"})), told()),
        recovery(happened(Fault.SIGNALLING_KILLED, lost=3), told(heard={})),
        recovery(happened(Fault.REDIS_KILLED, redis_back_s=10.9), told(heard={})),
        recovery(happened(Fault.REDIS_EMPTIED, registered_s=14.0), told(heard={})),
    ]
    found = figures(recoveries, {}, "")
    assert {name: figure.value for name, figure in found.items()} == {
        "sound_back_p95_s": 2.0,
        "sound_back_p99_s": 2.0,
        "signalling_back_s": 1.5,
        "signalling_lost": 3,
        "redis_resume_s": 0.6,
        "reregister_s": 4.0,
        "double_owners": 0,
        "lost": 0,
        "not_back": 0,
    }
    assert [row["sound_back_s"] for row in rows(recoveries, 0)] == [2.0, None, None, None]


def test_figures_that_were_not_taken_say_why() -> None:
    pair = recovery(happened(Fault.WORKER_KILLED, Fault.SIGNALLING_KILLED, cut=frozenset({"A"})), told())
    found = figures([pair], {"lost": 2, "owners": 1}, "")
    assert found["sound_back_p95_s"].value is None
    assert found["sound_back_p95_s"].note == "no worker was killed alone"
    assert found["signalling_lost"].note == "signalling was not killed alone"
    assert (found["lost"].met, found["double_owners"].met) == (False, False)
    never = recovery(happened(Fault.WORKER_KILLED), told(heard={"A": [Stretch(1, 0, 10)]}))
    found = figures([never], {}, "")
    assert found["sound_back_p99_s"].note.startswith("not back")
    assert rows([never], 0)[0]["sound_back_s"] == "never"
    assert not_heard([never, pair]) == ["worker killed: A heard nothing until the next fault"]
    void = figures([recovery(happened(Fault.WORKER_KILLED), told())], {}, "void: busy")
    assert (void["sound_back_p95_s"].value, void["sound_back_p95_s"].note) == (None, "void: busy")


def test_people_come_back_as_soon_as_the_page_does() -> None:
    assert [backoff_s(0.4, attempt, 1.0) for attempt in range(4)] == [0.4, 0.8, 1.0, 1.0]
    assert backoff_s(0.4, 0, 0.0) == 0.2


# --- a real server --------------------------------------------------------------------------------


@pytest.mark.load
@pytest.mark.timeout(180)
def test_a_server_holds_when_each_part_is_killed_once() -> None:
    planned = [
        Planned(3, frozenset({Fault.WORKER_KILLED})),
        Planned(13, frozenset({Fault.SIGNALLING_KILLED})),
        Planned(23, frozenset({Fault.REDIS_KILLED})),
        Planned(33, frozenset({Fault.REDIS_EMPTIED})),
    ]
    result = chaos.run(planned, 0.72)
    assert (list(result.violations), result.void) == ([], ""), result.report.to_table()
    assert len(result.report.rows) == 4
    assert all(figure.value is not None for figure in result.report.figures.values()), (
        result.report.to_table()
    )
    assert result.exit_code == chaos.HELD


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_server_holds_for_ten_minutes() -> None:
    result = chaos.run(plan(1, 10), 10)
    print(result.report.to_table())
    assert (list(result.violations), result.void) == ([], ""), result.report.to_table()
