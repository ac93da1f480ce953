"""The status page: whose language, what it shows, that it loads nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import aiohttp
import pytest

from signaling import metrics
from signaling.status_page import _WORDS, HEADERS, Language, chosen_language, status_page
from signaling.watch import NOT_READY, STOOD_STILL
from tests.signaling.parts import School, until_answer

LANGUAGES: tuple[Language, ...] = ("ru", "en")


def figures(**changed: Any) -> dict[str, Any]:
    share = {"due": 40, "met": 37, "percent": 92.5, "target": 95, "within_s": 5}
    worker = {
        "worker": "w0", "plane": "native", "lessons": 3, "transports": 30, "max_transports": 120, "cpu": 0.5,
        "draining": False,
    }  # fmt: skip
    return {
        "process": "abc", "uptime_s": 3725, "redis": True, "sql": True, "not_live": {}, "not_ready": {},
        "workers": [worker], "lessons": 9, "live": 7, "people": 123, "waiting": 4, "sockets": 127,
        "unarchived": 2, "refused": {"link_unknown": 3, "lesson_full": 11},
        "objectives": {
            "started": share,
            "heard": share | {"met": 40, "percent": 100.0, "within_s": 3},
            "held": share | {"due": 0, "met": 0, "percent": None, "within_s": None},
        },
    } | changed  # fmt: skip


class Text(HTMLParser):
    """What a page shows, and what it would load; fails for tags that are not closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.addresses: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "iframe", "link")
        named = dict(attributes)
        assert "style" not in named, "the page's own policy would drop it"
        self.addresses += [str(named[name]) for name in ("src", "href", "action") if name in named]
        if tag not in ("meta", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.shown.append(data)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("ru", "ru"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8", "ru"),
        ("en-GB,en;q=0.9,ru;q=0.8", "en"),
        ("de,fr;q=0.9", "en"),
        ("de, ru;q=0.2, en;q=0.1", "ru"),
        ("en;q=0, ru;q=0.1", "ru"),
        ("ru;q=zero, en;q=0.5", "en"),
        ("ru; q=0.3 , EN-us; q=0.4", "en"),
    ],
)
def test_language_is_what_the_browser_likes_most(accepted: str, language: str) -> None:
    assert chosen_language(accepted) == language


def test_both_languages_say_the_same_things_and_name_every_fault() -> None:
    assert _WORDS["ru"].keys() == _WORDS["en"].keys()
    assert {*NOT_READY, STOOD_STILL} <= _WORDS["en"].keys()
    for words in zip(_WORDS["ru"].values(), _WORDS["en"].values(), strict=True):
        ru, en = (sorted(re.findall(r"{[^}]*}", text)) for text in words)
        assert ru == en


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_is_shown_and_nothing_is_loaded(language: Language) -> None:
    text = Text(status_page(figures(), language))
    words = _WORDS[language]
    assert not text.addresses
    for wanted in (
        "92.5 %", words["of"].format(met=37, due=40, target=95), words["nothing"], "w0 (native)",
        words["load"].format(state=words["takes"], taken=30, room=120, lessons=3, cpu=0.5), "11", "123",
        "lesson_full", words["ready"], words["h"].format(1, 2),
    ):  # fmt: skip
        assert any(wanted in shown for shown in text.shown), wanted
    assert text.shown.index("lesson_full") < text.shown.index("link_unknown"), "the most come first"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"not_ready": {"no_worker": "x", "draining": "x"}}, ("not_ready", "no_worker", "draining")),
        ({"not_live": {"loop_stood_still": "x"}}, ("loop_stood_still",)),
        ({"redis": False}, ("silent",)),
        ({"workers": []}, ("no_workers",)),
        ({"refused": {}}, ("no_refused",)),
    ],
)
def test_faults_are_said_in_words(
    changed: Mapping[str, Any], words: tuple[str, ...], language: Language
) -> None:
    shown = "".join(Text(status_page(figures(**changed), language)).shown)
    for name in words:
        assert _WORDS[language][name] in shown


@pytest.mark.parametrize(("changed", "word"), [({"draining": True}, "drains"), ({"transports": 120}, "full")])
def test_a_worker_that_takes_no_lessons_says_why(changed: Mapping[str, Any], word: str) -> None:
    worker = figures()["workers"][0] | changed
    shown = Text(status_page(figures(workers=[worker]), "en")).shown
    assert any(each.startswith(_WORDS["en"][word] + "; ") for each in shown)


def test_what_others_named_is_text() -> None:
    worker = figures()["workers"][0] | {"worker": "<script>alert(1)</script>"}
    page = status_page(figures(workers=[worker], refused={"<b>": 1}), "ru")
    assert "<script>alert(1)</script> (native)" in Text(page).shown
    assert "<b>" in Text(page).shown


def test_its_style_is_the_one_its_policy_allows() -> None:
    style = re.findall("<style>(.*?)</style>", status_page(figures(), "en"), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in HEADERS["Content-Security-Policy"]
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    assert "url(" not in style[0]


@pytest.mark.asyncio
async def test_the_admin_listener_serves_it_with_live_figures(school: School) -> None:
    admin = f"http://127.0.0.1:{school.signalling.admin_port}/status"
    teacher = await school.teacher()
    lesson = await school.lesson(teacher)
    await teacher.enter(lesson.teacher_link)
    assert await school.person().join("http://x/l/0000000000000", "Маша") == "link_unknown"
    async with aiohttp.ClientSession() as http:

        async def status() -> dict[str, Any]:
            async with http.get(admin) as answer:
                said: dict[str, Any] = await answer.json()
            return said

        async def complete() -> bool:
            said = await status()
            return bool(said["workers"]) and not said["not_ready"]

        await until_answer(complete, "workers in the status")
        said = await status()
        assert (said["live"], said["people"], said["lessons"]) == (1, 1, 1)
        assert said["refused"] == metrics.values(metrics.refused)
        assert said["refused"]["link_unknown"] >= 1
        assert said["objectives"]["held"]["due"] >= 1
        for language, title in (("ru-RU", "Звонок: состояние"), ("en", "Zvonok: status")):
            asked = {"Accept": "text/html", "Accept-Language": language}
            async with http.get(admin, headers=asked) as answer:
                assert title in Text(await answer.text()).shown
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert teacher.me not in str(said) + status_page(said, "en"), "an id of a person"
        assert lesson.lesson not in str(said), "an id of a lesson"
