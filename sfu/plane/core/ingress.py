"""The way of a received RTP packet, step by step."""

from __future__ import annotations

from struct import Struct
from typing import Final

from sfu import rtp
from sfu.codecs import red
from sfu.model import ParseError
from sfu.plane.api import MAX_SSRCS_PER_TRANSPORT, Drop, StreamBound
from sfu.plane.core.binding import bind
from sfu.plane.core.forwarding import Forwarding
from sfu.plane.core.outbox import Outbox
from sfu.plane.core.packet import Packet, read_vp8
from sfu.plane.core.redundancy import taken_back
from sfu.plane.core.source import Layer, Source
from sfu.plane.core.switching import Switching
from sfu.plane.core.tables import Tables
from sfu.plane.core.tapping import Tapping
from sfu.plane.core.transport import Stream, Transport

_HEADER: Final = Struct("!BBHII")
_PADDED: Final = 0x20
"""The P bit in a header's first byte."""
_MAX_PACKET: Final = 1300
"""Longest packet taken, so that what a slot writes fits SRTP's buffer and a path's MTU."""


class Ingress:
    """unprotect -> header -> bind -> repair stream -> number -> gate -> payload -> cache -> slots -> taps."""

    def __init__(
        self,
        tables: Tables,
        outbox: Outbox,
        switching: Switching,
        tapping: Tapping,
        forwarding: Forwarding,
    ) -> None:
        self._tables = tables
        self._outbox = outbox
        self._switching = switching
        self._tapping = tapping
        self._forwarding = forwarding

    def receive(self, transport: Transport, data: bytes, now_us: int) -> Drop | None:
        """Take one unprotected RTP packet; returns why it went no further."""
        if len(data) > _MAX_PACKET:
            return Drop.RTP_MALFORMED
        try:
            offset = rtp.payload_offset(data)
            padding = rtp.padding_length(data, offset)
            _, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
            stream = transport.streams.get(ssrc)
            if stream is None:
                bound = self._bind(transport, data, ssrc)
                if isinstance(bound, Drop):
                    return bound
                stream = bound
            layer = stream.layer
            source = layer.source
            payload_type = second & 0x7F
            payload = data[offset : len(data) - padding]
            wrapped = not source.video and not stream.rtx and payload_type == source.add.red_payload_type

            if stream.rtx:
                if payload_type != source.add.rtx_payload_type:
                    return Drop.PAYLOAD_TYPE
                if len(payload) < 2:
                    return Drop.PADDING_ONLY
                # RFC 4588 section 4: the original sequence number stands before the payload.
                sequence = (payload[0] << 8) | payload[1]
                payload = payload[2:]
                if layer.ssrc is None or layer.reception.highest is None:
                    return Drop.RTX_UNKNOWN
            elif payload_type != source.add.payload_type and not wrapped:
                return Drop.PAYLOAD_TYPE

            before = layer.reception.highest
            number = self._number(layer, stream, sequence, timestamp, now_us)
            if isinstance(number, Drop):
                return number
            layer.octets += len(data)
            source.packets += 1
            self._tables.active_sources[source] = None
            if not source.open:
                return Drop.GATED

            packet = Packet(number, layer.timestamps.extend(timestamp), second & 0x80, payload)
            missing: list[Packet] = []
            if source.video:
                if payload:
                    try:
                        read_vp8(packet, layer.picture_ids)
                    except ParseError:
                        return Drop.PAYLOAD_MALFORMED
            elif wrapped and payload:
                try:
                    redundant = red.parse(payload)
                except ParseError:
                    return Drop.PAYLOAD_MALFORMED
                if redundant.payload_type != source.add.payload_type:
                    return Drop.PAYLOAD_TYPE
                packet.payload = payload = redundant.payload
                self._read_level(layer, packet, data)
                if before is not None:
                    missing = taken_back(redundant, packet, before)
            else:
                self._read_level(layer, packet, data)
        except ParseError:
            return Drop.RTP_MALFORMED

        for earlier in missing:
            if layer.cache.put(earlier):
                self._forwarding.forward(layer, earlier, now_us)
                if source.taps:
                    self._tapping.take(layer, earlier, _plain(layer, earlier), now_us)
        if not layer.cache.put(packet):
            return Drop.DUPLICATE
        if payload:
            self._alive(layer, packet, now_us)
            self._forwarding.forward(layer, packet, now_us)
        else:
            self._forwarding.pass_over(layer, packet, now_us)
        if source.taps:
            # Padding too: its number would be missed.
            if stream.rtx:
                original = _plain(layer, packet, payload)
            elif wrapped:
                original = _unwrapped(data, offset, source.add.payload_type, payload)
            else:
                original = data
            self._tapping.take(layer, packet, original, now_us)
        return None if payload else Drop.PADDING_ONLY

    def _bind(self, transport: Transport, data: bytes, ssrc: int) -> Stream | Drop:
        stream = bind(transport, data, ssrc)
        if stream is None:
            return Drop.UNBOUND_SSRC
        if transport.bound_ssrcs >= MAX_SSRCS_PER_TRANSPORT:
            return Drop.TOO_MANY_SSRCS
        transport.bound_ssrcs += 1
        layer = stream.layer
        for known, other in list(transport.streams.items()):
            if other.layer is layer and other.rtx == stream.rtx:
                del transport.streams[known]
        transport.streams[ssrc] = stream
        if not stream.rtx:
            if layer.ssrc is not None:
                layer.renew()
                self._hold(layer.source)
            layer.ssrc = ssrc
            if layer.source.video:
                self._tables.unestimated_transports[transport] = None
        self._outbox.batched.append(StreamBound(layer.source.handle, layer.index, ssrc, stream.rtx))
        return stream

    def _number(self, layer: Layer, stream: Stream, sequence: int, timestamp: int, now_us: int) -> int | Drop:
        """The packet's extended number in its layer; gaps are noted, late packets taken off the list."""
        reception = layer.reception
        before = reception.highest
        if stream.rtx:
            number = reception.extend_repair(sequence)
            if number is None:
                return Drop.RTX_UNKNOWN
        else:
            extended = reception.extend(sequence)
            if extended is None:
                return Drop.TOO_OLD
            number = extended
            reception.arrived(timestamp, now_us)
            if before is not None and number - before > 0xFFFF:
                layer.cache.clear()
                layer.nack.clear()
                self._hold(layer.source)
                return number
        if before is not None:
            if stream.rtx:
                layer.nack.repaired(number, now_us)
            elif number <= before:
                layer.nack.received(number)
            elif number > before + 1 and layer.source.video and layer.source.open:
                layer.nack.gap(before + 1, number, now_us)
                self._tables.missing_layers[layer] = None
        return number

    def _hold(self, source: Source) -> None:
        self._switching.hold(source)
        self._tapping.hold(source)

    def _read_level(self, layer: Layer, packet: Packet, data: bytes) -> None:
        identity = layer.source.add.extensions.audio_level
        value = rtp.extension(data, identity) if identity else None
        if value:
            packet.level = value[0]
            self._tables.levels.add(layer.source.handle, value[0] & 0x7F)

    def _alive(self, layer: Layer, packet: Packet, now_us: int) -> None:
        """The layer is being sent; tell the clock, and the slots if it was not before."""
        source = layer.source
        was_alive = source.alive(layer)
        layer.media_us = source.media_us = now_us
        if packet.sequence == layer.reception.highest:
            layer.clock.packet(packet.timestamp, now_us)
        if not was_alive:
            source.alive_before = source.alive_layers()
            self._switching.retarget(source)
            self._tapping.retarget(source)
        if packet.keyframe:
            source.keyframes.arrived(layer.index)


def _plain(layer: Layer, packet: Packet, payload: bytes | None = None) -> bytes:
    """The packet as its publisher could have sent it alone, without extensions; ``payload`` as it came where
    the packet's own was taken apart."""
    return rtp.build(
        payload_type=layer.source.add.payload_type,
        sequence_number=packet.sequence,
        timestamp=packet.timestamp,
        ssrc=layer.ssrc or 0,
        payload=packet.payload if payload is None else payload,
        marker=bool(packet.marker),
    )


def _unwrapped(data: bytes, offset: int, payload_type: int, payload: bytes) -> bytes:
    """The packet with its own header around this payload, without padding."""
    first, second = data[0] & ~_PADDED, data[1] & 0x80 | payload_type
    return b"".join((bytes((first, second)), data[2:offset], payload))
