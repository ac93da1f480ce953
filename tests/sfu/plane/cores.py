"""The cores that one suite runs over: the reference, the native one, and both in step."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any, Final, Protocol

import pytest

from sfu import rtcp, rtp, stun
from sfu.model import ParseError
from sfu.plane.api import (
    EVENT_INTERVAL_US,
    Address,
    AddTransport,
    Command,
    Counters,
    Drop,
    Event,
    TransportHandle,
    TransportState,
)
from sfu.plane.core import Core
from sfu.plane.core.crypto import Crypto, NullCrypto
from sfu.plane.core.ice import plain_address

REFERENCE: Final = "reference"
NATIVE: Final = "native"
TWIN: Final = "twin"
"""Both with the same input, compared after every call; what comes out is the native one's."""
PLANES: Final = (REFERENCE, NATIVE, TWIN)

WALL_OFFSET_US: Final = 1_700_000_000_000_000


class PlaneCore(Protocol):
    """What ``sfu.plane.core.Core`` is: bytes, commands and time in; datagrams and events out."""

    @property
    def datagrams(self) -> list[tuple[bytes, Any]]: ...
    def receive(self, data: bytes, address: Any, now_us: int) -> None: ...
    def apply(self, commands: Sequence[Command], now_us: int) -> None: ...
    def tick(self, now_us: int) -> None: ...
    def drain_events(self) -> list[Event]: ...
    def drop(self, reason: Drop) -> None: ...
    def counters(self) -> Counters: ...
    def transport_state(self, transport: TransportHandle) -> TransportState | None: ...


def native_module() -> Any:
    """``sfu.plane._native``; without it the test fails, since half of what it is to show is not shown."""
    try:
        return importlib.import_module("sfu.plane._native")
    except ImportError as error:
        pytest.fail(
            f"the native plane is not built ({error}): run `make setup` where cargo is installed, "
            "or leave these tests out with -k 'not native and not twin'",
            pytrace=False,
        )


def reference_core(crypto: Crypto | None = None) -> PlaneCore:
    """The specification; plain without ``crypto``."""
    return Core(crypto or NullCrypto(), wall_offset_us=WALL_OFFSET_US)


def native_core(*, plain: bool = True) -> PlaneCore:
    """The native core, unpaced; ``plain``: whatever keys are set, nothing is protected."""
    core: PlaneCore = native_module().Core(plain=plain, wall_offset_us=WALL_OFFSET_US)
    return core


def new_core(plane: str) -> PlaneCore:
    """A core without protection, by a name of PLANES."""
    if plane == REFERENCE:
        return reference_core()
    if plane == NATIVE:
        return native_core()
    return TwinCore(reference_core(), native_core())


class Differs(AssertionError):
    """The two cores did not do the same."""


Unseal = Callable[[bytes, Address], bytes]
"""What a peer reads of a datagram that went to its address."""


def _as_it_is(datagram: bytes, _address: Address) -> bytes:
    return datagram


class TwinCore:
    """Two cores with the same input. Raises Differs when one of them does not do what the other does.

    Compared after every call: what goes to each address, in order (not the order between addresses), the
    events, the totals and every transport's state (after ticks that send nothing ten times a second).
    Protected packets are compared, and come out, as what ``unseal`` makes of each core's.
    """

    def __init__(
        self,
        reference: PlaneCore,
        native: PlaneCore,
        unseal: tuple[Unseal, Unseal] = (_as_it_is, _as_it_is),
    ) -> None:
        self.reference = reference
        self.native = native
        self.datagrams: list[tuple[bytes, Any]] = []
        self._unseal = unseal
        self._events: list[Event] = []
        self._transports: dict[TransportHandle, None] = {}
        self._totals_us = 0

    def receive(self, data: bytes, address: Any, now_us: int) -> None:
        self.reference.receive(data, address, now_us)
        self.native.receive(data, address, now_us)
        self._compare(lambda: f"receive({_told(data)}, {address}, {now_us})")

    def apply(self, commands: Sequence[Command], now_us: int) -> None:
        self.reference.apply(commands, now_us)
        self.native.apply(commands, now_us)
        for command in commands:
            if isinstance(command, AddTransport):
                self._transports[command.transport] = None
        self._compare(lambda: f"apply({list(commands)}, {now_us})")

    def tick(self, now_us: int) -> None:
        self.reference.tick(now_us)
        self.native.tick(now_us)
        totals = bool(self.reference.datagrams or now_us >= self._totals_us)
        if totals:
            self._totals_us = now_us + EVENT_INTERVAL_US
        self._compare(lambda: f"tick({now_us})", totals=totals)

    def drop(self, reason: Drop) -> None:
        self.reference.drop(reason)
        self.native.drop(reason)

    def drain_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def counters(self) -> Counters:
        return self.native.counters()

    def transport_state(self, transport: TransportHandle) -> TransportState | None:
        return self.native.transport_state(transport)

    def _compare(self, call: Callable[[], str], *, totals: bool = True) -> None:
        reference, native = self.reference, self.native
        self._compare_datagrams(call)
        expected_events, events = reference.drain_events(), native.drain_events()
        if expected_events != events:
            _differ(call, "events", expected_events, events)
        self._events += events
        if not totals:
            return
        expected_counters, counters = reference.counters(), native.counters()
        if expected_counters != counters:
            raise Differs(f"{call()}: totals\nreference {expected_counters}\nnative    {counters}")
        for transport in self._transports:
            expected_state, state = reference.transport_state(transport), native.transport_state(transport)
            if expected_state != state:
                raise Differs(f"{call()}: state\nreference {expected_state}\nnative    {state}")

    def _compare_datagrams(self, call: Callable[[], str]) -> None:
        reference, native = self.reference.datagrams, self.native.datagrams
        if not reference and not native:
            return
        wanted, had = (
            [(unseal(data, plain_address(address)), address) for data, address in datagrams]
            for unseal, datagrams in zip(self._unseal, (reference, native), strict=True)
        )
        reference.clear()
        native.clear()
        expected, found = _by_address(wanted), _by_address(had)
        for address in expected.keys() | found.keys():
            if expected.get(address) != found.get(address):
                _differ(
                    call, f"datagrams to {address}", expected.get(address, []), found.get(address, []), _told
                )
        self.datagrams += had


def _by_address(datagrams: Sequence[tuple[bytes, Any]]) -> dict[Address, list[bytes]]:
    found: dict[Address, list[bytes]] = {}
    for data, address in datagrams:
        found.setdefault(plain_address(address), []).append(data)
    return found


def _differ(
    call: Callable[[], str],
    what: str,
    expected: Sequence[Any],
    found: Sequence[Any],
    told: Callable[[Any], str] = repr,
) -> None:
    """Raise Differs; names the first that is not the same."""
    for index, (wanted, had) in enumerate(zip_longest(expected, found)):
        if wanted != had:
            raise Differs(
                f"{call()}: {what}: {len(expected)} of the reference, {len(found)} native; the first that "
                f"differs is [{index}]\nreference {told(wanted)}\nnative    {told(had)}"
            )


def _told(data: bytes | None) -> str:
    """A datagram in words and in hexadecimal."""
    if data is None:
        return "nothing"
    said: object = "not readable"
    try:
        if data[:1] < b"\x04":
            said = stun.parse(data)
        elif 128 <= data[0] <= 191:
            said = rtcp.parse(data) if rtp.is_rtcp(data) else rtp.parse_header(data)
    except (ParseError, IndexError):
        pass
    return f"{data.hex()} {said}"
