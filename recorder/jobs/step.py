"""One step in a process of its own: ``python -m recorder.jobs.step STEP FOLDER DRAFTS PARENT``.

Reads the video's files in FOLDER, writes those of the step into DRAFTS, and says on stdout how far it is, one
JSON object a line: ``{"progress": 0..100}``, in the end ``{"done": true}`` or
``{"failed": code, "again": bool}``. Dies with the process PARENT, which started it.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from config.logs import log_to_stderr
from config.process import die_with
from recorder.jobs.files import MADE
from recorder.jobs.media import Progress, StepFailed
from signaling.catalog.takes import TAKES_NAME, Takes
from signaling.wire import JobStep, Timeline, VideoSound

log = logging.getLogger(__name__)

NICENESS: Final = 15
MEMORY_BYTES: Final = 4 << 30
"""A file that wants more of us is not decoded."""
_TELL_S: Final = 0.5


def carry_out(step: JobStep, video: Path, drafts: Path, progress: Progress) -> None:
    """Make the step's files (``files.MADE``) in ``drafts``. Raises StepFailed, OSError."""
    source = video / "video.webm"
    made = [drafts / name for name in MADE[step]]
    match step:
        case "thumbnails":
            from recorder.jobs.thumbnails import make_thumbnails

            make_thumbnails(source, made[0], made[1], progress)
        case "sound":
            from recorder.jobs.sound import measure

            measure(source, made[0], progress)
        case "chapters":
            from recorder.jobs.chapters import LANGUAGES, chapters, chapters_vtt

            timeline = _timeline(video)
            found = chapters(timeline, _takes(video))
            for path, language in zip(made, LANGUAGES, strict=True):
                path.write_text(chapters_vtt(found, timeline.duration_ms, language), encoding="utf-8")
        case "composite":
            from recorder.jobs.composite import make_composite

            make_composite(source, made[0], _takes(video), _gain_db(video), progress)


def _timeline(video: Path) -> Timeline:
    try:
        return msgspec.json.decode((video / "timeline.json").read_bytes(), type=Timeline)
    except FileNotFoundError:
        raise StepFailed("no_video") from None
    except msgspec.MsgspecError:
        raise StepFailed("damaged") from None


def _takes(video: Path) -> Takes:
    """Of a video from before they were kept: nobody, so nobody's name is in what is made."""
    try:
        return msgspec.json.decode((video / TAKES_NAME).read_bytes(), type=Takes)
    except FileNotFoundError:
        return Takes()
    except msgspec.MsgspecError:
        raise StepFailed("damaged") from None


def _gain_db(video: Path) -> float:
    """0 where the loudness could not be measured."""
    try:
        return msgspec.json.decode((video / "sound.json").read_bytes(), type=VideoSound).gain_db
    except (FileNotFoundError, msgspec.MsgspecError):
        return 0.0


def failure(error: Exception) -> StepFailed:
    """What an error means: a damaged file and our own bugs stay so, a full disk does not."""
    if isinstance(error, StepFailed):
        return error
    if isinstance(error, MemoryError):
        return StepFailed("too_large")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StepFailed("no_room", again=True)
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return StepFailed("too_large")
    log.error("step failed", exc_info=error)
    return StepFailed("internal", again=True)


def _say(words: Mapping[str, Any]) -> None:
    print(json.dumps(words), flush=True)


def main(arguments: list[str]) -> int:
    """Entry point; the exit code is 0 whenever the last line was said."""
    # Whoever started us may be killed: then somebody else does this, and we are to be gone.
    die_with(int(arguments[3]))
    os.nice(max(0, NICENESS - os.nice(0)))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    log_to_stderr("warning")
    step, video, drafts = cast("JobStep", arguments[0]), Path(arguments[1]), Path(arguments[2])
    told_s = 0.0

    def progress(part: float) -> None:
        nonlocal told_s
        now_s = time.monotonic()
        if now_s - told_s >= _TELL_S:
            told_s = now_s
            _say({"progress": max(0, min(99, int(part * 100)))})

    try:
        carry_out(step, video, drafts, progress)
    except Exception as error:  # noqa: BLE001 - whatever it is, the job ends with a code
        failed = failure(error)
        _say({"failed": failed.code, "again": failed.again})
        return 0
    _say({"done": True})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
