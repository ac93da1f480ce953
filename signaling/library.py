"""The library: who may look, which video lessons there are, where their files lie. Knows no HTTP."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from sfu.model import Refused
from signaling import metrics, wire
from signaling.catalog.jobs import Job, Jobs
from signaling.catalog.recordings import PAGE, Filters, Position, Recordings, Video
from signaling.drafts import Draft, Drafts
from signaling.files.api import StoreAway, Stored
from signaling.library_files import LibraryFiles
from signaling.log import Clock
from signaling.media_address import (
    LIFETIME_S,
    MediaFile,
    Snapshot,
    check_address,
    is_video_id,
    issue_address,
)
from signaling.tickets import KeyRing, check_library_key

log = logging.getLogger(__name__)

SWEEP_S: Final = 60.0
UNDONE_MS: Final = 60_000
"""A deletion that SQL has not heard of for so long was cut off before it began."""
LATE_MS: Final = 24 * 3600 * 1000
"""So long after a deletion a recorder may still bring its result, which is removed."""
MAX_FILTER: Final = 400
_MAC_BYTES: Final = 16
_STEP_OF: Final[Mapping[MediaFile, wire.JobStep]] = {
    "lesson.mp4": "composite",
    "thumbnails.vtt": "thumbnails",
    "thumbnails.jpg": "thumbnails",
    "chapters.ru.vtt": "chapters",
    "chapters.en.vtt": "chapters",
    "sound.json": "sound",
}
"""Files that a job makes: there, whatever lies in the folder, only while SQL says that it is done."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks, as far as signed cookies tell. ``teacher``: a teacher's id; ``library``: came by its link."""

    teacher: str | None = None
    library: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a video that may be sent now. ``draft``: what it is read from while the video grows."""

    stored: Stored
    file: MediaFile
    title: str
    recorded_at_ms: int
    draft: Draft | None = None


class Library:
    """Everything here but ``run`` raises Refused with a code for the person, SQLAlchemyError, OSError."""

    def __init__(
        self,
        recordings: Recordings,
        jobs: Jobs,
        files: LibraryFiles,
        drafts: Drafts,
        keys: KeyRing,
        media_key: bytes,
        now_ms: Clock,
    ) -> None:
        """``keys`` verify the library's links; ``media_key`` signs addresses and cursors."""
        self._recordings = recordings
        self._jobs = jobs
        self._files = files
        self._drafts = drafts
        self._keys = keys
        self._media_key = media_key
        self._now_ms = now_ms

    def sign_in(self, key: str) -> Viewer:
        """Who holds this key of a library link; it can be used again."""
        check_library_key(self._keys, key, self._now_ms() // 1000)
        return Viewer(library=True)

    # --- looking ---------------------------------------------------------------------------------------

    async def videos(self, viewer: Viewer, query: Mapping[str, str]) -> wire.VideoList:
        """One page of videos; ``query`` as in ``wire.VideoList``, empty values filter nothing."""
        self._check_viewer(viewer)
        filters, after = self._read(viewer, query)
        videos = await self._recordings.videos(filters, after, PAGE + 1)
        choices = await self._recordings.choices(viewer.teacher)
        shown = videos[:PAGE]
        return wire.VideoList(
            videos=tuple(_info(video, viewer) for video in shown),
            subjects=choices.subjects,
            grades=choices.grades,
            teachers=choices.teacher_names,
            next=self._cursor(shown[-1].position) if len(videos) > PAGE else None,
        )

    async def page(self, viewer: Viewer, video: str) -> wire.VideoPage:
        """One video; what is not ready is its own teacher's to see."""
        self._check_viewer(viewer)
        found = await self._find(video)
        if found.state != "ready" and found.teacher != viewer.teacher:
            raise Refused("not_found")
        return await self._page(found, viewer)

    async def page_of_lesson(
        self, viewer: Viewer, lesson: str, was_let_in: Callable[[], Awaitable[bool]]
    ) -> wire.VideoPage:
        """The video of a lesson, for who holds one of the lesson's links, whatever its state; while it is
        still recorded only for who ``was_let_in`` to the lesson."""
        found = await self._recordings.video_of_lesson(lesson)
        if found is not None:
            return await self._page(found, viewer)
        found = await self._recordings.still_recorded(lesson)
        if found is None or not await was_let_in():
            raise Refused("not_found")
        snapshot = await self._drafts.newest(found.id)
        if snapshot is None:
            raise Refused("not_found")
        grown = replace(found, duration_ms=snapshot.duration_ms, bytes=snapshot.bytes)
        return await self._page(grown, viewer, snapshot)

    async def may_watch(self, viewer: Viewer, lesson: str) -> bool:
        """Whether somebody may watch a lesson's video by their cookies alone."""
        found = await self._recordings.video_of_lesson(lesson)
        if found is None or viewer == Viewer():
            return False
        return found.state == "ready" or found.teacher == viewer.teacher

    async def lesson_of(self, viewer: Viewer, video: str) -> str:
        """The lesson of a video that somebody may watch; as ``page`` refuses."""
        await self.page(viewer, video)
        return (await self._find(video)).lesson

    async def file(self, stamp: str, video: str, file: str) -> Found:
        """What a signed address leads to; see ``media_address``."""
        wanted = check_address(self._media_key, stamp, video, file, self._now_ms() // 1000)
        if isinstance(wanted, Snapshot):
            return await self._as_it_was(video, wanted)
        found = await self._find(video)
        stored = await self._files.find(video, wanted)
        if wanted in _STEP_OF:
            job = await self._jobs.job(video, _STEP_OF[wanted])
            if job is None or job.state != "done":
                raise Refused("not_found")
        if found.state != "ready" or stored is None:
            raise Refused("not_found")
        metrics.media.labels(wanted).inc()
        return Found(stored, wanted, found.title, found.recorded_at_ms)

    async def _as_it_was(self, video: str, snapshot: Snapshot) -> Found:
        """A video that was still recorded; ``address_expired`` when it is over, or begun anew."""
        known = await self._recordings.recording(video)
        # A draft of one that is published is somebody being taken out of it.
        recorded = known is not None and known.state in ("running", "finishing")
        draft = await self._drafts.find(video, snapshot) if recorded else None
        if known is None or draft is None:
            raise Refused("address_expired")
        metrics.media.labels("snapshot").inc()
        return Found(draft.stored, "video.webm", "", known.created_at_ms, draft)

    # --- deleting --------------------------------------------------------------------------------------

    async def delete(self, viewer: Viewer, video: str) -> None:
        """Delete a video of one's own for ever: SQL first, so that nobody finds it, then its folders.

        One that is still being made may be deleted too: the recorder throws its result away.
        """
        if viewer.teacher is None:
            raise Refused("not_signed_in")
        found = await self._find(video)
        if found.teacher != viewer.teacher:
            raise Refused("not_found")
        if not await delete_for_ever(self._recordings, self._files, video, viewer.teacher, self._now_ms()):
            raise Refused("not_found")

    async def run(self) -> None:
        """For ever: carry out deletions that were cut off."""
        away = False
        while True:
            try:
                await self.sweep()
                away = False
            except StoreAway as error:
                if not away:
                    log.warning("deleted videos not swept, trying again", extra={"reason": str(error)})
                away = True
            except (SQLAlchemyError, OSError) as error:
                log.error("deleted videos not swept", extra={"reason": type(error).__name__})
            except Exception:
                metrics.failures.labels("library").inc()
                log.exception("sweep failed")
            await asyncio.sleep(SWEEP_S)

    async def sweep(self) -> None:
        """Remove what is left of deleted videos, and what recorders brought after the deletion."""
        for video, at_ms in await self._files.deletions():
            age_ms = self._now_ms() - at_ms
            if await self._recordings.exists(video):
                over = age_ms > UNDONE_MS
            else:
                if await self._files.remove(video):
                    log.info("deleted video swept", extra={"video": video})
                over = age_ms > LATE_MS
            if over:
                await self._files.drop_note(video)

    # ---------------------------------------------------------------------------------------------------

    def _check_viewer(self, viewer: Viewer) -> None:
        if viewer.teacher is None and not viewer.library:
            raise Refused("not_signed_in")

    async def _find(self, video: str) -> Video:
        found = await self._recordings.video(video) if is_video_id(video) else None
        if found is None:
            raise Refused("not_found")
        return found

    async def _page(self, video: Video, viewer: Viewer, snapshot: Snapshot | None = None) -> wire.VideoPage:
        jobs = await self._jobs.of(video.id) if video.state == "ready" else ()
        done = {job.step for job in jobs if job.state == "done"}
        expires_s = self._now_ms() // 1000 + LIFETIME_S

        def address(file: MediaFile) -> str | None:
            if video.state != "ready" or (file in _STEP_OF and _STEP_OF[file] not in done):
                return None
            return issue_address(self._media_key, video.id, file, expires_s)

        info = _info(video, viewer)
        so_far = snapshot and issue_address(self._media_key, video.id, snapshot, expires_s)
        return wire.VideoPage(
            video=info,
            video_url=so_far or address("video.webm"),
            timeline_url=address("timeline.json"),
            download_url=address("download"),
            expires_at_ms=expires_s * 1000,
            mp4_url=address("lesson.mp4"),
            thumbnails_url=address("thumbnails.vtt"),
            sprite_url=address("thumbnails.jpg"),
            chapters_ru_url=address("chapters.ru.vtt"),
            chapters_en_url=address("chapters.en.vtt"),
            sound_url=address("sound.json"),
            jobs=tuple(map(_job, jobs)) if info.own else (),
        )

    def _read(self, viewer: Viewer, query: Mapping[str, str]) -> tuple[Filters, Position | None]:
        if any(len(text) > MAX_FILTER or not _is_text(text) for text in query.values()):
            raise Refused("bad_request", "filter")
        grade = query.get("grade", "")
        if grade and not (grade.isascii() and grade.isdecimal() and len(grade) <= 3):
            raise Refused("bad_request", "grade")
        filters = Filters(
            subject=query.get("subject") or None,
            grade=int(grade) if grade else None,
            teacher_name=query.get("teacher") or None,
            text=query.get("text") or None,
            teacher=viewer.teacher,
        )
        after = query.get("after")
        return filters, self._position(after) if after else None

    def _cursor(self, position: Position) -> str:
        body = f"{position.recorded_at_ms}.{position.id}".encode()
        return base64.urlsafe_b64encode(self._mac(body) + body).decode().rstrip("=")

    def _position(self, cursor: str) -> Position:
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise Refused("bad_request", "cursor") from None
        body = raw[_MAC_BYTES:]
        if not hmac.compare_digest(raw[:_MAC_BYTES], self._mac(body)):
            raise Refused("bad_request", "cursor")
        at_ms, _, video = body.decode().partition(".")
        position = Position(int(at_ms), video)
        if self._cursor(position) != cursor:  # the last character has bits that decoding passes over
            raise Refused("bad_request", "cursor")
        return position

    def _mac(self, body: bytes) -> bytes:
        return hmac.new(self._media_key, b"cursor\0" + body, hashlib.sha256).digest()[:_MAC_BYTES]


async def delete_for_ever(
    recordings: Recordings, files: LibraryFiles, video: str, by: str, at_ms: int
) -> bool:
    """Forget a video and remove its folders; False: there is none. Raises SQLAlchemyError, OSError; what is
    left then is swept."""
    await files.note_deletion(video, at_ms)
    if not await recordings.delete(video, by, at_ms):
        return False
    ids = {"video": video, "by": by}
    log.info("video deleted", extra=ids)
    try:
        await files.remove(video)
    except OSError as error:
        log.error("folder of a deleted video stays until swept", extra=ids | {"reason": str(error.errno)})
    return True


def _info(video: Video, viewer: Viewer) -> wire.VideoInfo:
    return wire.VideoInfo(
        video=video.id,
        lesson=video.lesson,
        title=video.title,
        subject=video.subject,
        grade=video.grade,
        teacher_name=video.teacher_name,
        recorded_at_ms=video.recorded_at_ms,
        duration_ms=video.duration_ms,
        bytes=video.bytes,
        state=video.state,
        own=viewer.teacher is not None and video.teacher == viewer.teacher,
    )


def _job(job: Job) -> wire.VideoJob:
    return wire.VideoJob(job.step, job.state, job.progress)


def _is_text(text: str) -> bool:
    """PostgreSQL takes no NUL, and neither database half of a surrogate pair."""
    return "\0" not in text and not any(unicodedata.category(sign) == "Cs" for sign in text)
