"""Which plane a worker runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal

from config.settings import SettingsError
from sfu.plane.api import EventSink, Plane
from sfu.plane.reference import ReferencePlane

_log = logging.getLogger(__name__)

_BUILD = "`make native` builds it"
_MODULE = "sfu.plane._native"


async def open_plane(
    kind: Literal["auto", "reference", "native"],
    host: str,
    port: int,
    sink: EventSink,
    *,
    failed: Callable[[str], None] | None = None,
) -> Plane:
    """The plane that the setting media.plane names, bound and running.

    "auto" takes the native one where it can be used, else the reference with one line in the log. Raises
    SettingsError when it has to be the native one and can't be, OSError when the port can't be bound.
    ``failed`` is called with the reason if the plane ends by itself.
    """
    if kind != "reference":
        fault = native_fault()
        if fault is None:
            from sfu.plane.threaded import NativePlane

            return await NativePlane.create(host, port, sink, failed=failed)
        if kind == "native":
            raise SettingsError(f"media.plane: the native plane can't be used: {fault}; {_BUILD}")
        _log.warning("the reference plane is used, the native one can't be: %s; %s", fault, _BUILD)
    return await ReferencePlane.create(host, port, sink)


def native_fault() -> str | None:
    """Why the native plane can't be used in this process; None when it can."""
    try:
        from sfu.plane import threaded
    except ModuleNotFoundError as error:
        return "it is not built" if error.name == _MODULE else f"it can't be loaded ({error})"
    except Exception as error:  # noqa: BLE001  whatever is wrong with it, lessons go on by the other one
        return f"it can't be loaded ({type(error).__name__}: {error})"
    if threaded.BUILT_ABI != threaded.ABI:
        return f"it was built for another version of Zvonok (ABI {threaded.BUILT_ABI}, not {threaded.ABI})"
    return None
