"""What a file is, by its content: a short list of kinds that are taken, everything else is refused.

Names and media types that a browser tells are never asked: they lie. No content is ever given to a browser as
a page of ours, so this decides what is useful, what is safe to open at home, and what may be shown.
"""

from __future__ import annotations

import mmap
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sfu.model import Refused

Group = Literal["image", "audio", "video", "pdf", "office", "text"]
HEAD: Final = 4096
MAX_TEXT: Final = 2 << 20
MAX_ENTRIES: Final = 5000
MAX_UNPACKED: Final = 500 << 20
MAX_RATIO: Final = 200
"""Unpacked to packed, of a whole archive above a MiB: XML of real documents is at most some 30."""
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class FileKind:
    """``extensions``: names that fit, the usual one first."""

    group: Group
    media_type: str
    extensions: tuple[str, ...]

    @property
    def plays(self) -> bool:
        """Whether browsers may show it in place; all others are downloads."""
        return self.group in ("image", "audio", "video")


PNG: Final = FileKind("image", "image/png", ("png",))
JPEG: Final = FileKind("image", "image/jpeg", ("jpg", "jpeg"))
GIF: Final = FileKind("image", "image/gif", ("gif",))
WEBP: Final = FileKind("image", "image/webp", ("webp",))
MP4: Final = FileKind("video", "video/mp4", ("mp4", "m4v", "mov"))
M4A: Final = FileKind("audio", "audio/mp4", ("m4a", "mp4"))
WEBM: Final = FileKind("video", "video/webm", ("webm",))
OGG: Final = FileKind("audio", "audio/ogg", ("ogg", "oga", "opus"))
MP3: Final = FileKind("audio", "audio/mpeg", ("mp3",))
WAV: Final = FileKind("audio", "audio/wav", ("wav",))
PDF: Final = FileKind("pdf", "application/pdf", ("pdf",))
TEXT: Final = FileKind("text", "text/plain", ("txt", "md", "csv"))

_OPEN_XML: Final = "application/vnd.openxmlformats-officedocument."
_OPEN_DOCUMENT: Final = "application/vnd.oasis.opendocument."
_OFFICE_XML: Final = {
    b"wordprocessingml.document.main+xml": FileKind(
        "office", f"{_OPEN_XML}wordprocessingml.document", ("docx",)
    ),
    b"presentationml.presentation.main+xml": FileKind(
        "office", f"{_OPEN_XML}presentationml.presentation", ("pptx",)
    ),
    b"presentationml.slideshow.main+xml": FileKind(
        "office", f"{_OPEN_XML}presentationml.slideshow", ("ppsx",)
    ),
    b"spreadsheetml.sheet.main+xml": FileKind("office", f"{_OPEN_XML}spreadsheetml.sheet", ("xlsx",)),
}
_OPEN_DOCUMENTS: Final = {
    f"{_OPEN_DOCUMENT}{word}".encode(): FileKind("office", f"{_OPEN_DOCUMENT}{word}", (extension,))
    for word, extension in (("text", "odt"), ("presentation", "odp"), ("spreadsheet", "ods"))
}
_COMPOUND: Final = {
    "WordDocument": FileKind("office", "application/msword", ("doc",)),
    "PowerPoint Document": FileKind("office", "application/vnd.ms-powerpoint", ("ppt", "pps")),
    "Workbook": FileKind("office", "application/vnd.ms-excel", ("xls",)),
}
_FILM_BRANDS: Final = frozenset(
    {
        b"isom",
        b"iso2",
        b"iso4",
        b"iso5",
        b"iso6",
        b"mp41",
        b"mp42",
        b"avc1",
        b"dash",
        b"M4V ",
        b"qt  ",
        b"mmp4",
    }
)
_SOUND_BRANDS: Final = frozenset({b"M4A ", b"M4B "})


