"""What is in a journal can be read, whatever happened to its end."""

from __future__ import annotations

import errno
import os
import struct
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.journal import (
    MAGIC,
    MAX_BODY,
    Budget,
    Head,
    Kind,
    LogEvent,
    LogHead,
    Record,
    TapHead,
    Teacher,
    Writer,
    dropped_of,
    event_of,
    read,
    repair,
)
from sfu.model import ParseError

NOW_US = 1_790_000_000_000_000
TAP = TapHead(
    lesson="L1", recording="R1", part=2, participant="p7", role="student", name="Оля\u202e", source="camera",
    codec="VP8", clock_rate=90_000, payload_type=96, audio_level_id=0, epoch=3, connection=1,
)  # fmt: skip
LOG = LogHead(
    lesson="L1", recording="R1", title="=1+1", subject="", grade=None,
    teacher=Teacher(id="t", name="Анна"), created_at_ms=NOW_US // 1000,
)  # fmt: skip
EVENT = LogEvent(
    number=5,
    kind="chat_sent",
    at_ms=NOW_US // 1000,
    by="p7",
    set={"chat/1": {"text": "да"}},
    delete=("hand/p7",),
)


def blob(packets: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack(">QH", time_us, len(packet)) + packet for time_us, packet in packets)


def written(path: Path, packets: Iterable[tuple[int, bytes]], head: Head = TAP) -> None:
    writer = Writer(path, head, NOW_US)
    writer.open()
    writer.add_packets(blob(packets))
    writer.close(NOW_US + 9)


def whole(path: Path) -> list[Record]:
    return list(read(path)[1])


def test_packets_come_back_with_their_receive_times(tmp_path: Path) -> None:
    packets = [(NOW_US + n, bytes([n]) * (n * 37 % 1400)) for n in range(200)] + [(NOW_US, b"x" * 65_535)]
    written(tmp_path / "a.zj", packets)
    head, records = read(tmp_path / "a.zj")
    assert head == TAP
    *rest, end = records
    assert rest == [(Kind.PACKET, time_us, packet) for time_us, packet in packets]
    assert end == (Kind.END, NOW_US + 9, b"")
    assert records.ended
    assert records.damage == ""
    assert records.good_bytes == (tmp_path / "a.zj").stat().st_size


def test_records_across_the_readers_chunks_are_whole(tmp_path: Path) -> None:
    packets = [(NOW_US + n, n.to_bytes(4) * 300) for n in range(9000)]
    written(tmp_path / "a.zj", packets)
    assert (tmp_path / "a.zj").stat().st_size > 10_000_000
    assert [(time_us, body) for kind, time_us, body in whole(tmp_path / "a.zj")[:-1]] == packets


def test_events_and_dropped_counts_come_back(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "log.zj", LOG, NOW_US)
    writer.add_event(EVENT, NOW_US)
    writer.open()
    writer.add_packets(blob([(NOW_US + 2, b"p")]), dropped=7, now_us=NOW_US + 1)
    writer.close(NOW_US)
    head, records = read(tmp_path / "log.zj")
    event, dropped, packet, _ = records
    assert head == LOG
    assert event_of(event[2]) == EVENT
    assert (dropped[0], dropped[1], dropped_of(dropped[2])) == (Kind.DROPPED, NOW_US + 1, 7)
    assert packet == (Kind.PACKET, NOW_US + 2, b"p")
    assert (writer.packets, writer.dropped) == (1, 7)


def test_the_documented_bytes_are_the_bytes(tmp_path: Path) -> None:
    written(tmp_path / "a.zj", [(0x0102030405060708, b"abc")])
    data = (tmp_path / "a.zj").read_bytes()
    assert data[:8] == b"ZVJRNL01"
    (head_length,) = struct.unpack_from(">I", data, 8)
    at = 8 + 13 + head_length + 4
    assert data[at : at + 16].hex() == "00000003" + "02" + "0102030405060708" + "616263"
    assert struct.unpack_from(">I", data, at + 16)[0] == zlib.crc32(data[at : at + 16])


