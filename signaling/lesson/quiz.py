"""Quizzes and polls: prepared, put to the class, answered, closed, shown, revealed.

Fields, ``<q>`` a quiz and ``<n>`` a question's place from 0. Everybody: ``quiz/<q>``,
``quiz_question/<q>/<n>`` once it is asked, ``quiz_tally/<q>/<n>`` while counts are shown,
``quiz_right/<q>/<n>`` once revealed. Leaders: ``quiz_plan/<q>`` until it starts, ``quiz_key/<q>/<n>``,
``quiz_mark/<participant>/<q>/<n>``, and of anonymous ones ``quiz_count/<q>/<n>`` and
``quiz_said/<q>/<n>/<k>``. A student and leaders: ``quiz_answer/<participant>/<q>/<n>``,
``quiz_result/<participant>/<q>``. Nobody: ``_quiz_ballot/<q>/<n>/<ballot>``, the answers of anonymous ones,
and ``_quiz_given/<q>``, how often anybody answered: what counts answers rests on it.

An anonymous answer stands under a ballot, not under who gave it, and what was answered is told all together
when the question is closed: counts that grew one by one would tell who came last. It is not opened again
for the same reason.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from sfu.model import Refused
from signaling import texts
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import State
from signaling.lesson.marking import keyed, mark, said, tally
from signaling.wire import (
    MAX_LESSON_QUESTIONS,
    MAX_OPTION,
    QUIZ_LATE_MS,
    MakeQuiz,
    NewQuestion,
    QuestionField,
    QuizAnswer,
    QuizAnswerField,
    QuizField,
    QuizKeyField,
    QuizMarksField,
    QuizPlanField,
    QuizTallyField,
    SetQuiz,
)

SHOWN_EVERY_MS: Final = 1000
"""While counts are shown the class gets new ones at most so often, and the last ones when it is closed."""


def field(quiz: str) -> str:
    return f"quiz/{quiz}"


def plan(quiz: str) -> str:
    return f"quiz_plan/{quiz}"


def key(quiz: str, question: int) -> str:
    return f"quiz_key/{quiz}/{question}"


def answer_of(participant: str, quiz: str, question: int) -> str:
    return f"quiz_answer/{participant}/{quiz}/{question}"


def quizzes(state: State) -> Iterator[tuple[str, QuizField]]:
    """Every quiz that was started."""
    for path, value in state.items():
        if path.startswith("quiz/"):
            yield path[5:], value


def keys(state: State, quiz: str, questions: int) -> tuple[QuizKeyField, ...]:
    """Its questions in order."""
    return tuple(state[key(quiz, each)] for each in range(questions))


def named_answers(state: State, quiz: str, question: int) -> dict[str, QuizAnswerField]:
    """Answers by participant."""
    end = f"/{quiz}/{question}"
    return {
        path.split("/", 2)[1]: value
        for path, value in state.items()
        if path.startswith("quiz_answer/") and path.endswith(end)
    }


def ballots(state: State, quiz: str, question: int) -> list[QuizAnswerField]:
    """Answers of which nobody knows whose they are."""
    start = f"_quiz_ballot/{quiz}/{question}/"
    return [value for path, value in state.items() if path.startswith(start)]


# --- leaders -----------------------------------------------------------------------------------------


def make(state: State, actor: Actor, message: MakeQuiz, moment: Moment) -> Change | None:
    """Prepare it, or start it at once. None: this very request was carried out already. Raises Refused
    ``quiz_full``, ``text_empty``, ``bad_request``."""
    quiz = f"{moment.now_ms:013d}-{moment.token}"
    if field(quiz) in state or plan(quiz) in state:
        return None
    there = sum(path.startswith("quiz_key/") for path in state)
    if there + len(message.questions) > MAX_LESSON_QUESTIONS:
        raise Refused("quiz_full")
    questions = tuple(_checked(each) for each in message.questions)
    planned = QuizPlanField(
        title=texts.line(message.title),
        questions=len(questions),
        anonymous=message.anonymous,
        pace=message.pace,
        may_change=message.may_change,
        seconds=message.seconds,
        keyed=any(keyed(each) for each in questions),
        at_ms=moment.now_ms,
    )
    made: dict[str, Any] = {key(quiz, place): each for place, each in enumerate(questions)}
    if not message.start:
        return Change("quiz_made", made | {plan(quiz): planned})
    return _started({**state, **made}, actor, quiz, planned, moment, made)


def set_quiz(state: State, actor: Actor, message: SetQuiz, moment: Moment) -> Change | None:
    """The next thing that happens to it. None: it is so already. Raises Refused ``not_found``,
    ``quiz_closed``, ``bad_request``."""
    quiz = message.quiz
    planned: QuizPlanField | None = state.get(plan(quiz))
    if planned is not None:
        if message.step == "start":
            return _started(state, actor, quiz, planned, moment, {})
        if message.step == "remove":
            gone = tuple(key(quiz, each) for each in range(planned.questions))
            return Change("quiz_removed", {}, (plan(quiz), *gone))
        raise Refused("not_found")
    now: QuizField | None = state.get(field(quiz))
    if now is None:
        raise Refused("not_found")
    match message.step:
        case "start":
            return _again(state, quiz, now, moment)
        case "next":
            return _next(state, quiz, now, moment)
        case "close":
            if now.state == "closed":
                return None
            return _change("quiz_closed", _closing(state, quiz, now, moment))
        case "show" | "hide":
            return _show(state, quiz, now, moment, on=message.step == "show")
        case "reveal":
            return _reveal(state, quiz, now, moment)
        case "remove":
            raise Refused("bad_request", "the class has seen it")


def time_up(state: State, moment: Moment) -> Change | None:
    """Close what has had its time; None: nothing has."""
    made: dict[str, Any] = {}
    for quiz, now in quizzes(state):
        if now.state == "open" and now.ends_at_ms is not None and late(now, moment.now_ms):
            made |= _closing(state, quiz, now, moment)
    return _change("quiz_closed", made) if made else None


def late(quiz: QuizField, now_ms: int) -> bool:
    """Whether its time is over, with what is granted for the way of an answer."""
    return quiz.ends_at_ms is not None and now_ms > quiz.ends_at_ms + QUIZ_LATE_MS


def _started(
    state: State, actor: Actor, quiz: str, planned: QuizPlanField, moment: Moment, made: dict[str, Any]
) -> Change:
    step = planned.pace == "step"
    asked = 1 if step else planned.questions
    begun = QuizField(
        title=planned.title,
        questions=planned.questions,
        anonymous=planned.anonymous,
        pace=planned.pace,
        may_change=planned.may_change,
        seconds=planned.seconds,
        keyed=planned.keyed,
        at_ms=moment.now_ms,
        by=actor.participant,
        asked=asked,
        question=0 if step else None,
        ends_at_ms=_ends(planned.seconds, moment),
    )
    changed: dict[str, Any] = {**_others_closed(state, quiz, moment), **made, field(quiz): begun}
    for place in range(asked):
        changed[f"quiz_question/{quiz}/{place}"] = _public(state[key(quiz, place)])
    gone = (plan(quiz),) if plan(quiz) in state else ()
    return _change(
        "quiz_open", changed, gone, frozenset(key(quiz, each) for each in range(planned.questions))
    )


def _again(state: State, quiz: str, now: QuizField, moment: Moment) -> Change | None:
    if now.state == "open":
        return None
    if now.anonymous or now.revealed:
        raise Refused("quiz_closed")
    begun = msgspec.structs.replace(now, state="open", ends_at_ms=_ends(now.seconds, moment))
    return _change("quiz_open", {**_others_closed(state, quiz, moment), field(quiz): begun})


def _next(state: State, quiz: str, now: QuizField, moment: Moment) -> Change | None:
    if now.at_ms == moment.now_ms:
        return None
    if now.question is None or now.question + 1 >= now.questions:
        raise Refused("bad_request", "no more questions")
    place = now.question + 1
    closed = _closing(state, quiz, now, moment) if now.state == "open" else {}
    asked = msgspec.structs.replace(
        now,
        state="open",
        question=place,
        asked=place + 1,
        at_ms=moment.now_ms,
        ends_at_ms=_ends(now.seconds, moment),
        shown=False,
        revealed=False,
    )
    question = {f"quiz_question/{quiz}/{place}": _public(state[key(quiz, place)])}
    others = _others_closed(state, quiz, moment)
    return _change("quiz_open", {**others, **closed, field(quiz): asked, **question})


def _show(state: State, quiz: str, now: QuizField, moment: Moment, *, on: bool) -> Change | None:
    if on == now.shown:
        return None
    changed: dict[str, Any] = {field(quiz): msgspec.structs.replace(now, shown=on)}
    if on:
        changed |= _tallies(state, quiz, msgspec.structs.replace(now, shown=True), moment)
        return _change("quiz_shown", changed)
    gone = tuple(path for path in state if path.startswith(f"quiz_tally/{quiz}/"))
    return Change("quiz_shown", changed, gone)


def _reveal(state: State, quiz: str, now: QuizField, moment: Moment) -> Change | None:
    if now.revealed:
        return None
    closed = _closing(state, quiz, now, moment) if now.state == "open" else {}
    told = msgspec.structs.replace(now, state="closed", revealed=True)
    changed: dict[str, Any] = {**closed, **_tallies(state, quiz, told, moment), field(quiz): told}
    questions = keys(state, quiz, now.asked)
    changed |= {f"quiz_right/{quiz}/{place}": each for place, each in enumerate(questions)}
    if not now.anonymous and now.keyed:
        answers = [named_answers(state, quiz, place) for place in range(now.asked)]
        for who in sorted({who for each in answers for who in each}):
            marks = tuple(
                mark(question, given[who]) if who in given else None
                for question, given in zip(questions, answers, strict=True)
            )
            changed[f"quiz_result/{who}/{quiz}"] = QuizMarksField(marks)
    return _change("quiz_revealed", changed)


def _closing(state: State, quiz: str, now: QuizField, moment: Moment) -> dict[str, Any]:
    """It is closed, with what that tells; answers that come meanwhile must not be missing in it."""
    closed = msgspec.structs.replace(now, state="closed")
    changed: dict[str, Any] = {field(quiz): closed}
    if now.anonymous:
        for place in _current(now):
            given = ballots(state, quiz, place)
            question = state[key(quiz, place)]
            counted = tally(question, given, moment.now_ms, anonymous=True, told=True)
            changed[f"quiz_count/{quiz}/{place}"] = counted
            changed |= {f"quiz_said/{quiz}/{place}/{at}": text for at, text in enumerate(said(given))}
    if now.shown:
        changed |= _tallies(state, quiz, closed, moment)
    return changed


def _tallies(state: State, quiz: str, now: QuizField, moment: Moment) -> dict[str, QuizTallyField]:
    """What everybody is told of each question while counts are shown."""
    if not now.shown:
        return {}
    changed: dict[str, QuizTallyField] = {}
    for place in range(now.asked):
        if now.anonymous and is_open(now, place):
            continue
        question = state[key(quiz, place)]
        given = (
            ballots(state, quiz, place) if now.anonymous else list(named_answers(state, quiz, place).values())
        )
        told = now.revealed or f"quiz_right/{quiz}/{place}" in state
        changed[f"quiz_tally/{quiz}/{place}"] = tally(
            question, given, moment.now_ms, anonymous=now.anonymous, told=told
        )
    return changed


def _others_closed(state: State, quiz: str, moment: Moment) -> dict[str, Any]:
    """The class has one quiz at a time: what is open is closed by the next."""
    changed: dict[str, Any] = {}
    for other, now in quizzes(state):
        if other != quiz and now.state == "open":
            changed |= _closing(state, other, now, moment)
    return changed


def _change(
    kind: str, changed: dict[str, Any], gone: tuple[str, ...] = (), expect: frozenset[str] = frozenset()
) -> Change:
    """What counts a quiz's answers rests on there being no more of them."""
    counted = {_given_of(path[5:]) for path in changed if path.startswith("quiz/")}
    return Change(kind, changed, gone, expect | counted)


