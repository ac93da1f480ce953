"""Which shell the settings ask for."""

from __future__ import annotations

from config.settings import Settings
from signaling.files.api import Files
from signaling.files.bucket import Bucket, BucketFiles
from signaling.files.folder import FolderFiles


def open_library(settings: Settings) -> Files:
    """The files of video lessons, ``<video>/<file>``; raises SettingsError when keys are missing."""
    if not settings.store.url:
        return FolderFiles(settings.paths.library)
    return BucketFiles(_bucket(settings), _below(settings, "library"))


def open_journals(settings: Settings) -> Files | None:
    """Where recorders bring their journals, ``<recording>/<place>/<piece>``; None: they share a folder.

    Raises SettingsError.
    """
    if not settings.store.url:
        return None
    return BucketFiles(_bucket(settings), _below(settings, "journals"))


def open_materials(settings: Settings) -> Files:
    """The files of lessons, ``<lesson>/<material>``; raises SettingsError when keys are missing."""
    if not settings.store.url:
        return FolderFiles(settings.paths.materials)
    return BucketFiles(_bucket(settings), _below(settings, "materials"))


def _bucket(settings: Settings) -> Bucket:
    store, paths = settings.store, settings.paths
    return Bucket(
        store.bucket,
        store.endpoint.rstrip("/"),
        store.region or "us-east-1",
        paths.given(store.key_id_file),
        paths.given(store.secret_file),
    )


def _below(settings: Settings, folder: str) -> str:
    return f"{settings.store.prefix}/{folder}".lstrip("/")
