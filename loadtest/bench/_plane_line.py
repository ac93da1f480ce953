"""The line process of the plane's bench: publishers that send at a steady rate, receivers that read all.

Reads lines on stdin, answers with JSON lines: ``connect PORT``, ``janus PATH`` (of its API's socket), ``run
SECONDS`` (sends and reads, then tells what arrived and its own CPU), ``stop``.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

import pylibsrtp

from loadtest.bench import _plane_janus as janus
from loadtest.bench._peer import Identity, Peer, remote_of
from loadtest.bench._plane_setting import (
    IDS,
    OPUS_PT,
    VP8_PT,
    Setting,
    key,
    local_pwd,
    local_ufrag,
    remote_pwd,
    remote_ufrag,
    slot_ssrc,
    source_ssrc,
    widen,
)
from loadtest.bench._srtp import GcmReceiver
from sfu import rtp, stun
from sfu.model import ParseError

_DECRYPT_EACH: Final = 100
_PATIENCE_S: Final = 5.0
"""What has not come this long after the last was sent is lost."""
_AGAIN_S: Final = 0.2
_CONNECT_S: Final = 20.0
_END: Final = 32
_FIRST_MEDIA: Final = 128


Unprotect = Callable[[bytes], bytes | None]


def by_libsrtp(master: bytes) -> Unprotect:
    """The plain packet, None when it is not what this key protects; for paths that don't use libsrtp."""
    session = pylibsrtp.Session(
        pylibsrtp.Policy(
            key=master,
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND,
            srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        )
    )

    def unprotect(packet: bytes) -> bytes | None:
        try:
            plain: bytes = session.unprotect(packet)
        except pylibsrtp.Error:
            return None
        return plain

    return unprotect


def _by_cryptography(master: bytes) -> Unprotect:
    return GcmReceiver(master).unprotect


class Receiver:
    """What one receiver saw."""

    __slots__ = ("disorder", "packets", "peer", "sequence", "sock", "ssrc", "unprotect")

    def __init__(self, peer: int, sock: socket.socket) -> None:
        self.peer = peer
        self.sock = sock
        self.unprotect: Unprotect = lambda _: None
        self.ssrc: int | None = slot_ssrc(peer)
        """What is sent to it; None: whatever comes first."""
        self.packets = 0
        self.sequence: int | None = None
        self.disorder = 0
        """Packets whose number does not follow the one before."""


