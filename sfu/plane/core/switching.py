"""Which slot gets which layer's packets: commands, gates and layers that come and go."""

from __future__ import annotations

from sfu.plane.api import SlotSwitched
from sfu.plane.core.outbox import Outbox
from sfu.plane.core.packet import Packet
from sfu.plane.core.selection import choose_layer
from sfu.plane.core.slot import Slot
from sfu.plane.core.source import Layer, Source
from sfu.plane.core.tables import Tables
from sfu.plane.core.transport import Transport


class Switching:
    """Keeps ``viewers`` and ``waiting`` of the layers in step with what the slots are to show."""

    def __init__(self, tables: Tables, outbox: Outbox) -> None:
        self._tables = tables
        self._outbox = outbox

    def show(self, slot: Slot, source: Source | None, wanted_layer: int) -> None:
        """Carry out SetForward. Another source stops the present one at once."""
        slot.wanted_layer = wanted_layer
        if source is not slot.source:
            self._leave(slot)
            if slot.source is not None:
                slot.source.slots.discard(slot)
            slot.source = source
            if source is None:
                self._outbox.batched.append(SlotSwitched(slot.handle, None, 0))
            else:
                source.slots.add(slot)
        if source is not None:
            self._aim(slot, source)

    def retarget(self, source: Source) -> None:
        """Layers of the source came or went."""
        for slot in source.slots:
            self._aim(slot, source)

    def hold(self, source: Source) -> None:
        """The source is interrupted: who shows it goes on at its next keyframe, without a gap."""
        for slot in source.slots:
            self._leave(slot)
            self._aim(slot, source)

    def hold_slots(self, receiver: Transport) -> None:
        """The receiver can't be sent to: its slots go on at a keyframe when it can, without a gap."""
        for slot in receiver.slots:
            if slot.source is not None:
                self._leave(slot)
                self._aim(slot, slot.source)

    def receiver_ready(self, receiver: Transport) -> None:
        """The receiver can be sent to: ask for the keyframes its slots wait for."""
        for slot in receiver.slots:
            if slot.pending is not None:
                self.want_keyframe(slot.pending)

    def release(self, slot: Slot) -> None:
        """The slot itself goes away."""
        self._leave(slot)
        if slot.source is not None:
            slot.source.slots.discard(slot)
            slot.source = None

    def begin(self, slot: Slot, layer: Layer, packet: Packet) -> None:
        """The slot gets this layer from this packet on."""
        if slot.current is not None:
            slot.current.viewers.remove(slot)
        if slot.pending is not None:
            slot.pending.waiting.remove(slot)
            slot.pending = None
        slot.start(layer, packet)
        layer.viewers.append(slot)
        self._tables.unreported_slots[slot] = None
        self._outbox.batched.append(SlotSwitched(slot.handle, layer.source.handle, layer.index))

    def want_keyframe(self, layer: Layer) -> None:
        """Ask the publisher, within the throttle, until one comes."""
        source = layer.source
        if source.video and source.open:
            source.keyframes.want(layer.index)
            self._tables.keyframe_sources[source] = None

    def _leave(self, slot: Slot) -> None:
        if slot.current is not None:
            slot.current.viewers.remove(slot)
            slot.current = None
        if slot.pending is not None:
            slot.pending.waiting.remove(slot)
            slot.pending = None

    def _aim(self, slot: Slot, source: Source) -> None:
        target = choose_layer(source, slot.wanted_layer)
        if target is slot.current:
            target = None
        if target is slot.pending:
            return
        if slot.pending is not None:
            slot.pending.waiting.remove(slot)
        slot.pending = target
        if target is not None:
            target.waiting.append(slot)
            if slot.transport.ready:
                self.want_keyframe(target)
