"""The library's routes: sign-in, list, one video, deletion, and the files behind signed addresses.

Decisions are ``library``'s; cookies, limits and refusals are the door's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from sfu.model import Refused
from signaling import stored_http, texts, wire
from signaling.admission import Admission
from signaling.catalog.store import Lesson
from signaling.files.api import Files
from signaling.headers import MEDIA_POLICY
from signaling.http import LIBRARY_COOKIE, Door, as_json, read_body
from signaling.library import Found, Library, Viewer
from signaling.media_address import LIFETIME_S, MediaFile
from signaling.tickets import LIBRARY_LIFETIME_S
from signaling.withdrawing import Withdrawing

_TYPES: Final[Mapping[MediaFile, str]] = {
    "video.webm": "video/webm",
    "timeline.json": "application/json",
    "download": "video/webm",
    "lesson.mp4": "video/mp4",
    "thumbnails.vtt": "text/vtt; charset=utf-8",
    "thumbnails.jpg": "image/jpeg",
    "chapters.ru.vtt": "text/vtt; charset=utf-8",
    "chapters.en.vtt": "text/vtt; charset=utf-8",
    "sound.json": "application/json",
}


class LibraryRoutes:
    """Adds itself to the door's application."""

    def __init__(
        self, door: Door, library: Library, withdrawing: Withdrawing, files: Files, admission: Admission
    ) -> None:
        """``files``: those that ``library`` finds."""
        self._door = door
        self._files = files
        self._library = library
        self._withdrawing = withdrawing
        self._admission = admission
        router = door.application.router
        router.add_post("/api/library/sign-in", self._sign_in)
        router.add_get("/api/library", self._videos)
        router.add_get("/api/library/{video}", self._page)
        router.add_delete("/api/library/{video}", self._delete)
        router.add_get("/api/library/{video}/people", self._people)
        router.add_post("/api/library/{video}/withdrawals", self._withdraw)
        router.add_get("/api/links/{code}/video", self._page_of_link)
        router.add_post("/api/links/{code}/video/withdrawals", self._withdraw_oneself)
        router.add_get("/media/{stamp}/{video}/{file}", self._file)

    def _viewer(self, request: web.Request) -> Viewer:
        return Viewer(self._door.browser(request).teacher, self._door.came_by_library_link(request))

    async def _sign_in(self, request: web.Request) -> web.Response:
        body = await read_body(request, wire.LibrarySignIn)
        try:
            viewer = self._library.sign_in(body.key)
        except Refused:
            # Good keys are not counted: a class opens the same link behind one address.
            self._door.limits.take(self._door.limits.library_keys, self._door.address(request))
            raise
        response = as_json(await self._library.videos(viewer, {}))
        self._door.remember(response, LIBRARY_COOKIE, "library", "library", LIBRARY_LIFETIME_S)
        return response

    async def _videos(self, request: web.Request) -> web.Response:
        return as_json(await self._library.videos(self._viewer(request), request.query))

    async def _page(self, request: web.Request) -> web.Response:
        return as_json(await self._library.page(self._viewer(request), request.match_info["video"]))

    async def _page_of_link(self, request: web.Request) -> web.Response:
        lesson, participant = await self._who(request)
        was_let_in = partial(self._admission.was_let_in, self._door.browser(request), lesson, participant)
        page = await self._library.page_of_lesson(self._viewer(request), lesson.id, was_let_in)
        if participant is not None:
            me = await self._withdrawing.person(lesson.id, participant)
            page = msgspec.structs.replace(page, me=me)
        return as_json(page)

    async def _who(self, request: web.Request) -> tuple[Lesson, str | None]:
        """The lesson of a link and who this browser was in it, by its device cookie."""
        browser = self._door.browser(request)
        asked = self._admission.participant(browser, request.match_info["code"])
        lesson, participant = await self._door.guarded(request, asked)
        return lesson, participant

    async def _people(self, request: web.Request) -> web.Response:
        return as_json(await self._withdrawing.people(self._viewer(request), request.match_info["video"]))

    async def _withdraw(self, request: web.Request) -> web.Response:
        body = await read_body(request, wire.Withdraw)
        viewer = self._viewer(request)
        await self._withdrawing.withdraw(viewer, request.match_info["video"], body.participant)
        return web.Response(status=204)

    async def _withdraw_oneself(self, request: web.Request) -> web.Response:
        lesson, participant = await self._who(request)
        if participant is None:
            raise Refused("not_found")
        await self._withdrawing.withdraw_oneself(lesson.id, participant)
        return web.Response(status=204)

    async def _delete(self, request: web.Request) -> web.Response:
        self._door.check_origin(request)
        await self._library.delete(self._viewer(request), request.match_info["video"])
        return web.Response(status=204)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        asked = request.match_info
        found = await self._library.file(asked["stamp"], asked["video"], asked["file"])
        kept = found.file in ("video.webm", "thumbnails.jpg")
        headers = {
            "Content-Security-Policy": MEDIA_POLICY,
            "Content-Type": _TYPES[found.file],
            "Cache-Control": f"private, max-age={LIFETIME_S}" if kept else "private, no-store",
        }
        if found.file in ("download", "lesson.mp4"):
            headers["Content-Disposition"] = attachment(found)
        if found.draft is not None:
            return await stored_http.send(request, found.draft, found.stored, headers)
        here = self._files.local(found.stored.name)
        if here is not None:
            return _File(here, headers=headers)
        return await stored_http.send(request, self._files, found.stored, headers)


class _File(web.FileResponse):
    """aiohttp's heeds If-Range when it is a date; this one also an entity tag (RFC 9110 section 13.1.5)."""

    def __init__(self, path: Path, headers: dict[str, str]) -> None:
        super().__init__(path, headers=headers)
        self._file = path

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        condition = request.headers.get(hdrs.IF_RANGE, "")
        if condition.startswith(('"', 'W/"')) and condition != await asyncio.to_thread(self._tag):
            others = {name: value for name, value in request.headers.items() if name.lower() != "range"}
            request = request.clone(headers=others)
        return await super().prepare(request)

    def _tag(self) -> str:
        """The ETag that aiohttp will send."""
        try:
            status = self._file.stat()
        except FileNotFoundError:
            return ""
        return f'"{status.st_mtime_ns:x}-{status.st_size:x}"'


def attachment(found: Found) -> str:
    """Content-Disposition of a download: the day first (the server's time zone), so that whatever a title
    begins with, the name does not."""
    day = datetime.fromtimestamp(found.recorded_at_ms / 1000, UTC).astimezone().date().isoformat()
    name = f"{day} {texts.file_name(found.title)}".strip()
    end = "mp4" if found.file == "lesson.mp4" else "webm"
    return f"attachment; filename=\"lesson-{day}.{end}\"; filename*=UTF-8''{quote(name, safe='')}.{end}"
