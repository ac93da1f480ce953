"""``Files`` of a store that a test takes away, or whose user it kills."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from signaling.files.api import StoreAway, Stored
from signaling.files.folder import FolderFiles


class FarFiles(FolderFiles):
    """A folder that stands for a store elsewhere: nothing of it lies on this machine's disk."""

    def __init__(self, folder: Path, moment: Callable[[], None] = lambda: None) -> None:
        """``moment`` is called before and after each request."""
        super().__init__(folder)
        self.away = False
        """While it is nothing can be done; each try is counted in ``refused``."""
        self.refused = 0
        self._moment = moment

    def local(self, name: str) -> Path | None:
        return None

    def _asked(self) -> None:
        self._moment()
        if self.away:
            self.refused += 1
            raise StoreAway("on purpose")

    async def put(self, name: str, path: Path) -> None:
        self._asked()
        await super().put(name, path)
        self._moment()

    async def put_bytes(self, name: str, data: bytes) -> None:
        self._asked()
        await super().put_bytes(name, data)
        self._moment()

    async def find(self, name: str) -> Stored | None:
        self._asked()
        return await super().find(name)

    async def below(self, prefix: str) -> list[Stored]:
        self._asked()
        return await super().below(prefix)

    async def remove(self, *names: str) -> None:
        for name in reversed(names):  # one by one: a kill leaves some
            self._asked()
            await super().remove(name)