def kind_of(path: Path) -> FileKind:
    """Blocks. Raises Refused ``file_empty``, ``file_type_refused``, ``file_broken``."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise Refused("file_empty")
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return _compound(path)
    kind = _by_head(head) or _text(path)
    if kind is None:
        raise Refused("file_type_refused")
    return kind


def named(name: str, kind: FileKind) -> str:
    """The name with an ending that tells the truth."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    return name if ending in kind.extensions else f"{name}.{kind.extensions[0]}"


def _by_head(head: bytes) -> FileKind | None:
    for beginning, kind in (
        (b"\x89PNG\r\n\x1a\n", PNG),
        (b"\xff\xd8\xff", JPEG),
        (b"GIF87a", GIF),
        (b"GIF89a", GIF),
        (b"%PDF-", PDF),
        (b"ID3", MP3),
    ):
        if head.startswith(beginning):
            return kind
    if head.startswith(b"RIFF"):
        return {b"WEBP": WEBP, b"WAVE": WAV}.get(head[8:12])
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return MP4 if brand in _FILM_BRANDS else M4A if brand in _SOUND_BRANDS else None
    if head.startswith(b"\x1aE\xdf\xa3"):
        return WEBM if b"webm" in head[:64] else None
    if head.startswith(b"OggS"):
        return None if b"theora" in head[:128] else OGG
    return MP3 if _is_mp3_frame(head) else None


def _is_mp3_frame(head: bytes) -> bool:
    """ISO/IEC 11172-3 2.4.1.3: sync, layer III, a bitrate and a rate that exist."""
    return (
        len(head) > 4
        and head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and head[2] >> 4 not in (0, 15)
        and head[2] >> 2 & 3 != 3
    )


def _text(path: Path) -> FileKind | None:
    """Plain text that is no page, picture or program when its name is changed."""
    if path.stat().st_size > MAX_TEXT:
        return None
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = data.decode("cp1251")
        except UnicodeDecodeError:
            return None
    if any(c < " " and c not in "\t\n\r\f" for c in text) or text.lstrip().startswith(("<", "#!", "MZ")):
        return None
    return TEXT


def _archive(path: Path) -> FileKind:
    """An office document; looked through to its end, whatever its directory claims."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_ENTRIES:
                raise Refused("file_broken", "entries")
            names = {entry.filename for entry in entries}
            if any(each.flag_bits & 1 or _climbs(each.filename) for each in entries):
                raise Refused("file_broken", "entry")
            if any(name.lower().endswith("vbaproject.bin") or name.startswith("Basic/") for name in names):
                raise Refused("file_type_refused", "macros")
            kind = _office(archive, names)
            if kind is None:
                raise Refused("file_type_refused", "archive")
            limit = min(MAX_UNPACKED, max(1 << 20, path.stat().st_size * MAX_RATIO))
            unpacked = 0
            for entry in entries:
                with archive.open(entry) as content:
                    while piece := content.read(_PIECE):
                        unpacked += len(piece)
                        if unpacked > limit:
                            raise Refused("file_broken", "unpacked")
            return kind
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, RuntimeError):
        raise Refused("file_broken") from None


def _office(archive: zipfile.ZipFile, names: set[str]) -> FileKind | None:
    if "mimetype" in names:
        with archive.open("mimetype") as content:
            return _OPEN_DOCUMENTS.get(content.read(100))
    if "[Content_Types].xml" not in names:
        return None
    with archive.open("[Content_Types].xml") as content:
        types = content.read(_PIECE)
    if b"macroEnabled" in types:
        return None
    return next((kind for word, kind in _OFFICE_XML.items() if word in types), None)


def _climbs(name: str) -> bool:
    return name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or ":" in name


def _compound(path: Path) -> FileKind:
    """An office document from before 2007 ([MS-CFB]); its streams' names tell it from an installer."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data.find("_VBA_PROJECT".encode("utf-16-le")) >= 0:
            raise Refused("file_type_refused", "macros")
        for word, kind in _COMPOUND.items():
            if data.find(f"{word}\0".encode("utf-16-le")) >= 0:
                return kind
    raise Refused("file_type_refused", "compound")
