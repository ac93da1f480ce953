"""What bad lines cost those behind them, and the others: repair through the plane, then a whole lesson.

In real time: one camera with speech and its receivers, each behind an impaired line of its own
(``loadtest.network``, both directions alike; half the round trip each). Receivers ask again as Chromium does.
From each packet's stamp to its first copy's arrival, over all numbers the server gave; the last second is not
counted. A number of speech is missing when it came neither by itself nor as redundancy (RFC 2198) within
200 ms of its own time. Then the same lines, one after the other, before a page in Chromium
(``_network_lesson``).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

from loadtest.bench import _network_lesson as lesson
from loadtest.bench._network_lesson import Step
from loadtest.bench._network_peers import FRAMES_S, Publisher, Receiver
from loadtest.bench._network_sound import Voice, speak
from loadtest.bench._plane_setting import Setting
from loadtest.bench._report import Figure, Report
from loadtest.bench._stamps import percentiles
from loadtest.bench.plane import Child, missing
from loadtest.network import CLEAN, Impairment
from loadtest.proxy import Proxy

SECONDS: Final = 60.0
WITHIN_MS: Final = 300.0
_TICK_S: Final = 0.02
_REPORT_TICKS: Final = 50
_CHECK_TICKS: Final = 150
_SETTLE_S: Final = 1.0
_SEED: Final = 20
VOID_ABOVE: Final = 0.8


@dataclass(frozen=True, slots=True)
class Profile:
    """A receiver's line or the publisher's."""

    name: str
    line: Impairment
    redundancy: int = 2
    """How many earlier packets of speech each one brings to this receiver."""


def bad(loss: float, round_trip_ms: float = 50, **more: float) -> Impairment:
    """A line of this loss and round trip, jitter a tenth of it."""
    return Impairment(loss=loss, delay_ms=round_trip_ms / 2, jitter_ms=round_trip_ms / 10, **more)


PROFILES: Final = (
    Profile("clean", CLEAN),
    Profile("1 %, 50 ms", bad(0.01)),
    Profile("5 %, 50 ms", bad(0.05)),
    Profile("10 %, 50 ms", bad(0.1)),
    Profile("20 %, 50 ms", bad(0.2)),
    Profile("30 %, 50 ms", bad(0.3)),
    Profile("10 %, 150 ms", bad(0.1, 150)),
    Profile("10 %, 300 ms", bad(0.1, 300)),
    Profile("10 % in bursts of 5, 50 ms", bad(0.1, loss_burst=5)),
    Profile("20 %, 50 ms", bad(0.2), redundancy=0),
    Profile("30 %, 50 ms", bad(0.3), redundancy=0),
    *(Profile("20 %, 50 ms", bad(0.2)), Profile("30 %, 50 ms", bad(0.3))) * 3,
)
"""Three lost in a row are rare: of one receiver's 3,000 packets at 30 % their share strays by 0.4 (sigma)."""
PUBLISHERS: Final = (Profile("clean", CLEAN), Profile("10 %, 50 ms", bad(0.1)))
RECEIVER_FIGURE: Final = "10 %, 50 ms"
LINES: Final = (
    Step("clean", CLEAN),
    Step("1 %, 50 ms", bad(0.01)),
    Step("5 %, 50 ms", bad(0.05)),
    Step("10 %, 50 ms", bad(0.1)),
    Step("20 %, 50 ms", bad(0.2)),
    Step("30 %, 50 ms", bad(0.3)),
    Step("0 %, 150 ms", bad(0.0, 150)),
    Step("5 %, 300 ms", bad(0.05, 300)),
    Step("10 % in bursts of 5, 50 ms", bad(0.1, loss_burst=5)),
    Step("1 Mbit/s and 5 %, 50 ms", bad(0.05, rate_kbit_s=1000)),
)
RATES: Final = (
    Step("2 Mbit/s", bad(0.0, rate_kbit_s=2000)),
    Step("then 500 kbit/s", bad(0.0, rate_kbit_s=500)),
    Step("then 2 Mbit/s", bad(0.0, rate_kbit_s=2000)),
)
"""A page's lines, and one whose rate changes."""
PAGE_SECONDS: Final = 8.0


