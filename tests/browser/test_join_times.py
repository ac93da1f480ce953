"""How long after its hello a page has the list of people, the first sound and the first picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Playwright

from tests.browser import classroom
from tests.browser.conftest import Studio
from tests.browser.person import READER, Person, eventually, person
from tests.serving import serving

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(240),
    pytest.mark.long,
    pytest.mark.alone,
]

JOINS: Final = 20
LIMITS_MS: Final = {"roster": 150, "sound": 1000, "picture": 2000}
CLOCK: Final = """
(() => {
  const times = (window.zvonokTimes = { hello: null, roster: null, drawn: null, sound: null, picture: null });
  const note = (what) => (times[what] ??= performance.now());
  const Native = window.WebSocket;
  window.WebSocket = class WebSocket extends Native {
    constructor(...parameters) {
      super(...parameters);
      this.addEventListener("message", () => {
        note("roster");
        setTimeout(() => note("drawn")); // a task of its own: after the page has taken the welcome
      });
    }
    send(...parameters) {
      note("hello");
      return super.send(...parameters);
    }
  };
  const look = async () => {
    for (const peer of zvonokReader.connections) {
      if (peer.connectionState === "closed") continue;
      for (const each of (await peer.getStats()).values()) {
        if (each.type !== "inbound-rtp") continue;
        if (each.kind === "audio" && each.totalAudioEnergy > 0) note("sound");
        if (each.kind === "video" && each.framesDecoded > 0) note("picture");
      }
    }
    if (times.sound === null || times.picture === null) setTimeout(look, 20);
  };
  look();
})();
"""


async def test_twenty_joins_have_people_sound_and_picture_in_time(
    playwright: Playwright, chromium: Path, studio: Studio, tmp_path: Path
) -> None:
    media = studio.media(1)
    async with (
        serving(tmp_path / "var") as server,
        person(playwright, chromium, "teacher", film=media.film, sound=media.sound) as teacher,
        person(playwright, chromium, "student") as student,
    ):
        links = await classroom.teacher_starts(teacher, server.teacher_link, "Times")
        found = [await _join(student, links.student, f"Student {number}") for number in range(JOINS)]
    worst = {what: _p99([each[what] - each["hello"] for each in found]) for what in (*LIMITS_MS, "drawn")}
    print(f"p99 of {JOINS} joins, ms after hello: {worst}")
    assert all(worst[what] <= limit for what, limit in LIMITS_MS.items()), worst


async def _join(student: Person, link: str, name: str) -> dict[str, float]:
    """Somebody new joins in a browser that knows nothing of the lesson, and is gone again."""
    context = await student.browser.new_context(locale="en-GB", viewport={"width": 1366, "height": 768})
    for script in (READER.read_text(), CLOCK):
        await context.add_init_script(script)
    newcomer = Person(name, student.browser, context, await context.new_page())
    newcomer.heed(newcomer.page)
    await classroom.student_joins(newcomer, link, name)

    async def times() -> dict[str, Any]:
        seen: dict[str, Any] = await newcomer.do("() => zvonokTimes")
        return seen

    seen = await eventually(times, lambda seen: None not in seen.values(), f"{name}: sound and picture")
    wrongs = await newcomer.wrongs()
    await context.close()
    assert not wrongs, "\n".join(wrongs)
    return seen


def _p99(values: Sequence[float]) -> float:
    """The nearest rank: of a few the largest."""
    return round(sorted(values)[math.ceil(0.99 * len(values)) - 1])
