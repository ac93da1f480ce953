"""Files of a lesson over HTTP: who brings what, who sees it, and what is left of what failed."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
import pytest

from signaling import wire
from signaling.tickets import issue_library_key
from tests.signaling import brought
from tests.signaling.conftest import Start
from tests.signaling.library_parts import recorded
from tests.signaling.parts import Clock, FakeWorker, Person, School, until, until_answer

pytestmark = pytest.mark.asyncio


async def bring(
    person: Person, lesson: str, content: Any, name: str = "a.png", **headers: str
) -> tuple[int, Any]:
    """Status and body of an upload; ``content`` may be an iterator."""
    sent = {"Origin": person.origin, "Content-Type": "application/octet-stream"} | headers
    sent["X-File-Name"] = quote(name)
    address = f"{person.origin}/api/lessons/{lesson}/materials"
    async with person.http.post(address, data=content, headers=sent) as answer:
        return answer.status, msgspec.json.decode(await answer.read())


async def fetch(person: Person, address: str, **headers: str) -> tuple[int, bytes, Any]:
    async with person.http.get(person.origin + address, headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


async def lesson_of_two(school: School) -> tuple[wire.LessonInfo, Person, Person]:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student = school.person()
    await student.enter(lesson.student_link, "Маша")
    return lesson, teacher, student


def left(school: School) -> list[Path]:
    """Whatever lies where files come in."""
    incoming = school.signalling._settings.paths.incoming
    return list(incoming.iterdir()) if incoming.is_dir() else []


async def test_a_file_comes_to_all_and_is_fetched_by_a_signed_address(school: School, clock: Clock) -> None:
    lesson, teacher, student = await lesson_of_two(school)
    status, reply = await bring(teacher, lesson.lesson, brought.picture(), r"C:\Мои уроки\..\Схема/цепи.png")
    assert status == 200, reply
    path = f"material/{reply['material']}"
    await until(lambda: path in student.fields, "the material at the student")
    field = msgspec.convert(student.fields[path], wire.MaterialField)
    assert (field.name, field.kind, field.group, field.media_type) == (
        "цепи.png", "file", "image", "image/png",
    )  # fmt: skip
    assert field.by == teacher.me
    assert left(school) == []

    status, address = await student.get(f"/api/materials/{reply['material']}")
    assert status == 200
    anybody = school.person()
    status, body, headers = await fetch(anybody, address["view"])
    assert (status, len(body)) == (200, field.bytes)
    assert headers["Content-Type"] == "image/png"
    assert headers["Content-Disposition"].startswith("inline")
    assert "sandbox" in headers["Content-Security-Policy"]
    status, body, headers = await fetch(anybody, address["download"], Range="bytes=0-7")
    assert (status, body) == (206, brought.PNG_HEAD)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"].startswith("attachment")
    assert quote("цепи.png") in headers["Content-Disposition"]

    assert (await anybody.get(f"/api/materials/{reply['material']}"))[0] == 404
    forged = address["view"].replace(reply["material"], "other")
    assert (await fetch(anybody, forged))[0] == 404
    clock.ahead_ms += 16 * 60_000
    assert (await fetch(anybody, address["view"]))[0] == 410


async def test_another_lessons_people_find_nothing(school: School) -> None:
    lesson, teacher, _ = await lesson_of_two(school)
    _, reply = await bring(teacher, lesson.lesson, brought.PDF, "тест.pdf")
    other = await school.teacher("second")
    hers = await school.lesson(other)
    await other.enter(hers.teacher_link)
    assert (await other.get(f"/api/materials/{reply['material']}"))[0] == 404
    assert (await bring(other, lesson.lesson, brought.PDF))[0] == 404
    assert (await bring(other, "nothing", brought.PDF))[0] == 404
    removal = f"{other.origin}/api/lessons/{hers.lesson}/materials/{reply['material']}"
    async with other.http.delete(removal, headers={"Origin": other.origin}) as answer:
        assert answer.status == 404
    status, address = await teacher.get(f"/api/materials/{reply['material']}")
    assert (status, address["view"]) == (200, None)
    assert (await fetch(teacher, address["download"]))[1] == brought.PDF


async def test_students_bring_files_when_they_may_and_take_back_their_own(school: School) -> None:
    lesson, teacher, student = await lesson_of_two(school)
    assert await bring(student, lesson.lesson, brought.picture()) == (
        403, {"code": "not_allowed", "retry_after_s": None, "place": None, "wait_s": None},
    )  # fmt: skip
    await teacher.done(wire.SetSharing, students=True)
    status, mine = await bring(student, lesson.lesson, brought.picture(), "решение.jpg")
    assert status == 200
    _, theirs = await bring(teacher, lesson.lesson, brought.PDF)
    await until(lambda: f"material/{theirs['material']}" in student.fields, "both materials")
    assert student.fields[f"material/{mine['material']}"]["name"] == "решение.jpg.png"

    async def remove(material: str) -> int:
        address = f"{student.origin}/api/lessons/{lesson.lesson}/materials/{material}"
        async with student.http.delete(address, headers={"Origin": student.origin}) as answer:
            return answer.status

    assert await remove(theirs["material"]) == 403
    assert await remove(mine["material"]) == 204
    await until(lambda: f"material/{mine['material']}" not in teacher.fields, "the material to go")
    assert (await teacher.get(f"/api/materials/{mine['material']}"))[0] == 404
    kept = school.signalling._settings.paths.materials / lesson.lesson
    assert [file.name for file in kept.iterdir()] == [theirs["material"]]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "file_empty"),
        (b"<svg><script>alert(1)</script></svg>", 415, "file_type_refused"),
        (b"MZ" + bytes(100), 415, "file_type_refused"),
        (brought.DOCX[:-30], 422, "file_broken"),
        (brought.huge_png(), 422, "picture_too_large"),
    ],
)
async def test_bad_files_leave_nothing(school: School, content: bytes, status: int, code: str) -> None:
    lesson, teacher, _ = await lesson_of_two(school)
    got, reply = await bring(teacher, lesson.lesson, content)
    assert (got, reply["code"]) == (status, code)
    assert left(school) == []
    assert not any(path.startswith("material/") for path in teacher.fields)


async def test_too_much_is_refused_while_it_comes(start: Start, worker: FakeWorker) -> None:
    school = School(await start(materials__file_mb=1, materials__lesson_mb=2))
    try:
        lesson, teacher, _ = await lesson_of_two(school)
        mebibyte = bytes(1 << 20)

        async def endless() -> Any:
            for _ in range(3):
                yield mebibyte

        status, reply = await bring(teacher, lesson.lesson, endless())
        assert (status, reply["code"]) == (413, "file_too_big")
        text = ("слово " * 90_000).encode()
        assert [(await bring(teacher, lesson.lesson, text, "a.txt"))[0] for _ in range(2)] == [200, 200]
        status, reply = await bring(teacher, lesson.lesson, text, "b.txt")
        assert (status, reply["code"]) == (409, "lesson_files_full")
        assert left(school) == []
    finally:
        await school.close()


async def test_a_full_disk_is_said(start: Start, worker: FakeWorker) -> None:
    school = School(await start(recorder__reserve_mb=1 << 40))
    try:
        lesson, teacher, _ = await lesson_of_two(school)
        status, reply = await bring(teacher, lesson.lesson, brought.PDF)
        assert (status, reply["code"]) == (507, "no_room")
    finally:
        await school.close()


async def test_two_at_once_a_third_waits_and_an_aborted_one_leaves_nothing(school: School) -> None:
    lesson, teacher, _ = await lesson_of_two(school)
    go_on = asyncio.Event()

    async def slow() -> Any:
        yield brought.PDF
        await go_on.wait()

    running = [asyncio.create_task(bring(teacher, lesson.lesson, slow(), f"{n}.pdf")) for n in range(2)]
    await until(lambda: len(left(school)) == 2, "two files that come")
    status, reply = await bring(teacher, lesson.lesson, brought.PDF)
    assert (status, reply["code"]) == (429, "rate_limited")
    running[0].cancel()
    await asyncio.gather(running[0], return_exceptions=True)
    await until(lambda: len(left(school)) == 1, "the aborted one to go")
    go_on.set()
    assert (await running[1])[0] == 200
    assert sum(path.startswith("material/") for path in teacher.fields) == 1


async def test_what_a_kill_left_goes_with_the_next_file(school: School) -> None:
    lesson, teacher, _ = await lesson_of_two(school)
    incoming = school.signalling._settings.paths.incoming
    incoming.mkdir()
    old, young = incoming / "old", incoming / "young"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    os.utime(old, (1, 1))
    assert (await bring(teacher, lesson.lesson, brought.PDF))[0] == 200
    assert left(school) == [young]


async def test_a_page_of_another_site_brings_nothing(school: School) -> None:
    lesson, teacher, _ = await lesson_of_two(school)
    status, reply = await bring(teacher, lesson.lesson, brought.PDF, Origin="https://evil.example")
    assert (status, reply["code"]) == (403, "origin_refused")
    form = aiohttp.FormData({"file": "x"})
    address = f"{teacher.origin}/api/lessons/{lesson.lesson}/materials"
    async with teacher.http.post(address, data=form, headers={"Origin": teacher.origin}) as answer:
        assert answer.status == 400
    assert (await bring(school.person(), lesson.lesson, brought.PDF))[0] == 404


async def test_who_was_removed_or_is_gone_brings_and_sees_nothing(school: School) -> None:
    lesson, teacher, student = await lesson_of_two(school)
    _, reply = await bring(teacher, lesson.lesson, brought.PDF)
    await teacher.done(wire.SetSharing, students=True)
    await teacher.done(wire.Remove, participant=student.me)
    assert (await bring(student, lesson.lesson, brought.PDF))[0] == 404
    assert (await student.get(f"/api/materials/{reply['material']}"))[0] == 404
    away = school.person()
    await away.enter(lesson.student_link, "Петя")
    await away.leave()
    assert (await bring(away, lesson.lesson, brought.PDF))[0] == 403
    assert (await away.get(f"/api/materials/{reply['material']}"))[0] == 200

    async def is_over() -> bool:
        _, reply = await bring(teacher, lesson.lesson, brought.PDF)
        return bool(reply.get("code") == "lesson_ended")

    await teacher.send(wire.End(1000))
    await until_answer(is_over, "no more files in a lesson that is over")


async def test_beside_the_video_stands_what_leaders_gave(school: School) -> None:
    lesson, teacher, student = await lesson_of_two(school)
    await teacher.done(wire.SetSharing, students=True)
    await bring(student, lesson.lesson, brought.PDF, "Маша.pdf")
    _, film = await bring(teacher, lesson.lesson, brought.MP4, "Опыт.mp4")
    await teacher.done(wire.AddLink, url="https://example.org")
    await recorded(school, lesson, "v1")
    library = school.person()
    assert (await library.get("/api/library/v1/materials"))[0] == 401
    key = issue_library_key(school.signalling.keys.cookies, school.signalling._now_ms() // 1000)
    await library.post("/api/library/sign-in", {"key": key})
    code = lesson.student_link.rpartition("/")[2]
    for path in ("/api/library/v1/materials", f"/api/links/{code}/video/materials"):
        status, body = await library.get(path)
        assert status == 200, body
        assert [each["name"] for each in body["materials"]] == ["Опыт.mp4", "example.org"]
        assert (await fetch(library, body["materials"][0]["url"]))[1] == brought.MP4
    assert (await library.get(f"/api/materials/{film['material']}"))[0] == 200
