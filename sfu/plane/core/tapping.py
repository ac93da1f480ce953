"""Which layer of its source each tap copies, and from which packet on."""

from __future__ import annotations

from typing import Final

from sfu import rtp
from sfu.plane.api import KEYFRAME_THROTTLE_US, TAP_KEYFRAME_US, Drop
from sfu.plane.core.outbox import Outbox
from sfu.plane.core.packet import Packet
from sfu.plane.core.selection import choose_layer
from sfu.plane.core.source import Layer, Source
from sfu.plane.core.switching import Switching
from sfu.plane.core.taps import Tap

_ASK_AFTER_US: Final = TAP_KEYFRAME_US - KEYFRAME_THROTTLE_US
"""So that an answer is there in time, whatever was asked for just before."""


class Tapping:
    """Which layer each tap copies. A source without taps costs nothing here: who calls asks first."""

    def __init__(self, outbox: Outbox, switching: Switching) -> None:
        self._outbox = outbox
        self._switching = switching

    def add(self, tap: Tap) -> None:
        """Begin as soon as there is something to begin with."""
        tap.source.taps.append(tap)
        self._aim(tap)

    def remove(self, tap: Tap) -> None:
        """End at once; what was copied is told now."""
        tap.source.taps.remove(tap)
        self._outbox.ready.append(tap.drain(last=True))

    def retarget(self, source: Source) -> None:
        """Layers of the source came or went."""
        for tap in source.taps:
            self._aim(tap)

    def hold(self, source: Source) -> None:
        """The source is interrupted: its taps go on at the next keyframe."""
        for tap in source.taps:
            tap.current = tap.pending = None
            for layer in source.layers:
                if layer.reception.highest is None:
                    tap.copied.pop(layer, None)
            self._aim(tap)

    def resume(self, source: Source) -> None:
        """The gate was opened: ask for the keyframe that the taps wait for."""
        for tap in source.taps:
            if tap.pending is not None:
                self._switching.want_keyframe(tap.pending)

    def take(self, layer: Layer, packet: Packet, original: bytes, now_us: int) -> None:
        """A packet of an open source that is tapped, as its publisher sent it."""
        video = layer.source.video
        for tap in layer.source.taps:
            # A keyframe that comes so late was followed by what is copied already.
            new = packet.sequence > tap.copied.get(layer, packet.sequence - 1)
            begins = tap.pending is layer and new and (packet.keyframe or not video)
            if begins:
                tap.current, tap.pending, tap.first = layer, None, packet.sequence
            if tap.current is not layer or packet.sequence < tap.first:
                continue
            self._copy(tap, now_us, original)
            if not new:
                continue
            tap.copied[layer] = packet.sequence
            if not video:
                continue
            if begins:
                self._catch_up(tap, layer, packet, now_us)
            if packet.keyframe:
                tap.keyframe_due_us = now_us + _ASK_AFTER_US
            elif now_us >= tap.keyframe_due_us:
                tap.keyframe_due_us = now_us + _ASK_AFTER_US
                self._switching.want_keyframe(layer)

    def take_report(self, source: Source, report: bytes, now_us: int) -> None:
        """A sender report of any layer of an open source that is tapped."""
        for tap in source.taps:
            self._copy(tap, now_us, report)

    def _copy(self, tap: Tap, now_us: int, packet: bytes) -> None:
        if not tap.copy(now_us, packet):
            self._outbox.drop(Drop.TAP_FULL)

    def _catch_up(self, tap: Tap, layer: Layer, packet: Packet, now_us: int) -> None:
        """A keyframe's first packet came after others of it: those are in the cache."""
        for sequence in range(packet.sequence + 1, (layer.reception.highest or 0) + 1):
            following = layer.cache.get(sequence)
            if following is not None:
                tap.copied[layer] = sequence
                self._copy(tap, now_us, _rebuilt(layer, following))

    def _aim(self, tap: Tap) -> None:
        target = choose_layer(tap.source, tap.wanted_layer)
        if target is tap.current:
            target = None
        if target is not tap.pending:
            tap.pending = target
            if target is not None:
                self._switching.want_keyframe(target)


def _rebuilt(layer: Layer, packet: Packet) -> bytes:
    """A cached packet as its publisher could have sent it: picture ids in the 15-bit form, no extensions."""
    return rtp.build(
        payload_type=layer.source.add.payload_type,
        sequence_number=packet.sequence,
        timestamp=packet.timestamp,
        ssrc=layer.ssrc or 0,
        payload=packet.prefix(0, 0) + packet.payload,
        marker=bool(packet.marker),
    )
