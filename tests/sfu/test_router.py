"""What a lesson's router commands and tells, over a plane that only remembers."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sfu.model import SlotIndex
from sfu.plane.api import (
    AddSlot,
    AddSource,
    AddTransport,
    ConsentLost,
    DtlsReceived,
    Levels,
    RestartIce,
    SetForward,
    SetGate,
    SetIngressEstimate,
    SetKeys,
    SlotSwitched,
    SourceState,
    TransportState,
)
from sfu.router import MAX_PEOPLE
from sfu.rpc.messages import (
    CloseLesson,
    Connected,
    Disconnected,
    Draw,
    GetStatus,
    OpenLesson,
    Person,
    Quality,
    RemovePerson,
    SetPerson,
    SetStage,
    Slots,
    Speakers,
    Status,
)
from tests.sfu.recording_plane import (
    EVERYTHING,
    LESSON,
    OFFER,
    SEND,
    SLOTS,
    Bench,
    InstantDtls,
    make_offer,
)

STAGE, STAGE_SOUND, TILE = int(SlotIndex.STAGE_VIDEO), int(SlotIndex.STAGE_SOUND), int(SlotIndex.FIRST_TILE)
MICROPHONE, CAMERA, SCREEN = 0, 1, 2


@pytest.fixture(autouse=True)
def _instant_handshakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.transport.DtlsServer", InstantDtls)


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench() as bench:
        yield bench


@pytest_asyncio.fixture
async def lesson(bench: Bench) -> Bench:
    """A teacher with camera and microphone, and a student who draws everything; both connected."""
    bench.seat("teacher", "teacher", 0, on="camera microphone")
    bench.seat("student")
    bench.draw("student")
    bench.draw("teacher")
    await bench.connect("teacher")
    await bench.connect("student")
    return bench


# --- offers ------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_offer_makes_transport_sources_and_slots(bench: Bench) -> None:
    bench.seat("student")
    answer = bench.offer("student")
    (transport,) = bench.plane.of(AddTransport)
    assert f"a=ice-ufrag:{transport.local_ufrag}\r\n" in answer
    assert f"a=ice-pwd:{transport.local_pwd}\r\n" in answer
    assert transport.remote_ufrag == "aECH"
    sources = bench.plane.of(AddSource)
    assert [source.mid for source in sources] == list(SEND)
    assert [source.rids for source in sources] == [(), ("q", "h", "f"), (), ()]
    assert not any(source.open for source in sources)
    slots = bench.plane.of(AddSlot)
    assert [slot.mid for slot in slots] == list(SLOTS)
    for slot in slots:
        assert f"a=ssrc:{slot.ssrc} cname:{slot.cname}\r\n" in answer
    ssrcs = [ssrc for slot in slots for ssrc in (slot.ssrc, slot.rtx_ssrc) if ssrc is not None]
    assert len(set(ssrcs)) == len(ssrcs) == 17 + 11
    assert slots[STAGE].cname == slots[STAGE_SOUND].cname != slots[TILE].cname


@pytest.mark.asyncio
async def test_media_may_flow_after_the_handshake(bench: Bench) -> None:
    bench.seat("student")
    await bench.connect("student")
    assert len(bench.plane.of(SetKeys)) == 1
    assert [estimate.bps for estimate in bench.plane.of(SetIngressEstimate)] == [6_700_000]


@pytest.mark.asyncio
async def test_nothing_is_told_before_the_handshake(bench: Bench) -> None:
    bench.seat("teacher", "teacher", on="camera")
    bench.seat("student")
    bench.draw("student")
    await bench.connect("teacher")
    bench.offer("student")
    await bench.settled()
    assert not bench.plane.of(SetForward)
    assert not [push for push in bench.told(Slots) if push.participant == "student"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sdp": b"garbage"}, "offer_malformed"),
        ({"sdp": gzip.compress(bytes(10_000_000))}, "offer_too_big"),
        ({"sdp": gzip.compress(OFFER.encode())[:-9]}, "offer_malformed"),
        ({"sdp": gzip.compress(OFFER.replace("VP8", "VP7").encode())}, "offer_no_codec"),
        ({"slots": tuple(str(mid) for mid in range(4, 99))}, "offer_sections"),
        ({"send": ("0", "0")}, "offer_sections"),
        ({"participant": "nobody"}, "not_found"),
        ({"epoch": 0}, "stale_epoch"),
        ({"lesson": "other"}, "not_found"),
    ],
)
async def test_a_bad_offer_is_refused_and_changes_nothing(
    bench: Bench, change: dict[str, object], code: str
) -> None:
    bench.seat("student")
    await bench.settled()
    assert bench.refused(make_offer("student", **change)) == code  # type: ignore[arg-type]
    assert bench.plane.commands == []
    assert bench.lessons.transports == 0


@pytest.mark.asyncio
async def test_the_same_offer_again_gets_the_same_answer(bench: Bench) -> None:
    bench.seat("student")
    assert bench.offer("student") == bench.offer("student")
    assert len(bench.plane.of(AddTransport)) == 1


@pytest.mark.asyncio
async def test_an_ice_restart_keeps_everything_but_the_credentials(lesson: Bench) -> None:
    before = lesson.offer("student", 1)
    after = lesson.offer("student", 1, ufrag="NEWu")
    (restart,) = lesson.plane.of(RestartIce)
    assert restart.transport == lesson.transport()
    assert restart.remote_ufrag == "NEWu"
    assert f"a=ice-ufrag:{restart.local_ufrag}\r\n" in after

    def rest(answer: str) -> list[str]:
        return [line for line in answer.split("\r\n") if not line.startswith(("a=ice-", "o="))]

    assert rest(before) == rest(after)
    assert before != after
    assert lesson.removed() == []


@pytest.mark.asyncio
async def test_a_restart_with_other_sections_is_refused(lesson: Bench) -> None:
    changed = make_offer("student", 1, ufrag="NEWu", slots=SLOTS[:-1])
    assert lesson.refused(changed) == "offer_sections"
    assert lesson.plane.of(RestartIce) == []


@pytest.mark.asyncio
async def test_a_new_connection_replaces_the_old_one_of_the_same_person(lesson: Bench) -> None:
    old = lesson.transport()
    new = await lesson.connect("student", 2)
    assert lesson.removed() == [old]
    assert lesson.gone() == [("student", 1, "replaced")]
    assert lesson.forwards(new)[STAGE][0] == lesson.sources(lesson.transport(0))[CAMERA].source
    assert lesson.slots("student").connection == 2


@pytest.mark.asyncio
async def test_a_reloaded_page_that_counts_from_one_again_is_a_new_connection(lesson: Bench) -> None:
    old = lesson.transport()
    other = OFFER.replace("a=fingerprint:sha-256 5E", "a=fingerprint:sha-256 00")
    lesson.ask(make_offer("student", 1, sdp=gzip.compress(other.encode())))
    assert lesson.removed() == [old]
    assert lesson.plane.of(RestartIce) == []


@pytest.mark.asyncio
async def test_an_offer_of_an_older_connection_is_stale(lesson: Bench) -> None:
    await lesson.connect("student", 3)
    assert lesson.refused(make_offer("student", 2)) == "stale_number"


@pytest.mark.asyncio
async def test_a_bad_offer_of_a_new_connection_leaves_the_old_one(lesson: Bench) -> None:
    assert lesson.refused(make_offer("student", 2, sdp=b"")) == "offer_malformed"
    assert lesson.removed() == []


@pytest.mark.asyncio
async def test_a_full_worker_takes_no_more_connections_but_replaces() -> None:
    async with Bench(max_transports=1) as bench:
        bench.seat("ann")
        bench.seat("ben")
        bench.offer("ann")
        assert bench.refused(make_offer("ben")) == "no_worker"
        bench.offer("ann", 2)


# --- how a connection ends -----------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_failed_handshake_is_told_and_the_transport_forgotten(bench: Bench) -> None:
    bench.seat("student")
    bench.offer("student")
    bench.event(DtlsReceived(bench.transport(), b"fingerprint"))
    await bench.until(lambda: bench.gone() == [("student", 1, "dtls_failed")])
    assert bench.removed() == [bench.transport()]
    assert bench.lessons.transports == 0


@pytest.mark.asyncio
async def test_our_own_bug_in_a_handshake_ends_that_connection_only(
    lesson: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: InstantDtls, timeout_s: float) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(InstantDtls, "handshake", broken)
    lesson.seat("ann", order=7)
    lesson.offer("ann")
    lesson.event(DtlsReceived(lesson.transport(), b"hello"))
    await lesson.until(lambda: lesson.gone() == [("ann", 1, "dtls_failed")])
    assert lesson.lessons.transports == 2


@pytest.mark.asyncio
async def test_our_own_bug_in_a_lesson_ends_it_and_is_told(
    lesson: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("bug")

    lesson.ask(OpenLesson("other", 1))
    monkeypatch.setattr("sfu.router.allocate", broken)
    lesson.draw("student", (1,))
    await lesson.until(lambda: len(lesson.gone()) == 2)
    assert lesson.lessons.transports == 0
    assert lesson.lessons.count == 1


@pytest.mark.asyncio
async def test_lessons_end_when_all_signalling_is_gone_for_long(
    lesson: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfu.lessons.ORPHANED_AFTER_S", 0.0)
    lesson.lessons.signalled(1)
    lesson.lessons.signalled(0)
    await lesson.until(lambda: len(lesson.gone()) == 2)
    assert lesson.lessons.count == 0


@pytest.mark.asyncio
async def test_who_never_comes_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.transport.FIRST_DATAGRAM_S", 0.02)
    bench.seat("student")
    bench.offer("student")
    await bench.until(lambda: bench.gone() == [("student", 1, "dtls_failed")])


@pytest.mark.asyncio
async def test_datagrams_before_the_handshake_are_kept_but_few(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[bytes] = []
    receive = InstantDtls.receive

    def counting(self: InstantDtls, datagram: bytes) -> None:
        taken.append(datagram)
        receive(self, datagram)

    monkeypatch.setattr(InstantDtls, "receive", counting)
    bench.seat("student")
    bench.offer("student")
    bench.event(*[DtlsReceived(bench.transport(), b"hello")] * 100)
    await bench.until(lambda: bench.told(Connected))
    assert 0 < len(taken) <= 8


@pytest.mark.asyncio
@pytest.mark.parametrize("reason", ["consent_lost", "dtls_closed"])
async def test_a_lost_line_is_told_and_leaves_the_person_in(lesson: Bench, reason: str) -> None:
    transport = lesson.transport(0)
    ending = ConsentLost(transport) if reason == "consent_lost" else DtlsReceived(transport, b"close")
    lesson.event(ending, ending)
    await lesson.settled()
    assert lesson.gone() == [("teacher", 1, reason)]
    assert lesson.removed() == [transport]
    assert lesson.content("student", STAGE) == ("teacher", None, False)
    await lesson.connect("teacher", 2)
    assert lesson.content("student", STAGE)[:2] == ("teacher", "camera")


@pytest.mark.asyncio
async def test_a_removed_person_is_closed_without_a_push(lesson: Bench) -> None:
    lesson.remove("teacher")
    await lesson.settled()
    assert lesson.removed() == [lesson.transport(0)]
    assert lesson.told(Disconnected) == []
    assert lesson.content("student", STAGE) == (None, None, False)
    assert lesson.forwards(lesson.transport(1)) == {}
    assert lesson.refused(make_offer("teacher", 5)) == "not_found"


@pytest.mark.asyncio
async def test_the_peer_is_told_before_its_transport_goes(lesson: Bench) -> None:
    lesson.remove("student")
    names = [type(command).__name__ for command in lesson.plane.commands]
    assert names.index("SendDtls") < names.index("RemoveTransport")


@pytest.mark.asyncio
async def test_closing_a_lesson_closes_every_connection(lesson: Bench) -> None:
    lesson.ask(CloseLesson(LESSON, 1))
    assert lesson.removed() == [lesson.transport(0), lesson.transport(1)]
    assert lesson.lessons.transports == lesson.lessons.count == 0
    assert lesson.refused(Draw(LESSON, 1, "student", ())) == "not_found"


# --- gates and forwards --------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("may", "on", "gates"),
    [
        ("camera microphone", "camera microphone", [True, True, False, False]),
        ("microphone", "camera microphone", [True, False, False, False]),
        ("camera microphone screen screen_sound", "", [False] * 4),
        ("", "camera microphone screen screen_sound", [False] * 4),
        ("screen screen_sound surprise", "screen screen_sound surprise", [False, False, True, True]),
    ],
)
async def test_a_gate_is_open_when_allowed_and_on(bench: Bench, may: str, on: str, gates: list[bool]) -> None:
    bench.seat("student", on=on, may=may)
    transport = await bench.connect("student")
    assert bench.gates(transport) == gates


@pytest.mark.asyncio
async def test_a_mute_shuts_the_gate_before_the_reply(lesson: Bench) -> None:
    lesson.seat("teacher", "teacher", 0, on="camera microphone", may="camera")
    assert lesson.gates(lesson.transport(0)) == [False, True, False, False]
    await lesson.settled()
    assert lesson.content("student", STAGE_SOUND) == (None, None, False)


@pytest.mark.asyncio
async def test_only_changed_forwards_are_sent(lesson: Bench) -> None:
    before = len(lesson.plane.commands)
    lesson.seat("ann", order=7)
    lesson.draw("student", (*EVERYTHING[:TILE], *[190] * 9))
    await lesson.settled()
    assert lesson.plane.commands[before:] == []
    lesson.draw("student", (300, *EVERYTHING[1:]))
    await lesson.settled()
    lesson.draw("student", (150, *EVERYTHING[1:]))
    await lesson.settled()
    stage = lesson.slot_handles(lesson.transport(1))[STAGE].slot
    camera = lesson.sources(lesson.transport(0))[CAMERA].source
    assert lesson.plane.commands[before:] == [SetForward(stage, camera, 0)]


@pytest.mark.asyncio
async def test_layers_follow_the_drawn_height(lesson: Bench) -> None:
    camera = lesson.sources(lesson.transport(0))[CAMERA].source
    for height, layer in ((720, 2), (400, 1), (120, 0)):
        lesson.draw("student", (height, *EVERYTHING[1:]))
        await lesson.settled()
        assert lesson.forwards(lesson.transport(1))[STAGE] == (camera, layer)


@pytest.mark.asyncio
async def test_what_is_not_drawn_is_not_forwarded(lesson: Bench) -> None:
    lesson.draw("student", ())
    await lesson.settled()
    assert lesson.forwards(lesson.transport(1)) == {}
    assert lesson.content("student", STAGE) == ("teacher", "camera", False)


@pytest.mark.asyncio
async def test_sounds_flow_before_the_first_draw(bench: Bench) -> None:
    bench.seat("teacher", "teacher", on="camera microphone")
    bench.seat("student")
    teacher = await bench.connect("teacher")
    student = await bench.connect("student")
    assert bench.forwards(student) == {STAGE_SOUND: (bench.sources(teacher)[MICROPHONE].source, 0)}


@pytest.mark.asyncio
async def test_a_pin_moves_the_stage_of_its_owner_only(lesson: Bench) -> None:
    lesson.seat("ann", order=7, on="camera")
    lesson.seat("ben", order=8)
    lesson.draw("ben")
    await lesson.connect("ann")
    await lesson.connect("ben")
    lesson.draw("student", pin="ann")
    await lesson.settled()
    assert lesson.content("student", STAGE)[0] == "ann"
    assert lesson.content("ben", STAGE)[0] == "teacher"


@pytest.mark.asyncio
async def test_the_lessons_stage_moves_everybodys(lesson: Bench) -> None:
    lesson.seat("ann", order=7, on="camera")
    await lesson.connect("ann")
    lesson.ask(SetStage(LESSON, 1, lesson.next_number(), "ann"))
    await lesson.settled()
    assert lesson.content("student", STAGE)[0] == lesson.content("teacher", STAGE)[0] == "ann"
    lesson.ask(SetStage(LESSON, 1, lesson.next_number(), None))
    await lesson.settled()
    assert lesson.content("student", STAGE)[0] == "teacher"


@pytest.mark.asyncio
async def test_the_latest_screen_wins_and_gives_way(lesson: Bench) -> None:
    for order, name in enumerate(("ann", "ben"), 7):
        lesson.seat(name, order=order, on="screen")
        await lesson.connect(name)
    assert lesson.content("student", SlotIndex.SCREEN_VIDEO)[:2] == ("ben", "screen")
    assert lesson.content("ben", SlotIndex.SCREEN_VIDEO)[:2] == ("ann", "screen")
    lesson.seat("ben", order=8)
    await lesson.settled()
    assert lesson.content("student", SlotIndex.SCREEN_VIDEO)[:2] == ("ann", "screen")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "heights", [(-5, 10**9), (2**40,) * 500, (0,) * 500], ids=["out of range", "huge", "many"]
)
async def test_any_draw_is_cut_to_what_there_is(lesson: Bench, heights: tuple[int, ...]) -> None:
    lesson.draw("student", heights, page=10**9, pin="x" * 1000)
    await lesson.settled()
    assert lesson.slots("student").pages == 1


# --- what is told --------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_video_is_live_at_its_first_packet_and_sound_at_once(lesson: Bench) -> None:
    assert lesson.content("student", STAGE) == ("teacher", "camera", False)
    assert lesson.content("student", STAGE_SOUND) == ("teacher", "microphone", True)
    before = lesson.slots("student")
    camera = lesson.sources(lesson.transport(0))[CAMERA].source
    lesson.event(SlotSwitched(lesson.slot_handles(lesson.transport(1))[STAGE].slot, camera, 1))
    await lesson.settled()
    assert lesson.content("student", STAGE) == ("teacher", "camera", True)
    assert lesson.slots("student").version == before.version + 1


@pytest.mark.asyncio
async def test_late_news_of_a_former_source_makes_nothing_live(lesson: Bench) -> None:
    lesson.seat("ann", order=7, on="camera")
    await lesson.connect("ann")
    lesson.draw("student", pin="ann")
    await lesson.settled()
    stage = lesson.slot_handles(lesson.transport(1))[STAGE].slot
    lesson.event(SlotSwitched(stage, lesson.sources(lesson.transport(0))[CAMERA].source, 1))
    await lesson.settled()
    assert lesson.content("student", STAGE) == ("ann", "camera", False)


@pytest.mark.asyncio
async def test_slots_are_told_only_when_changed(lesson: Bench) -> None:
    told = len(lesson.told(Slots))
    lesson.seat("ann", order=7)
    lesson.draw("student", (100, *EVERYTHING[1:]))
    await lesson.settled()
    assert len(lesson.told(Slots)) == told


@pytest.mark.asyncio
async def test_opening_again_tells_everything_again_with_the_same_versions(lesson: Bench) -> None:
    before = {name: lesson.slots(name) for name in ("teacher", "student")}
    lesson.pushes.clear()
    lesson.ask(OpenLesson(LESSON, 1))
    assert {push.participant for push in lesson.told(Connected)} == {"teacher", "student"}
    assert {name: lesson.slots(name) for name in before} == before
    assert lesson.removed() == []


@pytest.mark.asyncio
async def test_who_speaks_is_told_with_level(lesson: Bench) -> None:
    microphone = lesson.sources(lesson.transport(0))[MICROPHONE].source

    def heard() -> bool:
        lesson.event(Levels(((microphone, 20),)))
        return bool(lesson.told(Speakers))

    await until_ticks(lesson, heard)
    ((participant, level),) = lesson.told(Speakers)[-1].speakers
    assert participant == "teacher"
    assert 15 <= level <= 50


async def until_ticks(bench: Bench, condition: object) -> None:
    """Drive the router's clock by hand until the condition holds, at most 10 s of it."""
    assert callable(condition)
    router = next(iter(bench.lessons._routers.values()))
    for step in range(100):
        if condition():
            return
        router.tick(10**12 + step * 100_000)
    raise AssertionError("nothing after 10 s of ticks")


