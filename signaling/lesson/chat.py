"""Saying something to the class or to the teachers, and what leaders do about it.

Students write to the class or in their own thread with the leaders: there is no way from student to student
that leaders do not read. Leaders are bound by no rule of the chat.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from sfu.model import Refused, Role
from signaling import texts
from signaling.lesson import fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import CHAT_RULES, CHAT_WORDS, State
from signaling.sieve import has_link, has_word, is_word
from signaling.wire import (
    CHAT_KEPT,
    HELD_EACH,
    NOTES_EACH,
    NOTES_KEPT,
    Chat,
    ChatField,
    ChatRulesField,
    HeldField,
    JudgeChat,
    MuteChat,
    PersonField,
    RemoveChat,
    SetChat,
    SetChatWords,
)


def say(state: State, actor: Actor, message: Chat, moment: Moment) -> Change | None:
    """Add a message; the oldest above the limits go. None: this very request was carried out already.

    Raises Refused, as ``Chat`` says.
    """
    name = f"{moment.now_ms:013d}-{moment.token}"
    who = actor.participant
    to_class, held = f"chat/{name}", f"held/{who}/{name}"
    note = None if message.thread is None else f"note/{message.thread}/{name}"
    if any(path in state for path in (to_class, held, note)):
        return None
    text = texts.chat(message.text)
    if message.quote is not None and (note is not None or f"chat/{message.quote}" not in state):
        raise Refused("not_found")
    rests = frozenset[str]()
    if message.material is not None:
        rests = frozenset({f"material/{message.material}"})
        if not rests <= state.keys():
            raise Refused("not_found")
    person: PersonField = state[fields.person(who)]
    said = ChatField(who, person.name, text, moment.now_ms, message.quote, material=message.material)
    slow = dict[str, Any]()
    if not actor.role.leads:
        rests |= frozenset({CHAT_RULES, CHAT_WORDS, f"chat_muted/{who}"})
        slow = _in_turn(state, actor, moment)
    if note is not None:
        _check_thread(state, actor, message.thread or "")
        gone = _surplus_notes(state, message.thread or "")
        return Change("note", {note: said, **slow}, gone, rests)
    reason = None if actor.role.leads else _sifted(state, text, moment)
    if reason is not None:
        if len(_under(state, f"held/{who}/")) >= HELD_EACH:
            raise Refused("chat_waiting")
        waits = HeldField(person.name, text, moment.now_ms, reason, message.quote, message.material)
        return Change("chat_held", {held: waits, **slow}, (), rests)
    return Change("chat", {to_class: said, **slow}, _surplus(state), rests)


def check_group(
    state: State, actor: Actor, text: str, moment: Moment
) -> tuple[dict[str, Any], frozenset[str]]:
    """What a student's message to their group sets besides, and rests on. Where it would wait for a leader
    it is refused: nobody would look there.

    Raises Refused ``chat_muted``, ``chat_slow``, ``chat_closed``, ``chat_words``, ``chat_links``.
    """
    if actor.role.leads:
        return {}, frozenset()
    slow = _in_turn(state, actor, moment)
    reason = _sifted(state, text, moment)
    if reason is not None:
        raise Refused({"mode": "chat_closed", "words": "chat_words", "links": "chat_links"}[reason])
    return slow, frozenset({CHAT_RULES, CHAT_WORDS, f"chat_muted/{actor.participant}"})


def judge(state: State, _actor: Actor, message: JudgeChat, moment: Moment) -> Change | None:
    """A waiting message comes to the class as if it was said now, or goes. Raises Refused ``not_found``."""
    path = f"held/{message.participant}/{message.message}"
    waits: HeldField | None = state.get(path)
    if waits is None:
        raise Refused("not_found")
    if not message.approve:
        return Change("chat_declined", {}, (path,))
    said = ChatField(
        message.participant, waits.name, waits.text, moment.now_ms, waits.quote, material=waits.material
    )
    return Change("chat", {f"chat/{moment.now_ms:013d}-{moment.token}": said}, (path, *_surplus(state)))


def remove(state: State, _actor: Actor, message: RemoveChat, _moment: Moment) -> Change | None:
    """The texts go from the state, a mark stays. None: nothing of it has a text.

    Raises Refused ``not_found``, ``bad_request``.
    """
    if (message.message is None) == (message.participant is None):
        raise Refused("bad_request")
    if message.message is not None:
        path = f"{'chat' if message.thread is None else f'note/{message.thread}'}/{message.message}"
        if path not in state:
            raise Refused("not_found")
        paths, waiting = [path], list[str]()
    else:
        paths = [path for path in _under(state, "chat/") if state[path].participant == message.participant]
        waiting = _under(state, f"held/{message.participant}/")
    marks = {
        path: msgspec.structs.replace(state[path], text="", removed=True, material=None)
        for path in paths
        if not state[path].removed
    }
    return Change("chat_removed", marks, tuple(waiting)) if marks or waiting else None


def set_rules(state: State, _actor: Actor, message: SetChat, _moment: Moment) -> Change | None:
    """None: it is so already."""
    after = ChatRulesField(message.mode, message.slow_s, message.notes, message.links, message.words)
    return None if after == _rules(state) else Change("chat_rules", {CHAT_RULES: after})


def set_words(state: State, _actor: Actor, message: SetChatWords, _moment: Moment) -> Change | None:
    """The lesson's own words, tidied and each once. None: it is so already."""
    lines = (texts.line(word) for word in message.words if is_word(word))
    words = tuple(dict.fromkeys(lines))
    if words == state.get(CHAT_WORDS, ()):
        return None
    return Change("chat_words", {CHAT_WORDS: words}) if words else Change("chat_words", {}, (CHAT_WORDS,))


