"""Jobs behind video lessons in SQL, which alone says what is to be done, who does it and what became of it.

A job is one step of one recording. Plain frozen values cross this line, never rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast, get_args

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from signaling.catalog.database import Database
from signaling.catalog.models import JobRow, VideoRow
from signaling.wire import JobState, JobStep

STEPS: Final[tuple[JobStep, ...]] = get_args(JobStep)
PRIORITY: Final[dict[JobStep, int]] = {"chapters": 0, "thumbnails": 1, "sound": 2, "composite": 3}
"""The lowest first."""
NEEDS: Final[dict[JobStep, JobStep]] = {"composite": "sound"}
"""A step waits until this one of its recording is done, or has failed for good."""
FOUND_LATER: Final = 10
"""Added to the priority of jobs of old videos: today's lessons go before them."""
LEASE_MS: Final = 20_000
"""A job that was not seen for so long has lost whoever carried it out."""
TRIES: Final = 4
BACK_OFF_MS: Final = (30_000, 120_000, 600_000)
"""How long a job waits after its first, second, third failure."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is now. ``progress`` in percent; ``error``: the code of its last failure, None once it is
    done; ``due_at_ms``: not before; the times of what has not happened are None."""

    recording: str
    step: JobStep
    state: JobState
    tries: int
    progress: int
    error: str | None
    due_at_ms: int
    queued_at_ms: int
    started_at_ms: int | None
    ended_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is ours to carry out while ``token`` is the row's. ``tries``: this one included."""

    recording: str
    step: JobStep
    token: str
    tries: int


async def queue_all(connection: AsyncConnection, database: Database, recording: str, at_ms: int) -> None:
    """Have every step of a recording done, again where it was; whoever is at one of them loses it."""
    rows = [_fresh(recording, step, at_ms, PRIORITY[step]) for step in STEPS]
    added = database.insert(JobRow)
    anew = {name: added.excluded[name] for name in rows[0] if name not in ("recording_id", "step")}
    await connection.execute(
        added.on_conflict_do_update(index_elements=["recording_id", "step"], set_=anew), rows
    )


