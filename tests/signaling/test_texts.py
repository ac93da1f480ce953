"""Names, titles and chat as people type them, and as attackers do."""

from __future__ import annotations

import unicodedata

import hypothesis.strategies as st
import pytest
from hypothesis import given

from sfu.model import Refused
from signaling import texts


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Маша", "Маша"),
        ("  Маша \t Иванова ", "Маша Иванова"),
        ("Мари\u0438\u0306", "Мари\u0439"),
        ("Ma\u200bsha", "Masha"),
        ("Ma\ufeffsha", "Masha"),
        ("Ann\u00ade", "Anne"),
        ("O'Neil-Şahin", "O'Neil-Şahin"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("=1+1", "=1+1"),
        ("Петя 7Б", "Петя 7Б"),
        ("x" * 60, "x" * 60),
    ],
)
def test_names_are_tidied(typed: str, kept: str) -> None:
    assert texts.name(typed) == kept


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "name_empty"),
        ("   ", "name_empty"),
        ("\u200b\u200d", "name_empty"),
        ("\u3164", "name_empty"),
        ("🙂", "name_empty"),
        ("---", "name_empty"),
        ("x" * 61, "name_too_long"),
        ("Anna\u202egro.live", "name_bad_characters"),
        ("Anna\u2066x", "name_bad_characters"),
        ("An\x00na", "name_bad_characters"),
        ("An\x1bna", "name_bad_characters"),
        ("\ue000Anna", "name_bad_characters"),
        ("Z" + "\u0300" * 8, "name_bad_characters"),
    ],
)
def test_names_that_are_refused(typed: str, code: str) -> None:
    with pytest.raises(Refused) as error:
        texts.name(typed)
    assert error.value.code == code


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Анна Петровна", "анна петровна"),
        ("Анна Петровна", "Аннa Петpовна"),
        ("Анна Петровна", "Анна  Петровна."),
        ("Анна Петровна", "АннаПетровна"),
        ("Semyon", "Sеmуоn"),
        ("Алёна", "Алена"),
        ("Smith", "Smíth"),
        ("Olga", "0lga"),
        ("Ａnna", "Anna"),
    ],
)
def test_names_that_look_alike_have_one_skeleton(one: str, other: str) -> None:
    assert texts.skeleton(one) == texts.skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("Маша", "Даша"), ("Анна", "Инна"), ("Petya", "Petra")])
def test_names_that_differ_have_different_skeletons(one: str, other: str) -> None:
    assert texts.skeleton(one) != texts.skeleton(other)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("hello", "hello"),
        ("two\r\nlines", "two\nlines"),
        ("many\n\n\n\nbreaks", "many\n\nbreaks"),
        ("tab\there", "tab here"),
        ("a\u202eb\u0000c\u200bd", "abcd"),
        ("👩\u200d🏫 учит", "👩\u200d🏫 учит"),
        ("a\u200db", "ab"),
        ("line\u2028sep", "line sep"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
    ],
)
def test_chat_keeps_words_and_drops_the_invisible(typed: str, kept: str) -> None:
    assert texts.chat(typed) == kept


@pytest.mark.parametrize("typed", ["", " \n ", "\u200b", "\u202e\u202c"])
def test_empty_chat_is_refused(typed: str) -> None:
    with pytest.raises(Refused, match="text_empty"):
        texts.chat(typed)


def test_titles_are_one_line_and_cut() -> None:
    assert texts.line("  Свет\nи тень \u202e") == "Свет и тень"
    assert len(texts.line("x" * 400)) == 120
    with pytest.raises(Refused, match="text_empty"):
        texts.line("\n")


@given(st.text(max_size=100))
def test_whatever_is_let_through_shows_and_cannot_turn_the_line(typed: str) -> None:
    for clean in (texts.name, texts.chat, texts.line):
        try:
            kept = clean(typed)
        except Refused:
            continue
        assert kept
        assert unicodedata.is_normalized("NFC", kept) or clean is not texts.name
        assert not any(c in texts.BIDI for c in kept)
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Co") and c != "\n" for c in kept)


@given(st.text(max_size=100))
def test_tidying_twice_changes_nothing(typed: str) -> None:
    try:
        once = texts.name(typed)
    except Refused:
        return
    assert texts.name(once) == once


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Свет и тень", "Свет и тень"),
        ("<script>alert(1)</script>", "script alert(1) script"),
        ("../../etc/passwd", "etc passwd"),
        ("C:\\Windows\\system32", "C Windows system32"),
        ('=HYPERLINK("http://x")', "HYPERLINK( http x )"),
        ("-rf *", "rf"),
        ("+7 @home ~", "7 @home"),
        (".hidden.", "hidden"),
        ("что\u202egpj.exe", "чтоgpj.exe"),
        ("a\nb\r\nc\0d", "a b cd"),
        ("שלום", "שלום"),
        ("...", ""),
        ("\ud800x", "x"),
        ("ж" * 120, "ж" * 75),
        ("🧪" * 60, "🧪" * 37),
        ("a" * 149 + " b", "a" * 149),
    ],
)
def test_titles_in_names_of_files(title: str, name: str) -> None:
    assert texts.file_name(title) == name


@given(st.text(max_size=200))
def test_names_of_files_are_names_on_every_system(title: str) -> None:
    name = texts.file_name(title)
    assert len(name.encode()) <= 150
    assert not set(name) & (set('/\\:*?"<>|') | texts.BIDI | texts.ZERO_WIDTH)
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for c in name)
    assert name == name.strip(" .=+-@~")
