"""What a lesson's log tells of its recording: parts, who had what on, chat and hands; in the video's time.

Server time is in us since 1970, video time in us from 0. Parts follow one another without the time between.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

from recorder.changes import Changes, replayed
from recorder.journal import Kind, LogEvent, LogHead, event_of
from recorder.logbook import RESTATED
from recorder.tail import Tail
from sfu.model import ParseError, Role
from signaling.lesson.fields import GROUPS, REPLAYED
from signaling.lesson.permissions import EVERYTHING
from signaling.wire import (
    ChatField,
    LessonField,
    PersonField,
    RecordingField,
    RoleName,
    Timeline,
    TimelineChat,
    TimelineHand,
    TimelineMissing,
    TimelinePart,
)

LONGEST_PART_US: Final = 24 * 3_600_000_000
"""No lesson is longer: a time that says so is damaged."""
STEP_US: Final = 5_000_000
"""A record so much earlier or later than its event, against those before, tells that the clock was set."""
HELD_US: Final = 3_000_000
"""An event is held so long, to see whether those behind it are as late."""
_RESTATED: Final = ("on/", "hand/", "unrecorded/", "in/", GROUPS, *REPLAYED)
"""Paths of which a restated state leaves nothing out."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part: server time from ``start_us`` to ``end_us``, beginning at ``at_us`` of the video."""

    number: int
    start_us: int
    end_us: int
    at_us: int = 0

    @property
    def duration_us(self) -> int:
        return self.end_us - self.start_us


@dataclass(frozen=True, slots=True)
class Stay:
    """A source that was on, by somebody who was here; ``end_us`` is None when the log does not tell."""

    participant: str
    source: str
    start_us: int
    end_us: int | None


@dataclass(frozen=True, slots=True)
class Person:
    """Who somebody is; ``order`` is their place in the class."""

    name: str
    role: RoleName
    order: int


@dataclass(slots=True)
class Story:
    """The log of a recording, read. ``spans`` are parts as told: number -> (start, end or None), in us.

    ``chat`` holds (us, participant, name, text), ``hands`` (us, participant, up), both as they happened.
    """

    head: LogHead | None = None
    people: dict[str, Person] = field(default_factory=dict)
    stays: list[Stay] = field(default_factory=list)
    spans: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    chat: list[tuple[int, str, str, str]] = field(default_factory=list)
    hands: list[tuple[int, str, bool]] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)
    last_us: int = 0
    damage: str = ""
    """Why reading ended before the file did; empty: it did not."""


class EventClock:
    """The clock that events go by, which somebody may set. ``set_us``: how far forward since the first."""

    def __init__(self) -> None:
        self.set_us = 0
        self._least_us: int | None = None

    def follow(self, late_us: Sequence[int]) -> None:
        """See whether it was set before the next event. ``late_us``: when that was written, by a clock that
        nobody sets, less its own time; then the same of those behind it. One that was only late tells
        nothing, unless those are as late."""
        now_us, stays_us = late_us[0], min(late_us)
        least_us = now_us if self._least_us is None else self._least_us
        if now_us < least_us - STEP_US or stays_us > least_us + STEP_US:
            self.set_us += least_us - stays_us
            least_us = stays_us
        self._least_us = min(least_us, now_us)


