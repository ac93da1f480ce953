"""What is taken away first when a line bears less than is wanted."""

from __future__ import annotations

import pytest

from sfu.allocation import Allocation, Target
from sfu.fitting import LITE_BELOW_BPS, SOUNDS_BPS, Fit, Mode, Share, fit, wanted_bps
from sfu.model import ParticipantId, SlotIndex, Source

TILE = int(SlotIndex.FIRST_TILE)
STAGE, STAGE_SOUND, SCREEN, TEACHER_SOUND = 0, 1, 2, 4
CAMERA_BPS, SCREEN_BPS = (100_000, 400_000, 1_600_000), (300_000, 2_000_000)


def target(who: str, source: Source, layer: int = 0) -> Target:
    return Target(ParticipantId(who), source, drawn=True, layer=layer)


def classroom(*, tiles: int = 2, screen: bool = True, stage: str = "teacher") -> Allocation:
    """The teacher on the stage with sound, a screen, tiles of the middle layer, and one who speaks."""
    targets: list[Target | None] = [None] * (TILE + tiles)
    targets[STAGE] = target(stage, Source.CAMERA, 2)
    targets[STAGE_SOUND] = target(stage, Source.MICROPHONE)
    if stage != "teacher":
        targets[TEACHER_SOUND] = target("teacher", Source.MICROPHONE)
    targets[SlotIndex.LOUD_1] = target("loud", Source.MICROPHONE)
    if screen:
        targets[SCREEN] = target("teacher", Source.SCREEN, 2)
    for number in range(tiles):
        targets[TILE + number] = target(f"t{number}", Source.CAMERA, 1)
    return Allocation(tuple(targets))


COSTS = {
    (ParticipantId("teacher"), Source.SCREEN): SCREEN_BPS,
    **{(ParticipantId(who), Source.CAMERA): CAMERA_BPS for who in ("teacher", "ann", "t0", "t1", "t2")},
}


def seen(budget_bps: int | None, allocation: Allocation | None = None) -> Fit:
    return fit(allocation or classroom(), COSTS, budget_bps=budget_bps)


def picture(found: Fit, index: int) -> tuple[int, int] | None:
    share = found.shares[index]
    return None if share is None else (share.layer, share.temporal)


ORDER = [
    # budget for pictures, tile 0, tile 1, stage, screen, spared
    (4_400_000, (1, 3), (1, 3), (2, 3), (2, 3), "nothing"),
    (4_399_999, (1, 3), (1, 1), (2, 3), (2, 3), "tiles"),
    (4_080_000, (1, 1), (1, 1), (2, 3), (2, 3), "tiles"),
    (4_000_000, (1, 1), (1, 0), (2, 3), (2, 3), "tiles"),
    (3_920_000, (1, 0), (1, 0), (2, 3), (2, 3), "tiles"),
    (3_800_000, (1, 0), (0, 0), (2, 3), (2, 3), "tiles"),
    (3_680_000, (0, 0), (0, 0), (2, 3), (2, 3), "tiles"),
    (3_640_000, (0, 0), None, (2, 3), (2, 3), "tiles"),
    (3_600_000, None, None, (2, 3), (2, 3), "tiles"),
    (2_400_000, None, None, (1, 3), (2, 3), "pictures"),
    (2_100_000, None, None, (0, 3), (2, 3), "pictures"),
    (2_060_000, None, None, (0, 1), (2, 3), "pictures"),
    (2_040_000, None, None, (0, 0), (2, 3), "pictures"),
    (2_000_000, None, None, None, (2, 3), "pictures"),
    (1_200_000, None, None, None, (2, 1), "pictures"),
    (800_000, None, None, None, (2, 0), "pictures"),
    (120_000, None, None, None, (0, 0), "pictures"),
    (119_999, None, None, None, None, "pictures"),
]


@pytest.mark.parametrize(("bps", "first", "second", "stage", "screen", "spared"), ORDER)
def test_the_order_of_sacrifice(
    bps: int,
    first: tuple[int, int] | None,
    second: tuple[int, int] | None,
    stage: tuple[int, int] | None,
    screen: tuple[int, int] | None,
    spared: str,
) -> None:
    found = seen(SOUNDS_BPS + bps)
    assert [picture(found, index) for index in (TILE, TILE + 1, STAGE, SCREEN)] == [
        first, second, stage, screen,
    ]  # fmt: skip
    assert found.spared == spared
    assert found.shares[STAGE_SOUND] == Share()
    assert found.shares[SlotIndex.LOUD_1] == Share()


@pytest.mark.parametrize("budget_bps", [LITE_BELOW_BPS - 1, 40_000, 0])
@pytest.mark.parametrize(("stage", "slot"), [("teacher", STAGE_SOUND), ("ann", TEACHER_SOUND)])
def test_the_teachers_sound_is_never_taken_away(budget_bps: int, stage: str, slot: int) -> None:
    found = seen(budget_bps, classroom(stage=stage))
    assert [index for index, share in enumerate(found.shares) if share] == [slot]
    assert (found.spared, found.lite) == ("lite", True)


def test_without_a_limit_all_is_there() -> None:
    found = seen(None)
    assert found.spared == "nothing"
    assert picture(found, STAGE) == (2, 3)
    assert len([share for share in found.shares if share]) == 6


def test_sound_only_has_every_sound_and_no_picture() -> None:
    found = fit(classroom(), COSTS, Mode.AUDIO)
    assert [index for index, share in enumerate(found.shares) if share] == [STAGE_SOUND, SlotIndex.LOUD_1]
    assert (found.spared, found.lite) == ("nothing", False)


def test_lite_has_one_sound() -> None:
    found = fit(classroom(stage="ann"), COSTS, Mode.LITE)
    assert [index for index, share in enumerate(found.shares) if share] == [TEACHER_SOUND]
    assert (found.spared, found.lite) == ("nothing", True)


def test_who_has_no_teacher_to_hear_hears_the_loudest() -> None:
    targets: list[Target | None] = [None] * TILE
    targets[SlotIndex.LOUD_2] = target("loud", Source.MICROPHONE)
    found = fit(Allocation(tuple(targets)), {}, Mode.LITE)
    assert [index for index, share in enumerate(found.shares) if share] == [SlotIndex.LOUD_2]


def test_redundancy_leaves_less_for_pictures() -> None:
    budget_bps = SOUNDS_BPS + 4_400_000
    assert fit(classroom(), COSTS, budget_bps=budget_bps).spared == "nothing"
    assert fit(classroom(), COSTS, budget_bps=budget_bps, redundancy=1).spared == "tiles"


def test_what_is_not_drawn_does_not_flow_and_costs_nothing() -> None:
    targets = [*classroom(tiles=0, screen=False).targets]
    targets[STAGE] = Target(ParticipantId("teacher"), Source.CAMERA, drawn=False, layer=2)
    allocation = Allocation(tuple(targets))
    assert seen(None, allocation).shares[STAGE] is None
    assert wanted_bps(allocation, COSTS) == SOUNDS_BPS


@pytest.mark.parametrize(
    ("budget_bps", "redundancy"), [(None, 2), (384_000, 2), (383_999, 1), (256_000, 1), (255_999, 0)]
)
def test_redundancy_takes_half_of_the_line_at_most(budget_bps: int | None, redundancy: int) -> None:
    assert fit(classroom(), COSTS, budget_bps=budget_bps, redundancy=2).redundancy == redundancy


def test_who_is_lite_gets_no_redundancy() -> None:
    assert fit(classroom(), COSTS, Mode.LITE, redundancy=2).redundancy == 0
