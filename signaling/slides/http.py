"""Bringing a file as slides, and the route of pages: who is in the lesson gets those that they may see."""

from __future__ import annotations

import re
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
from signaling.links import new_id
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

    def __init__(self, door: Door, admission: Admission, lessons: Lessons, files: Files) -> None:
        self._door = door
        self._admission = admission
        self._lessons = lessons
        self._files = files
        door.application.router.add_get("/api/lessons/{lesson}/slides/{slides}/{file}", self._page)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        asked = request.match_info
        lesson, slides, file = asked["lesson"], asked["slides"], _FILE.fullmatch(asked["file"])
        if file is None or not _ID.fullmatch(lesson) or not _ID.fullmatch(slides):
            raise Refused("not_found")
        async with self._lessons.get(lesson) as live:
            actor = self._admission.actor(self._door.browser(request), live)
            if not rules.may_see(live.state, slides, int(file[1]), leads=actor.role.leads):
                raise Refused("not_found")
        headers = {
            "Content-Security-Policy": MEDIA_POLICY,
            "Content-Type": "image/webp" if file[2].endswith("webp") else "text/plain; charset=utf-8",
            "Cache-Control": f"private, max-age={_KEPT_S}, immutable",
        }
        name = f"{rules.pages_of(lesson, slides)}/{file[0]}"
        here = self._files.local(name)
        if here is not None:
            return web.FileResponse(here, headers=headers)
        stored = await self._files.find(name)
        if stored is None:
            raise Refused("not_found")
        return await stored_http.send(request, self._files, stored, headers)
