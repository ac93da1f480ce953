"""What happens in one lesson of a term: who comes, what they send, how it ends. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from signaling import wire
from signaling.codec import builtins, pack

TEACHER: Final = 0
"""Who is number 0; students count from 1."""
MEAN_STUDENTS: Final = 25
SPREAD: Final = 4
EARLY: Final = 0.3
"""Share of students who are there before their teacher."""
RECORDED: Final = 0.1
CHATS: Final = 8
HANDS: Final = 3
_SUBJECTS: Final = ("Mathematics", "Physics", "История", "Русский язык", "Chemistry")


@dataclass(frozen=True, slots=True)
class Step:
    """One person does one thing. ``frame``: what goes through the WebSocket; empty for coming, whose hello
    holds a ticket that only the door can give."""

    who: int
    what: Literal["come", "ask", "leave"]
    frame: bytes = b""
    number: int = 0
    """Of the request, which its answer repeats."""


@dataclass(frozen=True, slots=True)
class Life:
    """A lesson. ``steps`` in their order; nobody sends anything before having come, or after having left."""

    title: str
    subject: str
    grade: int
    names: tuple[str, ...]
    """Of the students."""
    steps: tuple[Step, ...]


def life(number: int, seed: int = 0) -> Life:
    """Lesson ``number`` of the term with this seed: always the same."""
    chance = Random(f"{seed} {number}")
    students = max(1, round(chance.gauss(MEAN_STUDENTS, SPREAD)))
    steps: list[Step] = []
    requests = [0] * (1 + students)

    def ask(who: int, kind: type[wire.ClientMessage], **values: object) -> None:
        requests[who] += 1
        message = kind(id=requests[who], **values)  # type: ignore[call-arg,arg-type]
        steps.append(Step(who, "ask", pack(builtins(message)), requests[who]))

    early = round(students * EARLY)
    everybody = list(range(1, students + 1))
    chance.shuffle(everybody)
    steps += [Step(who, "come") for who in everybody[:early]]
    steps.append(Step(TEACHER, "come"))
    steps += [Step(who, "come") for who in everybody[early:]]
    recorded = chance.random() < RECORDED
    if recorded:
        ask(TEACHER, wire.Record, on=True)
    for text in range(CHATS):
        ask(
            chance.randint(0, students), wire.Chat, text=f"{text}: a sentence that somebody wrote, так и есть"
        )
    for who in chance.sample(everybody, min(HANDS, students)):
        ask(who, wire.Hand, up=True)
        ask(TEACHER, wire.Hand, up=False, participant=None, all=True)
    called = chance.choice(everybody)
    ask(called, wire.Publish, source="microphone", on=True)
    ask(called, wire.Publish, source="microphone", on=False)
    if recorded:
        ask(TEACHER, wire.Record, on=False)
    goes_early = set(chance.sample(everybody, students // 5))
    steps += [Step(who, "leave", pack(builtins(wire.Leave()))) for who in everybody if who in goes_early]
    ask(TEACHER, wire.End)
    return Life(
        title=f"Lesson {number}",
        subject=chance.choice(_SUBJECTS),
        grade=chance.randint(6, 11),
        names=tuple(f"Student {who}" for who in range(1, students + 1)),
        steps=tuple(steps),
    )


def numbers(lessons: int, shard: int, shards: int) -> Iterator[int]:
    """Which lessons of the term a shard lives."""
    return iter(range(shard, lessons, shards))
