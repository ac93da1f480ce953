"""Reactions: counted by person, told to whom they concern, kept by nobody."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.model import Refused, Role
from signaling import wire
from signaling.lesson.reacting import check
from signaling.log import ReactionHeard, parse_published
from signaling.reactions import SHOWN_S, LessonReactions
from signaling.replica import View
from signaling.roles import decide
from signaling.wire import PersonField, Reactions
from tests.signaling.parts import School, until
from tests.signaling.test_rules import NOW, TEACHER, after, full, made

CALM = {"calm": wire.CalmField(on=True, by="t", at_ms=1, sealed_from_ms=0)}


def told(reactions: LessonReactions, state: dict[str, Any], now_s: float) -> dict[View, Reactions]:
    return dict(reactions.news(state, now_s))


def test_thirty_thumbs_are_one_counter_and_one_person_is_one() -> None:
    state = full() | {f"person/s{n}": PersonField("S", "student", here=True, order=n) for n in range(30)}
    reactions = LessonReactions()
    for n in range(30):
        for _ in range(3):
            reactions.hear(f"s{n}", "thumbs_up", 0)
    assert told(reactions, state, 0) == dict.fromkeys(View, Reactions(thumbs_up=30))
    assert told(reactions, state, 1) == {}
    assert told(reactions, state, SHOWN_S["thumbs_up"]) == dict.fromkeys(View, Reactions())


def test_who_is_lost_is_told_to_leaders_only() -> None:
    reactions = LessonReactions()
    for who, kind in (("m", "lost"), ("p", "slower"), ("p", "clap"), ("z", "clap"), ("m", "nonsense")):
        reactions.hear(who, kind, 0)
    assert told(reactions, full(), 0) == {
        View.LEADER: Reactions(clap=1, slower=1, lost=1),
        View.STUDENT: Reactions(clap=1),
    }


@pytest.mark.parametrize("state", [full() | CALM, full() | {"no_reactions": True}])
def test_none_are_shown_when_they_are_off(state: dict[str, Any]) -> None:
    reactions = LessonReactions()
    reactions.hear("m", "clap", 0)
    assert told(reactions, full(), 0)
    assert told(reactions, state, 1) == dict.fromkeys(View, Reactions())
    assert told(reactions, full(), 2) == {}


def test_one_a_second() -> None:
    reactions = LessonReactions()
    assert [reactions.take("m", at_s) for at_s in (0, 0.5, 1.1, 1.2)] == [True, False, True, False]
    assert reactions.take("p", 0.5)


def test_leaders_turn_them_off_and_on() -> None:
    off = after(full(), made(full(), TEACHER, wire.SetReactions(1, on=False)))
    assert off["no_reactions"] is True
    with pytest.raises(Refused, match="reactions_off"):
        check(off, Role.STUDENT)
    on = made(off, TEACHER, wire.SetReactions(1, on=True))
    assert on.delete == ("no_reactions",)
    assert decide(full(), TEACHER, wire.SetReactions(1, on=True), NOW) is None
    with pytest.raises(Refused, match="calm"):
        check(full() | CALM, Role.STUDENT)
    check(full() | CALM, Role.TEACHER)


def test_as_it_is_published() -> None:
    assert parse_published(b"zvonok:{L}:live", b"am_1:clap") == ReactionHeard("L", "m_1", "clap")


@pytest.mark.asyncio
async def test_they_reach_everybody_and_leave_nothing_in_the_log(school: School) -> None:
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    masha, petya = school.person(), school.person()
    await masha.enter(lesson.student_link, "Маша")
    await petya.enter(lesson.student_link, "Петя")
    number = (await petya.ask(wire.Hand, up=True)).number
    await masha.done(wire.React, reaction="clap")
    await petya.done(wire.React, reaction="lost")
    await teacher.wait(Reactions, lambda news: news == Reactions(clap=1, lost=1))
    await petya.wait(Reactions, lambda news: news == Reactions(clap=1))
    assert all(news.lost == 0 for news in masha.of(Reactions))
    assert await teacher.done(wire.Lock, on=True) == number + 1
    await teacher.done(wire.SetReactions, on=False)
    await teacher.wait(Reactions, lambda news: news == Reactions())
    assert await masha.refused(wire.React, reaction="clap") == "reactions_off"
    await until(lambda: masha.fields.get("no_reactions"), "told that there are none")
