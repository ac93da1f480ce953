"""Slides in a lesson, as people see them: brought, prepared, shown, turned, looked through, taken away."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from tests.browser.classroom import by, click, own_id
from tests.browser.person import Person, eventually
from tests.signaling import decks

LIMIT_MS = 60_000
WORDS = ("Refraction of light", "Angles", "Lenses", "Colours", "Questions")


def write_deck(folder: Path) -> Path:
    """A PDF of five pages."""
    path = folder / "Оптика, 8 класс.pdf"
    path.write_bytes(decks.pdf(*[(720, 405)] * 4, (405, 720), words=WORDS))
    return path


async def sees_page(person: Person, page: int) -> None:
    """Wait until that page is drawn, sharp enough for its size, with its words for who can't see."""
    await person.until(
        """(page) => {
            const box = document.querySelector(`.slides-page[data-page="${page}"]`);
            const image = box?.querySelector("img");
            if (!image?.complete || !image.src.includes(`/${page}-`)) return false;
            return image.naturalWidth >= Math.min(box.clientWidth * devicePixelRatio, 2000) * 0.85;
        }""",
        page,
        what=f"page {page} of the slides",
    )
    words = person.page.locator(by("slides-text"))
    await eventually(
        words.text_content, lambda said: said == WORDS[page - 1], f"{person.name}: the words of {page}"
    )


async def bring(teacher: Person, deck: Path) -> str:
    """From the bar to slides that are ready; their id."""
    if not await teacher.page.locator(by("slides-panel")).is_visible():
        await click(teacher, "tools")
        await click(teacher, "tool-slides")
    await teacher.page.set_input_files(by("slides-file"), deck)
    item = teacher.page.locator(f'.slides-item[data-name="{deck.name}"]')
    await item.and_(teacher.page.locator("[data-state=ready]")).wait_for(timeout=LIMIT_MS)
    return ((await item.get_attribute("data-testid")) or "").removeprefix("slides-")


async def slides_are_shown(teacher: Person, students: Sequence[Person], deck: Path) -> str:
    """The teacher brings slides and turns to the second page; everybody follows. The slides' id."""
    slides = await bring(teacher, deck)
    await click(teacher, f"slides-show-{slides}")
    for somebody in (teacher, *students):
        await sees_page(somebody, 1)
    await click(teacher, "close-panel")
    await teacher.do("() => document.activeElement?.blur()")
    await teacher.page.keyboard.press("ArrowRight")
    for somebody in (teacher, *students):
        await sees_page(somebody, 2)
    for student in students:
        assert not await student.page.locator(by("slides-next")).is_visible(), "only the teacher turns"
    return slides


async def a_student_looks_ahead(teacher: Person, student: Person, slides: str) -> None:
    """By permission, and back; a reload brings them to the class's page."""
    await click(teacher, "tools")
    await click(teacher, "tool-slides")
    await click(teacher, f"slides-browse-{slides}")
    await click(student, "slides-next")
    await sees_page(student, 3)
    await sees_page(teacher, 2)
    await click(student, "slides-back")
    await sees_page(student, 2)


async def pages_are_chosen_by_their_pictures(teacher: Person, students: Sequence[Person]) -> None:
    """The strip of all pages leads to the last one, which stands upright."""
    await click(teacher, "slides-strip")
    await click(teacher, "slides-thumb-5")
    for somebody in (teacher, *students):
        await sees_page(somebody, 5)


async def the_teacher_points(teacher: Person, students: Sequence[Person]) -> None:
    """A dot with a name on everybody's page."""
    await click(teacher, "slides-pointer")
    who = await own_id(teacher)
    box = await teacher.page.locator(by("slides-page")).bounding_box()
    assert box is not None
    for somebody in students:

        async def seen(somebody: Person = somebody) -> bool:
            step = time.monotonic() % 1 * 40
            await teacher.page.mouse.move(box["x"] + box["width"] / 2 + step, box["y"] + box["height"] / 2)
            return await somebody.page.locator(by(f"pen-{who}")).count() > 0

        await eventually(seen, bool, f"{somebody.name} sees where the teacher points")
    for somebody in students:
        await somebody.photograph(f"slides-pointer-{somebody.name}")
    await click(teacher, "slides-pointer")


async def slides_are_taken_away(teacher: Person, students: Sequence[Person], slides: str) -> None:
    """They are not before the class any more, and then nowhere."""
    if not await teacher.page.locator(by("slides-panel")).is_visible():
        await click(teacher, "tools")
        await click(teacher, "tool-slides")
    await click(teacher, f"slides-remove-{slides}")
    await click(teacher, f"slides-remove-sure-{slides}")
    for somebody in (teacher, *students):
        await somebody.page.wait_for_selector(by("shown"), state="detached")
