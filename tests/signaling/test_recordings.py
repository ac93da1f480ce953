"""Recordings and video lessons in SQL: what a recorder says, what the library asks, and the way there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

import signaling.catalog.store as store
from sfu.model import Role
from signaling.catalog.keeping import NAMELESS, Forgotten
from signaling.catalog.models import Base
from signaling.catalog.recordings import Choices, Filters, Part, Position, Published, Recording, Video, fold
from signaling.catalog.store import Catalog, Lesson, Outcome
from signaling.erasing import nameless
from signaling.replica import Record
from signaling.wire import AttendanceRow

pytestmark = pytest.mark.asyncio

FILM = Published(60_000, 1_000_000, 1280, 720)


@pytest_asyncio.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    made = await Catalog.open(database_url)
    await made.use_key("k0", "main", 1)
    await made.use_key("k1", "other", 1)
    await taught(made, "l")
    yield made
    await made.close()


async def taught(
    catalog: Catalog,
    lesson: str,
    title: str = "Optics",
    subject: str = "Physics",
    grade: int = 8,
    teacher: tuple[str, str] = ("main", "Анна Петровна"),
) -> None:
    await catalog.new_lesson(
        Lesson(
            lesson,
            teacher[0],
            teacher[1],
            title,
            subject,
            grade,
            "live",
            5,
            None,
            {Role.STUDENT: f"S{lesson}"},
        )
    )


async def filmed(catalog: Catalog, lesson: str, at_ms: int, *, publish: bool = True) -> None:
    """A video ``v<lesson>`` of a lesson."""
    recordings = catalog.recordings
    await recordings.begin(f"v{lesson}", lesson, 1, at_ms)
    assert await recordings.finishing(f"v{lesson}")
    if publish:
        assert await recordings.published(f"v{lesson}", FILM, at_ms + 1)


async def listed(catalog: Catalog, filters: Filters) -> list[str]:
    return [video.id for video in await catalog.recordings.videos(filters)]


# --- what a recorder says ----------------------------------------------------------------------------


async def test_a_recording_goes_from_its_first_part_to_the_library(catalog: Catalog) -> None:
    recordings = catalog.recordings
    assert not await recordings.exists("r")
    await recordings.begin("r", "l", 1, 100)
    await recordings.end_part("r", 1, 200, "stopped")
    await recordings.begin("r", "l", 2, 300)
    assert await recordings.exists("r")
    assert await recordings.unfinished() == [Recording("r", "l", "running", 100, lesson_ended=False)]
    await catalog.put_outcomes([Outcome("l", "ended", 400)])
    await recordings.end_part("r", 2, 400, "ended")
    assert await recordings.parts("r") == (Part(1, 100, 200, "stopped"), Part(2, 300, 400, "ended"))
    assert await recordings.video("r") is None

    assert await recordings.finishing("r")
    assert await recordings.unfinished() == [Recording("r", "l", "finishing", 100, lesson_ended=True)]
    processing = Video(
        "r", "l", "main", "Анна Петровна", "Optics", "Physics", 8, "processing", 100, 0, 0, 0, 0, None
    )
    assert await recordings.video("r") == processing

    assert await recordings.published("r", FILM, 500)
    ready = Video(
        "r", "l", "main", "Анна Петровна", "Optics", "Physics", 8, "ready",
        100, 60_000, 1_000_000, 1280, 720, 500,
    )  # fmt: skip
    assert await recordings.video("r") == ready
    assert await recordings.video_of_lesson("l") == ready
    assert await recordings.videos_of_lessons(["l", "none"]) == {"l": ready}
    assert await recordings.unfinished() == []


async def test_what_is_said_twice_changes_nothing(catalog: Catalog) -> None:
    recordings = catalog.recordings
    for at_ms in (100, 150):
        await recordings.begin("r", "l", 1, at_ms)
    for at_ms in (200, 250):
        await recordings.end_part("r", 1, at_ms, "stopped")
    assert await recordings.parts("r") == (Part(1, 100, 200, "stopped"),)
    assert await recordings.finishing("r")
    assert await recordings.finishing("r")
    assert await recordings.published("r", FILM, 500)
    assert not await recordings.finishing("r")
    await recordings.failed("r")
    video = await recordings.video("r")
    assert video is not None
    assert (video.state, video.published_at_ms) == ("ready", 500)
    found = await recordings.recording("r")
    assert found is not None
    assert found.state == "ready"


async def test_a_failed_video_can_be_made_after_all(catalog: Catalog) -> None:
    recordings = catalog.recordings
    await recordings.begin("r", "l", 1, 100)
    assert await recordings.finishing("r")
    await recordings.failed("r")
    video = await recordings.video("r")
    assert video is not None
    assert video.state == "failed"
    assert await recordings.unfinished() == []
    assert await recordings.finishing("r")
    video = await recordings.video("r")
    assert video is not None
    assert video.state == "processing"


async def test_an_empty_recording_leaves_no_video(catalog: Catalog) -> None:
    recordings = catalog.recordings
    await recordings.begin("r", "l", 1, 100)
    assert await recordings.finishing("r")
    await recordings.empty("r")
    assert await recordings.video("r") is None
    assert await recordings.exists("r")
    assert not await recordings.finishing("r")
    assert await recordings.unfinished() == []


async def test_what_was_deleted_is_not_published_afterwards(catalog: Catalog) -> None:
    recordings = catalog.recordings
    await recordings.begin("r", "l", 1, 100)
    assert await recordings.finishing("r")
    assert await recordings.delete("r", "teacher1", 900)
    assert not await recordings.published("r", FILM, 500)
    assert not await recordings.finishing("r")
    assert not await recordings.exists("r")
    assert await recordings.parts("r") == ()
    assert not await recordings.delete("r", "teacher1", 900)
    async with catalog._database.connect() as connection:
        for table in ("recordings", "parts", "videos"):
            assert (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar() == 0


async def test_a_lesson_whose_log_was_lost_may_get_a_second_recording(catalog: Catalog) -> None:
    await catalog.recordings.begin("r1", "l", 1, 100)
    await catalog.recordings.begin("r2", "l", 1, 200)
    for recording in ("r1", "r2"):
        assert await catalog.recordings.finishing(recording)
    newest = await catalog.recordings.video_of_lesson("l")
    assert newest is not None
    assert newest.id == "r2"
    assert await catalog.recordings.videos_of_lessons(["l"]) == {"l": newest}


# --- what the library asks ----------------------------------------------------------------------------


@pytest_asyncio.fixture
async def library(catalog: Catalog) -> Catalog:
    """Four videos: a and b of one teacher, c of another, d not ready yet."""
    await taught(catalog, "a", "Оптика: ЁЛКА 100%", "Физика", 8)
    await taught(catalog, "b", "Light_and shade", "Physics", 9)
    await taught(catalog, "c", "ОПТИКА", "Физика", 9, ("other", "Олег"))
    await taught(catalog, "d", "Оптика снова", "Химия", 11)
    for at_ms, lesson in enumerate("abc", 1000):
        await filmed(catalog, lesson, at_ms)
    await filmed(catalog, "d", 2000, publish=False)
    return catalog


FOUND: list[tuple[Filters, list[str]]] = [
    (Filters(), ["vc", "vb", "va"]),
    (Filters(teacher="main"), ["vd", "vc", "vb", "va"]),
    (Filters(teacher="other"), ["vc", "vb", "va"]),
    (Filters(subject="Физика"), ["vc", "va"]),
    (Filters(grade=9), ["vc", "vb"]),
    (Filters(teacher_name="Олег"), ["vc"]),
    (Filters(subject="Физика", grade=9), ["vc"]),
    (Filters(subject="Химия"), []),
    (Filters(subject="Химия", teacher="main"), ["vd"]),
    (Filters(text="оптИКА"), ["vc", "va"]),
    (Filters(text="елка"), ["va"]),
    (Filters(text="ёлка"), ["va"]),
    (Filters(text="LIGHT"), ["vb"]),
    (Filters(text="100%"), ["va"]),
    (Filters(text="%"), ["va"]),
    (Filters(text="_"), ["vb"]),
    (Filters(text="/"), []),
    (Filters(text="t_and"), ["vb"]),
    (Filters(text="' OR 1=1 --"), []),
    (Filters(text="light\x00_and\ud800"), ["vb"]),
]


async def test_videos_are_found_by(library: Catalog) -> None:
    for filters, expected in FOUND:
        assert await listed(library, filters) == expected, filters


async def test_pages_follow_one_another_without_gap_or_repetition(catalog: Catalog) -> None:
    for number in range(7):
        await taught(catalog, f"n{number}")
        await filmed(catalog, f"n{number}", 1000 + number // 3)  # several of one moment
    seen: list[Video] = []
    after: Position | None = None
    while page := await catalog.recordings.videos(Filters(), after, 2):
        seen += page
        after = page[-1].position
    assert [video.id for video in seen] == ["vn6", "vn5", "vn4", "vn3", "vn2", "vn1", "vn0"]


async def test_choices_are_those_of_the_videos_that_one_sees(library: Catalog) -> None:
    assert await library.recordings.choices() == Choices(
        ("Physics", "Физика"), (8, 9), ("Анна Петровна", "Олег")
    )
    assert await library.recordings.choices("main") == Choices(
        ("Physics", "Физика", "Химия"), (8, 9, 11), ("Анна Петровна", "Олег")
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (Filters(), "videos_newest"),
        (Filters(subject="Физика"), "videos_of_subject"),
        (Filters(grade=9), "videos_of_grade"),
        (Filters(teacher_name="Олег"), "videos_of_teacher_name"),
    ],
)
async def test_a_page_is_read_from_an_index_in_its_order(
    library: Catalog, monkeypatch: pytest.MonkeyPatch, filters: Filters, index: str
) -> None:
    async with library._database.connect() as connection:
        raw = await connection.get_raw_connection()
        statements: list[str] = []
        await raw.driver_connection.set_trace_callback(statements.append)  # type: ignore[union-attr]
        await connection.close()
    await library.recordings.videos(filters, Position(5000, "z"))
    statement = next(s for s in statements if "FROM videos" in s)
    async with library._database.connect() as connection:
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}")
        plans = [str(row.detail) for row in rows]
    assert any(index in plan for plan in plans), plans
    assert not any("TEMP B-TREE" in plan for plan in plans), plans


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("  Ёлка \t СТО ", "елка сто"),
        ("Straße", "strasse"),
        ("Ｏｐｔｉｃｓ", "optics"),
        ("a\x00b\ud800", "ab"),
        ("и\u0306", "й"),
    ],
)
async def test_folding(written: str, folded: str) -> None:
    assert fold(written) == folded


# --- the way there ------------------------------------------------------------------------------------


def to_first_version(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")


async def test_a_database_of_the_first_version_is_brought_here_with_all_it_holds(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/old.db")
    with engine.begin() as connection:
        to_first_version(connection)
        assert "videos" not in engine.dialect.get_table_names(connection)
        connection.execute(text("INSERT INTO teachers VALUES ('main', 'Анна', 1)"))
        connection.execute(
            text("INSERT INTO lessons VALUES ('l', 'main', 'Анна', 'Optics', 'Physics', 8, 'ended', 5, 9)")
        )
        connection.execute(text("INSERT INTO links VALUES ('S', 'l', 'student')"))
        connection.execute(text("INSERT INTO lesson_events VALUES ('l', 1, x'9500')"))
        connection.execute(text("INSERT INTO attendance VALUES ('l', 'm', 'Маша', 'student', 6, 9, 3, 1)"))
    engine.dispose()
    catalog = await Catalog.open(f"sqlite+aiosqlite:///{tmp_path}/old.db")
    expected = Lesson("l", "main", "Анна", "Optics", "Physics", 8, "ended", 5, 9, {Role.STUDENT: "S"})
    assert await catalog.lesson("l") == expected
    assert [row.participant for row in await catalog.attendance("l")] == ["m"]
    assert await catalog.last_number("l") == 1
    async with catalog._database.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), Base.metadata)
        )
    assert differences == []
    await filmed(catalog, "l", 100)
    await catalog.close()


async def test_who_does_not_migrate_finds_the_tables_or_fails(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/z.db"
    before = await Catalog.open(url, migrate=False)
    with pytest.raises(OperationalError):
        await before.recordings.unfinished()
    await before.close()
    await (await Catalog.open(url)).close()
    recorder = await Catalog.open(url, migrate=False)
    assert await recorder.recordings.unfinished() == []
    await recorder.close()


# --- what is kept, in either database -------------------------------------------------------------------


async def test_somebody_is_taken_out_and_forgotten_in_either_database(catalog: Catalog) -> None:
    await filmed(catalog, "l", 100)
    row = AttendanceRow("p", "Маша", "student", 1, 2, 1, 1)
    event = Record(1, "joined", 5, "p", {"person/p": {"name": "Маша"}})
    await catalog.add_events([("l", event)])
    await catalog.put_outcomes([Outcome("l", "ended", 300, (row,))])

    withdrawals, keeping = catalog.withdrawals, catalog.keeping
    assert await withdrawals.ask("vl", ("p", "q"), "main", 5)
    assert await withdrawals.ask("vl", ("p",), "p", 6)  # asked already
    assert not await withdrawals.ask("none", ("p",), "main", 5)
    assert [each.participants for each in await withdrawals.waiting()] == [("p", "q")]
    assert await withdrawals.done("vl", ("p",), 7, 8)
    assert (video := await catalog.recordings.video("vl"))
    assert video.state == "processing"
    assert await withdrawals.done("vl", ("q",), 9, 8)
    assert (video := await catalog.recordings.video("vl"))
    assert (video.state, video.bytes) == ("ready", 9)

    assert await withdrawals.waiting() == []
    assert await withdrawals.ask("vl", ("q",), "main", 9)  # of whom nothing is left: done at once, and shown
    assert [each.participants for each in await withdrawals.waiting()] == [("q",)]
    assert await withdrawals.done("vl", ("q",), 9, 9)

    assert await keeping.present(("p", "x")) == {"l": {"p"}}
    assert await keeping.named("l", ("p",)) == 1
    await keeping.forget_names("l", ("p",))
    assert await keeping.named("l", ("p",)) == 0
    assert await keeping.rewrite("l", [event], nameless(("p",), teacher=False), dry=False) == 1
    assert (await catalog.events("l"))[0].set == {"person/p": {"name": NAMELESS}}
    assert await keeping.lessons() == await keeping.lessons_of("main") == ["l"]
    await keeping.forget_teacher("main")
    assert (teacher := await catalog.teacher("main"))
    assert teacher.name == NAMELESS

    assert await keeping.old_videos(100) == []
    assert await keeping.old_videos(101) == ["vl"]
    assert await keeping.forget_lessons(300, 9) == Forgotten(0, 0, 0)
    assert await keeping.forget_lessons(301, 9) == Forgotten(1, 1, 1)
    assert await keeping.forget_lessons(301, 9) == Forgotten(0, 0, 0)
    assert await catalog.recordings.delete("vl", "server", 10)
    said = [(each.what, each.by, each.subject, each.count) for each in await catalog.audit.entries(99)]
    assert said == [
        ("recording_started", "server", "l/vl", 1),
        ("withdrawal_asked", "main", "vl/p", 1), ("withdrawal_asked", "main", "vl/q", 1),
        ("withdrawn", "main", "vl/p", 1), ("withdrawn", "main", "vl/q", 1),
        ("withdrawal_asked", "main", "vl/q", 1), ("withdrawn", "main", "vl/q", 1),
        ("retention", "server", "lessons", 1), ("video_deleted", "server", "vl", 1),
    ]  # fmt: skip
    assert [each.what for each in await catalog.audit.entries(1, since_ms=9)] == ["video_deleted"]


async def test_a_video_made_again_is_not_shown_before_it_is_without_who_was_taken_out(
    catalog: Catalog,
) -> None:
    await filmed(catalog, "l", 100)
    recordings, withdrawals = catalog.recordings, catalog.withdrawals

    async def state() -> str:
        video = await recordings.video("vl")
        return "gone" if video is None else video.state

    assert await recordings.finishing("vl", again=True)
    assert await state() == "ready", "nobody was taken out"
    assert await recordings.published("vl", FILM, 200)
    assert await state() == "ready"

    assert await withdrawals.ask("vl", ("p",), "main", 5)
    assert await withdrawals.done("vl", ("p",), 7, 8)
    assert await recordings.finishing("vl", again=True)
    assert await state() == "processing"
    assert await recordings.published("vl", FILM, 300)
    assert await state() == "processing"
    assert [each.participants for each in await withdrawals.waiting()] == [("p",)]
    assert await withdrawals.done("vl", ("p",), 7, 8)
    assert await state() == "ready"


async def test_of_who_is_erased_no_word_stays_in_the_log_wherever_it_was_written() -> None:
    words = {"participant": "p", "name": "Петя", "text": "x", "at_ms": 1}
    paths = ("chat/1", "note/p/2", "held/p/3")
    event = Record(1, "chat", 1, "p", dict.fromkeys(paths, words))
    erased = nameless(("p",), teacher=False)(event).set
    assert {(each["name"], each["text"]) for each in erased.values()} == {(NAMELESS, "")}
    assert nameless(("q",), teacher=False)(event) == event
