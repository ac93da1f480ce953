"""Files, links and apps of a lesson: what everybody finds in its materials."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from signaling.wire.names import Id, RequestNumber

MAX_MATERIALS: Final = 100
MAX_URL: Final = 500
MaterialKind = Literal["file", "link", "app"]
MaterialGroup = Literal["image", "audio", "video", "pdf", "office", "text"]


class MaterialField(Struct, frozen=True):
    """A material. ``place``: they are shown by it, smallest first. Of a file: ``group``, ``media_type`` and
    ``bytes``; its content is behind ``GET /api/materials/<id>``. Of a link or an app: ``url``."""

    kind: MaterialKind
    name: str
    by: str
    at_ms: int
    place: float
    group: MaterialGroup | None = None
    media_type: str = ""
    bytes: int = 0
    url: str = ""


class SharingField(Struct, frozen=True):
    """Whether students may add files; the field is absent until a leader decided."""

    students: bool


class AddLink(Struct, tag_field="t", tag="add_link", frozen=True):
    """Leaders: a page of another site, https only."""

    id: RequestNumber
    url: Annotated[str, Meta(max_length=MAX_URL)]
    name: Annotated[str, Meta(max_length=400)] = ""


class NameMaterial(Struct, tag_field="t", tag="name_material", frozen=True):
    """Leaders: another name for a material."""

    id: RequestNumber
    material: Id
    name: Annotated[str, Meta(max_length=400)]


class MoveMaterial(Struct, tag_field="t", tag="move_material", frozen=True):
    """Leaders: put a material before another one; ``before`` None: last."""

    id: RequestNumber
    material: Id
    before: Id | None = None


class SetSharing(Struct, tag_field="t", tag="set_sharing", frozen=True):
    """Leaders: whether students may add files too."""

    id: RequestNumber
    students: bool


class MaterialAdded(Struct, frozen=True):
    """Reply to an upload: the field ``material/<material>`` is there."""

    material: str


class MaterialAddress(Struct, frozen=True):
    """Where a file is, for 15 minutes. ``view`` None: browsers don't show such a file."""

    download: str
    view: str | None = None


class VideoMaterial(Struct, frozen=True):
    """A file or a link that leaders gave the class, as it stands beside the lesson's video."""

    name: str
    kind: MaterialKind
    group: MaterialGroup | None
    bytes: int
    url: str
    """Of a link; of a file its address, good for 15 minutes."""


class VideoMaterials(Struct, frozen=True):
    """In their order."""

    materials: tuple[VideoMaterial, ...]
