"""What a listener makes of packets that it does not decrypt: counts, requests, reports."""

from __future__ import annotations

from loadtest.continuity import Count, Heard, Pause
from loadtest.reception import ASK_AGAIN_S, MOST_ASKED, Reception
from sfu import rtp

SEND = "m=audio 9 x 111\r\na=mid:0\r\n" * 4
ANSWER = (
    "v=0\r\n"
    + SEND
    + "m=video 9 x 96\r\na=ssrc-group:FID 500 501\r\na=ssrc:500 cname:s\r\na=ssrc:501 cname:s\r\n"
    + "m=audio 9 x 111\r\na=ssrc:502 cname:s\r\n"
    + "m=video 9 x 96\r\na=inactive\r\n"
    + "m=audio 9 x 111\r\na=ssrc:504 cname:s\r\n"
)


def packet(ssrc: int, number: int) -> bytes:
    return rtp.build(payload_type=96, sequence_number=number, timestamp=0, ssrc=ssrc, payload=b"secret")


def test_packets_are_known_by_the_answers_ssrcs() -> None:
    reception = Reception(ANSWER)
    assert [reception.take(packet(ssrc, 1)) for ssrc in (500, 502, 504, 501, 9)] == [0, 1, 3, None, None]
    assert reception.is_repair(packet(501, 1))
    assert not reception.is_repair(packet(9, 1))
    assert reception.count(video=True) == Count(received=1)
    assert reception.count(video=False) == Count(received=2)


def test_pictures_are_asked_for_again_sound_is_not() -> None:
    reception = Reception(ANSWER)
    for ssrc in (500, 502):
        reception.take(packet(ssrc, 1))
        reception.take(packet(ssrc, 4))
    assert reception.lacks
    assert reception.asks(10.0) == [(500, [2, 3])]
    assert reception.asks(10.0 + ASK_AGAIN_S / 2) == []
    reception.take(packet(500, 6))
    assert reception.asks(10.0 + ASK_AGAIN_S / 2) == [(500, [2, 3, 5])], "a new gap is asked for at once"
    reception.repair(501, (3).to_bytes(2, "big") + b"payload")
    reception.repair(501, (5).to_bytes(2, "big"))
    assert reception.asks(11.0) == [(500, [2, 5])], "padding alone repairs nothing"
    assert reception.count(video=True) == Count(received=4, lost=2, repaired=1)


def test_what_does_not_come_is_given_up() -> None:
    reception = Reception(ANSWER)
    reception.take(packet(500, 1))
    reception.take(packet(500, 3))
    asked = [reception.asks(10.0 + number) for number in range(MOST_ASKED + 3)]
    assert asked == [[(500, [2])]] * MOST_ASKED + [[]] * 3
    assert not reception.lacks
    assert reception.count(video=True).lost == 1


def test_reports_tell_what_was_lost_since_the_last() -> None:
    reception = Reception(ANSWER)
    for number in (65_534, 65_535, 2, 3):
        reception.take(packet(502, number & 0xFFFF))
    (block,) = reception.report()
    assert (block.ssrc, block.packets_lost, block.highest_sequence) == (502, 2, 65_539)
    assert block.fraction_lost == 2 * 256 // 6
    reception.take(packet(502, 4))
    (block,) = reception.report()
    assert (block.packets_lost, block.fraction_lost) == (2, 0)
    (block,) = reception.report()
    assert block.fraction_lost == 0


def test_a_repair_was_lost_for_a_report() -> None:
    reception = Reception(ANSWER)
    for number in (1, 2, 4):
        reception.take(packet(500, number))
    reception.repair(501, (3).to_bytes(2, "big") + b"payload")
    (block,) = reception.report()
    assert (block.packets_lost, block.fraction_lost) == (1, 64)


def test_a_pause_is_the_longest_time_without_a_packet() -> None:
    pause = Pause()
    assert (pause.longest_s(5.0), pause.current_s(5.0)) == (0.0, 0.0)
    for at_s in (5.0, 5.5, 8.5, 9.0):
        pause.take(at_s)
    assert (pause.longest_s(9.5), pause.current_s(9.5)) == (3.0, 0.5)
    assert pause.longest_s(20.0) == 11.0
    assert Heard(Count(), Count(), 3.0, 0).moves == 0