async def _measure(
    publisher_line: Profile, profiles: Sequence[Profile], plane: str, seconds: float
) -> list[dict[str, Any]]:
    """One run with everybody at once; a row for each receiver."""
    setting = Setting(plane, lessons=1, receivers=len(profiles), packets_s=4 * FRAMES_S, burst=4, speech=True)
    async with AsyncExitStack() as stack:
        server = stack.enter_context(Child("loadtest.bench._plane_server", setting))
        port = server.hear()["port"]
        lines = [publisher_line.line, *(profile.line for profile in profiles)]
        proxies = [await _proxy(port, line, number) for number, line in enumerate(lines)]
        for proxy in proxies:
            stack.push_async_callback(proxy.close)
        publisher = Publisher(setting, 0, proxies[0].address)
        receivers = [Receiver(setting, n, proxies[n].address) for n in range(1, len(lines))]
        everybody = (publisher, *receivers)
        for peer in everybody:
            stack.callback(peer.close)
        await asyncio.gather(*(peer.connect() for peer in everybody))
        await asyncio.to_thread(server.ask, "start " + json.dumps([0] * setting.peers))
        wanted = [[n, profile.redundancy] for n, profile in enumerate(profiles, 1) if profile.redundancy]
        await asyncio.to_thread(server.ask, "redundancy " + json.dumps(wanted))
        voice = Voice()
        speaking = asyncio.create_task(speak(voice, publisher.send_rtp))
        stack.callback(speaking.cancel)
        keeping = asyncio.create_task(_keep(publisher, receivers))
        stack.callback(keeping.cancel)
        await publisher.run(_SETTLE_S)
        first = [receiver.highest + 1 for receiver in receivers]
        first_said = voice.said
        octets = [receiver.octets for receiver in receivers]
        own_s, began_s = time.process_time(), time.monotonic()
        await publisher.run(seconds)
        elapsed_s, own_s = time.monotonic() - began_s, time.process_time() - own_s
        end = [receiver.highest + 1 for receiver in receivers]
        end_said = voice.said
        came = [receiver.octets for receiver in receivers]
        await publisher.run(_SETTLE_S)
    return [
        {
            "publisher": publisher_line.name,
            "receiver": profile.name,
            "numbers": end[n] - first[n],
            "soon_percent": round(receiver.within(first[n], end[n], WITHIN_MS), 3),
            "ever_percent": round(receiver.within(first[n], end[n], 1e8), 3),
            **_latencies(receiver, first[n], end[n]),
            "asked": receiver.asked,
            "repairs": receiver.repairs,
            "kbit_s": round((came[n] - octets[n]) * 8 / 1000 / elapsed_s),
            "keyframes": publisher.keyframes,
            "redundancy": profile.redundancy,
            "red_packets": receiver.ear.red_packets,
            "speech": end_said - first_said,
            "speech_lost_percent": round(receiver.ear.lost_percent(first_said, end_said), 3),
            "residual_percent": round(receiver.ear.missing_percent(first_said, end_said), 3),
            "generator_cpu": round(own_s / elapsed_s, 3),
        }
        for n, (profile, receiver) in enumerate(zip(profiles, receivers, strict=True))
    ]


async def _proxy(port: int, line: Impairment, number: int) -> Proxy:
    return await Proxy.open(("127.0.0.1", port), lambda _: line, lambda _: line, _SEED + number)


async def _keep(publisher: Publisher, receivers: Sequence[Receiver]) -> None:
    """What peers do by the clock: ask again, report, renew consent."""
    began_s = time.monotonic()
    for tick in itertools.count(1):
        for receiver in receivers:
            receiver.tick()
            if tick % _REPORT_TICKS == 0:
                receiver.report()
        if tick % _CHECK_TICKS == 0:
            for peer in (publisher, *receivers):
                peer.check()
        await asyncio.sleep(max(0.0, began_s + tick * _TICK_S - time.monotonic()))


def _latencies(receiver: Receiver, first: int, end: int) -> dict[str, float]:
    told = [receiver.latencies[number] for number in range(first, end) if number in receiver.latencies]
    found = percentiles(told)
    return {"p50_ms": found["p50_ms"], "p99_ms": found["p99_ms"]}


