"""The wire contract between a client and the server: structs, limits, version.

Each WebSocket message is one msgpack map whose key ``t`` names the struct; ``msgspec.convert``
validates it into the structs below. JSON Schema and the TypeScript types are generated from this
package (``signaling.schema``). A client speaks first: ``hello`` within 5 s.

A lesson's state is a flat map of *fields* (path -> value). Each change is one numbered event that
carries which fields it sets and deletes, so a client needs no code of its own per capability to
follow the state: ``welcome`` brings the fields it may see, each ``event`` changes them. Fields:

- ``lesson``: LessonField. ``person/<participant>``: PersonField.
- ``on/<participant>/<source>``: true while that source is published.
- ``hand/<participant>``: server time in ms when the hand went up (the queue is sorted by it).
- ``chat/<id>``: ChatField, the last 200; ids sort by time.
- ``lobby/<participant>``: LobbyField, seen by teachers only.
- ``recording``: RecordingField, from the first time that somebody pressed record.
- ``shown``: ShownField while the class looks at something together.
- ``called/<participant>``: CalledField; seen by leaders and themselves.
- ``at_board/<participant>``: AtBoardField of who was called and went.
- ``ink/<participant>``: true for a student who may draw.
- ``timer``: TimerField. ``calm``: CalmField. ``no_reactions``: true while there are none.
- ``picked``: PickedField when everybody was told. ``drawn``: the last one, and
  ``picker/<participant>``: PickerField; seen by leaders only.
- ``unrecorded/<participant>``: UnrecordedField of who must not be recorded; seen by leaders and themselves.
- ``_ban/<participant>``: true; never leaves the server.
"""

from __future__ import annotations

from signaling.wire.calling import AnswerCall, AtBoardField, Call, CalledField, Seat
from signaling.wire.calming import SEALED_KEPT, SEALED_MS, Calm, CalmField, ReadSealed, Sealed, SealedMessage
from signaling.wire.client import (
    Chat,
    ClientMessage,
    Draw,
    End,
    Hand,
    Hello,
    Leave,
    Lock,
    Mute,
    Offer,
    Publish,
    Record,
    Remove,
    SendStill,
    SetMay,
    SetRecordable,
    SetRecorded,
    SetStage,
)
from signaling.wire.fields import (
    ChatField,
    LessonField,
    LobbyField,
    PersonField,
    RecordingField,
    UnrecordedField,
)
from signaling.wire.http import (
    Attendance,
    AttendanceRow,
    ErrorReply,
    IceServer,
    JoinReply,
    JoinRequest,
    LessonInfo,
    LinkInfo,
    NewLesson,
    SignIn,
    TeacherInfo,
)
from signaling.wire.library import (
    LibrarySignIn,
    Timeline,
    TimelineChange,
    TimelineChat,
    TimelineHand,
    TimelineMissing,
    TimelinePart,
    VideoInfo,
    VideoJob,
    VideoList,
    VideoPage,
    VideoPeople,
    VideoPerson,
    VideoSound,
    Withdraw,
)
from signaling.wire.names import (
    CHAT_KEPT,
    MAX_CHAT,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_FRAME_BYTES,
    MAX_NAME,
    MAX_STILL,
    MAX_STILL_SIDE,
    MAX_TIME_MS,
    MAX_TITLE,
    WIRE_VERSION,
    Id,
    JobState,
    JobStep,
    PictureName,
    RecordingEnd,
    RequestNumber,
    RoleName,
    SourceName,
    VideoState,
)
from signaling.wire.picking import Pick, PickedField, PickerField, SetPickable
from signaling.wire.reacting import React, ReactionName, Reactions, SetReactions
from signaling.wire.server import (
    Answer,
    Closed,
    Done,
    Event,
    LineQuality,
    MediaLost,
    Moved,
    Quality,
    Refused,
    ServerMessage,
    SlotContent,
    Slots,
    Speakers,
    Still,
    StillWanted,
    Waiting,
    Watched,
    Welcome,
)
from signaling.wire.showing import Show, ShownField, ShownKind
from signaling.wire.timing import MAX_TIMER_S, SetTimer, TimerField

__all__ = [
    "CHAT_KEPT",
    "MAX_CHAT",
    "MAX_DEPTH",
    "MAX_ELEMENTS",
    "MAX_FRAME_BYTES",
    "MAX_NAME",
    "MAX_STILL",
    "MAX_STILL_SIDE",
    "MAX_TIMER_S",
    "MAX_TIME_MS",
    "MAX_TITLE",
    "SEALED_KEPT",
    "SEALED_MS",
    "WIRE_VERSION",
    "Answer",
    "AnswerCall",
    "AtBoardField",
    "Attendance",
    "AttendanceRow",
    "Call",
    "CalledField",
    "Calm",
    "CalmField",
    "Chat",
    "ChatField",
    "ClientMessage",
    "Closed",
    "Done",
    "Draw",
    "End",
    "ErrorReply",
    "Event",
    "Hand",
    "Hello",
    "IceServer",
    "Id",
    "JobState",
    "JobStep",
    "JoinReply",
    "JoinRequest",
    "Leave",
    "LessonField",
    "LessonInfo",
    "LibrarySignIn",
    "LineQuality",
    "LinkInfo",
    "LobbyField",
    "Lock",
    "MediaLost",
    "Moved",
    "Mute",
    "NewLesson",
    "Offer",
    "PersonField",
    "Pick",
    "PickedField",
    "PickerField",
    "PictureName",
    "Publish",
    "Quality",
    "React",
    "ReactionName",
    "Reactions",
    "ReadSealed",
    "Record",
    "RecordingEnd",
    "RecordingField",
    "Refused",
    "Remove",
    "RequestNumber",
    "RoleName",
    "Sealed",
    "SealedMessage",
    "Seat",
    "SendStill",
    "ServerMessage",
    "SetMay",
    "SetPickable",
    "SetReactions",
    "SetRecordable",
    "SetRecorded",
    "SetStage",
    "SetTimer",
    "Show",
    "ShownField",
    "ShownKind",
    "SignIn",
    "SlotContent",
    "Slots",
    "SourceName",
    "Speakers",
    "Still",
    "StillWanted",
    "TeacherInfo",
    "Timeline",
    "TimelineChange",
    "TimelineChat",
    "TimelineHand",
    "TimelineMissing",
    "TimelinePart",
    "TimerField",
    "UnrecordedField",
    "VideoInfo",
    "VideoJob",
    "VideoList",
    "VideoPage",
    "VideoPeople",
    "VideoPerson",
    "VideoSound",
    "VideoState",
    "Waiting",
    "Watched",
    "Welcome",
    "Withdraw",
]
