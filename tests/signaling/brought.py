"""Files as people bring them, good and bad, made here."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from PIL import Image

PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, kind, **options)
    return out.getvalue()


def moving(frames: int = 3) -> bytes:
    out = io.BytesIO()
    pictures = [Image.new("RGB", (20, 20), (80 * n, 0, 0)) for n in range(frames)]
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:])
    return out.getvalue()


def photo_with_place() -> bytes:
    """A JPEG that tells where it was taken and lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Camera of Masha"
    exif.get_ifd(0x8825)[1] = "N"
    return picture("JPEG", (40, 30), exif=exif)


def huge_png(side: int = 50_000) -> bytes:
    """A few bytes that unpack to gigabytes of pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(100_000), 9)
    return PNG_HEAD + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def archive(entries: dict[str, bytes], *, packed: bool = True) -> bytes:
    out = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", how) as made:
        for name, data in entries.items():
            made.writestr(name, data)
    return out.getvalue()


def office(word: str, **more: bytes) -> bytes:
    types = f'<Types><Override ContentType="application/vnd.openxmlformats-officedocument.{word}"/></Types>'
    return archive({"[Content_Types].xml": types.encode(), "word/document.xml": b"<w/>", **more})


DOCX = office("wordprocessingml.document.main+xml")
PPTX = office("presentationml.presentation.main+xml")
ODP = archive({"mimetype": b"application/vnd.oasis.opendocument.presentation", "content.xml": b"<x/>"})
PDF = b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
MP4 = b"\0\0\0\x18ftypisom\0\0\x02\0isomavc1" + bytes(64)
COMPOUND_HEAD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def compound(*streams: str) -> bytes:
    return COMPOUND_HEAD + b"".join(f"{name}\0".encode("utf-16-le") + bytes(40) for name in streams)
