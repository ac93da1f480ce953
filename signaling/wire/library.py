"""Bodies of the library's HTTP requests and answers, and the files beside a video."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from signaling.wire.names import Id, JobState, JobStep, RoleName, VideoState


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


class TimelineChange(Struct, frozen=True):
    """Fields of the lesson that were set and deleted at ``at_ms`` of the video, of those that are seen again
    beside it: what the class looked at together. Values of ``set`` are base64 (RFC 4648, section 4) of
    msgpack: unlike JSON that holds bytes."""

    at_ms: int
    set: dict[str, str] = field(default_factory=dict)
    delete: tuple[str, ...] = ()


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
    changes: tuple[TimelineChange, ...] = ()
    missing: TimelineMissing | None = None
