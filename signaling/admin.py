"""The admin listener: metrics, health, status. Loopback by default, never in front of the public."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Health = Callable[[], Mapping[str, str]]
Status = Callable[[], Mapping[str, Any]]


def application(health: Health, status: Status) -> web.Application:
    """``health`` gives what is wrong by part (empty: all well); ``status`` figures for all."""

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_request: web.Request) -> web.Response:
        faults = dict(health())
        return web.json_response({"ok": not faults, "faults": faults}, status=503 if faults else 200)

    async def as_json(request: web.Request) -> web.Response:
        figures = dict(status())
        if "text/html" in request.headers.get("Accept", ""):
            return web.Response(text=_table(figures), content_type="text/html", charset="utf-8")
        return web.Response(text=json.dumps(figures, indent=1), content_type="application/json")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/status", as_json)
    app.router.add_get("/", as_json)
    return app


def _table(figures: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(json.dumps(value))}</td></tr>"
        for name, value in figures.items()
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">'
        f"<title>Zvonok: status</title><h1>Zvonok</h1><table>{rows}</table></html>"
    )
