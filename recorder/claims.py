"""Which recorder records which lesson, in Redis; the only file of the recorder that speaks to it itself.

Signalling calls recorders by a stream, again and again until a lesson is claimed. So nothing is kept of a
call: it counts as acknowledged when it is read, and for one that dies with it another is called.
"""

from __future__ import annotations

import hashlib
import json
import logging
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import ResponseError

from config.settings import Settings
from recorder.folder import own_place
from signaling.log import RECORDER_WORK, Client, key

log = logging.getLogger(__name__)

GROUP: Final = "recorders"
CLAIM_TTL_MS: Final = 4_000
TURN_TTL_MS: Final = 10_000
KEPT_S: Final = 7 * 24 * 3600
"""So long it is known who recorded what."""
RENEW_S: Final = 1.0
BATCH: Final = 16
CONSUMER_FORGOTTEN_MS: Final = 3_600_000

_SEALED: Final = "sealed:"
_RENEW: Final = """
local owner = redis.call('GET', KEYS[1])
if owner == false then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
if owner ~= ARGV[1] then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""
_SUCCEED: Final = """
local owner = redis.call('GET', KEYS[1])
if owner ~= false and string.sub(owner, 1, #ARGV[3]) ~= ARGV[3] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE: Final = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder in which a recording was written. ``sealed``: all of it was brought to the store; ``alive``:
    its recorder lives."""

    sealed: bool
    alive: bool


def place_of(settings: Settings) -> str:
    """The same for all recorders that write to these settings' folder, which is there. Raises OSError."""
    if settings.store.url:
        return own_place(settings.paths.recordings)
    place = f"{socket.gethostname()}:{settings.paths.recordings}"
    return hashlib.sha256(place.encode()).hexdigest()[:8]


async def lessons_recorded(redis: Client, place: str) -> int:
    """How many lessons the living recorders of a place have now. Raises LogUnreachable."""
    try:
        consumers = await redis.xinfo_consumers(RECORDER_WORK, GROUP)
    except ResponseError:
        return 0  # no recorder was ever there
    names = [name for each in consumers if (name := each["name"].decode()).startswith(f"{place}.")]
    if not names:
        return 0
    said = await redis.mget([_status_key(name) for name in names])
    return sum(json.loads(status)["lessons"] for status in said if status is not None)


def _status_key(recorder: str) -> str:
    return f"zvonok:recorder:{recorder}"


class Claims:
    """Claims of one recorder process. Errors of Redis (``signaling.log.LogUnreachable``) go through."""

    def __init__(self, redis: Client, place: str, recorder: str) -> None:
        """``place``: the same for all recorders that write to one folder; ``recorder``: unique."""
        self.recorder = f"{place}.{recorder}"
        self.place = place
        self._redis = redis
        self._renew = redis.register_script(_RENEW)
        self._succeed = redis.register_script(_SUCCEED)
        self._release = redis.register_script(_RELEASE)

    async def calls(self, wait_ms: int) -> list[str]:
        """Lessons that a recorder is called to, waiting for the first; each call reaches one recorder."""
        try:
            found = await self._redis.xreadgroup(
                GROUP, self.recorder, {RECORDER_WORK: ">"}, count=BATCH, block=wait_ms, noack=True
            )
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            await self._make_group()
            return []
        streams = found.values() if isinstance(found, Mapping) else [entries for _, entries in found or ()]
        lessons: dict[str, None] = {}
        for entries in streams:
            for _, values in _flat(entries):
                lessons[values.get(b"lesson", b"").decode(errors="replace")] = None
        return [lesson for lesson in lessons if lesson]

    async def take(self, lesson: str) -> bool:
        """Claim a lesson; False: somebody has it."""
        return bool(await self._redis.set(key(lesson, "recorder"), self.recorder, nx=True, px=CLAIM_TTL_MS))

    async def succeed(self, lesson: str) -> bool:
        """Claim a lesson in the place of a recorder of our own folder that is known to be dead; False: a
        recorder of another place has it."""
        arguments = [self.recorder, CLAIM_TTL_MS, f"{self.place}."]
        return bool(await self._succeed(keys=[key(lesson, "recorder")], args=arguments))

    async def renew(self, lessons: Sequence[str]) -> list[bool]:
        """Hold claims, also those that lapsed meanwhile; for each lesson False when another has it now."""
        if not lessons:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for lesson in lessons:
                await self._renew(
                    keys=[key(lesson, "recorder")], args=[self.recorder, CLAIM_TTL_MS], client=pipe
                )
            return [bool(held) for held in await pipe.execute()]

    async def release(self, lesson: str) -> None:
        """Let go of a claim, if it is ours."""
        await self._release(keys=[key(lesson, "recorder")], args=[self.recorder])

    # --- finishing: for recorders that share a store and no folder -----------------------------------

    async def take_turn(self, recording: str) -> bool:
        """Claim the finishing of a recording; False: somebody is at it."""
        return bool(await self._redis.set(_turn(recording), self.recorder, nx=True, px=TURN_TTL_MS))

    async def renew_turn(self, recording: str) -> bool:
        """Hold it for another TURN_TTL_MS; False: another has it now."""
        return bool(await self._renew(keys=[_turn(recording)], args=[self.recorder, TURN_TTL_MS]))

    async def release_turn(self, recording: str) -> None:
        """Let go of it, if it is ours."""
        await self._release(keys=[_turn(recording)], args=[self.recorder])

    async def note_place(self, recording: str, *, sealed: bool) -> None:
        """Our folder holds something of a recording; ``sealed``: the store has all of it, too."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(_places(recording), self.place, f"{_SEALED if sealed else ''}{self.recorder}")
            pipe.expire(_places(recording), KEPT_S)
            await pipe.execute()

    async def places(self, recording: str) -> dict[str, Place]:
        """Every folder that holds something of a recording, as its recorder noted it."""
        noted = {
            place.decode(): owner.decode()
            for place, owner in (await self._redis.hgetall(_places(recording))).items()
        }
        found: dict[str, Place] = {}
        for place, owner in noted.items():
            alive = bool(await self._redis.exists(_status_key(owner.removeprefix(_SEALED))))
            found[place] = Place(owner.startswith(_SEALED), alive)
        return found

    async def forget_places(self, recording: str) -> None:
        """Nobody will ask any more."""
        await self._redis.delete(_places(recording))

    # -------------------------------------------------------------------------------------------------

    async def announce(self, status: Mapping[str, Any]) -> None:
        """This recorder lives and does this."""
        await self._redis.set(self._own_key, json.dumps(status), px=CLAIM_TTL_MS)

    async def withdraw(self) -> None:
        """This recorder is going away."""
        await self._redis.delete(self._own_key)
        try:
            await self._redis.xgroup_delconsumer(RECORDER_WORK, GROUP, self.recorder)
        except ResponseError:
            pass  # the group is not there (any more)

    @property
    def _own_key(self) -> str:
        return _status_key(self.recorder)

    async def forget_dead(self) -> None:
        """Take names of recorders that died long ago out of the group."""
        try:
            for consumer in await self._redis.xinfo_consumers(RECORDER_WORK, GROUP):
                if consumer["idle"] > CONSUMER_FORGOTTEN_MS:
                    await self._redis.xgroup_delconsumer(RECORDER_WORK, GROUP, consumer["name"])
        except ResponseError:
            await self._make_group()

    async def _make_group(self) -> None:
        try:
            await self._redis.xgroup_create(RECORDER_WORK, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise


def _turn(recording: str) -> str:
    return f"zvonok:finishing:{recording}"


def _places(recording: str) -> str:
    return f"zvonok:places:{recording}"


def _flat(entries: Any) -> list[Any]:
    """Entries of one stream: redis-py gives a list, or a list of lists with RESP3."""
    return entries[0] if entries and isinstance(entries[0], list) else entries
