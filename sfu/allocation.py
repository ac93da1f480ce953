"""Who is shown in which slot of one receiver: a pure decision, made anew whenever something changes.

Phases: the stage, then the sound slots, then the screen, then a page of tiles. A slot is *assigned*
to somebody whether or not it is drawn, so that a client knows what it could draw; it is *forwarded*
only when drawn. Nobody is ever assigned themself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from sfu.model import ParticipantId, Role, SlotIndex, Source

LAYER_HEIGHTS: Final = (200, 400)
"""Up to this drawn height (px) layer 0, then layer 1, beyond them layer 2."""
HIGHEST_LAYER: Final = len(LAYER_HEIGHTS)
"""A screen is wanted sharp in every size."""
_LOUD_SLOTS: Final = range(SlotIndex.LOUD_1, SlotIndex.LOUD_3 + 1)
_ROLE_RANK: Final = {Role.TEACHER: 0, Role.CO_TEACHER: 1, Role.STUDENT: 2}


@dataclass(frozen=True, slots=True)
class Member:
    """A participant whose sources may be shown: ``sources`` are those that are open now.

    ``apart``: they speak to these people from another room, and are never on their stage.
    """

    participant: ParticipantId
    role: Role
    order: int
    sources: frozenset[Source] = frozenset()
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """What all receivers of a lesson, or of a group, share. Make it by ``Scene.of``.

    ``loudness``: everybody with an open microphone, loudest first, already free of flapping.
    ``spoke``: who spoke last, latest first. ``screens``: who shares a screen, latest first.
    """

    members: Mapping[ParticipantId, Member]
    stage: ParticipantId | None
    loudness: tuple[ParticipantId, ...]
    spoke: tuple[ParticipantId, ...]
    screens: tuple[ParticipantId, ...]
    teachers: tuple[ParticipantId, ...]
    """Leaders, the teacher before co-teachers."""
    cameras: tuple[ParticipantId, ...]
    """Who has a camera on, in class order."""

    @classmethod
    def of(
        cls,
        members: Iterable[Member],
        *,
        stage: ParticipantId | None = None,
        loudness: Sequence[ParticipantId] = (),
        spoke: Sequence[ParticipantId] = (),
        screens: Sequence[ParticipantId] = (),
    ) -> Self:
        """The scene of these members, in any order; people who are not members are left out."""
        ordered = sorted(members, key=lambda member: (member.order, member.participant))
        known = {member.participant: member for member in ordered}
        leaders = sorted(
            (member for member in ordered if member.role.leads), key=lambda member: _ROLE_RANK[member.role]
        )
        return cls(
            members=known,
            stage=stage if stage in known and not known[stage].apart else None,
            loudness=tuple(p for p in loudness if p in known and Source.MICROPHONE in known[p].sources),
            spoke=tuple(p for p in spoke if p in known and not known[p].apart),
            screens=tuple(p for p in screens if p in known and Source.SCREEN in known[p].sources),
            teachers=tuple(member.participant for member in leaders),
            cameras=tuple(m.participant for m in ordered if Source.CAMERA in m.sources),
        )

    def has(self, participant: ParticipantId | None, source: Source) -> bool:
        """Whether this member's source is open."""
        return participant is not None and source in self.members[participant].sources


@dataclass(frozen=True, slots=True)
class Wish:
    """What a receiver draws: pixel heights in slot order (missing: 0), the page of tiles, its pin."""

    heights: tuple[int, ...] = ()
    page: int = 0
    pin: ParticipantId | None = None

    def height(self, index: int) -> int:
        """Drawn height of a slot in px, 0 when it is not drawn."""
        return self.heights[index] if index < len(self.heights) else 0


@dataclass(frozen=True, slots=True)
class Target:
    """Who is in a slot. ``source`` None: on the stage without a camera. ``drawn``: to be forwarded.

    ``layer``: the wanted layer, 0 lowest to 2; the publication may have fewer.
    """

    participant: ParticipantId
    source: Source | None
    drawn: bool = False
    layer: int = 0


@dataclass(frozen=True, slots=True)
class Allocation:
    """One target a slot (None: nobody), and how many pages of tiles there are (at least 1)."""

    targets: tuple[Target | None, ...] = field(default=())
    pages: int = 1


NOTHING: Final = Allocation()


def layer_for(height: int) -> int:
    """The camera layer for a drawn height in px."""
    return sum(height > limit for limit in LAYER_HEIGHTS)


