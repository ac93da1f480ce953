"""A publisher and receivers that repair as Chromium does, behind ``loadtest.proxy``."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from struct import Struct
from typing import Final

import pylibsrtp

from loadtest.bench._network_sound import Ear
from loadtest.bench._plane_line import check_of
from loadtest.bench._plane_setting import (
    IDS,
    RTX_PT,
    VP8_PT,
    Setting,
    key,
    remote_pwd,
    slot_ssrc,
    source_ssrc,
    speech_slot_ssrc,
)
from loadtest.bench._stamps import STAMP, latency_ms, receive, want_arrival
from sfu import rtcp, rtp, stun
from sfu.model import ParseError

FRAMES_S: Final = 30
_FIRST_MEDIA: Final = 128
_HISTORY: Final = 1024
_RTX_SSRC: Final = 77_000
_REPORTER_SSRC: Final = 1
_RETRY_S: Final = 0.1
"""Chromium's retry while it knows no round trip."""
_XR: Final = Struct("!BBHIBBHQ")
_DLRR: Final = Struct("!12xII")
_MAX_TRIES: Final = 10
_LONG_GAP: Final = 500
_LIMIT_S: Final = 10.0
_CHECK_S: Final = 0.2
_KEYFRAME: Final = b"\x10\0\0\x9d\x01\x2a\x80\x02\x68\x01"
"""The beginning of a VP8 keyframe of 640x360 (RFC 6386 section 9.1)."""


class NetworkPeer:
    """One peer of the setting, its socket and its keys."""

    def __init__(self, setting: Setting, number: int, to: tuple[str, int]) -> None:
        self.setting = setting
        self.number = number
        self._to = to
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.settimeout(0)
        self._sock.bind(("127.0.0.1", 0))
        want_arrival(self._sock)
        policy = pylibsrtp.Policy
        profile = policy.SRTP_PROFILE_AEAD_AES_128_GCM
        self._protection, self._opening = (
            pylibsrtp.Session(policy(key=key(number, direction), ssrc_type=kind, srtp_profile=profile))
            for direction, kind in (("up", policy.SSRC_ANY_OUTBOUND), ("down", policy.SSRC_ANY_INBOUND))
        )
        self._answered = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._sock, self._read)

    async def connect(self) -> None:
        """Check until an answer comes; raises TimeoutError."""
        async with asyncio.timeout(_LIMIT_S):
            while not self._answered.is_set():
                self.check()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._answered.wait(), _CHECK_S)

    def check(self) -> None:
        """A Binding request that nominates; renews consent (RFC 7675)."""
        self._sock.sendto(check_of(self.number), self._to)

    def close(self) -> None:
        """Nothing comes any more."""
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()

    def send_rtp(self, packet: bytes) -> None:
        """Protect and send."""
        self._sock.sendto(self._protection.protect(packet), self._to)

    def send_rtcp(self, packet: bytes) -> None:
        """Protect and send; a receiver report goes before (RFC 3550 section 6.1)."""
        compound = rtcp.build_receiver_report(_REPORTER_SSRC) + packet
        self._sock.sendto(self._protection.protect_rtcp(compound), self._to)

    def got_rtp(self, plain: bytes, arrived_ns: int) -> None:
        """For receivers."""

    def got_rtcp(self, packet: rtcp.Packet) -> None:
        """What the other side reports and asks for."""

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                data, arrived_ns, source = receive(self._sock)
                if data[0] < _FIRST_MEDIA:
                    self._stun(data, source)
                    continue
                with contextlib.suppress(pylibsrtp.Error):
                    if rtp.is_rtcp(data):
                        for packet in rtcp.parse(self._opening.unprotect_rtcp(data)):
                            self.got_rtcp(packet)
                    else:
                        self.got_rtp(self._opening.unprotect(data), arrived_ns)

    def _stun(self, data: bytes, source: tuple[str, int]) -> None:
        with contextlib.suppress(ParseError):
            message = stun.parse(data)
            if isinstance(message, stun.BindingSuccess):
                self._answered.set()
            elif isinstance(message, stun.BindingRequest):
                answer = stun.build_binding_success(message.transaction_id, source, remote_pwd(self.number))
                self._sock.sendto(answer, self._to)


