"""Picking a student at random: in rounds, in each of which everybody has one turn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from sfu.model import Refused, Role
from signaling.lesson import fields
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import DRAWN, PICKED, State
from signaling.wire import PersonField, Pick, PickedField, PickerField, SetPickable


def pick(state: State, actor: Actor, message: Pick, moment: Moment) -> Change | None:
    """Draw one of those who are here and had no turn in this round; a new round begins when there is none.
    Who is away keeps their turn for when they are back. Raises Refused ``nobody_to_pick``."""
    may = [
        who
        for who, person in fields.people(state)
        if person.here and not Role(person.role).leads and not _of(state, who).excluded
    ]
    if not may:
        raise Refused("nobody_to_pick")
    now = max((turn.round for path, turn in state.items() if path.startswith("picker/")), default=0)
    round_ = max(1, now)
    candidates = [who for who in may if _of(state, who).round < round_]
    if not candidates:
        round_ += 1
        last: PickedField | None = state.get(DRAWN)
        # not the same one twice in a row where two rounds meet
        candidates = [who for who in may if last is None or who != last.participant] or may
    who = drawn(candidates, moment.token)
    found = PickedField(who, actor.participant, moment.now_ms)
    turn = msgspec.structs.replace(_of(state, who), round=round_)
    changes = {fields.picker(who): turn, DRAWN: found}
    expect = frozenset({fields.person(who)})
    if message.public:
        return Change("picked", changes | {PICKED: found}, (), expect)
    return Change("picked", changes, (PICKED,) if PICKED in state else (), expect)


def set_pickable(state: State, _actor: Actor, message: SetPickable, _moment: Moment) -> Change | None:
    """None: it is so already. Raises Refused ``not_found``, ``not_allowed`` for who leads."""
    person: PersonField | None = state.get(fields.person(message.participant))
    if person is None:
        raise Refused("not_found")
    if Role(person.role).leads:
        raise Refused("not_allowed")
    before = _of(state, message.participant)
    if before.excluded != message.on:
        return None
    after = msgspec.structs.replace(before, excluded=not message.on)
    return Change("pickable", {fields.picker(message.participant): after})


def drawn(candidates: Sequence[str], seed: str) -> str:
    """One of them, the same for the same seed; every one as likely as another."""
    ordered = sorted(candidates)
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest())
    return ordered[number % len(ordered)]


def _of(state: State, participant: str) -> PickerField:
    turn: PickerField = state.get(fields.picker(participant), PickerField())
    return turn
