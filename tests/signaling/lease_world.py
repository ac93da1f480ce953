"""A small world in which the lease rules run: processes and workers on one clock that a test moves, lines
that can be cut, a Redis that can be emptied.

What decides is the program's own: Workers, Hearing and Leasing of each process, Fence and Beats of each
worker. Only sockets, Redis and the media are played.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError

from sfu.fence import Fence
from sfu.model import Epoch, LessonId, Refused
from sfu.rpc import messages as rpc
from sfu.rpc.beats import Beats
from sfu.rpc.client import WorkerGone, WorkerLost
from signaling.hearing import Hearing, Note
from signaling.leasing import Leasing, StaleEpoch
from signaling.placement import Lease
from signaling.workers import Workers

LESSON = LessonId("lesson")
REGISTERED_S = 5.0


def drive(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end what never waits here."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits")


class LeaseTable:
    """As ``sfu/rpc/lease.lua``, to which a test holds it."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.changes = 0

    def place(self, worker: str, believed: int, highest: int) -> Lease:
        current = 0 if self.lease is None else self.lease.epoch
        if self.lease is not None and current != believed:
            return self.lease
        return self._set(Lease(worker, max(current, highest) + 1))

    def reclaim(self, lease: Lease) -> Lease:
        if self.lease is not None and self.lease.epoch >= lease.epoch:
            return self.lease
        return self._set(lease)

    def _set(self, lease: Lease) -> Lease:
        self.lease = lease
        self.changes += 1
        return lease


@dataclass
class Record:
    """What placement reads of a worker."""

    rpc_host: str
    rpc_port: int
    lessons: int
    draining: bool = False


class Worker:
    """A worker process: its fence, and the one lesson as a router would have it."""

    def __init__(self, name: str, world: World, rate: float) -> None:
        self.name = name
        self.world = world
        self.rate = rate
        self.alive = True
        self.silent = False
        """Dead without a word: its machine is."""
        self.stalled = False
        self.epoch: int | None = None
        self.fence = Fence(self.now_us())
        self.registered_s = float("-inf")
        self.waiting: list[rpc.Request] = []
        """Sent to it while it stood still."""

    def now_us(self) -> int:
        return round((1000 + self.world.now_s) * self.rate * 1_000_000)

    @property
    def sends(self) -> bool:
        return self.alive and not self.stalled and self.epoch is not None

    def handle(self, request: rpc.Request) -> rpc.Reply:
        """As ``sfu.lessons`` does."""
        try:
            match request:
                case rpc.GetStatus():
                    self.fence.confirm(request.confirms, self.now_us())
                    return rpc.Status(self.name, "", 0, 0, 0, 0, 0.0, stamp=self.now_us())
                case rpc.OpenLesson():
                    self.fence.admit(LESSON, Epoch(request.epoch))
                    if self.epoch is not None and request.epoch > self.epoch:
                        self.epoch = None
                    if self.epoch is None:
                        if not self.fence.holds(self.now_us()):
                            return rpc.Failed("not_confirmed")
                        self.epoch = request.epoch
                case rpc.CloseLesson():
                    self.fence.admit(LESSON, Epoch(request.epoch))
                    self.epoch = None
        except Refused as refused:
            return rpc.Failed(refused.code)
        return rpc.Done()

    def tick(self) -> None:
        if not self.alive or self.stalled:
            return
        if self.epoch is not None and not self.fence.holds(self.now_us()):
            self.fence.over(LESSON, Epoch(self.epoch))
            self.epoch = None
        if self.world.reaches(self.name, "redis"):
            if self.world.now_s - self.registered_s > REGISTERED_S and self.epoch is not None:
                self.world.table.reclaim(Lease(self.name, self.epoch))
            self.registered_s = self.world.now_s

    def wake(self) -> None:
        self.stalled = False
        waiting, self.waiting = self.waiting, []
        for request in waiting:
            self.handle(request)
        self.tick()


