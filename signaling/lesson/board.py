"""Boards: making, naming, clearing, removing them, and what is drawn on them."""

from __future__ import annotations

from collections.abc import Iterator
from struct import iter_unpack
from typing import Final

from msgspec.structs import replace

from sfu.model import Refused
from signaling import texts
from signaling.lesson import fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import SHOWN, State
from signaling.lesson.ink import may_draw
from signaling.wire import (
    MAX_BOARD_BYTES,
    MAX_BOARD_ELEMENTS,
    MAX_BOARD_NAME,
    MAX_BOARDS,
    MAX_INK_BYTES,
    BoardClear,
    BoardElementField,
    BoardField,
    BoardMake,
    BoardName,
    BoardPut,
    BoardRemove,
    ShownField,
)

ELEMENT_BYTES: Final = 160
"""What an element takes in the state beside its points and its text, about."""
_MAX_POINT: Final = 32_000
_WITH_POINTS: Final = frozenset({"line", "arrow", "freedraw"})


def make(state: State, actor: Actor, message: BoardMake, moment: Moment) -> Change | None:
    """None: it is there already. Raises Refused ``too_many_boards``, ``text_empty``."""
    path = fields.board(message.board)
    if path in state:
        return None
    if sum(1 for _ in boards(state)) >= MAX_BOARDS:
        raise Refused("too_many_boards")
    board = BoardField(texts.line(message.name, MAX_BOARD_NAME), moment.now_ms, actor.participant)
    changed: dict[str, object] = {path: board}
    if message.show:
        changed[SHOWN] = ShownField("board", message.board, actor.participant)
    return Change("board", changed)


def name(state: State, _actor: Actor, message: BoardName, _moment: Moment) -> Change | None:
    """None: it is called so. Raises Refused ``not_found``, ``text_empty``."""
    board = _board(state, message.board)
    named = replace(board, name=texts.line(message.name, MAX_BOARD_NAME))
    return None if named == board else Change("board", {fields.board(message.board): named})


def remove(state: State, _actor: Actor, message: BoardRemove, _moment: Moment) -> Change | None:
    """None: it is gone already. A shown one is not shown any more."""
    if fields.board(message.board) not in state:
        return None
    gone = [fields.board(message.board), *(path for path, _ in elements(state, message.board))]
    shown: ShownField | None = state.get(SHOWN)
    if shown is not None and (shown.kind, shown.thing) == ("board", message.board):
        gone.append(SHOWN)
    return Change("board_removed", {}, tuple(gone))


def clear(state: State, _actor: Actor, message: BoardClear, _moment: Moment) -> Change | None:
    """None: it is empty. Raises Refused ``not_found``."""
    _board(state, message.board)
    gone = tuple(path for path, _ in elements(state, message.board))
    return Change("board_cleared", {}, gone) if gone else None


def put(state: State, actor: Actor, message: BoardPut, moment: Moment) -> Change | None:
    """What is older than what is there is passed over; None: all of it is.

    Raises Refused ``not_allowed`` (may not draw, or another's element), ``not_found``, ``board_full``,
    ``bad_request`` (points).
    """
    if not may_draw(state, actor, message.board):
        raise Refused("not_allowed")
    changed: dict[str, object] = {}
    if fields.board(message.board) not in state:
        changed[fields.board(message.board)] = _over_slides(state, actor, message.board, moment)
    for identifier, element in message.elements.items():
        path = fields.element(message.board, identifier)
        before: BoardElementField | None = state.get(path)
        checked = _checked(element, actor.participant if before is None else before.by)
        _own(actor, before)
        if before is None or supersedes(checked, before):
            changed[path] = checked
    gone = []
    for identifier in dict.fromkeys(message.gone):
        path = fields.element(message.board, identifier)
        before = state.get(path)
        _own(actor, before)
        if before is not None and path not in changed:
            gone.append(path)
    if any(isinstance(value, BoardElementField) for value in changed.values()):
        _has_room(state, message.board, changed, gone)
    elif not gone:
        return None
    # It may be drawn as long as the permission stands.
    who = actor.participant
    allowed = frozenset({fields.INK_OF_ALL, fields.ink(who), fields.GROUPS, fields.in_group(who)})
    return Change(
        "drawn",
        changed,
        tuple(gone),
        frozenset({fields.board(message.board)}) | (frozenset() if actor.role.leads else allowed),
    )


