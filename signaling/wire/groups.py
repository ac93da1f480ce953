"""Groups: the class parted for a while, each part by itself."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from signaling.wire.names import MAX_CHAT, Id, RequestNumber

MAX_GROUPS: Final = 20
MAX_GROUP_NAME: Final = 40
MAX_GROUP_PEOPLE: Final = 200
MAX_GROUP_MINUTES: Final = 180
MAX_GROUP_NOTICE: Final = 300
GROUP_CHAT_KEPT: Final = 50
"""Messages kept of each group."""

GroupId = Annotated[str, Meta(pattern=r"^[0-9]{1,2}$")]
Minutes = Annotated[int, Meta(ge=1, le=MAX_GROUP_MINUTES)]


class NewGroup(Struct, frozen=True):
    """A group to be: its name (empty: its number stands for it), and students of the lesson."""

    name: Annotated[str, Meta(max_length=200)] = ""
    people: Annotated[tuple[Id, ...], Meta(max_length=MAX_GROUP_PEOPLE)] = ()


class MakeGroups(Struct, tag_field="t", tag="make_groups", frozen=True):
    """Leaders: these groups instead of those before, while they are not open; none: no groups any more.

    ``draw``: students who are here and in none of them are dealt out at random, so that sizes differ by one
    at most wherever that is possible.
    """

    id: RequestNumber
    groups: Annotated[tuple[NewGroup, ...], Meta(max_length=MAX_GROUPS)] = ()
    draw: bool = False


class SpreadGroups(Struct, tag_field="t", tag="spread_groups", frozen=True):
    """Leaders: students who are here and in no group go into the smallest ones, at random."""

    id: RequestNumber


class OpenGroups(Struct, tag_field="t", tag="open_groups", frozen=True):
    """Leaders: everybody goes to their group. ``minutes``: it ends by itself then. ``choose``: students may
    change the group by themselves. ``boards``: each group has a board before it that all in it draw on; a
    board of the lesson afterwards."""

    id: RequestNumber
    minutes: Minutes | None = None
    choose: bool = False
    boards: bool = False


class ExtendGroups(Struct, tag_field="t", tag="extend_groups", frozen=True):
    """Leaders: so many minutes more; from now where there was no end."""

    id: RequestNumber
    minutes: Minutes


class CloseGroups(Struct, tag_field="t", tag="close_groups", frozen=True):
    """Leaders: everybody is back at once. The groups stay as they are and may be opened again."""

    id: RequestNumber


class GoToGroup(Struct, tag_field="t", tag="go_to_group", frozen=True):
    """Go to a group, or to the lesson itself (None): leaders themselves while groups are open, or a student
    (``participant``) at any time; students themselves, to another group, where they may choose."""

    id: RequestNumber
    group: GroupId | None
    participant: Id | None = None


class AskIn(Struct, tag_field="t", tag="ask_in", frozen=True):
    """A student asks the teacher into their group, or takes it back. A leader (``group``) only does that."""

    id: RequestNumber
    on: bool
    group: GroupId | None = None


class SpeakToAll(Struct, tag_field="t", tag="speak_to_all", frozen=True):
    """Leaders: one's own microphone is heard in every group, or in one's own place only."""

    id: RequestNumber
    on: bool


class TellGroups(Struct, tag_field="t", tag="tell_groups", frozen=True):
    """Leaders: a text before everybody, wherever they are; empty takes it away."""

    id: RequestNumber
    text: Annotated[str, Meta(max_length=MAX_GROUP_NOTICE)]


class GroupChat(Struct, tag_field="t", tag="group_chat", frozen=True):
    """Say something to the group that one is in."""

    id: RequestNumber
    text: Annotated[str, Meta(max_length=MAX_CHAT)]


class GroupsField(Struct, frozen=True):
    """The groups of the lesson. ``prepared``: made, everybody is together; ``open``: everybody is in theirs,
    until ``ends_at_ms`` (server time; None: until somebody closes them). ``choose``: students may change
    theirs. ``boards``: who is in a group has its board before them."""

    state: Literal["prepared", "open"]
    ends_at_ms: int | None = None
    choose: bool = False
    boards: bool = False


class GroupField(Struct, frozen=True):
    """One group. ``name``: empty where ``order`` (from 1) stands for it. ``board``: its own, once it had one;
    whoever removed it from the lesson left this."""

    name: str
    order: int
    board: str | None = None


class AskField(Struct, frozen=True):
    """A group asks for the teacher; ``participant`` pressed."""

    participant: str
    at_ms: int


class GroupNoticeField(Struct, frozen=True):
    """What a leader wrote to everybody while groups are open."""

    participant: str
    name: str
    text: str
    at_ms: int
