"""The command line: what it prints, and that faults are one line and code 1."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from config.cli import main
from config.settings import load_settings
from config.tree import RUNNING
from sfu.model import Refused
from signaling.catalog.recordings import Published
from signaling.catalog.store import Catalog
from signaling.tickets import LIBRARY_LIFETIME_S, KeyRing, check_library_key, read_one_time_key
from signaling.wire import JobStep
from tests.signaling.test_recordings import taught


@pytest.fixture(autouse=True)
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("ZVONOK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ZVONOK_PATHS__VAR", str(tmp_path / "var"))
    return tmp_path / "var"


@pytest.fixture
def admin(var: Path) -> Iterator[str]:
    """An admin listener that says one status, and the running server's note of it."""

    class Admin(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"lessons": 2, "workers": [{"worker": "w0", "cpu": 0.25}]}).encode()
            self.send_response(200 if self.path == "/status" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    with HTTPServer(("127.0.0.1", 0), Admin) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        var.mkdir()
        note = {"pid": os.getpid(), "origin": "https://lessons.example:8443", "admins": [address]}
        (var / RUNNING).write_text(json.dumps(note))
        yield address
        server.shutdown()
        thread.join()


def test_config_show_names_value_and_source(capsys: pytest.CaptureFixture[str], var: Path) -> None:
    assert main(["config", "show", "--set", "server.port=9443"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["server.port", "9443", "command", "line"] in lines
    assert ["paths.var", f'"{var}"', "ZVONOK_PATHS__VAR"] in lines
    assert ["lesson.max_people", "60", "default"] in lines


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["config", "show", "--set", "server.prot=1"], "command line: unknown setting server.prot"),
        (["config", "show", "--set", "server.port"], "--set server.port: GROUP.KEY=VALUE is wanted"),
        (["config", "show", "--config", "/nowhere/x.toml"], "/nowhere/x.toml: cannot be read"),
        (["serve", "--public", "two words"], "server.public: 'two words' is not a name"),
        (["status"], "start one with zvonok serve"),
        (["bench", "nothing"], "no bench is called nothing; there are: "),
    ],
)
def test_fault_is_one_line_and_code_one(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    said = capsys.readouterr()
    assert said.err.startswith("zvonok: ")
    assert words in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_teacher_link_signs_in_at_the_running_server(
    capsys: pytest.CaptureFixture[str], var: Path, admin: str
) -> None:
    assert main(["teacher", "link", "anna"]) == 0
    origin, _, key = capsys.readouterr().out.strip().partition("/t#")
    assert origin == "https://lessons.example:8443"
    keys = KeyRing.read(var / "keys" / "cookie.key")
    assert read_one_time_key(keys, key, 0).teacher == "anna"


def test_teacher_links_are_all_different(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["teacher", "link"]) == main(["teacher", "link"]) == 0
    said = capsys.readouterr()
    assert len(set(said.out.splitlines())) == 2
    assert "no server runs here now" in said.err


def test_library_link_opens_the_running_servers_library_for_a_month(
    capsys: pytest.CaptureFixture[str], var: Path, admin: str
) -> None:
    before_s = int(time.time())
    assert main(["library", "link"]) == 0
    origin, _, key = capsys.readouterr().out.strip().partition("/library#")
    assert origin == "https://lessons.example:8443"
    keys = KeyRing.read(var / "keys" / "cookie.key")
    check_library_key(keys, key, before_s + LIBRARY_LIFETIME_S - 1)
    with pytest.raises(Refused, match="library_key_bad"):
        check_library_key(keys, key, int(time.time()) + LIBRARY_LIFETIME_S)


def test_status_of_the_running_server(capsys: pytest.CaptureFixture[str], admin: str) -> None:
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["origin", "https://lessons.example:8443"]
    assert ["worker", "w0"] in [line.split() for line in lines]
    assert main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lessons"] == 2


def test_status_of_one_process_while_another_is_started_again(
    capsys: pytest.CaptureFixture[str], var: Path, admin: str
) -> None:
    note = json.loads((var / RUNNING).read_text())
    note["admins"].append("http://127.0.0.1:1")
    (var / RUNNING).write_text(json.dumps(note))
    assert main(["status"]) == 1
    said = capsys.readouterr()
    assert ["worker", "w0"] in [line.split() for line in said.out.splitlines()]
    assert said.err.startswith("zvonok: http://127.0.0.1:1/status does not answer")


def test_server_that_died_is_not_running(capsys: pytest.CaptureFixture[str], var: Path) -> None:
    var.mkdir()
    (var / RUNNING).write_text(json.dumps({"pid": 2**22 + 1, "origin": "http://x", "admins": ["http://x"]}))
    for command in ("status", "drain"):
        assert main([command]) == 1
        assert "no server runs" in capsys.readouterr().err


def test_jobs_are_listed_and_tried_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    var = ["--set", f"paths.var={tmp_path}"]
    assert main(["jobs", *var]) == 1
    assert "cannot be used" in capsys.readouterr().err
    asyncio.run(_failed_job(tmp_path))
    assert main(["jobs", "--failed", *var]) == 0
    assert "r1  sound       failed   The video is damaged" in capsys.readouterr().out
    assert main(["jobs", "retry", *var]) == 1
    assert main(["jobs", "retry", "r1", *var]) == 0
    assert capsys.readouterr().out == "r1: sound will be tried again\n"
    assert main(["jobs", "retry", "r1", *var]) == 1
    assert "nothing of r1 has failed" in capsys.readouterr().err
    assert main(["jobs", "--json", *var]) == 0
    assert {job["state"] for job in json.loads(capsys.readouterr().out)} == {"waiting"}


async def _failed_job(var: Path) -> None:
    catalog = await Catalog.open(load_settings({}, overrides={"paths.var": str(var)}).sql.url)
    await catalog.use_key("k0", "main", 1)
    await taught(catalog, "l")
    await catalog.recordings.begin("r1", "l", 1, 1)
    await catalog.recordings.finishing("r1")
    await catalog.recordings.published("r1", Published(1, 1, 1, 1), 1)
    steps: tuple[JobStep, ...] = ("sound",)
    claim = await catalog.jobs.claim("t", steps, 2)
    assert claim is not None
    await catalog.jobs.failed(claim, "damaged", 3, again=False)
    await catalog.close()