def supersedes(element: BoardElementField, before: BoardElementField) -> bool:
    """Whether it counts beside the one that is there: as pages decide it, so that all come to the same."""
    return (element.version, -element.nonce) > (before.version, -before.nonce)


def boards(state: State) -> Iterator[tuple[str, BoardField]]:
    """All boards with their ids."""
    for path, value in state.items():
        if isinstance(value, BoardField):
            yield path[6:], value


def elements(state: State, board: str) -> Iterator[tuple[str, BoardElementField]]:
    """Everything on a board, by path."""
    prefix = fields.element(board, "")
    for path, value in state.items():
        if path.startswith(prefix):
            yield path, value


def before_class(state: State, board: str) -> bool:
    """Whether the class has this board before it, by itself or over the slides."""
    shown: ShownField | None = state.get(SHOWN)
    if shown is None:
        return False
    if shown.kind == "board":
        return shown.thing == board
    return shown.kind == "slides" and _page_of(shown.thing, board)


def _page_of(slides: str, board: str) -> bool:
    page = board.removeprefix(f"{slides}-")
    return page != board and page.isascii() and page.isdigit() and len(page) <= 4


def _over_slides(state: State, actor: Actor, board: str, moment: Moment) -> BoardField:
    shown: ShownField | None = state.get(SHOWN)
    if shown is None or shown.kind != "slides" or not _page_of(shown.thing, board):
        raise Refused("not_found")
    if sum(1 for _ in boards(state)) >= MAX_BOARDS:
        raise Refused("too_many_boards")
    return BoardField("", moment.now_ms, actor.participant, shown.thing)


def _board(state: State, board: str) -> BoardField:
    found: BoardField | None = state.get(fields.board(board))
    if found is None:
        raise Refused("not_found")
    return found


def _own(actor: Actor, before: BoardElementField | None) -> None:
    if before is not None and before.by != actor.participant and not actor.role.leads:
        raise Refused("not_allowed", "another's element")


def _checked(element: BoardElementField, by: str) -> BoardElementField:
    """With whose it is, and its text as everybody may see it; raises Refused ``bad_request``."""
    if (element.kind in _WITH_POINTS) != bool(element.points) or len(element.points) % 4:
        raise Refused("bad_request", "points")
    if any(abs(x) > _MAX_POINT or abs(y) > _MAX_POINT for x, y in iter_unpack("<hh", element.points)):
        raise Refused("bad_request", "points too far")
    if element.pressures and 4 * len(element.pressures) != len(element.points):
        raise Refused("bad_request", "pressures")
    if (element.kind == "text") != bool(element.text):
        raise Refused("bad_request", "text")
    text = texts.chat(element.text) if element.kind == "text" else ""
    return replace(element, by=by, text=text)


def weight(element: BoardElementField) -> int:
    """About how many bytes it takes in the state."""
    return ELEMENT_BYTES + len(element.points) + len(element.pressures) + 2 * len(element.text)


def _has_room(state: State, board: str, changed: dict[str, object], gone: list[str]) -> None:
    after = {
        path: value for path, value in {**state, **changed}.items() if isinstance(value, BoardElementField)
    }
    for path in gone:
        after.pop(path, None)
    prefix = fields.element(board, "")
    weights = [weight(element) for path, element in after.items() if path.startswith(prefix)]
    if len(weights) > MAX_BOARD_ELEMENTS or sum(weights) > MAX_BOARD_BYTES:
        raise Refused("board_full")
    if sum(map(weight, after.values())) > MAX_INK_BYTES:
        raise Refused("board_full")
