"""A folder and a bucket keep files alike, and what is kept is what was sent."""

from __future__ import annotations

import os
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from config.settings import SettingsError
from signaling.files import bucket
from signaling.files.api import Files, StoreAway, check_name, check_prefix, remove_all
from signaling.files.folder import FolderFiles
from signaling.files.opening import open_journals, open_library
from tests.s3 import S3Server, give_keys
from tests.signaling.parts import Forwarder, settings

pytestmark = pytest.mark.asyncio
LARGE = os.urandom(2 * bucket.PART + 5)


@pytest.fixture(params=["folder", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    if request.param == "folder":
        return FolderFiles(tmp_path / "library")
    server: S3Server = request.getfixturevalue("s3")
    return server.files(f"{tmp_path.name}/library")


async def content(files: Files, name: str, start: int = 0, stop: int | None = None) -> bytes:
    stored = await files.find(name)
    assert stored is not None
    async with aclosing(files.read(stored, start, stored.size if stop is None else stop)) as pieces:
        found = [piece async for piece in pieces]
    assert all(0 < len(piece) <= 1 << 20 for piece in found)
    return b"".join(found)


async def test_what_is_put_is_found_read_listed_and_removed(files: Files, tmp_path: Path) -> None:
    assert await files.find("v1/video.webm") is None
    assert not await files.fetch("v1/video.webm", tmp_path / "none")
    assert await files.below("") == []
    large = tmp_path / "large"
    large.write_bytes(LARGE)
    await files.put("v1/video.webm", large)
    await files.put_bytes("v1/here/000", b"piece")
    await files.put_bytes("v10/video.webm", b"other")
    await files.put_bytes(".deleted/v1", b"5")
    assert await content(files, "v1/video.webm") == LARGE
    assert await content(files, "v1/video.webm", 3, 2_000_003) == LARGE[3:2_000_003]
    assert await content(files, "v1/video.webm", 5, 5) == b""
    assert await files.fetch("v1/video.webm", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == LARGE
    listed = await files.below("v1/")
    assert [(each.name, each.size) for each in listed] == [("v1/here/000", 5), ("v1/video.webm", len(LARGE))]
    assert listed[1] == await files.find("v1/video.webm")
    assert abs(listed[1].modified_s - time.time()) < 60
    assert [each.name for each in await files.below("v1/here/")] == ["v1/here/000"]
    assert [each.name for each in await files.below(".deleted/")] == [".deleted/v1"]
    assert await remove_all(files, "v1/")
    assert not await remove_all(files, "v1/")
    await files.remove("v1/video.webm", "v2/video.webm")
    assert [each.name for each in await files.below("")] == [".deleted/v1", "v10/video.webm"]


async def test_a_file_that_another_took_the_place_of_is_not_read_on(files: Files) -> None:
    await files.put_bytes("v1/video.webm", b"one")
    stored = await files.find("v1/video.webm")
    assert stored is not None
    await files.put_bytes("v1/video.webm", b"two")
    with pytest.raises(StoreAway):
        await anext(files.read(stored, 0, 3))
    assert await content(files, "v1/video.webm") == b"two"


@pytest.mark.parametrize("size", [5, len(LARGE)], ids=["at once", "in parts"])
async def test_what_arrives_otherwise_than_it_was_sent_is_not_kept_for_good(
    s3: S3Server, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, sent = s3.files(f"{tmp_path.name}/library"), tmp_path / "sent"
    sent.write_bytes(LARGE[:size])
    real = bucket._sums(sent)
    damaged = b"x" + LARGE[1 : size - 1]
    for arrived in (damaged + LARGE[size - 1 : size], damaged):  # another content, another length
        (tmp_path / "arrived").write_bytes(arrived)
        monkeypatch.setattr(bucket, "_sums", lambda _: real)
        with pytest.raises(StoreAway):
            await files.put("v1/video.webm", tmp_path / "arrived")
    # A bucket whose ETags are no MD5: the content is read back.
    monkeypatch.setattr(bucket, "_sums", lambda _: (real[0], "no-md5", real[2]))
    await files.put("v1/video.webm", sent)
    with pytest.raises(StoreAway):
        await files.put("v1/video.webm", tmp_path / "arrived")


async def test_a_store_that_is_away_is_told_as_such(s3: S3Server, tmp_path: Path) -> None:
    line = Forwarder()
    files = s3.at(await line.open((s3.host, s3.port))).files(tmp_path.name)
    await files.put_bytes("v1/a", b"1")
    await line.close()
    (tmp_path / "a").write_bytes(b"2")
    with pytest.raises(StoreAway):
        await files.put("v1/a", tmp_path / "a")
    with pytest.raises(StoreAway):
        await files.find("v1/a")
    with pytest.raises(StoreAway):
        await files.below("v1/")
    with pytest.raises(StoreAway):
        await files.remove("v1/a")
    assert await content(s3.files(tmp_path.name), "v1/a") == b"1"


@pytest.mark.parametrize(
    "name", ["", "v", "v/", "/v/a", "../a/b", "v/..", "v/../x", "v/a/b/c", "v/é", "v /a", "v/.a", "v//a"]
)
async def test_what_is_no_name_leads_nowhere(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        check_name(name)
    if name not in ("", "v/"):
        with pytest.raises(ValueError, match="name"):
            check_prefix(name)


async def test_settings_choose_the_shell_and_a_missing_key_is_a_sentence(tmp_path: Path) -> None:
    own = settings(tmp_path, "redis://127.0.0.1:1")
    assert open_library(own).local("v/video.webm") == tmp_path / "library" / "v" / "video.webm"
    assert open_journals(own) is None
    far = settings(
        tmp_path, "redis://127.0.0.1:1", store__url="s3://lessons/school", store__region="eu-west-1"
    )
    with pytest.raises(SettingsError, match=r"store\.id cannot be read"):
        open_library(far)
    give_keys(tmp_path)
    assert open_library(far).local("v/video.webm") is None
    assert open_journals(far) is not None
    (tmp_path / "keys" / "store.secret").write_text("two words")
    with pytest.raises(SettingsError, match="one word"):
        open_journals(far)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"endpoint": "https://store.example"}, "which store.url names"),
        ({"url": "https://bucket"}, "is not s3://"),
        ({"url": "s3://Bucket", "region": "eu-west-1"}, "is not s3://"),
        ({"url": "s3://bucket/a b", "region": "eu-west-1"}, "a prefix has"),
        ({"url": "s3://bucket"}, "store.region is needed"),
        ({"url": "s3://bucket", "endpoint": "http://store.example"}, "only by an address"),
        ({"url": "s3://bucket", "endpoint": "http://8.8.8.8"}, "only by an address"),
        ({"url": "s3://bucket", "endpoint": "store.example"}, "is not https://"),
        ({"url": "s3://bucket", "region": "eu-west-1", "secret_file": "../x"}, "not the name of a file"),
    ],
)
async def test_half_a_store_is_refused(tmp_path: Path, wanted: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        settings(tmp_path, "redis://127.0.0.1:1", **{f"store__{key}": value for key, value in wanted.items()})
