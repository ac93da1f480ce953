"""What a line bears, found out by reports alone: a made-up line in made-up time stands for it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from loadtest.network import Impairment
from sfu.estimate import Budget, LineEstimate, Redundancy, Report
from tests.sfu.line_simulation import LAYERS_BPS, Line

SECOND = 1_000_000


PACKETS = 100
"""Reported a second."""


class Reports:
    """A line's reports, one a second."""

    def __init__(self) -> None:
        self.estimate = LineEstimate()
        self.report = Report(0, 0, 0, 0)

    def second(
        self,
        sent_bps: int,
        loss: float,
        *,
        round_trip_ms: float | None = 50,
        remb_bps: int | None = None,
        wanted_bps: int = 2_000_000,
        seconds: int = 1,
        packets: int = PACKETS,
        sound: int = 0,
    ) -> int | None:
        """The next report, so many seconds after the last; what is estimated then."""
        before = self.report
        self.report = before._replace(
            at_us=before.at_us + seconds * SECOND,
            bytes_sent=before.bytes_sent + seconds * sent_bps // 8,
            pictures_reported=before.pictures_reported + seconds * packets,
            pictures_lost=before.pictures_lost + round(loss * seconds * packets),
            sound_reported=before.sound_reported + seconds * sound,
            round_trip_ms=round_trip_ms,
            remb_bps=remb_bps,
        )
        self.estimate.update(self.report, wanted_bps)
        return self.estimate.bps


def test_a_remb_well_below_what_is_sent_is_believed_when_loss_agrees() -> None:
    for loss, bps in ((0.06, 690_000), (0.0, None)):
        reports = Reports()
        reports.second(1_000_000, loss)
        assert reports.second(1_000_000, loss, remb_bps=690_000) == bps


def test_a_remb_that_follows_what_is_sent_limits_nothing() -> None:
    reports = Reports()
    assert {reports.second(50_000, 0.0, remb_bps=45_000) for _ in range(30)} == {None}


def test_a_line_that_says_nothing_is_not_limited() -> None:
    reports = Reports()
    found = {reports.second(1_000_000, 0.0, round_trip_ms=None, packets=0) for _ in range(30)}
    assert found == {None}


def test_few_lost_packets_tell_nothing() -> None:
    reports = Reports()
    reports.second(600_000, 0.0)
    assert reports.second(600_000, 0.7, packets=3) is None


def test_a_line_that_was_away_is_not_taken_for_a_narrow_one() -> None:
    reports = Reports()
    for seconds, loss, round_trip_ms in (
        (1, 0.0, 50),
        (1, 0.0, 50),
        (6, 0.9, 6000),
        (1, 0.4, 900),
        (2, 0.0, 50),
    ):
        assert reports.second(1_000_000, loss, round_trip_ms=round_trip_ms, seconds=seconds) is None


def test_reports_on_sound_alone_come_seldom_and_count() -> None:
    """Browsers tell of sound each five seconds."""
    reports = Reports()
    for _ in range(3):
        reports.second(1_000_000, 0.9)
    narrow = reports.estimate.bps
    assert narrow is not None
    for _ in range(6):
        reports.second(48_000, 0.0, seconds=5, packets=0, sound=50)
    assert (reports.estimate.bps or 0) > 2 * narrow, "it can't grow out of sound alone"


def test_one_long_round_trip_is_no_queue_and_two_are() -> None:
    reports = Reports()
    for round_trip_ms, bps in ((50, None), (50, None), (400, None), (50, None), (400, None), (400, 850_000)):
        assert reports.second(1_000_000, 0.0, round_trip_ms=round_trip_ms) == bps


