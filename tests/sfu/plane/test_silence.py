"""Silence costs its publisher's packets only; what is audible is never cut."""

from __future__ import annotations

import pytest

from sfu.plane.api import SlotHandle, SourceHandle
from tests.sfu.plane.rig import Encoder, Peer, Rig, Sent, consecutive, sequences

SILENT, FAINT, LOUD = 127, 80, 25


class Talk:
    """A microphone that one student hears, 20 ms a packet."""

    def __init__(self, plane: str) -> None:
        self.rig = Rig(plane)
        self.teacher: Peer = self.rig.add_peer()
        self.student: Peer = self.rig.add_peer()
        self.source: SourceHandle = self.rig.add_microphone(self.teacher)
        self.slot: SlotHandle = self.rig.add_slot(self.student, video=False)
        self.voice = Encoder(1, mid="0", payload_type=111)
        self.rig.show(self.slot, self.source)

    def say(self, level: int | None, packets: int) -> list[Sent]:
        """What the student got of this many packets of one level."""
        for _ in range(packets):
            self.rig.receive(self.voice.sound(level=level), self.teacher.address)
            self.rig.pass_us(20_000)
        return self.rig.media(self.student, self.slot)


def test_silence_is_left_out_after_a_word_has_ended_and_numbers_go_on(plane: str) -> None:
    talk = Talk(plane)
    spoken = talk.say(LOUD, 10)
    ended = talk.say(SILENT, 20)
    silent = talk.say(SILENT, 100)
    again = talk.say(LOUD, 5)
    assert (len(spoken), len(again)) == (10, 5)
    whole = [packet for packet in ended if len(packet.payload) > 1]
    assert whole == ended[:19], "the end of a word is not cut"
    assert len(silent) == 5, "one packet of 400 ms in two seconds"
    assert {packet.payload for packet in [*ended[19:], *silent]} == {bytes([ord("o") & 0xFC])}
    everything = [*spoken, *ended, *silent, *again]
    assert consecutive(sequences(everything))
    assert [(packet.timestamp - spoken[0].timestamp) % (1 << 32) for packet in again] == [
        (130 + index) * 960 for index in range(5)
    ], "time goes on though packets are left out"


@pytest.mark.parametrize("level", [FAINT, None])
def test_faint_sound_and_sound_without_a_level_are_not_silence(plane: str, level: int | None) -> None:
    talk = Talk(plane)
    assert len(talk.say(level, 60)) == 60


def test_somebody_silent_is_heard_of_when_a_slot_begins_to_show_them(plane: str) -> None:
    talk = Talk(plane)
    talk.say(SILENT, 60)
    later = talk.rig.add_slot(talk.student, video=False)
    talk.rig.show(later, talk.source)
    talk.rig.take(talk.student)
    talk.rig.receive(talk.voice.sound(level=SILENT), talk.teacher.address)
    first = talk.rig.media(talk.student, later)
    assert [len(packet.payload) for packet in first] == [1]
