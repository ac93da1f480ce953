"""Who is in a video lesson, and how they get out of it: asked by its teacher, or by themselves.

A recorder carries it out (``recorder.withdrawal``); from the moment it is asked nobody is shown the video.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from sfu.model import Refused
from signaling import wire
from signaling.catalog.recordings import Video
from signaling.catalog.store import Catalog
from signaling.catalog.takes import Takes
from signaling.library import Viewer
from signaling.library_files import LibraryFiles
from signaling.log import Clock
from signaling.media_address import is_video_id

log = logging.getLogger(__name__)


class Withdrawing:
    """Methods raise Refused with a code for the person, SQLAlchemyError, OSError."""

    def __init__(self, catalog: Catalog, files: LibraryFiles, now_ms: Clock) -> None:
        self._catalog = catalog
        self._files = files
        self._now_ms = now_ms

    async def people(self, viewer: Viewer, video: str) -> wire.VideoPeople:
        """Everybody who is in a video of one's own; another's is ``not_found``."""
        await self._own(viewer, video)
        takes = await self._takes(video)
        return wire.VideoPeople(tuple(_person(takes, each.participant) for each in takes.people))

    async def person(self, lesson: str, participant: str) -> wire.VideoPerson | None:
        """Somebody as they are in their lesson's video; None: they are not, or nobody can say."""
        found = await self._catalog.recordings.video_of_lesson(lesson)
        if found is None or found.state != "ready":
            return None
        takes = await self._files.takes(found.id)
        if takes is None or participant not in _ids(takes):
            return None
        return _person(takes, participant)

    async def withdraw(self, viewer: Viewer, video: str, participant: str) -> None:
        """A teacher takes somebody out of a video of their own."""
        found = await self._own(viewer, video)
        await self._ask(found, participant, viewer.teacher or "")

    async def withdraw_oneself(self, lesson: str, participant: str) -> None:
        """Somebody takes themselves out of their lesson's video."""
        found = await self._catalog.recordings.video_of_lesson(lesson)
        if found is None:
            raise Refused("not_found")
        await self._ask(found, participant, participant)

    async def _ask(self, video: Video, participant: str, by: str) -> None:
        takes = await self._takes(video.id)
        if participant not in _ids(takes):
            raise Refused("not_found")
        if not await self._catalog.withdrawals.ask(video.id, (participant,), by, self._now_ms()):
            raise Refused("video_busy")
        ids = {"video": video.id, "lesson": video.lesson, "participant": participant, "by": by}
        log.info("withdrawal asked for", extra=ids)

    async def _own(self, viewer: Viewer, video: str) -> Video:
        if viewer.teacher is None:
            raise Refused("not_signed_in")
        found = await self._catalog.recordings.video(video) if is_video_id(video) else None
        if found is None or found.teacher != viewer.teacher:
            raise Refused("not_found")
        return found

    async def _takes(self, video: str) -> Takes:
        takes = await self._files.takes(video)
        if takes is None:
            raise Refused("withdrawal_unknown")
        return takes


def _ids(takes: Takes) -> Iterable[str]:
    return {each.participant for each in takes.people}


def _person(takes: Takes, participant: str) -> wire.VideoPerson:
    (who,) = (each for each in takes.people if each.participant == participant)
    seen_ms = heard_ms = 0
    for take in takes.takes:
        if take.participant == participant:
            if take.source in ("camera", "screen"):
                seen_ms += take.to_ms - take.from_ms
            else:
                heard_ms += take.to_ms - take.from_ms
    return wire.VideoPerson(who.participant, who.name, who.role, seen_ms, heard_ms)
