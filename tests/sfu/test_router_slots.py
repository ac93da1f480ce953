"""Gates, forwards and what is told of slots, speakers and lines."""

from __future__ import annotations

import pytest

from sfu.model import SlotIndex
from sfu.plane.api import (
    Levels,
    SetForward,
    SetGate,
    SlotSwitched,
    SourceState,
    TransportState,
)
from sfu.rpc.messages import (
    Capture,
    Connected,
    OpenLesson,
    Quality,
    SetStage,
    Slots,
    Speakers,
    TapPush,
    Watched,
)
from sfu.watching import LINGER_BELOW_US
from tests.sfu.recording_plane import (
    EVERYTHING,
    LESSON,
    Bench,
)

STAGE, STAGE_SOUND, TILE = int(SlotIndex.STAGE_VIDEO), int(SlotIndex.STAGE_SOUND), int(SlotIndex.FIRST_TILE)
MICROPHONE, CAMERA, SCREEN = 0, 1, 2


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("may", "on", "gates"),
    [
        ("camera microphone", "camera microphone", [True, True, False, False]),
        ("microphone", "camera microphone", [True, False, False, False]),
        ("camera microphone screen screen_sound", "", [False] * 4),
        ("", "camera microphone screen screen_sound", [False] * 4),
        ("screen screen_sound surprise", "screen screen_sound surprise", [False, False, True, True]),
    ],
)
async def test_a_gate_is_open_when_allowed_and_on(bench: Bench, may: str, on: str, gates: list[bool]) -> None:
    bench.seat("student", on=on, may=may)
    transport = await bench.connect("student")
    assert bench.gates(transport) == gates


@pytest.mark.asyncio
async def test_a_mute_shuts_the_gate_before_the_reply(lesson: Bench) -> None:
    lesson.seat("teacher", "teacher", 0, on="camera microphone", may="camera")
    assert lesson.gates(lesson.transport(0)) == [False, True, False, False]
    await lesson.settled()
    assert lesson.content("student", STAGE_SOUND) == (None, None, False)


@pytest.mark.asyncio
async def test_only_changed_forwards_are_sent(lesson: Bench) -> None:
    before = len(lesson.plane.commands)
    lesson.seat("ann", order=7)
    lesson.draw("student", (*EVERYTHING[:TILE], *[190] * 9))
    await lesson.settled()
    assert lesson.plane.commands[before:] == []
    lesson.draw("student", (300, *EVERYTHING[1:]))
    await lesson.settled()
    lesson.draw("student", (150, *EVERYTHING[1:]))
    await lesson.settled()
    stage = lesson.slot_handles(lesson.transport(1))[STAGE].slot
    camera = lesson.sources(lesson.transport(0))[CAMERA].source
    assert lesson.plane.commands[before:] == [SetForward(stage, camera, 0)]


@pytest.mark.asyncio
async def test_layers_follow_the_drawn_height(lesson: Bench) -> None:
    camera = lesson.sources(lesson.transport(0))[CAMERA].source
    for height, layer in ((720, 2), (400, 1), (120, 0)):
        lesson.draw("student", (height, *EVERYTHING[1:]))
        await lesson.settled()
        assert lesson.forwards(lesson.transport(1))[STAGE] == (camera, layer)


@pytest.mark.asyncio
async def test_what_is_not_drawn_is_not_forwarded(lesson: Bench) -> None:
    lesson.draw("student", ())
    await lesson.settled()
    assert lesson.forwards(lesson.transport(1)) == {}
    assert lesson.content("student", STAGE) == ("teacher", "camera", False)


@pytest.mark.asyncio
async def test_sounds_flow_before_the_first_draw(bench: Bench) -> None:
    bench.seat("teacher", "teacher", on="camera microphone")
    bench.seat("student")
    teacher = await bench.connect("teacher")
    student = await bench.connect("student")
    assert bench.forwards(student) == {STAGE_SOUND: (bench.sources(teacher)[MICROPHONE].source, 0)}


@pytest.mark.asyncio
async def test_a_pin_moves_the_stage_of_its_owner_only(lesson: Bench) -> None:
    lesson.seat("ann", order=7, on="camera")
    lesson.seat("ben", order=8)
    lesson.draw("ben")
    await lesson.connect("ann")
    await lesson.connect("ben")
    lesson.draw("student", pin="ann")
    await lesson.settled()
    assert lesson.content("student", STAGE)[0] == "ann"
    assert lesson.content("ben", STAGE)[0] == "teacher"


