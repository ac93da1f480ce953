"""Peers whose media is protected by libsrtp, and who read what each of two cores sends them."""

from __future__ import annotations

from typing import Final

import pylibsrtp

from sfu.plane.api import Address, SrtpProfile, TransportHandle
from tests.sfu.plane.cores import Unseal
from tests.sfu.plane.rig import Peer

KEY_LENGTHS: Final = {
    SrtpProfile.AEAD_AES_128_GCM: 28,
    SrtpProfile.AEAD_AES_256_GCM: 44,
    SrtpProfile.AES128_CM_SHA1_80: 30,
}
PROFILES: Final = {
    SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    SrtpProfile.AES128_CM_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}
_WINDOW: Final = 1024


def srtp_session(profile: SrtpProfile, key: bytes, *, outbound: bool) -> pylibsrtp.Session:
    """One direction of a peer; ``key`` is master key and salt."""
    policy = pylibsrtp.Policy(
        key=key,
        ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND if outbound else pylibsrtp.Policy.SSRC_ANY_INBOUND,
        srtp_profile=PROFILES[profile],
    )
    policy.allow_repeat_tx = True
    policy.window_size = _WINDOW
    return pylibsrtp.Session(policy)


class SrtpLine:
    """A Line on which everybody protects by one profile. ``unseal`` are both cores' for a TwinCore.

    The index of SRTCP is left to each core, so what is compared is what a peer reads.
    """

    def __init__(self, profile: SrtpProfile) -> None:
        self.profile = profile
        self.unseal: tuple[Unseal, Unseal] = (self._unseal(0), self._unseal(1))
        self.read = 0
        """Protected datagrams that the peers could read."""
        self._outbound: dict[TransportHandle, pylibsrtp.Session] = {}
        self._inbound: tuple[dict[TransportHandle, pylibsrtp.Session], ...] = ({}, {})
        self._owners: dict[Address, TransportHandle] = {}
        self._sealed: dict[tuple[TransportHandle, bytes], bytes] = {}
        self._keys = 0

    def keys(self, peer: Peer) -> tuple[SrtpProfile, bytes, bytes]:
        self._keys += 1
        length = KEY_LENGTHS[self.profile]
        up = bytes((self._keys * 7 + index) & 0xFF for index in range(length))
        down = bytes((self._keys * 11 + index) & 0xFF for index in range(length))
        self._outbound[peer.handle] = srtp_session(self.profile, up, outbound=True)
        for sessions in self._inbound:
            sessions[peer.handle] = srtp_session(self.profile, down, outbound=False)
        self._sealed.clear()
        return self.profile, up, down

    def heard(self, peer: Peer, address: Address) -> None:
        self._owners[address] = peer.handle

    def seal(self, peer: Peer, packet: bytes) -> bytes:
        """A packet that comes twice is the same bytes twice, as a network repeats it; what can't be protected
        goes as it is."""
        known = self._sealed.get((peer.handle, packet))
        if known is not None:
            return known
        session = self._outbound.get(peer.handle)
        sealed = packet
        if session is not None:
            try:
                is_rtcp = len(packet) > 1 and 192 <= packet[1] <= 223
                sealed = session.protect_rtcp(packet) if is_rtcp else session.protect(packet)
            except (pylibsrtp.Error, ValueError):
                pass
        self._sealed[peer.handle, packet] = sealed
        return sealed

    def _unseal(self, core: int) -> Unseal:
        def unseal(datagram: bytes, address: Address) -> bytes:
            if not 128 <= datagram[0] <= 191:
                return datagram
            session = self._inbound[core].get(self._owners.get(address, TransportHandle(0)))
            if session is None:  # the check from this address was refused: the owner is the one before
                return f"{len(datagram)} bytes".encode()
            try:
                is_rtcp = 192 <= datagram[1] <= 223
                plain = session.unprotect_rtcp(datagram) if is_rtcp else session.unprotect(datagram)
            except pylibsrtp.Error as error:
                return f"{error} of {len(datagram)} bytes".encode()
            self.read += core
            return plain

        return unseal
