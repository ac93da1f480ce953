"""SRTP by libsrtp: the core's Crypto protocol over pylibsrtp."""

from __future__ import annotations

from typing import Final

import pylibsrtp

from sfu.plane.api import SrtpProfile
from sfu.plane.core.crypto import Session

_PROFILES: Final = {
    SrtpProfile.AEAD_AES_128_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    SrtpProfile.AEAD_AES_256_GCM: pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
    SrtpProfile.AES128_CM_SHA1_80: pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
}
_REPLAY_WINDOW: Final = 1024


class LibsrtpCrypto:
    """Makes sessions with libsrtp (RFC 3711, RFC 7714)."""

    errors: tuple[type[Exception], ...] = (pylibsrtp.Error, ValueError)
    """What protect and unprotect raise: failed authentication or replay, or a packet above 1,500 bytes."""

    def session(self, profile: SrtpProfile, receive_key: bytes, send_key: bytes) -> Session:
        """Both directions of one peer; keys are master key followed by master salt.

        Raises ValueError when a key is too short for the profile.
        """
        inbound = pylibsrtp.Session(_policy(profile, receive_key, pylibsrtp.Policy.SSRC_ANY_INBOUND))
        outbound = pylibsrtp.Session(_policy(profile, send_key, pylibsrtp.Policy.SSRC_ANY_OUTBOUND))
        return Session(
            unprotect=inbound.unprotect,
            unprotect_rtcp=inbound.unprotect_rtcp,
            protect=outbound.protect,
            protect_rtcp=outbound.protect_rtcp,
        )


def _policy(profile: SrtpProfile, key: bytes, direction: int) -> pylibsrtp.Policy:
    policy = pylibsrtp.Policy(key=key, ssrc_type=direction, srtp_profile=_PROFILES[profile])
    policy.allow_repeat_tx = True
    policy.window_size = _REPLAY_WINDOW
    return policy
