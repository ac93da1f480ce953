"""Whatever clocks, networks and disks do to journals: what can play plays, for as long as the lesson was."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from struct import pack
from tempfile import TemporaryDirectory

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.bench import _journals as journals
from loadtest.bench._journals import FRAMES_A_SECOND, RECORDING, Line
from loadtest.media.films import sound
from loadtest.media.video_lesson import read_video_lesson
from recorder.finish import VIDEO_NAME, Finished, finish
from recorder.journal import Kind, LogEvent, TapHead, Writer, read
from recorder.timeline import EventClock
from sfu import rtcp
from tests.recorder.made import SECOND_US, START_US, Lesson, beeps, film, off_frames, shown

SMALL = 160, 90
FINISHES = """
import resource, sys, time
from pathlib import Path
from recorder.finish import finish
began_s = time.monotonic()
made = finish(Path(sys.argv[1]), Path(sys.argv[2]))
print(made.duration_ms, time.monotonic() - began_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
LONG_S = 6 * 3600
EXACT_S = 0.1
"""A video's length is right within this."""


def small(key_every: int = FRAMES_A_SECOND) -> list[journals.Frame]:
    return film(3, *SMALL, key_every)


def plain(root: Path, seconds: float = 10, line: Line | None = None) -> Lesson:
    """A teacher's camera and voice, recorded from 1 s to 1 s before the end."""
    lesson = Lesson(root, line or Line(START_US))
    lesson.shows(3, 0, seconds, frames=small())
    lesson.sounds(beeps(), 0, seconds)
    lesson.on(1)
    lesson.off(seconds - 1)
    return lesson


def plays(folder: Path, library: Path) -> Finished:
    """Finish it; what comes of it is decoded from end to end."""
    made = finish(folder, library)
    if made.state == "empty":
        return made
    with av.open(str(library / RECORDING / VIDEO_NAME)) as container:
        assert (container.duration or 0) / 1e6 == pytest.approx(made.duration_ms / 1000, abs=EXACT_S)
        assert sum(1 for packet in container.demux() for _ in packet.decode()) > 1
    return made


def rewrite(path: Path, change: Callable[[int, int, bytes], tuple[int, bytes] | None]) -> None:
    """Write a tap's journal anew; ``change`` makes (time, packet) of (number, time, packet), or None."""
    head, records = read(path)
    assert isinstance(head, TapHead)
    packets = [(time_us, body) for kind, time_us, body in records if kind == Kind.PACKET]
    path.unlink()
    writer = Writer(path, head, 0)
    writer.open()
    for number, (time_us, packet) in enumerate(packets):
        changed = change(number, time_us, packet)
        if changed is not None:
            writer.add_packets(pack(">QH", changed[0], len(changed[1])) + changed[1])
            writer.flush()
    writer.close(0)


# --- disks --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a lesson of four seconds."""
    lesson = plain(tmp_path_factory.mktemp("whole"), 4)
    lesson.write_log()
    return {path.name: path.read_bytes() for path in sorted(lesson.folder.iterdir())}


@settings(max_examples=20)
@given(st.data())
def test_cut_or_flipped_at_any_byte_it_plays(whole: dict[str, bytes], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(whole)), "file")
    at = data.draw(st.integers(0, len(whole[name]) - 1), "at")
    cut = data.draw(st.booleans(), "cut")
    with TemporaryDirectory() as root:
        folder = Path(root) / "recordings" / RECORDING
        folder.mkdir(parents=True)
        for each, content in whole.items():
            harmed = bytearray(content)
            if each == name and cut:
                del harmed[at:]
            elif each == name:
                harmed[at] ^= data.draw(st.integers(1, 255), "bits")
            (folder / each).write_bytes(harmed)
        made = plays(folder, Path(root) / "library")
        assert made.state == "ready"
        if name != "log.zj":
            assert made.duration_ms == 2_000


