"""Values of the fields of a lesson's state."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from signaling.wire.names import RecordingEnd, RoleName, SourceName


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
