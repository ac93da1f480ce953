"""A file that is brought as slides: over HTTP, through the box, into the fields, by pages to the class."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from signaling import wire
from signaling.lesson import slides as rules
from signaling.lesson.change import Change
from signaling.wire.slides import SlidesWork
from tests.signaling import brought, decks
from tests.signaling.parts import Person, School, until
from tests.signaling.test_uploads import fetch, lesson_of_two

pytestmark = pytest.mark.asyncio


async def bring(person: Person, lesson: str, content: bytes, name: str = "Оптика.pdf") -> tuple[int, Any]:
    headers = {
        "Origin": person.origin,
        "Content-Type": "application/octet-stream",
        "X-File-Name": quote(name),
    }
    address = f"{person.origin}/api/lessons/{lesson}/materials?for=slides"
    async with person.http.post(address, data=content, headers=headers) as answer:
        return answer.status, msgspec.json.decode(await answer.read())


def field(person: Person, slides: str) -> wire.SlidesField | None:
    found = person.fields.get(f"slides/{slides}")
    return None if found is None else msgspec.convert(found, wire.SlidesField)


async def ends(person: Person, slides: str) -> wire.SlidesField:
    """Wait until it is known what became of it."""

    def known() -> wire.SlidesField | None:
        found = field(person, slides)
        return found if found is not None and found.state in ("ready", "failed") else None

    found: wire.SlidesField = await until(known, "slides made or not", limit_s=30)
    return found


async def page(person: Person, lesson: str, slides: str, file: str) -> int:
    status, _, _ = await fetch(person, f"/api/lessons/{lesson}/slides/{slides}/{file}")
    return status


async def test_slides_come_page_by_page_to_who_may_see_them(school: School) -> None:
    lesson, teacher, student = await lesson_of_two(school)
    content = decks.pdf(*[(720, 405)] * 4, words=("Light", "Shadow"))
    status, reply = await bring(teacher, lesson.lesson, content)
    assert status == 200, reply
    slides = reply["slides"]
    ready = await ends(student, slides)
    assert (ready.state, ready.name, ready.pages, ready.page, ready.forms) == (
        "ready", "Оптика.pdf", 4, 1, ((4, 720, 405),),
    )  # fmt: skip
    assert not any(path.startswith("_") for path in student.fields)
    at = lesson.lesson, slides
    assert await page(student, *at, "1-small.webp") == 404, "not before the class yet"
    await teacher.send(wire.Show(900, "slides", slides))
    await until(lambda: "shown" in student.fields, "slides before the class")
    status, body, headers = await fetch(student, f"/api/lessons/{lesson.lesson}/slides/{slides}/1-text.txt")
    assert (status, body) == (200, b"Light")
    assert "sandbox" in headers["Content-Security-Policy"]
    status, body, headers = await fetch(student, f"/api/lessons/{lesson.lesson}/slides/{slides}/2-small.webp")
    assert (status, headers["Content-Type"], body[8:12]) == (200, "image/webp", b"WEBP")
    assert [await page(student, *at, f"{n}-small.webp") for n in (3, 4, 5)] == [404, 404, 404]
    assert [await page(teacher, *at, f"{n}-thumb.webp") for n in (3, 4, 5)] == [200, 200, 404]
    assert await page(school.person(), *at, "1-small.webp") == 404
    await teacher.done(wire.TurnPage, slides=slides, page=4)
    assert await page(student, *at, "3-small.webp") == 200
    work = school.signalling._settings.paths.making
    assert [path for path in work.rglob("*") if path.is_file()] == []

    await teacher.done(wire.RemoveSlides, slides=slides)
    await until(lambda: "shown" not in student.fields, "slides gone")
    assert await page(student, *at, "1-small.webp") == 404


async def test_what_is_no_page_is_refused_at_once_and_what_is_broken_with_a_reason(school: School) -> None:
    lesson, teacher, student = await lesson_of_two(school)
    assert (await bring(student, lesson.lesson, decks.pdf((9, 9))))[0] == 403
    status, reply = await bring(teacher, lesson.lesson, b"just words", "a.txt")
    assert (status, reply["code"]) == (422, "slides_unfit")
    _, reply = await bring(teacher, lesson.lesson, decks.locked_pdf())
    failed = await ends(teacher, reply["slides"])
    assert (failed.state, failed.failure) == ("failed", "encrypted")
    materials = school.signalling._settings.paths.materials
    assert not list(materials.glob("*/*-pages/*"))


async def test_a_lesson_that_is_over_holds_up_no_other(school: School) -> None:
    _, teacher, _ = await lesson_of_two(school)
    live = school.signalling.lessons.held()[0]
    waiting = {
        rules.path_of("sx"): wire.SlidesField("old.pdf", teacher.me, 1),
        rules.work_of("sx"): SlidesWork("gone", "application/pdf"),
    }
    ended = msgspec.structs.replace(live.state["lesson"], state="ended")
    await live.execute(lambda state: Change("ended", waiting | {"lesson": ended}), None)
    other = await school.lesson(teacher)
    await teacher.enter(other.teacher_link)
    _, reply = await bring(teacher, other.lesson, brought.picture(), "схема.png")
    assert (await ends(teacher, reply["slides"])).state == "ready"
    assert live.state[rules.path_of("sx")].state == "queued"


async def test_what_a_dead_process_left_is_told_and_made_when_asked_again(school: School) -> None:
    lesson, teacher, _ = await lesson_of_two(school)
    _, reply = await bring(teacher, lesson.lesson, brought.picture(), "схема.png")
    slides = reply["slides"]
    assert (await ends(teacher, slides)).state == "ready"
    # As a process leaves it that is killed in the middle.
    live = school.signalling.lessons.held()[0]
    before = live.state[rules.path_of(slides)]
    making = msgspec.structs.replace(before, state="making")
    kept = school.signalling.slides._kept
    (source,) = {each for _, each in await kept.rows.of_lesson(lesson.lesson)} - {slides}
    for whole in (source, slides):
        assert (await teacher.get(f"/api/materials/{whole}"))[0] == 404, "only pages are given out"
    work = SlidesWork(source, "image/png", "dead")
    left = {rules.path_of(slides): making, rules.work_of(slides): work}
    await live.execute(lambda state: Change("slides_making", left), None)
    failed = await until(
        lambda: (found := field(teacher, slides)) and found.state == "failed" and found, "told"
    )
    assert failed.failure == "interrupted"
    await teacher.done(wire.MakeSlides, slides=slides)
    ready = await until(
        lambda: (found := field(teacher, slides)) and found.state == "ready" and found, "made"
    )
    assert ready.pages == 1
    folder: Path = school.signalling._settings.paths.materials / lesson.lesson
    assert len(list(folder.glob("*-pages/*"))) == 4
    await kept.forget(*await kept.rows.of_lesson(lesson.lesson))
    assert [path for path in folder.rglob("*") if path.is_file()] == [], "they go with the lesson's files"