def _given_of(quiz: str) -> str:
    return f"_quiz_given/{quiz}"


def _current(now: QuizField) -> range:
    """Questions that can be answered while it is open."""
    return range(now.asked) if now.question is None else range(now.question, now.question + 1)


def _ends(seconds: int | None, moment: Moment) -> int | None:
    return None if seconds is None else moment.now_ms + seconds * 1000


def _public(question: QuizKeyField) -> QuestionField:
    return QuestionField(question.kind, question.text, question.options)


def _checked(asked: NewQuestion) -> QuizKeyField:
    """A question as it is kept; raises Refused ``text_empty``, ``bad_request``."""
    text = texts.chat(asked.text) if asked.text.strip() else ""
    options = tuple(texts.line(each, MAX_OPTION) for each in asked.options)
    chooses = asked.kind in ("single", "multiple")
    right = tuple(sorted(set(asked.right)))
    fits = (
        (len(options) >= 2 if chooses else not options)
        and all(place < len(options) for place in right)
        and (asked.kind != "single" or len(right) <= 1)
        and (asked.number is None or (asked.kind == "number" and math.isfinite(asked.number)))
        and math.isfinite(asked.tolerance)
        and (asked.kind == "text" or not asked.texts)
    )
    if not fits:
        raise Refused("bad_request", "parts of the question do not fit together")
    accepted = tuple(texts.line(each, MAX_OPTION) for each in asked.texts)
    return QuizKeyField(asked.kind, text, options, right, asked.number, asked.tolerance, accepted)


