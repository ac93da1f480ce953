"""Wheels: which compiler makes them, what is in them, and that a server runs from one."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from config.setup import apt, native, wheels
from config.setup.packages import SetupError

ROOT = Path(__file__).resolve().parents[2]
MODULE = "sfu/plane/_native.abi3.so"
TAG = "manylinux_2_28_riscv64"


class Toolchains:
    """Folders of PATH with a cargo and a rustc each, which has the libraries that it is given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: list[Path] = []

    def add(self, name: str, *machines: str) -> Path:
        home = self.folder / name
        (home / "bin").mkdir(parents=True)
        for machine in machines:
            library = self._library(home, f"{machine}-unknown-linux-gnu")
            library.mkdir(parents=True)
            (library / "libstd-1.rlib").touch()
        (home / "bin/cargo").write_text("#!/bin/sh\necho cargo 1.96.0\n")
        (home / "bin/rustc").write_text(
            f'#!/bin/sh\n[ "$1" = --print ] && echo "{self._library(home, "$4")}" || echo rustc 1.96.0\n'
        )
        for file in (home / "bin").iterdir():
            file.chmod(0o755)
        self.paths.append(home / "bin")
        return home / "bin/cargo"

    @staticmethod
    def _library(home: Path, target: str) -> Path:
        return home / "lib/rustlib" / target / "lib"


@pytest.fixture
def toolchains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toolchains:
    """Somebody's Fedora, and no cargo yet."""
    found = Toolchains(tmp_path / "toolchains")
    release = tmp_path / "os-release"
    release.write_text("ID=fedora\n")
    monkeypatch.setattr(apt, "OS_RELEASE", release)
    monkeypatch.setattr(os, "environ", os.environ | {"PATH": ""})
    monkeypatch.chdir(tmp_path)
    return found


def find(toolchains: Toolchains, machine: str) -> tuple[Path, Path | None]:
    os.environ["PATH"] = os.pathsep.join(map(str, toolchains.paths))
    return wheels.find_compiler(machine)


def test_the_first_cargo_with_the_machines_library_compiles(toolchains: Toolchains) -> None:
    here = toolchains.add("here", "x86_64")
    both = toolchains.add("both", "x86_64", "aarch64")
    assert find(toolchains, "x86_64") == (here, None)
    assert find(toolchains, "aarch64") == (both, None)


def test_without_the_machines_library_the_command_that_gets_it_is_told(toolchains: Toolchains) -> None:
    with pytest.raises(SetupError, match="needs cargo"):
        find(toolchains, "aarch64")
    toolchains.add("here", "x86_64")
    with pytest.raises(SetupError, match="rustup target add aarch64-unknown-linux-gnu"):
        find(toolchains, "aarch64")


