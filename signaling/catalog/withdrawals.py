"""Who is to be taken out of which video. A recorder does it; until then nobody is shown the video."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.catalog.audit import Entry, note
from signaling.catalog.database import Database
from signaling.catalog.jobs import queue_all
from signaling.catalog.models import RecordingRow, VideoRow, WithdrawalRow


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """People who are to be taken out of a video; words as they stand on its title card."""

    video: str
    participants: tuple[str, ...]
    title: str
    subject: str
    grade: int
    teacher_name: str


def is_asked(video: str) -> ColumnElement[bool]:
    """Whether somebody is still to be taken out of a video."""
    return exists().where(WithdrawalRow.recording_id == video, WithdrawalRow.done_at_ms.is_(None))


async def ask_again(connection: AsyncConnection, video: str) -> bool:
    """The video is made again of its journals: whoever was taken out of it is to be taken out of that, and
    nobody is shown it before. Whether there is anybody."""
    undone = await connection.execute(
        update(WithdrawalRow).where(WithdrawalRow.recording_id == video).values(done_at_ms=None)
    )
    return bool(undone.rowcount)


class Withdrawals:
    """All methods can be repeated. Errors of the database go through as they are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, video: str, participants: Collection[str], by: str, at_ms: int) -> bool:
        """From now on the video is ``processing``, nothing that was made of it counts any more, and nothing
        is made of it before it is shown again. False: there is no finished video of this id."""
        async with self._database.begin() as connection:
            changed = await connection.execute(
                update(VideoRow)
                .where(
                    VideoRow.id == video,
                    VideoRow.state.in_(("ready", "processing")),
                    exists().where(RecordingRow.id == video, RecordingRow.state == "ready"),
                )
                .values(state="processing")
            )
            if not changed.rowcount:
                return False
            await queue_all(connection, self._database, video, at_ms)
            for participant in sorted(participants):
                added = self._database.insert(WithdrawalRow).values(
                    recording_id=video, participant=participant, by=by, asked_at_ms=at_ms
                )
                asked = await connection.execute(
                    added.on_conflict_do_update(
                        index_elements=["recording_id", "participant"],
                        set_={"by": by, "asked_at_ms": at_ms, "done_at_ms": None},
                        where=WithdrawalRow.done_at_ms.is_not(None),
                    )
                )
                if asked.rowcount:
                    entry = Entry(at_ms, "withdrawal_asked", by, f"{video}/{participant}")
                    await note(connection, entry)
        return True

    async def waiting(self, limit: int = 100) -> list[Withdrawal]:
        """What is to be done, one a video; who asked first comes first."""
        async with self._database.connect() as connection:
            rows = await connection.execute(
                select(WithdrawalRow.participant, VideoRow.__table__)
                .join(VideoRow, VideoRow.id == WithdrawalRow.recording_id)
                .where(WithdrawalRow.done_at_ms.is_(None))
                .order_by(WithdrawalRow.asked_at_ms, WithdrawalRow.participant)
                .limit(limit)
            )
            found: dict[str, Withdrawal] = {}
            for row in rows:
                former = found[row.id].participants if row.id in found else ()
                found[row.id] = Withdrawal(
                    row.id, (*former, row.participant), row.title, row.subject, row.grade, row.teacher_name
                )
        return list(found.values())

    async def done(self, video: str, participants: Sequence[str], size: int, at_ms: int) -> bool:
        """These are out of it; ``size`` of its file in bytes. It is shown again unless somebody else asked
        meanwhile. False: it was deleted, its files are to go."""
        ours = and_(
            WithdrawalRow.recording_id == video,
            WithdrawalRow.participant.in_(participants),
            WithdrawalRow.done_at_ms.is_(None),
        )
        async with self._database.begin() as connection:
            who = await connection.execute(select(WithdrawalRow.participant, WithdrawalRow.by).where(ours))
            for row in who.all():
                await note(connection, Entry(at_ms, "withdrawn", row.by, f"{video}/{row.participant}"))
            await connection.execute(update(WithdrawalRow).where(ours).values(done_at_ms=at_ms))
            await connection.execute(update(VideoRow).where(VideoRow.id == video).values(bytes=size))
            await connection.execute(
                update(VideoRow).where(VideoRow.id == video, ~is_asked(video)).values(state="ready")
            )
            return bool(await connection.scalar(select(exists().where(VideoRow.id == video))))
