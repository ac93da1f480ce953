"""Inputs that once broke something, as files: a line a record, in hexadecimal, ``#`` before a comment."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

from tests.fuzz.mutation import Input

FOLDER: Final = Path(__file__).parents[1] / "vectors" / "fuzz"
_NAME_DIGITS: Final = 12


def keep(target: str, found: Input, why: str, folder: Path = FOLDER) -> Path:
    """Write an input of the target, named after its content; ``why`` becomes a comment."""
    lines = [f"# {line}" for line in why.splitlines()[:4]] + [record.hex() or "-" for record in found]
    name = sha256("\n".join(record.hex() for record in found).encode()).hexdigest()[:_NAME_DIGITS]
    path = folder / target / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> Input:
    """The input of a file; ``-`` is an empty record. Raises ValueError for what is not hexadecimal."""
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return tuple(b"" if record == "-" else bytes.fromhex(record) for record in records)


def kept() -> list[Path]:
    """Every file, in the folder of its target."""
    return sorted(FOLDER.glob("*/*.txt"))
