"""The proxy over real sockets: everybody's own line, both ways, in order and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from loadtest.network import CLEAN, Impairment
from loadtest.proxy import Proxy

COUNT = 200
END = bytes(4 * [255])


class Port(asyncio.DatagramProtocol):
    """A UDP socket that keeps what comes, with when; the target also sends it back."""

    def __init__(self, *, echo: bool) -> None:
        self._echo = echo
        self.got: list[tuple[bytes, float]] = []
        self.changed = asyncio.Event()
        self.transport: Any

    @classmethod
    async def open(cls, *, echo: bool = False, to: tuple[str, int] | None = None) -> Port:
        loop = asyncio.get_running_loop()
        local = None if to else ("127.0.0.1", 0)
        _, port = await loop.create_datagram_endpoint(lambda: cls(echo=echo), local, to)
        return port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.got.append((data, asyncio.get_running_loop().time()))
        self.changed.set()
        if self._echo:
            self.transport.sendto(data, addr)

    async def until(self, count: int) -> list[bytes]:
        await self._until(lambda: len(self.got) >= count)
        return [data for data, _ in self.got]

    async def until_got(self, wanted: bytes) -> None:
        await self._until(lambda: bool(self.got) and self.got[-1][0] == wanted)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest_asyncio.fixture
async def target() -> AsyncIterator[Port]:
    port = await Port.open(echo=True)
    yield port
    port.transport.close()


def numbers(count: int = COUNT) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(count)]


@pytest.mark.asyncio
async def test_a_clean_line_brings_everything_there_and_back_in_order(target: Port) -> None:
    proxy = await Proxy.open(target.transport.get_extra_info("sockname"), lambda _: CLEAN, lambda _: CLEAN)
    client = await Port.open(to=proxy.address)
    for data in numbers():
        client.transport.sendto(data)
    assert await client.until(COUNT) == numbers()
    await proxy.close()
    client.transport.close()


@pytest.mark.asyncio
async def test_lines_are_each_clients_own(target: Port) -> None:
    proxy = await Proxy.open(
        target.transport.get_extra_info("sockname"),
        lambda number: Impairment(loss=0.5) if number == 1 else CLEAN,
        lambda _: Impairment(delay_ms=30),
    )
    good, bad = await Port.open(to=proxy.address), await Port.open(to=proxy.address)
    began = asyncio.get_running_loop().time()
    for data in numbers():
        good.transport.sendto(data)
    assert await good.until(COUNT) == numbers()
    assert good.got[0][1] - began >= 0.03
    for data in numbers():
        bad.transport.sendto(data)
    for _ in range(40):
        bad.transport.sendto(END)
    await bad.until_got(END)
    came = [data for data, _ in bad.got if data != END]
    assert came == sorted(came)
    assert 60 < COUNT - len(came) < 140
    up = {line.number: line.up.fates for line in proxy.lines.values()}
    assert up[0].lost == 0
    assert up[1].lost >= COUNT - len(came)
    await proxy.close()
    for port in (good, bad):
        port.transport.close()
