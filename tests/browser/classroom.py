"""What people do in the pages, by the marks (``data-testid``) that the pages give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.browser.person import Person, eventually

STAGE: Final = 0
STAGE_SOUND: Final = 1
SCREEN: Final = 2
SCREEN_SOUND: Final = 3
LOUD: Final = (5, 6, 7)
FIRST_TILE: Final = 8
CLICK_MS: Final = 10_000


def by(mark: str) -> str:
    """CSS selector of a mark."""
    return f'[data-testid="{mark}"]'


@dataclass(frozen=True)
class Links:
    """The links of one lesson."""

    teacher: str
    student: str


async def click(person: Person, mark: str) -> None:
    """Press what carries this mark and is to be seen."""
    await person.page.locator(f"{by(mark)}:visible").first.click(timeout=CLICK_MS)


async def sign_in(person: Person, teacher_link: str) -> None:
    """From the printed link to the teacher's page."""
    await person.page.goto(teacher_link)
    await person.page.wait_for_selector(by("create-lesson"), timeout=CLICK_MS)


async def new_lesson(person: Person, title: str, name: str) -> None:
    """From the teacher's page to the device check of a new lesson."""
    await person.page.fill(by("new-lesson-title"), title)
    await person.page.fill(by("teacher-name"), name)
    await click(person, "create-lesson")
    await person.page.wait_for_selector(by("device-check"), timeout=CLICK_MS)


async def go_live(person: Person) -> None:
    """From the device check (camera and microphone on) into the lesson."""
    await person.until(
        "() => document.querySelector('[data-testid=\"check-preview\"]')?.videoWidth > 0",
        what="camera preview",
    )
    await click(person, "go-live")
    await in_lesson(person)


async def in_lesson(person: Person) -> None:
    """Wait until the lesson is on the page and its media is connected."""
    await person.page.wait_for_selector(by("lesson"), timeout=CLICK_MS)
    await person.until(
        "() => zvonokReader.connections.at(-1)?.connectionState === 'connected'", what="media connected"
    )


async def student_link(person: Person) -> str:
    """The link as the teacher reads it out of the invitation."""
    await click(person, "invite")
    link = await person.page.locator(by("student-link")).first.inner_text(timeout=CLICK_MS)
    await person.page.keyboard.press("Escape")
    return link.strip()


async def teacher_starts(person: Person, teacher_link: str, title: str, name: str = "Anna Orlova") -> Links:
    """Everything from the printed link to a running lesson."""
    await sign_in(person, teacher_link)
    await new_lesson(person, title, name)
    teacher = person.page.url
    await go_live(person)
    return Links(teacher, await student_link(person))


async def knock(person: Person, link: str, name: str) -> None:
    """Open a join link, say a name and press join."""
    await person.page.goto(link)
    await person.page.fill(by("name-input"), name)
    await click(person, "join")


async def student_joins(person: Person, link: str, name: str) -> None:
    """From the join link into a running lesson."""
    await knock(person, link, name)
    await in_lesson(person)


async def turn(person: Person, source: str, *, on: bool) -> None:
    """Press the microphone, camera or screen button until that source is on (or off)."""
    button = person.page.locator(by(f"toggle-{source}")).first
    state = await button.get_attribute("data-state", timeout=CLICK_MS)
    if (state != "off") != on:
        await button.click(timeout=CLICK_MS)
    wanted = "on" if on else "off"
    await eventually(
        lambda: button.get_attribute("data-state"),
        lambda seen: seen == wanted,
        f"{person.name}: {source} {wanted}",
    )


async def layout(person: Person, name: str) -> None:
    """Choose how pictures are arranged: gallery, speaker or focus."""
    await click(person, "layout")
    await click(person, f"layout-{name}")
    await person.page.wait_for_selector(f"{by('scene')}[data-layout={name}]", timeout=CLICK_MS)


async def menu(person: Person, participant: str, item: str) -> None:
    """Do something with somebody by their menu in the list of people."""
    if not await person.page.locator(by("people-panel")).is_visible():
        await click(person, "people")
    await click(person, f"person-menu-{participant}")
    await click(person, f"{item}-{participant}")


async def say(person: Person, text: str) -> None:
    """Write to the class."""
    if not await person.page.locator(by("chat-panel")).is_visible():
        await click(person, "chat")
    await person.page.fill(by("chat-input"), text)
    await click(person, "chat-send")


async def own_id(person: Person) -> str:
    """This person's id in the lesson."""
    mark = await person.page.locator(f"section:has({by('own-video')})").get_attribute("data-testid")
    return (mark or "").removeprefix("tile-")


async def slot_of(person: Person, participant: str) -> int | None:
    """The slot (stage or tile) in which this person draws somebody's camera, None when there is none."""
    mark = await person.do(
        "(css) => document.querySelector(css)?.dataset.testid",
        f'section[data-participant="{participant}"]:not([hidden], {by("screen")}) video[data-testid^=slot-]',
    )
    return int(mark.removeprefix("slot-")) if mark else None


async def people_here(person: Person) -> set[str]:
    """Names in this person's list of people, each once."""
    if not await person.page.locator(by("people-panel")).is_visible():
        await click(person, "people")
    names = await person.page.locator("[data-testid^=person-][data-name]").evaluate_all(
        "(all) => all.map((each) => each.dataset.name)"
    )
    assert len(names) == len(set(names)), f"somebody is there twice: {names}"
    return set(names)
