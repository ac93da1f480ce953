"""A class is asked: a quiz that was pasted, with names, and a poll without."""

from __future__ import annotations

from typing import Final

from tests.browser.classroom import CLICK_MS, by, click
from tests.browser.person import Person, eventually

PASTED: Final = """Angle of reflection?
- twice the angle of incidence
+ equal to the angle of incidence
- always 90 degrees

Which are sources of light?
+ the Sun
- the Moon
+ a lamp

Speed of light, in 1000 km/s?
= 300 ± 1

What is a shadow?
"""


async def open_panel(teacher: Person) -> None:
    """The quiz's panel, from wherever the teacher is."""
    if not await teacher.page.locator(by("quiz-panel")).is_visible():
        await click(teacher, "tools")
        await click(teacher, "tool-quiz")
    await teacher.page.wait_for_selector(by("quiz-place"), timeout=CLICK_MS)
    if await teacher.page.locator(by("quiz-back")).is_visible():
        await click(teacher, "quiz-back")


async def paste_and_start(teacher: Person) -> None:
    """A quiz from text, kept for later and then put to the class."""
    await open_panel(teacher)
    await click(teacher, "quiz-paste")
    await teacher.page.fill(by("quiz-pasted"), PASTED)
    await click(teacher, "quiz-read")
    await teacher.page.fill(by("quiz-title"), "Light")
    await click(teacher, "quiz-keep")
    await click(teacher, "quiz-start-plan")
    await teacher.page.wait_for_selector(f"{by('quiz-running')}[data-state=open]", timeout=CLICK_MS)


async def is_in(student: Person) -> None:
    """The answer to the question before them is taken."""
    await student.page.wait_for_selector(f"{by('quiz-state')}[data-in=true]", timeout=CLICK_MS)


async def choose(student: Person, *places: int, send: bool = False) -> None:
    """Choose these answers to the question before them."""
    for place in places:
        await click(student, f"quiz-option-{place}")
    if send:
        await click(student, "quiz-send")
    await is_in(student)


async def heat(teacher: Person) -> dict[str, list[str]]:
    """The map of names by questions, as it is drawn."""
    rows: list[tuple[str, list[str]]] = await teacher.page.locator("[data-testid^=quiz-row-]").evaluate_all(
        """(all) => all.map((row) =>
            [row.dataset.name, [...row.querySelectorAll("td")].map((cell) => cell.dataset.cell)])"""
    )
    return dict(rows)


async def heat_is(teacher: Person, **wanted: list[str]) -> None:
    """Wait until these students' lines of the map say this."""
    await eventually(
        lambda: heat(teacher),
        lambda seen: all(seen.get(name) == cells for name, cells in wanted.items()),
        f"the map says {wanted}",
    )


async def ask_a_quiz(teacher: Person, good: Person, other: Person, names: tuple[str, str]) -> None:
    """With names: one answers all of it, the other one question, over a reload; then everybody is told.

    ``names``: how the two students are called in the lesson.
    """
    await paste_and_start(teacher)
    await choose(good, 1)
    await click(good, "quiz-following")
    await choose(good, 0, 2, send=True)
    await click(good, "quiz-following")
    await good.page.fill(by("quiz-number"), "299,8")
    await click(good, "quiz-send")
    await is_in(good)
    await click(good, "quiz-following")
    await good.page.fill(by("quiz-text"), "where no light comes")
    await choose(other, 0)
    await other.page.reload()
    await other.page.wait_for_selector(by("quiz-card"), timeout=20_000)
    await heat_is(
        teacher,
        **{
            names[0]: ["right", "right", "right", "missing"],
            names[1]: ["wrong", "missing", "missing", "missing"],
        },
    )
    await click(good, "quiz-send")
    await heat_is(teacher, **{names[0]: ["right", "right", "right", "answered"]})
    assert not await other.page.locator(".quiz-bar.right").count(), "what is right is not told yet"
    await click(teacher, "quiz-close")
    await other.page.wait_for_selector(f"{by('quiz-card')}[data-state=closed]", timeout=CLICK_MS)
    await click(teacher, "quiz-show")
    await click(teacher, "quiz-reveal")
    for student, right in ((good, 3), (other, 0)):
        score = student.page.locator(by("quiz-score"))
        await score.wait_for(timeout=CLICK_MS)
        assert str(right) in (await score.inner_text())
        await student.page.wait_for_selector(f"{by('quiz-review-0')} .quiz-bar.right b", timeout=CLICK_MS)
    assert await other.page.locator(f"{by('quiz-review-0')} .quiz-bar.wrong").count() == 1


async def ask_without_names(teacher: Person, *students: Person) -> None:
    """Yes or no, without names: two answers are too few to be told."""
    await open_panel(teacher)
    if not await teacher.page.locator(by("quiz-anonymous")).is_checked():
        await click(teacher, "quiz-anonymous")
    await click(teacher, "quiz-yes-no")
    for student in students:
        await choose(student, 0)
    await eventually(
        lambda: teacher.page.locator(by("quiz-answered")).inner_text(),
        lambda seen: str(len(students)) in seen,
        "the teacher sees how many have answered",
    )
    assert not await teacher.page.locator(f"{by('quiz-running')} .quiz-bar").count(), "and nothing else"
    assert not await teacher.page.locator(by("quiz-map")).count()
    await click(teacher, "quiz-close")
    await teacher.page.wait_for_selector(f"{by('quiz-running')}[data-state=closed]", timeout=CLICK_MS)
    for student in students:
        await student.page.wait_for_selector(f"{by('quiz-card')}[data-state=closed]", timeout=CLICK_MS)
        await click(student, "quiz-dismiss")
        await student.page.wait_for_selector(by("quiz-card"), state="detached", timeout=CLICK_MS)
