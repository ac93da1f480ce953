"""Reactions of one lesson: who reacts now, counted for display. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, get_args

from signaling.lesson.fields import NO_REACTIONS, State, is_calm, person
from signaling.limits import Bucket, Rate
from signaling.replica import View
from signaling.wire import ReactionName, Reactions

REACTIONS: Final = Rate(1, 1)
"""How many of one person are taken."""
SHOWN_S: Final[dict[str, float]] = {"thumbs_up": 6, "clap": 6, "slower": 60, "faster": 60, "lost": 60}
"""How long one counts: applause is over soon, who is lost stays so until told."""
FOR_LEADERS: Final = frozenset({"slower", "faster", "lost"})
"""What classmates are not told, so that nobody is ashamed to say it."""
_KINDS: Final = frozenset(get_args(ReactionName))


class LessonReactions:
    """``take`` what a client here sends, ``hear`` what any process told, ask for ``news`` a few times a
    second.

    A person counts once for each kind however often they press, so there is at most one entry for each.
    """

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}
        self._until_s: dict[tuple[str, str], float] = {}
        self._told = dict.fromkeys(View, Reactions())

    def take(self, participant: str, now_s: float) -> bool:
        """Whether it goes on, or is one too many."""
        return self._buckets.setdefault(participant, Bucket(REACTIONS, now_s)).take(now_s) == 0

    def hear(self, participant: str, kind: str, now_s: float) -> None:
        """Somebody reacted; a kind that this version does not know is passed over."""
        if kind in _KINDS:
            self._until_s[participant, kind] = now_s + SHOWN_S[kind]

    def forget(self, participant: str) -> None:
        """Somebody is gone."""
        self._buckets.pop(participant, None)

    def news(self, state: State, now_s: float) -> Iterator[tuple[View, Reactions]]:
        """What has changed since the last time for each kind of client."""
        quiet = NO_REACTIONS in state or is_calm(state)
        self._until_s = {
            (who, kind): until_s
            for (who, kind), until_s in self._until_s.items()
            if until_s > now_s and not quiet and _is_here(state, who)
        }
        counts: dict[str, int] = {}
        for _, kind in self._until_s:
            counts[kind] = counts.get(kind, 0) + 1
        for view in View:
            seen = {kind: n for kind, n in counts.items() if view is View.LEADER or kind not in FOR_LEADERS}
            now = Reactions(**seen)
            if now != self._told[view]:
                self._told[view] = now
                yield view, now


def _is_here(state: State, participant: str) -> bool:
    field: Any = state.get(person(participant))
    return field is not None and bool(field.here)