class Line:
    """All peers' sockets in one thread."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        host = "127.0.0.1"
        if setting.path == "janus":
            host = janus.own_address() or host
        self.sockets = [_socket(host) for _ in range(setting.peers)]
        self._publishers = [self.sockets[setting.publisher_of(lesson)] for lesson in range(setting.lessons)]
        self._protect: list[Callable[[bytes], bytes]] = [_plain] * setting.lessons
        self.to: list[tuple[str, int]] = [("127.0.0.1", 0)] * setting.peers
        self._receivers: dict[int, Receiver] = {}
        self.poll = select.epoll()
        for peer, sock in enumerate(self.sockets):
            self._receivers[sock.fileno()] = Receiver(peer, sock)
            self.poll.register(sock.fileno(), select.EPOLLIN)
        self._peers: dict[int, Peer] = {}
        self._janus: janus.JanusControl
        """Its session ends with it."""
        self._sent = [0] * setting.lessons
        self._body = os.urandom(setting.bytes)
        self._media_packets = 0
        self.decrypted = 0
        self.undecryptable = 0

    def connect(self, port: int, limit_s: float = 30.0) -> None:
        """Check towards the server's port; with port 0 answer the server's own checks instead."""
        setting = self.setting
        # Another library than the path's own.
        second = by_libsrtp if setting.path in ("native", "limit") else _by_cryptography
        for receiver in self._receivers.values():
            receiver.unprotect = second(key(receiver.peer, "down"))
        for lesson in range(setting.lessons):
            self._protect[lesson] = _protection(key(setting.publisher_of(lesson), "up"))
        self.check(port, limit_s)

    def check(self, port: int, limit_s: float = 30.0) -> None:
        """One check of every peer that is answered: renews consent (RFC 7675) too. Port as in ``connect``."""
        waiting = set(range(self.setting.peers))
        if port:
            for peer, sock in enumerate(self.sockets):
                self.to[peer] = ("127.0.0.1", port)
                sock.sendto(check_of(peer), self.to[peer])
                if peer % 200 == 199:
                    self.read(0.01, waiting)
        deadline = time.monotonic() + limit_s
        while waiting and time.monotonic() < deadline:
            again = time.monotonic() + _AGAIN_S
            while waiting and (left := again - time.monotonic()) > 0:
                self.read(left, waiting)
            for peer in waiting if port else ():
                self.sockets[peer].sendto(check_of(peer), self.to[peer])
        if waiting:
            raise TimeoutError(f"{len(waiting)} peers did not connect")

    def connect_janus(self, path: str) -> None:
        """Publish into Janus' room and subscribe to it; raises ConnectionError and TimeoutError."""
        identity = Identity()
        control = self._janus = janus.JanusControl(path)
        receivers = list(self._receivers.values())
        publisher = self._janus_peer(0, identity)
        answer, feed = janus.publish(control, publisher, identity, self.sockets[0].getsockname())
        self._begin(0, answer)
        self._finish()
        for peer in range(1, self.setting.peers):
            subscriber = self._janus_peer(peer, identity)
            address = self.sockets[peer].getsockname()
            self._begin(peer, janus.subscribe(control, feed, subscriber, identity, address))
        self._finish()
        for receiver in receivers:
            keys = self._peers[receiver.peer].keys
            assert keys is not None
            receiver.ssrc = None
            receiver.unprotect = _by_cryptography(keys.receive)
            if receiver.peer == 0:
                self._protect[0] = _protection(keys.send)

    def _janus_peer(self, number: int, identity: Identity) -> Peer:
        def send(data: bytes) -> None:
            self.sockets[number].sendto(data, self.to[number])

        self._peers[number] = peer = Peer(identity, send)
        return peer

    def _begin(self, number: int, sdp: str) -> None:
        remote = remote_of(sdp)
        self.to[number] = remote.address
        self._peers[number].begin(remote)

    def _finish(self) -> None:
        """Wait for everybody's keys."""
        deadline = time.monotonic() + _CONNECT_S
        while any(peer.keys is None for peer in self._peers.values()):
            if time.monotonic() > deadline:
                raise TimeoutError("Janus' DTLS did not end")
            self.read(0.02, None)
            for peer in self._peers.values():
                if peer.keys is None:
                    peer.prod()

    def run(self, seconds: float) -> dict[str, float]:
        """Send frames at the setting's rate for a while; everything that arrives is read and counted."""
        setting = self.setting
        for receiver in self._receivers.values():
            receiver.packets = receiver.disorder = 0
            receiver.sequence = None
        self.decrypted = self.undecryptable = 0
        before = process_cpu_s()
        start = time.monotonic()
        interval_s = setting.burst / setting.packets_s
        frames = int(seconds / interval_s)
        for frame in range(frames):
            self.send_frame(frame % setting.lessons)
            # Nobody waits for what is sent: being woken for each datagram is a cost of a shared machine that
            # would be the sender's, and no receiver elsewhere causes it.
            if (left := start + (frame + 1) * interval_s - time.monotonic()) > 0:
                time.sleep(left)
            self.read(0, None)
        elapsed_s = time.monotonic() - start
        sent_cpu_s = process_cpu_s() - before
        expected = frames * setting.burst * setting.receivers
        deadline = time.monotonic() + _PATIENCE_S
        while self._arrived() < expected and (left := deadline - time.monotonic()) > 0:
            self.read(left, None)
        return {
            "packets_in": frames * setting.burst,
            "packets_out": self._arrived(),
            "disorder": sum(receiver.disorder for receiver in self._receivers.values()),
            "decrypted": self.decrypted,
            "undecryptable": self.undecryptable,
            "cpu": sent_cpu_s / elapsed_s,
        }

    def _arrived(self) -> int:
        return sum(receiver.packets for receiver in self._receivers.values())

    def send_frame(self, lesson: int) -> None:
        setting = self.setting
        peer = setting.publisher_of(lesson)
        sock, protect, to = self._publishers[lesson], self._protect[lesson], self.to[peer]
        packet = self._speech if setting.sound else self.picture
        for index in range(setting.burst):
            sock.sendto(protect(packet(lesson, index)), to)
            self._sent[lesson] += 1

    def picture(self, lesson: int, index: int) -> bytes:
        """A packet of a VP8 frame; the first frame of all is a keyframe."""
        number = self._sent[lesson]
        frame = number // self.setting.burst
        start = index == 0
        picture = 0x8000 | frame & 0x7FFF
        payload = (
            bytes((0x90 if start else 0x80, 0xE0)) + picture.to_bytes(2, "big") + bytes((frame & 0xFF, 0x20))
        )
        payload += b"\x10\x00\x00\x9d\x01\x2a\x80\x02\x68\x01" if start and frame == 0 else b"\x01"
        packet = rtp.build(
            payload_type=VP8_PT,
            sequence_number=number,
            timestamp=frame * 900,
            ssrc=source_ssrc(lesson),
            payload=payload,
            marker=index == self.setting.burst - 1,
            extensions={IDS.abs_send_time: b"\0\0\0"},
        )
        return packet + self._body[len(packet) :]

    def _speech(self, lesson: int, _: int) -> bytes:
        """20 ms of somebody who speaks."""
        number = self._sent[lesson]
        packet = rtp.build(
            payload_type=OPUS_PT,
            sequence_number=number,
            timestamp=number * 960,
            ssrc=source_ssrc(lesson),
            payload=b"",
            extensions={IDS.abs_send_time: b"\0\0\0", IDS.audio_level: bytes((0x80 | 30 + number % 8,))},
        )
        return packet + self._body[len(packet) :]

    def read(self, timeout_s: float, waiting: set[int] | None) -> None:
        """Read all that is there, up to the time limit for the first of it."""
        for descriptor, _ in self.poll.poll(timeout_s):
            self.drain(self._receivers[descriptor], waiting)

    def drain(self, receiver: Receiver, waiting: set[int] | None) -> None:
        """Read all that is there for one."""
        receive = receiver.sock.recvfrom
        while True:
            try:
                data, address = receive(2048)
            except BlockingIOError:
                return
            if self.is_media(receiver, data, address, waiting):
                self._media(receiver, data)

    def is_media(
        self, receiver: Receiver, data: bytes, address: tuple[str, int], waiting: set[int] | None
    ) -> bool:
        """Whether this is RTP; answers it when it belongs to the connection instead."""
        if data[0] >= _FIRST_MEDIA:
            return not 192 <= data[1] <= 223
        if (peer := self._peers.get(receiver.peer)) is not None:
            peer.receive(data, address)
        else:
            self._stun(receiver.peer, data, address, waiting)
        return False

    def _media(self, receiver: Receiver, data: bytes) -> None:
        receiver.packets += 1
        sequence = (data[2] << 8) | data[3]
        if receiver.sequence is not None and sequence != (receiver.sequence + 1) & 0xFFFF:
            receiver.disorder += 1
        receiver.sequence = sequence
        self._media_packets += 1
        if self._media_packets % _DECRYPT_EACH == 0:
            plain = receiver.unprotect(data)
            if receiver.ssrc is None:
                receiver.ssrc = rtp.ssrc(data)
            if plain is None or rtp.ssrc(plain) != receiver.ssrc or not self._is_ours(plain):
                self.undecryptable += 1
            else:
                self.decrypted += 1

    def _is_ours(self, plain: bytes) -> bool:
        """Whether it ends, before any padding, as what was sent does."""
        padding = plain[-1] if plain[0] & 0x20 else 0
        return plain[: len(plain) - padding].endswith(self._body[-_END:])

    def _stun(self, peer: int, data: bytes, address: tuple[str, int], waiting: set[int] | None) -> None:
        try:
            message = stun.parse(data)
        except ParseError:
            return
        if isinstance(message, stun.BindingRequest):
            self.to[peer] = address
            answer = stun.build_binding_success(message.transaction_id, address, remote_pwd(peer))
            self.sockets[peer].sendto(answer, address)
            if waiting is not None and message.use_candidate:
                waiting.discard(peer)
        elif isinstance(message, stun.BindingSuccess) and waiting is not None:
            waiting.discard(peer)