def test_a_busy_computer_is_no_queue_as_long_as_some_round_trips_are_short() -> None:
    reports = Reports()
    reports.second(1_000_000, 0.0)
    for _ in range(30):
        between = reports.report._replace(at_us=reports.report.at_us + SECOND // 4, round_trip_ms=60)
        reports.estimate.update(between, 2_000_000)
        assert reports.second(1_000_000, 0.0, round_trip_ms=400) is None


def test_a_queue_that_a_cut_cured_leaves_the_limit_where_it_was_cut_to() -> None:
    reports = Reports()
    for round_trip_ms in (50, 50, 400, 400):
        reports.second(1_000_000, 0.0, round_trip_ms=round_trip_ms)
    assert {reports.second(500_000, 0.0) for _ in range(4)} == {850_000}


def test_a_route_that_has_become_longer_is_no_queue_for_ever() -> None:
    reports = Reports()
    reports.second(1_000_000, 0.0)
    found = [reports.second(500_000, 0.0, round_trip_ms=400) for _ in range(20)]
    assert None not in found[3:6]
    assert found[-1] is None


CLEAN_LINES = {
    "clean": Impairment(delay_ms=25),
    "5 %": Impairment(delay_ms=25, loss=0.05),
    "10 %": Impairment(delay_ms=25, loss=0.1),
    "1 Mbit/s and 5 %": Impairment(delay_ms=25, loss=0.05, rate_kbit_s=1000),
    "1 Mbit/s with a short queue": Impairment(delay_ms=25, rate_kbit_s=1000, queue_ms=50),
}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", CLEAN_LINES)
def test_a_line_that_bears_everything_gets_everything(name: str, seed: int) -> None:
    seconds = Line(CLEAN_LINES[name], seed).run(120)
    assert sum(each.stage_bps == LAYERS_BPS[-1] for each in seconds) >= 108
    assert not any(each.lite for each in seconds)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("loss", [0.2, 0.3])
def test_loss_that_sending_less_does_not_cure_is_the_lines_own(loss: float, seed: int) -> None:
    line = Line(Impairment(delay_ms=25, loss=loss), seed)
    assert all(each.stage_bps for each in line.run(15)), "the picture went for a loss that has another cause"
    assert sum(each.stage_bps == LAYERS_BPS[-1] for each in line.run(100)) >= 90


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_a_narrow_line_keeps_the_sound_and_a_small_picture(loss: float, seed: int) -> None:
    line = Line(Impairment(delay_ms=25, loss=loss, rate_kbit_s=300), seed)
    line.run(4)
    seconds = line.run(60)
    small = sum(each.stage_bps == LAYERS_BPS[0] for each in seconds)
    assert small >= 42, f"{small} of 60 s with the small picture"
    assert not any(each.lite for each in seconds)
    lost = sum(each.sound_lost for each in seconds) / sum(each.sound_sent for each in seconds)
    assert lost < loss + 0.05, f"{lost:.1%} of the sound lost"


@pytest.mark.parametrize("seed", range(8))
def test_a_line_that_bears_sound_alone_gets_sound_alone(seed: int) -> None:
    line = Line(Impairment(delay_ms=25, rate_kbit_s=100), seed)
    line.run(4)
    seconds = line.run(60)
    assert sum(each.stage_bps > 0 for each in seconds) <= 12
    lost = sum(each.sound_lost for each in seconds) / sum(each.sound_sent for each in seconds)
    assert lost < 0.04, f"{lost:.1%} of the sound lost"


@pytest.mark.parametrize("seed", range(8))
def test_a_line_that_becomes_narrow_and_wide_again_is_followed(seed: int) -> None:
    line = Line(Impairment(delay_ms=25, rate_kbit_s=2000), seed)
    assert all(each.stage_bps == LAYERS_BPS[-1] for each in line.run(20))
    line.change(Impairment(delay_ms=25, rate_kbit_s=500))
    assert all(each.stage_bps == LAYERS_BPS[0] for each in line.run(6)[3:]), "three seconds after it"
    line.change(Impairment(delay_ms=25, rate_kbit_s=2000))
    again = next(n for n, each in enumerate(line.run(60)) if each.stage_bps == LAYERS_BPS[-1])
    assert again <= 30


def test_a_line_that_stays_narrow_is_tried_less_and_less() -> None:
    seconds = Line(Impairment(delay_ms=25, rate_kbit_s=500, queue_ms=50), 1).run(600)
    raised = [n for n, (a, b) in enumerate(pairwise(seconds)) if b.stage_bps > a.stage_bps]
    assert len(raised) < 30, "flaps"
    assert len([n for n in raised if n > 300]) <= len([n for n in raised if n <= 300])


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
