"""Journals of lessons that never were: real VP8 and Opus, on a line with its own clock, jitter and loss."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from struct import pack
from typing import Any, Final

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from recorder.journal import LOG_NAME, Head, LogEvent, LogHead, TapHead, Teacher, Writer
from sfu import rtcp, rtp

FRAMES_A_SECOND: Final = 25
VIDEO_RATE: Final = 90_000
SOUND_RATE: Final = 48_000
LEVEL_ID: Final = 10
RECORDING: Final = "rec1"
LESSON: Final = "lesson1"
_PIECE: Final = 1_100
_NOT_OURS: Final = {4: b"\x12\x34\x56", 3: b"\x00\x01"}
"""Extensions as browsers send them beside the level: abs-send-time, transport-wide number."""
REALTIME: Final = {
    "deadline": "realtime",
    "cpu-used": "6",
    "lag-in-frames": "0",
    "g": "9999",
    "max-intra-rate": "400",  # as a browser's does, so that a keyframe is no flood
}
"""Options of libvpx, as browsers set them."""

Frame = tuple[bytes, bool]
"""VP8, keyframe."""
Arrived = tuple[int, bytes]
"""Receive time (us), RTP or RTCP packet."""


@dataclass(slots=True)
class Line:
    """A publisher's clock and the way from them to the server.

    Publisher time counts from the lesson's start (``start_us``, server time) and runs ``drift_ppm`` fast;
    their NTP is wrong by ``wrong_us`` besides. ``delay_us`` is the least delay. Of lost packets this share is
    ``repaired``: they come ``repair_us`` later.
    """

    start_us: int
    drift_ppm: float = 0.0
    wrong_us: int = 0
    delay_us: int = 20_000
    jitter_us: int = 0
    loss: float = 0.0
    repaired: float = 0.0
    repair_us: int = 150_000
    seed: int = 1
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def server_us(self, publisher_us: float) -> int:
        """When the publisher's clock shows this."""
        return self.start_us + round(publisher_us / (1 + self.drift_ppm / 1e6))

    def send(self, publisher_us: float, packets: Iterable[bytes], into: list[Arrived]) -> None:
        """Packets that leave together; each is lost or late for itself."""
        for packet in packets:
            late_us = 0
            if self.loss and self.chance.random() < self.loss:
                if self.chance.random() >= self.repaired:
                    continue
                late_us = self.repair_us
            late_us += round(self.chance.random() * self.jitter_us) if self.jitter_us else 0
            into.append((self.server_us(publisher_us) + self.delay_us + late_us, packet))

    def report(self, publisher_us: float, ssrc: int, rtp_time: int) -> bytes:
        """The sender report of this moment."""
        ntp = rtcp.ntp_from_us(self.start_us + self.wrong_us + round(publisher_us))
        return rtcp.build_sender_report(ssrc, ntp=ntp, rtp_timestamp=rtp_time, packet_count=1, octet_count=1)


def encode_film(
    pictures: Iterable[NDArray[np.uint8]], *, bps: int = 500_000, key_every: int = FRAMES_A_SECOND
) -> list[Frame]:
    """VP8 of I420 pictures (rows are 3/2 of the height), as a browser's encoder makes it."""
    encoder: VideoCodecContext | None = None
    frames: list[Frame] = []
    for number, picture in enumerate(pictures):
        if encoder is None:
            made = av.CodecContext.create("libvpx", "w")
            assert isinstance(made, VideoCodecContext)
            encoder = made
            encoder.height, encoder.width = picture.shape[0] * 2 // 3, picture.shape[1]
            encoder.pix_fmt = "yuv420p"
            encoder.time_base = Fraction(1, FRAMES_A_SECOND)
            encoder.bit_rate = bps
            encoder.options = dict(REALTIME)
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        frame.pict_type = 1 if number % key_every == 0 else 0
        frames += [(data := bytes(packet), not data[0] & 1) for packet in encoder.encode(frame)]
    return frames


