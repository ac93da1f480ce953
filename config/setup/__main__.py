"""Set up a checkout: ``python -m config.setup run`` for a server, ``check`` and ``test`` for tests too,
``native`` for the native plane alone."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from config.setup import browser, native, node
from config.setup.packages import Purpose, SetupError, install_packages
from config.setup.stamp import one_at_a_time


def main() -> int:
    """Every step that is not done yet, in order; 1 with a sentence when one cannot be done."""
    if sys.argv[1:] not in (["run"], ["check"], ["test"], ["native"]):
        print("usage: python -m config.setup run|check|test|native", file=sys.stderr)
        return 2
    purpose = sys.argv[1]
    try:
        with one_at_a_time(Path(sys.prefix)):
            if purpose == "native":
                native.build(needed=True)
                return 0
            # Packages come over the network while the compiler has the processors. The compiler is this
            # thread's: Ctrl-C comes here, and only here can it be ended; the others hear it themselves.
            with ThreadPoolExecutor(1) as beside:
                packages = beside.submit(_packages, "run" if purpose == "run" else "test")
                native.build(needed=purpose != "run")
                packages.result()
            if purpose != "run":
                native.install_tools()
            if purpose == "test":
                browser.install()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _packages(purpose: Purpose) -> None:
    install_packages(purpose)
    node.install_modules()
    node.build_pages()


if __name__ == "__main__":
    raise SystemExit(main())
