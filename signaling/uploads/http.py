"""Routes of lessons' files: bring one, ask where it is, fetch it by a signed address, take it away.

Who asks is told by the same cookies that make somebody the same person after a reload: they are good in the
middle of a lesson, where a ticket is over after two minutes.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol
from urllib.parse import quote, unquote

import msgspec
from aiohttp import web

from config.settings import Settings
from sfu.model import Refused
from signaling import stored_http, texts
from signaling.admission import Admission
from signaling.catalog.materials import Material
from signaling.headers import MEDIA_POLICY
from signaling.http import Door, as_json, read_body
from signaling.lesson import apps, fields, materials
from signaling.lesson.change import Actor
from signaling.lesson.fields import State
from signaling.lessons import Lessons
from signaling.library import Library, Viewer
from signaling.limits import Buckets, Rate
from signaling.log import Clock
from signaling.uploads.address import LIFETIME_S, check_address, issue_address
from signaling.uploads.keeping import MIB, Kept, Upload
from signaling.uploads.kinds import kind_of, named
from signaling.uploads.pictures import renew
from signaling.uploads.receiving import make_ready, receive
from signaling.wire.apps import AddApp, AppField, AppInfo, AppList
from signaling.wire.materials import (
    MaterialAdded,
    MaterialAddress,
    MaterialField,
    VideoMaterial,
    VideoMaterials,
)

AT_ONCE: Final = 2
"""Files that one person brings at a time."""
ALL_AT_ONCE: Final = 64
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
NAME_HEADER: Final = "X-File-Name"
_NOT_GIVEN: Final = frozenset({"slides", "pages"})
"""Purposes of files that go out page by page only, to who may see the page."""
_SHOWN: Final = frozenset({"image", "audio", "video"})
_RATE: Final = Rate(burst=30, per_s=0.2)


@dataclass(eq=False, slots=True)
class Coming:
    """A file on its way; ``bytes``: as it was announced."""

    lesson: str
    participant: str
    bytes: int = 0


class Taker(Protocol):
    """What is done with the files of one purpose (``?for=<purpose>``)."""

    def check(self, state: State, actor: Actor) -> None:
        """Whether somebody who is here may bring one; asked before it comes. Raises Refused."""

    async def accept(self, upload: Upload) -> msgspec.Struct:
        """Take a file; the reply to who brought it. Raises Refused."""


class Uploads:
    """Adds itself to the door's application. ``takers`` may get more purposes before anything comes."""

    def __init__(
        self,
        settings: Settings,
        door: Door,
        admission: Admission,
        lessons: Lessons,
        library: Library,
        kept: Kept,
        now_ms: Clock,
    ) -> None:
        self.takers: dict[str, Taker] = {"materials": AsMaterial(kept)}
        self._door = door
        self._admission = admission
        self._lessons = lessons
        self._library = library
        self._kept = kept
        self._now_ms = now_ms
        self._key = settings.paths.secret("media.key")
        self._allowed = tuple(AppInfo(app.name, app.url) for app in settings.materials.apps)
        self._incoming = settings.paths.incoming
        self._reserve = settings.recorder.reserve_mb * MIB
        self._coming: set[Coming] = set()
        self._looking = asyncio.Semaphore(2)
        self._rates = Buckets(_RATE)
        router = door.application.router
        post = router.add_post("/api/lessons/{lesson}/materials", self._upload)
        door.raw.add(post.resource.canonical if post.resource is not None else "")
        router.add_delete("/api/lessons/{lesson}/materials/{material}", self._remove)
        router.add_get("/api/apps", self._apps)
        router.add_post("/api/lessons/{lesson}/apps", self._add_app)
        router.add_get("/api/materials/{material}", self._address)
        router.add_get("/api/library/{video}/materials", self._of_video)
        router.add_get("/api/links/{code}/video/materials", self._of_link)
        router.add_get("/material/{stamp}/{material}/{use}", self._file)

    # --- bringing ------------------------------------------------------------------------------------

    async def _upload(self, request: web.Request) -> web.Response:
        taker = self.takers.get(request.query.get("for", "materials"))
        if taker is None:
            raise Refused("bad_request", "purpose")
        name = _name(request)
        async with self._lessons.get(_id(request, "lesson")) as live:
            actor = self._admission.actor(self._door.browser(request), live)
            _check_here(live.state, actor)
            taker.check(live.state, actor)
            self._door.limits.take(self._rates, actor.participant)
            with self._place(live.lesson, actor.participant) as coming:
                coming.bytes = min(request.content_length or 0, self._kept.file_limit)
                await self._kept.check_room(
                    live.lesson, sum(each.bytes for each in self._coming if each.lesson == live.lesson)
                )
                material = secrets.token_hex(10)
                path = self._incoming / material
                await asyncio.to_thread(make_ready, self._incoming)
                try:
                    size = await receive(request, path, self._kept.file_limit, self._reserve)
                    async with self._looking:
                        kind = await asyncio.to_thread(kind_of, path)
                        if kind.group == "image":
                            await asyncio.to_thread(renew, path, kind)
                            size = (await asyncio.to_thread(path.stat)).st_size
                    whole = named(name or kind.group, kind)
                    upload = Upload(live, actor, material, path, whole, kind, size, self._now_ms())
                    return as_json(await taker.accept(upload))
                finally:
                    await asyncio.to_thread(partial(path.unlink, missing_ok=True))

    @contextmanager
    def _place(self, lesson: str, participant: str) -> Iterator[Coming]:
        """Somebody's place among those who bring files; raises Refused ``rate_limited``."""
        own = sum((each.lesson, each.participant) == (lesson, participant) for each in self._coming)
        if own >= AT_ONCE or len(self._coming) >= ALL_AT_ONCE:
            raise Refused("rate_limited")
        coming = Coming(lesson, participant)
        self._coming.add(coming)
        try:
            yield coming
        finally:
            self._coming.discard(coming)

    async def _apps(self, _request: web.Request) -> web.Response:
        return as_json(AppList(self._allowed))

    async def _add_app(self, request: web.Request) -> web.Response:
        body = await read_body(request, AddApp)
        app = next((each for each in self._allowed if each.url == body.url), None)
        if app is None:
            raise Refused("not_found")
        field = AppField(app.name, app.url)
        async with self._lessons.get(_id(request, "lesson")) as live:
            actor = self._admission.actor(self._door.browser(request), live)
            _check_here(live.state, actor)
            moment = live.moment()
            await live.execute(
                lambda state: apps.add(state, actor, f"a{moment.token}", field, moment), actor.participant
            )
        return as_json(MaterialAdded(f"a{moment.token}"))

    # --- finding and fetching -----------------------------------------------------------------------

    async def _address(self, request: web.Request) -> web.Response:
        """For who is or was let into its lesson, and for who may watch its video."""
        material = await self._kept.rows.find(_id(request, "material"))
        if material is None or material.purpose in _NOT_GIVEN or not await self._may_see(request, material):
            raise Refused("not_found")
        expires_s = self._now_ms() // 1000 + LIFETIME_S
        kind = material.media_type.partition("/")[0]
        view = issue_address(self._key, material.id, "view", expires_s) if kind in _SHOWN else None
        return as_json(MaterialAddress(issue_address(self._key, material.id, "download", expires_s), view))

    async def _may_see(self, request: web.Request, material: Material) -> bool:
        browser = self._door.browser(request)
        async with self._lessons.get(material.lesson) as live:
            try:
                self._admission.actor(browser, live)
                return True
            except Refused:
                given = _leads(live.state, material.by)
        viewer = Viewer(browser.teacher, self._door.came_by_library_link(request))
        return given and await self._library.may_watch(viewer, material.lesson)

    async def _of_video(self, request: web.Request) -> web.Response:
        viewer = Viewer(self._door.browser(request).teacher, self._door.came_by_library_link(request))
        return await self._beside(await self._library.lesson_of(viewer, request.match_info["video"]))

    async def _of_link(self, request: web.Request) -> web.Response:
        browser = self._door.browser(request)
        asked = self._admission.participant(browser, request.match_info["code"])
        lesson, participant = await self._door.guarded(request, asked)
        viewer = Viewer(browser.teacher, self._door.came_by_library_link(request))
        let_in = partial(self._admission.was_let_in, browser, lesson, participant)
        await self._library.page_of_lesson(viewer, lesson.id, let_in)
        return await self._beside(lesson.id)

    async def _beside(self, lesson: str) -> web.Response:
        """What leaders gave; what students brought was for the lesson."""
        try:
            async with self._lessons.get(lesson) as live:
                state = dict(live.state)
        except Refused as refused:
            if refused.code != "not_found":
                raise
            state = {}  # its log is forgotten, and with it its files
        found = sorted(materials.materials(state), key=lambda each: each[1].place)
        expires_s = self._now_ms() // 1000 + LIFETIME_S
        given = tuple(
            VideoMaterial(
                field.name, field.kind, field.group, field.bytes,
                field.url or issue_address(self._key, material, "download", expires_s),
            )
            for material, field in found
            if field.kind != "app" and _leads(state, field.by)
        )  # fmt: skip
        return as_json(VideoMaterials(given))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        asked = request.match_info
        use = check_address(
            self._key, asked["stamp"], asked["material"], asked["use"], self._now_ms() // 1000
        )
        material = await self._kept.rows.find(asked["material"])
        stored = None if material is None else await self._kept.find(material)
        if material is None or stored is None:
            raise Refused("not_found")
        view = use == "view" and material.media_type.partition("/")[0] in _SHOWN
        headers = {
            "Content-Security-Policy": MEDIA_POLICY,
            "Content-Type": material.media_type if view else "application/octet-stream",
            "Cache-Control": f"private, max-age={LIFETIME_S}",
            "Content-Disposition": f'{"inline" if view else "attachment"}; filename="file"; '
            f"filename*=UTF-8''{quote(material.name, safe='')}",
        }
        return await stored_http.send(request, self._kept.files, stored, headers)

    async def _remove(self, request: web.Request) -> web.Response:
        self._door.check_origin(request)
        material = _id(request, "material")
        async with self._lessons.get(_id(request, "lesson")) as live:
            actor = self._admission.actor(self._door.browser(request), live)
            _check_here(live.state, actor)
            await live.execute(lambda state: materials.remove(state, actor, material), actor.participant)
            row = await self._kept.rows.find(material)
            if row is not None and row.lesson == live.lesson:
                await self._kept.forget((row.lesson, row.id))
        return web.Response(status=204)


