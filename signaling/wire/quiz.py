"""Quizzes and polls: questions put to the class, and what comes of the answers."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from signaling.wire.names import Id, RequestNumber

MAX_QUESTIONS: Final = 20
"""In one quiz."""
MAX_LESSON_QUESTIONS: Final = 60
"""In one lesson, prepared ones too: who comes back gets all answers that they may see at once."""
MAX_OPTIONS: Final = 8
MAX_QUESTION: Final = 500
MAX_OPTION: Final = 200
MAX_QUIZ_ANSWER: Final = 300
MAX_QUIZ_SECONDS: Final = 3600
MAX_QUIZ_NUMBER: Final = 1e12
QUIZ_LATE_MS: Final = 2000
"""Answers are taken so much longer than clocks show, for the way that they have to go."""
QUIZ_WITHHELD_BELOW: Final = 3
"""Of an anonymous question nothing but their number is told while fewer have answered."""
QUIZ_TOLD: Final = 8
"""How many different numbers a tally has, most frequent first."""

QuestionKind = Literal["single", "multiple", "number", "text"]
QuizStep = Literal["start", "next", "close", "show", "hide", "reveal", "remove"]
"""``start``: a prepared one, or a closed one again; ``next`` question of one that goes step by step; ``show``
counts to everybody; ``reveal`` right answers, which closes it; ``remove`` one that was not started."""

Seconds = Annotated[int, Meta(ge=5, le=MAX_QUIZ_SECONDS)]
Chosen = Annotated[int, Meta(ge=0, lt=MAX_OPTIONS)]
Amount = Annotated[float, Meta(ge=-MAX_QUIZ_NUMBER, le=MAX_QUIZ_NUMBER)]


class NewQuestion(Struct, frozen=True):
    """``options`` are of single and multiple choice. What is right: ``right`` (places of options),
    ``number`` give or take ``tolerance``, one of ``texts`` in any case of letters; all empty: nothing is
    right or wrong."""

    kind: QuestionKind
    text: Annotated[str, Meta(max_length=MAX_QUESTION)] = ""
    options: Annotated[
        tuple[Annotated[str, Meta(max_length=MAX_OPTION)], ...], Meta(max_length=MAX_OPTIONS)
    ] = ()
    right: Annotated[tuple[Chosen, ...], Meta(max_length=MAX_OPTIONS)] = ()
    number: Amount | None = None
    tolerance: Annotated[float, Meta(ge=0, le=MAX_QUIZ_NUMBER)] = 0
    texts: Annotated[
        tuple[Annotated[str, Meta(max_length=MAX_OPTION)], ...], Meta(max_length=MAX_OPTIONS)
    ] = ()


class MakeQuiz(Struct, tag_field="t", tag="make_quiz", frozen=True):
    """Leaders: prepare a quiz, or with ``start`` put it to the class at once. ``seconds`` are for all of
    it, or for each question when it goes ``step`` by step. Refused: ``quiz_full``, ``text_empty``,
    ``bad_request``."""

    id: RequestNumber
    title: Annotated[str, Meta(max_length=400)]
    questions: Annotated[tuple[NewQuestion, ...], Meta(min_length=1, max_length=MAX_QUESTIONS)]
    start: bool = False
    anonymous: bool = False
    pace: Literal["own", "step"] = "own"
    may_change: bool = True
    seconds: Seconds | None = None


class SetQuiz(Struct, tag_field="t", tag="set_quiz", frozen=True):
    """Leaders: the next thing that happens to a quiz. Refused: ``not_found``, ``quiz_closed``."""

    id: RequestNumber
    quiz: Id
    step: QuizStep


class QuizAnswer(Struct, tag_field="t", tag="quiz_answer", frozen=True):
    """Students: an answer to one question, of its kind. Refused: ``not_found``, ``quiz_closed``,
    ``quiz_answered``, ``text_empty``, ``bad_request``. It becomes an event together with others'."""

    id: RequestNumber
    quiz: Id
    question: Annotated[int, Meta(ge=0, lt=MAX_QUESTIONS)]
    choices: Annotated[tuple[Chosen, ...], Meta(max_length=MAX_OPTIONS)] = ()
    number: Amount | None = None
    text: Annotated[str, Meta(max_length=MAX_QUIZ_ANSWER)] | None = None


class QuizPlanField(Struct, frozen=True):
    """A quiz that was prepared and not put to the class yet. Leaders see it. ``keyed``: there are right
    answers."""

    title: str
    questions: int
    anonymous: bool
    pace: Literal["own", "step"]
    may_change: bool
    seconds: int | None
    keyed: bool
    at_ms: int


class QuizField(Struct, frozen=True):
    """A quiz that the class has had before it. ``question``: the one that is asked now, None at own pace.

    ``ends_at_ms``: when clocks show zero. ``shown``: counts are told to everybody; ``revealed``: so are right
    answers. ``asked`` questions of ``questions`` have been put so far.
    """

    title: str
    questions: int
    anonymous: bool
    pace: Literal["own", "step"]
    may_change: bool
    seconds: int | None
    keyed: bool
    at_ms: int
    by: str
    state: Literal["open", "closed"] = "open"
    asked: int = 0
    question: int | None = None
    ends_at_ms: int | None = None
    shown: bool = False
    revealed: bool = False


class QuestionField(Struct, frozen=True):
    """A question as everybody sees it."""

    kind: QuestionKind
    text: str
    options: tuple[str, ...] = ()


class QuizKeyField(Struct, frozen=True):
    """A question with what is right, for leaders; for everybody once it is revealed."""

    kind: QuestionKind
    text: str
    options: tuple[str, ...] = ()
    right: tuple[int, ...] = ()
    number: float | None = None
    tolerance: float = 0
    texts: tuple[str, ...] = ()


class QuizAnswerField(Struct, frozen=True):
    """A student's answer to one question; leaders see it and the student themselves."""

    at_ms: int
    choices: tuple[int, ...] = ()
    number: float | None = None
    text: str | None = None


class QuizTallyField(Struct, frozen=True):
    """What came of a question: ``counts`` by option, or of each of ``numbers``. ``right``: how many were,
    None while that is not told. ``withheld``: too few have answered for their names to stay unknown."""

    at_ms: int
    answered: int
    counts: tuple[int, ...] = ()
    numbers: tuple[float, ...] = ()
    right: int | None = None
    withheld: bool = False


class QuizMarksField(Struct, frozen=True):
    """A student's own result, question by question: right, wrong, or None (not answered, nothing is
    right)."""

    marks: tuple[bool | None, ...]


class QuizResultQuestion(Struct, frozen=True):
    """A question in the results of a lesson."""

    key: QuizKeyField
    tally: QuizTallyField
    said: tuple[str, ...] = ()
    """Texts of an anonymous question, in the order of letters."""


class QuizResultRow(Struct, frozen=True):
    """What one student answered; None: nothing. ``name`` has the number that tells two of one name apart."""

    participant: str
    name: str
    answers: tuple[QuizAnswerField | None, ...]
    marks: tuple[bool | None, ...]


class QuizResult(Struct, frozen=True):
    """One quiz of a lesson; an anonymous one has no rows."""

    quiz: str
    title: str
    at_ms: int
    anonymous: bool
    keyed: bool
    questions: tuple[QuizResultQuestion, ...]
    rows: tuple[QuizResultRow, ...]


class QuizResults(Struct, frozen=True):
    """GET /api/lessons/<lesson>/results; the same as CSV under results.csv."""

    lesson: str
    title: str
    quizzes: tuple[QuizResult, ...]
