"""Recordings that several recorders wrote, each on a disk of its own: whatever dies, nothing is lost."""

from __future__ import annotations

import asyncio
import errno
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from recorder import elsewhere
from recorder.claims import Claims
from recorder.elsewhere import Elsewhere, Sources
from recorder.finish import Finished
from recorder.journal import LogEvent, Writer
from recorder.maker import Finish, Maker
from recorder.publish import Outcome, Publisher
from recorder.shipping import Shipper, next_piece, runs_of, shipped
from signaling.catalog.store import Catalog
from signaling.catalog.store import Outcome as LessonOutcome
from signaling.files.api import StoreAway
from signaling.log import stop
from tests.files import FarFiles
from tests.recorder.parts import journal, makes
from tests.recorder.test_journal import LOG, TAP, blob
from tests.signaling.parts import until, until_answer
from tests.signaling.test_recordings import taught

pytestmark = pytest.mark.asyncio


class Killed(BaseException):
    """In place of SIGKILL: nothing of ours goes on after it."""


@dataclass
class Moments:
    """Counts what a recorder does to others' things, and kills it at one of them."""

    kill_at: int | None = None
    seen: int = 0

    def __call__(self) -> None:
        self.seen += 1
        if self.seen == self.kill_at:
            raise Killed


class Watched:
    """Something whose methods are moments, before and after."""

    def __init__(self, inner: Any, moment: Callable[[], None]) -> None:
        self._inner, self._moment = inner, moment

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not asyncio.iscoroutinefunction(method):
            return method

        async def called(*arguments: Any, **named: Any) -> Any:
            self._moment()
            answer = await method(*arguments, **named)
            self._moment()
            return answer

        return called


class Here(Maker):
    """Makes videos without another process."""

    def __init__(self, finish: Finish, moment: Callable[[], None]) -> None:
        super().__init__()
        self._made_by, self._moment = finish, moment
        self.count = 0

    async def make(self, folder: Path, library: Path, *, torn: bool) -> Finished | None:
        self._moment()
        self.count += 1
        made = self._made_by(folder, library)
        self._moment()
        return made


@dataclass
class Node:
    """A recorder's part that finishes, with a disk of its own."""

    var: Path
    files: FarFiles
    journals: FarFiles
    claims: Claims
    shipper: Shipper
    elsewhere: Elsewhere
    publisher: Publisher
    making: Here

    @property
    def recordings(self) -> Path:
        return self.var / "recordings"


@dataclass
class World:
    """The store, SQL and Redis that nodes share."""

    root: Path
    redis: Redis
    catalog: Catalog
    ids: int = 0
    nodes: list[Node] = field(default_factory=list)

    def node(self, name: str, moments: Moments | None = None, finish: Finish = makes) -> Node:
        """A process of a node; the same name is the same disk."""
        moment = moments or (lambda: None)
        self.ids += 1
        var = self.root / name
        (var / "recordings").mkdir(parents=True, exist_ok=True)
        files, kept = FarFiles(self.root / "store" / "l", moment), FarFiles(self.root / "store" / "j", moment)
        claims = Claims(self.redis, name, str(self.ids))
        told: Any = Watched(claims, moment)
        shipper = Shipper(kept, told, var / "recordings")
        there = Elsewhere(kept, told, shipper, var / "recordings", lambda: 0)
        publisher = Publisher(
            self.catalog, var / "recordings", var / "library", files=files, elsewhere=there, first_wait_s=0.01
        )
        making = publisher._maker = Here(finish, moment)
        if moments is not None:
            publisher._catalog = _Rows(Watched(self.catalog.recordings, moment))  # type: ignore[assignment]
        return Node(var, files, kept, claims, shipper, there, publisher, making)

    def video(self, recording: str = "R1") -> str:
        """What the library has."""
        return (self.root / "store" / "l" / recording / "video.webm").read_text()

    def left(self, *nodes: str) -> list[str]:
        """What is left on disks and in the store, besides videos and what they were made of."""
        places = [self.root / name / kind for name in nodes for kind in ("recordings", "library")]
        found = [path for place in (*places, self.root / "store" / "j") for path in place.rglob("*")]
        return [
            str(path.relative_to(self.root)) for path in found if path.is_file() and ".made" not in path.parts
        ]


@dataclass
class _Rows:
    recordings: Any


@pytest_asyncio.fixture
async def world(redis: Redis, tmp_path: Path) -> AsyncIterator[World]:
    catalog = await Catalog.open(f"sqlite+aiosqlite:///{tmp_path}/z.db")
    await catalog.use_key("k0", "main", 1)
    await taught(catalog, "L1")
    await catalog.put_outcomes([LessonOutcome("L1", "ended", 100)])
    yield World(tmp_path, redis, catalog)
    await catalog.close()


