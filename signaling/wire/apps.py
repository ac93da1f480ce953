"""Web apps of other origins in the lesson, and what students reached in them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from signaling.wire.names import Id, RequestNumber

MAX_POINTS = 1_000_000
Points = Annotated[float, Meta(ge=0, le=MAX_POINTS)]


class AppField(Struct, frozen=True):
    """An app that can be shown; it is a material of the same id too."""

    name: str
    url: str


class ScoreField(Struct, frozen=True):
    """What a student reached in an app, as the app said last; ``of``: what can be reached. Leaders see it,
    and the student themselves. ``tries``: how often it was told."""

    points: float
    of: float
    tries: int
    at_ms: int


class Score(Struct, tag_field="t", tag="score", frozen=True):
    """Students: what the app says that they reached."""

    id: RequestNumber
    app: Id
    points: Points
    of: Points


class AppInfo(Struct, frozen=True):
    """An app that this server allows."""

    name: str
    url: str


class AppList(Struct, frozen=True):
    """All of them; none: lessons here have no apps."""

    apps: tuple[AppInfo, ...]


class AddApp(Struct, frozen=True):
    """One of ``AppList``, by its address."""

    url: Annotated[str, Meta(max_length=500)]
