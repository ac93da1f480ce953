"""The public listener: routes, cookies, headers, refusals, limits."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from yarl import URL

from loadtest.door import Door
from signaling import wire
from signaling.tickets import issue_one_time_key
from tests.signaling.conftest import Start
from tests.signaling.parts import Clock, Person, School, settings, until_answer

pytestmark = pytest.mark.asyncio


def error(code: str) -> dict[str, Any]:
    """The body of a refusal that says nothing else."""
    return {"code": code, "retry_after_s": None, "place": None, "wait_s": None}


def code_of(link: str) -> str:
    return link.rpartition("/")[2]


async def test_a_one_time_key_signs_in_once(school: School) -> None:
    person = school.person()
    key = issue_one_time_key(school.signalling.keys.cookies, "main", school.signalling._now_ms() // 1000)
    status, body = await person.post("/api/teacher/sign-in", {"key": key})
    assert (status, body) == (200, {"name": "", "lessons": []})
    cookie = next(c for c in person.http.cookie_jar if c.key == "zvonok_teacher")
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Strict", "86400")
    other = school.person()
    assert await other.post("/api/teacher/sign-in", {"key": key}) == (
        403,
        error("sign_in_key_used"),
    )
    assert (await other.post("/api/teacher/sign-in", {"key": key[:-1]}))[1]["code"] == "sign_in_key_bad"
    assert (await other.get("/api/teacher"))[0] == 401


async def test_lessons_of_a_teacher_newest_first_with_links_of_the_origin(school: School) -> None:
    teacher = await school.teacher()
    first = await school.lesson(teacher, title="First")
    second = await school.lesson(teacher, title="Second", teacher_name="")
    _, info = await teacher.get("/api/teacher")
    assert [lesson["title"] for lesson in info["lessons"]] == ["Second", "First"]
    assert info["name"] == "Анна Петровна"
    assert second.student_link.startswith(school.signalling.door.origin + "/l/")
    assert len({first.student_link, first.teacher_link, first.co_teacher_link, second.student_link}) == 4


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"title": " ", "subject": "x", "grade": 7, "teacher_name": "A"}, 422, "text_empty"),
        ({"title": "x", "subject": "x", "grade": 7, "teacher_name": "\u202eA"}, 422, "name_bad_characters"),
        ({"title": "x", "subject": "x", "grade": 7}, 422, "name_empty"),
        ({"title": "x", "subject": "x", "grade": 12, "teacher_name": "A"}, 400, "bad_request"),
        ({"title": "x"}, 400, "bad_request"),
        ([], 400, "bad_request"),
        ({"title": "x" * 401, "subject": "x", "grade": 7, "teacher_name": "A"}, 400, "bad_request"),
    ],
)
async def test_lessons_that_cannot_be_made(school: School, body: Any, status: int, code: str) -> None:
    teacher = await school.teacher()
    assert await teacher.post("/api/lessons", body) == (status, error(code))


async def test_nobody_makes_lessons_without_the_cookie(school: School) -> None:
    status, body = await school.person().post("/api/lessons", {"title": "x", "subject": "x", "grade": 7})
    assert (status, body["code"]) == (401, "not_signed_in")


async def test_wrong_and_unknown_codes_answer_alike(school: School) -> None:
    person = school.person()
    answers = [
        await person.post("/api/join", {"code": code, "name": "A"}) for code in ("x", "0" * 13, "Ж" * 13)
    ]
    answers += [await person.get(f"/api/links/{code}") for code in ("x", "0" * 13)]
    assert answers == [(404, error("link_unknown"))] * 5


async def test_guessing_codes_is_rate_limited(school: School) -> None:
    person = school.person()
    answers = [await person.get(f"/api/links/{number:013d}") for number in range(30)]
    assert answers[0][0] == 404
    status, body = answers[-1]
    assert (status, body["code"]) == (429, "rate_limited")
    assert body["retry_after_s"] >= 1


async def test_what_a_link_tells(school: School) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    student = school.person()
    _, info = await student.get(f"/api/links/{code_of(lesson.student_link)}")
    assert info == {
        "title": "Optics", "subject": "Physics", "grade": 8, "state": "waiting", "role": "student",
        "name": None, "video_state": None, "opens_at_ms": None,
    }  # fmt: skip
    await student.enter(lesson.student_link, "Маша")
    assert (await student.get(f"/api/links/{code_of(lesson.student_link)}"))[1]["name"] == "Маша"
    assert (await school.person().get(f"/api/links/{code_of(lesson.student_link)}"))[1]["name"] is None
    assert (await teacher.get(f"/api/links/{code_of(lesson.teacher_link)}"))[1]["name"] == "Анна Петровна"
    _, other = await student.get(f"/api/links/{code_of(lesson.teacher_link)}")
    assert (other["role"], other["name"]) == ("teacher", None)
    await teacher.enter(lesson.teacher_link)
    assert (await student.get(f"/api/links/{code_of(lesson.student_link)}"))[1]["state"] == "live"


async def test_the_teachers_link_is_for_its_teacher_only(school: School) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    assert await school.person().join(lesson.teacher_link) == "not_your_lesson"
    assert await (await school.teacher("somebody_else")).join(lesson.teacher_link) == "not_your_lesson"
    assert await teacher.join(lesson.teacher_link, "Ignored") == ""
    assert teacher.join_reply is not None
    assert (teacher.join_reply.name, teacher.join_reply.tiles) == ("Анна Петровна", 24)


async def test_only_leaders_get_links_to_give_away(school: School) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    given = {}
    for role, link in (
        ("teacher", lesson.teacher_link),
        ("co", lesson.co_teacher_link),
        ("s", lesson.student_link),
    ):
        person = teacher if role == "teacher" else school.person()
        assert await person.join(link, f"Name {role}") == ""
        assert person.join_reply is not None
        given[role] = (person.join_reply.student_link, person.join_reply.co_teacher_link)
    assert given == {
        "teacher": (lesson.student_link, lesson.co_teacher_link),
        "co": (lesson.student_link, None),
        "s": (None, None),
    }


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "name_empty"),
        ("x" * 61, "name_too_long"),
        ("a\u202eb", "name_bad_characters"),
        ("анна  петровна", "name_taken_teacher"),
        ("Маша", ""),
    ],
)
async def test_names_at_the_door(school: School, name: str, code: str) -> None:
    lesson = await school.lesson(await school.teacher())
    assert await school.person().join(lesson.student_link, name) == code


async def test_codes_are_read_as_people_write_them(school: School) -> None:
    lesson = await school.lesson(await school.teacher())
    code = code_of(lesson.student_link)
    spelled = f"{code[:4]}-{code[4:8]}-{code[8:]}".lower()
    status, body = await school.person().post("/api/join", {"code": spelled, "name": "Маша"})
    assert (status, body["role"], body["tiles"]) == (200, "student", 9)


async def test_the_device_cookie_makes_the_same_person(school: School) -> None:
    lesson = await school.lesson(await school.teacher())
    person = school.person()
    await person.join(lesson.student_link, "Маша")
    first = person.me
    await person.join(lesson.student_link, "Маша")
    assert person.me == first
    cookie = next(c for c in person.http.cookie_jar if c.key == "zvonok_device")
    assert cookie["httponly"]
    stranger = school.person()
    stranger.http.cookie_jar.update_cookies({"zvonok_device": cookie.value[:-1]})
    await stranger.join(lesson.student_link, "Маша")
    assert stranger.me != first


async def test_a_full_lesson_is_said_at_the_door(start: Start, worker: object) -> None:
    school = School(await start(lesson__max_people=1))
    lesson = await school.lesson(await school.teacher())
    await school.person().enter(lesson.student_link, "Маша")
    status, body = await school.person().post(
        "/api/join", {"code": code_of(lesson.student_link), "name": "Петя"}
    )
    assert (status, body["code"]) == (409, "lesson_full")
    await school.close()


async def test_more_students_than_can_be_let_in_get_a_place_and_come_in_by_turns(
    start: Start, worker: object, clock: Clock
) -> None:
    school = School(await start(lesson__joins_s=1))
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    clock.stop()
    first, second, third = (school.person() for _ in range(3))
    asked = {"code": code_of(lesson.student_link), "name": "Маша"}
    assert (await first.post("/api/join", asked))[0] == 200
    status, body = await second.post("/api/join", asked)
    assert (status, body["code"], body["place"], body["wait_s"]) == (429, "door_queue", 1, 1)
    assert 1 <= body["retry_after_s"] <= 2
    assert (await third.post("/api/join", asked))[1]["place"] == 2
    assert {cookie.key for cookie in third.http.cookie_jar} == {"zvonok_device", "zvonok_turn"}
    assert await teacher.join(lesson.teacher_link) == ""
    assert await school.person().join(lesson.co_teacher_link, "Борис") == ""
    for _ in range(30):  # a page that asks again is not taken for one that tries too often
        assert (await third.post("/api/join", asked))[1]["code"] == "door_queue"
    clock.ahead_ms += 1000
    assert (await second.post("/api/join", asked))[1]["place"] == 1
    clock.ahead_ms += 1000
    assert (await third.post("/api/join", asked))[1]["place"] == 1
    assert (await second.post("/api/join", asked))[0] == 200
    clock.ahead_ms += 1000
    assert (await third.post("/api/join", asked))[0] == 200
    await school.close()


async def test_the_load_tests_door_waits_its_turn(start: Start, worker: object) -> None:
    school = School(await start(lesson__joins_s=1))
    lesson = await school.lesson(await school.teacher())
    assert await school.person().join(lesson.co_teacher_link, "Борис") == ""
    async with Door(school.origin) as door:
        assert (await door.join(code_of(lesson.student_link), "Маша")).name == "Маша"
    await school.close()


async def test_another_teachers_attendance_is_not_found(school: School) -> None:
    lesson = await school.lesson(await school.teacher())
    other = await school.teacher("somebody_else")
    for path in (f"/api/lessons/{lesson.lesson}/attendance", f"/api/lessons/{lesson.lesson}/attendance.csv"):
        status, body = await other.get(path)
        assert (status, body["code"]) == (404, "not_found")


async def test_attendance_while_the_lesson_runs_and_as_csv(school: School) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student = school.person()
    await student.enter(lesson.student_link, "=cmd|' /C calc'!A0")
    _, body = await teacher.get(f"/api/lessons/{lesson.lesson}/attendance")
    found = msgspec.convert(body, wire.Attendance)
    assert [row.name for row in found.rows] == ["Анна Петровна", "=cmd|' /C calc'!A0"]
    assert all(row.last_out_ms is None and row.stays == 1 for row in found.rows)
    _, raw = await teacher.get(f"/api/lessons/{lesson.lesson}/attendance.csv")
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    assert rows[0] == ["name", "role", "first_in", "last_out", "present_min", "stays"]
    assert rows[2][0].startswith("'=")


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Origin": ""}])
async def test_posts_from_other_origins_are_refused(school: School, headers: dict[str, str]) -> None:
    status, body = await school.person().post("/api/join", {"code": "x"}, **headers)
    assert (status, body["code"]) == (403, "origin_refused")


async def test_posts_are_json_and_small(school: School) -> None:
    person = school.person()
    status, body = await person.post("/api/join", {"code": "x"}, **{"Content-Type": "text/plain"})
    assert (status, body["code"]) == (400, "bad_request")
    async with person.http.post(
        school.origin + "/api/join",
        data=b'{"code": "' + b"x" * 100_000,
        headers={"Origin": school.origin, "Content-Type": "application/json"},
    ) as answer:
        assert answer.status == 413
        assert json.loads(await answer.read())["code"] == "bad_request"


@pytest.mark.parametrize(
    "path",
    ["/", "/t", "/teacher", "/l/ABC", "/lesson/x/y", "/api/teacher", "/nothing", "/api/nothing", "/icon.svg",
     "/assets/app-123.js", "/trust", "/../../etc/passwd", "/assets/../../secret"],
)  # fmt: skip
async def test_every_answer_carries_the_security_headers(school: School, tmp_path: Path, path: str) -> None:
    async with aiohttp.ClientSession() as http, http.get(school.origin + path) as answer:
        headers = answer.headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "camera=(self)" in headers["Permissions-Policy"]
        assert "Server" not in headers


async def test_pages_and_their_caching(start: Start, tmp_path: Path) -> None:
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_text("<!doctype html>")
    (web / "icon.svg").write_text("<svg/>")
    (web / "assets" / "app-1.js").write_text("1")
    (tmp_path / "secret").write_text("s")
    school = School(await start())
    async with aiohttp.ClientSession() as http:
        found = {}
        for path in ("/", "/t", "/teacher", "/l/ABC", "/lesson/x", "/library", "/library/x", "/watch/ABC",
                     "/icon.svg", "/assets/app-1.js", "/secret",
                     "/assets/..%2f..%2fsecret", "/assets/none.js", "/.env", "/assets"):  # fmt: skip
            async with http.get(URL(school.origin + path, encoded=True)) as answer:
                found[path] = (answer.status, answer.headers.get("Cache-Control"))
    page = (200, "no-store")
    for path in ("/", "/t", "/teacher", "/l/ABC", "/lesson/x", "/library", "/library/x", "/watch/ABC"):
        assert found[path] == page, path
    assert found["/icon.svg"] == (200, "no-cache")
    async with aiohttp.ClientSession(headers={"Accept": "text/html,*/*"}) as http:
        for path, kind in (
            ("/no/page", "text/html"),
            ("/lesson", "text/html"),
            ("/api/none", "application/json"),
        ):
            async with http.get(school.origin + path) as answer:
                assert (answer.status, answer.content_type) == (404, kind), path
    assert found["/assets/app-1.js"] == (200, "public, max-age=31536000, immutable")
    for path in ("/secret", "/assets/..%2f..%2fsecret", "/assets/none.js", "/.env", "/assets"):
        assert found[path][0] in (403, 404), path
    await school.close()


async def test_unknown_routes_answer_with_a_code(school: School) -> None:
    async with aiohttp.ClientSession() as http:
        for method, path in (("GET", "/api/none"), ("DELETE", "/api/teacher"), ("GET", "/none")):
            async with http.request(method, school.origin + path) as answer:
                assert answer.status in (404, 405)
                assert json.loads(await answer.read())["code"] == "not_found"


async def test_behind_a_proxy_links_and_cookies_are_of_the_public_origin(start: Start) -> None:
    signalling = await start(
        server__public="https://lessons.example", server__tls="off", server__host="127.0.0.1"
    )
    school = School(signalling)
    person = Person("https://lessons.example")
    person.origin = school.origin
    key = issue_one_time_key(signalling.keys.cookies, "main", signalling._now_ms() // 1000)
    async with person.http.post(
        school.origin + "/api/teacher/sign-in",
        data=msgspec.json.encode({"key": key}),
        headers={"Origin": "https://lessons.example", "Content-Type": "application/json"},
    ) as answer:
        assert answer.status == 200
        assert answer.cookies["zvonok_teacher"]["secure"]
        assert "wss://lessons.example" in answer.headers["Content-Security-Policy"]
    await person.close()


async def test_the_trust_page_is_there_with_a_local_authority(
    start: Start, tmp_path: Path, valkey: str
) -> None:
    from datetime import UTC, datetime

    from config.tls import local_certificate

    keys = settings(tmp_path, valkey).paths.keys
    certificate, key = local_certificate(keys, ["127.0.0.1"], datetime.now(UTC))
    signalling = await start(
        server__public="127.0.0.1", server__host="127.0.0.1", server__certificate=str(certificate),
        server__certificate_key=str(key), server__tls="local",
    )  # fmt: skip
    import ssl

    context = ssl.create_default_context(cafile=str(keys / "ca.pem"))
    async with aiohttp.ClientSession() as http:
        origin = f"https://127.0.0.1:{signalling.port}"
        async with http.get(origin + "/trust", ssl=context) as answer:
            page = await answer.text()
            assert answer.status == 200
            assert "Как довериться" in page
            assert "How to trust" in page
            assert "Strict-Transport-Security" in answer.headers
        async with http.get(origin + "/trust/ca.crt", ssl=context) as answer:
            assert await answer.read() == (keys / "ca.pem").read_bytes()


async def test_the_admin_listener_is_another_one(school: School) -> None:
    admin = f"http://127.0.0.1:{school.signalling.admin_port}"
    async with aiohttp.ClientSession() as http:
        async with http.get(admin + "/healthz") as answer:
            assert (answer.status, (await answer.json())["ok"]) == (200, True)
        async with http.get(admin + "/metrics") as answer:
            assert b"zvonok_clients" in await answer.read()
        async with http.get(admin + "/status") as answer:
            assert (await answer.json())["lessons"] == 0

        async def planes() -> bool:
            async with http.get(admin + "/status") as answer:
                told = (await answer.json())["planes"]
            async with http.get(admin + "/metrics") as answer:
                counted = b'zvonok_workers_registered{plane="fake"} 1.0' in await answer.read()
            return told == {"w0": "fake"} and counted

        await until_answer(planes, "the worker's plane in status and metrics")
        async with http.get(admin + "/status", headers={"Accept": "text/html"}) as answer:
            assert answer.content_type == "text/html"
        for path in ("/metrics", "/healthz", "/status"):
            async with http.get(school.origin + path) as answer:
                assert answer.status == 404
