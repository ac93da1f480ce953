"""Pictures are made anew: no place where it was taken, no owner of the camera, nothing hidden, and a size
that a weak laptop can draw. One that moves is kept as it is once each frame was seen to be whole, unless it
carries words about itself (EXIF, XMP): then it is made anew without them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

from sfu.model import Refused
from signaling.uploads.kinds import FileKind

MAX_PIXELS: Final = 60_000_000
"""What is decoded at all: the largest phone cameras."""
MAX_SIDE: Final = 4096
MAX_FRAME_PIXELS: Final = 400_000_000
"""Of a moving picture, all frames together."""
_TELLING: Final = frozenset({"exif", "xmp", "comment"})
_FORMATS: Final = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WEBP"}


def renew(path: Path, kind: FileKind) -> None:
    """Put the picture's own pixels in the place of the file. Blocks; raises Refused ``file_broken``,
    ``picture_too_large``, OSError."""
    wanted = _FORMATS[kind.media_type]
    draft = path.with_suffix(".new")
    try:
        with Image.open(path, formats=[wanted]) as picture:
            width, height = picture.size
            frames = getattr(picture, "n_frames", 1)
            if width * height > MAX_PIXELS or width * height * frames > max(MAX_PIXELS, MAX_FRAME_PIXELS):
                raise Refused("picture_too_large")
            if frames > 1:
                told = bool(_TELLING & picture.info.keys())
                durations_ms = []
                for frame in range(frames):
                    picture.seek(frame)
                    picture.load()
                    durations_ms.append(int(picture.info.get("duration", 0)))
                if not told:
                    return
                loop = int(picture.info.get("loop", 0))
                picture.save(
                    draft,
                    wanted,
                    save_all=True,
                    duration=durations_ms,
                    loop=loop,
                    exif=b"",
                    xmp=b"",
                    comment=b"",
                )
            else:
                if wanted == "JPEG":
                    picture.draft("RGB", (MAX_SIDE, MAX_SIDE))
                still = ImageOps.exif_transpose(picture)
                still.thumbnail((MAX_SIDE, MAX_SIDE))
                profile = picture.info.get("icc_profile")
                still.info.clear()
                options = {"quality": 88} if wanted in ("JPEG", "WEBP") else {}
                still.save(draft, wanted, icc_profile=profile, **options)
        draft.replace(path)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused("picture_too_large") from None
    except (UnidentifiedImageError, SyntaxError, ValueError, EOFError, IndexError, TypeError):
        raise Refused("file_broken") from None
    except OSError as error:
        if error.errno is None:  # Pillow's own: truncated
            raise Refused("file_broken") from None
        raise
    finally:
        draft.unlink(missing_ok=True)
