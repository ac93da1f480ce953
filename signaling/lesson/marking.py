"""What is right, and what came of a question: arithmetic on answers, without the lesson around it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection
from typing import Final

from signaling.wire import QUIZ_TOLD, QUIZ_WITHHELD_BELOW, QuizAnswerField, QuizKeyField, QuizTallyField

_ROUNDING: Final = 1e-9
"""Share of a number by which it may be off for being written in binary."""
_ENDS: Final = " .,;:!?\"'«»"


def keyed(key: QuizKeyField) -> bool:
    """Whether an answer can be right or wrong."""
    return bool(key.right or key.texts) or key.number is not None


def mark(key: QuizKeyField, answer: QuizAnswerField) -> bool | None:
    """Whether an answer is right; None where nothing is right or wrong."""
    if not keyed(key):
        return None
    match key.kind:
        case "single" | "multiple":
            return set(answer.choices) == set(key.right)
        case "number":
            if key.number is None or answer.number is None:
                return False
            return abs(answer.number - key.number) <= key.tolerance + _ROUNDING * max(1.0, abs(key.number))
        case "text":
            return plain(answer.text or "") in {plain(text) for text in key.texts}


def plain(text: str) -> str:
    """A text as it is compared: without case, with ё as е, single spaces and no punctuation at its ends."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
    return " ".join(folded.split()).strip(_ENDS)


def tally(
    key: QuizKeyField, answers: Collection[QuizAnswerField], at_ms: int, *, anonymous: bool, told: bool
) -> QuizTallyField:
    """What came of a question; ``told``: how many were right is part of it. Texts are never."""
    answered = len(answers)
    if anonymous and answered < QUIZ_WITHHELD_BELOW:
        return QuizTallyField(at_ms, answered, withheld=True)
    right = sum(mark(key, each) is True for each in answers) if told and keyed(key) else None
    if key.kind == "number":
        counted = Counter(each.number for each in answers if each.number is not None)
        first = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:QUIZ_TOLD]
        return QuizTallyField(
            at_ms, answered, tuple(count for _, count in first), tuple(number for number, _ in first), right
        )
    chosen = Counter(place for each in answers for place in each.choices)
    return QuizTallyField(
        at_ms, answered, tuple(chosen[place] for place in range(len(key.options))), (), right
    )


def said(answers: Collection[QuizAnswerField]) -> tuple[str, ...]:
    """Texts of an anonymous question in the order of letters, which tells nothing of who came when; none
    while too few have answered."""
    if len(answers) < QUIZ_WITHHELD_BELOW:
        return ()
    return tuple(sorted(each.text for each in answers if each.text is not None))
