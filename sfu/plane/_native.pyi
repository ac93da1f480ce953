"""The crate in ``native/``: the plane on its own thread, its core for tests, its parsers beside Python's.

Only ``sfu.plane.threaded``, tests and the bench import it. Events, totals and states are instances of the
classes of ``sfu.plane.api``; commands may be any objects with the names and attributes of its classes.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, final

from sfu import rtcp, stun
from sfu.codecs.vp8 import Vp8Descriptor
from sfu.plane.api import (
    Address,
    Command,
    Counters,
    Drop,
    Event,
    SrtpProfile,
    TransportHandle,
    TransportState,
)

__all__ = ["ABI", "Core", "Limit", "Plane", "Srtp", "parse_rtcp", "parse_stun", "parse_vp8"]

ABI: Final[int]
"""Grows with every change that ``sfu.plane.threaded`` has to know of."""

@final
class Plane:
    """One UDP port and its thread, from construction until ``close``. Its methods may be called from any
    thread. ``segmentation`` and ``many_messages`` false: as on kernels without UDP GSO, without ``sendmmsg``
    and ``recvmmsg``.

    Raises OSError when the port can't be bound.
    """

    def __new__(
        cls,
        host: str,
        port: int,
        wall_offset_us: int,
        *,
        segmentation: bool = True,
        many_messages: bool = True,
    ) -> Plane: ...
    @property
    def port(self) -> int:
        """The UDP port that is bound."""

    @property
    def event_fd(self) -> int:
        """Readable when there are events to drain; -1 after ``close``."""

    @property
    def failure(self) -> str | None:
        """Why the thread ended by itself, which is our bug; told once the events were drained."""

    @property
    def events_lost(self) -> int:
        """Events that were not kept because nobody drained them."""

    def capabilities(self) -> frozenset[str]:
        """What this plane can do on this machine beyond the core contract."""

    def apply(self, commands: Iterable[Command]) -> None:
        """Hand over commands, to be carried out in order; all of them, or none when one can't be read.

        Waits only while too many wait already, without the GIL. Raises RuntimeError when the thread does
        not take them.
        """

    def drain_events(self) -> list[Event]:
        """The events since the last call, in order."""

    def counters(self) -> Counters:
        """The totals; after ``close`` the last ones."""

    def transport_state(self, transport: TransportHandle) -> TransportState | None:
        """One transport's state of 100 ms ago at most, None when it is unknown."""

    def close(self) -> None:
        """Stop sending, close the port, wait for the thread's end. Idempotent."""

@final
class Core:
    """What ``sfu.plane.core.Core`` is, for tests: nothing is held, paced or grouped.

    ``plain``: nothing is protected, whatever keys are set. Only the thread that made it may use it.
    """

    def __new__(cls, plain: bool, wall_offset_us: int) -> Core: ...
    @property
    def datagrams(self) -> list[tuple[bytes, Address]]:
        """(datagram, address) in the order to send; the list object stays the same."""

    def receive(self, data: bytes, address: Sequence[Any], now_us: int) -> None:
        """Take one datagram. Of an address the first two items count: host and port."""

    def apply(self, commands: Iterable[Command], now_us: int) -> None:
        """Carry out commands in order; none when one can't be read."""

    def tick(self, now_us: int) -> None:
        """Do what is due by the clock."""

    def drain_events(self) -> list[Event]:
        """Events that are to be delivered now."""

    def drop(self, reason: Drop) -> None:
        """Count something that the shell dropped."""

    def counters(self) -> Counters:
        """A copy of the totals."""

    def transport_state(self, transport: TransportHandle) -> TransportState | None:
        """Present state of one transport, None when it is unknown."""

@final
class Srtp:
    """Both directions of one peer's SRTP; keys are master key followed by master salt.

    Raises ValueError for keys of a wrong length, and for packets that are refused.
    """

    def __new__(cls, profile: SrtpProfile, receive_key: bytes, send_key: bytes) -> Srtp: ...
    def unprotect(self, packet: bytes) -> bytes:
        """One packet as it came, without protection."""

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """One RTCP datagram as it came, without protection."""

    def protect(self, packet: bytes, rollover: int = 0) -> bytes:
        """One packet as it leaves; ``rollover``: how often its sequence number has begun anew."""

    def protect_rtcp(self, packet: bytes) -> bytes:
        """One RTCP datagram as it leaves."""

@final
class Limit:
    """The least that forwarding costs on this machine, for the bench of the plane: its system calls, group
    sizes and encryption (AEAD-AES-128-GCM), without anything an SFU decides.

    ``burst`` packets of a publisher, equally long, leave as one message for each receiver. Connectivity
    checks are answered with an empty password, whoever sends them. Raises OSError when the port can't be
    bound, ValueError for a burst of nothing.
    """

    def __new__(cls, host: str, port: int, burst: int) -> Limit: ...
    @property
    def port(self) -> int:
        """The UDP port that is bound."""

    def start(self, lessons: Sequence[tuple[int, bytes, Sequence[tuple[int, bytes, int]]]]) -> None:
        """Forward from now on; each lesson is (its publisher's port, key, receivers), each receiver (port,
        key, SSRC), all on 127.0.0.1; keys are 16 bytes of master key and 12 of salt.

        Raises ValueError for other keys, RuntimeError the second time.
        """

    def forwarded(self) -> int:
        """Packets sent so far."""

    def close(self) -> None:
        """Stop and close the port. Idempotent."""

def parse_rtcp(data: bytes) -> list[rtcp.Packet]:
    """What ``sfu.rtcp.parse`` does. Raises ``sfu.model.ParseError``."""

def parse_stun(data: bytes) -> stun.Message:
    """What ``sfu.stun.parse`` does. Raises ``sfu.model.ParseError``."""

def parse_vp8(payload: bytes) -> Vp8Descriptor:
    """What ``sfu.codecs.vp8.parse_descriptor`` does. Raises ``sfu.model.ParseError``."""
