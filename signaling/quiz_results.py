"""What came of a lesson's quizzes, for its teacher: pure, from its state; and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Final

from signaling.attendance import plain_cell
from signaling.lesson import fields, quiz
from signaling.lesson.fields import State
from signaling.lesson.marking import mark, said, tally
from signaling.wire import (
    PersonField,
    QuizAnswerField,
    QuizField,
    QuizKeyField,
    QuizResult,
    QuizResultQuestion,
    QuizResultRow,
    QuizResults,
    QuizTallyField,
)

_HEAD: Final = ("quiz", "number", "question", "kind", "name", "answer", "right", "count")


def results(lesson: str, title: str, state: State) -> QuizResults:
    """Every quiz that the class has had, oldest first."""
    started = sorted(quiz.quizzes(state), key=lambda item: item[1].at_ms)
    return QuizResults(lesson, title, tuple(_result(state, each, now) for each, now in started))


def _result(state: State, name: str, now: QuizField) -> QuizResult:
    keys = quiz.keys(state, name, now.asked)
    questions = tuple(_question(state, name, now, place, key) for place, key in enumerate(keys))
    rows = () if now.anonymous else _rows(state, name, keys)
    return QuizResult(name, now.title, now.at_ms, now.anonymous, now.keyed, questions, rows)


def _question(state: State, name: str, now: QuizField, place: int, key: QuizKeyField) -> QuizResultQuestion:
    if not now.anonymous:
        given = list(quiz.named_answers(state, name, place).values())
        return QuizResultQuestion(key, tally(key, given, now.at_ms, anonymous=False, told=True))
    given = quiz.ballots(state, name, place)
    if quiz.is_open(now, place) and fields.lesson(state).state != "ended":
        # What is told before a question is closed would tell, by and by, who answered what.
        return QuizResultQuestion(key, QuizTallyField(now.at_ms, len(given), withheld=True))
    return QuizResultQuestion(key, tally(key, given, now.at_ms, anonymous=True, told=True), said(given))


def _rows(state: State, name: str, keys: tuple[QuizKeyField, ...]) -> tuple[QuizResultRow, ...]:
    """Everybody who was in the lesson as a student, in the class's order."""
    given = [quiz.named_answers(state, name, place) for place in range(len(keys))]
    students = sorted(
        ((who, person) for who, person in fields.people(state) if person.role == "student"),
        key=lambda item: item[1].order,
    )
    return tuple(
        QuizResultRow(
            participant=who,
            name=full_name(person),
            answers=tuple(each.get(who) for each in given),
            marks=tuple(
                mark(key, each[who]) if who in each else None for key, each in zip(keys, given, strict=True)
            ),
        )
        for who, person in students
    )


def full_name(person: PersonField) -> str:
    """With the number that tells two of one name apart."""
    return f"{person.name} ({person.label})" if person.label else person.name


def as_csv(found: QuizResults) -> str:
    """RFC 4180 with a header line; a line for each answer, or for what an anonymous question came to. Nothing
    that a spreadsheet takes for a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(_HEAD)
    for each in found.quizzes:
        for place, question in enumerate(each.questions):
            key = question.key
            head = [plain_cell(each.title), place + 1, plain_cell(key.text), key.kind]
            for row in each.rows:
                answer, right = row.answers[place], row.marks[place]
                words = "" if answer is None else plain_cell(answer_words(key, answer))
                writer.writerow([*head, plain_cell(row.name), words, "" if right is None else int(right), ""])
            if each.anonymous:
                for words, is_right, count in _counted(question):
                    writer.writerow([*head, "", plain_cell(words), is_right, count])
    return out.getvalue()


def _counted(question: QuizResultQuestion) -> list[tuple[str, str, int]]:
    """What an anonymous question came to: an answer, whether it is right, how many gave it."""
    key, found = question.key, question.tally
    if found.withheld:
        return [("", "", found.answered)]
    if key.kind == "number":
        return [
            (f"{value:g}", _yes(mark(key, QuizAnswerField(0, number=value))), count)
            for value, count in zip(found.numbers, found.counts, strict=True)
        ]
    if key.kind == "text":
        return [(text, _yes(mark(key, QuizAnswerField(0, text=text))), 1) for text in question.said]
    return [
        (option, _yes(place in key.right if key.right else None), count)
        for place, (option, count) in enumerate(zip(key.options, found.counts, strict=True))
    ]


def _yes(right: bool | None) -> str:
    return "" if right is None else str(int(right))


def answer_words(key: QuizKeyField, answer: QuizAnswerField) -> str:
    """An answer as it is read."""
    if key.kind == "number":
        return "" if answer.number is None else f"{answer.number:.12g}"
    if key.kind == "text":
        return answer.text or ""
    return "; ".join(key.options[place] for place in answer.choices)
