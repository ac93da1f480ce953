"""Security headers of every answer, and who asks: origins, addresses behind proxies. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

_POLICY: Final = ", ".join(
    [
        *(f"{feature}=(self)" for feature in (
            "camera", "microphone", "display-capture", "fullscreen", "screen-wake-lock", "autoplay",
            "speaker-selection", "clipboard-write", "picture-in-picture",
        )),
        *(f"{feature}=()" for feature in (
            "accelerometer", "geolocation", "gyroscope", "hid", "magnetometer", "midi", "payment", "serial",
            "usb", "xr-spatial-tracking", "browsing-topics",
        )),
    ]
)  # fmt: skip
MEDIA_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "media-src 'self'",
        "style-src 'unsafe-inline'",
        "sandbox allow-same-origin",
        "frame-ancestors 'none'",
    ]
)
"""Content-Security-Policy of a file made of what people sent: whatever it is, no script in it runs. A browser
that shows it by itself makes a small page around it, which fetches it from the same origin."""
IMMUTABLE: Final = "public, max-age=31536000, immutable"


def security(origin: str, frames: Sequence[str] = ()) -> dict[str, str]:
    """Headers for every answer; ``origin`` is where the pages come from, ``frames`` the origins of apps."""
    socket = f"ws{origin.removeprefix('http')}"
    headers = {
        "Content-Security-Policy": "; ".join(
            [
                "default-src 'self'",
                f"connect-src 'self' {socket}",
                "img-src 'self' blob: data:",
                "media-src 'self' blob:",
                "worker-src 'self' blob:",
                "font-src 'self'",
                "object-src 'none'",
                "frame-src " + (" ".join(frames) or "'none'"),
                "base-uri 'none'",
                "form-action 'self'",
                "frame-ancestors 'none'",
            ]
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": _POLICY,
    }
    if origin.startswith("https:"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_address(peer: str, headers: Mapping[str, str], trusted: Sequence[Network]) -> str:
    """Address of the client: the last one in X-Forwarded-For that is not a trusted proxy's.

    The header counts only when ``peer`` itself is a trusted proxy.
    """
    if not _within(peer, trusted):
        return peer
    for hop in reversed([part.strip() for part in headers.get("X-Forwarded-For", "").split(",")]):
        address = hop.removeprefix("[").partition("]")[0] if hop.startswith("[") else hop
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return peer
        if not _within(str(parsed), trusted):
            return str(parsed)
    return peer


@lru_cache(maxsize=10_000)
def rate_key(address: str) -> str:
    """What an address is limited by: itself, for IPv6 its /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


@lru_cache(maxsize=10_000)
def is_loopback(address: str) -> bool:
    """Whether an address (as ``rate_key`` gives it) is this machine's own."""
    try:
        return ipaddress.ip_network(address, strict=False).is_loopback or address == "::/64"
    except ValueError:
        return False


def _within(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed.version == network.version and parsed in network for network in networks)
