"""What of a lesson is tapped for a recorder, and what the recorder is sent."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.capture import MAX_PACKETS_BYTES, MAX_UNSENT_BYTES
from sfu.plane.api import (
    AddTap,
    ConsentLost,
    Event,
    RemoveTap,
    RemoveTransport,
    SetGate,
    Tapped,
    TransportHandle,
)
from sfu.rpc.messages import (
    Capture,
    CaptureRequest,
    CloseLesson,
    Done,
    EndCapture,
    Failed,
    GetStatus,
    OpenLesson,
    Reply,
    Status,
    TapClosed,
    TapData,
    TapOpened,
    TapPush,
)
from tests.sfu.recording_plane import LESSON, LIMIT_S, Bench

EVERYTHING = "microphone camera screen screen_sound"
SOURCES = EVERYTHING.split()


class FakeRecorder:
    """A recorder's connection that keeps what it is sent."""

    def __init__(self) -> None:
        self.pushes: list[TapPush] = []
        self.unsent_bytes = 0

    def send(self, push: TapPush) -> None:
        self.pushes.append(push)

    def opened(self) -> dict[int, tuple[str, str]]:
        """(participant, source) of the taps that are open."""
        found: dict[int, tuple[str, str]] = {}
        for push in self.pushes:
            if isinstance(push, TapOpened):
                assert push.tap not in found
                found[push.tap] = (push.participant, push.source)
            elif isinstance(push, TapClosed):
                del found[push.tap]
            else:
                assert push.tap in found
        return found

    def data(self) -> list[TapData]:
        return [push for push in self.pushes if isinstance(push, TapData)]


def entries(packets: bytes) -> list[tuple[int, bytes]]:
    """(time us, packet) of TapData.packets."""
    found, position = [], 0
    while position < len(packets):
        at_us, length = struct.unpack_from("!QH", packets, position)
        found.append((at_us, packets[position + 10 : position + 10 + length]))
        position += 10 + length
    assert position == len(packets)
    return found


@pytest.fixture
def recorder() -> FakeRecorder:
    return FakeRecorder()


async def ask(bench: Bench, request: CaptureRequest, recorder: FakeRecorder) -> Reply:
    return await bench.lessons.capture(request, recorder)


async def capture(bench: Bench, recorder: FakeRecorder) -> None:
    assert await ask(bench, Capture(LESSON, 1), recorder) == Done()
    await bench.settled()


@pytest_asyncio.fixture
async def taught(bench: Bench, recorder: FakeRecorder) -> AsyncIterator[Bench]:
    """A teacher whose microphone and camera are on and recorded, captured; a student with both on."""
    bench.seat("teacher", "teacher", 0, on="camera microphone", recorded=EVERYTHING)
    bench.seat("student", on="camera microphone")
    await bench.connect("teacher")
    await bench.connect("student")
    await capture(bench, recorder)
    yield bench


# --- what is tapped --------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("on", "may", "recorded", "expected"),
    [
        (EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING),
        (EVERYTHING, EVERYTHING, "", ""),
        (EVERYTHING, EVERYTHING, "microphone", "microphone"),
        (EVERYTHING, "camera", EVERYTHING, "camera"),
        ("screen", EVERYTHING, EVERYTHING, "screen"),
        ("camera", "microphone", EVERYTHING, ""),
        ("", EVERYTHING, EVERYTHING, ""),
        ("camera", "camera", "microphone", ""),
        ("camera", "camera", "telepathy", ""),
    ],
)
async def test_tapped_is_what_is_allowed_and_on_and_recorded(
    bench: Bench, recorder: FakeRecorder, on: str, may: str, recorded: str, expected: str
) -> None:
    bench.seat("ann", on=on, may=may, recorded=recorded)
    await bench.connect("ann")
    await capture(bench, recorder)
    assert {source for _, source in recorder.opened().values()} == set(expected.split())


@pytest.mark.asyncio
async def test_nothing_is_tapped_without_a_recorder(bench: Bench) -> None:
    bench.seat("teacher", "teacher", 0, on=EVERYTHING, recorded=EVERYTHING)
    await bench.connect("teacher")
    assert not bench.plane.of(AddTap)


@pytest.mark.asyncio
async def test_who_is_not_connected_is_not_tapped(bench: Bench, recorder: FakeRecorder) -> None:
    bench.seat("teacher", "teacher", 0, on=EVERYTHING, recorded=EVERYTHING)
    bench.offer("teacher")
    await capture(bench, recorder)
    assert not bench.plane.of(AddTap)
    await bench.connect("teacher", connection=2)
    assert len(recorder.opened()) == 4


