"""The gevent side of a fleet: calls that block one greenlet, and nobody else."""

from __future__ import annotations

import itertools
import sys
from typing import Any, Final

import gevent
import msgpack
from gevent import socket, subprocess
from gevent.event import AsyncResult
from gevent.lock import Semaphore

from loadtest.director import CallFailed

START_LIMIT_S: Final = 30.0
STOP_LIMIT_S: Final = 10.0


class FleetProcess:
    """A fleet in its own process, started at once. ``gone``: it can be asked no more."""

    def __init__(self, name: str, ca: str) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, AsyncResult] = {0: AsyncResult()}
        self._writing = Semaphore()
        self.gone = False
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "loadtest.fleet", name, str(theirs.fileno()), ca],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        self._reading = gevent.spawn(self._read)
        self._started = self._waiting[0]

    def wait_started(self) -> None:
        """Until it answers; raises CallFailed."""
        if self._started.wait(START_LIMIT_S) is None:
            raise CallFailed("a fleet did not start")

    def call(self, what: str, **values: Any) -> Any:
        """Ask, and wait for the answer; raises CallFailed."""
        number, answer = next(self._numbers), AsyncResult()
        self._waiting[number] = answer
        try:
            self._send(number, what, values)
            return answer.get()
        finally:
            self._waiting.pop(number, None)

    def tell(self, what: str, **values: Any) -> None:
        """Ask without waiting."""
        self._send(next(self._numbers), what, values)

    def _send(self, number: int, what: str, values: dict[str, Any]) -> None:
        if self.gone:
            raise CallFailed("the fleet is gone")
        with self._writing:
            try:
                self._socket.sendall(msgpack.packb({"id": number, "do": what, "values": values}))
            except OSError as error:
                raise CallFailed("the fleet is gone") from error

    def _read(self) -> None:
        unpacker = msgpack.Unpacker(raw=False)
        try:
            while data := self._socket.recv(65536):
                unpacker.feed(data)
                for reply in unpacker:
                    answer = self._waiting.get(reply["id"])
                    if answer is None:
                        continue
                    if "error" in reply:
                        answer.set_exception(CallFailed(reply["error"]))
                    else:
                        answer.set(reply["value"])
        except OSError:
            pass
        # A fleet that was killed: what still waits will never be answered.
        self.gone = True
        for answer in list(self._waiting.values()):
            if not answer.ready():
                answer.set_exception(CallFailed("the fleet is gone"))

    def close(self) -> None:
        """Everybody leaves; the process ends, if need be by force."""
        if not self.gone:
            self.gone = True
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reading.kill()
        self._socket.close()
