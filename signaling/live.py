"""One lesson as this process holds it: its replica, its clients, and every change to it in order."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sfu.model import Refused
from signaling import wire
from signaling.answering import Answers
from signaling.client import Client
from signaling.codec import encode
from signaling.follower import Decision, Follower, Keeper
from signaling.lesson import ending, fields, groups, presence, quiz, recording
from signaling.lesson.change import Actor, Change, Moment
from signaling.log import Clock, LessonLog, LogUnreachable, stop
from signaling.media import LessonMedia
from signaling.objectives import LessonObjectives, Objective, met
from signaling.passing import Passing
from signaling.recording_watch import RecordingWatch
from signaling.replica import Encoded, Record, Replica, View
from signaling.roles import decide
from signaling.sealing import sealed
from signaling.workers import Workers

log = logging.getLogger(__name__)

MOVED_SPREAD_MS: Final = 1500


@dataclass(frozen=True, slots=True)
class Limits:
    """The settings a lesson needs."""

    max_people: int
    without_teacher_ends_ms: int
    drop_grace_ms: int
    chat_words: tuple[str, ...] = ()


class LiveLesson:
    """``open`` it, then ``enter`` clients, ``execute`` commands, ``tick`` it a few times a second.

    Changes go one by one under a lock; events are applied in the order of their numbers, whoever made
    them, and each is encoded once for each kind of client.
    """

    def __init__(
        self,
        lesson: str,
        lesson_log: LessonLog,
        keeper: Keeper,
        workers: Workers,
        limits: Limits,
        now_ms: Clock,
    ) -> None:
        self.lesson = lesson
        self.clients: dict[str, Client] = {}
        self.lobby: dict[str, Client] = {}
        self._log = lesson_log
        self._limits = limits
        self._now_ms = now_ms
        self._follower = Follower(
            lesson, lesson_log, keeper, now_ms, self._happened, self._replaced, self._reclaim
        )
        self._graces: dict[str, int] = {}
        self._entering: dict[str, str] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._admitting = False
        self._promoting: set[str] = set()
        self.closed = False
        self.idle_since_ms = now_ms()
        self.objectives = LessonObjectives()
        self.media = LessonMedia(lesson, self, workers, self.spawn)
        self.passing = Passing(lesson, lesson_log, self, self.spawn)
        self._answers = Answers(self.execute, self.spawn)
        self._recording = RecordingWatch(lesson, lesson_log, self.execute, self.spawn, now_ms)

    # --- as its media sees it --------------------------------------------------------------------

    @property
    def replica(self) -> Replica:
        """The lesson's state with its last events."""
        return self._follower.replica

    @property
    def number(self) -> int:
        return self.replica.number

    @property
    def state(self) -> Mapping[str, Any]:
        return self.replica.state

    def to_participant(self, participant: str, message: wire.ServerMessage) -> None:
        client = self.clients.get(participant)
        if client is not None:
            client.send(encode(message))

    def to_everybody(self, message: wire.ServerMessage) -> None:
        data = encode(message)
        for client in list(self.clients.values()):
            client.send(data)

    async def sealed(self) -> wire.Sealed:
        """What was written in the minute before the last calm; raises Refused ``not_found``, ``internal``."""
        try:
            return await sealed(self._log, self.lesson, self.number, self.state)
        except LogUnreachable as error:
            raise Refused("internal", f"redis: {type(error).__name__}") from None

    def moved(self, epoch: int) -> None:
        for client in list(self.clients.values()):
            delay_ms = 0 if client.role.leads else random.randrange(MOVED_SPREAD_MS)
            client.send(encode(wire.Moved(epoch, delay_ms)))

    def send_away(self) -> None:
        for client in list(self.clients.values()):
            client.close("shutting_down", retry=True)

    def quality(self, lines: tuple[wire.LineQuality, ...]) -> None:
        for client in list(self.clients.values()):
            if client.role.leads:
                client.send(encode(wire.Quality(lines)))
            else:
                own = tuple(line for line in lines if line.participant == client.participant)
                client.send(encode(wire.Quality(own)))

    # --- opening and closing -----------------------------------------------------------------------

    async def open(self) -> None:
        """Follow the log and take over its state; raises Refused ``not_found``, LogUnreachable."""
        await self._follower.open()

    async def close(self) -> None:
        """Hold the lesson no longer. Clients are the caller's to close."""
        self.closed = True
        self.media.close()
        await stop(*self._tasks)
        await self._follower.close()

    @property
    def needed(self) -> bool:
        """Whether something can still happen to the lesson without a new client."""
        if self.clients or self.lobby or self._graces or self._tasks or self._entering:
            return True
        state = self.replica.state
        if fields.LESSON not in state or fields.lesson(state).state == "ended":
            return False
        return (
            fields.lesson(state).ends_at_ms is not None
            or any(person.here for _, person in fields.people(state))
            or any(True for _ in fields.waiting(state))
        )

    # --- changing ------------------------------------------------------------------------------------

    async def command(self, client: Client, message: Any) -> int:
        """Carry out a client's command; the number of its event, 0 when nothing had to change.

        Raises Refused.
        """
        actor = Actor(client.participant, client.role, client.ballot)
        moment = self.moment()
        if isinstance(message, wire.QuizAnswer):
            return await self._answers.give(lambda state: decide(state, actor, message, moment))
        return await self.execute(lambda state: decide(state, actor, message, moment), client.participant)

    def moment(self) -> Moment:
        """Now, with a fresh token."""
        return Moment(self._now_ms(), secrets.token_hex(4), self._limits.chat_words)

    async def execute(self, decision: Decision, by: str | None) -> int:
        """As Follower.execute."""
        return await self._follower.execute(decision, by)

    def hear(self, event: Record) -> None:
        """An event as it was published; a gap before it is filled from the log."""
        if not self._follower.hear(event):
            self.spawn(self.catch_up())

    async def catch_up(self) -> None:
        """Apply what was missed; tried again by the next sync when Redis is away. Raises Refused."""
        try:
            await self._follower.catch_up()
        except LogUnreachable as error:
            log.warning("redis: not read", extra={"lesson": self.lesson, "reason": type(error).__name__})

    def _happened(self, event: Record) -> None:
        # Clients first: that they are recorded is said to people before the worker may begin.
        encoded = Encoded(event)
        for client in list(self.clients.values()):
            who = client.participant
            group = self.replica.group(who)
            if client.view is View.STUDENT and client.group != group:
                client.send(encode(self.replica.moved(event, who, client.group)))
                client.group = group
            else:
                client.send(encoded.for_view(client.view, who, group))
        self._answers.heard(event)
        self.media.changed(event)
        self._recording.tick(recording.running(self.state))
        self._settle()
        if event.kind in ("opened", "teacher_in", "ended"):
            self.spawn(self._mark_live(live=event.kind != "ended"))

    def _replaced(self) -> None:
        """A state that does not follow from the one before: every client gets it whole."""
        for client in list(self.clients.values()):
            self._welcome(client, None)
        self._answers.heard(None)
        self.media.resend()
        self.spawn(self._restored())
        self._settle()

    async def _reclaim(self) -> None:
        """Redis lost the lesson and has it again: it gets back what is not in the log."""
        await self.media.restored()
        for client in (*self.clients.values(), *self.lobby.values()):
            await self._log.take_seat(self.lesson, client.participant, client.seat)

    async def _restored(self) -> None:
        with suppress(*LogUnreachable):
            await self.media.restored()

    async def _mark_live(self, *, live: bool) -> None:
        try:
            await self._log.set_live(self.lesson, live)
            if not live:
                await self.media.end()
        except LogUnreachable:
            log.warning("lesson not marked", extra={"lesson": self.lesson, "live": live})

    def _settle(self) -> None:
        """Bring clients in line with the state: who is in gets in, who is out goes."""
        state = self.replica.state
        if fields.LESSON not in state:
            return
        ended = fields.lesson(state).state == "ended"
        for client in (*self.clients.values(), *self.lobby.values()):
            if ended:
                self._let_go(client, "ended")
            elif state.get(fields.ban(client.participant)):
                self._let_go(client, "removed")
        if ended:
            self._graces.clear()
            return
        for participant, client in list(self.lobby.items()):
            person = state.get(fields.person(participant))
            if person is not None and person.here and participant not in self._promoting:
                self._promoting.add(participant)
                self.spawn(self._promote(client))
        if self.lobby and fields.lesson(state).state == "live" and not self._admitting:
            self._admitting = True
            self.spawn(self._admit_all())

    def _let_go(self, client: Client, code: str) -> None:
        self.clients.pop(client.participant, None)
        self.lobby.pop(client.participant, None)
        self._graces.pop(client.participant, None)
        client.close(code)

    async def _admit_all(self) -> None:
        try:
            for participant in list(self.lobby):
                await self.execute(partial(presence.admit, participant=participant), None)
        finally:
            self._admitting = False

    async def _promote(self, client: Client) -> None:
        """From the lobby into the lesson: nothing reaches the client before its welcome."""
        who = client.participant
        try:
            await self._place()
        finally:
            self._promoting.discard(who)
        if self.lobby.get(who) is client:
            del self.lobby[who]
            self._come_in(client, None)

    # --- clients --------------------------------------------------------------------------------------

    async def enter(self, client: Client, name: str, hello: wire.Hello) -> None:
        """A client with a valid ticket: it gets ``welcome`` or ``waiting``, an older socket of the same
        participant is closed. Raises Refused."""
        who = client.participant
        actor = Actor(who, client.role)
        self._entering[who] = client.seat
        try:
            self._take_over(who, client)
            try:
                await self._log.take_seat(self.lesson, who, client.seat)
            except LogUnreachable as error:
                raise Refused("internal", f"redis: {type(error).__name__}") from None
            moment = self.moment()
            never_live = False

            def come(state: Mapping[str, Any]) -> Change | None:
                nonlocal never_live
                never_live = fields.lesson(state).started_at_ms is None
                return presence.enter(state, actor, name, self._limits.max_people, moment)

            if await self.execute(come, who) and never_live and client.role.leads:
                met(Objective.HELD)
            self._graces.pop(who, None)
            person = self.replica.state.get(fields.person(who))
            if person is not None and person.here:
                await self._place()
        finally:
            latest = self._entering.get(who) == client.seat
            if latest:
                del self._entering[who]
        if not latest:
            client.close("taken_over")
            return
        self._take_over(who, client)
        if client.closed:
            self._start_grace(who)
            return
        person = self.replica.state.get(fields.person(who))
        if person is not None and person.here:
            self._come_in(client, hello)
        else:
            self.lobby[who] = client
            client.send(encode(wire.Waiting("no_teacher", fields.lesson(self.replica.state).title)))
        self._settle()

    def _come_in(self, client: Client, hello: wire.Hello | None) -> None:
        who = client.participant
        self.clients[who] = client
        if not client.role.leads and not self.media.alive(who, self.media.epoch):
            self.objectives.student_in(who)
        self._welcome(client, hello)

    async def offer(self, client: Client, message: wire.Offer) -> wire.Answer:
        """A client wants a media connection; raises Refused."""
        self.objectives.student_asks(client.participant)
        return await self.media.offer(client.participant, message)

    def seat_taken(self, participant: str, seat: str) -> None:
        """Another process has a newer socket of this participant."""
        for place in (self.clients, self.lobby):
            client = place.get(participant)
            if client is not None and client.seat != seat and self._entering.get(participant) is None:
                del place[participant]
                client.close("taken_over")

    def dropped(self, client: Client) -> None:
        """A client's socket is gone; its person stays for the grace."""
        who = client.participant
        if self.clients.get(who) is client:
            del self.clients[who]
        elif self.lobby.get(who) is client:
            del self.lobby[who]
        else:
            return
        self._start_grace(who)

    async def leave(self, client: Client) -> None:
        """A client goes on purpose."""
        who = client.participant
        if self.clients.get(who) is client or self.lobby.get(who) is client:
            self.clients.pop(who, None)
            self.lobby.pop(who, None)
            await self._leave(who)

    def _take_over(self, participant: str, client: Client) -> None:
        for place in (self.clients, self.lobby):
            older = place.get(participant)
            if older is not None and older is not client:
                del place[participant]
                older.close("taken_over")

    def _start_grace(self, participant: str) -> None:
        state = self.replica.state
        if participant not in self._entering and fields.lesson(state).state != "ended":
            self._graces[participant] = self._now_ms() + self._limits.drop_grace_ms

    async def _leave(self, participant: str) -> None:
        self._graces.pop(participant, None)
        self.passing.forget(participant)
        moment = self.moment()
        ends_ms = self._limits.without_teacher_ends_ms
        await self.execute(lambda state: presence.leave(state, participant, ends_ms, moment), participant)

    def _welcome(self, client: Client, hello: wire.Hello | None) -> None:
        lease = self.media.epoch if hello is None else hello.lease
        events: tuple[wire.Event, ...] | None = None
        if hello is not None and hello.after is not None:
            events = self.replica.since(hello.after, client.view, client.participant)
        client.send(
            encode(
                wire.Welcome(
                    participant=client.participant,
                    role=client.role.value,
                    lesson=self.lesson,
                    number=self.replica.number,
                    lease=self.media.epoch,
                    now_ms=self._now_ms(),
                    fields=self.replica.fields(client.view, client.participant) if events is None else None,
                    events=events or (),
                    media_alive=self.media.alive(client.participant, lease),
                )
            )
        )
        client.group = self.replica.group(client.participant)
        self.media.repeat(client.participant)

    async def _place(self) -> None:
        try:
            await self.media.ensure()
        except Refused as refused:
            log.warning("lesson without a worker", extra={"lesson": self.lesson, "code": refused.code})

    # --- time -------------------------------------------------------------------------------------------

    async def tick(self) -> None:
        """Graces that are over, the time without a teacher, a missing worker or recorder. Raises Refused."""
        now_ms = self._now_ms()
        if self.needed:
            self.idle_since_ms = now_ms
        for participant, due_ms in list(self._graces.items()):
            if now_ms >= due_ms:
                await self._grace_over(participant)
        state = self.replica.state
        if fields.LESSON not in state:
            return
        self._recording.tick(recording.running(state))
        self.passing.tell_reactions()
        if self.objectives.waits:
            self.objectives.look(state, self.clients, self.media.hears, now_ms)
        ends_at_ms = fields.lesson(state).ends_at_ms
        if ends_at_ms is not None and now_ms >= ends_at_ms:
            moment = self.moment()
            await self.execute(lambda now: ending.end_without_teacher(now, moment), None)
        if self._answers.time_up(state, now_ms):
            moment = self.moment()
            await self.execute(lambda now: quiz.time_up(now, moment), None)
        groups_end_ms = groups.ends_at_ms(state)
        if groups_end_ms is not None and now_ms >= groups_end_ms:
            over = self.moment()
            await self.execute(lambda now: groups.time_over(now, over), None)
        if self.clients and not self.media.ready:
            self.media.worker_lost()

    async def _grace_over(self, participant: str) -> None:
        self._graces.pop(participant, None)
        if participant in self.clients or participant in self.lobby or participant in self._entering:
            return
        try:
            seat = (await self._log.seats(self.lesson)).get(participant, "")
            process = seat.partition("/")[0]
            if process != self._log.process and await self._log.alive([process]):
                return  # another process has them
        except LogUnreachable:
            self._graces[participant] = self._now_ms() + self._limits.drop_grace_ms
            return
        await self._leave(participant)

    async def sweep(self) -> None:
        """People who are here by the log but have a socket in no process get the grace; clients whose
        person is not here come in again. Raises LogUnreachable, Refused."""
        state = self.replica.state
        if fields.LESSON not in state or fields.lesson(state).state == "ended":
            return
        known = {*self.clients, *self.lobby, *self._graces, *self._entering}
        orphans = [who for who, person in fields.people(state) if person.here and who not in known]
        orphans += [who for who, _ in fields.waiting(state) if who not in known]
        if orphans:
            seats = await self._log.seats(self.lesson)
            owners = {who: seats.get(who, "").partition("/")[0] for who in orphans}
            alive = await self._log.alive(owners.values())
            for who, owner in owners.items():
                if owner == self._log.process or owner not in alive:
                    self._start_grace(who)
        for client in list(self.clients.values()):
            person = state.get(fields.person(client.participant))
            if person is not None and not person.here:
                again = partial(
                    presence.enter,
                    actor=Actor(client.participant, client.role),
                    name=person.name,
                    max_people=self._limits.max_people,
                    moment=self.moment(),
                )
                await self.execute(again, client.participant)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run in the background; a fault is logged once with the lesson's id."""
        if self.closed:
            work.close()
            return
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, Refused):
            log.info("background work refused", extra={"lesson": self.lesson, "code": error.code})
        elif error is not None:
            log.error("background work failed", extra={"lesson": self.lesson}, exc_info=error)