@pytest.mark.asyncio
async def test_a_recorder_hears_what_it_must_know_of_a_tap(taught: Bench, recorder: FakeRecorder) -> None:
    sources = taught.sources(taught.transport(0))
    told = {push.source: push for push in recorder.pushes if isinstance(push, TapOpened)}
    assert set(told) == {"camera", "microphone"}
    for name, found in told.items():
        source = sources[SOURCES.index(name)]
        assert (found.lesson, found.epoch, found.participant, found.role) == (LESSON, 1, "teacher", "teacher")
        assert (found.connection, found.codec) == (1, source.codec)
        assert (found.clock_rate, found.payload_type) == (source.clock_rate, source.payload_type)
        assert found.audio_level_id == source.extensions.audio_level
        assert taught.plane.taps[found.tap] == AddTap(found.tap, source.source, max(len(source.rids), 1) - 1)
    assert told["microphone"].audio_level_id
    assert not told["camera"].audio_level_id


def told_off(bench: Bench) -> None:
    bench.seat("teacher", "teacher", 0, on="camera microphone", recorded="")


def narrowed(bench: Bench) -> None:
    bench.seat("teacher", "teacher", 0, on="microphone", may=EVERYTHING, recorded="camera screen")


def forbidden(bench: Bench) -> None:
    bench.seat("teacher", "teacher", 0, on="camera microphone", may="screen", recorded=EVERYTHING)


def switched_off(bench: Bench) -> None:
    bench.seat("teacher", "teacher", 0, recorded=EVERYTHING)


def replaced(bench: Bench) -> None:
    bench.offer("teacher", 2)


def left(bench: Bench) -> None:
    bench.remove("teacher")


def line_lost(bench: Bench) -> None:
    bench.event(ConsentLost(bench.transport(0)))


def lesson_closed(bench: Bench) -> None:
    bench.ask(CloseLesson(LESSON, 1))


def leased_anew(bench: Bench) -> None:
    bench.ask(OpenLesson(LESSON, 2))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "end",
    [
        told_off, narrowed, forbidden, switched_off, replaced, left, line_lost, lesson_closed, leased_anew,
    ],
)  # fmt: skip
async def test_what_may_not_be_recorded_any_more_is_closed_at_once(
    taught: Bench, recorder: FakeRecorder, end: Callable[[Bench], None]
) -> None:
    assert len(recorder.opened()) == 2
    end(taught)
    assert not taught.plane.taps
    assert recorder.opened() == {}
    assert len(taught.plane.of(RemoveTap)) == 2
    gone = [command for command in taught.plane.commands if isinstance(command, RemoveTap | RemoveTransport)]
    assert isinstance(gone[0], RemoveTap), "a tap goes before its source"


@pytest.mark.asyncio
async def test_one_source_that_is_switched_off_and_on_is_another_tap(
    taught: Bench, recorder: FakeRecorder
) -> None:
    before = recorder.opened()
    taught.seat("teacher", "teacher", 0, on="microphone", may=EVERYTHING, recorded=EVERYTHING)
    assert {source for _, source in recorder.opened().values()} == {"microphone"}
    taught.seat("teacher", "teacher", 0, on="camera microphone", recorded=EVERYTHING)
    await taught.settled()
    after = recorder.opened()
    assert sorted(after.values()) == sorted(before.values())
    assert len(before.keys() & after.keys()) == 1
    assert max(after) > max(before)


@pytest.mark.asyncio
async def test_a_student_is_tapped_from_the_moment_signalling_says_so(
    taught: Bench, recorder: FakeRecorder
) -> None:
    student = {each.source for each in taught.sources(taught.transport(1))}
    assert not student & {command.source for command in taught.plane.of(AddTap)}
    taught.seat("student", on="camera microphone", recorded="microphone")
    await taught.settled()
    assert ("student", "microphone") in recorder.opened().values()
    assert ("student", "camera") not in recorder.opened().values()


# --- who captures ----------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_taps_are_opened_after_the_answer(taught: Bench) -> None:
    another = FakeRecorder()
    assert await ask(taught, Capture(LESSON, 1), another) == Done()
    assert another.pushes == []
    await taught.settled()
    assert len(another.opened()) == 2


@pytest.mark.asyncio
async def test_capturing_again_changes_nothing(taught: Bench, recorder: FakeRecorder) -> None:
    before = (list(recorder.pushes), dict(taught.plane.taps))
    await capture(taught, recorder)
    assert (recorder.pushes, taught.plane.taps) == before


@pytest.mark.asyncio
async def test_a_second_recorder_takes_over(taught: Bench, recorder: FakeRecorder) -> None:
    second = FakeRecorder()
    former = set(recorder.opened())
    await capture(taught, second)
    assert recorder.opened() == {}
    assert sorted(second.opened().values()) == [("teacher", "camera"), ("teacher", "microphone")]
    assert not former & set(second.opened())
    assert await ask(taught, EndCapture(LESSON, 1), recorder) == Done()
    taught.lessons.recorder_lost(recorder)
    assert len(second.opened()) == 2, "what the former does is of no concern"


