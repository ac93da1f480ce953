"""The chat as a class uses it: to all, to the teacher alone, held, slow, closed, removed."""

from __future__ import annotations

from tests.browser.classroom import CLICK_MS, by, click
from tests.browser.person import Person, eventually

FORMULA = r"The roots: $x_{1,2} = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}$ and $\boxed{\pmb{D} > 0}$"


async def open_chat(person: Person, view: str | None = None) -> None:
    """The chat beside the pictures; ``view``: ``all`` or ``notes``."""
    if not await person.page.locator(by("chat-panel")).is_visible():
        await click(person, "chat")
    await person.page.wait_for_selector(by("chat-panel"), timeout=CLICK_MS)
    if view is not None:
        await click(person, f"chat-view-{view}")


async def write(person: Person, text: str) -> None:
    """Write where the chat is open, and wait until the server took it."""
    await person.page.fill(by("chat-input"), text)
    await click(person, "chat-send")
    await eventually(
        lambda: person.page.input_value(by("chat-input")),
        lambda left: left == "",
        f"{person.name}: {text!r} taken",
    )


async def refused(person: Person, text: str) -> str:
    """Write what is not taken; the sentence that says why."""
    await person.page.fill(by("chat-input"), text)
    await click(person, "chat-send")
    return await person.page.locator(by("chat-failure")).inner_text(timeout=CLICK_MS)


async def reads(person: Person, text: str, *, state: str = "said") -> None:
    """Wait until this person sees such a message."""
    mark = f'{by("chat-message")}[data-state="{state}"]'
    await person.page.locator(mark, has_text=text).first.wait_for(timeout=CLICK_MS)


async def sees_no(person: Person, text: str) -> None:
    """This person's page has such a text nowhere now."""
    assert text not in await person.page.inner_text("body"), f"{person.name} reads {text!r}"


async def rule(teacher: Person, name: str, value: str) -> None:
    """Choose a rule of the chat."""
    await open_chat(teacher, "all")
    rules = teacher.page.locator(by("chat-rules"))
    if await rules.get_attribute("open") is None:
        await rules.locator("summary").click()
    await teacher.page.select_option(by(name), value)
    await rules.locator("summary").click()


async def of_message(teacher: Person, text: str, item: str) -> None:
    """Do something by the menu of a message."""
    message = teacher.page.locator(by("chat-message"), has_text=text).last
    await message.locator(by("chat-menu")).click(timeout=CLICK_MS)
    await click(teacher, item)


async def to_all(teacher: Person, boris: Person, vera: Person) -> None:
    """A message, an answer with a quote, formulas and a link that opens elsewhere."""
    for person in (teacher, boris, vera):
        await open_chat(person)
    await write(boris, "Where are the roots?")
    await reads(teacher, "Where are the roots?")
    await of_message(teacher, "Where are the roots?", "chat-reply")
    await write(teacher, FORMULA)
    for person in (teacher, boris, vera):
        await reads(person, "The roots:")
        message = person.page.locator(by("chat-message"), has_text="The roots:")
        assert "Where are the roots?" in await message.locator(by("chat-quote")).inner_text()
        await person.until(
            "() => document.querySelectorAll('.formula .katex math').length === 2"
            " && document.querySelector('.formula .vlist span').style.top !== ''"
            " && [...document.fonts].some(({family, status}) => /KaTeX/.test(family) && status === 'loaded')",
            what="formulas drawn with their own letters",
        )
        assert await person.page.locator(".formula [style*=border], .formula [style*=shadow]").count() > 0
    await write(teacher, "Read https://school.example/roots too")
    link = vera.page.locator(by("chat-link"))
    await link.wait_for(timeout=CLICK_MS)
    assert await link.get_attribute("rel") == "noopener noreferrer nofollow"


