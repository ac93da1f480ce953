"""A lesson's picture and sound over a made-up line, with the estimate, budget and fitting that serve it, in
made-up time: a second of it takes a few milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from loadtest.network import Impairment, Link
from sfu.allocation import Allocation, Target
from sfu.estimate import Budget, LineEstimate, Redundancy, Report
from sfu.fitting import Fit, fit, wanted_bps
from sfu.model import ParticipantId, SlotIndex, Source

TICK_US: Final = 20_000
SECOND: Final = 1_000_000
PACKET: Final = 1100
SOUND_OCTETS: Final = 120
TEACHER: Final = ParticipantId("teacher")
LAYERS_BPS: Final = (150_000, 500_000)
TILE_BPS: Final = (40_000,)
TILES: Final = 6


def _allocation() -> Allocation:
    targets: list[Target | None] = [None] * (SlotIndex.FIRST_TILE + TILES)
    targets[SlotIndex.STAGE_VIDEO] = Target(TEACHER, Source.CAMERA, drawn=True, layer=1)
    targets[SlotIndex.STAGE_SOUND] = Target(TEACHER, Source.MICROPHONE, drawn=True, layer=0)
    for number in range(TILES):
        who = ParticipantId(f"student {number}")
        targets[SlotIndex.FIRST_TILE + number] = Target(who, Source.CAMERA, drawn=True, layer=0)
    return Allocation(tuple(targets), 1)


ALLOCATION: Final = _allocation()
COSTS: Final = {
    (TEACHER, Source.CAMERA): LAYERS_BPS,
    **{(ParticipantId(f"student {n}"), Source.CAMERA): TILE_BPS for n in range(TILES)},
}


@dataclass
class Second:
    """What a second was like for the receiver."""

    stage_bps: int
    tiles: int
    lite: bool
    sound_sent: int = 0
    sound_lost: int = 0


@dataclass
class Line:
    """Run it; ``seconds`` tells."""

    impairment: Impairment
    seed: int = 1
    seconds: list[Second] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._down = Link(self.impairment, self.seed)
        self._chance = Random(self.seed)
        self._estimate, self._budget, self._redundancy = LineEstimate(), Budget(), Redundancy()
        self._now_us = 0
        self._sent_octets = 0
        self._told = {"pictures": [0, 0], "sound": [0, 0]}
        """Reported and lost so far."""
        self._arrivals: list[tuple[int, bool, str]] = []
        self._report_due_us = self._sound_due_us = 0
        self._round_trip_ms = 0.0
        self._owed = 0.0
        self._fit = Fit()
        self._refit()

    def change(self, impairment: Impairment) -> None:
        """It is so from now on."""
        self.impairment = impairment
        self._down.change(impairment)

    def run(self, seconds: int) -> list[Second]:
        """Those that went by."""
        for _ in range(seconds):
            self.seconds.append(self._second())
        return self.seconds[-seconds:]

    def _second(self) -> Second:
        stage = self._fit.shares[SlotIndex.STAGE_VIDEO]
        video_bps = self._video_bps()
        tiles = sum(self._fit.shares[SlotIndex.FIRST_TILE + n] is not None for n in range(TILES))
        second = Second(0 if stage is None else LAYERS_BPS[stage.layer], tiles, self._fit.lite)
        end_us = self._now_us + SECOND
        while self._now_us < end_us:
            self._now_us += TICK_US
            second.sound_sent += 1
            second.sound_lost += not self._send(SOUND_OCTETS * (1 + self._fit.redundancy), "sound")
            self._owed += video_bps / 8 * TICK_US / SECOND
            while self._owed >= PACKET:
                self._owed -= PACKET
                self._send(PACKET, "pictures")
            if self._now_us >= self._report_due_us:
                self._report()
        return second

    def _send(self, octets: int, kind: str) -> bool:
        self._sent_octets += octets
        arrives_us = self._down.send(self._now_us, octets + 40)
        came = arrives_us is not None
        self._arrivals.append((self._now_us if arrives_us is None else arrives_us, came, kind))
        if arrives_us is not None:
            self._round_trip_ms = (arrives_us - self._now_us) / 1000 + self.impairment.delay_ms
        return arrives_us is not None

    def _report(self) -> None:
        """On pictures each second or so, on sound each five; some are lost."""
        kinds = set()
        if self._now_us >= self._sound_due_us:
            kinds.add("sound")
            self._sound_due_us = self._now_us + round(5 * SECOND * self._chance.uniform(0.5, 1.5))
        if self._video_bps():
            kinds.add("pictures")
            self._report_due_us = self._now_us + round(SECOND * self._chance.uniform(0.5, 1.5))
        else:
            self._report_due_us = self._sound_due_us
        if self._chance.random() < self.impairment.loss:
            return
        due = [each for each in self._arrivals if each[0] <= self._now_us and each[2] in kinds]
        self._arrivals = [each for each in self._arrivals if each[0] > self._now_us or each[2] not in kinds]
        for _, came, kind in due:
            self._told[kind][0] += 1
            self._told[kind][1] += not came
        pictures, sound = self._told["pictures"], self._told["sound"]
        report = Report(
            self._now_us,
            self._sent_octets,
            pictures[0],
            pictures[1],
            sound[0],
            sound[1],
            self._round_trip_ms,
        )
        lost = sum(not came for _, came, _ in due)
        self._estimate.update(report, wanted_bps(ALLOCATION, COSTS))
        changed = self._redundancy.follow(lost / len(due) if due else 0.0, self._now_us)
        if self._budget.follow(self._estimate.bps, self._now_us) or changed:
            self._refit()

    def _refit(self) -> None:
        self._fit = fit(ALLOCATION, COSTS, budget_bps=self._budget.bps, redundancy=self._redundancy.distance)
        if self._video_bps():
            self._report_due_us = min(self._report_due_us, self._now_us + SECOND)

    def _video_bps(self) -> float:
        shares = enumerate(self._fit.shares)
        return sum(
            _cost(index, share.layer, share.temporal)
            for index, share in shares
            if share is not None and index in (SlotIndex.STAGE_VIDEO, *range(SlotIndex.FIRST_TILE, 99))
        )


def _cost(index: int, layer: int, temporal: int) -> float:
    costs = LAYERS_BPS if index == SlotIndex.STAGE_VIDEO else TILE_BPS
    return costs[min(layer, len(costs) - 1)] * {0: 0.4, 1: 0.6}.get(temporal, 1.0)