@pytest.mark.asyncio
async def test_a_lost_recorder_is_tapped_for_no_more(taught: Bench, recorder: FakeRecorder) -> None:
    taught.lessons.recorder_lost(recorder)
    assert not taught.plane.taps
    taught.seat("teacher", "teacher", 0, on="camera microphone screen", recorded=EVERYTHING)
    await taught.settled()
    assert not taught.plane.taps


@pytest.mark.asyncio
async def test_what_was_tapped_comes_before_the_answer_to_the_end(
    taught: Bench, recorder: FakeRecorder
) -> None:
    ends: list[Tapped] = []
    both = asyncio.Event()

    def later(events: Sequence[Event]) -> None:
        ends.extend(event for event in events if isinstance(event, Tapped))
        if len(ends) == 2:
            both.set()

    taught.plane.sink = later
    asked = asyncio.create_task(ask(taught, EndCapture(LESSON, 1), recorder))
    async with asyncio.timeout(LIMIT_S):
        await both.wait()
    assert not asked.done()
    for end in ends:
        taught.event(Tapped(end.tap, ((7, b"last words"),), 0, last=True))
    assert await asked == Done()
    assert [[packet for _, packet in entries(each.packets)] for each in recorder.data()] == [
        [b"last words"], [b"last words"],
    ]  # fmt: skip
    assert recorder.opened() == {}


@pytest.mark.asyncio
async def test_a_plane_that_never_ends_a_tap_is_our_bug(
    taught: Bench, recorder: FakeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfu.capture.ENDED_WITHIN_S", 0.01)
    taught.plane.sink = lambda _: None
    with pytest.raises(TimeoutError):
        await ask(taught, EndCapture(LESSON, 1), recorder)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (Capture(LESSON, 0), Failed("stale_epoch")),
        (EndCapture(LESSON, 0), Failed("stale_epoch")),
        (Capture("elsewhere", 1), Failed("not_found", "no such lesson here")),
        (EndCapture("elsewhere", 1), Done()),
    ],
)
async def test_requests_are_fenced(
    taught: Bench, recorder: FakeRecorder, request_: CaptureRequest, reply: Reply
) -> None:
    assert await ask(taught, request_, recorder) == reply
    assert len(recorder.opened()) == 2


@pytest.mark.asyncio
async def test_a_newer_epoch_ends_what_was_captured_before(taught: Bench, recorder: FakeRecorder) -> None:
    second = FakeRecorder()
    assert await ask(taught, Capture(LESSON, 2), second) == Failed("not_found", "no such lesson here")
    assert recorder.opened() == {}
    assert taught.refused(OpenLesson(LESSON, 1)) == "stale_epoch"


@pytest.mark.asyncio
async def test_signalling_may_not_capture(taught: Bench) -> None:
    assert taught.refused(Capture(LESSON, 1)) == "not_allowed"
    assert taught.refused(EndCapture(LESSON, 1)) == "not_allowed"


# --- what is sent ----------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_packets_carry_wall_clock_times_that_do_not_step(
    taught: Bench, recorder: FakeRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tap = next(iter(recorder.opened()))
    monkeypatch.setattr(time, "time_ns", lambda: 0)  # somebody sets the machine's clock
    monotonic_us = time.monotonic_ns() // 1000
    taught.event(Tapped(tap, ((monotonic_us, b"one"), (monotonic_us + 20_000, b"")), 0))
    monkeypatch.undo()
    now_us = time.time_ns() // 1000
    (data,) = recorder.data()
    (first_us, one), (second_us, nothing) = entries(data.packets)
    assert (data.lesson, data.epoch, data.tap, data.dropped) == (LESSON, 1, tap, 0)
    assert (one, nothing, second_us - first_us) == (b"one", b"", 20_000)
    assert abs(first_us - now_us) < 5_000_000


@pytest.mark.asyncio
async def test_a_long_batch_becomes_several_frames(taught: Bench, recorder: FakeRecorder) -> None:
    tap = next(iter(recorder.opened()))
    packets = [bytes([number % 256]) * 1200 for number in range(500)]
    taught.event(Tapped(tap, tuple(enumerate(packets)), 0))
    data = recorder.data()
    assert len(data) == 5
    assert all(len(each.packets) <= MAX_PACKETS_BYTES for each in data)
    assert [packet for each in data for _, packet in entries(each.packets)] == packets


