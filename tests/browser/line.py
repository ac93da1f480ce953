"""A line of one's own between a browser and the server, that can be bad, cut and moved.

Media goes through a UDP proxy: answers tell the page the proxy's port instead of the worker's. Pages and the
WebSocket go through a gateway, so links must be turned with ``Line.link``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from loadtest.network import CLEAN, Impairment
from loadtest.page_line import PageLine
from tests.browser.gateway import Gateway, gateway
from tests.browser.person import Person


class Line:
    """Made by ``line``; ``take`` it before a page is opened. Everything may change while media flows."""

    def __init__(self, way: Gateway) -> None:
        self._way = way
        self._media = PageLine()

    @property
    def origin(self) -> str:
        """Where pages come from."""
        return self._way.origin

    async def take(self, person: Person) -> None:
        """Whatever this person's pages connect from now on goes this way, where ``link`` opened them."""
        await self._media.take(person.context)

    def link(self, link: str) -> str:
        """The same link, over this line."""
        parts = urlsplit(link)
        self._way.target = ("127.0.0.1", parts.port or 80)
        return link.replace(f"{parts.scheme}://{parts.netloc}", self._way.origin, 1)

    def impair(self, up: Impairment = CLEAN, down: Impairment = CLEAN) -> None:
        """What media meets on its way to the worker and back, from now on."""
        self._media.impair(up, down)

    def cut(self, *, media: bool = True, socket: bool = True, silent: bool = False) -> None:
        """Nothing passes from now on. ``silent``: open sockets are not told, they only hear nothing more."""
        if media:
            self._media.cut()
        if socket and silent:
            self._way.hold()
        elif socket:
            self._way.pull()

    def restore(self, *, media: bool = True, socket: bool = True) -> None:
        """What was cut passes again."""
        if media:
            self._media.cut(cut=False)
        if socket:
            self._way.plug()

    @property
    def down_octets(self) -> int:
        """What the workers sent to this line so far, in datagrams without IP and UDP."""
        return self._media.down_octets

    def roam(self) -> None:
        """Another network: the worker sees another address, and what it sends to the former is lost."""
        self._media.roam()

    async def close(self) -> None:
        """Nothing passes any more."""
        await self._media.close()


@asynccontextmanager
async def line() -> AsyncIterator[Line]:
    """A line before anybody sits at it. The server must allow its ``origin``."""
    async with gateway() as way:
        own = Line(way)
        try:
            yield own
        finally:
            await own.close()
