"""ICE-lite: who is validated, where media goes, when it stops."""

from __future__ import annotations

import pytest

from sfu import rtp, stun
from sfu.plane.api import (
    AddressNominated,
    ConsentLost,
    Drop,
    DtlsReceived,
    RestartIce,
    SendDtls,
    SrtpProfile,
)
from sfu.plane.core.crypto import Session
from tests.sfu.plane.cores import NATIVE, REFERENCE, native_core, reference_core
from tests.sfu.plane.rig import PASSWORD, Encoder, Rig

DTLS = b"\x16\xfe\xfd hello"
OTHER = ("198.51.100.7", 4000)


class RefusingCrypto:
    """Fails the test when anything is handed to it."""

    errors: tuple[type[Exception], ...] = ()

    def session(self, profile: SrtpProfile, receive_key: bytes, send_key: bytes) -> Session:
        def refuse(packet: bytes) -> bytes:
            raise AssertionError("a datagram reached the crypto")

        return Session(refuse, refuse, refuse, refuse)


def refusing(plane: str) -> Rig:
    """A rig in which nothing unwanted reaches the crypto unseen: the reference's fails the test, the native
    one's, which can't be exchanged, is the real one and would count what it refuses."""
    if plane == REFERENCE:
        return Rig(plane, core=reference_core(RefusingCrypto()))
    return Rig(plane, core=native_core(plain=False) if plane == NATIVE else None)


def answers(rig: Rig, address: tuple[str, int]) -> list[stun.Message]:
    found = [stun.parse(data) for data, to in rig.out if to == address and data[0] < 4]
    rig.out.clear()
    return found


def test_a_check_is_answered_with_the_address_it_came_from(plane: str) -> None:
    rig = Rig(plane)
    peer = rig.add_peer(connected=False)
    rig.check(peer, nominate=False)
    (answer,) = answers(rig, peer.address)
    assert isinstance(answer, stun.BindingSuccess)
    assert answer.mapped_address == peer.address
    assert stun.check_integrity(answer, PASSWORD)
    assert rig.of(AddressNominated) == []


def test_an_ipv4_peer_of_a_dual_stack_socket_is_told_its_plain_address(plane: str) -> None:
    rig = Rig(plane)
    peer = rig.add_peer(connected=False)
    mapped = ("::ffff:192.0.2.9", 5000, 0, 0)
    rig.check(peer, address=mapped)
    assert rig.of(AddressNominated) == [AddressNominated(peer.handle, ("192.0.2.9", 5000))]
    ((data, to),) = rig.out
    answer = stun.parse(data)
    assert to == (mapped if plane == REFERENCE else ("192.0.2.9", 5000)), "as the plane's socket wants it"
    assert isinstance(answer, stun.BindingSuccess)
    assert answer.mapped_address == ("192.0.2.9", 5000)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"password": "wrong password of some length"}, Drop.STUN_INTEGRITY),
        ({"ufrag": "nobody"}, Drop.STUN_UNKNOWN_USER),
        ({"remote_ufrag": "somebody"}, Drop.STUN_UNKNOWN_USER),
    ],
)
def test_a_check_without_the_right_credentials_gets_no_answer_and_validates_nothing(
    plane: str, changes: dict[str, str], reason: Drop
) -> None:
    rig = Rig(plane)
    peer = rig.add_peer(connected=False)
    rig.check(peer, **changes)  # type: ignore[arg-type]
    assert rig.out == []
    assert rig.dropped(reason) == 1
    rig.receive(DTLS, peer.address)
    assert rig.of(DtlsReceived) == []
    assert rig.dropped(Drop.NOT_VALIDATED) == 1


@pytest.mark.parametrize(
    "data", [DTLS, b"\x80\x60" + bytes(40), b"\x80\xc8\x00\x06" + bytes(24), b"\xbf\xff" + bytes(100)]
)
def test_datagrams_from_an_unvalidated_address_never_reach_crypto(plane: str, data: bytes) -> None:
    rig = refusing(plane)
    rig.add_peer()
    rig.receive(data, OTHER)
    assert rig.dropped(Drop.NOT_VALIDATED) == 1
    assert rig.dropped(Drop.UNPROTECT) == 0
    assert rig.of(DtlsReceived) == []


