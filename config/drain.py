"""The command ``zvonok drain``: take a worker out of service, through the running server's admin listener."""

from __future__ import annotations

import argparse
import json
import urllib.error
import urllib.request
from typing import Any, Final

LIMIT_S: Final = 10.0
WITHIN_MINUTES: Final = 15.0


class CannotDrain(Exception):
    """Why not, in one line for a person."""


def add_drain_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``zvonok drain`` takes."""
    parser.add_argument("worker", nargs="?", help="which one; without it all workers are listed")
    parser.add_argument(
        "--within",
        type=float,
        default=WITHIN_MINUTES,
        metavar="MINUTES",
        help="when the lessons it still has move to others (default: %(default)g)",
    )
    parser.add_argument("--force", action="store_true", help="near a bell too, or when no other one is left")
    parser.add_argument("--cancel", action="store_true", help="let it take lessons again")


def drain(chosen: argparse.Namespace, admin: str) -> list[str]:
    """Carry it out at the server whose admin listener is ``admin``; what to tell. Raises CannotDrain."""
    from signaling.drain import clock_time

    if chosen.worker is None:
        rows = _ask(f"{admin}/workers", None)
        return [
            f"{row['worker']}  {row['lessons']} lessons  {row['people']} people"
            + (f"  draining, lessons move at {clock_time(row['drains_at_ms'])}" if row["draining"] else "")
            for row in rows
        ] or ["no worker is registered"]
    if chosen.within < 0:
        raise CannotDrain("--within: minutes from now are wanted")
    body = {
        "worker": chosen.worker,
        "within_s": round(chosen.within * 60),
        "cancel": chosen.cancel,
        "force": chosen.force,
    }
    done = _ask(f"{admin}/workers", body)
    if chosen.cancel:
        return [f"{chosen.worker} takes lessons again"]
    at = clock_time(done["drains_at_ms"])
    return [f"{chosen.worker} takes no new lessons; those it still has move at {at}"]


def _ask(address: str, body: dict[str, Any] | None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})  # noqa: S310 - ours
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=LIMIT_S) as reply:
            return json.loads(reply.read())
    except urllib.error.HTTPError as error:
        try:
            sentence = json.loads(error.read())["refused"]
        except (ValueError, KeyError, TypeError):
            sentence = f"{address} answers {error.code}"
        raise CannotDrain(sentence) from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise CannotDrain(f"{address} does not answer ({error})") from None
