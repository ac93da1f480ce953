"""Levels in, steady answers out: on a made clock, ten moments a second."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.model import ParticipantId
from sfu.speakers import MAX_SPEAKERS, MAX_SPOKE, SILENT, SpeakerTracker

ANN, BEN, DAN, EVE, FAY = (ParticipantId(name) for name in ("ann", "ben", "dan", "eve", "fay"))
EVERYBODY = (ANN, BEN, DAN, EVE, FAY)
STEP_US = 100_000


class Talk:
    """A tracker with its clock."""

    def __init__(self, *microphones: ParticipantId) -> None:
        self.tracker = SpeakerTracker()
        self.microphones = microphones or EVERYBODY
        self.now_us = 0

    def go(self, seconds: float, **levels: int) -> Talk:
        """Everybody named keeps this level (-dBov) for so long, the others are silent."""
        for _ in range(round(seconds * 10)):
            self.moment({ParticipantId(name): level for name, level in levels.items()})
        return self

    def moment(self, levels: Mapping[ParticipantId, int]) -> None:
        self.now_us += STEP_US
        self.tracker.update(self.now_us, levels, self.microphones)

    @property
    def speaking(self) -> list[ParticipantId]:
        return [participant for participant, _ in self.tracker.speaking]


def test_speech_is_seen_within_half_a_second() -> None:
    assert Talk().go(0.5, ann=25).speaking == [ANN]


def test_a_click_is_not_speech() -> None:
    talk = Talk()
    for _ in range(10):
        talk.go(0.1, ann=20)
        assert talk.speaking == []
        talk.go(2)


def test_room_noise_is_not_speech() -> None:
    assert Talk().go(5, ann=65, ben=80).speaking == []


def test_pauses_between_words_do_not_end_speech() -> None:
    talk = Talk().go(1, ann=25)
    for _ in range(5):
        assert talk.go(0.4).speaking == [ANN]
        assert talk.go(0.5, ann=25).speaking == [ANN]


def test_speech_ends_within_two_seconds_of_silence() -> None:
    assert Talk().go(3, ann=20).go(2).speaking == []


def test_levels_are_told_as_dbov_in_steps() -> None:
    (participant, level), *rest = Talk().go(3, ann=25).tracker.speaking
    assert (participant, rest) == (ANN, [])
    assert abs(level - 25) <= 2


def test_who_is_clearly_louder_ranks_first() -> None:
    talk = Talk().go(2, ann=40).go(2, ann=40, eve=20)
    assert talk.tracker.ranking[:2] == (EVE, ANN)


def test_who_is_a_little_louder_does_not_overtake() -> None:
    talk = Talk().go(2, ann=30).go(5, ann=30, eve=26)
    assert talk.tracker.ranking[:2] == (ANN, EVE)


def test_who_begins_to_speak_comes_before_all_silent_ones_at_once() -> None:
    assert Talk().go(3).go(0.2, fay=25).tracker.ranking[0] == FAY


def test_four_who_speak_at_once_do_not_flap() -> None:
    """Speech-like levels, a minute of a quarrel: the first three change seldom."""
    chance = random.Random(7)
    talk = Talk()
    talk.go(2, ann=28, ben=28, dan=28, eve=28)
    changes, before = 0, set(talk.tracker.ranking[:3])
    for _ in range(600):
        talk.moment({p: min(SILENT, max(10, round(chance.gauss(30, 8)))) for p in (ANN, BEN, DAN, EVE)})
        now = set(talk.tracker.ranking[:3])
        assert FAY not in now
        changes += now != before
        before = now
    assert changes <= 60


def test_a_rank_once_taken_is_held_for_a_second() -> None:
    talk = Talk(ANN, BEN).go(2, ann=40).go(0.2, ben=10)
    assert talk.tracker.ranking == (BEN, ANN)
    talk.go(0.7, ann=10)
    assert talk.tracker.ranking == (BEN, ANN)
    assert talk.go(1, ann=10).tracker.ranking == (ANN, BEN)


def test_the_last_speaker_must_have_spoken_for_a_second() -> None:
    talk = Talk().go(0.8, ann=25).go(3)
    assert talk.tracker.spoke == ()
    assert talk.go(2, ben=25).go(3).tracker.spoke == (BEN,)


def test_the_last_speaker_stays_while_speaking() -> None:
    talk = Talk().go(2, ann=35).go(5, ann=35, ben=15)
    assert talk.tracker.spoke == (ANN,)
    assert talk.go(4, ben=15).tracker.spoke == (BEN, ANN)


def test_an_interjection_does_not_take_over() -> None:
    talk = Talk().go(2, ann=25).go(2).go(0.4, ben=20).go(2)
    assert talk.tracker.spoke == (ANN,)


def test_a_shut_microphone_leaves_ranking_and_speaking_at_once() -> None:
    talk = Talk().go(2, ann=25)
    talk.microphones = (BEN, DAN)
    talk.go(0.1)
    assert ANN not in talk.tracker.ranking
    assert talk.speaking == []


def test_microphones_without_levels_are_ranked_too() -> None:
    assert set(Talk().go(1).tracker.ranking) == set(EVERYBODY)


@pytest.mark.parametrize("level", [-5, 200])
def test_levels_out_of_range_are_cut_to_it(level: int) -> None:
    talk = Talk().go(1, ann=level)
    assert all(0 <= told <= SILENT for _, told in talk.tracker.speaking)


names = st.sampled_from([ParticipantId(f"p{n}") for n in range(15)])


@given(st.lists(st.tuples(st.dictionaries(names, st.integers(0, 127)), st.sets(names)), max_size=80))
def test_whatever_is_heard(moments: list[tuple[dict[ParticipantId, int], set[ParticipantId]]]) -> None:
    """The ranking is exactly the open microphones; speakers are some of them; lists stay short."""
    tracker = SpeakerTracker()
    for number, (levels, microphones) in enumerate(moments):
        tracker.update(number * STEP_US, levels, microphones)
        assert sorted(tracker.ranking) == sorted(microphones)
        assert {p for p, _ in tracker.speaking} <= microphones
        assert len(tracker.speaking) <= MAX_SPEAKERS
        assert len(tracker.spoke) <= MAX_SPOKE
        assert len(set(tracker.spoke)) == len(tracker.spoke)
