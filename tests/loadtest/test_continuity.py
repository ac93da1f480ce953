"""What numbers tell of a source, against one who knows what was sent."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from loadtest.continuity import REMEMBERED, Continuity, Count, total
from loadtest.network import Impairment, Link


def taken(*numbers: int) -> Continuity:
    continuity = Continuity()
    for number in numbers:
        continuity.take(number & 0xFFFF)
    return continuity


def test_a_whole_row_across_the_wrap_lacks_nothing() -> None:
    assert taken(*range(65_000, 67_000)).count == Count(received=2000)
    assert Continuity().count == Count()


def test_a_gap_is_lost_until_it_comes_late_or_is_repaired() -> None:
    continuity = taken(10, 11)
    assert continuity.take(15)
    assert list(continuity.missing) == [12, 13, 14]
    assert continuity.count == Count(received=3, lost=3)
    assert not continuity.take(13)
    continuity.repair(14)
    assert continuity.count == Count(received=5, lost=1, reordered=1, repaired=1)
    continuity.repair(14)
    assert continuity.count.duplicates == 0
    continuity.take(13)
    assert continuity.count == Count(received=5, lost=1, duplicates=1, reordered=1, repaired=1)


def test_what_was_before_the_first_is_not_counted() -> None:
    assert taken(100, 99, 101).count == Count(received=2)


def test_a_long_gap_is_counted_whole_and_kept_in_bounds() -> None:
    continuity = taken(0, 10_000)
    assert continuity.count == Count(received=2, lost=9999)
    assert len(continuity.missing) == REMEMBERED
    continuity.take(15_000)
    assert len(continuity.missing) == REMEMBERED
    assert min(continuity.missing) == 15_000 - REMEMBERED


@given(st.integers(0, 65_535), st.integers(0, 2**32), st.floats(0, 0.3), st.floats(0, 0.2))
def test_it_tells_what_a_bad_line_did(first: int, seed: int, loss: float, reorder: float) -> None:
    link = Link(Impairment(loss=loss, reorder=reorder, reorder_ms=7), seed)
    fates = [(link.send(number * 1000, 100), number) for number in range(250)]
    came = [number for at, number in sorted((at, number) for at, number in fates if at is not None)]
    twice = Random(seed).sample(came, len(came) // 20)
    continuity = taken(*(first + number for number in came))
    for number in twice:
        continuity.take((first + number) & 0xFFFF)
    known = [number for number in came if number >= came[0]] if came else []
    late = sum(number < max(known[:place], default=0) for place, number in enumerate(known))
    assert continuity.count == Count(
        received=len(known),
        lost=max(came, default=0) - min(known, default=0) + (1 if came else 0) - len(known),
        duplicates=sum(number >= came[0] for number in twice),
        reordered=late,
    )


def test_counts_add_up() -> None:
    assert total([Count(3, 1, 0, 2, 1), Count(5, 0, 4)]) == Count(8, 1, 4, 2, 1)
    assert Count(99, 1).lost_percent == 1
    assert Count().lost_percent == 0
