"""The native core is the reference's twin: any lesson, played to both, is the same packets and events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, get_args

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from sfu.plane.api import Drop, Event, SrtpProfile
from sfu.plane.srtp import LibsrtpCrypto
from tests.sfu.plane.actions import (
    KINDS,
    Action,
    Break,
    Check,
    Come,
    Everybody,
    Frames,
    Gate,
    Join,
    Keys,
    Leave,
    Mangle,
    Padding,
    Publish,
    Receive,
    Renew,
    Repairs,
    Restart,
    Show,
    Sound,
    Zap,
)
from tests.sfu.plane.control_actions import (
    Ask,
    KeyframeLost,
    Nack,
    Noise,
    Redundancy,
    Report,
    SenderReport,
    Tap,
    Thin,
    Untap,
    Wait,
)
from tests.sfu.plane.cores import PlaneCore, TwinCore, native_core, reference_core
from tests.sfu.plane.lesson import FATES, Lesson, Line, PlainLine
from tests.sfu.plane.reached import Reached
from tests.sfu.plane.srtp_line import SrtpLine

_N = st.sampled_from([0, 0, 0, 0, 1, 1, 1, 2, 3, 4, 5, 7])
_LAYER = st.integers(0, 3)
_FATES = st.lists(st.sampled_from(FATES), min_size=1, max_size=6).map(tuple)
_TEMPORAL = st.sampled_from([3, 3, 3, 2, 1, 0, -1])
_SHOWN = st.tuples(_N, _N | st.integers(-2, 9), st.sampled_from([0, 1, 2, 2, 7, -1]), _TEMPORAL)
_VIDEO = st.builds(
    Frames,
    _N,
    st.sampled_from([7, 7, 3, 1, 4, 6]),
    st.integers(1, 6),
    st.integers(1, 4),
    st.sampled_from(["asked", "asked", "yes", "no"]),
    _FATES,
    st.sampled_from([33_000, 40_000, 10_000, 250_000, 1_000]),
    st.sampled_from([3000, 3000, 3600, 0, 90_000]),
)
_SOUND = st.builds(
    Sound,
    _N,
    st.sampled_from([1, 5, 40, 90]),
    st.sampled_from([127, 30, 90, None]),
    _FATES,
    st.sampled_from([0, 1, 2, 3]),
)
_THIN = st.builds(
    Thin,
    _N,
    st.lists(_TEMPORAL, min_size=1, max_size=3).map(tuple),
    st.integers(1, 9),
    _FATES,
)
_MISSED = st.builds(
    Nack,
    _N,
    st.sampled_from([0, 1, 5, 20, 300, 520, -3]),
    st.sampled_from([1, 2, 17, 60, 520]),
    st.sampled_from([1, 1, 3]),
    st.integers(1, 4),
)
_HEADS = st.sampled_from(
    [b"", b"\x80\x60", b"\x90\x60", b"\x80\xc8", b"\x81\xcd", b"\x00\x01\x00\x00\x21\x12\xa4\x42", b"\x16"]
)
_STUN_ANSWER = b"\x01\x01\x00\x00\x21\x12\xa4\x42" + bytes(12)
_NOISE = (
    st.builds(bytes.__add__, _HEADS, st.binary(max_size=60))
    | st.just(_STUN_ANSWER)
    | st.sampled_from([b"\x60 neither", b"\x16 of DTLS"])
)

ACTIONS: Final[st.SearchStrategy[Action]] = st.one_of(
    _VIDEO,
    _VIDEO,
    _VIDEO,
    st.builds(Zap, _N, _N, st.integers(1, 10), _FATES),
    st.builds(Show, st.lists(_SHOWN, min_size=1, max_size=3).map(tuple)),
    st.builds(Show, st.lists(_SHOWN, min_size=1, max_size=3).map(tuple)),
    _MISSED,
    _MISSED,
    _SOUND,
    _SOUND,
    st.builds(Redundancy, st.integers(0, 9), st.sampled_from([2, 2, 1, 0, 3, -1])),
    _THIN,
    _THIN,
    st.builds(Wait, st.sampled_from([10_000, 100_000, 300_000, 1_000_000, 2_500_000]), st.just(10_000)),
    st.builds(Wait, st.sampled_from([6_000_000, 12_000_000, 31_000_000]), st.sampled_from([50_000, 900_000])),
    st.builds(Repairs, _FATES),
    st.builds(Come, st.booleans()),
    st.builds(Gate, _N, st.booleans()),
    st.builds(KeyframeLost, _N, st.booleans()),
    st.builds(
        Report,
        _N,
        st.integers(0, 255),
        st.sampled_from([0, 1, 500, 1 << 20, -3]),
        st.sampled_from([0, 655, 65_536, 1 << 31]),
        st.none() | st.integers(0, 1 << 40),
    ),
    st.builds(
        SenderReport,
        _N,
        _LAYER,
        st.sampled_from([0, 0, -3_000_000, 7_000_000, 5_000, -1_700_000_000_000_000]),
        st.sampled_from([0, 0, 900, -90_000, 90_000_000]),
    ),
    st.builds(Tap, _N, st.integers(-1, 3)),
    st.builds(Untap, _N),
    st.builds(Padding, _N, _LAYER, st.sampled_from([1, 1, 2, 70]), st.booleans()),
    st.builds(
        Mangle,
        _N,
        _LAYER,
        st.integers(0, 30),
        st.integers(0, 255) | st.sampled_from([0x10, 0x80, 0x90, 0xFF]),
        st.sampled_from([0, 0, 0, 1, 12, 20]),
    ),
    st.builds(Renew, _N, _LAYER, st.sampled_from([1, 1, 2, 17]), st.booleans()),
    st.builds(
        Break,
        _N,
        _LAYER,
        st.sampled_from(["numbers", "time"]),
        st.sampled_from([20, 300, 2999, 3000, 40_000, 65_536]),
    ),
    st.builds(Join, st.booleans(), st.booleans(), st.booleans()),
    st.builds(Leave, st.integers(0, 9)),
    st.builds(Keys, _N),
    st.builds(
        Check,
        _N,
        st.sampled_from(["own", "roam", "roam", "other"]),
        st.sampled_from([1, 1, 2, 9]),
        st.booleans(),
        st.sampled_from([50, 100, 200]),
        st.sampled_from([True, True, True, False]),
        st.sampled_from([False, False, False, True]),
    ),
    st.builds(Restart, _N),
    st.just(Everybody()),
    st.builds(Publish, st.integers(0, 9), st.sampled_from(KINDS), st.sampled_from([True, True, True, False])),
    st.builds(
        Receive,
        st.integers(0, 9),
        st.sampled_from([1, 1, 1, 20]),
        st.sampled_from([True, True, False]),
        st.sampled_from([True, True, True, False]),
        _N,
        st.sampled_from([0, 65_500, 65_535]),
        st.integers(-1, 9),
        _LAYER,
    ),
    st.builds(
        Ask,
        _N,
        st.sampled_from(["keyframe", "estimate", "dtls", "pacing", "nothing"]),
        st.integers(0, 1 << 30),
    ),
    st.builds(Noise, _N, _NOISE, st.booleans()),
)
"""Weighted by being named more than once."""
_CHUNK: Final = st.lists(ACTIONS, max_size=12)
LESSONS: Final = st.tuples(*[_CHUNK] * 12).map(
    lambda chunks: [action for chunk in chunks for action in chunk]
)
"""Some 60 actions; in chunks, since Hypothesis prefers short lists, and one long list shrinks badly."""

EXAMPLES: Final = 320
PROTECTED_EXAMPLES: Final = 60
BUSY_S: Final = 300
"""They take some 20 s of one core; a busy machine may give less of it."""
LONG_S: Final = 300
SHRINK_S: Final = 400
"""A lesson that differs is made as short as can be, which takes a while."""
MISSED_LINES: Final = 80
"""Of the reference core's 1,500: errors of shells and of libsrtp, and what takes long."""
NEEDED: Final = {
    "the rest of a keyframe overtook its first packet": "self._send(slot, following, send_time)",
    "an old picture lingered for its whole time": "self._stop(slot)",
    "padding was left out": "self._offset -= 1",
    "a sender began anew": "self._begin_anew(highest, sequence)",
    "a frame was left out": "self._picture_offset -= 1",
    "sound came back": "self._forwarding.forward(layer, earlier, now_us)",
    "sound brought earlier sound": "plain = slot.write_redundant(packet, sequence, earlier, send_time)",
    "frames came again": "self._temporal = tid",
    "an address fell out": "del self.addresses[evicted]",
}
"""Lines of the reference core that some lesson has to come to."""

