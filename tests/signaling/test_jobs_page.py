"""Jobs on the admin listener: the page in two languages, and trying again by its form or by JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from signaling.catalog.jobs import STEPS, Job
from signaling.files.api import Files
from signaling.files.folder import FolderFiles
from signaling.jobs_page import _WORDS, HEADERS, jobs_page
from signaling.status_page import Language
from tests.s3 import S3Server, give_keys
from tests.signaling.conftest import Start
from tests.signaling.library_parts import ask, page_of, recorded
from tests.signaling.parts import FakeWorker, School
from tests.signaling.test_status_page import Text

CODES = ("no_video", "damaged", "too_large", "no_room", "store_away", "too_slow", "died", "lost", "internal")


def job(**changed: object) -> Job:
    told = {
        "recording": "r1", "step": "composite", "state": "waiting", "tries": 0, "progress": 0, "error": None,
        "due_at_ms": 0, "queued_at_ms": 1, "started_at_ms": None, "ended_at_ms": None,
    }  # fmt: skip
    return Job(**(told | changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_page_says_what_runs_waits_and_failed(language: Language) -> None:
    words = _WORDS[language]
    assert set(words) == set(_WORDS["en"])
    assert {*CODES, *STEPS} < set(words)
    listed = [
        job(recording="<b>", state="running", progress=40, tries=1, started_at_ms=1),
        job(state="failed", error="damaged", tries=4, ended_at_ms=1),
        job(step="sound", error="no_room", tries=1, due_at_ms=10_000),
        job(step="chapters"),
        job(step="thumbnails", error="store_away", due_at_ms=10_000),
    ]
    page = jobs_page({"running": 1, "failed": 1, "waiting": 3, "done": 7}, listed, 5_000, language)
    shown = " ".join(Text(page).shown)
    assert words["title"] in shown
    assert "40 %" in shown
    assert words["damaged"] in shown
    assert words["no_room"] in shown
    assert "&lt;b&gt;" in page
    assert words["store_away"] in shown
    assert page.count("<form") == 3  # what failed, and what waits for its next try
    assert words["none"] in jobs_page({}, [], 0, language)
    assert "form-action 'self'" in HEADERS["Content-Security-Policy"]


@pytest.mark.asyncio
async def test_operators_see_jobs_and_try_them_again(school: School) -> None:
    teacher = await school.teacher()
    await recorded(school, await school.lesson(teacher), "vid")
    jobs = school.signalling.catalog.jobs
    now_ms = school.signalling._now_ms()
    claim = await jobs.claim("t", STEPS, now_ms + 10**9)
    assert claim is not None
    await jobs.failed(claim, "damaged", now_ms, again=False)
    origin = f"http://127.0.0.1:{school.signalling.admin_port}"
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{origin}/jobs") as answer:
            told = await answer.json()
        assert told["counts"] == {"failed": 1, "waiting": 3}
        assert (told["jobs"][0]["step"], told["jobs"][0]["error"]) == (claim.step, "damaged")
        async with http.get(f"{origin}/jobs", headers={"Accept": "text/html"}) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
            assert _WORDS["en"]["damaged"] in await answer.text()
        form = {"recording": "vid", "step": claim.step}
        for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            async with http.post(f"{origin}/jobs", data=form, headers=headers) as answer:
                assert answer.status == 403
        async with http.post(f"{origin}/jobs", data=b"{}", headers={"Content-Type": "text/plain"}) as answer:
            assert answer.status == 415
        for wrong in ({"recording": "vid"}, {"recording": "vid", "step": "x"}):
            async with http.post(f"{origin}/jobs", json=wrong) as answer:
                assert answer.status == 400
        found = await jobs.job("vid", claim.step)
        assert found is not None
        assert found.state == "failed"
        own = {"Origin": origin}
        async with http.post(f"{origin}/jobs", data=form, headers=own, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/jobs")
        found = await jobs.job("vid", claim.step)
        assert found is not None
        assert found.state == "waiting"
        async with http.post(f"{origin}/jobs", json={"recording": "no", "step": "sound"}) as answer:
            assert answer.status == 409


@pytest_asyncio.fixture(params=["folder", "store"])
async def library(
    request: pytest.FixtureRequest, start: Start, worker: FakeWorker, s3: S3Server, tmp_path: Path
) -> AsyncIterator[tuple[School, Files]]:
    """A school, and where the files of its video lessons are."""
    give_keys(tmp_path)
    in_store = request.param == "store"
    school = School(await start(**(s3.settings(tmp_path.name) if in_store else {})))
    folder = FolderFiles(school.signalling._settings.paths.library)
    yield school, s3.files(f"{tmp_path.name}/library") if in_store else folder
    await school.close()


@pytest.mark.asyncio
async def test_what_a_job_made_is_given_out_while_sql_says_it_is_done(library: tuple[School, Files]) -> None:
    school, files = library
    teacher = await school.teacher()
    await recorded(school, await school.lesson(teacher, title="Свет"), "vid")
    jobs, now_ms = school.signalling.catalog.jobs, school.signalling._now_ms() + 10**9
    folder = school.signalling._settings.paths.library / "vid"
    types = {
        "lesson.mp4": "video/mp4",
        "thumbnails.vtt": "text/vtt; charset=utf-8",
        "thumbnails.jpg": "image/jpeg",
        "chapters.ru.vtt": "text/vtt; charset=utf-8",
        "chapters.en.vtt": "text/vtt; charset=utf-8",
        "sound.json": "application/json",
    }
    for name in types:
        await files.put_bytes(f"vid/{name}", name.encode())
    for name in ("video.webm", "timeline.json"):
        await files.put(f"vid/{name}", folder / name)
    before = await page_of(teacher, "vid")
    assert before.mp4_url is before.thumbnails_url is before.sprite_url is before.sound_url is None
    assert {(each.step, each.state) for each in before.jobs} == {(step, "waiting") for step in STEPS}
    while (claim := await jobs.claim("t", STEPS, now_ms)) is not None:
        await jobs.done(claim, now_ms)
    page = await page_of(teacher, "vid")
    addresses = (
        page.mp4_url, page.thumbnails_url, page.sprite_url, page.chapters_ru_url, page.chapters_en_url,
        page.sound_url,
    )  # fmt: skip
    for address, (name, kind) in zip(addresses, types.items(), strict=True):
        assert address is not None
        answer = await ask(school, address)
        assert (answer.status, answer.body) == (200, name.encode())
        assert answer.headers["Content-Type"] == kind
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert ("Content-Disposition" in answer.headers) == (name == "lesson.mp4")
        forged = address.replace(name, "timeline.json")
        assert (await ask(school, forged)).status == 404
    assert page.mp4_url is not None
    assert '.mp4"; filename*=' in (await ask(school, page.mp4_url)).headers["Content-Disposition"]
    stranger = school.person()
    assert (await stranger.get("/api/library/vid"))[0] == 401
    # what is made again is not seen as it was, by nobody who has its address
    withdrawals = school.signalling.catalog.withdrawals
    assert await withdrawals.ask("vid", ("somebody",), "main", now_ms)
    assert await withdrawals.done("vid", ("somebody",), 1, now_ms)
    assert (await ask(school, page.video_url or "")).status == 200
    for address in filter(None, addresses):
        assert (await ask(school, address)).status == 404
