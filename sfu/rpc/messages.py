"""Messages between signalling, or a recorder, and a worker.

Requests are answered one by one (by request number); pushes go from the worker to every connected
signalling process. Each request carries the lesson's lease ``epoch``: a worker ignores an older one
(``stale_epoch``) and, seeing a newer one, closes what it held under the old. A worker that was not
confirmed in time (``rpc.holding``) has ended its lessons: it refuses their epochs as older, and opens no
lesson (``not_confirmed``) until it is confirmed. ``number`` is the lesson's event number on which a request
rests: per object, older ones are ignored.

A recorder's connection (``Hello.kind``) may only Capture, EndCapture and GetStatus; of the pushes it gets
those of its taps only. Consent is signalling's to tell (``Person.recorded``) and the worker's to enforce:
a publication is tapped only while a recorder captures the lesson, its source is in ``recorded``, and its gate
is open.
"""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct, field

RPC_VERSION: Final = 3


class Hello(Struct, tag="hello", frozen=True):
    """First frame each way; ``key`` is the shared rpc key made at first start. ``kind``: who connects."""

    key: bytes
    version: int = RPC_VERSION
    worker: str = ""
    kind: Literal["signaling", "recorder"] = "signaling"


class OpenLesson(Struct, tag="open_lesson", frozen=True):
    """Take a lesson's media. Idempotent for the same epoch."""

    lesson: str
    epoch: int


class CloseLesson(Struct, tag="close_lesson", frozen=True):
    """End a lesson's media: every transport is closed."""

    lesson: str
    epoch: int


class Person(Struct, frozen=True):
    """What the media side must know of a participant.

    ``allowed`` and ``on`` hold Source values; a source is forwarded only when it is in both.
    ``recorded`` holds those that may be recorded now (empty while nothing is recorded).
    ``order`` is the place in the class (tiles are sorted by it). ``group``: whom they are together with,
    empty: the lesson itself; nothing passes between groups but the microphones of those who speak ``to_all``.
    """

    participant: str
    role: str
    order: int
    allowed: frozenset[str] = frozenset()
    on: frozenset[str] = frozenset()
    recorded: frozenset[str] = frozenset()
    group: str = ""
    to_all: bool = False


class SetPerson(Struct, tag="set_person", frozen=True):
    """Add or change a participant; without a transport nothing flows yet."""

    lesson: str
    epoch: int
    number: int
    person: Person


class RemovePerson(Struct, tag="remove_person", frozen=True):
    """Close a participant's transport and forget them."""

    lesson: str
    epoch: int
    number: int
    participant: str


class SetStage(Struct, tag="set_stage", frozen=True):
    """Who is large for all who have pinned nobody; None: the teacher, for leaders the last speaker."""

    lesson: str
    epoch: int
    number: int
    participant: str | None


class Offer(Struct, tag="offer", frozen=True):
    """The one offer of a connection, or its ICE restart (same ``connection``, known already).

    ``sdp`` is gzip-compressed UTF-8. ``send`` holds the mids of the send sections in the order of
    ``sfu.model.SEND_SECTIONS``; ``slots`` the mids of the receive sections in slot order.
    A new ``connection`` number replaces the participant's former transport. Answer: Answered.
    """

    lesson: str
    epoch: int
    participant: str
    connection: int
    sdp: bytes
    send: tuple[str, ...]
    slots: tuple[str, ...]


class Draw(Struct, tag="draw", frozen=True):
    """What a client draws: pixel height of each slot in slot order (0: not drawn, nothing is sent).

    Sound slots: any non-zero value means wanted. ``page`` counts pages of tiles from 0. ``pin`` is
    the participant whom this client wants on its own stage. ``mode``: ``audio`` wants no picture whatever is
    drawn, ``lite`` the teacher's sound alone.
    """

    lesson: str
    epoch: int
    participant: str
    heights: tuple[int, ...]
    page: int = 0
    pin: str | None = None
    mode: Literal["full", "audio", "lite"] = "full"


class GetStatus(Struct, tag="get_status", frozen=True):
    """Ask for the worker's load and counters. Answer: Status.

    ``confirms``: the stamp of a status that was got before; until HOLD_S after it the worker sends (see
    ``rpc.holding``). 0 confirms nothing.
    """

    confirms: int = 0


class Capture(Struct, tag="capture", frozen=True):
    """A recorder's: send me what of the lesson is recorded, from now on. Again: nothing happens.

    Answer: Done, then TapOpened for each publication that is recorded now. A lesson has one capture: another
    connection's takes it over, and the former gets TapClosed for its taps. ``not_found``: the worker does not
    have the lesson (yet).
    """

    lesson: str
    epoch: int


class EndCapture(Struct, tag="end_capture", frozen=True):
    """A recorder's: send no more of the lesson. Idempotent.

    What was tapped before still comes, and TapClosed for each tap, before the answer (Done, also when the
    lesson is not captured by this connection).
    """

    lesson: str
    epoch: int


CaptureRequest = Capture | EndCapture

Request = (
    OpenLesson | CloseLesson | SetPerson | RemovePerson | SetStage | Offer | Draw | GetStatus | CaptureRequest
)


class Done(Struct, tag="done", frozen=True):
    """The request was carried out."""


class Answered(Struct, tag="answered", frozen=True):
    """The one SDP answer, gzip-compressed UTF-8."""

    sdp: bytes


