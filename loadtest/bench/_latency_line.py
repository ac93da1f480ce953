"""The line process of the latency bench: cameras at a steady rate, one receiver of each lesson is read.

Speaks as ``_plane_line`` does; ``run SECONDS PACKETS_S`` tells the latencies' percentiles, ``echo PORT
SECONDS`` those of a process that only sends back what it gets.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from typing import Final

from loadtest.bench._plane_line import Line, Receiver, check_of, process_cpu_s
from loadtest.bench._plane_setting import Setting
from loadtest.bench._stamps import STAMP, latency_ms, percentiles, receive, want_arrival

NICE: Final = 19
_UNREAD_BYTES: Final = 4096
_CHECKS_S: Final = 8.0
"""Everybody's consent (RFC 7675) is renewed once in this time."""
_ECHO_S: Final = 0.005
_LAST_S: Final = 0.3


class LatencyLine(Line):
    """All peers; of each lesson's receivers only the first is read once all are connected."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._latencies: list[float] = []
        self._checked = 0

    def connect(self, port: int, limit_s: float = 30.0) -> None:
        """As ``Line.connect``; then those who are not read get a small buffer, which stays full."""
        super().connect(port, limit_s)
        for lesson in range(self.setting.lessons):
            first = self.setting.publisher_of(lesson)
            want_arrival(self.sockets[first + 1])
            for peer in (first, *range(first + 2, first + self.setting.peers_a_lesson)):
                sock = self.sockets[peer]
                self.poll.unregister(sock.fileno())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UNREAD_BYTES)

    def measure(self, seconds: float, packets_s: int) -> dict[str, float]:
        """Send frames, lesson after lesson, evenly; what was read, its latencies, own CPU in cores."""
        setting = self.setting
        self._latencies.clear()
        before, start = process_cpu_s(), time.monotonic()
        interval_s = setting.burst / packets_s
        check_s, checked_s = _CHECKS_S / setting.peers, start
        frames = int(seconds / interval_s)
        for frame in range(frames):
            self.send_frame(frame % setting.lessons)
            now = time.monotonic()
            while checked_s < now:
                self._check_next()
                checked_s += check_s
            if (left := start + (frame + 1) * interval_s - time.monotonic()) > 0:
                time.sleep(left)
            self.read(0, None)
        elapsed_s, used_s = time.monotonic() - start, process_cpu_s() - before
        while time.monotonic() < start + elapsed_s + _LAST_S:
            self.read(_LAST_S, None)
        return {
            "packets_in": frames * setting.burst,
            "in_s": round(frames * setting.burst / elapsed_s),
            "seconds": elapsed_s,
            "cpu": used_s / elapsed_s,
            **percentiles(self._latencies),
        }

    def picture(self, lesson: int, index: int) -> bytes:
        """As ``Line.picture``, stamped."""
        return super().picture(lesson, index)[: -STAMP.size] + STAMP.pack(time.time_ns())

    def drain(self, receiver: Receiver, waiting: set[int] | None) -> None:
        """Stamped media."""
        while True:
            try:
                data, arrived_ns, address = receive(receiver.sock)
            except BlockingIOError:
                return
            if not self.is_media(receiver, data, address, waiting):
                continue
            plain = receiver.unprotect(data)
            if plain is None:
                self.undecryptable += 1
            else:
                self._latencies.append(latency_ms(plain, arrived_ns))

    def _check_next(self) -> None:
        peer = self._checked = (self._checked + 1) % self.setting.peers
        self.sockets[peer].sendto(check_of(peer), self.to[peer])


def measure_echo(port: int, seconds: float) -> dict[str, float]:
    """Latencies of what a process at this port sends back at once."""
    latencies = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(_LAST_S)
        want_arrival(sock)
        sock.connect(("127.0.0.1", port))
        for _ in range(int(seconds / _ECHO_S)):
            sock.send(STAMP.pack(time.time_ns()))
            data, arrived_ns, _ = receive(sock)
            latencies.append((arrived_ns - STAMP.unpack(data)[0]) / 1e6)
            time.sleep(_ECHO_S)
    return percentiles(latencies)


def echo() -> None:
    """Be that process until stdin closes; its first line is its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        print(json.dumps({"port": sock.getsockname()[1]}), flush=True)
        while sock in select.select([sock, sys.stdin], [], [])[0]:
            sock.sendto(*sock.recvfrom(64))


def main() -> None:
    """Until ``stop``, also as the echo."""
    setting = Setting(**json.loads(sys.argv[1]))
    if setting.path == "echo":
        echo()
        return
    os.nice(NICE)
    line = LatencyLine(setting)
    print(json.dumps({"ports": [sock.getsockname()[1] for sock in line.sockets]}), flush=True)
    for text in sys.stdin:
        word, *rest = text.split()
        if word == "connect":
            line.connect(int(rest[0]))
            print(json.dumps({"connected": True}), flush=True)
        elif word == "run":
            print(json.dumps(line.measure(float(rest[0]), int(rest[1]))), flush=True)
        elif word == "echo":
            print(json.dumps(measure_echo(int(rest[0]), float(rest[1]))), flush=True)
        else:
            return


if __name__ == "__main__":
    main()
