"""Slides: pages that the class looks at together, made of a file of the lesson's materials."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from signaling.wire.names import Id, RequestNumber

MAX_SLIDES: Final = 20
"""Slides of a lesson."""
MAX_SLIDES_PAGES: Final = 1000
"""More than any setting allows."""
MAX_SLIDES_WAITING: Final = 5
SlidesState = Literal["queued", "making", "ready", "failed"]
SlidesFailure = Literal[
    "no_office",
    "encrypted",
    "broken",
    "empty",
    "too_many_pages",
    "too_heavy",
    "too_slow",
    "interrupted",
    "disk_full",
    "gone",
    "failed",
]
"""Why a file could not be made into pages: this server can't read office files; it has a password; it
can't be read; it has no page; more pages than are taken; it wants more memory, or more time, than there is;
the server was stopped meanwhile; no room; the file is not in the materials any more; anything else."""
SlidesForm = tuple[int, int, int]
"""So many pages in a row, their width and their height."""
PageNumber = Annotated[int, Meta(ge=1, le=MAX_SLIDES_PAGES)]


class SlidesField(Struct, frozen=True):
    """Slides. ``page`` is before the class, from 1; ``done`` of ``pages`` are made. ``browse``: students may
    look at the other pages by themselves. ``replaced``: letters look different, as fonts were missing.

    ``forms`` tell the pages' widths and heights in order, in a unit of their own. ``folder`` is what their
    addresses are made of; empty until they are being made.
    """

    name: str
    by: str
    at_ms: int
    state: SlidesState = "queued"
    pages: int = 0
    done: int = 0
    page: int = 1
    browse: bool = False
    replaced: bool = False
    failure: SlidesFailure | None = None
    folder: str = ""
    forms: tuple[SlidesForm, ...] = ()


class SlidesWork(Struct, frozen=True):
    """What slides are to be made of, until they are: a kept file and its media type; which signalling process
    is at it. It never leaves the server."""

    source: str
    media_type: str
    process: str | None = None


class SlidesAdded(Struct, frozen=True):
    """Reply to a file that was brought as slides: the field ``slides/<slides>`` is there."""

    slides: str


class MakeSlides(Struct, tag_field="t", tag="make_slides", frozen=True):
    """Leaders: make slides of a file of the materials (PDF, office file, picture), or try again with
    ``slides`` that failed. Refused: ``not_found``, ``slides_unfit``, ``slides_full``, ``slides_busy``."""

    id: RequestNumber
    material: Id | None = None
    slides: Id | None = None


class TurnPage(Struct, tag_field="t", tag="turn_page", frozen=True):
    """Leaders: another page for everybody; a page beyond the last one is the last one."""

    id: RequestNumber
    slides: Id
    page: PageNumber


class SetBrowse(Struct, tag_field="t", tag="set_browse", frozen=True):
    """Leaders: whether students may look at other pages by themselves."""

    id: RequestNumber
    slides: Id
    browse: bool


class RemoveSlides(Struct, tag_field="t", tag="remove_slides", frozen=True):
    """Leaders: take slides out of the lesson, also from before the class."""

    id: RequestNumber
    slides: Id
