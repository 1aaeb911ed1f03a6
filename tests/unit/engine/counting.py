"""A store that notes what is read of it."""

from __future__ import annotations

from curate.storage.store import LocalStore


class Counting(LocalStore):
    """A folder that notes what is read."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.reads: list[str] = []

    def read(self, name: str) -> bytes:
        self.reads.append(name)
        return super().read(name)
