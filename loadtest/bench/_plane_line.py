"""The line process of the plane's bench: publishers that send at a steady rate, receivers that read all.

Reads lines on stdin, answers with JSON lines: ``connect PORT``, ``run SECONDS`` (sends and reads, then
tells what arrived and its own CPU), ``stop``.
"""

from __future__ import annotations

import json
import os
import resource
import select
import socket
import sys
import time
from typing import Final

import pylibsrtp

from loadtest.bench._plane_setting import (
    IDS,
    PACKET_BYTES,
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
_FIRST_MEDIA: Final = 128


class Receiver:
    """What one receiver saw."""

    __slots__ = ("crypto", "disorder", "packets", "peer", "sequence", "sock")

    def __init__(self, peer: int, sock: socket.socket) -> None:
        self.peer = peer
        self.sock = sock
        self.crypto = GcmReceiver(key(peer, "down"))
        self.packets = 0
        self.sequence: int | None = None
        self.disorder = 0
        """Packets whose number does not follow the one before."""


class Line:
    """All peers' sockets in one thread."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.sockets = [_socket() for _ in range(setting.peers)]
        self._publishers = [self.sockets[setting.publisher_of(lesson)] for lesson in range(setting.lessons)]
        self._crypto = [
            pylibsrtp.Session(
                pylibsrtp.Policy(
                    key=key(setting.publisher_of(lesson), "up"),
                    ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND,
                    srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
                )
            )
            for lesson in range(setting.lessons)
        ]
        self._to: list[tuple[str, int]] = [("127.0.0.1", 0)] * setting.peers
        self._receivers: dict[int, Receiver] = {}
        self._poll = select.epoll()
        for peer, sock in enumerate(self.sockets):
            self._receivers[sock.fileno()] = Receiver(peer, sock)
            self._poll.register(sock.fileno(), select.EPOLLIN)
        self._sent = [0] * setting.lessons
        self._body = os.urandom(PACKET_BYTES)
        self._media_packets = 0
        self.decrypted = 0
        self.undecryptable = 0

    def connect(self, port: int, limit_s: float = 30.0) -> None:
        """Check towards the server's port; with port 0 answer the server's own checks instead."""
        waiting = set(range(self._setting.peers))
        if port:
            for peer, sock in enumerate(self.sockets):
                self._to[peer] = ("127.0.0.1", port)
                sock.sendto(_check(peer), self._to[peer])
                if peer % 200 == 199:
                    self._read(0.01, waiting)
        deadline = time.monotonic() + limit_s
        while waiting and time.monotonic() < deadline:
            self._read(0.1, waiting)
        if waiting:
            raise TimeoutError(f"{len(waiting)} peers did not connect")

    def run(self, seconds: float) -> dict[str, float]:
        """Send frames at the setting's rate for a while; everything that arrives is read and counted."""
        setting = self._setting
        for receiver in self._receivers.values():
            receiver.packets = receiver.disorder = 0
            receiver.sequence = None
        self.decrypted = self.undecryptable = 0
        before = _cpu_s()
        start = time.monotonic()
        interval_s = setting.burst / setting.packets_s
        frames = int(seconds / interval_s)
        for frame in range(frames):
            self._send_frame(frame % setting.lessons)
            due = start + (frame + 1) * interval_s
            self._read(0, None)
            while (left := due - time.monotonic()) > 0:
                self._read(left, None)
        elapsed_s = time.monotonic() - start
        sent_cpu_s = _cpu_s() - before
        expected = frames * setting.burst * setting.receivers
        deadline = time.monotonic() + _PATIENCE_S
        while self._arrived() < expected and (left := deadline - time.monotonic()) > 0:
            self._read(left, None)
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

    def _send_frame(self, lesson: int) -> None:
        setting = self._setting
        peer = setting.publisher_of(lesson)
        sock, crypto, to = self._publishers[lesson], self._crypto[lesson], self._to[peer]
        for index in range(setting.burst):
            sock.sendto(crypto.protect(self._packet(lesson, index)), to)
            self._sent[lesson] += 1

    def _packet(self, lesson: int, index: int) -> bytes:
        """A packet of a VP8 frame; the first frame of all is a keyframe."""
        number = self._sent[lesson]
        frame = number // self._setting.burst
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
            marker=index == self._setting.burst - 1,
            extensions={IDS.abs_send_time: b"\0\0\0"},
        )
        return packet + self._body[: PACKET_BYTES - len(packet)]

    def _read(self, timeout_s: float, waiting: set[int] | None) -> None:
        """Read all that is there, up to the time limit for the first of it."""
        for descriptor, _ in self._poll.poll(timeout_s):
            receiver = self._receivers[descriptor]
            receive = receiver.sock.recvfrom
            while True:
                try:
                    data, address = receive(2048)
                except BlockingIOError:
                    break
                if data[0] < _FIRST_MEDIA:
                    self._stun(receiver.peer, data, address, waiting)
                elif not 192 <= data[1] <= 223:
                    self._media(receiver, data)

    def _media(self, receiver: Receiver, data: bytes) -> None:
        receiver.packets += 1
        sequence = (data[2] << 8) | data[3]
        if receiver.sequence is not None and sequence != (receiver.sequence + 1) & 0xFFFF:
            receiver.disorder += 1
        receiver.sequence = sequence
        self._media_packets += 1
        if self._media_packets % _DECRYPT_EACH == 0:
            plain = receiver.crypto.unprotect(data)
            if plain is None or rtp.ssrc(plain) != slot_ssrc(receiver.peer):
                self.undecryptable += 1
            else:
                self.decrypted += 1

    def _stun(self, peer: int, data: bytes, address: tuple[str, int], waiting: set[int] | None) -> None:
        try:
            message = stun.parse(data)
        except ParseError:
            return
        if isinstance(message, stun.BindingRequest):
            self._to[peer] = address
            answer = stun.build_binding_success(message.transaction_id, address, remote_pwd(peer))
            self.sockets[peer].sendto(answer, address)
            if waiting is not None and message.use_candidate:
                waiting.discard(peer)
        elif isinstance(message, stun.BindingSuccess) and waiting is not None:
            waiting.discard(peer)


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0)
    widen(sock)
    sock.bind(("127.0.0.1", 0))
    return sock


def _check(peer: int) -> bytes:
    return stun.build_binding_request(
        peer.to_bytes(12, "big"),
        local_ufrag=remote_ufrag(peer),
        remote_ufrag=local_ufrag(peer),
        remote_password=local_pwd(peer),
        priority=1,
        use_candidate=True,
        controlling=1,
    )


def _cpu_s() -> float:
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
        elif word == "run":
            print(json.dumps(line.run(float(rest))), flush=True)
        else:
            return


if __name__ == "__main__":
    main()
