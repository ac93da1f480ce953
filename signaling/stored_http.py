"""A file of an object store over HTTP: what a request asks for (pure), and sending it piece by piece.

The same answers as aiohttp gives for a file of a folder.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final, Protocol

from aiohttp import ETag, hdrs, web
from aiohttp.web_request import BaseRequest

from signaling.files.api import StoreAway, Stored

log = logging.getLogger(__name__)

_WITH_CONTENT: Final = frozenset({200, 206})


class Source(Protocol):
    """What a file is read from."""

    def read(self, file: Stored, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """As ``Files.read``."""


@dataclass(frozen=True, slots=True)
class Part:
    """An answer: bytes ``start`` to ``stop`` (exclusive) of the file with 200 and 206, else none."""

    status: int
    start: int = 0
    stop: int = 0

    def headers(self, stored: Stored) -> dict[str, str]:
        """What tells of the file and of this part of it."""
        said: dict[str, str] = {hdrs.ACCEPT_RANGES: "bytes"} if self.status in _WITH_CONTENT else {}
        if self.status in _WITH_CONTENT or self.status == 304:
            said[hdrs.ETAG] = stored.tag
            at = datetime.fromtimestamp(math.ceil(stored.modified_s), UTC)
            said[hdrs.LAST_MODIFIED] = format_datetime(at, usegmt=True)
        if self.status == 206:
            said[hdrs.CONTENT_RANGE] = f"bytes {self.start}-{self.stop - 1}/{stored.size}"
        elif self.status == 416:
            said[hdrs.CONTENT_RANGE] = f"bytes */{stored.size}"
        return said


def part_of(request: BaseRequest, stored: Stored) -> Part:
    """Which part a request gets (RFC 9110 sections 13.2.2 and 14.2)."""
    modified_s = stored.modified_s
    if request.if_match is not None:
        if not _among(stored.tag, request.if_match, weak=False):
            return Part(412)
    elif request.if_unmodified_since is not None and modified_s > request.if_unmodified_since.timestamp():
        return Part(412)
    if request.if_none_match is not None:
        if _among(stored.tag, request.if_none_match, weak=True):
            return Part(304)
    elif request.if_modified_since is not None and modified_s <= request.if_modified_since.timestamp():
        return Part(304)
    whole = Part(200, 0, stored.size)
    condition = request.headers.get(hdrs.IF_RANGE, "")
    if condition.startswith(('"', 'W/"')):
        if condition != stored.tag:
            return whole
    elif request.if_range is not None and modified_s > request.if_range.timestamp():
        return whole
    return _range(request, stored.size) or whole


def _range(request: BaseRequest, size: int) -> Part | None:
    try:
        wanted = request.http_range
    except ValueError:
        return Part(416)
    if wanted.start is None:
        return None
    if wanted.start < 0:
        start, stop = max(0, size + wanted.start), size
    else:
        start, stop = wanted.start, size if wanted.stop is None else min(wanted.stop, size)
    return Part(206, start, stop) if start < size else Part(416)


def _among(tag: str, wanted: tuple[ETag, ...], *, weak: bool) -> bool:
    value = tag.strip('"')
    return any(each.value == "*" or (each.value == value and (weak or not each.is_weak)) for each in wanted)


async def send(
    request: web.Request, source: Source, stored: Stored, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer a GET or HEAD. Two pieces of a MiB are in memory at most; a client that goes ends the reading.

    A store that goes away in the middle ends the connection: the client asks for the rest by a range.
    """
    part = part_of(request, stored)
    response = web.StreamResponse(status=part.status, headers={**headers, **part.headers(stored)})
    if part.status in _WITH_CONTENT:
        response.content_length = part.stop - part.start
    elif part.status != 304:
        response.content_length = 0
    if part.status not in _WITH_CONTENT or request.method == "HEAD" or part.start == part.stop:
        await response.prepare(request)
        await response.write_eof()
        return response
    async with aclosing(source.read(stored, part.start, part.stop)) as pieces:
        first = await anext(pieces)  # before anything is said, so that a store that is away is told as such
        await response.prepare(request)
        try:
            await response.write(first)
            async for piece in pieces:
                await response.write(piece)
        except (StoreAway, ConnectionError) as error:
            log.debug("file not sent to its end", extra={"reason": type(error).__name__})
            if request.transport is not None:
                request.transport.abort()
            return response
    await response.write_eof()
    return response
