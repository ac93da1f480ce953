"""RTCP: every packet type both ways, compound framing, aiortc's traps, NTP time."""

from __future__ import annotations

from struct import pack

import pytest
from aiortc import rtp as aiortc_rtp
from hypothesis import given
from hypothesis import strategies as st

from sfu import rtcp
from sfu.model import ParseError

ssrcs = st.integers(0, 0xFFFFFFFF)
blocks = st.builds(
    rtcp.ReportBlock,
    ssrc=ssrcs,
    fraction_lost=st.integers(0, 255),
    packets_lost=st.integers(-(1 << 23), (1 << 23) - 1),
    highest_sequence=ssrcs,
    jitter=ssrcs,
    lsr=ssrcs,
    dlsr=ssrcs,
)
reports = st.lists(blocks, max_size=31).map(tuple)


def packet(kind: int, count: int, body: bytes, *, padding: bool = False) -> bytes:
    """One packet framed independently of the module under test."""
    return pack("!BBH", 0x80 | (0x20 if padding else 0) | count, kind, len(body) // 4) + body


@given(ssrcs, st.integers(0, 2**64 - 1), ssrcs, ssrcs, ssrcs, reports)
def test_sender_report_round_trip(
    ssrc: int, ntp: int, time: int, packets: int, octets: int, found: tuple[rtcp.ReportBlock, ...]
) -> None:
    data = rtcp.build_sender_report(
        ssrc, ntp=ntp, rtp_timestamp=time, packet_count=packets, octet_count=octets, reports=found
    )
    assert rtcp.parse(data) == [rtcp.SenderReport(ssrc, ntp, time, packets, octets, found)]


@given(ssrcs, reports)
def test_receiver_report_round_trip(ssrc: int, found: tuple[rtcp.ReportBlock, ...]) -> None:
    assert rtcp.parse(rtcp.build_receiver_report(ssrc, found)) == [rtcp.ReceiverReport(ssrc, found)]


def test_counters_are_cut_and_losses_clamped() -> None:
    block = rtcp.ReportBlock(1, packets_lost=1 << 30, highest_sequence=(1 << 32) + 5)
    data = rtcp.build_sender_report(
        9,
        ntp=0,
        rtp_timestamp=(1 << 32) + 1,
        packet_count=(1 << 33) + 2,
        octet_count=(1 << 34) + 3,
        reports=[block],
    )
    (report,) = rtcp.parse(data)
    assert isinstance(report, rtcp.SenderReport)
    assert (report.rtp_timestamp, report.packet_count, report.octet_count) == (1, 2, 3)
    assert report.reports[0].packets_lost == (1 << 23) - 1
    assert report.reports[0].highest_sequence == 5


def test_reports_with_profile_extensions_are_read() -> None:
    data = packet(rtcp.RR, 0, pack("!I", 7) + b"more") + packet(rtcp.SR, 0, bytes(24) + b"more")
    assert rtcp.parse(data) == [rtcp.ReceiverReport(7), rtcp.SenderReport(0, 0, 0, 0, 0)]


@given(
    ssrcs,
    ssrcs,
    st.integers(0, 1 << 34),
    st.lists(st.integers(1, 40), max_size=60),
)
def test_nack_names_exactly_the_lost(sender: int, media: int, first: int, steps: list[int]) -> None:
    """Extended numbers, also over the 16-bit edge, where aiortc's writer raises."""
    numbers = [first]
    for step in steps:
        numbers.append(numbers[-1] + step)
    data = rtcp.build_nack(sender, media, numbers)
    assert rtcp.parse(data) == [rtcp.Nack(sender, media, tuple(number & 0xFFFF for number in numbers))]


@pytest.mark.parametrize(
    ("numbers", "items"),
    [
        ([5], "00050000"),
        ([5, 6, 21], "00058001"),
        ([5, 22], "0005000000160000"),
        ([65535, 0, 15], "ffff8001"),
        ([5, 5, 6], "00050001"),
    ],
)
def test_nack_packs_sixteen_followers_into_an_item(numbers: list[int], items: str) -> None:
    assert rtcp.build_nack(1, 2, numbers)[12:].hex() == items


def test_transport_wide_feedback_is_not_a_nack() -> None:
    """aiortc takes any RTPFB for a NACK (FMT 15 is transport-wide feedback)."""
    body = pack("!II", 1, 2) + bytes.fromhex("0001000200abcd00200204ff")
    assert rtcp.parse(packet(rtcp.RTPFB, 15, body)) == [rtcp.Other(rtcp.RTPFB, 15, body)]


def test_feedback_round_trips() -> None:
    assert rtcp.parse(rtcp.build_pli(1, 2)) == [rtcp.Pli(1, 2)]
    assert rtcp.parse(rtcp.build_fir(1, [(2, 255), (3, 256)])) == [rtcp.Fir(1, ((2, 255), (3, 0)))]
    assert rtcp.parse(rtcp.build_bye([1, 2])) == [rtcp.Bye((1, 2))]
    assert rtcp.parse(rtcp.build_sdes(1, "имя")) == [rtcp.Sdes(((1, "имя"),))]


@given(ssrcs, st.integers(0, 1 << 40), st.lists(ssrcs, max_size=8))
def test_remb_keeps_eighteen_bits(sender: int, bps: int, found: list[int]) -> None:
    (remb,) = rtcp.parse(rtcp.build_remb(sender, bps, found))
    assert isinstance(remb, rtcp.Remb)
    assert (remb.sender_ssrc, remb.ssrcs) == (sender, tuple(found))
    assert remb.bps <= bps < remb.bps + max(1, bps >> 17)


def test_remb_beyond_64_bits_is_their_largest() -> None:
    data = bytearray(rtcp.build_remb(1, (1 << 64) - 1, []))
    assert rtcp.parse(data) == [rtcp.Remb(1, 0x3FFFF << 46, ())]
    data[17] += 4
    assert rtcp.parse(data) == [rtcp.Remb(1, (1 << 64) - 1, ())]


def test_application_feedback_other_than_remb_is_other() -> None:
    body = pack("!II", 1, 0) + b"GOOG"
    assert rtcp.parse(packet(rtcp.PSFB, 15, body)) == [rtcp.Other(rtcp.PSFB, 15, body)]


def test_a_receivers_reference_time_is_found_among_other_blocks() -> None:
    """RFC 3611: another block before it, which nobody reads."""
    loss = pack("!BBHI", 1, 0, 1, 9)
    reference = pack("!BBHQ", 4, 0, 2, 0x0102030405060708)
    told = [rtcp.ReceiverReference(7, 0x0102030405060708)]
    assert rtcp.parse(packet(rtcp.XR, 0, pack("!I", 7) + loss + reference)) == told
    assert rtcp.parse(packet(rtcp.XR, 0, pack("!I", 7) + reference)) == told


@pytest.mark.parametrize(
    "blocks", [b"", pack("!BBHI", 4, 0, 2, 9), pack("!BBHI", 4, 0, 1, 9), pack("!BBH", 1, 0, 500)]
)
def test_extended_reports_without_one_are_other(blocks: bytes) -> None:
    body = pack("!I", 7) + blocks
    assert rtcp.parse(packet(rtcp.XR, 0, body)) == [rtcp.Other(rtcp.XR, 0, body)]


def test_the_answer_to_a_reference_time_has_its_middle() -> None:
    built = rtcp.build_dlrr(1, 2, 0x03040506, 65536)
    assert built == pack("!BBHIBBHIII", 0x80, 207, 5, 1, 5, 0, 3, 2, 0x03040506, 65536)


@pytest.mark.parametrize("length", range(9))
def test_sdes_chunks_are_aligned(length: int) -> None:
    """Two chunks whose items end at every place of a word; aiortc reads the second one wrong."""

    def chunk(ssrc: int, name: bytes) -> bytes:
        items = b"\x02\x01x" + b"\x01" + bytes([len(name)]) + name
        return pack("!I", ssrc) + items + bytes(4 - len(items) % 4)

    body = chunk(1, b"a" * length) + chunk(2, b"b")
    assert rtcp.parse(packet(rtcp.SDES, 2, body)) == [rtcp.Sdes(((1, "a" * length), (2, "b")))]


def test_compound_datagram_is_read_in_order() -> None:
    data = (
        rtcp.build_receiver_report(1)
        + rtcp.build_sdes(1, "c")
        + packet(204, 3, pack("!I", 1) + b"name")
        + rtcp.build_pli(1, 2)
        + packet(rtcp.PSFB, 1, pack("!II", 1, 3) + b"\0\0\0\4", padding=True)
    )
    assert rtcp.parse(data) == [
        rtcp.ReceiverReport(1),
        rtcp.Sdes(((1, "c"),)),
        rtcp.Other(204, 3, pack("!I", 1) + b"name"),
        rtcp.Pli(1, 2),
        rtcp.Pli(1, 3),
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty", b""),
        ("three bytes", b"\x80\xc9\x00"),
        ("version 1", b"\x40" + rtcp.build_pli(1, 2)[1:]),
        ("runs past the end", rtcp.build_pli(1, 2)[:-1]),
        ("second packet cut short", rtcp.build_pli(1, 2) + b"\x80"),
        ("padding of 0", packet(rtcp.PSFB, 1, bytes(8), padding=True)),
        ("padding larger than the body", packet(rtcp.PSFB, 1, bytes(7) + b"\x09", padding=True)),
        ("padding without body", packet(rtcp.PSFB, 1, b"", padding=True)),
        ("report with a block missing", packet(rtcp.RR, 2, bytes(28))),
        ("sender report cut short", packet(rtcp.SR, 0, bytes(20))),
        ("BYE without its sources", packet(rtcp.BYE, 2, bytes(4))),
        ("PLI cut short", packet(rtcp.PSFB, 1, bytes(4))),
        ("FIR with half an item", packet(rtcp.PSFB, 4, bytes(12))),
        ("NACK cut short", packet(rtcp.RTPFB, 1, bytes(4))),
        ("REMB without its SSRCs", packet(rtcp.PSFB, 15, bytes(8) + b"REMB\x02\x00\x00\x00" + bytes(4))),
        ("REMB cut short", packet(rtcp.PSFB, 15, bytes(8) + b"REMB")),
        ("SDES without chunks", packet(rtcp.SDES, 1, b"")),
        ("SDES item cut short", packet(rtcp.SDES, 1, bytes(4) + b"\x01\x09ab")),
        ("SDES without an end", packet(rtcp.SDES, 1, bytes(4) + b"\x01\x02ab")),
    ],
)
def test_malformed_datagrams_are_refused_whole(name: str, data: bytes) -> None:
    with pytest.raises(ParseError):
        rtcp.parse(data)


