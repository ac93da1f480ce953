"""Slides of the lesson: what leaders ask, and what is told of their making."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

import msgspec

from sfu.model import Refused
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import SHOWN, State, is_ended
from signaling.wire.materials import MaterialField
from signaling.wire.showing import ShownField
from signaling.wire.slides import (
    MAX_SLIDES,
    MAX_SLIDES_WAITING,
    MakeSlides,
    RemoveSlides,
    SetBrowse,
    SlidesFailure,
    SlidesField,
    SlidesForm,
    SlidesWork,
    TurnPage,
)

FIT: Final = frozenset({"pdf", "office", "image"})
"""Groups of materials that can be made into pages."""


def path_of(slides: str) -> str:
    return f"slides/{slides}"


def work_of(slides: str) -> str:
    return f"_slides/{slides}"


def pages_of(lesson: str, slides: str) -> str:
    """The folder in which its pages' files are kept: it goes with what is kept under the slides' id."""
    return f"{lesson}/{slides}-pages"


def all_slides(state: State) -> Iterator[tuple[str, SlidesField]]:
    """All slides of the lesson with their ids, in no order."""
    for path, value in state.items():
        if path.startswith("slides/"):
            yield path[7:], value


# --- what leaders ask ---------------------------------------------------------------------------------


def make(state: State, actor: Actor, message: MakeSlides, moment: Moment) -> Change | None:
    """Of a file of the materials, or again of those that failed; None: they are being made."""
    if message.slides is not None:
        return _again(state, message.slides)
    path = f"material/{message.material}"
    material: MaterialField | None = state.get(path)
    if material is None or message.material is None:
        raise Refused("not_found")
    if material.kind != "file" or material.group not in FIT:
        raise Refused("slides_unfit")
    slides = f"s{moment.token}"
    return bring(state, actor, slides, material.name, message.material, material.media_type, moment.now_ms)


def bring(
    state: State, actor: Actor, slides: str, name: str, source: str, media_type: str, at_ms: int
) -> Change | None:
    """Put a kept file among those to be made. Raises Refused as ``check_room``."""
    check_room(state, actor)
    if path_of(slides) in state:
        return None
    field, work = SlidesField(name, actor.participant, at_ms), SlidesWork(source, media_type)
    return Change("slides_queued", {path_of(slides): field, work_of(slides): work})


def check_room(state: State, actor: Actor) -> None:
    """Whether somebody may bring more. Raises Refused ``not_allowed``, ``slides_full``, ``slides_busy``."""
    if not actor.role.leads:
        raise Refused("not_allowed")
    if sum(1 for _ in all_slides(state)) >= MAX_SLIDES:
        raise Refused("slides_full")
    _check_waiting(state)


def _again(state: State, slides: str) -> Change | None:
    field = _known(state, slides)
    work: SlidesWork | None = state.get(work_of(slides))
    if field.state != "failed" or work is None:
        return None
    _check_waiting(state)
    again = msgspec.structs.replace(field, state="queued", failure=None, pages=0, done=0, forms=())
    free = msgspec.structs.replace(work, process=None)
    return Change("slides_queued", {path_of(slides): again, work_of(slides): free})


def _check_waiting(state: State) -> None:
    waiting = sum(each.state in ("queued", "making") for _, each in all_slides(state))
    if waiting >= MAX_SLIDES_WAITING:
        raise Refused("slides_busy")


def turn(state: State, _actor: Actor, message: TurnPage, _moment: Moment) -> Change | None:
    field = _known(state, message.slides)
    if field.state != "ready":
        raise Refused("not_found")
    page = min(message.page, field.pages)
    if page == field.page:
        return None
    return Change("slides_page", {path_of(message.slides): msgspec.structs.replace(field, page=page)})


def set_browse(state: State, _actor: Actor, message: SetBrowse, _moment: Moment) -> Change | None:
    field = _known(state, message.slides)
    if field.browse is message.browse:
        return None
    return Change(
        "slides_browse", {path_of(message.slides): msgspec.structs.replace(field, browse=message.browse)}
    )


def remove(state: State, _actor: Actor, message: RemoveSlides, _moment: Moment) -> Change | None:
    _known(state, message.slides)
    gone = [path_of(message.slides)]
    if work_of(message.slides) in state:
        gone.append(work_of(message.slides))
    shown: ShownField | None = state.get(SHOWN)
    if shown is not None and (shown.kind, shown.thing) == ("slides", message.slides):
        gone.append(SHOWN)
    return Change("slides_removed", {}, tuple(gone))


# --- what is told of their making ------------------------------------------------------------------------


def claim(state: State, slides: str, process: str, folder: str) -> Change | None:
    """A process begins to make them; None: they are not queued (any more)."""
    field: SlidesField | None = state.get(path_of(slides))
    work: SlidesWork | None = state.get(work_of(slides))
    if field is None or work is None or field.state != "queued" or is_ended(state):
        return None
    making = msgspec.structs.replace(field, state="making", folder=folder, pages=0, done=0)
    mine = msgspec.structs.replace(work, process=process)
    return Change("slides_making", {path_of(slides): making, work_of(slides): mine})


def tell(state: State, slides: str, process: str, done: int, forms: tuple[SlidesForm, ...]) -> Change | None:
    """How far the making is; None: it is not this process's any more."""
    field = _claimed(state, slides, process)
    if field is None:
        return None
    pages = sum(count for count, _, _ in forms)
    told = msgspec.structs.replace(field, done=done, pages=pages, forms=forms)
    return Change("slides_making", {path_of(slides): told}, (), frozenset({work_of(slides)}))


