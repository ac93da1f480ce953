"""Slides, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.model import Refused
from signaling import wire
from signaling.lesson import slides as rules
from signaling.lesson.fields import SHOWN
from signaling.roles import decide
from signaling.wire import MaterialField, ShownField, SlidesField, SlidesWork
from tests.signaling.test_rules import CO, MASHA, NOW, TEACHER, after, full, made, refusal

PDF = MaterialField("file", "Оптика.pdf", "t", 1, 1.0, "pdf", "application/pdf", 10)
FORMS = ((2, 4, 3), (10, 16, 9))


def slides(**values: Any) -> SlidesField:
    plain: dict[str, Any] = {
        "name": "Оптика.pdf", "by": "t", "at_ms": 1, "state": "ready", "pages": 12, "done": 12,
        "folder": "l/s", "forms": FORMS,
    }  # fmt: skip
    return SlidesField(**(plain | values))


SLIDES = {
    "slides/s": slides(),
    "slides/f": slides(state="failed"),
    "_slides/f": SlidesWork("m", "application/pdf"),
}
"""What each command about slides has something to do with."""


def with_slides(**values: Any) -> dict[str, Any]:
    return full() | {"slides/s": slides(**values)}


def test_a_file_of_the_materials_is_queued_made_and_ready() -> None:
    state = full() | {"material/m": PDF}
    change = made(state, TEACHER, wire.MakeSlides(1, "m"))
    assert change.set == {
        "slides/stok": SlidesField("Оптика.pdf", "t", NOW.now_ms),
        "_slides/stok": SlidesWork("m", "application/pdf"),
    }
    state = after(state, change)
    state = after(state, rules.claim(state, "stok", "p1", "l/stok"))
    assert rules.claim(state, "stok", "p2", "l/stok") is None, "one process makes it"
    assert rules.tell(state, "stok", "p2", 3, FORMS) is None
    assert rules.fail(state, "stok", "p2", "interrupted") is None
    state = after(state, rules.tell(state, "stok", "p1", 3, FORMS))
    assert (state["slides/stok"].done, state["slides/stok"].pages) == (3, 12)
    done = rules.finish(state, "stok", "p1", FORMS, replaced=True)
    assert done is not None
    assert done.delete == ("_slides/stok",)
    field = after(state, done)["slides/stok"]
    assert (field.state, field.pages, field.page, field.replaced, field.folder) == (
        "ready", 12, 1, True, "l/stok",
    )  # fmt: skip


def test_what_failed_is_tried_again_and_then_by_anybody() -> None:
    state = full() | {
        "slides/s": slides(state="making", done=2),
        "_slides/s": SlidesWork("m", "application/pdf", "p1"),
    }
    state = after(state, rules.fail(state, "s", "p1", "interrupted"))
    assert (state["slides/s"].state, state["slides/s"].failure) == ("failed", "interrupted")
    assert rules.claim(state, "s", "p2", "l/s") is None
    state = after(state, made(state, CO, wire.MakeSlides(1, slides="s")))
    assert state["slides/s"].failure is None
    assert rules.claim(state, "s", "p2", "l/s") is not None
    assert decide(state, CO, wire.MakeSlides(1, slides="s"), NOW) is None, "it waits already"


def test_nothing_is_told_to_a_lesson_that_is_over() -> None:
    state = full(state="ended") | {
        "slides/s": slides(state="making"),
        "_slides/s": SlidesWork("m", "application/pdf", "p1"),
        "slides/q": slides(state="queued"),
        "_slides/q": SlidesWork("m", "application/pdf"),
    }
    assert rules.finish(state, "s", "p1", FORMS, replaced=False) is None
    assert rules.fail(state, "s", "p1", "failed") is None
    assert rules.claim(state, "q", "p1", "l/q") is None


@pytest.mark.parametrize(
    ("extra", "message", "code"),
    [
        ({}, wire.MakeSlides(1, "m2"), "not_found"),
        ({}, wire.MakeSlides(1), "not_found"),
        ({}, wire.MakeSlides(1, slides="s2"), "not_found"),
        ({"material/l": MaterialField("link", "x", "t", 1, 1.0)}, wire.MakeSlides(1, "l"), "slides_unfit"),
        (
            {"material/v": MaterialField("file", "x", "t", 1, 1.0, "video")},
            wire.MakeSlides(1, "v"),
            "slides_unfit",
        ),
        ({f"slides/{n}": slides() for n in range(20)}, wire.MakeSlides(1, "m"), "slides_full"),
        ({f"slides/{n}": slides(state="queued") for n in range(5)}, wire.MakeSlides(1, "m"), "slides_busy"),
        ({}, wire.TurnPage(1, "s2", 1), "not_found"),
        ({"slides/s": slides(state="making")}, wire.TurnPage(1, "s", 1), "not_found"),
        ({}, wire.SetBrowse(1, "s2", browse=True), "not_found"),
        ({}, wire.RemoveSlides(1, "s2"), "not_found"),
    ],
)
def test_what_is_refused(extra: dict[str, Any], message: Any, code: str) -> None:
    assert refusal(full() | {"material/m": PDF} | extra, TEACHER, message) == code


def test_students_bring_no_slides() -> None:
    with pytest.raises(Refused, match="not_allowed"):
        rules.bring(full(), MASHA, "s", "x.pdf", "m", "application/pdf", 1)


@pytest.mark.parametrize(("asked", "page"), [(5, 5), (12, 12), (900, 12), (1, None)])
def test_pages_are_turned_within_the_slides(asked: int, page: int | None) -> None:
    change = decide(with_slides(), CO, wire.TurnPage(1, "s", asked), NOW)
    assert (None if change is None else change.set["slides/s"].page) == page


def test_slides_that_are_removed_go_from_before_the_class_too() -> None:
    state = with_slides() | {SHOWN: ShownField("slides", "s", "t"), "_slides/s": SlidesWork("m", "x")}
    assert set(made(state, TEACHER, wire.RemoveSlides(1, "s")).delete) == {"slides/s", "_slides/s", SHOWN}
    other = with_slides() | {SHOWN: ShownField("slides", "other", "t")}
    assert made(other, TEACHER, wire.RemoveSlides(1, "s")).delete == ("slides/s",)


@pytest.mark.parametrize(
    ("field", "shown", "leads", "seen"),
    [
        (slides(page=3), "s", False, {1, 2, 3, 4}),
        (slides(page=12), "s", False, set(range(1, 13))),
        (slides(page=3, browse=True), "s", False, set(range(1, 13))),
        (slides(page=3, browse=True), "other", False, set()),
        (slides(page=3), None, False, set()),
        (slides(page=3), None, True, set(range(1, 13))),
        (slides(state="making", done=5), "s", True, set(range(1, 6))),
        (slides(state="making", done=5), "s", False, set()),
    ],
)
def test_who_may_have_which_page(field: SlidesField, shown: str | None, leads: bool, seen: set[int]) -> None:
    state = full() | {"slides/s": field}
    if shown is not None:
        state[SHOWN] = ShownField("slides", shown, "t")
    assert {page for page in range(15) if rules.may_see(state, "s", page, leads=leads)} == seen
