"""A UDP port before another one: every client gets its own bad line there and back, in real time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from loadtest.network import Impairment, Link

Steps = Impairment | Sequence[tuple[int, Impairment]]
Address = tuple[str | Any, int]
MAX_UNDER_WAY: Final = 20_000
"""Datagrams of all lines together; what comes on top is lost."""
MAX_CLIENTS: Final = 1000


@dataclass(slots=True)
class Line:
    """One client's: ``number`` counts clients from 0 in the order they came."""

    number: int
    client: Address
    up: Link
    down: Link
    transport: asyncio.DatagramTransport | None = None
    waiting: list[bytes] = field(default_factory=list)
    """What arrives before the socket towards the target is there."""


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Address], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._received(data, addr)


class Proxy:
    """Open with ``open``, end with ``close``. Steps' times count from the opening."""

    def __init__(
        self, target: tuple[str, int], up: Callable[[int], Steps], down: Callable[[int], Steps], seed: int
    ) -> None:
        self._target = target
        self._up, self._down, self._seed = up, down, seed
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self._under_way: list[tuple[int, int, Callable[[bytes], None], bytes]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._opening: set[asyncio.Task[None]] = set()
        self.lines: dict[Address, Line] = {}
        self.cut = False
        """While true nothing passes, in either direction."""
        self._port: asyncio.DatagramTransport

    @classmethod
    async def open(
        cls,
        target: tuple[str, int],
        up: Callable[[int], Steps],
        down: Callable[[int], Steps],
        seed: int = 1,
    ) -> Self:
        """Before ``target``, on a free port of loopback. ``up`` (client to target) and ``down`` tell the line
        of a client by its number; seeds are made of ``seed`` and the number."""
        proxy = cls(target, up, down, seed)
        proxy._port, _ = await proxy._loop.create_datagram_endpoint(
            lambda: _Receiver(proxy._from_client), ("127.0.0.1", 0)
        )
        return proxy

    @property
    def address(self) -> tuple[str, int]:
        """Where clients send to."""
        host, port = self._port.get_extra_info("sockname")
        return host, port

    def change(self, up: Impairment, down: Impairment) -> None:
        """Every line, and each that comes, is like this from now on."""
        self._up, self._down = (lambda _: up), (lambda _: down)
        for line in self.lines.values():
            line.up.change(up)
            line.down.change(down)

    def roam(self) -> None:
        """The target sees every client at a new address; what it sends to the former is lost."""
        for line in self.lines.values():
            if line.transport is not None:
                line.transport.close()
                line.transport = None
                self._connect_soon(line)

    async def close(self) -> None:
        """What is under way is lost."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._opening:
            task.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        self._port.close()
        for line in self.lines.values():
            if line.transport is not None:
                line.transport.close()

    def _from_client(self, data: bytes, client: Address) -> None:
        line = self.lines.get(client)
        if line is None:
            if len(self.lines) >= MAX_CLIENTS:
                return
            number = len(self.lines)
            line = self.lines[client] = Line(
                number,
                client,
                Link(self._up(number), 2 * (self._seed * MAX_CLIENTS + number)),
                Link(self._down(number), 2 * (self._seed * MAX_CLIENTS + number) + 1),
            )
            self._connect_soon(line)

        def deliver(data: bytes) -> None:
            if line.transport is not None:
                line.transport.sendto(data)
            elif len(line.waiting) < MAX_CLIENTS:
                line.waiting.append(data)

        self._pass(line.up, data, deliver)

    def _connect_soon(self, line: Line) -> None:
        task = asyncio.create_task(self._connect(line))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, line: Line) -> None:
        def back(data: bytes, _: Address) -> None:
            self._pass(line.down, data, lambda data: self._port.sendto(data, line.client))

        line.transport, _ = await self._loop.create_datagram_endpoint(
            lambda: _Receiver(back), remote_addr=self._target
        )
        for data in line.waiting:
            line.transport.sendto(data)
        line.waiting.clear()

    def _pass(self, link: Link, data: bytes, deliver: Callable[[bytes], None]) -> None:
        if self.cut:
            return
        now_us = self._now_us()
        arrives_us = link.send(now_us, len(data))
        if arrives_us is None or len(self._under_way) >= MAX_UNDER_WAY:
            return
        heapq.heappush(self._under_way, (arrives_us, next(self._order), deliver, data))
        if arrives_us <= now_us:
            self._deliver()
        elif self._under_way[0][0] == arrives_us:
            self._wake()

    def _deliver(self) -> None:
        while self._under_way and self._under_way[0][0] <= self._now_us():
            _, _, deliver, data = heapq.heappop(self._under_way)
            deliver(data)
        self._wake()

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._under_way:
            self._timer = self._loop.call_at(self._began_s + self._under_way[0][0] / 1e6, self._deliver)

    def _now_us(self) -> int:
        return round((self._loop.time() - self._began_s) * 1e6)
