"""A worker is taken out of service: nothing new comes to it, what it has moves at the deadline."""

from __future__ import annotations

import argparse
import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from config.drain import CannotDrain, add_drain_arguments, drain
from sfu.rpc.registration import WorkerRecord
from signaling import wire
from signaling.drain import DrainRequest, refusal
from tests.signaling.conftest import Make, Start
from tests.signaling.parts import School, until_answer
from tests.signaling.test_placement import worker
from tests.signaling.test_survival import two_workers

AT_MS = 1_800_000_000_000
MINUTE_MS = 60_000


@pytest.mark.parametrize(
    ("asked", "others", "opens_ms", "said"),
    [
        (DrainRequest("a"), {"b": False}, [], None),
        (DrainRequest("x"), {"b": False}, [], "no worker is called x; there are: a, b"),
        (DrainRequest("a"), {}, [], "no other worker takes lessons"),
        (DrainRequest("a"), {"b": True}, [], "no other worker takes lessons"),
        (DrainRequest("a", force=True), {}, [], None),
        (DrainRequest("a", cancel=True), {}, [], None),
        (DrainRequest("a"), {"b": False}, [AT_MS + 9 * MINUTE_MS], "minutes of the bell"),
        (DrainRequest("a"), {"b": False}, [AT_MS - 9 * MINUTE_MS] * 3, "(3 announced)"),
        (DrainRequest("a"), {"b": False}, [AT_MS + 10 * MINUTE_MS], None),
        (DrainRequest("a", force=True), {"b": False}, [AT_MS], None),
    ],
)
def test_what_speaks_against_it_is_said(
    asked: DrainRequest, others: dict[str, bool], opens_ms: list[int], said: str | None
) -> None:
    workers: dict[str, WorkerRecord] = {"a": worker("a")}
    workers |= {name: worker(name, draining=draining) for name, draining in others.items()}
    opening = {f"lesson{number}": at_ms for number, at_ms in enumerate(opens_ms)}
    why_not = refusal(asked, workers, opening, AT_MS)
    assert (why_not is None) == (said is None)
    assert said is None or said in (why_not or "")


class Operator:
    """Who types the command."""

    def __init__(self, school: School) -> None:
        self.admin = f"http://127.0.0.1:{school.signalling.admin_port}"

    async def types(self, *words: str) -> list[str]:
        parser = argparse.ArgumentParser()
        add_drain_arguments(parser)
        return await asyncio.to_thread(drain, parser.parse_args(words), self.admin)


@pytest.mark.asyncio
async def test_lessons_leave_a_drained_worker_until_it_takes_them_again(start: Start, valkey: str) -> None:
    school = School(await start())
    operator = Operator(school)
    placement = school.signalling.workers.placement
    assert await operator.types() == ["no worker is registered"]
    async with AsyncExitStack() as stack:
        workers = await two_workers(stack, school, valkey)
        teacher = await school.teacher()
        lesson = await school.lesson(teacher)
        await teacher.enter(lesson.teacher_link)
        lease = await placement.lease(lesson.lesson)
        assert lease is not None
        drained, other = lease.worker, next(iter(set(workers) - {lease.worker}))

        with pytest.raises(CannotDrain, match=f"no worker is called w9; there are: .*{drained}"):
            await operator.types("w9")
        with pytest.raises(CannotDrain, match="minutes from now"):
            await operator.types(drained, "--within", "-1")

        said = await operator.types(drained, "--within", "30")
        assert said[0].startswith(f"{drained} takes no new lessons; those it still has move at ")

        async def draining() -> Any:
            return (await placement.workers())[drained].draining

        await until_answer(draining, "the worker to say so")
        assert any(line.startswith(drained) and "draining" in line for line in await operator.types())
        assert {await placement.choose() for _ in range(20)} == {other}
        assert not teacher.of(wire.Moved), "not before the deadline"
        with pytest.raises(CannotDrain, match="no other worker"):
            await operator.types(other)

        await operator.types(drained, "--within", "0")
        assert (await teacher.wait(wire.Moved)).lease == 2
        now = await placement.lease(lesson.lesson)
        assert now is not None
        assert now.worker == other

        assert await operator.types(drained, "--cancel") == [f"{drained} takes lessons again"]

        async def takes() -> bool:
            return not await draining()

        await until_answer(takes, "the worker to take lessons")
        await school.close()


@pytest.mark.asyncio
async def test_near_a_bell_it_is_refused(school: School, make: Make) -> None:
    operator = Operator(school)
    teacher = await school.teacher()
    await school.lesson(teacher, opens_at_ms=school.signalling._now_ms() + 20 * MINUTE_MS)
    with pytest.raises(CannotDrain, match="no other worker"):
        await operator.types("w0")
    await make(school, "w1")
    with pytest.raises(CannotDrain, match="minutes of the bell"):
        await operator.types("w0", "--within", "25")
    async with aiohttp.ClientSession() as page:
        body = {"worker": "w0", "within_s": 1500, "force": True}
        async with page.post(f"{operator.admin}/workers", data=json.dumps(body)) as answer:
            assert answer.status == 415, "a page of anywhere can send what is no JSON"
    answers = await operator.types("w0", "--force", "--within", "25")
    assert answers[0].startswith("w0 takes no new lessons")
