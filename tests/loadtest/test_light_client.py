"""A light client whose lesson moves at the worst moment: it ends where the lesson is."""

from __future__ import annotations

import pytest

from loadtest import light_client
from loadtest.client import LessonClient
from loadtest.door import Door
from loadtest.light_client import LightClient, LightKit
from loadtest.reception import Reception
from signaling import wire

REPLY = wire.JoinReply(
    ticket="t", participant="p1", role="student", name="Ann", lesson="l1", title="Physics",
    subject="physics", grade=7, tiles=9,
)  # fmt: skip


class Media:
    """A connection during whose making the lesson moves, the first time."""

    made: list[Media]

    def __init__(self, *_: object) -> None:
        self.number = self.lease = 0
        self.reception = Reception("")
        self.closed = False
        Media.made.append(self)

    async def connect(self, client: LessonClient, _: object) -> None:
        self.number = self.lease = len(Media.made)
        if self.number == 1:
            client._take(wire.Moved(lease=2, delay_ms=0))

    async def close(self) -> None:
        self.closed = True


@pytest.mark.asyncio
async def test_a_lesson_that_moves_while_media_connects_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    Media.made = []
    monkeypatch.setattr(light_client, "LightMedia", Media)
    async with Door("http://127.0.0.1:1") as door:
        client = LightClient(door, "code", REPLY, LightKit(), publishes=False, bad_line=False)
        await client.connect_light({})
        assert [(media.lease, media.closed) for media in Media.made] == [(1, True), (2, False)]
        assert client.moves == 1
        await client.close()
        assert Media.made[-1].closed
