"""SRTP with AEAD-AES-128-GCM on the cryptography package: a second opinion on what a server sends."""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sfu import rtp
from sfu.model import ParseError

_KEY_BYTES: Final = 16
_SALT_BYTES: Final = 12
_TAG_BYTES: Final = 16


class GcmReceiver:
    """Decrypts packets of any SSRC while their roll-over counter is zero (RFC 7714 section 8)."""

    def __init__(self, master: bytes) -> None:
        """``master``: 16 bytes of key, 12 of salt."""
        key, salt = master[:_KEY_BYTES], master[_KEY_BYTES : _KEY_BYTES + _SALT_BYTES]
        self._gcm = AESGCM(_derive(key, salt, 0, _KEY_BYTES))
        self._salt = int.from_bytes(_derive(key, salt, 2, _SALT_BYTES), "big")

    def unprotect(self, packet: bytes) -> bytes | None:
        """The plain packet, None when its tag is wrong."""
        try:
            offset = rtp.payload_offset(packet)
        except ParseError:
            return None
        # RFC 7714 section 8.1: zeros, SSRC, roll-over counter, sequence number; xor salt.
        position = (rtp.ssrc(packet) << 48) | rtp.sequence_number(packet)
        nonce = (position ^ self._salt).to_bytes(_SALT_BYTES, "big")
        if len(packet) < offset + _TAG_BYTES:
            return None
        try:
            return packet[:offset] + self._gcm.decrypt(nonce, packet[offset:], packet[:offset])
        except InvalidTag:
            return None


def _derive(key: bytes, salt: bytes, label: int, length: int) -> bytes:
    """RFC 3711 section 4.3 with AES-CM; the 96-bit salt is padded to 112 bits (RFC 7714 section 11)."""
    start = int.from_bytes(salt + bytes(2), "big") ^ (label << 48)
    counter = (start << 16).to_bytes(16, "big")
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return encryptor.update(bytes(length))
