"""Groups: made, opened for a time, walked through by leaders, closed.

A student's group stays theirs while they are away, and when groups are closed. Leaders are in a group only
while they visit it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from sfu.model import Refused, Role
from signaling import texts
from signaling.lesson import chat, fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import GROUP_NOTICE, GROUPS, LESSON, State
from signaling.wire import MAX_BOARDS, BoardField, ChatField, PersonField
from signaling.wire.groups import (
    GROUP_CHAT_KEPT,
    MAX_GROUP_MINUTES,
    MAX_GROUP_NAME,
    AskField,
    AskIn,
    CloseGroups,
    ExtendGroups,
    GoToGroup,
    GroupChat,
    GroupField,
    GroupNoticeField,
    GroupsField,
    MakeGroups,
    OpenGroups,
    SpeakToAll,
    SpreadGroups,
    TellGroups,
)

MINUTE_MS: Final = 60_000
_OURS: Final = ("group/", "in/", "ask/", "speech/", "group_chat/")


def group_of(state: State, participant: str) -> str | None:
    """The group in which somebody is now; None: with everybody else in the lesson itself."""
    return assigned(state, participant) if is_open(state) else None


def assigned(state: State, participant: str) -> str | None:
    """The group that somebody is in whenever groups are open; of a leader the one they visit."""
    group: str | None = state.get(fields.in_group(participant))
    return group


def board_of(state: State, participant: str) -> str | None:
    """The board that somebody's group has before it now; None: what the class has."""
    groups: GroupsField | None = state.get(GROUPS)
    mine = group_of(state, participant)
    if groups is None or not groups.boards or mine is None:
        return None
    group: GroupField = state[fields.group(mine)]
    return group.board if group.board is not None and fields.board(group.board) in state else None


def is_open(state: State) -> bool:
    """Whether everybody is in their group now."""
    groups: GroupsField | None = state.get(GROUPS)
    return groups is not None and groups.state == "open"


def ends_at_ms(state: State) -> int | None:
    """When open groups end by themselves."""
    groups: GroupsField | None = state.get(GROUPS)
    return None if groups is None or groups.state != "open" else groups.ends_at_ms


# --- making -----------------------------------------------------------------------------------------


def make(state: State, _actor: Actor, message: MakeGroups, moment: Moment) -> Change | None:
    """Other groups instead of those there are. None: there are none and shall be none.

    Raises Refused ``groups_open``, ``not_found``, ``not_allowed``, ``bad_request``, ``text_empty``.
    """
    if is_open(state):
        raise Refused("groups_open")
    before = [path for path in state if path.startswith(_OURS)]
    if not message.groups:
        if GROUPS not in state:
            return None
        return Change("groups_made", {}, tuple(sorted((GROUPS, *before))))
    changes: dict[str, Any] = {GROUPS: GroupsField("prepared")}
    members: dict[str, list[str]] = {}
    for order, group in enumerate(message.groups, 1):
        name = texts.line(group.name, MAX_GROUP_NAME) if group.name else ""
        changes[fields.group(str(order))] = GroupField(name, order)
        members[str(order)] = list(group.people)
    placed = [who for people in members.values() for who in people]
    if len(placed) != len(set(placed)):
        raise Refused("bad_request", "somebody is in two groups")
    for who in placed:
        _check_student(state, who)
    if message.draw:
        _deal(members, [who for who in _students_here(state) if who not in set(placed)], moment)
    changes |= {fields.in_group(who): group for group, people in members.items() for who in people}
    gone = tuple(sorted(path for path in before if path not in changes))
    return Change("groups_made", changes, gone)


def spread(state: State, _actor: Actor, _message: SpreadGroups, moment: Moment) -> Change | None:
    """Those who are in no group go into the smallest ones. None: everybody is in one.

    Raises Refused ``not_found``.
    """
    _made(state)
    without = [who for who in _students_here(state) if fields.in_group(who) not in state]
    if not without:
        return None
    members = {group: list(_members_here(state, group)) for group in _ids(state)}
    _deal(members, without, moment)
    new = set(without)
    moved = {fields.in_group(who): group for group, people in members.items() for who in people if who in new}
    return Change("group_moved", moved, expect=frozenset({GROUPS}))


# --- open and closed --------------------------------------------------------------------------------


def open_groups(state: State, actor: Actor, message: OpenGroups, moment: Moment) -> Change | None:
    """Everybody goes to their group. None: they are open. Raises Refused ``not_found``: there are none,
    ``too_many_boards``."""
    if _made(state).state == "open":
        return None
    ends = None if message.minutes is None else moment.now_ms + message.minutes * MINUTE_MS
    changed: dict[str, Any] = {GROUPS: GroupsField("open", ends, message.choose, message.boards)}
    if message.boards:
        changed |= _boards(state, actor, moment)
    # Rests on the lesson: no groups open beside the event by which the last adult is gone.
    return Change("groups_open", changed, expect=frozenset({LESSON}))


