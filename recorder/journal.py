"""Journals of a recording: append-only files of records with CRC. The format is in docs/journal.md.

A journal is written by one ``Writer`` and read by ``read``. Whatever a kill, a full disk or a bad sector
leaves, everything before the first damaged record can be read.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from struct import Struct as Layout
from typing import Any, Final
from zlib import crc32

import msgspec
from msgspec import Struct

from sfu.model import ParseError

MAGIC: Final = b"ZVJRNL01"
LOG_NAME: Final = "log.zj"
"""The lesson's events; every other ``*.zj`` of a recording's folder is a tap's."""
MAX_BODY: Final = 1 << 20
QUEUE_LIMIT: Final = 64 * 1024 * 1024

_HEADER: Final = Layout(">IBQ")
_FRAMED: Final = Layout(">QH")
_CRC: Final = Layout(">I")
_COUNT: Final = Layout(">I")
_SHORTEST: Final = _HEADER.size + _CRC.size
NEVER_US: Final = 1 << 64
"""Later than any time."""
CHUNK: Final = 128 * 1024
"""What stays in the processor's cache while it is taken apart."""


class Kind(IntEnum):
    """What a record is. Readers pass over kinds that they do not know."""

    HEAD = 1
    PACKET = 2
    EVENT = 3
    DROPPED = 4
    END = 5


TIMED: Final = frozenset({int(Kind.PACKET), int(Kind.EVENT)})
"""Kinds whose time says when something was; the others' says when the recorder wrote them."""


class TapHead(Struct, tag_field="journal", tag="tap", frozen=True, kw_only=True):
    """First record of a tap's journal: whose packets these are, as in ``sfu.rpc.messages.TapOpened``."""

    lesson: str
    recording: str
    part: int
    participant: str
    role: str
    name: str
    source: str
    codec: str
    clock_rate: int
    payload_type: int
    audio_level_id: int
    epoch: int
    connection: int


class Teacher(Struct, frozen=True, kw_only=True):
    """Whose lesson it is."""

    id: str
    name: str


class LogHead(Struct, tag_field="journal", tag="log", frozen=True, kw_only=True):
    """First record of the lesson's log: what the video lesson is called."""

    lesson: str
    recording: str
    title: str
    subject: str
    grade: int | None
    teacher: Teacher
    created_at_ms: int


Head = TapHead | LogHead


class LogEvent(Struct, frozen=True, kw_only=True):
    """One event of the lesson, as its log holds it; ``set`` and ``delete`` name paths of its fields."""

    number: int
    kind: str
    at_ms: int
    by: str | None
    set: dict[str, Any] = {}
    delete: tuple[str, ...] = ()


Record = tuple[int, int, bytes]
"""Kind (a ``Kind``, or one of a later version), time in us since 1970 on the server's clock, body."""

_heads: Final = msgspec.msgpack.Decoder(Head)
_events: Final = msgspec.msgpack.Decoder(LogEvent)
_pack: Final = msgspec.msgpack.Encoder().encode


def event_of(body: bytes) -> LogEvent:
    """The body of an EVENT record; raises ParseError."""
    try:
        return _events.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ParseError(f"not an event: {error}") from None


def dropped_of(body: bytes) -> int:
    """The body of a DROPPED record: how many packets are missing here; raises ParseError."""
    if len(body) != _COUNT.size:
        raise ParseError("not a count")
    count: int = _COUNT.unpack(body)[0]
    return count


# --- write -------------------------------------------------------------------------------------------


class Budget:
    """Bytes that all writers of a process together may hold in memory.

    ``taken`` is counted by the thread that adds, ``returned`` by the one that writes.
    """

    def __init__(self, limit: int = QUEUE_LIMIT) -> None:
        self._limit = limit
        self.taken = 0
        self.returned = 0

    def allows(self, size: int) -> bool:
        """Whether ``size`` more bytes may wait."""
        return self.taken - self.returned + size <= self._limit