class Status(Struct, tag="status", frozen=True):
    """The worker as it is now. ``cpu`` is cores used over the last second.

    ``packets_in`` and ``packets_out`` count datagrams, ``bytes_in`` and ``bytes_out`` what they carry,
    ``packets_forwarded`` RTP packets sent through slots. ``stamp``: when it was said, by the worker's own
    clock, for ``GetStatus.confirms``.
    """

    worker: str
    plane: str
    lessons: int
    transports: int
    packets_in: int
    packets_out: int
    cpu: float
    packets_forwarded: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    bytes_in: int = 0
    bytes_out: int = 0
    stamp: int = 0


class Failed(Struct, tag="failed", frozen=True):
    """The request was refused; ``code`` is stable (see docs/protocol.md)."""

    code: str
    detail: str = ""


Reply = Done | Answered | Status | Failed


class SlotContent(Struct, frozen=True):
    """Who is in a slot. ``source`` is a Source value; ``live`` tells whether media flows in it.

    For video, ``live`` turns true when the slot's first packet of that person left (keyframe).
    """

    index: int
    participant: str | None
    source: str | None
    live: bool


Spared = Literal["nothing", "tiles", "pictures", "lite"]
"""What a receiver's line does not bear: some tiles; more pictures than tiles; all but the teacher's sound."""


class Slots(Struct, tag="slots", frozen=True):
    """All slots of one participant; ``version`` grows, older ones are ignored. Sent when changed.

    ``lite``: this participant gets the teacher's sound alone, by its own wish or by its line (``spared``).
    """

    lesson: str
    epoch: int
    participant: str
    connection: int
    version: int
    pages: int
    slots: tuple[SlotContent, ...]
    spared: Spared = "nothing"
    lite: bool = False


class Watched(Struct, tag="watched", frozen=True):
    """Which layers of a connection's pictures anybody (or a recorder) gets, lowest first.

    What nobody gets need not be sent. Sent when changed; a publisher that was told nothing sends all.
    """

    lesson: str
    epoch: int
    participant: str
    connection: int
    camera: tuple[bool, ...]
    screen: tuple[bool, ...]


class Speakers(Struct, tag="speakers", frozen=True):
    """Who speaks in a group (empty: in the lesson itself), loudest first, as (participant, -dBov). At most
    4 a second, when changed."""

    lesson: str
    epoch: int
    speakers: tuple[tuple[str, int], ...]
    group: str = ""


class Connected(Struct, tag="connected", frozen=True):
    """The participant's media flows: DTLS is finished."""

    lesson: str
    epoch: int
    participant: str
    connection: int


class Disconnected(Struct, tag="disconnected", frozen=True):
    """The participant's media is gone; ``reason``: consent_lost, dtls_failed, dtls_closed, replaced."""

    lesson: str
    epoch: int
    participant: str
    connection: int
    reason: str


class LineQuality(Struct, frozen=True):
    """A participant's line over the last 2 s. Fractions 0..1, None where nothing is known yet.

    ``silent_microphone``: the microphone is on and no sound packet arrived. ``lost``: nothing at all has come
    from this participant for some seconds. ``spared`` as in Slots.
    """

    participant: str
    loss_up: float | None
    loss_down: float | None
    round_trip_ms: float | None
    silent_microphone: bool
    lost: bool = False
    spared: Spared = "nothing"


class Quality(Struct, tag="quality", frozen=True):
    """Lines of a lesson's participants, every 2 s. ``overloaded``: the worker itself can't keep up."""

    lesson: str
    epoch: int
    lines: tuple[LineQuality, ...]
    overloaded: bool = False


class TapOpened(Struct, tag="tap_opened", frozen=True):
    """A publication is recorded from now on. ``tap`` numbers are never reused by a worker.

    Packets are RTP of ``payload_type`` as they came from the publisher: repairs in their original form,
    header extensions kept (``audio_level_id`` is that of RFC 6464, 0: none), of one layer at a time: another
    SSRC is another layer and begins with a keyframe. With them come sender reports (RTCP SR, alone) of all
    layers.
    """

    lesson: str
    epoch: int
    tap: int
    participant: str
    role: str
    connection: int
    source: str
    codec: str
    clock_rate: int
    payload_type: int
    audio_level_id: int


class TapData(Struct, tag="tap_data", frozen=True):
    """Packets of a tap, ten times a second: each 8 bytes of receive time (us since 1970 on the server's
    clock, which does not step), 2 bytes of length, the packet; big-endian. ``dropped``: how many were lost
    on the way here since the last one, because this connection did not read or because they were too many."""

    lesson: str
    epoch: int
    tap: int
    packets: bytes
    dropped: int = 0


class TapClosed(Struct, tag="tap_closed", frozen=True):
    """Nothing more comes of this tap."""

    lesson: str
    epoch: int
    tap: int


TapPush = TapOpened | TapData | TapClosed

Push = Slots | Watched | Speakers | Connected | Disconnected | Quality | TapPush


class RequestFrame(Struct, tag="request", frozen=True):
    """Signalling to worker."""

    number: int
    body: Request


class ReplyFrame(Struct, tag="reply", frozen=True):
    """Worker to signalling, for the request of that number."""

    number: int
    body: Reply


class PushFrame(Struct, tag="push", frozen=True):
    """Worker to signalling, unasked."""

    body: Push


Frame = Hello | RequestFrame | ReplyFrame | PushFrame
