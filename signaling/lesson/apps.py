"""Web apps that the server allows, and students' results in them."""

from __future__ import annotations

import math
from typing import Final

from sfu.model import Refused
from signaling.lesson import materials
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import State
from signaling.wire.apps import AppField, Score, ScoreField
from signaling.wire.materials import MaterialField

MAX_TRIES: Final = 1000
LEAST_MS: Final = 500
"""Results that come faster are not a person's."""


def path_of(app: str) -> str:
    return f"app/{app}"


def score_of(participant: str, app: str) -> str:
    return f"score/{participant}/{app}"


def add(state: State, actor: Actor, app: str, field: AppField, moment: Moment) -> Change | None:
    """One that the server allows, which the caller has looked up. Raises Refused ``not_allowed``,
    ``materials_full``."""
    material = MaterialField("app", field.name, actor.participant, moment.now_ms, 0.0, url=field.url)
    change = materials.add(state, actor, app, material)
    if change is None:
        return None
    return Change(change.kind, {**change.set, path_of(app): field}, (), change.expect)


def score(state: State, actor: Actor, message: Score, moment: Moment) -> Change | None:
    """The last result counts. Raises Refused ``not_found``, ``bad_request``, ``rate_limited``."""
    if path_of(message.app) not in state:
        raise Refused("not_found")
    if not (math.isfinite(message.points) and message.of > 0 and message.points <= message.of):
        raise Refused("bad_request")
    path = score_of(actor.participant, message.app)
    before: ScoreField | None = state.get(path)
    if before is not None and (before.points, before.of) == (message.points, message.of):
        return None
    if before is not None and (before.tries >= MAX_TRIES or moment.now_ms - before.at_ms < LEAST_MS):
        raise Refused("rate_limited")
    tries = 1 if before is None else before.tries + 1
    now = ScoreField(message.points, message.of, tries, moment.now_ms)
    return Change("score", {path: now}, (), frozenset({path_of(message.app)}))
