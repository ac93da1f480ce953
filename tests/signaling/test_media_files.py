"""The files of video lessons over HTTP: ranges, headers, expiry, names of downloads."""

from __future__ import annotations

import logging
from email.message import Message
from typing import Any
from urllib.parse import quote, unquote

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from yarl import URL

from signaling import wire
from signaling.headers import MEDIA_POLICY
from tests.signaling.library_parts import FILM, RECORDED_AT_MS, TIMELINE, ask, page_of, recorded
from tests.signaling.parts import Clock, School

pytestmark = pytest.mark.asyncio
SIZE = len(FILM)
BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest_asyncio.fixture
async def page(school: School) -> wire.VideoPage:
    teacher = await school.teacher()
    await recorded(school, await school.lesson(teacher, title="Свет и тень"), "vid")
    return await page_of(teacher, "vid")


def address(page: wire.VideoPage, file: str) -> str:
    found = {"video": page.video_url, "timeline": page.timeline_url, "download": page.download_url}[file]
    assert found is not None
    return found


async def test_an_address_needs_no_cookie(school: School, page: wire.VideoPage) -> None:
    video = await ask(school, address(page, "video"))
    assert (video.status, video.headers["Content-Type"], video.body) == (200, "video/webm", FILM)
    timeline = await ask(school, address(page, "timeline"))
    assert timeline.headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(timeline.body, type=wire.Timeline) == TIMELINE
    assert (await ask(school, address(page, "download"))).body == FILM


@pytest.mark.parametrize(
    ("file", "cache"),
    [("video", "private, max-age=900"), ("timeline", "private, no-store"), ("download", "private, no-store")],
)
async def test_headers_of_the_files(school: School, page: wire.VideoPage, file: str, cache: str) -> None:
    for method in ("GET", "HEAD"):
        headers = (await ask(school, address(page, file), method)).headers
        assert headers["Cache-Control"] == cache
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers.getall("Content-Security-Policy") == [MEDIA_POLICY]
        assert headers["Accept-Ranges"] == "bytes"
        assert ("Content-Disposition" in headers) == (file == "download")
    assert "sandbox" in MEDIA_POLICY
    assert "allow-scripts" not in MEDIA_POLICY


@pytest.mark.parametrize(
    ("wanted", "status", "content", "part"),
    [
        ("bytes=0-0", 206, f"bytes 0-0/{SIZE}", slice(0, 1)),
        ("bytes=100-199", 206, f"bytes 100-199/{SIZE}", slice(100, 200)),
        (f"bytes={SIZE - 1}-", 206, f"bytes {SIZE - 1}-{SIZE - 1}/{SIZE}", slice(SIZE - 1, None)),
        ("bytes=-10", 206, f"bytes {SIZE - 10}-{SIZE - 1}/{SIZE}", slice(SIZE - 10, None)),
        ("bytes=0-", 206, f"bytes 0-{SIZE - 1}/{SIZE}", slice(0, None)),
        (f"bytes=9000-{SIZE * 9}", 206, f"bytes 9000-{SIZE - 1}/{SIZE}", slice(9000, None)),
        (f"bytes={SIZE}-", 416, f"bytes */{SIZE}", slice(0, 0)),
        ("bytes=9-3", 416, f"bytes */{SIZE}", slice(0, 0)),
        ("lines=1-2", 416, f"bytes */{SIZE}", slice(0, 0)),
    ],
)
async def test_ranges(
    school: School, page: wire.VideoPage, wanted: str, status: int, content: str, part: slice
) -> None:
    for file in ("video", "download"):
        answer = await ask(school, address(page, file), Range=wanted)
        assert (answer.status, answer.headers["Content-Range"]) == (status, content)
        assert answer.body == FILM[part]


async def test_a_range_holds_only_for_the_file_it_was_begun_with(
    school: School, page: wire.VideoPage
) -> None:
    video = address(page, "video")
    whole = await ask(school, video, "HEAD")
    assert (whole.status, whole.headers["Content-Length"], whole.body) == (200, str(SIZE), b"")
    tag, date = whole.headers["ETag"], whole.headers["Last-Modified"]
    for condition, status in (
        (tag, 206),
        (date, 206),
        ('"other"', 200),
        (f"W/{tag}", 200),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 200),
    ):
        answer = await ask(school, video, **{"Range": "bytes=5-9", "If-Range": condition})
        assert (answer.status, answer.body) == (status, FILM[5:10] if status == 206 else FILM), condition
    assert (await ask(school, video, **{"If-None-Match": tag})).status == 304


async def test_a_kept_connection_goes_on_after_a_range_that_was_not_given(
    school: School, page: wire.VideoPage
) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http:
        for headers in ({"Range": "bytes=5-9", "If-Range": '"other"'}, {"Range": "bytes=0-3"}) * 3:
            async with http.get(school.origin + address(page, "video"), headers=headers) as answer:
                assert await answer.read() == (FILM if "If-Range" in headers else FILM[:4])