# --- clocks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [3600, -30, -3600, 7])
def test_the_servers_clock_is_set_while_it_records(tmp_path: Path, step_s: int) -> None:
    """Workers take it once; what they recorded stays where it is, and the lesson as long as it was."""
    lesson = plain(tmp_path, 12)
    set_at_us = START_US + 6 * SECOND_US
    step_us = step_s * SECOND_US

    def set_us(event: LogEvent) -> int:
        return step_us if event in moved else 0

    before = sorted(lesson.events, key=lambda event: event.at_ms)
    moved = []
    for number, event in enumerate(before):
        if event.at_ms * 1000 >= set_at_us:
            fields = dict(event.set)
            if "recording" in fields:
                fields["recording"] = {**fields["recording"]}
                fields["recording"]["since_ms"] += step_s * 1000
            before[number] = journals.event(
                event.number, event.kind, event.at_ms * 1000 + step_us, fields, *event.delete
            )
            moved.append(before[number])
    journals.write_log(lesson.folder, before, set_us=set_us)
    made = plays(lesson.folder, lesson.library)
    assert made.duration_ms == 10_000
    assert max(map(abs, off_frames(read_video_lesson(lesson.video), 3, 1))) < 3


def test_only_what_stays_is_a_setting_of_the_clock() -> None:
    def settings(late_us: list[int]) -> list[int]:
        clock, found = EventClock(), []
        for index in range(len(late_us)):
            clock.follow(late_us[index : index + 4])
            found.append(clock.set_us)
        return found

    late = [0, 40_000, 0, 9_000_000, 0, 20_000, 0, 0]
    assert settings(late) == [0] * 8
    assert settings([0, 10, 30_000_000, 30_000_010]) == [0, 0, -30_000_000, -30_000_000]
    assert settings([50, 0, -3_600_000_000, 20, 0, 5, 1, 1]) == [0, 0, 3_600_000_000, 0, 0, 0, 0, 0]


def test_a_worker_begins_with_a_clock_that_was_set_back(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 6, frames=small(), told=False)
    lesson.sounds(beeps(), 0, 6, told=False)
    lesson.line = Line(START_US - 30 * SECOND_US)
    lesson.shows(3, 8, 12, frames=small(), told=False, ssrc=0x99)
    lesson.sounds(beeps(), 8, 12, told=False, ssrc=0x98)
    for source in ("camera", "microphone"):
        lesson.told(0, 12, source)
    lesson.on(1)
    lesson.off(11)
    lesson.write_log()
    assert plays(lesson.folder, lesson.library).duration_ms == 10_000


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0], ids="{:.0%}".format)
def test_timestamps_without_sense(tmp_path: Path, share: float) -> None:
    """The picture goes on behind them."""
    lesson = plain(tmp_path, 12)
    chance = Random(4)

    def nonsense(number: int, time_us: int, packet: bytes) -> tuple[int, bytes]:
        if packet[1] != 200 and chance.random() < share:
            packet = packet[:4] + chance.randbytes(4) + packet[8:]
        return time_us, packet

    for path in lesson.folder.glob("0*.zj"):
        rewrite(path, nonsense)
    made, video, _ = lesson.finish()
    assert made.duration_ms == 10_000
    assert shown(video, 0.2, 10) >= {3}
    assert 3 in shown(video, 8, 10), "the picture stands still"
    assert video.longest_gap_s(0.5) < 2.5
    if share < 0.1:
        assert max(map(abs, off_frames(video, 3, 1))) < 4
    assert video.level(7, 10) > 0.01