class Jobs:
    """Errors of the database go through as they are. Times are server ms."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- what is to be done ------------------------------------------------------------------------------

    async def retry(self, recording: str, step: JobStep, at_ms: int) -> bool:
        """Try a failed job again, or one that waits for its next try at once. False: there is no such one."""
        async with self._database.begin() as connection:
            changed = await connection.execute(
                update(JobRow)
                .where(
                    JobRow.recording_id == recording,
                    JobRow.step == step,
                    JobRow.state.in_(("failed", "waiting")),
                )
                .values(state="waiting", tries=0, progress=0, error=None, due_at_ms=at_ms, ended_at_ms=None)
            )
        return bool(changed.rowcount)

    async def add_missing(self, at_ms: int) -> int:
        """Queue the steps of ready videos that have no job: those from before there was such a step."""
        added = 0
        for step in STEPS:
            fresh = _fresh("", step, at_ms, PRIORITY[step] + FOUND_LATER)
            names = [name for name in fresh if name != "recording_id"]
            known = exists().where(JobRow.recording_id == VideoRow.id, JobRow.step == step)
            found = select(VideoRow.id, *(literal(fresh[name], _TYPES[name]) for name in names)).where(
                VideoRow.state == "ready", ~known
            )
            async with self._database.begin() as connection:
                done = await connection.execute(insert(JobRow).from_select(["recording_id", *names], found))
            added += max(0, done.rowcount)
        return added

    # --- carrying out ------------------------------------------------------------------------------------

    async def claim(self, token: str, steps: Collection[JobStep], at_ms: int) -> Claim | None:
        """Take the most urgent of these steps that is due, or whose former owner was lost, of videos that are
        shown; ``token`` is unique. None: nothing is to be done now."""
        async with self._database.begin() as connection:
            for found in (await connection.execute(self._due(steps, at_ms))).all():
                same = and_(
                    JobRow.recording_id == found.recording_id,
                    JobRow.step == found.step,
                    JobRow.state == found.state,
                    JobRow.claim.is_not_distinct_from(found.claim),
                    JobRow.seen_at_ms == found.seen_at_ms,
                )
                if found.tries >= TRIES:  # lost at its last try: whatever it is, it takes its owner along
                    await connection.execute(
                        update(JobRow)
                        .where(same)
                        .values(state="failed", claim=None, error="lost", ended_at_ms=at_ms)
                    )
                    continue
                taken = await connection.execute(
                    update(JobRow)
                    .where(same)
                    .values(
                        state="running",
                        claim=token,
                        tries=JobRow.tries + 1,
                        progress=0,
                        seen_at_ms=at_ms,
                        started_at_ms=at_ms,
                        ended_at_ms=None,
                    )
                )
                if taken.rowcount:
                    return Claim(found.recording_id, found.step, token, found.tries + 1)
        return None

    async def hold(self, claim: Claim, progress: int, at_ms: int) -> bool:
        """Go on holding a claim. False: it is not ours any more, what was made is to be thrown away."""
        return await self._end(claim, progress=progress, seen_at_ms=at_ms)

    async def done(self, claim: Claim, at_ms: int) -> bool:
        """It is done. False: it was not ours any more."""
        return await self._end(claim, state="done", claim=None, progress=100, error=None, ended_at_ms=at_ms)

    async def failed(self, claim: Claim, error: str, at_ms: int, *, again: bool) -> bool:
        """It failed: for good after TRIES, or when no other try helps (``again``). False: it was not ours."""
        if again and claim.tries < TRIES:
            due_ms = at_ms + BACK_OFF_MS[min(claim.tries, len(BACK_OFF_MS)) - 1]
            return await self._end(claim, state="waiting", claim=None, error=error, due_at_ms=due_ms)
        return await self._end(claim, state="failed", claim=None, error=error, ended_at_ms=at_ms)

    async def give_back(self, claim: Claim, due_at_ms: int = 0, error: str | None = None) -> bool:
        """Let somebody do it, not before ``due_at_ms``: it was no failure of the job's. ``error``: what keeps
        it. False: it was not ours any more."""
        return await self._end(
            claim,
            state="waiting",
            claim=None,
            progress=0,
            tries=claim.tries - 1,
            due_at_ms=due_at_ms,
            error=error,
        )

    async def undone(self, claim: Claim, at_ms: int) -> None:
        """Files of this claim may have come in the place of those that a later one made: unless the claim is
        ours still, have the step done again."""
        fresh = _fresh(claim.recording, claim.step, at_ms, PRIORITY[claim.step])
        async with self._database.begin() as connection:
            await connection.execute(
                update(JobRow)
                .where(
                    JobRow.recording_id == claim.recording,
                    JobRow.step == claim.step,
                    JobRow.claim.is_distinct_from(claim.token),
                )
                .values(**fresh)
            )

    # --- looking -----------------------------------------------------------------------------------------

    async def of(self, recording: str) -> tuple[Job, ...]:
        """A recording's jobs, in the order of STEPS."""
        found = await self._jobs(JobRow.recording_id == recording, len(STEPS))
        return tuple(sorted(found, key=lambda job: STEPS.index(job.step)))

    async def job(self, recording: str, step: JobStep) -> Job | None:
        found = await self._jobs(and_(JobRow.recording_id == recording, JobRow.step == step), 1)
        return found[0] if found else None

    async def listed(self, states: Sequence[JobState], limit: int = 200) -> list[Job]:
        """Jobs in these states: running ones first, then what failed, then what waits."""
        return await self._jobs(JobRow.state.in_(states), limit)

    async def counts(self) -> dict[JobState, int]:
        """How many jobs there are in each state."""
        async with self._database.connect() as connection:
            rows = await connection.execute(select(JobRow.state, func.count()).group_by(JobRow.state))
            return {cast("JobState", row[0]): row[1] for row in rows}

    # -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _due(steps: Collection[JobStep], at_ms: int) -> Select[Any]:
        waits = and_(JobRow.state == "waiting", JobRow.due_at_ms <= at_ms)
        lost = and_(JobRow.state == "running", JobRow.seen_at_ms < at_ms - LEASE_MS)
        other = aliased(JobRow)
        shown = exists().where(VideoRow.id == JobRow.recording_id, VideoRow.state == "ready")
        ready = [
            or_(
                JobRow.step != step,
                ~exists().where(
                    other.recording_id == JobRow.recording_id,
                    other.step == needed,
                    other.state.in_(("waiting", "running")),
                ),
            )
            for step, needed in NEEDS.items()
        ]
        return (
            select(JobRow.__table__)
            .where(or_(waits, lost), JobRow.step.in_(steps), shown, *ready)
            .order_by(JobRow.priority, JobRow.queued_at_ms, JobRow.recording_id)
            .limit(5)
        )

    async def _end(self, ours: Claim, /, **values: object) -> bool:
        async with self._database.begin() as connection:
            changed = await connection.execute(
                update(JobRow)
                .where(
                    JobRow.recording_id == ours.recording,
                    JobRow.step == ours.step,
                    JobRow.claim == ours.token,
                )
                .values(**values)
            )
        return bool(changed.rowcount)

    async def _jobs(self, condition: ColumnElement[bool], limit: int) -> list[Job]:
        order = case({"running": 0, "failed": 1, "waiting": 2}, value=JobRow.state, else_=3)
        async with self._database.connect() as connection:
            rows = await connection.execute(
                select(JobRow.__table__)
                .where(condition)
                .order_by(order, JobRow.priority, JobRow.queued_at_ms, JobRow.recording_id)
                .limit(limit)
            )
            return [
                Job(
                    recording=row.recording_id,
                    step=row.step,
                    state=row.state,
                    tries=row.tries,
                    progress=row.progress,
                    error=row.error,
                    due_at_ms=row.due_at_ms,
                    queued_at_ms=row.queued_at_ms,
                    started_at_ms=row.started_at_ms,
                    ended_at_ms=row.ended_at_ms,
                )
                for row in rows
            ]


_TYPES: Final = {column.name: column.type for column in JobRow.__table__.columns}


def _fresh(recording: str, step: JobStep, at_ms: int, priority: int) -> dict[str, object]:
    """A row that waits."""
    return {
        "recording_id": recording,
        "step": step,
        "state": "waiting",
        "priority": priority,
        "tries": 0,
        "progress": 0,
        "error": None,
        "claim": None,
        "seen_at_ms": 0,
        "due_at_ms": at_ms,
        "queued_at_ms": at_ms,
        "started_at_ms": None,
        "ended_at_ms": None,
    }