class Publisher(NetworkPeer):
    """A camera: frames of ``setting.burst`` stamped packets, FRAMES_S a second, sent again when asked."""

    def __init__(self, setting: Setting, number: int, to: tuple[str, int]) -> None:
        super().__init__(setting, number, to)
        self._history: dict[int, bytes] = {}
        self._keyframe = True
        self._frame = 0
        self.sent = 0
        self.repaired = 0
        self.keyframes = 0

    async def run(self, seconds: float) -> None:
        """Send for a while."""
        due_s = time.monotonic()
        end_s = due_s + seconds
        while due_s < end_s:
            self._send_frame()
            due_s += 1 / FRAMES_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))

    def got_rtcp(self, packet: rtcp.Packet) -> None:
        """NACKs are answered by RTX (RFC 4588), keyframe requests by the next frame."""
        if isinstance(packet, rtcp.Nack):
            for number in packet.lost:
                self._repair(number)
        elif isinstance(packet, rtcp.Pli | rtcp.Fir):
            self._keyframe = True

    def _send_frame(self) -> None:
        burst = self.setting.burst
        keyframe, self._keyframe = self._keyframe, False
        self.keyframes += keyframe
        for index in range(burst):
            picture = (0x8000 | self._frame & 0x7FFF).to_bytes(2, "big")
            payload = (
                bytes((0x90 if index == 0 else 0x80, 0xE0)) + picture + bytes((self._frame & 0xFF, 0x20))
            )
            first = b"\x10\0\0\x9d\x01\x2a\x80\x02\x68\x01" if keyframe else b"\x01"
            payload += first if index == 0 else b"\x01"
            filler = bytes(self.setting.bytes - len(payload) - STAMP.size)
            number = self.sent & 0xFFFF
            packet = rtp.build(
                payload_type=VP8_PT,
                sequence_number=number,
                timestamp=self._frame * 90_000 // FRAMES_S,
                ssrc=source_ssrc(0),
                payload=payload + filler + STAMP.pack(time.time_ns()),
                marker=index == burst - 1,
                extensions={IDS.abs_send_time: bytes(3), IDS.mid: b"0"},
            )
            self._history[number] = packet
            self._history.pop((number - _HISTORY) & 0xFFFF, None)
            self.sent += 1
            self.send_rtp(packet)
        self._frame += 1

    def _repair(self, number: int) -> None:
        packet = self._history.get(number)
        if packet is None:
            return
        header = rtp.parse_header(packet)
        self.send_rtp(
            rtp.build(
                payload_type=RTX_PT,
                sequence_number=self.repaired & 0xFFFF,
                timestamp=header.timestamp,
                ssrc=_RTX_SSRC,
                payload=number.to_bytes(2, "big") + packet[rtp.payload_offset(packet) :],
                marker=header.marker,
                extensions={IDS.abs_send_time: bytes(3), IDS.mid: b"0"},
            )
        )
        self.repaired += 1


