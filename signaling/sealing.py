"""The minute before a calm, read from the log: what was written is there whatever was deleted later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol

from sfu.model import Refused
from signaling.lesson.fields import CALM, State
from signaling.replica import Record
from signaling.wire import SEALED_KEPT, CalmField, ChatField, Sealed, SealedMessage

MOST_PAGES: Final = 10
"""The log holds about that many."""


class Log(Protocol):
    """What is asked of it."""

    async def before(self, lesson: str, number: int) -> list[Record]: ...


async def sealed(log: Log, lesson: str, number: int, state: State) -> Sealed:
    """The sealed minute of the last calm in a lesson whose last event is ``number``.

    Raises Refused ``not_found`` when there was none, LogUnreachable.
    """
    calm: CalmField | None = state.get(CALM)
    if calm is None:
        raise Refused("not_found")
    found = still_there(calm, state)  # what Redis lost of the log is in the state yet
    before = number + 1
    for _ in range(MOST_PAGES):
        page = await log.before(lesson, before)
        found |= written(page, calm, state)
        if not page or page[-1].at_ms < calm.sealed_from_ms or len(found) >= SEALED_KEPT:
            break
        before = page[-1].number
    newest = sorted(found.values(), key=lambda message: message.at_ms)[-SEALED_KEPT:]
    return Sealed(calm.sealed_from_ms, calm.at_ms, tuple(newest))


def still_there(calm: CalmField, state: State) -> dict[str, SealedMessage]:
    """Messages of the sealed minute that are in the chat."""
    said: Iterator[tuple[str, ChatField]] = (each for each in state.items() if each[0].startswith("chat/"))
    return {
        path: SealedMessage(chat.participant, chat.name, chat.text, chat.at_ms, kept=True)
        for path, chat in said
        if chat.text and calm.sealed_from_ms <= chat.at_ms <= calm.at_ms
    }


def written(events: Iterable[Record], calm: CalmField, state: State) -> dict[str, SealedMessage]:
    """Messages of the sealed minute as these events, newest first, brought them first."""
    return {
        path: SealedMessage(
            value["participant"], value["name"], value["text"], value["at_ms"], _kept(path, value, state)
        )
        for event in events
        for path, value in event.set.items()
        if path.startswith("chat/")
        and value.get("text")
        and calm.sealed_from_ms <= value["at_ms"] <= calm.at_ms
    }


def _kept(path: str, value: Any, state: State) -> bool:
    now: ChatField | None = state.get(path)
    return now is not None and now.text == value["text"]
