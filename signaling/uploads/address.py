"""Signed addresses of lessons' files: ``/material/<expires_s>-<signature>/<material>/<use>``. Pure.

As ``signaling.media_address``: whoever holds one may fetch that one file until then, without a cookie.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final, Literal

from sfu.model import Refused

LIFETIME_S: Final = 15 * 60
Use = Literal["view", "download"]
_STAMP: Final = re.compile(r"([1-9][0-9]{0,11})-([A-Za-z0-9_-]{43})")
_MATERIAL: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")


def issue_address(key: bytes, material: str, use: Use, expires_s: int) -> str:
    """The path of one file on our origin."""
    return f"/material/{expires_s}-{_signature(key, expires_s, material, use)}/{material}/{use}"


def check_address(key: bytes, stamp: str, material: str, use: str, now_s: int) -> Use:
    """Raises Refused ``address_expired`` for one of ours that is over, ``not_found`` for everything else."""
    parts = _STAMP.fullmatch(stamp)
    if parts is None or not _MATERIAL.fullmatch(material) or use not in ("view", "download"):
        raise Refused("not_found")
    expires_s = int(parts[1])
    if not hmac.compare_digest(parts[2], _signature(key, expires_s, material, use)):
        raise Refused("not_found")
    if now_s >= expires_s:
        raise Refused("address_expired")
    return "view" if use == "view" else "download"


def _signature(key: bytes, expires_s: int, material: str, use: str) -> str:
    digest = hmac.new(key, f"material\0{expires_s}\0{material}\0{use}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