class Link:
    """A process's connection to a worker."""

    def __init__(self, process: Process, worker: Worker, lost: Callable[[], None]) -> None:
        self.process = process
        self.target = worker
        self.worker = worker.name
        self.connected = False
        self._on_lost = lost

    async def connect(self, timeout_s: float) -> None:
        if not self.target.alive and not self.target.silent:
            raise WorkerGone("refused")
        if not self._reachable or self.target.stalled:
            raise WorkerLost("no answer")
        self.connected = True

    async def request(self, body: rpc.Request, timeout_s: float = 0) -> rpc.Reply:
        if not self.connected:
            raise WorkerLost("not connected")
        if self.target.alive and self.target.stalled and self._reachable:
            self.target.waiting.append(body)
        elif self.target.alive and not self.target.stalled:
            if self._reachable:
                return self.target.handle(body)
            if self.process.world.chance.random() < 0.3:  # it arrives, but its answer does not
                self.target.handle(body)
        self.drop()
        raise WorkerLost("no answer")

    @property
    def _reachable(self) -> bool:
        return self.target.alive and self.process.world.reaches(self.process.name, self.target.name)

    def drop(self) -> None:
        if self.connected:
            self.connected = False
            self._on_lost()

    async def close(self) -> None:
        self.connected = False


class Redis:
    """Placement as one process sees it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.world = process.world

    def _reach(self) -> None:
        if not self.world.reaches(self.process.name, "redis"):
            raise RedisConnectionError("cut")

    async def workers(self) -> dict[str, Record]:
        self._reach()
        return {
            worker.name: Record("", 0, int(worker.epoch is not None))
            for worker in self.world.workers.values()
            if self.world.now_s - worker.registered_s <= REGISTERED_S
        }

    async def choose(self, avoid: Collection[str] = ()) -> str | None:
        names = sorted(await self.workers())
        free = [name for name in names if name not in avoid] or names
        return self.world.chance.choice(free) if free else None

    async def expect(self, worker: str, lesson: str, people: int) -> None:
        self._reach()

    async def lease(self, lesson: str) -> Lease | None:
        self._reach()
        return self.world.table.lease

    async def place(
        self, lesson: str, worker: str, believed: int, highest: int, address: object = None
    ) -> Lease:
        self._reach()
        return self.world.table.place(worker, believed, highest)

    async def reclaim(self, lesson: str, lease: Lease) -> Lease:
        self._reach()
        return self.world.table.reclaim(lease)

    async def tell(self, process: str, note: Note) -> dict[str, Note]:
        self._reach()
        self.world.notes[process] = note
        return {name: each for name, each in self.world.notes.items() if name != process}

    async def forget(self, processes: Collection[str]) -> None:
        for process in processes:
            self.world.notes.pop(process, None)


class Connections(Workers):
    """A process's, over lines of this world."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.beating: list[Beats] = []
        placement: Any = Redis(process)
        super().__init__(placement, b"", process.name, lambda: process.now_s, self._is_over)
        self.hearing = Hearing(process.name)

    def _is_over(self, where: str) -> bool:
        """Seen from the same machine."""
        other = self.process.world.processes[where]
        return not other.alive and other.machine == self.process.machine

    async def _address(self, worker: str, known: Any) -> Any:
        return "", 0

    def _client(self, worker: str, address: Any) -> Any:
        return Link(self.process, self.process.world.workers[worker], lambda: self._lost(worker))

    def _beat(self, beats: Beats) -> None:
        self.beating.append(beats)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        drive(work)


