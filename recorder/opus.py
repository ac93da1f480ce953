"""Opus packets without a decoder: how long they are, silent ones, and ones that have a decoder conceal a loss
(RFC 6716 section 3)."""

from __future__ import annotations

from typing import Final

SAMPLE_RATE: Final = 48_000
ENCODER_DELAY_US: Final = 6_500
"""What a packet decodes to was captured so long before its timestamp: every usual encoder looks ahead."""
FRAME_US: Final = 20_000
GRAIN_US: Final = 2_500
"""The shortest packet: silence can be made as long as any number of these."""

_SILK_US: Final = (10_000, 20_000, 40_000, 60_000)
_HYBRID_US: Final = (10_000, 20_000)
_CELT_US: Final = (2_500, 5_000, 10_000, 20_000)
_FRAME_US: Final = (*_SILK_US * 3, *_HYBRID_US * 2, *_CELT_US * 4)
_LONGEST_US: Final = 120_000

_SILENCE: Final = (
    (20_000, b"\xf8\xff\xfe"),
    (10_000, b"\xf0\xff\xfe"),
    (5_000, b"\xe8\xff\xfe"),
    (2_500, b"\xe0\xff\xfe"),
)
"""CELT full band, mono, with nothing but the flag that says that all is silent (section 4.3)."""

DURATIONS_US: Final = tuple(
    0 if toc & 3 == 3 else _FRAME_US[toc >> 3] * (2 if toc & 3 else 1) for toc in range(256)
)
"""Duration of a packet by its first byte; 0: see :func:`duration_us`."""


def duration_us(packet: bytes) -> int:
    """How long a packet sounds; 0 for what is no Opus packet."""
    if not packet:
        return 0
    duration = DURATIONS_US[packet[0]]
    if duration:
        return duration
    if len(packet) < 2:
        return 0
    duration = _FRAME_US[packet[0] >> 3] * (packet[1] & 0x3F)
    return duration if duration <= _LONGEST_US else 0


def silence(length_us: int) -> list[tuple[int, bytes]]:
    """Silent packets as (duration, packet): together ``length_us``, or less than GRAIN_US short of it."""
    packets: list[tuple[int, bytes]] = []
    length_us = max(0, length_us)
    for duration, packet in _SILENCE:
        count, length_us = divmod(length_us, duration)
        packets += [(duration, packet)] * count
    return packets


def concealed(packet: bytes) -> tuple[int, bytes]:
    """A packet without contents after this one, as (duration, packet): a decoder goes on with what it heard
    (a frame of no bytes, section 3.2.1)."""
    toc = packet[0] & 0xFC
    return _FRAME_US[toc >> 3], bytes((toc,))


def is_stereo(packet: bytes) -> bool:
    """Whether the packet has two channels."""
    return bool(packet and packet[0] & 0x04)
