"""Inputs made from good ones by chance: a sequence of records, each some bytes.

Everything comes from the given ``Random``: the same seed makes the same inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

Input = tuple[bytes, ...]
"""Records in the order in which they are played; a target says what a record is."""

MAX_RECORDS: Final = 80
MAX_RECORD_BYTES: Final = 1500
_BYTES: Final = (0, 1, 2, 4, 0x0F, 0x10, 0x7F, 0x80, 0x90, 0xC8, 0xFF)
_NUMBERS: Final = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEAD: Final = 48
"""Where headers, extensions and descriptors are: half of the changes happen there."""


def inputs(seeds: Sequence[Input], random: Random) -> Iterator[Input]:
    """Each of ``seeds`` as it is, then mutations of them without end."""
    yield from seeds
    while True:
        records = list(random.choice(seeds))
        for _ in range(random.choice((0, 0, 1, 1, 2, 4))):
            _shuffle(records, random, seeds)
        for _ in range(random.choice((1, 1, 2, 4, 8, 16))):
            if records:
                at = random.randrange(len(records))
                records[at] = mutated(records[at], random)
        yield tuple(records[:MAX_RECORDS])


def mutated(record: bytes, random: Random) -> bytes:
    """Changed in one to three places; at most MAX_RECORD_BYTES long."""
    data = bytearray(record)
    for _ in range(random.choice((1, 1, 2, 3))):
        near = min(len(data), _HEAD) if random.randrange(2) else len(data)
        _change(data, random.randrange(near + 1), random)
    return bytes(data[:MAX_RECORD_BYTES])


def _change(data: bytearray, at: int, random: Random) -> None:
    match random.randrange(9):
        case 0 | 1 if at < len(data):
            data[at] ^= 1 << random.randrange(8)
        case 2 if at < len(data):
            data[at] = random.choice(_BYTES)
        case 3 if at < len(data):
            data[at] = random.randrange(256)
        case 4:
            del data[at : at + random.choice((1, 2, 4, 8, 40))]
        case 5:
            data[at:at] = random.randbytes(random.choice((1, 2, 4, 20)))
        case 6:
            data[at:at] = data[at : at + random.choice((1, 4, 12))] * random.choice((1, 1, 1, 30))
        case 7:
            size = random.choice((1, 2, 2, 4, 4))
            number = (random.choice(_NUMBERS) + random.choice((-1, 0, 0, 0, 1))) % (1 << 8 * size)
            data[at : at + size] = number.to_bytes(size, "big")
        case _:
            del data[at:]


def _shuffle(records: list[bytes], random: Random, seeds: Sequence[Input]) -> None:
    """Another order, fewer, more, or some of another seed's."""
    at = random.randrange(len(records) + 1)
    size = random.choice((1, 1, 2, 5, 10))
    match random.randrange(5):
        case 0:
            del records[at : at + size]
        case 1:
            records[at:at] = records[at : at + size]
        case 2:
            moved = records[at : at + size]
            del records[at : at + size]
            to = random.randrange(len(records) + 1)
            records[to:to] = moved
        case 3:
            records[at : at + size] = reversed(records[at : at + size])
        case _:
            other = random.choice(seeds)
            start = random.randrange(len(other) + 1)
            records[at:at] = other[start : start + size]


def smaller(found: Input, fails: Callable[[Input], bool], tries: int) -> Input:
    """``found`` with fewer and shorter records, as long as it ``fails``; asks at most ``tries`` times."""
    best = list(found)

    def still(candidate: Sequence[bytes]) -> bool:
        nonlocal tries
        tries -= 1
        return tries >= 0 and fails(tuple(candidate))

    size = max(1, len(best) // 2)
    while size:
        at = 0
        while at < len(best) and tries > 0:
            candidate = best[:at] + best[at + size :]
            if still(candidate):
                best = candidate
            else:
                at += size
        size //= 2
    for index, record in enumerate(best):
        cut = len(record) // 2
        while cut and tries > 0:
            candidate = [*best[:index], best[index][:-cut], *best[index + 1 :]]
            if still(candidate):
                best = candidate
            else:
                cut //= 2
    return tuple(best)
