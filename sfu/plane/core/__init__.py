"""The reference plane without sockets and clock: bytes, addresses and time in; datagrams and events out."""

from sfu.plane.core.core import Core

__all__ = ["Core"]
