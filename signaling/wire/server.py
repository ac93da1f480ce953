"""What the server sends over a WebSocket."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field

from signaling.wire.board import Ink
from signaling.wire.calming import Sealed
from signaling.wire.names import PictureName, RoleName, SourceName
from signaling.wire.reacting import Reactions


class Event(Struct, tag_field="t", tag="event", frozen=True):
    """One change of the lesson. ``number`` rises by one; ``by`` is who did it, None for the
    server, ``operator`` for who runs it.

    Kinds: opened, joined, left, renamed, admitted, waiting, removed, published, unpublished, muted,
    chat, hand_up, hand_down, hands_down, may, stage, shown, locked, unlocked, teacher_in, teacher_away,
    recording_starting, recording_on, recording_off, unrecorded, recorded, recordable,
    called, uncalled, not_now, at_board, seated, calm, calm_over, timer, picked, pickable, reactions_on,
    reactions_off, material_added, material_changed, material_removed, sharing, film, score,
    chat_held, chat_declined, chat_removed, chat_rules, chat_words, chat_muted, chat_unmuted, note,
    quiz_made, quiz_removed, quiz_open, quiz_answered, quiz_closed, quiz_shown, quiz_revealed,
    slides_queued, slides_making, slides_ready, slides_failed, slides_removed, slides_page, slides_browse,
    board, board_removed, board_cleared, drawn, ink, groups_made, groups_open, groups_extended,
    groups_closed, group_moved, group_asks, group_asks_not, speech, speech_over, groups_told, group_chat,
    ended.
    """

    number: int
    kind: str
    at_ms: int
    by: str | None
    set: dict[str, Any] = field(default_factory=dict)
    delete: tuple[str, ...] = ()


class Welcome(Struct, tag_field="t", tag="welcome", frozen=True):
    """Answer to hello of somebody who is in. Either ``fields`` (whole state) or ``events`` since ``after``.

    ``lease``: media epoch. A client whose connection is of another lease makes a new one.
    """

    participant: str
    role: RoleName
    lesson: str
    number: int
    lease: int
    now_ms: int
    fields: dict[str, Any] | None = None
    events: tuple[Event, ...] = ()
    media_alive: bool = False


class Waiting(Struct, tag_field="t", tag="waiting", frozen=True):
    """In the lobby: ``no_teacher``. ``welcome`` follows on the same socket when admitted."""

    reason: Literal["no_teacher"]
    title: str


class Answer(Struct, tag_field="t", tag="answer", frozen=True):
    """Reply to Offer; ``sdp``: gzip of UTF-8."""

    id: int
    connection: int
    lease: int
    sdp: bytes


class Done(Struct, tag_field="t", tag="done", frozen=True):
    """The request was carried out; ``number`` is its event's number (0: nothing had to change)."""

    id: int
    number: int = 0


class Refused(Struct, tag_field="t", tag="refused", frozen=True):
    """The request was not carried out, nothing was changed. Codes: docs/protocol.md."""

    id: int
    code: str


class SlotContent(Struct, frozen=True):
    """Who is in a slot of this client and whether media flows in it."""

    index: int
    participant: str | None
    source: SourceName | None
    live: bool


class Slots(Struct, tag_field="t", tag="slots", frozen=True):
    """All slots of this client's connection. ``pages`` is how many pages of tiles there are.

    ``spared``: what this client's line does not bear: some tiles; more pictures than tiles; all but the
    teacher's sound. ``lite``: it gets the teacher's sound and stills, by its wish or its line.
    """

    connection: int
    version: int
    pages: int
    slots: tuple[SlotContent, ...]
    spared: Literal["nothing", "tiles", "pictures", "lite"] = "nothing"
    lite: bool = False


class Watched(Struct, tag_field="t", tag="watched", frozen=True):
    """Which layers of this client's pictures anybody gets, lowest first; the others need not be sent."""

    connection: int
    camera: tuple[bool, ...]
    screen: tuple[bool, ...]


class Speakers(Struct, tag_field="t", tag="speakers", frozen=True):
    """Who speaks, loudest first: (participant, -dBov 0 loudest..127)."""

    speakers: tuple[tuple[str, int], ...]


class StillWanted(Struct, tag_field="t", tag="still_wanted", frozen=True):
    """Somebody gets stills of this client: send one a second of this source; None: no more."""

    source: PictureName | None


class Still(Struct, tag_field="t", tag="still", frozen=True):
    """Somebody's camera or screen, for a client that is ``lite``. WebP or JPEG."""

    participant: str
    source: PictureName
    image: bytes


class LineQuality(Struct, frozen=True):
    """``line``: good, weak or lost. ``silent``: the microphone is on but no sound arrives.

    ``fault``: what this person sends arrives badly (``sender``), what this person gets does (``receiver``),
    or it is the server's doing; None for a good line.
    """

    participant: str
    line: Literal["good", "weak", "lost"]
    silent: bool
    fault: Literal["sender", "receiver", "server"] | None = None


class Quality(Struct, tag_field="t", tag="quality", frozen=True):
    """Lines that are not good (leaders: everybody's; others: their own)."""

    lines: tuple[LineQuality, ...]


class MediaLost(Struct, tag_field="t", tag="media_lost", frozen=True):
    """This client's media connection is gone on the server: make a new one, if it is still ``connection``."""

    connection: int


class Moved(Struct, tag_field="t", tag="moved", frozen=True):
    """The lesson's media is on another worker now: make a new connection after ``delay_ms``."""

    lease: int
    delay_ms: int


class Closed(Struct, tag_field="t", tag="closed", frozen=True):
    """Last message before the server closes the socket. ``retry``: come back by yourself.

    Codes: taken_over, removed, ended, left, shutting_down, slow, and those of refusals.
    """

    code: str
    retry: bool = False


ServerMessage = (
    Welcome
    | Waiting
    | Event
    | Answer
    | Done
    | Refused
    | Slots
    | Watched
    | StillWanted
    | Still
    | Ink
    | Speakers
    | Reactions
    | Sealed
    | Quality
    | MediaLost
    | Moved
    | Closed
)
