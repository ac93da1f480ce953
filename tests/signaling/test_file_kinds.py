"""What a file is, by its content, as a table; pictures are made anew."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from sfu.model import Refused
from signaling.uploads import kinds
from signaling.uploads.kinds import FileKind, kind_of, named
from signaling.uploads.pictures import MAX_SIDE, renew
from tests.signaling import brought

GOOD: dict[str, tuple[bytes, str]] = {
    "png": (brought.picture("PNG"), "image/png"),
    "jpeg": (brought.picture("JPEG"), "image/jpeg"),
    "webp": (brought.picture("WEBP"), "image/webp"),
    "gif": (brought.moving(), "image/gif"),
    "mp4": (brought.MP4, "video/mp4"),
    "m4a": (b"\0\0\0\x18ftypM4A \0\0\x02\0" + bytes(32), "audio/mp4"),
    "webm": (b"\x1aE\xdf\xa3\x93B\x82\x84webm" + bytes(32), "video/webm"),
    "mp3 with a tag": (b"ID3\x04" + bytes(64), "audio/mpeg"),
    "mp3": (b"\xff\xfb\x90\x64" + bytes(64), "audio/mpeg"),
    "ogg": (b"OggS\0\x02" + bytes(22) + b"OpusHead" + bytes(64), "audio/ogg"),
    "wav": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(32), "audio/wav"),
    "pdf": (brought.PDF, "application/pdf"),
    "docx": (brought.DOCX, "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "pptx": (brought.PPTX, "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    "odp": (brought.ODP, "application/vnd.oasis.opendocument.presentation"),
    "ppt": (brought.compound("PowerPoint Document"), "application/vnd.ms-powerpoint"),
    "text": ("Задача 5: найдите x.\n".encode(), "text/plain"),
    "old text": ("Задача 5".encode("cp1251"), "text/plain"),
}
BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "file_empty"),
    "a page": (b"<!DOCTYPE html><script>alert(1)</script>", "file_type_refused"),
    "a page after spaces": (b" \n\t<html>", "file_type_refused"),
    "a page with a mark": (b"\xef\xbb\xbf<html>", "file_type_refused"),
    "a drawing with script": (
        b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
        "file_type_refused",
    ),
    "a drawing after XML": (b'<?xml version="1.0"?><svg onload="x"/>', "file_type_refused"),
    "a Windows program": (b"MZ\x90\0\x03" + bytes(60), "file_type_refused"),
    "a Linux program": (b"\x7fELF\x02\x01\x01" + bytes(60), "file_type_refused"),
    "a script": (b"#!/bin/sh\nrm -r /\n", "file_type_refused"),
    "an archive": (brought.archive({"homework.txt": b"x"}), "file_type_refused"),
    "macros": (
        brought.office("wordprocessingml.document.main+xml", **{"word/vbaProject.bin": b"x"}),
        "file_type_refused",
    ),
    "old macros": (brought.compound("WordDocument", "_VBA_PROJECT"), "file_type_refused"),
    "an installer": (brought.compound("Installer"), "file_type_refused"),
    "a broken archive": (brought.DOCX[:-30], "file_broken"),
    "an archive that climbs": (
        brought.office("wordprocessingml.document.main+xml", **{"../../etc/passwd": b"x"}),
        "file_broken",
    ),
    "an archive that bursts": (
        brought.office("wordprocessingml.document.main+xml", **{"word/media/1": bytes(40 << 20)}),
        "file_broken",
    ),
    "a film of another kind": (b"\x1aE\xdf\xa3\x93B\x82\x88matroska" + bytes(32), "file_type_refused"),
    "a photo that browsers don't show": (b"\0\0\0\x18ftypheic" + bytes(32), "file_type_refused"),
    "noise": (bytes(range(256)) * 4, "file_type_refused"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_kind_is_told_by_content(name: str, tmp_path: Path) -> None:
    content, media_type = GOOD[name]
    file = tmp_path / "lies.exe"
    file.write_bytes(content)
    assert kind_of(file).media_type == media_type


@pytest.mark.parametrize("name", BAD)
def test_everything_else_is_refused(name: str, tmp_path: Path) -> None:
    content, code = BAD[name]
    file = tmp_path / "harmless.png"
    file.write_bytes(content)
    with pytest.raises(Refused) as error:
        kind_of(file)
    assert error.value.code == code


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("урок.PNG", kinds.PNG, "урок.PNG"),
        ("photo.jpeg", kinds.JPEG, "photo.jpeg"),
        ("update.exe", kinds.PDF, "update.exe.pdf"),
        ("без конца", kinds.TEXT, "без конца.txt"),
        ("run.bat", kinds.TEXT, "run.bat.txt"),
        ("", kinds.PDF, ".pdf"),
    ],
)
def test_the_ending_tells_the_truth(name: str, kind: FileKind, expected: str) -> None:
    assert named(name, kind) == expected


def test_a_photo_forgets_where_it_was_taken_and_stands_upright(tmp_path: Path) -> None:
    file = tmp_path / "photo"
    file.write_bytes(brought.photo_with_place())
    renew(file, kinds.JPEG)
    assert b"Masha" not in file.read_bytes()
    with Image.open(io.BytesIO(file.read_bytes())) as picture:
        assert picture.size == (30, 40)
        assert not picture.getexif()


@pytest.mark.parametrize(("wanted", "kind"), [("WEBP", kinds.WEBP), ("GIF", kinds.GIF)])
def test_a_moving_picture_forgets_what_it_tells_of_itself_and_keeps_its_time(
    wanted: str, kind: FileKind, tmp_path: Path
) -> None:
    path = tmp_path / "moving"
    exif = Image.Exif()
    exif[0x010E] = "Seen from our window"
    first, *others = [Image.new("RGB", (32, 24), colour) for colour in ("red", "green", "blue")]
    durations_ms = [100, 200, 300]
    telling: dict[str, object] = {"exif": exif} if wanted == "WEBP" else {"comment": b"Seen from our window"}
    first.save(path, wanted, save_all=True, append_images=others, duration=durations_ms, loop=3, **telling)
    assert b"Seen from our window" in path.read_bytes()
    renew(path, kind)
    assert b"Seen from our window" not in path.read_bytes()
    with Image.open(path) as picture:
        assert picture.info["loop"] == 3
        kept = []
        for frame in range(picture.n_frames):  # type: ignore[attr-defined]
            picture.seek(frame)
            picture.load()
            kept.append(picture.info["duration"])
        assert kept == durations_ms


def test_a_picture_is_made_no_larger_than_can_be_drawn_and_a_moving_one_moves(tmp_path: Path) -> None:
    file = tmp_path / "wide"
    file.write_bytes(brought.picture("PNG", (MAX_SIDE * 2, 10)))
    renew(file, kinds.PNG)
    with Image.open(file) as picture:
        assert picture.size == (MAX_SIDE, 5)
    file.write_bytes(brought.moving(5))
    renew(file, kinds.GIF)
    with Image.open(file) as picture:
        assert getattr(picture, "n_frames", 1) == 5


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (brought.huge_png(), kinds.PNG, "picture_too_large"),
        (brought.picture("PNG")[:60], kinds.PNG, "file_broken"),
        (brought.picture("JPEG", (400, 400))[:500], kinds.JPEG, "file_broken"),
        (brought.PNG_HEAD + b"<script>", kinds.PNG, "file_broken"),
        (b"GIF89a", kinds.GIF, "file_broken"),
    ],
)
def test_pictures_that_are_none(content: bytes, kind: FileKind, code: str, tmp_path: Path) -> None:
    file = tmp_path / "picture"
    file.write_bytes(content)
    with pytest.raises(Refused) as error:
        renew(file, kind)
    assert error.value.code == code
    assert list(tmp_path.iterdir()) == [file]
