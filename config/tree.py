"""The process tree of ``zvonok serve``: Valkey, the SFU workers, signalling, the recorders, the jobs.

Started in that order (workers and signalling side by side). Closed: signalling and jobs, recorders, workers,
Valkey, so that nothing is asked of who is gone, and what workers still have for recorders is written. A child
that ends is started again, later each time, and the person at the terminal is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from config import checks
from config.addresses import free_port
from config.checks import CannotStart
from config.child import Child, ChildFailed, Program, python, worth_showing
from config.settings import CONFIG_VARIABLE, Loaded, Settings, variables
from config.tls import local_certificate, node_certificate
from config.valkey import NoValkey, valkey_program

LOCK_WAIT_S: Final = 10.0
CERTIFICATE_CHECK_S: Final = 24 * 3600.0
RUNNING: Final = "running.json"
"""File in paths.var that tells other commands where the running server is."""


@dataclass
class Tree:
    """One server. ``run`` starts it, waits for a signal and closes it.

    ``config_file`` and ``overrides`` are handed to the children, who load the same settings. ``greet`` is
    called once everything is up: origin of links, address of the first admin listener, seconds it took.
    """

    loaded: Loaded
    config_file: Path | None
    overrides: Mapping[str, Any]
    say: Callable[[str], None]
    greet: Callable[[str, str, float], None]
    _valkey: Child | None = None
    _workers: list[Child] = field(default_factory=list)
    _signalling: list[Child] = field(default_factory=list)
    _recorders: list[Child] = field(default_factory=list)
    _jobs: list[Child] = field(default_factory=list)
    _watchers: list[asyncio.Task[None]] = field(default_factory=list)
    _embedded_redis: str = ""
    """URL of the embedded Valkey, without its password; empty where another Redis is used."""
    _lock: int = -1

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    async def run(self) -> None:
        """Serve until SIGINT, SIGTERM or SIGHUP; a second one ends everything at once. Raises CannotStart."""
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()

        def on_signal() -> None:
            if asked.is_set():
                for child in self._children():
                    child.kill()
            asked.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup asks for
                loop.add_signal_handler(number, on_signal)
        started = time.monotonic()
        starting = asyncio.create_task(self._start(started))
        stopping = asyncio.create_task(asked.wait())
        try:
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
                await stopping
            self.say("Closing")
        finally:
            for task in (starting, stopping):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, CannotStart):
                    await task
            await self._close()

    async def _start(self, started: float) -> None:
        settings = self.settings
        dynamic = self._prepare()
        admin_ports = self._admin_ports()
        try:
            if not settings.redis.url:
                dynamic |= await self._start_valkey()
            environment = self._environment(dynamic)
            for index in range(settings.media.worker_count):
                argv = python("-m", "sfu.worker", "--index", str(index))
                self._workers.append(
                    self._child(Program(f"worker-{index}", argv, environment, stop_limit_s=5.0))
                )
            argv = python("-m", "signaling.app")
            for index, port in enumerate(admin_ports):
                name = f"signalling-{index}" if index else "signalling"
                own = self._environment({**dynamic, "admin.port": port})
                self._signalling.append(self._child(Program(name, argv, own)))
            await self._start_together([*self._workers, self._signalling[0]])
            # It makes the tables that all the others use.
            argv = python("-m", "recorder.app")
            self._recorders += [
                self._child(Program(f"recorder-{index}", argv, environment))
                for index in range(settings.recorder.workers)
            ]
            argv = python("-m", "recorder.jobs.app")
            self._jobs += [
                self._child(Program(f"jobs-{index}", argv, environment))
                for index in range(settings.jobs.workers)
            ]
            await self._start_together([*self._signalling[1:], *self._recorders, *self._jobs])
        except ChildFailed as failed:
            raise CannotStart(_why(failed, settings.paths.log)) from None
        except NoValkey as error:
            raise CannotStart(str(error)) from None
        self._watchers += [asyncio.create_task(child.watch()) for child in self._children()]
        if settings.server.tls == "local":
            self._watchers.append(asyncio.create_task(self._renew_certificate()))
        origin = settings.server.origin(int(dynamic["server.port"]))
        admins = [f"http://{_bracketed(settings.admin.host)}:{port}" for port in admin_ports]
        self._tell_others({"origin": origin, "admins": admins, "redis": self._embedded_redis})
        self.greet(origin, admins[0], time.monotonic() - started)

    def _prepare(self) -> dict[str, Any]:
        """Everything that can be wrong before a process is started; what the children must know of it."""
        settings = self.settings
        server, media, paths = settings.server, settings.media, settings.paths
        checks.writable_folders(paths)
        self._lock = checks.lock_folder(paths.var_path, LOCK_WAIT_S)
        dynamic: dict[str, Any] = {
            "server.port": checks.tcp_port(server.host, server.port, "server.port"),
        }
        if media.port:
            for index in range(media.worker_count):
                checks.udp_port(media.host, media.port + index, "media.port")
        for name in ("ticket.key", "cookie.key", "rpc.key"):
            paths.secret(name)
        node_certificate(paths.keys, datetime.now(UTC))
        if server.tls == "local":
            certificate, key = self._local_certificate()
            # Said outright: "auto" with a certificate means one that needs no page on how to trust it.
            dynamic |= {
                "server.tls": "local",
                "server.certificate": str(certificate),
                "server.certificate_key": str(key),
            }
        elif server.tls == "certificate":
            checks.certificate_files(settings)
        if settings.redis.url:
            checks.redis_answers(settings.redis.url)
        if settings.store.url:
            checks.store_keys(settings)
        if checks.hides_from_other_nodes(settings):
            self.say("Set media.rpc_host if there is another node: it would take this one's lessons for lost")
        if not (paths.web_path / "index.html").is_file():
            raise CannotStart(f"the pages are not built ({paths.web} has no index.html): run make setup")
        return dynamic

    def _admin_ports(self) -> list[int]:
        """One for each signalling process; raises CannotStart."""
        host, first = self.settings.admin.host, self.settings.admin.port
        wanted = [first and first + index for index in range(self.settings.server.processes)]
        ports = [checks.tcp_port(host, port, "admin.port") for port in wanted]
        while len(set(ports)) < len(ports):  # free ones may come twice, they are not held yet
            ports = [checks.tcp_port(host, port, "admin.port") for port in wanted]
        return ports

    async def _start_valkey(self) -> dict[str, Any]:
        paths = self.settings.paths
        address, port = self.settings.redis.listens_at or ("", free_port())
        if address:
            for each in (address, "127.0.0.1"):
                checks.tcp_port(each, port, "redis.listen")
        password = paths.secret("redis.password").decode()
        folder = paths.var_path / "valkey"
        self._valkey = self._child(valkey_program(folder, port, password, _plain_environment(), address))
        await self._start_together([self._valkey])
        self._embedded_redis = f"redis://127.0.0.1:{port}/0"
        return {
            "redis.url": self._embedded_redis,
            "redis.password_file": str(paths.keys / "redis.password"),
            "redis.listen": "",  # it is for who starts it
        }

    async def _start_together(self, children: Sequence[Child]) -> None:
        """Start children side by side; the first failure cancels the others' start."""
        tasks = [asyncio.create_task(child.start()) for child in children]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _renew_certificate(self) -> None:
        """Once a day; signalling is started again with a renewed one, and its clients resume."""
        while True:
            await asyncio.sleep(CERTIFICATE_CHECK_S)
            before = (self.settings.paths.keys / "server.pem").read_bytes()
            self._local_certificate()
            if (self.settings.paths.keys / "server.pem").read_bytes() != before:
                self.say("The certificate was renewed")
                for process in self._signalling:
                    process.terminate()

    def _local_certificate(self) -> tuple[Path, Path]:
        names = [self.settings.server.public_name, "localhost", "127.0.0.1", "::1"]
        return local_certificate(self.settings.paths.keys, names, datetime.now(UTC))

    def _child(self, program: Program) -> Child:
        log_file = self.settings.paths.log / f"{program.name}.log"
        return Child(program, log_file, self.say, inherited=(self._lock,))

    def _environment(self, dynamic: Mapping[str, Any]) -> dict[str, str]:
        environment = dict(os.environ) | variables({**self.overrides, **dynamic})
        if self.config_file is not None:
            environment[CONFIG_VARIABLE] = str(self.config_file.absolute())
        return environment

    def _children(self) -> list[Child]:
        """In the order in which they are closed: who talks to people first, who keeps their data last."""
        children = (*self._signalling, *self._jobs, *self._recorders, *self._workers, self._valkey)
        return [child for child in children if child is not None]

    def _tell_others(self, where: Mapping[str, Any]) -> None:
        running = {"pid": os.getpid(), **where}
        (self.settings.paths.var_path / RUNNING).write_text(json.dumps(running), encoding="utf-8")

    async def _close(self) -> None:
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        if self._lock < 0:
            return
        (self.settings.paths.var_path / RUNNING).unlink(missing_ok=True)
        await asyncio.gather(*(process.stop() for process in (*self._signalling, *self._jobs)))
        await asyncio.gather(*(recorder.stop() for recorder in self._recorders))
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        if self._valkey is not None:
            await self._valkey.stop()
        os.close(self._lock)
        self._lock = -1


def _why(failed: ChildFailed, logs: Path) -> str:
    """The child's own last error in one line, or how it ended and where to read on."""
    shown = [text for line in failed.last_words if (text := worth_showing(line)) and text.strip()]
    last = shown[-1].strip() if shown else "it said nothing"
    return f"{failed.name} {failed.reason}: {last} (more in {logs / failed.name}.log)"


def _plain_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
