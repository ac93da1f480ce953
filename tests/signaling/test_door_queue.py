"""The queue at the door: order, fairness, bounds."""

from __future__ import annotations

from random import Random

import pytest

from signaling.door_queue import KEPT_S, Admitted, DoorQueue, Full, Waits

PER_S = 10


def queue(most: int = 1000) -> DoorQueue:
    return DoorQueue(PER_S, Random(1), 0.0, most)


def crowd(queue: DoorQueue, people: int, now_s: float = 0.0) -> list[Admitted | Waits | Full]:
    return [queue.ask(f"p{number}", False, now_s) for number in range(people)]


def place(answer: Admitted | Waits | Full) -> int:
    assert isinstance(answer, Waits), answer
    return answer.place


def admitted(queue: DoorQueue, names: list[str], now_s: float) -> list[str]:
    return [name for name in names if queue.ask(name, False, now_s) == Admitted()]


def test_a_second_s_worth_comes_in_at_once_and_the_others_get_places_in_order() -> None:
    answers = crowd(queue(), 2 * PER_S)
    assert answers[:PER_S] == [Admitted()] * PER_S
    assert [place(answer) for answer in answers[PER_S:]] == list(range(1, PER_S + 1))


def test_nobody_waits_without_a_crowd() -> None:
    door = queue()
    for number in range(100):
        assert door.ask(f"p{number}", False, number / PER_S) == Admitted()


def test_first_come_first_served_however_often_and_in_whatever_order_they_ask() -> None:
    door = queue()
    crowd(door, 4 * PER_S)
    waiting = [f"p{number}" for number in range(PER_S, 4 * PER_S)]
    assert sorted(admitted(door, waiting[::-1], 1.0)) == waiting[:PER_S]
    assert admitted(door, waiting[PER_S:] * 20, 1.05) == []
    assert sorted(admitted(door, waiting[:PER_S:-1], 2.0)) == waiting[PER_S + 1 : 2 * PER_S]


def test_asking_again_keeps_the_place_and_the_place_never_grows() -> None:
    door = queue()
    crowd(door, 6 * PER_S)
    places = [place(door.ask("p59", False, second)) for second in (0.0, 0.5, 1.0, 1.0, 3.2)]
    assert places == [50, 45, 40, 40, 30]  # a second's worth at most is called at once


def test_a_newcomer_does_not_pass_those_who_wait() -> None:
    door = queue()
    crowd(door, 3 * PER_S)
    assert place(door.ask("late", False, 0.5)) > PER_S
    assert place(door.ask("later", False, 0.5)) == place(door.ask("late", False, 0.5)) + 1


def test_who_leads_comes_in_at_once_and_students_wait_for_it() -> None:
    door = queue()
    crowd(door, PER_S + 1)
    assert [door.ask(f"t{number}", True, 0.0) for number in range(5)] == [Admitted()] * 5
    told = door.ask("p10", False, 0.0)
    assert isinstance(told, Waits)
    assert told.wait_s == pytest.approx(0.6)
    assert admitted(door, ["p10"], 0.5) == []
    assert admitted(door, ["p10"], 0.65) == ["p10"]


def test_however_many_lead_students_wait_a_second_longer_at_most() -> None:
    door = queue()
    crowd(door, PER_S + 1)
    for number in range(1000):
        assert door.ask(f"t{number}", True, 0.0) == Admitted()
    assert admitted(door, ["p10"], 1.2) == ["p10"]


def test_those_who_are_called_and_stay_away_hold_up_nobody_and_come_in_later() -> None:
    door = queue()
    crowd(door, 4 * PER_S)
    came = [tenth for tenth in range(1, 40) if admitted(door, ["p30"], tenth / 10)]
    assert 20 < came[0] <= 22  # twenty were before
    assert admitted(door, ["p10", "p29"], 4.0) == ["p10", "p29"]


def test_the_forgotten_are_passed_over_at_no_cost() -> None:
    door = queue()
    crowd(door, 101 * PER_S)  # a thousand wait
    stays = ["p1000", "p1005", "p1009"]
    for second in range(10, int(KEPT_S) + 1, 10):
        assert admitted(door, stays, second) == []
    # the others have not asked for KEPT_S: those before are called for nothing
    assert admitted(door, stays, KEPT_S + 1) == stays


def test_a_forgotten_one_starts_anew() -> None:
    door = queue()
    crowd(door, PER_S + 1)
    assert door.waits("p10")
    crowd_later = [door.ask(f"q{number}", False, KEPT_S + 1) for number in range(PER_S + 1)]
    assert not door.waits("p10")
    assert place(crowd_later[-1]) == 1
    assert place(door.ask("p10", False, KEPT_S + 1)) == 2


def test_a_full_queue_remembers_nobody_more_and_says_so() -> None:
    door = queue(most=5)
    answers = crowd(door, PER_S + 7)
    assert [type(answer) for answer in answers[PER_S:]] == [Waits] * 5 + [Full] * 2
    assert not door.waits("p16")
    assert admitted(door, ["p10"], 0.1) == ["p10"]
    assert place(door.ask("p16", False, 0.1)) == 5


def test_the_time_to_ask_again_is_bounded_spread_and_about_the_turn() -> None:
    told = [answer for answer in crowd(queue(), 1000) if isinstance(answer, Waits)]
    assert all(1 <= answer.retry_s <= 10 for answer in told)
    assert all(answer.wait_s == answer.place / PER_S for answer in told)
    soon = [answer for answer in told if 2 <= answer.wait_s <= 7]
    assert all(answer.wait_s <= answer.retry_s <= 1.4 * answer.wait_s for answer in soon)
    far = [answer.retry_s for answer in told if answer.wait_s > 10]
    assert max(far) - min(far) > 2


def test_pages_that_do_as_they_are_told_come_in_at_the_rate_in_about_their_order() -> None:
    door = queue()
    due = {f"p{number}": 0.0 for number in range(300)}
    came: dict[str, float] = {}
    while due:
        who = min(due, key=lambda each: due[each])
        now_s = due.pop(who)
        answer = door.ask(who, False, now_s)
        if isinstance(answer, Waits):
            due[who] = now_s + answer.retry_s
        else:
            came[who] = now_s
    assert max(came.values()) < 300 / PER_S * 1.4
    late = [came[f"p{number}"] - (number - PER_S) / PER_S for number in range(300)]
    assert min(late) >= 0
    assert max(late) < 11


def test_a_clock_that_steps_back_lets_nobody_in() -> None:
    door = queue()
    crowd(door, PER_S + 1, now_s=100.0)
    assert admitted(door, ["p10"], 50.0) == []
    assert admitted(door, ["p10"], 50.2) == ["p10"]


def test_who_has_a_number_elsewhere_comes_in_at_that_time_and_costs_nothing_here() -> None:
    door = queue()
    crowd(door, 2 * PER_S)
    told = [door.ask("guest", False, second, turn_s=1.55) for second in (0.0, 1.0, 1.55)]
    assert [place(answer) for answer in told[:2]] == [16, 6]
    assert told[2] == Admitted()
    assert not door.waits("guest")
    assert admitted(door, ["p19"], 1.55) == ["p19"]


def test_a_number_of_one_s_own_is_what_counts() -> None:
    door = queue()
    crowd(door, 2 * PER_S)
    assert place(door.ask("p19", False, 0.0, turn_s=-5.0)) == 10
