"""A quiz through real sockets, log and SQL: who is told what, and what is kept."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

import pytest

from signaling import wire
from signaling.lesson.quiz import keys
from signaling.quiz_results import as_csv, results
from tests.signaling.parts import Clock, Person, School, until
from tests.signaling.test_quiz import CHOICE, QUESTIONS, Q, class_of, give, step, voted
from tests.signaling.test_rules import MASHA

CHOICE_MAP = {"kind": "single", "text": "2 + 2?", "options": ["3", "=4"], "right": [1]}


async def class_with(school: School, *names: str) -> tuple[wire.LessonInfo, Person, list[Person]]:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    students = []
    for name in names:
        student = school.person()
        assert isinstance(await student.enter(lesson.student_link, name), wire.Welcome)
        students.append(student)
    return lesson, teacher, students


async def put(teacher: Person, **options: Any) -> str:
    await teacher.done(wire.MakeQuiz, title="Quick", questions=[CHOICE_MAP], start=True, **options)
    await teacher.wait(wire.Event, lambda event: event.kind == "quiz_open")
    return next(path[5:] for path in teacher.fields if path.startswith("quiz/"))


@pytest.mark.asyncio
async def test_answers_reach_leaders_and_their_author_and_are_kept(school: School) -> None:
    lesson, teacher, (masha, other, third) = await class_with(school, "Маша", "Маша", "=Иван")
    quiz = await put(teacher)
    assert not [path for path in masha.fields if "key" in path or "right" in path]
    await masha.done(wire.QuizAnswer, quiz=quiz, question=0, choices=[1])
    await other.done(wire.QuizAnswer, quiz=quiz, question=0, choices=[0])
    await teacher.wait(wire.Event, lambda event: f"quiz_answer/{other.me}/{quiz}/0" in event.set)
    assert f"quiz_answer/{masha.me}/{quiz}/0" in masha.fields
    assert not [path for path in third.fields if "answer" in path]
    await masha.cut()
    welcome = await masha.enter(lesson.student_link, "Маша")
    assert welcome.fields[f"quiz_answer/{masha.me}/{quiz}/0"]["choices"] == [1]
    await teacher.done(wire.SetQuiz, quiz=quiz, step="reveal")
    await masha.wait(wire.Event, lambda event: event.kind == "quiz_revealed")
    assert masha.fields[f"quiz_result/{masha.me}/{quiz}"]["marks"] == [True]
    assert f"quiz_result/{other.me}/{quiz}" not in masha.fields
    await teacher.send(wire.End(id=100))
    await teacher.wait(wire.Closed, lambda closed: closed.code == "ended")
    status, body = await teacher.get(f"/api/lessons/{lesson.lesson}/results")
    assert status == 200
    rows = body["quizzes"][0]["rows"]
    assert [(row["name"], row["marks"]) for row in rows] == [
        ("Маша", [True]), ("Маша (2)", [False]), ("=Иван", [None]),
    ]  # fmt: skip
    _, raw = await teacher.get(f"/api/lessons/{lesson.lesson}/results.csv")
    table = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))
    assert table[1] == ["Quick", "1", "2 + 2?", "single", "Маша", "'=4", "1", ""]
    assert table[3][4:7] == ["'=Иван", "", ""]
    stranger = await school.teacher("somebody_else")
    assert (await stranger.get(f"/api/lessons/{lesson.lesson}/results"))[0] == 404


@pytest.mark.asyncio
async def test_the_server_closes_a_quiz_when_its_time_is_over(school: School, clock: Clock) -> None:
    _, teacher, (masha,) = await class_with(school, "Маша")
    quiz = await put(teacher, seconds=30)
    clock.ahead_ms += 33_000
    await masha.wait(wire.Event, lambda event: event.kind == "quiz_closed")
    assert masha.fields[f"quiz/{quiz}"]["state"] == "closed"
    refused = await masha.ask(wire.QuizAnswer, quiz=quiz, question=0, choices=[1])
    assert isinstance(refused, wire.Refused)
    assert refused.code == "quiz_closed"


@pytest.mark.asyncio
async def test_a_class_that_answers_at_once_is_a_few_events_without_a_name(school: School) -> None:
    lesson, teacher, students = await class_with(school, *"АБВГД")
    quiz = await put(teacher, anonymous=True)
    before = teacher.number
    await asyncio.gather(
        *(each.done(wire.QuizAnswer, quiz=quiz, question=0, choices=[1]) for each in students)
    )
    await until(lambda: teacher.fields[f"quiz_count/{quiz}/0"]["answered"] == 5, "five answers counted")
    told = [event for event in teacher.of(wire.Event) if event.number > before]
    assert len(told) <= 2
    assert {event.by for event in told} == {None}
    log = [
        event
        for event in await school.signalling.catalog.events(lesson.lesson)
        if event.kind == "quiz_answered"
    ]
    for event in log:
        assert event.by is None
        assert not [each.me for each in students if each.me in str(sorted(event.set)) + str(event.set)]
    _, raw = await teacher.get(f"/api/lessons/{lesson.lesson}/results.csv")
    assert list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))[1:] == [
        ["Quick", "1", "2 + 2?", "single", "", "", "", "5"]
    ], "while it is open only their number is told"
    await teacher.done(wire.SetQuiz, quiz=quiz, step="close")
    _, raw = await teacher.get(f"/api/lessons/{lesson.lesson}/results.csv")
    assert list(csv.reader(io.StringIO(raw.decode("utf-8-sig"))))[1:] == [
        ["Quick", "1", "2 + 2?", "single", "", "3", "0", "0"],
        ["Quick", "1", "2 + 2?", "single", "", "'=4", "1", "5"],
    ]


def test_results_are_of_everybody_and_every_kind() -> None:
    state = give(give(class_of(), MASHA, 2, number=9.85), MASHA, 1, choices=(1, 2))
    found = results("l", "t", state).quizzes[0]
    assert [question.tally.answered for question in found.questions] == [0, 1, 1, 0]
    masha = next(row for row in found.rows if row.participant == "m")
    assert masha.marks == (None, True, True, None)
    table = list(csv.reader(io.StringIO(as_csv(results("l", "t", state)))))
    assert ["Test", "2", "Even?", "multiple", "Маша", "2; 4", "1", ""] in table
    assert len(keys(state, Q, 4)) == len(QUESTIONS)


def test_an_anonymous_question_is_told_once_it_is_closed_and_of_enough_people() -> None:
    assert results("l", "t", voted(4)).quizzes[0].questions[0].tally.withheld
    closed = results("l", "t", step(voted(4, questions=(CHOICE,)), "close")).quizzes[0]
    assert (closed.rows, closed.questions[0].tally.counts) == ((), (2, 2))
    assert results("l", "t", step(voted(2), "close")).quizzes[0].questions[0].tally.withheld
