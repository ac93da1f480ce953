"""Files and links of the lesson. Files come over HTTP; what is said of them here is what everybody sees."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from sfu.model import Refused
from signaling import texts
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import SHOWN, State
from signaling.wire.materials import (
    MAX_MATERIALS,
    MAX_URL,
    AddLink,
    MaterialField,
    MoveMaterial,
    NameMaterial,
    SetSharing,
    SharingField,
)
from signaling.wire.showing import ShownField

SHARING: Final = "sharing"


def path_of(material: str) -> str:
    return f"material/{material}"


def materials(state: State) -> Iterator[tuple[str, MaterialField]]:
    """Every material with its id, in no order."""
    for path, value in state.items():
        if path.startswith("material/"):
            yield path[9:], value


def may_add_files(state: State, actor: Actor) -> bool:
    """Whether somebody may bring files; they must be here."""
    sharing: SharingField | None = state.get(SHARING)
    return actor.role.leads or (sharing is not None and sharing.students)


def add(state: State, actor: Actor, material: str, field: MaterialField) -> Change | None:
    """A material that is ready, at the end. Raises Refused ``not_allowed``, ``materials_full``."""
    if path_of(material) in state:
        return None
    if (field.kind != "file" and not actor.role.leads) or not may_add_files(state, actor):
        raise Refused("not_allowed")
    known = [each.place for _, each in materials(state)]
    if len(known) >= MAX_MATERIALS:
        raise Refused("materials_full")
    placed = msgspec.structs.replace(field, place=max(known, default=0.0) + 1)
    return Change("material_added", {path_of(material): placed}, (), frozenset({SHARING}))


def add_link(state: State, actor: Actor, message: AddLink, moment: Moment) -> Change | None:
    """Raises Refused ``link_refused``, ``materials_full``."""
    url = checked(message.url)
    name = texts.line(message.name) if message.name.strip() else host_of(url)
    field = MaterialField("link", name, actor.participant, moment.now_ms, 0.0, url=url)
    return add(state, actor, f"l{moment.token}", field)


def name_material(state: State, _actor: Actor, message: NameMaterial, _moment: Moment) -> Change | None:
    path, field = _known(state, message.material)
    name = texts.line(message.name)
    if name == field.name:
        return None
    return Change("material_changed", {path: msgspec.structs.replace(field, name=name)})


def move_material(state: State, _actor: Actor, message: MoveMaterial, _moment: Moment) -> Change | None:
    """Between two others; the place is a number between theirs."""
    path, field = _known(state, message.material)
    others = sorted(
        (each.place, each_id) for each_id, each in materials(state) if each_id != message.material
    )
    if message.before is None:
        place = (others[-1][0] if others else 0.0) + 1
    else:
        _known(state, message.before)
        at = next((n for n, (_, each_id) in enumerate(others) if each_id == message.before), None)
        if at is None:
            return None  # before itself
        lower = others[at - 1][0] if at else others[at][0] - 2
        place = (lower + others[at][0]) / 2
    if place == field.place:
        return None
    return Change("material_changed", {path: msgspec.structs.replace(field, place=place)})


def remove(state: State, actor: Actor, material: str) -> Change | None:
    """Take a material away, also from before the class: leaders any, others what they brought themselves.

    Raises Refused ``not_found``, ``not_allowed``.
    """
    path, field = _known(state, material)
    if not actor.role.leads and field.by != actor.participant:
        raise Refused("not_allowed")
    shown: ShownField | None = state.get(SHOWN)
    gone = [path, *(p for p in (f"film/{material}", f"app/{material}") if p in state)]
    if shown is not None and f"{shown.kind}/{shown.thing}" in gone:
        gone.append(SHOWN)
    return Change("material_removed", {}, tuple(gone))


def set_sharing(state: State, _actor: Actor, message: SetSharing, _moment: Moment) -> Change | None:
    before: SharingField | None = state.get(SHARING)
    if message.students is (before is not None and before.students):
        return None
    return Change("sharing", {SHARING: SharingField(message.students)})


def checked(text: str) -> str:
    """An address of another site as it is kept: https, a host with a name, nobody's password.

    Raises Refused ``link_refused``.
    """
    cut = text.strip()
    if "://" not in cut:
        cut = f"https://{cut}"
    try:
        parts = urlsplit(cut)
        host, port = parts.hostname or "", parts.port
        ascii_host = host.encode("idna").decode("ascii")
    except (ValueError, UnicodeError):
        raise Refused("link_refused") from None
    plain = all(c.isprintable() and c not in " \"'<>\\^`{|}" for c in cut)
    named = "." in ascii_host and not _is_address(ascii_host)
    if parts.scheme != "https" or not named or not plain or parts.username is not None or len(cut) > MAX_URL:
        raise Refused("link_refused")
    netloc = ascii_host if port in (None, 443) else f"{ascii_host}:{port}"
    return urlunsplit(("https", netloc, parts.path or "/", parts.query, parts.fragment))


def host_of(url: str) -> str:
    """What people are told of where a link leads."""
    return urlsplit(url).hostname or ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.rpartition(".")[2].isdigit()
    return True


def _known(state: State, material: str) -> tuple[str, MaterialField]:
    path = path_of(material)
    if path not in state:
        raise Refused("not_found")
    return path, state[path]
