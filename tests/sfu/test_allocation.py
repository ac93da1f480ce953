"""The table of who is in which slot."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.allocation import (
    NOTHING,
    Allocation,
    Member,
    Scene,
    Target,
    Wish,
    allocate,
    layer_for,
    stage_of,
)
from sfu.model import MAX_TILES, ParticipantId, Role, SlotIndex, Source, slot_kind

T, C, A, B, D, E = (ParticipantId(name) for name in ("teacher", "co", "ann", "ben", "dan", "eve"))
CAMERA, MICROPHONE, SCREEN, SCREEN_SOUND = (
    Source.CAMERA,
    Source.MICROPHONE,
    Source.SCREEN,
    Source.SCREEN_SOUND,
)
ALL_DRAWN = Wish((360, 1, 720, 1, 1, 1, 1, 1, *([180] * MAX_TILES)))
NINE_TILES = SlotIndex.FIRST_TILE + 9


def member(name: ParticipantId, order: int, *sources: Source, role: Role = Role.STUDENT) -> Member:
    return Member(name, role, order, frozenset(sources))


def teacher(*sources: Source) -> Member:
    return member(T, 0, *sources, role=Role.TEACHER)


def co_teacher(*sources: Source) -> Member:
    return member(C, 1, *sources, role=Role.CO_TEACHER)


def named(allocation: Allocation, index: int) -> tuple[ParticipantId, Source | None] | None:
    target = allocation.targets[index]
    return None if target is None else (target.participant, target.source)


CLASS = (
    teacher(CAMERA, MICROPHONE),
    member(A, 2, CAMERA, MICROPHONE),
    member(B, 3, CAMERA, MICROPHONE),
    member(D, 4, CAMERA, MICROPHONE),
    member(E, 5, CAMERA, MICROPHONE),
)
LOUDNESS = (T, E, D, B, A)


@pytest.mark.parametrize(
    ("case", "scene", "receiver", "wish", "stage"),
    [
        ("a student sees the teacher", Scene.of(CLASS), A, ALL_DRAWN, T),
        ("the lesson's stage goes before the teacher", Scene.of(CLASS, stage=B), A, ALL_DRAWN, B),
        ("the own pin goes before the stage", Scene.of(CLASS, stage=B), A, replace(ALL_DRAWN, pin=D), D),
        ("a pin of oneself does nothing", Scene.of(CLASS), A, replace(ALL_DRAWN, pin=A), T),
        (
            "a pin of somebody unknown does nothing",
            Scene.of(CLASS),
            A,
            replace(ALL_DRAWN, pin=ParticipantId("gone")),
            T,
        ),
        ("who is on the lesson's stage sees the teacher", Scene.of(CLASS, stage=A), A, ALL_DRAWN, T),
        ("a stage of somebody who left does nothing", Scene.of(CLASS[:3], stage=E), A, ALL_DRAWN, T),
        ("the teacher sees who spoke last", Scene.of(CLASS, spoke=(D, A)), T, ALL_DRAWN, D),
        ("the teacher never sees themself as last speaker", Scene.of(CLASS, spoke=(T, B)), T, ALL_DRAWN, B),
        (
            "the teacher sees the stage before the last speaker",
            Scene.of(CLASS, stage=B, spoke=(D,)),
            T,
            ALL_DRAWN,
            B,
        ),
        ("before anybody spoke the teacher sees the first camera", Scene.of(CLASS), T, ALL_DRAWN, A),
        ("alone nobody is seen", Scene.of(CLASS[:1]), T, ALL_DRAWN, None),
        ("a co-teacher sees who spoke last", Scene.of((*CLASS, co_teacher()), spoke=(T,)), C, ALL_DRAWN, T),
        ("a co-teacher sees the teacher at first", Scene.of((*CLASS, co_teacher())), C, ALL_DRAWN, T),
        ("without a teacher the co-teacher stands in", Scene.of((*CLASS[1:], co_teacher())), A, ALL_DRAWN, C),
        ("without leaders who spoke last", Scene.of(CLASS[1:], spoke=(A, B)), A, ALL_DRAWN, B),
    ],
)
def test_stage(
    case: str, scene: Scene, receiver: ParticipantId, wish: Wish, stage: ParticipantId | None
) -> None:
    assert stage_of(scene, receiver, wish) == stage, case


def test_stage_sound_is_of_who_is_on_the_stage() -> None:
    allocation = allocate(Scene.of(CLASS, stage=B), A, ALL_DRAWN, NINE_TILES)
    assert named(allocation, SlotIndex.STAGE_VIDEO) == (B, CAMERA)
    assert named(allocation, SlotIndex.STAGE_SOUND) == (B, MICROPHONE)


def test_a_stage_without_camera_tells_who_it_is_but_forwards_nothing() -> None:
    allocation = allocate(Scene.of((teacher(MICROPHONE), *CLASS[1:])), A, ALL_DRAWN, NINE_TILES)
    assert allocation.targets[SlotIndex.STAGE_VIDEO] == Target(T, None, drawn=False)
    assert named(allocation, SlotIndex.STAGE_SOUND) == (T, MICROPHONE)


@pytest.mark.parametrize(
    ("case", "scene", "receiver", "wish", "expected"),
    [
        ("not twice when the teacher is on the stage", Scene.of(CLASS), A, ALL_DRAWN, None),
        ("when another is on the stage", Scene.of(CLASS, stage=B), A, ALL_DRAWN, (T, MICROPHONE)),
        ("when the receiver pinned another", Scene.of(CLASS), A, replace(ALL_DRAWN, pin=B), (T, MICROPHONE)),
        (
            "when the stage's sound is not drawn",
            Scene.of(CLASS),
            A,
            Wish((360, 0, 0, 0, 1)),
            (T, MICROPHONE),
        ),
        ("never the teacher's own", Scene.of(CLASS, stage=B), T, ALL_DRAWN, None),
        ("not while muted", Scene.of((teacher(CAMERA), *CLASS[1:]), stage=B), A, ALL_DRAWN, None),
        (
            "the co-teacher's when no teacher is in",
            Scene.of((co_teacher(MICROPHONE), *CLASS[1:]), stage=B),
            A,
            ALL_DRAWN,
            (C, MICROPHONE),
        ),
    ],
)
def test_teachers_sound(
    case: str, scene: Scene, receiver: ParticipantId, wish: Wish, expected: object
) -> None:
    assert named(allocate(scene, receiver, wish, NINE_TILES), SlotIndex.TEACHER_SOUND) == expected, case


def loud(allocation: Allocation) -> list[ParticipantId]:
    found = (named(allocation, index) for index in range(SlotIndex.LOUD_1, SlotIndex.LOUD_3 + 1))
    return [each[0] for each in found if each is not None]


@pytest.mark.parametrize(
    ("case", "scene", "receiver", "expected"),
    [
        ("the three loudest others", Scene.of(CLASS, loudness=LOUDNESS), A, [E, D, B]),
        ("not oneself, however loud", Scene.of(CLASS, loudness=LOUDNESS), E, [D, B, A]),
        ("not who is on the stage", Scene.of(CLASS, loudness=LOUDNESS, stage=E), A, [D, B]),
        ("the teacher hears students", Scene.of(CLASS, loudness=LOUDNESS, spoke=(A,)), T, [E, D, B]),
        (
            "a co-teacher before louder students",
            Scene.of((*CLASS, co_teacher(MICROPHONE)), loudness=(*LOUDNESS, C)),
            A,
            [C, E, D],
        ),
        (
            "nobody whose microphone is shut",
            Scene.of((*CLASS[:4], member(E, 5, CAMERA)), loudness=LOUDNESS),
            A,
            [D, B],
        ),
    ],
)
def test_loud_slots(case: str, scene: Scene, receiver: ParticipantId, expected: list[ParticipantId]) -> None:
    assert loud(allocate(scene, receiver, ALL_DRAWN, NINE_TILES)) == expected, case


def test_who_stays_loud_keeps_the_slot() -> None:
    fay = ParticipantId("fay")
    members = (*CLASS, member(fay, 6, MICROPHONE))
    before = allocate(Scene.of(members, loudness=(E, D, B, fay)), A, ALL_DRAWN, NINE_TILES)
    after = allocate(Scene.of(members, loudness=(fay, B, E, D)), A, ALL_DRAWN, NINE_TILES, before)
    assert loud(before) == [E, D, B]
    assert loud(after) == [E, fay, B]


@pytest.mark.parametrize(
    ("case", "screens", "receiver", "expected"),
    [
        ("the latest sharer", (B, A), T, B),
        ("not one's own", (B, A), B, A),
        ("nobody", (), T, None),
        ("nobody whose screen is off", (D,), T, None),
    ],
)
def test_screen(
    case: str, screens: tuple[ParticipantId, ...], receiver: ParticipantId, expected: object
) -> None:
    scene = Scene.of(
        (teacher(), member(A, 1, SCREEN), member(B, 2, SCREEN, SCREEN_SOUND), member(D, 3)), screens=screens
    )
    allocation = allocate(scene, receiver, ALL_DRAWN, NINE_TILES)
    shown, heard = named(allocation, SlotIndex.SCREEN_VIDEO), named(allocation, SlotIndex.SCREEN_SOUND)
    assert shown == (None if expected is None else (expected, SCREEN)), case
    assert heard == ((B, SCREEN_SOUND) if expected == B else None), case


def tiles(allocation: Allocation) -> list[ParticipantId | None]:
    return [None if t is None else t.participant for t in allocation.targets[SlotIndex.FIRST_TILE :]]


def crowd(count: int) -> list[Member]:
    return [member(ParticipantId(f"p{n:02}"), 100 - n, CAMERA) for n in range(count)]


def test_tiles_are_in_class_order_without_oneself_and_the_stage() -> None:
    scene = Scene.of((*CLASS[::-1], member(ParticipantId("off"), 9)))
    assert tiles(allocate(scene, A, ALL_DRAWN, NINE_TILES)) == [B, D, E, *[None] * 6]


def test_the_stage_gets_a_tile_when_no_stage_is_drawn() -> None:
    scene = Scene.of(CLASS)
    wish = Wish((0, 1, 0, 0, 1, 1, 1, 1, 180, 180, 180, 180))
    assert tiles(allocate(scene, A, wish, SlotIndex.FIRST_TILE + 4)) == [T, B, D, E]


@pytest.mark.parametrize(
    ("page", "slots", "expected", "pages"),
    [
        (0, 4, ["p09", "p08", "p07", "p06"], 3),
        (1, 4, ["p05", "p04", "p03", "p02"], 3),
        (2, 4, ["p01", "p00", None, None], 3),
        (7, 4, ["p01", "p00", None, None], 3),
        (0, 10, [f"p0{n}" for n in range(9, -1, -1)], 1),
    ],
)
def test_paging(page: int, slots: int, expected: list[str | None], pages: int) -> None:
    scene = Scene.of((teacher(), member(A, 1), *crowd(10)))
    allocation = allocate(scene, A, replace(ALL_DRAWN, page=page), SlotIndex.FIRST_TILE + slots)
    assert (tiles(allocation), allocation.pages) == (expected, pages)


def test_who_stays_on_the_page_keeps_the_tile() -> None:
    people = crowd(5)
    others = (teacher(), member(A, 1))
    before = allocate(Scene.of((*others, *people)), A, ALL_DRAWN, NINE_TILES)
    after = allocate(Scene.of((*others, *people[:2], *people[3:])), A, ALL_DRAWN, NINE_TILES, before)
    assert tiles(before)[:5] == ["p04", "p03", "p02", "p01", "p00"]
    assert tiles(after)[:5] == ["p04", "p03", None, "p01", "p00"]


def test_offers_without_tiles_have_one_page() -> None:
    allocation = allocate(Scene.of(CLASS), A, ALL_DRAWN, 3)
    assert (len(allocation.targets), allocation.pages) == (3, 1)


def test_what_is_not_drawn_is_assigned_but_not_forwarded() -> None:
    allocation = allocate(Scene.of(CLASS), A, Wish(), NINE_TILES)
    assert named(allocation, SlotIndex.FIRST_TILE) == (T, CAMERA)
    assert not any(target.drawn for target in allocation.targets if target)


def test_a_receiver_who_is_gone_gets_nothing() -> None:
    assert allocate(Scene.of(CLASS), ParticipantId("gone"), ALL_DRAWN, 9) == Allocation((None,) * 9)


@pytest.mark.parametrize(("height", "layer"), [(1, 0), (200, 0), (201, 1), (400, 1), (401, 2), (2160, 2)])
def test_layer_by_drawn_height(height: int, layer: int) -> None:
    assert layer_for(height) == layer


people = st.lists(
    st.builds(
        Member,
        st.sampled_from([ParticipantId(f"p{n}") for n in range(12)]),
        st.sampled_from(list(Role)),
        st.integers(0, 20),
        st.frozensets(st.sampled_from(list(Source))),
    ),
    unique_by=lambda m: m.participant,
    min_size=1,
)
wishes = st.builds(
    Wish,
    st.lists(st.integers(0, 720), max_size=32).map(tuple),
    st.integers(0, 5),
    st.none() | st.sampled_from([ParticipantId(f"p{n}") for n in range(14)]),
)


@given(people, st.data())
def test_in_any_lesson(members: list[Member], data: st.DataObject) -> None:
    """Nobody gets themself, no source twice, kinds fit, only open sources; a second look changes nothing."""
    names = [m.participant for m in members]
    order = data.draw(st.permutations(names))
    scene = Scene.of(
        members,
        stage=data.draw(st.none() | st.sampled_from(names)),
        loudness=order,
        spoke=order[:4],
        screens=order[::-1],
    )
    receiver = data.draw(st.sampled_from(names))
    wish = data.draw(wishes)
    slots = data.draw(st.integers(0, 32))
    allocation = allocate(scene, receiver, wish, slots)
    assert len(allocation.targets) == slots
    seen = set()
    for index, target in enumerate(allocation.targets):
        if target is None:
            continue
        assert target.participant != receiver
        assert target.source is None or target.source in scene.members[target.participant].sources
        assert target.drawn <= (wish.height(index) > 0 and target.source is not None)
        if target.source is not None:
            assert slot_kind(index) == target.source.media_kind
            if target.drawn:
                assert (target.participant, target.source) not in seen
                seen.add((target.participant, target.source))
    assert allocate(scene, receiver, wish, slots, allocation) == allocation
    assert allocate(scene, receiver, wish, slots, NOTHING) == allocation