CAPPED: Final = (
    Join(True, True, True),
    Publish(3, "single", open=True),
    Frames(4, 7, 8, 4, "yes", ("come",), 33_000, 3000),
)


@dataclass(frozen=True)
class Beginning:
    """What a lesson begins with, so that what is drawn means something: two publishers and two viewers."""

    sequence: int
    picture_id: int
    cameras: tuple[str, str]
    sequences: tuple[int, int]
    capped: bool
    tapped: bool

    def actions(self) -> Sequence[Action]:
        first, second = self.sequences
        return (
            *[Join(keys=True, check=True, capped=False)] * 3,
            *(Publish(who, kind, open=True) for who, kind in enumerate(self.cameras)),
            Publish(0, "sound", open=True),
            Publish(1, "sound", open=True),
            Receive(2, 1, True, True, 0, first, 0, 2),
            Receive(1, 1, True, True, 0, second, 0, 1),
            Receive(2, 1, False, True, 0, first, 2, 0),
            Redundancy(2, 2),
            Frames(0, 7, 2, 2, "yes", ("come",), 33_000, 3000),
            Frames(1, 7, 2, 2, "yes", ("come",), 33_000, 3000),
            *(CAPPED if self.capped else ()),
            *((Tap(0, 2),) if self.tapped else ()),
        )