def allocate(
    scene: Scene, receiver: ParticipantId, wish: Wish, slots: int, previous: Allocation = NOTHING
) -> Allocation:
    """What each of the receiver's ``slots`` slots shows.

    ``previous``: the same receiver's last allocation; people who stay among the loud or on the page keep
    their slot. Receivers who are not members (any more) get nothing.
    """
    if receiver not in scene.members:
        return Allocation((None,) * slots)
    chosen: dict[int, tuple[ParticipantId, Source | None]] = {}

    stage = stage_of(scene, receiver, wish)
    stage_sounds = slots > SlotIndex.STAGE_SOUND and wish.height(SlotIndex.STAGE_SOUND) > 0
    if stage is not None:
        chosen[SlotIndex.STAGE_VIDEO] = (stage, Source.CAMERA if scene.has(stage, Source.CAMERA) else None)
        if scene.has(stage, Source.MICROPHONE):
            chosen[SlotIndex.STAGE_SOUND] = (stage, Source.MICROPHONE)

    on_stage = stage if stage_sounds else None
    teacher = scene.teachers[0] if scene.teachers else None
    if teacher not in (None, receiver, on_stage) and scene.has(teacher, Source.MICROPHONE):
        chosen[SlotIndex.TEACHER_SOUND] = (teacher, Source.MICROPHONE)
    others = [p for p in scene.loudness if p not in (receiver, on_stage, teacher)]
    others.sort(key=lambda p: not scene.members[p].role.leads)
    for index, participant in _keep_places(others[: len(_LOUD_SLOTS)], previous, _LOUD_SLOTS):
        chosen[index] = (participant, Source.MICROPHONE)

    sharer = next((p for p in scene.screens if p != receiver), None)
    if sharer is not None:
        chosen[SlotIndex.SCREEN_VIDEO] = (sharer, Source.SCREEN)
        if scene.has(sharer, Source.SCREEN_SOUND):
            chosen[SlotIndex.SCREEN_SOUND] = (sharer, Source.SCREEN_SOUND)

    drawn_on_stage = stage if wish.height(SlotIndex.STAGE_VIDEO) > 0 else None
    tiled = [p for p in scene.cameras if p not in (receiver, drawn_on_stage)]
    tiles = range(SlotIndex.FIRST_TILE, max(slots, SlotIndex.FIRST_TILE))
    pages = max(1, -(-len(tiled) // len(tiles))) if tiles else 1
    first = min(max(wish.page, 0), pages - 1) * len(tiles)
    for index, participant in _keep_places(tiled[first : first + len(tiles)], previous, tiles):
        chosen[index] = (participant, Source.CAMERA)

    return Allocation(tuple(_target(chosen.get(index), wish.height(index)) for index in range(slots)), pages)


def stage_of(scene: Scene, receiver: ParticipantId, wish: Wish) -> ParticipantId | None:
    """Who is large for this receiver: own pin, else the lesson's stage, else for students a leader, then who
    spoke last; for leaders who spoke last, then another leader. Without all of them the first camera."""
    for participant in (wish.pin, scene.stage):
        if participant is None or participant == receiver or participant not in scene.members:
            continue
        if not scene.members[participant].apart:
            return participant
    spoke = next((p for p in scene.spoke if p != receiver), None)
    leader = next((p for p in scene.teachers if p != receiver and not scene.members[p].apart), None)
    camera = next((p for p in scene.cameras if p != receiver), None)
    if scene.members[receiver].role.leads:
        return spoke or leader or camera
    return leader or spoke or camera


def _target(chosen: tuple[ParticipantId, Source | None] | None, height: int) -> Target | None:
    if chosen is None:
        return None
    participant, source = chosen
    drawn = height > 0 and source is not None
    layer = layer_for(height) if source is Source.CAMERA else HIGHEST_LAYER * (source is Source.SCREEN)
    return Target(participant, source, drawn, layer)


def _keep_places(
    wanted: Sequence[ParticipantId], previous: Allocation, places: range
) -> list[tuple[int, ParticipantId]]:
    """Give each of ``wanted`` a place; those who had one keep it."""
    missing = dict.fromkeys(wanted)
    kept: dict[int, ParticipantId] = {}
    for index in places:
        before = previous.targets[index] if index < len(previous.targets) else None
        if before is not None and before.participant in missing:
            kept[index] = before.participant
            del missing[before.participant]
    free = (index for index in places if index not in kept)
    return [*kept.items(), *zip(free, missing, strict=False)]
