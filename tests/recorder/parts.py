"""Real parts for the recorder's tests: a worker whose taps a test opens, and what stands in journals."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from recorder.finish import Finished
from recorder.journal import Head, Kind, LogEvent, Record, TapHead, event_of, read
from sfu.rpc import messages as rpc
from sfu.rpc.server import RecorderConnection, RpcServer
from tests.signaling.parts import FakeWorker


class TapWorker(FakeWorker):
    """A worker whose lesson can be captured; the test opens taps and sends their packets."""

    def __init__(self, redis: Redis, key: bytes, name: str = "w0") -> None:
        super().__init__(redis, key, name)
        self.captured: dict[str, tuple[int, RecorderConnection]] = {}
        self.capture_refusals: list[str] = []
        """Codes with which the next captures are refused."""
        self.captures: list[rpc.CaptureRequest] = []
        self.recorders_lost = 0
        self._server = RpcServer(
            key, name, self._handle, on_capture=self._capture, on_recorder_lost=self._recorder_lost
        )

    async def _capture(self, request: rpc.CaptureRequest, recorder: RecorderConnection) -> rpc.Reply:
        self.captures.append(request)
        if isinstance(request, rpc.EndCapture):
            self.captured.pop(request.lesson, None)
            return rpc.Done()
        if self.capture_refusals:
            return rpc.Failed(self.capture_refusals.pop(0))
        self.captured[request.lesson] = request.epoch, recorder
        return rpc.Done()

    def _recorder_lost(self, recorder: RecorderConnection) -> None:
        self.recorders_lost += 1
        for lesson in [name for name, (_, whose) in self.captured.items() if whose is recorder]:
            del self.captured[lesson]

    @property
    def asked_for_capture(self) -> list[rpc.CaptureRequest]:
        return [request for request in self.captures if isinstance(request, rpc.Capture)]

    @property
    def asked_for_end(self) -> list[rpc.CaptureRequest]:
        return [request for request in self.captures if isinstance(request, rpc.EndCapture)]

    def open_tap(self, lesson: str, tap: int, participant: str = "p", source: str = "microphone") -> None:
        epoch, recorder = self.captured[lesson]
        recorder.send(
            rpc.TapOpened(
                lesson=lesson, epoch=epoch, tap=tap, participant=participant, role="teacher", connection=1,
                source=source, codec="opus", clock_rate=48_000, payload_type=111, audio_level_id=1,
            )
        )  # fmt: skip

    def send(self, lesson: str, tap: int, *packets: bytes, at_us: int = 1, dropped: int = 0) -> None:
        epoch, recorder = self.captured[lesson]
        recorder.send(rpc.TapData(lesson, epoch, tap, blob((at_us, packet) for packet in packets), dropped))

    def close_tap(self, lesson: str, tap: int) -> None:
        epoch, recorder = self.captured[lesson]
        recorder.send(rpc.TapClosed(lesson, epoch, tap))


def blob(packets: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack(">QH", time_us, len(packet)) + packet for time_us, packet in packets)


@dataclass(frozen=True)
class Journal:
    """A journal as it is on the disk now."""

    path: Path
    head: Head | None
    records: list[Record]

    @property
    def tap(self) -> TapHead:
        assert isinstance(self.head, TapHead)
        return self.head

    @property
    def packets(self) -> list[bytes]:
        return [body for kind, _, body in self.records if kind == Kind.PACKET]

    @property
    def events(self) -> list[LogEvent]:
        return [event_of(body) for kind, _, body in self.records if kind == Kind.EVENT]

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    @property
    def ended(self) -> bool:
        """Whether it was closed in order."""
        return bool(self.records) and self.records[-1][0] == Kind.END


def journal(path: Path) -> Journal:
    head, records = read(path)
    return Journal(path, head, list(records))


def taps(recordings: Path) -> list[Journal]:
    """Every tap's journal of the one recording there is, in the order of names."""
    return [journal(path) for path in sorted(recordings.glob("*/[0-9]*.zj"))]


def log_of(recordings: Path) -> Journal:
    (path,) = recordings.glob("*/log.zj")
    return journal(path)


# --- in place of recorder.finish: these run in the finishing process ---------------------------------------


def makes(folder: Path, library: Path) -> Finished:
    """A video of the names of its journals."""
    (library / folder.name).mkdir(parents=True)
    names = sorted(path.name for path in folder.glob("*.zj"))
    (library / folder.name / "video.webm").write_text("\n".join(names))
    return Finished("ready", duration_ms=2000, bytes=4, width=640, height=360)


def finds_nothing(folder: Path, library: Path) -> Finished:
    return Finished("empty")


def raises(folder: Path, library: Path) -> Finished:
    raise ValueError("on purpose")


def dies(folder: Path, library: Path) -> Finished:
    """Each time; it leaves a mark."""
    with (library / "deaths").open("a") as file:
        file.write("x")
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
