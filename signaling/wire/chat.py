"""The chat: what is said to the class, what students say to the teachers, and the rules for both."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from signaling.wire.names import MAX_CHAT, Id, RequestNumber

HELD_EACH: Final = 5
"""Messages of one student that wait for a leader at most."""
NOTES_EACH: Final = 40
"""Messages kept of one student's thread with the teachers."""
NOTES_KEPT: Final = 400
"""Messages kept of all those threads together."""
MAX_SLOW_S: Final = 300
MAX_WORDS: Final = 100
MAX_WORD: Final = 40

ChatMode = Literal["open", "held", "closed"]
"""Students write; what they write waits for a leader; only leaders write."""
ChatSift = Literal["allowed", "held", "refused"]
"""What becomes of a student's message with something in it."""


class Chat(Struct, tag_field="t", tag="chat", frozen=True):
    """Say something to the class, or in the thread that a student (``thread``) has with the teachers:
    students in their own, leaders in one that is there. ``quote``: id of a message to the class that this
    one answers. ``material``: a file or link of the lesson (``material/<id>``) that goes with it.

    Refused: ``text_empty``, ``not_found``, ``not_allowed``, ``chat_closed``, ``chat_muted``, ``chat_slow``,
    ``chat_words``, ``chat_links``, ``chat_waiting``, ``chat_notes_off``.
    """

    id: RequestNumber
    text: Annotated[str, Meta(max_length=MAX_CHAT)]
    quote: Id | None = None
    thread: Id | None = None
    material: Id | None = None


class SetChat(Struct, tag_field="t", tag="set_chat", frozen=True):
    """Leaders: all rules of the chat at once, as in ``ChatRulesField``."""

    id: RequestNumber
    mode: ChatMode = "open"
    slow_s: Annotated[int, Meta(ge=0, le=MAX_SLOW_S)] = 0
    notes: bool = True
    links: ChatSift = "held"
    words: Literal["held", "refused"] = "refused"


class SetChatWords(Struct, tag_field="t", tag="set_chat_words", frozen=True):
    """Leaders: words that no student writes in this lesson, besides those of the server. A ``*`` at an end of
    a word stands for any letters there."""

    id: RequestNumber
    words: Annotated[tuple[Annotated[str, Meta(max_length=MAX_WORD)], ...], Meta(max_length=MAX_WORDS)]


class MuteChat(Struct, tag_field="t", tag="mute_chat", frozen=True):
    """Leaders: whether one student may write in the chat. Refused: ``not_found``, ``not_allowed``."""

    id: RequestNumber
    participant: Id
    on: bool


class JudgeChat(Struct, tag_field="t", tag="judge_chat", frozen=True):
    """Leaders: let a student's waiting message (``held/<participant>/<message>``) through, or not. Refused:
    ``not_found``."""

    id: RequestNumber
    participant: Id
    message: Id
    approve: bool


class RemoveChat(Struct, tag_field="t", tag="remove_chat", frozen=True):
    """Leaders: take the text of a message to the class away (``message``), or of one in the thread of a
    student (``thread`` too), or of everything that somebody wrote to the class, with what waits
    (``participant``). A mark stays. Refused: ``not_found``, ``bad_request``."""

    id: RequestNumber
    message: Id | None = None
    thread: Id | None = None
    participant: Id | None = None


class ChatField(Struct, frozen=True):
    """One chat message. ``name`` is kept so that it reads after its author left. ``quote``: id of the message
    that it answers. ``removed``: a leader took its text away."""

    participant: str
    name: str
    text: str
    at_ms: int
    quote: str | None = None
    removed: bool = False
    material: str | None = None


class HeldField(Struct, frozen=True):
    """A student's message that waits for a leader, and why: all do, or a link or a word is in it."""

    name: str
    text: str
    at_ms: int
    reason: Literal["mode", "links", "words"]
    quote: str | None = None
    material: str | None = None


class ChatRulesField(Struct, frozen=True):
    """What students may write; the field is absent until a leader changed something. ``slow_s``: seconds
    between two messages of one student. ``notes``: whether they may write to the teachers alone."""

    mode: ChatMode = "open"
    slow_s: int = 0
    notes: bool = True
    links: ChatSift = "held"
    words: Literal["held", "refused"] = "refused"
