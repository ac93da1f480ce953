"""Every lesson is recorded all along; in the end its video lesson must hold all of it but the gaps."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from loadtest.chaos.bots import Bot
from sfu.model import Refused
from signaling import wire

ON_LIMIT_S: Final = 10.0
READY_LIMIT_S: Final = 60.0
_LOOK_S: Final = 0.5


async def record(teacher: Bot) -> None:
    """Begin to record the teacher; raises TimeoutError when no recorder begins."""
    await teacher.request(lambda number: wire.Record(id=number, on=True))

    def runs() -> bool:
        return bool(teacher.fields.get("recording", {}).get("state") == "on")

    await teacher.until(runs, "a recording that runs", limit_s=ON_LIMIT_S)


async def recorded_s(bot: Bot) -> float | None:
    """How long the video lesson behind the bot's link is; None when it is not ready in time."""
    deadline_s = time.monotonic() + READY_LIMIT_S
    while time.monotonic() < deadline_s:
        try:
            video = (await bot.door.video_of_link(bot.code)).video
        except Refused as refused:
            if refused.code != "not_found":
                raise
        else:
            if video.state == "ready":
                return video.duration_ms / 1000
        await asyncio.sleep(_LOOK_S)
    return None
