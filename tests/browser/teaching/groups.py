"""Groups in a running lesson: drawn, opened, visited, spoken to, closed; what each one sees and hears."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.browser import classroom
from tests.browser.classroom import by, click
from tests.browser.person import Person, eventually
from tests.browser.teaching import board

TEACHER_SOUND = 4
SHOWN = """() => [...document.querySelectorAll("section.frame:not([hidden])[data-participant]")]
    .map((each) => each.dataset.participant)"""


async def open_tool(person: Person, name: str = "groups") -> None:
    """A tool's panel, from the bar or from More; nothing when it is open already."""
    if await person.page.locator(by(f"{name}-panel")).is_visible():
        return
    narrow = await person.do("() => matchMedia('(max-width: 720px)').matches")
    await click(person, "more" if narrow else "tools")
    await click(person, f"tool-{name}")
    await person.page.wait_for_selector(by(f"{name}-panel"))


async def where(person: Person) -> str | None:
    """The group that this person's strip names; empty: the lesson itself, None: there is no strip."""
    found: str | None = await person.do(
        "(css) => document.querySelector(css)?.dataset.group", by("groups-where")
    )
    return found


async def in_groups(students: Sequence[Person]) -> dict[str, str]:
    """Wait until every student is in a group; their ids with their groups."""
    found: dict[str, str] = {}
    for student in students:
        group = await eventually(lambda student=student: where(student), bool, f"{student.name} in a group")  # type: ignore[misc]
        found[await classroom.own_id(student)] = group or ""
    return found


async def sees_only(person: Person, ids: set[str], what: str) -> None:
    """Wait until exactly these people are in this person's pictures."""
    await eventually(lambda: person.do(SHOWN), lambda seen: set(seen) == ids, f"{person.name}: {what}")


async def groups(teacher: Person, students: Sequence[Person]) -> None:
    """Two groups from the draw to the end. Everybody is in the lesson, the teacher with microphone on."""
    lead = await classroom.own_id(teacher)
    await open_tool(teacher)
    await teacher.page.select_option(by("groups-count"), "2")
    await click(teacher, "groups-draw")
    await teacher.page.wait_for_selector(by("group-2"))
    for student in students:
        assert await where(student) is None, "students see nothing before groups are open"
    await click(teacher, "groups-open")
    rooms = await in_groups(students)
    assert set(rooms.values()) == {"1", "2"}
    by_id = dict(zip(rooms, students, strict=True))
    for who, student in by_id.items():
        mates = {other for other, room in rooms.items() if room == rooms[who]}
        await sees_only(student, mates, "only their group")
    await sees_only(teacher, {lead}, "an empty lesson")

    first, other = next(iter(by_id)), next(who for who in rooms if rooms[who] != rooms[next(iter(rooms))])
    asking, apart = by_id[first], by_id[other]
    await click(asking, "groups-ask")
    await click(teacher, f"groups-answer-{rooms[first]}")
    mates = {who for who, room in rooms.items() if room == rooms[first]} | {lead}
    await sees_only(teacher, mates, "the group that asked")
    await sees_only(asking, mates, "the teacher with them")
    await sees_only(apart, {who for who, room in rooms.items() if room == rooms[other]}, "no teacher")
    assert await where(teacher) == rooms[first]
    await hears_teacher(asking, yes=True)
    await hears_teacher(apart, yes=False)

    await click(teacher, "groups-speak")
    await apart.page.wait_for_selector(by("groups-speech"))
    await hears_teacher(apart, yes=True)
    await click(teacher, "groups-speak")
    await hears_teacher(apart, yes=False)

    await teacher.page.fill(by("groups-notice"), "Five minutes left: write down what you found")
    await click(teacher, "groups-notice-send")
    for student in students:
        await student.page.wait_for_selector(f"{by('groups-told')}:has-text('Five minutes')")
    await click(asking, "groups-chat")
    await asking.page.fill(by("groups-write"), "Who takes notes?")
    await click(asking, "groups-send")
    await asking.page.wait_for_selector(f"{by('groups-said')}:has-text('Who takes notes?')")
    await click(apart, "groups-chat")
    assert "notes" not in await apart.page.locator(by("groups-said")).inner_text()
    await click(apart, "groups-chat")

    await apart.page.reload()
    if await apart.page.locator(by("join")).is_visible():
        await click(apart, "join")
    assert (await in_groups([apart])) == {other: rooms[other]}, "back where they were"


async def end_groups(teacher: Person, students: Sequence[Person]) -> None:
    """The teacher closes them; everybody is together, and nothing is left of them on the screen."""
    await open_tool(teacher)
    await click(teacher, "groups-close")
    await asyncio.gather(*(student.page.wait_for_selector(by("groups-over")) for student in students))
    for student in students:
        assert await where(student) is None
    everybody = {await classroom.own_id(each) for each in (teacher, *students)}
    for somebody in (teacher, *students):
        await sees_only(somebody, everybody, "everybody again")


async def hears_teacher(student: Person, *, yes: bool) -> None:
    """Wait until this student gets sound of the teacher, or none any more."""

    async def packets() -> int:
        return sum(
            [(await student.inbound(slot)).get("packetsReceived", 0) for slot in (1, TEACHER_SOUND, 5, 6, 7)]
        )

    before = await packets()
    if yes:
        await eventually(packets, lambda now: now > before + 10, f"{student.name} hears the teacher")
        return
    seen = [before]

    async def still() -> bool:
        seen.append(await packets())
        return len(seen) > 5 and seen[-1] == seen[-5]

    await eventually(still, bool, f"{student.name} gets nothing of the teacher")


async def draw_in_groups(teacher: Person, student: Person) -> None:
    """Groups that were made are opened with a board each; what one drew is shown to the class afterwards.

    ``student`` is at a desk.
    """
    await open_tool(teacher)
    await click(teacher, "groups-boards")
    await click(teacher, "groups-open")
    await board.editor(student)
    await board.tool(student, "freedraw")
    await board.stroke(student, [(0.4, 0.5), (0.5, 0.7), (0.6, 0.5)])
    await board.elements(student, 1)
    drawn = await student.page.locator(by("board")).get_attribute("data-board")
    assert not await teacher.page.locator(by("board")).count()
    await click(teacher, "groups-close")
    await student.page.wait_for_selector(by("board"), state="detached", timeout=classroom.CLICK_MS)
    await click(teacher, "close-panel")
    await board.open_tool(teacher, "boards")
    await teacher.page.locator(f"{by(f'board-line-{drawn}')} {by('board-show')}").click()
    await board.elements(teacher, 1)
    await board.elements(student, 1)
    await board.put_away(teacher, [student])
