"""``zvonok recorder repair`` as an operator runs it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from signaling.catalog.store import Catalog


def repair(var: Path) -> tuple[int, str]:
    """Exit code and what was said."""
    zvonok = str(Path(sys.executable).with_name("zvonok"))
    done = subprocess.run(
        [zvonok, "recorder", "repair", f"--set=paths.var={var}"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    return done.returncode, done.stdout + done.stderr


def test_without_recordings_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert repair(tmp_path) == (0, f"nothing to repair in {tmp_path / 'recordings'}\n")
    assert not (tmp_path / "zvonok.db").exists()


def test_recordings_without_their_database_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "recordings" / "R1").mkdir(parents=True)
    code, said = repair(tmp_path)
    assert code == 1
    assert said.startswith(f"zvonok: {tmp_path / 'zvonok.db'} cannot be used (No such file or directory)")
    assert said.count("\n") == 1
    assert not (tmp_path / "zvonok.db").exists()


def test_a_folder_that_somebody_may_be_about_to_write_is_kept(tmp_path: Path) -> None:
    async def migrate() -> None:
        await (await Catalog.open(f"sqlite+aiosqlite:///{tmp_path}/zvonok.db")).close()

    asyncio.run(migrate())
    (tmp_path / "recordings" / "R1").mkdir(parents=True)
    assert repair(tmp_path) == (1, "R1  unknown  its lesson is not in the database, kept\n")
    assert (tmp_path / "recordings" / "R1").exists()