class Log:
    """A recording's log, read up to one time after another. It follows the fields; whatever cannot be
    understood is passed over."""

    def __init__(self, tail: Tail) -> None:
        self.tail = tail
        self.story = Story()
        """What is told so far; sources that are on are in ``stays()`` only."""
        self._on: set[tuple[str, str]] = set()
        self._away: set[str] = set()
        self._since: dict[tuple[str, str], int] = {}
        self._raised: set[str] = set()
        self._said: dict[str, tuple[int, str, str, str] | None] = {}
        """Messages by id; None for what is not told."""
        self._unrecorded: set[str] = set()
        self._recordable: frozenset[str] = EVERYTHING
        self._in_groups: set[str] = set()
        self._groups_open = False
        self._part: int | None = None
        self._stated: set[str] | None = None
        self._held: deque[tuple[int, LogEvent]] = deque()
        """Events with when they were written, by a clock that nobody sets."""
        self._clock = EventClock()

    def read(self, before_us: int) -> None:
        """Take the events that were written HELD_US before this time. Raises Late, OSError."""
        for batch in self.tail.read(before_us):
            for kind, written_us, body, _ in batch:
                if kind == Kind.EVENT and self._head is not None:
                    try:
                        self._held.append((written_us, event_of(body)))
                    except ParseError as error:
                        self.story.damage = str(error)
        while self._held and self._held[0][0] < before_us - HELD_US:
            until_us = self._held[0][0] + HELD_US
            self._clock.follow([at_us - each.at_ms * 1000 for at_us, each in self._held if at_us < until_us])
            self.take(self._held.popleft()[1])

    @property
    def _head(self) -> LogHead | None:
        if self.story.head is None and isinstance(self.tail.head, LogHead):
            self.story.head = self.tail.head
        return self.story.head

    def stays(self) -> list[Stay]:
        """All stays so far, and those that go on."""
        return [*self.story.stays, *(Stay(*who, since_us, None) for who, since_us in self._since.items())]

    def forget(self, before_us: int) -> None:
        """Forget who was on before."""
        stays = self.story.stays
        stays[:] = [stay for stay in stays if stay.end_us is None or stay.end_us >= before_us]

    def take(self, event: LogEvent) -> None:
        """Take the next event."""
        at_us = event.at_ms * 1000 - self._clock.set_us
        self.story.last_us = max(self.story.last_us, at_us)
        if event.kind == RESTATED:
            self._stated = (self._stated or set()) | {
                path for path in event.set if path.startswith(_RESTATED)
            }
        elif self._stated is not None:
            self._forget(at_us)
        for path, value in event.set.items():
            self._set(path, value, at_us)
        for path in event.delete:
            self._delete(path, at_us)
        if event.kind == RESTATED and "recording" in event.set:
            self._forget(at_us)  # its last page
        if event.kind == "ended":
            self._part_over(at_us)
        self._follow(at_us)

    def close(self) -> Story:
        """Nothing more comes."""
        damage = self.tail.close()
        self.story.damage = self.story.damage or ("not a log" if self._head is None else damage)
        if self._stated is not None:
            self._forget(self.story.last_us)
            self._follow(self.story.last_us)
        self.story.stays = self.stays()
        self.story.stays.sort(key=lambda stay: (stay.start_us, stay.participant, stay.source))
        return self.story

    def _may_be_seen(self, participant: str, source: str) -> bool:
        """Whether the last frame may stand: what is not recorded any more is over for the video."""
        if self._groups_open and participant in self._in_groups:
            return False
        person = self.story.people.get(participant)
        if person is None or Role(person.role).leads:
            return True
        return participant not in self._unrecorded and source in self._recordable

    def _forget(self, at_us: int) -> None:
        """What a restated state does not hold is over."""
        stated, self._stated = self._stated or set(), None
        for participant, source in list(self._on):
            if f"on/{participant}/{source}" not in stated:
                self._on.discard((participant, source))
        for participant in list(self._raised):
            if f"hand/{participant}" not in stated:
                self._hand(participant, at_us, up=False)
        for participant in list(self._unrecorded):
            if f"unrecorded/{participant}" not in stated:
                self._unrecorded.discard(participant)
        self.story.changes.only(at_us, stated)
        self._in_groups = {participant for participant in self._in_groups if f"in/{participant}" in stated}
        self._groups_open = self._groups_open and GROUPS in stated

    def _set(self, path: str, value: Any, at_us: int) -> None:
        kind, _, rest = path.partition("/")
        try:
            match kind:
                case "on":
                    participant, _, source = rest.partition("/")
                    self._on.add((participant, source))
                case "hand":
                    self._hand(rest, at_us, up=True)
                case "chat":
                    self._chat(rest, msgspec.convert(value, ChatField))
                case "lesson":
                    self._recordable = frozenset(msgspec.convert(value, LessonField).recordable)
                case "in":
                    self._in_groups.add(rest)
                case "groups":
                    self._groups_open = isinstance(value, Mapping) and value.get("state") == "open"
                case "unrecorded":
                    self._hand(rest, at_us, up=False)
                    self._unrecorded.add(rest)
                case "person":
                    self._person(rest, msgspec.convert(value, PersonField))
                case "recording":
                    self._record(msgspec.convert(value, RecordingField))
                case _:
                    self.story.changes.set(at_us, path, value, self._unrecorded)
        except msgspec.ValidationError as error:
            self.story.damage = f"{kind}: {error}"

    def _delete(self, path: str, at_us: int) -> None:
        kind, _, rest = path.partition("/")
        if kind == "on":
            participant, _, source = rest.partition("/")
            self._on.discard((participant, source))
        elif kind == "hand":
            self._hand(rest, at_us, up=False)
        elif kind == "unrecorded":
            self._unrecorded.discard(rest)
        elif kind == "in":
            self._in_groups.discard(rest)
        elif kind == "groups":
            self._groups_open = False
        elif kind == "person":
            self._away.add(rest)
        else:
            self.story.changes.delete(at_us, path)

    def _person(self, participant: str, person: PersonField) -> None:
        self.story.people[participant] = Person(person.name, person.role, person.order)
        if person.here:
            self._away.discard(participant)
        else:
            self._away.add(participant)

    def _chat(self, message: str, chat: ChatField) -> None:
        """What was said, once; nothing of it when a leader removed it later."""
        if message not in self._said and not chat.removed and chat.participant not in self._unrecorded:
            at_us = chat.at_ms * 1000 - self._clock.set_us
            said = at_us, chat.participant, chat.name, chat.text
            self._said[message] = said
            self.story.chat.append(said)
            return
        told = self._said.setdefault(message, None)
        if chat.removed and told is not None:
            self.story.chat.remove(told)
            self._said[message] = None

    def _hand(self, participant: str, at_us: int, *, up: bool) -> None:
        if up and participant in self._unrecorded:
            return
        if up != (participant in self._raised):
            (self._raised.add if up else self._raised.discard)(participant)
            self.story.hands.append((at_us, participant, up))

    def _record(self, recording: RecordingField) -> None:
        if self.story.head is None or recording.id != self.story.head.recording:
            return
        since_us = recording.since_ms * 1000 - self._clock.set_us
        if recording.state == "on":
            if self._part not in (None, recording.part):
                self._part_over(since_us)
            self._part = recording.part
            self.story.spans.setdefault(recording.part, (since_us, None))
        else:
            self._part_over(since_us)

    def _part_over(self, at_us: int) -> None:
        if self._part is not None:
            start_us, end_us = self.story.spans[self._part]
            if end_us is None:
                self.story.spans[self._part] = start_us, max(start_us, at_us)
            self._part = None

    def _follow(self, at_us: int) -> None:
        now = {key for key in self._on if key[0] not in self._away and self._may_be_seen(*key)}
        if self._stated is None:
            for participant, source in sorted(self._since.keys() - now):
                since_us = self._since.pop((participant, source))
                self.story.stays.append(Stay(participant, source, since_us, at_us))
        for key in now - self._since.keys():
            self._since[key] = at_us


