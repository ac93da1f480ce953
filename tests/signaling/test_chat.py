"""The chat as tables: who may write what to whom, what waits, what goes, who sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sfu.model import Refused
from signaling import wire
from signaling.lesson.change import Actor, Change, Moment
from signaling.replica import Replica, View, record
from signaling.roles import decide
from signaling.wire import ChatField, ChatRulesField, HeldField
from tests.signaling.test_rules import CO, MASHA, NOW, PETYA, TEACHER, after, full, made, refusal

BAD = Moment(NOW.now_ms, "tok", ("дурак*",))
SAID = "0000001000000-tok"


def rules(**values: Any) -> dict[str, Any]:
    return full() | {"chat_rules": ChatRulesField(**values)}


def say(text: str, **values: Any) -> wire.Chat:
    return wire.Chat(1, text, **values)


@pytest.mark.parametrize(
    ("state", "actor", "message", "kind", "path"),
    [
        (rules(), MASHA, say("hi"), "chat", "chat"),
        (rules(), MASHA, say("see school.example.ru"), "chat_held", "held/m"),
        (rules(links="allowed"), MASHA, say("see https://school.ru"), "chat", "chat"),
        (rules(mode="held"), MASHA, say("hi"), "chat_held", "held/m"),
        (rules(mode="held"), CO, say("hi"), "chat", "chat"),
        (rules(mode="closed", links="refused", slow_s=9), TEACHER, say("https://x.ru"), "chat", "chat"),
        (rules(words="held"), MASHA, say("д у р а к"), "chat_held", "held/m"),
        (rules(), TEACHER, say("дурак"), "chat", "chat"),
        (rules(), MASHA, say("hi", thread="m"), "note", "note/m"),
        (rules(mode="closed"), MASHA, say("дурак! vk.com", thread="m"), "note", "note/m"),
        (
            rules(notes=False) | {"note/m/1-a": ChatField("m", "Маша", "?", 1)},
            CO,
            say("hi", thread="m"),
            "note",
            "note/m",
        ),
    ],
)
def test_what_is_said_comes_where_it_belongs(
    state: dict[str, Any], actor: Actor, message: wire.Chat, kind: str, path: str
) -> None:
    change = decide(state, actor, message, BAD)
    assert change is not None
    assert (change.kind, next(iter(change.set))) == (kind, f"{path}/{SAID}")
    assert decide(after(state, change), actor, message, BAD) is None
    if not actor.role.leads:
        assert {"chat_rules", "chat_words", "chat_muted/m"} <= change.rests_on()


@pytest.mark.parametrize(
    ("state", "actor", "message", "code"),
    [
        (rules(mode="closed"), MASHA, say("hi"), "chat_closed"),
        (rules(links="refused"), MASHA, say("hi www.x.org"), "chat_links"),
        (rules(), MASHA, say("дуууурак"), "chat_words"),
        (rules() | {"chat_words": ("осёл",)}, MASHA, say("ОСЕЛ"), "chat_words"),
        (rules() | {"chat_muted/m": True}, MASHA, say("hi"), "chat_muted"),
        (rules() | {"chat_muted/m": True}, MASHA, say("hi", thread="m"), "chat_muted"),
        (rules(notes=False), MASHA, say("hi", thread="m"), "chat_notes_off"),
        (rules(), MASHA, say("hi", thread="p"), "not_allowed"),
        (rules(), MASHA, say("hi", thread="t"), "not_allowed"),
        (rules(), CO, say("hi", thread="t"), "not_found"),
        (rules(), CO, say("hi", thread="m"), "not_found"),
        (rules(), MASHA, say("hi", quote="nothing"), "not_found"),
        (
            rules() | {"chat/q": ChatField("p", "Петя", "why", 1)},
            MASHA,
            say("hi", quote="q", thread="m"),
            "not_found",
        ),
        (rules(), MASHA, say("\u200b"), "text_empty"),
    ],
)
def test_what_is_not_taken(state: dict[str, Any], actor: Actor, message: wire.Chat, code: str) -> None:
    with pytest.raises(Refused) as error:
        decide(state, actor, message, BAD)
    assert error.value.code == code


def test_between_students_nothing_is_private() -> None:
    """Whatever a student sends is seen by the leaders, and by all or by no other student."""
    for message in (say("hi"), say("vk.com"), say("hi", thread="m")):
        change = made(rules(slow_s=5), MASHA, message)
        for path in change.set:
            assert View.LEADER.sees(path)
            if not path.startswith("chat/"):
                assert View.STUDENT.sees(path, "m")
                assert not View.STUDENT.sees(path, "p")


def test_slow_mode_tells_when_the_next_one_may_come() -> None:
    state = after(rules(slow_s=30), made(rules(slow_s=30), MASHA, say("one")))
    assert state["chat_next/m"] == NOW.now_ms + 30_000

    def at(ms: int, actor: Actor = MASHA, **values: Any) -> Change | None:
        return decide(state, actor, say("two", **values), replace(NOW, now_ms=NOW.now_ms + ms, token="b"))

    with pytest.raises(Refused, match="chat_slow"):
        at(29_999)
    with pytest.raises(Refused, match="chat_slow"):
        at(1, thread="m")
    assert at(30_000) is not None
    assert at(1, PETYA) is not None
    assert at(1, TEACHER) is not None
    state["chat_rules"] = ChatRulesField(slow_s=5)
    assert at(20_000) is not None, "a wait from before the rule was made shorter holds nobody up"
    state["chat_rules"] = ChatRulesField()
    assert at(1) is not None


def test_a_leader_lets_a_waiting_message_through_as_if_said_now_or_not() -> None:
    waits = {"held/m/1-a": HeldField("Маша", "vk.com", 1, "links", "q")}
    yes = made(full() | waits, CO, wire.JudgeChat(1, "m", "1-a", approve=True))
    assert (yes.kind, yes.delete) == ("chat", ("held/m/1-a",))
    assert yes.set == {f"chat/{SAID}": ChatField("m", "Маша", "vk.com", NOW.now_ms, "q")}
    no = made(full() | waits, CO, wire.JudgeChat(1, "m", "1-a", approve=False))
    assert (no.kind, dict(no.set), no.delete) == ("chat_declined", {}, ("held/m/1-a",))
    assert refusal(full() | waits, CO, wire.JudgeChat(1, "p", "1-a", approve=True)) == "not_found"


def test_a_student_has_a_few_waiting_messages_at_most() -> None:
    waits = {f"held/m/{n}-a": HeldField("Маша", "hi", n, "mode") for n in range(wire.HELD_EACH)}
    assert refusal(rules(mode="held") | waits, MASHA, say("hi")) == "chat_waiting"
    assert made(rules(mode="held") | waits, PETYA, say("hi")).kind == "chat_held"


def test_removed_texts_go_and_marks_stay() -> None:
    said = {
        "chat/1-a": ChatField("m", "Маша", "one", 1),
        "chat/2-a": ChatField("p", "Петя", "two", 2),
        "chat/3-a": ChatField("m", "Маша", "three", 3),
        "held/m/4-a": HeldField("Маша", "vk.com", 4, "links"),
        "note/m/5-a": ChatField("m", "Маша", "five", 5),
    }
    state = full() | said
    one = made(state, CO, wire.RemoveChat(1, message="1-a"))
    assert one.set == {"chat/1-a": ChatField("m", "Маша", "", 1, removed=True)}
    assert decide(after(state, one), CO, wire.RemoveChat(1, message="1-a"), NOW) is None
    note = made(state, CO, wire.RemoveChat(1, message="5-a", thread="m"))
    assert note.set["note/m/5-a"].text == ""
    every = made(state, CO, wire.RemoveChat(1, participant="m"))
    assert {path: value.text for path, value in every.set.items()} == {"chat/1-a": "", "chat/3-a": ""}
    assert every.delete == ("held/m/4-a",)
    assert refusal(state, CO, wire.RemoveChat(1, message="5-a")) == "not_found"
    assert refusal(state, CO, wire.RemoveChat(1)) == "bad_request"
    assert refusal(state, CO, wire.RemoveChat(1, message="1-a", participant="m")) == "bad_request"


def test_a_message_carries_a_material_that_is_there() -> None:
    state = rules(mode="held") | {"material/f": {"name": "roots.pdf"}}
    waits = made(state, MASHA, say("see", material="f"))
    assert "material/f" in waits.rests_on()
    shown = made(after(state, waits), CO, wire.JudgeChat(1, "m", SAID, approve=True))
    assert shown.set[f"chat/{SAID}"].material == "f"
    gone = made(after(state, shown), CO, wire.RemoveChat(1, message=SAID))
    assert gone.set[f"chat/{SAID}"].material is None
    assert refusal(state, MASHA, say("see", material="g")) == "not_found"


def test_rules_words_and_muting() -> None:
    change = made(full(), CO, wire.SetChat(1, mode="held", slow_s=30))
    assert change.set == {"chat_rules": ChatRulesField("held", 30)}
    assert decide(full(), CO, wire.SetChat(1), NOW) is None, "as it was"
    words = made(full(), CO, wire.SetChatWords(1, (" осёл ", "**", "осёл", "кит*")))
    assert words.set == {"chat_words": ("осёл", "кит*")}
    assert made(full() | {"chat_words": ("кит",)}, CO, wire.SetChatWords(1, ())).delete == ("chat_words",)
    muted = made(full(), CO, wire.MuteChat(1, "m", on=True))
    assert muted.set == {"chat_muted/m": True}
    assert made(after(full(), muted), CO, wire.MuteChat(1, "m", on=False)).delete == ("chat_muted/m",)
    assert refusal(full(), CO, wire.MuteChat(1, "t", on=True)) == "not_allowed"
    assert refusal(full(), CO, wire.MuteChat(1, "z", on=True)) == "not_found"


def test_threads_are_bounded_each_and_together() -> None:
    own = {f"note/m/{n:03}-a": ChatField("m", "Маша", "hi", n) for n in range(wire.NOTES_EACH)}
    assert made(full() | own, MASHA, say("hi", thread="m")).delete == ("note/m/000-a",)
    assert made(full() | own, PETYA, say("hi", thread="p")).delete == ()
    others = {
        f"note/x{who}/{n:03}-a": ChatField("x", "X", "hi", n)
        for who in range(wire.NOTES_KEPT // wire.NOTES_EACH)
        for n in range(1, wire.NOTES_EACH + 1)
    }
    assert made(full() | others, PETYA, say("hi", thread="p")).delete == ("note/x0/001-a",)


def test_a_student_gets_their_own_thread_after_a_reload_and_nobody_elses() -> None:
    replica = Replica()
    for number, change in enumerate(
        (
            made(full(), MASHA, say("help", thread="m")),
            made(full(), PETYA, say("vk.com")),
            made(full(), CO, wire.SetChatWords(1, ("осёл",))),
        ),
        start=1,
    ):
        assert replica.apply(replace(record(change, 1, "x"), number=number))
    note, held = f"note/m/{SAID}", f"held/p/{SAID}"
    assert set(replica.fields(View.LEADER)) == {note, held, "chat_words"}
    assert set(replica.fields(View.STUDENT, "m")) == {note}
    assert set(replica.fields(View.STUDENT, "p")) == {held}
    seen = replica.since(0, View.STUDENT, "p")
    assert seen is not None
    assert (seen[0].by, dict(seen[0].set)) == (None, {}), "who wrote is hidden too"
