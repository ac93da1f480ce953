"""A video lesson opened to be decoded: within limits, whatever is in the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import av
import av.error
from av.container import InputContainer

MOST_PIXELS: Final = 3840 * 2160
"""A larger picture is not decoded."""
LONGEST_MS: Final = 24 * 3_600_000
_TAIL_MS: Final = 15_000
"""A file whose last packet is so long before its end was cut off."""

Progress = Callable[[float], None]
"""Told how much is done, 0 to 1, as often as one likes."""


class StepFailed(Exception):
    """A step cannot be carried out. ``again``: another try may help."""

    def __init__(self, code: str, *, again: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.again = again


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, int]]:
    """The file and its length in ms. Raises StepFailed: ``no_video``, ``damaged``, ``too_large``."""
    try:
        container = av.open(str(path), "r", format="webm")
    except FileNotFoundError:
        raise StepFailed("no_video") from None
    except (av.error.FFmpegError, ValueError):
        raise StepFailed("damaged") from None
    with container:
        duration_ms = (container.duration or 0) // 1000
        if not container.streams.video or duration_ms <= 0:
            raise StepFailed("damaged")
        picture = container.streams.video[0].codec_context
        if picture.width * picture.height > MOST_PIXELS or duration_ms > LONGEST_MS:
            raise StepFailed("too_large")
        picture.options = {"max_pixels": str(MOST_PIXELS)}
        try:
            yield container, duration_ms
        except (av.error.InvalidDataError, av.error.EOFError, av.error.ArgumentError):
            raise StepFailed("damaged") from None


def check_end(last_ms: float, duration_ms: int) -> None:
    """``last_ms``: where the last packet was. Raises StepFailed ``damaged`` for a file that was cut off."""
    if duration_ms - last_ms > _TAIL_MS:
        raise StepFailed("damaged")
