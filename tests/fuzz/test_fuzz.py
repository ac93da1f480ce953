"""Neither plane breaks on what nobody sends on purpose but an attacker, and both make the same of it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.fuzz import kept
from tests.fuzz.mutation import MAX_RECORD_BYTES, MAX_RECORDS, Input, inputs, smaller
from tests.fuzz.running import failure, fuzz, new_seed
from tests.fuzz.targets import TARGETS, Target
from tests.sfu.plane.cores import PlaneCore, reference_core

SHORT_S = 5.0
LONG_S = 300.0
BUSY_S = 120
"""Beyond the given time: a slow input at the end, and making a failing one small."""

COME_TO = {
    "datagram": (
        *("packets_forwarded", "packets_retransmitted", "keyframe_requests_received"),
        *("not_validated", "no_keys", "unprotect", "unknown_first_byte", "stun_malformed"),
    ),
    "rtp": ("packets_forwarded", "nacks_sent", "padding_only"),
    "rtcp": ("packets_retransmitted", "nacks_received", "keyframe_requests_received"),
    "stun": ("datagrams_out", "stun_unknown_user"),
    "payload": ("packets_forwarded",),
    "redundancy": ("packets_forwarded", "payload_malformed", "payload_type", "padding_only"),
    "commands": (
        *("packets_forwarded", "packets_retransmitted", "nacks_sent", "keyframe_requests_received"),
        *("unknown_handle", "gated", "stun_integrity", "no_address"),
    ),
}
"""What the seeds of a target come to: totals and drops."""


@pytest.mark.timeout(SHORT_S + BUSY_S)
@pytest.mark.parametrize("name", TARGETS)
def test_fuzzed_for_seconds(name: str) -> None:
    assert fuzz(TARGETS[name], new_seed(), SHORT_S) > 0


@pytest.mark.long
@pytest.mark.timeout(LONG_S + BUSY_S)
@pytest.mark.parametrize("name", TARGETS)
def test_fuzzed_for_minutes(name: str) -> None:
    assert fuzz(TARGETS[name], new_seed(), LONG_S) > 0


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_begin_where_much_happens(name: str) -> None:
    """Mutation of what is dropped at the door would show nothing."""
    reached: Counter[str] = Counter()
    for found in TARGETS[name].seeds():
        counters = TARGETS[name].play(found).counters()
        reached.update({each: getattr(counters, each) for each in counters.__slots__ if each != "dropped"})
        reached.update({str(reason): count for reason, count in counters.dropped.items()})
    missing = [each for each in COME_TO[name] if not reached[each]]
    assert not missing, (missing, reached)


@pytest.mark.parametrize("path", kept.kept(), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_once_broke_does_not(path: Path) -> None:
    TARGETS[path.parent.name].play(kept.read(path))


def test_what_breaks_is_made_small_kept_and_played_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(records: Input) -> PlaneCore:
        if sum(b"\x07" in record for record in records) > 1:
            raise ValueError("two sevens")
        return reference_core()

    target = Target("sevens", lambda: [(b"\x06" * 8,) * 9], play)
    monkeypatch.setattr("tests.fuzz.running.keep", partial(kept.keep, folder=tmp_path))
    with pytest.raises(AssertionError, match=r"sevens: ValueError with ZVONOK_FUZZ_SEED=1, input \d+"):
        fuzz(target, 1, 60.0)
    (path,) = tmp_path.glob("sevens/*.txt")
    found = kept.read(path)
    assert failure(target, found) is not None
    assert len(found) == 2
    assert "two sevens" in path.read_text()


def test_the_same_seed_makes_the_same_inputs() -> None:
    seeds: list[Input] = [(b"one", b"two" * 500), (), (b"",)]
    first, second = inputs(seeds, Random(5)), inputs(seeds, Random(5))
    for number in range(2000):
        found = next(first)
        assert found == next(second)
        assert len(found) <= MAX_RECORDS
        assert all(len(record) <= MAX_RECORD_BYTES for record in found)
        if number < len(seeds):
            assert found == seeds[number]


def test_an_input_is_made_no_smaller_than_what_fails() -> None:
    found = (b"abc", b"", b"xyz" * 9, b"q")
    assert smaller(found, lambda each: b"xy" in b"".join(each), 1000) == (b"xy",)
    assert smaller(found, lambda each: b"xy" in b"".join(each), 0) == found


def test_files_of_inputs_are_read_as_they_were_written(tmp_path: Path) -> None:
    found = (b"", b"\x00\xff", b"a" * 2000)
    path = kept.keep("rtp", found, "because\nof this", tmp_path)
    assert kept.read(path) == found
    assert kept.keep("rtp", found, "", tmp_path) == path
