"""Boards that people draw on, and who may draw."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from signaling.wire.names import MAX_CHAT, Id, RequestNumber

MAX_BOARDS: Final = 100
MAX_BOARD_NAME: Final = 60
MAX_BOARD_ELEMENTS: Final = 3000
MAX_BOARD_BYTES: Final = 1024 * 1024
MAX_INK_BYTES: Final = 1_310_720
"""All boards of a lesson together; they are a part of ``welcome``, which must fit into a client's queue."""
MAX_PUT: Final = 16
MAX_STROKE_POINTS: Final = 1500
MAX_INK_POINTS: Final = 128
POINTS_A_UNIT: Final = 4
"""Points are in quarters of a unit of the board."""

ElementId = Annotated[str, Meta(min_length=1, max_length=32, pattern="^[A-Za-z0-9_-]+$")]
ElementKind = Literal["rectangle", "ellipse", "diamond", "line", "arrow", "freedraw", "text"]
FillStyle = Literal["solid", "hachure", "cross-hatch", "zigzag"]
LineStyle = Literal["solid", "dashed", "dotted"]
ArrowHead = Literal["none", "arrow", "bar", "dot", "circle", "triangle"]
TextAlign = Literal["left", "center", "right"]
InkTool = Literal["pointer", "pen", "laser", "away"]
Colour = Annotated[str, Meta(max_length=11, pattern="^(#[0-9a-fA-F]{3,8}|transparent)$")]
Coordinate = Annotated[float, Meta(ge=-100_000, le=100_000)]
Points = Annotated[bytes, Meta(max_length=4 * MAX_STROKE_POINTS)]
Whole = Annotated[int, Meta(ge=0, le=2**31)]


class BoardField(Struct, frozen=True):
    """A board. ``over``: the slides on whose page it lies; None: it is one of its own and has a name."""

    name: str
    at_ms: int
    by: str
    over: str | None = None


class BoardElementField(Struct, frozen=True, omit_defaults=True):
    """One element of a board; what has its default is left out.

    ``points`` belong to line, arrow and freedraw: pairs of int16, little-endian, in quarters of a unit
    from (``x``, ``y``); ``pressures`` (freedraw) has a byte a point. Of two elements of one id the one with
    the higher ``version`` counts, of equal ones that with the lower ``nonce``. ``order`` sorts elements from
    back to front. ``by``: whose it is, filled in by the server.
    """

    kind: ElementKind
    x: Coordinate
    y: Coordinate
    width: Coordinate
    height: Coordinate
    version: Annotated[int, Meta(ge=1, le=2**31)]
    nonce: Whole
    order: Annotated[str, Meta(max_length=64, pattern="^[A-Za-z0-9]*$")] = ""
    by: str = ""
    angle: Annotated[float, Meta(ge=-10, le=10)] = 0
    seed: Whole = 1
    stroke: Colour = "#1e1e1e"
    fill: Colour = "transparent"
    fill_style: FillStyle = "solid"
    thick: Annotated[float, Meta(gt=0, le=100)] = 2
    line: LineStyle = "solid"
    rough: Annotated[int, Meta(ge=0, le=3)] = 0
    opacity: Annotated[int, Meta(ge=0, le=100)] = 100
    round: Annotated[int, Meta(ge=0, le=3)] = 0
    points: Points = b""
    pressures: Annotated[bytes, Meta(max_length=MAX_STROKE_POINTS)] = b""
    head: ArrowHead = "none"
    tail: ArrowHead = "none"
    text: Annotated[str, Meta(max_length=MAX_CHAT)] = ""
    size: Annotated[float, Meta(gt=0, le=500)] = 20
    font: Annotated[int, Meta(ge=1, le=20)] = 2
    align: TextAlign = "left"
    spacing: Annotated[float, Meta(gt=0, le=5)] = 1.25


class BoardMake(Struct, tag_field="t", tag="board_make", frozen=True):
    """Leaders: a new board of this id, put before everybody if ``show``. Refused: ``too_many_boards``."""

    id: RequestNumber
    board: Id
    name: Annotated[str, Meta(max_length=200)]
    show: bool = False


class BoardName(Struct, tag_field="t", tag="board_name", frozen=True):
    """Leaders: another name for a board."""

    id: RequestNumber
    board: Id
    name: Annotated[str, Meta(max_length=200)]


class BoardRemove(Struct, tag_field="t", tag="board_remove", frozen=True):
    """Leaders: a board goes with all that is on it."""

    id: RequestNumber
    board: Id


class BoardClear(Struct, tag_field="t", tag="board_clear", frozen=True):
    """Leaders: everything on a board goes."""

    id: RequestNumber
    board: Id


class BoardPut(Struct, tag_field="t", tag="board_put", frozen=True):
    """Who may draw: these elements are finished or changed, these are gone. Students change their own only.
    A board over the page of slides that are shown is made by it. Refused: ``not_allowed``, ``not_found``,
    ``board_full``, ``bad_request``."""

    id: RequestNumber
    board: Id
    elements: Annotated[dict[ElementId, BoardElementField], Meta(max_length=MAX_PUT)] = {}
    gone: Annotated[tuple[ElementId, ...], Meta(max_length=200)] = ()


class SetInk(Struct, tag_field="t", tag="set_ink", frozen=True):
    """Leaders: who may draw on boards: a student, or all (``participant`` None). Off for all takes it back
    from each one too."""

    id: RequestNumber
    on: bool
    participant: Id | None = None


class SendInk(Struct, tag_field="t", tag="send_ink", frozen=True):
    """Who may draw: where one's pen is now. No reply; what is too much or not allowed is dropped.

    ``points``: what was added since the last one, as in BoardElementField; ``element``: the stroke that it
    will be. ``tool`` away: nothing any more.
    """

    board: Id
    tool: InkTool
    x: Coordinate = 0
    y: Coordinate = 0
    points: Annotated[bytes, Meta(max_length=4 * MAX_INK_POINTS)] = b""
    element: ElementId | None = None
    stroke: Colour = "#1e1e1e"
    thick: Annotated[float, Meta(gt=0, le=100)] = 2


class Ink(Struct, tag_field="t", tag="ink", frozen=True):
    """Where somebody's pen is, on the board before the class; as SendInk. Nothing keeps it."""

    participant: str
    board: str
    tool: InkTool
    x: float
    y: float
    points: bytes
    element: str | None
    stroke: str
    thick: float
