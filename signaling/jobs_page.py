"""Jobs behind video lessons as a page for operators. Pure: jobs and a language in, HTML out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final

from signaling.catalog.jobs import TRIES, Job
from signaling.status_page import HEADERS as STATUS_HEADERS
from signaling.status_page import REFRESH_S, STYLE, Language
from signaling.wire import JobState

HEADERS: Final = STATUS_HEADERS | {
    "Content-Security-Policy": STATUS_HEADERS["Content-Security-Policy"] + "; form-action 'self'",
    "Referrer-Policy": "same-origin",  # without one a browser says of its own form that it comes from nowhere
}

_WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "ru": {
        "title": "Звонок: задания к видеоурокам",
        "about": "Что делается с видеоуроками после публикации. Страница обновляется каждые {refresh} с.",
        "running": "Делаются",
        "waiting": "Ждут",
        "failed": "Не удались",
        "done": "Сделаны",
        "none": "Нет.",
        "chapters": "Главы",
        "thumbnails": "Миниатюры",
        "sound": "Громкость",
        "composite": "MP4",
        "progress": "{percent} %, попытка {tries} из {of}, начато в {since}",
        "queued": "в очереди с {since}",
        "again_at": "попытка {tries} не удалась: {why} Следующая в {due}.",
        "kept": "{why} Следующая попытка в {due}.",
        "ended": "{why} Попыток: {tries}, последняя закончилась в {ended}.",
        "retry": "Попробовать снова",
        "no_video": "В папке нет видео.",
        "damaged": "Видео повреждено, его не удалось прочитать.",
        "too_large": "Картинка или длительность больше, чем можно обработать.",
        "no_room": "На диске кончилось место.",
        "store_away": "Хранилище файлов не отвечает.",
        "too_slow": "Не уложилось в отведённое время.",
        "died": "Процесс внезапно закончился, возможно, не хватило памяти.",
        "lost": "Исполнитель каждый раз пропадал.",
        "internal": "Ошибка в программе, подробности в журнале jobs-0.log.",
    },
    "en": {
        "title": "Zvonok: jobs behind video lessons",
        "about": "What is made of video lessons after they are published. The page refreshes itself every "
        "{refresh} s.",
        "running": "Running",
        "waiting": "Waiting",
        "failed": "Failed",
        "done": "Done",
        "none": "None.",
        "chapters": "Chapters",
        "thumbnails": "Thumbnails",
        "sound": "Loudness",
        "composite": "MP4",
        "progress": "{percent} %, try {tries} of {of}, since {since}",
        "queued": "queued since {since}",
        "again_at": "try {tries} failed: {why} The next one is at {due}.",
        "kept": "{why} The next try is at {due}.",
        "ended": "{why} Tries: {tries}, the last one ended at {ended}.",
        "retry": "Try again",
        "no_video": "There is no video in the folder.",
        "damaged": "The video is damaged and could not be read.",
        "too_large": "The picture or the length is more than can be worked on.",
        "no_room": "There was no room left on the disk.",
        "store_away": "The store of files does not answer.",
        "too_slow": "It took longer than it may.",
        "died": "The process ended suddenly, perhaps for want of memory.",
        "lost": "Whoever worked on it was lost each time.",
        "internal": "An error in the program; the log jobs-0.log says more.",
    },
}
_SECTIONS: Final[tuple[JobState, ...]] = ("running", "failed", "waiting")


def jobs_page(counts: Mapping[JobState, int], listed: Sequence[Job], now_ms: int, language: Language) -> str:
    """``counts`` of all jobs, ``listed`` those that are shown one by one."""
    words = _WORDS[language]
    totals = "".join(
        f"<div><dt>{words[state]}</dt><dd>{counts.get(state, 0)}</dd></div>" for state in (*_SECTIONS, "done")
    )
    sections = "".join(
        f"<section><h2>{words[state]}</h2>{_jobs(some, now_ms, words)}</section>"
        for state in _SECTIONS
        for some in ([each for each in listed if each.state == state],)
    )
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="refresh" content="{REFRESH_S}"><title>{words["title"]}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{words['title']}</h1>"
        f"<section><dl>{totals}</dl></section>{sections}"
        f"<small>{words['about'].format(refresh=REFRESH_S)}</small></main></body></html>"
    )


def sentence(job: Job, now_ms: int, language: Language) -> str:
    """What there is to say of a job."""
    return _sentence(job, now_ms, _WORDS[language])


def _jobs(jobs: Sequence[Job], now_ms: int, words: Mapping[str, str]) -> str:
    if not jobs:
        return f"<p>{words['none']}</p>"
    return f"<ul>{''.join(_job(each, now_ms, words) for each in jobs)}</ul>"


def _job(job: Job, now_ms: int, words: Mapping[str, str]) -> str:
    bar = f'<meter min="0" max="100" value="{job.progress}"></meter>' if job.state == "running" else ""
    button = ""
    if job.state == "failed" or (job.state == "waiting" and job.due_at_ms > now_ms):
        button = (
            '<form method="post" action="/jobs">'
            f'<input type="hidden" name="recording" value="{escape(job.recording)}">'
            f'<input type="hidden" name="step" value="{job.step}"><button>{words["retry"]}</button></form>'
        )
    return (
        f"<li>{words[job.step]} <code>{escape(job.recording)}</code>"
        f"<small>{escape(_sentence(job, now_ms, words))}</small>{bar}{button}</li>"
    )


def _sentence(job: Job, now_ms: int, words: Mapping[str, str]) -> str:
    why = words.get(job.error or "", job.error or "")
    if job.state == "running":
        return words["progress"].format(
            percent=job.progress, tries=job.tries, of=TRIES, since=_time(job.started_at_ms)
        )
    if job.state == "failed":
        return words["ended"].format(why=why, tries=job.tries, ended=_time(job.ended_at_ms))
    if job.error is not None and job.due_at_ms > now_ms:
        if job.error == "store_away":  # no failure of the job's, and not counted
            return words["kept"].format(why=why, due=_time(job.due_at_ms))
        return words["again_at"].format(tries=job.tries, why=why, due=_time(job.due_at_ms))
    return words["queued"].format(since=_time(job.queued_at_ms))


def _time(at_ms: int | None) -> str:
    """On this machine's clock."""
    if at_ms is None:
        return "-"
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M")
