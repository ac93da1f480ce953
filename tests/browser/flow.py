"""What flows in a page's slots: counted by the browser, for all slots at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tests.browser.classroom import FIRST_TILE
from tests.browser.person import Person

_LOOK: Final = """async () => {
    const found = [];
    for (let index = 0; zvonokReader.slot(index); index++) {
        const all = [...(await zvonokReader.slot(index).getStats()).values()];
        found.push(all.find((each) => each.type === "inbound-rtp") ?? {});
    }
    return found;
}"""


@dataclass(frozen=True, slots=True)
class Flow:
    """Totals of every slot since the connection began, in slot order; empty where nothing ever came."""

    slots: tuple[dict[str, Any], ...]

    def since(self, before: Flow, slot: int, what: str) -> float:
        """By how much a count of a slot grew."""
        return float(self.slots[slot].get(what, 0) - before.slots[slot].get(what, 0))

    def tiles(self, before: Flow) -> set[int]:
        """Tiles of which packets came."""
        tiles = range(FIRST_TILE, len(self.slots))
        return {slot for slot in tiles if self.since(before, slot, "packetsReceived") > 0}

    def concealed(self, before: Flow, slot: int) -> float:
        """Share of a sound's samples that the browser had to make up, 0..1; 1 when none came at all."""
        played = self.since(before, slot, "totalSamplesReceived")
        return self.since(before, slot, "concealedSamples") / played if played else 1.0


async def flow(who: Person) -> Flow:
    """As it is now."""
    return Flow(tuple(await who.do(_LOOK)))


async def tiles_of(who: Person, for_ms: int = 500) -> set[int]:
    """Tiles in which something comes within this time."""
    before = await flow(who)
    await who.do("(ms) => new Promise((done) => setTimeout(done, ms))", for_ms)
    return (await flow(who)).tiles(before)
