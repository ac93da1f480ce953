"""From a file to its pages: which programs are run for it, and what they say."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self, get_args

import msgspec

from config.settings import Settings
from signaling.slides.box import Bounds, Ended, run
from signaling.wire.slides import SlidesFailure

OFFICE_MEMORY: Final = 4 << 30
"""Address space: it maps much more than it uses."""
PAGE_BYTES: Final = 16 << 20
OFFICE_FILE_BYTES: Final = 512 << 20
EXTENSIONS: Final[Mapping[str, str]] = {
    "application/msword": "doc",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.presentationml.slideshow": "ppsx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
}
"""What an office file is, by its media type: its program looks at the ending first."""
_NOT_FOR_OFFICE: Final = tuple(map(Path, ("/home", "/root", "/srv", "/mnt", "/media", "/tmp")))  # noqa: S108
"""A file may point to others, whose pictures and text would come onto a page: nothing of anybody is there."""
_OFFICE: Final = ("soffice", "libreoffice")
_REASONS: Final = frozenset(get_args(SlidesFailure))
_UNTRUSTING: Final = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Common/Security/Scripting">
<prop oor:name="MacroSecurityLevel" oor:op="fuse"><value>3</value></prop>
<prop oor:name="DisableMacrosExecution" oor:op="fuse"><value>true</value></prop>
<prop oor:name="BlockUntrustedRefererLinks" oor:op="fuse"><value>true</value></prop>
</item>
<item oor:path="/org.openoffice.Office.Writer/Content/Update">
<prop oor:name="Link" oor:op="fuse"><value>2</value></prop>
</item>
<item oor:path="/org.openoffice.Office.Calc/Content/Update">
<prop oor:name="Link" oor:op="fuse"><value>2</value></prop>
</item>
</oor:items>
"""
"""Nothing in a file runs, and nothing is fetched that it only points to."""


class NotMade(Exception):
    """No pages; ``reason`` for the person."""

    def __init__(self, reason: SlidesFailure) -> None:
        super().__init__(reason)
        self.reason: Final = reason


class Sizes(msgspec.Struct, frozen=True):
    """How many pages it will be, and their sizes."""

    sizes: list[tuple[int, int]]


class Page(msgspec.Struct, frozen=True):
    """A page is made, with all its files."""

    page: int


class Fonts(msgspec.Struct, frozen=True):
    """The last word: whether letters were replaced."""

    fonts: bool


class _Failed(msgspec.Struct, frozen=True):
    failed: str


Said = Sizes | Page | Fonts


@dataclass(frozen=True, slots=True)
class Making:
    """How files are made into pages here. ``office``: the program for office files, None: there is none."""

    max_pages: int
    bounds: Bounds
    office: str | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings say."""
        slides = settings.slides
        bounds = Bounds(
            memory=slides.memory_mb << 20,
            cpu_s=slides.limit_s,
            file=PAGE_BYTES,
            wall_s=slides.limit_s,
            hidden=(settings.paths.var_path,),
        )
        return cls(slides.max_pages, bounds, find_office(slides.office))

    async def pages(self, source: Path, media_type: str, folder: Path) -> AsyncGenerator[Said, None]:
        """Make the pages of ``source`` in ``folder``, which both lie in a folder of their own. Raises
        NotMade, OSError."""
        if media_type in EXTENSIONS:
            source = await self._pdf_of(source, EXTENSIONS[media_type])
        kind = "picture" if media_type.startswith("image/") else "pdf"
        program = [sys.executable, "-m", "signaling.slides.pages"]
        arguments = [*program, kind, str(source), str(folder), str(self.max_pages)]
        try:
            async with run(arguments, self.bounds, folder.parent, {}) as running:
                async with aclosing(running.lines()) as lines:
                    async for line in lines:
                        yield _said(line)
                await running.end()
        except Ended as ended:
            raise NotMade("too_slow" if ended.late else "too_heavy") from None

    async def _pdf_of(self, source: Path, extension: str) -> Path:
        if self.office is None:
            raise NotMade("no_office")
        folder = source.parent
        profile, named = folder / "profile", folder / f"office.{extension}"
        await asyncio.to_thread(_prepare, source, named, profile)
        arguments = [
            self.office, "--headless", "--norestore", "--nolockcheck", "--nodefault",
            f"-env:UserInstallation=file://{profile}",
            "--convert-to", "pdf", "--outdir", str(folder), str(named),
        ]  # fmt: skip
        hidden = (*self.bounds.hidden, *_NOT_FOR_OFFICE)
        bounds = replace(self.bounds, memory=OFFICE_MEMORY, file=OFFICE_FILE_BYTES, hidden=hidden)
        try:
            async with run(arguments, bounds, folder, {"HOME": str(folder), "LC_ALL": "C.UTF-8"}) as program:
                async with aclosing(program.lines()) as lines:
                    async for _ in lines:
                        pass
                await program.end()
        except Ended as ended:
            raise NotMade("too_slow" if ended.late else "broken") from None
        made = folder / "office.pdf"
        if not await asyncio.to_thread(made.is_file):
            raise NotMade("broken")  # it says so with exit code 0 too
        return made


def _prepare(source: Path, named: Path, profile: Path) -> None:
    settings = profile / "user" / "registrymodifications.xcu"
    settings.parent.mkdir(parents=True)
    settings.write_text(_UNTRUSTING, encoding="utf-8")
    source.rename(named)


def find_office(setting: str) -> str | None:
    """The program for office files: what the setting names, with ``auto`` what is on PATH, else None."""
    names = _OFFICE if setting == "auto" else (setting,) if setting else ()
    return next((path for name in names if (path := shutil.which(name))), None)


def _said(line: bytes) -> Said:
    """A line of the program, believed only so far as its form goes. Raises NotMade."""
    value: Any
    for kind in (Page, Sizes, Fonts, _Failed):
        try:
            value = msgspec.json.decode(line, type=kind)
        except msgspec.DecodeError:
            continue
        if isinstance(value, _Failed):
            raise NotMade(value.failed if value.failed in _REASONS else "failed")  # type: ignore[arg-type]
        said: Said = value
        return said
    raise NotMade("failed")
