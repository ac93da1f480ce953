"""The native plane: built from sfu/plane/native by the cargo that is there, or by Debian's.

``python -m config.setup.native clippy --release`` runs a command of that cargo in the crate.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from config.setup.apt import apt_install, debian_release, distribution
from config.setup.packages import SetupError, environment
from config.setup.stamp import content_hash, is_stamped, write_stamp

CRATE: Final = Path("sfu/plane/native")
BUILT: Final = Path("sfu/plane/_native.abi3.so")
TARGET: Final = Path("var/cache/native")
"""As the crate's own .cargo/config.toml says it."""
OLDEST_RUSTC: Final = (1, 85)
LIMIT_S: Final = 300.0
_PROGRESS_S: Final = 10.0
_STOP_S: Final = 5.0
_FIRST_DEBIAN_WITH_RUST: Final = 13
"""Whose plain packages are new enough; before, browsers' rebuilds need those called -web."""
_LOADS: Final = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("_native", sys.argv[1])
spec.loader.exec_module(module_from_spec(spec))
"""


def build(*, needed: bool) -> None:
    """Bring the built module to the sources; nothing is done when it is there already.

    ``needed``: raise SetupError when it can't be built (tests); otherwise say so and go on with the
    reference plane. No toolchain is ever downloaded but Debian's own packages, as root.
    """
    if is_stamped(_stamp(), _content()):
        return
    try:
        _build(find_cargo() or _install_cargo())
    except SetupError as error:
        if needed:
            raise
        print(f"{error}\nThe server works without it, on the slower reference plane.", flush=True)
        return
    write_stamp(_stamp(), _content())


def install_tools() -> None:
    """Have ``cargo clippy`` and ``cargo fmt``; raises SetupError when they can't be had."""
    cargo = find_cargo()
    if cargo is None:
        cargo = _install_cargo()
    missing = [tool for tool in ("clippy", "fmt") if not _has(cargo, tool)]
    if not missing:
        return
    packages = _packages(["rust-web-clippy", "rustfmt-web"], ["rust-clippy", "rustfmt"])
    if _may_install() and cargo == Path("/usr/bin/cargo"):
        print(f"Installing {' and '.join(packages)} with apt (once)", flush=True)
        if apt_install(packages) and all(_has(cargo, tool) for tool in missing):
            return
    apt = f"apt install {' '.join(packages)}"
    words = apt if debian_release() is not None else "rustup component add clippy rustfmt"
    raise SetupError(f"The native plane's code is checked by clippy and rustfmt: run  {words}  first.")


def find_cargo() -> Path | None:
    """The first cargo of PATH that really runs beside a rustc new enough; None also without a C compiler."""
    return next(find_cargos(), None) if shutil.which("cc") is not None else None


def find_cargos() -> Iterator[Path]:
    """Every cargo of PATH that really runs beside a rustc new enough."""
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        cargo, rustc = Path(folder) / "cargo", Path(folder) / "rustc"
        if _version(cargo) is not None and (_version(rustc) or (0,)) >= OLDEST_RUSTC:
            yield cargo


def command() -> str:
    """What a person types where set-up may not, or can't, install the compiler."""
    if debian_release() is not None:
        return f"apt install {' '.join(compiler_packages())} gcc libc6-dev"
    if distribution() == "ubuntu":
        return "sudo apt install rustup gcc libc6-dev && rustup toolchain install stable"
    return "rustup toolchain install stable"


def run(*words: str) -> int:
    """Run a command of cargo in the crate; its exit code."""
    cargo = find_cargo()
    if cargo is None:
        raise SetupError(missing())
    return subprocess.run([cargo, *words], check=False, cwd=CRATE, env=cargo_environment(cargo)).returncode


def _stamp() -> Path:
    return Path(sys.prefix) / ".native-built"


def _content() -> str:
    """Of sources and result: a module of another checkout's is not taken for ours."""
    sources = [CRATE / name for name in ("Cargo.toml", "Cargo.lock", ".cargo", "src")]
    return content_hash([*sources, BUILT], "built" if BUILT.is_file() else "missing")


def _version(program: Path) -> tuple[int, ...] | None:
    """(major, minor) that it says; None when it does not run (a switcher's empty shell, say)."""
    done = _said([program, "--version"])
    words = done.stdout.split() if done is not None else []
    if done is None or done.returncode or len(words) < 2:
        return None
    try:
        return tuple(int(part) for part in words[1].split(".")[:2])
    except ValueError:
        return None


