"""Wheels with the native plane: ``python -m config.setup.wheels [x86_64] [aarch64]``, into dist/.

Zig compiles C and links against an old glibc, whatever this machine has, and for the other processor too.
Rust's own library for that processor is the compiler's (rustup), or is taken from Debian's packages into
var/cache: nothing on the machine changes, and nobody has to be root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from config.setup import native
from config.setup.apt import debian_release
from config.setup.packages import SetupError, pip

LOCK: Final = Path("requirements-wheels.lock")
LIBRARIES: Final = Path("var/cache/rust")
"""Rust's libraries from Debian's packages, each in the folder of its version and machine."""
DEBIAN: Final = {"x86_64": "amd64", "aarch64": "arm64"}
"""The machines that wheels are made for, and Debian's names of them."""
DEBIANS_CARGO: Final = Path("/usr/bin/cargo")
GLIBC: Final = "2.28"
"""Debian 10's and RHEL 8's: the oldest one that the wheels run on."""


def build(machine: str) -> None:
    """One wheel; raises SetupError."""
    target = f"{machine}-unknown-linux-gnu"
    cargo, sysroot = find_compiler(machine)
    print(f"Building the wheel for {machine} (a few minutes the first time)", flush=True)
    variables = native.cargo_environment(cargo) | {"CARGO_ZIGBUILD_PYTHON_PATH": sys.executable}
    if sysroot is not None:
        variables[f"CARGO_TARGET_{target.upper().replace('-', '_')}_RUSTFLAGS"] = f"--sysroot={sysroot}"
    zigbuild = [str(Path(sys.prefix) / "bin" / "cargo-zigbuild"), "zigbuild", "--release", "--locked"]
    command = [*zigbuild, "--target", f"{target}.{GLIBC}"]
    if subprocess.run(command, check=False, cwd=native.CRATE, env=variables).returncode:
        raise SetupError(f"The native plane could not be built for {machine}.")
    library = native.TARGET / target / "release" / "lib_native.so"
    variables = os.environ | {
        "ZVONOK_WHEEL_LIBRARY": str(library.absolute()),
        "ZVONOK_WHEEL_PLATFORM": f"manylinux_{GLIBC.replace('.', '_')}_{machine}",
    }
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"]
    if subprocess.run(command, check=False, env=variables).returncode:
        raise SetupError(f"The wheel for {machine} could not be made.")


def find_compiler(machine: str) -> tuple[Path, Path | None]:
    """The first cargo that can compile for this machine, and where Rust's library is when not beside it.

    Raises SetupError with what to do when there is none.
    """
    target = f"{machine}-unknown-linux-gnu"
    cargos = list(native.find_cargos())
    if not cargos:
        raise SetupError(native.missing())
    for cargo in cargos:
        if _has_library(cargo, target):
            return cargo, None
    if DEBIANS_CARGO in cargos and debian_release() is not None:
        return DEBIANS_CARGO, _debians_library(machine)
    words = f"run  rustup target add {target}  and then  make wheels"
    raise SetupError(f"No cargo here has Rust's library for {machine}: {words}")


def _has_library(cargo: Path, target: str) -> bool:
    words = [str(cargo.with_name("rustc")), "--print", "target-libdir", "--target", target]
    variables = native.cargo_environment(cargo)
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=variables)
    return done.returncode == 0 and any(Path(done.stdout.strip()).glob("libstd-*.rlib"))


def _debians_library(machine: str) -> Path:
    """The sysroot with the library that Debian's rustc of the same version has on ``machine``."""
    compiler = native.compiler_packages()[0]
    package = f"libstd-rust{compiler.removeprefix('rustc')}-dev"
    version = _output(["dpkg-query", "--show", "--showformat=${Version}", compiler])
    sysroot = LIBRARIES / f"{version}-{machine}" / "usr"
    if sysroot.is_dir():
        return sysroot.absolute()
    LIBRARIES.mkdir(parents=True, exist_ok=True)
    print(f"Taking Rust's library for {machine} from Debian's {package} (once)", flush=True)
    with tempfile.TemporaryDirectory(dir=LIBRARIES) as name:
        folder = Path(name).absolute()
        (folder / "lists/partial").mkdir(parents=True)
        options = {
            "APT::Architecture": DEBIAN[machine],
            "APT::Architectures": DEBIAN[machine],
            "APT::Sandbox::User": "",
            "Dir::State::Lists": str(folder / "lists"),
            "Dir::Cache": str(folder / "cache"),
        }
        apt = ["apt-get", "--quiet=2", *(f"--option={key}={value}" for key, value in options.items())]
        _output([*apt, "update"])
        _output([*apt, "download", f"{package}={version}"], folder)
        (archive,) = folder.glob("*.deb")
        _output(["dpkg-deb", "--extract", str(archive), str(folder / "taken")])
        shutil.rmtree(sysroot.parent, ignore_errors=True)
        (folder / "taken").replace(sysroot.parent)
    return sysroot.absolute()


def _output(command: list[str], folder: Path | None = None) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    except OSError as error:
        raise SetupError(f"{command[0]} could not be run: {error}") from error
    if done.returncode:
        words = "\n  ".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise SetupError(f"{command[0]} could not do its part:\n  {words}")
    return done.stdout


def main() -> int:
    """Every wheel that is asked for, by default all; 1 when one could not be made."""
    machines = sys.argv[1:] or list(DEBIAN)
    if not set(machines) <= set(DEBIAN):
        print(f"usage: python -m config.setup.wheels [{'] ['.join(DEBIAN)}]", file=sys.stderr)
        return 2
    try:
        pip("--require-hashes", "-r", str(LOCK))
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    failed = False
    for machine in machines:
        try:
            build(machine)
        except SetupError as error:
            print(error, file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