def test_debians_compiler_gets_the_library_of_its_own_version_once(
    toolchains: Toolchains, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cargo = toolchains.add("usr", "x86_64")
    monkeypatch.setattr(wheels, "DEBIANS_CARGO", cargo)
    apt.OS_RELEASE.write_text('ID=debian\nVERSION_ID="12"\n')
    asked = tmp_path / "asked"
    note = f'for last; do :; done; echo "$last" >>{asked}'
    programs = {
        "dpkg-query": f"{note}; printf 1.96.0-1",
        "apt-get": f'{note}; case "$*" in *download*) : >library.deb;; esac',
        "dpkg-deb": 'PATH=/usr/bin:/bin; mkdir -p "$3/usr/lib/rustlib"',
    }
    for name, script in programs.items():
        file = cargo.with_name(name)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    sysroot = tmp_path / "var/cache/rust/1.96.0-1-aarch64/usr"
    assert find(toolchains, "aarch64") == (cargo, sysroot)
    assert (sysroot / "lib/rustlib").is_dir()
    assert asked.read_text().split() == ["rustc-web", "update", "libstd-rust-web-dev=1.96.0-1"]
    assert find(toolchains, "aarch64") == (cargo, sysroot)
    assert asked.read_text().split()[3:] == ["rustc-web"]
    assert [folder.name for folder in wheels.LIBRARIES.iterdir()] == ["1.96.0-1-aarch64"]


def run(*words: str | Path, folder: Path, **variables: str) -> str:
    done = subprocess.run(
        words, check=False, cwd=folder, env=os.environ | variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(folder: Path, kind: str, **variables: str) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder, folder=ROOT, **variables)
    (made,) = folder.iterdir()
    return made


def test_from_the_source_archive_a_pure_wheel_is_made_without_compiler_and_network(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    archive = build(tmp_path / "source", "sdist")
    (tmp_path / "unpacked").mkdir()
    run("tar", "-xf", archive, folder=tmp_path / "unpacked")
    (tree,) = (tmp_path / "unpacked").iterdir()
    assert (tree / native.CRATE / "src/lib.rs").is_file()
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-build-isolation", "--no-deps"]
    run(*pip, "-w", tmp_path / "wheels", ".", folder=tree, PATH=str(tmp_path), HOME=str(tmp_path))
    (wheel,) = (tmp_path / "wheels").iterdir()
    assert wheel.name.endswith("-py3-none-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"sfu/plane/choice.py", "signaling/log.lua", "config/default.toml"} <= set(names)
    assert not [name for name in names if name.endswith((".so", ".rs"))]


def test_a_wheel_is_tagged_for_the_machine_that_its_library_is_for(tmp_path: Path) -> None:
    library = tmp_path / "other.so"
    library.write_bytes(b"\x7fELF of another machine")
    made = build(tmp_path / "wheels", "wheel", ZVONOK_WHEEL_LIBRARY=str(library), ZVONOK_WHEEL_PLATFORM=TAG)
    assert made.name.endswith(f"-cp311-abi3-{TAG}.whl")
    with zipfile.ZipFile(made) as wheel:
        assert wheel.read(MODULE) == library.read_bytes()
        (metadata,) = [name for name in wheel.namelist() if name.endswith("/WHEEL")]
        assert "Root-Is-Purelib: false" in wheel.read(metadata).decode()


def test_a_server_installed_from_a_wheel_forwards_by_the_native_plane(tmp_path: Path) -> None:
    library = str(ROOT / native.BUILT)
    name = f"linux_{platform.machine()}"
    wheel = build(tmp_path / "wheels", "wheel", ZVONOK_WHEEL_LIBRARY=library, ZVONOK_WHEEL_PLATFORM=name)
    forwards_from(wheel, tmp_path / "venv")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_make_wheels_makes_one_for_each_machine_and_ours_forwards(tmp_path: Path) -> None:
    started = {file: file.stat().st_mtime_ns for file in (ROOT / "dist").glob("*.whl")}
    run(sys.executable, "-m", "config.setup.wheels", folder=ROOT)
    made = [file for file in (ROOT / "dist").glob("*.whl") if file.stat().st_mtime_ns != started.get(file)]
    by_machine = {file.stem.partition("manylinux_2_28_")[2]: file for file in made}
    assert sorted(by_machine) == sorted(wheels.DEBIAN)
    forwards_from(by_machine[platform.machine()], tmp_path / "venv")


def forwards_from(wheel: Path, environment: Path) -> None:
    """Install it into a new environment, beside nothing of this checkout, and let a packet through."""
    run(sys.executable, "-m", "venv", "--without-pip", environment, folder=ROOT)
    python = environment / "bin/python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=environment)
    # Dependencies as they are installed here; the wheel's own come first.
    (Path(site.strip()) / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    run(*pip, "--no-index", "--no-deps", wheel, folder=environment)
    script = ROOT / "tests/config/forward_once.py"
    said = run(python, "-I", script, str(ROOT), folder=environment)
    assert said.split() == ["native", str(Path(site.strip()) / MODULE)]
    assert "usage: zvonok" in run(environment / "bin/zvonok", "--help", folder=environment)
