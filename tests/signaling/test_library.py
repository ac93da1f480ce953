"""The library: who sees which video lessons, in what order, and how a teacher deletes one for ever."""

from __future__ import annotations

import logging
from pathlib import Path
from string import ascii_letters, digits
from typing import Any

import msgspec
import pytest

from signaling import wire
from signaling.catalog.recordings import Published
from signaling.catalog.store import Outcome
from signaling.library import LATE_MS, UNDONE_MS
from signaling.limits import Buckets, Rate
from signaling.tickets import LIBRARY_LIFETIME_S
from tests.signaling.library_parts import RECORDED_AT_MS, ask, delete, new_key, page_of, reader, recorded
from tests.signaling.parts import Clock, Person, School

pytestmark = pytest.mark.asyncio


def code_of(link: str) -> str:
    return link.rpartition("/")[2]


async def listed(person: Person, query: str = "") -> wire.VideoList:
    status, body = await person.get(f"/api/library{query}")
    assert status == 200, body
    return msgspec.convert(body, wire.VideoList)


def left(school: School, video: str) -> list[Path]:
    """Whatever of a video still lies somewhere, but for the note that it is deleted."""
    var = school.signalling._settings.paths.var_path
    return [path for path in var.rglob(f"*{video}*") if path.parent.name != ".deleted"]


# --- who may ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asker", "expected"),
    [
        ("nobody", {
            "list": "not_signed_in", "ready": "not_signed_in", "made": "not_signed_in",
            "broken": "not_signed_in", "none": "not_signed_in", "delete": "not_signed_in",
        }),
        ("reader", {
            "list": ["ready"], "ready": "ready", "made": "not_found", "broken": "not_found",
            "none": "not_found", "delete": "not_signed_in",
        }),
        ("forger", {
            "list": "not_signed_in", "ready": "not_signed_in", "made": "not_signed_in",
            "broken": "not_signed_in", "none": "not_signed_in", "delete": "not_signed_in",
        }),
        ("other", {
            "list": ["ready"], "ready": "ready", "made": "not_found", "broken": "not_found",
            "none": "not_found", "delete": "not_found",
        }),
        ("own", {
            "list": ["broken", "made", "ready"], "ready": "ready own", "made": "processing own",
            "broken": "failed own", "none": "not_found", "delete": "",
        }),
    ],
)  # fmt: skip
async def test_who_may_what(school: School, asker: str, expected: dict[str, Any]) -> None:
    teacher = await school.teacher()
    links: dict[str, str] = {}
    for name, state in (("ready", "ready"), ("made", "processing"), ("broken", "failed")):
        lesson = await school.lesson(teacher, title=name)
        await recorded(school, lesson, f"video_{name}", state, RECORDED_AT_MS + len(links))  # type: ignore[arg-type]
        links[name] = lesson.student_link
    bare = await school.lesson(teacher)
    person = school.person()
    if asker == "reader":
        person = await reader(school)
    elif asker == "other":
        person = await school.teacher("somebody_else")
    elif asker == "own":
        person = teacher
    elif asker == "forger":
        good = next(c for c in (await reader(school)).http.cookie_jar if c.key == "zvonok_library")
        person.http.cookie_jar.update_cookies({"zvonok_library": good.value, "zvonok_teacher": good.value})
        person.http.cookie_jar.update_cookies({"zvonok_library": good.value[:-2] + "xx"})

    def said(status: int, body: Any) -> Any:
        if status != 200:
            return body["code"]
        if "videos" in body:
            return [video["title"] for video in body["videos"]]
        has_addresses = {bool(body[f"{kind}_url"]) for kind in ("video", "timeline", "download")}
        assert has_addresses == {body["video"]["state"] == "ready"}
        return body["video"]["state"] + (" own" if body["video"]["own"] else "")

    found = {"list": said(*await person.get("/api/library"))}
    for name in ("ready", "made", "broken", "none"):
        found[name] = said(*await person.get(f"/api/library/video_{name}"))
    found["delete"] = (await delete(person, "video_ready", ""))[1]
    assert found.pop("delete") == "origin_refused"
    found["delete"] = (await delete(person, "video_ready"))[1]
    assert found == expected
    # A lesson's own link shows its video to whoever holds it, whatever its state.
    own = " own" if asker == "own" else ""
    by_link = {
        name: said(*await person.get(f"/api/links/{code_of(link)}/video")) for name, link in links.items()
    }
    assert by_link == {
        "ready": "not_found" if asker == "own" else "ready",
        "made": "processing" + own,
        "broken": "failed" + own,
    }
    assert said(*await person.get(f"/api/links/{code_of(bare.student_link)}/video")) == "not_found"


