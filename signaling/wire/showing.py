"""What the class looks at together: a thing of the lesson in the middle of every screen."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from signaling.wire.names import Id, RequestNumber

ShownKind = Literal["board", "slides", "film", "app"]
"""The thing itself is the field ``<kind>/<id>``."""


class Show(Struct, tag_field="t", tag="show", frozen=True):
    """Leaders: put a thing of the lesson before everybody, or take it away (``kind`` None). Refused:
    ``not_found``."""

    id: RequestNumber
    kind: ShownKind | None = None
    thing: Id | None = None


class ShownField(Struct, frozen=True):
    """What everybody has before them; the field is absent while it is nothing. ``by``: who put it there."""

    kind: ShownKind
    thing: str
    by: str