def write(folder: Path, name: str, *packets: bytes) -> None:
    writer = Writer(folder / name, TAP, 1)
    writer.open()
    writer.add_packets(blob((1, packet) for packet in packets))
    writer.close(2)


def write_log(folder: Path, *numbers: int, restated: int = 0) -> None:
    """A log with these events; ``restated``: the number of the last one before them."""
    writer = Writer(folder / "log.zj", LOG, 1)
    writer.open()
    on = {"recording": {"id": "R1", "state": "on", "part": 1, "since_ms": 5}}
    writer.add_event(LogEvent(number=restated, kind="restated", at_ms=5, by=None, set=on), 5)
    for number in numbers:
        writer.add_event(LogEvent(number=number, kind="chat_sent", at_ms=number, by="p"), number)
    writer.close(9)


async def two_wrote(world: World) -> None:
    """Node a died; b went on, and its lesson ended. Both brought what they had."""
    for name, numbers, restated in (("a", (1, 2), 0), ("b", (3, 4), 2)):
        node = world.node(name)
        folder = node.recordings / "R1"
        folder.mkdir()
        await node.shipper.begin("R1")
        write_log(folder, *numbers, restated=restated)
        write(folder, f"001-p-camera-{name}.zj", name.encode() * 100)
        await node.shipper.seal("R1")
    await world.catalog.recordings.begin("R1", "L1", 1, 5)


ALL = "001-p-camera-a.zj\n001-p-camera-b.zj\nlog.zj"


def logged(folder: Path, library: Path) -> Finished:
    """As ``makes``, with the numbers of the log's events."""
    made = makes(folder, library)
    events = journal(folder / "log.zj").events
    numbers = " ".join(f"{each.number}{'r' if each.kind == 'restated' else ''}" for each in events)
    (library / folder.name / "video.webm").write_text(numbers)
    return Finished(made.state, 2000, len(numbers), 640, 360)


def again(folder: Path, library: Path) -> Finished:
    """As ``makes``, over what an earlier try left."""
    (library / folder.name / "video.webm").unlink(missing_ok=True)
    if (library / folder.name).exists():
        (library / folder.name).rmdir()
    made = makes(folder, library)
    size = (library / folder.name / "video.webm").stat().st_size
    return Finished(made.state, made.duration_ms, size, made.width, made.height)


async def state(world: World, recording: str = "R1") -> str:
    row = await world.catalog.recordings.recording(recording)
    return row.state if row is not None else "none"


async def test_who_finishes_has_the_journals_of_all(world: World) -> None:
    await two_wrote(world)
    node = world.node("b", finish=logged)
    result = await node.publisher.publish("R1", torn=False)
    assert result.outcome is Outcome.READY
    assert world.video() == "0r 1 2 2r 3 4", "one log, each event once and in order"
    assert await state(world) == "ready"
    # The other one only has to clean up.
    late = world.node("a")
    assert (await late.publisher.publish("R1", torn=True)).outcome is Outcome.DONE
    assert late.making.count == 0
    assert world.left("a", "b") == []


async def test_two_never_finish_one_recording_at_a_time(world: World) -> None:
    await two_wrote(world)
    one, other = world.node("a", finish=again), world.node("b", finish=again)
    async with one.elsewhere.turn("R1") as mine:
        assert mine
        assert (await other.publisher.publish("R1", torn=True)).outcome is Outcome.BUSY
    results = await asyncio.gather(*(node.publisher.publish("R1", torn=True) for node in (one, other)))
    assert sorted(result.outcome for result in results) == [Outcome.BUSY, Outcome.READY]
    assert one.making.count + other.making.count == 1
    assert world.video() == ALL


async def test_a_turn_that_another_took_ends_what_is_done_in_it(
    world: World, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "RENEW_S", 0.01)
    node = world.node("a")

    async def finish() -> None:
        async with node.elsewhere.turn("R1"):
            await redis.set("zvonok:finishing:R1", "another")
            await asyncio.Event().wait()

    with pytest.raises(elsewhere.TurnLost):
        await finish()
    assert await redis.get("zvonok:finishing:R1") == b"another", "what is not ours is not let go"