@pytest.mark.asyncio
async def test_the_lessons_stage_moves_everybodys(lesson: Bench) -> None:
    lesson.seat("ann", order=7, on="camera")
    await lesson.connect("ann")
    lesson.ask(SetStage(LESSON, 1, lesson.next_number(), "ann"))
    await lesson.settled()
    assert lesson.content("student", STAGE)[0] == lesson.content("teacher", STAGE)[0] == "ann"
    lesson.ask(SetStage(LESSON, 1, lesson.next_number(), None))
    await lesson.settled()
    assert lesson.content("student", STAGE)[0] == "teacher"


@pytest.mark.asyncio
async def test_the_latest_screen_wins_and_gives_way(lesson: Bench) -> None:
    for order, name in enumerate(("ann", "ben"), 7):
        lesson.seat(name, order=order, on="screen")
        await lesson.connect(name)
    assert lesson.content("student", SlotIndex.SCREEN_VIDEO)[:2] == ("ben", "screen")
    assert lesson.content("ben", SlotIndex.SCREEN_VIDEO)[:2] == ("ann", "screen")
    lesson.seat("ben", order=8)
    await lesson.settled()
    assert lesson.content("student", SlotIndex.SCREEN_VIDEO)[:2] == ("ann", "screen")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "heights", [(-5, 10**9), (2**40,) * 500, (0,) * 500], ids=["out of range", "huge", "many"]
)
async def test_any_draw_is_cut_to_what_there_is(lesson: Bench, heights: tuple[int, ...]) -> None:
    lesson.draw("student", heights, page=10**9, pin="x" * 1000)
    await lesson.settled()
    assert lesson.slots("student").pages == 1


# --- what is told --------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_video_is_live_at_its_first_packet_and_sound_at_once(lesson: Bench) -> None:
    assert lesson.content("student", STAGE) == ("teacher", "camera", False)
    assert lesson.content("student", STAGE_SOUND) == ("teacher", "microphone", True)
    before = lesson.slots("student")
    camera = lesson.sources(lesson.transport(0))[CAMERA].source
    lesson.event(SlotSwitched(lesson.slot_handles(lesson.transport(1))[STAGE].slot, camera, 1))
    await lesson.settled()
    assert lesson.content("student", STAGE) == ("teacher", "camera", True)
    assert lesson.slots("student").version == before.version + 1


@pytest.mark.asyncio
async def test_late_news_of_a_former_source_makes_nothing_live(lesson: Bench) -> None:
    lesson.seat("ann", order=7, on="camera")
    await lesson.connect("ann")
    lesson.draw("student", pin="ann")
    await lesson.settled()
    stage = lesson.slot_handles(lesson.transport(1))[STAGE].slot
    lesson.event(SlotSwitched(stage, lesson.sources(lesson.transport(0))[CAMERA].source, 1))
    await lesson.settled()
    assert lesson.content("student", STAGE) == ("ann", "camera", False)


@pytest.mark.asyncio
async def test_a_source_that_is_shown_again_is_live_at_its_own_first_packet_only(lesson: Bench) -> None:
    lesson.seat("ann", order=7, on="camera")
    await lesson.connect("ann")
    stage = lesson.slot_handles(lesson.transport(1))[STAGE].slot
    teacher = lesson.sources(lesson.transport(0))[CAMERA].source
    ann = lesson.sources(lesson.transport(2))[CAMERA].source
    lesson.event(SlotSwitched(stage, teacher, 1))
    for pin in ("ann", None):
        lesson.draw("student", pin=pin)
        await lesson.settled()
    assert lesson.content("student", STAGE) == ("teacher", "camera", True), "it went on"
    lesson.event(SlotSwitched(stage, ann, 1))
    await lesson.settled()
    assert lesson.content("student", STAGE) == ("teacher", "camera", False)
    lesson.event(SlotSwitched(stage, teacher, 1))
    await lesson.settled()
    assert lesson.content("student", STAGE) == ("teacher", "camera", True)


@pytest.mark.asyncio
async def test_slots_are_told_only_when_changed(lesson: Bench) -> None:
    told = len(lesson.told(Slots))
    lesson.seat("ann", order=7)
    lesson.draw("student", (100, *EVERYTHING[1:]))
    await lesson.settled()
    assert len(lesson.told(Slots)) == told


@pytest.mark.asyncio
async def test_opening_again_tells_everything_again_with_the_same_versions(lesson: Bench) -> None:
    before = {name: lesson.slots(name) for name in ("teacher", "student")}
    lesson.pushes.clear()
    lesson.ask(OpenLesson(LESSON, 1))
    assert {push.participant for push in lesson.told(Connected)} == {"teacher", "student"}
    assert {name: lesson.slots(name) for name in before} == before
    assert lesson.removed() == []


