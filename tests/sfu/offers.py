"""Offers for tests: those of browsers, and a small one that a test changes lines of."""

from __future__ import annotations

from pathlib import Path

from sfu import answer
from sfu.answer import LocalParameters, OfferPlan, SlotParameters
from sfu.model import slot_msid

VECTORS = Path(__file__).parent.parent / "vectors"
OFFERS = {path.stem: path.read_bytes().decode() for path in sorted(VECTORS.glob("*.sdp"))}
STUDENT, TEACHER = OFFERS["chromium_student"], OFFERS["chromium_teacher"]
SEND = tuple(str(number) for number in range(4))
FINGERPRINT = ":".join(["AB"] * 32)
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"


def slots_of(count: int) -> tuple[str, ...]:
    return tuple(str(4 + index) for index in range(count))


def local(count: int, **changes: object) -> LocalParameters:
    values: dict[str, object] = {
        "ufrag": "serv",
        "pwd": "s" * 24,
        "fingerprint": FINGERPRINT,
        "candidates": [("192.0.2.1", 40000), ("2001:db8::1", 40000)],
        "slots": [
            SlotParameters(1000 + 2 * index, 1001 + 2 * index, slot_msid(index), slot_msid(index))
            for index in range(count)
        ],
    }
    return LocalParameters(**{**values, **changes})  # type: ignore[arg-type]


def section(text: str, mid: str) -> list[str]:
    """Lines of the answer's section with this mid."""
    (found,) = [part.split("\r\n") for part in text.split("m=")[1:] if f"\r\na=mid:{mid}\r\n" in part]
    return found


def small_offer(*extra: str, kind: str = "video", direction: str = "sendonly", session: str = "") -> str:
    """One bundled section with what every offer needs; ``extra`` replaces lines that start alike."""
    lines = [
        f"m={kind} 9 UDP/TLS/RTP/SAVPF 96 97",
        "a=mid:0",
        "a=ice-ufrag:peer",
        "a=ice-pwd:" + "p" * 24,
        f"a=fingerprint:sha-256 {FINGERPRINT}",
        "a=setup:actpass",
        f"a={direction}",
        "a=rtcp-mux",
        "a=rtpmap:96 VP8/90000" if kind == "video" else "a=rtpmap:96 opus/48000/2",
    ]
    for line in extra:
        name = line.split(":")[0]
        if name in (
            "a=ice-ufrag",
            "a=ice-pwd",
            "a=fingerprint",
            "a=setup",
            "a=rtcp-mux",
            "a=mid",
            "m=video 9",
        ):
            lines = [old for old in lines if old.split(":")[0] != name]
        lines.append(line)
    return "\r\n".join(("v=0", session or "a=group:BUNDLE 0", *lines)) + "\r\n"


def plan_camera(*extra: str) -> OfferPlan:
    return answer.plan(small_offer(*extra), ("", "0"), ())
