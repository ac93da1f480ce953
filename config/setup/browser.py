"""Browsers for the tests: found by starting them, because some packages of those names are empty shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from config.setup.apt import apt_install, is_debian

VARIABLE = "ZVONOK_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FIREFOX_VARIABLE = "ZVONOK_FIREFOX"
FIREFOX_NAMES = ("firefox-esr", "firefox")
PACKAGES = ("chromium", "fonts-dejavu-core")
TOOLS = {"ip": "iproute2", "certutil": "libnss3-tools"}
"""For the test from another host: namespaces, and a browser that trusts the local authority."""
DATABASES = Path("/usr/lib/postgresql")
"""Where Debian puts each version of PostgreSQL: the tests of what nodes share start one of their own."""
START_LIMIT_S = 30
MISSING = (
    "browser tests NOT RUN: install chromium (or google-chrome) so that `chromium --headless` starts, "
    f"or name one in {VARIABLE}"
)


@cache
def find_chromium() -> Path | None:
    """The first browser that really starts: ``$ZVONOK_CHROMIUM`` alone when set, else the usual names."""
    named = os.environ.get(VARIABLE)
    candidates = [named] if named else [path for name in NAMES if (path := shutil.which(name))]
    return next((Path(path) for path in candidates if starts(path)), None)


@cache
def find_firefox() -> Path | None:
    """The first Firefox that says its version: ``$ZVONOK_FIREFOX`` alone when set, else the usual names."""
    named = os.environ.get(FIREFOX_VARIABLE)
    candidates = [named] if named else [path for name in FIREFOX_NAMES if (path := shutil.which(name))]
    return next((Path(path) for path in candidates if _says_version(path)), None)


def _says_version(path: str) -> bool:
    try:
        done = subprocess.run(
            [path, "--version"], check=False, capture_output=True, timeout=START_LIMIT_S, text=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and "Firefox" in done.stdout


def sandbox_arguments() -> list[str]:
    """Chromium refuses its sandbox to root; everybody else keeps it."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []


def starts(path: str) -> bool:
    """Whether this Chromium opens and prints an empty page."""
    arguments = ["--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    try:
        done = subprocess.run(
            [path, *sandbox_arguments(), *arguments, "--dump-dom", "about:blank"],
            check=False,
            capture_output=True,
            timeout=START_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and b"<html" in done.stdout


def install() -> None:
    """As root on Debian, install Chromium, Firefox, a font, iproute2, certutil and PostgreSQL when they are
    missing."""
    if os.geteuid() != 0 or not is_debian():
        return
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    wanted = [package for command, package in TOOLS.items() if shutil.which(command, path=path) is None]
    if find_chromium() is None and not os.environ.get(VARIABLE):
        wanted += PACKAGES
    if find_firefox() is None and not os.environ.get(FIREFOX_VARIABLE):
        wanted.append("firefox-esr")
    if not any(DATABASES.glob("*/bin/initdb")):
        wanted.append("postgresql")
    if wanted:
        print(f"Installing {' and '.join(wanted)} for the tests with apt (once, some minutes)", flush=True)
        apt_install(wanted)
        find_chromium.cache_clear()
        find_firefox.cache_clear()


def main() -> int:
    """``install``, or ``verdict``: the closing words and the exit code when there is no browser."""
    match sys.argv[1:]:
        case ["install"]:
            install()
        case ["verdict"]:
            if find_chromium() is None:
                print(MISSING)
                return 1
        case _:
            print("usage: python -m config.setup.browser install|verdict", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
