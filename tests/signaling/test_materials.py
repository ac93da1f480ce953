"""The rules of materials, films and apps, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from sfu.model import Refused
from signaling import wire
from signaling.catalog.keeping import NAMELESS
from signaling.erasing import nameless
from signaling.lesson import apps, materials
from signaling.lesson.change import Moment
from signaling.lesson.fields import SHOWN
from signaling.replica import Record, View
from signaling.roles import decide
from signaling.wire import AppField, FilmField, MaterialField, ScoreField, SharingField, ShownField
from tests.signaling.test_rules import CO, LATER, MASHA, NOW, PETYA, TEACHER, after, full, made, refusal


def file(group: Any = "video", **values: Any) -> MaterialField:
    plain: dict[str, Any] = {"kind": "file", "name": "Опыт.mp4", "by": "t", "at_ms": 1, "place": 1.0}
    return MaterialField(**(plain | {"group": group, "media_type": "video/mp4", "bytes": 9} | values))


MATERIALS: dict[str, Any] = {
    "material/f": file(),
    "material/d": file("pdf", name="План.pdf", place=2.0),
    "material/a": MaterialField("app", "Лаборатория", "t", 1, 3.0, url="https://app.example/"),
    "app/a": AppField("Лаборатория", "https://app.example/"),
    "film/f": FilmField("paused", 0, 1, "t"),
}


def lesson_with(**values: Any) -> dict[str, Any]:
    return full() | MATERIALS | values


def order(state: dict[str, Any]) -> list[str]:
    return [each for each, _ in sorted(materials.materials(state), key=lambda found: found[1].place)]


@pytest.mark.parametrize(
    ("typed", "kept", "name"),
    [
        ("https://ru.wikipedia.org/wiki/Опыт", "https://ru.wikipedia.org/wiki/Опыт", "ru.wikipedia.org"),
        (" example.org ", "https://example.org/", "example.org"),
        ("https://EXAMPLE.org:443/a?b=1#c", "https://example.org/a?b=1#c", "example.org"),
        ("https://школа.рф/", "https://xn--80aa3ac5ag.xn--p1ai/", None),
    ],
)
def test_links_lead_to_other_sites_by_https(typed: str, kept: str, name: str | None) -> None:
    if name is None:
        assert materials.checked(typed).startswith("https://xn--")
        return
    change = made(full(), TEACHER, wire.AddLink(1, typed))
    (field,) = change.set.values()
    assert (field.url, field.name, field.kind) == (kept, name, "link")


@pytest.mark.parametrize(
    "typed",
    [
        "http://example.org", "javascript:alert(1)", "data:text/html,x", "https://", "https://localhost/",
        "https://127.0.0.1/", "https://[::1]/", "https://teacher:secret@example.org/", "https://a b.org/",
        "https://example.org/\u202egpj.exe", "ftp://example.org", "https://exa\"mple.org", "//example.org",
        "https://1.2.3/", "https://example.org:99999/",
    ],
)  # fmt: skip
def test_other_links_are_refused(typed: str) -> None:
    assert refusal(full(), TEACHER, wire.AddLink(1, typed)) == "link_refused"


def test_materials_are_named_and_ordered() -> None:
    state = lesson_with()
    named = after(state, made(state, CO, wire.NameMaterial(1, "f", " Новое\u202e имя ")))
    assert named["material/f"].name == "Новое имя"
    assert decide(named, CO, wire.NameMaterial(1, "f", "Новое имя"), NOW) is None
    assert order(after(state, made(state, CO, wire.MoveMaterial(1, "a", "f")))) == ["a", "f", "d"]
    assert order(after(state, made(state, CO, wire.MoveMaterial(1, "a", "d")))) == ["f", "a", "d"]
    assert order(after(state, made(state, CO, wire.MoveMaterial(1, "f")))) == ["d", "a", "f"]
    assert decide(state, CO, wire.MoveMaterial(1, "f", "f"), NOW) is None
    assert refusal(state, CO, wire.MoveMaterial(1, "f", "x")) == "not_found"
    assert refusal(state, CO, wire.NameMaterial(1, "x", "Y")) == "not_found"
    assert refusal(state, CO, wire.NameMaterial(1, "f", " ")) == "text_empty"


def test_there_is_a_most() -> None:
    many = full() | {f"material/{n}": file(place=float(n)) for n in range(wire.MAX_MATERIALS)}
    assert refusal(many, TEACHER, wire.AddLink(1, "https://example.org")) == "materials_full"


def test_students_add_files_when_they_may_and_nothing_else() -> None:
    with pytest.raises(Refused, match="not_allowed"):
        materials.add(full(), MASHA, "x", file(by="m"))
    allowed = full() | {"sharing": SharingField(True)}
    change = materials.add(allowed, MASHA, "x", file(by="m"))
    assert change is not None
    assert "sharing" in change.rests_on()
    with pytest.raises(Refused, match="not_allowed"):
        materials.add(allowed, MASHA, "x", MaterialField("link", "x", "m", 1, 0.0, url="https://x.org/"))
    assert decide(allowed, TEACHER, wire.SetSharing(1, students=True), NOW) is None


def test_what_is_removed_is_shown_no_more() -> None:
    state = lesson_with(shown=ShownField("film", "f", "t"))
    change = materials.remove(state, CO, "f")
    assert change is not None
    assert set(change.delete) == {"material/f", "film/f", SHOWN}
    other = materials.remove(state, CO, "a")
    assert other is not None
    assert set(other.delete) == {"material/a", "app/a"}
    with pytest.raises(Refused, match="not_allowed"):
        materials.remove(state, MASHA, "f")
    assert materials.remove(lesson_with(**{"material/f": file(by="m")}), MASHA, "f") is not None
    with pytest.raises(Refused, match="not_allowed"):
        materials.remove(lesson_with(**{"material/f": file(by="m")}), PETYA, "f")


def test_a_film_is_shown_paused_and_played_by_server_time() -> None:
    state = {path: value for path, value in lesson_with().items() if path != "film/f"}
    change = made(state, TEACHER, wire.ShowFilm(1, "f"))
    assert change.kind == "shown"
    assert change.set["film/f"] == FilmField("paused", 0, NOW.now_ms, "t")
    assert change.set[SHOWN] == ShownField("film", "f", "t")
    shown = after(state, change)
    assert decide(shown, CO, wire.ShowFilm(1, "f"), NOW) is None
    playing = decide(shown, CO, wire.PlayFilm(1, "f", "playing", 1500), LATER)
    assert playing is not None
    assert playing.set == {"film/f": FilmField("playing", 1500, LATER.now_ms, "c")}
    assert "material/f" in playing.rests_on()
    assert decide(shown, CO, wire.PlayFilm(1, "f", "paused", 0), LATER) is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (wire.ShowFilm(1, "x"), "not_found"),
        (wire.ShowFilm(1, "d"), "bad_request"),
        (wire.ShowFilm(1, "a"), "bad_request"),
        (wire.PlayFilm(1, "d", "playing", 0), "bad_request"),
        (wire.PlayFilm(1, "g", "playing", 0), "not_found"),
    ],
)
def test_nothing_else_is_a_film(message: Any, code: str) -> None:
    assert refusal(lesson_with(**{"material/g": file()}), TEACHER, message) == code


def test_results_are_the_students_own_and_the_leaders() -> None:
    state = lesson_with()
    change = made(state, MASHA, wire.Score(1, "a", 7, 10))
    path = "score/m/a"
    assert change.set == {path: ScoreField(7, 10, 1, NOW.now_ms)}
    assert View.STUDENT.sees(path, "m")
    assert View.LEADER.sees(path)
    assert not View.STUDENT.sees(path, "p")
    told = after(state, change)
    again = decide(told, MASHA, wire.Score(1, "a", 8, 10), Moment(NOW.now_ms + 1000, "x"))
    assert again is not None
    assert again.set[path].tries == 2
    assert decide(told, MASHA, wire.Score(1, "a", 7, 10), LATER) is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (wire.Score(1, "x", 1, 2), "not_found"),
        (wire.Score(1, "a", 3, 2), "bad_request"),
        (wire.Score(1, "a", 0, 0), "bad_request"),
        (wire.Score(1, "a", float("nan"), 2), "bad_request"),
        (wire.Score(1, "a", 2, 2), "rate_limited"),
    ],
)
def test_results_that_are_none(message: wire.Score, code: str) -> None:
    state = lesson_with(**{"score/m/a": ScoreField(1, 2, 1, NOW.now_ms - apps.LEAST_MS + 1)})
    assert refusal(state, MASHA, message) == code
    tired = lesson_with(**{"score/m/a": ScoreField(1, 2, apps.MAX_TRIES, 1)})
    assert refusal(tired, MASHA, wire.Score(1, "a", 2, 2)) == "rate_limited"


def test_who_is_erased_has_no_name_on_what_they_brought() -> None:
    def event(by: str) -> Record:
        field = {"kind": "file", "name": "Маша, 7Б.png", "by": by, "at_ms": 1, "place": 1.0, "url": ""}
        return Record(1, "material_added", 1, by, {"material/x": field})

    change = nameless({"m"}, teacher=False)
    assert change(event("m")).set["material/x"]["name"] == NAMELESS
    assert change(event("p")) == event("p")
