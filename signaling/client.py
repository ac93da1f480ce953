"""One client of a lesson, as the lesson sees it."""

from __future__ import annotations

from typing import Protocol

from sfu.model import Role
from signaling.replica import View


class Client(Protocol):
    """One client's socket as a lesson needs it; every method returns at once."""

    participant: str
    role: Role
    view: View
    group: str | None
    """Whose own fields it was sent; its lesson keeps this."""
    seat: str
    ballot: str
    """Stands for the participant in anonymous answers (``Actor.ballot``)."""

    @property
    def closed(self) -> bool: ...

    def send(self, message: bytes) -> None:
        """Queue a message; a client that does not read is closed, never waited for."""

    def send_passing(self, message: bytes) -> None:
        """Queue what is worth nothing later: lost where much is waiting."""

    def close(self, code: str, *, retry: bool = False) -> None:
        """Say ``closed`` and end the socket."""
