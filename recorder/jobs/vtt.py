"""WebVTT files (W3C WebVTT: The Web Video Text Tracks Format). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

Cue = tuple[int, int, str]
"""From, to (ms), text."""


def vtt(cues: Iterable[Cue]) -> str:
    """A file of these cues in their order; in the text nothing is markup and every line end a space."""
    blocks = ["WEBVTT\n"]
    for from_ms, to_ms, text in cues:
        line = escape(" ".join(text.split()), quote=False)
        blocks.append(f"{_time(from_ms)} --> {_time(max(to_ms, from_ms + 1))}\n{line}\n")
    return "\n".join(blocks)


def _time(ms: int) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{ms:03}"
