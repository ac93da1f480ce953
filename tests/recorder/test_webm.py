"""The WebM writer: a whole file after every step, cues that fit, an end that can be moved back."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import av
import pytest

from loadtest.bench._journals import encode_sound
from loadtest.media.films import sound
from recorder.webm import CUES, Video
from tests.recorder.made import film


def packets(path: Path) -> list[tuple[str, int, bool]]:
    with av.open(str(path)) as container:
        return [
            (packet.stream.type, packet.pts, packet.is_keyframe)
            for packet in container.demux()
            if packet.pts is not None
        ]


def write(video: Video, since_ms: int, until_ms: int) -> None:
    frames, voice = film(3, 160, 90), encode_sound(sound(seconds=1))
    for at_ms in range(since_ms, until_ms, 20):
        if at_ms % 40 == 0:
            data, key = frames[at_ms // 40 % len(frames)]
            video.picture(at_ms, [data[:10], data[10:]], key=key)
        video.sound(at_ms, voice[at_ms // 20 % len(voice)])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "video.webm"
    with Video(path, "Закон Ома") as video:
        write(video, 0, 10_000)
        assert video.end(10_000, 160, 90) == path.stat().st_size
    with av.open(str(path)) as container:
        assert container.duration == 10_000_000
        assert container.metadata["title"] == "Закон Ома"
        picture, sounds = container.streams.video[0], container.streams.audio[0]
        assert (picture.width, picture.height, picture.codec_context.name) == (160, 90, "vp8")
        assert (sounds.codec_context.sample_rate, sounds.codec_context.name) == (48_000, "opus")
        assert sum(1 for _ in container.decode(video=0)) == 250
    found = packets(path)
    assert [at_ms for kind, at_ms, _ in found if kind == "audio"] == list(range(0, 10_000, 20))
    assert [at_ms for kind, at_ms, key in found if kind == "video" and key] == list(range(0, 10_000, 1000))
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_before_the_first_step_and_behind_the_last_there_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "video.webm"
    with Video(path, "") as video:
        assert video.step(2, 2) == 0
        write(video, 0, 9_500)
        assert video.step(160, 90) == 9_000
        assert max(at_ms for _, at_ms, _ in packets(path)) == 8_980
        write(video, 9_500, 20_000)
        assert max(at_ms for _, at_ms, _ in packets(path)) == 8_980
        with av.open(str(path)) as container:
            assert container.duration == 9_000_000


def test_steps_leave_no_trace(tmp_path: Path) -> None:
    for name, steps in (("one", ()), ("two", (3_000, 3_020, 7_500))):
        with Video(tmp_path / name, "x") as video:
            since_ms = 0
            for until_ms in (*steps, 10_000):
                write(video, since_ms, until_ms)
                video.step(16, 16)
                since_ms = until_ms
            video.end(10_000, 160, 90)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("until_ms", [0, 20, 1_990, 2_000, 5_010, 9_999])
def test_the_end_can_be_moved_back(tmp_path: Path, until_ms: int) -> None:
    path = tmp_path / "video.webm"
    with Video(path, "") as video:
        write(video, 0, 10_000)
        video.step(160, 90)
        assert video.end(until_ms, 160, 90) == path.stat().st_size
    if until_ms:
        found = packets(path)
        assert [at_ms for kind, at_ms, _ in found if kind == "audio"] == list(range(0, until_ms, 20))
        with av.open(str(path)) as container:
            assert container.duration == until_ms * 1000


def test_cues_of_a_long_lesson_are_thinned_and_it_stays_seekable(tmp_path: Path) -> None:
    path = tmp_path / "video.webm"
    key = film(3, 160, 90)[0][0]
    seconds = CUES * 2 + 500
    with Video(path, "") as video:
        head = path.stat().st_size
        for at_s in range(seconds):
            video.picture(at_s * 1000, [key], key=True)
        video.end(seconds * 1000, 160, 90)
    data = path.read_bytes()
    assert data.index(b"\x1f\x43\xb6\x75") == head
    assert CUES / 2 <= data[:head].count(b"\xbb\x95\xb3\x84") <= CUES
    for wanted_s in (3, seconds // 2, seconds - 2):
        with av.open(str(path)) as container:
            container.seek(wanted_s * 1_000_000)
            found = next(container.demux(video=0))
            assert found.is_keyframe
            assert found.pts is not None
            assert 0 <= wanted_s * 1000 - found.pts <= 8_000


def test_frames_that_come_at_once_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "video.webm"
    with Video(path, "") as video:
        for data, key in film(3, 160, 90)[:5]:
            video.picture(100, [data], key=key)
        video.end(1_000, 160, 90)
    assert [at_ms for _, at_ms, _ in packets(path)] == [100, 101, 102, 103, 104]


def test_who_reads_the_former_file_goes_on_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "video.webm"
    path.write_bytes(b"former")
    with path.open("rb") as file, Video(path, ""):
        assert file.read() == b"former"
        assert os.fstat(file.fileno()).st_ino != path.stat().st_ino
