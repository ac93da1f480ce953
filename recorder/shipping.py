"""Brings journals to the store while they are written, for recorders that share no folder.

Once a second what is new in a recording's journals goes there as one piece, a numbered file that is never
changed: so a machine that is lost with its disk takes at most two seconds along. What the store does not take
stays on the disk and goes later. ``<recording>/<place>/<number>`` holds a msgpack array of ``Run``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from recorder.folder import SUFFIX
from recorder.journal import LOG_NAME
from signaling.files.api import Files
from signaling.log import LogUnreachable

log = logging.getLogger(__name__)

SHIP_S: Final = 1.0
LONGEST_WAIT_S: Final = 30.0
PIECE_LIMIT: Final = 2 << 20
AT_ONCE: Final = 32
SHIPPED_NAME: Final = "shipped"
_LEAVE_LIMIT_S: Final = 3.0


class Run(Struct, array_like=True, frozen=True):
    """Bytes of a journal from an offset on; the journal ends behind them until a later run says otherwise."""

    file: str
    offset: int
    data: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(tuple[Run, ...])


def runs_of(piece: bytes) -> tuple[Run, ...]:
    """What a piece holds; raises msgspec.MsgspecError."""
    return _decoder.decode(piece)


class Shipped(Struct, frozen=True):
    """How far a recording's journals are in the store; kept in its folder as ``shipped``.

    ``number`` is the last piece's, 0: none. ``sealed``: nothing more comes from here.
    """

    number: int = 0
    sealed: bool = False
    files: dict[str, int] = {}


def shipped(folder: Path) -> Shipped:
    """As it was kept; what cannot be read counts as nothing. Raises OSError."""
    try:
        return msgspec.json.decode((folder / SHIPPED_NAME).read_bytes(), type=Shipped)
    except (FileNotFoundError, msgspec.MsgspecError):
        return Shipped()


def keep(folder: Path, state: Shipped) -> None:
    """Keep it; raises OSError. Not synced: what is forgotten is sent again."""
    draft = folder / f".{SHIPPED_NAME}.{os.getpid()}"
    draft.write_bytes(msgspec.json.encode(state))
    draft.replace(folder / SHIPPED_NAME)


def next_piece(folder: Path, state: Shipped, now_ms: int) -> tuple[bytes, Shipped] | None:
    """What is new in the journals, PIECE_LIMIT bytes at most, and how far they are with it; None: nothing.

    Numbers grow with time, so that those of a recorder that forgot how far it was come later. Raises OSError.
    """
    runs: list[Run] = []
    files, room = dict(state.files), PIECE_LIMIT
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        offset = files.get(path.name, 0)
        if room > 0 and path.stat().st_size > offset:
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read(room)
            runs.append(Run(path.name, offset, data))
            files[path.name] = offset + len(data)
            room -= len(data)
    if not runs:
        return None
    return _encode(runs), Shipped(max(state.number + 1, now_ms), sealed=False, files=files)


class Places(Protocol):
    """What recorders tell each other of a recording; raises LogUnreachable."""

    @property
    def place(self) -> str: ...

    async def note_place(self, recording: str, *, sealed: bool) -> None: ...


@dataclass(slots=True)
class _Open:
    """A recording that is being written, or brought away. ``noted``: the others know that it is here."""

    state: Shipped
    noted: bool = False
    over: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Shipper:
    """``run`` it as a task. ``begin`` and ``end`` recordings; ``seal`` waits until all of one is there."""

    def __init__(self, files: Files, places: Places, folder: Path) -> None:
        """``folder``: where recordings' folders are."""
        self._files = files
        self._places = places
        self._folder = folder
        self._open: dict[str, _Open] = {}
        self.away = False
        """Whether the store did not take what was last brought."""

    async def begin(self, recording: str) -> None:
        """It is written here from now on (again). Raises OSError."""
        state = await asyncio.to_thread(shipped, self._folder / recording)
        # A log that somebody goes on with was cut off behind its last good record: it goes there anew.
        files = {name: size for name, size in state.files.items() if name != LOG_NAME}
        opened = _Open(Shipped(state.number, sealed=False, files=files))
        self._open[recording] = opened
        await asyncio.to_thread(keep, self._folder / recording, opened.state)

    def end(self, recording: str) -> None:
        """Nothing more is written here: what is left is brought away, and sealed."""
        opened = self._open.get(recording)
        if opened is not None:
            opened.over = True

    async def run(self) -> None:
        """For ever: bring what is new; a store that is away is asked again, later each time."""
        wait_s = SHIP_S
        while True:
            began_s = time.monotonic()
            try:
                await self._all()
                wait_s, self.away = SHIP_S, False
            except (OSError, *LogUnreachable) as error:
                if not self.away:
                    log.warning(
                        "journals not brought to the store, trying again", extra={"reason": str(error)}
                    )
                wait_s, self.away = min(wait_s * 2, LONGEST_WAIT_S), True
            except Exception:
                log.exception("journals not brought to the store")
                wait_s, self.away = min(wait_s * 2, LONGEST_WAIT_S), True
            await asyncio.sleep(max(0.0, wait_s - (time.monotonic() - began_s)))

    async def close(self) -> None:
        """Bring what is left, if that is quick."""
        for opened in self._open.values():
            opened.over = True
        try:
            async with asyncio.timeout(_LEAVE_LIMIT_S):
                await self._all()
        except (OSError, TimeoutError, *LogUnreachable):
            log.warning("journals left for later", extra={"recordings": len(self._open)})

    async def seal(self, recording: str) -> None:
        """Bring all of it and tell the others, unless that is done.

        Raises StoreAway, OSError, LogUnreachable.
        """
        opened = self._open.get(recording)
        if opened is None:
            opened = _Open(await asyncio.to_thread(shipped, self._folder / recording), noted=True)
        opened.over = True
        await self._ship(recording, opened)

    def forget(self, recording: str) -> None:
        """Its folder is gone."""
        self._open.pop(recording, None)

    async def _all(self) -> None:
        """Bring what is new of every recording; raises what one of them raised when none could be brought."""
        room = asyncio.Semaphore(AT_ONCE)

        async def one(recording: str, opened: _Open) -> None:
            async with room:
                await self._ship(recording, opened)

        work = dict(self._open)
        outcomes = await asyncio.gather(*(one(*each) for each in work.items()), return_exceptions=True)
        failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failed and (len(failed) == len(work) or not isinstance(failed[0], OSError)):
            raise failed[0]

    async def _ship(self, recording: str, opened: _Open) -> None:
        folder = self._folder / recording
        async with opened.lock:
            if not folder.exists():  # deleted meanwhile
                self._open.pop(recording, None)
                return
            if opened.state.sealed:  # said again, to a Redis that may have lost it
                await self._places.note_place(recording, sealed=True)
                return
            if not opened.noted:
                await self._places.note_place(recording, sealed=False)
                opened.noted = True
            over = opened.over  # what is written after this is not: then nothing more is
            while True:
                found = await asyncio.to_thread(next_piece, folder, opened.state, time.time_ns() // 1_000_000)
                if found is None:
                    break
                piece, state = found
                await self._files.put_bytes(f"{recording}/{self._places.place}/{state.number:015}", piece)
                opened.state = state
                try:
                    await asyncio.to_thread(keep, folder, state)
                except OSError:
                    pass  # no room: after a restart it is brought again
            if over:
                state = Shipped(opened.state.number, sealed=True, files=opened.state.files)
                await self._places.note_place(recording, sealed=True)
                await asyncio.to_thread(keep, folder, state)
                opened.state = state
                if self._open.get(recording) is opened:
                    del self._open[recording]
