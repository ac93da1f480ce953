"""Which of an offer's formats are a codec, its repair, its redundancy."""

from __future__ import annotations

from sfu.plane.api import Codec
from sfu.sdp import CodecFormat, Formats


def is_codec(candidate: CodecFormat, codec: Codec) -> bool:
    """Whether the format is this codec as the plane knows it: its clock rate, its channels."""
    if codec is Codec.OPUS:
        return candidate.name == "opus" and candidate.clock_rate == 48000 and candidate.channels == 2
    return candidate.name == "vp8" and candidate.clock_rate == 90000


def rtx_of(formats: Formats, codec: CodecFormat) -> CodecFormat | None:
    """Repair of this codec (RFC 4588 section 8.1: ``apt``)."""
    wanted = f"apt={codec.payload_type}"
    for candidate in formats.codecs:
        parameters = [parameter.strip() for parameter in candidate.parameters.split(";")]
        if candidate.name == "rtx" and candidate.clock_rate == codec.clock_rate and wanted in parameters:
            return candidate
    return None


def red_of(formats: Formats, opus: CodecFormat) -> CodecFormat | None:
    """Redundancy of nothing but this codec (RFC 2198 section 5: ``111/111``)."""
    for candidate in formats.codecs:
        same = (candidate.clock_rate, candidate.channels) == (opus.clock_rate, opus.channels)
        wraps = candidate.parameters.split("/")
        if candidate.name == "red" and same and len(wraps) > 1 and set(wraps) == {str(opus.payload_type)}:
            return candidate
    return None
