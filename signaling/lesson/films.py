"""Pictures, sounds and films before everybody: one position for all, by server time."""

from __future__ import annotations

from sfu.model import Refused
from signaling.lesson import materials, showing
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import State
from signaling.wire.films import FilmField, PlayFilm, ShowFilm
from signaling.wire.materials import MaterialField

_SHOWN = frozenset({"image", "audio", "video"})


def path_of(material: str) -> str:
    return f"film/{material}"


def show(state: State, actor: Actor, message: ShowFilm, moment: Moment) -> Change | None:
    """Raises Refused ``not_found``, ``bad_request`` for a file that browsers don't show."""
    source = _check(state, message.material)
    path = path_of(message.material)
    made = {} if path in state else {path: FilmField("paused", 0, moment.now_ms, actor.participant)}
    change = showing.put({**state, **made}, actor, "film", message.material)
    if change is None:
        return None
    return Change(change.kind, {**change.set, **made}, (), frozenset({path, source}))


def play(state: State, actor: Actor, message: PlayFilm, moment: Moment) -> Change | None:
    """Raises Refused ``not_found``."""
    source = _check(state, message.material)
    path = path_of(message.material)
    before: FilmField | None = state.get(path)
    if before is None:
        raise Refused("not_found")
    if before.state == message.state == "paused" and before.position_ms == message.position_ms:
        return None
    now = FilmField(message.state, message.position_ms, moment.now_ms, actor.participant)
    return Change("film", {path: now}, (), frozenset({source}))


def _check(state: State, material: str) -> str:
    path = materials.path_of(material)
    field: MaterialField | None = state.get(path)
    if field is None:
        raise Refused("not_found")
    if field.kind != "file" or field.group not in _SHOWN:
        raise Refused("bad_request")
    return path
