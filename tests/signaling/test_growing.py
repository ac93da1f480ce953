"""Snapshots of a video that grows: the same bytes however long it has become, whatever of it is read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.bench._journals import encode_sound
from loadtest.media.films import sound
from recorder.webm import CUES, Video
from signaling.drafts import Drafts
from signaling.files.growing import DRAFT_NAME, Extent, NotWhole, cut, read_head
from tests.recorder.made import film

STEP_MS = 1_500


def write(video: Video, since_ms: int, until_ms: int, key_every_ms: int = 1_000) -> None:
    for at_ms in range(since_ms, until_ms, 100):
        video.picture(at_ms, [b"picture %06d" % at_ms], key=at_ms % key_every_ms == 0)
        video.sound(at_ms, b"sound %06d" % at_ms)


@cache
def grown() -> Sequence[bytes]:
    """A file after each of its steps; a larger picture comes at the seventh."""
    seen: list[bytes] = []
    with TemporaryDirectory() as folder, Video(Path(folder) / "v", "Закон Ома") as video:
        for step in range(14):
            write(video, step * STEP_MS, (step + 1) * STEP_MS)
            video.step(640 if step < 7 else 1280, 360 if step < 7 else 720)
            seen.append((Path(folder) / "v").read_bytes())
    return seen


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 4_000))
def test_a_snapshot_stays_while_the_file_grows(first: int, second: int, behind: int) -> None:
    then, now = grown()[min(first, second)], grown()[max(first, second)]
    head = read_head(then)
    # A reader may have as much of the file as it likes, if it is the head at least.
    later = read_head(now[: len(head.bytes) + behind])
    assert cut(later, head.whole) == head.bytes
    assert head.whole.bytes == len(then)
    assert now[len(head.bytes) : head.whole.bytes] == then[len(head.bytes) :]


@given(st.integers(0, 13), st.integers(0, 13))
def test_nothing_leads_beyond_a_snapshot(first: int, second: int) -> None:
    to = read_head(grown()[min(first, second)]).whole
    made = read_head(cut(read_head(grown()[max(first, second)]), to))
    assert made.whole == to
    assert all(leads_to < to.bytes for _, _, leads_to in made.cues)
    assert len(made.cues) >= to.duration_ms // 2_000


@given(st.integers(0, 13), st.integers(0, 40_000))
def test_a_head_that_is_cut_short_is_none(step: int, length: int) -> None:
    data = grown()[step]
    whole = read_head(data)
    if length >= len(whole.bytes):
        assert read_head(data[:length]) == whole
    else:
        with pytest.raises(NotWhole):
            read_head(data[:length])


@given(st.integers(0, 13), st.integers(0, 13), st.integers(0, 40_000))
def test_a_head_that_is_half_the_next_one_hurts_nobody(first: int, second: int, at: int) -> None:
    torn = grown()[first][:at] + grown()[second][at:]
    try:
        head = read_head(torn)
        made = read_head(cut(head, head.whole))
    except NotWhole:
        return
    assert all(leads_to < made.whole.bytes for _, _, leads_to in made.cues)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_what_is_no_head_is_refused(data: bytes, at: int) -> None:
    with pytest.raises(NotWhole):
        read_head(data)
    whole = read_head(grown()[0]).bytes
    try:
        read_head(whole[:at] + data + whole[at + len(data) :])
    except NotWhole:
        pass


def test_there_is_never_more_than_the_file_has() -> None:
    head = read_head(grown()[3])
    for to in (
        Extent(head.whole.bytes + 1, head.whole.duration_ms),
        Extent(head.whole.bytes, head.whole.duration_ms + 1),
        Extent(len(head.bytes) - 1, 0),
    ):
        with pytest.raises(NotWhole):
            cut(head, to)


def test_a_snapshot_of_a_longer_file_is_read(tmp_path: Path) -> None:
    frames, voice = film(3, 160, 90), encode_sound(sound(seconds=1))
    path = tmp_path / "v"
    with Video(path, "x") as video:
        for until_ms in (5_000, 10_000):
            for at_ms in range(until_ms - 5_000, until_ms, 20):
                if at_ms % 40 == 0:
                    data, key = frames[at_ms // 40 % len(frames)]
                    video.picture(at_ms, [data], key=key)
                video.sound(at_ms, voice[at_ms // 20 % len(voice)])
            video.step(160, 90)
            if until_ms == 5_000:
                to = read_head(path.read_bytes()).whole
    data = path.read_bytes()
    made = cut(read_head(data), to)
    (tmp_path / "snapshot").write_bytes(made + data[len(made) : to.bytes])
    with av.open(str(tmp_path / "snapshot")) as container:
        assert container.duration == to.duration_ms * 1000 == 4_000_000
        container.seek(3_500_000)
        assert next(container.decode(video=0)).time == 3.0
        container.seek(0)
        assert sum(1 for _ in container.decode(video=0)) == 100


@pytest.mark.asyncio
async def test_what_the_head_forgot_is_not_another_file_under_the_same_address(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path)
    assert await drafts.newest("v") is None
    path = tmp_path / "v" / DRAFT_NAME
    path.parent.mkdir()
    with Video(path, "x") as video:
        assert await drafts.newest("v") is None  # nothing to see yet
        write(video, 0, 5_000)
        video.step(640, 360)
        early = await drafts.newest("v")
        assert early is not None
        assert early.duration_ms == 4_000
        write(video, 5_000, CUES * 1_000)
        video.step(640, 360)
        late = await drafts.newest("v")
        assert late is not None
        for snapshot in (early, late):
            draft = await drafts.find("v", snapshot)
            assert draft is not None
            assert draft.stored.size == snapshot.bytes
        write(video, CUES * 1_000, CUES * 1_000 + 5_000)  # each second cue is left out from now on
        video.step(640, 360)
        for snapshot in (early, late):
            assert await drafts.find("v", snapshot) is None
        newest = await drafts.newest("v")
        assert newest is not None
        assert await drafts.find("v", newest) is not None
    with Video(path, "x") as video:  # begun anew
        write(video, 0, 5_000, key_every_ms=700)
        video.step(640, 360)
        assert await drafts.find("v", newest) is None
        assert await drafts.find("v", early) is None
