"""What a line bears, found out by reports alone: a queue with a fake clock stands for the line."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from sfu.estimate import Budget, LineEstimate, Redundancy

SECOND = 1_000_000


class Line:
    """A bottleneck with 200 ms of queue, then random loss; a receiver that reports once a second."""

    def __init__(self, *, wanted_bps: int = 2_000_000, loss: float = 0.0, round_trip_ms: float = 50) -> None:
        self.wanted_bps = wanted_bps
        self.loss = loss
        self.round_trip_ms = round_trip_ms
        self.estimate = LineEstimate()
        self.budget = Budget()
        self.second = 0
        self.seen: list[int | None] = []

    def run(self, seconds: int, capacity_bps: int | None = None) -> list[int | None]:
        """So many reports; the budgets that followed."""
        for _ in range(seconds):
            self.second += 1
            bps = self.budget.bps
            sent = self.wanted_bps if bps is None else min(self.wanted_bps, bps)
            lost = 0.0 if capacity_bps is None else max(0.0, 1 - capacity_bps / sent)
            queue_ms = 200 if lost else 0
            fraction = 1 - (1 - lost) * (1 - self.loss)
            now_us = self.second * SECOND
            self.estimate.update(now_us, sent, self.wanted_bps, fraction, self.round_trip_ms + queue_ms, None)
            self.budget.follow(self.estimate.bps, now_us)
            self.seen.append(self.budget.bps)
        return self.seen[-seconds:]


def test_a_clean_line_is_never_limited() -> None:
    assert set(Line().run(600)) == {None}


def test_a_narrow_line_is_found_within_five_seconds_and_its_width_again() -> None:
    line = Line()
    line.run(20)
    narrow = line.run(20, 500_000)
    assert all(bps is not None and 250_000 <= bps <= 600_000 for bps in narrow[4:]), narrow
    assert len([bps for bps in narrow[4:] if (bps or 0) > 500_000]) <= 1, "a try now and then"
    wide = line.run(20)
    assert wide[-1] is None or wide[-1] > 1_500_000, wide
    line.run(40)
    assert line.budget.bps is None


def test_a_line_that_stays_narrow_is_tried_less_and_less() -> None:
    line = Line()
    budgets = line.run(600, 500_000)
    raised = [n for n, (a, b) in enumerate(pairwise(budgets)) if (b or 0) > (a or 0)]
    assert len([n for n in raised if n > 300]) <= 2 * len([n for n in raised if n <= 300])
    assert len(raised) < 60, "flaps"


@pytest.mark.parametrize("loss", [0.1, 0.2, 0.3])
def test_loss_that_sending_less_does_not_cure_is_the_lines_own(loss: float) -> None:
    line = Line(loss=loss)
    line.run(15)
    assert set(line.run(120)) == {None}


def test_a_queue_shows_behind_a_line_that_always_loses() -> None:
    line = Line(loss=0.1)
    line.run(30)
    narrow = line.run(30, 500_000)
    assert all(bps is not None and bps < 700_000 for bps in narrow[5:]), narrow


def test_a_remb_well_below_what_is_sent_is_believed_when_loss_agrees() -> None:
    for loss, bps in ((0.05, 690_000), (0.0, None)):
        estimate = LineEstimate()
        estimate.update(SECOND, 1_000_000, 2_000_000, loss, 50, 690_000)
        assert estimate.bps == bps


def test_a_remb_that_follows_what_is_sent_limits_nothing() -> None:
    estimate = LineEstimate()
    for second in range(30):
        estimate.update(second * SECOND, 50_000, 2_000_000, 0.0, 50, 45_000)
    assert estimate.bps is None


def test_a_line_that_says_nothing_is_not_limited() -> None:
    estimate = LineEstimate()
    for second in range(30):
        estimate.update(second * SECOND, 1_000_000, 2_000_000, None, None, None)
    assert estimate.bps is None


def test_a_line_that_was_away_is_not_taken_for_a_narrow_one() -> None:
    estimate = LineEstimate()
    for second, loss, round_trip_ms in (
        (1, 0.0, 50),
        (2, 0.0, 50),
        (8, 0.9, 6000),
        (9, 0.4, 900),
        (11, 0.0, 50),
    ):
        estimate.update(second * SECOND, 1_000_000, 2_000_000, loss, round_trip_ms, None)
        assert estimate.bps is None


def test_a_budget_falls_at_once_and_rises_by_steps() -> None:
    budget = Budget()
    assert budget.follow(1_000_000, 0)
    assert budget.follow(900_000, 1)
    assert not budget.follow(2_000_000, 4 * SECOND), "too soon"
    assert not budget.follow(1_000_000, 6 * SECOND), "too little"
    assert budget.follow(1_080_000, 6 * SECOND)
    assert not budget.follow(None, 7 * SECOND)
    assert budget.follow(None, 12 * SECOND)
    assert budget.bps is None


def test_redundancy_follows_loss_up_at_once_and_down_late() -> None:
    redundancy = Redundancy()
    steps: list[tuple[float, float, int]] = [
        (0, 0.01, 0),
        (1, 0.02, 1),
        (2, 0.08, 2),
        (3, 0.03, 2),
        (12, 0.03, 2),
        (13, 0.03, 1),
        (14, 0.0, 1),
        (20, 0.02, 1),
        (21, 0.0, 1),
        (30, 0.0, 1),
        (31, 0.0, 0),
    ]
    follow: Callable[[float, int], bool] = redundancy.follow
    for second, loss, distance in steps:
        follow(loss, int(second * SECOND))
        assert redundancy.distance == distance, second
