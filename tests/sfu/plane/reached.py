"""Which lines of the reference core were run: what a comparison of two cores has looked at."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, ParamSpec, TypeVar

from tests.sfu.plane.cores import PlaneCore

P = ParamSpec("P")
T = TypeVar("T")

CORE: Final = Path(__file__).parents[3] / "sfu" / "plane" / "core"


class Reached:
    """Records what the cores that it watches run; beside a debugger's tracing, nothing."""

    def __init__(self, folder: Path = CORE) -> None:
        self._files = {str(path) for path in folder.glob("*.py")}
        self._left: dict[CodeType, set[int]] = {}
        self._seen: set[tuple[str, int]] = set()

    def watch(self, make: Callable[[], PlaneCore]) -> PlaneCore:
        """A core that is watched from its making on."""
        return _Watched(make, self._call)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        left = self._left.get(code)
        if left is None:
            left = set()
            if code.co_filename in self._files:
                left = {line for _, _, line in code.co_lines() if line} - {code.co_firstlineno}
            self._left[code] = left
        return self._line if left else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        code, line = frame.f_code, frame.f_lineno
        left = self._left[code]
        if event == "line" and line in left:
            left.discard(line)
            self._seen.add((code.co_filename, line))
        return self._line

    def missing(self) -> list[str]:
        """``file.py:line: text`` of each line in a function that was not run, called or not."""
        found: list[str] = []
        for file in sorted(self._files):
            text = Path(file).read_text(encoding="utf-8")
            lines = text.splitlines()
            expected = set(_lines(compile(text, file, "exec"), inside=False))
            left = sorted(expected - {line for seen, line in self._seen if seen == file})
            found += [f"{Path(file).name}:{number}: {lines[number - 1].strip()}" for number in left]
        return found


class _Watched:
    """Traces a core's calls and nothing else, so that once all was seen it costs little."""

    def __init__(self, make: Callable[[], PlaneCore], trace: Callable[[FrameType, str, Any], Any]) -> None:
        def traced(call: Callable[P, T]) -> Callable[P, T]:
            if sys.gettrace() is not None:
                return call

            def run(*args: P.args, **kwargs: P.kwargs) -> T:
                sys.settrace(trace)
                try:
                    return call(*args, **kwargs)
                finally:
                    sys.settrace(None)

            return run

        core = traced(make)()
        self.datagrams = core.datagrams
        self.receive = traced(core.receive)
        self.apply = traced(core.apply)
        self.tick = traced(core.tick)
        self.drop = traced(core.drop)
        self.drain_events = traced(core.drain_events)
        self.counters = traced(core.counters)
        self.transport_state = traced(core.transport_state)


def _lines(code: CodeType, *, inside: bool) -> Iterable[int]:
    """Lines of functions; of a module or class body only its functions'."""
    function = inside or bool(code.co_flags & inspect.CO_OPTIMIZED)
    if function:
        yield from {line for _, _, line in code.co_lines() if line} - {code.co_firstlineno}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines(constant, inside=function)