BEGINNINGS: Final = st.builds(
    Beginning,
    st.sampled_from([0, 65_500, 65_535, 30_000]),
    st.sampled_from([0, 120, 32_760]),
    st.tuples(
        st.sampled_from(["simulcast", "simulcast", "announced"]),
        st.sampled_from(["single", "narrow", "bare"]),
    ),
    st.tuples(st.sampled_from([65_500, 0, 65_535]), st.sampled_from([0, 65_000])),
    st.booleans(),
    st.booleans(),
)


class Told:
    """What the lessons came to, over all of them; lessons in which nothing happens would compare nothing."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()
        self.dropped: Counter[Drop] = Counter()

    def add(self, lesson: Lesson) -> None:
        self.events.update(type(event).__name__ for event in lesson.rig.events)
        counters = lesson.rig.core.counters()
        self.dropped.update(counters.dropped)
        for name in counters.__slots__:
            if name != "dropped":
                self.totals[name] += getattr(counters, name)

    def is_something(self, *, beside: Iterable[Drop]) -> None:
        """Fail unless every event, total and drop but these was told."""
        missing = {kind.__name__ for kind in get_args(Event)} - self.events.keys()
        assert not missing, f"events that no lesson came to: {missing}"
        assert min(self.totals.values()) > 0, self.totals
        unseen = set(Drop) - self.dropped.keys() - set(beside)
        assert not unseen, f"drops that no lesson came to: {unseen}"


def play(core: PlaneCore, line: Line, beginning: Beginning, actions: Sequence[Action]) -> Lesson:
    lesson = Lesson(core, line, sequence=beginning.sequence, picture_id=beginning.picture_id)
    for action in (*beginning.actions(), *actions):
        action(lesson)
    lesson.wait(200_000)
    return lesson


def drawn(examples: int, check: Callable[[Beginning, Sequence[Action]], None], number: int = 0) -> None:
    """Play so many drawn lessons; the same ones for the same number."""

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(BEGINNINGS, LESSONS)
    def run(beginning: Beginning, actions: list[Action]) -> None:
        check(beginning, actions)

    run()


@pytest.mark.spare
@pytest.mark.timeout(BUSY_S)
@pytest.mark.timeout(SHRINK_S)
def test_any_lesson_is_the_same_on_both() -> None:
    told, reached = Told(), Reached()

    def check(beginning: Beginning, actions: Sequence[Action]) -> None:
        core = TwinCore(reached.watch(reference_core), native_core())
        told.add(play(core, PlainLine(), beginning, actions))

    drawn(EXAMPLES, check)
    told.is_something(beside={Drop.UNPROTECT, Drop.TAP_FULL, Drop.SEND_BUFFER, Drop.PACER_FULL})
    missing = reached.missing()
    assert len(missing) < MISSED_LINES, "what no lesson came to:\n" + "\n".join(missing)
    for what, line in NEEDED.items():
        assert not [each for each in missing if line in each], f"no lesson came to this: {what}"


@pytest.mark.timeout(BUSY_S)
@pytest.mark.timeout(SHRINK_S)
@pytest.mark.parametrize(
    "profile",
    [
        SrtpProfile.AEAD_AES_128_GCM,
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in SrtpProfile
            if each is not SrtpProfile.AEAD_AES_128_GCM
        ),
    ],
)
def test_any_protected_lesson_is_read_the_same_from_both(profile: SrtpProfile) -> None:
    told = Told()
    read = 0

    def check(beginning: Beginning, actions: Sequence[Action]) -> None:
        nonlocal read
        line = SrtpLine(profile)
        core = TwinCore(reference_core(LibsrtpCrypto()), native_core(plain=False), line.unseal)
        told.add(play(core, line, beginning, actions))
        read += line.read

    drawn(PROTECTED_EXAMPLES, check)
    assert read > 0.9 * told.totals["packets_forwarded"], "peers could not read what was sent to them"
    assert told.dropped[Drop.UNPROTECT] > 0
    told.is_something(beside=Drop)


@pytest.mark.parametrize("profile", list(SrtpProfile))
def test_new_keys_before_a_gap_over_the_end_of_a_cycle(profile: SrtpProfile) -> None:
    """The receiver counts from the first number it sees under them."""
    line = SrtpLine(profile)
    core = TwinCore(reference_core(LibsrtpCrypto()), native_core(plain=False), line.unseal)
    shown = [Zap(0, 0, 1, ("come",)), Zap(0, 0, 1, ("come",)), Zap(0, 0, 2, ("come",))]
    beginning = Beginning(0, 0, ("simulcast", "single"), (65_500, 0), False, False)
    play(core, line, beginning, [*shown, Keys(5), Mangle(1, 0, 3, 20, 0)])


@pytest.mark.long
@pytest.mark.timeout(LONG_S + SHRINK_S)
def test_lessons_without_end_are_the_same_on_both() -> None:
    def check(beginning: Beginning, actions: Sequence[Action]) -> None:
        play(TwinCore(reference_core(), native_core()), PlainLine(), beginning, actions)
        line = SrtpLine(list(SrtpProfile)[len(actions) % 3])
        core = TwinCore(reference_core(LibsrtpCrypto()), native_core(plain=False), line.unseal)
        play(core, line, beginning, actions)

    number = 0
    until_s = time.monotonic() + LONG_S
    while time.monotonic() < until_s:
        number += 1
        drawn(EXAMPLES, check, number)
