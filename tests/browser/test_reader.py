"""The reader of known media is right: proven in one page, without a server of ours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

import pytest
import pytest_asyncio
from playwright.async_api import Playwright, Route

from tests.browser.conftest import Studio
from tests.browser.person import Person, eventually, person, played, transit_ms

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.alone, pytest.mark.long]

PAGE = "<!doctype html><title>loopback</title><video id=here muted></video><video id=there></video>"
CALL = """async (through_delay) => {
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    const [microphone] = media.getAudioTracks(), [film] = media.getVideoTracks();
    let sound = microphone;
    if (through_delay) {
        const context = new AudioContext();
        window.delay = new DelayNode(context, { delayTime: 0, maxDelayTime: 1 });
        const out = context.createMediaStreamDestination();
        context.createMediaStreamSource(new MediaStream([microphone])).connect(window.delay).connect(out);
        [sound] = out.stream.getAudioTracks();
    }
    const sent = new MediaStream([film, sound]);
    const near = new RTCPeerConnection(), far = new RTCPeerConnection();
    near.onicecandidate = (event) => far.addIceCandidate(event.candidate ?? undefined);
    far.onicecandidate = (event) => near.addIceCandidate(event.candidate ?? undefined);
    const here = document.querySelector("#here"), there = document.querySelector("#there");
    far.ontrack = (event) => (there.srcObject = event.streams[0]);
    near.addTrack(film, sent);
    near.addTrack(sound, sent);
    await near.setLocalDescription();
    await far.setRemoteDescription(near.localDescription);
    await far.setLocalDescription();
    await near.setRemoteDescription(far.localDescription);
    here.srcObject = media;
    await Promise.all([here.play(), there.play()]);
    for (const [name, video] of [["here", here], ["there", there]]) {
        zvonokReader.watch(name, video);
        zvonokReader.listen(name, video.srcObject.getAudioTracks()[0]);
    }
}"""


@pytest_asyncio.fixture(loop_scope="module")
async def caller(playwright: Playwright, chromium: Path, studio: Studio) -> AsyncIterator[Person]:
    media = studio.media(3)

    async def answer(route: Route) -> None:
        await route.fulfill(body=PAGE, content_type="text/html")

    async with person(playwright, chromium, "caller", film=media.film, sound=media.sound) as somebody:
        await somebody.page.route("http://localhost/", answer)
        await somebody.page.goto("http://localhost/")
        yield somebody


async def test_numbers_tone_and_skew_of_a_call(caller: Person, studio: Studio) -> None:
    media = studio.media(3)
    await caller.do(CALL, False)
    seen = played(await caller.see("there", 3, frames=100), 3, media.loop)
    assert seen.went_back == 0
    assert seen.longest_gap_ms < 500
    await eventually(
        lambda: caller.do("() => zvonokReader.tone('there').hz"),
        lambda hz: abs(hz - media.tone_hz) < 10,
        f"a tone of {media.tone_hz} Hz",
    )
    assert [each["setRemoteDescription"] for each in await caller.counts()] == [1, 1]
    await moved_by(caller, 0, within=60)


async def test_sound_late_by_200_ms_is_measured_as_200_ms(caller: Person) -> None:
    await caller.do(CALL, True)
    before = await moved_by(caller, 0, within=100)
    await caller.do("() => { delay.delayTime.value = 0.2; }")
    after = await moved_by(caller, before + 200, within=50)
    assert after - before > 140


async def moved_by(caller: Person, expected_ms: float, *, within: float) -> float:
    """Wait until the last four beeps were moved against their picture by about this; returns by how much."""
    moved = await eventually(
        lambda: transit_ms(caller, "here", caller, "there"),
        lambda seen: len(seen) >= 4 and abs(median(seen[-4:]) - expected_ms) <= within,
        f"sound moved by {expected_ms:.0f} ms",
        limit_s=25,
    )
    return median(moved[-4:])
