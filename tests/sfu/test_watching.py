"""Layers that nobody gets need not be sent."""

from __future__ import annotations

from sfu.watching import AWAITED_US, LINGER_BELOW_US, LINGER_US, Watching

ALL = (True, True, True)
SECOND = 1_000_000


def flowing(watching: Watching, until_us: int, *layers: int) -> None:
    """These layers come until then."""
    watching.came([1000 * (index in layers) for index in range(3)], until_us)


def test_all_are_watched_at_first_and_none_after_a_while() -> None:
    watching = Watching(3, 0)
    assert watching.watched(LINGER_US - 1) == ALL
    assert watching.watched(LINGER_US) == (False, False, False)


def test_a_wanted_layer_is_watched_at_once() -> None:
    watching = Watching(3, 0)
    assert watching.watched(9 * SECOND) == (False, False, False)
    watching.want({1}, 10 * SECOND)
    assert watching.watched(10 * SECOND) == (False, True, False)


def test_a_layer_lingers_after_its_last_viewer() -> None:
    watching = Watching(3, 0)
    watching.want({2}, 10 * SECOND)
    for at_us in (10 * SECOND, 11 * SECOND):
        flowing(watching, at_us, 2)
    watching.want((), 11 * SECOND)
    assert watching.watched(11 * SECOND + LINGER_US - 1) == (False, False, True)
    assert watching.watched(11 * SECOND + LINGER_US) == (False, False, False)


def test_a_layer_whose_viewer_went_over_to_a_higher_one_lingers_longer() -> None:
    watching = Watching(3, 0)
    assert watching.watched(9 * SECOND) == (False, False, False)
    for at_us in (10 * SECOND, 11 * SECOND):
        watching.want({0}, at_us)
        flowing(watching, at_us, 0)
    watching.want({2}, 11 * SECOND)
    for at_us in range(11 * SECOND, 11 * SECOND + LINGER_BELOW_US, SECOND):
        flowing(watching, at_us, 0, 2)
        assert watching.watched(at_us) == (True, False, True)
    assert watching.watched(11 * SECOND + LINGER_BELOW_US) == (False, False, True)


def test_nobody_at_all_ends_that_too() -> None:
    watching = Watching(3, 0)
    watching.want({0}, 10 * SECOND)
    watching.want({2}, 11 * SECOND)
    watching.want((), 12 * SECOND)
    assert watching.watched(12 * SECOND + LINGER_US) == (False, False, False)


def test_turning_back_within_that_time_changes_nothing() -> None:
    watching = Watching(3, 0)
    for at_us in range(10 * SECOND, 20 * SECOND, SECOND):
        watching.want({2} if at_us // SECOND % 2 else (), at_us)
        flowing(watching, at_us, 2)
        if at_us > 11 * SECOND:
            assert watching.watched(at_us) == (False, False, True)


def test_below_a_layer_that_does_not_come_the_next_is_watched() -> None:
    watching = Watching(3, 0)
    assert watching.watched(5 * SECOND) == (False, False, False)
    watching.want({2}, 10 * SECOND)
    assert watching.watched(10 * SECOND + AWAITED_US - 1) == (False, False, True)
    assert watching.watched(10 * SECOND + AWAITED_US) == ALL, "nothing came at all"
    flowing(watching, 12 * SECOND, 1)
    assert watching.watched(12 * SECOND) == ALL
    flowing(watching, 13 * SECOND, 1)
    assert watching.watched(13 * SECOND) == (False, True, True)


def test_what_is_shown_in_place_of_a_wanted_layer_stays_until_that_has_come() -> None:
    watching = Watching(3, 0)
    for step in range(10, 31):
        flowing(watching, step * SECOND // 10, 0, 1)
    watching.want({2}, 2 * SECOND)
    assert watching.watched(3 * SECOND) == ALL, "the higher two of a capture that has but two"
    for step in range(30, 41):
        flowing(watching, step * SECOND // 10, 0, 1, 2)
    assert watching.watched(4 * SECOND - 1) == ALL
    assert watching.watched(4 * SECOND) == (False, False, True)


def test_one_layer_alone() -> None:
    watching = Watching(1, 0)
    watching.want({0}, SECOND)
    assert watching.watched(30 * SECOND) == (True,)