async def to_the_teacher(teacher: Person, boris: Person, vera: Person) -> None:
    """A student's question and the answer, which no other student sees."""
    await open_chat(boris, "notes")
    await write(boris, "I do not understand, quietly")
    await eventually(
        lambda: teacher.page.inner_text(by("chat-view-notes")),
        lambda said: "1" in said,
        "the teacher's mark of a new message",
    )
    await open_chat(teacher, "notes")
    await teacher.page.locator(by("chat-threads")).locator("button").first.click(timeout=CLICK_MS)
    await write(teacher, "I will explain it to you")
    await reads(boris, "I will explain it to you")
    await sees_no(vera, "quietly")
    await sees_no(vera, "I will explain it to you")
    await boris.page.reload()
    await boris.page.wait_for_selector(by("lesson"), timeout=CLICK_MS)
    await open_chat(boris, "notes")
    await reads(boris, "I will explain it to you")
    await open_chat(boris, "all")
    await open_chat(teacher, "all")


async def waits(teacher: Person, boris: Person, vera: Person) -> None:
    """A link waits until the teacher lets it through; so does everything while the chat is held."""
    await open_chat(boris, "all")
    await write(boris, "look at vk . com")
    await reads(boris, "vk . com", state="waits")
    await sees_no(vera, "vk . com")
    await click(teacher, "chat-decline")
    await eventually(
        lambda: boris.page.inner_text(by("chat-list")), lambda seen: "vk . com" not in seen, "declined"
    )
    await rule(teacher, "chat-mode", "held")
    await boris.page.wait_for_selector(by("chat-held-note"), timeout=CLICK_MS)
    await write(boris, "May I read aloud?")
    await sees_no(vera, "May I read aloud?")
    await click(teacher, "chat-approve")
    await reads(vera, "May I read aloud?")
    await rule(teacher, "chat-mode", "open")
    await boris.page.wait_for_selector(by("chat-held-note"), state="detached", timeout=CLICK_MS)


async def is_kept_in_order(teacher: Person, boris: Person, vera: Person) -> None:
    """A word that is not taken, time between messages, one and all messages removed, a closed chat."""
    assert await refused(boris, "ну ты м у д а к") != ""
    await rule(teacher, "chat-slow", "60")
    await boris.page.wait_for_selector(by("chat-slow-note"), timeout=CLICK_MS)
    await write(boris, "first of several")
    await boris.page.fill(by("chat-input"), "second")
    await boris.page.wait_for_selector(by("chat-wait"), timeout=CLICK_MS)
    assert await boris.page.is_disabled(by("chat-send"))
    await rule(teacher, "chat-slow", "0")
    await eventually(
        lambda: boris.page.is_enabled(by("chat-send")), bool, "no wait once the rule is gone", limit_s=5
    )
    await boris.page.fill(by("chat-input"), "")
    await of_message(teacher, "first of several", "chat-remove")
    for person in (boris, vera):
        await person.page.locator(f'{by("chat-message")}[data-state="removed"]').first.wait_for(
            timeout=CLICK_MS
        )
        await sees_no(person, "first of several")
    await of_message(teacher, "May I read aloud?", "chat-remove-all")
    for person in (boris, vera):
        await eventually(
            lambda person=person: person.page.inner_text(by("chat-list")),  # type: ignore[misc]
            lambda seen: "May I read aloud?" not in seen,
            f"{person.name}: all of Boris removed",
        )
    await rule(teacher, "chat-mode", "closed")
    await vera.page.wait_for_selector(by("chat-closed"), timeout=CLICK_MS)
    await rule(teacher, "chat-mode", "open")
    await vera.page.wait_for_selector(by("chat-input"), timeout=CLICK_MS)
    await sees_no(vera, "first of several")


async def in_the_chat(teacher: Person, boris: Person, vera: Person) -> None:
    """All of it: a teacher and two students who are in a running lesson."""
    await to_all(teacher, boris, vera)
    await to_the_teacher(teacher, boris, vera)
    await waits(teacher, boris, vera)
    await is_kept_in_order(teacher, boris, vera)
