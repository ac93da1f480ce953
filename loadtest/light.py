"""Media at little cost: a listener that counts packets, a publisher that plays recorded ones.

The server can't tell them from a browser: ICE, DTLS, SRTP, consent checks, receiver reports, requests for
what is lost. Nothing is encoded or decoded, and of what comes only repairs and RTCP are decrypted.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pylibsrtp

from loadtest.bench._offer import IDS, SOUND_PT, VIDEO_PT, BrowserOffer, browser_offer, ssrc_of
from loadtest.bench._peer import Identity, Peer, remote_of
from loadtest.client import LessonClient
from loadtest.continuity import Pause
from loadtest.loops import Loop, Player
from loadtest.reception import ASK_AGAIN_S, Reception
from sfu import rtcp, rtp
from sfu.model import SEND_SECTIONS, MediaKind, ParseError, Source, slot_kind

CONNECT_LIMIT_S: Final = 15.0
KEEP_S: Final = 2.5
"""A check (RFC 7675) and a receiver report."""
_PROD_S: Final = 0.05
_FIRST_SSRC: Final = 1000
_REPORTER_SSRC: Final = 1
_FIRST_MEDIA: Final = 128
_SHORTEST: Final = 12
_REPORT_FRAMES: Final = 50
_LATEST_S: Final = 1.0
_VOICE: Final = bytes((0x80 | 30,))
"""Speech at -30 dBov (RFC 6464)."""

Address = tuple[str, int]
Way = Callable[[Address], Awaitable[Address]]
"""From a worker's address to the one at which to reach it."""