def _has(cargo: Path, tool: str) -> bool:
    done = _said([cargo, tool, "--version"])
    return done is not None and done.returncode == 0


def _said(words: list[str | Path]) -> subprocess.CompletedProcess[str] | None:
    variables = os.environ | {"RUSTUP_AUTO_INSTALL": "0"}
    try:
        return subprocess.run(words, check=False, capture_output=True, text=True, timeout=30, env=variables)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _may_install() -> bool:
    return os.geteuid() == 0 and debian_release() is not None and shutil.which("apt-get") is not None


def _packages(early: list[str], late: list[str]) -> list[str]:
    return late if (debian_release() or 0) >= _FIRST_DEBIAN_WITH_RUST else early


def compiler_packages() -> list[str]:
    """Debian's packages of rustc and cargo that are new enough, rustc's first."""
    return _packages(["rustc-web", "cargo-web"], ["rustc", "cargo"])


def _install_cargo() -> Path:
    if _may_install():
        packages = [*compiler_packages(), *(() if shutil.which("cc") else ("gcc", "libc6-dev"))]
        print(f"Installing {' and '.join(packages)} with apt (once)", flush=True)
        if apt_install(packages) and (cargo := find_cargo()) is not None:
            return cargo
    raise SetupError(missing())


def missing() -> str:
    """What to do where there is no compiler."""
    oldest = ".".join(map(str, OLDEST_RUSTC))
    return (
        f"The native plane needs cargo, rustc {oldest} or newer and a C compiler: "
        f"run  {command()}  and then  make native"
    )


def cargo_environment(cargo: Path) -> dict[str, str]:
    """In which this cargo takes its own rustc, fetches no toolchain and writes to TARGET."""
    variables = environment()
    variables["PATH"] = f"{cargo.parent}{os.pathsep}{variables.get('PATH', '')}"
    variables["RUSTUP_AUTO_INSTALL"] = "0"
    for elsewhere in ("CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_TARGET"):
        variables.pop(elsewhere, None)
    return variables


def _build(cargo: Path) -> None:
    started = time.monotonic()
    print("Building the native plane (a minute or two the first time, 5 at most)", flush=True)
    process = subprocess.Popen(
        [cargo, "build", "--release", "--locked", "--color=never"],
        cwd=CRATE,
        env=cargo_environment(cargo),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    lines: deque[str] = deque(maxlen=20)
    compiled = 0

    def read() -> None:
        nonlocal compiled
        for line in process.stderr or ():
            lines.append(line.rstrip())
            compiled += line.lstrip().startswith("Compiling")

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while (spent_s := time.monotonic() - started) < LIMIT_S:
            try:
                code = process.wait(timeout=min(_PROGRESS_S, LIMIT_S - spent_s))
                break
            except subprocess.TimeoutExpired:
                print(
                    f"  The native plane: {compiled} crates after {time.monotonic() - started:.0f} s",
                    flush=True,
                )
        else:
            raise SetupError(
                f"Building the native plane took more than {LIMIT_S:.0f} s; the next try goes on."
            )
    finally:
        _end(process)
        reader.join(_STOP_S)
        if process.stderr is not None and not reader.is_alive():
            process.stderr.close()
    if code:
        words = "\n  ".join(lines)
        raise SetupError(f"Building the native plane failed:\n  {words}")
    _put_in_place(TARGET / "release" / "lib_native.so")
    print(f"  The native plane: done in {time.monotonic() - started:.0f} s", flush=True)


def _end(process: subprocess.Popen[str]) -> None:
    """Cargo and the compilers it started: they are one group, which Ctrl-C does not reach."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=_STOP_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
        return


def _put_in_place(library: Path) -> None:
    """Whole or not at all; what runs keeps the one it has loaded."""
    half = BUILT.with_name(f".{os.getpid()}.{BUILT.name}")
    try:
        shutil.copyfile(library, half)
        done = subprocess.run(
            [sys.executable, "-c", _LOADS, str(half)], check=False, capture_output=True, text=True
        )
        if done.returncode:
            words = done.stderr.strip().splitlines()[-1:]
            raise SetupError(f"The native plane was built, but can't be loaded: {' '.join(words)}")
        half.replace(BUILT)
    finally:
        half.unlink(missing_ok=True)


def main() -> int:
    """Run the command of cargo given as arguments."""
    try:
        return run(*sys.argv[1:])
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
