"""The path beside which the reference plane is measured: aiortc's own transports, no decoding.

One ``RTCIceTransport`` and ``RTCDtlsTransport`` a peer; what the publisher's receives is sent by
``_send_rtp`` of each receiver's with a header of its own. The handshake is left out: keys are given.
Private names of aiortc are used here on purpose, they are what is measured.
"""

from __future__ import annotations

import asyncio
from struct import Struct
from typing import Any, Final

import aioice.ice
import pylibsrtp
from aiortc import RTCCertificate, RTCIceCandidate, RTCIceGatherer, RTCIceParameters, RTCIceTransport
from aiortc.rtcdtlstransport import RTCDtlsTransport, State

from loadtest.bench._plane_setting import Setting, key, remote_pwd, remote_ufrag, slot_ssrc, widen

_HEADER: Final = Struct("!BBHII")
_HEADER_BYTES: Final = 12


class _Transport(RTCDtlsTransport):
    """Connected without a handshake."""

    def __init__(self, ice: RTCIceTransport, certificate: RTCCertificate, peer: int) -> None:
        super().__init__(ice, [certificate])
        self._rx_srtp = _session(key(peer, "up"), pylibsrtp.Policy.SSRC_ANY_INBOUND)
        self._tx_srtp = _session(key(peer, "down"), pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
        self._state = State.CONNECTED
        self._RTCDtlsTransport__handshake_done = True
        self.receivers: list[tuple[_Transport, int]] = []
        self.forwarded = 0

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:  # noqa: ARG002
        first, second, sequence, timestamp, _ = _HEADER.unpack_from(data)
        payload = data[_HEADER_BYTES:]
        for receiver, ssrc in self.receivers:
            await receiver._send_rtp(_HEADER.pack(first, second, sequence, timestamp, ssrc) + payload)
        self.forwarded += len(self.receivers)

    async def run(self) -> None:
        """Receive until the task is cancelled."""
        while True:
            await self._recv_next()


def _session(master: bytes, direction: int) -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(
        key=master, ssrc_type=direction, srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM
    )
    policy.allow_repeat_tx = True
    policy.window_size = 1024
    return pylibsrtp.Session(policy)


class AiortcServer:
    """All peers of a setting on aiortc's transports; each has its own socket."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._publishers: list[_Transport] = []
        self._tasks: list[asyncio.Task[Any]] = []
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]  # noqa: ARG005

    async def start(self, ports: list[int]) -> None:
        """Each transport checks towards its peer, which answers as a lite agent."""
        certificate = RTCCertificate.generateCertificate()
        setting = self._setting
        transports = [await self._connect(peer, ports[peer], certificate) for peer in range(setting.peers)]
        for lesson in range(setting.lessons):
            first = setting.publisher_of(lesson)
            publisher = transports[first]
            publisher.receivers = [
                (transports[peer], slot_ssrc(peer))
                for peer in range(first + 1, first + setting.peers_a_lesson)
            ]
            self._publishers.append(publisher)
        self._tasks += [asyncio.create_task(transport.run()) for transport in transports]

    async def _connect(self, peer: int, port: int, certificate: RTCCertificate) -> _Transport:
        gatherer = RTCIceGatherer(iceServers=[])
        await gatherer.gather()
        for protocol in gatherer._connection._protocols:
            widen(protocol.transport.get_extra_info("socket"))
        ice = RTCIceTransport(gatherer)
        ice._connection.ice_controlling = True
        await ice.addRemoteCandidate(
            RTCIceCandidate(
                component=1,
                foundation="1",
                ip="127.0.0.1",
                port=port,
                priority=1,
                protocol="udp",
                type="host",
            )
        )
        await ice.addRemoteCandidate(None)
        await ice.start(
            RTCIceParameters(usernameFragment=remote_ufrag(peer), password=remote_pwd(peer), iceLite=True)
        )
        return _Transport(ice, certificate, peer)

    def port(self) -> int:
        """Peers learn it from the server's checks."""
        return 0

    def forwarded(self) -> int:
        """Packets sent to receivers so far."""
        return sum(publisher.forwarded for publisher in self._publishers)
