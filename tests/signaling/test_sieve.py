"""Words and links as students write them, and as they write them to get around a filter."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from signaling.sieve import has_link, has_word, is_word

WORDS = ("дурак*", "козёл", "fuck*", "ass", "сука", "*бестолочь*")
DEFAULT = tuple(
    tomllib.loads((Path(__file__).parents[2] / "config" / "default.toml").read_text(encoding="utf-8"))[
        "lesson"
    ]["chat_words"]
)


@pytest.mark.parametrize(
    "text",
    [
        "Ты дурак!",
        "ДУРАКИ",
        "дуууурак",
        "ддууррааккк",
        "д у р а к",
        "д\nу\nр\nа\nк",
        "д.у.р.а.к",
        "д-у_р*а/к",
        "ду рак",
        "дур а к",
        "ты ду ра к",
        "дypaк",  # Latin y, p, a
        "д\u200bу\u200dр\u00adа\ufeffк",
        "ду\u202eрак",
        "дура\u0301к",
        "KO3ЁЛ",
        "к0зел",
        "козeл",  # Latin e
        "ｆｕｃｋ",
        "𝕗𝕦𝕔𝕜𝕖𝕣",
        "f u c k e r",
        "a$s",
        "asssss",
        "$дурак$",
        "(дурак)",
        "https://дурак.ru",
        "сверхбестолочью",
        "💥дурак💥",
    ],
)
def test_words_are_found_in_disguise(text: str) -> None:
    assert has_word(text, WORDS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "as",
        "class, pass, assignment",
        "сук а на дереве",
        "краду рак",
        "Дура — не то слово",
        "козлёнок",
        "массаж",
        "x^2 + 1 = 0",
        "1000 🙂 " + "🙂" * 1000,
        "...",
    ],
)
def test_other_words_are_not(text: str) -> None:
    assert not has_word(text, WORDS)


@pytest.mark.parametrize(
    "text",
    [
        "употреблять, оскорблять, колебания, сабля, рубля, ребята, требуя, хлебал, учебник",
        "страховка, застрахуй, мандарин, команда, Себастьян, психуй, потребление, небо",
        "скипидар, шлюз, сучок, хулиган, художник, худеть, их уехало, пистолет, мудрость",
        "analysis, assume, Scunthorpe, shitake, document, whole, cuneiform",
    ],
)
def test_the_servers_words_leave_ordinary_ones_alone(text: str) -> None:
    assert not has_word(text, DEFAULT)


def test_the_servers_words_are_words() -> None:
    assert all(is_word(word) for word in DEFAULT)
    assert not is_word("*")
    assert not has_word("anything", ())
    assert not has_word("anything", ("*", "  "))


@pytest.mark.parametrize(
    "text",
    [
        "http://a",
        "HTTPS://x.ru/y",
        "hxxp://foo",
        "http : // foo",
        "www.vk",
        "vk.com",
        "vk . com",
        "vk. com",
        "vk[.]com",
        "vk (dot) com",
        "vk dot com",
        "вк точка ком",
        "vk。com",
        "ｖｋ．ｃｏｍ",
        "yandex·ru",
        "vk.сом",  # Cyrillic
        "v\u200bk.c\u00adom",
        "t.me/abc",
        "discord.gg/abc",
        "сайт.рф",
        "xn--e1afmkfd.xn--p1ai",
        "mail@mail.ru",
        "1.2.3.4/x",
        "10.0.0.1:8080",
        "javascript:alert(1)",
        "смотри:school.online!",
    ],
)
def test_links_are_found_in_disguise(text: str) -> None:
    assert has_link(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3.14",
        "в 10.30, 10.12.2026",
        "т.е. и т.д.",
        "Закончили. Me too",
        "Привет.Как дела",
        "x=1.5*2.3",
        "main.py и file.html",
        "Петров А.С.",
        "§1.2.3.4.5",
        "http это протокол",
        "i.e. to be",
        "a:b, data: 5",
        "точка А и точка Б",
        "The dot product",
        "Math.floor(x)",
        "Ok... com",
    ],
)
def test_other_dots_are_no_links(text: str) -> None:
    assert not has_link(text)


@given(st.text(max_size=1000))
def test_no_text_breaks_it(text: str) -> None:
    has_word(text, WORDS)
    has_link(text)


@given(
    st.sampled_from(["дурак", "козёл", "fuck"]),
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from(["", " ", ".", "\u200b", "-", "  "])),
        min_size=5,
        max_size=5,
    ),
)
def test_stretched_and_parted_letters_are_seen_through(word: str, marks: list[tuple[int, str]]) -> None:
    parts = [c * times + between for c, (times, between) in zip(word, marks, strict=False)]
    # A single letter beside one that stands alone is two words.
    if sum(" " in part for part in parts[:-1]) != 1:
        assert has_word("".join(parts), WORDS)


@pytest.mark.parametrize(
    "text", ["a " * 500, "х у " * 250, "x.y" * 333, "h" + " " * 998, "ё" * 1000, "(." * 500]
)
def test_no_text_holds_up_the_others(text: str) -> None:
    words = (*DEFAULT, *(f"слово{n}*" for n in range(100)))
    has_word(text, words)
    began = time.process_time()
    has_word(text, words)
    has_link(text)
    assert time.process_time() - began < 0.2
