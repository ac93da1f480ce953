"""Recordings whose journals may lie on several machines: whose turn it is to finish one, and of what.

For recorders that share a store and no folder. ``.made/<recording>`` in the store says, for KEPT_S, what a
published video was made of: of everything (then its pieces go), or not, because a recorder died before it had
brought all: then they are kept for it, and the video is made again when it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from recorder.claims import KEPT_S, TURN_TTL_MS, Claims, Place
from recorder.folder import is_recording
from recorder.gathering import gather
from recorder.shipping import Shipper, shipped
from signaling.files.api import Files, Stored, remove_all
from signaling.log import Clock, LogUnreachable, stop

log = logging.getLogger(__name__)

RENEW_S: Final = 2.0
_NOTES: Final = ".made"
_LONGEST_NOTE: Final = 1 << 20


class TurnLost(OSError):
    """Somebody else may be at it now."""


class Sources(Struct, frozen=True):
    """What a video is made of: each place's last piece (0: none). ``complete``: nothing more will come."""

    pieces: dict[str, int]
    complete: bool

    def more_than(self, other: Sources) -> bool:
        """Whether it has something that the other has not."""
        return any(number > other.pieces.get(place, -1) for place, number in self.pieces.items())


def sources(pieces: dict[str, list[Stored]], places: dict[str, Place]) -> Sources:
    """``pieces``: of each place in the store, in their order; ``places``: as recorders noted them."""
    numbers = {place: _number(some[-1]) for place, some in pieces.items()}
    complete = all(place in places and places[place].sealed for place in {*pieces, *places})
    return Sources(numbers, complete)


class Elsewhere:
    """Methods raise StoreAway, OSError, LogUnreachable; each can be repeated. The turn is held, but
    for ``adopted`` and ``tidy``."""

    def __init__(self, files: Files, claims: Claims, shipper: Shipper, folder: Path, now_ms: Clock) -> None:
        """``files``: where journals are brought; ``folder``: where recordings' folders are here."""
        self.shipper = shipper
        self._files = files
        self._claims = claims
        self._folder = folder
        self._now_ms = now_ms

    @asynccontextmanager
    async def turn(self, recording: str) -> AsyncGenerator[bool, None]:
        """Nobody else finishes it meanwhile; False: somebody does. When that cannot be held what is in it is
        cancelled, and TurnLost raised."""
        if not await self._claims.take_turn(recording):
            yield False
            return
        body = asyncio.current_task()
        lost = False

        async def hold() -> None:
            nonlocal lost
            loop = asyncio.get_running_loop()
            held_s = loop.time()
            while loop.time() - held_s < TURN_TTL_MS / 1000 - RENEW_S:
                await asyncio.sleep(RENEW_S)
                try:
                    if not await self._claims.renew_turn(recording):
                        break
                    held_s = loop.time()
                except LogUnreachable:
                    pass
            lost = True
            if body is not None:
                body.cancel()

        holding = asyncio.create_task(hold())
        try:
            yield True
        except asyncio.CancelledError:
            if not lost or body is None or body.uncancel():
                raise
            raise TurnLost("the turn could not be held") from None
        finally:
            await stop(holding)
            try:
                await self._claims.release_turn(recording)
            except LogUnreachable:
                pass  # it lapses by itself

    async def here(self, recording: str) -> Sources:
        """What there is of it in the store."""
        return sources(await self._pieces(recording), await self._claims.places(recording))

    async def made_of(self, recording: str) -> Sources | None:
        """What its published video was made of, if that is noted."""
        stored = await self._files.find(f"{_NOTES}/{recording}")
        if stored is None or stored.size > _LONGEST_NOTE:
            return None
        try:
            text = b"".join([piece async for piece in self._files.read(stored, 0, stored.size)])
            return msgspec.json.decode(text, type=Sources)
        except msgspec.MsgspecError:
            return None

    def is_sealed(self, recording: str) -> bool:
        """Whether all that is written here is, or was, in the store. Blocks; raises OSError."""
        return shipped(self._folder / recording).sealed

    async def gather(self, recording: str) -> Sources:
        """Bring what is left here to the store, and everything that is there into the folder here."""
        await self.shipper.seal(recording)
        pieces, places = await self._pieces(recording), await self._claims.places(recording)
        others = {place: some for place, some in pieces.items() if place != self._claims.place}
        if others:
            await gather(self._files, others, self._folder / recording)
        return sources(pieces, places)

    async def published(self, recording: str, made_of: Sources) -> None:
        """The video is in the library and SQL knows it: what it was made of goes, unless more is to come."""
        await self._files.put_bytes(f"{_NOTES}/{recording}", msgspec.json.encode(made_of))
        if made_of.complete:
            await remove_all(self._files, f"{recording}/")
            await self._claims.forget_places(recording)
        else:
            log.warning(
                "journals missing: the video is made again when they come", extra={"recording": recording}
            )

    async def forget(self, recording: str) -> None:
        """Nothing of it is needed any more."""
        await remove_all(self._files, f"{recording}/")
        await self._files.remove(f"{_NOTES}/{recording}")
        await self._claims.forget_places(recording)

    async def adopted(self, recording: str) -> bool:
        """Whether an ended recording that is not here has nobody left to finish it."""
        places = await self._claims.places(recording)
        return not any(place.alive for place in places.values()) and bool(
            places or await self._pieces(recording)
        )

    async def tidy(self) -> None:
        """Wait no longer for recorders that did not come back within KEPT_S."""
        for stored in await self._files.below(f"{_NOTES}/"):
            recording = stored.name.partition("/")[2]
            if is_recording(recording) and self._now_ms() / 1000 - stored.modified_s > KEPT_S:
                async with self.turn(recording) as mine:
                    if mine:
                        await self.forget(recording)

    async def _pieces(self, recording: str) -> dict[str, list[Stored]]:
        found: dict[str, list[Stored]] = {}
        for stored in await self._files.below(f"{recording}/"):
            place = stored.name.split("/")[1]
            if _number(stored):
                found.setdefault(place, []).append(stored)
        return found


def _number(stored: Stored) -> int:
    """A piece's number; 0: it is none."""
    last = stored.name.rpartition("/")[2]
    return int(last) if stored.name.count("/") == 2 and last.isascii() and last.isdigit() else 0
