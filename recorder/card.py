"""The title card: what a video lesson shows while there is no picture; drawn, then a VP8 keyframe."""

from __future__ import annotations

import unicodedata
from fractions import Fraction
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Final

import av
from av.video.codeccontext import VideoCodecContext
from PIL import Image, ImageDraw, ImageFont

WIDTH: Final = 1280
HEIGHT: Final = 720

_GROUND: Final = "#f3f5f9"
_SURFACE: Final = "#ffffff"
_LINE: Final = "#d6dce7"
_INK: Final = "#151b27"
_INK_2: Final = "#4a5568"
_ACCENT: Final = "#2457d6"
_ACCENT_INK: Final = "#ffffff"

_LEFT: Final = 128
_RIGHT: Final = WIDTH - 128
_TITLE_SIZES: Final = (84, 72, 60, 50, 42)
_TITLE_HEIGHT: Final = 300
_ELLIPSIS: Final = "…"
_REPLACEMENT: Final = "·"
_LONGEST: Final = 500


def draw(title: str, subject: str, grade: int | None, teacher: str) -> Image.Image:
    """The card as RGB, WIDTH x HEIGHT. Whatever is in the words, they are only drawn."""
    image = Image.new("RGB", (WIDTH, HEIGHT), _GROUND)
    pen = ImageDraw.Draw(image)
    pen.rounded_rectangle((64, 64, WIDTH - 64, HEIGHT - 64), 28, fill=_SURFACE, outline=_LINE, width=2)

    left = _LEFT
    if grade is not None:
        number, font = drawable(str(grade)), typeface(40, bold=True)
        width = max(68, round(pen.textlength(number, font)) + 36)
        pen.rounded_rectangle((left, 128, left + width, 196), 18, fill=_ACCENT)
        pen.text((left + width / 2, 161), number, _ACCENT_INK, font, anchor="mm")
        left += width + 24
    font = typeface(40)
    pen.text((left, 162), _fitted(drawable(subject), font, _RIGHT - left), _INK_2, font, anchor="lm")

    lines, font, pitch = _title(drawable(title))
    top = 236 + (_TITLE_HEIGHT - pitch * len(lines)) // 2
    for index, line in enumerate(lines):
        pen.text((_LEFT, top + index * pitch + pitch // 2), line, _INK, font, anchor="lm")

    pen.line((_LEFT, 556, _RIGHT, 556), _LINE, 2)
    font = typeface(36)
    pen.text((_LEFT, 600), _fitted(drawable(teacher), font, _RIGHT - _LEFT), _INK_2, font, anchor="lm")
    return image


def encode(image: Image.Image) -> bytes:
    """One VP8 keyframe of an image whose sides are even numbers of pixels."""
    encoder = av.CodecContext.create("libvpx", "w")
    if not isinstance(encoder, VideoCodecContext):
        raise RuntimeError("no VP8 encoder")
    encoder.width, encoder.height = image.size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.bit_rate = 8_000_000
    encoder.options = {"crf": "32", "qmin": "16", "qmax": "40", "deadline": "good", "cpu-used": "1"}
    frame = av.VideoFrame(*image.size, "rgb24")
    frame.planes[0].update(_rows(image, frame.planes[0].line_size))
    frame = frame.reformat(format="yuv420p")
    frame.pts = 0
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def _rows(image: Image.Image, line_size: int) -> bytes:
    """RGB pixels with every row filled up to ``line_size`` bytes."""
    pixels, width = image.convert("RGB").tobytes(), image.width * 3
    if width == line_size:
        return pixels
    return b"".join(pixels[at : at + width].ljust(line_size, b"\0") for at in range(0, len(pixels), width))


def drawable(text: str) -> str:
    """One line of what the font can draw: other characters become a dot, spaces and line ends one space.

    Marks that combine, direction marks and the like are left out where the font has nothing for them.
    """
    characters: list[str] = []
    for character in unicodedata.normalize("NFC", text[:_LONGEST]):
        category = unicodedata.category(character)
        if character.isspace() or category in ("Zl", "Zp", "Zs"):
            characters.append(" ")
        elif category in ("Cc", "Cf", "Cs", "Co"):
            continue
        elif _has_glyph(character):
            characters.append(character)
        elif not category.startswith("M"):
            characters.append(_REPLACEMENT)
    return " ".join("".join(characters).split())


@cache
def typeface(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The letters of everything that is drawn; ``size`` in pixels."""
    name = "PT_Sans-Web-Bold.ttf" if bold else "PT_Sans-Web-Regular.ttf"
    data = BytesIO((files("fontpkg_pt_sans") / "files" / name).read_bytes())
    # No shaping: it would reorder what is written from right to left, and the font has none of it.
    return ImageFont.truetype(data, size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _has_glyph(character: str) -> bool:
    return _picture(character) != _picture("\uffff")


def _picture(character: str) -> tuple[tuple[int, int], bytes]:
    mask = typeface(40).getmask(character)
    return mask.size, bytes(mask)


def _title(text: str) -> tuple[list[str], ImageFont.FreeTypeFont, int]:
    """The title in the largest size in which it fits, else cut off: (lines, font, line pitch)."""
    lines: list[str] = []
    font, pitch = typeface(_TITLE_SIZES[-1], bold=True), 1
    for size in _TITLE_SIZES:
        font, pitch = typeface(size, bold=True), round(size * 1.18)
        lines = _wrapped(text, font, _RIGHT - _LEFT)
        if len(lines) * pitch <= _TITLE_HEIGHT:
            return lines, font, pitch
    room = _TITLE_HEIGHT // pitch
    return [*lines[: room - 1], _fitted(lines[room - 1] + _ELLIPSIS, font, _RIGHT - _LEFT)], font, pitch


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Lines that fit; a word that is too long for one is broken."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        while font.getlength(word) > width:
            room = len(word) - 1
            while room > 1 and font.getlength(word[:room]) > width:
                room -= 1
            if line:
                lines.append(line)
                line = ""
            lines.append(word[:room])
            word = word[room:]
        longer = f"{line} {word}" if line else word
        if line and font.getlength(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line] if line else lines


def _fitted(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, or its beginning with an ellipsis."""
    if font.getlength(text) <= width:
        return text
    text = text.removesuffix(_ELLIPSIS)
    while text and font.getlength(text + _ELLIPSIS) > width:
        text = text[:-1]
    return text.rstrip() + _ELLIPSIS
