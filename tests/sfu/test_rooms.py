"""Groups in a lesson's router: nobody sees or hears anything of another group; each has its own speakers."""

from __future__ import annotations

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from sfu.allocation import Member, Scene, Wish, allocate
from sfu.model import ParticipantId, Role, SlotIndex, Source
from sfu.plane.api import Levels
from sfu.rooms import MAIN, Voices, gathered
from sfu.rpc.messages import SetStage, Speakers
from tests.sfu.recording_plane import EVERYTHING, LESSON, Bench

STAGE, STAGE_SOUND, TILE = int(SlotIndex.STAGE_VIDEO), int(SlotIndex.STAGE_SOUND), int(SlotIndex.FIRST_TILE)
TEACHER_SOUND = int(SlotIndex.TEACHER_SOUND)
MICROPHONE, CAMERA = 0, 1
BOTH = "camera microphone"
_names = [ParticipantId(f"p{number}") for number in range(8)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "1", "2"]),
            st.booleans(),
            st.sampled_from(list(Role)),
            st.frozensets(st.sampled_from(list(Source))),
        ),
        min_size=2,
        max_size=8,
    ),
    st.sampled_from(_names),
    st.sampled_from([None, *_names]),
    st.integers(0, 3),
)
def test_nothing_of_another_room_is_in_any_slot(
    people: list[tuple[str, bool, Role, frozenset[Source]]],
    stage: ParticipantId,
    pin: ParticipantId | None,
    page: int,
) -> None:
    """Whoever is large for all, pinned, loud or sharing."""
    rows = [
        (room, role.leads and to_all, Member(name, role, order, sources))
        for order, (name, (room, to_all, role, sources)) in enumerate(zip(_names, people, strict=False))
    ]
    home = {member.participant: room for room, _, member in rows}
    to_all = {member.participant for _, speaks, member in rows if speaks}
    everybody = tuple(home)
    for room, members in gathered(rows).items():
        scene = Scene.of(members, stage=stage, loudness=everybody, spoke=everybody, screens=everybody)
        for receiver in (who for who, where in home.items() if where == room):
            allocation = allocate(scene, receiver, Wish(EVERYTHING, page, pin), 12)
            for index, target in enumerate(allocation.targets):
                if target is None or home[target.participant] == room:
                    continue
                assert target.participant in to_all
                assert target.source is Source.MICROPHONE
                assert index not in (STAGE, STAGE_SOUND)


@pytest_asyncio.fixture
async def parted(bench: Bench) -> Bench:
    """The teacher in the lesson, ann and ben in group 1, cat and dan in 2; all with camera and microphone."""
    bench.seat("teacher", "teacher", 0, on=BOTH)
    for order, (name, group) in enumerate((("ann", "1"), ("ben", "1"), ("cat", "2"), ("dan", "2")), 1):
        bench.seat(name, order=order, on=BOTH, group=group)
    for name in ("teacher", "ann", "ben", "cat", "dan"):
        await bench.connect(name)
        bench.draw(name)
    await bench.settled()
    return bench


def shown_to(bench: Bench, name: str) -> set[str | None]:
    return {content.participant for content in bench.slots(name).slots} - {None}


@pytest.mark.asyncio
async def test_each_group_is_by_itself_and_its_slots_are_switched(parted: Bench) -> None:
    assert {name: shown_to(parted, name) for name in ("teacher", "ann", "ben", "cat", "dan")} == {
        "teacher": set(),
        "ann": {"ben"},
        "ben": {"ann"},
        "cat": {"dan"},
        "dan": {"cat"},
    }
    transports = len(parted.removed())
    parted.seat("ben", order=2, on=BOTH, group="2")
    await parted.settled()
    assert shown_to(parted, "ann") == set()
    assert shown_to(parted, "ben") == {"cat", "dan"}
    assert shown_to(parted, "cat") == {"ben", "dan"}
    assert parted.forwards(parted.transport(1)) == {}
    assert len(parted.removed()) == transports, "nobody made a new connection"


@pytest.mark.asyncio
async def test_a_leader_walks_in_and_sees_only_that_group(parted: Bench) -> None:
    parted.ask(SetStage(LESSON, 1, parted.next_number(), "cat"))
    parted.seat("teacher", "teacher", 0, on=BOTH, group="1")
    await parted.settled()
    assert shown_to(parted, "teacher") == {"ann", "ben"}
    assert parted.content("ann", STAGE)[0] == "teacher"
    assert shown_to(parted, "cat") == {"dan"}
    assert parted.content("dan", STAGE)[0] == "cat", "who is large for all is so where they are"


@pytest.mark.asyncio
async def test_a_leader_is_heard_in_every_group_while_they_speak_to_all(parted: Bench) -> None:
    parted.seat("teacher", "teacher", 0, on=BOTH, group="1", to_all=True)
    await parted.settled()
    microphone, camera = (parted.sources(parted.transport(0))[which].source for which in (MICROPHONE, CAMERA))
    assert parted.content("cat", TEACHER_SOUND)[:2] == ("teacher", "microphone")
    assert parted.content("cat", STAGE)[0] == "dan"
    heard = parted.forwards(parted.transport(3))
    assert microphone in {source for source, _ in heard.values()}
    assert camera not in {source for source, _ in heard.values()}
    assert parted.content("ann", STAGE)[0] == "teacher"
    parted.seat("teacher", "teacher", 0, on=BOTH, group="1")
    await parted.settled()
    assert "teacher" not in shown_to(parted, "cat")


@pytest.mark.asyncio
async def test_who_speaks_is_told_for_each_group(parted: Bench) -> None:
    router = next(iter(parted.lessons._routers.values()))
    ann, cat = (parted.sources(parted.transport(which))[MICROPHONE].source for which in (1, 3))

    def told(group: str) -> list[str]:
        found = [push for push in parted.told(Speakers) if push.group == group]
        return [who for who, _ in found[-1].speakers] if found else []

    for moment in range(20):
        parted.event(Levels(((ann, 15), (cat, 15))))
        router.tick(10**12 + moment * 100_000)
    assert (told("1"), told("2"), told("")) == (["ann"], ["cat"], [])
    for order, name in enumerate(("ann", "ben", "cat", "dan"), 1):
        parted.seat(name, order=order, on=BOTH)
    await parted.settled()
    router.tick(10**12 + 10_000_000)
    assert told("1") == told("2") == []
    assert shown_to(parted, "dan") == {"teacher", "ann", "ben", "cat"}


def test_voices_of_a_room_are_its_own_and_told_once() -> None:
    voices, ann, cat = Voices(), ParticipantId("ann"), ParticipantId("cat")
    rooms = {MAIN: [], "1": [ann], "2": [cat]}
    for moment in range(20):
        voices.update(moment * 100_000, {ann: 10, cat: 127}, rooms)
    assert [(room, [who for who, _ in said]) for room, said in voices.news(0)] == [("1", [ann])]
    assert list(voices.news(10**9)) == []
    assert voices.ranking("1") == (ann,)
    assert voices.spoke("1") == (ann,)
    assert voices.spoke("2") == voices.ranking(MAIN) == voices.ranking("gone") == ()
    voices.update(2_000_000, {}, {MAIN: []})
    assert list(voices.news(10**10)) == [("1", ())]
    assert list(voices.news(10**11)) == []
