"""Names drawn on a picture: a plate in its lower left corner, laid over planes of YUV 4:2:0."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from recorder.card import drawable, typeface

_SIZE: Final = 28
_PADDING: Final = (18, 10)
_MARGIN: Final = 28
_WIDEST: Final = 900
_OPACITY: Final = 184
_ELLIPSIS: Final = "…"

Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Plate:
    """How a name is laid over a picture: luma and its weight (0 to 256) from ``top`` and ``left`` on, the
    colours' weight at half the size. The plate is grey, so that colours are only weakened."""

    top: int
    left: int
    luma: NDArray[np.uint16]
    weight: NDArray[np.uint16]
    colour_weight: NDArray[np.uint16]


@lru_cache(maxsize=256)
def plate(names: tuple[str, ...], height: int) -> Plate | None:
    """The plate of these names on a picture of this height; None: there is nothing to draw."""
    text = ", ".join(filter(None, (drawable(name) for name in names)))
    if not text:
        return None
    font = typeface(_SIZE)
    while font.getlength(text) > _WIDEST:
        text = text.removesuffix(_ELLIPSIS)[:-1].rstrip() + _ELLIPSIS
    width = _even(round(font.getlength(text)) + 2 * _PADDING[0])
    tall = _even(_SIZE + 2 * _PADDING[1])
    weight = Image.new("L", (width, tall), 0)
    ImageDraw.Draw(weight).rounded_rectangle((0, 0, width - 1, tall - 1), 12, fill=_OPACITY)
    letters = Image.new("L", (width, tall), 0)
    ImageDraw.Draw(letters).text((_PADDING[0], tall / 2), text, 255, font, anchor="lm")
    shape = np.maximum(np.asarray(weight, dtype=np.uint16), np.asarray(letters, dtype=np.uint16))
    # video range: 16 is black, 235 is white
    luma = 24 + np.asarray(letters, dtype=np.uint16) * (235 - 24) // 255
    weights = shape * 256 // 255
    return Plate(height - _MARGIN - tall, _MARGIN, luma, weights, weights[::2, ::2])


def lay(label: Plate, luma: Plane, *colours: Plane) -> None:
    """Draw it on the planes of a picture, in place."""
    rows, columns = label.luma.shape
    _blend(luma[label.top : label.top + rows, label.left : label.left + columns], label.luma, label.weight)
    grey = np.full(label.colour_weight.shape, 128, dtype=np.uint16)
    top, left = label.top // 2, label.left // 2
    for plane in colours:
        _blend(plane[top : top + rows // 2, left : left + columns // 2], grey, label.colour_weight)


def _blend(under: Plane, over: NDArray[np.uint16], weight: NDArray[np.uint16]) -> None:
    under[:] = (under * (256 - weight) + over * weight) >> 8


def _even(number: int) -> int:
    return number + number % 2
