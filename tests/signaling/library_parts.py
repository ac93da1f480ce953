"""A school with video lessons in its library, as a recorder leaves them there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import aiohttp
import msgspec
from multidict import CIMultiDictProxy

from signaling import wire
from signaling.catalog.recordings import Published
from signaling.catalog.store import Outcome
from signaling.tickets import issue_library_key
from tests.signaling.parts import Person, School

FILM = bytes(range(256)) * 40
TIMELINE = wire.Timeline(60_000, (wire.TimelinePart(0, 60_000, 1),), (wire.TimelineChat(5, "Маша", "?"),))
RECORDED_AT_MS = 1_793_000_000_000


@dataclass(frozen=True)
class Answer:
    """What a GET brought."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def code(self) -> str:
        return str(msgspec.json.decode(self.body)["code"])


async def ask(school: School, path: str, method: str = "GET", **headers: str) -> Answer:
    """As somebody without any cookie."""
    async with (
        aiohttp.ClientSession(auto_decompress=False) as http,
        http.request(method, school.origin + path, headers=headers) as answer,
    ):
        return Answer(answer.status, answer.headers, await answer.read())


async def recorded(
    school: School,
    lesson: wire.LessonInfo,
    video: str,
    state: Literal["processing", "ready", "failed"] = "ready",
    at_ms: int = RECORDED_AT_MS,
) -> None:
    """A lesson that ended with a recording; the files lie there when its video is ready."""
    signalling = school.signalling
    await signalling.catalog.put_outcomes([Outcome(lesson.lesson, "ended", at_ms + 60_000)])
    recordings, paths = signalling.catalog.recordings, signalling._settings.paths
    await recordings.begin(video, lesson.lesson, 1, at_ms)
    await recordings.end_part(video, 1, at_ms + 60_000, "ended")
    journals = paths.recordings / video
    journals.mkdir(parents=True)
    (journals / "log.zj").write_bytes(b"ZVJRNL01")
    assert await recordings.finishing(video)
    if state == "ready":
        folder = paths.library / video
        folder.mkdir(parents=True)
        (folder / "video.webm").write_bytes(FILM)
        (folder / "timeline.json").write_bytes(msgspec.json.encode(TIMELINE))
        assert await recordings.published(video, Published(60_000, len(FILM), 1280, 720), at_ms + 70_000)
        (journals / "log.zj").unlink()
        journals.rmdir()
    elif state == "failed":
        await recordings.failed(video)


async def reader(school: School) -> Person:
    """A browser that opened the library's link."""
    person = school.person()
    status, body = await person.post("/api/library/sign-in", {"key": new_key(school)})
    assert status == 200, body
    return person


def new_key(school: School, lifetime_s: int = 3600) -> str:
    now_s = school.signalling._now_ms() // 1000
    return issue_library_key(school.signalling.keys.cookies, now_s, lifetime_s)


async def page_of(person: Person, video: str) -> wire.VideoPage:
    status, body = await person.get(f"/api/library/{video}")
    assert status == 200, body
    return msgspec.convert(body, wire.VideoPage)


async def delete(person: Person, video: str, origin: str | None = None) -> tuple[int, str]:
    """(status, the refusal's code)."""
    headers = {"Origin": person.origin if origin is None else origin}
    async with person.http.delete(f"{person.origin}/api/library/{video}", headers=headers) as answer:
        body = await answer.read()
        return answer.status, str(msgspec.json.decode(body)["code"]) if body else ""