class Writer:
    """One journal being written.

    ``add_*`` never touch the disk: they may be called on an event loop, by one thread, before ``open`` too.
    ``open``, ``flush``, ``sync`` and ``close`` do, and raise OSError: they may be called by another thread,
    one at a time. After an OSError of ``flush`` the file ends torn and nothing more is written.

    Records that find no room in ``budget`` are left out; packets among them are counted, and the count is
    written as soon as there is room.
    """

    def __init__(self, path: Path, head: Head, now_us: int, budget: Budget | None = None) -> None:
        """Nothing is opened yet. ``head`` is written to a new file only."""
        self.path = path
        self.packets = 0
        """Packets added."""
        self.dropped = 0
        """Packets that are missing: told by ``add_dropped``, or left out here."""
        self._head = _record(Kind.HEAD, now_us, _pack(head))
        self._budget = budget or Budget()
        self._waiting: deque[bytes] = deque()
        self._untold = 0
        self._file = -1
        self._over = False

    def open(self) -> None:
        """Make the file and write its head, or go on behind the last good record of an existing one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and repair(self.path) <= len(MAGIC):
            self.path.unlink()
        new = not self.path.exists()
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        if new:
            self._write(MAGIC + self._head)
            os.fsync(self._file)
            _sync_folder(self.path.parent)

    def add_packets(self, blob: bytes, dropped: int = 0, now_us: int = 0) -> None:
        """Add the packets of a ``TapData``; each keeps its receive time.

        ``dropped`` packets are missing before them, at ``now_us``. Raises ParseError; then nothing was added.
        """
        parts: list[bytes] = []
        add, header, framed = parts.append, _HEADER.pack, _FRAMED.unpack_from
        offset, end, time_us = 0, len(blob), now_us
        while offset < end:
            start = offset + _FRAMED.size
            if start > end:
                raise ParseError("torn packet header", offset)
            time_us, length = framed(blob, offset)
            offset = start + length
            if offset > end:
                raise ParseError("torn packet", start)
            head, packet = header(length, Kind.PACKET, time_us), blob[start:offset]
            add(head)
            add(packet)
            add(crc32(packet, crc32(head)).to_bytes(4))
        if dropped:
            self.add_dropped(dropped, now_us)
        count = len(parts) // 3
        if self._put(b"".join(parts), time_us):
            self.packets += count
        else:
            self._untold += count
            self.dropped += count

    def add_event(self, event: LogEvent, now_us: int) -> bool:
        """Add an event; False when it was left out. Raises ValueError when it is over MAX_BODY."""
        body = _pack(event)
        if len(body) > MAX_BODY:
            raise ValueError("an event of over 1 MiB")
        return self._put(_record(Kind.EVENT, now_us, body), now_us)

    def add_dropped(self, count: int, now_us: int) -> None:
        """Tell that ``count`` packets are missing here."""
        self.dropped += count
        self._untold += count
        self._put(b"", now_us)

    @property
    def pending(self) -> int:
        """Pieces that wait for ``flush``."""
        return len(self._waiting)

    @property
    def opened(self) -> bool:
        """Whether its file is open."""
        return self._file >= 0

    @property
    def over(self) -> bool:
        """Whether nothing more is written: it was closed, or writing failed."""
        return self._over

    def flush(self) -> None:
        """Hand what was added to the system."""
        waiting, budget = self._waiting, self._budget
        while waiting:
            batch = [waiting.popleft() for _ in range(min(len(waiting), 256))]
            budget.returned += sum(map(len, batch))
            if not self._over:
                self._write(b"".join(batch))

    def sync(self) -> None:
        """Have the disk keep what was flushed."""
        if self._file >= 0:
            os.fdatasync(self._file)

    def close(self, now_us: int) -> None:
        """Write the rest and the end record, sync and close. Idempotent; closed even when it raises."""
        if self._file < 0:
            return
        try:
            self._put(b"", now_us, anyway=True)
            self._put(_record(Kind.END, now_us, b""), now_us, anyway=True)
            self.flush()
            self.sync()
        finally:
            self.discard()

    def discard(self) -> None:
        """Let go of file and memory without the end record. Idempotent."""
        self._over = True
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        while self._waiting:
            self._budget.returned += len(self._waiting.popleft())

    def _put(self, piece: bytes, now_us: int, *, anyway: bool = False) -> bool:
        if self._untold:
            piece = _record(Kind.DROPPED, now_us, _COUNT.pack(min(self._untold, 0xFFFFFFFF))) + piece
        if self._over or not (anyway or self._budget.allows(len(piece))):
            return False
        self._untold = 0
        self._budget.taken += len(piece)
        self._waiting.append(piece)
        return True

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            self._over = True
            raise


def _record(kind: Kind, time_us: int, body: bytes) -> bytes:
    data = _HEADER.pack(len(body), kind, time_us) + body
    return data + _CRC.pack(crc32(data))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- read --------------------------------------------------------------------------------------------


Placed = tuple[int, int, bytes, int]
"""A record and the offset of its body in the file."""


def take(data: bytes, base: int, before_us: int = NEVER_US) -> tuple[list[Placed], str, int]:
    """The whole records of ``data``, which begins at offset ``base`` of the file: (records, what is wrong
    behind them, time of the packet or event that they end before).

    They end before the first packet or event of ``before_us`` or later; without one, the time is NEVER_US.
    """
    header, crc_of = _HEADER.unpack_from, _CRC.unpack_from
    view, size, offset = memoryview(data), len(data), 0
    batch: list[Placed] = []
    add = batch.append
    while size - offset >= _SHORTEST:
        length, kind, time_us = header(data, offset)
        body = offset + 13
        end = body + length
        if length > MAX_BODY:
            return batch, "impossible length", NEVER_US
        if end + 4 > size:
            break
        if crc32(view[offset:end]) != crc_of(data, end)[0]:
            return batch, "wrong CRC", NEVER_US
        if time_us >= before_us and kind in TIMED:
            return batch, "", time_us
        add((kind, time_us, data[body:end], base + body))
        offset = end + 4
    return batch, "", NEVER_US


def parse_head(record: Placed) -> Head:
    """The head in a journal's first record; raises ParseError."""
    if record[0] != Kind.HEAD:
        raise ParseError("the first record is not a head")
    try:
        head: Head = _heads.decode(record[2])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ParseError(f"the head is not understood: {error}") from None
    return head


