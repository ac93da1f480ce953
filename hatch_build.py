"""The wheel's build hook: the pages and the native plane go in where they were built; nothing is compiled or
fetched here.

``ZVONOK_WHEEL_LIBRARY`` and ``ZVONOK_WHEEL_PLATFORM`` name another machine's library and its platform tag
(``make wheels``). Without any library the wheel is a pure one, which runs the reference plane.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULE = "sfu/plane/_native.abi3.so"
PAGES = "web/dist"


class BuiltParts(BuildHookInterface[Any]):
    """Adds what was built, and its platform's tag; editable installs have it in the checkout."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        if version == "editable":
            return
        root = Path(self.root)
        if (root / PAGES).is_dir():
            build_data["force_include"][str(root / PAGES)] = PAGES
        library = Path(os.environ.get("ZVONOK_WHEEL_LIBRARY") or root / MODULE)
        if not library.is_file():
            return
        name = os.environ.get("ZVONOK_WHEEL_PLATFORM") or f"linux_{platform.machine()}"
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{name}"
        build_data["force_include"][str(library)] = MODULE
