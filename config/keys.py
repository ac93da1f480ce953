"""The secrets that all nodes of one installation share: written out as one text, taken in elsewhere."""

from __future__ import annotations

import json
import os
from datetime import datetime
from typing import Final

from config.sections import Paths
from config.tls import node_certificate
from sfu.rpc.node_tls import CERTIFICATE, KEY

SECRETS: Final = ("ticket.key", "cookie.key", "people.key", "rpc.key", "media.key", "redis.password")
AUTHORITY: Final = ("ca.pem", "ca.key")
"""With ``server.tls`` local: devices trust one authority, whichever node they meet."""
STORE: Final = ("store.id", "store.secret")
"""Of an object store, by their usual names: nodes share it."""
_NAMES: Final = frozenset({*SECRETS, CERTIFICATE, KEY, *AUTHORITY, *STORE})


class BadKeys(ValueError):
    """They can't be taken in; the message is one line for a person."""


def export_keys(paths: Paths, now: datetime) -> str:
    """All that another node needs, JSON; what is missing is made. Raises OSError."""
    for name in SECRETS:
        paths.secret(name)
    node_certificate(paths.keys, now)
    files = {name: paths.keys / name for name in sorted(_NAMES)}
    return json.dumps({name: file.read_text("ascii") for name, file in files.items() if file.exists()})


def import_keys(paths: Paths, text: str) -> list[str]:
    """Write what ``export_keys`` gave; the names written. Raises BadKeys, OSError.

    All or nothing: a file of another installation is never replaced.
    """
    try:
        keys = json.loads(text)
    except ValueError:
        raise BadKeys("this is not what zvonok keys export writes") from None
    if not isinstance(keys, dict) or not all(isinstance(key, str) and key for key in keys.values()):
        raise BadKeys("this is not what zvonok keys export writes")
    if not {*SECRETS, CERTIFICATE, KEY} <= keys.keys() <= _NAMES:
        raise BadKeys("keys are missing, or of another version: export them there anew")
    paths.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = [name for name in keys if (paths.keys / name).exists()]
    other = [name for name in own if (paths.keys / name).read_bytes().strip() != keys[name].encode().strip()]
    if other:
        raise BadKeys(
            f"{paths.keys} has keys of another installation ({', '.join(sorted(other))}): "
            "move that folder away, if nothing made with them is needed any more"
        )
    made = sorted(keys.keys() - set(own))
    for name in made:
        draft = paths.keys / f".{name}.{os.getpid()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as handle:
            handle.write(keys[name])
        draft.replace(paths.keys / name)
    return made