def figures_of(
    rows: Sequence[Mapping[str, Any]], seen: Sequence[Mapping[str, Any]], why: str
) -> dict[str, Figure]:
    """The bench's figures, of the plane's rows and of a page's; ``why``: the reason when some are missing."""

    def row(publisher: str, receiver: str) -> Mapping[str, Any] | None:
        found = [r for r in rows if (r["publisher"], r["receiver"]) == (publisher, receiver)]
        return max(found, key=lambda each: int(each["redundancy"]), default=None)

    def unknown(found: Mapping[str, Any] | None) -> str:
        if found is None:
            return why or "not measured"
        if found["generator_cpu"] > VOID_ABOVE:
            return f"void: the generator used {found['generator_cpu']:.0%} of a core"
        return ""

    def repaired(publisher: str, limit: float) -> Figure:
        found = row(publisher, RECEIVER_FIGURE)
        if (reason := unknown(found)) or found is None:
            return Figure(None, limit, "%", reason, at_most=False)
        words = f"{found['numbers']} packets, {found['ever_percent']:g} % ever, p99 {found['p99_ms']:g} ms"
        return Figure(found["soon_percent"], limit, "%", words, at_most=False)

    def residual(receiver: str, limit: float) -> Figure:
        line = "clean", receiver
        found = [
            each for each in rows if (each["publisher"], each["receiver"]) == line and each["redundancy"]
        ]
        if reason := unknown(max(found, key=lambda each: float(each["generator_cpu"]), default=None)):
            return Figure(None, limit, "%", reason)
        if not all(each["red_packets"] for each in found):
            return Figure(None, limit, "%", "the plane sent no redundancy")
        said = sum(int(each["speech"]) for each in found)

        def of_all(key: str) -> float:
            return sum(float(each[key]) * int(each["speech"]) for each in found) / said

        each_left = [each["residual_percent"] for each in found]
        words = (
            f"of {said} to {len(found)} receivers, {min(each_left):g} to {max(each_left):g} each;"
            f" {of_all('speech_lost_percent'):.2f} % did not come by themselves"
        )
        return Figure(round(of_all("residual_percent"), 3), limit, "%", words)

    def others(limit: float) -> Figure:
        void = next((reason for each in seen if (reason := unknown(each))), "")
        if void or not seen:
            return Figure(None, limit, "%", void or unknown(None))
        clean = seen[0]["others_kbit_s"]
        change, line = max((abs(each["others_kbit_s"] / clean - 1) * 100, each["line"]) for each in seen)
        return Figure(round(change, 1), limit, "%", f"of {clean} kbit/s; most on the line: {line}")

    def layer_drop(limit: float) -> Figure:
        found = next((each for each in seen if each["line"] == RATES[1].name), None)
        if reason := unknown(found):
            return Figure(None, limit, "s", reason)
        if found is None or found["drop_s"] is None:
            return Figure(None, limit, "s", "the picture did not become smaller or slower")
        return Figure(found["drop_s"], limit, "s", "until a page's picture was smaller or slower")

    return {
        "repaired_percent": repaired("clean", 99.9),
        "repaired_both_percent": repaired(RECEIVER_FIGURE, 99.5),
        "residual20_percent": residual("20 %, 50 ms", 1.2),
        "residual30_percent": residual("30 %, 50 ms", 3.5),
        "others_change_percent": others(5),
        "used_percent": Figure(None, 80, "%", "there is no estimation by delay to measure", at_most=False),
        "layer_drop_s": layer_drop(2),
    }


def run(
    *,
    profiles: Sequence[Profile] = PROFILES,
    publishers: Sequence[Profile] = PUBLISHERS,
    lines: Sequence[Step] = LINES,
    rates: Sequence[Step] = RATES,
    plane: str = "native",
    seconds: float = SECONDS,
    page_seconds: float = PAGE_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """All profiles at once, with each publisher's line in turn; then a page over ``lines`` and ``rates``."""
    rows: list[dict[str, Any]] = []
    seen: list[dict[str, Any]] = []
    why = missing(plane)
    for publisher in () if why else publishers:
        say(f"publisher's line {publisher.name}: {len(profiles)} receivers for {seconds:g} s")
        try:
            rows += asyncio.run(_measure(publisher, profiles, plane, seconds))
        except (OSError, RuntimeError, TimeoutError, ValueError) as error:
            why = f"not taken: {str(error) or type(error).__name__}"
    if not missing(plane) and (lines or rates):
        try:
            seen = asyncio.run(lesson.measure(lines, rates, plane, page_seconds, say))
        except (OSError, RuntimeError, TimeoutError, ValueError) as error:
            why = f"not taken: {str(error) or type(error).__name__}"
    every = [*rows, *seen]
    generator = max((row["generator_cpu"] for row in every), default=0.0)
    packages = ("aiortc", "playwright", "pylibsrtp", "uvloop")
    return Report("network", figures_of(rows, seen, why), every, generator, packages)
