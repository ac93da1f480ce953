"""What passes between the clients of a lesson and is kept by nobody: stills, pens as they move, reactions.

Each goes to all processes that hold the lesson; what Redis does not take is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from signaling import wire
from signaling.client import Client
from signaling.codec import encode
from signaling.inking import Inking
from signaling.lesson import fields, groups, reacting
from signaling.lesson.change import Actor
from signaling.log import LessonLog, LogUnreachable
from signaling.media import LessonMedia
from signaling.reactions import LessonReactions


class Lesson(Protocol):
    """What of a lesson it rests on."""

    clients: dict[str, Client]
    media: LessonMedia

    @property
    def state(self) -> Mapping[str, Any]: ...


class Passing:
    """One lesson's. ``still``, ``ink`` and ``react`` are what clients of this process say, ``hear_*`` what
    some process published; call ``tell_reactions`` a few times a second."""

    def __init__(
        self,
        lesson: str,
        log: LessonLog,
        live: Lesson,
        spawn: Callable[[Coroutine[Any, Any, Any]], None],
    ) -> None:
        self._lesson = lesson
        self._log = log
        self._live = live
        self._spawn = spawn
        self._inking = Inking()
        self._reactions = LessonReactions()

    def still(self, participant: str, message: wire.SendStill) -> None:
        """A client's picture of now, to all whom it is for."""
        live = self._live
        if not live.state.get(fields.on(participant, message.source)):
            return
        still = live.media.stills.take(participant, message, time.monotonic())
        if still is not None:
            self._tell(partial(self._log.tell_still, self._lesson, encode(still)))

    def ink(self, client: Client, message: wire.SendInk) -> None:
        """A client's pen as it moves, to all who look at that board; in this process without a wait."""
        who = client.participant
        ink = self._inking.take(self._live.state, Actor(who, client.role), message, time.monotonic())
        if ink is not None:
            data = encode(ink)
            self._pass_on(who, data)
            self._tell(partial(self._log.tell_ink, self._lesson, who, data))

    def hear_ink(self, process: str, participant: str, ink: bytes) -> None:
        """Ink that some process has passed on to its own clients."""
        if process != self._log.process:
            self._pass_on(participant, ink)

    def _pass_on(self, participant: str, ink: bytes) -> None:
        state, board = self._live.state, groups.board_of(self._live.state, participant)
        for client in self._live.clients.values():
            if client.participant != participant and groups.board_of(state, client.participant) == board:
                client.send_passing(ink)

    def react(self, client: Client, message: wire.React) -> None:
        """A client's reaction. Raises Refused."""
        reacting.check(self._live.state, client.role)
        if self._reactions.take(client.participant, time.monotonic()):
            self._tell(partial(self._log.tell_reaction, self._lesson, client.participant, message.reaction))

    def hear_reaction(self, participant: str, kind: str) -> None:
        """Somebody reacted, in whatever process."""
        self._reactions.hear(participant, kind, time.monotonic())

    def tell_reactions(self) -> None:
        """How many react so now, where that changed."""
        for view, news in self._reactions.news(self._live.state, time.monotonic()):
            data = encode(news)
            for client in list(self._live.clients.values()):
                if client.view is view:
                    client.send(data)

    def forget(self, participant: str) -> None:
        """Somebody is gone."""
        self._inking.forget(participant)
        self._reactions.forget(participant)

    def _tell(self, telling: Callable[[], Awaitable[None]]) -> None:
        self._spawn(_if_there(telling))


async def _if_there(telling: Callable[[], Awaitable[None]]) -> None:
    with suppress(*LogUnreachable):
        await telling()
