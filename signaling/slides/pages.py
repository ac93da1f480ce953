"""The program that makes pages: ``python -m signaling.slides.pages KIND SOURCE FOLDER MAX_PAGES``.

For each page ``<n>-large.webp``, ``<n>-small.webp``, ``<n>-thumb.webp`` and ``<n>-text.txt``, n from 1. It
prints JSON lines: ``{"sizes": [[width, height], ...]}`` once, ``{"page": n}`` after each page, at the end
``{"fonts": whether letters of the file had to be replaced}``; or ``{"failed": reason}`` and ends with 0. It
runs in a box: what it reads was made by anybody.
"""

from __future__ import annotations

import ctypes
import json
import math
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image, ImageOps

SIZES: Final = {"large": 2_400_000, "small": 600_000, "thumb": 36_000}
"""Pixels of a page; one of any form gets the same number of them."""
QUALITY: Final = {"large": 82, "small": 80, "thumb": 70}
MAX_SIDE: Final = 8000
MAX_TEXT: Final = 8000
MAX_PIXELS: Final = 80_000_000
"""Of a picture that becomes a page."""
MAX_SIZE: Final = 20_000
"""A page's sides as told, in points or pixels."""
_OBJECTS_LOOKED_AT: Final = 400
_PASSWORD: Final = 4
"""FPDF_ERR_PASSWORD."""


class Unfit(Exception):
    """It can't be made into pages; the reason is a word of ``SlidesFailure``."""


def fitted(width: float, height: float, size: str) -> tuple[int, int]:
    """How many pixels a page of this form gets: the same area whatever its form, no side too long.

    >>> fitted(960, 540, "small"), fitted(540, 960, "small"), fitted(2835, 142, "small")
    ((1032, 581), (581, 1032), (3460, 173))
    """
    scale = math.sqrt(SIZES[size] / (width * height))
    scale = min(scale, MAX_SIDE / max(width, height))
    return max(1, int(width * scale)), max(1, int(height * scale))


def made_of_pdf(source: Path, folder: Path, max_pages: int) -> Iterator[dict[str, Any]]:
    """Make the pages of a PDF, saying what was done; raises Unfit."""
    try:
        document = pypdfium2.PdfDocument(source)
    except pypdfium2.PdfiumError as error:
        code = getattr(error, "err_code", None)
        raise Unfit("encrypted" if code == _PASSWORD else "broken") from None
    count = len(document)
    if count == 0:
        raise Unfit("empty")
    if count > max_pages:
        raise Unfit("too_many_pages")
    yield {"sizes": [_size(document, number) for number in range(count)]}
    replaced = False
    for number in range(count):
        try:
            page = document[number]
        except pypdfium2.PdfiumError:
            raise Unfit("broken") from None
        text = page.get_textpage()
        _keep_text(folder, number + 1, text.get_text_bounded())
        text.close()
        replaced = replaced or _has_replaced_fonts(page)
        width, height = fitted(*_sides(page), "large")
        bitmap = page.render(
            scale=width / page.get_width(), fill_color=(255, 255, 255, 255), rev_byteorder=True
        )
        picture = bitmap.to_pil().convert("RGB")
        _keep(
            folder,
            number + 1,
            picture.resize((width, height)) if picture.size != (width, height) else picture,
        )
        bitmap.close()
        page.close()
        yield {"page": number + 1}
    yield {"fonts": replaced}


def made_of_picture(source: Path, folder: Path) -> Iterator[dict[str, Any]]:
    """Make the one page of a picture; raises Unfit."""
    try:
        opened = Image.open(source)
    except (OSError, ValueError, Image.DecompressionBombError):
        raise Unfit("broken") from None
    if opened.width * opened.height > MAX_PIXELS:
        raise Unfit("too_heavy")
    try:
        picture = ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, SyntaxError):
        raise Unfit("broken") from None
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    width, height = white.size
    yield {"sizes": [_told(width, height)]}
    _keep_text(folder, 1, "")
    limit = fitted(width, height, "large")
    _keep(folder, 1, (white.resize(limit) if limit[0] < width else white).convert("RGB"))
    yield {"page": 1}
    yield {"fonts": False}


def _size(document: pypdfium2.PdfDocument, index: int) -> tuple[int, int]:
    try:
        width, height = document.get_page_size(index)
    except pypdfium2.PdfiumError:
        raise Unfit("broken") from None
    return _told(width, height)


def _told(width: float, height: float) -> tuple[int, int]:
    if not (math.isfinite(width) and math.isfinite(height)) or width <= 0 or height <= 0:
        raise Unfit("broken")
    scale = min(1.0, MAX_SIZE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _sides(page: pypdfium2.PdfPage) -> tuple[float, float]:
    return max(page.get_width(), 0.01), max(page.get_height(), 0.01)


def _has_replaced_fonts(page: pypdfium2.PdfPage) -> bool:
    """Whether a text of the page is written in a font that the file does not bring."""
    for looked_at, thing in enumerate(page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT], max_depth=3)):
        if looked_at >= _OBJECTS_LOOKED_AT:
            return False
        font = pdfium.FPDFTextObj_GetFont(thing.raw)
        if font and pdfium.FPDFFont_GetIsEmbedded(font) == 0 and not _is_standard(font):
            return True
    return False


def _is_standard(font: Any) -> bool:
    """The fonts that a PDF need not bring (ISO 32000-1, 9.6.2.2) look alike everywhere."""
    length = pdfium.FPDFFont_GetBaseFontName(font, None, 0)
    name = ctypes.create_string_buffer(length)
    pdfium.FPDFFont_GetBaseFontName(font, name, length)
    return name.value.decode("latin-1").startswith(
        ("Helvetica", "Times-", "Courier", "Symbol", "ZapfDingbats")
    )


def _keep_text(folder: Path, number: int, text: str) -> None:
    lines = (" ".join(line.split()) for line in text.replace("\r", "\n").split("\n"))
    whole = "\n".join(line for line in lines if line)
    shown = "".join(c for c in whole if c == "\n" or unicodedata.category(c)[0] != "C")
    (folder / f"{number}-text.txt").write_text(shown[:MAX_TEXT], encoding="utf-8")


def _keep(folder: Path, number: int, picture: Image.Image) -> None:
    for size in SIZES:
        limit = fitted(*picture.size, size)
        smaller = picture if limit[0] >= picture.width else picture.resize(limit, Image.Resampling.LANCZOS)
        smaller.save(folder / f"{number}-{size}.webp", quality=QUALITY[size], method=2)


def main() -> int:
    """Entry point; what can't be made is said in a line, not by the exit code."""
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    kind, source, folder, max_pages = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    making = made_of_picture(source, folder) if kind == "picture" else made_of_pdf(source, folder, max_pages)
    try:
        for said in making:
            print(json.dumps(said), flush=True)
    except Unfit as unfit:
        print(json.dumps({"failed": str(unfit)}), flush=True)
    except MemoryError:
        print(json.dumps({"failed": "too_heavy"}), flush=True)
    except OSError as error:
        print(json.dumps({"failed": "disk_full" if error.errno in (27, 28) else "failed"}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