@pytest.mark.parametrize("first", [4, 19, 64, 127, 192, 255])
def test_first_bytes_that_mean_nothing_are_dropped(plane: str, first: int) -> None:
    rig = refusing(plane)
    peer = rig.add_peer()
    rig.receive(bytes((first,)) * 50, peer.address)
    rig.receive(b"", peer.address)
    assert rig.dropped(Drop.UNKNOWN_FIRST_BYTE) == 2
    assert rig.dropped(Drop.UNPROTECT) == 0


def test_garbage_stun_is_counted_and_unanswered(plane: str) -> None:
    rig = Rig(plane)
    rig.receive(b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12), OTHER)
    rig.receive(b"\x00\x01", OTHER)
    assert rig.out == []
    assert rig.dropped(Drop.STUN_MALFORMED) == 2


def test_a_peer_that_claims_to_be_controlled_is_told_of_the_conflict(plane: str) -> None:
    rig = Rig(plane)
    peer = rig.add_peer(connected=False)
    rig.check(peer, controlled=True)
    (answer,) = answers(rig, peer.address)
    assert isinstance(answer, stun.BindingError)
    assert answer.code == 487
    rig.receive(DTLS, peer.address)
    assert rig.dropped(Drop.NOT_VALIDATED) == 1


def test_dtls_goes_to_the_last_validated_address_until_one_is_nominated(plane: str) -> None:
    rig = Rig(plane)
    peer = rig.add_peer(connected=False)
    rig.apply(SendDtls(peer.handle, DTLS))
    assert rig.dropped(Drop.NO_ADDRESS) == 1
    rig.check(peer, nominate=False)
    rig.check(peer, address=OTHER, nominate=False)
    rig.out.clear()
    rig.apply(SendDtls(peer.handle, DTLS))
    assert rig.out == [(DTLS, OTHER)]
    rig.check(peer, nominate=True)
    rig.out.clear()
    rig.apply(SendDtls(peer.handle, DTLS))
    assert rig.out == [(DTLS, peer.address)]


@pytest.mark.parametrize(
    ("name", "second_priority", "after_us", "first_silent", "moves"),
    [
        ("higher within a second", 200, 500_000, False, True),
        ("equal within a second", 100, 500_000, False, False),
        ("lower within a second", 50, 500_000, False, False),
        ("higher later", 200, 2_000_000, False, True),
        ("equal later", 100, 2_000_000, False, True),
        ("lower while the first is heard", 50, 2_000_000, False, False),
        ("lower after the first fell silent", 50, 4_000_000, True, True),
    ],
)
def test_which_of_two_nominations_holds(
    plane: str, name: str, second_priority: int, after_us: int, first_silent: bool, moves: bool
) -> None:
    rig = Rig(plane)
    peer = rig.add_peer(connected=False)
    rig.check(peer, priority=100)
    rig.pass_us(after_us)
    if not first_silent:
        rig.check(peer, priority=100, nominate=False)
    rig.check(peer, address=OTHER, priority=second_priority)
    nominated = [event.address for event in rig.of(AddressNominated)]
    assert nominated == [peer.address, OTHER] if moves else [peer.address], name


def test_repeated_nominations_of_two_live_addresses_do_not_flap(plane: str) -> None:
    rig = Rig(plane)
    peer = rig.add_peer(connected=False)
    for _ in range(20):
        rig.check(peer, priority=100)
        rig.check(peer, address=OTHER, priority=90)
        rig.pass_us(250_000)
    assert len(rig.of(AddressNominated)) == 1


def test_at_most_eight_addresses_are_kept_and_the_nominated_one_stays(plane: str) -> None:
    rig = Rig(plane)
    peer = rig.add_peer(connected=False)
    rig.check(peer, priority=1000)
    for port in range(20):
        rig.pass_us(10_000)
        rig.check(peer, address=("198.51.100.1", port), nominate=False)
    heard = 0
    for port in range(20):
        rig.receive(DTLS, ("198.51.100.1", port))
        heard = len(rig.of(DtlsReceived))
    assert heard == 7
    rig.receive(DTLS, peer.address)
    assert len(rig.of(DtlsReceived)) == 8


