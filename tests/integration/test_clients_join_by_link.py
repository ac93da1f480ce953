"""Media engines that are no browsers join by the same link and see and hear each other through the worker."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from aiortc import MediaStreamTrack

from loadtest.client import LessonClient
from loadtest.door import Door
from loadtest.media.block_code import Mark, read
from loadtest.media.films import FRAMES_A_SECOND, SAMPLE_RATE, sound, yuv_frame
from sfu.model import SlotIndex, Source, slot_kind
from signaling.wire import LessonInfo
from tests.integration.conftest import Joining
from tests.media.tracks import Film, Sound, Watcher
from tests.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60)]

DRAWN: dict[int, int] = {SlotIndex.STAGE_VIDEO: 360, SlotIndex.STAGE_SOUND: 1}


def media(who: int, tone_hz: int) -> dict[Source, MediaStreamTrack]:
    start_s = time.monotonic()
    return {
        Source.MICROPHONE: Sound(start_s, tone_hz=tone_hz, beeps=False),
        Source.CAMERA: Film(who, start_s),
    }


def tone_hz(watcher: Watcher, slot: int) -> float:
    """Frequency of the strongest tone in the last sound frame of a slot."""
    frame = watcher.last_sound[slot]
    samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0].astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), n=1 << 15))
    return float(spectrum.argmax()) * frame.sample_rate / (1 << 15)


def has_seen(watcher: Watcher, who: int) -> bool:
    """Whether a second of that film was seen on the stage."""
    return len(watcher.counters(SlotIndex.STAGE_VIDEO, who)) >= 25


def hears(watcher: Watcher, hz: float) -> bool:
    """Whether the stage sounds like this now."""
    return (
        SlotIndex.STAGE_SOUND in watcher.last_sound and abs(tone_hz(watcher, SlotIndex.STAGE_SOUND) - hz) < 15
    )


async def test_aiortc_clients_see_and_hear_each_other(
    teacher_door: Door, lesson: LessonInfo, joining: Joining
) -> None:
    async with LessonClient.join(teacher_door, lesson.teacher_link) as teacher:
        student = await joining(lesson.student_link, "Boris")
        seen = {"teacher": Watcher(), "student": Watcher()}
        for name, client, who in (("teacher", teacher, 1), ("student", student, 2)):
            await client.connect_media(media(who, 300 * who), tiles=1, frames=seen[name])
            await client.publish(Source.MICROPHONE)
            await client.publish(Source.CAMERA)
            await client.draw(DRAWN)
        await teacher.draw(DRAWN, pin=student.participant)
        for name, who in (("student", 1), ("teacher", 2)):
            watcher = seen[name]
            await until(
                partial(has_seen, watcher, who),
                f"25 frames of {who} at the {name}",
            )
            counters = watcher.counters(SlotIndex.STAGE_VIDEO, who)
            steps = {(after - before) % 100 for before, after in pairwise(counters)}
            assert steps <= set(range(1, 13)), f"numbers of {who} at the {name} go back or jump: {counters}"
            await until(partial(hears, watcher, 300 * who), f"the tone of {who} at the {name}")
        assert student.slots is not None
        stage = student.slots.slots[SlotIndex.STAGE_VIDEO]
        assert (stage.participant, stage.source, stage.live) == (teacher.participant, "camera", True)


@asynccontextmanager
async def wrtc_connection(
    client: LessonClient, who: int | None, tiles: int = 1
) -> AsyncIterator[tuple[object, list[Mark]]]:
    """libwebrtc as the media engine of a client: sends a film in two layers, reads its stage's marks."""
    os.environ["WRTC_ALLOW_LOOPBACK"] = "1"
    import webrtc

    peer = webrtc.RTCPeerConnection()
    generator = webrtc.VideoTrackGenerator()
    microphone = webrtc.MediaStreamTrackGenerator("audio")
    sending = []
    if who is not None:
        encodings = [
            webrtc.RTCRtpEncodingParameters(rid=rid, scale_resolution_down_by=scale)
            for rid, scale in (("q", 2.0), ("h", 1.0))
        ]
        sending = [
            peer.add_transceiver(microphone, webrtc.RTCRtpTransceiverInit(direction="sendonly")),
            peer.add_transceiver(
                generator.track, webrtc.RTCRtpTransceiverInit(direction="sendonly", send_encodings=encodings)
            ),
        ]
    slots = [
        peer.add_transceiver(slot_kind(index).value, webrtc.RTCRtpTransceiverInit(direction="recvonly"))
        for index in range(SlotIndex.FIRST_TILE + tiles)
    ]
    offer = await peer.create_offer()
    await peer.set_local_description(offer)
    _, _, answer = await client.exchange(
        offer.sdp or "", send=[each.mid or "" for each in sending], slots=[each.mid or "" for each in slots]
    )
    await peer.set_remote_description(webrtc.RTCSessionDescriptionInit(type="answer", sdp=answer))
    marks: list[Mark] = []

    async def watch() -> None:
        processor = webrtc.MediaStreamTrackProcessor(
            webrtc.MediaStreamTrackProcessorInit(slots[SlotIndex.STAGE_VIDEO].receiver.track)
        )
        async for frame in processor.readable:
            assert isinstance(frame, webrtc.VideoFrame)
            with frame:
                width, height = frame.coded_width, frame.coded_height
                pixels = bytearray(frame.allocation_size())
                await frame.copy_to(pixels)
            mark = read(np.frombuffer(pixels, np.uint8)[: width * height].reshape(height, width))
            if mark is not None:
                marks.append(mark)

    async def film() -> None:
        writer = generator.writable.get_writer()
        start_s, number = time.monotonic(), 0
        while True:
            picture = yuv_frame(640, 360, Mark(who or 0, number % 1000)).tobytes()
            init = webrtc.VideoFrameBufferInit(
                format="I420",
                coded_width=640,
                coded_height=360,
                timestamp=number * 1_000_000 // FRAMES_A_SECOND,
            )
            await writer.write(webrtc.VideoFrame(picture, init))
            number += 1
            await asyncio.sleep(start_s + number / FRAMES_A_SECOND - time.monotonic())

    async def tone() -> None:
        writer = microphone.writable.get_writer()
        samples = sound(seconds=1, tone_hz=700)
        start_s, number, size = time.monotonic(), 0, SAMPLE_RATE // 100
        while True:
            chunk = np.take(samples, np.arange(number * size, (number + 1) * size), mode="wrap")
            init = webrtc.AudioDataInit(
                format="s16",
                sample_rate=SAMPLE_RATE,
                number_of_frames=size,
                number_of_channels=1,
                timestamp=number * 10_000,
                data=chunk.tobytes(),
            )
            await writer.write(webrtc.AudioData(init))
            number += 1
            await asyncio.sleep(start_s + number / 100 - time.monotonic())

    tasks = [asyncio.create_task(watch())]
    if who is not None:
        tasks += [asyncio.create_task(film()), asyncio.create_task(tone())]
    try:
        yield peer, marks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        peer.close()


