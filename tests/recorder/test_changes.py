"""What the class looked at together, in the video's time, and only what may be seen there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loadtest.bench._journals import event, person, recording, write_log
from recorder import logbook
from recorder.journal import NEVER_US
from recorder.tail import Tail
from recorder.timeline import Log, parts_of, timeline
from signaling.catalog.takes import opened, seal, timeline_without
from signaling.codec import pack
from signaling.lesson.fields import OWN, REPLAYED
from signaling.replica import Record, Replica
from signaling.wire import Timeline, TimelineChange

S = 1_000_000
T = 1_790_000_000 * S
ON = {"kind": "board", "thing": "b", "by": "t"}


def at(second: float) -> int:
    return T + round(second * S)


def sets(*at_ms_set_delete: tuple[int, dict[str, Any], tuple[str, ...]]) -> tuple[TimelineChange, ...]:
    return tuple(
        TimelineChange(at_ms, {path: seal(value) for path, value in fields.items()}, gone)
        for at_ms, fields, gone in at_ms_set_delete
    )


def told(tmp_path: Path, *events: tuple[float, str, dict[str, Any], tuple[str, ...]]) -> Timeline:
    """The timeline of two parts, of 10 s from second 10 and from second 30."""
    around = [
        (10.0, "recording_on", {"recording": recording("on", 1, at(10))}, ()),
        (20.0, "recording_off", {"recording": recording("off", 1, at(20))}, ()),
        (30.0, "recording_on", {"recording": recording("on", 2, at(30))}, ()),
        (40.0, "ended", {}, ()),
    ]
    steps = sorted([*around, *events], key=lambda each: each[0])
    written = [event(n, kind, at(second), put, *gone) for n, (second, kind, put, gone) in enumerate(steps, 1)]
    write_log(tmp_path, written)
    log = Log(Tail(tmp_path / "log.zj"))
    log.read(NEVER_US)
    story = log.close()
    return timeline(story, parts_of(story.spans, {}))


def test_changes_stand_at_their_time_and_what_was_so_before_at_the_beginning(tmp_path: Path) -> None:
    made = told(
        tmp_path,
        (1, "board", {"board/b": {"name": "B"}, "board/b/e/1": {"by": "t", "x": 1}}, ()),
        (2, "board", {}, ("board/b/e/1",)),
        (3, "shown", {"shown": ON}, ()),
        (12, "board", {"board/b/e/2": {"by": "m", "x": 2}}, ()),
        (15.5, "shown", {}, ("shown",)),
        (24, "shown", {"shown": ON}, ()),
        (25, "board", {}, ("board/b/e/2",)),
        (33, "board", {"board/b/e/3": {"by": "t", "x": 3}}, ()),
    )
    assert made.changes == sets(
        (0, {"board/b": {"name": "B"}, "shown": ON}, ()),
        (2_000, {"board/b/e/2": {"by": "m", "x": 2}}, ()),
        (5_500, {}, ("shown",)),
        (10_000, {"shown": ON}, ("board/b/e/2",)),
        (13_000, {"board/b/e/3": {"by": "t", "x": 3}}, ()),
    )


def test_what_is_of_somebody_who_is_not_recorded_is_left_out(tmp_path: Path) -> None:
    made = told(
        tmp_path,
        (11, "board", {"board/b/e/1": {"by": "m", "x": 1}, "board/b/e/2": {"by": "p", "x": 1}}, ()),
        (12, "unrecorded", {"unrecorded/m": {"by_self": True}}, ()),
        (13, "board", {"board/b/e/1": {"by": "m", "x": 2}, "board/b/e/3": {"by": "m", "x": 1}}, ()),
    )
    assert made.changes == sets(
        (1_000, {"board/b/e/1": {"by": "m", "x": 1}, "board/b/e/2": {"by": "p", "x": 1}}, ()),
        (3_000, {}, ("board/b/e/1",)),
    )


def test_what_somebody_drew_goes_when_they_are_taken_out() -> None:
    made = Timeline(
        1, (), changes=sets((0, {"board/b/e/1": {"by": "m", "points": b"\x00"}, "shown": ON}, ()))
    )
    assert timeline_without(made, ["m"]).changes == sets((0, {"shown": ON}, ()))
    assert opened(made.changes[0].set["board/b/e/1"]) == {"by": "m", "points": b"\x00"}


def test_nobodys_private_fields_are_in_a_recordings_log() -> None:
    private = {f"{prefix}m/x": {} for prefix in OWN if prefix != "unrecorded/"} | {"lobby/x": {}, "_x": 1}
    assert logbook.kept(Record(1, "answered", 1, "m", private, tuple(private))) is None
    assert logbook.kept(Record(1, "unrecorded", 1, "m", {"unrecorded/m": {}})) is not None


def test_a_state_too_big_for_one_record_is_told_in_pages() -> None:
    raw = {
        f"app/{n}": pack({"name": "x" * 9000, "url": "https://a.example", "origin": "https://a.example"})
        for n in range(100)
    }
    told = logbook.restated(Replica(1, {**raw, "person/t": pack(person("Anna", "teacher"))}), 1)
    assert set().union(*(page.set for page in told)) >= raw.keys()
    assert all(len(pack(page.set)) < 300 * 1024 for page in told)
    assert all(prefix == "shown" or prefix.endswith("/") for prefix in REPLAYED)
