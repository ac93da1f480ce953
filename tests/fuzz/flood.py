"""Datagrams by the million, from people of a lesson and from anybody."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from struct import pack
from typing import Final

from sfu import stun
from sfu.plane.api import Address
from tests.fuzz import seeds
from tests.fuzz.mutation import MAX_RECORD_BYTES, mutated
from tests.sfu.plane.rig import PASSWORD, Peer

POOL: Final = 4_000
UDP_SEGMENT: Final = 103
"""Linux's udp(7); Python does not name it."""
SEGMENTS: Final = 64
_MAX_SEND_BYTES: Final = 60_000


def pool(random: Random, size: int = POOL) -> list[bytes]:
    """Datagrams of every kind: mutated ones, good ones, and bytes by chance."""
    parts = (*seeds.rtp_packets(), *seeds.rtcp_datagrams(), *seeds.stun_messages())
    good = [record for part in parts for record in part]
    kinds = (
        lambda: mutated(random.choice(good), random),
        lambda: random.choice(good),
        lambda: random.randbytes(random.choice((0, 1, 12, 20, 60, 300, 1400))),
    )
    return [random.choice(kinds)()[:MAX_RECORD_BYTES] for _ in range(size)]


def datagrams(random: Random, insiders: list[Address]) -> Iterator[tuple[bytes, Address]]:
    """Without end: half of them from ``insiders``, the others from an address that was never seen before.

    Numbers and SSRCs of what looks like media are new ones each time, so that a plane that remembers any of
    it for good does grow.
    """
    known = pool(random)
    while True:
        for data in known:
            if len(data) >= 12 and 128 <= data[0] <= 191:
                fresh = random.getrandbits(64).to_bytes(8, "big")
                kind = random.getrandbits(3)
                if kind == 0:
                    data = data[:8] + fresh[:4] + data[12:]
                elif kind < 6:
                    data = data[:2] + fresh[:2] + data[4:]
            if random.getrandbits(1):
                yield data, random.choice(insiders)
            else:
                number = random.getrandbits(48)
                yield data, (f"10.{number >> 40}.{number >> 32 & 255}.{number >> 24 & 255}", number & 0xFFFF)
        random.shuffle(known)


def check(peer: Peer, number: int) -> bytes:
    """A right check of the peer's, which makes the address that it comes from one of the peer's."""
    return stun.build_binding_request(
        pack("!IQ", 0, number),
        local_ufrag=peer.remote_ufrag,
        remote_ufrag=peer.ufrag,
        remote_password=PASSWORD,
        priority=number % 7,
        use_candidate=number % 3 == 0,
        controlling=1,
    )


class Shower:
    """Sends many datagrams of one size by one call, where the kernel takes them (UDP GSO)."""

    def __init__(self, sock: socket.socket, to: Address) -> None:
        self._sock = sock
        self._to = to
        self._together = True

    def send(self, parts: Sequence[bytes]) -> None:
        """Send these, all of one size: SEGMENTS at most."""
        size = len(parts[0])
        if self._together and size * len(parts) <= _MAX_SEND_BYTES:
            option = (socket.SOL_UDP, UDP_SEGMENT, pack("=H", size))
            try:
                self._sock.sendmsg([b"".join(parts)], [option], 0, self._to)
            except OSError:
                self._together = False
            else:
                return
        for part in parts:
            self._sock.sendto(part, self._to)


def resident_bytes() -> int:
    """What of this process is in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
