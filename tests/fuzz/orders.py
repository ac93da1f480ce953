"""Sequences of commands, told as bytes, so that any bytes are some sequence: right, stale or hostile.

A record is one order: what it is, then its arguments, zeros where there are no more. Handles are few, so
that mutation names unknown, former and doubled ones all the time; media and checks come in between. Kept
inputs mean something as long as the orders keep their numbers and arguments: new ones go to the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sfu import rtcp, rtp, stun
from sfu.plane.api import (
    ALL_TEMPORAL,
    Address,
    AddSlot,
    AddSource,
    AddTap,
    AddTransport,
    Codec,
    Command,
    ExtensionIds,
    RemoveTap,
    RemoveTransport,
    RequestKeyframe,
    RestartIce,
    SendDtls,
    SetForward,
    SetGate,
    SetIngressEstimate,
    SetKeys,
    SetPacing,
    SetRedundancy,
    SlotHandle,
    SourceHandle,
    SrtpProfile,
    TransportHandle,
)
from tests.fuzz.mutation import Input
from tests.sfu.plane.cores import PlaneCore, TwinCore, native_core, reference_core
from tests.sfu.plane.rig import (
    IDS,
    OPUS_PT,
    PASSWORD,
    RED_PT,
    RIDS,
    START_US,
    VP8_PT,
    VP8_RTX_PT,
    Encoder,
    slot_ssrc,
)

(
    ADD_TRANSPORT,
    RESTART,
    KEYS,
    DTLS,
    REMOVE,
    SOURCE,
    GATE,
    SLOT,
    FORWARD,
    KEYFRAME,
    ESTIMATE,
    PACING,
    TAP,
    UNTAP,
    CHECK,
    FRAME,
    SOUND,
    FEEDBACK,
    WAIT,
    RAW,
    REDUNDANCY,
) = range(21)
LATER: Final = 0x80
"""Added to a command: it is handed over together with the next ones."""
_EXTENSIONS: Final = (IDS, ExtensionIds(), ExtensionIds(mid=4), ExtensionIds(mid=15, abs_send_time=3))
_TRANSPORTS, _SOURCES, _SLOTS, _TAPS, _UFRAGS, _MIDS, _TEMPORALS = 5, 6, 8, 3, 7, 4, 5
_PLACES: Final = 16
"""Addresses; usually that of a transport's number is that transport's."""
_WAITS_US: Final = (1_000, 10_000, 33_000, 100_000, 400_000, 600_000, 1_100_000, 6_000_000, 31_000_000)
_MAX_TOLD: Final = 40


class _Arguments:
    """Of a record, one after another."""

    def __init__(self, record: bytes) -> None:
        self._left = iter(record)

    def byte(self) -> int:
        return next(self._left, 0)

    def of(self, count: int) -> int:
        return self.byte() % count

    def number(self) -> int:
        return self.byte() << 8 | self.byte()

    def rest(self) -> bytes:
        return bytes(self._left)


class Orders:
    """Plays records to both cores."""

    def __init__(self) -> None:
        self.core = TwinCore(reference_core(), native_core())
        self.now_us = START_US
        self._later: list[Command] = []
        self._encoders: dict[tuple[int, int], Encoder] = {}
        self._highest: dict[int, int] = {}
        self._keyed: set[int] = set()
        self._keyed_again: set[int] = set()

    def play(self, record: bytes) -> None:
        """Carry out one record."""
        arguments = _Arguments(record)
        order = arguments.byte()
        command = self._command(order & ~LATER, arguments)
        if command is not None:
            self._later.append(command)
            if not order & LATER or len(self._later) >= _MAX_TOLD:
                self.flush()
            return
        self.flush()
        self._happen((order & ~LATER) % 20, arguments)
        self._look()

    def flush(self) -> None:
        """Hand over the commands that wait."""
        if self._later:
            commands, self._later = self._later, []
            self.core.apply(commands, self.now_us)
            self._look()

    def wait(self, duration_us: int) -> None:
        """Let time go by in at most twenty ticks."""
        step_us = max(10_000, duration_us // 20)
        end_us = self.now_us + duration_us
        while self.now_us < end_us:
            self.now_us = min(self.now_us + step_us, end_us)
            self.core.tick(self.now_us)
            self._look()

    def _look(self) -> None:
        for data, _ in self.core.datagrams:
            if len(data) >= 12 and 128 <= data[0] <= 191 and not rtp.is_rtcp(data):
                self._highest[rtp.ssrc(data)] = rtp.sequence_number(data)
        self.core.datagrams.clear()
        self.core.drain_events()

    def _command(self, order: int, arguments: _Arguments) -> Command | None:
        if order == REDUNDANCY:
            return SetRedundancy(TransportHandle(arguments.of(_TRANSPORTS)), _signed(arguments))
        if order > UNTAP:
            return None
        if order in (SOURCE, GATE, KEYFRAME):
            return self._about_source(order, arguments)
        if order in (SLOT, FORWARD):
            return self._about_slot(order, arguments)
        if order == TAP:
            return AddTap(arguments.of(_TAPS), SourceHandle(arguments.of(_SOURCES)), _signed(arguments))
        if order == UNTAP:
            return RemoveTap(arguments.of(_TAPS))
        return self._about_transport(order, arguments)

    def _about_transport(self, order: int, arguments: _Arguments) -> Command:
        number = arguments.of(_TRANSPORTS)
        transport = TransportHandle(number)
        match order:
            case 0:
                ufrag, cap = arguments.of(_UFRAGS), arguments.byte()
                return AddTransport(
                    transport,
                    f"u{ufrag}",
                    PASSWORD,
                    "theirs",
                    "q" * 22,
                    max_ingress_bps=(cap * 100_000) or 50_000_000,
                    pad_frames=bool(cap & 1),
                )
            case 1:
                return RestartIce(transport, f"u{arguments.of(_UFRAGS)}", PASSWORD, "theirs", "q" * 22)
            case 2:
                (self._keyed_again if number in self._keyed else self._keyed).add(number)
                return SetKeys(transport, SrtpProfile.AEAD_AES_128_GCM, bytes(28), bytes(28))
            case 3:
                return SendDtls(transport, b"\x16" + arguments.rest())
            case 4:
                return RemoveTransport(transport)
            case 10:
                return SetIngressEstimate(transport, arguments.number() << arguments.of(40))
            case _:
                return SetPacing(transport, arguments.number() << arguments.of(16))

    def _about_source(self, order: int, arguments: _Arguments) -> Command:
        number = arguments.of(_SOURCES)
        source = SourceHandle(number)
        if order == GATE:
            return SetGate(source, open=bool(arguments.byte() & 1))
        if order == KEYFRAME:
            return RequestKeyframe(source)
        transport, mid, form = arguments.of(_TRANSPORTS), arguments.of(_MIDS), arguments.byte()
        layers = 3 if form & 2 else 1
        ssrcs = tuple(1000 * number + 10 * layer for layer in range(layers)) if form & 4 else ()
        video = not form & 1
        temporal_layers = 1 + arguments.of(3)
        for layer in range(3):
            self._encoders[number, layer] = Encoder(
                1000 * number + 10 * layer,
                mid=f"m{mid}",
                rid=RIDS[layer] if layers > 1 else None,
                sequence=65_530 if form & 8 else 7,
                timestamp=4_294_960_000 + 5000 * layer,
                picture_id=None if form & 16 else 126,
                payload_type=VP8_PT if video else OPUS_PT,
                temporal_layers=temporal_layers,
            )
        return AddSource(
            source,
            TransportHandle(transport),
            Codec.VP8 if video else Codec.OPUS,
            90_000 if video else 48_000,
            f"m{mid}",
            VP8_PT if video else OPUS_PT,
            VP8_RTX_PT if video else None,
            _EXTENSIONS[2 if form & 32 else 0],
            rids=RIDS if layers > 1 else (),
            ssrcs=ssrcs,
            rtx_ssrcs=tuple(ssrc + 1 for ssrc in ssrcs) if form & 64 else (),
            open=not form & 128,
            red_payload_type=None if video else RED_PT,
        )

    def _about_slot(self, order: int, arguments: _Arguments) -> Command:
        number = arguments.of(_SLOTS)
        slot = SlotHandle(number)
        if order == FORWARD:
            source = arguments.byte() % (_SOURCES + 1)
            shown = None if source == _SOURCES else SourceHandle(source)
            return SetForward(slot, shown, _signed(arguments), ALL_TEMPORAL - arguments.of(_TEMPORALS))
        transport, form = TransportHandle(arguments.of(_TRANSPORTS)), arguments.byte()
        video, repaired = not form & 1, bool(form & 2)
        ssrc = slot_ssrc(SlotHandle(0 if form & 4 else number))
        return AddSlot(
            slot,
            transport,
            Codec.VP8 if video else Codec.OPUS,
            90_000 if video else 48_000,
            f"s{number}",
            ssrc,
            ssrc + 1 if repaired else None,
            "zvonok",
            VP8_PT if video else OPUS_PT,
            VP8_RTX_PT if repaired else None,
            _EXTENSIONS[form >> 4 & 3],
            65_530 if form & 8 else 0,
            4_294_900_000,
            red_payload_type=None if video else RED_PT,
        )

    def _happen(self, order: int, arguments: _Arguments) -> None:
        if order == WAIT:
            self.wait(_WAITS_US[arguments.of(len(_WAITS_US))])
            return
        number = arguments.of(_PLACES)
        address = ("192.0.2.1", 1000 + number)
        match order:
            case 14:
                self._check(address, arguments)
            case 15 | 16:
                self._media(order, address, arguments)
            case 17:
                self._feedback(number, address, arguments)
            case _:
                self.core.receive(arguments.rest(), address, self.now_us)

    def _check(self, address: Address, arguments: _Arguments) -> None:
        ufrag, form = arguments.of(_UFRAGS), arguments.byte()
        check = stun.build_binding_request(
            bytes(12),
            local_ufrag="theirs",
            remote_ufrag=f"u{ufrag}",
            remote_password=PASSWORD if not form & 1 else "x" * 22,
            priority=form,
            use_candidate=not form & 2,
            controlling=5,
        )
        self.core.receive(check, address, self.now_us)

    def _media(self, order: int, address: Address, arguments: _Arguments) -> None:
        source, layer, form = arguments.of(_SOURCES), arguments.of(3), arguments.byte()
        encoder = self._encoders.get((source, layer))
        if encoder is None:
            return
        if form & 16:
            encoder.sequence += 1 + (form >> 5) * 40
        if order == FRAME:
            packets = encoder.frame(1 + (form >> 1 & 3), keyframe=bool(form & 1))
        else:
            level, redundancy = 127 if form & 1 else 30, arguments.of(4)
            packets = [encoder.sound(level=level, redundancy=redundancy) for _ in range(1 + (form >> 1 & 7))]
        for packet in packets:
            self.core.receive(packet, address, self.now_us)
            self._look()

    def _feedback(self, number: int, address: Address, arguments: _Arguments) -> None:
        slot, form, back = arguments.of(_SLOTS), arguments.of(4), arguments.byte()
        ssrc = slot_ssrc(SlotHandle(slot))
        last = self._highest.get(ssrc, 0)
        if form == 0:
            # What was numbered before keys were set anew need not be sent again.
            if not self._keyed_again:
                numbers = [(last - back % 64 + index) & 0xFFFF for index in range(1 + back // 64)]
                self.core.receive(rtcp.build_nack(1, ssrc, numbers), address, self.now_us)
            return
        block = rtcp.ReportBlock(ssrc, back, 1, last, 2, 0, 655)
        told = (
            rtcp.build_pli(1, ssrc),
            rtcp.build_fir(1, [(ssrc, back)]),
            rtcp.build_receiver_report(1, [block]) + rtcp.build_remb(1, back << 14, [ssrc]),
        )
        self.core.receive(told[form - 1], address, self.now_us)


def play_orders(records: Input) -> PlaneCore:
    """Records are orders; both cores do the same for any of them."""
    orders = Orders()
    for record in records:
        orders.play(record)
    orders.flush()
    orders.wait(400_000)
    return orders.core


def _signed(arguments: _Arguments) -> int:
    value = arguments.byte()
    return value - 256 if value > 127 else value


def _program(*parts: Sequence[Sequence[int]]) -> Input:
    return tuple(bytes(order) for part in parts for order in part)


def _join(number: int) -> list[list[int]]:
    return [[ADD_TRANSPORT, number, number], [CHECK, number, number, 100], [KEYS, number]]


def _frames(transport: int, source: int, layers: int, count: int) -> list[list[int]]:
    found = []
    for number in range(count):
        found += [[FRAME, transport, source, layer, (number == 0) | 2] for layer in range(layers)]
        found.append([WAIT, 2])
    return found


_PAIR: Final = [*_join(0), *_join(1), *_join(2)]
_CAMERAS: Final = [
    [SOURCE, 0, 0, 0, 2],
    [SOURCE, 1, 1, 1, 4 | 64 | 8],
    [SOURCE | LATER, 2, 0, 2, 1],
    [SLOT | LATER, 0, 2, 2 | 8],
    [SLOT | LATER, 1, 1, 2],
    [SLOT | LATER, 2, 2, 1],
    [FORWARD | LATER, 0, 0, 2],
    [FORWARD | LATER, 1, 0, 1],
    [FORWARD, 2, 2, 0],
]
PROGRAMS: Final[tuple[Input, ...]] = (
    _program(
        _PAIR,
        _CAMERAS,
        _frames(0, 0, 3, 4),
        [[FEEDBACK, 2, 0, 0, 70], [FORWARD, 0, 0, 0], [FEEDBACK, 2, 0, 1, 1]],
        _frames(0, 0, 3, 3),
        [[FRAME, 0, 0, 0, 16 | 2], [WAIT, 3], [GATE, 0, 0], [FRAME, 0, 0, 1], [WAIT, 4], [GATE, 0, 1]],
        [[KEYFRAME, 0], [FORWARD, 1, 0, 7], [WAIT, 3]],
        _frames(0, 0, 3, 2),
        [[REMOVE, 0], [FORWARD, 0, 0, 2], [FRAME, 0, 0, 0, 1], [WAIT, 3]],
    ),
    _program(
        _PAIR,
        _CAMERAS,
        _frames(1, 1, 1, 3),
        [[FORWARD | LATER, 0, 1, 0], [FORWARD, 1, 6]],
        _frames(1, 1, 1, 3),
        [[TAP, 0, 1, 2], [TAP | LATER, 1, 2, 0]],
        _frames(1, 1, 1, 3),
        [[SOUND, 0, 2, 0, 14], [WAIT, 3], [SOUND, 0, 2, 0, 15], [WAIT, 4], [UNTAP, 0], [REMOVE, 1]],
    ),
    _program(
        _PAIR,
        _CAMERAS,
        [[SOURCE, 3, 1, 2, 0, 2], [SLOT, 3, 2, 2], [FORWARD, 3, 3, 0, 3], [REDUNDANCY, 2, 2]],
        _frames(1, 3, 1, 6),
        [[SOUND, 0, 2, 0, 4, 2], [SOUND, 0, 2, 0, 16 | 4, 2], [REDUNDANCY, 2, 1], [FORWARD, 3, 3, 0, 1]],
        _frames(1, 3, 1, 9),
        [[SOUND, 0, 2, 0, 4, 3], [FORWARD, 3, 3, 0, 2], [FRAME, 1, 3, 0, 16 | 2], [FEEDBACK, 2, 3, 0, 200]],
    ),
    _program(
        _PAIR,
        _CAMERAS,
        [[CHECK, place, 1, 4 * place] for place in range(3, 16)],
        [[RAW, place, 22, 254] for place in range(16)],
        [[RESTART, 0, 5], [CHECK, 0, 0, 9], [CHECK, 0, 5, 9], [RESTART | LATER, 1, 6], [RESTART, 1, 5]],
        _frames(0, 0, 3, 2),
        [[WAIT, 8], [FRAME, 0, 0, 0, 1], [CHECK, 2, 2, 9], [CHECK, 2, 0, 9], [DTLS, 2, 1, 2], [KEYS, 2]],
        _frames(0, 0, 3, 2),
        [[FEEDBACK, 2, 0, 3, 200], [ESTIMATE, 0, 9, 9, 12], [PACING, 2, 9, 9, 9], [WAIT, 6]],
        [
            [ADD_TRANSPORT, 0, 1],
            [SLOT, 0, 1, 4],
            [SLOT, 3, 1, 4 | 2],
            [SOURCE, 0, 1, 0, 2],
            [FORWARD, 3, 5, 1],
        ],
        [[REMOVE, 2], [FORWARD, 0, 0, 1], [KEYS, 2], [ADD_TRANSPORT, 2, 2], [SLOT, 0, 2, 2], [RAW, 0, 22, 1]],
    ),
)