class Receiver(NetworkPeer):
    """One who draws that camera, asks again for what is missing and keeps when each number came.

    A gap is asked for at once and again each round trip, ten times at most.
    """

    def __init__(self, setting: Setting, number: int, to: tuple[str, int]) -> None:
        super().__init__(setting, number, to)
        self._numbers = rtp.Extender(16)
        self._received = 0
        self._told: tuple[int, int] | None = None
        self._missing: dict[int, tuple[float, int]] = {}
        self._reports: tuple[int, int] | None = None
        self._retry_s = _RETRY_S
        self.latencies: dict[int, float] = {}
        """By extended number: ms from the publisher's stamp to when it was here, first copy."""
        self.octets = 0
        self.asked = 0
        self.repairs = 0
        self.ear = Ear()

    def got_rtp(self, plain: bytes, arrived_ns: int) -> None:
        """The camera's packets, repairs of them, and speech."""
        self.octets += len(plain)
        ssrc = rtp.ssrc(plain)
        if ssrc == slot_ssrc(self.number):
            before = self._numbers.highest
            number = self._numbers.extend(rtp.sequence_number(plain))
            self._missing.pop(number, None)
            self._came(number, plain, arrived_ns)
            self._received += 1
            if before is not None and before + 1 < number <= before + _LONG_GAP:
                gap = range(before + 1, number)
                self._missing.update(dict.fromkeys(gap, (0.0, 0)))
                self._ask(list(gap), time.monotonic())
        elif ssrc == slot_ssrc(self.number) + 1 and self._numbers.highest is not None:
            offset = rtp.payload_offset(plain)
            original = plain[offset : offset + 2]
            if len(original) == 2 and len(plain) - rtp.padding_length(plain) - offset > STAMP.size:
                self.repairs += 1
                number = self._numbers.nearest(int.from_bytes(original, "big"))
                self._missing.pop(number, None)
                self._came(number, plain, arrived_ns)
        elif ssrc == speech_slot_ssrc(self.number):
            self.ear.take(plain, arrived_ns)

    def got_rtcp(self, packet: rtcp.Packet) -> None:
        """Sender reports are remembered for the next receiver report; answers to its reference time
        (RFC 3611) tell the round trip."""
        if isinstance(packet, rtcp.SenderReport) and packet.ssrc == slot_ssrc(self.number):
            self._reports = (rtcp.ntp_middle(packet.ntp), time.monotonic_ns())
        elif isinstance(packet, rtcp.Other) and packet.packet_type == rtcp.XR:
            last_rr, delay = _DLRR.unpack(packet.body)
            now_ntp = rtcp.ntp_from_us(time.time_ns() // 1000)
            round_trip_us = rtcp.round_trip_us(now_ntp, last_rr, delay)
            if round_trip_us is not None:
                self._retry_s = round_trip_us / 1e6

    def tick(self) -> None:
        """Ask again for what is still missing; call it every 20 ms, as Chromium does."""
        now_s = time.monotonic()
        due = sorted(number for number, (next_s, _) in self._missing.items() if next_s <= now_s)
        self._ask(due, now_s)

    def report(self) -> None:
        """Ask for the round trip, and tell the server its own by when its last report came."""
        reference = rtcp.ntp_from_us(time.time_ns() // 1000)
        self.send_rtcp(_XR.pack(0x80, rtcp.XR, 4, _REPORTER_SSRC, 4, 0, 2, reference))
        if self._reports is None:
            return
        lsr, arrived_ns = self._reports
        dlsr = (time.monotonic_ns() - arrived_ns) * 65536 // 1_000_000_000
        highest, received = self.highest, self._received
        expected, arrived = (highest - self._told[0], received - self._told[1]) if self._told else (0, 0)
        self._told = highest, received
        fraction = max(0, min(255, (expected - arrived) * 256 // expected)) if expected else 0
        block = rtcp.ReportBlock(slot_ssrc(self.number), fraction, 0, highest, 0, lsr, dlsr)
        self.send_rtcp(rtcp.build_receiver_report(_REPORTER_SSRC, [block]))

    def within(self, first: int, end: int, limit_ms: float) -> float:
        """Percent of numbers ``first`` up to ``end`` that came within the limit."""
        soon = sum(1 for number in range(first, end) if self.latencies.get(number, 1e9) <= limit_ms)
        return 100 * soon / (end - first)

    @property
    def highest(self) -> int:
        """Highest extended number; -1 before the first."""
        return -1 if self._numbers.highest is None else self._numbers.highest

    def _came(self, number: int, plain: bytes, arrived_ns: int) -> None:
        self.latencies.setdefault(number, latency_ms(plain, arrived_ns))

    def _ask(self, numbers: list[int], now_s: float) -> None:
        asked = []
        for number in numbers:
            _, tries = self._missing[number]
            if tries >= _MAX_TRIES:
                del self._missing[number]
                continue
            self._missing[number] = (now_s + self._retry_s, tries + 1)
            asked.append(number)
        if asked:
            self.asked += len(asked)
            self.send_rtcp(rtcp.build_nack(_REPORTER_SSRC, slot_ssrc(self.number), asked))
