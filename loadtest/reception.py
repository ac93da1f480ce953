"""What one connection receives, counted by SSRC and sequence number; nothing is decrypted for it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from loadtest.continuity import Continuity, Count, total
from sfu import rtcp
from sfu.model import SEND_SECTIONS, MediaKind, slot_kind

ASK_AGAIN_S: Final = 0.1
MOST_ASKED: Final = 10
_HEADER: Final = Struct("!2xH4xI")
_FID: Final = re.compile(r"^a=ssrc-group:FID (\d+) (\d+)", re.MULTILINE)
_SSRC: Final = re.compile(r"^a=ssrc:(\d+) ", re.MULTILINE)


@dataclass(slots=True)
class _Source:
    ssrc: int
    slot: int
    video: bool
    asked_s: float = 0.0
    told: tuple[int, int] = (0, 0)
    continuity: Continuity = field(default_factory=Continuity)


class Reception:
    """The slots of an answer's SDP."""

    def __init__(self, answer: str) -> None:
        self._sources: dict[int, _Source] = {}
        self._repairs: dict[int, _Source] = {}
        sections = re.split(r"^m=", answer, flags=re.MULTILINE)[1 + len(SEND_SECTIONS) :]
        for slot, section in enumerate(sections):
            if (found := _SSRC.search(section)) is None:
                continue
            ssrc = int(found[1])
            video = slot_kind(slot) is MediaKind.VIDEO
            self._sources[ssrc] = _Source(ssrc, slot, video)
            if pair := _FID.search(section):
                self._repairs[int(pair[2])] = self._sources[int(pair[1])]

    def take(self, packet: bytes) -> int | None:
        """A packet as it came; its slot, None for repairs and for what belongs to none."""
        number, ssrc = _HEADER.unpack_from(packet)
        source = self._sources.get(ssrc)
        if source is None:
            return None
        if source.continuity.take(number):
            source.asked_s = 0.0  # at once
        return source.slot

    def is_repair(self, packet: bytes) -> bool:
        """Whether it has to be decrypted to tell what it repairs (RFC 4588)."""
        return int.from_bytes(packet[8:12], "big") in self._repairs

    def repair(self, ssrc: int, payload: bytes) -> None:
        """A decrypted repair's payload; padding alone repairs nothing."""
        if len(payload) > 2:
            self._repairs[ssrc].continuity.repair(int.from_bytes(payload[:2], "big"))

    @property
    def lacks(self) -> bool:
        """Whether a picture's packets are still to be asked for."""
        return any(source.continuity.missing for source in self._sources.values() if source.video)

    def asks(self, now_s: float) -> list[tuple[int, list[int]]]:
        """(SSRC, numbers) to ask for now: at once, then each ``ASK_AGAIN_S``, ``MOST_ASKED`` times. Sound is
        not asked for again: it would come too late."""
        found = []
        for source in self._sources.values():
            missing = source.continuity.missing
            if not missing or not source.video or now_s - source.asked_s < ASK_AGAIN_S:
                continue
            source.asked_s = now_s
            for number in [number for number, asked in missing.items() if asked >= MOST_ASKED]:
                del missing[number]
            for number in missing:
                missing[number] += 1
            if missing:
                found.append((source.ssrc, list(missing)))
        return found

    def report(self) -> list[rtcp.ReportBlock]:
        """What a receiver report says of each source that was heard (RFC 3550 section 6.4.1)."""
        blocks = []
        for source in self._sources.values():
            count = source.continuity.count
            if source.continuity.highest < 0:
                continue
            sent = count.received + count.lost
            came = count.received - count.repaired
            expected, arrived = sent - source.told[0], came - source.told[1]
            source.told = sent, came
            fraction = max(0, min(255, (expected - arrived) * 256 // expected)) if expected > 0 else 0
            blocks.append(
                rtcp.ReportBlock(source.ssrc, fraction, sent - came, source.continuity.highest & 0xFFFFFFFF)
            )
        return blocks

    def count(self, *, video: bool) -> Count:
        """All pictures, or all sound."""
        return total(source.continuity.count for source in self._sources.values() if source.video is video)