@given(st.binary(max_size=64), st.integers(192, 223), st.integers(0, 31), st.booleans())
def test_garbage_raises_nothing_but_parse_error(data: bytes, kind: int, count: int, padding: bool) -> None:
    body = data + bytes(-len(data) % 4)
    for candidate in (data, packet(kind, count, body, padding=padding)):
        try:
            rtcp.parse(candidate)
        except ParseError:
            continue


def test_aiortc_still_has_what_is_used_of_it() -> None:
    for name in (
        "RtcpSrPacket",
        "RtcpRrPacket",
        "RtcpByePacket",
        "RtcpSdesPacket",
        "RtcpPsfbPacket",
        "RtcpReceiverInfo",
        "RtcpSenderInfo",
        "RtcpSourceInfo",
        "clamp_packets_lost",
        "pack_remb_fci",
        "unpack_remb_fci",
    ):
        assert hasattr(aiortc_rtp, name), name


@pytest.mark.parametrize(
    ("unix_us", "ntp"),
    [
        (0, 2_208_988_800 << 32),
        (1_500_000, (2_208_988_801 << 32) | 0x80000000),
        (2_085_978_496_000_000, 0),  # the NTP era ends in 2036
    ],
)
def test_ntp_counts_from_1900(unix_us: int, ntp: int) -> None:
    assert rtcp.ntp_from_us(unix_us) == ntp


@given(st.integers(0, 2_085_978_495_999_999))
def test_ntp_round_trip_to_the_microsecond(unix_us: int) -> None:
    assert rtcp.us_from_ntp(rtcp.ntp_from_us(unix_us)) == unix_us


@pytest.mark.parametrize(
    ("elapsed_us", "delay_us", "expected_us"),
    [(150_000, 100_000, 50_000), (70_000, 0, 70_000), (0, 1_000, None)],
)
def test_round_trip_by_lsr_and_dlsr(elapsed_us: int, delay_us: int, expected_us: int | None) -> None:
    sent = rtcp.ntp_from_us(1_700_000_000_000_000)
    now = rtcp.ntp_from_us(1_700_000_000_000_000 + elapsed_us)
    found = rtcp.round_trip_us(now, rtcp.ntp_middle(sent), (delay_us << 16) // 1_000_000)
    if expected_us is None:
        assert found is None
    else:
        assert found == pytest.approx(expected_us, abs=32)


def test_round_trip_is_unknown_without_a_report() -> None:
    assert rtcp.round_trip_us(1 << 40, 0, 0) is None
