"""A WebRTC peer at its cheapest, for benches that need hundreds: ICE controlling, DTLS as the client.

No sockets and no clock in here: datagrams come by ``receive``, leave by ``send``. Media is its owner's
business, with the keys that come out.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiortc import RTCCertificate
from OpenSSL import SSL

from sfu import stun
from sfu.model import ParseError

MASTER_BYTES: Final = 28
"""AES-128 key and GCM salt (RFC 7714 section 12)."""
_KEY_BYTES: Final = 16
_PROFILE: Final = b"SRTP_AEAD_AES_128_GCM"
_EXPORTER_LABEL: Final = b"EXTRACTOR-dtls_srtp"
_DATAGRAM: Final = 2048
_FIRST_MEDIA: Final = 128


class Identity:
    """A certificate and what is made of it once; any number of peers may share it."""

    def __init__(self) -> None:
        certificate = RTCCertificate.generateCertificate()
        self.fingerprint = next(f.value for f in certificate.getFingerprints() if f.algorithm == "sha-256")
        """Upper-case hex pairs with colons."""
        self.context = SSL.Context(SSL.DTLS_METHOD)
        self.context.set_verify(SSL.VERIFY_NONE)
        self.context.use_certificate(certificate._cert)
        self.context.use_privatekey(certificate._key)
        self.context.set_tlsext_use_srtp(_PROFILE)
        self.context.set_session_cache_mode(SSL.SESS_CACHE_OFF)


@dataclass(frozen=True, slots=True)
class Keys:
    """Master key and salt of each direction, as this peer sees them; the profile is AEAD_AES_128_GCM."""

    send: bytes
    receive: bytes


@dataclass(frozen=True, slots=True)
class Remote:
    """What a peer must know of an ICE-lite server: its credentials and one UDP address."""

    ufrag: str
    pwd: str
    address: tuple[str, int]


def remote_of(sdp: str) -> Remote:
    """The first section's credentials and first UDP candidate on loopback (or else the first of all); raises
    ValueError when there are none."""
    ufrag, pwd = (re.search(rf"^a=ice-{what}:(\S+)", sdp, re.MULTILINE) for what in ("ufrag", "pwd"))
    found = re.findall(r"^a=candidate:\S+ 1 [uU][dD][pP] \d+ (\S+) (\d+) typ host", sdp, re.MULTILINE)
    if ufrag is None or pwd is None or not found:
        raise ValueError("the answer has no ICE credentials or no candidate")
    ip, port = next((each for each in found if each[0].startswith("127.")), found[0])
    return Remote(ufrag[1], pwd[1], (ip, int(port)))


class Peer:
    """One connection. ``begin`` once, ``receive`` for what is not media, ``prod`` every 50 ms or so until
    ``keys`` are there; afterwards ``check`` every few seconds keeps the server's consent."""

    def __init__(self, identity: Identity, send: Callable[[bytes], None]) -> None:
        self.ufrag = secrets.token_hex(4)
        self.pwd = secrets.token_hex(12)
        self.keys: Keys | None = None
        self._identity = identity
        self._send = send
        self._remote: Remote | None = None
        self._ssl: SSL.Connection | None = None

    def begin(self, remote: Remote) -> None:
        """Send the first check."""
        self._remote = remote
        self.check()

    def check(self) -> None:
        """A Binding request that nominates."""
        if self._remote is None:
            return
        self._send(
            stun.build_binding_request(
                secrets.token_bytes(12),
                local_ufrag=self.ufrag,
                remote_ufrag=self._remote.ufrag,
                remote_password=self._remote.pwd,
                priority=1,
                use_candidate=True,
                controlling=1,
            )
        )

    def prod(self) -> None:
        """Send again what may have been lost."""
        if self._ssl is None:
            self.check()
        elif self.keys is None and self._ssl.DTLSv1_handle_timeout():
            self._flush()

    def receive(self, data: bytes, source: tuple[str, int]) -> None:
        """A STUN or DTLS datagram; others are ignored. Raises ConnectionError when DTLS fails."""
        if not data or data[0] >= _FIRST_MEDIA:
            return
        if data[0] >= 20:
            self._dtls(data)
            return
        try:
            message = stun.parse(data)
        except ParseError:
            return
        if isinstance(message, stun.BindingRequest):
            self._send(stun.build_binding_success(message.transaction_id, source, self.pwd))
        elif isinstance(message, stun.BindingSuccess) and self._ssl is None:
            self._ssl = SSL.Connection(self._identity.context)
            self._ssl.set_connect_state()
            self._handshake(self._ssl)

    def goodbye(self) -> None:
        """Tell the server by DTLS that this peer leaves."""
        if self._ssl is not None and self.keys is not None:
            self._ssl.shutdown()
            self._flush()

    def _dtls(self, data: bytes) -> None:
        if self._ssl is None:
            return
        self._ssl.bio_write(data)
        if self.keys is None:
            self._handshake(self._ssl)

    def _handshake(self, connection: SSL.Connection) -> None:
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            raise ConnectionError(f"DTLS failed: {error}") from None
        else:
            if connection.get_selected_srtp_profile() != _PROFILE:
                raise ConnectionError("the server does not take AEAD_AES_128_GCM")
            salts = 2 * _KEY_BYTES
            material = connection.export_keying_material(_EXPORTER_LABEL, 2 * MASTER_BYTES)
            half = MASTER_BYTES - _KEY_BYTES
            self.keys = Keys(
                send=material[:_KEY_BYTES] + material[salts : salts + half],
                receive=material[_KEY_BYTES:salts] + material[salts + half :],
            )
        self._flush()

    def _flush(self) -> None:
        assert self._ssl is not None
        while True:
            try:
                self._send(self._ssl.bio_read(_DATAGRAM))
            except SSL.WantReadError:
                return
