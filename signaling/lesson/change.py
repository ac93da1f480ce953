"""What a rule decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sfu.model import Role
from signaling.lesson.fields import ORDER, State


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks; the role comes from the signed ticket only. ``ballot`` stands for them where nobody may
    learn who it was: the same for one person in one lesson, and not to be told from the participant."""

    participant: str
    role: Role
    ballot: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """Time, chance and settings as a rule's arguments; the same for all tries of one request.

    ``now_ms`` is server time, ``token`` a random id (for example a chat message's), ``words`` what this
    server lets no student write.
    """

    now_ms: int
    token: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One event to be: the fields it sets and deletes, and the fields it rests on.

    It is applied only if every field in ``expect``, ``set`` and ``delete`` still is what the rule saw.
    """

    kind: str
    set: Mapping[str, Any] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    expect: frozenset[str] = frozenset()

    def rests_on(self) -> frozenset[str]:
        """All fields that must be unchanged."""
        return self.expect | self.set.keys() | frozenset(self.delete)


def next_order(state: State) -> int:
    """The place in the class of the next one admitted, from 1."""
    return int(state.get(ORDER, 0)) + 1
