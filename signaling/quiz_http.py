"""Routes of a lesson's quiz results, for its teacher: as JSON and as CSV."""

from __future__ import annotations

from aiohttp import web

from signaling import wire
from signaling.admission import Admission
from signaling.archive import Archive
from signaling.http import Door, as_json
from signaling.quiz_results import as_csv, results


class QuizRoutes:
    """Adds itself to the door's application."""

    def __init__(self, door: Door, admission: Admission, archive: Archive) -> None:
        self._door = door
        self._admission = admission
        self._archive = archive
        router = door.application.router
        router.add_get("/api/lessons/{lesson}/results", self._results)
        router.add_get("/api/lessons/{lesson}/results.csv", self._csv)

    async def _found(self, request: web.Request) -> wire.QuizResults:
        lesson = await self._admission.own_lesson(self._door.browser(request), request.match_info["lesson"])
        return results(lesson.id, lesson.title, await self._archive.state(lesson.id))

    async def _results(self, request: web.Request) -> web.Response:
        return as_json(await self._found(request))

    async def _csv(self, request: web.Request) -> web.Response:
        found = await self._found(request)
        return web.Response(
            body=("\ufeff" + as_csv(found)).encode(),
            content_type="text/csv",
            charset="utf-8",
            headers={"Content-Disposition": f'attachment; filename="results-{found.lesson}.csv"'},
        )