@pytest.mark.asyncio
async def test_lines_are_told(lesson: Bench) -> None:
    teacher = lesson.transport(0)
    microphone, camera = (source.source for source in lesson.sources(teacher)[:2])
    router = next(iter(lesson.lessons._routers.values()))
    router.tick(10**12)
    lesson.pushes.clear()
    lesson.event(
        SourceState(camera, 90, 10, (1, 2, 3)),
        TransportState(teacher, 0.25, 31.5, None, 1, 2, 3, 4),
    )
    router.tick(10**12 + 2_000_000)
    (quality,) = lesson.told(Quality)
    lines = {line.participant: line for line in quality.lines}
    assert lines["teacher"].loss_up == pytest.approx(0.1)
    assert lines["teacher"].loss_down == 0.25
    assert lines["teacher"].round_trip_ms == 31.5
    assert lines["teacher"].silent_microphone
    assert lines["student"].loss_up is None
    assert not lines["student"].silent_microphone
    lesson.event(SourceState(microphone, 100, 0, (1,)))
    router.tick(10**12 + 4_000_000)
    lines = {line.participant: line for line in lesson.told(Quality)[-1].lines}
    assert not lines["teacher"].silent_microphone


# --- fencing -------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_older_epoch_is_ignored(bench: Bench) -> None:
    bench.ask(OpenLesson(LESSON, 7))
    assert bench.refused(OpenLesson(LESSON, 6)) == "stale_epoch"
    assert bench.refused(CloseLesson(LESSON, 6)) == "stale_epoch"
    assert bench.refused(SetPerson(LESSON, 6, 99, Person("p", "student", 1))) == "stale_epoch"
    assert bench.lessons.count == 1