async def test_an_address_is_over_after_fifteen_minutes(
    school: School, page: wire.VideoPage, clock: Clock, tmp_path: Any
) -> None:
    assert 0 <= page.expires_at_ms - 15 * 60_000 - clock() + 10_000 <= 10_000
    clock.ahead_ms += page.expires_at_ms - clock() - 5_000
    assert (await ask(school, address(page, "video"))).status == 200
    clock.ahead_ms += 5_001
    for file in ("video", "timeline", "download"):
        for method in ("GET", "HEAD"):
            answer = await ask(school, address(page, file), method)
            assert answer.status == 410
            assert answer.headers["Cache-Control"] == "no-store"
        assert (await ask(school, address(page, file))).code == "address_expired"


async def test_a_person_who_opens_an_old_address_gets_the_pages(
    school: School, page: wire.VideoPage, clock: Clock, tmp_path: Any
) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text("<!doctype html>pages")
    forged = address(page, "video").replace("vid/", "div/")
    clock.ahead_ms += 16 * 60_000
    for path, status in ((address(page, "video"), 410), (forged, 404)):
        answer = await ask(school, path, Accept=BROWSER)
        assert (answer.status, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")
        assert answer.body == b"<!doctype html>pages"
        assert "sandbox" not in answer.headers["Content-Security-Policy"]
        assert (await ask(school, path, Accept="video/webm,video/*;q=0.9,*/*;q=0.5")).status == status


async def test_forged_addresses_and_paths_lead_nowhere(
    school: School, page: wire.VideoPage, tmp_path: Any
) -> None:
    (tmp_path / "keys" / "video.webm").write_bytes(b"secret")
    stamp = address(page, "video").split("/")[2]
    never = f"{2**33}-{'A' * 43}"
    async with aiohttp.ClientSession() as http:
        for path in (
            f"/media/{never}/vid/video.webm", f"/media/{stamp}/vid/timeline.json", f"/media/{stamp}/vid",
            f"/media/{stamp}/..%2fkeys/video.webm", f"/media/{stamp}/vid/..%2f..%2fkeys%2fmedia.key",
            f"/media/{stamp}/%2e%2e/video.webm", f"/media/{stamp}/vid/../vid/video.webm/x",
            "/media/", "/media",
            f"/media/{stamp}/vid/video.webm%00", f"/media/{stamp}%20/vid/video.webm",
            "/media/x/y/z", f"/media/{'9' * 5000}-{'A' * 43}/vid/video.webm",
        ):  # fmt: skip
            async with http.get(URL(school.origin + path, encoded=True)) as answer:
                assert answer.status == 404, path
                assert msgspec.json.decode(await answer.read())["code"] == "not_found"


async def test_what_is_not_ready_or_lost_its_files_is_not_found(school: School, page: wire.VideoPage) -> None:
    (school.signalling._settings.paths.library / "vid" / "video.webm").unlink()
    assert (await ask(school, address(page, "video"))).code == "not_found"
    assert (await ask(school, address(page, "timeline"))).status == 200


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Свет и тень", "Свет и тень"),
        ("<img src=x onerror=alert(1)>", "img src=x onerror=alert(1)"),
        ("../../etc/passwd", "etc passwd"),
        ("=cmd|' /C calc'!A0", "cmd ' C calc'!A0"),
        ("שלום \u202etxt.exe", "שלום txt.exe"),
        ('a"; filename="b', "a ; filename= b"),
        ("...", ""),
        ("ж" * 120, "ж" * 75),
        ("100% 🧪", "100% 🧪"),
    ],
)
async def test_names_of_downloads(school: School, title: str, name: str) -> None:
    teacher = await school.teacher()
    await recorded(school, await school.lesson(teacher, title=title), "vid")
    answer = await ask(school, address(await page_of(teacher, "vid"), "download"))
    header = answer.headers["Content-Disposition"]
    assert header.isascii()
    message = Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"
    parts = header.split("; ")
    assert len(parts) == 3
    day = unquote(parts[2]).removeprefix("filename*=UTF-8''")[:10]
    assert parts[1] == f'filename="lesson-{day}.webm"'
    wanted = f"{day} {name}".strip() + ".webm"
    assert parts[2] == f"filename*=UTF-8''{quote(wanted, safe='')}"
    assert len(wanted.encode()) < 180
    assert day in ("2026-10-25", "2026-10-26", "2026-10-27"), RECORDED_AT_MS


async def test_nothing_about_a_viewer_is_logged_and_files_are_counted(
    school: School, page: wire.VideoPage, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def count(file: str) -> float:
        return REGISTRY.get_sample_value("zvonok_media_requests_total", {"file": file}) or 0.0

    before = {file: count(file) for file in ("video.webm", "timeline.json", "download")}
    with caplog.at_level(logging.DEBUG, logger="signaling"):
        await ask(school, address(page, "video"))
        await ask(school, address(page, "video"), Range="bytes=0-1")
        await ask(school, address(page, "download"))
        await ask(school, address(page, "video")[:-1])
        clock.ahead_ms += 16 * 60_000
        await ask(school, address(page, "timeline"))
    assert [record for record in caplog.records if record.name.startswith(("signaling", "aiohttp"))] == []
    after = {file: count(file) - number for file, number in before.items()}
    assert after == {"video.webm": 2, "timeline.json": 0, "download": 1}
