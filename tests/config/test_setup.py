"""Set-up of a checkout on machines unlike ours: what is chosen, what is said, what is done only once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from config.setup import browser, node
from config.setup.stamp import content_hash, is_stamped, write_stamp

ROOT = Path(__file__).resolve().parent.parent.parent
TOOLS = ("sh", "id", "tr", "rm", "echo", "cat")


class Machine:
    """A folder that stands for PATH, with the few tools every machine has."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.checkout = folder / "checkout"
        self.checkout.mkdir()
        (self.checkout / "config").symlink_to(ROOT / "config")
        for tool in TOOLS:
            found = next(path for path in (Path("/usr/bin") / tool, Path("/bin") / tool) if path.exists())
            (self.bin / tool).symlink_to(found)

    def program(self, name: str, script: str, folder: Path | None = None) -> Path:
        file = (folder or self.bin) / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return file

    def make_venv(self, path: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", ROOT / "config/setup/venv.sh"],
            check=False,
            cwd=self.checkout,
            env={"PATH": path or str(self.bin), "HOME": str(self.checkout)},
            capture_output=True,
            text=True,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


REAL = f'exec {sys.executable} "$@"'
SHELL_OF_A_SWITCHER = 'echo "command not found" >&2; exit 127'
TOO_OLD = 'case "$2" in *version_info*) exit 1;; esac; exit 3'
WITHOUT_VENV = f'case "$2" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"'
NEVER = "exit 1"


def test_first_python_that_really_runs_is_taken(machine: Machine, tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    machine.program("python3.13", SHELL_OF_A_SWITCHER, first)
    machine.program("python3.13", TOO_OLD)
    machine.program("python3.12", WITHOUT_VENV)
    machine.program("python3.11", REAL)
    done = machine.make_venv(f"{first}:{machine.bin}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Making .venv with {machine.bin}/python3.11 ")
    assert (machine.checkout / ".venv/bin/python").exists()
    again = machine.make_venv()
    assert (again.returncode, again.stdout) == (0, "")


def test_half_made_venv_is_made_anew(machine: Machine) -> None:
    machine.program("python3", REAL)
    (machine.checkout / ".venv/bin").mkdir(parents=True)
    machine.program("python", NEVER, machine.checkout / ".venv/bin")
    done = machine.make_venv()
    assert done.returncode == 0, done.stderr
    assert "Making .venv" in done.stdout


def test_no_python_is_one_sentence(machine: Machine) -> None:
    machine.program("python3", TOO_OLD)
    done = machine.make_venv()
    assert done.returncode == 1
    assert done.stderr.strip().startswith("No Python 3.11, 3.12 or 3.13 was found")


def test_python_without_venv_names_the_package(machine: Machine) -> None:
    machine.program("python3", WITHOUT_VENV)
    done = machine.make_venv()
    assert done.returncode == 1
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"apt install python{version}-venv" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "script", [NEVER, "echo 'requires the snap to be installed'", "exit 0", "echo '<html>'; exit 1"]
)
def test_browser_that_only_has_the_name_is_none(machine: Machine, script: str) -> None:
    assert not browser.starts(str(machine.program("chromium", script)))


@pytest.mark.browser
def test_found_browser_starts() -> None:
    found = browser.find_chromium()
    assert found is not None
    assert browser.starts(str(found))


def test_missing_browser_is_said_and_fails(machine: Machine) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "config.setup.browser", "verdict"],
        check=False,
        cwd=ROOT,
        env={"PATH": str(machine.bin)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("browser tests NOT RUN: install ")


@pytest.mark.parametrize(
    ("version", "good"),
    [
        ("v20.19.0", True),
        ("v20.18.9", False),
        ("v18.20.0", False),
        ("v24.1.0", True),
        ("", False),
        ("node", False),
    ],
)
def test_node_that_is_too_old_is_not_taken(machine: Machine, version: str, good: bool) -> None:
    assert node._is_new_enough(machine.program("node", f"echo {version}")) == good


def test_content_hash_sees_names_bytes_and_moves(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("one")
    second.write_text("two")
    seen = {content_hash([tmp_path])}
    seen.add(content_hash([tmp_path], "another Node"))
    second.write_text("twoo")
    seen.add(content_hash([tmp_path]))
    first.write_text("onetwo")
    second.write_text("")
    seen.add(content_hash([tmp_path]))
    second.rename(tmp_path / "c")
    seen.add(content_hash([tmp_path]))
    assert len(seen) == 5
    assert content_hash([tmp_path]) in seen


def test_stamp_holds_for_its_content_only(tmp_path: Path) -> None:
    stamp = tmp_path / ".installed"
    assert not is_stamped(stamp, "a")
    write_stamp(stamp, "a")
    assert is_stamped(stamp, "a")
    assert not is_stamped(stamp, "b")
    assert [file.name for file in tmp_path.iterdir()] == [".installed"]


def test_locks_hold_hashes_and_no_addresses() -> None:
    for lock in ROOT.glob("requirements*.lock"):
        lines = lock.read_text().splitlines()
        assert not [line for line in lines if "://" in line], lock
        pinned = [number for number, line in enumerate(lines) if line[:1].isalnum()]
        assert pinned
        assert all("--hash=sha256:" in lines[number + 1] for number in pinned), lock
    packages = json.loads((ROOT / "web/package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert not [name for name, package in packages.items() if name and "integrity" not in package]


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-dev.lock": [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]],
        "requirements-node.lock": project["dependency-groups"]["node"],
    }
    for lock, requirements in wanted.items():
        locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / lock).read_text(), re.MULTILINE))
        names = {
            re.split(r"[^A-Za-z0-9_-]", text)[0].lower() for text in requirements if isinstance(text, str)
        }
        assert names <= locked, f"run make lock: {lock} lacks {names - locked}"


def test_ci_runs_what_everybody_runs() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().rstrip().endswith("exec make test")