def mute(state: State, _actor: Actor, message: MuteChat, _moment: Moment) -> Change | None:
    """Whether one student may write. None: it is so already. Raises Refused ``not_found``, ``not_allowed``
    for a leader."""
    person: PersonField | None = state.get(fields.person(message.participant))
    if person is None:
        raise Refused("not_found")
    if Role(person.role).leads:
        raise Refused("not_allowed")
    path = f"chat_muted/{message.participant}"
    if message.on == (path in state):
        return None
    return Change("chat_muted", {path: True}) if message.on else Change("chat_unmuted", {}, (path,))


def _rules(state: State) -> ChatRulesField:
    rules: ChatRulesField = state.get(CHAT_RULES, ChatRulesField())
    return rules


def _in_turn(state: State, actor: Actor, moment: Moment) -> dict[str, Any]:
    """The field that says when this student may write again, if there is such a rule.

    Raises Refused ``chat_muted``, ``chat_slow``.
    """
    if f"chat_muted/{actor.participant}" in state:
        raise Refused("chat_muted")
    slow_ms = _rules(state).slow_s * 1000
    if slow_ms == 0:
        return {}
    path = f"chat_next/{actor.participant}"
    # A wait from before the rule was made shorter is no longer than the rule.
    if 0 < state.get(path, 0) - moment.now_ms <= slow_ms:
        raise Refused("chat_slow")
    return {path: moment.now_ms + slow_ms}


def _check_thread(state: State, actor: Actor, thread: str) -> None:
    """Raises Refused unless this person may write in that student's thread; leaders begin none."""
    if not actor.role.leads:
        if thread != actor.participant:
            raise Refused("not_allowed")
        if not _rules(state).notes:
            raise Refused("chat_notes_off")
        return
    if not _under(state, f"note/{thread}/"):
        raise Refused("not_found")


def _sifted(state: State, text: str, moment: Moment) -> Literal["mode", "links", "words"] | None:
    """Why a student's text waits for a leader; None: it does not. Raises Refused where it is not taken."""
    rules = _rules(state)
    if rules.mode == "closed":
        raise Refused("chat_closed")
    if has_word(text, (*moment.words, *state.get(CHAT_WORDS, ()))):
        if rules.words == "refused":
            raise Refused("chat_words")
        return "words"
    if rules.links != "allowed" and has_link(text):
        if rules.links == "refused":
            raise Refused("chat_links")
        return "links"
    return "mode" if rules.mode == "held" else None


def _under(state: State, prefix: str) -> list[str]:
    return sorted(path for path in state if path.startswith(prefix))


def _surplus(state: State) -> tuple[str, ...]:
    """What gives way to one message more."""
    kept = _under(state, "chat/")
    return tuple(kept[: max(0, len(kept) + 1 - CHAT_KEPT)])


def _surplus_notes(state: State, thread: str) -> tuple[str, ...]:
    """What gives way to one message more in this thread: its own oldest, or the oldest of all."""
    own = _under(state, f"note/{thread}/")
    if len(own) >= NOTES_EACH:
        return tuple(own[: len(own) + 1 - NOTES_EACH])
    every = sorted(_under(state, "note/"), key=lambda path: path.rsplit("/", 1)[1])
    return tuple(every[: max(0, len(every) + 1 - NOTES_KEPT)])
