"""Thumbnails, loudness and MP4 of a real video lesson of known content, read back."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from PIL import Image

from loadtest.media.block_code import read
from loadtest.media.video_lesson import read_video_lesson
from recorder.finish import finish
from recorder.jobs import thumbnails
from recorder.jobs.appearing import shown
from recorder.jobs.composite import HEIGHT, WIDTH, fitted, labels, louder, make_composite
from recorder.jobs.media import StepFailed
from recorder.jobs.sound import PEAKS, measure, pulled, summary
from recorder.jobs.step import carry_out
from recorder.jobs.thumbnails import EVERY_MS, MOST, every_ms, make_thumbnails
from signaling.catalog.takes import TAKES_NAME, Takes
from signaling.wire import JobStep, VideoSound
from tests.recorder.made import Lesson, beeps


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the library: 3 s of a camera, then 3 s of a screen, with beeps."""
    lesson = Lesson(tmp_path_factory.mktemp("lesson"))
    lesson.on(0)
    lesson.shows(1, 0, 3)
    lesson.shows(2, 3, 6, source="screen")
    lesson.sounds(beeps(), 0, 6)
    lesson.off(6)
    lesson.event(6, "ended", {})
    lesson.write_log()
    assert finish(lesson.folder, lesson.library).state == "ready"
    return lesson.library / lesson.folder.name


def ignored(_part: float) -> None:
    """Nobody wants to know."""


def takes_of(video: Path) -> Takes:
    return msgspec.json.decode((video / TAKES_NAME).read_bytes(), type=Takes)


def test_the_takes_tell_who_is_seen_and_who_speaks(video: Path) -> None:
    told = takes_of(video)
    pictures = shown(told)
    assert [(each.participant, each.source) for each in pictures if each.source] == [
        ("t1", "camera"),
        ("t1", "screen"),
    ]
    assert pictures[1].at_ms == pytest.approx(3_000, abs=200)
    assert labels(told)[0] == (0, ("Person t1",))


def test_a_thumbnail_for_every_ten_seconds(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "EVERY_MS", 1_000)
    sprite, places = tmp_path / "thumbnails.jpg", tmp_path / "thumbnails.vtt"
    told: list[float] = []
    make_thumbnails(video / "video.webm", sprite, places, told.append)
    assert told == sorted(told)
    lines = [line for line in places.read_text().splitlines() if line.startswith("thumbnails.jpg#xywh=")]
    assert len(lines) == 6
    with Image.open(sprite) as image:
        assert (image.format, image.size) == ("JPEG", (6 * 160, 90))
        for index, who in enumerate((1, 1, 1, 2, 2, 2)):
            left, top, width, height = map(int, lines[index].rpartition("=")[2].split(","))
            picture = image.crop((left, top, left + width, top + height)).convert("L")
            mark = read(np.asarray(picture.resize((320, 180)), dtype=np.uint8))
            assert mark is not None, index
            assert mark.who == who


def test_long_videos_have_no_more_thumbnails_than_a_picture_holds() -> None:
    assert every_ms(45 * 60_000) == EVERY_MS
    assert every_ms(6 * 3_600_000) * MOST >= 6 * 3_600_000


def test_loudness_and_waveform(video: Path, tmp_path: Path) -> None:
    found = measure(video / "video.webm", tmp_path / "sound.json", ignored)
    assert msgspec.json.decode((tmp_path / "sound.json").read_bytes(), type=VideoSound) == found
    assert len(found.peaks) == PEAKS
    loud = [index * 6 / PEAKS % 1 for index, peak in enumerate(found.peaks) if peak > 100]
    assert loud
    assert max(loud) - min(loud) < 0.5  # beeps at each second, nothing between
    assert found.loudness_lufs is not None
    assert found.gain_db == pytest.approx(-18 - found.loudness_lufs, abs=0.11)


@pytest.mark.parametrize(
    ("lufs", "loudness", "gain"),
    [
        (-23.0, -23.0, 5.0),
        (-10.0, -10.0, -8.0),
        (-59.0, -59.0, 20.0),
        (-70.0, None, 0.0),
        (-math.inf, None, 0.0),
    ],
)
def test_gain(lufs: float, loudness: float | None, gain: float) -> None:
    found = summary(np.full(PEAKS, 0.5, np.float32), lufs, 1000)
    assert (found.loudness_lufs, found.gain_db) == (loudness, gain)


