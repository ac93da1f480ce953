"""The load tests there are: what each does by itself, and what it has to reach. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from loadtest.network import MEAN_LOSS_PERCENT
from loadtest.seats import Options

WORDS: Final[Mapping[str, str]] = {
    "lessons": "lessons that begin with each bell",
    "students": "students of each lesson; with a scale, about",
    "media": "students of each lesson who decode what they hear and see",
    "listeners": "students of each lesson who count its packets; above 0 the teachers send recorded ones",
    "lead_s": "seconds in which the teachers come, before the bell and the first students",
    "spread_s": "seconds after the bell by which 93 of 100 students have come",
    "scale": "real classes, their minutes multiplied by this; 0: as the spread says",
    "stay_s": "seconds that a student stays",
    "bells": "bells that ring",
    "every_s": "seconds from one bell to the next",
    "kill_s": "seconds after the first bell a worker is killed; 0: none",
    "seed": "of the arrivals",
}
"""What each option but ``scenario`` says, for people."""


class Limits(Struct, frozen=True, kw_only=True):
    """Objectives; None: not judged. ``out_of_order`` counts duplicates and packets that came after later
    ones, ``pause_s`` is of the 99th listener whose media stayed, ``sound_back_s`` of the 95th whose media was
    moved. A pause is also what a busy generator was late."""

    roster_ms: float = 150.0
    sound_s: float = 1.0
    picture_s: float = 2.0
    sound_lost_percent: float = 0.1
    picture_lost_percent: float = 0.1
    out_of_order: float | None = 0.0
    pause_s: float = 2.0
    sound_back_s: float | None = None


class Scenario(Struct, frozen=True, kw_only=True):
    """``defaults`` are of its options. ``settings``: of a server that is started for it; ``own_server``: it
    breaks something, and does that to no other."""

    about: str
    defaults: Options
    limits: Limits = Limits()
    settings: tuple[str, ...] = ()
    own_server: bool = False
    bad_lines: bool = False


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "bell": Scenario(about="lessons that begin with a bell", defaults=Options()),
    "steady": Scenario(
        about="lessons that last: nothing is lost, doubled or silent",
        defaults=Options(
            scenario="steady", lessons=4, students=25, media=0, listeners=25, scale=0.05, stay_s=3600
        ),
    ),
    "worker-killed": Scenario(
        about="a media worker is killed: how long nobody hears anything",
        defaults=Options(
            scenario="worker-killed", lessons=6, media=0, listeners=10, spread_s=2, stay_s=25, kill_s=10
        ),
        limits=Limits(sound_back_s=5.0),
        settings=("media.workers=2",),
        own_server=True,
    ),
    "bad-network": Scenario(
        about="listeners on lines that lose, delay and narrow",
        defaults=Options(scenario="bad-network", lessons=3, media=0, listeners=8, stay_s=30),
        # Sound is not sent again: it may lose what the lines lose, and a point by chance.
        limits=Limits(
            sound_s=2.0,
            picture_s=4.0,
            sound_lost_percent=MEAN_LOSS_PERCENT + 1,
            picture_lost_percent=1.0,
            out_of_order=None,
        ),
        bad_lines=True,
    ),
    "school-day": Scenario(
        about="bells through a day that is made short",
        defaults=Options(
            scenario="school-day",
            lessons=3,
            students=25,
            media=0,
            listeners=5,
            scale=0.02,
            stay_s=20,
            bells=6,
            every_s=45,
        ),
    ),
}