def finish(
    state: State, slides: str, process: str, forms: tuple[SlidesForm, ...], *, replaced: bool
) -> Change | None:
    """All pages are there."""
    field = _claimed(state, slides, process)
    if field is None:
        return None
    pages = sum(count for count, _, _ in forms)
    page = min(field.page, pages)
    ready = msgspec.structs.replace(
        field, state="ready", pages=pages, done=pages, page=page, forms=forms, replaced=replaced
    )
    return Change("slides_ready", {path_of(slides): ready}, (work_of(slides),))


def fail(state: State, slides: str, process: str, failure: SlidesFailure) -> Change | None:
    """They were not made; they can be tried again."""
    field = _claimed(state, slides, process)
    if field is None:
        return None
    failed = msgspec.structs.replace(field, state="failed", failure=failure, done=0)
    return Change("slides_failed", {path_of(slides): failed}, (), frozenset({work_of(slides)}))


def forms_of(sizes: list[tuple[int, int]]) -> tuple[SlidesForm, ...]:
    """Pages' sizes as ``SlidesField.forms``.

    >>> forms_of([(4, 3), (4, 3), (16, 9)])
    ((2, 4, 3), (1, 16, 9))
    """
    return tuple((len(list(group)), width, height) for (width, height), group in groupby(sizes))


# --- who may see what ------------------------------------------------------------------------------------


def may_see(state: State, slides: str, page: int, *, leads: bool) -> bool:
    """Whether somebody who is in the lesson may have this page: leaders any that is made; others of what is
    before the class its page, those before it and the next one (their browsers fetch it ahead), or all
    where they may browse."""
    field: SlidesField | None = state.get(path_of(slides))
    if field is None or not 1 <= page <= field.pages:
        return False
    if leads:
        return page <= field.done
    shown: ShownField | None = state.get(SHOWN)
    if field.state != "ready" or shown is None or (shown.kind, shown.thing) != ("slides", slides):
        return False
    return field.browse or page <= field.page + 1


def _known(state: State, slides: str) -> SlidesField:
    field: SlidesField | None = state.get(path_of(slides))
    if field is None:
        raise Refused("not_found")
    return field


def _claimed(state: State, slides: str, process: str) -> SlidesField | None:
    field: SlidesField | None = state.get(path_of(slides))
    work: SlidesWork | None = state.get(work_of(slides))
    if field is None or field.state != "making" or work is None or work.process != process or is_ended(state):
        return None
    return field
