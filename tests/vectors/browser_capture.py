"""Captures of browsers in a lesson: all that a plane was told and all that came to it, to be played again.

A file is msgpack: a map with ``browser``, ``made`` (how) and ``entries``, each an array [time us since the
first, host, port, bytes] of a received datagram (SRTP taken off, keys never kept) or [time us, name, fields]
of a command of ``sfu.plane.api``. Payloads of media were cut to ``PAYLOAD_BYTES``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from sfu import rtp
from sfu.plane import api
from sfu.plane.api import Address, Command

FOLDER: Final = Path(__file__).parent
CAPTURES: Final = tuple(sorted(FOLDER.glob("*.capture")))
PAYLOAD_BYTES: Final = 32
"""A VP8 descriptor has at most 6 bytes, a keyframe's header 10; the rest is picture."""
_COMMANDS: Final[dict[str, type[Command]]] = {kind.__name__: kind for kind in get_args(Command)}


@dataclass(frozen=True, slots=True)
class Received:
    """A datagram as a core without protection takes it."""

    at_us: int
    address: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class Told:
    """A command."""

    at_us: int
    command: Command


@dataclass(frozen=True, slots=True)
class Capture:
    """``made`` says how, ``browser`` names it with its version."""

    browser: str
    made: str
    entries: Sequence[Received | Told]


def trimmed(data: bytes) -> bytes:
    """A packet with less payload; headers, descriptors and everything that is not RTP are left as they are.

    Padding becomes one byte that counts itself.
    """
    if not data or not 128 <= data[0] <= 191 or rtp.is_rtcp(data):
        return data
    header = rtp.parse_header(data)
    end = len(data) - header.padding_length
    kept = data[: min(end, header.payload_offset + PAYLOAD_BYTES)]
    return kept + b"\x01" if header.padding_length else kept


def write_capture(path: Path, capture: Capture) -> None:
    """Write the file."""
    entries: list[list[Any]] = []
    for entry in capture.entries:
        if isinstance(entry, Received):
            entries.append([entry.at_us, *entry.address, entry.data])
        else:
            values = {each.name: getattr(entry.command, each.name) for each in fields(entry.command)}
            entries.append([entry.at_us, type(entry.command).__name__, msgspec.to_builtins(values)])
    content = {"browser": capture.browser, "made": capture.made, "entries": entries}
    path.write_bytes(msgspec.msgpack.encode(content))


def read_capture(path: Path) -> Capture:
    """Read a file; raises what msgspec raises for one that is not such a capture."""
    content = msgspec.msgpack.decode(path.read_bytes())
    entries: list[Received | Told] = []
    for entry in content["entries"]:
        if len(entry) == 4:
            at_us, host, port, data = entry
            entries.append(Received(at_us, (host, port), data))
        else:
            at_us, name, values = entry
            entries.append(Told(at_us, msgspec.convert(values, _COMMANDS[name], strict=False)))
    return Capture(content["browser"], content["made"], entries)


def without_keys(command: Command) -> Command:
    """The command as it is kept."""
    if isinstance(command, api.SetKeys):
        empty = bytes(28)
        return api.SetKeys(command.transport, api.SrtpProfile.AEAD_AES_128_GCM, empty, empty)
    return command
