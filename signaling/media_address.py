"""Signed addresses of the library's files: ``/media/<expires_s>-<signature>/<video>/<file>``. Pure.

Whoever holds an address may fetch that one file of that one video until ``expires_s`` (seconds since 1970),
without a cookie, so that a player and a download need nothing else. The signature is HMAC-SHA256 in base64url
without padding.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from sfu.model import Refused

LIFETIME_S: Final = 15 * 60
MediaFile = Literal[
    "video.webm",
    "timeline.json",
    "download",
    "lesson.mp4",
    "thumbnails.vtt",
    "thumbnails.jpg",
    "chapters.ru.vtt",
    "chapters.en.vtt",
    "sound.json",
]
"""``download`` and ``lesson.mp4`` are the video as a file to keep."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A video that still grows, as it was at one moment: its first ``bytes`` with ``duration_ms`` of it,
    under a head that ``tag`` (16 hex digits) tells from others. ``file`` names it in an address."""

    bytes: int
    duration_ms: int
    tag: str

    @property
    def file(self) -> str:
        return f"{self.bytes}-{self.duration_ms}-{self.tag}.webm"


_VIDEO: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_STAMP: Final = re.compile(r"([1-9][0-9]{0,11})-([A-Za-z0-9_-]{43})")
_SNAPSHOT: Final = re.compile(r"([1-9][0-9]{0,14})-(0|[1-9][0-9]{0,11})-([0-9a-f]{16})[.]webm")
_FILES: Final[frozenset[str]] = frozenset(get_args(MediaFile))


def is_video_id(text: str) -> bool:
    """Whether it may name a video, and with it a folder."""
    return _VIDEO.fullmatch(text) is not None


def issue_address(key: bytes, video: str, file: MediaFile | Snapshot, expires_s: int) -> str:
    """The path of one file on our origin."""
    name = file.file if isinstance(file, Snapshot) else file
    return f"/media/{expires_s}-{_signature(key, expires_s, video, name)}/{video}/{name}"


def check_address(key: bytes, stamp: str, video: str, file: str, now_s: int) -> MediaFile | Snapshot:
    """The file that an address (its three parts) leads to.

    Raises Refused ``address_expired`` for one of ours that is over, ``not_found`` for everything else.
    """
    parts = _STAMP.fullmatch(stamp)
    snapshot = _SNAPSHOT.fullmatch(file)
    if parts is None or not is_video_id(video) or (file not in _FILES and snapshot is None):
        raise Refused("not_found")
    expires_s = int(parts[1])
    # Texts are compared, not bytes: the last character of base64 has bits that decoding would pass over.
    if not hmac.compare_digest(parts[2], _signature(key, expires_s, video, file)):
        raise Refused("not_found")
    if now_s >= expires_s:
        raise Refused("address_expired")
    if snapshot is not None:
        return Snapshot(int(snapshot[1]), int(snapshot[2]), snapshot[3])
    return cast("MediaFile", file)


def _signature(key: bytes, expires_s: int, video: str, file: str) -> str:
    digest = hmac.new(key, f"address\0{expires_s}\0{video}\0{file}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
