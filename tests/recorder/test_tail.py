"""A journal that grows is read up to one time after another, wherever it ends meanwhile."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from recorder.journal import MAGIC, NEVER_US, Kind, Writer, read
from recorder.tail import Late, Tail
from tests.recorder.parts import blob
from tests.recorder.test_journal import TAP


def journal(folder: Path, *times_us: int, end: bool = True) -> Path:
    path = folder / "001-p-microphone-a.zj"
    writer = Writer(path, TAP, 0)
    writer.open()
    for time_us in times_us:
        writer.add_packets(blob([(time_us, b"packet %d" % time_us)]))
    if end:
        writer.close(0)
    else:
        writer.flush()
        writer.discard()
    return path


def taken(tail: Tail, before_us: int) -> list[int]:
    return [time_us for batch in tail.read(before_us) for kind, time_us, _, _ in batch if kind == Kind.PACKET]


def test_what_is_later_waits(tmp_path: Path) -> None:
    tail = Tail(journal(tmp_path, 10, 20, 30, 25, 40))
    assert taken(tail, 20) == [10]
    assert tail.head == TAP
    assert tail.next_us == 20
    assert taken(tail, 20) == []
    assert taken(tail, 30) == [20]
    assert taken(tail, 31) == [30, 25]  # in the order in which they stand
    assert taken(tail, 100) == [40]
    assert tail.next_us == NEVER_US
    assert tail.ended
    assert tail.close() == ""


@pytest.mark.parametrize("seed", range(5))
def test_wherever_the_file_ends_meanwhile_nothing_is_lost_or_twice(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    path = journal(tmp_path, *range(0, 60_000, 10))
    whole = path.read_bytes()
    ends = [offset + len(body) + 4 for batch in read(path)[1].batches() for _, _, body, offset in batch]
    grown = tmp_path / "grown.zj"
    tail, found, size = Tail(grown), [], 0
    grown.write_bytes(b"")
    while size < len(whole):
        step = chance.choice((1, 7, 30, 5_000, 200_000))
        with grown.open("ab") as file:
            file.write(whole[size : size + step])
        size += step
        whole_ones = sum(end <= size for end in ends)
        found += taken(tail, whole_ones * 10 if whole_ones < len(ends) else NEVER_US)
        if chance.random() < 0.5:
            tail.forget()
    assert found == list(range(0, 60_000, 10))
    assert tail.close() == ""


def test_what_comes_after_its_time_was_taken_for_over_is_late(tmp_path: Path) -> None:
    path = journal(tmp_path, 10, 20, end=False)
    tail = Tail(path)
    assert taken(tail, 100) == [10, 20]
    path.write_bytes(journal(tmp_path / "more", 10, 20, 90).read_bytes())
    with pytest.raises(Late):
        taken(tail, 200)
    with pytest.raises(Late):
        taken(Tail(path, since_us=50), 60)
    assert taken(Tail(path, since_us=10), 60) == [10, 20]


def test_damage_ends_it_for_good(tmp_path: Path) -> None:
    path = journal(tmp_path, 10, 20, 30)
    data = bytearray(path.read_bytes())
    data[data.index(b"packet 20")] ^= 1
    path.write_bytes(data)
    tail = Tail(path)
    assert taken(tail, 100) == [10]
    assert (tail.damage, tail.close()) == ("wrong CRC", "wrong CRC")
    assert taken(tail, 200) == []
    assert [time_us for kind, time_us, _ in read(path)[1] if kind == Kind.PACKET] == [10]


@pytest.mark.parametrize(
    ("data", "damage"),
    [(b"", "no head"), (b"ZVJ", "no head"), (b"garbage!", "not a journal"), (MAGIC + bytes(40), "wrong CRC")],
)
def test_what_is_no_journal_has_no_head(tmp_path: Path, data: bytes, damage: str) -> None:
    path = tmp_path / "x.zj"
    path.write_bytes(data)
    tail = Tail(path)
    assert taken(tail, 100) == []
    assert tail.head is None
    assert damage in tail.close()
