"""``zvonok bench term``: whole lives of 2,000 lessons; see ``loadtest.term``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loadtest.bench._report import Report
from loadtest.term import run as term

LESSONS: Final = 2000


def run(*, say: Callable[[str], None] = lambda _: None) -> Report:
    """As ``loadtest.term.run.run``."""
    return term.run(LESSONS, say=say)
