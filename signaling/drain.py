"""Take a worker out of service: no new lessons at once, those it has move at a deadline. For operators, on
the admin listener; ``config.drain`` is the command."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from sfu.rpc.registration import WorkerRecord
from signaling.catalog.store import BELL_MARGIN_S, Catalog
from signaling.log import Clock, LogUnreachable
from signaling.placement import Placement


class DrainRequest(msgspec.Struct, frozen=True):
    """``within_s``: from now to the deadline; ``cancel``: the worker takes lessons again; ``force``: whatever
    speaks against it."""

    worker: str
    within_s: int = 0
    cancel: bool = False
    force: bool = False


def refusal(
    asked: DrainRequest, workers: Mapping[str, WorkerRecord], opening_ms: Mapping[str, int], at_ms: int
) -> str | None:
    """Why this must not be, in a sentence; ``opening_ms``: announced lessons near ``at_ms``, and when they
    open."""
    if asked.worker not in workers:
        names = ", ".join(sorted(workers)) or "none"
        return f"no worker is called {asked.worker}; there are: {names}"
    if asked.cancel or asked.force:
        return None
    if not any(not each.draining for name, each in workers.items() if name != asked.worker):
        return "no other worker takes lessons: they could not move (--force drains it all the same)"
    near = [opens_ms for opens_ms in opening_ms.values() if abs(opens_ms - at_ms) < BELL_MARGIN_S * 1000]
    if near:
        bell = min(near, key=lambda opens_ms: abs(opens_ms - at_ms))
        return (
            f"lessons would move at {clock_time(at_ms)}, within {BELL_MARGIN_S // 60} minutes of the bell"
            f" at {clock_time(bell)} ({len(near)} announced): choose another --within, or --force"
        )
    return None


def clock_time(at_ms: int) -> str:
    """Hours and minutes on this machine."""
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%H:%M")


class Drain:
    """Answers ``GET`` and ``POST /workers``."""

    def __init__(self, placement: Placement, catalog: Catalog, now_ms: Clock) -> None:
        self._placement = placement
        self._catalog = catalog
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/workers", self._list), web.post("/workers", self._drain)]

    async def _list(self, _request: web.Request) -> web.Response:
        try:
            workers = await self._placement.workers()
        except LogUnreachable as error:
            return _failed(503, f"redis is not reached ({type(error).__name__})")
        return web.json_response(
            [
                {
                    "worker": name,
                    "lessons": each.lessons,
                    "people": each.transports,
                    "draining": each.draining,
                    "drains_at_ms": each.drains_at_ms,
                }
                for name, each in sorted(workers.items())
            ]
        )

    async def _drain(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":  # a page of another origin can't send that
            return _failed(415, "JSON is wanted")
        try:
            asked = msgspec.json.decode(await request.read(), type=DrainRequest)
        except msgspec.MsgspecError as error:
            return _failed(400, str(error))
        at_ms = self._now_ms() + asked.within_s * 1000
        margin_ms = BELL_MARGIN_S * 1000
        try:
            opening = await self._catalog.opening(at_ms - margin_ms, at_ms + margin_ms)
            why_not = refusal(asked, await self._placement.workers(), opening, at_ms)
            if why_not is not None:
                return _failed(409, why_not)
            await self._placement.drain(asked.worker, None if asked.cancel else at_ms)
        except (SQLAlchemyError, *LogUnreachable) as error:
            return _failed(503, f"redis or the database is not reached ({type(error).__name__})")
        return web.json_response({"worker": asked.worker, "drains_at_ms": 0 if asked.cancel else at_ms})


def _failed(status: int, sentence: str) -> web.Response:
    return web.json_response({"refused": sentence}, status=status)
