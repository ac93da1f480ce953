"""Lets packets through the plane that ``auto`` takes: prints the plane's name and where the native module is.

An interpreter that has Zvonok installed runs it, with the checkout, whose tests it borrows, as argument.
"""

from __future__ import annotations

import asyncio
import sys

from sfu.plane import _native
from sfu.plane.api import SrtpProfile
from sfu.plane.choice import open_plane

PACKETS = 3


async def main(checkout: str) -> None:
    sys.path.append(checkout)
    from tests.sfu.plane.rig import Encoder, consecutive, sequences
    from tests.sfu.plane.shell_peer import Client
    from tests.sfu.plane.test_shells import show

    plane = await open_plane("auto", "127.0.0.1", 0, lambda _: None)
    teacher, student = (Client(plane, number, "127.0.0.1", SrtpProfile.AEAD_AES_128_GCM) for number in (1, 2))
    try:
        await teacher.connect()
        await student.connect()
        show(plane, teacher, student)
        for packet in Encoder(7, mid="1", rid="q").frame(PACKETS, keyframe=True):
            teacher.send(packet)
        if not consecutive(sequences(await student.packets(PACKETS))):
            raise SystemExit("the numbers do not follow each other")
    finally:
        await plane.close()
        teacher.sock.close()
        student.sock.close()
    print(plane.name, _native.__file__)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
