"""A program that reads what people uploaded: bounded in memory, time and files, without a network, ended
whole.

``python -m signaling.slides.box MEMORY CPU_S FILE HIDDEN PROGRAM ...`` is the box with the program in it;
``run`` starts one and hears its lines.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import signal
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from config.process import die_with

_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_CLONE_NEWPID: Final = 0x20000000
_CLONE_NEWNS: Final = 0x00020000
_MS_BIND: Final = 4096
_MS_REC: Final = 16384
_MS_PRIVATE: Final = 1 << 18
_ROOT: Final = str(Path(__file__).resolve().parent.parent.parent)
_LINE_BYTES: Final = 64 * 1024
_GONE_S: Final = 5.0
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a program may take: bytes of address space, seconds of a core, bytes of a file, seconds in all.

    ``hidden``: folders of which it sees nothing but the one it works in.
    """

    memory: int
    cpu_s: int
    file: int
    wall_s: float
    hidden: tuple[Path, ...]


class Ended(Exception):
    """A program did not end well. ``late``: its time was over."""

    def __init__(self, code: int, *, late: bool = False) -> None:
        super().__init__("too late" if late else f"exit code {code}")
        self.late = late


class Program:
    """A running program; ``lines`` once, then ``end``."""

    def __init__(self, process: asyncio.subprocess.Process, wall_s: float) -> None:
        self._process = process
        self._deadline = asyncio.get_running_loop().time() + wall_s

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """What it prints, to the end. Raises Ended when its time is over or a line too long."""
        out = self._process.stdout
        if out is None:
            return
        try:
            async with asyncio.timeout_at(self._deadline):
                while line := await out.readline():
                    yield line
        except TimeoutError:
            raise Ended(0, late=True) from None
        except ValueError:
            raise Ended(1) from None

    async def end(self) -> None:
        """Wait for it; raises Ended unless it ended well."""
        try:
            async with asyncio.timeout_at(self._deadline):
                code = await self._process.wait()
        except TimeoutError:
            raise Ended(0, late=True) from None
        if code != 0:
            raise Ended(code)


@asynccontextmanager
async def run(
    arguments: Sequence[str], bounds: Bounds, folder: Path, environment: Mapping[str, str]
) -> AsyncGenerator[Program, None]:
    """A program in ``folder``, with its children in one process group, killed at the end. Raises OSError."""
    box = [sys.executable, "-m", "signaling.slides.box"]
    limits = [
        str(bounds.memory),
        str(bounds.cpu_s),
        str(bounds.file),
        os.pathsep.join(map(str, bounds.hidden)),
    ]
    process = await asyncio.create_subprocess_exec(
        *box,
        *limits,
        *arguments,
        cwd=folder,
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "PYTHONPATH": _ROOT, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_LINE_BYTES,
        start_new_session=True,
    )
    try:
        yield Program(process, bounds.wall_s)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(_GONE_S):
                await process.communicate()  # to the end of its output: then its pipe is closed too


def enclose(arguments: Sequence[str]) -> int:
    """Run a program in a box; its exit code. ``arguments``: as the module says."""
    die_with(os.getppid())
    memory, cpu_s, file = (int(text) for text in arguments[:3])
    inside = apart([Path(each) for each in arguments[3].split(os.pathsep)])
    child = os.fork()
    if not child:
        _become(arguments[4:], memory, cpu_s, file, inside=inside)
    return abs(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _become(program: Sequence[str], memory: int, cpu_s: int, file: int, *, inside: bool) -> NoReturn:
    if inside:
        die_with(0)  # from in there nobody outside is seen
        _libc.mount(b"proc", b"/proc", b"proc", 0, None)
    for what, limit in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, file),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        resource.setrlimit(what, (limit, limit))
    os.nice(10)
    os.execvp(program[0], list(program))  # noqa: S606 - no shell


def apart(hidden: Sequence[Path]) -> bool:
    """Leave this process no network, of ``hidden`` only the folder that it is in, and its children alone with
    each other; False where the system allows that to nobody (user namespaces are forbidden): then only the
    bounds hold."""
    own = _CLONE_NEWNET | _CLONE_NEWNS | _CLONE_NEWPID
    user, group = os.geteuid(), os.getegid()
    if _libc.unshare(own) != 0:
        if _libc.unshare(own | _CLONE_NEWUSER) != 0:
            return False
        with suppress(OSError):  # as itself it reads and writes what it could before
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    if _libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        return False
    for folder in hidden:
        _hide(folder.resolve(), Path.cwd())
    return True


def _hide(path: Path, kept: Path) -> None:
    if path in kept.parents:
        for below in list(path.iterdir()):
            _hide(below, kept)
    elif path == kept or path.is_symlink():
        return
    elif path.is_dir():
        _libc.mount(b"none", bytes(path), b"tmpfs", 0, b"size=16m")
    elif path.exists():
        _libc.mount(b"/dev/null", bytes(path), None, _MS_BIND, None)


async def holds() -> bool:
    """Whether programs are apart from the network and our data on this system, and not only bounded."""
    probe = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "signaling.slides.box", env={"PYTHONPATH": _ROOT}, start_new_session=True
    )
    return await probe.wait() == 0


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(0 if apart(()) else 1)
    sys.exit(enclose(sys.argv[1:]))
