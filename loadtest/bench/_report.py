"""What every bench prints: figures against their limits, rows, and where they were measured."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. ``value`` is None when it could not be taken; ``note`` then says why.

    ``at_most``: whether ``limit`` is a ceiling (else a floor).
    """

    value: float | None
    limit: float | None
    unit: str
    note: str = ""
    at_most: bool = True

    @property
    def met(self) -> bool | None:
        """Whether the limit is kept; None when that is not known."""
        if self.value is None or self.limit is None:
            return None
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one run of a bench found. ``generator_cpu`` is the load's own CPU in cores."""

    bench: str
    figures: Mapping[str, Figure]
    rows: Sequence[Mapping[str, Any]]
    generator_cpu: float
    packages: Sequence[str]

    def to_json(self) -> str:
        """One line."""
        return json.dumps(
            {
                "bench": self.bench,
                "figures": {
                    name: {
                        "value": figure.value,
                        "limit": figure.limit,
                        "unit": figure.unit,
                        "met": figure.met,
                        "note": figure.note,
                    }
                    for name, figure in self.figures.items()
                },
                "rows": list(self.rows),
                "generator_cpu": self.generator_cpu,
                "machine": machine(),
                "versions": versions(self.packages),
                "commit": commit(),
            }
        )

    def to_table(self) -> str:
        """The same for people; a table for each stretch of rows that have the same columns."""
        lines = []
        for names, rows in groupby(self.rows, key=list):
            cells = [names, *[[_cell(row[name]) for name in names] for row in rows]]
            widths = [max(len(line[index]) for line in cells) for index in range(len(names))]
            lines += [
                "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
                for line in cells
            ]
            lines.append("")
        for name, figure in self.figures.items():
            value = "-" if figure.value is None else f"{figure.value:g} {figure.unit}"
            limit = "" if figure.limit is None else f"  (limit {figure.limit:g})"
            verdict = {True: "  met", False: "  NOT MET", None: ""}[figure.met]
            note = f"  {figure.note}" if figure.note else ""
            lines.append(f"{name}: {value}{limit}{verdict}{note}")
        lines.append(
            f"generator: {self.generator_cpu:.2f} of a core; {machine()['processor']}, commit {commit()}"
        )
        return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else "" if value is None else str(value)


def show(run: Callable[..., Report], *, as_json: bool) -> int:
    """Run a bench and print what it found, as one line of JSON or for people, who also see its progress; the
    exit code."""
    report = run(say=lambda words: None if as_json else print(words, file=sys.stderr, flush=True))
    print(report.to_json() if as_json else report.to_table(), flush=True)
    return 0


def machine() -> dict[str, Any]:
    """Processor, cores, memory, kernel."""
    processor = platform.processor() or platform.machine()
    memory_mb = 0
    cpuinfo, meminfo = Path("/proc/cpuinfo"), Path("/proc/meminfo")
    if cpuinfo.exists():
        models = [
            line.partition(":")[2].strip()
            for line in cpuinfo.read_text().splitlines()
            if "model name" in line
        ]
        processor = models[0] if models else processor
    if meminfo.exists():
        memory_mb = int(meminfo.read_text().split()[1]) // 1024
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "memory_mb": memory_mb,
        "system": f"{platform.system()} {platform.release()}",
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Of Python and the packages that matter to a bench."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> str:
    """The checkout's commit, with "+" when files differ from it; "unknown" outside a checkout."""
    root = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True, timeout=10
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