@pytest.mark.asyncio
async def test_an_older_epoch_is_ignored_even_after_the_lesson_was_closed(bench: Bench) -> None:
    bench.ask(OpenLesson(LESSON, 7))
    bench.ask(CloseLesson(LESSON, 7))
    assert bench.refused(OpenLesson(LESSON, 6)) == "stale_epoch"
    assert bench.lessons.count == 0


@pytest.mark.asyncio
async def test_a_newer_epoch_closes_what_the_older_one_held(lesson: Bench) -> None:
    lesson.ask(OpenLesson(LESSON, 2))
    assert lesson.removed() == [lesson.transport(0), lesson.transport(1)]
    assert lesson.refused(make_offer("student", 2, epoch=2)) == "not_found"


@pytest.mark.asyncio
async def test_older_numbers_are_ignored_for_each_person_and_the_stage(bench: Bench) -> None:
    def person(name: str, number: int, on: str = "") -> SetPerson:
        return SetPerson(LESSON, 1, number, Person(name, "student", 1, frozenset([on]), frozenset([on])))

    bench.ask(person("ann", 10, "camera"))
    bench.ask(person("ben", 3))
    assert bench.refused(person("ann", 9)) == "stale_number"
    assert bench.refused(RemovePerson(LESSON, 1, 9, "ann")) == "stale_number"
    bench.ask(person("ann", 10, "camera"))
    transport = await bench.connect("ann")
    assert bench.gates(transport)[CAMERA]
    bench.ask(RemovePerson(LESSON, 1, 12, "ann"))
    assert bench.refused(person("ann", 11)) == "stale_number"
    bench.ask(person("ann", 13))
    bench.ask(SetStage(LESSON, 1, 5, "ben"))
    assert bench.refused(SetStage(LESSON, 1, 4, None)) == "stale_number"


