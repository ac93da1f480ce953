"""A browser's media over a line that can be bad, cut and moved: a proxy before each worker it is told of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from loadtest.network import CLEAN, Impairment
from loadtest.proxy import Proxy

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

_SCRIPT: Final = r"""(() => {
  const native = window.RTCPeerConnection.prototype.setRemoteDescription;
  window.RTCPeerConnection.prototype.setRemoteDescription = async function ({ type, sdp }) {
    const candidate = /^(a=candidate:\S+ \d+ udp \d+ \S+) (\d+) /gim;
    const ports = new Map();
    for (const [, , port] of sdp.matchAll(candidate))
      if (!ports.has(port)) ports.set(port, await window.zvonokLine(Number(port)));
    const told = sdp.replace(candidate, (_, begin, port) => `${begin} ${ports.get(port)} `);
    return native.call(this, { type, sdp: told });
  };
})();"""


class PageLine:
    """``take`` a browser's context before its pages open; everything may change while media flows."""

    def __init__(self) -> None:
        self._proxies: dict[int, asyncio.Task[Proxy]] = {}
        self._up = self._down = CLEAN
        self._cut = False

    async def take(self, context: BrowserContext) -> None:
        """Media of whatever this context's pages connect from now on goes this way."""

        async def port(_: Any, worker: int) -> int:
            return await self.port(worker)

        await context.expose_binding("zvonokLine", port)
        await context.add_init_script(_SCRIPT)

    def impair(self, up: Impairment = CLEAN, down: Impairment = CLEAN) -> None:
        """What media meets on its way to the worker and back, from now on."""
        self._up, self._down = up, down
        for proxy in self._open():
            proxy.change(up, down)

    def cut(self, *, cut: bool = True) -> None:
        """Nothing passes from now on; with ``cut`` false it does again."""
        self._cut = cut
        for proxy in self._open():
            proxy.cut = cut

    def roam(self) -> None:
        """Another network: the worker sees another address, and what it sends to the former is lost."""
        for proxy in self._open():
            proxy.roam()

    @property
    def down_octets(self) -> int:
        """What the workers sent to this line so far, in datagrams without IP and UDP."""
        return sum(line.down.fates.octets for proxy in self._open() for line in proxy.lines.values())

    async def port(self, worker: int) -> int:
        """The port through which this line reaches the worker's."""
        if worker not in self._proxies:
            self._proxies[worker] = asyncio.create_task(self._proxy(worker))
        return (await self._proxies[worker]).address[1]

    async def close(self) -> None:
        """Nothing passes any more."""
        for proxy in await asyncio.gather(*self._proxies.values()):
            await proxy.close()

    async def _proxy(self, worker: int) -> Proxy:
        proxy = await Proxy.open(("127.0.0.1", worker), lambda _: self._up, lambda _: self._down)
        proxy.cut = self._cut
        return proxy

    def _open(self) -> list[Proxy]:
        return [task.result() for task in self._proxies.values() if task.done()]