def is_open(quiz: QuizField, question: int) -> bool:
    """Whether the question can be answered, by all but the clock."""
    return quiz.state == "open" and question in _current(quiz)


# --- students ----------------------------------------------------------------------------------------


def answer(state: State, actor: Actor, message: QuizAnswer, moment: Moment) -> Change | None:
    """Give or change an answer. None: it was given just so. Raises Refused ``not_found``, ``quiz_closed``,
    ``quiz_answered``, ``text_empty``, ``bad_request``; ``not_allowed`` without a ballot where one is
    needed."""
    quiz, place = message.quiz, message.question
    now: QuizField | None = state.get(field(quiz))
    if now is None or place >= now.asked:
        raise Refused("not_found")
    if not is_open(now, place) or late(now, moment.now_ms):
        raise Refused("quiz_closed")
    question: QuizKeyField = state[key(quiz, place)]
    given = _given(question, message, moment)
    path = _ballot(actor, quiz, place) if now.anonymous else answer_of(actor.participant, quiz, place)
    before: QuizAnswerField | None = state.get(path)
    if before == given:
        return None
    if before is not None and not now.may_change:
        raise Refused("quiz_answered")
    counter = _given_of(quiz)
    changed: dict[str, Any] = {path: given, counter: state.get(counter, 0) + 1}
    if now.anonymous:
        counted = len(ballots(state, quiz, place)) + (before is None)
        changed[f"quiz_count/{quiz}/{place}"] = QuizTallyField(moment.now_ms, counted, withheld=True)
    else:
        right = mark(question, given)
        if right is not None:
            changed[f"quiz_mark/{actor.participant}/{quiz}/{place}"] = right
        shown: QuizTallyField | None = state.get(f"quiz_tally/{quiz}/{place}")
        if shown is not None and moment.now_ms - shown.at_ms >= SHOWN_EVERY_MS:
            answers = named_answers(state, quiz, place) | {actor.participant: given}
            changed[f"quiz_tally/{quiz}/{place}"] = tally(
                question, answers.values(), moment.now_ms, anonymous=False, told=False
            )
    return Change("quiz_answered", changed, (), frozenset({field(quiz)}))


def _given(question: QuizKeyField, message: QuizAnswer, moment: Moment) -> QuizAnswerField:
    """An answer of the question's kind and nothing else."""
    choices = tuple(sorted(set(message.choices)))
    chooses = question.kind in ("single", "multiple")
    fits = (
        bool(choices) == chooses
        and len(choices) <= (1 if question.kind == "single" else len(question.options))
        and all(place < len(question.options) for place in choices)
        and (message.number is not None) == (question.kind == "number")
        and (message.number is None or math.isfinite(message.number))
        and (message.text is not None) == (question.kind == "text")
    )
    if not fits:
        raise Refused("bad_request", "not an answer to this kind of question")
    text = None if message.text is None else texts.chat(message.text)
    return QuizAnswerField(moment.now_ms, choices, message.number, text)


def _ballot(actor: Actor, quiz: str, question: int) -> str:
    """Where an anonymous answer stands: another place for each question, so that they cannot be put
    together."""
    if not actor.ballot:
        raise Refused("not_allowed", "without a ballot")
    place = hashlib.sha256(f"{actor.ballot}/{quiz}/{question}".encode()).hexdigest()[:24]
    return f"_quiz_ballot/{quiz}/{question}/{place}"
