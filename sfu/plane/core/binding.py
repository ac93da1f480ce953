"""Which source and layer an SSRC carries: by announced SSRC, else by MID and RID (RFC 8843 section 9.2)."""

from __future__ import annotations

from sfu import rtp
from sfu.plane.core.transport import Stream, Transport


def bind(transport: Transport, packet: bytes, ssrc: int) -> Stream | None:
    """What an unknown SSRC belongs to, None when the packet does not tell. Raises ParseError.

    A repair stream is told by repaired-rid, by its announced SSRC, or, with one layer, by MID and
    the repair payload type.
    """
    for source in transport.sources:
        add = source.add
        for index, announced in enumerate(add.ssrcs[: len(source.layers)]):
            if announced == ssrc:
                return Stream(source.layers[index], rtx=False)
        for index, announced in enumerate(add.rtx_ssrcs[: len(source.layers)]):
            if announced == ssrc:
                return Stream(source.layers[index], rtx=True)
    elements = rtp.extensions(packet)
    if not elements:
        return None
    for source in transport.sources:
        add = source.add
        ids = add.extensions
        if not ids.mid or elements.get(ids.mid) != add.mid.encode():
            continue
        if not add.rids:
            return Stream(source.layers[0], rtx=rtp.payload_type(packet) == add.rtx_payload_type)
        for identity, rtx in ((ids.rid, False), (ids.repaired_rid, True)):
            rid = elements.get(identity) if identity else None
            if rid is None:
                continue
            for index, known in enumerate(add.rids):
                if rid == known.encode():
                    return Stream(source.layers[index], rtx=rtx)
    return None