class LightMedia(asyncio.DatagramProtocol):
    """One connection, from ``connect`` to ``close``. ``heard`` gets the slot of each packet, ``pause`` each
    packet of sound. ``number`` and ``lease`` are as in ``client.Call``."""

    def __init__(self, identity: Identity, pause: Pause, heard: Callable[[int], None]) -> None:
        self.number = self.lease = 0
        self.reception = Reception("")
        self._identity = identity
        self._pause = pause
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._peer = Peer(identity, self._send)
        self._transport: asyncio.DatagramTransport | None = None
        self._progress = asyncio.Event()
        self._fault: ConnectionError | None = None
        self._protection = self._opening = pylibsrtp.Session()
        self._tasks: list[asyncio.Task[None]] = []
        self._asking: asyncio.TimerHandle | None = None
        self._picture: Player | None = None

    async def connect(self, client: LessonClient, way: Way | None = None) -> None:
        """Bring a browser's offer, until keys are agreed on. Raises Refused, OSError, TimeoutError."""
        made = self._offer()
        sdp = gzip.decompress(made.sdp).decode()
        self.number, self.lease, answer = await client.exchange(sdp, send=made.send, slots=made.slots)
        remote = remote_of(answer)
        self.reception = Reception(answer)
        to = remote.address if way is None else await way(remote.address)
        self._transport, _ = await self._loop.create_datagram_endpoint(lambda: self, remote_addr=to)
        self._peer.begin(remote)
        async with asyncio.timeout(CONNECT_LIMIT_S):
            while self._peer.keys is None:
                self._progress.clear()
                try:
                    await asyncio.wait_for(self._progress.wait(), _PROD_S)
                except TimeoutError:
                    self._peer.prod()
                if self._fault is not None:
                    raise self._fault
        self._protection = _session(self._peer.keys.send, pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self._opening = _session(self._peer.keys.receive, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self._tasks.append(asyncio.create_task(self._keep()))

    def _offer(self) -> BrowserOffer:
        return browser_offer(self._peer, self._identity, _FIRST_SSRC, 0)

    def publish(self, sound: Loop, picture: Loop) -> None:
        """Send both from now on."""
        speaker, camera = (
            Player(
                loop,
                ssrc=ssrc_of(_FIRST_SSRC, SEND_SECTIONS.index(source)),
                payload_type=payload_type,
                extensions=extensions,
            )
            for loop, source, payload_type, extensions in (
                (sound, Source.MICROPHONE, SOUND_PT, {IDS.audio_level: _VOICE}),
                (picture, Source.CAMERA, VIDEO_PT, {}),
            )
        )
        self._picture = camera
        self._tasks.append(asyncio.create_task(self._play(speaker, sound.frame_s, camera, picture.frame_s)))

    async def close(self) -> None:
        """Hang up."""
        if self._asking is not None:
            self._asking.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._transport is not None:
            self._peer.goodbye()
            self._transport.close()

    # --- datagrams -------------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Whatever came; what is too short for RTP is nothing."""
        if len(data) < _SHORTEST:
            return
        if data[0] < _FIRST_MEDIA:
            try:
                self._peer.receive(data, addr)
            except ConnectionError as error:
                self._fault = error
            self._progress.set()
        elif rtp.is_rtcp(data):
            self._take_rtcp(data)
        else:
            self._take_rtp(data)

    def error_received(self, exc: Exception) -> None:
        """Nobody is there: signalling says what that means."""

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(data)

    def _take_rtp(self, data: bytes) -> None:
        slot = self.reception.take(data)
        if slot is not None:
            if slot_kind(slot) is MediaKind.AUDIO:
                self._pause.take(self._loop.time())
            elif self._asking is None and self.reception.lacks:
                self._ask()
            self._heard(slot)
        elif self.reception.is_repair(data):
            with contextlib.suppress(pylibsrtp.Error, ParseError):
                plain = self._opening.unprotect(data)
                payload = plain[rtp.payload_offset(plain) : len(plain) - rtp.padding_length(plain)]
                self.reception.repair(rtp.ssrc(plain), payload)

    def _take_rtcp(self, data: bytes) -> None:
        if self._picture is None:
            return
        for packet in self._opened(data):
            if isinstance(packet, rtcp.Pli | rtcp.Fir):
                self._picture.restart()

    def _opened(self, data: bytes) -> list[rtcp.Packet]:
        """What an RTCP datagram says; nothing when it can't be read."""
        try:
            return rtcp.parse(self._opening.unprotect_rtcp(data))
        except (pylibsrtp.Error, ParseError):
            return []

    def _ask(self) -> None:
        self._asking = None
        if not self._tasks or not self.reception.lacks:
            return
        for ssrc, numbers in self.reception.asks(self._loop.time()):
            self._send_rtcp(
                rtcp.build_receiver_report(_REPORTER_SSRC) + rtcp.build_nack(_REPORTER_SSRC, ssrc, numbers)
            )
        self._asking = self._loop.call_later(ASK_AGAIN_S, self._ask)

    def _send_rtcp(self, packet: bytes) -> None:
        self._send(self._protection.protect_rtcp(packet))

    # --- what goes on by itself ----------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            self._peer.check()
            self._send_rtcp(rtcp.build_receiver_report(_REPORTER_SSRC, self.reception.report()))
            await asyncio.sleep(KEEP_S)

    async def _play(self, sound: Player, sound_s: float, picture: Player, picture_s: float) -> None:
        """Both by one clock; what is late by more than a second is left out."""
        a_picture = round(picture_s / sound_s)
        start_s, frame = self._loop.time(), 0
        while True:
            start_s += max(0.0, self._loop.time() - (start_s + frame * sound_s) - _LATEST_S)
            if frame % _REPORT_FRAMES == 0:
                wall_us = time.time_ns() // 1000
                self._send_rtcp(sound.report(wall_us))
                self._send_rtcp(picture.report(wall_us))
            if frame % a_picture == 0:
                self._send_all(picture)
            self._send_all(sound)
            frame += 1
            await asyncio.sleep(start_s + frame * sound_s - self._loop.time())

    def _send_all(self, player: Player) -> None:
        for packet in player.next():
            self._send(self._protection.protect(packet))


def _session(key: bytes, ssrc_type: int) -> pylibsrtp.Session:
    profile = pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM
    return pylibsrtp.Session(pylibsrtp.Policy(key=key, ssrc_type=ssrc_type, srtp_profile=profile))
