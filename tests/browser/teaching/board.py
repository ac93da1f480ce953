"""A board in a lesson: the teacher draws, students see it at once, one of them may draw too."""

from __future__ import annotations

from collections.abc import Sequence

from tests.browser import classroom
from tests.browser.classroom import by, click
from tests.browser.person import Person, eventually

LOADED_S = 30
"""The editor is large, and test machines are slow."""


async def box_of(person: Person, mark: str) -> dict[str, float]:
    """Where something is on the page, once it is there."""
    place = await person.page.wait_for_selector(f"{by(mark)}:visible", timeout=LOADED_S * 1000)
    found = None if place is None else await place.bounding_box()
    assert found is not None
    return {side: float(found[side]) for side in ("x", "y", "width", "height")}


async def open_tool(person: Person, name: str) -> None:
    """Open a tool's panel, from the bar or from the menu of a phone."""
    if await person.page.locator(f"{by('tools')}:visible").count():
        await click(person, "tools")
    else:
        await click(person, "more")
    await click(person, f"tool-{name}")
    await person.page.wait_for_selector(by(f"{name}-panel"), timeout=classroom.CLICK_MS)


async def editor(person: Person) -> dict[str, float]:
    """Where one can draw now, once the editor is loaded."""
    await person.page.wait_for_selector(
        f"{by('board-edit')} canvas.interactive", timeout=LOADED_S * 1000, state="visible"
    )
    return await box_of(person, "board-edit")


async def tool(person: Person, name: str) -> None:
    """Take a tool of the editor: freedraw, rectangle, text, selection and so on."""
    await person.page.locator(f"{by('board-edit')} [data-testid=toolbar-{name}]").first.check(
        force=True, timeout=classroom.CLICK_MS
    )


async def stroke(person: Person, path: Sequence[tuple[float, float]], *, release: bool = True) -> None:
    """Draw through points given in parts of the editor's width and height."""
    box = await editor(person)
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in path]
    mouse = person.page.mouse
    await mouse.move(*places[0])
    await mouse.down()
    for place in places[1:]:
        await mouse.move(*place, steps=8)
    if release:
        await mouse.up()


async def elements(person: Person, count: int) -> None:
    """Wait until the board has so many elements here."""
    await eventually(
        # The editor comes a moment after the picture, where one may draw.
        lambda: person.do(
            "(css) => document.querySelector(css)?.dataset.elements",
            f"{by('board-edit')}, {by('board-look')}",
        ),
        lambda seen: seen == str(count),
        f"{person.name}: {count} elements on the board",
    )


async def new_board(teacher: Person) -> None:
    """The teacher makes a board, which is before everybody at once, and closes the panel."""
    await open_tool(teacher, "boards")
    await click(teacher, "board-new")
    await editor(teacher)


async def teacher_draws(teacher: Person, students: Sequence[Person]) -> None:
    """A stroke is seen on its way, and stays; nobody else can draw."""
    for student in students:
        await student.page.wait_for_selector(by("board-look"), timeout=classroom.CLICK_MS)
    who = await classroom.own_id(teacher)
    await stroke(teacher, [(0.3, 0.4), (0.4, 0.6), (0.5, 0.4)], release=False)
    for student in students:
        await student.page.wait_for_selector(
            f"{by(f'pen-{who}')} path[data-stroke]", state="attached", timeout=classroom.CLICK_MS
        )
    await teacher.page.mouse.up()
    for person in (teacher, *students):
        await elements(person, 1)
    await tool(teacher, "rectangle")
    await stroke(teacher, [(0.55, 0.4), (0.7, 0.6)])
    await tool(teacher, "text")
    box = await editor(teacher)
    await teacher.page.mouse.click(box["x"] + 0.35 * box["width"], box["y"] + 0.75 * box["height"])
    await teacher.page.keyboard.type("F = ma")
    await teacher.page.keyboard.press("Escape")
    for person in (teacher, *students):
        await elements(person, 3)
    for student in students:
        assert await student.page.locator(by("board-edit")).count() == 0
        written = f"{by('board-look')} text:has-text('F = ma')"
        await student.page.wait_for_selector(written, timeout=classroom.CLICK_MS)


async def student_draws(teacher: Person, student: Person, others: Sequence[Person], before: int) -> None:
    """By permission, with the panel open; what is drawn stays. Undone is one's own only."""
    who = await classroom.own_id(student)
    await teacher.page.locator(by(f"ink-{who}")).click(timeout=classroom.CLICK_MS)
    await editor(student)
    await stroke(student, [(0.4, 0.5), (0.5, 0.7), (0.6, 0.5)])
    for person in (teacher, student, *others):
        await elements(person, before + 1)
    await student.page.locator(f"{by('board-edit')} [data-testid=button-undo]:visible").first.click(
        timeout=classroom.CLICK_MS
    )
    for person in (teacher, student, *others):
        await elements(person, before)
    await stroke(student, [(0.4, 0.5), (0.5, 0.7), (0.6, 0.5)])
    for person in (teacher, student, *others):
        await elements(person, before + 1)


async def permission_ends(teacher: Person, student: Person, count: int) -> None:
    """Who may draw no longer only looks on, at all that there is."""
    who = await classroom.own_id(student)
    await teacher.page.locator(by(f"ink-{who}")).click(timeout=classroom.CLICK_MS)
    await student.page.wait_for_selector(by("board-look"), timeout=classroom.CLICK_MS)
    await elements(student, count)


async def comes_back(student: Person, count: int) -> None:
    """A reload, after which everything is there."""
    await student.page.reload()
    await classroom.in_lesson(student)
    await student.page.wait_for_selector(by("board-look"), timeout=classroom.CLICK_MS)
    await elements(student, count)


async def keeps(student: Person) -> bytes:
    """The board as a picture on one's own device."""
    async with student.page.expect_download() as download:
        await click(student, "board-save")
        await click(student, "board-save-png")
    return (await (await download.value).path()).read_bytes()


async def put_away(teacher: Person, students: Sequence[Person]) -> None:
    """The board is hidden and the panel closed: nobody sees it any more."""
    await click(teacher, "board-hide")
    for person in (teacher, *students):
        await person.page.wait_for_selector(by("board"), state="detached", timeout=classroom.CLICK_MS)
    await click(teacher, "close-panel")


async def board_story(teacher: Person, students: Sequence[Person], *, photographs: bool = False) -> None:
    """The whole: made, drawn on, a student draws, one reloads and has it all, kept, put away."""

    async def photograph(when: str) -> None:
        for person in (teacher, *students) if photographs else ():
            await person.photograph(f"board-{when}-{person.name}")

    await new_board(teacher)
    await photograph("empty")
    await teacher_draws(teacher, students)
    await photograph("drawn")
    await student_draws(teacher, students[-1], students[:-1], 3)
    await photograph("two")
    await permission_ends(teacher, students[-1], 4)
    await comes_back(students[0], 4)
    assert (await keeps(students[0]))[:8] == b"\x89PNG\r\n\x1a\n"
    await photograph("looked")
    await put_away(teacher, students)