@pytest.mark.parametrize("years", [40, -100])
def test_the_publishers_clock_is_off_by_years_and_set_meanwhile(tmp_path: Path, years: int) -> None:
    lesson = Lesson(tmp_path)
    off_us = years * 365 * 86_400 * SECOND_US
    for since_s, until_s, wrong_us, base in ((0, 7, off_us, 0), (7, 14, off_us // 3, 0)):
        lesson.line = Line(START_US, wrong_us=wrong_us)
        lesson.shows(
            3, since_s, until_s, frames=small(), told=False, number=since_s * 1000, rtp_base=base,
            picture_id=since_s * FRAMES_A_SECOND,
        )  # fmt: skip
        lesson.sounds(
            beeps(), since_s, until_s, told=False, number=since_s * 50, rtp_base=base, report_every=25
        )
    for source in ("camera", "microphone"):
        lesson.told(0, 14, source)
    lesson.on(1)
    lesson.off(13)
    made, video, _ = lesson.finish()
    assert made.duration_ms == 12_000
    assert max(map(abs, off_frames(video, 3, 1))) < 3
    skews = [abs(skew) for _, skew in video.skews(3)]
    assert len(skews) >= 9
    assert max(skews) < 40, skews


@pytest.mark.parametrize("what", ["none", "random", "of the future", "all the same"])
def test_sender_reports_without_sense(tmp_path: Path, what: str) -> None:
    lesson = plain(tmp_path, 14)
    chance = Random(5)

    def lie(number: int, time_us: int, packet: bytes) -> tuple[int, bytes] | None:
        if packet[1] != 200:
            return time_us, packet
        match what:
            case "none":
                return None
            case "random":
                return time_us, packet[:8] + chance.randbytes(12) + packet[20:]
            case "of the future":
                ntp = rtcp.ntp_from_us(time_us + number * 10 * SECOND_US)
                return time_us, packet[:8] + ntp.to_bytes(8) + packet[16:]
            case _:
                return time_us, packet[:8] + bytes(12) + packet[20:]

    for path in lesson.folder.glob("0*.zj"):
        rewrite(path, lie)
    made, video, _ = lesson.finish()
    assert made.duration_ms == 12_000
    assert video.longest_gap_s() < 0.5
    assert max(map(abs, off_frames(video, 3, 1))) < 6
    skews = [abs(skew) for _, skew in video.skews(3)]
    assert len(skews) >= 9
    assert max(skews) < 60, skews


# --- networks -----------------------------------------------------------------------------------------


def test_late_and_reordered_packets_whose_numbers_wrap(tmp_path: Path) -> None:
    lesson = plain(tmp_path, 12)
    chance = Random(6)

    for path in lesson.folder.glob("0*.zj"):
        head, records = read(path)
        assert isinstance(head, TapHead)
        late = sorted(
            (time_us + round(chance.random() ** 4 * 700_000), body)
            for kind, time_us, body in records
            if kind == Kind.PACKET
        )
        path.unlink()
        writer = Writer(path, head, 0)
        writer.open()
        for time_us, body in late:
            writer.add_packets(pack(">QH", time_us, len(body)) + body)
        writer.close(0)
    made, video, _ = lesson.finish()
    assert made.duration_ms == 10_000
    assert video.longest_gap_s() < 0.3
    assert max(map(abs, off_frames(video, 3, 1))) < 3
    skews = [abs(skew) for _, skew in video.skews(3)]
    assert len(skews) >= 8
    assert max(skews) < 40, skews


def test_a_repair_that_comes_after_a_second_and_a_half(tmp_path: Path) -> None:
    """A worker asks again for a second; what it asked for last still needs its way."""
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 12, frames=small(200))
    path = next(lesson.folder.glob("*camera*"))
    head, records = read(path)
    assert isinstance(head, TapHead)
    packets = [(time_us, body) for kind, time_us, body in records if kind == Kind.PACKET]
    time_us, repaired = packets.pop(100)
    packets.append((time_us + 1_500_000, repaired))
    path.unlink()
    writer = Writer(path, head, 0)
    writer.open()
    for at_us, body in sorted(packets):
        writer.add_packets(pack(">QH", at_us, len(body)) + body)
    writer.close(0)
    lesson.on(1)
    lesson.off(11)
    _, video, _ = lesson.finish()
    assert video.longest_gap_s() < 0.1


def test_another_ssrc_in_the_same_tap(tmp_path: Path) -> None:
    """As a browser that changes its source without a word, or a layer that takes over."""
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 6, frames=small(), told=False)
    lesson.sounds(beeps(), 0, 6, told=False)
    lesson.shows(3, 6, 12, frames=film(3), ssrc=0x9999, rtp_base=5, number=9, told=False)
    lesson.sounds(beeps(), 6, 12, ssrc=0x7777, rtp_base=77, told=False)
    for source in ("camera", "microphone"):
        lesson.told(0, 12, source)
        first, second = sorted(lesson.folder.glob(f"*{source}*"))
        append(first, second)
    lesson.on(1)
    lesson.off(11)
    _, video, timeline = lesson.finish()
    assert timeline.missing is None
    assert video.longest_gap_s() < 0.15
    assert {(frame.width, frame.height) for frame in video.frames} == {SMALL, (320, 180)}
    assert max(abs(skew) for _, skew in video.skews(3)) < 25


