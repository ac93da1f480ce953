"""Files that become slides, good and bad, made here."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence

PRESENTATION = "application/vnd.oasis.opendocument.presentation"
_NAMES = " ".join(
    f'xmlns:{short}="{long}"'
    for short, long in {
        "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
        "draw": "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0",
        "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
        "svg": "urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0",
        "xlink": "http://www.w3.org/1999/xlink",
    }.items()
)


def pdf(
    *sizes: tuple[int, int], words: Sequence[str] = (), font: str = "Helvetica", extra: bytes = b""
) -> bytes:
    """A page of each size in points, with a word in a font that the file does not bring."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"",
        b"<</Type/Font/Subtype/Type1/BaseFont/%s>>" % font.encode(),
    ]
    pages = []
    for number, (width, height) in enumerate(sizes):
        word = words[number] if number < len(words) else f"page {number + 1}"
        content = b"BT /F1 24 Tf 10 10 Td (%s) Tj ET" % word.encode("latin-1")
        objects.append(b"<</Length %d>>stream\n%s\nendstream" % (len(content), content))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents %d 0 R"
            b"/Resources<</Font<</F1 3 0 R>>>>>>" % (width, height, len(objects))
        )
        pages.append(b"%d 0 R" % len(objects))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), b" ".join(pages))
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    head = b"xref\n0 %d\n0000000000 65535 f \n" % count
    tail = b"trailer<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF" % (count, extra, len(out))
    return out + head + table + tail


def locked_pdf() -> bytes:
    """It has a password (standard security handler, revision 3) that nobody knows."""
    key = b"<" + b"5a" * 32 + b">"
    lock = b"/Encrypt<</Filter/Standard/V 2/R 3/Length 128/P -44/O%s/U%s>>/ID[<00><00>]" % (key, key)
    return pdf((400, 300), extra=lock)


def picture_bomb() -> bytes:
    """A PDF of some 300 kB, of one picture of 16,000 x 16,000 pixels: a quarter of a gigabyte."""
    row = zlib.compress(bytes(16_000 * 16_000), 1)
    whole = pdf((400, 300))
    image = (
        b"<</Type/XObject/Subtype/Image/Width 16000/Height 16000/ColorSpace/DeviceGray/BitsPerComponent 8"
        b"/Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(row), row)
    )
    return (
        whole.replace(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>", image)
        .replace(b"/Font<</F1 3 0 R>>", b"/XObject<</F1 3 0 R>>")
        .replace(b"BT /F1 24 Tf 10 10 Td (page 1) Tj ET", b"400 0 0 300 0 0 cm /F1 Do       ")
    )


def presentation(*slides: str, picture: str = "") -> bytes:
    """An OpenDocument presentation; ``picture``: an address to which each slide points."""
    frame = '<draw:frame svg:width="20cm" svg:height="8cm" svg:x="2cm" svg:y="{}cm">{}</draw:frame>'
    image = (
        f'<draw:image xlink:href="{picture}" xlink:type="simple" xlink:show="embed" xlink:actuate="onLoad"/>'
    )
    pages = "".join(
        f'<draw:page draw:name="p{number}" draw:master-page-name="Default">'
        + frame.format(2, f"<draw:text-box><text:p>{slide}</text:p></draw:text-box>")
        + (frame.format(8, image) if picture else "")
        + "</draw:page>"
        for number, slide in enumerate(slides)
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {_NAMES} office:version="1.2">'
        f"<office:body><office:presentation>{pages}</office:presentation></office:body></office:document-content>"
    )
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{PRESENTATION}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/>'
        "</manifest:manifest>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", PRESENTATION)
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("content.xml", content)
    return out.getvalue()
