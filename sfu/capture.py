"""One recorder's capture of one lesson: which publications are tapped, and how their packets reach it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, Protocol

from sfu.context import WorkerContext
from sfu.model import Epoch, LessonId, ParticipantId, Role
from sfu.plane.api import AddTap, Command, RemoveTap, SourceHandle, Tapped
from sfu.publication import Publication
from sfu.rpc.messages import TapClosed, TapData, TapOpened, TapPush

MAX_UNSENT_BYTES: Final = 8 * 1024 * 1024
"""Packets that may wait for one recorder to read; more are dropped and counted."""
MAX_PACKETS_BYTES: Final = 128 * 1024
"""Of ``TapData.packets``: a longer batch becomes several."""
ENDED_WITHIN_S: Final = 1.0
_ENTRY: Final = Struct("!QH")


class Recorder(Protocol):
    """A recorder's connection. Sending never raises; a connection that is gone takes everything."""

    @property
    def unsent_bytes(self) -> int:
        """What waits for it to read."""

    def send(self, push: TapPush) -> None:
        """Tell this recorder."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A publication that is to be tapped, and whose it is."""

    participant: ParticipantId
    role: Role
    connection: int
    publication: Publication


class Capture:
    """Sends its recorder what ``open`` names until ``close`` or ``end``. Who calls keeps to what may be
    recorded: every publication that may not be any more is closed at once.

    Closing stops the copies; what was copied before is still sent, then TapClosed. The worker's context finds
    a capture by the numbers of its taps, also after ``end``, until all are closed.
    """

    def __init__(self, context: WorkerContext, lesson: LessonId, epoch: Epoch, recorder: Recorder) -> None:
        self.lesson = lesson
        self.epoch = epoch
        self.recorder = recorder
        self._context = context
        self._taps: dict[SourceHandle, int] = {}
        self._dropped: dict[int, int] = {}
        """Packets lost since the last TapData, for each tap that is not closed."""
        self._all_closed = asyncio.Event()
        self._all_closed.set()

    def open(self, subjects: Iterable[Subject]) -> None:
        """Tap these, as far as they are not tapped yet."""
        commands: list[Command] = []
        for subject in subjects:
            publication = subject.publication
            if publication.handle in self._taps:
                continue
            tap = self._context.next_handle()
            self._taps[publication.handle] = tap
            self._dropped[tap] = 0
            self._all_closed.clear()
            self._context.taps[tap] = self
            self.recorder.send(self._opened(tap, subject))
            commands.append(AddTap(tap, publication.handle, publication.layers - 1))
        if commands:
            self._context.plane.apply(commands)

    def close(self, publications: Iterable[Publication]) -> None:
        """Tap these no more."""
        taps = self._taps
        self._remove([taps.pop(each.handle) for each in publications if each.handle in taps])

    def end(self) -> None:
        """Tap nothing any more. Idempotent."""
        taps, self._taps = self._taps, {}
        self._remove(taps.values())

    async def ended(self) -> None:
        """Return when all was sent and every tap is closed; ``end`` comes before. Raises TimeoutError."""
        async with asyncio.timeout(ENDED_WITHIN_S):
            await self._all_closed.wait()

    def tapped(self, event: Tapped) -> None:
        """Send a batch of a tap on; the last one closes it."""
        tap = event.tap
        self._dropped[tap] += event.dropped
        offset_us = self._context.wall_offset_us
        pieces: list[bytes] = []
        size = 0
        for at_us, packet in event.packets:
            length = _ENTRY.size + len(packet)
            if size + length > MAX_PACKETS_BYTES:
                self._send(tap, pieces)
                pieces, size = [], 0
            pieces += (_ENTRY.pack(at_us + offset_us, len(packet)), packet)
            size += length
        if pieces:
            self._send(tap, pieces)
        if event.last:
            self._closed(tap)

    def _send(self, tap: int, pieces: Sequence[bytes]) -> None:
        packets = b"".join(pieces)
        if self.recorder.unsent_bytes + len(packets) > MAX_UNSENT_BYTES:
            self._dropped[tap] += len(pieces) // 2
            self._context.unread_by_recorders += len(pieces) // 2
            return
        self.recorder.send(TapData(self.lesson, self.epoch, tap, packets, self._dropped[tap]))
        self._dropped[tap] = 0

    def _closed(self, tap: int) -> None:
        del self._context.taps[tap]
        dropped = self._dropped.pop(tap)
        if dropped:
            self.recorder.send(TapData(self.lesson, self.epoch, tap, b"", dropped))
        self.recorder.send(TapClosed(self.lesson, self.epoch, tap))
        if not self._dropped:
            self._all_closed.set()

    def _remove(self, taps: Iterable[int]) -> None:
        commands = [RemoveTap(tap) for tap in taps]
        if commands:
            self._context.plane.apply(commands)

    def _opened(self, tap: int, subject: Subject) -> TapOpened:
        publication = subject.publication
        negotiated = publication.negotiated
        return TapOpened(
            lesson=self.lesson,
            epoch=self.epoch,
            tap=tap,
            participant=subject.participant,
            role=subject.role,
            connection=subject.connection,
            source=publication.source,
            codec=negotiated.codec,
            clock_rate=negotiated.clock_rate,
            payload_type=negotiated.payload_type,
            audio_level_id=negotiated.extensions.audio_level,
        )
