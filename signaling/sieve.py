"""Words and links in what students write, also where they are disguised. Pure.

It stops what is written without thinking, and the common tricks. Who wants to get around it can: for that
there are leaders, who remove and mute.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Final

from signaling.texts import BIDI, ZERO_WIDTH, skeleton

_WINDOW: Final = 8
"""Pieces that one word may be broken into by spaces."""
_INVISIBLE: Final = dict.fromkeys(map(ord, ZERO_WIDTH | BIDI))
_SIGNS: Final = re.compile(r"[^\w]+|_")
_INSIDE: Final = {"!": "i", "|": "i", "@": "a", "$": "s", "€": "e"}
_FOLD: Final = str.maketrans({"4": "ч", "6": "б", "и": "u", "х": "x"})
"""Digits for letters of Cyrillic and a letter that Latin writes as another; on top of ``skeleton``."""


def is_word(text: str) -> bool:
    """Whether an entry of a list has a letter or digit to look for."""
    return _letters(text.strip("*")) != ""


def has_word(text: str, words: Iterable[str]) -> bool:
    """Whether one of the words stands in the text.

    Case, accents, look-alikes of other alphabets, digits for letters, invisible characters, signs inside,
    stretched letters and a word broken up by spaces make no difference. A word is found as a whole; with
    ``*`` at an end, with any letters there.
    """
    find = _finder(tuple(words))
    if find is None:
        return False
    chunks = text.translate(_INVISIBLE).split()
    # All letters of a chunk together, for "д-у-р-а-к", and part by part.
    return any(_stands_in([piece for each in chunks for piece in cut(each)], *find) for cut in _CUTS)


def _stands_in(
    pieces: Sequence[str], whole: re.Pattern[str], stems: re.Pattern[str] | None, begins: frozenset[str]
) -> bool:
    if any(whole.match(piece) for piece in pieces):
        return True
    if stems is None:
        return False
    for at, first in enumerate(pieces):
        if first[0] not in begins:
            continue
        joined = first
        for count, next_one in enumerate(pieces[at + 1 : at + _WINDOW]):
            before = len(joined)
            joined += next_one
            # "сук а" is two words; "ду рак" and "д у р а к" are one.
            if count == 0 and min(before, len(next_one)) < 2 and len(joined) > 2:
                continue
            found = stems.match(joined)
            if found is not None and found.end() > before:
                return True
    return False


@lru_cache(maxsize=2_000)
def _finder(words: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str] | None, frozenset[str]] | None:
    """What matches a piece of text as a whole; what matches pieces put together, and how that begins."""
    whole, stems, begins = [], [], set[str]()
    for word in words:
        letters = _letters(word.strip("*"))
        if not letters:
            continue
        stretched = "".join(f"{re.escape(c)}{{{len(list(run))},}}" for c, run in groupby(letters))
        open_end = word.endswith("*")
        whole.append(f"{'.*?' if word.startswith('*') else ''}{stretched}{'' if open_end else '$'}")
        if len(letters) > 2:
            stems.append(stretched if open_end else f"{stretched}$")
            begins.add(letters[0])
    if not whole:
        return None
    return (
        re.compile("|".join(whole), re.DOTALL),
        re.compile("|".join(stems)) if stems else None,
        frozenset(begins),
    )


def _letters(text: str) -> str:
    return skeleton(text).translate(_FOLD)


def _together(text: str) -> list[str]:
    letters = _letters(_with_letters(text))
    return [letters] if letters else []


def _apart(text: str) -> list[str]:
    return [letters for part in _SIGNS.split(text) if (letters := _letters(part))]


def _apart_with_letters(text: str) -> list[str]:
    return _apart(_with_letters(text))


def _with_letters(text: str) -> str:
    """Signs that stand for a letter, where one follows, as that letter."""
    return "".join(
        _INSIDE[c] if c in _INSIDE and 0 < at < len(text) - 1 and text[at + 1].isalnum() else c
        for at, c in enumerate(text)
    )


_CUTS: Final = (_together, _apart, _apart_with_letters)


_DOTS: Final = str.maketrans(
    dict.fromkeys("。．｡․‧∙•·・ꓸ٠", ".") | {"／": "/", "⁄": "/", "∕": "/", "：": ":", "∶": ":"}
)
_WRITTEN_DOT: Final = re.compile(r"\s*[\[({<]\s*(?:\.|dot|точка|тчк)\s*[\])}>]\s*|\s+(?:dot|точка|тчк)\s+")
_SPACED_DOT: Final = re.compile(r"\s+\.\s*(?=\w)")
_SCHEME: Final = re.compile(
    r"(?<!\w)(?:h\s*[tх×x]{2}\s*p\s*s?|ftp|tg|javascript)\s*:\s*/?/?\s*[\w/\\]|://|(?<!\w)www\s*\.\s*\w"
)
_ADDRESS: Final = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?:[:/]\S|(?![\d.]))")
_ENDS: Final = frozenset((
    "com", "net", "org", "edu", "gov", "info", "biz", "pro", "ru", "su", "рф", "рус", "бел", "укр", "дети",
    "сайт", "онлайн", "орг", "ком", "москва", "xn", "io", "me", "gg", "ly", "tv", "be", "to", "cc", "ws",
    "co", "uk", "us", "de", "fr", "es", "pl", "cz", "ua", "by", "kz", "uz", "am", "ge", "az", "kg", "md",
    "lv", "lt", "ee", "eu", "ch", "nl", "fi", "tr", "cn", "jp", "kr", "br", "ai", "app", "dev", "page",
    "link", "site", "online", "website", "store", "shop", "club", "fun", "live", "space", "top", "xyz",
    "icu", "vip", "win", "bet", "casino", "cloud", "tech", "blog", "pw", "tk", "ml", "ga", "cf", "gl", "vc",
    "fm", "tel", "mobi", "porn", "sex", "xxx", "adult", "cam", "dating",
))  # fmt: skip
_SURE_ENDS: Final = frozenset(("com", "net", "org", "ru", "рф", "su", "gg", "io", "xyz"))
"""Of these also "site. com", which is no end of a sentence."""
_LATIN: Final = str.maketrans("асеорхуткмнвги", "aceopxytkmhbru")
_NAME: Final = re.compile(r"([^\W_][\w-]*)\.(\s*)([^\W\d_](?:[\w-]*))")


def has_link(text: str) -> bool:
    """Whether something in the text leads somewhere, written so that a person can follow it."""
    spaced = " ".join(text.translate(_INVISIBLE).translate(_DOTS).split())
    folded = unicodedata.normalize("NFKC", spaced).casefold()
    folded = _SPACED_DOT.sub(".", _WRITTEN_DOT.sub(".", folded.translate(_DOTS)))
    if _SCHEME.search(folded) or _ADDRESS.search(folded):
        return True
    at = 0
    while (found := _NAME.search(folded, at)) is not None:
        _, space, end = found.groups()
        ends = _SURE_ENDS if space else _ENDS
        plain = end.partition("-")[0]
        if plain in ends or plain.translate(_LATIN) in ends:
            return True
        at = found.start(3)
    return False
