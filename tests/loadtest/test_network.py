"""The bad network: the shares, times and order it promises, and the same fate for the same seed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from loadtest.network import CLEAN, Impairment, Link

MS = 1000


def fates(link: Link, count: int = 20_000, every_us: int = 1 * MS, length: int = 1000) -> list[int | None]:
    return [link.send(number * every_us, length) for number in range(count)]


def test_a_clean_link_hands_everything_on_at_once() -> None:
    assert fates(Link(CLEAN, 1), 100) == [number * MS for number in range(100)]


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.1, 0.3])
@pytest.mark.parametrize("burst", [1.0, 4.0, 12.0])
def test_loss_has_its_share_and_its_bursts(loss: float, burst: float) -> None:
    link = Link(Impairment(loss=loss, loss_burst=burst), seed=7)
    told = fates(link, 200_000)
    lost = [each is None for each in told]
    assert sum(lost) / len(lost) == pytest.approx(loss, rel=0.1)
    runs = sum(1 for before, now in pairwise([False, *lost]) if now and not before)
    longer = burst if burst > 1 else 1 / (1 - loss)
    assert sum(lost) / runs == pytest.approx(longer, rel=0.1)
    assert (link.fates.sent, link.fates.lost) == (200_000, sum(lost))


def test_jitter_delays_and_keeps_order() -> None:
    told = fates(Link(Impairment(delay_ms=50, jitter_ms=30), 3))
    assert all(each is not None for each in told)
    delays = [each - number * MS for number, each in enumerate(told) if each is not None]
    assert min(delays) >= 50 * MS
    assert 75 * MS < max(delays) <= 80 * MS
    assert told == sorted(each for each in told if each is not None)


def test_reordering_holds_its_share_back() -> None:
    told = [each for each in fates(Link(Impairment(reorder=0.02, reorder_ms=20), 3)) if each is not None]
    overtaken = sum(1 for before, now in pairwise(told) if now < before)
    assert overtaken / len(told) == pytest.approx(0.02, rel=0.15)


def test_a_bottleneck_spaces_what_it_takes_and_drops_the_rest() -> None:
    link = Link(Impairment(rate_kbit_s=800, queue_ms=100), 1)  # 1,000 octets are 10 ms
    told = [each for each in fates(link, 1000) if each is not None]
    assert {after - before for before, after in pairwise(told)} == {10 * MS}
    assert len(told) == pytest.approx(110, abs=2)
    assert link.fates.dropped == 1000 - len(told)
    idle = link.send(60_000 * MS, 1000)
    assert idle == 60_010 * MS


def test_steps_hold_from_their_time_on() -> None:
    link = Link([(0, CLEAN), (100 * MS, Impairment(loss=0.5)), (200 * MS, CLEAN)], 5)
    told = fates(link, 300)
    assert None not in told[:100]
    assert 30 < told[100:200].count(None) < 70
    assert None not in told[200:]


def test_the_same_seed_gives_the_same_fates() -> None:
    bad = Impairment(loss=0.1, loss_burst=3, delay_ms=20, jitter_ms=10, reorder=0.05, rate_kbit_s=5000)
    assert fates(Link(bad, 11), 2000) == fates(Link(bad, 11), 2000)
    assert fates(Link(bad, 11), 2000) != fates(Link(bad, 12), 2000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss": -0.1},
        {"loss": 1.0},
        {"reorder": 2},
        {"loss_burst": 0.5},
        {"delay_ms": -1},
        {"rate_kbit_s": 0},
        {"loss": 0.9, "loss_burst": 2},
    ],
)
def test_what_no_network_does_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Impairment(**wrong)
