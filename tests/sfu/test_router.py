"""Offers, endings and fencing in a lesson's router."""

from __future__ import annotations

import asyncio
import gzip

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    SetIngressEstimate,
    SetKeys,
    SetPacing,
)
from sfu.router import MAX_PEOPLE
from sfu.rpc.messages import (
    Answered,
    CloseLesson,
    Connected,
    Disconnected,
    Draw,
    Failed,
    GetStatus,
    OpenLesson,
    Person,
    RemovePerson,
    SetPerson,
    SetStage,
    Slots,
    Status,
)
from tests.sfu.recording_plane import (
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
async def test_what_only_some_planes_can_do_is_asked_of_those() -> None:
    async with (
        Bench(capabilities=frozenset({"pad_frames", "pacing"}), pacing_bps=7) as able,
        Bench() as bench,
    ):
        for each in (able, bench):
            each.seat("student")
            each.offer("student")
        (transport,) = able.plane.of(AddTransport)
        assert transport.pad_frames
        assert able.plane.of(SetPacing) == [SetPacing(transport.transport, 7)]
        assert not bench.plane.of(AddTransport)[0].pad_frames
        assert bench.plane.of(SetPacing) == []


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


LINES = OFFER.split("\r\n")


@given(
    st.lists(st.tuples(st.sampled_from(["drop", "double", "cut", "swap"]), st.integers(0, len(LINES) - 1)))
)
@hypothesis.settings(max_examples=60)
def test_any_mangled_offer_is_answered_or_refused(changes: list[tuple[str, int]]) -> None:
    lines = list(LINES)
    for change, where in changes:
        where %= len(lines)
        if change == "drop" and len(lines) > 1:
            del lines[where]
        elif change == "double":
            lines.insert(where, lines[where])
        elif change == "cut":
            lines[where] = lines[where][: len(lines[where]) // 2]
        else:
            lines[where], lines[0] = lines[0], lines[where]
    sdp = gzip.compress("\r\n".join(lines).encode())

    async def offer() -> None:
        async with Bench() as bench:
            bench.seat("student")
            reply = bench.lessons.handle(make_offer("student", sdp=sdp))
            refused = isinstance(reply, Failed) and reply.code.startswith("offer_")
            assert isinstance(reply, Answered) != refused
            assert bench.lessons.transports == (0 if refused else 1)

    asyncio.run(offer())