def test_sending_stops_after_thirty_seconds_without_a_check_and_goes_on_with_one(plane: str) -> None:
    rig = Rig(plane)
    teacher, student = rig.add_peer(), rig.add_peer()
    microphone = rig.add_microphone(teacher)
    slot = rig.add_slot(student, video=False)
    rig.show(slot, microphone)
    voice = Encoder(1, mid="0", payload_type=111)

    def heard() -> int:
        rig.receive(voice.sound(), teacher.address)
        return len(rig.media(student, slot))

    assert heard() == 1
    rig.pass_us(25_000_000)
    rig.check(teacher)
    assert heard() == 1
    rig.pass_us(7_000_000)
    rig.check(teacher)
    rig.out.clear()
    assert heard() == 0
    assert rig.of(ConsentLost) == [ConsentLost(student.handle)]
    rig.pass_us(2_000_000)
    assert [data for data, to in rig.out if to == student.address] == []
    rig.apply(SendDtls(student.handle, DTLS))
    assert [data for data, to in rig.out if to == student.address] == []
    rig.check(student, nominate=False)
    rig.out.clear()
    assert heard() == 1


def test_numbers_go_on_without_a_gap_after_consent_was_lost(plane: str) -> None:
    rig = Rig(plane)
    teacher, student = rig.add_peer(), rig.add_peer()
    microphone = rig.add_microphone(teacher)
    slot = rig.add_slot(student, video=False)
    rig.show(slot, microphone)
    voice = Encoder(1, mid="0", payload_type=111)
    rig.receive(voice.sound(), teacher.address)
    (before,) = rig.media(student, slot)
    rig.pass_us(29_000_000)
    rig.check(teacher)
    rig.pass_us(3_000_000)
    for _ in range(50):
        rig.receive(voice.sound(), teacher.address)
    rig.check(student)
    rig.receive(voice.sound(), teacher.address)
    (after,) = rig.media(student, slot)
    assert after.sequence == (before.sequence + 1) & 0xFFFF


def test_restart_keeps_the_old_credentials_until_the_new_ones_are_used(plane: str) -> None:
    rig = Rig(plane)
    peer = rig.add_peer()
    rig.apply(RestartIce(peer.handle, "new", PASSWORD[::-1] + "x", "theirs", "q" * 22))
    rig.out.clear()
    rig.check(peer)
    assert len(answers(rig, peer.address)) == 1
    rig.check(
        peer, address=OTHER, ufrag="new", remote_ufrag="theirs", password=PASSWORD[::-1] + "x", priority=1
    )
    assert len(answers(rig, OTHER)) == 1
    assert rig.of(AddressNominated)[-1].address == OTHER, "a restart's nomination holds whatever its priority"
    rig.check(peer)
    assert answers(rig, peer.address) == []
    assert rig.dropped(Drop.STUN_UNKNOWN_USER) == 1


def test_media_flows_through_a_restart(plane: str) -> None:
    rig = Rig(plane)
    teacher, student = rig.add_peer(), rig.add_peer()
    slot = rig.add_slot(student, video=False)
    rig.show(slot, rig.add_microphone(teacher))
    voice = Encoder(1, mid="0", payload_type=111)
    rig.receive(voice.sound(), teacher.address)
    rig.apply(RestartIce(teacher.handle, "new", PASSWORD, "theirs", "q" * 22))
    rig.receive(voice.sound(), teacher.address)
    rig.check(teacher, address=OTHER, ufrag="new", remote_ufrag="theirs")
    rig.receive(voice.sound(), teacher.address)
    rig.receive(voice.sound(), OTHER)
    assert len(rig.media(student, slot)) == 4


def test_an_address_that_another_peer_proves_is_no_longer_the_first_ones(plane: str) -> None:
    rig = Rig(plane)
    first, second = rig.add_peer(), rig.add_peer(connected=False)
    rig.check(second, address=first.address)
    rig.receive(DTLS, first.address)
    assert rig.of(DtlsReceived) == [DtlsReceived(second.handle, DTLS)]
    rig.out.clear()
    rig.apply(SendDtls(first.handle, DTLS))
    assert rig.out == []


def test_media_before_keys_is_dropped(plane: str) -> None:
    rig = Rig(plane)
    peer = rig.add_peer(connected=False)
    rig.check(peer)
    rig.receive(rtp.build(payload_type=96, sequence_number=1, timestamp=1, ssrc=1), peer.address)
    assert rig.dropped(Drop.NO_KEYS) == 1
