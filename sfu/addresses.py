"""Which addresses the answers announce as host candidates (RFC 8445 section 5.1.1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

import ifaddr

AUTO: Final = "auto"
LOOPBACK: Final = ("127.0.0.1", "::1")
MAX_ANNOUNCED: Final = 8


def announced(
    configured: Sequence[str], interfaces: Iterable[str], *, ipv6: bool, loopback: bool
) -> tuple[str, ...]:
    """The addresses to announce, without doubles, at most MAX_ANNOUNCED.

    ``configured`` is the setting media.announce: addresses, and "auto" for every usable one of
    ``interfaces``. ``ipv6``: whether the port takes IPv6. ``loopback``: browsers of this machine use the
    server too, so the loopback addresses come first; they are also what is left when nothing else is.
    Link-local addresses are left out (they mean nothing without an interface), as are multicast and
    unspecified ones.
    """
    found: dict[str, None] = {}
    for entry in configured:
        for text in interfaces if entry == AUTO else (entry,):
            address = ipaddress.ip_address(text)
            if entry == AUTO and (address.is_loopback or address.is_link_local):
                continue
            if address.is_multicast or address.is_unspecified or (address.version == 6 and not ipv6):
                continue
            found.setdefault(str(address))
    own = [text for text in LOOPBACK if ipv6 or ":" not in text]
    chosen = [*own, *(a for a in found if a not in own)] if loopback or not found else list(found)
    return tuple(chosen[:MAX_ANNOUNCED])


def interface_addresses() -> tuple[str, ...]:
    """Addresses of this machine's interfaces, IPv4 first, loopback included."""
    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips]
    four = [ip for ip in found if isinstance(ip, str)]
    six = [ip[0].partition("%")[0] for ip in found if isinstance(ip, tuple)]
    return (*four, *six)
