"""A video lesson being made from its journals, while they grow or afterwards: the same bytes either way.

Time is cut into beats of BEAT_US on the server's clock. What a beat's pictures and sounds are is decided from
what was received up to LAG_US behind its end, and never again: so it makes no difference when the journals
are read. What is later than the last whole beat, and how the recording ends, is decided once, at the end.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from recorder import card
from recorder.folder import journals
from recorder.journal import LOG_NAME, NEVER_US
from recorder.missing import Losses
from recorder.picture import Film, View, film, largest, plan, rank
from recorder.render import Media, Picture, SoundTrack, pictures
from recorder.sound import Sounding, Voice, last_speaker, scenes, voice
from recorder.sync import WINDOW_US, give_times
from recorder.tail import Tail
from recorder.takes import Appearances
from recorder.timeline import Log, Part, Story, cut, parts_of, roles
from recorder.tracks import Track
from recorder.webm import Video
from sfu.model import Role, Source
from signaling.wire import TimelineMissing

log = logging.getLogger(__name__)

BEAT_US: Final = 5_000_000
LAG_US: Final = 10_000_000
"""Decisions look so far ahead."""
LATE_US: Final = 5_000_000
"""What comes later into a journal than so long after it was received has the video begun anew."""
UNTOLD_US: Final = 40_000_000
"""A part of which so long packets came and the log tells nothing is one by its packets."""
LONGEST_US: Final = 24 * 3_600_000_000
"""No lesson has later beats: a time that says so is damaged."""
LONGEST_TAIL_US: Final = 30_000_000
"""More than so much emptiness at the end is cut."""
KEPT_TAIL_US: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Made:
    """A video: its parts, what is missing in it, its size in bytes; width and height in pixels of the largest
    picture in it."""

    parts: tuple[Part, ...]
    missing: TimelineMissing | None
    bytes: int
    width: int
    height: int


class Making:
    """``advance`` now and then while the journals grow, then ``end``; or ``end`` at once.

    Both raise OSError, and ``advance`` raises Late: then all is to be begun anew.
    """

    def __init__(self, folder: Path, draft: Path) -> None:
        """``folder``: the journals; ``draft``: where the video is written, once there is something to see."""
        self.folder = folder
        self.log: Log | None = None
        self._draft = draft
        self._names: set[str] = set()
        self._tails: dict[int, Tail] = {}
        self._tracks: dict[int, Track] = {}
        self._received: dict[int, tuple[int, int]] = {}
        self._first_us: int | None = None
        self._settled_us = 0
        """End of the last beat."""
        self._asked_us = 0
        """All that was received before is read."""
        self._parts: list[Part] = []
        """Parts so far; the last may go on."""
        self._view = View()
        self._sound = SoundTrack()
        self._speaker: tuple[str, Source] | None = None
        self._pictures: deque[Picture] = deque()
        self._done_us = 0
        """Server time up to which the last part is made."""
        self._active_us = 0
        """Time in the video of the last picture or word."""
        self._size = (0, 0)
        self._video: Video | None = None
        self._card: bytes | None = None
        self.appearances = Appearances()
        """Who is in what was written so far."""
        self._losses = Losses()
        self._damaged: set[str] = set()
        """Names of journals that are not whole."""

    # --- the beats ---------------------------------------------------------------------------------------

    def advance(self, now_us: int, most: int) -> bool:
        """Make what is settled now, ``most`` beats of it; whether there is more."""
        self._discover()
        beats = 0
        try:
            if not self._begin(now_us - LATE_US):
                return False
            while self._settled_us + BEAT_US + LAG_US + LATE_US <= now_us and self._beat():
                beats += 1
                if beats == most:
                    return True
        finally:
            if self._video is not None:
                self._video.step(*self._shown_size())
            for tail in self._tails.values():
                tail.forget()
        return False

    def end(self) -> Made | None:
        """Make the rest; None when nothing was recorded. The journals are complete."""
        self._discover()
        while self._begin(NEVER_US) and self._beat():
            pass
        self._read(NEVER_US)
        self._close()
        self._make(None)
        if self._video is None:
            return None
        self._write(self._sound.silence(self._video_us()))
        self._write_pictures(NEVER_US)
        duration_us = self._video_us()
        if duration_us - self._active_us > LONGEST_TAIL_US:
            duration_us = (self._active_us + KEPT_TAIL_US) // 1000 * 1000
        size = self._shown_size()
        count = self._video.end(duration_us // 1000, *size)
        self.close()
        parts = tuple(cut(self._parts, duration_us))
        return Made(parts, self._losses.missing(parts, len(self._damaged)), count, *size)

    def close(self) -> None:
        """Let go of the draft. Idempotent."""
        if self._video is not None:
            self._video.close()

    @property
    def duration_ms(self) -> int:
        """How long the video is by now."""
        return self._video_us() // 1000

    @property
    def held(self) -> int:
        """Frames, packets of sound and pictures that are kept in memory."""
        return sum(len(track.columns) for track in self._tracks.values()) + len(self._pictures)

    def _begin(self, sure_us: int) -> bool:
        """Find the first beat, unless that is done; False: nothing was received before ``sure_us``."""
        if self._first_us is None:
            self._read(0)
            first_us = min((tail.next_us for tail in self._all_tails()), default=NEVER_US)
            if first_us >= sure_us:
                return False
            self._first_us = self._asked_us = first_us
            # Things happened before they were received.
            self._settled_us = (first_us - LAG_US) // BEAT_US * BEAT_US
        return True

    def _beat(self) -> bool:
        """Make the next beat; False: there is none yet, and at the end of a recording none any more."""
        if self._first_us is None:
            return False
        until_us = self._settled_us + BEAT_US
        if until_us > self._first_us + LONGEST_US:
            return False
        self._read(until_us + LAG_US)
        if all(tail.next_us == NEVER_US for tail in self._all_tails()):
            return False
        self._make(until_us)
        self._settled_us = until_us
        for track in self._tracks.values():
            track.settle(until_us)
            track.forget(until_us - WINDOW_US)
        if self.log is not None:
            self.log.forget(until_us - WINDOW_US)
        return True

    # --- reading ------------------------------------------------------------------------------------------

    def _discover(self) -> None:
        for path in journals(self.folder):
            if path.name in self._names:
                continue
            self._names.add(path.name)
            tail = Tail(path, self._asked_us)
            if path.name == LOG_NAME:
                self.log = Log(tail)
            else:
                self._tails[len(self._names)] = tail

    def _all_tails(self) -> Iterable[Tail]:
        yield from self._tails.values()
        if self.log is not None:
            yield self.log.tail

    def _read(self, before_us: int) -> None:
        if self.log is not None:
            self.log.read(before_us)
        for number, tail in list(self._tails.items()):
            try:
                for batch in tail.read(before_us):
                    if number not in self._tracks:
                        self._tracks[number] = Track(tail)
                    self._tracks[number].take(batch)
            except (ValueError, IndexError, OverflowError) as error:
                self._leave_out(number, type(error).__name__)
        for track in self._tracks.values():
            track.complete(before_us)
            if track.received_us is not None:
                part, (first_us, last_us) = track.head.part, track.received_us
                known_us = self._received.get(part, track.received_us)
                self._received[part] = min(first_us, known_us[0]), max(last_us, known_us[1])
        self._asked_us = max(self._asked_us, before_us)

    def _close(self) -> None:
        """Nothing more comes: tell what of the journals could not be read."""
        for number, tail in list(self._tails.items()):
            damage = tail.close()
            track = self._tracks.get(number)
            if track is None:
                self._leave_out(number, damage or "nothing in it")
                continue
            if not track.known:
                damage = "a codec that is not recorded"
            if damage:
                self._damaged.add(tail.path.name)
                self._warn("journal damaged", journal=tail.path.name, reason=damage)
            if track.lost:
                log.info(
                    "packets left out",
                    extra={"recording": self.folder.name, "journal": tail.path.name, "count": track.lost},
                )
        damage = "missing" if self.log is None else self.log.close().damage
        if damage:
            self._damaged.add(LOG_NAME)
            self._warn("log damaged", reason=damage)

    def _leave_out(self, number: int, reason: str) -> None:
        self._tracks.pop(number, None)
        name = self._tails.pop(number).path.name
        self._damaged.add(name)
        self._warn("journal left out", journal=name, reason=reason)

    def _warn(self, what: str, **ids: str) -> None:
        log.warning(what, extra={"recording": self.folder.name, **ids})

    # --- what becomes of it ---------------------------------------------------------------------------------

    def _make(self, until_us: int | None) -> None:
        """Pictures and sounds from the last beat up to ``until_us``, None: to the end."""
        seen_us = NEVER_US if until_us is None else until_us + LAG_US
        give_times(self._tracks.values(), self._settled_us)
        known = self.known()
        films, voices = self._publications(known)
        spans = {} if self.log is None else self.log.story.spans
        last_us = seen_us
        if until_us is None:
            last_us = 0 if self.log is None else self.log.story.last_us
        received = {
            part: received_us
            for part, received_us in self._received.items()
            if part in spans or self.log is None or seen_us - received_us[0] > UNTOLD_US
        }
        found = parts_of(spans, received, last_us)
        with Media(self._tracks) as media:
            for part in found:
                self._make_part(part, known, films, voices, media, until_us, seen_us)

    def _make_part(
        self,
        told: Part,
        known: Mapping[str, tuple[Role, int]],
        films: Sequence[Film],
        voices: Sequence[Voice],
        media: Media,
        until_us: int | None,
        seen_us: int,
    ) -> None:
        part = self._next(told, until_us)
        if part is None:
            return
        since_us = self._done_us
        end_us = part.end_us if until_us is None else min(part.end_us, until_us)
        if end_us <= since_us:
            return
        self._done_us = end_us
        self._parts[-1] = replace(part, end_us=end_us)
        shift_us = part.at_us - part.start_us
        stays = [] if self.log is None else self.log.stays()
        leaders = [each for each in stays if each.participant in known and known[each.participant][0].leads]
        self._losses.add(since_us, end_us, leaders, films, voices)
        shots, self._view = plan(
            self._view, part, films, stays, since_us, end_us, max(end_us, min(part.end_us, seen_us))
        )
        self._size = largest(shots, self._tracks, self._size)
        self._pictures += pictures(shots, shift_us, media, self._title_card)
        before = next(
            (n for n, each in enumerate(voices) if (each.participant, each.source) == self._speaker), None
        )
        heard = scenes(voices, since_us, end_us, before)
        last = last_speaker(voices, heard, before)
        if last is not None:
            self._speaker = voices[last].participant, voices[last].source
        for scene in heard:
            from_ms, to_ms = (scene.start_us + shift_us) // 1000, -(-(scene.end_us + shift_us) // 1000)
            speaking = [(voices[number].participant, voices[number].source) for number in scene.voices]
            self.appearances.heard(from_ms, to_ms, speaking)
            goes_on = scene.end_us == end_us < part.end_us
            self._write(self._sound.scene(scene, voices, shift_us, media, goes_on=goes_on))
        active_us = _active(films, voices, since_us, end_us)
        if active_us is not None:
            self._active_us = active_us + shift_us

    def _next(self, told: Part, until_us: int | None) -> Part | None:
        """The part as it is in the video, if there is more of it: parts that were made stay as they are."""
        numbers = [part.number for part in self._parts]
        if told.number in numbers[:-1]:
            return None
        if numbers and told.number == numbers[-1]:
            known = self._parts[-1]
            length_us = max(told.end_us, self._done_us) - known.start_us
            return replace(known, end_us=known.start_us - -length_us // 1000 * 1000)
        start_us = max(told.start_us, self._done_us) if self._parts else told.start_us
        if told.end_us - start_us < 1000 or (until_us is not None and start_us >= until_us):
            return None
        if self._parts:
            self._write(self._sound.silence(self._video_us()))
            self._view = self._view.next_part()
        length_us = (told.end_us - start_us) // 1000 * 1000
        part = Part(told.number, start_us, start_us + length_us, self._video_us())
        self._parts.append(replace(part, end_us=start_us))
        self._done_us = start_us
        return part

    def known(self) -> dict[str, tuple[Role, int]]:
        """Role and place of everybody."""
        heads = sorted((track.head.participant, track.head.role) for track in self._tracks.values())
        return roles(Story() if self.log is None else self.log.story, heads)

    def _publications(self, known: Mapping[str, tuple[Role, int]]) -> tuple[list[Film], list[Voice]]:
        """All that can be seen and heard now."""
        by_publication: dict[tuple[str, Source], list[int]] = {}
        for number, track in sorted(self._tracks.items(), key=lambda each: each[1].name):
            try:
                source = Source(track.head.source)
            except ValueError:
                continue
            if len(track.columns):
                by_publication.setdefault((track.head.participant, source), []).append(number)
        films: list[Film] = []
        voices: list[Voice] = []
        for (participant, source), numbers in sorted(by_publication.items()):
            role, order = known[participant]
            several = [(number, self._tracks[number]) for number in numbers]
            moving = film(participant, source, rank(source, role, order), several)
            speaking = voice(participant, source, role, order, several)
            films += [moving] if moving is not None else []
            voices += [speaking] if speaking is not None else []
        return films, voices

    def _video_us(self) -> int:
        """How long the video is, in whole ms."""
        if not self._parts:
            return 0
        part = self._parts[-1]
        return part.at_us - -part.duration_us // 1000 * 1000

    # --- writing --------------------------------------------------------------------------------------------

    def _shown_size(self) -> tuple[int, int]:
        return self._size if self._size[0] else (card.WIDTH, card.HEIGHT)

    def _opened(self) -> Video:
        if self._video is None:
            head = None if self.log is None else self.log.story.head
            self._draft.parent.mkdir(parents=True, exist_ok=True)
            self._video = Video(self._draft, head.title if head is not None else "")
        return self._video

    def _write(self, sounds: Iterable[Sounding]) -> None:
        add, waiting = self._opened().sound, self._pictures
        for at_us, packet, _ in sounds:
            at_ms = at_us // 1000
            if waiting and waiting[0][0] <= at_ms:
                self._write_pictures(at_ms)
            add(at_ms, packet)

    def _write_pictures(self, until_ms: int) -> None:
        """The pictures that come no later: players want sound and picture in order of time."""
        add, seen, waiting = self._opened().picture, self.appearances.seen, self._pictures
        while waiting and waiting[0][0] <= until_ms:
            at_ms, frame, key, who = waiting.popleft()
            seen(add(at_ms, frame, key), who)

    def _title_card(self) -> bytes:
        if self._card is None:
            head = None if self.log is None else self.log.story.head
            words = (
                ("", "", None, "")
                if head is None
                else (head.title, head.subject, head.grade, head.teacher.name)
            )
            self._card = card.encode(card.draw(*words))
        return self._card


def _active(films: Sequence[Film], voices: Sequence[Voice], since_us: int, until_us: int) -> int | None:
    """When the last picture came or the last word was spoken in a stretch."""
    moments: list[int] = []
    for each in films:
        first, last = np.searchsorted(each.time_us, (since_us, until_us)).tolist()
        moments += [int(each.time_us[last - 1])] if last > first else []
    for speaking in voices:
        moments += [
            min(end_us, until_us)
            for start_us, end_us in speaking.active
            if start_us < until_us and end_us > since_us
        ]
    return max(moments, default=None)