async def test_libwebrtc_sends_two_layers_and_sees_aiortc(
    teacher_door: Door, lesson: LessonInfo, joining: Joining
) -> None:
    async with LessonClient.join(teacher_door, lesson.teacher_link) as teacher:
        student = await joining(lesson.student_link, "Vera")
        async with wrtc_connection(teacher, who=4) as (_, marks):
            watcher = Watcher()
            await student.connect_media(media(5, 500), tiles=1, frames=watcher)
            for client in (teacher, student):
                await client.publish(Source.CAMERA)
                await client.publish(Source.MICROPHONE)
            await student.draw({**DRAWN, SlotIndex.STAGE_VIDEO: 720})
            await teacher.draw(DRAWN, pin=student.participant)
            await until(partial(has_seen, watcher, 4), "libwebrtc's film at aiortc")
            await until(lambda: sum(mark.who == 5 for mark in marks) >= 25, "aiortc's film at libwebrtc")
            await until(partial(hears, watcher, 700), "libwebrtc's tone at aiortc")
            await until(
                lambda: watcher.heights.get(SlotIndex.STAGE_VIDEO) == 360, "the highest layer, full size"
            )
            await student.draw({**DRAWN, SlotIndex.STAGE_VIDEO: 90})
            await until(
                lambda: watcher.heights.get(SlotIndex.STAGE_VIDEO) == 180, "the lowest layer when drawn small"
            )
