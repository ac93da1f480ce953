"""RTCP from a peer: reports, requests for packets and keyframes."""

from __future__ import annotations

from typing import Final

from sfu import rtcp
from sfu.model import ParseError
from sfu.plane.api import Drop
from sfu.plane.core.extensions import send_time_bytes
from sfu.plane.core.housekeeping import Housekeeping
from sfu.plane.core.outbox import Outbox
from sfu.plane.core.slot import Slot
from sfu.plane.core.switching import Switching
from sfu.plane.core.tapping import Tapping
from sfu.plane.core.transport import Transport

_MAX_NACKED: Final = 512
LOSSY: Final = 0.03
"""From this loss on a repair is sent twice: where it is lost too, the next comes too late to be seen."""
OVERFULL: Final = 0.4
"""From so much on it is a queue that loses, and two copies are too many."""
_DEFAULT_ROUND_TRIP_US: Final = 20_000
_REFERENCE_US: Final = 400_000
"""A browser's receivers each ask about once a second; one answer tells all of them."""


class Feedback:
    """Carries out what a peer's RTCP asks, within the budgets."""

    def __init__(
        self,
        outbox: Outbox,
        switching: Switching,
        tapping: Tapping,
        housekeeping: Housekeeping,
        wall_offset_us: int,
    ) -> None:
        self._outbox = outbox
        self._housekeeping = housekeeping
        self._switching = switching
        self._tapping = tapping
        self._wall_offset_us = wall_offset_us

    def receive(self, transport: Transport, data: bytes, now_us: int) -> Drop | None:
        """One unprotected RTCP datagram, compound or of reduced size (RFC 5506)."""
        try:
            packets = rtcp.parse(data)
        except ParseError:
            return Drop.RTCP_MALFORMED
        for packet in packets:
            match packet:
                case rtcp.SenderReport():
                    self._sender_report(transport, packet, now_us)
                    self._reports(transport, packet.reports, now_us)
                case rtcp.ReceiverReport():
                    self._reports(transport, packet.reports, now_us)
                case rtcp.Nack():
                    self._nack(transport, packet, now_us)
                case rtcp.Pli():
                    self._keyframe(transport, packet.media_ssrc, now_us)
                case rtcp.Fir():
                    for ssrc, _ in packet.requests[:64]:
                        self._keyframe(transport, ssrc, now_us)
                case rtcp.Remb():
                    transport.remb_bps = packet.bps
                    transport.reports_changed = True
                case rtcp.ReceiverReference():
                    self._answer_reference(transport, packet, now_us)
                case _:
                    pass
        return None

    def _sender_report(self, transport: Transport, report: rtcp.SenderReport, now_us: int) -> None:
        stream = transport.streams.get(report.ssrc)
        if stream is None or stream.rtx:
            return
        layer = stream.layer
        ntp_us = rtcp.us_from_ntp(report.ntp)
        transport.clock.report(ntp_us, now_us)
        layer.clock.report(ntp_us, layer.timestamps.nearest(report.rtp_timestamp))
        layer.reception.sender_report(rtcp.ntp_middle(report.ntp), now_us)
        if layer.source.open and layer.source.taps:
            alone = rtcp.build_sender_report(
                report.ssrc,
                ntp=report.ntp,
                rtp_timestamp=report.rtp_timestamp,
                packet_count=report.packet_count,
                octet_count=report.octet_count,
            )
            self._tapping.take_report(layer.source, alone, now_us)

    def _reports(self, transport: Transport, blocks: tuple[rtcp.ReportBlock, ...], now_us: int) -> None:
        expected = lost_256 = 0
        pictures_expected = pictures_lost_256 = 0
        for block in blocks:
            slot = transport.slots_by_ssrc.get(block.ssrc)
            if slot is None:
                continue
            before = slot.reported_highest
            slot.reported_highest = block.highest_sequence
            never_sent = slot.never_sent(block.highest_sequence)
            if before is not None:
                packets = (block.highest_sequence - before) & 0xFFFFFFFF
                if packets < 1 << 20:
                    sent = max(0, packets - never_sent)
                    missing_256 = max(0, packets * block.fraction_lost - 256 * never_sent)
                    expected += sent
                    lost_256 += missing_256
                    if slot.video:
                        pictures_expected += sent
                        pictures_lost_256 += missing_256
            now_ntp = rtcp.ntp_from_us(now_us + self._wall_offset_us)
            round_trip_us = rtcp.round_trip_us(now_ntp, block.lsr, block.dlsr)
            if round_trip_us is not None:
                transport.round_trip_us = round_trip_us
            transport.reports_changed = True
        transport.pictures_reported += pictures_expected
        transport.pictures_lost_256 += pictures_lost_256
        transport.sound_reported += expected - pictures_expected
        transport.sound_lost_256 += lost_256 - pictures_lost_256
        if expected:
            transport.fraction_lost = lost_256 / (256 * expected)
        elif transport.fraction_lost is None and transport.reports_changed:
            transport.fraction_lost = 0.0

    def _nack(self, transport: Transport, nack: rtcp.Nack, now_us: int) -> None:
        counters = self._outbox.counters
        counters.nacks_received += 1
        slot = transport.slots_by_ssrc.get(nack.media_ssrc)
        if slot is None or slot.add.rtx_ssrc is None:
            self._outbox.drop(Drop.RTX_UNKNOWN, len(nack.lost[:_MAX_NACKED]))
            return
        repaired: list[int] = []
        for number in nack.lost[:_MAX_NACKED]:
            dropped = self._repair(transport, slot, number, now_us, again=False)
            if dropped is None:
                repaired.append(number)
            else:
                self._outbox.drop(dropped)
        counters.packets_retransmitted += len(repaired)
        if not LOSSY <= (transport.fraction_lost or 0) < OVERFULL:
            return
        for number in repaired:
            if self._repair(transport, slot, number, now_us, again=True) is None:
                counters.packets_retransmitted += 1

    def _repair(
        self, transport: Transport, slot: Slot, number: int, now_us: int, *, again: bool
    ) -> Drop | None:
        session = transport.session
        address = transport.address
        if session is None:
            return Drop.NO_KEYS
        if address is None:
            return Drop.NO_ADDRESS
        sent = slot.sent_packet(number)
        if sent is None:
            return Drop.RTX_UNKNOWN
        sequence, segment, packet = sent
        if not segment.layer.source.open:
            return Drop.GATED
        round_trip_us = transport.round_trip_us or _DEFAULT_ROUND_TRIP_US
        plain = slot.write_repair(packet, sequence, segment, send_time_bytes(now_us))
        if again:
            allowed = slot.budget.take(len(plain))
        else:
            allowed = slot.budget.allow(sequence, len(plain), slot.octets, now_us, round_trip_us)
        if not allowed:
            return Drop.RTX_BUDGET
        slot.rtx_sequence += 1
        slot.repair_packets += 1
        slot.repair_octets += len(plain)
        self._outbox.send(session.protect(plain), address)
        return None

    def _answer_reference(self, transport: Transport, reference: rtcp.ReceiverReference, now_us: int) -> None:
        """One who sends nothing knows its round trip by this only, and by that when to ask again."""
        answered_us = transport.reference_answered_us
        if answered_us is not None and now_us - answered_us < _REFERENCE_US:
            return
        transport.reference_answered_us = now_us
        last_rr = rtcp.ntp_middle(reference.ntp)
        answer = rtcp.build_dlrr(transport.reporter_ssrc, reference.sender_ssrc, last_rr, 0)
        self._housekeeping.send_feedback(transport, answer)

    def _keyframe(self, transport: Transport, ssrc: int, now_us: int) -> None:
        slot = transport.slots_by_ssrc.get(ssrc)
        if slot is None or not slot.video:
            return
        self._outbox.counters.keyframe_requests_received += 1
        layer = slot.pending or slot.current
        if layer is not None and slot.back_off.allow(now_us):
            self._switching.want_keyframe(layer)
