"""State is the fold of the log, for any sequence of commands, from any point, for every kind of client."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from sfu.model import Refused, Role
from signaling import wire
from signaling.archive import fold
from signaling.codec import builtins, pack, unpack
from signaling.lesson import ending, fields, presence, recording
from signaling.lesson import groups as in_groups
from signaling.lesson.change import Actor, Change, Moment
from signaling.lesson.fields import typed
from signaling.replica import KEPT_EVENTS, Encoded, Record, Replica, View, record
from signaling.roles import decide
from signaling.wire import groups

ROLES = {"t": Role.TEACHER, "c": Role.CO_TEACHER, "a": Role.STUDENT, "b": Role.STUDENT, "d": Role.STUDENT}
_who = st.sampled_from(sorted(ROLES))
_source = st.sampled_from(["microphone", "camera", "screen", "screen_sound"])
_may = st.lists(_source, max_size=3, unique=True).map(tuple)
_questions = (wire.NewQuestion("single", "?", ("a", "b"), (1,)),)
_quiz = st.integers(1, 6).map(lambda step: f"{step * 300:013d}-{step:04d}")
_NEW = groups.NewGroup()
_board = st.sampled_from(["b1", "b2"])
_ELLIPSE = wire.BoardElementField("ellipse", 0, 0, 1, 1, 1, 1)
_message = st.one_of(
    st.builds(wire.Publish, st.just(1), _source, st.booleans()),
    st.builds(wire.Chat, st.just(1), st.text(min_size=1, max_size=8), thread=st.none() | _who),
    st.builds(wire.SetChat, st.just(1), st.sampled_from(["open", "held", "closed"]), st.sampled_from([0, 1])),
    st.builds(wire.MuteChat, st.just(1), _who, st.booleans()),
    st.builds(wire.RemoveChat, st.just(1), participant=_who),
    st.builds(wire.BoardMake, st.just(1), _board, st.just("B"), st.booleans()),
    st.builds(
        wire.BoardPut,
        st.just(1),
        _board,
        st.sampled_from([{}, {"e": _ELLIPSE}]),
        st.sampled_from([(), ("e",)]),
    ),
    st.builds(wire.BoardClear, st.just(1), _board),
    st.builds(wire.BoardRemove, st.just(1), _board),
    st.builds(wire.SetInk, st.just(1), st.booleans(), st.none() | _who),
    st.builds(wire.Show, st.just(1), st.none() | st.just("board"), _board),
    st.builds(wire.AddLink, st.just(1), st.just("https://a.example/x"), st.text(max_size=4)),
    st.builds(wire.SetSharing, st.just(1), st.booleans()),
    st.builds(wire.Hand, st.just(1), st.booleans(), st.none() | _who, st.booleans()),
    st.builds(wire.Mute, st.just(1), st.none() | _who, _source),
    st.builds(wire.SetMay, st.just(1), st.none() | _may, st.none() | _who),
    st.builds(wire.SetStage, st.just(1), st.none() | _who),
    st.builds(wire.Call, st.just(1), _who, st.booleans()),
    st.builds(wire.AnswerCall, st.just(1), st.booleans()),
    st.builds(wire.Seat, st.just(1), st.none() | _who),
    st.builds(wire.SetTimer, st.just(1), st.sampled_from(["start", "add", "hold", "go_on", "stop"])),
    st.builds(wire.Pick, st.just(1), st.booleans()),
    st.builds(wire.Calm, st.just(1), st.booleans()),
    st.builds(wire.Lock, st.just(1), st.booleans()),
    st.builds(wire.Remove, st.just(1), _who),
    st.builds(wire.Record, st.just(1), st.booleans(), _may),
    st.builds(wire.MakeQuiz, st.just(1), st.just("Q"), st.just(_questions), st.booleans(), st.booleans()),
    st.builds(
        wire.SetQuiz, st.just(1), _quiz, st.sampled_from(["start", "close", "show", "reveal", "remove"])
    ),
    st.builds(wire.QuizAnswer, st.just(1), _quiz, st.just(0), st.just((1,))),
    st.builds(groups.MakeGroups, st.just(1), st.sampled_from([(), (_NEW,), (_NEW, _NEW)]), st.booleans()),
    st.builds(groups.OpenGroups, st.just(1), st.none() | st.integers(1, 2), st.booleans(), st.booleans()),
    st.builds(groups.CloseGroups, st.just(1)),
    st.builds(groups.GoToGroup, st.just(1), st.sampled_from(["1", "2", None]), st.none() | _who),
    st.builds(groups.AskIn, st.just(1), st.booleans(), st.sampled_from(["1", "2", None])),
    st.builds(groups.GroupChat, st.just(1), st.text(min_size=1, max_size=8)),
)
_step = st.one_of(
    st.tuples(st.just("enter"), _who, st.sampled_from(["Маша", "Петя", "Anna"])),
    st.tuples(st.just("leave"), _who, st.none()),
    st.tuples(st.just("admit"), _who, st.none()),
    st.tuples(st.just("time"), _who, st.none()),
    st.tuples(st.just("say"), _who, _message),
    st.tuples(st.just("say"), _who, _message),
    st.tuples(st.just("begun"), _who, st.integers(1, 3)),
    st.tuples(st.just("stopped"), _who, st.sampled_from(["no_recorder", "disk_full", "failed"])),
    st.tuples(st.just("end"), st.just("t"), st.just(wire.End(1))),
)


def decided(state: Any, step: tuple[str, str, Any], moment: Moment) -> Change | None:
    kind, who, what = step
    actor = Actor(who, ROLES[who], f"ballot of {who}")
    match kind:
        case "enter":
            return presence.enter(state, actor, what, 4, moment)
        case "leave":
            return presence.leave(state, who, 1_000, moment)
        case "admit":
            return presence.admit(state, who)
        case "time":
            return ending.end_without_teacher(state, moment)
        case "begun":
            field = fields.recording(state)
            return None if field is None else recording.begun(state, field.id, what, moment)
        case "stopped":
            return recording.stopped(state, what, moment)
        case _:
            return decide(state, actor, what, moment)


def played(steps: list[tuple[str, str, Any]]) -> tuple[Replica, list[Record]]:
    """Carry out steps as the server would; refused ones change nothing."""
    replica, log = Replica(), list[Record]()

    def happen(change: Change | None, at_ms: int, by: str | None) -> None:
        if change is not None:
            made = record(change, at_ms, by)
            made = Record(replica.number + 1, made.kind, at_ms, by, made.set, made.delete)
            assert replica.apply(made)
            log.append(made)

    happen(presence.open_lesson("Optics", "Physics", 8), 0, None)
    for number, step in enumerate(steps, 1):
        try:
            happen(decided(replica.state, step, Moment(number * 300, f"{number:04d}")), number * 300, step[1])
        except Refused:
            continue
    return replica, log


@given(st.lists(_step, max_size=60))
@settings(max_examples=150)
def test_the_snapshot_is_the_fold_of_the_log(steps: list[tuple[str, str, Any]]) -> None:
    replica, log = played(steps)
    reread = [Record.parse(event.number, event.body()) for event in log]
    assert [event.body() for event in reread] == [event.body() for event in log]
    again = fold(reread)
    assert (again.number, again.raw, again.state) == (replica.number, replica.raw, replica.state)
    assert {path: typed(path, unpack(value)) for path, value in replica.raw.items()} == replica.state


@given(st.lists(_step, max_size=40), st.data())
@settings(max_examples=150)
def test_resuming_from_any_point_gives_the_same_view(steps: list[tuple[str, str, Any]], data: Any) -> None:
    replica, log = played(steps)
    at = data.draw(st.integers(0, replica.number))
    for view in View:
        then = fold(log[:at])
        mine = then.fields(view)
        events = replica.since(at, view)
        assert events is not None
        assert [event.number for event in events] == list(range(at + 1, replica.number + 1))
        for event in events:
            for path in event.delete:
                mine.pop(path, None)
            mine |= unpack(pack(builtins(event.set)))
        assert mine == replica.fields(view)


_PARTED: list[tuple[str, str, Any]] = [
    *[("enter", who, name) for who, name in (("t", "Анна"), ("a", "Маша"), ("b", "Петя"))],
    ("say", "t", groups.MakeGroups(1, (groups.NewGroup("", ("a",)), groups.NewGroup("", ("b",))))),
    ("say", "t", groups.OpenGroups(1, choose=True)),
]
_in_groups = st.tuples(
    st.just("say"),
    st.sampled_from(["t", "a", "b"]),
    st.one_of(
        st.builds(groups.GoToGroup, st.just(1), st.sampled_from(["1", "2"])),
        st.builds(groups.GroupChat, st.just(1), st.just("x")),
        st.builds(groups.AskIn, st.just(1), st.booleans()),
    ),
)


@given(
    st.lists(_in_groups, max_size=12).map(lambda said: _PARTED + said) | st.lists(_step),
    st.sampled_from("ab"),
)
@settings(max_examples=100)
def test_a_student_holds_what_they_may_see_however_they_are_moved(
    steps: list[tuple[str, str, Any]], who: str
) -> None:
    _, log = played(steps)
    replica, mine, group = Replica(), dict[str, Any](), None
    for event in log:
        replica.apply(event)
        now = replica.group(who)
        seen = event.seen_by(View.STUDENT, who, now)
        if now != group:
            seen, group = replica.moved(event, who, group), now
        mine = {path: value for path, value in mine.items() if path not in seen.delete}
        mine |= unpack(pack(builtins(seen.set)))
        assert mine == replica.fields(View.STUDENT, who), event.kind


@given(st.lists(_step, max_size=60))
@settings(max_examples=100)
def test_what_always_holds(steps: list[tuple[str, str, Any]]) -> None:
    replica, log = played(steps)
    state = replica.state
    lesson = fields.lesson(state)
    people = dict(fields.people(state))
    here = {who for who, person in people.items() if person.here}
    led = any(ROLES[who].leads for who in here)
    assert (lesson.state == "live") == led or lesson.state == "ended"
    assert (lesson.ends_at_ms is not None) == (lesson.state == "waiting" and lesson.started_at_ms is not None)
    assert len({person.order for person in people.values()}) == len(people)
    assert len({(person.name, person.label) for person in people.values()}) == len(people)
    are_open = in_groups.is_open(state)
    assert led or not are_open, "nobody is in a group while no adult is there"
    for path in state:
        kind, _, who = path.partition("/")
        if kind in ("on", "hand"):
            assert who.partition("/")[0] in here
        if kind == "_ban":
            assert who not in here
            assert f"lobby/{who}" not in state
        if kind == "lobby":
            assert who not in here
        if kind == "in" and ROLES[who].leads:
            assert who in here
            assert are_open
        if kind == "ask":
            assert are_open
            assert state[path].participant in here
    assert lesson.stage is None or lesson.stage in here
    ended = [event.number for event in log if event.kind == "ended"]
    assert not ended or ended == [replica.number]


def test_nothing_hidden_leaves_and_students_do_not_see_the_lobby() -> None:
    event = Record(
        1,
        "removed",
        5,
        "t",
        {"_ban/x": True, "person/x": {"n": 1}, "lobby/y": {"n": 2}},
        ("lobby/x", "_order"),
    )
    assert event.seen_by(View.STUDENT) == wire.Event(1, "removed", 5, "t", {"person/x": {"n": 1}}, ())
    assert set(event.seen_by(View.LEADER).set) == {"person/x", "lobby/y"}
    assert event.seen_by(View.LEADER).delete == ("lobby/x",)


def test_an_event_is_encoded_once_for_each_view() -> None:
    encoded = Encoded(Record(1, "chat", 5, "t", {"chat/1": {"text": "x"}}))
    assert encoded.for_view(View.STUDENT) is encoded.for_view(View.STUDENT)


def test_gaps_and_repeats_are_not_applied() -> None:
    replica = Replica()
    first = Record(1, "opened", 0, None)
    assert replica.apply(first)
    assert not replica.apply(first)
    assert not replica.apply(Record(3, "x", 0, None))
    assert replica.number == 1


@pytest.mark.parametrize(
    ("asked", "answered"), [(0, False), (1499, True), (1500, True), (499, False), (1501, False)]
)
def test_only_kept_events_can_be_resumed(asked: int, answered: bool) -> None:
    replica = Replica()
    for number in range(1, KEPT_EVENTS + 501):
        replica.apply(Record(number, "x", 0, None))
    assert (replica.since(asked, View.STUDENT) is not None) == answered


def test_a_reset_forgets_recent_events_that_do_not_lead_up_to_it() -> None:
    replica = Replica()
    replica.reset(10, {}, [Record(3, "x", 0, None), Record(4, "x", 0, None)])
    assert replica.since(3, View.STUDENT) is None
    replica.reset(5, {}, [Record(1, "x", 0, None), Record(4, "x", 0, None), Record(5, "x", 0, None)])
    assert replica.since(2, View.STUDENT) is None
    assert [event.number for event in replica.since(3, View.STUDENT) or ()] == [4, 5]


@given(st.lists(_step, max_size=60))
@settings(max_examples=150)
def test_parts_follow_one_another_and_end_with_the_lesson(steps: list[tuple[str, str, Any]]) -> None:
    _, log = played(steps)
    seen: list[tuple[str, int]] = []
    names: set[str] = set()
    for event in log:
        if "recording" in event.set:
            field = event.set["recording"]
            seen.append((field["state"], field["part"]))
            names.add(field["id"])
            assert (event.kind == f"recording_{field['state']}") or (event.kind, field["reason"]) == (
                "ended",
                "ended",
            )
    former = ("off", 0)
    for state, part in seen:
        assert (former[0], state, part - former[1]) in {
            ("off", "starting", 1), ("starting", "on", 0), ("starting", "off", 0), ("on", "off", 0),
        }  # fmt: skip
        former = (state, part)
    assert len(names) <= 1
    if log[-1].kind == "ended":
        assert former[0] == "off"
