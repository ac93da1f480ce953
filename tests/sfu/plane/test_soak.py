"""Ten minutes of a full lesson while other lessons come and go: nothing grows."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final

import pytest

from loadtest.bench._plane_server import PlaneServer
from loadtest.bench._plane_setting import CLOCK_RATE, IDS, RTX_PT, VP8_PT, Setting
from loadtest.bench.plane import Child
from sfu.plane.api import (
    AddSlot,
    AddSource,
    AddTransport,
    Codec,
    Command,
    RemoveTransport,
    SetForward,
    SetKeys,
    SlotHandle,
    SourceHandle,
    SrtpProfile,
    TransportHandle,
)

MINUTES: Final = float(os.environ.get("ZVONOK_SOAK_MINUTES") or 10)
WARM_UP_S: Final = 60.0
LOOK_S: Final = 10.0
GROWTH_KIB: Final = 2048
"""Of the whole process, Python and all: a leak of ten bytes a packet would be thirty times as much."""
ARRIVED: Final = 0.999
FIRST: Final = 1000
"""Handles of those who come and go begin here."""
CLASS: Final = 8


def resident_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def coming(first: int) -> list[Command]:
    """A class whose members all send and all see the first one."""
    commands: list[Command] = []
    for number in range(first, first + CLASS):
        transport = TransportHandle(number)
        key = number.to_bytes(28, "big")
        commands += [
            AddTransport(transport, f"l{number}", "p" * 24, f"r{number}", "q" * 24, pad_frames=True),
            SetKeys(transport, SrtpProfile.AEAD_AES_128_GCM, key, key),
            AddSource(
                SourceHandle(number),
                transport,
                Codec.VP8,
                CLOCK_RATE,
                "0",
                VP8_PT,
                RTX_PT,
                IDS,
                rids=("q", "h"),
            ),
            AddSlot(
                SlotHandle(number),
                transport,
                Codec.VP8,
                CLOCK_RATE,
                "4",
                number,
                number + 1_000_000,
                "zvonok",
                VP8_PT,
                RTX_PT,
                IDS,
                first_sequence_number=1,
                first_timestamp=0,
            ),
            SetForward(SlotHandle(number), SourceHandle(first)),
        ]
    return commands


def going(first: int) -> list[Command]:
    return [RemoveTransport(TransportHandle(number)) for number in range(first, first + CLASS)]


@pytest.mark.long
@pytest.mark.timeout(MINUTES * 60 + 120)
@pytest.mark.asyncio
async def test_memory_stays_flat_while_lessons_come_and_go() -> None:
    setting = Setting("native", lessons=1, receivers=30, packets_s=400, burst=4)
    server = PlaneServer(setting)
    await server.open()
    sent = got = classes = 0
    seen: list[int] = []
    try:
        with Child("loadtest.bench._plane_line", setting) as line:
            ports = (await asyncio.to_thread(line.hear))["ports"]
            await asyncio.to_thread(line.ask, f"connect {server.port()}")
            await server.start(ports)
            plane = server.plane
            loop = asyncio.get_running_loop()
            began_s = loop.time()
            while loop.time() - began_s < MINUTES * 60:
                # Their consent (RFC 7675) would be over after half a minute.
                await asyncio.to_thread(line.ask, f"check {server.port()}")
                running = asyncio.create_task(asyncio.to_thread(line.ask, f"run {LOOK_S}"))
                while not running.done():
                    first = FIRST + classes * CLASS
                    plane.apply(coming(first))
                    if classes >= CLASS:
                        plane.apply(going(first - CLASS * CLASS))
                    classes += 1
                    await asyncio.wait((running,), timeout=0.1)
                arrived = running.result()
                if loop.time() - began_s < WARM_UP_S:
                    continue
                sent += arrived["packets_in"] * setting.receivers
                got += arrived["packets_out"]
                seen.append(resident_kib())
    finally:
        await server.plane.close()
    print(f"{got} packets, {classes} classes; resident KiB: {seen}")
    assert got >= ARRIVED * sent > 0
    assert classes > MINUTES * 60
    assert max(seen) - seen[0] <= GROWTH_KIB, seen
