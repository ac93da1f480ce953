"""A step that does as the video's file ``do`` says: hang, fail, die; else it writes its files, and into
them who is in the video."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

MADE = {
    "thumbnails": ("thumbnails.jpg", "thumbnails.vtt"),
    "sound": ("sound.json",),
    "chapters": ("chapters.ru.vtt", "chapters.en.vtt"),
    "composite": ("lesson.mp4",),
}


def main(step: str, video: Path, drafts: Path) -> int:
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
    do = video / "do"
    words = do.read_text().split() if do.exists() else []
    what, *arguments = words or [""]
    if what == "hang" and step in (arguments[1:] or ["sound"]):
        hang(video, int(arguments[0]))
    beside = video / "takes.json"
    takes = beside.read_bytes() if beside.exists() else b""
    for name in MADE[step]:
        if what != "forget":
            (drafts / name).write_bytes(step.encode() + takes)
    match what:
        case "fail":
            print(json.dumps({"failed": arguments[0], "again": False}), flush=True)
        case "again":
            print(json.dumps({"failed": arguments[0], "again": True}), flush=True)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "babble":
            print("x" * 100_000, flush=True)
        case _:
            print(json.dumps({"done": True}), flush=True)
    return 0


def hang(video: Path, progress: int) -> None:
    """Until SIGUSR1."""
    (video / "pid").write_text(str(os.getpid()))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    print(json.dumps({"progress": progress}), flush=True)
    signal.sigwait({signal.SIGUSR1})
    (video / "pid").unlink()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
