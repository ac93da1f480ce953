"""The native plane's shell: its events on the loop, its end, and what runs in its place."""

from __future__ import annotations

import asyncio
import importlib.abc
import logging
import os
import socket
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

import pytest

import sfu.plane
from config.settings import SettingsError, load_settings
from sfu import worker
from sfu.plane import choice
from sfu.plane.api import (
    AddressNominated,
    AddTransport,
    DtlsReceived,
    Event,
    RemoveTransport,
    SendDtls,
    SrtpProfile,
    TransportHandle,
)
from sfu.plane.choice import native_fault, open_plane
from sfu.plane.reference import ReferencePlane
from sfu.plane.threaded import NativePlane
from tests.sfu.plane.shell_peer import LIMIT_S, Client


class Events:
    """What a plane told, and whether the sink fails."""

    def __init__(self) -> None:
        self.all: list[Event] = []
        self.fails = False
        self._told = asyncio.Event()

    def __call__(self, events: Sequence[Event]) -> None:
        self.all += events
        self._told.set()
        if self.fails:
            raise ValueError("our bug")

    async def until(self, kind: type[Event], count: int = 1) -> None:
        async with asyncio.timeout(LIMIT_S):
            while sum(isinstance(event, kind) for event in self.all) < count:
                self._told.clear()
                await self._told.wait()


@pytest.mark.asyncio
async def test_a_failing_sink_is_logged_and_events_go_on(caplog: pytest.LogCaptureFixture) -> None:
    events = Events()
    plane = await NativePlane.create("127.0.0.1", 0, events)
    client = Client(plane, 1, "127.0.0.1", SrtpProfile.AEAD_AES_128_GCM)
    try:
        events.fails = True
        with caplog.at_level(logging.ERROR):
            await client.connect()
            await events.until(AddressNominated)
        assert [record.message for record in caplog.records] == ["the plane's event sink failed"]
        events.fails = False
        client.sock.sendto(b"\x16 dtls", client.to)
        await events.until(DtlsReceived)
    finally:
        await plane.close()
        client.sock.close()


@pytest.mark.asyncio
async def test_what_was_commanded_before_the_end_is_still_done() -> None:
    plane = await NativePlane.create("127.0.0.1", 0, lambda _: None)
    client = Client(plane, 1, "127.0.0.1", SrtpProfile.AEAD_AES_128_GCM)
    try:
        await client.connect()
        plane.apply([SendDtls(client.handle, b"\x15 goodbye"), RemoveTransport(client.handle)])
        await plane.close()
        assert await client.read() == b"\x15 goodbye"
    finally:
        client.sock.close()


def open_files() -> list[str]:
    return sorted(file.name for file in Path("/proc/self/fd").iterdir())


@pytest.mark.asyncio
async def test_closing_twice_leaves_nothing_open_and_commands_are_lost() -> None:
    before = open_files()
    plane = await NativePlane.create("127.0.0.1", 0, lambda _: None)
    port = plane.port
    await plane.close()
    await plane.close()
    assert open_files() == before
    plane.apply([RemoveTransport(TransportHandle(1))])
    assert plane.counters().dropped == {}
    assert plane.transport_state(TransportHandle(1)) is None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", port))


@pytest.mark.asyncio
async def test_a_taken_port_is_told_as_the_system_tells_it() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OSError) as raised:
            await NativePlane.create("127.0.0.1", taken.getsockname()[1], lambda _: None)
    assert raised.value.strerror == "Address already in use"


@pytest.mark.asyncio
async def test_of_commands_that_cannot_be_read_none_is_done() -> None:
    plane = await NativePlane.create("127.0.0.1", 0, lambda _: None)
    try:
        transport = TransportHandle(1)
        with pytest.raises(TypeError, match="str is not a command"):
            plane.apply([AddTransport(transport, "a", "b", "c", "d"), cast("Any", "no command")])
        assert plane.transport_state(transport) is None
    finally:
        await plane.close()


class Broken:
    """The module's plane after its thread ended by itself."""

    port = 1
    events_lost = 0

    def __init__(self) -> None:
        self.failure: str | None = None
        self.event_fd = os.eventfd(0)
        self.applied = 0

    def capabilities(self) -> frozenset[str]:
        return frozenset()

    def drain_events(self) -> list[Event]:
        os.eventfd_read(self.event_fd)
        return []

    def apply(self, commands: Sequence[object]) -> None:
        self.applied += 1
        raise RuntimeError("the plane's thread is not running")

    def end(self, reason: str) -> None:
        self.failure = reason
        os.eventfd_write(self.event_fd, 1)

    def close(self) -> None:
        os.close(self.event_fd)


