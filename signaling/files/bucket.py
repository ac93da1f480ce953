"""Files in a bucket of an S3-compatible store; the only place that speaks to it (obstore)."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from signaling.files.api import StoreAway, Stored, check_name, check_prefix

log = logging.getLogger(__name__)

PIECE: Final = 1 << 20
PART: Final = 8 << 20
"""A file of more is sent in parts of this size."""
PARTS_AT_ONCE: Final = 2
CONNECT_LIMIT: Final = timedelta(seconds=3)
SILENCE_LIMIT: Final = timedelta(seconds=15)
REQUEST_LIMIT: Final = timedelta(seconds=60)
RETRIES: Final = 1
"""Whoever asks waits with a back-off of its own."""
_REMOVED_AT_ONCE: Final = 1000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Which bucket, and with what. ``endpoint`` empty: Amazon's of the region; a path-style one else."""

    name: str
    endpoint: str
    region: str
    key_id: str
    secret: str


class BucketFiles:
    """``Files`` below ``prefix`` of a bucket, ``library`` or ``pupils/library``."""

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._store = S3Store(
            bucket.name,
            prefix=prefix,
            config={"endpoint": bucket.endpoint} if bucket.endpoint else {},
            region=bucket.region,
            access_key_id=bucket.key_id,
            secret_access_key=bucket.secret,
            virtual_hosted_style_request=not bucket.endpoint,
            checksum_algorithm="SHA256",
            client_options={
                "allow_http": bucket.endpoint.startswith("http://"),
                "connect_timeout": CONNECT_LIMIT,
                "read_timeout": SILENCE_LIMIT,
                "timeout": REQUEST_LIMIT,
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": REQUEST_LIMIT},
        )

    def local(self, name: str) -> Path | None:  # noqa: ARG002 - nowhere
        return None

    async def put(self, name: str, path: Path) -> None:
        size, tag, digest = await asyncio.to_thread(_sums, path)
        await self._put(name, path if size > PART else await asyncio.to_thread(path.read_bytes))
        await self._verify(name, size, tag, digest)

    async def put_bytes(self, name: str, data: bytes) -> None:
        tag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if (await self._put(name, data)).strip('"') != tag:  # else it said already what it has
            await self._verify(name, len(data), tag, hashlib.sha256(data).digest())

    async def find(self, name: str) -> Stored | None:
        try:
            found = await _asked(obstore.head_async(self._store, check_name(name)))
        except FileNotFoundError:
            return None
        return Stored(name, found["size"], found["e_tag"] or "", found["last_modified"].timestamp())

    async def read(self, file: Stored, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        if start >= stop:
            return
        following = asyncio.ensure_future(self._piece(file, start, stop))
        try:
            while start < stop:
                piece = await following
                start += len(piece)
                if start < stop:
                    following = asyncio.ensure_future(self._piece(file, start, stop))
                yield piece
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _piece(self, file: Stored, start: int, stop: int) -> bytes:
        until = min(stop, start + PIECE)
        try:
            answer = await _asked(
                obstore.get_async(
                    self._store,
                    check_name(file.name),
                    options={"range": (start, until), "if_match": file.tag or None},
                )
            )
            piece = bytes(await _asked(answer.bytes_async()))
        except FileNotFoundError:
            raise StoreAway("removed meanwhile") from None
        if len(piece) != until - start:
            raise StoreAway("shorter than it was")
        return piece

    async def fetch(self, name: str, path: Path) -> bool:
        found = await self.find(name)
        if found is None:
            return False
        with path.open("wb") as file:
            async with aclosing(self.read(found, 0, found.size)) as pieces:
                async for piece in pieces:
                    await asyncio.to_thread(file.write, piece)
        return True

    async def below(self, prefix: str) -> list[Stored]:
        check_prefix(prefix)
        found: list[Stored] = []
        stream = obstore.list(self._store, prefix or None, chunk_size=1000)
        while True:
            try:
                batch = await _asked(anext(stream))
            except StopAsyncIteration:
                return sorted(found, key=lambda stored: stored.name)
            except FileNotFoundError:
                raise StoreAway("no such bucket") from None
            found += [
                Stored(each["path"], each["size"], each["e_tag"] or "", each["last_modified"].timestamp())
                for each in batch
            ]

    async def remove(self, *names: str) -> None:
        for at in range(0, len(names), _REMOVED_AT_ONCE):
            some = [check_name(name) for name in names[at : at + _REMOVED_AT_ONCE]]
            try:
                await _asked(obstore.delete_async(self._store, some))
            except FileNotFoundError:
                pass

    async def close(self) -> None:
        """Connections end by themselves when they are idle."""

    async def _put(self, name: str, content: Path | bytes) -> str:
        """Send it; the ETag that it was given."""
        sending = obstore.put_async(
            self._store,
            check_name(name),
            content,
            use_multipart=isinstance(content, Path),
            chunk_size=PART,
            max_concurrency=PARTS_AT_ONCE,
        )
        try:
            return (await _asked(sending))["e_tag"] or ""
        except FileNotFoundError:
            raise StoreAway("no such bucket") from None

    async def _verify(self, name: str, size: int, tag: str, digest: bytes) -> None:
        """The store's own word on what it holds is the ETag: an MD5, or one of its parts' MD5s. A bucket that
        encrypts by keys of its own has another: then the content is read back."""
        found = await self.find(name)
        if found is None or found.size != size:
            raise StoreAway("it does not hold what was sent")
        if found.tag.strip('"') == tag:
            return
        read = hashlib.sha256()
        async with aclosing(self.read(found, 0, size)) as pieces:
            async for piece in pieces:
                read.update(piece)
        if read.digest() != digest:
            raise StoreAway("it holds something else than was sent")


async def _asked(answer: Awaitable[T]) -> T:
    """Wait for the store; raises StoreAway, FileNotFoundError."""
    try:
        return await answer
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        # Its message may hold addresses and what the store said: the kind is enough, the rest is the store's.
        log.debug("store", extra={"reason": type(error).__name__})
        raise StoreAway(type(error).__name__) from None


def _sums(path: Path) -> tuple[int, str, bytes]:
    """Size, the ETag that it has when sent by ``_put``, SHA-256."""
    whole, parts, size = hashlib.sha256(), [], 0
    with path.open("rb") as file:
        while data := file.read(PART):
            size += len(data)
            whole.update(data)
            parts.append(hashlib.md5(data, usedforsecurity=False))
    if size <= PART:
        tag = (parts or [hashlib.md5(b"", usedforsecurity=False)])[0].hexdigest()
    else:
        joined = b"".join(part.digest() for part in parts)
        tag = f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"
    return size, tag, whole.digest()
