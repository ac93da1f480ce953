"""What the tests of several processes share: one running server a module, and people without browsers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from loadtest.client import LessonClient, use_loopback_candidates
from loadtest.door import Door
from signaling.wire import LessonInfo
from tests.serving import Server, serving


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """``zvonok serve`` on free ports."""
    use_loopback_candidates()
    async with serving(tmp_path_factory.mktemp("server") / "var", lesson__drop_grace_s=2) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def teacher_door(server: Server) -> AsyncIterator[Door]:
    """The teacher's browser, signed in by the printed link."""
    async with Door(server.origin) as door:
        await door.sign_in(server.teacher_link.partition("#")[2])
        yield door


@pytest_asyncio.fixture(loop_scope="module")
async def lesson(teacher_door: Door) -> LessonInfo:
    """A new lesson."""
    return await teacher_door.new_lesson("Light", subject="physics", grade=8, teacher_name="Anna Orlova")


Joining = Callable[[str, str], Awaitable[LessonClient]]


@pytest_asyncio.fixture(loop_scope="module")
async def joining(server: Server) -> AsyncIterator[Joining]:
    """Join by link under a name, each time from a browser of one's own."""
    async with AsyncExitStack() as stack:

        async def join(link: str, name: str) -> LessonClient:
            door = await stack.enter_async_context(Door(server.origin))
            return await stack.enter_async_context(LessonClient.join(door, link, name))

        yield join
