"""A peer of a running plane, with a socket of its own and SRTP by libsrtp."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

from sfu import rtcp, stun
from sfu.plane.api import AddTransport, Plane, SetKeys, SrtpProfile, TransportHandle
from tests.sfu.plane.rig import PASSWORD, Sent
from tests.sfu.plane.srtp_line import KEY_LENGTHS, srtp_session

LIMIT_S: Final = 5.0


class Client:
    """``number`` is its transport's handle; ``pad_frames`` as the command has it."""

    def __init__(
        self, plane: Plane, number: int, host: str, profile: SrtpProfile, *, pad_frames: bool = False
    ) -> None:
        self.handle = TransportHandle(number)
        self.plane = plane
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.address = self.sock.getsockname()[:2]
        self.to = (host, plane.port)
        up = bytes(range(number, number + KEY_LENGTHS[profile]))
        down = up[::-1]
        self.outbound = srtp_session(profile, up, outbound=True)
        self.inbound = srtp_session(profile, down, outbound=False)
        plane.apply(
            [
                AddTransport(
                    self.handle,
                    f"local{number}",
                    PASSWORD,
                    f"remote{number}",
                    "q" * 22,
                    pad_frames=pad_frames,
                ),
                SetKeys(self.handle, profile, up, down),
            ]
        )

    def check(self) -> None:
        self.sock.sendto(
            stun.build_binding_request(
                bytes(12),
                local_ufrag=f"remote{self.handle}",
                remote_ufrag=f"local{self.handle}",
                remote_password=PASSWORD,
                priority=1,
                use_candidate=True,
                controlling=1,
            ),
            self.to,
        )

    async def read(self) -> bytes:
        async with asyncio.timeout(LIMIT_S):
            return await asyncio.get_running_loop().sock_recv(self.sock, 2048)

    async def connect(self) -> stun.Message:
        self.check()
        return stun.parse(await self.read())

    def send(self, packet: bytes) -> None:
        self.sock.sendto(self.outbound.protect(packet), self.to)

    async def packets(self, count: int) -> list[Sent]:
        """The next RTP packets; RTCP between them is checked to decrypt."""
        found: list[Sent] = []
        while len(found) < count:
            data = await self.read()
            if 192 <= data[1] <= 223:
                rtcp.parse(self.inbound.unprotect_rtcp(data))
            else:
                found.append(Sent(self.inbound.unprotect(data)))
        return found
