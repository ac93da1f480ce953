"""The public listener: routes, cookies, limits, the WebSocket's door. Decisions are ``admission``'s."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final, TypeVar

import msgspec
from aiohttp import hdrs, web
from sqlalchemy.exc import SQLAlchemyError

from config.settings import Settings
from sfu.model import Refused
from signaling import metrics, wire
from signaling.admission import Admission, Browser, Keys, Queued, TooMany
from signaling.attendance import as_csv
from signaling.door_queue import KEPT_S
from signaling.headers import IMMUTABLE, client_address, is_loopback, rate_key, security
from signaling.lessons import Lessons
from signaling.limits import Buckets, Rate
from signaling.links import new_id
from signaling.log import Clock
from signaling.pages import trust_page
from signaling.socket import HEARTBEAT_S, Socket
from signaling.tickets import DEVICE_LIFETIME_S, TEACHER_DAY_S, issue_cookie, read_cookie
from signaling.wire import MAX_FRAME_BYTES

log = logging.getLogger(__name__)

TEACHER_COOKIE: Final = "zvonok_teacher"
DEVICE_COOKIE: Final = "zvonok_device"
TURN_COOKIE: Final = "zvonok_turn"
LIBRARY_COOKIE: Final = "zvonok_library"
MAX_BODY_BYTES: Final = 32 * 1024
MAX_SOCKETS_AN_ADDRESS: Final = 2000
STATUS: Final = {
    "link_unknown": 404, "not_found": 404, "lesson_ended": 410, "link_expired": 410, "lesson_full": 409,
    "lesson_locked": 409, "removed": 403, "not_your_lesson": 403, "origin_refused": 403, "not_signed_in": 401,
    "sign_in_key_used": 403, "sign_in_key_bad": 403, "rate_limited": 429, "internal": 503, "bad_request": 400,
    "address_expired": 410, "library_key_bad": 403, "door_queue": 429,
    "text_empty": 422, "name_empty": 422, "name_too_long": 422, "name_bad_characters": 422,
    "file_too_big": 413, "file_type_refused": 415, "file_empty": 422, "file_broken": 422,
    "picture_too_large": 422, "materials_full": 409, "lesson_files_full": 409, "no_room": 507,
    "upload_broken": 400, "not_allowed": 403, "name_taken_teacher": 409,
    "withdrawal_unknown": 409, "video_busy": 409,
    "slides_unfit": 422, "slides_full": 409, "slides_busy": 409,
}  # fmt: skip
"""HTTP status of each refusal."""

_FILE: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
T = TypeVar("T", bound=msgspec.Struct)
R = TypeVar("R")


@dataclass
class Limiter:
    """Token buckets of the door. A whole school may stand behind one address, so those are wide; wrong
    codes and sign-ins are what is held tight."""

    joins: Buckets = field(default_factory=lambda: Buckets(Rate(burst=600, per_s=50)))
    device_joins: Buckets = field(default_factory=lambda: Buckets(Rate(burst=20, per_s=0.5)))
    wrong_codes: Buckets = field(default_factory=lambda: Buckets(Rate(burst=20, per_s=0.2)))
    library_keys: Buckets = field(default_factory=lambda: Buckets(Rate(burst=10, per_s=0.2)))
    sign_ins: Buckets = field(default_factory=lambda: Buckets(Rate(burst=10, per_s=0.2)))
    lessons: Buckets = field(default_factory=lambda: Buckets(Rate(burst=20, per_s=0.1)))
    sockets: Buckets = field(default_factory=lambda: Buckets(Rate(burst=1000, per_s=100)))

    def take(self, buckets: Buckets, key: str) -> None:
        """Raises TooMany."""
        wait_s = buckets.take(key, time.monotonic())
        if wait_s > 0:
            raise TooMany(wait_s)


class Door:
    """The public application. ``application`` is given to a runner; ``bound`` tells the real port.

    Other groups of routes add themselves to ``application`` and use what is public here.
    """

    def __init__(
        self,
        settings: Settings,
        admission: Callable[[], Admission],
        lessons: Lessons,
        keys: Keys,
        process: str,
        now_ms: Clock,
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._lessons = lessons
        self._keys = keys
        self._process = process
        self._now_ms = now_ms
        self.limits = Limiter()
        self._trusted = [ipaddress.ip_network(network) for network in settings.server.trusted_proxies]
        self._sockets: set[Socket] = set()
        self._numbers = count(1)
        self._headers: dict[str, str] = {}
        self._origins: frozenset[str] = frozenset()
        self.raw: set[str] = set()
        """Routes whose bodies are no JSON and may be larger: whoever adds one reads it piece by piece."""
        self._closing = False
        self._empty = asyncio.Event()
        self.origin = ""
        self.bound(settings.server.port)
        self.application = self._make()

    def bound(self, port: int) -> None:
        """The port that was really bound: origins follow from it."""
        server = self._settings.server
        self.origin = server.origin(port)
        scheme = "https" if server.https else "http"
        own = {f"{scheme}://{host}:{port}" for host in ("localhost", "127.0.0.1", "[::1]")}
        self._origins = frozenset({self.origin, *server.allowed_origins, *own})
        self._headers = security(self.origin, self._settings.materials.app_origins)

    @property
    def sockets(self) -> int:
        """Open WebSockets, greeted or not."""
        return len(self._sockets)

    def close_sockets(self) -> None:
        """Tell everybody to come back: this process is going away; nobody new comes in."""
        self._closing = True
        if not self._sockets:
            self._empty.set()
        for socket in list(self._sockets):
            socket.close("shutting_down", retry=True)

    def _gone(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        if self._closing and not self._sockets:
            self._empty.set()

    async def emptied(self) -> None:
        """After ``close_sockets``: the last client is gone."""
        await self._empty.wait()

    def _make(self) -> web.Application:
        app = web.Application(middlewares=[self._contain], client_max_size=MAX_BODY_BYTES)
        app.on_response_prepare.append(self._prepare)
        get, post = app.router.add_get, app.router.add_post
        post("/api/teacher/sign-in", self._sign_in)
        get("/api/teacher", self._teacher)
        post("/api/lessons", self._new_lesson)
        get("/api/lessons/{lesson}/attendance", self._attendance)
        get("/api/lessons/{lesson}/attendance.csv", self._attendance_csv)
        get("/api/links/{code}", self._link)
        post("/api/join", self._join)
        get("/ws", self._ws)
        get("/trust", self._trust)
        get("/trust/ca.crt", self._authority)
        for path in ("/", "/t", "/teacher", "/teacher/{tail:.*}", "/l/{code}", "/lesson/{tail:.*}",
                     "/library", "/library/{video}", "/watch/{code}"):  # fmt: skip
            get(path, self._page)
        assets = self._settings.paths.web_path / "assets"
        if assets.is_dir():
            app.router.add_static("/assets", assets)
        get("/{name}", self._file)
        return app

    # --- every answer ----------------------------------------------------------------------------------

    @web.middleware
    async def _contain(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        resource = request.match_info.route.resource
        route = "unknown" if resource is None else resource.canonical
        try:
            if request.method == hdrs.METH_POST:
                self._check_post(request, route)
            answer = await handler(request)
        except TooMany as many:
            metrics.refused.labels(many.code).inc()
            answer = _error(many.code, many.after_s)
        except Refused as refused:
            metrics.refused.labels(refused.code).inc()
            page = self._stray(request, refused.code)
            answer = page or _error(refused.code, 2 if refused.code == "internal" else None)
        except web.HTTPRequestEntityTooLarge:
            answer = _error("bad_request", status=413)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            code = "not_found" if error.status in (404, 405) else "bad_request"
            answer = self._stray(request, code) or _error(code, status=error.status)
        except ConnectionResetError:
            answer = _error("internal")  # the client is gone, nobody reads it
        except (SQLAlchemyError, OSError) as error:
            log.error("sql or disk not reached", extra={"route": route, "reason": type(error).__name__})
            answer = _error("internal", 2)
        except Exception:
            metrics.failures.labels("http").inc()
            log.exception("request failed", extra={"route": route})
            answer = _error("internal", status=500)
        metrics.http.labels(route, str(answer.status)).inc()
        return answer

    async def _prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        for name, value in self._headers.items():
            response.headers.setdefault(name, value)
        response.headers.popall("Server", None)
        if request.path.startswith("/assets/") and response.status in (200, 206, 304):
            response.headers["Cache-Control"] = IMMUTABLE
        elif "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"

    def _check_post(self, request: web.Request, route: str) -> None:
        self.check_origin(request)
        if request.content_type != ("application/octet-stream" if route in self.raw else "application/json"):
            raise Refused("bad_request", "content type")

    def check_origin(self, request: web.Request) -> None:
        """For everything that changes something; POST is checked by the door itself. Raises Refused."""
        if request.headers.get("Origin") not in self._origins:
            raise Refused("origin_refused")

    def address(self, request: web.Request) -> str:
        """What a client is limited by."""
        return rate_key(client_address(request.remote or "", request.headers, self._trusted))

    def _limit_crowd(self, buckets: Buckets, request: web.Request) -> None:
        """The wide limits by address; not for this machine itself (a proxy in front, a load test)."""
        address = self.address(request)
        if not is_loopback(address):
            self.limits.take(buckets, address)

    # --- who asks ----------------------------------------------------------------------------------------

    def browser(self, request: web.Request) -> Browser:
        """Who asks, as their cookies say; without a device cookie it is a new device."""
        now_s = self._now_ms() // 1000
        cookies = self._keys.cookies
        teacher = read_cookie(cookies, "teacher", request.cookies.get(TEACHER_COOKIE), now_s)
        device = read_cookie(cookies, "device", request.cookies.get(DEVICE_COOKIE), now_s)
        phone = "Mobi" in request.headers.get("User-Agent", "")
        turn = read_cookie(cookies, "turn", request.cookies.get(TURN_COOKIE), now_s)
        of, _, turn_ms = (turn or "").partition(" ")
        return Browser(device or new_id(), teacher, phone, int(turn_ms) if turn and of == device else None)

    def came_by_library_link(self, request: web.Request) -> bool:
        """Whether this browser signed in to the library."""
        token = request.cookies.get(LIBRARY_COOKIE)
        return read_cookie(self._keys.cookies, "library", token, self._now_ms() // 1000) is not None

    def remember(self, response: web.Response, name: str, audience: str, subject: str, life_s: int) -> None:
        """Set a signed cookie."""
        response.set_cookie(
            name,
            issue_cookie(self._keys.cookies, audience, subject, self._now_ms() // 1000, life_s),
            max_age=life_s,
            path="/",
            httponly=True,
            samesite="Lax" if name == DEVICE_COOKIE else "Strict",
            secure=self.origin.startswith("https:"),
        )

    # --- routes --------------------------------------------------------------------------------------------

    async def _sign_in(self, request: web.Request) -> web.Response:
        self.limits.take(self.limits.sign_ins, self.address(request))
        body = await read_body(request, wire.SignIn)
        teacher = await self._admission().sign_in(body.key)
        response = as_json(await self._admission().teacher(Browser("", teacher)))
        self.remember(response, TEACHER_COOKIE, "teacher", teacher, TEACHER_DAY_S)
        return response

    async def _teacher(self, request: web.Request) -> web.Response:
        return as_json(await self._admission().teacher(self.browser(request)))

    async def _new_lesson(self, request: web.Request) -> web.Response:
        browser = self.browser(request)
        body = await read_body(request, wire.NewLesson)
        self.limits.take(self.limits.lessons, browser.teacher or self.address(request))
        return as_json(await self._admission().new_lesson(browser, body))

    async def _attendance(self, request: web.Request) -> web.Response:
        return as_json(
            await self._admission().attendance(self.browser(request), request.match_info["lesson"])
        )

    async def _attendance_csv(self, request: web.Request) -> web.Response:
        found = await self._admission().attendance(self.browser(request), request.match_info["lesson"])
        return web.Response(
            body=b"\xef\xbb\xbf" + as_csv(found).encode(),
            content_type="text/csv",
            charset="utf-8",
            headers={"Content-Disposition": f'attachment; filename="attendance-{found.lesson}.csv"'},
        )

    async def _link(self, request: web.Request) -> web.Response:
        return as_json(
            await self.guarded(
                request, self._admission().link(self.browser(request), request.match_info["code"])
            )
        )

    async def _join(self, request: web.Request) -> web.Response:
        browser = self.browser(request)
        body = await read_body(request, wire.JoinRequest)
        if not self._admission().waits(browser):  # who was told to ask again is not counted for it
            self._limit_crowd(self.limits.joins, request)
            self.limits.take(self.limits.device_joins, browser.device)
        try:
            response = as_json(await self.guarded(request, self._admission().join(browser, body)))
        except Queued as queued:
            metrics.refused.labels(queued.code).inc()
            response = _error(queued.code, queued.after_s, place=queued.place, wait_s=queued.wait_s)
            turn = f"{browser.device} {self._now_ms() + queued.turn_in_ms}"
            self.remember(response, TURN_COOKIE, "turn", turn, round(KEPT_S))
        self.remember(response, DEVICE_COOKIE, "device", browser.device, DEVICE_LIFETIME_S)
        return response

    async def guarded(self, request: web.Request, asked: Awaitable[R]) -> R:
        """Count wrong codes by address; beyond the limit they are answered ``rate_limited``. Right ones never
        are: a whole school may stand behind the address of one who guesses."""
        address = self.address(request)
        try:
            return await asked
        except Refused as refused:
            if refused.code == "link_unknown":
                self.limits.take(self.limits.wrong_codes, address)
            raise

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        self.check_origin(request)
        if self._closing:
            raise Refused("internal", "closing")
        self._limit_crowd(self.limits.sockets, request)
        # A frame a little too big is still read, so that the client can be told why it is closed.
        response = web.WebSocketResponse(
            max_msg_size=2 * MAX_FRAME_BYTES, compress=False, heartbeat=HEARTBEAT_S, timeout=2.0
        )
        if not response.can_prepare(request).ok:
            raise Refused("bad_request", "not a WebSocket")
        await response.prepare(request)
        seat = f"{self._process}/{next(self._numbers)}"
        socket = Socket(
            response,
            request.transport,
            self._lessons,
            self._keys.tickets,
            seat,
            lambda: self._now_ms() // 1000,
        )
        self._sockets.add(socket)
        try:
            await socket.run()
        finally:
            self._gone(socket)
        return response

    # --- pages -------------------------------------------------------------------------------------------

    async def _page(self, _request: web.Request) -> web.StreamResponse:
        index = self._settings.paths.web_path / "index.html"
        if not index.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(index, headers={"Cache-Control": "no-store"})

    def _stray(self, request: web.Request, code: str) -> web.StreamResponse | None:
        """For a person who opened an address that is none (any more): the pages, which say so; None for a
        program, and for other codes."""
        if code not in ("not_found", "address_expired"):
            return None
        index = self._settings.paths.web_path / "index.html"
        wanted = request.method == hdrs.METH_GET and "text/html" in request.headers.get(hdrs.ACCEPT, "")
        if not wanted or request.path.startswith("/api/") or not index.is_file():
            return None
        return web.Response(
            status=STATUS[code], body=index.read_bytes(), content_type="text/html", charset="utf-8"
        )

    async def _file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        file = self._settings.paths.web_path / name
        if not _FILE.fullmatch(name) or not file.is_file():
            raise web.HTTPNotFound
        return web.FileResponse(file, headers={"Cache-Control": "no-cache"})

    async def _trust(self, _request: web.Request) -> web.Response:
        if self._settings.server.tls != "local":
            raise web.HTTPNotFound
        return web.Response(text=trust_page(self.origin), content_type="text/html", charset="utf-8")

    async def _authority(self, _request: web.Request) -> web.StreamResponse:
        file = self._settings.paths.keys / "ca.pem"
        if self._settings.server.tls != "local" or not file.is_file():
            raise web.HTTPNotFound
        return web.Response(
            body=file.read_bytes(),
            content_type="application/x-x509-ca-cert",
            headers={"Content-Disposition": 'attachment; filename="zvonok-ca.crt"'},
        )


async def read_body(request: web.Request, kind: type[T]) -> T:
    """The JSON body; raises Refused ``bad_request``."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused("bad_request", str(error)) from None


def as_json(value: msgspec.Struct) -> web.Response:
    """An answer of 200."""
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def _error(
    code: str,
    retry_after_s: int | None = None,
    *,
    status: int | None = None,
    place: int | None = None,
    wait_s: int | None = None,
) -> web.Response:
    response = as_json(wire.ErrorReply(code, retry_after_s, place, wait_s))
    response.set_status(status or STATUS.get(code, 400))
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    return response
