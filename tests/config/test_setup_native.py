"""The native plane's set-up on machines unlike ours: which compiler is taken, what is said without one."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from config.setup import apt, native
from config.setup.packages import SetupError, environment

NEVER = "exit 1"
MODULE = native.BUILT.absolute()
"""Tests need it to be built."""


class Machine:
    """A folder that stands for PATH, and a checkout with a crate; what apt is asked for is kept."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.checkout = folder / "checkout"
        self.installed: list[str] = []
        self.bin.mkdir()
        (self.checkout / native.CRATE / "src").mkdir(parents=True)
        (self.checkout / native.CRATE / "Cargo.toml").write_text("[package]")
        (self.checkout / ".venv").mkdir()

    def program(self, name: str, script: str, folder: Path | None = None) -> Path:
        file = (folder or self.bin) / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        file.chmod(0o755)
        return file

    def toolchain(self, version: str = "1.96.0", build: str = "exit 0", folder: Path | None = None) -> Path:
        self.program("cc", NEVER)
        self.program("rustc", f"echo 'rustc {version} (abc 2026-01-01)'", folder)
        return self.program(
            "cargo",
            f'case "$1" in --version) echo "cargo {version}";; build) {build};; *) exit 1;; esac',
            folder,
        )

    def apt(self, script: str) -> None:
        self.program("apt-get", f'case "$*" in *install*) echo "$@" >>{self.checkout}/asked; {script};; esac')

    @property
    def asked(self) -> str:
        file = self.checkout / "asked"
        return file.read_text() if file.exists() else ""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Somebody's Fedora without a compiler."""
    machine = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(machine.bin))
    monkeypatch.setattr(sys, "prefix", str(machine.checkout / ".venv"))
    monkeypatch.chdir(machine.checkout)
    become(monkeypatch, tmp_path, "ID=fedora", root=False)
    return machine


def become(monkeypatch: pytest.MonkeyPatch, folder: Path, release: str, *, root: bool) -> None:
    (folder / "os-release").write_text(f"NAME=x\n{release}\n")
    monkeypatch.setattr(apt, "OS_RELEASE", folder / "os-release")
    monkeypatch.setattr("os.geteuid", lambda: 0 if root else 1000)


def compiles(machine: Machine) -> str:
    """What cargo does that really builds: the module of this checkout."""
    made = machine.checkout / native.TARGET / "release"
    return f"mkdir -p {made}; cp {MODULE} {made}/lib_native.so; echo built >>{machine.checkout}/log"


def builds(machine: Machine) -> int:
    log = machine.checkout / "log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def test_a_switcher_without_a_toolchain_and_an_old_compiler_are_passed_over(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, old = tmp_path / "empty", tmp_path / "old"
    for name in ("cargo", "rustc"):
        machine.program(name, 'test "$RUSTUP_AUTO_INSTALL" = 0 || echo "$0 1.99.0"; exit 1', empty)
    machine.toolchain("1.63.0", folder=old)
    new = machine.toolchain("1.85.0")
    monkeypatch.setenv("PATH", f"{empty}:{old}:{machine.bin}")
    assert native.find_cargo() == new
    (machine.bin / "cc").unlink()
    assert native.find_cargo() is None, "assembly and C have to be compiled too"


@pytest.mark.parametrize(
    ("release", "words"),
    [
        ("ID=fedora", "rustup toolchain install stable"),
        (
            'ID=ubuntu\nVERSION_ID="24.04"',
            "sudo apt install rustup gcc libc6-dev && rustup toolchain install",
        ),
        ('ID=debian\nVERSION_ID="12"', "apt install rustc-web cargo-web gcc libc6-dev"),
        ('ID=debian\nVERSION_ID="13"', "apt install rustc cargo gcc libc6-dev"),
        ("ID=debian", "apt install rustc cargo gcc libc6-dev"),
    ],
)
def test_without_a_compiler_a_server_is_set_up_all_the_same(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    release: str,
    words: str,
) -> None:
    machine.apt(NEVER)
    become(monkeypatch, tmp_path, release, root=False)
    native.build(needed=False)
    said = capsys.readouterr().out
    assert words in said
    assert "reference plane" in said
    assert machine.asked == "", "who is not root installs nothing"
    with pytest.raises(SetupError, match="cargo"):
        native.build(needed=True)


def test_root_on_debian_gets_a_compiler(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    become(monkeypatch, tmp_path, 'ID=debian\nVERSION_ID="12"', root=True)
    made = machine.toolchain(build=compiles(machine))
    hidden = tmp_path / "not-yet"
    machine.bin.rename(hidden)
    machine.bin.mkdir()
    machine.apt(f"cp {hidden}/* {made.parent}")
    native.build(needed=True)
    assert "rustc-web cargo-web gcc libc6-dev" in machine.asked
    assert native.BUILT.read_bytes() == MODULE.read_bytes()


def test_it_is_built_once_for_each_content(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.toolchain(build=compiles(machine))
    native.build(needed=True)
    capsys.readouterr()
    native.build(needed=True)
    assert (builds(machine), capsys.readouterr().out) == (1, "")
    (native.CRATE / "src/lib.rs").write_text("//! More.")
    native.build(needed=True)
    assert builds(machine) == 2
    native.BUILT.write_bytes(b"somebody else's")
    native.build(needed=True)
    assert builds(machine) == 3


def test_a_module_that_does_not_load_is_not_put_in_place(machine: Machine) -> None:
    folder = machine.checkout / native.TARGET / "release"
    machine.toolchain(build=f"mkdir -p {folder}; echo no >{folder}/lib_native.so")
    with pytest.raises(SetupError, match="can't be loaded"):
        native.build(needed=True)
    assert [file.name for file in native.BUILT.parent.iterdir()] == ["native"]


def test_a_build_that_fails_is_told_in_cargos_words(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.toolchain(build='echo "error: could not compile" >&2; exit 101')
    with pytest.raises(SetupError, match="could not compile"):
        native.build(needed=True)
    native.build(needed=False)
    assert "reference plane" in capsys.readouterr().out


def test_a_build_that_takes_too_long_is_ended_with_its_compilers(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(native, "LIMIT_S", 0.5)
    monkeypatch.setattr(native, "_PROGRESS_S", 0.1)
    machine.toolchain(build='echo "   Compiling a v1" >&2; sh -c "exec sleep 60"')
    started = time.monotonic()
    with pytest.raises(SetupError, match="the next try goes on"):
        native.build(needed=True)
    assert time.monotonic() - started < 30
    assert "  The native plane: 1 crates after " in capsys.readouterr().out


def test_clippy_and_rustfmt_are_asked_for_by_name(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.toolchain()
    with pytest.raises(SetupError, match="rustup component add clippy rustfmt"):
        native.install_tools()
    become(monkeypatch, tmp_path, 'ID=debian\nVERSION_ID="12"', root=False)
    with pytest.raises(SetupError, match="apt install rust-web-clippy rustfmt-web"):
        native.install_tools()
    machine.program("cargo", "echo cargo 1.96.0")
    native.install_tools()


def test_cargo_is_told_of_an_own_certificate_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CARGO_HTTP_CAINFO", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/own.pem")
    assert environment()["CARGO_HTTP_CAINFO"] == "/etc/own.pem"