@pytest.mark.asyncio
async def test_what_a_slow_recorder_loses_is_counted_into_the_next_and_nothing_else_is_lost(
    taught: Bench, recorder: FakeRecorder
) -> None:
    first, second = recorder.opened()
    recorder.unsent_bytes = MAX_UNSENT_BYTES - 50
    taught.event(Tapped(first, ((1, bytes(40)),), 0), Tapped(first, ((2, bytes(41)), (3, b"")), 7))
    assert [(each.tap, each.dropped) for each in recorder.data()] == [(first, 0)]
    taught.seat("teacher", "teacher", 0, on="camera microphone screen", recorded=EVERYTHING)
    await taught.settled()
    assert len(recorder.opened()) == 3
    recorder.unsent_bytes = 0
    for tap in (second, first, first):
        taught.event(Tapped(tap, ((4, b"again"),), 0))
    assert [(each.tap, each.dropped) for each in recorder.data()[1:]] == [(second, 0), (first, 9), (first, 0)]
    status = taught.ask(GetStatus())
    assert isinstance(status, Status)
    assert status.dropped["recorder_unread"] == 2


@pytest.mark.asyncio
async def test_a_tap_that_ends_tells_what_was_lost(taught: Bench, recorder: FakeRecorder) -> None:
    tap = next(iter(recorder.opened()))
    recorder.unsent_bytes = MAX_UNSENT_BYTES
    taught.event(Tapped(tap, ((1, b"a"), (2, b"b")), 0))
    told_off(taught)
    (data,) = recorder.data()
    assert (data.tap, data.packets, data.dropped) == (tap, b"", 2)
    assert recorder.opened() == {}


@pytest.mark.asyncio
async def test_a_tap_that_nobody_knows_is_ignored(taught: Bench, recorder: FakeRecorder) -> None:
    pushes = list(recorder.pushes)
    taught.event(Tapped(99_999, ((1, b"a"),), 0, last=True))
    assert recorder.pushes == pushes


# --- any history -----------------------------------------------------------------------------

PEOPLE = ("ann", "ben")
SETS = st.sets(st.sampled_from(SOURCES)).map(" ".join)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("seat"), st.sampled_from(PEOPLE), SETS, SETS, SETS),
        st.tuples(st.sampled_from(["connect", "drop", "remove"]), st.sampled_from(PEOPLE)),
        st.tuples(st.sampled_from(["capture", "end", "lost", "settle"]), st.integers(0, 1)),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS)
def test_consent_holds_at_every_moment(instant_handshakes: None, actions: list[tuple[str, ...]]) -> None:
    asyncio.run(consent_holds(actions))


async def consent_holds(actions: list[tuple[str, ...]]) -> None:
    recorders = [FakeRecorder(), FakeRecorder()]
    people: dict[str, tuple[str, str, str]] = {}
    connections: dict[str, TransportHandle] = {}
    captured: FakeRecorder | None = None
    number = 0
    async with Bench() as bench:

        def permitted() -> set[tuple[str, str]]:
            if captured is None:
                return set()
            return {
                (name, source)
                for name in connections
                for source in SOURCES
                if all(source in words.split() for words in people[name])
            }

        def present() -> set[tuple[str, str]]:
            told: dict[int, tuple[str, str]] = recorders[0].opened() | recorders[1].opened()
            assert told.keys() == bench.plane.taps.keys(), "recorders know of every tap"
            gates = {command.source: command.open for command in bench.plane.of(SetGate)}
            assert all(gates[tap.source] for tap in bench.plane.taps.values())
            return set(told.values())

        for kind, *values in actions:
            name = str(values[0])
            if kind == "seat":
                on, may, recorded = values[1:]
                people[name] = (on, may, recorded)
                bench.seat(name, on=on, may=may, recorded=recorded)
            elif kind == "connect" and name in people:
                number += 1
                connections.pop(name, None)
                bench.offer(name, number)
                assert present() <= permitted()
                connections[name] = await bench.connect(name, number)
            elif kind == "drop" and name in connections:
                bench.event(ConsentLost(connections.pop(name)))
            elif kind == "remove":
                people.pop(name, None)
                connections.pop(name, None)
                bench.remove(name)
            elif kind == "capture":
                captured = recorders[int(values[0])]
                assert await ask(bench, Capture(LESSON, 1), captured) == Done()
            elif kind in ("end", "lost"):
                recorder = recorders[int(values[0])]
                if kind == "end":
                    assert await ask(bench, EndCapture(LESSON, 1), recorder) == Done()
                else:
                    bench.lessons.recorder_lost(recorder)
                captured = None if captured is recorder else captured
            assert present() <= permitted()
            if kind in ("settle", "capture"):
                await bench.settled()
                assert present() == permitted()
        await bench.settled()
        assert present() == permitted()
