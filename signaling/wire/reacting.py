"""Reactions: seen for a while, kept by nobody."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from signaling.wire.names import RequestNumber

ReactionName = Literal["thumbs_up", "clap", "slower", "faster", "lost"]


class React(Struct, tag_field="t", tag="react", frozen=True):
    """A reaction of now: nothing is logged, and more than one a second is dropped without a word. Refused:
    ``reactions_off``, ``calm``."""

    id: RequestNumber
    reaction: ReactionName


class SetReactions(Struct, tag_field="t", tag="set_reactions", frozen=True):
    """Leaders: whether there are reactions at all."""

    id: RequestNumber
    on: bool


class Reactions(Struct, tag_field="t", tag="reactions", frozen=True):
    """How many people react so now. ``slower``, ``faster`` and ``lost`` are told to leaders only."""

    thumbs_up: int = 0
    clap: int = 0
    slower: int = 0
    faster: int = 0
    lost: int = 0
