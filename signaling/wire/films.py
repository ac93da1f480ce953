"""Pictures, sounds and films of the lesson, shown to all and played in step."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from signaling.wire.names import Id, RequestNumber

MAX_FILM_MS = 12 * 3600 * 1000
FilmState = Literal["playing", "paused"]
Position = Annotated[int, Meta(ge=0, le=MAX_FILM_MS)]


class FilmField(Struct, frozen=True):
    """How a material of this id is played: it was at ``position_ms`` at server time ``at_ms``, and goes on
    from there while it is ``playing``. ``by``: who said so last."""

    state: FilmState
    position_ms: int
    at_ms: int
    by: str


class ShowFilm(Struct, tag_field="t", tag="show_film", frozen=True):
    """Leaders: put a picture, a sound or a film before everybody; it stands where it was left."""

    id: RequestNumber
    material: Id


class PlayFilm(Struct, tag_field="t", tag="play_film", frozen=True):
    """Leaders: play or pause what is shown, from this position on."""

    id: RequestNumber
    material: Id
    state: FilmState
    position_ms: Position
