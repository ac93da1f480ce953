"""Who is in a video lesson when, and the video without one of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import msgspec
import pytest

from loadtest.bench._journals import FRAMES_A_SECOND, RECORDING
from loadtest.media.video_lesson import VideoLesson, read_video_lesson
from recorder import erasure, opus
from recorder.erasure import NoTakes, NotAsWritten, Packet, Words, erase, pictures, read_takes, sounds, spans
from recorder.takes import Span
from recorder.webm import Video
from signaling.catalog.takes import Cast, Take
from signaling.wire import Timeline
from tests.recorder.made import START_US, Lesson, shown, strength, tone

WORDS = Words("Optics", "Physics", 8, "Анна Петровна")
TEACHER, STUDENT, SILENT = "t1", "s1", "s2"


def make(root: Path) -> tuple[Path, VideoLesson]:
    """A lesson of two parts of 6 and 4 s: the teacher is seen, from 3 s on the student's screen, then the
    student's camera; they speak one after the other and at once. Its folder, and that video."""
    lesson = Lesson(root, people={TEACHER: "teacher", STUDENT: "student", SILENT: "student"})
    lesson.shows(3, 0, 8)
    lesson.shows(5, 4, 7, source="screen", participant=STUDENT, ssrc=0x3333)
    lesson.shows(6, 10, 12.5, participant=STUDENT, ssrc=0x7777, part=2)
    lesson.shows(3, 12.3, 16, number=20_000, picture_id=77, part=2)
    lesson.sounds(tone(440), 0, 8, level=lambda at_s: 30 if at_s < 5 else 80)
    lesson.sounds(
        tone(700), 0, 8, participant=STUDENT, ssrc=0x4444, level=lambda at_s: 30 if 4 <= at_s < 6 else 90
    )
    lesson.sounds(tone(440), 10, 16, part=2)
    lesson.on(1)
    lesson.off(7)
    lesson.on(11, part=2)
    lesson.off(15, part=2)
    for at_s, who in ((2.0, TEACHER), (3.0, STUDENT), (12.0, SILENT)):
        chat = {
            "participant": who,
            "name": who,
            "text": "words",
            "at_ms": START_US // 1000 + int(at_s * 1000),
        }
        lesson.event(at_s, "chat", {f"chat/{at_s}": chat})
    lesson.event(3.5, "hand_up", {f"hand/{STUDENT}": START_US // 1000 + 3500})
    _, video, _ = lesson.finish()
    return lesson.library / RECORDING, video


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, VideoLesson]:
    return make(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def folder(made: tuple[Path, VideoLesson]) -> Path:
    return made[0]


@pytest.fixture(scope="module")
def whole(made: tuple[Path, VideoLesson]) -> VideoLesson:
    return made[1]


def copy(folder: Path, target: Path) -> Path:
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


@pytest.fixture
def mine(folder: Path, tmp_path: Path) -> Path:
    """A copy for a test of its own."""
    return copy(folder, tmp_path / RECORDING)


@pytest.fixture(scope="module")
def without(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The video without the student."""
    made = copy(folder, tmp_path_factory.mktemp("without") / RECORDING)
    (made / "thumbnail.webp").write_bytes(b"a picture of the student")
    assert erase(made, {STUDENT}, WORDS) == (made / "video.webm").stat().st_size
    return made


def packets(folder: Path) -> list[Packet]:
    return list(erasure._both(folder / "video.webm"))


def inside(at_s: float, gone: list[Span]) -> bool:
    return any(from_ms <= round(at_s * 1000) < to_ms for from_ms, to_ms in gone)


# --- takes ---------------------------------------------------------------------------------------------


def test_everybody_in_the_video_is_named_and_nobody_else(folder: Path) -> None:
    assert read_takes(folder).people == (
        Cast(TEACHER, "Person t1", "teacher"),
        Cast(STUDENT, "Person s1", "student"),
        Cast(SILENT, "Person s2", "student"),  # wrote in the chat
    )


def test_each_frame_is_in_the_take_of_who_is_on_it(folder: Path, whole: VideoLesson) -> None:
    takes = read_takes(folder).takes
    by_source = {(take.participant, take.source) for take in takes}
    assert {(TEACHER, "camera"), (STUDENT, "camera"), (STUDENT, "screen")} <= by_source
    seen: set[int | None] = set()
    for frame in whole.frames:
        there = {
            (take.participant, take.source)
            for take in takes
            if take.source in ("camera", "screen") and take.from_ms <= round(frame.at_s * 1000) < take.to_ms
        }
        who = None if frame.mark is None else frame.mark.who
        seen.add(who)
        expected = {
            3: {(TEACHER, "camera")},
            5: {(STUDENT, "screen")},
            6: {(STUDENT, "camera")},
            None: set[tuple[str, str]](),
        }
        assert there == expected[who], frame.at_s
    assert {3, 5, 6} <= seen


def test_a_mix_is_a_take_of_everybody_in_it_and_so_is_the_room_tone_after_it(
    folder: Path, whole: VideoLesson
) -> None:
    heard = [take for take in read_takes(folder).takes if take.source == "microphone"]
    (student,) = [take for take in heard if take.participant == STUDENT]
    assert (student.from_ms, student.to_ms) == pytest.approx((3000, 6000), abs=100)
    assert any(
        take.participant == TEACHER and take.from_ms <= student.from_ms and take.to_ms >= 4000
        for take in heard
    )
    margin_s = erasure.SOUND_MARGIN_MS / 1000
    loud = strength(whole, 700, student.from_ms / 1000 + 0.2, student.to_ms / 1000 - 0.4)
    assert loud > 0.05
    assert strength(whole, 700, 0, student.from_ms / 1000 - margin_s) < loud / 50
    assert strength(whole, 700, student.to_ms / 1000 + margin_s, 9.9) < loud / 50


# --- the video without somebody ------------------------------------------------------------------------


def test_who_was_taken_out_is_neither_seen_nor_heard(folder: Path, whole: VideoLesson, without: Path) -> None:
    video = read_video_lesson(without / "video.webm")
    takes = read_takes(folder).takes
    seen, heard = (spans(takes, {STUDENT}, seen=each) for each in (True, False))
    assert shown(whole, 0, 99) >= {5, 6}
    assert shown(video, 0, 99) == {3, None}
    assert {frame.mark is None for frame in video.frames if inside(frame.at_s, seen)} == {True}
    assert video.duration_s == pytest.approx(whole.duration_s, abs=0.001)
    assert len(video.samples) == len(whole.samples)
    ((from_ms, to_ms),) = heard
    assert video.level(from_ms / 1000 + 0.01, to_ms / 1000 - 0.01) < 1e-4
    assert whole.level(from_ms / 1000 + 0.01, to_ms / 1000 - 0.01) > 0.01
    assert strength(video, 440, 0.2, 2.5) == pytest.approx(strength(whole, 440, 0.2, 2.5), rel=0.01)


def test_all_other_packets_are_the_ones_that_were_there(folder: Path, without: Path) -> None:
    takes = read_takes(folder).takes
    seen, heard = (spans(takes, {STUDENT}, seen=each) for each in (True, False))
    margin = erasure.SOUND_MARGIN_MS
    far = [(from_ms - margin - 60, to_ms + margin) for from_ms, to_ms in heard]

    def others(some: list[Packet]) -> list[Packet]:
        return [each for each in some if not inside(each.at_ms / 1000, far if each.sound else seen)]

    before, after = packets(folder), packets(without)
    assert others(after) == others(before)
    assert len(others(before)) > 400
    assert len(after) < len(before)


def test_it_can_be_sought_in_everywhere(without: Path, folder: Path) -> None:
    seen = spans(read_takes(folder).takes, {STUDENT}, seen=True)
    keys = [each.at_ms for each in packets(without) if not each.sound and each.key]
    for from_ms, to_ms in seen:
        assert from_ms in keys
        assert to_ms in keys or to_ms >= 10_000
    with av.open(str(without / "video.webm")) as file:
        stream = file.streams.video[0]
        for at_ms in keys:
            file.seek(at_ms, stream=stream)
            first = next(packet for packet in file.demux(stream) if packet.size)
            assert first.is_keyframe
            assert first.pts == at_ms


def test_beside_the_picture_nothing_is_left_of_them(folder: Path, without: Path) -> None:
    timeline = msgspec.json.decode((without / "timeline.json").read_bytes(), type=Timeline)
    former = msgspec.json.decode((folder / "timeline.json").read_bytes(), type=Timeline)
    assert {each.participant for each in former.hands} == {STUDENT}
    assert not timeline.hands
    assert [each.participant for each in timeline.chat] == [TEACHER, SILENT]
    assert timeline.parts == former.parts
    assert {path.name for path in without.iterdir()} == erasure.KEPT
    assert all(STUDENT.encode() not in path.read_bytes() for path in without.glob("*.json"))


def test_a_second_time_changes_nothing(without: Path) -> None:
    files = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in without.iterdir()}
    erase(without, {STUDENT}, WORDS)
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in without.iterdir()} == files


@pytest.mark.parametrize("killed_at", ["video.webm", "timeline.json"])
def test_killed_in_between_it_is_done_again(
    mine: Path, without: Path, killed_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def dies(self: Path, target: Path) -> Path:
        if target.name == killed_at:
            raise InterruptedError
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dies)
        with pytest.raises(InterruptedError):
            erase(mine, {STUDENT}, WORDS)
    assert STUDENT in {each.participant for each in read_takes(mine).people}
    erase(mine, {STUDENT}, WORDS)
    assert {path.name: path.read_bytes() for path in mine.iterdir()} == {
        path.name: path.read_bytes() for path in without.iterdir()
    }


def test_a_file_that_does_not_hold_what_was_written_is_not_taken(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = (mine / "video.webm").read_bytes()
    sound = Video.sound
    monkeypatch.setattr(Video, "sound", lambda self, at_ms, data: sound(self, at_ms, data[:-1]))
    with pytest.raises(NotAsWritten):
        erase(mine, {STUDENT}, WORDS)
    assert (mine / "video.webm").read_bytes() == old
    assert {path.name for path in mine.iterdir()} == erasure.KEPT


def test_without_takes_nothing_is_touched(mine: Path) -> None:
    (mine / "takes.json").unlink()
    (mine / "thumbnail.webp").touch()
    with pytest.raises(NoTakes):
        erase(mine, {STUDENT}, WORDS)
    assert (mine / "thumbnail.webp").exists()


def test_everybody_can_be_taken_out(mine: Path) -> None:
    erase(mine, {TEACHER, STUDENT, SILENT}, WORDS)
    video = read_video_lesson(mine / "video.webm")
    assert shown(video, 0, 99) == {None}
    assert video.level(0, 10) < 1e-4
    assert not read_takes(mine).people


# --- pure ----------------------------------------------------------------------------------------------


def frames(count: int, key_every: int = 10) -> Iterator[Packet]:
    """Frame n at n x 40 ms."""
    for number in range(count):
        yield Packet(
            number * 1000 // FRAMES_A_SECOND, sound=False, data=b"%d" % number, key=number % key_every == 0
        )


@pytest.mark.parametrize(
    ("gone", "cards", "left"),
    [
        ([], [], list(range(30))),
        ([(0, 400)], [0], list(range(10, 30))),
        ([(400, 800)], [400], [*range(10), *range(20, 30)]),
        ([(400, 760)], [400], [*range(10), *range(20, 30)]),  # up to the next keyframe
        ([(800, 9_000)], [800, 5_800], list(range(20))),
        ([(0, 400), (800, 900)], [0, 800], list(range(10, 20))),
    ],
)  # fmt: skip
def test_pictures(gone: list[Span], cards: list[int], left: list[int]) -> None:
    made = list(pictures(frames(30), gone, lambda: b"card"))
    assert [each.at_ms for each in made if each.data == b"card"] == cards
    assert [int(each.data) for each in made if each.data != b"card"] == left
    assert all(each.key for each in made if each.data == b"card")


def test_sound_keeps_its_length() -> None:
    sixty, twenty, short = b"\x18x", b"\xf8x", b"\xe0x"
    original = [
        Packet(at_ms, sound=True, data=data) for at_ms, data in ((0, sixty), (60, twenty), (80, short))
    ]
    original.append(Packet(200, sound=True, data=twenty))
    made = list(sounds(original, [(50, 100)]))
    lengths = [opus.duration_us(each.data) for each in made]
    assert lengths == [20_000, 20_000, 20_000, 20_000, 2_500, 20_000]
    assert [each.at_ms for each in made] == [0, 20, 40, 60, 80, 200]
    assert [each.data.endswith(b"x") for each in made] == [False] * 5 + [True]


def test_spans_are_apart() -> None:
    takes = [
        Take("a", "camera", 0, 10), Take("b", "camera", 10, 20), Take("a", "screen", 30, 40),
        Take("a", "microphone", 0, 5), Take("c", "camera", 20, 30),
    ]  # fmt: skip
    assert spans(takes, {"a", "b"}, seen=True) == [(0, 20), (30, 40)]
    assert spans(takes, {"a", "b"}, seen=False) == [(0, 5)]
