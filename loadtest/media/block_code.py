"""A frame number that survives scaling and lossy codecs: black and white cells between two guard rows.

The frame is a grid of 16 x 9 cells; the code takes the 8 columns and 5 rows at its top left:

    row 0    guard   1 0 1 0 1 0 1 0
    row 1    counter, high byte
    row 2    counter, low byte
    row 3    who (4 bits), check (4 bits)
    row 4    guard   0 1 0 1 0 1 0 1

The most significant bit is at the left, 1 is white. A reader averages the middle of each cell and believes
a frame only when guards, contrast and check fit. ``reader.js`` is the same reader for a page.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

GRID_COLUMNS: Final = 16
GRID_ROWS: Final = 9
CODE_COLUMNS: Final = 8
CODE_ROWS: Final = 5
BLACK: Final = 16
WHITE: Final = 235
LEAST_CONTRAST: Final = 60

Luma = NDArray[np.uint8]
"""A picture's Y plane, rows by columns."""

_GUARD_TOP: Final = (1, 0, 1, 0, 1, 0, 1, 0)
_GUARD_BOTTOM: Final = (0, 1, 0, 1, 0, 1, 0, 1)


class Mark(NamedTuple):
    """What one frame says: who made it (0..15) and which frame it is (0..65535)."""

    who: int
    counter: int


def _check(mark: Mark) -> int:
    counter = mark.counter
    return (counter ^ counter >> 4 ^ counter >> 8 ^ counter >> 12 ^ mark.who ^ 0b1010) & 0xF


def _bits(byte: int) -> tuple[int, ...]:
    return tuple(byte >> shift & 1 for shift in range(7, -1, -1))


def cells(mark: Mark) -> NDArray[np.uint8]:
    """The 5 x 8 cells of a mark, 1 is white."""
    last = mark.who << 4 | _check(mark)
    return np.array(
        [_GUARD_TOP, _bits(mark.counter >> 8), _bits(mark.counter & 0xFF), _bits(last), _GUARD_BOTTOM],
        dtype=np.uint8,
    )


def draw(luma: Luma, mark: Mark) -> None:
    """Paint the code into a Y plane, in place."""
    height, width = luma.shape
    for row, line in enumerate(cells(mark)):
        top, bottom = row * height // GRID_ROWS, (row + 1) * height // GRID_ROWS
        for column, bit in enumerate(line):
            left, right = column * width // GRID_COLUMNS, (column + 1) * width // GRID_COLUMNS
            luma[top:bottom, left:right] = WHITE if bit else BLACK


def read(luma: Luma) -> Mark | None:
    """The mark in a Y plane of any size, None when there is none that can be trusted."""
    height, width = luma.shape
    grey = np.empty((CODE_ROWS, CODE_COLUMNS))
    for row in range(CODE_ROWS):
        top = round((row + 0.3) * height / GRID_ROWS)
        bottom = max(top + 1, round((row + 0.7) * height / GRID_ROWS))
        for column in range(CODE_COLUMNS):
            left = round((column + 0.3) * width / GRID_COLUMNS)
            right = max(left + 1, round((column + 0.7) * width / GRID_COLUMNS))
            grey[row, column] = luma[top:bottom, left:right].mean()
    guards = np.concatenate([grey[0], grey[-1]])
    white = np.array(_GUARD_TOP + _GUARD_BOTTOM, dtype=bool)
    if guards[white].min() - guards[~white].max() < LEAST_CONTRAST:
        return None
    values = (grey > (guards[white].mean() + guards[~white].mean()) / 2).astype(int)
    number = int("".join(map(str, values[1:4].ravel())), 2)
    mark = Mark(who=number >> 4 & 0xF, counter=number >> 8)
    return mark if number & 0xF == _check(mark) else None