class AsMaterial:
    """What is brought for nothing else: everybody finds it in the lesson's materials."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def check(self, state: State, actor: Actor) -> None:
        if not materials.may_add_files(state, actor):
            raise Refused("not_allowed")

    async def accept(self, upload: Upload) -> MaterialAdded:
        """Kept first, told then: what is in the list can be opened."""
        await self._kept.keep(upload, "materials")
        field = MaterialField(
            "file", upload.name, upload.actor.participant, upload.at_ms, 0.0,
            upload.kind.group, upload.kind.media_type, upload.bytes,
        )  # fmt: skip
        try:
            await upload.live.execute(
                lambda state: materials.add(state, upload.actor, upload.id, field), upload.actor.participant
            )
        except BaseException:
            await self._kept.forget((upload.live.lesson, upload.id))
            raise
        return MaterialAdded(upload.id)


def _id(request: web.Request, which: str) -> str:
    """Part of the path that is an id; raises Refused ``not_found`` for anything else."""
    text = request.match_info[which]
    if not _ID.fullmatch(text):
        raise Refused("not_found")
    return text


def _name(request: web.Request) -> str:
    """What its bringer calls it: the last part of any path, cleaned; may be empty."""
    try:
        said = unquote(request.headers.get(NAME_HEADER, ""), errors="strict")
    except UnicodeDecodeError:
        raise Refused("bad_request", "name") from None
    return texts.file_name(said.replace("\\", "/").rpartition("/")[2], 110)


def _leads(state: State, participant: str) -> bool:
    person = state.get(fields.person(participant))
    return person is not None and person.role in ("teacher", "co_teacher")


def _check_here(state: State, actor: Actor) -> None:
    person = state.get(fields.person(actor.participant))
    if person is None or not person.here:
        raise Refused("not_allowed")
    if fields.lesson(state).state == "ended":
        raise Refused("lesson_ended")
