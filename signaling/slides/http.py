"""Bringing a file as slides, and the route of pages: who is in the lesson gets those that they may see."""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from aiohttp import web

from sfu.model import Refused
from signaling import stored_http
from signaling.admission import Admission
from signaling.files.api import Files
from signaling.headers import MEDIA_POLICY
from signaling.http import Door
from signaling.lesson import slides as rules
from signaling.lesson.change import Actor
from signaling.lesson.fields import State
from signaling.lessons import Lessons
from signaling.library import Library, Viewer
from signaling.links import new_id
from signaling.slides.beside import ShownPages
from signaling.uploads.keeping import Kept, Upload
from signaling.wire.slides import SlidesAdded

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_FILE: Final = re.compile(r"([1-9][0-9]{0,3})-(large\.webp|small\.webp|thumb\.webp|text\.txt)")
_KEPT_S: Final = 3600


class SlidesTaker:
    """Files that are brought to be made into slides."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def check(self, state: State, actor: Actor) -> None:
        rules.check_room(state, actor)

    async def accept(self, upload: Upload) -> SlidesAdded:
        """Kept first; from then on the lesson's fields tell how it is made."""
        if upload.kind.group not in rules.FIT:
            raise Refused("slides_unfit")
        await self._kept.keep(upload, "slides")
        slides = f"s{new_id()}"  # of its own: the whole file is found by no page
        try:
            await upload.live.execute(
                lambda state: rules.bring(
                    state, upload.actor, slides, upload.name, upload.id, upload.kind.media_type, upload.at_ms
                ),
                upload.actor.participant,
            )
        except BaseException:
            await self._kept.forget((upload.live.lesson, upload.id))
            raise
        return SlidesAdded(slides)


class SlidesRoutes:
    """Adds itself to the door's application. ``files``: where the pages are."""

    def __init__(
        self,
        door: Door,
        admission: Admission,
        lessons: Lessons,
        library: Library,
        shown: ShownPages,
        files: Files,
    ) -> None:
        self._door = door
        self._admission = admission
        self._lessons = lessons
        self._library = library
        self._shown = shown
        self._files = files
        router = door.application.router
        router.add_get("/api/lessons/{lesson}/slides/{slides}/{file}", self._page)
        router.add_get("/api/library/{video}/slides/{slides}/{file}", self._of_video)
        router.add_get("/api/links/{code}/video/slides/{slides}/{file}", self._of_link)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        lesson, (slides, page, part) = request.match_info["lesson"], _asked(request)
        if not _ID.fullmatch(lesson):
            raise Refused("not_found")
        async with self._lessons.get(lesson) as live:
            actor = self._admission.actor(self._door.browser(request), live)
            if not rules.may_see(live.state, slides, page, leads=actor.role.leads):
                raise Refused("not_found")
        return await self._send(request, lesson, slides, page, part)

    async def _of_video(self, request: web.Request) -> web.StreamResponse:
        viewer = Viewer(self._door.browser(request).teacher, self._door.came_by_library_link(request))
        video = request.match_info["video"]
        return await self._beside(request, video, await self._library.lesson_of(viewer, video))

    async def _of_link(self, request: web.Request) -> web.StreamResponse:
        browser = self._door.browser(request)
        asked = self._admission.participant(browser, request.match_info["code"])
        lesson, participant = await self._door.guarded(request, asked)
        viewer = Viewer(browser.teacher, self._door.came_by_library_link(request))
        let_in = partial(self._admission.was_let_in, browser, lesson, participant)
        page = await self._library.page_of_lesson(viewer, lesson.id, let_in)
        return await self._beside(request, page.video.video, lesson.id)

    async def _beside(self, request: web.Request, video: str, lesson: str) -> web.StreamResponse:
        slides, page, part = _asked(request)
        if (slides, page) not in await self._shown.of(video):
            raise Refused("not_found")
        return await self._send(request, lesson, slides, page, part)

    async def _send(
        self, request: web.Request, lesson: str, slides: str, page: int, part: str
    ) -> web.StreamResponse:
        headers = {
            "Content-Security-Policy": MEDIA_POLICY,
            "Content-Type": "image/webp" if part.endswith("webp") else "text/plain; charset=utf-8",
            "Cache-Control": f"private, max-age={_KEPT_S}, immutable",
        }
        name = f"{rules.pages_of(lesson, slides)}/{page}-{part}"
        here = self._files.local(name)
        if here is not None:
            return web.FileResponse(here, headers=headers)
        stored = await self._files.find(name)
        if stored is None:
            raise Refused("not_found")
        return await stored_http.send(request, self._files, stored, headers)


def _asked(request: web.Request) -> tuple[str, int, str]:
    """Slides, page and which file of it; raises Refused ``not_found``."""
    slides, file = request.match_info["slides"], _FILE.fullmatch(request.match_info["file"])
    if file is None or not _ID.fullmatch(slides):
        raise Refused("not_found")
    return slides, int(file[1]), file[2]