def test_the_mp4_is_the_video(video: Path, tmp_path: Path) -> None:
    target = tmp_path / "lesson.mp4"
    make_composite(video / "video.webm", target, takes_of(video), -6.0, ignored)
    head = target.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")
    with av.open(str(target)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert (picture.codec_context.width, picture.codec_context.height) == (WIDTH, HEIGHT)
    made, before = read_video_lesson(target), read_video_lesson(video / "video.webm")
    assert made.duration_s == pytest.approx(before.duration_s, abs=0.1)
    assert [round(at, 1) for at in made.beeps()] == [round(at, 1) for at in before.beeps()]
    assert len(made.beeps()) >= 5
    assert abs(np.median([skew for _, skew in made.skews(1)])) < 20
    counters = [counter for _, counter in made.of(1)]
    assert counters == sorted(counters)
    assert len(counters) > 60
    ratio = made.level(0, 6) / before.level(0, 6)
    assert 20 * math.log10(ratio) == pytest.approx(-6.0, abs=0.5)
    with av.open(str(target)) as container:
        frames = [np.asarray(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    plate = frames[30][640:690, 30:180]
    assert plate.max() > 200
    assert plate.min() < 40


def test_loud_sound_is_held_down() -> None:
    graph = louder(20.0)
    tone = np.sin(np.arange(4800, dtype=np.float32) * 0.05) * 0.5
    heard = []
    for index in range(10):
        frame = av.AudioFrame.from_ndarray(np.stack([tone, tone]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, index * 4800, Fraction(1, 48_000)
        graph.push(frame)
        heard += [np.abs(each.to_ndarray()).max() for each in pulled(graph)]
    assert 0.8 < max(heard) < 0.9


def test_a_picture_that_stands_upright_has_black_beside_it() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((480, 240), 200, np.uint8), format="yuv420p")
    pixels = fitted(VideoReformatter(), frame)
    assert pixels.shape == (HEIGHT * 3 // 2, WIDTH)
    assert (pixels[100, :300] == 16).all()
    assert abs(int(pixels[100, WIDTH // 2]) - 200) < 3


@pytest.mark.parametrize("step", ["thumbnails", "sound", "composite"])
@pytest.mark.parametrize("damage", ["nothing", "noise", "cut", "missing", "no_duration"])
def test_a_damaged_file_ends_with_a_code(video: Path, tmp_path: Path, step: JobStep, damage: str) -> None:
    folder, drafts = tmp_path / "video", tmp_path / "drafts"
    folder.mkdir()
    drafts.mkdir()
    (folder / "timeline.json").write_bytes((video / "timeline.json").read_bytes())
    whole = (video / "video.webm").read_bytes()
    written = {
        "nothing": b"",
        "noise": bytes(range(256)) * 400,
        "cut": whole[:300],
        "no_duration": whole.replace(b"\x44\x89", b"\x44\x8a", 1),
    }
    if damage in written:
        (folder / "video.webm").write_bytes(written[damage])
    with pytest.raises(StepFailed) as failed:
        carry_out(step, folder, drafts, ignored)
    assert (failed.value.code, failed.value.again) == (
        "no_video" if damage == "missing" else "damaged",
        False,
    )


@pytest.mark.parametrize(("step", "name"), [("chapters", "timeline.json"), ("composite", TAKES_NAME)])
def test_what_is_damaged_beside_it_ends_with_a_code(
    video: Path, tmp_path: Path, step: JobStep, name: str
) -> None:
    (tmp_path / "video.webm").write_bytes((video / "video.webm").read_bytes())
    for written, code in ((None, "no_video"), (b"{", "damaged"), (json.dumps([1]).encode(), "damaged")):
        if written is not None:
            (tmp_path / name).write_bytes(written)
        elif name == TAKES_NAME:
            continue  # from before they were kept: nobody's name is on it
        with pytest.raises(StepFailed) as failed:
            carry_out(step, tmp_path, tmp_path, ignored)
        assert failed.value.code == code


@pytest.mark.parametrize("seed", range(6))
def test_a_file_with_flipped_bytes_plays_or_ends_with_a_code(video: Path, tmp_path: Path, seed: int) -> None:
    chance = np.random.default_rng(seed)
    data = bytearray((video / "video.webm").read_bytes())
    for at in chance.integers(0, len(data), 40):
        data[at] ^= int(chance.integers(1, 256))
    (tmp_path / "video.webm").write_bytes(data)
    (tmp_path / "timeline.json").write_bytes((video / "timeline.json").read_bytes())
    steps: tuple[JobStep, ...] = ("thumbnails", "sound")
    for step in steps:
        code = "none"
        try:
            carry_out(step, tmp_path, tmp_path, ignored)
        except StepFailed as failed:
            code = failed.code
        assert code in ("none", "damaged", "too_large")
