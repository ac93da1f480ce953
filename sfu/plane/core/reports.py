"""Our own RTCP: sender reports of slots, receiver reports and REMB to publishers."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final

from sfu import rtcp
from sfu.plane.core.slot import Slot
from sfu.plane.core.transport import Transport

_MAX_DATAGRAM: Final = 1150
_MAX_BLOCKS: Final = 31
_PACKETS_A_REPORT: Final = 20
_SLOW_INTERVAL_US: Final = 5_000_000
_SENDER_REPORT: Final = Struct("!BBHIQIII")
"""RFC 3550 section 6.4.1, without report blocks."""


def is_due(slot: Slot, now_us: int) -> bool:
    """Whether the slot owes a report, asked each second: when 20 packets were sent since the last, so
    that reports stay below a twentieth of what is sent (RFC 3550 section 6.2), else after 5 s."""
    fresh = slot.packets - slot.packets_reported
    return fresh >= _PACKETS_A_REPORT or (fresh > 0 and now_us - slot.reported_us >= _SLOW_INTERVAL_US)


def sender_report(slot: Slot, now_us: int, wall_offset_us: int) -> bytes | None:
    """The slot's report on the server's clock with its CNAME; None when it shows nothing.

    NTP time and RTP timestamp are of this moment, by what the present layer's clock says; so slots
    of one peer stay in step whatever the clocks of the publishers behind them.
    """
    layer = slot.current
    if layer is None or slot.packets == 0:
        return None
    slot.packets_reported = slot.packets
    slot.reported_us = now_us
    timestamp = layer.clock.timestamp_rtp(now_us) + slot.munger.timestamp_offset
    # Packed here: with many quiet receivers these reports are most of what the plane writes.
    return (
        _SENDER_REPORT.pack(
            0x80,
            rtcp.SR,
            _SENDER_REPORT.size // 4 - 1,
            slot.add.ssrc,
            rtcp.ntp_from_us(now_us + wall_offset_us),
            timestamp & 0xFFFFFFFF,
            slot.packets & 0xFFFFFFFF,
            slot.payload_octets & 0xFFFFFFFF,
        )
        + slot.description
    )


def receiver_report(transport: Transport, now_us: int) -> bytes | None:
    """Reports on what the peer sent since the last ones; None when it sent nothing."""
    blocks = [
        stream.layer.reception.report(ssrc, now_us)
        for ssrc, stream in transport.streams.items()
        if not stream.rtx and stream.layer.reception.heard
    ]
    if not blocks:
        return None
    return rtcp.build_receiver_report(transport.reporter_ssrc, blocks[:_MAX_BLOCKS])


def estimate(transport: Transport) -> bytes | None:
    """REMB for all video of the peer; None when nothing was estimated or no video is sent."""
    if transport.estimate_bps is None:
        return None
    ssrcs = [
        ssrc for ssrc, stream in transport.streams.items() if stream.layer.source.video and not stream.rtx
    ]
    if not ssrcs:
        return None
    bps = min(transport.estimate_bps, transport.max_ingress_bps)
    return rtcp.build_remb(transport.reporter_ssrc, bps, ssrcs)


def compounds(parts: list[bytes]) -> Iterator[bytes]:
    """Join packets into datagrams that fit a path."""
    gathered = b""
    for part in parts:
        if gathered and len(gathered) + len(part) > _MAX_DATAGRAM:
            yield gathered
            gathered = b""
        gathered += part
    if gathered:
        yield gathered
