"""A participant whose media is ``loadtest.light``, made anew whenever the server loses or moves it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from loadtest.bench._peer import Identity
from loadtest.client import LessonClient
from loadtest.continuity import Heard, Pause, total
from loadtest.door import Door
from loadtest.light import LightMedia
from loadtest.lines import Lines
from loadtest.loops import recorded
from loadtest.reception import Reception
from sfu.model import Refused
from signaling import wire

_AGAIN_S: Final = 0.25
_TRIES: Final = 60


class LightKit:
    """What all such people of a process share."""

    def __init__(self) -> None:
        self.identity = Identity()
        self.lines = Lines()


class LightClient(LessonClient):
    """``connect_light`` once it is in. ``heard`` gets the slot of each packet."""

    def __init__(
        self, door: Door, code: str, reply: wire.JoinReply, kit: LightKit, *, publishes: bool, bad_line: bool
    ) -> None:
        super().__init__(door, code, reply)
        self.pause = Pause()
        self.moves = 0
        self.heard: Callable[[int], None] = _nothing
        self._kit = kit
        self._publishes = publishes
        self._way = kit.lines.before if bad_line else None
        self._lease = 0
        self._drawn: Mapping[int, int] = {}
        self._media: LightMedia | None = None
        self._receptions: list[Reception] = []
        self._renewing: asyncio.Task[None] | None = None

    async def connect_light(self, drawn: Mapping[int, int]) -> None:
        """Connect media, send what is recorded if one publishes, and say what is drawn; again when the lesson
        was moved meanwhile. Raises as ``LightMedia.connect``."""
        self._drawn = drawn
        media = await self._connect()
        while media.lease < self._lease:
            self.moves += 1
            media = await self._connect()
        if self._publishes:
            media.publish(*await asyncio.to_thread(recorded))
        if drawn:
            await self.draw(drawn)

    async def _connect(self) -> LightMedia:
        media = LightMedia(self._kit.identity, self.pause, self._hear)
        try:
            await media.connect(self, self._way)
        except BaseException:
            await media.close()
            raise
        former, self._media = self._media, media
        self._receptions.append(media.reception)
        if former is not None:
            await former.close()
        return media

    @property
    def silent_s(self) -> float:
        """For how long no sound has come now."""
        return self.pause.current_s(asyncio.get_running_loop().time())

    def report(self) -> Heard:
        """What was heard and seen until now."""
        now_s = asyncio.get_running_loop().time()
        return Heard(
            total(each.count(video=False) for each in self._receptions),
            total(each.count(video=True) for each in self._receptions),
            self.pause.longest_s(now_s) * 1000,
            self.moves,
        )

    async def close(self) -> None:
        """Leave on purpose and hang up."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        if self._media is not None:
            await self._media.close()
        await super().close()

    def _hear(self, slot: int) -> None:
        self.heard(slot)

    def _take(self, message: wire.ServerMessage) -> None:
        super()._take(message)
        if isinstance(message, wire.Moved | wire.Welcome):
            self._lease = max(self._lease, message.lease)
        media = self._media
        if media is None:
            return
        match message:
            case wire.Moved() if message.lease != media.lease:
                self._renew(message.delay_ms / 1000)
            case wire.Welcome() if message.lease != media.lease:
                self._renew(0.0)
            case wire.MediaLost() if message.connection == media.number:
                self._renew(0.0)
            case _:
                pass

    def _renew(self, delay_s: float) -> None:
        """Whoever is at it already goes on until the media is where the lesson is: one who begins anew with
        each word of a lesson that finds no worker asks for too much."""
        if self._renewing is None or self._renewing.done():
            self.moves += 1
            self._renewing = asyncio.create_task(self._connect_again(delay_s))

    async def _connect_again(self, delay_s: float) -> None:
        """Until it is there; whoever never gets there has a long pause to show for it."""
        await asyncio.sleep(delay_s)
        for _ in range(_TRIES):
            try:
                await self.connect_light(self._drawn)
            except (Refused, OSError, TimeoutError):
                await asyncio.sleep(_AGAIN_S)
            else:
                return


def _nothing(_: int) -> None:
    """For who is not listened for."""