@pytest.mark.parametrize("order", ["ab", pytest.param("ba", marks=pytest.mark.long)])
async def test_a_kill_at_any_moment_and_again_loses_nothing(world: World, redis: Redis, order: str) -> None:
    """Every request to the store, to Redis and to SQL is a moment, before it and after it.

    ``order``: who comes afterwards; b is the one that was killed.
    """
    moment = 0
    while True:
        moment += 1
        await redis.flushall()
        await world.catalog.recordings.delete("R1", "teacher1", 900)
        for name in ("a", "b", "store"):
            shutil.rmtree(world.root / name, ignore_errors=True)
        await two_wrote(world)
        kills = 0
        for _ in range(2):
            node = world.node("b", Moments(moment), again)
            try:
                await node.publisher.publish("R1", torn=True)
            except Killed:
                kills += 1
                await redis.delete("zvonok:finishing:R1")  # by now it lapsed
        if not kills:
            break
        for name in order:
            result = await world.node(name, finish=again).publisher.publish("R1", torn=True)
            assert result.outcome in (Outcome.READY, Outcome.DONE), (moment, name, result)
        assert world.video() == ALL, moment
        assert await state(world) == "ready", moment
        assert world.left("a", "b") == [], moment
    assert moment > 25, "there are that many"


async def test_what_a_recorder_brings_when_it_is_back_is_in_the_video_then(world: World) -> None:
    await two_wrote(world)
    a = world.node("a")
    write(a.recordings / "R1", "002-p-camera-a.zj", b"left")  # not brought when it died
    await a.shipper.begin("R1")
    await a.claims.note_place("R1", sealed=False)
    b = world.node("b", finish=again)
    assert (await b.publisher.publish("R1", torn=True)).outcome is Outcome.READY
    assert world.video() == ALL
    assert world.left("b") != [], "what the video was made of is kept for the one that is missing"
    assert (await world.node("b").publisher.publish("R1", torn=True)).outcome is Outcome.DONE, "nothing new"
    back = world.node("a", finish=again)
    assert (await back.publisher.publish("R1", torn=True)).outcome is Outcome.READY
    assert world.video().split("\n") == sorted([*ALL.split("\n"), "002-p-camera-a.zj"])
    assert world.left("a", "b") == []


async def test_what_comes_when_everything_else_is_gone_is_kept(world: World) -> None:
    await two_wrote(world)
    assert (await world.node("b").publisher.publish("R1", torn=True)).outcome is Outcome.READY
    a = world.node("a")
    write(a.recordings / "R1", "002-p-camera-a.zj", b"nobody knew of this")
    await a.shipper.begin("R1")
    result = await world.node("a", finish=again).publisher.publish("R1", torn=True)
    assert result.outcome is Outcome.LATE
    assert world.video() == ALL
    assert (a.recordings / "R1" / "002-p-camera-a.zj").exists()


async def test_a_video_that_was_deleted_comes_back_from_nowhere(world: World) -> None:
    await two_wrote(world)
    for name in ("a", "b"):
        (world.root / name / "recordings" / "R1" / "entered").touch()
    assert await world.catalog.recordings.finishing("R1")
    assert await world.catalog.recordings.delete("R1", "teacher1", 900)
    for name in ("a", "b"):
        assert (await world.node(name).publisher.publish("R1", torn=True)).outcome is Outcome.DONE
    assert world.left("a", "b") == []
    assert not (world.root / "store" / "l" / "R1").exists()


async def test_while_the_store_is_away_publication_waits_and_others_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await two_wrote(world)
    node = world.node("b", finish=again)
    other = node.recordings / "R2"
    other.mkdir()
    write_log(other, 1)
    await world.catalog.recordings.begin("R2", "L1", 1, 5)
    put, tries, away = node.files.put, list[float](), True

    async def put_unless(name: str, path: Path) -> None:
        if name.startswith("R1/"):
            tries.append(asyncio.get_running_loop().time())
            if away:
                raise StoreAway("on purpose")
        await put(name, path)

    monkeypatch.setattr(node.files, "put", put_unless)
    running = asyncio.create_task(node.publisher.run())
    try:
        node.publisher.add("R1", torn=True)
        node.publisher.add("R2", torn=True)
        await until_answer(lambda: is_state(world, "R2", "ready"), "the other recording")
        await until(lambda: len(tries) >= 4, "some tries")
        video = await world.catalog.recordings.video("R1")
        assert video is not None
        assert video.state == "processing", "the person sees that it is being made"
        away = False
        await until_answer(lambda: is_state(world, "R1", "ready"), "the video")
    finally:
        await stop(running)
    waits = [later - earlier for earlier, later in pairwise(tries)]
    assert all(wait_s >= 0.01 * 2**index * 0.9 for index, wait_s in enumerate(waits)), waits
    assert node.making.count == 2, "each was made once"
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
    assert world.video() == ALL


