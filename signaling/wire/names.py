"""Limits, version, and the words that messages choose from."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

WIRE_VERSION: Final = 1
MAX_FRAME_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 16
MAX_ELEMENTS: Final = 1000
MAX_NAME: Final = 60
MAX_CHAT: Final = 1000
MAX_STILL: Final = 4096
MAX_STILL_SIDE: Final = 640
MAX_TITLE: Final = 120
MAX_TIME_MS: Final = 8_640_000_000_000_000
"""ECMA-262: the last moment that a page can name."""
CHAT_KEPT: Final = 200

SourceName = Literal["microphone", "camera", "screen", "screen_sound"]
PictureName = Literal["camera", "screen"]
RoleName = Literal["teacher", "co_teacher", "student"]
RecordingEnd = Literal["stopped", "ended", "no_recorder", "disk_full", "failed"]
"""Why a recording is off: a leader stopped it, the lesson ended, no recorder took (or kept) it, there was
no room, or the recorder failed otherwise."""
VideoState = Literal["recording", "processing", "ready", "failed"]
JobStep = Literal["thumbnails", "sound", "chapters", "composite"]
JobState = Literal["waiting", "running", "done", "failed"]
Id = Annotated[str, Meta(min_length=1, max_length=40, pattern="^[A-Za-z0-9_-]+$")]
RequestNumber = Annotated[int, Meta(ge=1, le=2**31)]
