"""The native plane: built from sfu/plane/native by the cargo that is there, or by Debian's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from config.setup.apt import apt_install, is_debian
from config.setup.packages import SetupError, environment
from config.setup.stamp import content_hash, is_stamped, write_stamp

CRATE: Final = Path("sfu/plane/native")
BUILT: Final = Path("sfu/plane/_native.abi3.so")
TARGET: Final = Path("var/cache/native")
OLDEST_RUSTC: Final = (1, 85)
LIMIT_S: Final = 300.0
COMMAND: Final = "apt install rustc-web cargo-web gcc libc6-dev"
"""What a person types where set-up may not, or can't, install the compiler."""
_PROGRESS_S: Final = 10.0


def build(*, needed: bool) -> None:
    """Bring the built module to the sources; nothing is done when it is there already.

    ``needed``: raise SetupError when it can't be built (tests); otherwise say so and go on with the
    reference plane. No toolchain is ever downloaded but Debian's own packages, as root.
    """
    stamp = Path(sys.prefix) / ".native-built"
    content = content_hash([CRATE / name for name in ("Cargo.toml", "Cargo.lock", ".cargo", "src")])
    if BUILT.is_file() and is_stamped(stamp, content):
        return
    try:
        cargo = find_cargo() or _install_cargo()
        _build(cargo)
    except SetupError as error:
        if needed:
            raise
        print(f"{error}\nThe server works without it, on the slower reference plane.", flush=True)
        return
    write_stamp(stamp, content)


def find_cargo() -> Path | None:
    """The first cargo of PATH that really runs beside a rustc new enough; None also without a C compiler."""
    if shutil.which("cc") is None:
        return None
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        cargo, rustc = Path(folder) / "cargo", Path(folder) / "rustc"
        if _version(cargo) is not None and (_version(rustc) or (0,)) >= OLDEST_RUSTC:
            return cargo
    return None


def _version(program: Path) -> tuple[int, ...] | None:
    """(major, minor) that it says; None when it does not run (a switcher's empty shell, say)."""
    try:
        done = subprocess.run([program, "--version"], check=False, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split()
    if done.returncode or len(words) < 2:
        return None
    try:
        return tuple(int(part) for part in words[1].split(".")[:2])
    except ValueError:
        return None


def _install_cargo() -> Path:
    if os.geteuid() == 0 and is_debian() and shutil.which("apt-get"):
        print("Installing rustc-web and cargo-web with apt (once)", flush=True)
        compiler = () if shutil.which("cc") else ("gcc", "libc6-dev")
        if apt_install(["rustc-web", "cargo-web", *compiler]) and (cargo := find_cargo()) is not None:
            return cargo
    raise SetupError(
        f"The native plane needs cargo, rustc {'.'.join(map(str, OLDEST_RUSTC))} or newer and a C compiler: "
        f"run  {COMMAND}  as root (or use rustup), then start again."
    )


def _build(cargo: Path) -> None:
    started = time.monotonic()
    print("Building the native plane (a minute or two the first time, 5 at most)", flush=True)
    variables = environment()
    if authority := variables.get("PIP_CERT"):
        variables.setdefault("CARGO_HTTP_CAINFO", authority)
    variables["PATH"] = f"{cargo.parent}{os.pathsep}{variables.get('PATH', '')}"
    variables.pop("CARGO_TARGET_DIR", None)
    process = subprocess.Popen(
        [cargo, "build", "--release", "--locked", "--color=never"],
        cwd=CRATE,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    stop = threading.Timer(LIMIT_S, process.kill)
    stop.start()
    lines: list[str] = []
    compiled, told = 0, started
    assert process.stderr is not None  # noqa: S101 - asked for above
    for line in process.stderr:
        lines = [*lines[-40:], line.rstrip()]
        compiled += line.lstrip().startswith("Compiling")
        if time.monotonic() - told >= _PROGRESS_S:
            told = time.monotonic()
            print(f"  {compiled} crates after {told - started:.0f} s", flush=True)
    code = process.wait()
    stop.cancel()
    if code:
        words = "\n  ".join(lines[-20:])
        reason = f"took more than {LIMIT_S:.0f} s" if time.monotonic() - started >= LIMIT_S else "failed"
        raise SetupError(f"Building the native plane {reason}:\n  {words}")
    half = BUILT.with_name(f".{BUILT.name}.{os.getpid()}")
    shutil.copyfile(TARGET / "release" / "lib_native.so", half)
    half.replace(BUILT)
    print(f"  done in {time.monotonic() - started:.0f} s", flush=True)