def test_what_finds_no_room_is_counted_where_it_is_missing(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.zj", TAP, NOW_US, Budget(limit=200))
    writer.open()
    writer.add_packets(blob([(NOW_US, b"1" * 100)]))
    writer.add_packets(blob([(NOW_US + 1, b"2" * 100), (NOW_US + 1, b"3")]))
    assert not writer.add_event(EVENT, NOW_US + 1)
    writer.flush()
    writer.add_packets(blob([(NOW_US + 2, b"4")]))
    writer.close(NOW_US)
    first, dropped, last, _ = whole(tmp_path / "a.zj")
    assert (first[2], dropped_of(dropped[2]), last[2]) == (b"1" * 100, 2, b"4")
    assert writer.dropped == 2


def test_writers_share_one_budget_and_give_back_what_they_discard(tmp_path: Path) -> None:
    budget = Budget(limit=150)
    one, other = (Writer(tmp_path / name, TAP, NOW_US, budget) for name in ("a.zj", "b.zj"))
    one.add_packets(blob([(NOW_US, b"1" * 100)]))
    other.add_packets(blob([(NOW_US, b"1" * 100)]))
    assert (one.packets, other.packets, other.dropped) == (1, 0, 1)
    one.discard()
    other.add_packets(blob([(NOW_US, b"1" * 100)]))
    assert other.packets == 1


def test_nothing_waits_in_a_writer_that_is_closed(tmp_path: Path) -> None:
    budget = Budget()
    writer = Writer(tmp_path / "a.zj", TAP, NOW_US, budget)
    writer.open()
    writer.close(NOW_US)
    writer.add_packets(blob([(NOW_US, b"late")]))
    assert writer.pending == 0
    assert budget.taken == budget.returned


def test_a_torn_blob_adds_nothing(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.zj", TAP, NOW_US)
    for torn in (blob([(1, b"abc"), (2, b"def")])[:-1], b"123"):
        with pytest.raises(ParseError):
            writer.add_packets(torn, dropped=1)
    assert (writer.pending, writer.packets, writer.dropped) == (0, 0, 0)


def test_an_event_too_big_for_a_record_is_refused(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.zj", LOG, NOW_US)
    big = LogEvent(number=1, kind="x", at_ms=0, by=None, set={"a": "x" * MAX_BODY})
    with pytest.raises(ValueError, match="1 MiB"):
        writer.add_event(big, NOW_US)


def test_another_thread_flushes_while_packets_are_added(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "a.zj", TAP, NOW_US)
    writer.open()
    done = threading.Event()

    def flush() -> None:
        while not done.is_set():
            writer.flush()

    thread = threading.Thread(target=flush)
    thread.start()
    for n in range(3000):
        writer.add_packets(blob([(n, n.to_bytes(4)), (n, b"")]))
    done.set()
    thread.join()
    writer.close(NOW_US)
    packets = whole(tmp_path / "a.zj")[:-1]
    assert [body for _, _, body in packets[::2]] == [n.to_bytes(4) for n in range(3000)]
    assert len(packets) == 6000


def test_a_journal_is_gone_on_with_behind_its_last_good_record(tmp_path: Path) -> None:
    path = tmp_path / "log.zj"
    written(path, [(NOW_US, b"one"), (NOW_US, b"two")], LOG)
    os.truncate(path, path.stat().st_size - 20)  # the end record, and the last byte of the one before
    writer = Writer(path, LOG, NOW_US)
    writer.open()
    writer.add_packets(blob([(NOW_US, b"three")]))
    writer.close(NOW_US)
    head, records = read(path)
    assert head == LOG
    assert [body for kind, _, body in records if kind == Kind.PACKET] == [b"one", b"three"]
    assert records.damage == ""


@pytest.mark.parametrize("left", [b"", MAGIC[:3], MAGIC, MAGIC + b"\0\0\1"], ids=["0", "3", "8", "torn head"])
def test_a_journal_without_a_head_is_begun_anew(tmp_path: Path, left: bytes) -> None:
    path = tmp_path / "log.zj"
    path.write_bytes(left)
    head, records = read(path)
    assert head is None
    assert list(records) == []
    written(path, [(NOW_US, b"one")], LOG)
    assert read(path)[0] == LOG


def test_writing_ends_at_the_first_error_and_what_was_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(tmp_path / "a.zj", TAP, NOW_US)
    writer.open()
    writer.add_packets(blob([(NOW_US, b"first")]))
    writer.flush()
    real = os.write

    def full(file: int, data: bytes) -> int:
        if len(data) < 4:
            raise OSError(errno.ENOSPC, "no space left")
        return real(file, data[:3])

    monkeypatch.setattr(os, "write", full)
    writer.add_packets(blob([(NOW_US, b"second")]))
    with pytest.raises(OSError, match="no space"):
        writer.flush()
    monkeypatch.undo()
    assert writer.over
    writer.add_packets(blob([(NOW_US, b"third")]))
    writer.close(NOW_US)
    _, records = read(tmp_path / "a.zj")
    assert [body for _, _, body in records] == [b"first"]
    assert records.damage


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_cut_or_a_flipped_bit_costs_only_what_follows_it(data: st.DataObject) -> None:
    packets = [
        (NOW_US + n, packet)
        for n, packet in enumerate(data.draw(st.lists(st.binary(max_size=60), min_size=1, max_size=12)))
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.zj"
        written(path, packets)
        good = path.read_bytes()
        ends = [8]
        while ends[-1] < len(good):
            (length,) = struct.unpack_from(">I", good, ends[-1])
            ends.append(ends[-1] + length + 17)
        before = whole(path)
        at = data.draw(st.integers(0, len(good) - 1), label="damage at")
        if data.draw(st.booleans(), label="cut"):
            path.write_bytes(good[:at])
            at_end = good[:at] == good[: max((end for end in ends if end <= at), default=0)]
        else:
            bad = bytearray(good)
            bad[at] ^= 1 << data.draw(st.integers(0, 7), label="bit")
            path.write_bytes(bad)
            at_end = False
        kept = [end for end in ends if end <= at]
        expected = before[: max(len(kept) - 2, 0)]  # magic and head are no records of the list
        head, records = read(path)
        assert list(records) == expected
        assert (head is None) == (len(kept) < 2)
        assert records.good_bytes == (kept[-1] if kept else 0)
        assert (records.damage == "") == (at_end and len(kept) > 1)
        assert repair(path) == records.good_bytes
        assert path.stat().st_size == records.good_bytes
        if head is not None:
            assert whole(path) == expected
            assert read(path)[1].damage == ""


@given(st.binary(max_size=400))
def test_reading_any_file_never_raises(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.zj"
        for content in (data, MAGIC + data):
            path.write_bytes(content)
            head, records = read(path)
            assert list(records) == [] or head is not None
            repair(path)
