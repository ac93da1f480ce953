"""A journal read piece by piece while it grows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from recorder.journal import CHUNK, MAGIC, NEVER_US, Head, Kind, Placed, parse_head, take
from sfu.model import ParseError


class Late(Exception):
    """A record came whose time was taken for over, or another file stands where a journal was: what was made
    is to be made anew."""


class Tail:
    """The records behind the head, in order, up to one time after another.

    ``read`` gives what comes before the first packet or event of a time or later, so that what it gives for a
    time does not depend on when it is called, as long as all that is earlier is in the file by then. If not,
    the next ``read`` raises Late.
    """

    def __init__(self, path: Path, since_us: int = 0) -> None:
        """``since_us``: all that is earlier was asked of the folder's other journals already."""
        self.path = path
        self.head: Head | None = None
        """None: it is not read yet, or damaged."""
        self.damage = ""
        """What is wrong where reading ended for good."""
        self.ended = False
        """Whether the last record read is END."""
        self.next_us = NEVER_US
        """Time of the packet or event at which the last ``read`` ended; NEVER_US: at the end of the file."""
        self._file: tuple[int, int] | None = None
        """Which file it is: one that is put together of several takes its place."""
        self._offset = 0
        self._rest = b""
        self._asked_us = since_us

    def read(self, before_us: int) -> Iterator[list[Placed]]:
        """The next records, some thousands at a time. Raises Late, OSError."""
        if before_us <= self.next_us < NEVER_US or self.damage:
            return
        at_end = self.next_us == NEVER_US
        self.next_us = NEVER_US
        for batch in self._run(before_us):
            if at_end and (first_us := _first_time(batch)) is not None:
                if first_us < self._asked_us:
                    raise Late(self.path.name)
                at_end = False
            self.ended = batch[-1][0] == Kind.END
            yield batch
        self._asked_us = max(self._asked_us, before_us)

    def forget(self) -> None:
        """Let go of what was read ahead."""
        self._rest = b""

    def close(self) -> str:
        """Why reading ended before the file did; empty: it did not. Nothing more comes."""
        if not self.damage and self.head is None:
            self.damage = "no head"
        elif not self.damage and self._rest:
            self.damage = "torn record"
        return self.damage

    def _run(self, before_us: int) -> Iterator[list[Placed]]:
        with self.path.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            if self._file not in (None, (status.st_dev, status.st_ino)):
                raise Late(self.path.name)
            self._file = status.st_dev, status.st_ino
            if not self._offset:
                magic = file.read(len(MAGIC))
                if magic != MAGIC:
                    if not MAGIC.startswith(magic):
                        self.damage = "not a journal"
                    return
                self._offset = len(MAGIC)
            file.seek(self._offset + len(self._rest))
            data = self._rest
            while True:
                if data:
                    batch, self.damage, self.next_us = take(data, self._offset, before_us)
                    if batch:
                        _, _, body, offset = batch[-1]
                        end = offset + len(body) + 4
                        data, self._offset = data[end - self._offset :], end
                        if self.head is None:
                            batch = self._behind_head(batch)
                    self._rest = data
                    if batch:
                        yield batch
                    if self.damage or self.next_us != NEVER_US:
                        return
                more = file.read(CHUNK)
                if not more:
                    return
                data = self._rest + more

    def _behind_head(self, batch: list[Placed]) -> list[Placed]:
        try:
            self.head = parse_head(batch[0])
        except ParseError as error:
            self.damage, self._rest = error.reason, b""
            return []
        return batch[1:]


def _first_time(batch: list[Placed]) -> int | None:
    """Time of the first packet or event."""
    return next((time_us for kind, time_us, _, _ in batch if kind in (Kind.PACKET, Kind.EVENT)), None)