class Process:
    """A signalling process that has clients of the lesson."""

    def __init__(self, name: str, machine: int, world: World, rate: float) -> None:
        self.name = name
        self.machine = machine
        self.world = world
        self.rate = rate
        self.alive = True
        self.stalled = False
        self.workers = Connections(self)
        self.leasing = Leasing(LESSON, self.workers, self._moved, lambda: self.now_s)
        self.changes_seen = world.table.changes
        self.emptied_seen = 0

    @property
    def now_s(self) -> float:
        return (1000 + self.world.now_s) * self.rate

    @property
    def lease(self) -> Lease | None:
        return self.leasing.lease

    def wake(self) -> None:
        self.stalled = False

    def step(self) -> None:
        """One second of its work."""
        if not self.alive or self.stalled:
            return
        for beats in self.workers.beating[:]:
            try:
                drive(beats.once())
            except WorkerLost:
                self.workers.beating.remove(beats)
        for work in (self.workers.once, self._hear, self._ensure):
            try:
                drive(work())
            except (RedisConnectionError, WorkerLost):
                pass

    async def _hear(self) -> None:
        """What is published, or found by the next sync."""
        changes, emptied = self.world.table.changes, self.world.emptied
        if emptied != self.emptied_seen:
            await self.leasing.reclaim(1000 * emptied)
        if changes != self.changes_seen:
            await self.leasing.follow()
        self.changes_seen, self.emptied_seen = changes, emptied

    async def _ensure(self) -> None:
        await self.leasing.carry(self._open, 1)

    async def _open(self, lease: Lease) -> None:
        link = await self.workers.link(lease.worker)
        reply = await link.request(rpc.OpenLesson(LESSON, lease.epoch))
        if isinstance(reply, rpc.Failed):
            raise StaleEpoch if reply.code == "stale_epoch" else WorkerLost(reply.code)

    def _moved(self, former: Lease | None, lease: Lease) -> None:
        self.world.note_epoch(lease)
        link = None if former is None else self.workers.connected_link(former.worker)
        if former is not None and link is not None and former.worker != lease.worker:
            try:
                drive(link.request(rpc.CloseLesson(LESSON, former.epoch)))
            except WorkerLost:
                pass


@dataclass
class World:
    """``cuts`` holds pairs of names between which nothing passes; ``broken`` says what does not hold."""

    chance: Random
    now_s: float = 0.0
    cuts: set[frozenset[str]] = field(default_factory=set)
    workers: dict[str, Worker] = field(default_factory=dict)
    processes: dict[str, Process] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)
    table: LeaseTable = field(default_factory=LeaseTable)
    emptied: int = 0
    broken: list[str] = field(default_factory=list)
    _holders: dict[int, str] = field(default_factory=dict)

    def reaches(self, one: str, other: str) -> bool:
        return frozenset((one, other)) not in self.cuts

    def rate(self) -> float:
        return 1 + self.chance.uniform(-0.004, 0.004)

    def start_worker(self) -> Worker:
        name = f"w{len(self.workers)}"
        self.workers[name] = Worker(name, self, self.rate())
        return self.workers[name]

    def start_process(self, machine: int) -> Process:
        name = f"p{len(self.processes)}"
        self.processes[name] = Process(name, machine, self, self.rate())
        return self.processes[name]

    def empty(self) -> None:
        self.notes.clear()
        self.table.lease = None
        self.table.changes += 1
        self.emptied += 1
        for worker in self.workers.values():
            worker.registered_s = float("-inf")

    def note_epoch(self, lease: Lease) -> None:
        """An epoch is one worker's for ever."""
        if self._holders.setdefault(lease.epoch, lease.worker) != lease.worker:
            self.broken.append(f"{self.now_s:g}: epoch {lease.epoch} has two workers")

    def step(self, seconds: float = 1.0) -> None:
        """Time passes; everybody has a turn, in any order."""
        self.now_s += seconds
        actors: list[Process | Worker] = [*self.processes.values(), *self.workers.values()]
        self.chance.shuffle(actors)
        for actor in actors:
            if isinstance(actor, Worker):
                actor.tick()
            else:
                actor.step()
            self._check()

    def run(self, seconds: int) -> None:
        for _ in range(seconds):
            self.step()

    def _check(self) -> None:
        sending = [worker.name for worker in self.workers.values() if worker.sends]
        if len(sending) > 1:
            self.broken.append(f"{self.now_s:g}: {' and '.join(sending)} send")

    @property
    def served(self) -> bool:
        """The lesson is sent by the worker that has the lease, and by no other."""
        lease = self.table.lease
        sending = [worker for worker in self.workers.values() if worker.sends]
        return len(sending) == 1 and lease is not None and sending[0].name == lease.worker
