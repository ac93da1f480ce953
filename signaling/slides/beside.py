"""Pages of slides beside a recording: who may watch it gets those that were before the class in it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import msgspec

from signaling.catalog.takes import opened
from signaling.library_files import LibraryFiles
from signaling.wire import Timeline

_KEPT: Final = 64


def shown_pages(timeline: Timeline) -> frozenset[tuple[str, int]]:
    """(slides, page) of everything that was before the class at some moment of the video."""
    found: set[tuple[str, int]] = set()
    there: dict[str, Any] = {}
    for change in timeline.changes:
        for path in change.delete:
            there.pop(path, None)
        there.update({path: opened(value) for path, value in change.set.items() if _matters(path)})
        shown = there.get("shown")
        if isinstance(shown, dict) and shown.get("kind") == "slides":
            slides = there.get(f"slides/{shown.get('thing')}")
            if isinstance(slides, dict) and isinstance(slides.get("page"), int):
                found.add((str(shown["thing"]), slides["page"]))
    return frozenset(found)


def _matters(path: str) -> bool:
    return path == "shown" or path.startswith("slides/")


class ShownPages:
    """What each video shows, read from its timeline; the last ones are kept."""

    def __init__(self, files: LibraryFiles) -> None:
        self._files = files
        self._known: OrderedDict[tuple[str, int], frozenset[tuple[str, int]]] = OrderedDict()

    async def of(self, video: str) -> frozenset[tuple[str, int]]:
        """Empty where there is no timeline that can be read. Raises OSError."""
        stored = await self._files.find(video, "timeline.json")
        if stored is None:
            return frozenset()
        key = video, stored.size
        if key not in self._known:
            try:
                text = b"".join([piece async for piece in self._files.library.read(stored, 0, stored.size)])
                self._known[key] = shown_pages(msgspec.json.decode(text, type=Timeline))
            except (FileNotFoundError, msgspec.DecodeError, ValueError):
                return frozenset()
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return self._known[key]