class Records:
    """The records behind the head, once: one by one, or in ``batches``; ends at the first damaged one.

    Meanwhile ``good_bytes`` grows; afterwards it tells where the first damaged record begins, or the size of
    the file, and ``damage`` says what is wrong there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.good_bytes = 0
        self.damage = ""
        """Empty: the file ends behind a good record."""
        self.ended = False
        """Whether the last record is END: the journal was closed in order."""
        self.head: Head | None = None
        self._run_of = self._run()
        self._first = next(self._run_of, [])
        if self._first:
            self.head = self._parse_head(self._first[0])
            self._first = self._first[1:]
        elif not self.damage:
            self.damage = "no head"
        self._records = (
            (kind, time_us, body) for batch in self.batches() for kind, time_us, body, _ in batch
        )

    def __iter__(self) -> Iterator[Record]:
        return self._records

    def batches(self) -> Iterator[list[Placed]]:
        """The records with their places, some thousands at a time."""
        if self._first:
            batch, self._first = self._first, []
            yield batch
        yield from self._run_of

    def _parse_head(self, record: Placed) -> Head | None:
        try:
            return parse_head(record)
        except ParseError as error:
            self.damage = error.reason
        self._run_of = iter(())
        self._first = []
        self.good_bytes = len(MAGIC)
        return None

    def _run(self) -> Iterator[list[Placed]]:
        with self.path.open("rb", buffering=0) as file:
            if file.read(len(MAGIC)) != MAGIC:
                self.damage = "not a journal"
                return
            self.good_bytes = len(MAGIC)
            rest = b""
            while chunk := file.read(CHUNK):
                data = rest + chunk
                batch = self._take(data, self.good_bytes)
                if batch:
                    kind, _, body, offset = batch[-1]
                    self.ended = kind == Kind.END
                    rest = data[offset + len(body) + 4 - self.good_bytes :]
                    self.good_bytes = offset + len(body) + 4
                    yield batch
                else:
                    rest = data
                if self.damage:
                    return
            if rest:
                self.damage = "torn record"

    def _take(self, data: bytes, base: int) -> list[Placed]:
        """The whole records of ``data``, which begins at offset ``base`` of the file."""
        batch, self.damage, _ = take(data, base)
        return batch


def read(path: Path) -> tuple[Head | None, Records]:
    """The head and the records behind it; raises OSError only.

    The head is None when it is damaged: then there are no records.
    """
    records = Records(path)
    return records.head, records


def repair(path: Path) -> int:
    """Cut a journal off behind its last good record; how many bytes it has then. Raises OSError.

    Not for a journal that is being written.
    """
    _, records = read(path)
    for _ in records:
        pass
    if records.good_bytes < path.stat().st_size:
        with path.open("r+b") as file:
            file.truncate(records.good_bytes)
            os.fsync(file.fileno())
    return records.good_bytes