async def test_each_link_of_a_lesson_leads_to_its_video(school: School) -> None:
    lesson = await school.lesson(await school.teacher())
    await recorded(school, lesson, "v")
    pages = [
        await school.person().get(f"/api/links/{code_of(link)}/video")
        for link in (lesson.student_link, lesson.co_teacher_link, lesson.teacher_link)
    ]
    assert [(status, body["video"]["video"], body["video"]["own"]) for status, body in pages] == [
        (200, "v", False)
    ] * 3


async def test_guessing_links_of_videos_is_rate_limited(school: School) -> None:
    answers = [await ask(school, f"/api/links/{number:013d}/video") for number in range(30)]
    assert (answers[0].status, answers[0].code) == (404, "link_unknown")
    assert (answers[-1].status, answers[-1].code) == (429, "rate_limited")


# --- signing in -----------------------------------------------------------------------------------------


async def test_the_librarys_link_opens_it_for_a_whole_class(school: School, clock: Clock) -> None:
    await recorded(school, await school.lesson(await school.teacher(), title="Optics"), "v")
    key = new_key(school)
    for _ in range(30):  # behind one address
        person = school.person()
        status, body = await person.post("/api/library/sign-in", {"key": key})
        assert (status, [video["title"] for video in body["videos"]]) == (200, ["Optics"])
    cookie = next(c for c in person.http.cookie_jar if c.key == "zvonok_library")
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert cookie["max-age"] == str(LIBRARY_LIFETIME_S)
    clock.ahead_ms += (LIBRARY_LIFETIME_S - 60) * 1000
    assert (await person.get("/api/library"))[0] == 200
    clock.ahead_ms += 120_000
    assert (await person.get("/api/library"))[1]["code"] == "not_signed_in"


async def test_keys_that_open_nothing(school: School, clock: Clock) -> None:
    person = school.person()
    old, good = new_key(school, 60), new_key(school)
    clock.ahead_ms += 60_000
    for key in (old, "", "x", good[:-2] + "xx", "é" * 300):
        status, body = await person.post("/api/library/sign-in", {"key": key})
        assert (status, body["code"]) == (403, "library_key_bad"), key
    assert (await person.post("/api/library/sign-in", {"key": 1}))[1]["code"] == "bad_request"
    elsewhere = await person.post("/api/library/sign-in", {"key": good}, Origin="https://evil.example")
    assert elsewhere[1]["code"] == "origin_refused"
    assert "zvonok_library" not in {c.key for c in person.http.cookie_jar}


async def test_guessing_keys_is_rate_limited_and_good_ones_are_not(school: School) -> None:
    person = school.person()
    answers = [await person.post("/api/library/sign-in", {"key": f"x{number}"}) for number in range(15)]
    assert [status for status, _ in answers] == [403] * 10 + [429] * 5
    assert (await person.post("/api/library/sign-in", {"key": new_key(school)}))[0] == 200


# --- the list ---------------------------------------------------------------------------------------------


async def test_filters(school: School) -> None:
    anna, boris = await school.teacher(), await school.teacher("boris")
    for number, (teacher, title, subject, grade, name) in enumerate(
        [
            (anna, "Свет и тень", "Физика", 8, "Анна Петровна"),
            (anna, "Тёплый свет", "Физика", 9, "Анна Петровна"),
            (boris, "100% дроби", "Алгебра", 8, "Борис"),
        ]
    ):
        lesson = await school.lesson(teacher, title=title, subject=subject, grade=grade, teacher_name=name)
        await recorded(school, lesson, f"v{number}", at_ms=RECORDED_AT_MS + number)
    person = await reader(school)

    async def found(**query: str) -> list[str]:
        async with person.http.get(f"{school.origin}/api/library", params=query) as answer:
            assert answer.status == 200
            return [v.video for v in msgspec.json.decode(await answer.read(), type=wire.VideoList).videos]

    assert await found() == ["v2", "v1", "v0"]
    assert await found(subject="Физика") == ["v1", "v0"]
    assert await found(grade="8") == ["v2", "v0"]
    assert await found(teacher="Борис") == ["v2"]
    assert await found(text="СВЕТ") == ["v1", "v0"]
    assert await found(text="теплый") == ["v1"]
    assert await found(text="%") == ["v2"]
    assert await found(text="_") == []
    assert await found(subject="Физика", grade="9", teacher="Анна Петровна", text="свет") == ["v1"]
    assert await found(subject="Химия") == await found(grade="999") == await found(teacher="' OR 1=1") == []
    assert await found(subject="", grade="", text="", after="", utm_source="mail") == ["v2", "v1", "v0"]
    whole = await listed(person, "?subject=none")
    assert (whole.subjects, whole.grades, whole.teachers) == (
        ("Алгебра", "Физика"),
        (8, 9),
        ("Анна Петровна", "Борис"),
    )


