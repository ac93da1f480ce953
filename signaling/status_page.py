"""The status as a page for those who run the server. Pure: figures and a language in, HTML out."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final, Literal

Language = Literal["ru", "en"]
REFRESH_S: Final = 5

STYLE: Final = """
:root{color-scheme:light dark;--ground:#f3f5f9;--surface:#fff;--ink:#151b27;--faint:#5b6474}
:root{--bad:#b3261e;--good:#1b6e3c}
@media(prefers-color-scheme:dark){
:root{--ground:#10141c;--surface:#1b2130;--ink:#e8ecf4;--faint:#a3adbf;--bad:#ff8a80;--good:#7fd8a0}}
*{box-sizing:border-box}
body{margin:0;padding:12px;background:var(--ground);color:var(--ink)}
body{font:1rem/1.45 "Noto Sans",system-ui,sans-serif}
main{max-width:960px;margin:0 auto}
h1{font-size:1.4rem;margin:.2em 0}h2{font-size:1.1rem;margin:0 0 .5em}
section{background:var(--surface);border-radius:12px;padding:12px;margin:12px 0}
p,ul{margin:.3em 0}small{color:var(--faint);display:block}
.bad{color:var(--bad);font-weight:600}.good{color:var(--good);font-weight:600}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:8px;margin:0}
dt{color:var(--faint);font-size:.875rem}dd{margin:0;font-size:1.25rem;overflow-wrap:anywhere}
.goals{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:16px}
.goals b{font-size:1.6rem}meter{width:100%;height:12px}
table{border-collapse:collapse;font-size:.875rem}
th,td{text-align:left;padding:4px 24px 4px 0;overflow-wrap:anywhere}
td+td,th+th{text-align:right;padding-right:0}
"""

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept, Accept-Language",
}

_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "ru": {
        "title": "Звонок: состояние",
        "about": "Процесс {process}, работает {uptime}. Всё посчитано в этом процессе с его запуска, сумму "
        "по всем даёт Prometheus. Страница обновляется каждые {refresh} с.",
        "ready": "Принимает уроки",
        "not_ready": "Не принимает уроки",
        "redis_unreachable": "Redis не отвечает",
        "sql_unreachable": "база данных не отвечает",
        "no_worker": "ни один медиапроцесс не принимает уроки",
        "draining": "процесс завершает работу",
        "loop_stood_still": "цикл событий недавно стоял",
        "objectives": "Цели",
        "started": "Уроки начались вовремя",
        "started_of": "в эфире за {within} с после того, как учитель нажал «Начать урок»",
        "heard": "Учителя слышно",
        "heard_of": "звук учителя идёт к ученику за {within} с",
        "held": "Созданные уроки прошли",
        "held_of": "урок хотя бы раз был в эфире",
        "of": "{met} из {due}, цель {target} %",
        "nothing": "пока не с чего считать",
        "now": "Сейчас",
        "live": "Уроков в эфире",
        "lessons": "Уроков в памяти",
        "people": "Людей на уроках",
        "waiting": "Ждут учителя",
        "sockets": "Соединений",
        "unarchived": "Событий ещё не в базе",
        "redis": "Redis",
        "sql": "База данных",
        "answers": "отвечает",
        "silent": "не отвечает",
        "workers": "Медиапроцессы",
        "no_workers": "Ни одного не зарегистрировано.",
        "load": "{state}; соединений {taken} из {room}, уроков {lessons}, ядер {cpu:.2f}",
        "takes": "принимает",
        "full": "заполнен",
        "drains": "выводится",
        "refused": "Отказы",
        "no_refused": "Отказов не было.",
        "code": "код",
        "count": "сколько",
        "d": "{} д {} ч",
        "h": "{} ч {} мин",
        "m": "{} мин {} с",
    },
    "en": {
        "title": "Zvonok: status",
        "about": "Process {process}, up for {uptime}. All of this is counted in this process since it "
        "started; Prometheus sums over all. The page refreshes itself every {refresh} s.",
        "ready": "Takes lessons",
        "not_ready": "Takes no lessons",
        "redis_unreachable": "Redis does not answer",
        "sql_unreachable": "the database does not answer",
        "no_worker": "no worker takes lessons",
        "draining": "the process is closing",
        "loop_stood_still": "the event loop stood still a moment ago",
        "objectives": "Objectives",
        "started": "Lessons started on time",
        "started_of": "live within {within} s of the teacher's wish to begin",
        "heard": "Teacher heard",
        "heard_of": "the teacher's sound goes to a student within {within} s",
        "held": "Lessons made were held",
        "held_of": "the lesson was live at least once",
        "of": "{met} of {due}, target {target} %",
        "nothing": "nothing to count yet",
        "now": "Now",
        "live": "Lessons live",
        "lessons": "Lessons in memory",
        "people": "People in lessons",
        "waiting": "Waiting for a teacher",
        "sockets": "Connections",
        "unarchived": "Events not in SQL yet",
        "redis": "Redis",
        "sql": "Database",
        "answers": "answers",
        "silent": "does not answer",
        "workers": "Workers",
        "no_workers": "None is registered.",
        "load": "{state}; {taken} of {room} connections, {lessons} lessons, {cpu:.2f} cores",
        "takes": "takes lessons",
        "full": "full",
        "drains": "draining",
        "refused": "Refusals",
        "no_refused": "None.",
        "code": "code",
        "count": "how many",
        "d": "{} d {} h",
        "h": "{} h {} min",
        "m": "{} min {} s",
    },
}


def chosen_language(accepted: str) -> Language:
    """The one of ours that an Accept-Language header (RFC 9110, 12.5.4) likes most; English when none is."""
    best: tuple[float, Language] = (0.0, "en")
    for part in accepted.split(","):
        tag, _, parameters = part.partition(";")
        name, _, value = parameters.strip().partition("=")
        try:
            quality = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        base = tag.strip().lower().partition("-")[0]
        if base in ("ru", "en") and quality > best[0]:
            best = (quality, "ru" if base == "ru" else "en")
    return best[1]


def status_page(figures: Mapping[str, Any], language: Language) -> str:
    """``figures`` as ``Signalling.status`` gives them."""
    words = _WORDS[language]
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="refresh" content="{REFRESH_S}"><title>{words["title"]}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{words['title']}</h1>"
        + _readiness(figures, words)
        + _section(words["objectives"], _objectives(figures["objectives"], words))
        + _section(words["now"], _now(figures, words))
        + _section(words["workers"], _workers(figures["workers"], words))
        + _section(words["refused"], _refusals(figures["refused"], words))
        + f"<small>{_about(figures, words)}</small></main></body></html>"
    )


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>{body}</section>"


def _readiness(figures: Mapping[str, Any], words: Mapping[str, str]) -> str:
    faults = [*figures["not_live"], *figures["not_ready"]]
    if not faults:
        return f'<p class="good">{words["ready"]}</p>'
    lines = "".join(
        f"<li>{escape(words.get(code, code))} <code>{escape(code)}</code></li>" for code in faults
    )
    said = f'<p class="bad">{words["not_ready"]}</p>' if figures["not_ready"] else ""
    return f'{said}<ul class="bad">{lines}</ul>'


def _objectives(objectives: Mapping[str, Mapping[str, Any]], words: Mapping[str, str]) -> str:
    cards = []
    for name, share in objectives.items():
        percent, target = share["percent"], share["target"]
        if percent is None:
            figure = f"<p>{words['nothing']}</p>"
        else:
            sign = "good" if percent >= target else "bad"
            counted = words["of"].format(met=share["met"], due=share["due"], target=target)
            figure = (
                f'<p><b class="{sign}">{percent:g} %</b></p>'
                f'<meter min="0" max="100" low="{target}" high="{target}" optimum="100" value="{percent:g}">'
                f"</meter><small>{counted}</small>"
            )
        promise = words[f"{name}_of"].format(within=share["within_s"])
        cards.append(f"<div>{words[name]}<small>{promise}</small>{figure}</div>")
    return f'<div class="goals">{"".join(cards)}</div>'


def _now(figures: Mapping[str, Any], words: Mapping[str, str]) -> str:
    rows = [(words[name], str(figures[name])) for name in ("live", "people", "waiting", "lessons", "sockets")]
    rows.append((words["unarchived"], str(figures["unarchived"])))
    cells = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    for name in ("redis", "sql"):
        sign, said = ("good", words["answers"]) if figures[name] else ("bad", words["silent"])
        cells += f'<div><dt>{words[name]}</dt><dd class="{sign}">{said}</dd></div>'
    return f"<dl>{cells}</dl>"


def _workers(workers: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> str:
    if not workers:
        return f'<p class="bad">{words["no_workers"]}</p>'
    cards = []
    for worker in workers:
        taken, room = worker["transports"], worker["max_transports"]
        state = words["drains"] if worker["draining"] else words["full"] if taken >= room else words["takes"]
        said = words["load"].format(
            state=state, taken=taken, room=room, cpu=worker["cpu"], lessons=worker["lessons"]
        )
        cards.append(
            f"<div>{escape(worker['worker'])} ({escape(worker['plane'])})"
            f'<meter min="0" max="{room}" high="{room * 0.8:g}" optimum="0" value="{taken}"></meter>'
            f"<small>{said}</small></div>"
        )
    return f'<div class="goals">{"".join(cards)}</div>'


def _refusals(refused: Mapping[str, int], words: Mapping[str, str]) -> str:
    if not refused:
        return f"<p>{words['no_refused']}</p>"
    most = sorted(refused.items(), key=lambda each: (-each[1], each[0]))
    rows = "".join(f"<tr><td>{escape(code)}</td><td>{count}</td></tr>" for code, count in most)
    heads = f"<tr><th>{words['code']}</th><th>{words['count']}</th></tr>"
    return f"<table><thead>{heads}</thead><tbody>{rows}</tbody></table>"


def _about(figures: Mapping[str, Any], words: Mapping[str, str]) -> str:
    minutes, seconds = divmod(int(figures["uptime_s"]), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        uptime = words["d"].format(days, hours)
    elif hours:
        uptime = words["h"].format(hours, minutes)
    else:
        uptime = words["m"].format(minutes, seconds)
    return words["about"].format(process=escape(str(figures["process"])), uptime=uptime, refresh=REFRESH_S)
