"""A lesson's state as rules see it: field path -> typed value, as ``signaling.wire`` lists them.

Fields whose path begins with ``_`` never leave the server: ``_ban/<participant>`` (true) and ``_order``
(the number of people admitted so far; every admission changes it, so two at once cannot get one place).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from signaling.wire import (
    ChatField,
    LessonField,
    LobbyField,
    PersonField,
    RecordingField,
    ShownField,
    UnrecordedField,
)
from signaling.wire.groups import AskField, GroupField, GroupNoticeField, GroupsField

State = Mapping[str, Any]

LESSON: Final = "lesson"
RECORDING: Final = "recording"
ORDER: Final = "_order"
HIDDEN: Final = "_"
SHOWN: Final = "shown"
GROUPS: Final = "groups"
GROUP_NOTICE: Final = "group_notice"
LEADERS_ONLY: Final = ("lobby/",)
OWN: Final = ("unrecorded/",)
"""Paths whose second step is a participant: leaders see them and that participant, nobody else."""
GROUPS_OWN: Final = ("ask/", "group_chat/")
"""Paths whose second step is a group: leaders see them and who is in that group, nobody else."""

_TYPES: Final[dict[str, Any]] = {
    "lesson": LessonField,
    "person": PersonField,
    "chat": ChatField,
    "lobby": LobbyField,
    "recording": RecordingField,
    "shown": ShownField,
    "unrecorded": UnrecordedField,
    "groups": GroupsField,
    "group": GroupField,
    "group_notice": GroupNoticeField,
    "ask": AskField,
    "group_chat": ChatField,
    "in": str,
    "speech": int,
    "hand": int,
    "on": bool,
    "_ban": bool,
    "_order": int,
}


def person(participant: str) -> str:
    return f"person/{participant}"


def on(participant: str, source: str) -> str:
    return f"on/{participant}/{source}"


def hand(participant: str) -> str:
    return f"hand/{participant}"


def chat(message_id: str) -> str:
    return f"chat/{message_id}"


def lobby(participant: str) -> str:
    return f"lobby/{participant}"


def unrecorded(participant: str) -> str:
    return f"unrecorded/{participant}"


def group(group_id: str) -> str:
    return f"group/{group_id}"


def in_group(participant: str) -> str:
    return f"in/{participant}"


def ask(group_id: str) -> str:
    return f"ask/{group_id}"


def speech(participant: str) -> str:
    return f"speech/{participant}"


def group_chat(group_id: str, message_id: str) -> str:
    return f"group_chat/{group_id}/{message_id}"


def ban(participant: str) -> str:
    return f"_ban/{participant}"


def owner(path: str) -> str | None:
    """Who of the students may see this field; None: it is nobody's own."""
    return path.split("/", 2)[1] if path.startswith(OWN) else None


def groups_own(path: str) -> str | None:
    """The group whose members may see this field; None: it is no group's own."""
    return path.split("/", 2)[1] if path.startswith(GROUPS_OWN) else None


def typed(path: str, value: Any) -> Any:
    """A builtin value of the log as the struct that rules work with; unknown paths stay as they are."""
    kind = _TYPES.get(path.partition("/")[0])
    return value if kind is None else msgspec.convert(value, kind)


def people(state: State) -> Iterator[tuple[str, PersonField]]:
    """Everybody who was ever admitted, with their participant id."""
    for path, value in state.items():
        if path.startswith("person/"):
            yield path[7:], value


def microphones(state: State) -> Iterator[str]:
    """Participants whose microphone is on."""
    for path, is_on in state.items():
        if is_on and path.startswith("on/") and path.endswith("/microphone"):
            yield path.split("/")[1]


def waiting(state: State) -> Iterator[tuple[str, LobbyField]]:
    """Everybody in the lobby."""
    for path, value in state.items():
        if path.startswith("lobby/"):
            yield path[6:], value


def sources_on(state: State, participant: str) -> frozenset[str]:
    """Which sources a participant publishes now."""
    return frozenset(
        source
        for source in ("microphone", "camera", "screen", "screen_sound")
        if state.get(on(participant, source))
    )


def lesson(state: State) -> LessonField:
    """The lesson's own field; raises KeyError before it was opened."""
    value: LessonField = state[LESSON]
    return value


def is_live(state: State) -> bool:
    """Whether the lesson is live now."""
    return LESSON in state and lesson(state).state == "live"


def count_here(state: State) -> int:
    """How many are in; nobody is in a lesson that has ended, whoever stayed to its end."""
    if LESSON not in state or lesson(state).state == "ended":
        return 0
    return sum(each.here for _, each in people(state))


def recording(state: State) -> RecordingField | None:
    """The lesson's recording; None before anybody asked for one."""
    field: RecordingField | None = state.get(RECORDING)
    return field
