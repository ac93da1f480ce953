"""What one person of a load test does, step by step, and how long each took where it happened.

A step that fails raises; ``doing`` then names what was being done.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from loadtest.client import LessonClient
from loadtest.continuity import Heard
from loadtest.door import Door, code_of
from loadtest.light_client import LightClient, LightKit
from loadtest.seats import LIGHT, Seat
from loadtest.tracks import HEIGHT, Picture, Tone
from loadtest.verdict import Sample
from sfu.model import MediaKind, Refused, Role, SlotIndex, Source, slot_kind
from signaling import wire

LOBBY_LIMIT_S: Final = 30.0
MEDIA_LIMIT_S: Final = 15.0
CLASS_PATIENCE_S: Final = 20.0
"""How long a teacher waits for those who should have gone."""
SILENT_S: Final = 2.0
"""Whose sound was away for so long when they left has lost it."""
_DRAWN: Final[Mapping[int, int]] = {
    SlotIndex.STAGE_VIDEO: HEIGHT,
    SlotIndex.STAGE_SOUND: 1,
    SlotIndex.TEACHER_SOUND: 1,
}


class Person:
    """One seat taken. ``samples`` are what was measured since they were last taken away, ``heard`` is there
    once a listener has listened. ``kit`` is what all people of light media share."""

    def __init__(self, seat: Seat, tls: ssl.SSLContext | None, kit: LightKit) -> None:
        self.seat = seat
        self.doing = ""
        self.late_ms = 0.0
        self.came_in = False
        self.samples: list[Sample] = []
        self.heard: Heard | None = None
        self._kit = kit
        self._door = Door(seat.origin, tls=tls, cookies=seat.cookies)
        self._client: LessonClient | None = None
        self._joined_s = 0.0
        self._first: dict[str, asyncio.Event] = {
            "first_sound": asyncio.Event(),
            "first_picture": asyncio.Event(),
        }

    @property
    def client(self) -> LessonClient:
        """Who is in the lesson; raises ConnectionError before ``enter``."""
        if self._client is None:
            raise ConnectionError("not in a lesson")
        return self._client

    @contextlib.contextmanager
    def _measured(self, kind: str, since_s: float | None = None) -> Iterator[None]:
        self.doing = kind
        began_s = time.monotonic() if since_s is None else since_s
        yield
        self.samples.append(Sample(kind, (time.monotonic() - began_s) * 1000))

    def take_samples(self) -> list[Sample]:
        """What was measured since the last time."""
        taken, self.samples = self.samples, []
        return taken

    # --- steps ---------------------------------------------------------------------------------------

    async def arrive(self, at_s: float) -> None:
        """Come at this monotonic time and open the page of the link."""
        await asyncio.sleep(at_s - time.monotonic())
        self.late_ms = (time.monotonic() - at_s) * 1000
        code = code_of(self.seat.link)
        with self._measured("page"):
            await self._door.page(f"/l/{code}")
        with self._measured("link"):
            await self._door.link(code)

    async def enter(self) -> None:
        """Join and get the roster: the whole state with oneself in it."""
        self._joined_s = time.monotonic()
        code = code_of(self.seat.link)
        with self._measured("join"):
            reply = await self._door.join(code, self.seat.name)
        with self._measured("roster", self._joined_s):
            self._client = client = self._new_client(code, reply)
            await client.connect()
            own = f"person/{client.participant}"
            await client.until(lambda: client.closed or own in client.fields, "roster", limit_s=LOBBY_LIMIT_S)
            if client.closed is not None:
                raise ConnectionError(f"closed: {client.closed.code}")
        self.came_in = True

    def _new_client(self, code: str, reply: wire.JoinReply) -> LessonClient:
        if self.seat.weight not in LIGHT:
            return LessonClient(self._door, code, reply)
        publishes, bad_line = self.seat.weight == "publisher", self.seat.bad_line
        return LightClient(self._door, code, reply, self._kit, publishes=publishes, bad_line=bad_line)

    async def show(self) -> None:
        """Teacher: send sound and a picture."""
        client = self.client
        with self._measured("media"):
            if isinstance(client, LightClient):
                await client.connect_light({})
            else:
                await client.connect_media({Source.MICROPHONE: Tone(), Source.CAMERA: Picture()}, tiles=0)
        with self._measured("publish"):
            await self.client.publish(Source.MICROPHONE)
            await self.client.publish(Source.CAMERA)

    async def watch(self) -> None:
        """Student: connect media, until the teacher is heard and seen; both count from the join on."""
        client = self.client
        with self._measured("media"):
            if isinstance(client, LightClient):
                client.heard = self._packet
                await client.connect_light(_DRAWN)
            else:
                await client.connect_media(tiles=0, frames=self._frame)
                await client.draw(_DRAWN)
        for kind, came in self._first.items():
            self.doing = kind
            async with asyncio.timeout(MEDIA_LIMIT_S):
                await came.wait()

    def _frame(self, slot: int, _frame: Any) -> None:
        self._packet(slot)

    def _packet(self, slot: int) -> None:
        kind = "first_picture" if slot_kind(slot) is MediaKind.VIDEO else "first_sound"
        if self._first[kind].is_set() or not self._shows_teacher(slot):
            return
        self._first[kind].set()
        self.samples.append(Sample(kind, (time.monotonic() - self._joined_s) * 1000))

    def _shows_teacher(self, slot: int) -> bool:
        """Whether the server says that a leader's own camera or microphone is live in this slot."""
        slots = self.client.slots
        content = next((each for each in slots.slots if each.index == slot), None) if slots else None
        if content is None or not content.live or content.source not in ("camera", "microphone"):
            return False
        person = self.client.fields.get(f"person/{content.participant}", {})
        return bool(person.get("role") == Role.TEACHER)

    async def hand(self) -> None:
        """Raise one's hand, and take it down."""
        with self._measured("hand"):
            await self.client.raise_hand()
        await self.client.raise_hand(up=False)

    async def chat(self) -> None:
        """Say something to the class."""
        with self._measured("chat"):
            await self.client.chat(f"Good morning, this is number {self.seat.number}.")

    async def stay(self) -> str:
        """Stay, and perhaps lose the line and come again; why the connection ended too early, empty when it
        did not."""
        rest_s = self.seat.stay_s
        if self.seat.rejoin_s:
            rest_s -= self.seat.rejoin_s
            if lost := await self._stay_for(self.seat.rejoin_s):
                return lost
            await self._rejoin()
        lost = await self._stay_for(rest_s)
        if self.seat.weight == "listener":
            self._has_listened()
        return lost

    async def _stay_for(self, seconds: float) -> str:
        self.doing = "stay"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.client.gone()
        return self._lost()

    async def _rejoin(self) -> None:
        """Away without a word, and back by the same ticket, or by a new one when that has run out, as a page
        does; media goes on."""
        await self.client.cut()
        await asyncio.sleep(self.seat.away_s)
        with self._measured("rejoin"):
            try:
                await self.client.connect(resume=True)
            except Refused as refused:
                if refused.code != "ticket_expired":
                    raise
                await self.client.renew()
                await self.client.connect(resume=True)

    def _has_listened(self) -> None:
        client = self.client
        if not isinstance(client, LightClient):
            return
        self.heard = heard = client.report()
        silent = client.silent_s > SILENT_S
        kind = "sound_back" if heard.moves else "sound_pause"
        self.samples.append(Sample(kind, heard.pause_ms, "sound did not come back" if silent else ""))

    async def teach(self) -> str:
        """Stay until the whole class was there and is gone; once it should be gone, until nobody is there.

        Returns as ``stay``.
        """
        gone = asyncio.ensure_future(self.client.gone())
        over = asyncio.ensure_future(self._class_over())
        try:
            await asyncio.wait((gone, over), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            over.cancel()
            await asyncio.gather(gone, over, return_exceptions=True)
        return self._lost()

    async def _class_over(self) -> None:
        seen: set[str] = set()

        def students_here() -> bool:
            students = {
                path: person["here"]
                for path, person in self.client.fields.items()
                if path.startswith("person/") and person["role"] == Role.STUDENT
            }
            seen.update(students)
            return any(students.values())

        def all_went() -> bool:
            return not students_here() and len(seen) >= self.seat.students

        try:
            await self.client.until(all_went, "end of the class", limit_s=self.seat.until_s)
        except TimeoutError:
            await self.client.until(lambda: not students_here(), "end of the class", limit_s=CLASS_PATIENCE_S)

    def _lost(self) -> str:
        client = self.client
        if client.closed is not None:
            return f"closed by the server: {client.closed.code}"
        if not client.connected:
            return "the WebSocket was lost"
        if isinstance(client, LightClient):
            return ""
        if any(isinstance(message, wire.MediaLost | wire.Moved) for message in client.messages):
            return "the server lost the media"
        if client.call is not None and client.call.peer.connectionState != "connected":
            return f"media is {client.call.peer.connectionState}"
        return ""

    async def leave(self) -> None:
        """Student: go."""
        with self._measured("leave"):
            await self.client.close()

    async def end(self) -> None:
        """Teacher: end the lesson for all."""
        with self._measured("end"):
            await self.client.end()

    async def close(self) -> None:
        """Let go of everything."""
        try:
            if self._client is not None:
                await self._client.close()
        finally:
            await self._door.http.close()
