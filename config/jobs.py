"""``zvonok jobs``: what is being made of video lessons, what failed, and trying it again. Asks SQL alone."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from sqlalchemy.exc import SQLAlchemyError

from config.settings import Settings
from signaling.catalog.database import check_is_there
from signaling.catalog.jobs import STEPS, Job
from signaling.catalog.store import Catalog
from signaling.jobs_page import sentence
from signaling.wire import JobState

Say = Callable[[str], None]


class CannotTell(Exception):
    """Why not, in one line."""


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``zvonok jobs`` takes."""
    parser.add_argument(
        "what",
        nargs="?",
        choices=("list", "retry"),
        default="list",
        help="list: what runs, waits and failed; retry: try what failed again (default: list)",
    )
    parser.add_argument("recording", nargs="?", metavar="ID", help="one video lesson, as the list shows it")
    parser.add_argument("step", nargs="?", choices=STEPS, help="retry: one step only")
    parser.add_argument("--failed", action="store_true", help="list: only what failed")
    parser.add_argument("--json", action="store_true", help="list: one JSON array")


def jobs(settings: Settings, chosen: argparse.Namespace, say: Say) -> int:
    """Carry it out; the exit code. Raises CannotTell."""
    if chosen.what == "retry" and chosen.recording is None:
        raise CannotTell("retry of which? zvonok jobs --failed lists them")
    try:
        check_is_there(settings.sql.url)
        return asyncio.run(_jobs(settings, chosen, say))
    except SQLAlchemyError as error:
        raise CannotTell(f"the database cannot be used ({type(error).__name__}): check sql.url") from None
    except OSError as error:
        raise CannotTell(f"{error.filename} cannot be used ({error.strerror}): check sql.url") from None


async def _jobs(settings: Settings, chosen: argparse.Namespace, say: Say) -> int:
    catalog = await Catalog.open(settings.sql.url, migrate=False)
    try:
        now_ms = time.time_ns() // 1_000_000
        if chosen.what == "retry":
            return await _retry(catalog, chosen, now_ms, say)
        states: Sequence[JobState] = ("failed",) if chosen.failed else ("running", "failed", "waiting")
        if chosen.recording is None:
            found: Sequence[Job] = await catalog.jobs.listed(states)
        else:
            found = await catalog.jobs.of(chosen.recording)
        if chosen.json:
            say(json.dumps([asdict(job) for job in found]))
        else:
            for line in [_line(job, now_ms) for job in found] or ["no such jobs"]:
                say(line)
        return 0
    finally:
        await catalog.close()


async def _retry(catalog: Catalog, chosen: argparse.Namespace, now_ms: int, say: Say) -> int:
    steps = STEPS if chosen.step is None else (chosen.step,)
    failed = [
        job.step
        for job in await catalog.jobs.of(chosen.recording)
        if job.step in steps and (job.state == "failed" or job.error is not None)
    ]
    again = [step for step in failed if await catalog.jobs.retry(chosen.recording, step, now_ms)]
    if not again:
        raise CannotTell(f"nothing of {chosen.recording} has failed")
    say(f"{chosen.recording}: {', '.join(again)} will be tried again")
    return 0


def _line(job: Job, now_ms: int) -> str:
    return f"{job.recording}  {job.step:<10}  {job.state:<7}  {sentence(job, now_ms, 'en')}"
