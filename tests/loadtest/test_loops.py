"""Recorded loops: whole for a decoder wherever they begin anew, numbered without a gap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from aiortc.codecs.opus import OpusDecoder
from aiortc.codecs.vpx import Vp8Decoder, vp8_depayload
from aiortc.jitterbuffer import JitterFrame
from av import AudioFrame, VideoFrame

from loadtest.loops import Loop, Player, recorded
from loadtest.tracks import HEIGHT, LAP, WIDTH
from sfu import rtcp, rtp
from sfu.codecs import vp8

SOUND, PICTURE = recorded()


def player(loop: Loop) -> Player:
    return Player(loop, ssrc=7, payload_type=96, extensions={1: b"\x9e"})


def payload(packet: bytes) -> bytes:
    return packet[rtp.payload_offset(packet) :]


def picture_id(packet: bytes) -> int | None:
    return vp8.parse_descriptor(payload(packet)).picture_id


def test_numbers_times_and_picture_ids_go_on_over_the_seam() -> None:
    source = player(PICTURE)
    frames = [source.next() for _ in range(3 * LAP)]
    packets = [packet for frame in frames for packet in frame]
    assert [rtp.sequence_number(packet) for packet in packets] == list(range(len(packets)))
    assert {after - before for before, after in pairwise([rtp.timestamp(frame[0]) for frame in frames])} == {
        9000
    }
    assert [picture_id(frame[-1]) for frame in frames] == list(range(3 * LAP))
    assert all(rtp.marker(packet) is (packet is frame[-1]) for frame in frames for packet in frame)
    assert {rtp.ssrc(packet) for packet in packets} == {7}
    assert rtp.extension(packets[0], 1) == b"\x9e"


def test_only_the_beginning_is_a_keyframe_and_comes_when_it_is_asked_for() -> None:
    source = player(PICTURE)
    keyframes = []
    for number in range(2 * LAP):
        if number == 5:
            source.restart()
        keyframes.append(vp8.parse_descriptor(payload(source.next()[0])).keyframe)
    assert [number for number, is_one in enumerate(keyframes) if is_one] == [0, 5, 5 + LAP]


def test_a_decoder_sees_every_frame_of_two_rounds() -> None:
    source, decoder = player(PICTURE), Vp8Decoder()
    seen = 0
    for number in range(2 * LAP):
        data = b"".join(vp8_depayload(payload(packet)) for packet in source.next())
        (frame,) = decoder.decode(JitterFrame(data, number * 9000))
        assert isinstance(frame, VideoFrame)
        bar = frame.to_ndarray()[HEIGHT // 2, :WIDTH]
        seen += bool(abs(int(bar.argmax()) - number * 4 % (WIDTH - 16)) < 20 and bar.max() > 180)
    assert seen == 2 * LAP


def test_sound_is_twenty_milliseconds_each_and_can_be_heard() -> None:
    source, decoder = player(SOUND), OpusDecoder()
    assert pytest.approx(0.02) == SOUND.frame_s
    loud = 0
    for number in range(2 * len(SOUND.frames)):
        (packet,) = source.next()
        assert rtp.marker(packet) is (number == 0)
        for frame in decoder.decode(JitterFrame(payload(packet), rtp.timestamp(packet))):
            assert isinstance(frame, AudioFrame)
            assert frame.samples == 960
            loud += int(np.abs(frame.to_ndarray()).max()) > 4000
    assert loud > 2 * len(SOUND.frames) - 5


def test_a_report_tells_when_the_next_frame_is_due() -> None:
    source = player(PICTURE)
    sent = [packet for _ in range(10) for packet in source.next()]
    (report,) = rtcp.parse(source.report(1_700_000_000_000_000))
    assert isinstance(report, rtcp.SenderReport)
    assert (report.ssrc, report.rtp_timestamp, report.packet_count) == (7, 90_000, len(sent))
    assert report.octet_count == sum(len(payload(packet)) for packet in sent)
    assert rtcp.us_from_ntp(report.ntp) == 1_700_000_000_000_000
