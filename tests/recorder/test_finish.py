"""Journals become a video that plays and says when it was what: read back by decoding it."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from pathlib import Path
from random import Random
from struct import pack

import av
import numpy as np
import pytest

from loadtest.bench._journals import Line
from loadtest.media.films import FRAMES_A_SECOND
from recorder.finish import TIMELINE_NAME, VIDEO_NAME, finish
from recorder.journal import MAGIC, Kind, TapHead, Writer, read
from tests.recorder.made import LOOP_S, START_US, Lesson, beeps, film, shown, strength, tone

FILM = LOOP_S * FRAMES_A_SECOND


def test_a_lesson_plays_in_time(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 12)
    lesson.sounds(beeps(), 0, 12)
    lesson.on(1.3)
    lesson.off(11.0)
    made, video, timeline = lesson.finish()
    assert made.duration_ms == 9_700
    assert (made.width, made.height) == (320, 180)
    assert video.duration_s == pytest.approx(9.7, abs=0.03)
    assert timeline.parts[0].started_at_ms == START_US // 1000 + 1300
    frames = video.of(3)
    assert frames[0][0] < 0.1
    assert video.longest_gap_s() < 0.1
    # What is shown at 0 s of the video was captured 1.3 s into the lesson, and so on to the end.
    for at_s, counter in frames[5:]:
        captured_s = 1.3 + at_s
        off = (counter - captured_s * FRAMES_A_SECOND + FILM / 2) % FILM - FILM / 2
        assert abs(off) < 2, (at_s, counter)
    skews = [skew for _, skew in video.skews(3)]
    assert len(skews) >= 8
    assert max(map(abs, skews)) < 15, skews


def test_sound_and_picture_keep_together_on_a_bad_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """100 ppm fast, a clock 7 s wrong, 200 ms of jitter, 5 % lost, for two minutes."""
    line = Line(START_US, drift_ppm=100, wrong_us=7_000_000, jitter_us=200_000, loss=0.05)
    lesson = Lesson(tmp_path, line)
    lesson.shows(3, 0, 122, frames=film(3, 160, 90, 10))
    lesson.sounds(beeps(), 0, 122)
    lesson.on(1)
    lesson.off(121)
    _, video, _ = lesson.finish()
    skews = np.abs([skew for _, skew in video.skews(3)])
    median, p99 = np.percentile(skews, (50, 99))
    with capsys.disabled():
        print(f" flash against beep: median {median:.1f} ms, p99 {p99:.1f} ms of {len(skews)}", end="")
    assert len(skews) > 60
    assert median < 20
    assert p99 < 40
    assert video.duration_s == pytest.approx(120, abs=0.05)


def test_parts_follow_one_another(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 5)
    lesson.sounds(beeps(), 0, 5)
    lesson.on(1)
    lesson.off(4)
    lesson.event(30, "recording_starting", {})
    lesson.shows(3, 30, 35, part=2)
    lesson.sounds(beeps(), 30, 35, part=2)
    lesson.on(31, part=2)
    lesson.off(34, part=2)
    made, video, timeline = lesson.finish()
    assert made.duration_ms == 6_000
    assert [(part.at_ms, part.duration_ms) for part in timeline.parts] == [(0, 3000), (3000, 3000)]
    assert video.longest_gap_s() < 0.1
    assert shown(video, 0, 6) == {3}
    assert max(abs(skew) for _, skew in video.skews(3)) < 15


def test_the_screen_comes_before_the_camera(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 16, frames=film(3, key_every=75))
    lesson.shows(5, 5, 10, source="screen", frames=film(5, 640, 360), ssrc=0x3333)
    lesson.sounds(beeps(), 0, 16)
    lesson.on(1)
    lesson.off(15)
    made, video, _ = lesson.finish()
    assert (made.width, made.height) == (640, 360)
    assert shown(video, 0, 3.9) == {3}
    assert shown(video, 4.2, 8.9) == {5}
    assert shown(video, 9.2, 14) == {3}
    # The camera is back at once, though its next keyframe is up to 3 s away.
    assert video.longest_gap_s() < 0.3
    assert {(frame.width, frame.height) for frame in video.frames} == {(320, 180), (640, 360)}


def test_the_title_card_stands_while_the_camera_is_off(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 5)
    lesson.sounds(beeps(), 0, 20)
    lesson.shows(3, 15, 20, number=20_000, picture_id=77)
    lesson.on(1)
    lesson.off(19)
    _, video, _ = lesson.finish(title="Закон Ома")
    assert shown(video, 0, 3.9) == {3}
    assert shown(video, 4.1, 13.9) == {None}
    assert shown(video, 14.1, 18) == {3}
    cards = [frame for frame in video.frames if frame.mark is None]
    assert len(cards) == 2  # the second so that this can be sought in
    assert all((frame.width, frame.height) == (1280, 720) for frame in cards)
    assert cards[0].at_s == pytest.approx(4.0, abs=0.1)


def test_a_teacher_who_only_speaks_has_a_title_card(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.sounds(beeps(), 0, 8)
    lesson.on(1)
    lesson.off(7)
    made, video, _ = lesson.finish()
    assert (made.width, made.height) == (1280, 720)
    assert video.duration_s == pytest.approx(6, abs=0.03)
    assert video.frames[0].at_s == 0
    assert len(video.beeps()) == 6


def test_a_lesson_of_one_second_plays(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 1)
    lesson.sounds(beeps(), 0, 1)
    lesson.on(0)
    lesson.off(1)
    _, video, _ = lesson.finish()
    assert video.duration_s == pytest.approx(1, abs=0.03)
    assert shown(video, 0.1, 1) == {3}


def test_nobody_ever_spoke(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.on(0)
    lesson.off(9.5)
    made, video, _ = lesson.finish()
    assert made.duration_ms == 9_500
    assert video.duration_s == pytest.approx(9.5, abs=0.03)
    assert video.level(0, 9) == 0
    assert len(video.frames) == 2


def test_no_keyframe_ever_came(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    inter = [frame for frame in film(3) if not frame[1]]
    lesson.shows(3, 0, 6, frames=inter)
    lesson.sounds(beeps(), 0, 6)
    lesson.on(1)
    lesson.off(5)
    _, video, _ = lesson.finish()
    assert shown(video, 0, 5) == {None}
    assert video.duration_s == pytest.approx(4, abs=0.03)
    assert len(video.beeps()) == 4


def test_nothing_recorded_makes_nothing(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.write_log()
    made = finish(lesson.folder, lesson.library)
    assert made.state == "empty"
    assert not lesson.library.exists()


def test_a_folder_without_a_log_still_plays(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 5, end=False)
    lesson.sounds(beeps(), 0, 5, end=False)
    made = finish(lesson.folder, lesson.library)
    assert made.state == "ready"
    assert made.duration_ms == pytest.approx(5000, abs=100)


def test_two_who_speak_at_once_are_both_heard(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path, people={"t1": "teacher", "s1": "student", "s2": "student"})
    lesson.sounds(tone(440), 0, 12, level=lambda at_s: 30 if at_s < 8 else 80)
    lesson.sounds(tone(700), 0, 12, participant="s1", ssrc=0x4444, level=lambda at_s: 30 if at_s >= 4 else 90)
    lesson.sounds(tone(990), 0, 12, participant="s2", ssrc=0x5555, level=lambda _: 90)
    lesson.on(1)
    lesson.off(11)
    _, video, _ = lesson.finish()
    loud = strength(video, 440, 0.2, 2.8)
    assert loud > 0.05
    assert strength(video, 440, 3.3, 6.8) == pytest.approx(loud, rel=0.2)
    assert strength(video, 700, 3.3, 6.8) == pytest.approx(loud, rel=0.25)
    assert strength(video, 700, 7.5, 9.8) == pytest.approx(loud, rel=0.25)
    assert strength(video, 700, 0.2, 2.8) < loud / 20
    assert strength(video, 440, 7.5, 9.8) < loud / 20
    assert strength(video, 990, 0.2, 9.8) < loud / 20  # nobody listens to who is silent


def test_a_mix_keeps_lip_sync(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path, people={"t1": "teacher", "s1": "student"})
    lesson.shows(3, 0, 14)
    lesson.sounds(beeps(), 0, 14)
    lesson.sounds(tone(440), 4, 10, participant="s1", ssrc=0x4444)
    lesson.on(1)
    lesson.off(13)
    _, video, _ = lesson.finish()
    skews = video.skews(3)
    assert len(skews) >= 11
    assert max(abs(skew) for _, skew in skews) < 15, skews


def test_gaps_in_the_sound_keep_time(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 21)
    lesson.sounds(beeps(), 0, 21, level=lambda at_s: None if 5.5 < at_s < 12.5 else 30)
    lesson.on(0)
    lesson.off(20)
    _, video, _ = lesson.finish()
    assert video.level(6, 12) == 0
    beeps_s = video.beeps()
    assert len(beeps_s) == 13
    assert max(abs(skew) for _, skew in video.skews(3)) < 15
    with av.open(str(lesson.library / "rec1" / VIDEO_NAME)) as container:
        at_ms = [packet.pts for packet in container.demux(audio=0) if packet.pts is not None]
    assert max(after - before for before, after in pairwise(at_ms)) <= 21  # without a gap in its packets


def test_empty_minutes_at_the_end_are_cut(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 8)
    lesson.sounds(beeps(), 0, 120, level=lambda at_s: 30 if at_s < 10 else 90)
    lesson.on(1)
    lesson.off(120)
    made, video, timeline = lesson.finish()
    assert made.duration_ms == pytest.approx(11_000, abs=300)
    assert timeline.parts[0].duration_ms == made.duration_ms
    assert video.duration_s == pytest.approx(made.duration_ms / 1000, abs=0.03)


@pytest.mark.parametrize("picture", [True, False])
def test_a_short_quiet_end_stays(tmp_path: Path, picture: bool) -> None:
    lesson = Lesson(tmp_path)
    lesson.sounds(beeps(), 0, 50, level=lambda at_s: 30 if at_s < 25 else 90)
    if picture:
        lesson.shows(3, 0, 60)
    lesson.on(0)
    lesson.off(60 if picture else 50)
    made, _, _ = lesson.finish()
    assert made.duration_ms == (60_000 if picture else 50_000)


def test_another_layer_and_another_tap_are_one_picture(tmp_path: Path) -> None:
    """Layer change (SSRC, size), reconnect with new taps: one time line, no gap."""
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 6, told=False)
    lesson.shows(3, 6, 12, frames=film(3, 640, 360), ssrc=0x9999, rtp_base=5, number=9, told=False)
    lesson.told(0, 12, "camera")
    lesson.sounds(beeps(), 0, 7, told=False)
    lesson.sounds(beeps(), 7, 12, ssrc=0x7777, rtp_base=77, told=False)
    lesson.on(1)
    lesson.off(11)
    made, video, _ = lesson.finish()
    assert (made.width, made.height) == (640, 360)
    assert video.longest_gap_s() < 0.15
    assert len(video.beeps()) == 10
    assert max(abs(skew) for _, skew in video.skews(3)) < 25


@pytest.mark.parametrize("cut", [0, 3, 20, 9_000, -1, -7, -400])
def test_cut_at_any_byte_it_plays(tmp_path: Path, cut: int) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 6, end=False)
    lesson.sounds(beeps(), 0, 6, end=False)
    lesson.on(1)
    lesson.write_log()
    for path in lesson.folder.iterdir():
        data = path.read_bytes()
        path.write_bytes(data[:cut])
    made = finish(lesson.folder, lesson.library)
    if cut > 1000 or cut < 0:
        assert made.state == "ready"
        with av.open(str(lesson.library / "rec1" / VIDEO_NAME)) as container:
            assert sum(1 for _ in container.decode(video=0)) >= 1


def test_a_damaged_publication_is_left_out_and_the_rest_plays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 6)
    lesson.sounds(beeps(), 0, 6)
    (lesson.folder / "001-t1-screen-zzzzzz.zj").write_bytes(MAGIC + b"\0\0\0\5garbage")
    (lesson.folder / "001-t1-screen-empty.zj").write_bytes(b"")
    lesson.on(1)
    lesson.off(5)
    _, video, _ = lesson.finish()
    assert shown(video, 0, 4) == {3}
    left_out = [record for record in caplog.records if record.message == "journal left out"]
    assert {getattr(record, "journal") for record in left_out} == {  # noqa: B009
        "001-t1-screen-zzzzzz.zj",
        "001-t1-screen-empty.zj",
    }


def test_packets_of_a_stranger_in_a_journal_harm_nothing(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path)
    chance = np.random.default_rng(3)

    def damage(index: int, packet: bytes) -> bool:
        return not (index and chance.random() < 0.02)

    lesson.shows(3, 0, 10, keep=damage)
    lesson.sounds([b"", b"\xff", b"\xff\xff\xff", *beeps()[:200]], 0, 10)
    lesson.on(1)
    lesson.off(9)
    _, video, _ = lesson.finish()
    assert video.duration_s == pytest.approx(8, abs=0.05)
    assert 3 in shown(video, 0, 8)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_packets_hold_it_finishes(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    lesson = Lesson(tmp_path, people={"t1": "teacher", "s1": "student"})
    lesson.shows(3, 0, 4)
    lesson.sounds(beeps(), 0, 4)
    lesson.sounds(tone(440), 1, 4, participant="s1", ssrc=0x4444)
    lesson.on(0.5)
    if seed % 2:
        lesson.off(3.5)
    lesson.write_log()
    for path in lesson.folder.glob("0*.zj"):
        head, records = read(path)
        assert isinstance(head, TapHead)
        kept = [(time_us, body) for kind, time_us, body in records if kind == Kind.PACKET]
        path.unlink()
        writer = Writer(path, head, 0)
        writer.open()
        for time_us, body in kept:
            packet = bytearray(body)
            if chance.random() < (0.05, 0.3, 0.9)[seed % 3]:
                match chance.randrange(5):
                    case 0:
                        packet = bytearray(chance.randbytes(chance.randrange(60)))
                    case 1:
                        packet[chance.randrange(len(packet))] = chance.randrange(256)
                    case 2:
                        del packet[chance.randrange(len(packet)) :]
                    case 3:
                        packet[4:8] = chance.randbytes(4)
                    case _:
                        packet[8:12] = bytes((0, 0, 0, chance.randrange(5)))
            writer.add_packets(pack(">QH", time_us, len(packet)) + packet)
        writer.close(0)
    made = finish(lesson.folder, lesson.library)
    assert made.state == "ready"
    with av.open(str(lesson.library / "rec1" / VIDEO_NAME)) as container:
        assert container.duration / 1_000_000 == pytest.approx(made.duration_ms / 1000, abs=0.03)  # type: ignore[operator]


def test_finishing_twice_makes_the_same_bytes(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path, people={"t1": "teacher", "s1": "student"})
    lesson.shows(3, 0, 4)
    lesson.sounds(beeps(), 0, 6)
    lesson.sounds(tone(440), 2, 4, participant="s1", ssrc=0x4444)
    lesson.on(1)
    lesson.off(6)
    lesson.finish()
    target = lesson.library / "rec1"

    def digests() -> list[str]:
        return [
            hashlib.sha256((target / name).read_bytes()).hexdigest() for name in (VIDEO_NAME, TIMELINE_NAME)
        ]

    first = digests()
    (target / (VIDEO_NAME + ".draft")).write_bytes(b"left by a kill")
    lesson.finish()
    assert digests() == first


def test_cues_come_before_the_media(tmp_path: Path) -> None:
    """A browser can seek with the first bytes and ranges."""
    lesson = Lesson(tmp_path)
    lesson.shows(3, 0, 30)
    lesson.on(0)
    lesson.off(30)
    lesson.finish()
    data = (lesson.library / "rec1" / VIDEO_NAME).read_bytes()
    assert 0 < data.find(b"\x1c\x53\xbb\x6b") < data.find(b"\x1f\x43\xb6\x75")


def test_chat_and_hands_stand_at_their_times(tmp_path: Path) -> None:
    lesson = Lesson(tmp_path, people={"t1": "teacher", "s1": "student"})
    lesson.shows(3, 0, 12)

    def said(at_s: float, text: str) -> None:
        chat = {
            "participant": "s1",
            "name": "Person s1",
            "text": text,
            "at_ms": START_US // 1000 + round(at_s * 1000),
        }
        lesson.event(at_s, "chat", {f"chat/{at_s}": chat})

    said(0.5, "before")
    lesson.event(0.7, "hand_up", {"hand/s1": START_US // 1000 + 700})
    lesson.on(1)
    said(3.25, "<b>inside</b>")
    lesson.event(4, "hand_down", {}, "hand/s1")
    lesson.off(6)
    said(7, "between")
    lesson.on(8, part=2)
    said(9, "again")
    lesson.event(10, "hand_up", {"hand/s1": START_US // 1000 + 10_000})
    lesson.off(11, part=2)
    _, _, timeline = lesson.finish()
    assert [(each.at_ms, each.name, each.text) for each in timeline.chat] == [
        (2250, "Person s1", "<b>inside</b>"),
        (6000, "Person s1", "again"),
    ]
    assert [(each.at_ms, each.participant, each.up) for each in timeline.hands] == [
        (0, "s1", True),
        (3000, "s1", False),
        (7000, "s1", True),
    ]
