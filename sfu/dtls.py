"""DTLS-SRTP as the server (RFC 5763, RFC 5764), and the only file that touches aiortc's private names.

aiortc's RTCDtlsTransport does the handshake over an object that stands in for its ICE transport;
the SRTP keys are exported for the data plane instead of being used by aiortc.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from aiortc import rtcdtlstransport as _aiortc
from OpenSSL import SSL

from sfu.plane.api import SrtpProfile
from sfu.sdp import Fingerprint

HANDSHAKE_TIMEOUT_S: Final = 30.0
MAX_WAITING_DATAGRAMS: Final = 32
"""Datagrams that arrived and were not read yet; further ones are dropped (DTLS repeats them)."""

_EXPORTER_LABEL: Final = b"EXTRACTOR-dtls_srtp"
_PROFILES: Final = (
    _aiortc.SRTP_AEAD_AES_128_GCM,
    _aiortc.SRTP_AEAD_AES_256_GCM,
    _aiortc.SRTP_AES128_CM_SHA1_80,
)
"""In our order of preference; the server's order decides."""

SUPPORTED_DIGESTS: Final = frozenset(_aiortc.X509_DIGEST_ALGORITHMS)


class DtlsFailed(Exception):
    """The handshake did not end with keys; ``reason`` is one of ``timeout``, ``handshake``,
    ``fingerprint``, ``no_srtp_profile``, ``closed``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Keys of one connection, each a master key followed by its master salt (RFC 5764 section 4.2)."""

    profile: SrtpProfile
    receive_key: bytes
    send_key: bytes

    def __repr__(self) -> str:
        return f"SrtpKeys({self.profile.value})"