@pytest.mark.asyncio
async def test_unknown_roles_and_too_many_people_are_refused(bench: Bench) -> None:
    assert bench.refused(SetPerson(LESSON, 1, 1, Person("p", "king", 1))) == "bad_request"
    for number in range(MAX_PEOPLE):
        bench.seat(f"p{number}")
    assert bench.refused(SetPerson(LESSON, 1, 9999, Person("more", "student", 1))) == "lesson_full"


@pytest.mark.asyncio
async def test_two_lessons_do_not_mix(bench: Bench) -> None:
    bench.ask(OpenLesson("other", 1))
    person = Person("student", "student", 1, frozenset(["camera"]), frozenset(["camera"]))
    bench.ask(SetPerson("other", 1, 1, person))
    bench.ask(make_offer("student", lesson="other"))
    bench.seat("teacher", "teacher")
    bench.draw("teacher")
    await bench.connect("teacher")
    assert all(slot.participant is None for slot in bench.slots("teacher").slots)
    status = bench.ask(GetStatus())
    assert isinstance(status, Status)
    assert (status.lessons, status.transports) == (2, 2)


@pytest.mark.asyncio
async def test_events_of_unknown_handles_are_ignored(lesson: Bench) -> None:
    handle = lesson.transport()
    lesson.ask(CloseLesson(LESSON, 1))
    pushes = len(lesson.pushes)
    lesson.event(ConsentLost(handle), DtlsReceived(handle, b"x"), Levels(((99999, 1),)))  # type: ignore[arg-type]
    assert len(lesson.pushes) == pushes


@pytest.mark.asyncio
async def test_gates_come_before_the_slots_that_show_them(lesson: Bench) -> None:
    lesson.seat("ann", order=7)
    await lesson.connect("ann")
    before = len(lesson.plane.commands)
    lesson.seat("ann", order=7, on="camera")
    await lesson.settled()
    kinds = [type(command) for command in lesson.plane.commands[before:]]
    assert kinds[0] is SetGate
    assert kinds.count(SetForward) == 2