def extend(state: State, _actor: Actor, message: ExtendGroups, moment: Moment) -> Change | None:
    """More time. None: it is as long as it may be. Raises Refused ``not_found``, ``groups_closed``."""
    groups = _made_and_open(state)
    start = moment.now_ms if groups.ends_at_ms is None else max(groups.ends_at_ms, moment.now_ms)
    ends = min(start + message.minutes * MINUTE_MS, moment.now_ms + MAX_GROUP_MINUTES * MINUTE_MS)
    if ends == groups.ends_at_ms:
        return None
    return Change("groups_extended", {GROUPS: msgspec.structs.replace(groups, ends_at_ms=ends)})


def close(state: State, _actor: Actor, _message: CloseGroups, _moment: Moment) -> Change | None:
    """Everybody is back at once. None: they are."""
    return _closed(state)


def time_over(state: State, moment: Moment) -> Change | None:
    """Open groups whose time is over end. None: it is not."""
    ends = ends_at_ms(state)
    return None if ends is None or moment.now_ms < ends else _closed(state)


def _closed(state: State) -> Change | None:
    changes, deletes = closing(state)
    return Change("groups_closed", changes, deletes) if changes else None


def closing(state: State) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Fields to set and delete so that everybody is together; the groups stay as they were made. Nothing when
    they are not open."""
    if not is_open(state):
        return {}, ()
    passing = [path for path in state if path.startswith(("ask/", "speech/"))]
    passing += [
        path
        for who, person in fields.people(state)
        if Role(person.role).leads and (path := fields.in_group(who)) in state
    ]
    if GROUP_NOTICE in state:
        passing.append(GROUP_NOTICE)
    groups: GroupsField = state[GROUPS]
    ended = msgspec.structs.replace(groups, state="prepared", ends_at_ms=None)
    return {GROUPS: ended}, tuple(sorted(passing))


# --- people -----------------------------------------------------------------------------------------


def go(state: State, actor: Actor, message: GoToGroup, _moment: Moment) -> Change | None:
    """Somebody goes to a group, or to the lesson itself. None: they are there.

    Raises Refused ``not_found``, ``not_allowed``, ``groups_closed``.
    """
    who = message.participant or actor.participant
    if who == actor.participant:
        groups = _made_and_open(state)
        if not actor.role.leads and (not groups.choose or message.group is None):
            raise Refused("not_allowed")
    else:
        if not actor.role.leads:
            raise Refused("not_allowed")
        _made(state)
        _check_student(state, who)
    if message.group is not None and fields.group(message.group) not in state:
        raise Refused("not_found")
    if assigned(state, who) == message.group:
        return None
    path = fields.in_group(who)
    deletes = [] if message.group is not None else [path]
    deletes += _asked_by(state, who)
    if actor.role.leads and who == actor.participant and message.group is not None:
        deletes += [ask for ask in (fields.ask(message.group),) if ask in state]
    changes = {} if message.group is None else {path: message.group}
    return Change("group_moved", changes, tuple(sorted(set(deletes))), frozenset({GROUPS}))


def on_entry(state: State, actor: Actor) -> dict[str, Any]:
    """Where one who comes in while groups are open goes: students without a group into the smallest one, so
    that nobody waits in an empty lesson; all others are where they were."""
    path = fields.in_group(actor.participant)
    known: PersonField | None = state.get(fields.person(actor.participant))
    here = known is not None and known.here
    if here or actor.role.leads or not is_open(state) or path in state or not _ids(state):
        return {}
    return {path: min(_ids(state), key=lambda group: sum(1 for _ in _members_here(state, group)))}


def on_leaving(state: State, participant: str, *, for_good: bool) -> tuple[str, ...]:
    """What goes with somebody who goes: that they ask or speak, of a leader also where they are. Students
    keep their group, unless it is for good."""
    person: PersonField | None = state.get(fields.person(participant))
    leads = person is not None and Role(person.role).leads
    paths = [fields.speech(participant), *_asked_by(state, participant)]
    if leads or for_good:
        paths.append(fields.in_group(participant))
    return tuple(path for path in paths if path in state)


# --- between groups ---------------------------------------------------------------------------------


def ask_in(state: State, actor: Actor, message: AskIn, moment: Moment) -> Change | None:
    """A group asks for the teacher, or does not any more. None: it is so already.

    Raises Refused ``groups_closed``, ``not_allowed``, ``not_found``.
    """
    _made_and_open(state)
    group = message.group if actor.role.leads else group_of(state, actor.participant)
    if group is None or (actor.role.leads and message.on):
        raise Refused("not_allowed")
    path = fields.ask(group)
    if message.on == (path in state):
        return None
    if not message.on:
        return Change("group_asks_not", {}, (path,))
    asked = {path: AskField(actor.participant, moment.now_ms)}
    return Change("group_asks", asked, expect=frozenset({GROUPS, fields.in_group(actor.participant)}))


def speak(state: State, actor: Actor, message: SpeakToAll, moment: Moment) -> Change | None:
    """A leader is heard everywhere, or not any more. None: it is so already.

    Raises Refused ``groups_closed``.
    """
    path = fields.speech(actor.participant)
    if not message.on:
        return Change("speech_over", {}, (path,)) if path in state else None
    _made_and_open(state)
    return None if path in state else Change("speech", {path: moment.now_ms}, expect=frozenset({GROUPS}))


def tell(state: State, actor: Actor, message: TellGroups, moment: Moment) -> Change | None:
    """A text before everybody. None: there is none to take away.

    Raises Refused ``groups_closed``, ``text_empty``.
    """
    _made_and_open(state)
    if not message.text:
        return Change("groups_told", {}, (GROUP_NOTICE,)) if GROUP_NOTICE in state else None
    person: PersonField = state[fields.person(actor.participant)]
    notice = GroupNoticeField(actor.participant, person.name, texts.chat(message.text), moment.now_ms)
    return Change("groups_told", {GROUP_NOTICE: notice}, expect=frozenset({GROUPS}))


def say(state: State, actor: Actor, message: GroupChat, moment: Moment) -> Change | None:
    """A message to one's own group; the oldest above GROUP_CHAT_KEPT go. None: it was carried out already.

    Raises Refused ``groups_closed``, ``not_allowed`` for who is in no group, and as ``chat.check_group``.
    """
    _made_and_open(state)
    group = group_of(state, actor.participant)
    if group is None:
        raise Refused("not_allowed")
    path = fields.group_chat(group, f"{moment.now_ms:013d}-{moment.token}")
    if path in state:
        return None
    person: PersonField = state[fields.person(actor.participant)]
    kept = sorted(each for each in state if each.startswith(fields.group_chat(group, "")))
    surplus = max(0, len(kept) + 1 - GROUP_CHAT_KEPT)
    text = texts.chat(message.text)
    slow, rules = chat.check_group(state, actor, text, moment)
    said = ChatField(actor.participant, person.name, text, moment.now_ms)
    rests = frozenset({GROUPS, fields.in_group(actor.participant)}) | rules
    return Change("group_chat", {path: said, **slow}, tuple(kept[:surplus]), rests)


def _boards(state: State, actor: Actor, moment: Moment) -> dict[str, Any]:
    """A board for each group that has none any more."""
    made: dict[str, Any] = {}
    for path, group in [(path, value) for path, value in state.items() if isinstance(value, GroupField)]:
        if group.board is not None and fields.board(group.board) in state:
            continue
        board = f"g{group.order}-{moment.token}"
        made[fields.board(board)] = BoardField(
            group.name or f"№ {group.order}", moment.now_ms, actor.participant
        )
        made[path] = msgspec.structs.replace(group, board=board)
    if sum(isinstance(value, BoardField) for value in {**state, **made}.values()) > MAX_BOARDS:
        raise Refused("too_many_boards")
    return made


# --- inside -----------------------------------------------------------------------------------------


def _made(state: State) -> GroupsField:
    groups: GroupsField | None = state.get(GROUPS)
    if groups is None:
        raise Refused("not_found", "no groups")
    return groups


def _made_and_open(state: State) -> GroupsField:
    if not is_open(state):
        raise Refused("groups_closed")
    return _made(state)


def _check_student(state: State, participant: str) -> None:
    person: PersonField | None = state.get(fields.person(participant))
    if person is None or state.get(fields.ban(participant)):
        raise Refused("not_found")
    if Role(person.role).leads:
        raise Refused("not_allowed")


def _ids(state: State) -> list[str]:
    return sorted((path[6:] for path in state if path.startswith("group/")), key=int)


def _students_here(state: State) -> list[str]:
    return sorted(who for who, person in fields.people(state) if person.here and not Role(person.role).leads)


def _members_here(state: State, group: str) -> Iterable[str]:
    return (who for who in _students_here(state) if assigned(state, who) == group)


def _asked_by(state: State, participant: str) -> list[str]:
    return [path for path, ask in state.items() if path.startswith("ask/") and ask.participant == participant]


def _deal(members: dict[str, list[str]], people: Iterable[str], moment: Moment) -> None:
    """Each goes into a group that is the smallest then."""
    chance = random.Random(moment.token)
    shuffled = sorted(people)
    chance.shuffle(shuffled)
    for who in shuffled:
        smallest = min(len(each) for each in members.values())
        members[chance.choice([group for group in members if len(members[group]) == smallest])].append(who)