def parts_of(
    spans: Mapping[int, tuple[int, int | None]], packets: Mapping[int, tuple[int, int]], last_us: int = 0
) -> list[Part]:
    """Parts in the video, in order of their start; none that has no length.

    ``spans`` as in Story; ``packets`` holds the first and last packet's server time of a part: they stand in
    for a log that does not tell a part's start or end, and so does its last event (``last_us``).
    """
    starts = {number: start_us for number, (start_us, _) in spans.items()}
    starts.update({number: first_us for number, (first_us, _) in packets.items() if number not in spans})
    order = sorted(starts, key=lambda number: (starts[number], number))
    parts: list[Part] = []
    at_us = 0
    for index, number in enumerate(order):
        start_us = starts[number]
        _, end_us = spans.get(number, (0, None))
        following_us = starts[order[index + 1]] if index + 1 < len(order) else None
        if end_us is None:
            end_us = packets.get(number, (0, start_us))[1]
            if following_us is None and number in spans:
                end_us = max(end_us, last_us)
        if following_us is not None:
            end_us = min(end_us, following_us)
        end_us = min(end_us, start_us + LONGEST_PART_US)
        # Whole milliseconds, as WebM has them: else parts and what happened in them would drift apart.
        duration_us = (end_us - start_us) // 1000 * 1000
        if duration_us > 0:
            parts.append(Part(number, start_us, start_us + duration_us, at_us))
            at_us += duration_us
    return parts


