"""Who may record what, and what a recording's log keeps: the small pieces."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.asyncio import Redis

from recorder import logbook
from recorder.claims import GROUP, Claims
from recorder.folder import Busy, FolderLock, is_recording, tap_name
from signaling.log import RECORDER_WORK, key
from signaling.replica import Record


@pytest.mark.asyncio
async def test_a_claim_has_one_owner_until_it_lapses_or_is_let_go(redis: Redis) -> None:
    one, other = Claims(redis, "here", "1"), Claims(redis, "here", "2")
    assert await one.take("L")
    assert not await other.take("L")
    assert await other.renew(["L", "M"]) == [False, True]
    await other.release("L")
    assert await one.renew(["L"]) == [True]
    assert 3000 < await redis.pttl(key("L", "recorder")) <= 4000
    await one.release("L")
    assert await other.take("L")


@pytest.mark.asyncio
async def test_only_a_recorder_of_the_same_folder_steps_in_for_a_dead_one(redis: Redis) -> None:
    dead, successor, stranger = (
        Claims(redis, "here", "1"),
        Claims(redis, "here", "2"),
        Claims(redis, "her", "3"),
    )
    await dead.take("L")
    assert not await stranger.succeed("L")
    assert await successor.succeed("L")
    assert await dead.renew(["L"]) == [False]
    assert await stranger.succeed("M"), "nobody has it"


@pytest.mark.asyncio
async def test_each_call_reaches_one_recorder_and_leaves_nothing_pending(redis: Redis) -> None:
    one, other = Claims(redis, "here", "1"), Claims(redis, "here", "2")
    assert await one.calls(10) == [], "the group is made by whoever comes first"
    for lesson in ("A", "B", "A"):
        await redis.xadd(RECORDER_WORK, {"lesson": lesson})
    await redis.xadd(RECORDER_WORK, {"another": "field"})
    assert await one.calls(10) == ["A", "B"]
    assert await other.calls(10) == []
    assert (await redis.xpending(RECORDER_WORK, GROUP))["pending"] == 0
    await one.withdraw()
    assert [each["name"] for each in await redis.xinfo_consumers(RECORDER_WORK, GROUP)] == [b"here.2"]


@pytest.mark.asyncio
async def test_a_recorder_says_what_it_does_for_as_long_as_it_lives(redis: Redis) -> None:
    claims = Claims(redis, "here", "1")
    await claims.announce({"lessons": 3})
    assert await redis.get("zvonok:recorder:here.1") == b'{"lessons": 3}'
    assert await redis.pttl("zvonok:recorder:here.1") > 0
    await claims.withdraw()
    assert await redis.get("zvonok:recorder:here.1") is None


def test_what_not_everybody_may_see_is_not_kept() -> None:
    event = Record(7, "banned", 1, "t", {"_ban/p": True, "person/p": {"here": False}}, ("lobby/p", "hand/p"))
    kept = logbook.kept(event)
    assert kept is not None
    assert (kept.number, kept.set, kept.delete) == (7, {"person/p": {"here": False}}, ("hand/p",))
    for path in ("note/p/1", "held/p/1", "chat_words", "chat_muted/p", "chat_next/p"):
        assert logbook.kept(Record(8, "note", 1, "p", {path: {"text": "to the teachers alone"}})) is None
    unrecorded = logbook.kept(Record(8, "unrecorded", 1, "p", {"unrecorded/p": {"by_self": True}}))
    assert unrecorded is not None, "what must not be recorded is what a recording has to know"
    assert logbook.kept(Record(8, "waits", 1, None, {"lobby/p": {"name": "x"}})) is None
    for path in ("drawn", "picker/p", "called/p"):
        assert logbook.kept(Record(9, "of leaders", 1, "t", {path: {}})) is None
    assert logbook.kept(Record(9, "ring", 1, "t")) is not None, "an event without fields says something too"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a" * 41, "lock.", "é"])
def test_only_ids_are_folders(name: str) -> None:
    assert not is_recording(name)


def test_a_journals_name_stays_in_its_folder() -> None:
    assert tap_name(3, "../p", "camera/..", "0a1b2c") == "003-___p-camera___-0a1b2c.zj"


def test_those_who_write_share_a_folder_and_who_finishes_has_it_alone(tmp_path: Path) -> None:

    folder = tmp_path
    with FolderLock(folder, alone=False), FolderLock(folder, alone=False), pytest.raises(Busy):
        FolderLock(folder, alone=True)
    with FolderLock(folder, alone=True), pytest.raises(Busy):
        FolderLock(folder, alone=False)
