"""The picture plan: who is large when, and where a film can be entered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pytest

from recorder.making import LAG_US
from recorder.picture import Film, Shot, View, plan, rank
from recorder.timeline import Part, Stay
from sfu.model import Role, Source

S = 1_000_000


def film(
    name: str,
    source: Source,
    since_s: float,
    until_s: float,
    *,
    keys: Iterable[float] = (),
    role: Role = Role.TEACHER,
    order: int = 1,
) -> Film:
    """25 frames a second, the first and those at ``keys`` are keyframes."""
    times = np.arange(round(since_s * S), round(until_s * S), 40_000, dtype=np.int64)
    key = np.zeros(len(times), dtype=np.bool_)
    key[0] = True
    for at_s in keys:
        key[int(np.searchsorted(times, round(at_s * S)))] = True
    return Film(
        name,
        source,
        rank(source, role, order),
        times,
        key,
        np.zeros(len(times), dtype=np.int64),
        np.arange(len(times), dtype=np.int64),
        ((int(times[0]), int(times[-1])),),
    )


def stay(name: str, source: Source, since_s: float, until_s: float | None) -> Stay:
    return Stay(name, source, round(since_s * S), None if until_s is None else round(until_s * S))


def planned(
    part: Part, films: Sequence[Film], stays: Sequence[Stay], *, standing: bool = False, step_us: int = 0
) -> list[Shot]:
    """The plan of a part, made at once or in steps that see no more than they must."""
    view = View(shown=standing)
    found: list[Shot] = []
    since_us = part.start_us
    while since_us < part.end_us:
        until_us = min(part.end_us, since_us + (step_us or part.duration_us))
        seen_us = min(part.end_us, until_us + LAG_US)
        some, view = plan(view, part, films, stays, since_us, until_us, seen_us)
        found += some
        since_us = until_us
    return found


def pieces(found: Sequence[Shot]) -> list[tuple[str, int, list[int]]]:
    """Who is shown from when on, and which frames: without the borders of steps."""
    result: list[tuple[str, int, list[int]]] = []
    for shot in found:
        who, frames = shot.film.participant if shot.film else "card", list(range(shot.key, shot.end))
        if result and shot.film and result[-1][0] == who and result[-1][2][-1] + 1 == shot.key == shot.first:
            result[-1][2].extend(frames)
        else:
            result.append((who, shot.start_us, frames))
    return result


def shots(
    films: Sequence[Film],
    stays: Sequence[Stay],
    until_s: float = 20,
    since_s: float = 0,
    *,
    standing: bool = False,
) -> list[tuple[float, str]]:
    part = Part(1, round(since_s * S), round(until_s * S))
    found = planned(part, films, stays, standing=standing)
    for shot, following in pairwise(found):
        assert shot.start_us < following.start_us
        check(shot, following.start_us)
    for step_us in (700_000, 3 * S, 5 * S):
        assert pieces(planned(part, films, stays, standing=standing, step_us=step_us)) == pieces(found)
    told = [(shot.start_us / S, shot.film.participant if shot.film else "card") for shot in found]
    # The card is repeated.
    return [
        each
        for index, each in enumerate(told)
        if not index or each[1] != "card" or told[index - 1][1] != "card"
    ]


def check(shot: Shot, until_us: int) -> None:
    """A shot begins with a keyframe and has nothing after the next begins."""
    if shot.film is not None:
        assert shot.film.key[shot.key]
        assert shot.key <= shot.first <= shot.end
        assert (shot.film.time_us[shot.first : shot.end] < until_us).all()


CAMERA = film("t", Source.CAMERA, -1, 20, keys=(4, 9, 14))
CAMERA_ON = stay("t", Source.CAMERA, -1, None)


def test_a_part_that_begins_between_keyframes_catches_up() -> None:
    found = planned(Part(1, 0, 20 * S), [CAMERA], [CAMERA_ON])
    assert len(found) == 1
    assert (found[0].start_us, found[0].key) == (0, 0)
    assert CAMERA.time_us[found[0].first] == 0


def test_a_screen_is_shown_from_its_first_keyframe_on() -> None:
    screen = film("s", Source.SCREEN, 5.4, 10)
    assert shots([CAMERA, screen], [CAMERA_ON, stay("s", Source.SCREEN, 5, 10)]) == [
        (0, "t"),
        (5.4, "s"),
        (10, "t"),
    ]


def test_the_camera_goes_on_until_the_screen_has_a_keyframe() -> None:
    screen = film("s", Source.SCREEN, 5.4, 10)
    found = planned(Part(1, 0, 20 * S), [CAMERA, screen], [CAMERA_ON, stay("s", Source.SCREEN, 5, 10)])
    assert found[0].film is CAMERA
    assert CAMERA.time_us[found[0].end - 1] == pytest.approx(5.4 * S, abs=45_000)


def test_a_screen_whose_keyframe_was_captured_just_before_the_log_knew_of_it_is_shown_at_once() -> None:
    screen = film("t", Source.SCREEN, 6.9, 12, keys=(11.5,))
    found = planned(Part(1, 0, 20 * S), [CAMERA, screen], [CAMERA_ON, stay("t", Source.SCREEN, 7, 12)])
    assert [(shot.start_us, shot.film is screen) for shot in found[:2]] == [(0, False), (7 * S, True)]
    assert found[1].key == 0


def test_the_newer_of_two_screens_is_shown() -> None:
    one, two = film("a", Source.SCREEN, 1, 20), film("b", Source.SCREEN, 6, 12)
    stays = [stay("a", Source.SCREEN, 1, None), stay("b", Source.SCREEN, 6, 12)]
    assert shots([one, two], stays) == [(0, "card"), (1, "a"), (6, "b"), (12, "a")]


def test_a_keyframe_near_by_is_waited_for() -> None:
    camera = film("t", Source.CAMERA, 0, 20, keys=(10.2,))
    screen = film("s", Source.SCREEN, 5, 10)
    stays = [stay("t", Source.CAMERA, 0, None), stay("s", Source.SCREEN, 5, 10)]
    assert shots([camera, screen], stays)[-1] == (10.2, "t")


def test_leaders_come_before_students_and_the_teacher_before_all() -> None:
    teacher = film("t", Source.CAMERA, 8, 12)
    assistant = film("c", Source.CAMERA, 4, 16, role=Role.CO_TEACHER, order=2)
    pupil = film("p", Source.CAMERA, 0, 20, role=Role.STUDENT, order=3)
    early = film("q", Source.CAMERA, 0, 20, role=Role.STUDENT, order=4)
    stays = [
        stay("t", Source.CAMERA, 8, 12),
        stay("c", Source.CAMERA, 4, 16),
        stay("p", Source.CAMERA, 0, None),
        stay("q", Source.CAMERA, 0, None),
    ]
    assert [who for _, who in shots([early, pupil, assistant, teacher], stays)] == ["p", "c", "t", "c", "p"]


def test_a_camera_switched_off_gives_the_card_and_its_late_frames_are_not_shown() -> None:
    assert shots([CAMERA], [stay("t", Source.CAMERA, 0, 5)]) == [(0, "t"), (5, "card")]


def test_no_card_flashes_up_between_camera_and_screen() -> None:
    screen = film("s", Source.SCREEN, 6, 12)
    stays = [stay("t", Source.CAMERA, 0, 5), stay("s", Source.SCREEN, 5, 12)]
    assert shots([CAMERA, screen], stays) == [(0, "t"), (6, "s"), (12, "card")]


def test_frames_that_stop_while_the_camera_is_on_leave_the_last_one_standing() -> None:
    camera = film("t", Source.CAMERA, 0, 5)
    assert shots([camera], [CAMERA_ON]) == [(0, "t")]


def test_a_film_that_the_log_does_not_know_is_shown_while_it_has_frames() -> None:
    camera = film("t", Source.CAMERA, 2, 10)
    assert [who for _, who in shots([camera], [])] == ["card", "t", "card"]


def test_a_later_part_begins_with_what_stood_before() -> None:
    camera = film("t", Source.CAMERA, 0.4, 20)
    assert shots([camera], [CAMERA_ON], standing=True) == [(0.4, "t")]
    assert shots([camera], [CAMERA_ON], standing=False) == [(0, "card"), (0.4, "t")]


def test_a_tap_that_is_over_is_not_caught_up_with() -> None:
    """The next part, or a new connection: its first keyframe is near, what was before is old."""
    before, since = film("t", Source.CAMERA, 0, 5), film("t", Source.CAMERA, 10.3, 20)
    whole = Film(
        "t",
        Source.CAMERA,
        before.rank,
        np.concatenate([before.time_us, since.time_us]),
        np.concatenate([before.key, since.key]),
        np.concatenate([before.track, since.track + 1]),
        np.concatenate([before.frame, since.frame]),
        (*before.track_ends, *since.track_ends),
    )
    assert shots([whole], [CAMERA_ON], since_s=10, standing=True) == [(10.3, "t")]
    # Where none is near the last frame stands.
    assert shots([whole], [CAMERA_ON], since_s=6, until_s=9, standing=True) == [(6, "t")]


def test_nothing_at_all_is_the_card() -> None:
    assert shots([], []) == [(0, "card")]


def test_nobody_is_shown_who_was_off_before_the_part() -> None:
    assert shots([CAMERA], [stay("t", Source.CAMERA, -1, -0.5)]) == [(0, "card")]


def test_the_former_picture_goes_on_while_the_next_keyframe_is_waited_for() -> None:
    pupil = film("p", Source.CAMERA, 0, 20, role=Role.STUDENT, order=3)
    teacher = film("t", Source.CAMERA, 0, 20, keys=(5, 10, 15))
    stays = [stay("p", Source.CAMERA, 0, None), stay("t", Source.CAMERA, 8, None)]
    assert shots([pupil, teacher], stays) == [(0, "p"), (10, "t")]
    found = planned(Part(1, 0, 20 * S), [pupil, teacher], stays, step_us=700_000)
    assert sum(shot.end - shot.first for shot in found if shot.film is pupil) == 250