def cut(parts: Sequence[Part], duration_us: int) -> list[Part]:
    """The parts of a video that ends at ``duration_us``."""
    return [
        replace(part, end_us=min(part.end_us, part.start_us + duration_us - part.at_us))
        for part in parts
        if part.at_us < duration_us
    ]


def video_us(parts: Sequence[Part], server_us: int) -> int | None:
    """Where in the video a moment is; None for one outside all parts."""
    index = bisect_right(parts, server_us, key=lambda part: part.start_us) - 1
    if index < 0 or server_us > parts[index].end_us:
        return None
    return parts[index].at_us + server_us - parts[index].start_us


def timeline(story: Story, parts: Sequence[Part], missing: TimelineMissing | None = None) -> Timeline:
    """What happened beside the picture, and what is ``missing``. Hands that rose or fell between two parts do
    so where the next begins."""
    chat = [
        TimelineChat(at_us // 1000, name, text, participant)
        for server_us, participant, name, text in story.chat
        if (at_us := video_us(parts, server_us)) is not None
    ]
    return Timeline(
        duration_ms=(parts[-1].at_us + parts[-1].duration_us) // 1000 if parts else 0,
        parts=tuple(
            TimelinePart(part.at_us // 1000, part.duration_us // 1000, part.start_us // 1000)
            for part in parts
        ),
        chat=tuple(sorted(chat, key=lambda each: each.at_ms)),
        hands=tuple(_hands(story, parts)),
        changes=tuple(replayed(sorted(story.changes.all, key=lambda each: each[0]), parts)),
        missing=missing,
    )


def _hands(story: Story, parts: Sequence[Part]) -> Iterable[TimelineHand]:
    told: set[str] = set()
    up: set[str] = set()
    hands = sorted(story.hands, key=lambda hand: hand[0])
    next_hand = 0
    for part in parts:
        while next_hand < len(hands) and hands[next_hand][0] <= part.start_us:
            _, participant, raised = hands[next_hand]
            (up.add if raised else up.discard)(participant)
            next_hand += 1
        for participant in sorted(up ^ told):
            yield _hand(story, part.at_us, participant, up=participant in up)
        while next_hand < len(hands) and hands[next_hand][0] <= part.end_us:
            server_us, participant, raised = hands[next_hand]
            (up.add if raised else up.discard)(participant)
            yield _hand(story, part.at_us + server_us - part.start_us, participant, up=raised)
            next_hand += 1
        told = set(up)


def _hand(story: Story, at_us: int, participant: str, *, up: bool) -> TimelineHand:
    person = story.people.get(participant)
    return TimelineHand(at_us // 1000, participant, person.name if person is not None else "", up)


def roles(story: Story, heads: Iterable[tuple[str, str]]) -> dict[str, tuple[Role, int]]:
    """Role and place in the class of everybody; ``heads`` are (participant, role) of journals, for those whom
    the log does not name."""
    known = {who: (Role(person.role), person.order) for who, person in story.people.items()}
    for participant, role in heads:
        if participant not in known:
            try:
                known[participant] = Role(role), len(known) + 1000
            except ValueError:
                known[participant] = Role.STUDENT, len(known) + 1000
    return known
