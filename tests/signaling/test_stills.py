"""Stills: what is taken for a picture, who is asked for one, who gets it."""

from __future__ import annotations

import io
from typing import Literal

import pytest
from PIL import Image

from sfu.model import ParseError
from signaling.stills import STILLS, Stills, picture_size
from signaling.wire import MAX_STILL, SendStill, SlotContent, Slots

STAGE, SCREEN = 0, 2


def image(width: int = 192, height: int = 108, form: str = "WEBP", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), "green").save(buffer, form, **options)
    return buffer.getvalue()


def slots(stage: str | None = None, screen: str | None = None, *, lite: bool = True) -> Slots:
    content = (
        SlotContent(STAGE, stage, None if stage is None else "camera", live=False),
        SlotContent(SCREEN, screen, None if screen is None else "screen", live=False),
    )
    return Slots(1, 1, 1, content, "nothing", lite)


@pytest.mark.parametrize(
    "data",
    [
        image(),
        image(lossless=True),
        image(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"),
        image(form="JPEG"),
        image(form="JPEG", progressive=True),
    ],
    ids=["lossy", "lossless", "extended", "jpeg", "progressive"],
)
def test_the_size_is_read_from_the_content(data: bytes) -> None:
    assert picture_size(data) == (192, 108)
    for length in range(len(data)):
        try:
            size = picture_size(data[:length])
        except ParseError:
            continue
        assert size == (192, 108)


@pytest.mark.parametrize(
    "data",
    [b"", b"GIF89a" + bytes(30), image(form="PNG"), b"RIFF1234WEBP" + bytes(40), b"\xff\xd8\xff" + bytes(40),
     image() + bytes(MAX_STILL)],
)  # fmt: skip
def test_anything_else_is_no_picture(data: bytes) -> None:
    with pytest.raises(ParseError):
        picture_size(data)


def test_who_is_lite_gets_the_screen_else_the_stage() -> None:
    stills = Stills()
    stills.slots("a", slots("teacher", lite=False))
    assert stills.wanted() == {}
    stills.slots("a", slots("teacher"))
    stills.slots("b", slots("teacher"))
    assert stills.wanted() == {"teacher": "camera"}
    stills.slots("b", slots("teacher", "teacher"))
    assert stills.wanted() == {"teacher": "screen"}
    assert sorted(stills.viewers("teacher", "screen")) == ["a", "b"]
    stills.slots("b", None)
    assert stills.wanted() == {"teacher": "camera"}
    stills.forget("a")
    assert stills.wanted() == {}


@pytest.mark.parametrize(
    ("source", "data"),
    [("screen", image()), ("camera", image(641, 20)), ("camera", image(20, 641)), ("camera", b"<script>")],
)
def test_what_nobody_asked_for_or_is_no_picture_is_not_taken(
    source: Literal["camera", "screen"], data: bytes
) -> None:
    stills = Stills()
    stills.slots("a", slots("teacher"))
    assert stills.take("teacher", SendStill(source, data), 0.0) is None
    assert stills.take("somebody", SendStill("camera", image()), 0.0) is None


def test_more_than_a_few_a_second_are_not_taken() -> None:
    stills = Stills()
    stills.slots("a", slots("teacher"))
    taken = [stills.take("teacher", SendStill("camera", image()), n / 100) for n in range(100)]
    assert len([still for still in taken if still]) <= STILLS.burst + STILLS.per_s
