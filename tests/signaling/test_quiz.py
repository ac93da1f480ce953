"""Quizzes as tables: who may see, who may answer when, what is right, and what an anonymous one tells of
anybody."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.model import Refused, Role
from signaling import wire
from signaling.answering import _Waiting, merged
from signaling.lesson import quiz
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.marking import mark, tally
from signaling.replica import View, record
from signaling.roles import decide
from signaling.wire import NewQuestion, QuizAnswer, QuizAnswerField, QuizField, QuizKeyField
from tests.signaling.test_rules import CO, MASHA, NOW, PETYA, TEACHER, after, full, made, refusal

Q = "0000001000000-tok"
"""The quiz that a request at NOW makes."""
CHOICE = NewQuestion("single", "2 + 2?", ("3", "4"), (1,))
QUESTIONS = (
    CHOICE,
    NewQuestion("multiple", "Even?", ("1", "2", "4"), (1, 2)),
    NewQuestion("number", "g?", number=9.8, tolerance=0.1),
    NewQuestion("text", "Capital?", texts=("Москва",)),
)
VOTERS = [Actor(f"s{n}", Role.STUDENT, f"ballot{n}") for n in range(4)]


def running(state: str = "open") -> dict[str, Any]:
    """A quiz ``q`` of one question as fields."""
    return {
        "quiz/q": QuizField("Q", 1, False, "own", True, None, True, 1, "t", state, 1),  # type: ignore[arg-type]
        "quiz_key/q/0": QuizKeyField("single", "?", ("a", "b"), (1,)),
        "quiz_question/q/0": wire.QuestionField("single", "?", ("a", "b")),
    }


def class_of(**options: Any) -> dict[str, Any]:
    """A class before which a quiz was just put."""
    questions = options.pop("questions", QUESTIONS)
    state = full()
    for voter in VOTERS:
        state[f"person/{voter.participant}"] = wire.PersonField("S", "student", here=True, order=9)
    return after(state, made(state, TEACHER, wire.MakeQuiz(1, "Test", questions, start=True, **options)))


def at(ms: int) -> Moment:
    return Moment(NOW.now_ms + ms, "later")


def step(state: dict[str, Any], what: Any, ms: int = 10) -> dict[str, Any]:
    return after(state, decide(state, TEACHER, wire.SetQuiz(1, Q, what), at(ms)))


def give(state: dict[str, Any], actor: Actor, question: int = 0, ms: int = 5, **value: Any) -> dict[str, Any]:
    return after(state, decide(state, actor, QuizAnswer(1, Q, question, **value), at(ms)))


def refused(state: dict[str, Any], actor: Actor, message: Any, ms: int = 5) -> str:
    with pytest.raises(Refused) as error:
        decide(state, actor, message, at(ms))
    return error.value.code


def seen(change: Change | None, view: View, who: str = "") -> dict[str, Any]:
    assert change is not None
    return dict(record(change, 1, None).seen_by(view, who).set)


def students_see(state: dict[str, Any], who: str = "m") -> set[str]:
    return {path for path in state if path.startswith("quiz") and View.STUDENT.sees(path, who)}


# --- leaders ----------------------------------------------------------------------------------------


def test_a_prepared_quiz_is_the_leaders_until_it_starts() -> None:
    state = after(full(), made(full(), TEACHER, wire.MakeQuiz(1, " Test ", QUESTIONS)))
    assert students_see(state) == set()
    assert state[f"quiz_plan/{Q}"].title == "Test"
    state = step(state, "start")
    assert f"quiz_plan/{Q}" not in state
    assert students_see(state) == {f"quiz/{Q}", *(f"quiz_question/{Q}/{n}" for n in range(4))}
    assert not any(
        "right" in str(state[path]).split("kind")[0] for path in students_see(state) - {f"quiz/{Q}"}
    )


def test_one_that_was_not_started_can_be_removed_and_no_other() -> None:
    state = after(full(), made(full(), TEACHER, wire.MakeQuiz(1, "Test", QUESTIONS)))
    assert not [path for path in step(state, "remove") if path.startswith("quiz")]
    assert refused(step(state, "start"), TEACHER, wire.SetQuiz(1, Q, "remove")) == "bad_request"
    assert refusal(full(), TEACHER, wire.SetQuiz(1, "none", "start")) == "not_found"
    assert refusal(state, TEACHER, wire.SetQuiz(1, Q, "close")) == "not_found"


def test_a_request_that_is_told_twice_makes_one_quiz() -> None:
    state = class_of()
    assert decide(state, TEACHER, wire.MakeQuiz(1, "Test", QUESTIONS, start=True), NOW) is None


@pytest.mark.parametrize(
    "question",
    [
        NewQuestion("single", "?", ("a",)),
        NewQuestion("single", "?", ("a", "b"), (0, 1)),
        NewQuestion("multiple", "?", ("a", "b"), (2,)),
        NewQuestion("number", "?", ("a", "b")),
        NewQuestion("number", "?", number=float("nan")),
        NewQuestion("number", "?", number=1.0, tolerance=float("inf")),
        NewQuestion("text", "?", number=1.0),
        NewQuestion("number", "?", texts=("a",)),
    ],
)
def test_questions_whose_parts_do_not_fit_are_refused(question: NewQuestion) -> None:
    assert refusal(full(), TEACHER, wire.MakeQuiz(1, "Test", (question,))) == "bad_request"


def test_texts_are_cleaned_and_empty_ones_refused() -> None:
    asked = NewQuestion("single", "a\u202eb", ("x\u200b", " y "))
    assert made(full(), TEACHER, wire.MakeQuiz(1, "T", (asked,))).set[f"quiz_key/{Q}/0"] == QuizKeyField(
        "single", "ab", ("x", "y")
    )
    assert refusal(full(), TEACHER, wire.MakeQuiz(1, "\u200b", (CHOICE,))) == "text_empty"
    nothing = NewQuestion("single", "?", ("a", "\u200b"))
    assert refusal(full(), TEACHER, wire.MakeQuiz(1, "T", (nothing,))) == "text_empty"


def test_a_lesson_has_room_for_so_many_questions() -> None:
    state = full() | {f"quiz_key/x/{n}": 1 for n in range(wire.MAX_LESSON_QUESTIONS - 1)}
    assert decide(state, TEACHER, wire.MakeQuiz(1, "T", (CHOICE,)), NOW) is not None
    assert refusal(state, TEACHER, wire.MakeQuiz(1, "T", (CHOICE, CHOICE))) == "quiz_full"


def test_starting_one_closes_the_other() -> None:
    state = class_of()
    change = decide(state, CO, wire.MakeQuiz(1, "Poll", (CHOICE,), start=True), at(9))
    assert change is not None
    assert change.set[f"quiz/{Q}"].state == "closed"


def test_step_by_step_shows_no_later_question_and_takes_no_earlier_answer() -> None:
    state = class_of(pace="step", seconds=30)
    assert f"quiz_question/{Q}/1" not in state
    assert refused(state, MASHA, QuizAnswer(1, Q, 1, (1,))) == "not_found"
    state = give(state, MASHA, choices=(1,))
    state = step(state, "next", 10_000)
    assert state[f"quiz/{Q}"].question == 1
    assert state[f"quiz/{Q}"].ends_at_ms == NOW.now_ms + 40_000
    assert refused(state, MASHA, QuizAnswer(1, Q, 0, (0,))) == "quiz_closed"
    assert decide(state, TEACHER, wire.SetQuiz(1, Q, "next"), at(10_000)) is None, "the same request again"
    for ms in (1, 2):
        state = step(state, "next", 20_000 + ms)
    assert refused(state, TEACHER, wire.SetQuiz(1, Q, "next"), 30_000) == "bad_request"


def test_what_is_revealed_is_closed_for_good() -> None:
    state = step(give(class_of(), MASHA, choices=(1,)), "reveal")
    assert (state[f"quiz/{Q}"].state, state[f"quiz/{Q}"].revealed) == ("closed", True)
    assert state[f"quiz_right/{Q}/0"].right == (1,)
    assert state[f"quiz_result/m/{Q}"].marks == (True, None, None, None)
    assert refused(state, TEACHER, wire.SetQuiz(1, Q, "start")) == "quiz_closed"
    assert decide(state, TEACHER, wire.SetQuiz(1, Q, "reveal"), at(20)) is None


def test_a_closed_one_is_opened_again_with_its_time() -> None:
    state = step(class_of(seconds=60), "close")
    assert decide(state, TEACHER, wire.SetQuiz(1, Q, "close"), at(20)) is None
    assert step(state, "start", 500)[f"quiz/{Q}"].ends_at_ms == NOW.now_ms + 60_500


# --- answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "value", "right"),
    [
        (0, {"choices": (1,)}, True),
        (0, {"choices": (0,)}, False),
        (1, {"choices": (2, 1, 2)}, True),
        (1, {"choices": (1,)}, False),
        (2, {"number": 9.9}, True),
        (2, {"number": 9.91}, False),
        (3, {"text": " москва. "}, True),
        (3, {"text": "Минск"}, False),
    ],
)
def test_an_answer_is_kept_and_marked(question: int, value: dict[str, Any], right: bool) -> None:
    state = give(class_of(), MASHA, question, **value)
    assert state[f"quiz_mark/m/{Q}/{question}"] is right
    assert f"quiz_answer/m/{Q}/{question}" in students_see(state, "m")
    assert not {path for path in students_see(state, "p") if "answer" in path}
    assert not {
        path for path in students_see(state, "m") if "mark" in path or "key" in path or "right" in path
    }


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (QuizAnswer(1, "none", 0, (1,)), "not_found"),
        (QuizAnswer(1, Q, 4, (1,)), "not_found"),
        (QuizAnswer(1, Q, 0), "bad_request"),
        (QuizAnswer(1, Q, 0, (2,)), "bad_request"),
        (QuizAnswer(1, Q, 0, (0, 1)), "bad_request"),
        (QuizAnswer(1, Q, 0, (), 1.0), "bad_request"),
        (QuizAnswer(1, Q, 2, (), float("nan")), "bad_request"),
        (QuizAnswer(1, Q, 2, (), None, "9.8"), "bad_request"),
        (QuizAnswer(1, Q, 3, (), None, "\u200b"), "text_empty"),
    ],
)
def test_answers_that_are_none_are_refused(message: QuizAnswer, code: str) -> None:
    assert refused(class_of(), MASHA, message) == code


def test_leaders_and_strangers_do_not_answer() -> None:
    state = class_of()
    assert refused(state, TEACHER, QuizAnswer(1, Q, 0, (1,))) == "not_allowed"
    assert refused(state, Actor("stranger", Role.STUDENT), QuizAnswer(1, Q, 0, (1,))) == "not_allowed"


@pytest.mark.parametrize(("ms", "code"), [(30_000, ""), (32_000, ""), (32_001, "quiz_closed")])
def test_late_answers_are_refused_after_a_small_grace(ms: int, code: str) -> None:
    state, message = class_of(seconds=30), QuizAnswer(1, Q, 0, (1,))
    if code:
        assert refused(state, MASHA, message, ms) == code
        assert after(state, quiz.time_up(state, at(ms)))[f"quiz/{Q}"].state == "closed"
    else:
        assert decide(state, MASHA, message, at(ms)) is not None
        assert quiz.time_up(state, at(ms)) is None


def test_an_answer_may_be_changed_until_it_is_closed_or_not_at_all() -> None:
    state = give(class_of(), MASHA, choices=(0,))
    assert give(state, MASHA, ms=9, choices=(1,))[f"quiz_mark/m/{Q}/0"] is True
    assert refused(step(state, "close"), MASHA, QuizAnswer(1, Q, 0, (1,))) == "quiz_closed"
    once = give(class_of(may_change=False), MASHA, choices=(0,))
    assert refused(once, MASHA, QuizAnswer(1, Q, 0, (1,)), 9) == "quiz_answered"
    assert decide(once, MASHA, QuizAnswer(1, Q, 0, (0,)), at(5)) is None, "the same request again"


# --- what the class is told -------------------------------------------------------------------------


def test_counts_are_told_when_shown_and_not_again_with_each_answer() -> None:
    state = step(give(class_of(), MASHA, choices=(1,)), "show", 100)
    assert state[f"quiz_tally/{Q}/0"] == wire.QuizTallyField(NOW.now_ms + 100, 1, (0, 1))
    soon = decide(state, PETYA, QuizAnswer(1, Q, 0, (0,)), at(200))
    assert seen(soon, View.STUDENT, "m") == {}
    later = decide(state, PETYA, QuizAnswer(1, Q, 0, (0,)), at(1200))
    assert seen(later, View.STUDENT, "m")[f"quiz_tally/{Q}/0"]["counts"] == (1, 1)
    closed = step(after(state, soon), "close", 300)
    assert closed[f"quiz_tally/{Q}/0"].counts == (1, 1)
    assert closed[f"quiz_tally/{Q}/0"].right is None, "how many were right is told with what is right"
    assert step(closed, "reveal", 400)[f"quiz_tally/{Q}/0"].right == 1
    assert not [path for path in step(closed, "hide", 400) if path.startswith("quiz_tally/")]


def test_what_counts_answers_rests_on_there_being_no_more() -> None:
    state = class_of()
    given = decide(state, MASHA, QuizAnswer(1, Q, 0, (1,)), at(5))
    assert given is not None
    for what in ("close", "show", "reveal"):
        change = decide(state, TEACHER, wire.SetQuiz(1, Q, what), at(9))
        assert change is not None
        assert change.rests_on() & given.set.keys(), what
        assert f"quiz/{Q}" in given.rests_on()


def test_texts_are_never_told_to_the_class() -> None:
    state = step(step(give(class_of(), MASHA, 3, text="rude"), "show"), "reveal")
    assert not any("rude" in str(state[path]) for path in students_see(state, "p"))


# --- anonymous --------------------------------------------------------------------------------------


def voted(count: int, **options: Any) -> dict[str, Any]:
    state = class_of(anonymous=True, **options)
    for place, voter in enumerate(VOTERS[:count]):
        state = give(state, voter, ms=place, choices=(place % 2,))
    return state


def test_nothing_of_an_anonymous_answer_names_anybody() -> None:
    before = class_of(anonymous=True)
    for question, value in enumerate([{"choices": (1,)}, {"choices": (1,)}, {"number": 1.0}, {"text": "x"}]):
        change = decide(before, VOTERS[0], QuizAnswer(1, Q, question, **value), at(5))  # type: ignore[arg-type]
        assert change is not None
        assert "s0" not in str(change.set) + str(sorted(change.set))
        assert "ballot0" not in str(sorted(change.set))
        assert seen(change, View.LEADER).keys() == {f"quiz_count/{Q}/{question}"}
        assert seen(change, View.LEADER)[f"quiz_count/{Q}/{question}"]["counts"] == ()
        assert seen(change, View.STUDENT, "s0") == {}
    assert refused(before, Actor("s0", Role.STUDENT), QuizAnswer(1, Q, 0, (1,))) == "not_allowed"


def test_one_person_has_one_ballot() -> None:
    state = give(voted(3), VOTERS[0], ms=50, choices=(1,))
    assert state[f"quiz_count/{Q}/0"].answered == 3
    once = voted(1, may_change=False)
    assert refused(once, VOTERS[0], QuizAnswer(1, Q, 0, (1,)), 50) == "quiz_answered"


def test_counts_come_at_once_when_it_is_closed_and_only_of_enough_people() -> None:
    open_and_shown = step(voted(4), "show")
    assert not [path for path in open_and_shown if path.startswith("quiz_tally/")]
    closed = step(open_and_shown, "close", 20)
    assert closed[f"quiz_tally/{Q}/0"].counts == closed[f"quiz_count/{Q}/0"].counts == (2, 2)
    assert closed[f"quiz_tally/{Q}/1"].withheld
    few = step(voted(2), "close")[f"quiz_count/{Q}/0"]
    assert (few.answered, few.counts, few.right, few.withheld) == (2, (), None, True)
    assert refused(closed, TEACHER, wire.SetQuiz(1, Q, "start"), 30) == "quiz_closed", (
        "a difference would tell"
    )


def test_anonymous_texts_are_told_to_leaders_in_the_order_of_letters() -> None:
    state = class_of(anonymous=True, questions=(NewQuestion("text", "What was not clear?"),))
    for voter, text in zip(VOTERS, ("c", "a", "b"), strict=False):
        state = give(state, voter, text=text)
    state = step(state, "close")
    assert [state[f"quiz_said/{Q}/0/{n}"] for n in range(3)] == ["a", "b", "c"]
    assert not {path for path in students_see(state) if "said" in path}


# --- arithmetic -------------------------------------------------------------------------------------


def test_numbers_are_counted_most_frequent_first() -> None:
    key = QuizKeyField("number", "?", number=2.0)
    answers = [QuizAnswerField(1, number=value) for value in (3.0, 2.0, 2.0, *map(float, range(10, 20)))]
    counted = tally(key, answers, 1, anonymous=False, told=True)
    assert (counted.numbers[:2], counted.counts[:2], counted.right) == ((2.0, 3.0), (2, 1), 2)
    assert len(counted.numbers) == wire.QUIZ_TOLD


def test_a_tolerance_is_not_missed_by_how_numbers_are_written() -> None:
    assert mark(QuizKeyField("number", "?", number=0.3), QuizAnswerField(1, number=0.1 + 0.2))


# --- together ---------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_answers_given_together_are_one_event_and_each_is_refused_for_itself() -> None:
    state = class_of(anonymous=True)
    messages = [
        (VOTERS[0], QuizAnswer(1, Q, 0, (1,))),
        (VOTERS[1], QuizAnswer(1, Q, 0, (7,))),
        (VOTERS[2], QuizAnswer(1, Q, 0, (0,))),
    ]
    together = [
        _Waiting(lambda now, who=who, message=message: decide(now, who, message, at(5)))  # type: ignore[misc]
        for who, message in messages
    ]
    change = merged(state, together)
    assert change is not None
    assert [each.refused and each.refused.code for each in together] == [None, "bad_request", None]
    assert change.set[f"quiz_count/{Q}/0"].answered == 2
    assert {"person/s0", "person/s2", f"quiz/{Q}"} <= change.rests_on()
