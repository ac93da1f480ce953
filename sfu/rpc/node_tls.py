"""TLS of the rpc between machines: all nodes of an installation hold one key pair, and each side takes nobody
who does not show exactly its certificate. Names and authorities play no part in it.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

CERTIFICATE: Final = "node.pem"
KEY: Final = "node.key"


def stays_here(host: str) -> bool:
    """Whether what is said to this address never leaves the machine; everything else is said in TLS."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class NodeTls:
    """Contexts of both sides: TLS 1.3, and the other side must hold the pair as well."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    _pinned: bytes

    @classmethod
    def of(cls, keys: Path) -> Self | None:
        """From the folder of the secrets; None when the pair is not there. Raises OSError (SSLError is one)
        when it is no pair."""
        certificate, key = keys / CERTIFICATE, keys / KEY
        if not certificate.is_file():
            return None
        pinned = ssl.PEM_cert_to_DER_cert(certificate.read_text(encoding="ascii"))
        server, client = (
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        )
        client.check_hostname = False  # pinned instead: see ``is_node``
        for context in (server, client):
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=pinned)
            context.load_cert_chain(certificate, key)
        return cls(server, client, pinned)

    def is_node(self, writer: asyncio.StreamWriter) -> bool:
        """Whether the other side of a connection holds the pair."""
        tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        shown = None if tls is None else tls.getpeercert(binary_form=True)
        return shown is not None and hmac.compare_digest(shown, self._pinned)
