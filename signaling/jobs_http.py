"""Jobs behind video lessons for operators, on the admin listener: what runs, waits, failed; try one again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final, cast

import msgspec
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from signaling.catalog.jobs import STEPS, Jobs
from signaling.jobs_page import HEADERS, jobs_page
from signaling.log import Clock
from signaling.status_page import chosen_language
from signaling.wire import JobState, JobStep

SHOWN: Final[tuple[JobState, ...]] = ("running", "failed", "waiting")
MOST: Final = 200


class RetryRequest(msgspec.Struct, frozen=True):
    """Try a step of a recording again."""

    recording: str
    step: JobStep


class JobRoutes:
    """Answers ``GET /jobs`` (a page or JSON) and ``POST /jobs`` (JSON, or the page's form)."""

    def __init__(self, jobs: Jobs, now_ms: Clock) -> None:
        self._jobs = jobs
        self._now_ms = now_ms

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/jobs", self._list), web.post("/jobs", self._retry)]

    async def _list(self, request: web.Request) -> web.Response:
        try:
            counts, listed = await self._jobs.counts(), await self._jobs.listed(SHOWN, MOST)
        except SQLAlchemyError as error:
            return _failed(503, f"the database is not reached ({type(error).__name__})")
        if "text/html" in request.headers.get("Accept", ""):
            language = chosen_language(request.headers.get("Accept-Language", ""))
            page = jobs_page(counts, listed, self._now_ms(), language)
            return web.Response(text=page, content_type="text/html", charset="utf-8", headers=HEADERS)
        return web.json_response({"counts": counts, "jobs": [asdict(job) for job in listed]})

    async def _retry(self, request: web.Request) -> web.Response:
        form = request.content_type == "application/x-www-form-urlencoded"
        if form:
            if request.headers.get("Origin") != f"{request.scheme}://{request.host}":
                return _failed(403, "the form of this page is wanted")
            asked = _of_form(cast("Mapping[str, object]", await request.post()))
        elif request.content_type == "application/json":  # a page of another origin can't send that
            try:
                asked = msgspec.json.decode(await request.read(), type=RetryRequest)
            except msgspec.MsgspecError as error:
                return _failed(400, str(error))
        else:
            return _failed(415, "JSON is wanted")
        if asked is None:
            return _failed(400, f"recording and step are wanted; steps: {', '.join(STEPS)}")
        try:
            done = await self._jobs.retry(asked.recording, asked.step, self._now_ms())
        except SQLAlchemyError as error:
            return _failed(503, f"the database is not reached ({type(error).__name__})")
        if form:
            return web.Response(status=303, headers={"Location": "/jobs"})
        if not done:
            return _failed(409, f"no job {asked.step} of {asked.recording} has failed or waits")
        return web.json_response({"recording": asked.recording, "step": asked.step})


def _of_form(form: Mapping[str, object]) -> RetryRequest | None:
    try:
        return msgspec.convert({"recording": form.get("recording"), "step": form.get("step")}, RetryRequest)
    except msgspec.ValidationError:
        return None


def _failed(status: int, sentence: str) -> web.Response:
    return web.json_response({"refused": sentence}, status=status)
