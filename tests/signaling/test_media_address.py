"""Signed addresses: for one file of one video, until a second; nothing else opens anything."""

from __future__ import annotations

import string

import pytest

from sfu.model import Refused
from signaling.media_address import LIFETIME_S, MediaFile, Snapshot, check_address, issue_address

KEY = b"k" * 64
VIDEO = "abcdefghij234567"
EXPIRES_S = 1_800_000_900
NOW_S = EXPIRES_S - LIFETIME_S
URL_SAFE = string.ascii_letters + string.digits + "-_"


def check(address: str, now_s: int = NOW_S, key: bytes = KEY) -> str:
    """The file it leads to, or the refusal's code."""
    _, media, stamp, video, file = address.split("/", 4)
    assert media == "media"
    try:
        found = check_address(key, stamp, video, file, now_s)
        return found.file if isinstance(found, Snapshot) else found
    except Refused as refused:
        return f"refused {refused.code}"


@pytest.mark.parametrize(
    ("file", "signature"),
    [
        ("video.webm", "O9pRUxPk85FN03WZt2UncDQkLfWxUtc_b6OlHfQdjGo"),
        ("timeline.json", "ID5SR27bMFX1Rfdybj3NswGj8pVv0ivMuoZvl2l9rw4"),
        ("download", "PohCpQAIUBHdIUFpDOQh133iWrku3ru7COHnD0AVeTY"),
    ],
)
def test_vectors(file: MediaFile, signature: str) -> None:
    assert issue_address(KEY, VIDEO, file, EXPIRES_S) == f"/media/1800000900-{signature}/{VIDEO}/{file}"


def test_a_snapshot_is_in_its_address() -> None:
    snapshot = Snapshot(123_456, 0, "0123456789abcdef")
    address = issue_address(KEY, VIDEO, snapshot, EXPIRES_S)
    assert address.endswith(f"/{VIDEO}/123456-0-0123456789abcdef.webm")
    _, _, stamp, video, file = address.split("/")
    assert check_address(KEY, stamp, video, file, NOW_S) == snapshot
    assert check(address, EXPIRES_S) == "refused address_expired"
    for other in ("123457-0-", "123456-1-", "0123456-0-", "123456-00-"):
        assert check(address.replace("123456-0-", other)) == "refused not_found"
    assert check(address.replace("f.webm", "e.webm")) == "refused not_found"
    assert check(address.replace(".webm", ".webm\n")) == "refused not_found"


def test_an_address_is_good_until_its_second() -> None:
    address = issue_address(KEY, VIDEO, "video.webm", EXPIRES_S)
    assert check(address, EXPIRES_S - 1) == "video.webm"
    assert check(address, EXPIRES_S) == "refused address_expired"
    assert check(address, EXPIRES_S + 10**9) == "refused address_expired"


def test_every_changed_character_makes_it_unknown() -> None:
    address = issue_address(KEY, VIDEO, "video.webm", EXPIRES_S)
    tried = 0
    for index in range(len("/media/"), len(address)):
        for other in URL_SAFE + "./%=é":
            changed = address[:index] + other + address[index + 1 :]
            if changed != address and changed.count("/") == 4:
                tried += 1
                assert check(changed, EXPIRES_S + 1) == "refused not_found", changed
    assert tried > 5000


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_piece_of_an_address_is_unknown(cut: int) -> None:
    stamp = issue_address(KEY, VIDEO, "video.webm", EXPIRES_S).split("/")[2]
    assert check(f"/media/{stamp[:-cut]}/{VIDEO}/video.webm") == "refused not_found"


def test_a_signature_is_of_one_key_one_video_and_one_file() -> None:
    stamp = issue_address(KEY, VIDEO, "video.webm", EXPIRES_S).split("/")[2]
    assert check(f"/media/{stamp}/{VIDEO}x/video.webm") == "refused not_found"
    assert check(f"/media/{stamp}/{VIDEO}/download") == "refused not_found"
    assert check(f"/media/{stamp}/{VIDEO}/timeline.json") == "refused not_found"
    assert check(f"/media/{stamp}/{VIDEO}/video.webm", key=b"x" * 64) == "refused not_found"


@pytest.mark.parametrize("stamp", ["0{}", "+{}", " {}", "{} ", "{}=", "٣{}", "-{}", "{}\n", "1_{}"])
def test_a_stamp_is_spelled_in_one_way(stamp: str) -> None:
    good = issue_address(KEY, VIDEO, "video.webm", EXPIRES_S).split("/")[2]
    assert check(f"/media/{stamp.format(good)}/{VIDEO}/video.webm") == "refused not_found"


@pytest.mark.parametrize("video", ["..", ".", "", "a" * 41, "a.b", "a\0", "ж", "a%2f", "a\\b", ".deleted"])
def test_what_is_no_id_is_unknown_even_when_it_is_signed(video: str) -> None:
    stamp = issue_address(KEY, video, "video.webm", EXPIRES_S).split("/")[2]
    with pytest.raises(Refused, match="not_found"):
        check_address(KEY, stamp, video, "video.webm", NOW_S)


@pytest.mark.parametrize(
    "file", ["", "..", "video.webm.gz", "VIDEO.WEBM", "../keys/media.key", "video.webm\0"]
)
def test_there_are_three_files(file: str) -> None:
    stamp = issue_address(KEY, VIDEO, file, EXPIRES_S).split("/")[2]  # type: ignore[arg-type]
    with pytest.raises(Refused, match="not_found"):
        check_address(KEY, stamp, VIDEO, file, NOW_S)
