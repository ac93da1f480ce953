"""Steps of a lesson's story: hands and the board, reactions, the timer, the picker, calm.

Each function takes a teacher and two students who are in one running lesson, on any page size and in either
language, and leaves it as it found it.
"""

from __future__ import annotations

from tests.browser import classroom
from tests.browser.classroom import CLICK_MS, STAGE, by, click
from tests.browser.person import Person, eventually


async def sees(person: Person, mark: str, state: str = "visible") -> None:
    """Wait until this person sees what carries the mark (or it is gone: ``hidden``)."""
    await person.page.locator(by(mark)).first.wait_for(state=state, timeout=CLICK_MS)  # type: ignore[arg-type]


async def tool(person: Person, name: str) -> None:
    """Open a tool's panel, on a desktop or a phone."""
    if await person.page.locator(by(f"{name}-panel")).is_visible():
        return
    await click(person, "tools" if await person.page.locator(by("tools")).is_visible() else "more")
    await click(person, f"tool-{name}")
    await sees(person, f"{name}-panel")


async def close_panel(person: Person) -> None:
    """Close what is open beside the pictures."""
    await click(person, "close-panel")


async def to_the_board(teacher: Person, student: Person, other: Person) -> None:
    """A raised hand is called in one press: heard and large for all at the board, then in the seat again."""
    identity = await classroom.own_id(student)
    await click(student, "raise-hand")
    await click(teacher, "people")
    await click(teacher, f"call-hand-{identity}")
    await sees(teacher, f"asked-{identity}")
    await sees(student, "own-call")
    await student.photograph(f"leading-asked-{student.name}")
    await teacher.photograph(f"leading-asked-{teacher.name}")
    assert not await other.page.locator(by(f"asked-{identity}")).is_visible()

    await click(student, "call-later")
    await sees(teacher, f"ask-again-{identity}")
    await click(teacher, f"ask-again-{identity}")
    await eventually(
        lambda: student.page.locator(by("own-call")).get_attribute("data-answer"),
        lambda answer: answer == "none",
        "asked again",
    )
    await click(student, "call-go")
    await sees(student, "own-board")
    await eventually(
        lambda: microphone(student), lambda state: state == "on", "the microphone by their press"
    )
    await sees(teacher, f"at-board-{identity}")
    await sees(teacher, f"hand-{identity}", "hidden")
    for viewer in (teacher, other):
        await eventually(
            lambda viewer=viewer: on_stage(viewer),  # type: ignore[misc]
            lambda who: who == identity,
            f"{student.name} on the stage of {viewer.name}",
        )
    await student.photograph(f"leading-board-{student.name}")
    await teacher.photograph(f"leading-board-{teacher.name}")

    await student.page.reload()
    await classroom.in_lesson(student)
    await sees(student, "own-board")
    await click(teacher, f"send-back-{identity}")
    await sees(student, "own-board", "hidden")
    await eventually(lambda: microphone(student), lambda state: state == "off", "the microphone off again")
    await close_panel(teacher)


async def reactions(teacher: Person, student: Person, other: Person) -> None:
    """Two thumbs are one counter; who is lost is told to the teacher only; off means off."""
    for who in (student, other):
        await react(who, "thumbs_up")
    await eventually(lambda: count(teacher, "thumbs_up"), lambda n: n == "2", "two thumbs at the teacher")
    await eventually(lambda: count(other, "thumbs_up"), lambda n: n == "2", "two thumbs at a student")
    await eventually(
        lambda: count(other, "thumbs_up"), lambda n: n is None, "the thumbs gone by themselves", limit_s=15
    )
    await react(student, "lost")
    await eventually(lambda: count(teacher, "lost"), lambda n: n == "1", "who is lost, at the teacher")
    assert await count(other, "lost") is None
    await teacher.photograph(f"leading-reactions-{teacher.name}")
    await click(teacher, "people")
    if not await teacher.page.locator(by("reactions-rule")).is_visible():
        await teacher.page.locator(f"{by('rules')} > summary").click(timeout=CLICK_MS)
    await click(teacher, "reactions-rule")
    await sees(student, "react", "hidden")
    await eventually(lambda: count(teacher, "lost"), lambda n: n is None, "nothing while they are off")
    await click(teacher, "reactions-rule")
    await sees(student, "react")
    await close_panel(teacher)