class _CachingCertificate(_aiortc.RTCCertificate):
    """A certificate that makes its SSL.Context once: it is a fifth of a handshake's CPU time."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: list[_aiortc.SRTPProtectionProfile]) -> SSL.Context:
        if self._context is None:
            context = super()._create_ssl_context(srtp_profiles)
            # Sessions are never resumed; a context that lives on would collect them.
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
            # A connection is quiet after its handshake: 20 KiB of buffers are not kept for it.
            context.set_mode(SSL.MODE_RELEASE_BUFFERS)
            self._context = context
        return self._context


class Certificate:
    """A self-signed ECDSA P-256 certificate; one for each worker."""

    def __init__(self, inner: _CachingCertificate) -> None:
        self._inner = inner
        self.fingerprint_sha256: str = next(
            f.value for f in inner.getFingerprints() if f.algorithm == "sha-256"
        )
        """Upper-case hex pairs with colons, as ``a=fingerprint:sha-256`` wants it."""

    @classmethod
    def generate(cls) -> Self:
        """Make a new key and certificate."""
        return cls(_CachingCertificate.generateCertificate())


class _Datagrams:
    """What aiortc's DTLS wants of an ICE transport: datagrams in and out."""

    role = "controlled"
    state = "completed"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._deliver = send
        self._waiting: deque[bytes] = deque()
        self._wake: asyncio.Future[None] | None = None
        self.closed = False
        self.dropped = 0

    def put(self, datagram: bytes) -> None:
        if self.closed or len(self._waiting) >= MAX_WAITING_DATAGRAMS:
            self.dropped += 1
            return
        self._waiting.append(datagram)
        self._wake_reader()

    def close(self) -> None:
        self.closed = True
        self._wake_reader()

    def _wake_reader(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _recv(self) -> bytes:
        while not self._waiting:
            if self.closed:
                raise ConnectionError
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        return self._waiting.popleft()

    async def _send(self, data: bytes) -> None:
        self._deliver(data)

    async def stop(self) -> None:
        self.close()


class _Transport(_aiortc.RTCDtlsTransport):
    """aiortc's handshake with our profile order; keeps the keys instead of making SRTP sessions."""

    def __init__(self, datagrams: _Datagrams, certificate: _CachingCertificate) -> None:
        stand_in: Any = datagrams
        super().__init__(stand_in, [certificate])
        self._srtp_profiles = list(_PROFILES)
        self._set_role("server")
        self.keys: SrtpKeys | None = None
        self.failure = "handshake"

    def _validate_peer_identity(self, remoteParameters: _aiortc.RTCDtlsParameters) -> None:  # noqa: N803
        super()._validate_peer_identity(remoteParameters)
        if self._state is _aiortc.State.FAILED:
            self.failure = "fingerprint"

    def _setup_srtp(self) -> None:
        connection = self._ssl
        chosen = b"" if connection is None else connection.get_selected_srtp_profile()
        profile = next((p for p in _PROFILES if p.openssl_profile == chosen), None)
        if connection is None or profile is None:
            self.failure = "no_srtp_profile"
            self._set_state(_aiortc.State.FAILED)
            return
        material = connection.export_keying_material(
            _EXPORTER_LABEL, 2 * (profile.key_length + profile.salt_length)
        )
        self.keys = SrtpKeys(
            SrtpProfile(profile.openssl_profile.decode()),
            receive_key=profile.get_key_and_salt(material, 0),
            send_key=profile.get_key_and_salt(material, 1),
        )


class DtlsServer:
    """One connection's DTLS, passive side.

    Calling rule: run :meth:`handshake` once as a task, give every datagram whose first byte is 20 to
    63 to :meth:`receive` (before, during and after the handshake), call :meth:`close` at the end.
    ``send`` is called with each datagram to be sent, from the event loop's thread. ``on_closed`` is
    called at most once: when the peer closes DTLS after a finished handshake, never by our ``close``.
    """

    def __init__(
        self,
        certificate: Certificate,
        remote_fingerprints: Sequence[Fingerprint],
        send: Callable[[bytes], None],
        on_closed: Callable[[], None] | None = None,
    ) -> None:
        self._fingerprints = [
            _aiortc.RTCDtlsFingerprint(algorithm=f.algorithm, value=f.value) for f in remote_fingerprints
        ]
        self._datagrams = _Datagrams(send)
        self._transport = _Transport(self._datagrams, certificate._inner)
        self._send = send
        self._on_closed = on_closed
        self._closed = False
        self._transport.on("statechange", self._state_changed)

    @property
    def dropped(self) -> int:
        """Datagrams that found the queue full or the connection closed."""
        return self._datagrams.dropped

    def receive(self, datagram: bytes) -> None:
        """Take one datagram from the peer; others than DTLS (RFC 7983) are dropped."""
        if datagram and 20 <= datagram[0] <= 63:
            self._datagrams.put(datagram)

    async def handshake(self, timeout_s: float = HANDSHAKE_TIMEOUT_S) -> SrtpKeys:
        """Wait for the peer's handshake; raises DtlsFailed, also after ``timeout_s``."""
        if self._closed or not self._fingerprints:
            raise DtlsFailed("closed" if self._closed else "fingerprint")
        try:
            async with asyncio.timeout(timeout_s):
                await self._transport.start(_aiortc.RTCDtlsParameters(fingerprints=self._fingerprints))
        except TimeoutError:
            self.close()
            raise DtlsFailed("timeout") from None
        keys = self._transport.keys
        if keys is None:
            reason = "closed" if self._datagrams.closed else self._transport.failure
            self._flush()  # the alert that tells the peer
            self.close()
            raise DtlsFailed(reason)
        return keys

    def close(self) -> None:
        """Say goodbye (close_notify) and stop. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._transport._task is not None:
            self._transport._task.cancel()
        if self._transport._ssl is not None:
            try:
                self._transport._ssl.shutdown()
            except SSL.Error:
                pass
            self._flush()
        self._datagrams.close()

    def _flush(self) -> None:
        connection = self._transport._ssl
        if connection is None:
            return
        try:
            self._send(connection.bio_read(1500))
        except SSL.Error:
            pass

    def _state_changed(self) -> None:
        if self._transport.state == "closed" and not self._closed:
            self._closed = True
            self._datagrams.close()
            if self._on_closed is not None:
                self._on_closed()
