"""A publisher of known content whose clock is wrong: a camera in two layers, told by rid, and a voice.

It does what browsers do and codecs can be asked for: sender reports by its own clock, repairs on request, a
keyframe of all layers when one is asked for, silence that is not sent (RFC 6716 section 2.1.9), a layer that
is not sent while the line is thin.
"""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from random import Random
from typing import Final

import av
from av.video.codeccontext import VideoCodecContext

from loadtest.bench import _journals as journals
from loadtest.bench._offer import IDS, SOUND_PT, VIDEO_PT, BrowserOffer, ssrc_of
from loadtest.bench._peer import Identity
from loadtest.continuity import Pause
from loadtest.light import LightMedia
from loadtest.media import films
from loadtest.media.block_code import Mark
from loadtest.media.films import FRAMES_A_SECOND
from sfu import rtcp, rtp
from sfu.model import SEND_SECTIONS, Source

WHO: Final = 3
LOOP_S: Final = 4
PACKETS_A_SECOND: Final = 50
_TICKS_A_FRAME: Final = PACKETS_A_SECOND // FRAMES_A_SECOND
_FIRST_SSRC: Final = 1000
_HISTORY: Final = 2048
_PIECE: Final = 1100
_SPEECH: Final = 30
_SILENCE: Final = 90
_COMFORT_TICKS: Final = 20
"""In silence encoders send one packet in so many."""
_REPORT_TICKS: Final = PACKETS_A_SECOND
_LATEST_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class OwnClock:
    """A clock that runs ``drift_ppm`` fast from ``start_s`` (monotonic) on, and is wrong by ``wrong_us``.

    Own time counts in seconds from then; ``start_us`` is the server's time of that moment.
    """

    start_s: float
    start_us: int
    drift_ppm: float
    wrong_us: int

    @classmethod
    def started(cls, drift_ppm: float, wrong_us: int) -> OwnClock:
        """One that starts now."""
        return cls(time.monotonic(), time.time_ns() // 1000, drift_ppm, wrong_us)

    def now_s(self) -> float:
        """Own time."""
        return (time.monotonic() - self.start_s) * (1 + self.drift_ppm / 1e6)

    def due_s(self, own_s: float) -> float:
        """How long until it shows this."""
        return self.start_s + own_s / (1 + self.drift_ppm / 1e6) - time.monotonic()

    def server_us(self, own_s: float) -> int:
        """The server's time at which it shows this."""
        return self.start_us + round(own_s * 1e6 / (1 + self.drift_ppm / 1e6))

    def ntp(self, own_s: float) -> int:
        """What it tells in sender reports."""
        return rtcp.ntp_from_us(self.start_us + self.wrong_us + round(own_s * 1e6))


@dataclass(slots=True)
class _Stream:
    """One RTP stream: its numbers begin anywhere."""

    ssrc: int
    rate: int
    base: int
    number: int
    packets: int = 0
    octets: int = 0
    sent: dict[int, bytes] = field(default_factory=dict)
    """The last datagrams by their number, protected: the same is sent again."""

    def timestamp(self, own_s: float) -> int:
        return self.base + round(own_s * self.rate)


class _Layer:
    """A layer's encoder and stream."""

    def __init__(self, rid: str, width: int, height: int, bps: int, stream: _Stream) -> None:
        self.rid = rid
        self.stream = stream
        self.picture_id = stream.base & 0x7FFF
        self.rests = True
        """Not sent now: it begins with a keyframe."""
        self._size = width, height
        encoder = av.CodecContext.create("libvpx", "w")
        assert isinstance(encoder, VideoCodecContext)
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        encoder.time_base = Fraction(1, FRAMES_A_SECOND)
        encoder.bit_rate = bps
        encoder.options = dict(journals.REALTIME)
        self._encoder = encoder

    def encode(self, number: int, *, key: bool) -> bytes:
        """VP8 of the film's frame."""
        frame = av.VideoFrame.from_ndarray(films.yuv_frame(*self._size, Mark(WHO, number)), format="yuv420p")
        frame.pts = number
        frame.pict_type = 1 if key else 0
        return b"".join(bytes(packet) for packet in self._encoder.encode(frame))


@cache
def _beeps() -> list[bytes]:
    return journals.encode_sound(films.sound(seconds=2 * LOOP_S, beeps=True))[LOOP_S * PACKETS_A_SECOND :]


class SyncPublisher(LightMedia):
    """``connect``, then ``play``. Frame n is captured at n / FRAMES_A_SECOND of the clock and says so, a beep
    begins at each of its seconds. The switches may be set at any time."""

    def __init__(self, identity: Identity, clock: OwnClock, chance: Random) -> None:
        super().__init__(identity, Pause(), lambda _: None)
        self.camera = False
        self.microphone = False
        self.silence_sent = True
        """False: what is silent is left out (DTX)."""
        self.top_layer = True
        self.held_up_s = 0.0
        """How late something was sent at most."""
        self._clock = clock
        self._key = True
        self._streams: dict[int, _Stream] = {}
        self._voice = self._stream(ssrc_of(_FIRST_SSRC, _section(Source.MICROPHONE)), 48_000, chance)
        self._layers = [
            _Layer(rid, width, height, bps, self._stream(chance.randrange(10_000, 1 << 31), 90_000, chance))
            for rid, width, height, bps in (("q", 160, 90, 120_000), ("h", 320, 180, 300_000))
        ]
        self._tick = 0

    def play(self) -> None:
        """Send what is switched on, from now on."""
        self._tick = int(self._clock.now_s() * PACKETS_A_SECOND) + 1
        self._tasks.append(asyncio.create_task(self._send_on()))

    def _stream(self, ssrc: int, rate: int, chance: Random) -> _Stream:
        stream = _Stream(ssrc, rate, chance.getrandbits(32), chance.getrandbits(16))
        self._streams[ssrc] = stream
        return stream

    def _offer(self) -> BrowserOffer:
        """The camera's section tells its layers by rid, as browsers do (RFC 8853)."""
        made = super()._offer()
        sections = re.split(r"(?m)^(?=m=)", gzip.decompress(made.sdp).decode())
        camera = 1 + _section(Source.CAMERA)
        kept = [line for line in sections[camera].splitlines(keepends=True) if not line.startswith("a=ssrc")]
        rids = [layer.rid for layer in self._layers]
        told = [f"a=rid:{rid} send\r\n" for rid in rids] + [f"a=simulcast:send {';'.join(rids)}\r\n"]
        sections[camera] = "".join([*kept, *told])
        return BrowserOffer(gzip.compress("".join(sections).encode(), 1), made.send, made.slots)

    def _take_rtcp(self, data: bytes) -> None:
        for packet in self._opened(data):
            if isinstance(packet, rtcp.Pli | rtcp.Fir):
                self._key = True
            elif isinstance(packet, rtcp.Nack) and packet.media_ssrc in self._streams:
                sent = self._streams[packet.media_ssrc].sent
                for number in packet.lost:
                    if number in sent:
                        self._send(sent[number])

    async def _send_on(self) -> None:
        while True:
            late = int((self._clock.now_s() - _LATEST_S) * PACKETS_A_SECOND)
            self._tick = max(self._tick + 1, late)
            own_s = self._tick / PACKETS_A_SECOND
            await asyncio.sleep(max(0.0, self._clock.due_s(own_s)))
            self.held_up_s = max(self.held_up_s, -self._clock.due_s(own_s))
            if self.microphone:
                self._speak(own_s)
            if self.camera and self._tick % _TICKS_A_FRAME == 0:
                self._show(own_s)
            if self._tick % _REPORT_TICKS == _REPORT_TICKS // 2:
                self._report()

    def _speak(self, own_s: float) -> None:
        spoken = own_s % 1 < 2 * films.BEEP_S or own_s % 1 > 1 - films.BEEP_S
        if not (spoken or self.silence_sent or self._tick % _COMFORT_TICKS == 0):
            return
        level = _SPEECH if spoken or self.silence_sent else _SILENCE
        sounds = _beeps()
        self._put(
            self._voice, SOUND_PT, own_s, sounds[self._tick % len(sounds)], Source.MICROPHONE,
            extensions={IDS.audio_level: bytes((0x80 | level,))},
        )  # fmt: skip

    def _show(self, own_s: float) -> None:
        number = self._tick // _TICKS_A_FRAME
        asked, self._key = self._key, False
        for layer in self._layers:
            if layer.rid == "h" and not self.top_layer:
                layer.rests = True
                continue
            data = layer.encode(number, key=asked or layer.rests)
            layer.rests = False
            layer.picture_id = layer.picture_id + 1 & 0x7FFF
            count = -(-len(data) // _PIECE)
            size = -(-len(data) // count)
            for piece in range(count):
                head = bytes((0x90 if piece == 0 else 0x80, 0x80)) + (0x8000 | layer.picture_id).to_bytes(2)
                self._put(
                    layer.stream, VIDEO_PT, own_s, head + data[piece * size : (piece + 1) * size],
                    Source.CAMERA, marker=piece == count - 1, extensions={IDS.rid: layer.rid.encode()},
                )  # fmt: skip

    def _put(
        self,
        stream: _Stream,
        payload_type: int,
        own_s: float,
        payload: bytes,
        source: Source,
        *,
        extensions: dict[int, bytes],
        marker: bool = False,
    ) -> None:
        stream.number = stream.number + 1 & 0xFFFF
        stream.packets += 1
        stream.octets += len(payload)
        datagram = self._protection.protect(
            rtp.build(
                payload_type=payload_type,
                sequence_number=stream.number,
                timestamp=stream.timestamp(own_s),
                ssrc=stream.ssrc,
                payload=payload,
                marker=marker,
                extensions={IDS.mid: str(_section(source)).encode(), **extensions},
            )
        )
        stream.sent[stream.number] = datagram
        stream.sent.pop(stream.number - _HISTORY & 0xFFFF, None)
        self._send(datagram)

    def _report(self) -> None:
        own_s = self._clock.now_s()
        for stream in self._streams.values():
            if stream.packets:
                self._send_rtcp(
                    rtcp.build_sender_report(
                        stream.ssrc,
                        ntp=self._clock.ntp(own_s),
                        rtp_timestamp=stream.timestamp(own_s),
                        packet_count=stream.packets,
                        octet_count=stream.octets,
                    )
                )


def _section(source: Source) -> int:
    return SEND_SECTIONS.index(source)