@pytest.mark.asyncio
async def test_the_threads_end_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    broken, told = Broken(), asyncio.Queue[str]()
    plane = NativePlane(cast("Any", broken), lambda _: None, told.put_nowait)
    with caplog.at_level(logging.ERROR):
        broken.end("index out of bounds")
        async with asyncio.timeout(LIMIT_S):
            assert await told.get() == "index out of bounds"
        plane.apply([])
    await plane.close()
    assert (told.qsize(), broken.applied) == (0, 0)
    assert len(caplog.records) == 1


@pytest.mark.asyncio
async def test_commands_that_are_not_taken_are_the_end_too() -> None:
    told: list[str] = []
    plane = NativePlane(cast("Any", Broken()), lambda _: None, told.append)
    plane.apply([])
    plane.apply([])
    await plane.close()
    assert told == ["the plane's thread is not running"]


@pytest.mark.asyncio
async def test_a_worker_ends_with_its_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Broken()

    async def broken_plane(kind: str, host: str, port: int, sink: Any, *, failed: Any) -> NativePlane:
        return NativePlane(cast("Any", broken), sink, failed)

    monkeypatch.setattr(worker, "open_plane", broken_plane)
    settings = load_settings({"ZVONOK_PATHS__VAR": str(tmp_path)})
    broken.end("index out of bounds")
    with pytest.raises(worker.WorkerFailed, match="index out of bounds"):
        async with asyncio.timeout(LIMIT_S):
            await worker.serve(settings, 0)


class Module(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """In place of the native module: ``content`` runs when it is imported; without it there is none."""

    def __init__(self, content: str | None) -> None:
        self.content = content

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != "sfu.plane._native":
            return None
        if self.content is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return ModuleSpec(name, self)

    def exec_module(self, module: ModuleType) -> None:
        exec(self.content or "", vars(module))


def replace_module(monkeypatch: pytest.MonkeyPatch, content: str | None) -> None:
    """What is imported as the native module from now on."""
    for name in ("threaded", "_native"):
        monkeypatch.delattr(sfu.plane, name, raising=False)
        monkeypatch.delitem(sys.modules, f"sfu.plane.{name}", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Module(content), *sys.meta_path])


UNUSABLE: Final = {
    None: "it is not built",
    "ABI = 0\nclass Plane: pass": "it was built for another version of Zvonok (ABI 0, not ",
    "": "it can't be loaded (AttributeError: ",
    "import _no_such_module": "it can't be loaded (No module named '_no_such_module')",
    "raise ImportError('libc.so.6: too old')": "it can't be loaded (ImportError: libc.so.6: too old)",
    "raise RuntimeError('our bug')": "it can't be loaded (RuntimeError: our bug)",
}
"""What may be there instead of the module, and what is said."""


@pytest.mark.asyncio
async def test_auto_takes_the_native_plane_where_it_is_built(caplog: pytest.LogCaptureFixture) -> None:
    assert native_fault() is None
    plane = await open_plane("auto", "127.0.0.1", 0, lambda _: None)
    await plane.close()
    assert plane.name == "native"
    assert not caplog.records


@pytest.mark.asyncio
@pytest.mark.parametrize(("content", "words"), UNUSABLE.items(), ids=range(len(UNUSABLE)))
async def test_auto_takes_the_reference_plane_elsewhere_and_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, content: str | None, words: str
) -> None:
    replace_module(monkeypatch, content)
    with caplog.at_level(logging.INFO):
        plane = await open_plane("auto", "127.0.0.1", 0, lambda _: None)
        await plane.close()
    assert isinstance(plane, ReferencePlane)
    assert plane.name == "reference"
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith(f"the reference plane is used, the native one can't be: {words}")
    assert said.endswith("; `make native` builds it")
    assert "\n" not in said


@pytest.mark.asyncio
@pytest.mark.parametrize(("content", "words"), UNUSABLE.items(), ids=range(len(UNUSABLE)))
async def test_native_is_refused_in_a_sentence_where_it_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, content: str | None, words: str
) -> None:
    replace_module(monkeypatch, content)
    with pytest.raises(SettingsError) as raised:
        await open_plane("native", "127.0.0.1", 0, lambda _: None)
    said = str(raised.value)
    assert said.startswith(f"media.plane: the native plane can't be used: {words}")
    assert said.endswith("; `make native` builds it")


@pytest.mark.asyncio
async def test_reference_never_looks_for_the_native_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked() -> str | None:
        raise AssertionError

    monkeypatch.setattr(choice, "native_fault", looked)
    plane = await open_plane("reference", "127.0.0.1", 0, lambda _: None)
    await plane.close()
    assert plane.name == "reference"