@pytest.mark.parametrize(
    "query", ["grade=x", "grade=-1", "grade=1000", "grade=٣", "text=%00", f"subject={'x' * 401}", "after=x"]
)
async def test_filters_that_mean_nothing_are_refused(school: School, query: str) -> None:
    status, body = await (await reader(school)).get(f"/api/library?{query}")
    assert (status, body["code"]) == (400, "bad_request")


async def test_pages_of_fifty_and_a_cursor_that_cannot_be_made_up(school: School) -> None:
    teacher = await school.teacher()
    school.signalling.door.limits.lessons = Buckets(Rate(burst=1000, per_s=1))
    for number in range(101):
        lesson = await school.lesson(teacher, title=f"{number}")
        await recorded(school, lesson, f"v{number:03d}", at_ms=RECORDED_AT_MS + number // 10)
    person = await reader(school)
    first = await listed(person)
    assert first.next is not None
    second = await listed(person, f"?after={first.next}")
    last = await listed(person, f"?after={second.next}")
    assert [len(page.videos) for page in (first, second, last)] == [50, 50, 1]
    assert last.next is None
    titles = [video.video for page in (first, second, last) for video in page.videos]
    assert titles == sorted((f"v{number:03d}" for number in range(101)), reverse=True)
    last_index = len(first.next) - 1
    for index in range(len(first.next)):
        for other in ascii_letters + digits if index == last_index else "Aq_9-":
            if other != first.next[index]:
                made_up = first.next[:index] + other + first.next[index + 1 :]
                status, body = await person.get(f"/api/library?after={made_up}")
                assert (status, body["code"]) == (400, "bad_request"), made_up


async def test_links_and_lessons_tell_of_their_video(school: School) -> None:
    teacher = await school.teacher()
    bare = await school.lesson(teacher, title="Bare")
    lesson = await school.lesson(teacher, title="Recorded")
    await recorded(school, lesson, "v", "processing")
    path = f"/api/links/{code_of(lesson.student_link)}"
    assert (await school.person().get(path))[1]["video_state"] == "processing"
    _, info = await teacher.get("/api/teacher")
    assert {each["title"]: (each["video"], each["video_state"]) for each in info["lessons"]} == {
        "Recorded": ("v", "processing"),
        "Bare": (None, None),
    }
    await school.signalling.catalog.recordings.published("v", Published(1, 1, 1, 1), 1)
    assert (await school.person().get(path))[1]["video_state"] == "ready"
    other = f"/api/links/{code_of(bare.student_link)}"
    assert (await school.person().get(other))[1]["video_state"] is None


async def test_who_comes_between_the_end_and_the_first_word_of_the_video_waits_for_it(school: School) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    path = f"/api/links/{code_of(lesson.student_link)}"
    catalog = school.signalling.catalog
    await catalog.recordings.begin("v", lesson.lesson, 1, RECORDED_AT_MS)
    await catalog.put_outcomes([Outcome(lesson.lesson, "ended", RECORDED_AT_MS + 60_000)])
    assert (await school.person().get(path))[1]["video_state"] == "processing"
    await catalog.recordings.end_part("v", 1, RECORDED_AT_MS + 60_000, "ended")
    await catalog.recordings.empty("v")
    assert (await school.person().get(path))[1]["video_state"] is None


# --- deleting ----------------------------------------------------------------------------------------------


async def test_deletion_leaves_no_file_and_no_row(
    school: School, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    teacher = await school.teacher("anna")
    lesson = await school.lesson(teacher, title="Секрет", teacher_name="Анна Петровна")
    await recorded(school, lesson, "vid1")
    other = await school.lesson(teacher)
    await recorded(school, other, "vid10")
    addresses = await page_of(teacher, "vid1")
    recordings = school.signalling.catalog.recordings
    with caplog.at_level(logging.INFO):
        assert await delete(teacher, "vid1") == (204, "")
    assert left(school, "vid1") == left(school, "vid10")
    assert (await page_of(teacher, "vid10")).video.video == "vid10"
    assert await recordings.video("vid1") is None
    assert not await recordings.exists("vid1")
    assert await recordings.parts("vid1") == ()
    for address in (addresses.video_url, addresses.timeline_url, addresses.download_url):
        assert address is not None
        assert (await ask(school, address)).code == "not_found"
    assert [video.video for video in (await listed(teacher)).videos] == ["vid10"]
    assert (await teacher.get(f"/api/links/{code_of(lesson.student_link)}/video"))[1]["code"] == "not_found"
    assert await delete(teacher, "vid1") == (404, "not_found")
    record = next(record for record in caplog.records if record.getMessage() == "video deleted")
    said = {key: getattr(record, key) for key in ("video", "by")}
    assert said == {"video": "vid1", "by": "anna"}
    assert not any("Секрет" in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("state", ["processing", "failed"])
async def test_a_video_that_is_not_made_yet_can_be_deleted(school: School, clock: Clock, state: str) -> None:
    teacher = await school.teacher()
    await recorded(school, await school.lesson(teacher), "vid", state)  # type: ignore[arg-type]
    assert await delete(teacher, "vid") == (204, "")
    assert left(school, "vid") == []
    # The recorder is told that its result is not wanted; one that died before it heard it leaves a folder.
    assert not await school.signalling.catalog.recordings.published("vid", Published(1, 1, 1, 1), 1)
    late = school.signalling._settings.paths.library / "vid"
    late.mkdir()
    (late / "video.webm").write_bytes(b"late")
    clock.ahead_ms += LATE_MS // 2
    await school.signalling.library.sweep()
    assert left(school, "vid") == []
    clock.ahead_ms += LATE_MS
    await school.signalling.library.sweep()
    assert list((late.parent / ".deleted").iterdir()) == []


async def test_a_deletion_that_a_kill_cut_off_is_carried_out(school: School) -> None:
    await recorded(school, await school.lesson(await school.teacher()), "vid")
    library, recordings = school.signalling.library, school.signalling.catalog.recordings
    await library._files.note_deletion("vid", school.signalling._now_ms())
    assert await recordings.delete("vid", "teacher1", 900)
    assert left(school, "vid")
    await library.sweep()
    assert left(school, "vid") == []


async def test_a_deletion_that_never_began_harms_nothing(school: School, clock: Clock) -> None:
    teacher = await school.teacher()
    await recorded(school, await school.lesson(teacher), "vid")
    library = school.signalling.library
    await library._files.note_deletion("vid", school.signalling._now_ms())
    await library.sweep()
    assert [video for video, _ in await library._files.deletions()] == ["vid"]
    clock.ahead_ms += UNDONE_MS + 1
    await library.sweep()
    assert await library._files.deletions() == []
    address = (await page_of(teacher, "vid")).video_url
    assert address is not None
    assert (await ask(school, address)).status == 200


async def test_a_folder_that_cannot_be_removed_is_removed_later(school: School, caplog: Any) -> None:
    teacher = await school.teacher()
    await recorded(school, await school.lesson(teacher), "vid")
    folder = school.signalling._settings.paths.library / "vid"
    away = folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(away)  # what rmtree refuses, whoever asks
    assert await delete(teacher, "vid") == (204, "")
    assert any("stays until swept" in record.getMessage() for record in caplog.records)
    folder.unlink()
    away.rename(folder)
    await school.signalling.library.sweep()
    assert left(school, "vid") == []


async def test_notes_that_are_none_are_passed_over(school: School) -> None:
    notes = school.signalling._settings.paths.library / ".deleted"
    notes.mkdir(parents=True)
    (notes / "torn").write_bytes(b"")
    (notes / "odd").write_bytes("٣é".encode())
    (notes / "not an id").write_bytes(b"1")
    await school.signalling.library.sweep()
    assert [path.name for path in notes.iterdir()] == ["not an id"]
