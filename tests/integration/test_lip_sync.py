"""A slot's sender reports keep sound and picture together, whoever is on the stage, whatever their clock."""

from __future__ import annotations

import time
from functools import partial
from statistics import median

import av
import numpy as np
import pytest
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import AnyRtcpPacket, RtcpSrPacket

from loadtest.client import LessonClient
from loadtest.door import Door
from loadtest.media.block_code import read
from loadtest.media.films import FRAMES_A_SECOND
from sfu.model import SlotIndex, Source
from signaling.wire import LessonInfo, SetStage
from tests.integration.conftest import Joining
from tests.media.tracks import LOOP_S, Film, Sound, wrong_clock
from tests.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(90), pytest.mark.long]

CLOCK_ERROR_S = 7.0
NTP_EPOCH_S = 2_208_988_800


class Stopwatch:
    """Says when something of a slot was captured, by that slot's sender reports (RFC 3550, section 6.4.1)."""

    def __init__(self, receiver: RTCRtpReceiver) -> None:
        self._receiver = receiver
        self._report: tuple[float, int] | None = None
        handle = receiver._handle_rtcp_packet

        async def listen(packet: AnyRtcpPacket) -> None:
            if isinstance(packet, RtcpSrPacket):
                told = packet.sender_info
                self._report = (told.ntp_timestamp / 2**32 - NTP_EPOCH_S, told.rtp_timestamp)
            await handle(packet)

        receiver._handle_rtcp_packet = listen  # type: ignore[method-assign]

    def captured_s(self, pts: int, rate: int) -> float | None:
        """Wall clock seconds for a decoded frame's pts, which aiortc counts from its first packet on."""
        if self._report is None:
            return None
        wall_s, rtp = self._report
        origin: int = self._receiver._RTCRtpReceiver__timestamp_mapper._origin  # type: ignore[attr-defined]
        return wall_s + ((pts + origin - rtp + 2**31) % 2**32 - 2**31) / rate


class Viewer:
    """Takes down, for each sender on the stage, how far its reported capture times are off, in ms."""

    def __init__(self, starts_s: dict[int, float]) -> None:
        self.picture: list[tuple[int, float]] = []
        self.sound: list[tuple[int, float]] = []
        self.watches: dict[int, Stopwatch] = {}
        self._starts_s = starts_s
        self._on_stage = 0
        self._quiet_ms = 0

    def __call__(self, slot: int, frame: object) -> None:
        watch = self.watches.get(slot)
        if watch is None:
            return
        if isinstance(frame, av.VideoFrame):
            mark = read(frame.to_ndarray(format="gray").astype(np.uint8))
            captured_s = watch.captured_s(frame.pts or 0, 90_000)
            if mark is None or captured_s is None:
                return
            self._on_stage = mark.who
            late_s = captured_s - self._starts_s[mark.who] - mark.counter / FRAMES_A_SECOND
            self.picture.append((mark.who, _within(late_s, LOOP_S) * 1000))
        elif isinstance(frame, av.AudioFrame):
            self._listen(watch, frame)

    def heard(self, who: int, beeps: int) -> bool:
        """Whether that many beeps of a sender were taken down."""
        return len(of(self.sound, who)) >= beeps

    def _listen(self, watch: Stopwatch, frame: av.AudioFrame) -> None:
        samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0] / 32_768
        step = frame.sample_rate // 1000
        for number, chunk in enumerate(samples.reshape(-1, step)):
            loud = bool(np.sqrt((chunk**2).mean()) > 0.15)
            if loud and self._quiet_ms > 200 and self._on_stage:
                captured_s = watch.captured_s((frame.pts or 0) + number * step, frame.sample_rate)
                if captured_s is not None:
                    late_s = _within(captured_s - self._starts_s[self._on_stage], 1)
                    self.sound.append((self._on_stage, late_s * 1000))
            self._quiet_ms = 0 if loud else self._quiet_ms + 1


def _within(value_s: float, period_s: float) -> float:
    return (value_s + period_s / 2) % period_s - period_s / 2


async def test_capture_times_stay_right_through_switches_between_clocks_7_s_apart(
    teacher_door: Door, lesson: LessonInfo, joining: Joining
) -> None:
    async with LessonClient.join(teacher_door, lesson.teacher_link) as teacher:
        viewer = await joining(lesson.student_link, "Vera")
        starts_s: dict[int, float] = {}
        senders: list[LessonClient] = []
        for who, name, error_s in ((1, "Gleb", 0.0), (2, "Dina", CLOCK_ERROR_S)):
            sender = await joining(lesson.student_link, name)
            with wrong_clock(error_s):
                start_s = time.monotonic()
                starts_s[who] = start_s + time.time() - time.monotonic()
                tracks = {Source.MICROPHONE: Sound(start_s), Source.CAMERA: Film(who, start_s)}
                await sender.connect_media(tracks, tiles=0)
            await sender.publish(Source.MICROPHONE)
            await sender.publish(Source.CAMERA)
            senders.append(sender)
        seen = Viewer(starts_s)
        call = await viewer.connect_media(tiles=0, frames=seen)
        for slot in (SlotIndex.STAGE_VIDEO, SlotIndex.STAGE_SOUND):
            seen.watches[slot] = Stopwatch(call.slots[slot].receiver)
        await viewer.draw({SlotIndex.STAGE_VIDEO: 360, SlotIndex.STAGE_SOUND: 1})

        for which in (0, 1, 0, 1):
            sender, who = senders[which], which + 1
            await teacher.request(partial(set_stage, sender.participant))
            seen.picture.clear()
            seen.sound.clear()
            await until(partial(seen.heard, who, 4), f"beeps of {who}")
            picture, sound = median(of(seen.picture, who)), median(of(seen.sound, who)[1:])
            assert abs(sound - picture) <= 25, f"sender {who}: sound {seen.sound}, picture {picture:.0f} ms"


def set_stage(participant: str, number: int) -> SetStage:
    return SetStage(id=number, participant=participant)


def of(measured: list[tuple[int, float]], who: int) -> list[float]:
    return [late_ms for sender, late_ms in measured if sender == who]
