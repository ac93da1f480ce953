"""Files of a store over HTTP: the answers of a folder, in little memory, no longer than asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from signaling import library, wire
from signaling.files.api import StoreAway, Stored
from signaling.files.folder import FolderFiles
from signaling.log import stop
from tests.files import FarFiles
from tests.signaling.library_parts import FILM, Answer, ask, page_of, recorded
from tests.signaling.parts import School, until

pytestmark = pytest.mark.asyncio
SIZE = len(FILM)


class Read(FarFiles):
    """Counts what is read, and ends in the middle when asked to."""

    def __init__(self, files: FolderFiles) -> None:
        super().__init__(files._folder)
        self.pieces = 0
        self.reading = 0
        self.ends_after: int | None = None

    async def read(self, file: Stored, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        self.reading += 1
        try:
            async for piece in super().read(file, start, stop):
                if self.pieces == self.ends_after:
                    raise StoreAway("on purpose")
                self.pieces += 1
                yield piece
        finally:
            self.reading -= 1


@pytest_asyncio.fixture
async def page(school: School) -> wire.VideoPage:
    teacher = await school.teacher()
    await recorded(school, await school.lesson(teacher, title="Optics"), "vid")
    return await page_of(teacher, "vid")


@pytest_asyncio.fixture
async def far(school: School) -> AsyncIterator[Read]:
    """The same folder, as if it were elsewhere; not yet in use."""
    near = school.signalling.library._files.library
    assert isinstance(near, FolderFiles)
    yield Read(near)


def use(school: School, files: FolderFiles) -> None:
    school.signalling.library._files.library = files
    school.signalling.library_routes._files = files


def told(answer: Answer) -> dict[str, object]:
    """Everything but when, and how it is told that there is no body."""
    bodiless = {"Content-Length", "Transfer-Encoding"} if answer.status not in (200, 206) else set()
    unsaid = {"Date", "Server"} | bodiless
    headers = {name: value for name, value in answer.headers.items() if name not in unsaid}
    return {"status": answer.status, "body": answer.body, **headers}


async def test_a_stores_answers_are_a_folders(school: School, page: wire.VideoPage, far: Read) -> None:
    assert page.video_url is not None
    assert page.download_url is not None
    whole = await ask(school, page.video_url, "HEAD")
    tag, date = whole.headers["ETag"], whole.headers["Last-Modified"]
    old, new = "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 2099 00:00:00 GMT"
    ranges = [
        "0-0",
        "100-199",
        f"{SIZE - 1}-",
        "-10",
        "0-",
        f"9000-{SIZE * 9}",
        f"{SIZE}-",
        "9-3",
        "-0",
        "x",
        "1-2,4-5",
    ]
    conditions: list[dict[str, str]] = [
        {},
        *({"Range": f"bytes={wanted}"} for wanted in ranges),
        {"Range": "lines=1-2"},
        *(
            {"Range": "bytes=5-9", "If-Range": condition}
            for condition in (tag, date, '"other"', f"W/{tag}", old, new, "nonsense")
        ),
        *({"If-None-Match": value} for value in (tag, f"W/{tag}", '"other"', "*")),
        *({"If-Match": value} for value in (tag, f"W/{tag}", '"other"', "*")),
        *({"If-Modified-Since": value} for value in (date, old, new)),
        *({"If-Unmodified-Since": value} for value in (old, new)),
        {"If-None-Match": '"other"', "If-Modified-Since": new},
        {"If-None-Match": tag, "Range": "bytes=0-1"},
    ]
    near = school.signalling.library._files.library
    assert isinstance(near, FolderFiles)
    asked = [("GET", page.video_url, each) for each in conditions]
    asked += [("HEAD", page.video_url, each) for each in conditions[::3]]
    asked += [("GET", page.download_url, each) for each in conditions[:3]]
    for method, address, headers in asked:
        use(school, near)
        wanted = told(await ask(school, address, method, **headers))
        use(school, far)
        assert told(await ask(school, address, method, **headers)) == wanted, (method, headers)
    assert far.pieces > 0
    assert far.reading == 0


async def test_a_client_that_goes_ends_the_reading(school: School, page: wire.VideoPage, far: Read) -> None:
    large = far._folder / "vid" / "video.webm"
    large.write_bytes(bytes(32 << 20))
    use(school, far)
    assert page.video_url is not None
    async with aiohttp.ClientSession() as http, http.get(school.origin + page.video_url) as answer:
        assert answer.status == 200
        assert answer.content_length == 32 << 20
        assert await answer.content.readexactly(1 << 20)
        await asyncio.sleep(0.3)  # nobody reads on: the server waits, too
        assert far.reading == 1
        assert far.pieces < 24, "no more is read than is taken"
        answer.close()
    await until(lambda: far.reading == 0, "the end of the reading")
    assert far.pieces < 28


async def test_a_store_that_is_away_is_told_once_by_who_sweeps(
    school: School, far: Read, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(library, "SWEEP_S", 0.01)
    use(school, far)
    far.away = True
    sweeping = asyncio.create_task(school.signalling.library.run())
    try:
        await until(lambda: far.refused > 3, "some tries")
    finally:
        await stop(sweeping)
    said = [record.levelname for record in caplog.records if "not swept" in record.getMessage()]
    assert said == ["WARNING"]


async def test_a_store_that_goes_away_ends_the_connection(
    school: School, page: wire.VideoPage, far: Read
) -> None:
    (far._folder / "vid" / "video.webm").write_bytes(bytes(5 << 20))
    use(school, far)
    assert page.video_url is not None
    far.ends_after = 3
    with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ClientConnectionError)):
        await ask(school, page.video_url)
    far.away = True
    answer = await ask(school, page.video_url)
    assert (answer.status, answer.code) == (503, "internal")
    assert answer.headers["Retry-After"]
