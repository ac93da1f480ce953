"""Debian packages, installed without questions and without surprises."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

LOCK_WAIT_S = 300


OS_RELEASE = Path("/etc/os-release")
_UNRELEASED = 99
"""Debian's testing and unstable have no number."""


def is_debian() -> bool:
    """Debian itself: on its derivatives packages of the same name may be something else."""
    return debian_release() is not None


def debian_release() -> int | None:
    """Which Debian this is, 12 say; None when it is another distribution."""
    if distribution() != "debian":
        return None
    number = _os_release().get("VERSION_ID", "").partition(".")[0]
    return int(number) if number.isdigit() else _UNRELEASED


def distribution() -> str:
    """The distribution's own short name (os-release(5)), empty when it is not said."""
    return _os_release().get("ID", "")


def _os_release() -> dict[str, str]:
    try:
        lines = OS_RELEASE.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines)
    return {name: value.strip("\"'") for name, _, value in pairs}


def apt_install(packages: Sequence[str]) -> bool:
    """Install as root, waiting for another apt to finish; False (with apt's last lines shown) on failure."""
    environment = os.environ | {
        "DEBIAN_FRONTEND": "noninteractive",
        "PATH": f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
    }
    apt = ["apt-get", "-o", f"DPkg::Lock::Timeout={LOCK_WAIT_S}", "-q"]
    steps = (
        [*apt, "update"],
        [*apt, "install", "--yes", "--no-install-recommends", *packages],
    )
    output = ""
    for step in steps:
        try:
            done = subprocess.run(step, check=False, env=environment, capture_output=True, text=True)
        except OSError as error:
            output = str(error)
            break
        output = done.stdout + done.stderr
    else:
        if done.returncode == 0:
            return True
    print("  apt could not:", *output.strip().splitlines()[-3:], sep="\n  ")
    return False
