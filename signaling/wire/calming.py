"""The calm button: nothing of students until it is released."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from signaling.wire.names import RequestNumber

SEALED_MS: Final = 60_000
SEALED_KEPT: Final = 300
"""How many messages of the sealed minute are told, the newest."""


class Calm(Struct, tag_field="t", tag="calm", frozen=True):
    """Leaders: stop all that comes from students (media at the worker, chat, reactions), or release it."""

    id: RequestNumber
    on: bool


class ReadSealed(Struct, tag_field="t", tag="read_sealed", frozen=True):
    """Leaders: what was written in the minute before the last calm, deleted or not: ``sealed`` comes, then
    ``done``. Refused: ``not_found`` when there was none."""

    id: RequestNumber


class CalmField(Struct, frozen=True):
    """The last calm; ``on`` while it holds. ``sealed_from_ms`` to ``at_ms`` is the minute before it."""

    on: bool
    by: str
    at_ms: int
    sealed_from_ms: int


class SealedMessage(Struct, frozen=True):
    """A message as it was written. ``kept``: it is still in the chat."""

    participant: str
    name: str
    text: str
    at_ms: int
    kept: bool


class Sealed(Struct, tag_field="t", tag="sealed", frozen=True):
    """The minute before the last calm, oldest first."""

    from_ms: int
    to_ms: int
    messages: tuple[SealedMessage, ...]