def encode_sound(samples: NDArray[np.int16], *, bps: int = 32_000, length_ms: float = 20) -> list[bytes]:
    """Opus packets, mono, as a browser's encoder makes them."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = SOUND_RATE, "mono", "s16"
    encoder.bit_rate = bps
    encoder.options = {"application": "voip", "frame_duration": f"{length_ms:g}"}
    length = round(length_ms * SOUND_RATE / 1000)
    packets: list[bytes] = []
    for first in range(0, len(samples) - length + 1, length):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[None, first : first + length]), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = SOUND_RATE, first
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


def film_packets(
    frames: Sequence[Frame],
    line: Line,
    *,
    first: int = 0,
    count: int,
    every: int = 1,
    ssrc: int = 0x1111,
    rtp_base: int = 0xFFFF_0000,
    number: int = 65_000,
    picture_id: int = 32_700,
    report_every: int = FRAMES_A_SECOND,
    late_us: int = 30_000,
) -> list[Arrived]:
    """Frames ``first`` to ``first + count`` of an endless loop, frame n captured n / 25 s after the start; of
    those only ``every`` so many.

    A camera and an encoder hold each ``late_us`` back. ``report_every`` 0: no sender reports.
    """
    arrived: list[Arrived] = []
    for index in range(first, first + count, every):
        data, _ = frames[index % len(frames)]
        captured_us = index * 1_000_000 / FRAMES_A_SECOND
        time = (rtp_base + index * VIDEO_RATE // FRAMES_A_SECOND) & 0xFFFFFFFF
        pieces = -(-len(data) // _PIECE)
        size = -(-len(data) // pieces)
        packets = []
        for piece in range(pieces):
            descriptor = bytes((0x90 if piece == 0 else 0x80, 0x80)) + pack(
                ">H", 0x8000 | (picture_id & 0x7FFF)
            )
            packets.append(
                rtp.build(
                    payload_type=96,
                    sequence_number=number,
                    timestamp=time,
                    ssrc=ssrc,
                    payload=descriptor + data[piece * size : (piece + 1) * size],
                    marker=piece == pieces - 1,
                    extensions=_NOT_OURS,
                )
            )
            number += 1
        picture_id += 1
        line.send(captured_us + late_us, packets, arrived)
        if report_every and index % report_every == report_every // 2:
            line.send(
                captured_us + late_us + 1000,
                [line.report(captured_us, ssrc, time)],
                arrived,
            )
    return sorted(arrived, key=lambda each: each[0])


def sound_packets(
    packets: Sequence[bytes],
    line: Line,
    *,
    first: int = 0,
    count: int,
    ssrc: int = 0x2222,
    rtp_base: int = 0xFFFF_8000,
    number: int = 65_500,
    level: Callable[[int], int | None] = lambda _: 30,
    report_every: int = 250,
    late_us: int = 25_000,
    length_ms: float = 20,
) -> list[Arrived]:
    """Packets ``first`` to ``first + count`` of an endless loop, packet n made from what sounded from
    n * ``length_ms`` of publisher time on. ``level`` gives -dBov of packet n, None for a packet that is not
    sent."""
    arrived: list[Arrived] = []
    for index in range(first, first + count):
        loudness = level(index)
        captured_us = round(index * length_ms * 1000)
        time = (rtp_base + captured_us * SOUND_RATE // 1_000_000) & 0xFFFFFFFF
        if loudness is not None:
            built = rtp.build(
                payload_type=111,
                sequence_number=number,
                timestamp=time,
                ssrc=ssrc,
                payload=packets[index % len(packets)],
                extensions={4: _NOT_OURS[4], LEVEL_ID: bytes((0x80 | loudness,)), 3: _NOT_OURS[3]},
            )
            number += 1
            line.send(captured_us + late_us, [built], arrived)
        if report_every and index % report_every == report_every // 2:
            line.send(
                captured_us + late_us + 1000,
                [line.report(captured_us, ssrc, time)],
                arrived,
            )
    return sorted(arrived, key=lambda each: each[0])


def write_tap(
    folder: Path,
    arrived: Iterable[Arrived],
    *,
    source: str,
    participant: str = "t1",
    role: str = "teacher",
    part: int = 1,
    connection: int = 1,
    mark: str = "a1b2c3",
    end: bool = True,
) -> Path:
    """A tap's journal; ``end`` False leaves it as a kill does."""
    video = source in ("camera", "screen")
    head = TapHead(
        lesson=LESSON,
        recording=RECORDING,
        part=part,
        participant=participant,
        role=role,
        name="Somebody",
        source=source,
        codec="VP8" if video else "opus",
        clock_rate=VIDEO_RATE if video else SOUND_RATE,
        payload_type=96 if video else 111,
        audio_level_id=0 if video else LEVEL_ID,
        epoch=1,
        connection=connection,
    )
    path = folder / f"{part:03}-{participant}-{source}-{mark}.zj"
    framed = (pack(">QH", time_us, len(packet)) + packet for time_us, packet in arrived)
    _write(path, head, lambda writer: _add(writer, framed), end=end)
    return path


def write_log(
    folder: Path,
    events: Iterable[LogEvent],
    *,
    title: str = "Урок",
    subject: str = "Физика",
    grade: int = 7,
    teacher: str = "Мария Ивановна",
    set_us: Callable[[LogEvent], int] = lambda _: 0,
) -> Path:
    """The lesson's log; ``set_us`` says how far the server's clock had been set forward at an event."""
    head = LogHead(
        lesson=LESSON,
        recording=RECORDING,
        title=title,
        subject=subject,
        grade=grade,
        teacher=Teacher(id="t1", name=teacher),
        created_at_ms=0,
    )
    path = folder / LOG_NAME
    _write(
        path,
        head,
        lambda writer: [writer.add_event(event, event.at_ms * 1000 - set_us(event)) for event in events],
    )
    return path


def person(name: str, role: str, order: int = 1, *, here: bool = True) -> dict[str, Any]:
    """The value of a field ``person/<participant>``."""
    return {"name": name, "role": role, "here": here, "order": order}


def recording(state: str, part: int, since_us: int) -> dict[str, Any]:
    """The value of the field ``recording``."""
    return {"id": RECORDING, "state": state, "part": part, "since_ms": since_us // 1000}


def event(number: int, kind: str, at_us: int, fields: dict[str, Any], *gone: str) -> LogEvent:
    """An event that sets ``fields`` and deletes ``gone``."""
    return LogEvent(number=number, kind=kind, at_ms=at_us // 1000, by=None, set=fields, delete=gone)


def _add(writer: Writer, framed: Iterable[bytes]) -> None:
    batch: list[bytes] = []
    for piece in framed:
        batch.append(piece)
        if len(batch) == 1000:
            writer.add_packets(b"".join(batch))
            writer.flush()
            batch = []
    writer.add_packets(b"".join(batch))


def _write(path: Path, head: Head, fill: Callable[[Writer], object], *, end: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = Writer(path, head, 0)
    writer.open()
    fill(writer)
    if end:
        writer.close(0)
    else:
        writer.flush()
        writer.discard()
