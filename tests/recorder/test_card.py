"""The title card draws whatever it is given and is one VP8 keyframe."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from recorder import card

WORDS = [
    ("Закон Ома", "Физика", 8, "Мария Ивановна"),
    ("", "", None, ""),
    ("<script>alert('1')</script>", "x² − 5x + 6 = 0 ∫√π", 11, "Ё" * 60),
    ("مرحبا שלום \u202eабв\u202c", "数学", 7, "Z\u0301\u0327a̸lgo"),
    ("Ы" * 120, "слово " * 100, 10, "\x00\x1b[31m\ud800"),
    ("очень длинное название " * 20, "Литература", 9, "А. С. Пушкин"),
]


@pytest.mark.parametrize("words", WORDS, ids=["plain", "empty", "script", "rtl", "long", "sentences"])
def test_any_words_are_a_keyframe(words: tuple[str, str, int | None, str]) -> None:
    data = card.encode(card.draw(*words))
    assert not data[0] & 1
    assert len(data) < 60_000
    decoder = av.CodecContext.create("vp8", "r")
    assert isinstance(decoder, VideoCodecContext)
    frames = decoder.decode(av.Packet(data))
    assert [(frame.width, frame.height) for frame in frames] == [(card.WIDTH, card.HEIGHT)]
    drawn = np.asarray(card.draw(*words).convert("L"), dtype=np.float32)
    assert np.abs(frames[0].to_ndarray(format="gray") - drawn).mean() < 4


def test_title_subject_grade_and_teacher_are_all_there() -> None:
    whole = np.asarray(card.draw("Тема", "Предмет", 5, "Учитель").convert("L"), dtype=np.int16)
    for words in (
        ("", "Предмет", 5, "Учитель"),
        ("Тема", "", 5, "Учитель"),
        ("Тема", "Предмет", 6, "Учитель"),
        ("Тема", "Предмет", 5, ""),
    ):
        other = np.asarray(card.draw(*words).convert("L"), dtype=np.int16)
        assert (np.abs(whole - other) > 60).sum() > 50, words


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("  Квадратные\n\tуравнения ", "Квадратные уравнения"),
        ("x² ≠ ∞, √π ≤ ½", "x² ≠ ∞, √π ≤ ½"),
        ("数学", "··"),
        ("а\u0301", "á"),
        ("\u202eтекст\u200f\x00", "текст"),
        ("Ёжик — №5", "Ёжик — №5"),
    ],
)
def test_what_has_no_glyph_is_replaced(text: str, drawn: str) -> None:
    if drawn == "á":
        assert card.drawable(text)[0] == "а"
    else:
        assert card.drawable(text) == drawn


def test_nothing_is_drawn_beyond_the_card() -> None:
    for words in WORDS:
        pixels = np.asarray(card.draw(*words))
        assert (pixels[:, :60] == pixels[0, 0]).all()
        assert (pixels[:, -60:] == pixels[0, 0]).all()
        right = np.asarray(card.draw(*words).convert("L"))[80:-80, 1160:1210]
        assert right.min() > 200, words
