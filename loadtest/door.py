"""One browser at the door: the HTTP calls of a person, whose identity its cookies are."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec

from sfu.model import Refused
from signaling import wire

QUEUE_LIMIT_S: Final = 120.0
"""A place in the queue at the door is kept up for this time."""


class Queued(Refused):
    """``door_queue``: ask again after ``after_s``."""

    def __init__(self, after_s: float, detail: str = "") -> None:
        super().__init__("door_queue", detail)
        self.after_s = after_s


class Door:
    """The HTTP side of one browser: one cookie jar, so one person in each lesson.

    Every method raises Refused with the server's code when it says no.
    """

    def __init__(
        self,
        origin: str,
        *,
        tls: ssl.SSLContext | None = None,
        cookies: Mapping[str, str] | None = None,
        source: str | None = None,
    ) -> None:
        """``source``: an address of this machine to come from; the door counts some things an address."""
        self.origin = origin.rstrip("/")
        self._tls: ssl.SSLContext | bool = tls if tls is not None else True
        self.http = aiohttp.ClientSession(
            cookies=cookies,
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            connector=aiohttp.TCPConnector(local_addr=None if source is None else (source, 0)),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.close()

    async def _call(self, method: str, path: str, body: msgspec.Struct | None = None) -> bytes:
        headers = {"Origin": self.origin}
        if body is not None:
            headers["Content-Type"] = "application/json"
        data = None if body is None else msgspec.json.encode(body)
        async with self.http.request(
            method, self.origin + path, data=data, headers=headers, ssl=self._tls
        ) as answer:
            content = await answer.read()
            if answer.status < 400:
                return content
            try:
                reply = msgspec.json.decode(content, type=wire.ErrorReply)
            except msgspec.DecodeError:
                raise Refused(f"http_{answer.status}", path) from None
            if reply.code == "door_queue":
                raise Queued(reply.retry_after_s or 1, path)
            raise Refused(reply.code, path)

    @property
    def cookies(self) -> dict[str, str]:
        """Name and value of each cookie: who this browser is."""
        return {cookie.key: cookie.value for cookie in self.http.cookie_jar}

    async def page(self, path: str) -> bytes:
        """A page, as a browser opens it."""
        return await self._call("GET", path)

    async def sign_in(self, key: str) -> None:
        """Turn a one-time teacher key into this browser's cookie."""
        await self._call("POST", "/api/teacher/sign-in", wire.SignIn(key))

    async def teacher(self) -> wire.TeacherInfo:
        """Who is signed in here, and their lessons."""
        return msgspec.json.decode(await self._call("GET", "/api/teacher"), type=wire.TeacherInfo)

    async def new_lesson(
        self, title: str, *, subject: str = "physics", grade: int = 7, teacher_name: str = ""
    ) -> wire.LessonInfo:
        """Make a lesson; needs the teacher's cookie."""
        body = wire.NewLesson(title=title, subject=subject, grade=grade, teacher_name=teacher_name)
        return msgspec.json.decode(await self._call("POST", "/api/lessons", body), type=wire.LessonInfo)

    async def link(self, code: str) -> wire.LinkInfo:
        """What a join link leads to."""
        return msgspec.json.decode(await self._call("GET", f"/api/links/{code}"), type=wire.LinkInfo)

    async def attendance(self, lesson: str) -> wire.Attendance:
        """Who was in a lesson of one's own."""
        content = await self._call("GET", f"/api/lessons/{lesson}/attendance")
        return msgspec.json.decode(content, type=wire.Attendance)

    async def join(self, code: str, name: str = "") -> wire.JoinReply:
        """Get a ticket for the lesson behind a link's code; as a page does, asks again while there is a
        queue, for QUEUE_LIMIT_S at most."""
        body = wire.JoinRequest(code=code, name=name)
        deadline_s = time.monotonic() + QUEUE_LIMIT_S
        while True:
            try:
                return msgspec.json.decode(await self._call("POST", "/api/join", body), type=wire.JoinReply)
            except Queued as queued:
                if time.monotonic() + queued.after_s > deadline_s:
                    raise
                await asyncio.sleep(queued.after_s)

    async def library_sign_in(self, key: str) -> wire.VideoList:
        """Turn the key of a library link into this browser's cookie; the library's first page."""
        content = await self._call("POST", "/api/library/sign-in", wire.LibrarySignIn(key))
        return msgspec.json.decode(content, type=wire.VideoList)

    async def library(self, **query: str | int) -> wire.VideoList:
        """One page of the library; ``subject``, ``grade``, ``teacher``, ``text``, ``after``."""
        content = await self._call("GET", f"/api/library?{urlencode(query)}")
        return msgspec.json.decode(content, type=wire.VideoList)

    async def video(self, video: str) -> wire.VideoPage:
        """One video of the library, with fresh addresses."""
        return msgspec.json.decode(await self._call("GET", f"/api/library/{video}"), type=wire.VideoPage)

    async def video_of_link(self, code: str) -> wire.VideoPage:
        """The video of the lesson behind a link."""
        content = await self._call("GET", f"/api/links/{code}/video")
        return msgspec.json.decode(content, type=wire.VideoPage)

    async def delete_video(self, video: str) -> None:
        """Delete a video of one's own for ever."""
        await self._call("DELETE", f"/api/library/{video}")

    async def fetch(self, address: str) -> bytes:
        """What a video page's address (``video_url`` and the like) leads to, as a whole."""
        return await self._call("GET", address)

    async def open_socket(self) -> aiohttp.ClientWebSocketResponse:
        """Open the WebSocket."""
        address = f"ws{self.origin.removeprefix('http')}/ws"
        return await self.http.ws_connect(
            address, headers={"Origin": self.origin}, max_msg_size=4 * 1024 * 1024, compress=0, ssl=self._tls
        )


def code_of(link: str) -> str:
    """The join code of a printed link."""
    return urlsplit(link).path.rsplit("/", 1)[-1]


def origin_of(link: str) -> str:
    """The origin of a printed link."""
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}"
