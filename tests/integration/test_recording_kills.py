"""Recorders and workers killed again and again: what was written plays, and the recording goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import pytest

from loadtest.client import LessonClient, use_loopback_candidates
from loadtest.door import Door
from loadtest.media.films import FRAMES_A_SECOND
from loadtest.media.video_lesson import VideoLesson, read_video_lesson
from sfu.model import Refused, Source
from signaling import wire
from tests.media.tracks import LOOP_S, Film, Sound
from tests.serving import Server, children_of, serving
from tests.waiting import until

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]

SEED = 20_261_123
KILLS = 10
LESSONS = 2
RECORDERS = 4
"""The tree starts a child that dies again and again later each time; the others go on at once."""
MAY_LOSE_S = 2.0
BACK_LIMIT_S = 5.0
WAIT_S = 40.0
LATE_FRAMES = 8
"""A frame's time in the video may be so far from the moment at which it was filmed, in frames."""
LOOP = LOOP_S * FRAMES_A_SECOND


@dataclass(frozen=True)
class Kill:
    """What was killed at ``at_ms`` (unix), when the lesson had been written since ``since_ms``."""

    victim: str
    since_ms: float
    at_ms: float


@dataclass
class Filmed:
    """A lesson on the air: since when it is written (unix ms), and what was killed when."""

    teacher: LessonClient
    start_s: float
    folder: Path
    since_ms: float = 0.0
    kills: list[Kill] = field(default_factory=list)

    def journals(self) -> set[Path]:
        """Journals of the camera."""
        return set(self.folder.glob("*camera*.zj"))

    def killed(self, victim: str) -> None:
        """Just now."""
        self.kills.append(Kill(victim, self.since_ms, time.time() * 1000))

    async def goes_on(self, known: set[Path]) -> None:
        """Return when a journal that is not among these is written."""
        await until(lambda: self.journals() - known, "the camera's journal", limit_s=WAIT_S)
        self.since_ms = time.time() * 1000

    def gone(self) -> bool:
        """Whether its video was made."""
        return not self.folder.exists()

    def recorder(self, server: Server) -> int | None:
        """The process that writes it now."""
        for pid in server.children("recorder.app"):
            with contextlib.suppress(OSError):
                for open_file in Path(f"/proc/{pid}/fd").iterdir():
                    file = open_file.readlink()
                    if file.parent == self.folder and file.suffix == ".zj":
                        return pid
        return None


async def film(teacher: LessonClient, start_s: float) -> None:
    """Send the film, as it is by now, over a new connection; tried again as the page does."""
    deadline = time.monotonic() + 15
    while True:
        tracks = {Source.MICROPHONE: Sound(start_s), Source.CAMERA: Film(1, start_s, width=160, height=90)}
        try:
            await teacher.connect_media(tracks, tiles=0)
            return
        except Refused as refused:
            if refused.code not in ("no_worker", "worker_lost") or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.3)


async def begin(stack: contextlib.AsyncExitStack, server: Server, door: Door, number: int) -> Filmed:
    made = await door.new_lesson(f"Kill {number}", teacher_name="Anna Orlova")
    teacher = await stack.enter_async_context(LessonClient.join(door, made.teacher_link))
    start_s = time.monotonic()
    await film(teacher, start_s)
    for source in (Source.MICROPHONE, Source.CAMERA):
        await teacher.publish(source)
    await teacher.request(lambda request: wire.Record(id=request, on=True))
    await teacher.until(lambda: teacher.fields["recording"]["state"] == "on", "recording")
    folder = server.var / "recordings" / teacher.fields["recording"]["id"]
    filmed = Filmed(teacher, start_s, folder)
    await filmed.goes_on(set())
    return filmed


async def kill_a_recorder(
    server: Server, lessons: list[Filmed], chance: random.Random, before_it: int
) -> None:
    """At a moment of chance; returns when every lesson is written again. Of those killed before, all but one
    must be back: else it would be the machine that is measured."""

    def back() -> int:
        return sum("recorder" in line and "is back" in line for line in server.said)

    await until(lambda: back() >= before_it - 1, "the killed recorders", limit_s=WAIT_S)
    await asyncio.sleep(chance.uniform(0.3, 2.7))  # the moment is what is random here
    before = [lesson.journals() for lesson in lessons]
    victim = chance.choice(lessons).recorder(server)
    assert victim is not None, "nobody writes the lesson"
    hit = [lesson for lesson in lessons if lesson.recorder(server) == victim]
    os.kill(victim, signal.SIGKILL)
    for lesson in hit:
        lesson.killed("recorder")
    for lesson, known in zip(lessons, before, strict=True):
        if lesson in hit:
            await lesson.goes_on(known)


def moved_on(teacher: LessonClient, lease: int) -> bool:
    return any(isinstance(each, wire.Moved) and each.lease > lease for each in teacher.messages)


