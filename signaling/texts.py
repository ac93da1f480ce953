"""What people type: names, titles, chat; titles in names of files. Pure; raises Refused with the code for the
person."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from sfu.model import Refused
from signaling.wire import MAX_CHAT, MAX_NAME, MAX_TITLE

ZERO_WIDTH: Final = frozenset(
    "\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff\u00ad\u034f\u180e\u115f\u1160\u3164\uffa0"
)
"""Characters that show nothing; the Hangul fillers count as letters and would make an empty name."""
BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_JOINER: Final = "\u200d"
_MAX_MARKS: Final = 3
_NOT_IN_FILES: Final = frozenset('/\\:*?"<>|')
_NOT_AT_ENDS: Final = " .=+-@~"
_SPACES: Final = re.compile(r"\s+")
_BLANK_LINES: Final = re.compile(r"\n{3,}")


def name(text: str) -> str:
    """A participant's name: NFC, single spaces, nothing invisible.

    Raises Refused ``name_empty``, ``name_too_long``, ``name_bad_characters`` (control, bidi, private
    and unassigned characters, towers of combining marks).
    """
    folded = unicodedata.normalize("NFC", _SPACES.sub(" ", text)).strip()
    folded = "".join(c for c in folded if c not in ZERO_WIDTH)
    if any(
        c in BIDI or unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in folded
    ):
        raise Refused("name_bad_characters")
    folded = _SPACES.sub(" ", folded).strip()
    if not any(unicodedata.category(c)[0] in "LN" for c in folded):
        raise Refused("name_empty")
    if len(folded) > MAX_NAME:
        raise Refused("name_too_long")
    if _longest_marks(folded) > _MAX_MARKS:
        raise Refused("name_bad_characters")
    return folded


def line(text: str, limit: int = MAX_TITLE) -> str:
    """A title or subject: one line without control, bidi and zero-width characters, cut at ``limit``.

    Raises Refused ``text_empty``.
    """
    kept = _SPACES.sub(" ", _visible(text, "")).strip()[:limit].strip()
    if not kept:
        raise Refused("text_empty")
    return kept


def chat(text: str) -> str:
    """A chat message: line breaks stay (two at most in a row), invisible characters go.

    Raises Refused ``text_empty``, ``bad_request`` above MAX_CHAT characters.
    """
    if len(text) > MAX_CHAT:
        raise Refused("bad_request", "chat text too long")
    kept = _BLANK_LINES.sub("\n\n", _visible(text.replace("\r\n", "\n").replace("\r", "\n"), "\n")).strip()
    if not kept:
        raise Refused("text_empty")
    return kept


def file_name(text: str, limit_bytes: int = 150) -> str:
    """A title as part of a file's name that every system takes: no paths, wildcards, controls or invisible
    characters, no dots or signs of formulas and options at its ends, at most ``limit_bytes`` of UTF-8. May
    be empty; put something in front of it that is not (names of devices, like NUL, are not looked for)."""
    spaced = "".join(" " if c in _NOT_IN_FILES else c for c in _visible(text, ""))
    kept = "".join(c for c in spaced if c not in ZERO_WIDTH)
    cut = _SPACES.sub(" ", kept).encode()[:limit_bytes].decode(errors="ignore")
    return cut.strip(_NOT_AT_ENDS)


@lru_cache(maxsize=10_000)
def skeleton(text: str) -> str:
    """What a name looks like: equal for names that a reader could take for each other.

    Case, accents, spaces, punctuation and the look-alikes of Latin, Cyrillic, Greek and digits are
    folded (a small part of Unicode TS 39's confusables).
    """
    decomposed = unicodedata.normalize("NFKD", text.casefold()).casefold()
    letters = (c for c in decomposed if unicodedata.category(c)[0] in "LN")
    return "".join(_LOOKS_LIKE.get(c, c) for c in letters)


def _visible(text: str, keep: str) -> str:
    normal = unicodedata.normalize("NFC", text)
    kept: list[str] = []
    marks = 0
    for index, c in enumerate(normal):
        category = unicodedata.category(c)
        marks = marks + 1 if category == "Mn" else 0
        if c in keep:
            kept.append(c)
        elif c == _JOINER and kept and unicodedata.category(kept[-1]) in ("So", "Sk", "Mn"):
            if index + 1 < len(normal) and unicodedata.category(normal[index + 1]) in ("So", "Sk"):
                kept.append(c)
        elif c == "\t" or category in ("Zl", "Zp") or c in "\n\v\f\x85":
            kept.append(" ")
        elif c in ZERO_WIDTH or c in BIDI or category in ("Cc", "Cf", "Cs", "Co", "Cn") or marks > _MAX_MARKS:
            continue
        else:
            kept.append(c)
    return "".join(kept)


def _longest_marks(text: str) -> int:
    longest = run = 0
    for c in unicodedata.normalize("NFD", text):
        run = run + 1 if unicodedata.category(c) in ("Mn", "Me") else 0
        longest = max(longest, run)
    return longest


_LOOKS_LIKE: Final = {
    alike: plain
    for plain, group in {
        "a": "аαɑ", "b": "вβ8", "c": "сϲ", "d": "ԁ", "e": "еєε", "g": "ɡԍ9", "h": "нһη",
        "i": "іιıӏl1|ⅼ", "j": "јϳ", "k": "кκ", "m": "мμ", "n": "пո", "o": "оοσ0", "p": "рρ", "q": "ԛ",
        "r": "гɼ", "s": "ѕ5", "t": "тτ", "u": "υս", "v": "ѵν", "w": "ѡωш", "x": "хχ", "y": "уγү", "3": "зʒ",
    }.items()
    for alike in group
}  # fmt: skip
