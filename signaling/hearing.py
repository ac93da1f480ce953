"""Which workers are heard, by this process and by the others, and so which one may have stopped sending.

Each process tells the others in Redis, every second, which workers it hears (a Note), and confirms a worker
only while its last note names it: so whoever reads the notes knows who may still be confirmed. A worker that
nobody can have confirmed for MOVE_S has stopped (``sfu.rpc.holding``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from sfu.rpc.holding import BLIND_ALONE_S, BLIND_S, DRIFT, LOOK_S, MOVE_S

_NEVER: Final = float("-inf")


class Note(Struct, frozen=True, array_like=True):
    """What a process hears. ``number`` grows; ``where`` it runs; ``alone``: it knew of no other process."""

    number: int
    where: str
    workers: frozenset[str]
    alone: bool

    @property
    def blind_s(self) -> float:
        """So long it confirms these workers without Redis."""
        return BLIND_ALONE_S if self.alone else BLIND_S


@dataclass(frozen=True, slots=True)
class _Seen:
    """A note and since when, by this process's clock, it has not changed."""

    note: Note
    since_s: float

    @property
    def until_s(self) -> float:
        """By then its process confirms nothing any more, unless it says so again."""
        return self.since_s + self.note.blind_s * (1 + DRIFT)


class Hearing:
    """As one process sees it. Times are seconds of its own clock, which never steps."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._heard: dict[str, float] = {}
        self._notes: dict[str, _Seen] = {}
        self._over: dict[str, int] = {}
        """Numbers of the notes that are believed no more."""
        self._told: tuple[Note, float] | None = None
        self._number = 0
        self._began_s = self._looked_s = _NEVER

    # --- what this process hears ---------------------------------------------------------------

    def heard(self, worker: str, now_s: float) -> None:
        """It answered a beat: its stamp may be confirmed."""
        self._heard[worker] = now_s

    def note(self, workers: Iterable[str]) -> Note:
        """What is to be told now; ``workers``: those that are connected."""
        self._number += 1
        alone = self._looked_s != _NEVER and not self._notes
        return Note(self._number, self._where, frozenset(workers), alone)

    def told(self, note: Note, began_s: float) -> None:
        """Redis has the note; ``began_s``: before it was sent."""
        self._told = note, began_s

    def confirms(self, worker: str, now_s: float) -> bool:
        """Whether this process may confirm it: the others know, or knew not long ago."""
        if self._told is None:
            return False
        note, told_s = self._told
        return worker in note.workers and now_s - told_s <= note.blind_s

    # --- what the others hear ------------------------------------------------------------------

    def saw(self, notes: Mapping[str, Note], is_gone: Callable[[str], bool], now_s: float) -> set[str]:
        """The others' notes as Redis has them; those of processes that are over, to be forgotten there.

        A note that Redis lost is still believed: its process may not know yet.
        """
        if now_s - self._looked_s > LOOK_S:
            self._began_s = now_s  # what was heard meanwhile can't be known
        self._looked_s = now_s
        for process, note in notes.items():
            seen = self._notes.get(process)
            known = self._over.get(process) if seen is None else seen.note.number
            if note.number != known:
                if seen is not None:
                    self._may_be_heard(seen.note.workers - note.workers, now_s)
                self._notes[process] = _Seen(note, now_s)
        for process, seen in list(self._notes.items()):
            gone = is_gone(seen.note.where)
            if gone or now_s > seen.until_s:
                self._may_be_heard(seen.note.workers, now_s if gone else seen.until_s)
                del self._notes[process]
                self._over[process] = seen.note.number
        self._heard = {worker: at_s for worker, at_s in self._heard.items() if now_s - at_s <= 2 * MOVE_S}
        self._over = {process: number for process, number in self._over.items() if process in notes}
        return set(self._over)

    def heard_elsewhere(self, worker: str, now_s: float) -> bool:
        """Whether another process says now that it hears it."""
        return any(
            worker in seen.note.workers and now_s - seen.since_s <= LOOK_S for seen in self._notes.values()
        )

    def may_move(self, worker: str, now_s: float) -> bool:
        """Whether it has stopped sending, as nobody can have confirmed it for MOVE_S."""
        if now_s - self._looked_s > LOOK_S:
            return False
        heard_s = max(self._began_s, self._heard.get(worker, _NEVER))
        for seen in self._notes.values():
            if worker in seen.note.workers:
                heard_s = max(heard_s, min(now_s, seen.until_s))
        return now_s - heard_s >= MOVE_S

    def _may_be_heard(self, workers: Iterable[str], until_s: float) -> None:
        for worker in workers:
            self._heard[worker] = max(until_s, self._heard.get(worker, _NEVER))
