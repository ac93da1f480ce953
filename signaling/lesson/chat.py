"""Saying something to the class."""

from __future__ import annotations

from signaling import texts
from signaling.lesson import fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import State
from signaling.wire import CHAT_KEPT, Chat, ChatField


def say(state: State, actor: Actor, message: Chat, moment: Moment) -> Change | None:
    """Add a message; the oldest above CHAT_KEPT go. None: this very request was carried out already."""
    path = fields.chat(f"{moment.now_ms:013d}-{moment.token}")
    if path in state:
        return None
    person = state[fields.person(actor.participant)]
    kept = sorted(p for p in state if p.startswith("chat/"))
    surplus = max(0, len(kept) + 1 - CHAT_KEPT)
    said = ChatField(
        participant=actor.participant, name=person.name, text=texts.chat(message.text), at_ms=moment.now_ms
    )
    return Change("chat", {path: said}, tuple(kept[:surplus]))