def _plain(packet: bytes) -> bytes:
    return packet


def _protection(master: bytes) -> Callable[[bytes], bytes]:
    session = pylibsrtp.Session(
        pylibsrtp.Policy(
            key=master,
            ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        )
    )
    protect: Callable[[bytes], bytes] = session.protect
    return protect


def _socket(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0)
    widen(sock)
    sock.bind((host, 0))
    return sock


def check_of(peer: int) -> bytes:
    return stun.build_binding_request(
        peer.to_bytes(12, "big"),
        local_ufrag=remote_ufrag(peer),
        remote_ufrag=local_ufrag(peer),
        remote_password=local_pwd(peer),
        priority=1,
        use_candidate=True,
        controlling=1,
    )


def process_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Until ``stop``."""
    setting = Setting(**json.loads(sys.argv[1]))
    line = Line(setting)
    print(json.dumps({"ports": [sock.getsockname()[1] for sock in line.sockets]}), flush=True)
    for text in sys.stdin:
        word, _, rest = text.strip().partition(" ")
        if word == "connect":
            line.connect(int(rest))
            print(json.dumps({"connected": True}), flush=True)
        elif word == "check":
            line.check(int(rest))
            print(json.dumps({"checked": True}), flush=True)
        elif word == "janus":
            line.connect_janus(rest)
            print(json.dumps({"connected": True}), flush=True)
        elif word == "run":
            print(json.dumps(line.run(float(rest))), flush=True)
        else:
            return


if __name__ == "__main__":
    main()
