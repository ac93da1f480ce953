"""The log tells parts, who had what on, chat and hands, whatever is missing of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.bench._journals import event, person, recording, write_log
from recorder import logbook
from recorder.journal import NEVER_US, LogEvent
from recorder.tail import Tail
from recorder.timeline import Log, Part, Stay, Story, cut, parts_of, timeline, video_us
from signaling.codec import pack
from signaling.replica import Replica

S = 1_000_000
T = 1_790_000_000 * S


def story(tmp_path: Path, *events: LogEvent) -> Story:
    write_log(tmp_path, events)
    return read(tmp_path / "log.zj")


def read(path: Path) -> Story:
    log = Log(Tail(path))
    log.read(NEVER_US)
    return log.close()


def at(second: float) -> int:
    return T + round(second * S)


def test_a_part_is_from_on_to_off(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        event(1, "recording_starting", at(0), {"recording": recording("starting", 1, at(0))}),
        event(2, "recording_on", at(1.2), {"recording": recording("on", 1, at(1))}),
        event(3, "recording_off", at(9.3), {"recording": recording("off", 1, at(9))}),
        event(4, "recording_on", at(20), {"recording": recording("on", 2, at(20))}),
        event(5, "ended", at(25), {}),
    )
    assert told.spans == {1: (at(1), at(9)), 2: (at(20), at(25))}
    parts = parts_of(told.spans, {})
    assert [(part.at_us, part.duration_us) for part in parts] == [(0, 8 * S), (8 * S, 5 * S)]


def test_another_recording_in_the_log_is_none_of_ours(tmp_path: Path) -> None:
    other = {**recording("on", 1, at(1)), "id": "rec2"}
    assert story(tmp_path, event(1, "recording_on", at(1), {"recording": other})).spans == {}


def test_packets_stand_in_for_what_the_log_does_not_tell() -> None:
    spans = {1: (at(0), None), 3: (at(60), None)}
    packets = {1: (at(-2), at(7)), 2: (at(20), at(30)), 3: (at(61), at(66))}
    parts = parts_of(spans, packets, last_us=at(69))
    assert [(part.number, part.start_us, part.end_us) for part in parts] == [
        (1, at(0), at(7)),
        (2, at(20), at(30)),
        (3, at(60), at(69)),
    ]


def test_a_part_without_an_end_ends_where_the_next_begins() -> None:
    parts = parts_of({1: (at(0), None), 2: (at(10), at(20))}, {1: (at(0), at(15))})
    assert [part.end_us for part in parts] == [at(10), at(20)]


@pytest.mark.parametrize("end_us", [T, T - S, T + 400])
def test_a_part_without_length_is_none(end_us: int) -> None:
    assert parts_of({1: (T, end_us)}, {}) == []


def test_a_time_that_cannot_be_does_not_make_a_video_of_years() -> None:
    parts = parts_of({}, {1: (at(0), 2**62)})
    assert parts[0].duration_us == 24 * 3600 * S


def test_sources_are_on_while_their_owner_is_here(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        event(1, "restated", at(0), {"person/a": person("A", "teacher"), "on/a/camera": True}),
        event(2, "published", at(1), {"on/a/screen": True}),
        event(3, "unpublished", at(2), {}, "on/a/screen"),
        event(4, "left", at(3), {"person/a": person("A", "teacher", here=False)}),
        event(5, "joined", at(5), {"person/a": person("A", "teacher")}),
        event(6, "muted", at(6), {}, "on/a/camera"),
        event(7, "published", at(8), {"on/a/microphone": True}),
    )
    assert told.stays == [
        Stay("a", "camera", at(0), at(3)),
        Stay("a", "screen", at(1), at(2)),
        Stay("a", "camera", at(5), at(6)),
        Stay("a", "microphone", at(8), None),
    ]


def test_what_a_restated_state_does_not_hold_is_over(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        event(1, "restated", at(0), {"on/a/camera": True, "on/b/camera": True, "hand/c": 5, "hand/d": 5}),
        event(1, "restated", at(0), {"recording": recording("starting", 1, at(0))}),
        event(9, "restated", at(7), {"on/b/camera": True, "hand/d": 5}),
        event(9, "restated", at(7), {"recording": recording("on", 1, at(1))}),
        event(10, "chat", at(8), {}),
    )
    assert told.stays == [Stay("a", "camera", at(0), at(7)), Stay("b", "camera", at(0), None)]
    assert (at(7), "c", False) in told.hands
    assert not any(who == "d" and not up for _, who, up in told.hands)
    assert told.spans == {1: (at(1), None)}


def test_values_that_are_not_what_they_should_be_are_passed_over(tmp_path: Path) -> None:
    told = story(
        tmp_path,
        event(1, "chat", at(1), {"chat/1": "no", "person/a": 7, "recording": {"id": 1}, "on/": True, "x": 1}),
        event(2, "recording_on", at(2), {"recording": recording("on", 1, at(2))}),
    )
    assert told.spans == {1: (at(2), None)}
    assert told.damage


def test_a_log_that_is_garbage_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "log.zj").write_bytes(b"ZVJRNL01" + bytes(40))
    told = read(tmp_path / "log.zj")
    assert (told.head, told.spans) == (None, {})
    assert told.damage


def test_moments_between_parts_are_not_in_the_video() -> None:
    parts = [Part(1, at(0), at(10), 0), Part(2, at(20), at(30), 10 * S)]
    moments = [at(-1), at(0), at(9.5), at(15), at(20), at(30), at(31)]
    assert [video_us(parts, moment) for moment in moments] == [
        None,
        0,
        9_500_000,
        None,
        10 * S,
        20 * S,
        None,
    ]


def test_a_cut_ends_the_part_it_falls_into() -> None:
    parts = [Part(1, at(0), at(10), 0), Part(2, at(20), at(30), 10 * S)]
    assert cut(parts, 12 * S) == [parts[0], Part(2, at(20), at(22), 10 * S)]
    assert cut(parts, 10 * S) == parts[:1]
    assert cut(parts, 0) == []


def test_chat_is_sorted_and_said_once(tmp_path: Path) -> None:
    def said(second: float, text: str) -> dict[str, object]:
        return {"participant": "a", "name": "A", "text": text, "at_ms": at(second) // 1000}

    told = story(
        tmp_path,
        event(1, "recording_on", at(0), {"recording": recording("on", 1, at(0))}),
        event(2, "chat", at(5), {"chat/2": said(5, "second")}),
        event(3, "chat", at(5), {"chat/1": said(4, "first")}),
        event(3, "chat", at(6), {"chat/1": said(4, "first")}),
    )
    made = timeline(told, parts_of(told.spans, {}, at(10)))
    assert [each.text for each in made.chat] == ["first", "second"]
    assert made.duration_ms == 10_000


def test_what_was_removed_is_not_beside_the_video_whenever_it_was(tmp_path: Path) -> None:
    def said(second: float, text: str, *, removed: bool = False) -> dict[str, object]:
        ms = at(second) // 1000
        return {"participant": "a", "name": "A", "text": text, "at_ms": ms, "quote": None, "removed": removed}

    told = story(
        tmp_path,
        event(1, "recording_on", at(0), {"recording": recording("on", 1, at(0))}),
        event(2, "chat", at(1), {"chat/1": said(1, "stays")}),
        event(3, "chat", at(2), {"chat/2": said(2, "goes")}),
        event(4, "chat", at(3), {"chat/3": said(3, "goes too")}),
        event(5, "chat_removed", at(5), {"chat/2": said(2, "", removed=True)}),
        event(
            6,
            "chat_removed",
            at(6),
            {"chat/2": said(2, "", removed=True), "chat/9": said(0, "", removed=True)},
        ),
        event(7, logbook.RESTATED, at(7), {"chat/3": said(3, "", removed=True)}),
        event(8, "chat", at(8), {"chat/3": said(3, "goes too")}),
    )
    assert [text for _, _, _, text in told.chat] == ["stays"]


def test_a_restated_state_says_what_was_removed_and_nothing_else_of_the_chat() -> None:
    def said(*, removed: bool) -> bytes:
        return pack(
            {"participant": "a", "name": "A", "text": "", "at_ms": 1, "quote": None, "removed": removed}
        )

    replica = Replica(
        3, {"chat/1": said(removed=False), "chat/2": said(removed=True), "note/a/3": said(removed=True)}
    )
    assert {path for each in logbook.restated(replica, 5) for path in each.set} == {"chat/2"}


def test_of_who_is_not_recorded_nothing_is_kept_from_then_on(tmp_path: Path) -> None:
    """No picture stands, no chat, no hand; others are as they were, and so are they once it is taken back."""

    def said(second: float, who: str) -> dict[str, dict[str, object]]:
        text = f"{who} at {second}"
        field = {"participant": who, "name": who, "text": text, "at_ms": at(second) // 1000}
        return {f"chat/{second}": field}

    people = {f"person/{who}": person(who, role, 1) for who, role in (("t", "teacher"), ("a", "student"))}
    on = {"on/a/camera": True, "on/a/microphone": True, "on/t/camera": True}
    lesson = {"title": "T", "subject": "S", "grade": 8, "state": "live"}
    read = story(
        tmp_path,
        event(1, "restated", at(0), {**people, **on, "hand/b": 1}),
        event(1, "restated", at(0), {"lesson": lesson, "recording": recording("on", 1, at(0))}),
        event(2, "chat", at(1), said(1, "a")),
        event(3, "hand_up", at(2), {"hand/a": 1}),
        event(4, "unrecorded", at(3), {"unrecorded/a": {"by_self": True}}),
        event(5, "chat", at(4), said(4, "a") | said(4.5, "t")),
        event(6, "hand_up", at(5), {"hand/a": 2}),
        event(7, "recorded", at(6), {}, "unrecorded/a"),
        event(8, "chat", at(7), said(7, "a")),
        event(9, "recordable", at(8), {"lesson": {**lesson, "recordable": ["microphone"]}}),
    )
    assert [text for _, _, _, text in read.chat] == ["a at 1", "t at 4.5", "a at 7"]
    assert [(us, up) for us, who, up in read.hands if who == "a"] == [(at(2), True), (at(3), False)]
    stays = {(stay.source, stay.start_us, stay.end_us) for stay in read.stays if stay.participant == "a"}
    assert stays == {
        ("camera", at(0), at(3)), ("microphone", at(0), at(3)),
        ("camera", at(6), at(8)), ("microphone", at(6), None),
    }  # fmt: skip
    assert Stay("t", "camera", at(0), None) in read.stays


def test_who_is_in_a_group_is_over_for_the_video_until_they_are_back(tmp_path: Path) -> None:
    """Leaders too; whoever is in the lesson itself stays."""
    people = {f"person/{who}": person(who, role, 1) for who, role in (("t", "teacher"), ("a", "student"))}
    on = {"on/a/camera": True, "on/t/camera": True}
    prepared, opened = ({"groups": {"state": state}} for state in ("prepared", "open"))
    read = story(
        tmp_path,
        event(1, "restated", at(0), {"in/a": "1", **prepared, **people, **on}),
        event(1, "restated", at(0), {"recording": recording("on", 1, at(0))}),
        event(2, "groups_open", at(2), opened),
        event(3, "group_moved", at(3), {"in/t": "1"}),
        event(4, "group_moved", at(4), {}, "in/t"),
        event(5, "groups_closed", at(6), prepared),
    )
    assert {(stay.participant, stay.start_us, stay.end_us) for stay in read.stays} == {
        ("a", at(0), at(2)), ("t", at(0), at(3)), ("t", at(4), None), ("a", at(6), None),
    }  # fmt: skip


def test_what_a_group_says_is_not_in_a_recordings_log() -> None:
    assert not logbook.shown("group_chat/1/a")
    assert not logbook.shown("ask/1")
    said = {"participant": "a", "name": "a", "text": "secret", "at_ms": 1}
    fields = {"groups": {"state": "open"}, "in/a": "1", "on/a/camera": True, "group_chat/1/a": said}
    replica = Replica(3, {path: pack(value) for path, value in fields.items()})
    (first, *_) = logbook.restated(replica, 5)
    assert list(first.set) == ["groups", "in/a", "on/a/camera"]


def test_who_is_not_recorded_when_a_recorder_goes_on_stays_so(tmp_path: Path) -> None:
    marked = {"unrecorded/a": {"by_leader": True}, "hand/a": 1, "person/a": person("a", "student", 1)}
    read = story(
        tmp_path,
        event(1, "restated", at(0), {"unrecorded/a": {"by_leader": True}, "on/a/camera": True}),
        event(1, "restated", at(0), {"recording": recording("on", 1, at(0))}),
        event(2, "restated", at(4), marked),
        event(2, "restated", at(4), {"recording": recording("on", 1, at(0))}),
        event(3, "restated", at(8), {"person/a": person("a", "student", 1), "on/a/camera": True}),
        event(3, "restated", at(8), {"recording": recording("on", 1, at(0))}),
    )
    assert not [hand for hand in read.hands if hand[0] < at(8)]
    assert [(stay.start_us, stay.end_us) for stay in read.stays if stay.start_us >= at(4)] == [(at(8), None)]


def test_a_restated_state_begins_with_who_is_not_recorded() -> None:
    """Else their hand would go up for a moment."""
    fields = {"hand/a": 1, "on/a/camera": True, "unrecorded/a": {"by_self": True}, "_ban/b": True}
    replica = Replica(3, {path: pack(value) for path, value in fields.items()})
    (first, *_) = logbook.restated(replica, 5)
    assert list(first.set) == ["unrecorded/a", "hand/a", "on/a/camera"]
