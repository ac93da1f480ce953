"""What the processes of the plane's bench have in common: who is there, with which keys."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass
from typing import Final

from sfu.plane.api import ExtensionIds

IDS: Final = ExtensionIds(mid=4, abs_send_time=3, audio_level=10)
VP8_PT: Final = 96
RTX_PT: Final = 97
OPUS_PT: Final = 111
RED_PT: Final = 63
CLOCK_RATE: Final = 90_000
SOUND_RATE: Final = 48_000
_SOCKET_BYTES: Final = 4 * 1024 * 1024
_SO_RCVBUFFORCE: Final = 33
KEY_BYTES: Final = 28
"""AES-128 key and GCM salt (RFC 7714 section 12)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """``lessons`` of one publisher and ``receivers`` each; peers are numbered lesson by lesson."""

    path: str
    """"reference", "native", "limit", "aiortc" or "janus"."""
    lessons: int
    receivers: int
    packets_s: int
    """In, over all lessons together."""
    burst: int
    """Packets of a frame that leave together."""
    sound: bool = False
    """Opus with its level instead of VP8."""
    bytes: int = 1100
    """Length of a publisher's RTP packet before protection."""
    speech: bool = False
    """A source of Opus beside each lesson's video, and a slot for it at each receiver that takes RED."""

    @property
    def peers_a_lesson(self) -> int:
        return 1 + self.receivers

    @property
    def peers(self) -> int:
        return self.lessons * self.peers_a_lesson

    def publisher_of(self, lesson: int) -> int:
        """Number of the publisher; its receivers follow."""
        return lesson * self.peers_a_lesson


def key(peer: int, direction: str) -> bytes:
    """Master key and salt of one peer, "up" or "down"."""
    return hashlib.sha256(f"{direction} {peer}".encode()).digest()[:KEY_BYTES]


def local_ufrag(peer: int) -> str:
    """The server's user fragment towards a peer."""
    return f"server{peer}"


def local_pwd(peer: int) -> str:
    """The server's password towards a peer."""
    return f"password-of-the-server-{peer}"


def remote_ufrag(peer: int) -> str:
    """The peer's user fragment."""
    return f"peer{peer}"


def remote_pwd(peer: int) -> str:
    """The peer's password."""
    return f"password-of-the-peer-{peer}"


def slot_ssrc(peer: int) -> int:
    """What a receiver's stream is sent with."""
    return 1_000_000 + 2 * peer


def source_ssrc(lesson: int) -> int:
    """What a publisher sends with."""
    return 5_000 + lesson


def speech_slot_ssrc(peer: int) -> int:
    """What a receiver's sound is sent with."""
    return 3_000_000 + peer


def speech_source_ssrc(lesson: int) -> int:
    """What a publisher's sound is sent with."""
    return 900_000 + lesson


def widen(sock: socket.socket) -> None:
    """Let a socket hold what comes while its reader is kept from the processor by somebody else."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _SOCKET_BYTES)
    except OSError:  # not root
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BYTES)
