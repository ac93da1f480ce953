"""The wire contract between a client and the server: structs, limits, version.

Each WebSocket message is one msgpack map whose key ``t`` names the struct; ``msgspec.convert``
validates it into the structs below. JSON Schema and the TypeScript types are generated from this
module (``signaling.schema``). A client speaks first: ``hello`` within 5 s.

A lesson's state is a flat map of *fields* (path -> value). Each change is one numbered event that
carries which fields it sets and deletes, so a client needs no code of its own per capability to
follow the state: ``welcome`` brings the fields it may see, each ``event`` changes them. Fields:

- ``lesson``: LessonField. ``person/<participant>``: PersonField.
- ``on/<participant>/<source>``: true while that source is published.
- ``hand/<participant>``: server time in ms when the hand went up (the queue is sorted by it).
- ``chat/<id>``: ChatField, the last 200; ids sort by time.
- ``lobby/<participant>``: LobbyField, seen by teachers only.
- ``recording``: RecordingField, from the first time that somebody pressed record.
- ``_ban/<participant>``: true; never leaves the server.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

WIRE_VERSION: Final = 1
MAX_FRAME_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 16
MAX_ELEMENTS: Final = 1000
MAX_NAME: Final = 60
MAX_CHAT: Final = 1000
MAX_STILL: Final = 4096
MAX_STILL_SIDE: Final = 640
MAX_TITLE: Final = 120
MAX_TIME_MS: Final = 8_640_000_000_000_000
"""ECMA-262: the last moment that a page can name."""
CHAT_KEPT: Final = 200

SourceName = Literal["microphone", "camera", "screen", "screen_sound"]
PictureName = Literal["camera", "screen"]
RoleName = Literal["teacher", "co_teacher", "student"]
RecordingEnd = Literal["stopped", "ended", "no_recorder", "disk_full", "failed"]
"""Why a recording is off: a leader stopped it, the lesson ended, no recorder took (or kept) it, there was
no room, or the recorder failed otherwise."""
VideoState = Literal["recording", "processing", "ready", "failed"]
JobStep = Literal["thumbnails", "sound", "chapters", "composite"]
JobState = Literal["waiting", "running", "done", "failed"]
Id = Annotated[str, Meta(min_length=1, max_length=40, pattern="^[A-Za-z0-9_-]+$")]
RequestNumber = Annotated[int, Meta(ge=1, le=2**31)]


# --- fields of a lesson's state ----------------------------------------------------------------


class LessonField(Struct, frozen=True):
    """The lesson itself. ``state``: waiting (no teacher yet or now), live, ended.

    ``may`` lists what students may publish. ``locked`` is the teacher's lock; while no teacher is
    in, newcomers wait in the lobby whatever it says. ``ends_at_ms``: server time at which a lesson
    without a teacher ends, None while one is in. ``stage``: who is large for all, None: the teacher.
    ``teacher``: the name of whose lesson it is.
    """

    title: str
    subject: str
    grade: int
    state: Literal["waiting", "live", "ended"]
    locked: bool = False
    may: tuple[SourceName, ...] = ("microphone", "camera")
    recordable: tuple[SourceName, ...] = ("microphone", "camera", "screen", "screen_sound")
    stage: str | None = None
    started_at_ms: int | None = None
    ends_at_ms: int | None = None
    teacher: str = ""


class PersonField(Struct, frozen=True):
    """A participant who was admitted. ``here``: has a connection now (a short grace included).

    ``may`` overrides the lesson's ``may`` for this person when not None.
    ``label`` tells two people of one name apart ("2", "3"; empty for the first).
    """

    name: str
    role: RoleName
    here: bool
    order: int
    label: str = ""
    may: tuple[SourceName, ...] | None = None


class ChatField(Struct, frozen=True):
    """One chat message to the class. ``name`` is kept so that it reads after its author left."""

    participant: str
    name: str
    text: str
    at_ms: int


class LobbyField(Struct, frozen=True):
    """Somebody who waits for a teacher or for admission."""

    name: str
    at_ms: int


class RecordingField(Struct, frozen=True):
    """The lesson's one recording, made of parts numbered from 1.

    ``starting``: asked for and told to everybody, no recorder writes yet; ``on``: it is being written;
    ``off``: not written, ``reason`` says why. ``since_ms``: server time at which ``state`` became what it
    is. ``students`` lists what of students is recorded while it is not off; leaders' sources always are.
    ``by``: who started the part, or stopped it; empty when nobody did.
    """

    id: str
    state: Literal["starting", "on", "off"]
    part: int
    since_ms: int
    students: tuple[SourceName, ...] = ()
    reason: RecordingEnd | None = None
    by: str = ""


class UnrecordedField(Struct, frozen=True):
    """Nothing of this student may be recorded: they said so, or a leader did (there is no consent). Leaders
    see it and the student themselves."""

    by_self: bool = False
    by_leader: bool = False


# --- client to server --------------------------------------------------------------------------


class Hello(Struct, tag_field="t", tag="hello", frozen=True):
    """First message. ``after`` is the last event number this client has applied (resume), else None.

    ``lease`` is the media epoch of its running connection; the server says by ``welcome.lease``
    whether that still lives.
    """

    ticket: Annotated[str, Meta(max_length=4096)]
    version: int = WIRE_VERSION
    after: int | None = None
    lease: int | None = None


class Offer(Struct, tag_field="t", tag="offer", frozen=True):
    """The one offer of a connection or its ICE restart (same ``connection``). ``sdp``: gzip of UTF-8.

    ``send`` and ``slots`` are mids: send sections in the order microphone, camera, screen,
    screen_sound; receive sections in slot order (0 stage video, 1 stage sound, 2 screen video,
    3 screen sound, 4 teacher's sound, 5-7 loudest, 8.. tiles). Reply: Answer.
    """

    id: RequestNumber
    connection: Annotated[int, Meta(ge=1, le=2**31)]
    sdp: Annotated[bytes, Meta(max_length=16 * 1024)]
    send: Annotated[tuple[str, ...], Meta(max_length=4)]
    slots: Annotated[tuple[str, ...], Meta(max_length=40)]


class Draw(Struct, tag_field="t", tag="draw", frozen=True):
    """What is drawn: height in pixels of each slot in slot order, 0 for not drawn. No reply.

    ``mode``: ``audio`` wants no picture whatever is drawn; ``lite`` the teacher's sound and a still a second.
    """

    heights: Annotated[tuple[int, ...], Meta(max_length=40)]
    page: Annotated[int, Meta(ge=0, le=1000)] = 0
    pin: Id | None = None
    mode: Literal["full", "audio", "lite"] = "full"


class SendStill(Struct, tag_field="t", tag="send_still", frozen=True):
    """One's camera or screen as it is now, as was asked for by ``still_wanted``. WebP or JPEG of at most
    ``MAX_STILL_SIDE`` pixels a side. No reply; what can't be taken is dropped."""

    source: PictureName
    image: Annotated[bytes, Meta(max_length=MAX_STILL)]


class Publish(Struct, tag_field="t", tag="publish", frozen=True):
    """Turn one of one's own sources on or off."""

    id: RequestNumber
    source: SourceName
    on: bool


class Chat(Struct, tag_field="t", tag="chat", frozen=True):
    """Say something to the class."""

    id: RequestNumber
    text: Annotated[str, Meta(max_length=MAX_CHAT)]


class Hand(Struct, tag_field="t", tag="hand", frozen=True):
    """Raise or lower one's own hand; a leader may lower another's or, without ``participant``, all."""

    id: RequestNumber
    up: bool
    participant: Id | None = None
    all: bool = False


class Mute(Struct, tag_field="t", tag="mute", frozen=True):
    """Leaders: shut a source of one participant, or of all students (``participant`` None)."""

    id: RequestNumber
    participant: Id | None = None
    source: SourceName = "microphone"


class SetMay(Struct, tag_field="t", tag="set_may", frozen=True):
    """Leaders: what students may publish; for one person (None there: as the lesson says)."""

    id: RequestNumber
    may: tuple[SourceName, ...] | None
    participant: Id | None = None


class SetStage(Struct, tag_field="t", tag="set_stage", frozen=True):
    """Leaders: who is large for all."""

    id: RequestNumber
    participant: Id | None


class Lock(Struct, tag_field="t", tag="lock", frozen=True):
    """Leaders: no newcomers."""

    id: RequestNumber
    on: bool


class Remove(Struct, tag_field="t", tag="remove", frozen=True):
    """Leaders: remove a student for the rest of the lesson."""

    id: RequestNumber
    participant: Id


class Record(Struct, tag_field="t", tag="record", frozen=True):
    """Leaders: start or stop the recording. ``students``: what of students is recorded too, from the start
    of a part on; it can't be changed while a part is running (refused: ``recording_running``)."""

    id: RequestNumber
    on: bool
    students: tuple[SourceName, ...] = ()


class SetRecorded(Struct, tag_field="t", tag="set_recorded", frozen=True):
    """Whether a person may be recorded: students about themselves (``participant`` None), leaders about a
    student. It holds at once and after coming back; either can only take back what they said themselves."""

    id: RequestNumber
    on: bool
    participant: Id | None = None


class SetRecordable(Struct, tag_field="t", tag="set_recordable", frozen=True):
    """Leaders: what of students may be recorded at all, whatever ``record`` asks; it holds at once."""

    id: RequestNumber
    sources: Annotated[tuple[SourceName, ...], Meta(max_length=4)]


class End(Struct, tag_field="t", tag="end", frozen=True):
    """The teacher: end the lesson for all."""

    id: RequestNumber


class Leave(Struct, tag_field="t", tag="leave", frozen=True):
    """Going away on purpose: no grace. No reply, the server closes."""


ClientMessage = (
    Hello
    | Offer
    | Draw
    | SendStill
    | Publish
    | Chat
    | Hand
    | Mute
    | SetMay
    | SetStage
    | Lock
    | Remove
    | Record
    | SetRecorded
    | SetRecordable
    | End
    | Leave
)


# --- server to client --------------------------------------------------------------------------


class Event(Struct, tag_field="t", tag="event", frozen=True):
    """One change of the lesson. ``number`` rises by one; ``by`` is who did it, None for the
    server, ``operator`` for who runs it.

    Kinds: opened, joined, left, renamed, admitted, waiting, removed, published, unpublished, muted,
    chat, hand_up, hand_down, hands_down, may, stage, locked, unlocked, teacher_in, teacher_away,
    recording_starting, recording_on, recording_off, unrecorded, recorded, recordable, ended.
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
    | Speakers
    | Quality
    | MediaLost
    | Moved
    | Closed
)


# --- HTTP --------------------------------------------------------------------------------------


class JoinRequest(Struct, frozen=True):
    """POST /api/join. ``code`` is a join link's code; ``name`` is ignored for the teacher's own link."""

    code: Annotated[str, Meta(max_length=64)]
    name: Annotated[str, Meta(max_length=400)] = ""


class IceServer(Struct, frozen=True):
    """W3C RTCIceServer."""

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


class JoinReply(Struct, frozen=True):
    """``ticket`` lives 2 minutes: the client joins again for another one.

    ``student_link`` is for leaders, ``co_teacher_link`` for the teacher; None for others.
    """

    ticket: str
    lesson: str
    participant: str
    role: RoleName
    name: str
    title: str
    subject: str
    grade: int
    tiles: int
    ice_servers: tuple[IceServer, ...] = ()
    student_link: str | None = None
    co_teacher_link: str | None = None


class LinkInfo(Struct, frozen=True):
    """GET /api/links/<code>: what the join page shows. ``name``: as this browser joined before.

    ``video_state`` of the lesson's video lesson once it ended, None when there is none.
    """

    title: str
    subject: str
    grade: int
    state: Literal["waiting", "live", "ended"]
    role: RoleName
    name: str | None = None
    video_state: VideoState | None = None
    opens_at_ms: int | None = None


class NewLesson(Struct, frozen=True):
    """POST /api/lessons (teacher's cookie). ``teacher_name`` is kept for the next time.

    ``opens_at_ms`` announces the lesson for then (server time); it is for people to know, the teacher opens
    the lesson by coming, before or after.
    """

    title: Annotated[str, Meta(max_length=400)]
    subject: Annotated[str, Meta(max_length=400)]
    grade: Annotated[int, Meta(ge=1, le=11)]
    teacher_name: Annotated[str, Meta(max_length=400)] = ""
    opens_at_ms: Annotated[int, Meta(ge=0, le=MAX_TIME_MS)] | None = None


class LessonInfo(Struct, frozen=True):
    """A lesson of one's own. Links carry the configured public origin; backup links lead into the lesson also
    while the database does not answer."""

    lesson: str
    title: str
    subject: str
    grade: int
    state: Literal["waiting", "live", "ended"]
    created_at_ms: int
    ended_at_ms: int | None
    teacher_link: str
    student_link: str
    co_teacher_link: str
    backup_teacher_link: str
    backup_student_link: str
    video: str | None = None
    video_state: VideoState | None = None
    opens_at_ms: int | None = None


class TeacherInfo(Struct, frozen=True):
    """GET /api/teacher: who is signed in, and their lessons, newest first."""

    name: str
    lessons: tuple[LessonInfo, ...]


class SignIn(Struct, frozen=True):
    """POST /api/teacher/sign-in with the one-time key of the printed link."""

    key: Annotated[str, Meta(max_length=4096)]


class VideoInfo(Struct, frozen=True):
    """A video lesson in the library. ``own``: of the teacher who asks, who may delete it.

    ``processing`` and ``failed`` ones are shown to their own teacher only; ``duration_ms`` and ``bytes``
    are 0 until ``ready``. One that is still recorded (``recording``) is reached by its lesson's link only,
    and both say how much of it is there.
    """

    video: str
    lesson: str
    title: str
    subject: str
    grade: int
    teacher_name: str
    recorded_at_ms: int
    duration_ms: int
    bytes: int
    state: VideoState
    own: bool = False


class VideoList(Struct, frozen=True):
    """GET /api/library?subject=&grade=&teacher=&text=&after=: newest first, at most 50.

    ``after`` is the former page's ``next``; None: no more. ``subjects``, ``grades`` and ``teachers`` are what
    can be filtered by. For teachers (cookie) and those who signed in to the library.
    """

    videos: tuple[VideoInfo, ...]
    subjects: tuple[str, ...]
    grades: tuple[int, ...]
    teachers: tuple[str, ...]
    next: str | None = None


class LibrarySignIn(Struct, frozen=True):
    """POST /api/library/sign-in with the key of the printed library link (or of ``zvonok library link``)."""

    key: Annotated[str, Meta(max_length=4096)]


class VideoPerson(Struct, frozen=True):
    """Somebody who is in a video: for how long they are seen and heard in it; both 0 for who only wrote or
    raised a hand."""

    participant: str
    name: str
    role: RoleName
    seen_ms: int
    heard_ms: int


class VideoPeople(Struct, frozen=True):
    """GET /api/library/<video>/people, for its own teacher: in the order of the class."""

    people: tuple[VideoPerson, ...]


class Withdraw(Struct, frozen=True):
    """POST /api/library/<video>/withdrawals by its own teacher: take this person out of the video. It is
    ``processing`` until that is done."""

    participant: Id


class VideoJob(Struct, frozen=True):
    """What is made of a video after it is ready, and how far it is (percent)."""

    step: JobStep
    state: JobState
    progress: int


class VideoPage(Struct, frozen=True):
    """GET /api/library/<video>, or GET /api/links/<code>/video for the lesson of a join link.

    Addresses (paths on this origin) are signed and good until ``expires_at_ms``, 15 minutes; ask again for
    new ones. None until the video is ``ready``, but for ``video_url`` of one that is still recorded: what is
    there at this moment, for who was let into the lesson; ask again for more. DELETE /api/library/<video>
    deletes one's own for ever.
    ``me``: who asks by a link and is in the video under this browser's device cookie; they may take
    themselves out by POST /api/links/<code>/video/withdrawals, whose body is not read.

    The later addresses come as jobs behind the video are done: the MP4, a WebVTT file of places in the
    picture of thumbnails, that picture, chapters as WebVTT in two languages, ``VideoSound``. ``jobs`` is told
    to the video's own teacher only.
    """

    video: VideoInfo
    video_url: str | None
    timeline_url: str | None
    download_url: str | None
    expires_at_ms: int
    me: VideoPerson | None = None
    mp4_url: str | None = None
    thumbnails_url: str | None = None
    sprite_url: str | None = None
    chapters_ru_url: str | None = None
    chapters_en_url: str | None = None
    sound_url: str | None = None
    jobs: tuple[VideoJob, ...] = ()


class VideoSound(Struct, frozen=True):
    """How loud a video is; ``sound_url`` gives it.

    ``peaks``: the largest sample of each of as many equal stretches, 0 to 255. ``loudness_lufs``: integrated
    loudness (EBU R128), None: nothing is heard. ``gain_db`` brings it to -18 LUFS; one above 0 is for those
    who can amplify.
    """

    duration_ms: int
    peaks: tuple[int, ...]
    loudness_lufs: float | None
    peak_dbfs: float | None
    gain_db: float


class TimelinePart(Struct, frozen=True):
    """One part in the video: ``at_ms`` in the video, ``started_at_ms`` server time."""

    at_ms: int
    duration_ms: int
    started_at_ms: int


class TimelineChat(Struct, frozen=True):
    """A chat message said at ``at_ms`` of the video. ``participant`` is empty in timelines of videos without
    takes."""

    at_ms: int
    name: str
    text: str
    participant: str = ""


class TimelineHand(Struct, frozen=True):
    """A hand that went up or down at ``at_ms`` of the video; ``participant`` tells two of one name apart."""

    at_ms: int
    participant: str
    name: str
    up: bool


class TimelineMissing(Struct, frozen=True):
    """What was lost of a recording: how long a leader had a picture or a microphone on and none came,
    ``parts`` of which nothing at all came, ``journals`` that are damaged."""

    picture_ms: int
    sound_ms: int
    parts: int
    journals: int


class Timeline(Struct, frozen=True):
    """What happened beside the picture, in the video's time and sorted by it; ``timeline_url`` gives it."""

    duration_ms: int
    parts: tuple[TimelinePart, ...]
    chat: tuple[TimelineChat, ...] = ()
    hands: tuple[TimelineHand, ...] = ()
    missing: TimelineMissing | None = None


class AttendanceRow(Struct, frozen=True):
    """One person's presence. Times are server ms; ``present_ms`` adds up all stays."""

    participant: str
    name: str
    role: RoleName
    first_in_ms: int
    last_out_ms: int | None
    present_ms: int
    stays: int


class Attendance(Struct, frozen=True):
    """GET /api/lessons/<lesson>/attendance; the same as CSV under attendance.csv."""

    lesson: str
    title: str
    rows: tuple[AttendanceRow, ...]


class ErrorReply(Struct, frozen=True):
    """Body of every HTTP answer of 400 and above. ``retry_after_s``: when coming back makes sense.

    With ``door_queue``: ``place`` in the queue, from 1 on, and about when it is one's turn.
    """

    code: str
    retry_after_s: int | None = None
    place: int | None = None
    wait_s: int | None = None
