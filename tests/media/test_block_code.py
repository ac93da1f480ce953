"""The frame number is read back after what a call does to a picture, and never guessed."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.media.block_code import Mark, draw, read
from loadtest.media.films import FRAMES_A_SECOND, frame, yuv_frame


@given(who=st.integers(0, 15), counter=st.integers(0, 65_535))
def test_every_mark_is_read_back(who: int, counter: int) -> None:
    assert read(frame(320, 180, Mark(who, counter))) == (who, counter)


@pytest.mark.parametrize(("width", "height", "bit_rate"), [(160, 90, 60_000), (320, 180, 100_000)])
def test_read_after_vp8_at_the_lowest_layer(width: int, height: int, bit_rate: int) -> None:
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.bit_rate, encoder.time_base = bit_rate, Fraction(1, FRAMES_A_SECOND)
    encoder.options = {"deadline": "realtime", "cpu-used": "8"}
    decoder = av.CodecContext.create("vp8", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    seen = []
    for counter in range(1000, 1000 + 2 * FRAMES_A_SECOND):
        large = av.VideoFrame.from_ndarray(yuv_frame(1280, 720, Mark(5, counter)), format="yuv420p")
        small = large.reformat(width, height)
        small.pts, small.time_base = counter, Fraction(1, FRAMES_A_SECOND)
        for packet in encoder.encode(small):
            seen += [
                read(decoded.to_ndarray(format="gray").astype(np.uint8)) for decoded in decoder.decode(packet)
            ]
    assert seen == [(5, counter) for counter in range(1000, 1000 + 2 * FRAMES_A_SECOND)]


def test_nothing_is_read_where_nothing_is_written() -> None:
    random = np.random.default_rng(7)
    for _ in range(200):
        assert read(random.integers(0, 256, (90, 160), dtype=np.uint8)) is None
    assert read(np.zeros((90, 160), dtype=np.uint8)) is None


def test_a_flipped_cell_is_not_believed() -> None:
    luma = np.full((90, 160), 90, dtype=np.uint8)
    draw(luma, Mark(3, 1234))
    luma[10:20, 0:10] = 235
    assert read(luma) is None
