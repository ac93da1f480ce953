"""What a person wishes, and what their line bears, decides what of the lesson flows to them."""

from __future__ import annotations

from typing import Literal

import pytest

from sfu.model import SlotIndex
from sfu.plane.api import AddressNominated, Drop, SourceState, TransportState
from sfu.rpc.messages import Draw, Quality
from tests.sfu.recording_plane import EVERYTHING, LESSON, Bench

STAGE, STAGE_SOUND, TILE = int(SlotIndex.STAGE_VIDEO), int(SlotIndex.STAGE_SOUND), int(SlotIndex.FIRST_TILE)
MICROPHONE, CAMERA = 0, 1


def wish(lesson: Bench, mode: Literal["full", "audio", "lite"]) -> None:
    lesson.ask(Draw(LESSON, 1, "student", EVERYTHING, 0, None, mode))


def report(lesson: Bench, *, sent: int, reported: int = 0, lost: int = 0) -> None:
    """A second later: so many bytes were sent, packets reported and lost since the start."""
    lesson.ahead_us += 1_000_000
    lesson.event(TransportState(lesson.transport(1), 0.0, 50, None, 0, 0, 0, 0, sent, reported, lost))


def narrow(lesson: Bench, bps: int) -> None:
    """The student's line turns out to bear about this much."""
    report(lesson, sent=0)
    report(lesson, sent=2 * bps // 8, reported=200, lost=100)


@pytest.mark.asyncio
async def test_sound_only_takes_the_pictures_away_and_gives_them_back(lesson: Bench) -> None:
    microphone, camera = (lesson.sources(lesson.transport(0))[n].source for n in (MICROPHONE, CAMERA))
    wish(lesson, "audio")
    await lesson.settled()
    assert lesson.forwards(lesson.transport(1)) == {STAGE_SOUND: (microphone, 0)}
    assert lesson.content("student", STAGE) == ("teacher", "camera", False)
    assert not lesson.slots("student").lite
    wish(lesson, "full")
    await lesson.settled()
    assert lesson.forwards(lesson.transport(1)) == {STAGE: (camera, 1), STAGE_SOUND: (microphone, 0)}


@pytest.mark.asyncio
async def test_lite_has_the_teachers_sound_alone(lesson: Bench) -> None:
    lesson.seat("ann", order=7, on="camera microphone")
    await lesson.connect("ann")
    await lesson.settled()
    assert {STAGE, STAGE_SOUND, TILE} == set(lesson.forwards(lesson.transport(1)))
    wish(lesson, "lite")
    await lesson.settled()
    assert list(lesson.forwards(lesson.transport(1))) == [STAGE_SOUND]
    slots = lesson.slots("student")
    assert (slots.spared, slots.lite) == ("nothing", True)
    assert lesson.content("student", STAGE) == ("teacher", "camera", False), "whose still is to come"


@pytest.mark.asyncio
async def test_a_thin_line_gets_less_and_is_told_so(lesson: Bench) -> None:
    camera = lesson.sources(lesson.transport(0))[CAMERA].source
    assert lesson.forwards(lesson.transport(1))[STAGE] == (camera, 1)
    narrow(lesson, 350_000)
    await lesson.settled()
    assert lesson.forwards(lesson.transport(1))[STAGE] == (camera, 0)
    assert lesson.slots("student").spared == "pictures"


@pytest.mark.asyncio
async def test_a_line_that_bears_one_voice_gets_the_teachers(lesson: Bench) -> None:
    narrow(lesson, 60_000)
    await lesson.settled()
    assert list(lesson.forwards(lesson.transport(1))) == [STAGE_SOUND]
    slots = lesson.slots("student")
    assert (slots.spared, slots.lite) == ("lite", True)


@pytest.mark.asyncio
async def test_what_a_picture_really_costs_counts(lesson: Bench) -> None:
    camera = lesson.sources(lesson.transport(0))[CAMERA].source
    for _ in range(200):
        lesson.event(SourceState(camera, 10, 0, (20_000, 60_000, 0)))
    narrow(lesson, 350_000)
    await lesson.settled()
    assert lesson.forwards(lesson.transport(1))[STAGE] == (camera, 1), "a picture of little motion still fits"
    assert lesson.slots("student").spared == "nothing"


@pytest.mark.asyncio
async def test_a_layer_that_a_small_camera_does_not_have_costs_nothing_more(lesson: Bench) -> None:
    """The highest of three is wanted, two come; what is wanted fits, so nothing is said to be left out."""
    camera = lesson.sources(lesson.transport(0))[CAMERA].source
    lesson.ask(Draw(LESSON, 1, "student", (720, *EVERYTHING[1:])))
    await lesson.settled()
    for second in range(5):
        lesson.event(SourceState(camera, 10, 0, (150_000, 500_000, 0)))
        report(lesson, sent=second * 1_500_000 // 8, reported=100 * second, lost=50 * max(0, second - 3))
    await lesson.settled()
    assert lesson.forwards(lesson.transport(1))[STAGE] == (camera, 2)
    assert lesson.slots("student").spared == "nothing"


@pytest.mark.asyncio
async def test_another_network_is_another_line(lesson: Bench) -> None:
    camera = lesson.sources(lesson.transport(0))[CAMERA].source
    narrow(lesson, 60_000)
    await lesson.settled()
    assert lesson.slots("student").lite
    lesson.event(AddressNominated(lesson.transport(1), ("192.0.2.7", 5000)))
    report(lesson, sent=400_000, reported=300, lost=200)
    report(lesson, sent=500_000, reported=400, lost=290)
    await lesson.settled()
    assert lesson.forwards(lesson.transport(1))[STAGE] == (camera, 1), (
        "what the former network lost says nothing"
    )
    assert not lesson.slots("student").lite


@pytest.mark.asyncio
async def test_one_thin_line_changes_nothing_for_others(lesson: Bench) -> None:
    lesson.seat("ann", order=7)
    lesson.draw("ann")
    ann = await lesson.connect("ann")
    before = lesson.forwards(ann)
    narrow(lesson, 60_000)
    await lesson.settled()
    assert lesson.forwards(ann) == before


@pytest.mark.asyncio
async def test_who_gets_much_and_reports_nothing_is_lost(lesson: Bench) -> None:
    student = lesson.transport(1)

    def lost() -> list[bool]:
        return [
            line.lost for push in lesson.told(Quality) for line in push.lines if line.participant == "student"
        ]

    for second, (received, sent) in enumerate([(5, 100), (9, 200), (9, 300), (9, 400), (9, 500)]):
        lesson.plane.states[student] = TransportState(student, None, None, None, received, sent, 0, 0)
        lesson.ahead_us += 2_500_000
        await lesson.until(lambda second=second: len(lost()) > second)  # type: ignore[misc]
    assert lost()[:5] == [False, False, False, True, True]


@pytest.mark.parametrize(("dropped", "overloaded"), [(10, False), (11, True)])
@pytest.mark.asyncio
async def test_a_worker_that_drops_more_than_one_percent_is_overloaded(
    lesson: Bench, dropped: int, overloaded: bool
) -> None:
    lesson.plane.totals.packets_forwarded += 1000
    lesson.plane.totals.dropped[Drop.SEND_BUFFER] = dropped - 1
    lesson.plane.totals.dropped[Drop.PACER_FULL] = 1
    before = len(lesson.told(Quality))
    lesson.ahead_us += 2_500_000
    await lesson.until(lambda: len(lesson.told(Quality)) > before)
    assert lesson.told(Quality)[-1].overloaded == overloaded
