"""Which slot gets which layer's packets: commands, gates and layers that come and go."""

from __future__ import annotations

from sfu.plane.api import LINGER_US, SlotSwitched
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

    def show(self, slot: Slot, source: Source, wanted_layer: int, now_us: int) -> None:
        """Carry out SetForward. The picture of another source may linger until this one's keyframe."""
        slot.wanted_layer = wanted_layer
        if source is not slot.source:
            self._forget_pending(slot)
            if slot.source is not None:
                slot.source.slots.pop(slot, None)
            slot.source = source
            source.slots[slot] = None
            lingering = self._tables.lingering_slots
            if slot.current is None or slot.current.source is source:
                lingering.pop(slot, None)
            elif slot.video:
                # Of three sources in a row the first still has only its own second.
                lingering.setdefault(slot, now_us + LINGER_US)
            else:
                self._forget_current(slot)
        self._aim(slot, source)

    def empty(self, slot: Slot) -> None:
        """Show nothing from now on."""
        if slot.source is not None:
            self.release(slot)
            self._outbox.batched.append(SlotSwitched(slot.handle, None, 0))

    def retarget(self, source: Source) -> None:
        """Layers of the source came or went."""
        for slot in source.slots:
            self._aim(slot, source)

    def hold(self, source: Source) -> None:
        """The source is interrupted: who shows it goes on at its next keyframe, without a gap."""
        self._stop_viewers(source)
        for slot in source.slots:
            self._forget_pending(slot)
            self._aim(slot, source)

    def remove(self, source: Source) -> None:
        """The source goes away: who shows it, or is to, goes empty; who lingers on it waits without."""
        for slot in list(source.slots):
            self.empty(slot)
        self._stop_viewers(source)

    def expire(self, now_us: int) -> None:
        """Stop the pictures that have lingered long enough; their slots still wait for the new ones."""
        for slot, until_us in list(self._tables.lingering_slots.items()):
            if now_us < until_us:
                break
            self._stop(slot)

    def hold_slots(self, receiver: Transport) -> None:
        """The receiver can't be sent to: its slots go on at a keyframe when it can, without a gap."""
        for slot in receiver.slots:
            if slot.source is not None:
                self._stop(slot)
                self._forget_pending(slot)
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
            slot.source.slots.pop(slot, None)
            slot.source = None

    def begin(self, slot: Slot, layer: Layer, packet: Packet) -> None:
        """The slot gets this layer from this packet on."""
        self._leave(slot)
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

    def _stop_viewers(self, source: Source) -> None:
        """No slot gets a packet of the source any more, whatever it is to show."""
        for layer in source.layers:
            for slot in list(layer.viewers):
                self._stop(slot)

    def _stop(self, slot: Slot) -> None:
        """What the slot gets now ends; said when that was another source's, which nobody else tells."""
        if slot in self._tables.lingering_slots:
            self._outbox.batched.append(SlotSwitched(slot.handle, None, 0))
        self._forget_current(slot)

    def _leave(self, slot: Slot) -> None:
        self._forget_current(slot)
        self._forget_pending(slot)

    def _forget_current(self, slot: Slot) -> None:
        if slot.current is not None:
            slot.current.viewers.remove(slot)
            slot.current = None
            self._tables.lingering_slots.pop(slot, None)

    def _forget_pending(self, slot: Slot) -> None:
        if slot.pending is not None:
            slot.pending.waiting.remove(slot)
            slot.pending = None

    def _aim(self, slot: Slot, source: Source) -> None:
        target = choose_layer(source, slot.wanted_layer)
        if target is slot.current:
            target = None
        if target is not slot.pending:
            self._forget_pending(slot)
            slot.pending = target
            if target is not None:
                target.waiting.append(slot)
                if slot.transport.ready:
                    self.want_keyframe(target)
        if slot in self._tables.lingering_slots and (slot.pending is None or not source.open):
            self._stop(slot)