async def kill_the_worker(server: Server, lessons: list[Filmed]) -> None:
    """Returns when every lesson is written again."""
    before = [lesson.journals() for lesson in lessons]
    leases = [lesson.teacher.call.lease if lesson.teacher.call else 0 for lesson in lessons]
    os.kill(server.child("sfu.worker"), signal.SIGKILL)
    for lesson in lessons:
        lesson.killed("worker")
    for lesson, lease in zip(lessons, leases, strict=True):
        await lesson.teacher.until(partial(moved_on, lesson.teacher, lease), "a move")
        await film(lesson.teacher, lesson.start_s)
    for lesson, known in zip(lessons, before, strict=True):
        await lesson.goes_on(known)


async def kill_who_finishes(server: Server, folder: Path, but: int = 0) -> int:
    """SIGKILL to the recorder whose process makes the video of an ended lesson, before that is made."""

    def at_it() -> int:
        pids = server.children("recorder.app")
        return next((pid for pid in pids if pid != but and children_of(pid)), 0) if folder.exists() else -1

    await until(at_it, "somebody to finish it")
    victim = at_it()
    if victim > 0:
        os.kill(victim, signal.SIGKILL)
    return victim


def check(lesson: Filmed, video: VideoLesson, timeline: wire.Timeline) -> list[tuple[str, float, float]]:
    """Part, time and length are as they were; of each kill (victim, s lost before, s until pictures)."""
    (part,) = timeline.parts
    assert abs(video.duration_s * 1000 - part.duration_ms) < 500
    shown = video.of(1)
    found: list[tuple[str, float, float]] = []
    for kill in lesson.kills:
        killed_s, since_s = ((at_ms - part.started_at_ms) / 1000 for at_ms in (kill.at_ms, kill.since_ms))
        lost_s = killed_s - max([since_s, *(at_s for at_s, _ in shown if at_s <= killed_s)])
        again_s = min((at_s for at_s, _ in shown if at_s > killed_s), default=float("inf")) - killed_s
        found.append((kill.victim, lost_s, again_s))
    started_ms = (time.time() - (time.monotonic() - lesson.start_s)) * 1000
    for at_s, counter in shown:
        filmed_s = (part.started_at_ms - started_ms) / 1000 + at_s
        late = (filmed_s * FRAMES_A_SECOND - counter) % LOOP
        assert min(late, LOOP - late) <= LATE_FRAMES, (at_s, counter, late)
    return found


@pytest.mark.parametrize(
    "turn", [0, *(pytest.param(turn, marks=pytest.mark.long) for turn in range(1, 20))], ids="turn {}".format
)
async def test_recordings_outlive_ten_kills(
    tmp_path: Path, turn: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten recorders under two lessons, then the worker, then twice who finishes them."""
    use_loopback_candidates()
    chance = random.Random(SEED + turn)
    async with (
        serving(tmp_path / "var", recorder__workers=RECORDERS) as server,
        Door(server.origin) as door,
        contextlib.AsyncExitStack() as stack,
    ):
        server.forgiven += ["worker", "recorder", "rpc"]
        await door.sign_in(server.teacher_link.partition("#")[2])
        lessons = await asyncio.gather(*(begin(stack, server, door, number) for number in range(LESSONS)))
        for number in range(KILLS):
            await kill_a_recorder(server, lessons, chance, number)
        await kill_the_worker(server, lessons)
        await asyncio.sleep(1.0)
        assert all(lesson.teacher.fields["recording"]["state"] == "on" for lesson in lessons)
        for lesson in lessons:
            await lesson.teacher.end()
        dead = await kill_who_finishes(server, lessons[0].folder)
        again = await kill_who_finishes(server, lessons[0].folder, dead)
        found: list[tuple[str, float, float]] = []
        for lesson in lessons:
            video = server.var / "library" / lesson.folder.name / "video.webm"
            await until(lesson.gone, "the video lesson", limit_s=60)
            written = msgspec.json.decode((video.parent / "timeline.json").read_bytes(), type=wire.Timeline)
            found += check(lesson, await asyncio.to_thread(read_video_lesson, video), written)
    lost_s = max(lost for _, lost, _ in found)
    back_s = max(back for victim, _, back in found if victim == "recorder")
    moved_s = max(back for victim, _, back in found if victim == "worker")
    with capsys.disabled():
        print(
            f" {KILLS} recorders killed: {LESSONS} of {LESSONS} lessons play, at most {lost_s:.2f} s lost"
            f" before one, pictures after {back_s:.1f} s (worker {moved_s:.1f} s);"
            f" finishing killed {(dead > 0) + (again > 0)} times",
            end="",
        )
    assert dead > 0
    assert lost_s <= MAY_LOSE_S
    assert max(back_s, moved_s) <= BACK_LIMIT_S