async def is_state(world: World, recording: str, wanted: str) -> bool:
    return await state(world, recording) == wanted


async def test_a_full_disk_is_waited_out(world: World) -> None:
    await two_wrote(world)
    full = [True, True]

    def no_room(folder: Path, library: Path) -> Finished:
        if full:
            full.pop()
            raise OSError(errno.ENOSPC, "No space left on device")
        return again(folder, library)

    node = world.node("b")
    node.publisher._maker = Maker(no_room)
    node.publisher._maker._apart.run = _here  # type: ignore[method-assign,assignment]
    running = asyncio.create_task(node.publisher.run())
    try:
        node.publisher.add("R1", torn=True)
        await until(lambda: not full and not node.publisher.waiting, "the video")
    finally:
        await stop(running)
    assert await state(world) == "ready"
    assert world.video() == ALL


async def _here(work: Callable[[], Finished]) -> Finished:
    return work()


# --- what is brought ----------------------------------------------------------------------------------------


async def test_pieces_hold_what_is_new_and_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.shipping.PIECE_LIMIT", 10)
    (tmp_path / "a.zj").write_bytes(b"0123456")
    (tmp_path / "b.zj").write_bytes(b"0123456")
    (tmp_path / "lock").touch()
    first = next_piece(tmp_path, shipped(tmp_path), 5)
    assert first is not None
    assert [(run.file, run.offset, run.data) for run in runs_of(first[0])] == [
        ("a.zj", 0, b"0123456"), ("b.zj", 0, b"012"),
    ]  # fmt: skip
    second = next_piece(tmp_path, first[1], 5)
    assert second is not None
    assert [(run.file, run.offset, run.data) for run in runs_of(second[0])] == [("b.zj", 3, b"3456")]
    assert (first[1].number, second[1].number) == (5, 6)
    assert next_piece(tmp_path, second[1], 9) is None


async def test_a_recording_that_cannot_be_brought_holds_up_no_other(world: World) -> None:
    node = world.node("a")
    for recording in ("R1", "R2", "R3"):
        folder = node.recordings / recording
        folder.mkdir()
        await node.shipper.begin(recording)
        write_log(folder, 1)
    shutil.rmtree(node.recordings / "R1")
    put = node.journals.put_bytes

    async def put_unless(name: str, data: bytes) -> None:
        if name.startswith("R2/"):
            raise StoreAway("on purpose")
        await put(name, data)

    node.journals.put_bytes = put_unless  # type: ignore[method-assign]
    await node.shipper._all()
    assert [each.name.split("/")[0] for each in await node.journals.below("")] == ["R3"]
    assert set(node.shipper._open) == {"R2", "R3"}
    node.shipper.forget("R3")
    with pytest.raises(StoreAway):
        await node.shipper._all()


async def test_a_log_that_somebody_goes_on_with_is_brought_anew(world: World) -> None:
    """What a kill left torn at its end was brought, too; then it is cut off and written over."""
    node = world.node("a")
    folder = node.recordings / "R1"
    folder.mkdir()
    await node.shipper.begin("R1")
    write_log(folder, 1)
    with (folder / "log.zj").open("ab") as file:
        file.write(b"\0\0\0\7\3 torn, and longer than what comes in its place" * 9)
    await node.shipper._all()
    back = world.node("a", finish=logged)
    await back.shipper.begin("R1")
    write_log(folder, 2, restated=1)
    await back.shipper.seal("R1")
    await world.catalog.recordings.begin("R1", "L1", 1, 5)
    other = world.node("b", finish=logged)
    assert (await other.publisher.publish("R1", torn=True)).outcome is Outcome.READY
    assert world.video() == "0r 1 1r 2"


async def test_more_is_a_place_or_a_piece_that_the_other_has_not() -> None:
    assert Sources({"a": 1}, complete=True).more_than(Sources({}, complete=True))
    assert not Sources({"a": 1}, complete=True).more_than(Sources({"a": 1, "b": 2}, complete=True))


async def test_a_place_that_nobody_noted_may_still_hold_something(world: World, redis: Redis) -> None:
    """Redis lost its data: a recording is taken for incomplete rather than for complete."""
    await two_wrote(world)
    await redis.flushall()
    assert not (await world.node("b").elsewhere.here("R1")).complete
    assert (await world.node("b", finish=again).publisher.publish("R1", torn=True)).outcome is Outcome.READY
    assert (await world.node("a", finish=again).publisher.publish("R1", torn=True)).outcome is Outcome.READY
    assert world.left("a", "b") == [], "a said that it has nothing more"