@pytest.mark.asyncio
async def test_who_speaks_is_told_with_level(lesson: Bench) -> None:
    microphone = lesson.sources(lesson.transport(0))[MICROPHONE].source

    def heard() -> bool:
        lesson.event(Levels(((microphone, 20),)))
        return bool(lesson.told(Speakers))

    await until_ticks(lesson, heard)
    ((participant, level),) = lesson.told(Speakers)[-1].speakers
    assert participant == "teacher"
    assert 15 <= level <= 50


async def until_ticks(bench: Bench, condition: object) -> None:
    """Drive the router's clock by hand until the condition holds, at most 10 s of it."""
    assert callable(condition)
    router = next(iter(bench.lessons._routers.values()))
    for step in range(100):
        if condition():
            return
        router.tick(10**12 + step * 100_000)
    raise AssertionError("nothing after 10 s of ticks")


@pytest.mark.asyncio
async def test_lines_are_told(lesson: Bench) -> None:
    teacher = lesson.transport(0)
    microphone, camera = (source.source for source in lesson.sources(teacher)[:2])
    router = next(iter(lesson.lessons._routers.values()))
    router.tick(10**12)
    lesson.pushes.clear()
    lesson.event(
        SourceState(camera, 90, 10, (1, 2, 3)),
        TransportState(teacher, 0.25, 31.5, None, 1, 2, 3, 4),
    )
    router.tick(10**12 + 2_000_000)
    (quality,) = lesson.told(Quality)
    lines = {line.participant: line for line in quality.lines}
    assert lines["teacher"].loss_up == pytest.approx(0.1)
    assert lines["teacher"].loss_down == 0.25
    assert lines["teacher"].round_trip_ms == 31.5
    assert lines["teacher"].silent_microphone
    assert lines["student"].loss_up is None
    assert not lines["student"].silent_microphone
    lesson.event(SourceState(microphone, 100, 0, (1,)))
    router.tick(10**12 + 4_000_000)
    lines = {line.participant: line for line in lesson.told(Quality)[-1].lines}
    assert not lines["teacher"].silent_microphone


@pytest.mark.asyncio
async def test_gates_come_before_the_slots_that_show_them(lesson: Bench) -> None:
    lesson.seat("ann", order=7)
    await lesson.connect("ann")
    before = len(lesson.plane.commands)
    lesson.seat("ann", order=7, on="camera")
    await lesson.settled()
    kinds = [type(command) for command in lesson.plane.commands[before:]]
    assert kinds[0] is SetGate
    assert kinds.count(SetForward) == 2


@pytest.mark.asyncio
async def test_a_publisher_is_told_which_layers_anybody_gets(lesson: Bench) -> None:
    lesson.draw("student", (720, *EVERYTHING[1:]))
    await lesson.settled()
    later(lesson, layer=2)
    await lesson.until(lambda: watched(lesson) == [(False, False, True)])
    lesson.draw("student", ())
    await lesson.settled()
    later(lesson, layer=2)
    await lesson.until(lambda: watched(lesson)[1:] == [(False, False, False)])
    lesson.draw("student", (100,))
    await lesson.settled()
    assert watched(lesson)[2:] == [(True, False, False)], "at once"


@pytest.mark.asyncio
async def test_a_new_signalling_process_is_told_what_is_watched(lesson: Bench) -> None:
    lesson.draw("student", ())
    await lesson.settled()
    later(lesson, layer=2)
    await lesson.until(lambda: watched(lesson)[-1:] == [(False, False, False)])
    lesson.pushes.clear()
    lesson.ask(OpenLesson(LESSON, 1))
    assert watched(lesson) == [(False, False, False)]


@pytest.mark.asyncio
async def test_what_is_recorded_counts_as_watched(lesson: Bench) -> None:
    lesson.seat("teacher", "teacher", 0, on="camera microphone", recorded="camera")
    await lesson.lessons.capture(Capture(LESSON, 1), Deaf())
    lesson.draw("student", ())
    await lesson.settled()
    later(lesson, layer=2)
    await lesson.until(lambda: watched(lesson) == [(False, False, True)])


def later(lesson: Bench, *, layer: int) -> None:
    """Time enough for what nobody gets to be given up, in which this layer of the teacher's camera came."""
    camera = lesson.sources(lesson.transport(0))[CAMERA].source
    for _ in range(LINGER_BELOW_US // 1_000_000 + 2):
        lesson.ahead_us += 1_000_000
        lesson.event(SourceState(camera, 10, 0, tuple(100_000 * (n == layer) for n in range(3))))


def watched(lesson: Bench) -> list[tuple[bool, ...]]:
    """What the teacher was told of the camera's layers, one after the other."""
    return [push.camera for push in lesson.told(Watched) if push.participant == "teacher"]


class Deaf:
    """A recorder that is sent what it likes."""

    unsent_bytes = 0

    def send(self, push: TapPush) -> None:
        pass
