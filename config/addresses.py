"""Names, addresses and origins as settings write them, and ports that nobody has."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit


def is_address(text: str) -> bool:
    """Whether it is an IP address, and no name."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_public(text: str) -> bool:
    """Whether it is an IP address of the internet, and not of a network of one's own."""
    return is_address(text) and ipaddress.ip_address(text).is_global


def address_and_port(text: str) -> tuple[str, int] | None:
    """``address:port`` (IPv6 in brackets), None for anything else."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    if port is None or not is_address(host) or parts.netloc != text or "@" in text:
        return None
    return host, port


def is_app_address(text: str) -> bool:
    """Whether a lesson may show the page of this address: https, or http of this machine itself."""
    parts = urlsplit(text)
    local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")
    plain = text.isascii() and text.isprintable() and not any(c in text for c in " ;,'\"")
    return plain and (parts.scheme == "https" or local) and bool(parts.hostname) and "@" not in parts.netloc


def is_unspecified(text: str) -> bool:
    """Whether it stands for every address of a machine."""
    return is_address(text) and ipaddress.ip_address(text).is_unspecified


def is_name_or_address(public: str) -> bool:
    """Whether people can be sent there: a name, an address or an origin."""
    scheme, name, port = split_public(public)
    if scheme not in ("", "http", "https") or not name or port is None:
        return False
    labels = name.rstrip(".").split(".")
    return is_address(name) or all(
        label and len(label) <= 63 and label.isascii() and label.replace("-", "").isalnum()
        for label in labels
    )


def split_public(public: str) -> tuple[str, str, int | None]:
    """``(scheme, host without brackets, port)``; port 0 when none is given, None when it is malformed."""
    if is_address(public):
        return "", public, 0
    scheme, separator, _ = public.partition("://")
    try:
        parts = urlsplit(public if separator else f"//{public}")
        port = parts.port or 0
    except ValueError:
        return scheme if separator else "", "", None
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        return parts.scheme, parts.hostname or "", None
    return parts.scheme, parts.hostname or "", port


def origin_of(scheme: str, name: str, port: int | None) -> str:
    """RFC 6454: without the port when it is the scheme's own, or none is given."""
    host = f"[{name}]" if ":" in name else name
    default = 443 if scheme == "https" else 80
    return f"{scheme}://{host}" if port in (None, 0, default) else f"{scheme}://{host}:{port}"


def free_port(address: str = "127.0.0.1") -> int:
    """A TCP port at which nobody listens now."""
    with socket.create_server((address, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
