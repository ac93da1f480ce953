"""msgpack on the WebSocket: bytes to structs of ``signaling.wire`` and back; no I/O.

A frame's depth and number of elements are counted on its bytes before any object is built.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack
import msgspec

from sfu.model import ParseError, ProtocolError, Refused
from sfu.rpc.frames import check_shape
from signaling.wire import MAX_DEPTH, MAX_ELEMENTS, MAX_FRAME_BYTES, ClientMessage, ServerMessage

_BYTES: Final = (bytes,)


def pack(value: Any) -> bytes:
    """Builtins as msgpack; the same value always gives the same bytes."""
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def unpack(data: bytes) -> Any:
    """Trusted msgpack (our own log) as builtins; raises ValueError."""
    return msgpack.unpackb(data, raw=False, strict_map_key=False, use_list=True)


def builtins(value: Any) -> Any:
    """Structs as maps and lists, ready for ``pack``."""
    return msgspec.to_builtins(value, builtin_types=_BYTES)


def encode(message: ServerMessage) -> bytes:
    """One message to a client."""
    return pack(builtins(message))


def decode(frame: bytes) -> ClientMessage:
    """One message from a client.

    Raises ProtocolError (``message_too_big``, ``message_malformed``): the client is closed; or
    Refused ``bad_request`` when it is a map with a request number whose other fields do not fit, in
    which case ``request_number`` tells whom to answer.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise ProtocolError("message_too_big", f"{len(frame)} bytes")
    try:
        check_shape(frame, max_depth=MAX_DEPTH, max_elements=MAX_ELEMENTS)
        value: Any = msgpack.unpackb(frame, raw=False, strict_map_key=True, use_list=True)
    except (ParseError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ProtocolError("message_malformed", str(error)) from None
    try:
        message: ClientMessage = msgspec.convert(value, ClientMessage, builtin_types=_BYTES)
    except msgspec.ValidationError as error:
        number = request_number(value)
        if number is None:
            raise ProtocolError("message_malformed", str(error)) from None
        raise BadRequest(number, str(error)) from None
    return message


class BadRequest(Refused):
    """A request that can be answered but not carried out: a field is missing, of a wrong type or too long."""

    def __init__(self, number: int, detail: str) -> None:
        super().__init__("bad_request", detail)
        self.number = number


def request_number(value: Any) -> int | None:
    """The request number of a decoded map, None when it has none that could be answered."""
    number = value.get("id") if isinstance(value, dict) else None
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= 2**31:
        return number
    return None
