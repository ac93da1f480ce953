"""Who speaks and whose microphones are heard: RFC 6464 levels, ten times a second, made steady.

Pure: levels and time in, answers out. Levels come as -dBov (0 loudest, 127 silent); inside, loudness
is 127 - level, so that more is louder.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sfu.model import ParticipantId

SILENT: Final = 127
RISE: Final = 0.6
"""Share of a louder moment taken over per 100 ms: a first syllable counts at once."""
FALL: Final = 0.15
"""Share of a quieter moment: pauses between words do not count."""
SPEAKS_AT: Final = SILENT - 48.0
SILENT_AT: Final = SILENT - 58.0
SPEAKS_AFTER_US: Final = 200_000
"""How long somebody must be loud before they speak: a cough or a click is shorter."""
SILENT_AFTER_US: Final = 600_000
OVERTAKE_DB: Final = 6.0
"""By how much one must be louder to take another's rank."""
RANK_HOLD_US: Final = 1_000_000
"""How long somebody who rose keeps the rank against those whom they passed."""
LAST_SPEAKER_AFTER_US: Final = 1_000_000
"""How long somebody must speak to become the last speaker."""
LEVEL_STEP_DB: Final = 4
MAX_SPEAKERS: Final = 8
MAX_SPOKE: Final = 4


@dataclass(slots=True)
class _Voice:
    loudness: float = 0.0
    speaks: bool = False
    since_us: int = 0
    """When ``speaks`` last changed, or when the condition for its change began."""
    pending_us: int | None = None
    held_until_us: int = 0


class SpeakerTracker:
    """Call ``update`` about every 100 ms, then read ``speaking``, ``ranking``, ``spoke``."""

    def __init__(self) -> None:
        self._voices: dict[ParticipantId, _Voice] = {}
        self.ranking: tuple[ParticipantId, ...] = ()
        """Everybody with an open microphone, loudest first. Ranks change only with a clear lead, so the
        first few of them do not flap between people who speak at once."""
        self.spoke: tuple[ParticipantId, ...] = ()
        """Who spoke last, latest first, at most MAX_SPOKE; a change needs LAST_SPEAKER_AFTER_US of speech."""

    def update(
        self, now_us: int, levels: Mapping[ParticipantId, int], microphones: Collection[ParticipantId]
    ) -> None:
        """Take one moment's levels. ``microphones``: everybody whose microphone is open, level or not."""
        for gone in self._voices.keys() - set(microphones):
            del self._voices[gone]
        for participant in microphones:
            voice = self._voices.get(participant)
            if voice is None:
                voice = self._voices[participant] = _Voice(since_us=now_us)
            self._hear(voice, SILENT - min(max(levels.get(participant, SILENT), 0), SILENT), now_us)
        self._rank(now_us)
        self._remember(now_us)

    @property
    def speaking(self) -> tuple[tuple[ParticipantId, int], ...]:
        """Who speaks now as (participant, -dBov), in rank order, at most MAX_SPEAKERS."""
        found = [
            (p, SILENT - round(self._voices[p].loudness)) for p in self.ranking if self._voices[p].speaks
        ]
        return tuple(found[:MAX_SPEAKERS])

    def _hear(self, voice: _Voice, loudness: float, now_us: int) -> None:
        share = RISE if loudness > voice.loudness else FALL
        voice.loudness += share * (loudness - voice.loudness)
        changes = voice.loudness < SILENT_AT if voice.speaks else voice.loudness >= SPEAKS_AT
        if not changes:
            voice.pending_us = None
            return
        if voice.pending_us is None:
            voice.pending_us = now_us
        if now_us - voice.pending_us >= (SILENT_AFTER_US if voice.speaks else SPEAKS_AFTER_US):
            voice.speaks = not voice.speaks
            voice.since_us, voice.pending_us = now_us, None

    def _rank(self, now_us: int) -> None:
        voices = self._voices
        order = [p for p in self.ranking if p in voices]
        order += [p for p in voices if p not in set(order)]
        for start in range(1, len(order)):
            place, riser = start, voices[order[start]]
            while place > 0:
                above = voices[order[place - 1]]
                if above.held_until_us > now_us or riser.loudness < above.loudness + OVERTAKE_DB:
                    break
                order[place - 1], order[place] = order[place], order[place - 1]
                place -= 1
            if place != start:
                riser.held_until_us = now_us + RANK_HOLD_US
        self.ranking = tuple(order)

    def _remember(self, now_us: int) -> None:
        voices = self._voices
        latest = self.spoke[0] if self.spoke else None
        if latest in voices and voices[latest].speaks:
            return
        for participant in self.ranking:
            voice = voices[participant]
            long_enough = voice.speaks and now_us - voice.since_us >= LAST_SPEAKER_AFTER_US
            if long_enough and voice.pending_us is None and participant != latest:
                rest = tuple(p for p in self.spoke if p != participant)
                self.spoke = (participant, *rest)[:MAX_SPOKE]
                return
