"""From a received packet to the slots that show its layer."""

from __future__ import annotations

from collections.abc import Sequence

from sfu.plane.api import Drop
from sfu.plane.core.extensions import send_time_bytes
from sfu.plane.core.outbox import Outbox
from sfu.plane.core.packet import Packet
from sfu.plane.core.redundancy import brought_along
from sfu.plane.core.silence import Passage, comfort
from sfu.plane.core.slot import Slot
from sfu.plane.core.source import Layer
from sfu.plane.core.switching import Switching


class Forwarding:
    """Sends packets of open sources through slots."""

    def __init__(
        self, outbox: Outbox, switching: Switching, crypto_errors: tuple[type[Exception], ...]
    ) -> None:
        self._outbox = outbox
        self._crypto_errors = crypto_errors
        self._switching = switching

    def forward(self, layer: Layer, packet: Packet, now_us: int) -> None:
        """Switch the slots that waited for this packet, then send it to all who show the layer."""
        begun: list[Slot] = []
        if layer.waiting and (packet.keyframe or not layer.source.video):
            begun = [slot for slot in layer.waiting if slot.transport.ready]
            for slot in begun:
                self._switching.begin(slot, layer, packet)
        viewers = layer.viewers
        if not viewers:
            return
        redundant = False
        if not layer.source.video:
            passage = layer.silence.passes(packet.level, now_us)
            if passage is Passage.NOTHING and not begun:
                self.pass_over(layer, packet, now_us)
                return
            redundant = passage is Passage.WHOLE
            if not redundant:
                packet = comfort(packet)
        send_time = send_time_bytes(now_us)
        for slot in viewers:
            self._send(slot, packet, send_time, _brought_along(slot, layer, packet) if redundant else ())
        if begun:
            self._catch_up(begun, layer, packet, send_time)

    def pass_over(self, layer: Layer, packet: Packet, now_us: int) -> None:
        """Padding alone, or silence: left out without a gap where later packets are still to come."""
        for slot in layer.viewers:
            if not slot.munger.skip(packet.sequence):
                self._send(slot, packet, send_time_bytes(now_us))

    def _catch_up(self, slots: list[Slot], layer: Layer, packet: Packet, send_time: bytes) -> None:
        """A keyframe's first packet came after others of it: those are in the cache."""
        highest = layer.reception.highest or 0
        for sequence in range(packet.sequence + 1, highest + 1):
            following = layer.cache.get(sequence)
            if following is not None:
                for slot in slots:
                    self._send(slot, following, send_time)

    def _send(self, slot: Slot, packet: Packet, send_time: bytes, earlier: Sequence[Packet] = ()) -> None:
        outbox = self._outbox
        transport = slot.transport
        session = transport.session
        address = transport.address
        if session is None or address is None:
            outbox.drop(Drop.NO_KEYS if session is None else Drop.NO_ADDRESS)
            return
        if slot.leaves_out(packet):
            slot.munger.skip(packet.sequence, packet.picture_id)
            return
        placed = slot.munger.place(packet)
        if placed is None:
            outbox.drop(Drop.TOO_OLD)
            return
        sequence, picture_offset = placed
        if earlier:
            plain = slot.write_redundant(packet, sequence, earlier, send_time)
        else:
            plain = slot.write(packet, sequence, picture_offset, send_time)
        if slot.video:
            slot.note_sent(sequence, packet.sequence)
        slot.packets += 1
        slot.octets += len(plain)
        try:
            datagram = session.protect(plain)
        except self._crypto_errors:
            outbox.drop(Drop.UNPROTECT)
            return
        outbox.counters.packets_forwarded += 1
        outbox.send(datagram, address)


def _brought_along(slot: Slot, layer: Layer, packet: Packet) -> Sequence[Packet]:
    """A receiver that is to have redundancy gets earlier packets along with one that is its newest."""
    distance = slot.transport.redundancy
    munger = slot.munger
    if not distance or slot.add.red_payload_type is None or not munger.is_newest(packet.sequence):
        return ()
    return brought_along(packet, layer.cache, distance, munger.first)