def append(first: Path, second: Path) -> None:
    """One tap instead of two."""
    head, records = read(second)
    packets = [(time_us, body) for kind, time_us, body in records if kind == Kind.PACKET]
    second.unlink()
    assert isinstance(head, TapHead)
    writer = Writer(first, head, 0)
    writer.open()
    for time_us, body in packets:
        writer.add_packets(pack(">QH", time_us, len(body)) + body)
        writer.flush()
    writer.close(0)


@pytest.mark.parametrize("length_ms", [2.5, 5, 10, 40, 60, 120])
def test_sound_packets_of_any_length(tmp_path: Path, length_ms: float) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 10, frames=small())
    packets = journals.encode_sound(sound(seconds=12, beeps=True), length_ms=length_ms)
    lesson.sounds(packets, 0, 10, length_ms=length_ms)
    lesson.on(1)
    lesson.off(9)
    made, video, _ = lesson.finish()
    assert made.duration_ms == 8_000
    skews = [abs(skew) for _, skew in video.skews(3)]
    assert len(skews) >= 6, video.beeps()
    assert max(skews) < 25, skews


def test_a_camera_and_no_sound_ever(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 6, frames=small())
    lesson.told(0, 6, "microphone")
    lesson.on(1)
    lesson.off(5)
    _, video, timeline = lesson.finish()
    assert video.level(0, 4) == 0
    assert shown(video, 0.1, 4) == {3}
    assert timeline.missing is not None
    assert (timeline.missing.picture_ms, timeline.missing.sound_ms) == (0, 4_000)


def test_a_layer_takes_over_with_a_picture_that_the_former_one_has_too(tmp_path: Path) -> None:
    """Both of that moment are copied; the higher layer's keyframe is no older, whatever the clocks say."""
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 6.04, frames=small(200), told=False, report_every=0, late_us=30_000)
    lesson.shows(
        3,
        6,
        12,
        frames=film(3, *SMALL, 50),
        told=False,
        report_every=0,
        late_us=29_000,
        ssrc=0x9999,
        number=9,
    )
    first, second = sorted(lesson.folder.glob("*camera*"))
    append(first, second)
    lesson.told(0, 12, "camera")
    lesson.on(1)
    lesson.off(11)
    _, video, _ = lesson.finish()
    assert video.longest_gap_s() < 0.15


@pytest.mark.long
@pytest.mark.timeout(600)
def test_six_hours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sparse: a word and a picture each second."""
    lesson = Lesson(tmp_path, Line(START_US, drift_ppm=100))
    keys = [frame for frame in film(3, *SMALL, 1) if frame[1]]
    lesson.shows(3, 0, LONG_S + 4, frames=keys, every=FRAMES_A_SECOND)
    lesson.sounds(beeps(), 0, LONG_S + 4, level=lambda at_s: 30 if at_s % 1 < 0.1 else None)
    lesson.on(1)
    lesson.off(LONG_S - 1)
    lesson.write_log()
    done = subprocess.run(
        [sys.executable, "-c", FINISHES, lesson.folder, lesson.library],
        check=True,
        capture_output=True,
        text=True,
    )
    duration_ms, seconds, rss_kb = map(float, done.stdout.split())
    with capsys.disabled():
        print(f" six hours finished in {seconds:.1f} s with {rss_kb / 1024:.0f} MB", end="")
    assert duration_ms == (LONG_S - 2) * 1000
    assert rss_kb < 400_000
    last = read_video_lesson(lesson.video, LONG_S - 62)
    assert last.duration_s == pytest.approx(LONG_S - 2, abs=EXACT_S)
    assert last.frames[-1].at_s == pytest.approx(LONG_S - 2, abs=1.1)
    assert len(last.beeps()) > 50
