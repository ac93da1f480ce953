"""Picking a student at random, fairly."""

from __future__ import annotations

from msgspec import Struct

from signaling.wire.names import Id, RequestNumber


class Pick(Struct, tag_field="t", tag="pick", frozen=True):
    """Leaders: draw a student. ``public``: everybody is told who, else leaders only. Refused:
    ``nobody_to_pick``."""

    id: RequestNumber
    public: bool = True


class SetPickable(Struct, tag_field="t", tag="set_pickable", frozen=True):
    """Leaders: whether a student is drawn at all."""

    id: RequestNumber
    participant: Id
    on: bool


class PickerField(Struct, frozen=True):
    """What the draw remembers of a student; seen by leaders. ``round``: the last one in which they had a
    turn, 0 for none yet."""

    round: int = 0
    excluded: bool = False


class PickedField(Struct, frozen=True):
    """Who was drawn last."""

    participant: str
    by: str
    at_ms: int
