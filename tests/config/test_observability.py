"""The board and the alerts: every metric in them is one that is counted, every alert has its passage."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client import PROCESS_COLLECTOR, Counter, Gauge, Histogram

from signaling import metrics, objectives

ROOT: Final = Path(__file__).resolve().parents[2]
BOARD: Final = ROOT / "config" / "grafana" / "zvonok.json"
ALERTS: Final = ROOT / "config" / "prometheus" / "alerts.yml"
OPS: Final = ROOT / "docs" / "ops.md"
OF_PROMETHEUS: Final = {"up"}
"""What Prometheus says of a target itself."""
TARGET_LABELS: Final = {"job", "instance"}
_WORD: Final = re.compile(r"\b[a-z_][a-z0-9_]*\b")
_FUNCTIONS: Final = {
    "and", "by", "clamp_max", "histogram_quantile", "increase", "le", "max", "min", "or", "rate", "sum",
}  # fmt: skip


def counted() -> dict[str, set[str]]:
    """Every sample that is served -> its labels."""
    found: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            labels = {*metric._labelnames, "le"}
            for family in metric.describe():
                suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
                for suffix in suffixes.get(family.type, ("",)):
                    found[family.name + suffix] = labels
    for family in PROCESS_COLLECTOR.collect():
        found[family.name + ("_total" if family.type == "counter" else "")] = set()
    return found


def faults(expression: str) -> Iterator[str]:
    """What of a query names nothing, or is not closed."""
    known = counted()
    for opened, closed in ("()", "[]", "{}"):
        if expression.count(opened) != expression.count(closed):
            yield f"{opened} is not closed"
    bare = re.sub(r'"[^"]*"', '""', expression)
    labels = set(re.findall(r"([a-z_]+)\s*=~?\"", bare))
    for group in re.findall(r"by \(([^)]*)\)", bare):
        labels |= {label.strip() for label in group.split(",")}
    used = {
        word
        for word in _WORD.findall(re.sub(r"\[[^]]*\]", "", bare))
        if word not in _FUNCTIONS and word not in labels
    }
    yield from (f"{name} is not counted" for name in sorted(used - known.keys() - OF_PROMETHEUS))
    there = set().union(*(known.get(name, set()) for name in used)) | TARGET_LABELS
    yield from (f"{label} is no label here" for label in sorted(labels - there))
    if not used:
        yield "no metric"


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ('sum by (code) (rate(zvonok_refused_total{code="x"}[5m])) > 0.1', []),
        ('up{job="zvonok"} == 0', []),
        ("rate(process_cpu_seconds_total[1m])", []),
        ("histogram_quantile(0.9, sum by (le) (rate(zvonok_hello_seconds_bucket[1m])))", []),
        ("zvonok_refused > 0", ["zvonok_refused is not counted"]),
        ("sum by (person) (zvonok_refused_total)", ["person is no label here"]),
        ("sum(zvonok_clients", ["( is not closed"]),
        ("1 > 0", ["no metric"]),
    ],
)
def test_a_query_is_held_against_what_is_counted(expression: str, wrong: list[str]) -> None:
    assert list(faults(expression)) == wrong


def board() -> Any:
    return json.loads(BOARD.read_text(encoding="utf-8"))


def test_the_boards_queries_ask_for_what_is_counted() -> None:
    panels = board()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert not list(faults(target["expr"])), (panel["title"], target["expr"])


def test_the_board_shows_bells_refusals_workers_redis_objectives_and_lag() -> None:
    asked = " ".join(target["expr"] for panel in board()["panels"] for target in panel["targets"])
    for name in (
        "zvonok_hello_seconds_count", "zvonok_refused_total", "zvonok_worker_cpu_cores",
        "zvonok_worker_datagrams", "zvonok_redis_up", "zvonok_objective_met_total",
        "zvonok_loop_lag_seconds_bucket",
    ):  # fmt: skip
        assert name in asked
    for objective in objectives.Objective:
        assert f'objective="{objective.value}"' in asked


def test_panels_do_not_overlap() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board()["panels"]:
        at = panel["gridPos"]
        for cell in ((at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])):
            assert cell[0] < 24
            assert cell not in taken, (panel["title"], taken.get(cell))
            taken[cell] = panel["title"]


_RULE: Final = re.compile(
    r"      - alert: (?P<alert>Zvonok[A-Za-z]+)\n"
    r"        expr: '(?P<expr>[^'\n]+)'\n"
    r"        for: (?P<held>\d+[smhd])\n"
    r"        labels:\n"
    r"          severity: (?P<severity>page|ticket)\n"
    r"        annotations:\n"
    r"          summary: '(?P<summary>[^'\n]+)'\n"
    r"          runbook_url: '(?P<page>[^#'\n]+)#(?P<anchor>[^'\n]+)'\n"
)
_GROUP: Final = (
    r"  - name: zvonok-[a-z]+\n    rules:\n(?:" + re.sub("[?]P<[a-z]+>", "?:", _RULE.pattern) + ")+"
)
_FILE: Final = re.compile(rf"(?:#[^\n]*\n)*groups:\n(?:{_GROUP})+")
"""The one shape that the file has: a subset of YAML in which nothing is left to its rules of quoting."""


def rules() -> list[re.Match[str]]:
    return list(_RULE.finditer(ALERTS.read_text(encoding="utf-8")))


def test_the_alerts_file_has_its_one_shape() -> None:
    text = ALERTS.read_text(encoding="utf-8")
    assert _FILE.fullmatch(text)
    assert len({rule["alert"] for rule in rules()}) == text.count("- alert:") > 10


def test_alerts_ask_for_what_is_counted() -> None:
    for rule in rules():
        assert not list(faults(rule["expr"])), rule["alert"]


def test_each_alert_leads_to_its_passage_and_each_passage_has_its_alert() -> None:
    text = OPS.read_text(encoding="utf-8")
    passages = re.findall(r"^### (Zvonok\w+)$", text, re.MULTILINE)
    assert passages == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert (ROOT / rule["page"]) == OPS
        assert rule["anchor"] == rule["alert"].lower(), "as headings become anchors"


def test_alerts_on_objectives_keep_their_target() -> None:
    share = f"{objectives.TARGET_PERCENT / 100:g}"
    for objective in objectives.Objective:
        held = [rule["expr"] for rule in rules() if f'objective="{objective.value}"' in rule["expr"]]
        assert held
        assert all(f"< {share} and " in expression for expression in held)


def test_failures_are_there_before_the_first_one() -> None:
    """Prometheus sees no growth in a series that begins with its first fault."""
    places: set[str] = set()
    for path in (ROOT / "signaling").rglob("*.py"):
        places |= set(re.findall(r'failures\.labels\("(\w+)"\)', path.read_text(encoding="utf-8")))
    assert places
    assert places <= metrics.values(metrics.failures).keys()
