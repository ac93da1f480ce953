"""``zvonok lessons`` and ``zvonok lesson`` beside a process that runs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from config.cli import main
from config.tree import RUNNING
from signaling import wire
from signaling.app import Signalling
from tests.signaling.parts import Clock, FakeWorker, School, settings
from tests.valkey import server as valkey_server

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def valkey() -> Iterator[str]:
    """URL of a real server."""
    with valkey_server() as server:
        yield server.connection_url


@pytest_asyncio.fixture
async def school(valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[School]:
    """A process and the note that ``zvonok serve`` writes of its Redis."""
    for name in [name for name in os.environ if name.startswith("ZVONOK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ZVONOK_PATHS__VAR", str(tmp_path))
    redis = Redis.from_url(valkey)
    await redis.flushall()
    signalling = Signalling(settings(tmp_path, valkey), Clock())
    await signalling.start()
    (tmp_path / "keys" / "redis.password").write_text("", encoding="utf-8")
    note = {"pid": os.getpid(), "origin": "http://x", "admins": ["http://x"], "redis": valkey}
    (tmp_path / RUNNING).write_text(json.dumps(note), encoding="utf-8")
    worker = await FakeWorker(redis, signalling._settings.paths.secret("rpc.key")).start()
    made = School(signalling)
    yield made
    await made.close()
    await signalling.close()
    await worker.stop()
    await redis.aclose()


class Shell:
    """Commands, run beside the loop."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    async def run(self, *arguments: str) -> tuple[int, str, str]:
        """Code, what it printed, what it said on stderr."""
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, arguments)
        said = self._capsys.readouterr()
        return code, said.out, said.err

    async def json(self, *arguments: str) -> Any:
        code, out, _ = await self.run(*arguments, "--json")
        assert code == 0
        return json.loads(out)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


async def test_a_lesson_is_listed_looked_at_and_ended(school: School, shell: Shell, tmp_path: Path) -> None:
    assert await shell.run("lessons") == (0, "no lesson is live\n", "")
    assert await shell.json("lessons") == []
    teacher = await school.teacher("anna")
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    student = school.person()
    await student.enter(lesson.student_link, "Маша")

    _, table, _ = await shell.run("lessons")
    head, row = (line.split() for line in table.splitlines())
    assert head == ["ID", "STATE", "SINCE", "PEOPLE", "WORKER", "TEACHER", "TITLE"]
    assert (row[0], row[1], row[4:]) == (lesson.lesson, "live", ["2", "w0", "anna", "Optics"])
    (listed,) = await shell.json("lessons")
    assert (listed["lesson"], listed["people"], listed["worker"]) == (lesson.lesson, 2, "w0")

    _, text, _ = await shell.run("lesson", lesson.lesson, "inspect")
    lines = [line.split() for line in text.splitlines()]
    assert ["worker", "w0,", "epoch", "1"] in lines
    assert ["student", "1", "here,", "1", "ever"] in lines
    assert [student.me, "here"] in lines
    assert "Маша" not in text
    assert "Маша" in (await shell.run("lesson", lesson.lesson, "inspect", "--names"))[1]
    assert "name" not in (await shell.json("lesson", lesson.lesson, "inspect"))["people"][0]

    ended = await shell.json("lesson", lesson.lesson, "end")
    event = await student.wait(wire.Event, lambda each: each.kind == "ended")
    assert ended == {"lesson": lesson.lesson, "ended": True, "number": event.number}
    noted = json.loads((tmp_path / "log" / "operator.log").read_text(encoding="utf-8"))
    assert (noted["message"], noted["lesson"], noted["number"]) == (
        "lesson ended", lesson.lesson, event.number,
    )  # fmt: skip
    assert noted["uid"] == os.getuid()
    code, _, complaint = await shell.run("lesson", lesson.lesson, "end")
    assert (code, complaint) == (1, f"zvonok: lesson {lesson.lesson} had ended already\n")
    assert (await shell.json("lesson", lesson.lesson, "inspect"))["state"] == "ended"


@pytest.mark.parametrize("what", ["inspect", "end"])
async def test_no_such_lesson_is_one_line_and_code_one(school: School, shell: Shell, what: str) -> None:
    code, out, complaint = await shell.run("lesson", "nothing", what)
    assert (code, out, complaint) == (1, "", "zvonok: there is no lesson nothing\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no server runs in"),
        (
            ("--set", "redis.url=redis://127.0.0.1:1/0"),
            "zvonok.db cannot be used (No such file or directory)",
        ),
    ],
)
async def test_without_a_server_it_says_so(
    arguments: tuple[str, ...], words: str, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZVONOK_PATHS__VAR", str(tmp_path))
    code, out, complaint = await shell.run("lessons", *arguments)
    assert (code, out, complaint.count("\n")) == (1, "", 1)
    assert words in complaint


async def test_a_redis_that_is_away_is_one_line(school: School, shell: Shell) -> None:
    code, _, complaint = await shell.run("lessons", "--set", "redis.url=redis://127.0.0.1:1/0")
    assert (code, complaint.count("\n")) == (1, 1)
    assert "Redis does not answer" in complaint