async def timer(teacher: Person, student: Person, other: Person) -> None:
    """Everybody sees the same second; it can be held, and its end is told."""
    await tool(teacher, "timer")
    await teacher.photograph(f"leading-timer-{teacher.name}")
    await click(teacher, "timer-3")
    for who in (student, other):
        await sees(who, "timer")
    await click(teacher, "timer-hold")
    seen = await eventually(
        lambda: rest(student), lambda left: left is not None and "\n" in left, "the timer on hold"
    )
    assert seen is not None
    await eventually(
        lambda: rest(other), lambda left: (left or "").split()[0] == seen.split()[0], "one time for all"
    )
    await click(teacher, "timer-add")
    await eventually(
        lambda: rest(other), lambda left: (left or "").startswith(("3:", "4:00")), "a minute more"
    )
    await other.photograph(f"leading-timer-{other.name}")
    await click(teacher, "timer-go-on")
    await click(teacher, "timer-stop")
    for who in (student, other):
        await sees(who, "timer", "hidden")
    await close_panel(teacher)


async def picker(teacher: Person, student: Person, other: Person) -> None:
    """Both have their turn before one of them has it twice; everybody is told; one press calls."""
    await tool(teacher, "picker")
    students = {await classroom.own_id(student): student, await classroom.own_id(other): other}
    turns: list[str] = []
    for _ in range(2):
        await click(teacher, "pick")
        who = await eventually(
            lambda: teacher.page.locator(by("picked-panel")).get_attribute("data-participant"),
            lambda who: who is not None and who not in turns,
            "somebody who had no turn",
        )
        assert who is not None
        turns.append(who)
        for each in students.values():
            await sees(each, "picked")
    assert set(turns) == set(students)
    called = students[turns[-1]]
    await called.photograph(f"leading-picked-{called.name}")
    await click(teacher, "pick-call")
    await sees(called, "own-call")
    await teacher.photograph(f"leading-picker-{teacher.name}")
    await click(teacher, f"uncall-{turns[-1]}")
    await sees(called, "own-call", "hidden")
    await close_panel(teacher)


async def calm(teacher: Person, student: Person, other: Person) -> None:
    """One press: nothing of students is heard, seen or written, drafts stay; the next lets it be again."""
    await classroom.turn(student, "microphone", on=True)
    await classroom.turn(student, "camera", on=True)
    await classroom.say(student, "Said just before")
    if not await teacher.page.locator(by("calm")).is_visible():
        await click(teacher, "more")
    await click(teacher, "calm")
    for who in (student, other):
        await sees(who, "calm-card")
    for source in ("microphone", "camera"):
        await eventually(
            lambda source=source: state(student, source),  # type: ignore[misc]
            lambda seen: seen == "off",
            f"{source} off",
        )
    await student.page.fill(by("chat-input"), "This must stay")
    await click(student, "chat-send")
    await sees(student, "chat-failure")
    assert await student.page.input_value(by("chat-input")) == "This must stay"
    await student.photograph(f"leading-calm-{student.name}")
    await teacher.photograph(f"leading-calm-{teacher.name}")
    await click(teacher, "calm-sealed")
    await eventually(
        lambda: teacher.page.locator(by("sealed-message")).all_inner_texts(),
        lambda all_: any("Said just before" in text for text in all_),
        "the sealed minute",
    )
    await teacher.photograph(f"leading-sealed-{teacher.name}")
    await teacher.page.keyboard.press("Escape")
    await click(teacher, "calm-release")
    await sees(student, "calm-over")
    assert await state(student, "camera") == "off"
    await student.photograph(f"leading-calm-over-{student.name}")
    await click(student, "chat-send")
    await eventually(
        lambda: student.page.input_value(by("chat-input")), lambda draft: draft == "", "the draft sent"
    )
    await close_panel(student)


async def react(person: Person, reaction: str) -> None:
    """Choose a reaction."""
    await click(person, "react" if await person.page.locator(by("react")).is_visible() else "more")
    await click(person, f"react-{reaction}")


async def count(person: Person, reaction: str) -> str | None:
    """How many react so, as this person sees it; None: nobody."""
    found: str | None = await person.do(
        "(css) => document.querySelector(css)?.dataset.count ?? null", by(f"reactions-{reaction}")
    )
    return found


async def rest(person: Person) -> str | None:
    """The timer as it is written."""
    found: str | None = await person.do(
        "(css) => document.querySelector(css)?.innerText ?? null", by("timer")
    )
    return found


async def state(person: Person, source: str) -> str | None:
    """on, off or starting."""
    return await person.page.locator(by(f"toggle-{source}")).first.get_attribute("data-state")


async def microphone(person: Person) -> str | None:
    """Whether this person's microphone is on."""
    return await state(person, "microphone")


async def on_stage(person: Person) -> str | None:
    """Who is large for this person."""
    return await person.page.locator(f"section:has({by(f'slot-{STAGE}')})").first.get_attribute(
        "data-participant"
    )
