"""A lesson's state as rules see it: field path -> typed value, as ``signaling.wire`` lists them.

Fields whose path begins with ``_`` never leave the server: ``_ban/<participant>`` (true) and ``_order``
(the number of people admitted so far; every admission changes it, so two at once cannot get one place).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from signaling.wire import (
    AppField,
    AtBoardField,
    BoardElementField,
    BoardField,
    CalledField,
    CalmField,
    ChatField,
    ChatRulesField,
    FilmField,
    HeldField,
    LessonField,
    LobbyField,
    MaterialField,
    PersonField,
    PickedField,
    PickerField,
    QuestionField,
    QuizAnswerField,
    QuizField,
    QuizKeyField,
    QuizMarksField,
    QuizPlanField,
    QuizTallyField,
    RecordingField,
    ScoreField,
    SharingField,
    ShownField,
    SlidesField,
    SlidesWork,
    TimerField,
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
INK_OF_ALL: Final = "ink/*"
CALM: Final = "calm"
TIMER: Final = "timer"
NO_REACTIONS: Final = "no_reactions"
DRAWN: Final = "drawn"
PICKED: Final = "picked"
CHAT_RULES: Final = "chat_rules"
CHAT_WORDS: Final = "chat_words"
LEADERS_ONLY: Final = (
    "lobby/",
    "picker/",
    DRAWN,
    CHAT_WORDS,
    "quiz_plan/",
    "quiz_key/",
    "quiz_mark/",
    "quiz_count/",
    "quiz_said/",
)
OWN: Final = (
    "unrecorded/",
    "called/",
    "score/",
    "note/",
    "held/",
    "chat_muted/",
    "chat_next/",
    "quiz_answer/",
    "quiz_result/",
)
"""Paths whose second step is a participant: leaders see them and that participant, nobody else."""
GROUPS_OWN: Final = ("ask/", "group_chat/")
"""Paths whose second step is a group: leaders see them and who is in that group, nobody else."""
REPLAYED: Final = (
    SHOWN,
    "board/",
    "slides/",
    "film/",
    "app/",
    "quiz/",
    "quiz_question/",
    "quiz_tally/",
    "quiz_right/",
)
"""What is seen again beside a recording, at its time; everybody sees it in the lesson. A value that names a
participant by ``by`` is theirs: it is left out when they are not recorded, and goes when they are taken
out."""

_TYPES: Final[dict[str, Any]] = {
    "lesson": LessonField,
    "person": PersonField,
    "chat": ChatField,
    "note": ChatField,
    "held": HeldField,
    "chat_rules": ChatRulesField,
    "chat_words": tuple[str, ...],
    "chat_muted": bool,
    "chat_next": int,
    "lobby": LobbyField,
    "recording": RecordingField,
    "shown": ShownField,
    "slides": SlidesField,
    "_slides": SlidesWork,
    "material": MaterialField,
    "sharing": SharingField,
    "film": FilmField,
    "app": AppField,
    "score": ScoreField,
    "board": BoardField,
    "ink": bool,
    "unrecorded": UnrecordedField,
    "calm": CalmField,
    "timer": TimerField,
    "no_reactions": bool,
    "picker": PickerField,
    "drawn": PickedField,
    "picked": PickedField,
    "called": CalledField,
    "at_board": AtBoardField,
    "quiz": QuizField,
    "quiz_plan": QuizPlanField,
    "quiz_question": QuestionField,
    "quiz_key": QuizKeyField,
    "quiz_right": QuizKeyField,
    "quiz_answer": QuizAnswerField,
    "_quiz_ballot": QuizAnswerField,
    "_quiz_given": int,
    "quiz_mark": bool,
    "quiz_tally": QuizTallyField,
    "quiz_count": QuizTallyField,
    "quiz_said": str,
    "quiz_result": QuizMarksField,
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


def lobby(participant: str) -> str:
    return f"lobby/{participant}"


def unrecorded(participant: str) -> str:
    return f"unrecorded/{participant}"


def called(participant: str) -> str:
    return f"called/{participant}"


def at_board(participant: str) -> str:
    return f"at_board/{participant}"


def picker(participant: str) -> str:
    return f"picker/{participant}"


def board(board_id: str) -> str:
    return f"board/{board_id}"


def element(board_id: str, element_id: str) -> str:
    return f"board/{board_id}/e/{element_id}"


def ink(participant: str) -> str:
    """True: this student may draw."""
    return f"ink/{participant}"


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


def author(value: Any) -> str | None:
    """Whose a replayed value is, as builtins; None: nobody's own."""
    by = value.get("by") if isinstance(value, dict) else None
    return by if isinstance(by, str) else None


def groups_own(path: str) -> str | None:
    """The group whose members may see this field; None: it is no group's own."""
    return path.split("/", 2)[1] if path.startswith(GROUPS_OWN) else None


def typed(path: str, value: Any) -> Any:
    """A builtin value of the log as the struct that rules work with; unknown paths stay as they are."""
    head, _, rest = path.partition("/")
    kind = BoardElementField if head == "board" and "/" in rest else _TYPES.get(head)
    return value if kind is None else msgspec.convert(value, kind, builtin_types=(bytes,))


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


def is_ended(state: State) -> bool:
    """Whether nothing changes any more."""
    return LESSON not in state or lesson(state).state == "ended"


def is_live(state: State) -> bool:
    """Whether the lesson is live now."""
    return LESSON in state and lesson(state).state == "live"


def is_calm(state: State) -> bool:
    """Whether a leader has stopped all that comes from students."""
    field: CalmField | None = state.get(CALM)
    return field is not None and field.on


def count_here(state: State) -> int:
    """How many are in; nobody is in a lesson that has ended, whoever stayed to its end."""
    if LESSON not in state or lesson(state).state == "ended":
        return 0
    return sum(each.here for _, each in people(state))


def recording(state: State) -> RecordingField | None:
    """The lesson's recording; None before anybody asked for one."""
    field: RecordingField | None = state.get(RECORDING)
    return field
