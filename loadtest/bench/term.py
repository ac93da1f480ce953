"""``zvonok bench term``: whole lives of 2,000 lessons; see ``loadtest.term``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from loadtest.term.run import run

LESSONS: Final = 2000


def main(argv: Sequence[str]) -> int:
    """Print the report; with ``--json`` as one line."""
    as_json = "--json" in argv
    report = run(LESSONS, say=lambda words: None if as_json else print(words, file=sys.stderr, flush=True))
    print(report.to_json() if as_json else report.to_table(), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
