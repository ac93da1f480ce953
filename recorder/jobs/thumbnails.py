"""Thumbnails: small pictures of the video at equal distances, in one JPEG; WebVTT says where each is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from av.video.frame import VideoFrame
from PIL import Image

from recorder.jobs.media import Progress, StepFailed, opened
from recorder.jobs.vtt import vtt

WIDTH: Final = 160
HEIGHT: Final = 90
EVERY_MS: Final = 10_000
MOST: Final = 600
"""Of a longer video they are further apart."""
COLUMNS: Final = 10
_QUALITY: Final = 70
_LATER_MS: Final = 1_000
"""A keyframe that comes so much later stands for a moment too."""


def every_ms(duration_ms: int) -> int:
    """How far thumbnails are apart."""
    seconds = -(-duration_ms // (MOST * 1000))
    return max(EVERY_MS, seconds * 1000)


def make_thumbnails(video: Path, sprite: Path, places: Path, progress: Progress) -> None:
    """Write the picture ``sprite``, COLUMNS thumbnails a row, and the WebVTT file ``places``.

    Only keyframes are decoded: a thumbnail is the last one that was shown. Raises StepFailed, OSError.
    """
    with opened(video) as (container, duration_ms):
        apart_ms = every_ms(duration_ms)
        count = -(-duration_ms // apart_ms)
        sheet = Image.new("RGB", (WIDTH * min(count, COLUMNS), HEIGHT * -(-count // COLUMNS)))
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        last: VideoFrame | None = None
        filled = 0
        for frame in container.decode(stream):
            at_ms = round((frame.time or 0.0) * 1000)
            until = min(count, 1 + (at_ms - _LATER_MS - 1) // apart_ms)
            filled = _fill(sheet, last or frame, filled, until)
            last = frame
            progress(at_ms / duration_ms)
        if last is None:
            raise StepFailed("damaged")
        _fill(sheet, last, filled, count)
    sheet.save(sprite, "JPEG", quality=_QUALITY, optimize=True)
    cues = (
        (at, min(at + apart_ms, duration_ms), f"{sprite.name}#xywh={_place(index)}")
        for index, at in enumerate(range(0, duration_ms, apart_ms))
    )
    places.write_text(vtt(cues), encoding="utf-8")


def _fill(sheet: Image.Image, frame: VideoFrame, first: int, end: int) -> int:
    """Draw a frame as thumbnails ``first`` to ``end``; the next one to be drawn."""
    if first >= end:
        return first
    small = Image.fromarray(frame.to_ndarray(format="rgb24"))
    small.thumbnail((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    for index in range(first, end):
        row, column = divmod(index, COLUMNS)
        sheet.paste(
            small,
            (column * WIDTH + (WIDTH - small.width) // 2, row * HEIGHT + (HEIGHT - small.height) // 2),
        )
    return end


def _place(index: int) -> str:
    row, column = divmod(index, COLUMNS)
    return f"{column * WIDTH},{row * HEIGHT},{WIDTH},{HEIGHT}"
