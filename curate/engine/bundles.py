"""Copies of commits in bundles, so that a driver that resumes need not read each commit by itself.

Bundles are objects ``work/bundles/<folder>/<number>-...``, written as the driver adds commits up:
each has some megabytes of them in the order of the tasks. A copy counts only while the commit's own
object is there and has its size; what no bundle has, or where one cannot be read, is read from the
commit. Taking a commit back removes the folder's bundles first (``commit.revoke``).
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterable, Iterator

from curate.storage.store import Store

#: Steps of fewer tasks have no bundle: their commits are few requests.
BUNDLED_TASKS = 64
#: Bytes of commits in a bundle, and the largest commit that goes into one.
BUNDLE_BYTES, LARGEST = 8 << 20, 1 << 20


def bundles_of(folder: str) -> str:
    """Return the folder of a step's bundles."""
    return f"work/bundles/{folder}"


class BundleWriter:
    """Writes the bundles of one step; ``number`` of them are there already."""

    def __init__(self, store: Store, folder: str, tasks: int, number: int = 0) -> None:
        self._store, self._folder, self._number = store, bundles_of(folder), number
        self._wanted = tasks >= BUNDLED_TASKS
        self._lines: list[bytes] = []
        self._bytes = 0

    def add(self, name: str, body: bytes) -> None:
        """Add the object of a commit; those of a step come in the order of its tasks."""
        if not self._wanted or len(body) > LARGEST:
            return
        self._lines.append(name.encode() + b" " + body)
        self._bytes += len(body)
        if self._bytes >= BUNDLE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was added."""
        if self._lines:
            name = f"{self._folder}/{self._number:06d}-{uuid.uuid4().hex}"
            self._store.create(name, zlib.compress(b"\n".join(self._lines), 1))
            self._lines, self._bytes, self._number = [], 0, self._number + 1


def read_bundles(store: Store, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and object of each commit in the bundles of these names, in their order."""
    for name in names:
        try:
            lines = zlib.decompress(store.read(name)).split(b"\n")
        except (FileNotFoundError, zlib.error):
            continue
        for line in lines:
            commit, _, body = line.partition(b" ")
            yield commit.decode(errors="replace"), body
