"""Jobs behind video lessons in SQL: who may do what next, and what is left of those who die at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sfu.model import Role
from signaling.catalog.jobs import BACK_OFF_MS, FOUND_LATER, LEASE_MS, PRIORITY, STEPS, TRIES, Claim
from signaling.catalog.models import JobRow
from signaling.catalog.recordings import Published
from signaling.catalog.store import BELL_MARGIN_S, Catalog
from signaling.wire import JobStep
from tests.signaling.test_recordings import taught

pytestmark = pytest.mark.asyncio

FILM = Published(60_000, 1_000_000, 1280, 720)


@pytest_asyncio.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    made = await Catalog.open(database_url)
    await made.use_key("k0", "main", 1)
    await publish(made, "r1", 1_000)
    yield made
    await made.close()


async def publish(catalog: Catalog, recording: str, at_ms: int) -> None:
    await taught(catalog, f"lesson-{recording}")
    await catalog.recordings.begin(recording, f"lesson-{recording}", 1, at_ms)
    assert await catalog.recordings.finishing(recording)
    assert await catalog.recordings.published(recording, FILM, at_ms)


def only(step: JobStep) -> tuple[JobStep, ...]:
    return (step,)


async def claimed(catalog: Catalog, token: str, at_ms: int = 2_000) -> Claim:
    found = await catalog.jobs.claim(token, STEPS, at_ms)
    assert found is not None
    return found


async def test_a_published_video_has_all_its_jobs_and_the_quick_ones_come_first(catalog: Catalog) -> None:
    await publish(catalog, "r2", 1_500)
    assert {job.state for job in await catalog.jobs.of("r1")} == {"waiting"}
    order = []
    for number in range(2 * len(STEPS)):
        claim = await claimed(catalog, f"t{number}")
        order.append((claim.step, claim.recording))
        assert await catalog.jobs.done(claim, 2_000)
    by_priority = sorted(STEPS, key=lambda step: PRIORITY[step])
    assert order == [(step, recording) for step in by_priority for recording in ("r1", "r2")]
    assert await catalog.jobs.claim("more", STEPS, 2_000) is None
    assert {(job.state, job.progress, job.error) for job in await catalog.jobs.of("r1")} == {
        ("done", 100, None)
    }


async def test_no_two_have_one_job(catalog: Catalog) -> None:
    found = await asyncio.gather(*(catalog.jobs.claim(f"t{n}", STEPS, 2_000) for n in range(12)))
    taken = [(claim.recording, claim.step) for claim in found if claim is not None]
    assert len(taken) == len(set(taken)) == len(STEPS) - 1  # the MP4 waits for the sound


async def test_the_mp4_waits_for_the_loudness_until_that_failed_for_good(catalog: Catalog) -> None:
    assert await catalog.jobs.claim("t", only("composite"), 2_000) is None
    sound = await catalog.jobs.claim("t", only("sound"), 2_000)
    assert sound is not None
    assert await catalog.jobs.claim("u", only("composite"), 2_000) is None
    assert await catalog.jobs.failed(sound, "damaged", 2_000, again=False)
    assert await catalog.jobs.claim("u", only("composite"), 2_000) is not None


async def test_a_claim_that_nobody_holds_is_taken_by_another_within_a_minute(catalog: Catalog) -> None:
    first = await claimed(catalog, "dead")
    assert await catalog.jobs.hold(first, 40, 10_000)
    assert (await catalog.jobs.of("r1"))[STEPS.index(first.step)].progress == 40
    steps = (first.step,)
    assert await catalog.jobs.claim("t", steps, 10_000 + LEASE_MS) is None
    second = await catalog.jobs.claim("t", steps, 10_001 + LEASE_MS)
    assert second is not None
    assert (second.recording, second.tries) == ("r1", 2)
    assert LEASE_MS < 60_000
    # whoever was only slow has nothing to say any more
    assert not await catalog.jobs.hold(first, 90, 40_000)
    assert not await catalog.jobs.done(first, 40_000)
    assert not await catalog.jobs.failed(first, "internal", 40_000, again=True)
    assert await catalog.jobs.done(second, 40_000)


async def test_failures_wait_longer_each_time_and_end_with_a_last_word(catalog: Catalog) -> None:
    at_ms = 2_000
    for number in range(TRIES):
        claim = await catalog.jobs.claim(f"t{number}", only("sound"), at_ms)
        assert claim is not None
        assert await catalog.jobs.failed(claim, "no_room", at_ms, again=True)
        job = await catalog.jobs.job("r1", "sound")
        assert job is not None
        assert job.error == "no_room"
        if number < TRIES - 1:
            assert (job.state, job.due_at_ms) == ("waiting", at_ms + BACK_OFF_MS[number])
            assert await catalog.jobs.claim("early", only("sound"), job.due_at_ms - 1) is None
            at_ms = job.due_at_ms
        else:
            assert (job.state, job.ended_at_ms) == ("failed", at_ms)
    assert await catalog.jobs.claim("late", only("sound"), at_ms + 10**9) is None
    assert await catalog.jobs.retry("r1", "sound", at_ms)
    assert await catalog.jobs.claim("again", only("sound"), at_ms) is not None
    assert not await catalog.jobs.retry("r1", "sound", at_ms)  # it runs
    assert not await catalog.jobs.retry("r9", "sound", at_ms)


async def test_a_step_that_takes_its_owner_along_each_time_is_given_up(catalog: Catalog) -> None:
    at_ms = 2_000
    for number in range(TRIES):
        assert await catalog.jobs.claim(f"t{number}", only("thumbnails"), at_ms) is not None
        at_ms += LEASE_MS + 1
    assert await catalog.jobs.claim("t", only("thumbnails"), at_ms) is None
    job = await catalog.jobs.job("r1", "thumbnails")
    assert job is not None
    assert (job.state, job.error) == ("failed", "lost")


async def test_what_is_given_back_was_no_try(catalog: Catalog) -> None:
    claim = await claimed(catalog, "t")
    assert await catalog.jobs.give_back(claim)
    assert (await claimed(catalog, "u")).tries == 1


async def test_a_changed_video_has_everything_made_again(catalog: Catalog) -> None:
    done = await claimed(catalog, "t")
    assert await catalog.jobs.done(done, 2_000)
    running = await claimed(catalog, "u")
    assert await catalog.withdrawals.ask("r1", ("p", "q"), "main", 3_000)
    assert {(job.state, job.tries, job.progress) for job in await catalog.jobs.of("r1")} == {
        ("waiting", 0, 0)
    }
    assert not await catalog.jobs.done(running, 3_000)
    assert await catalog.jobs.claim("early", STEPS, 4_000) is None  # it is being rewritten
    assert await catalog.withdrawals.done("r1", ("p",), 5, 3_000)
    assert await catalog.jobs.claim("early", STEPS, 4_000) is None  # there is another who is to be taken out
    assert await catalog.withdrawals.done("r1", ("q",), 5, 3_000)
    assert await catalog.jobs.claim("v", STEPS, 4_000) is not None


async def test_who_kept_files_too_late_has_them_made_again(catalog: Catalog) -> None:
    late = await claimed(catalog, "late")
    await catalog.jobs.undone(late, 3_000)
    assert await catalog.jobs.hold(late, 50, 3_000)  # it is ours: nothing later is there
    assert await catalog.recordings.published("r1", FILM, 3_000)
    other = await catalog.jobs.claim("other", only(late.step), 4_000)
    assert other is not None
    assert await catalog.jobs.done(other, 4_000)
    await catalog.jobs.undone(late, 5_000)
    job = await catalog.jobs.job("r1", late.step)
    assert job is not None
    assert (job.state, job.tries) == ("waiting", 0)
    running = await catalog.jobs.claim("third", only(late.step), 6_000)
    assert running is not None
    await catalog.jobs.undone(late, 7_000)
    assert not await catalog.jobs.done(running, 7_000)
    assert await catalog.recordings.delete("r1", "main", 8_000)
    await catalog.jobs.undone(late, 9_000)
    assert await catalog.jobs.of("r1") == ()


async def test_what_waits_for_something_else_is_no_failure(catalog: Catalog) -> None:
    for at_ms in range(10_000, 10_000 + 2 * TRIES):
        claim = await catalog.jobs.claim("t", only("sound"), at_ms)
        assert claim is not None
        assert claim.tries == 1
        assert await catalog.jobs.give_back(claim, at_ms + 1, "store_away")
        assert await catalog.jobs.claim("early", only("sound"), at_ms) is None
    job = await catalog.jobs.job("r1", "sound")
    assert job is not None
    assert (job.state, job.error) == ("waiting", "store_away")


async def test_jobs_that_are_missing_are_found_and_wait_behind_those_of_today(catalog: Catalog) -> None:
    async with catalog._database.begin() as connection:
        await connection.execute(JobRow.__table__.delete())  # type: ignore[attr-defined]
    await publish(catalog, "r2", 5_000)
    assert await catalog.jobs.add_missing(4_000) == len(STEPS)
    assert await catalog.jobs.add_missing(4_000) == 0
    order = []
    while (claim := await catalog.jobs.claim("t", STEPS, 9_000)) is not None:
        order.append(claim.recording)
        await catalog.jobs.done(claim, 9_000)
    assert order == ["r2"] * len(STEPS) + ["r1"] * len(STEPS)
    assert max(PRIORITY.values()) < FOUND_LATER


async def test_a_deleted_video_leaves_no_job(catalog: Catalog) -> None:
    claim = await claimed(catalog, "t")
    assert await catalog.recordings.delete("r1", "main", 2_000)
    assert await catalog.jobs.of("r1") == ()
    assert not await catalog.jobs.hold(claim, 1, 2_000)


async def test_lists_begin_with_what_runs_and_what_failed(catalog: Catalog) -> None:
    running = await claimed(catalog, "t")
    failing = await claimed(catalog, "u")
    await catalog.jobs.failed(failing, "damaged", 2_000, again=False)
    listed = await catalog.jobs.listed(("waiting", "running", "failed"))
    assert [job.state for job in listed] == ["running", "failed", "waiting", "waiting"]
    assert listed[0].step == running.step
    assert await catalog.jobs.counts() == {"running": 1, "failed": 1, "waiting": 2}


async def test_a_bell_is_near_before_and_after_it(catalog: Catalog) -> None:
    lesson = await catalog.lesson("lesson-r1")
    assert lesson is not None
    await catalog.new_lesson(
        type(lesson)(
            "at-eight",
            "main",
            "A",
            "T",
            "S",
            8,
            "live",
            1,
            None,
            {Role.STUDENT: "S8"},
            opens_at_ms=10_000_000,
        )
    )
    margin_ms = BELL_MARGIN_S * 1000
    near = [await catalog.bell_near(10_000_000 + off) for off in (-margin_ms, 0, margin_ms)]
    far = [await catalog.bell_near(10_000_000 + off) for off in (-margin_ms - 1, margin_ms + 1)]
    assert near == [True] * 3
    assert far == [False] * 2
