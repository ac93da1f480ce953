"""Python packages: exactly what the lock says, checked by hash, then this checkout itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Literal

from config.setup.stamp import content_hash, is_stamped, write_stamp

Purpose = Literal["run", "test"]
LOCKS: dict[Purpose, Path] = {"run": Path("requirements.lock"), "test": Path("requirements-dev.lock")}
NODE_LOCK = Path("requirements-node.lock")


class SetupError(Exception):
    """Set-up cannot go on; the message says what to do."""


def install_packages(purpose: Purpose) -> None:
    """Bring .venv to the lock of this purpose; nothing is done when it is there already."""
    if purpose == "run" and _is_current("test"):
        return
    if _is_current(purpose):
        return
    lock = LOCKS[purpose]
    started = time.monotonic()
    count = sum(1 for line in lock.read_text(encoding="utf-8").splitlines() if line[:1].isalnum())
    print(f"Installing {count} Python packages (a minute or two the first time)", flush=True)
    pip("--require-hashes", "-r", str(lock))
    # The project's own build tool is in the lock; nothing is fetched for it here.
    pip("--no-deps", "--no-build-isolation", "-e", ".")
    write_stamp(_stamp(purpose), _content(purpose))
    print(f"  Python packages: done in {time.monotonic() - started:.0f} s", flush=True)


def pip(*arguments: str) -> None:
    """Run ``pip install`` quietly; raises SetupError with pip's last words."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    done = subprocess.run(
        [*command, "--root-user-action=ignore", "--retries", "5", "--timeout", "60", *arguments],
        check=False,
        env=environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        words = "\n  ".join(lines[-12:])
        raise SetupError(
            f"Python packages could not be installed:\n  {words}\nStart again to go on from here."
        )


def environment() -> dict[str, str]:
    """This environment, with an own certificate authority told to pip, Node and cargo in their words."""
    variables = dict(os.environ)
    authority = next(
        (
            variables[name]
            for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
            if variables.get(name)
        ),
        None,
    )
    if authority:
        variables.setdefault("PIP_CERT", authority)
        variables.setdefault("NODE_EXTRA_CA_CERTS", authority)
        variables.setdefault("CARGO_HTTP_CAINFO", authority)
    return variables


def _stamp(purpose: Purpose) -> Path:
    return Path(sys.prefix) / f".installed-for-{purpose}"


def _content(purpose: Purpose) -> str:
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    described = json.dumps([project["project"], project["build-system"]], sort_keys=True)
    return content_hash([LOCKS[purpose]], sys.version, str(Path.cwd()), described)


def _is_current(purpose: Purpose) -> bool:
    return is_stamped(_stamp(purpose), _content(purpose))
