"""Token buckets."""

from __future__ import annotations

import pytest

from signaling.limits import Bucket, Buckets, Rate


def test_a_burst_then_the_rate() -> None:
    bucket = Bucket(Rate(burst=3, per_s=2), 100.0)
    assert [bucket.take(100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(100.0) == pytest.approx(0.5)
    assert bucket.take(100.5) == 0.0
    assert bucket.take(100.5) > 0


def test_tokens_do_not_pile_up_beyond_the_burst() -> None:
    bucket = Bucket(Rate(burst=2, per_s=10), 0.0)
    assert [bucket.take(1000.0) > 0 for _ in range(3)] == [False, False, True]


def test_a_clock_that_steps_back_gives_no_tokens() -> None:
    bucket = Bucket(Rate(burst=1, per_s=1), 10.0)
    bucket.take(10.0)
    assert bucket.take(5.0) > 0


def test_keys_are_limited_apart_and_the_longest_unused_is_forgotten() -> None:
    buckets = Buckets(Rate(burst=1, per_s=0.001), most=2)
    assert buckets.take("a", 0) == 0
    assert buckets.take("b", 0) == 0
    assert buckets.take("a", 0) > 0
    buckets.take("c", 0)
    assert buckets.take("b", 0) == 0.0
