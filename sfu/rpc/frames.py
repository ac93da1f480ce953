"""Frames of the rpc: 4 bytes of length (big-endian), then one msgpack map naming its struct.

Pure: bytes in, structs out. Nothing is built before length, depth and number of elements are known to
be within the limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgpack
import msgspec

from sfu.model import ParseError
from sfu.rpc.messages import Frame

MAX_FRAME_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 10
MAX_ELEMENTS: Final = 20_000
_LENGTH_BYTES: Final = 4


def encode(frame: Frame) -> bytes:
    """One frame as bytes, length first."""
    body: bytes = msgpack.packb(msgspec.to_builtins(frame, builtin_types=(bytes,)), use_bin_type=True)
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {len(body)} bytes cannot be sent")
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def decode(body: bytes) -> Frame:
    """The struct of one frame's body (without its length); raises ParseError."""
    check_shape(body, max_depth=MAX_DEPTH, max_elements=MAX_ELEMENTS)
    try:
        value: Any = msgpack.unpackb(body, raw=False, strict_map_key=True, use_list=True)
        frame: Frame = msgspec.convert(value, Frame)
    except (msgspec.ValidationError, ValueError, TypeError, OverflowError) as error:
        raise ParseError(f"not a frame: {error}") from None
    return frame


class FrameReader:
    """Cuts a byte stream into frames: ``feed`` bytes, then iterate the structs that are complete."""

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Frames completed by ``data``, in order; raises ParseError, after which nothing more is read."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH_BYTES:
            length = int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
            if length > self._max_bytes:
                raise ParseError(f"frame of {length} bytes")
            end = _LENGTH_BYTES + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH_BYTES:end])
            del self._buffer[:end]
            yield decode(body)


# Bytes that follow a type byte, and how many elements (items or pairs) its length field counts.
_FIXED: Final = {
    0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2,
    0xD2: 4, 0xD3: 8,
}  # fmt: skip
_BLOB_LENGTH: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_LIST_LENGTH: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def check_shape(data: bytes, *, max_depth: int, max_elements: int) -> None:
    """Walk one msgpack value without building it; raises ParseError when it is cut, deep, large or more
    than one value, or when it holds an extension type (we use none)."""
    position, elements, size = 0, 0, len(data)
    open_counts: list[int] = [1]
    while open_counts:
        if open_counts[-1] == 0:
            open_counts.pop()
            continue
        open_counts[-1] -= 1
        elements += 1
        if elements > max_elements:
            raise ParseError(f"more than {max_elements} elements", position)
        if position >= size:
            raise ParseError("cut short", position)
        kind = data[position]
        position += 1
        children = 0
        container = False
        if kind <= 0x7F or kind >= 0xE0:
            pass
        elif kind <= 0x8F:
            container, children = True, (kind & 0x0F) * 2
        elif kind <= 0x9F:
            container, children = True, kind & 0x0F
        elif kind <= 0xBF:
            position += kind & 0x1F
        elif kind in _FIXED:
            position += _FIXED[kind]
        elif kind in _BLOB_LENGTH:
            width = _BLOB_LENGTH[kind]
            position += width + int.from_bytes(data[position : position + width], "big")
        elif kind in _LIST_LENGTH:
            width, per_item = _LIST_LENGTH[kind]
            container, children = True, per_item * int.from_bytes(data[position : position + width], "big")
            position += width
        else:
            raise ParseError(f"type byte 0x{kind:02x} is not used here", position - 1)
        if position > size:
            raise ParseError("cut short", size)
        if container:
            if len(open_counts) > max_depth:
                raise ParseError(f"deeper than {max_depth}", position)
            if children > size - position:
                raise ParseError("cut short", position)
            open_counts.append(children)
    if position != size:
        raise ParseError("bytes after the value", position)
