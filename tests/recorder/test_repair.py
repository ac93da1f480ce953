"""``zvonok recorder repair`` as an operator runs it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from config.cli import main
from signaling.catalog.store import Catalog


def repair(var: Path) -> int:
    return main(["recorder", "repair", f"--set=paths.var={var}"])


def test_without_recordings_there_is_nothing_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert repair(tmp_path) == 0
    assert capsys.readouterr().out == f"nothing to repair in {tmp_path / 'recordings'}\n"
    assert not (tmp_path / "zvonok.db").exists()


def test_recordings_without_their_database_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recordings" / "R1").mkdir(parents=True)
    assert repair(tmp_path) == 1
    said = capsys.readouterr().err.splitlines()
    assert said == [f"zvonok: {tmp_path / 'zvonok.db'} cannot be used (No such file or directory): run as the "
                    "server's user"]  # fmt: skip
    assert not (tmp_path / "zvonok.db").exists()


def test_a_folder_that_somebody_may_be_about_to_write_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def migrate() -> None:
        await (await Catalog.open(f"sqlite+aiosqlite:///{tmp_path}/zvonok.db")).close()

    asyncio.run(migrate())
    (tmp_path / "recordings" / "R1").mkdir(parents=True)
    assert repair(tmp_path) == 1
    assert capsys.readouterr().out == "R1  unknown its lesson is not in the database, kept\n"
    assert (tmp_path / "recordings" / "R1").exists()
