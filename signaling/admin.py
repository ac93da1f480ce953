"""The admin listener: metrics, health, status. Loopback by default, never in front of the public."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from signaling.status_page import HEADERS, chosen_language, status_page

Faults = Callable[[], Mapping[str, str]]
Status = Callable[[], Mapping[str, Any]]


def application(health: Faults, live: Faults, ready: Faults, status: Status) -> web.Application:
    """``health``, ``live`` and ``ready`` give what is wrong by a stable code (empty: all well); ``status``
    figures for all."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def as_json_or_page(request: web.Request) -> web.Response:
        figures = status()
        if "text/html" in request.headers.get("Accept", ""):
            language = chosen_language(request.headers.get("Accept-Language", ""))
            page = status_page(figures, language)
            return web.Response(text=page, content_type="text/html", charset="utf-8", headers=HEADERS)
        return web.Response(text=json.dumps(figures, indent=1), content_type="application/json")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    for path, faults in (("/healthz", health), ("/livez", live), ("/readyz", ready)):
        app.router.add_get(path, _probe(faults))
    app.router.add_get("/status", as_json_or_page)
    app.router.add_get("/", as_json_or_page)
    return app


def _probe(faults: Faults) -> Callable[[web.Request], Any]:
    async def answer(_request: web.Request) -> web.Response:
        found = dict(faults())
        return web.json_response({"ok": not found, "faults": found}, status=503 if found else 200)

    return answer
