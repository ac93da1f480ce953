"""RTP times become server times: sound and picture keep together, whatever clocks and networks do."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recorder.making import BEAT_US, LAG_US
from recorder.sync import WINDOW_US, Layer, clocks
from recorder.tracks import Report

START_US = 1_790_000_000_000_000
YEAR_US = 365 * 86_400 * 1_000_000


def _between(layer: Layer, since_us: int, until_us: int) -> Layer:
    first, last = np.searchsorted(layer.receive_us, (since_us, until_us))
    reports = [report for report in layer.reports if since_us <= report.receive_us < until_us]
    return Layer(layer.clock_rate, layer.rtp[first:last], layer.receive_us[first:last], reports)


class Publisher:
    """Sound and picture of one connection, with the truth known: when on the server's clock each was made."""

    def __init__(
        self,
        *,
        minutes: float,
        drift_ppm: float = 0,
        wrong_us: int = 0,
        jitter_us: int = 0,
        loss: float = 0.0,
        step_us: int = 0,
        reports: bool = True,
        seed: int = 1,
    ) -> None:
        chance = Random(seed)
        self.truth: list[NDArray[Any]] = []
        self.layers: list[Layer] = []
        length_us = int(minutes * 60_000_000)
        for rate, step, every_us, sent_late_us in (
            (48_000, 20_000, 5_000_000, 25_000),
            (90_000, 40_000, 1_000_000, 40_000),
        ):
            base = chance.randrange(2**32)
            made = np.arange(0, length_us, step, dtype=np.int64)
            own = np.rint(made * (1 + drift_ppm / 1e6)).astype(np.int64)
            rtp = base + own * rate // 1_000_000
            delays = np.array([sent_late_us + chance.random() * jitter_us for _ in made], dtype=np.int64)
            kept = np.array([chance.random() >= loss for _ in made])
            told = []
            for at_us in range(every_us // 2, length_us, every_us):
                own_us = round(at_us * (1 + drift_ppm / 1e6))
                stepped = step_us if at_us > length_us // 2 else 0
                if chance.random() >= loss:
                    told.append(
                        Report(
                            receive_us=START_US + at_us + 20_000 + round(chance.random() * jitter_us),
                            sent_us=START_US + own_us + wrong_us + stepped,
                            rtp=(base + own_us * rate // 1_000_000) & 0xFFFFFFFF,
                        )
                    )
            self.truth.append(START_US + made[kept])
            # As they arrive in a journal: in order of their times.
            receive_us = np.maximum.accumulate(START_US + made + delays)
            self.layers.append(Layer(rate, rtp[kept], receive_us[kept], told if reports else []))

    def errors_ms(self) -> list[NDArray[Any]]:
        """How much later than in truth each packet is placed: of sound, of picture."""
        errors: list[list[NDArray[Any]]] = [[] for _ in self.layers]
        first_us = int(min(layer.receive_us[0] for layer in self.layers))
        last_us = int(max(layer.receive_us[-1] for layer in self.layers))
        for until_us in range(first_us + BEAT_US, last_us + 2 * BEAT_US, BEAT_US):
            # As a beat sees them: the last minute, and what lies ahead.
            seen = [_between(layer, until_us - WINDOW_US, until_us + LAG_US) for layer in self.layers]
            for index, clock in enumerate(clocks(seen)):
                layer, truth = self.layers[index], self.truth[index]
                first, last = np.searchsorted(layer.receive_us, (until_us - BEAT_US, until_us))
                if clock is not None:
                    placed = clock.server_us(layer.rtp[first:last])
                    errors[index].append((placed - truth[first:last]) / 1000)
        return [np.concatenate(each) for each in errors]

    def skew_ms(self) -> NDArray[np.float64]:
        """Sound against picture, each frame with the sound made when it was."""
        sound, picture = self.errors_ms()
        at = np.interp(self.truth[1], self.truth[0], sound)
        skew: NDArray[np.float64] = np.abs(at - picture)
        return skew


def test_lip_sync_over_a_lesson_with_drift_jitter_and_loss(capsys: pytest.CaptureFixture[str]) -> None:
    worst = Publisher(minutes=45, drift_ppm=100, jitter_us=200_000, loss=0.05)
    skew = worst.skew_ms()
    with capsys.disabled():
        print(f" skew median {np.median(skew):.2f} ms, p99 {np.percentile(skew, 99):.2f} ms", end="")
    assert np.median(skew) < 5
    assert np.percentile(skew, 99) < 10


@pytest.mark.parametrize("drift_ppm", [-100, 100])
def test_a_clock_that_drifts_is_followed(drift_ppm: float) -> None:
    for errors in Publisher(minutes=45, drift_ppm=drift_ppm, jitter_us=50_000).errors_ms():
        late = errors - 20
        assert np.abs(late).max() < 30, (late.min(), late.max())


@pytest.mark.parametrize("wrong_us", [7_000_000, -7_000_000, YEAR_US, -40 * YEAR_US])
def test_a_wrong_clock_does_not_matter(wrong_us: int) -> None:
    publisher = Publisher(minutes=3, wrong_us=wrong_us, jitter_us=20_000)
    for errors in publisher.errors_ms():
        assert np.abs(errors - 20).max() < 15
    assert publisher.skew_ms().max() < 1


def test_a_clock_that_is_set_meanwhile_moves_nothing() -> None:
    publisher = Publisher(minutes=6, step_us=-3_600_000_000, jitter_us=20_000)
    for errors in publisher.errors_ms():
        assert np.abs(errors - 20).max() < 40
    assert publisher.skew_ms().max() < 40


def test_without_reports_the_smallest_delay_counts() -> None:
    publisher = Publisher(minutes=10, drift_ppm=100, jitter_us=100_000, reports=False)
    sound, picture = publisher.errors_ms()
    assert np.abs(sound - 25).max() < 15
    assert np.abs(picture - 40).max() < 15


def test_one_report_that_lies_moves_nothing() -> None:
    publisher = Publisher(minutes=2)
    picture = publisher.layers[1]
    reports = list(picture.reports)
    reports[30] = Report(reports[30].receive_us, reports[30].sent_us + 500_000, reports[30].rtp)
    publisher.layers[1] = Layer(picture.clock_rate, picture.rtp, picture.receive_us, reports)
    assert publisher.skew_ms().max() < 2
    assert np.abs(publisher.errors_ms()[1] - 20).max() < 2


def test_a_layer_without_packets_has_no_clock() -> None:
    publisher = Publisher(minutes=1)
    nothing = Layer(90_000, np.empty(0, np.int64), np.empty(0, np.int64), publisher.layers[1].reports)
    assert clocks([publisher.layers[0], nothing])[1] is None


def test_timestamps_wrap_between_packets_and_reports() -> None:
    for seed in range(20):
        publisher = Publisher(minutes=1, seed=seed)
        assert publisher.skew_ms().max() < 1
