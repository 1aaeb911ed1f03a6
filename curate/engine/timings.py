"""How long each task took. A large run has a million rows, so they are kept compressed."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

#: Rows that are compressed together.
BLOCK_ROWS = 1000


class Timings:
    """Rows of ``timings.jsonl``, appended as tasks finish and read as often as needed.

    Examples
    --------
    >>> timings = Timings()
    >>> timings.append({"segment": "00-segment", "wall": 1.5})
    >>> [row["wall"] for row in timings], [row["wall"] for row in timings]
    ([1.5], [1.5])
    """

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._rows: list[Mapping[str, Any]] = []

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; its values are such that JSON returns them as they were."""
        self._rows.append(row)
        if len(self._rows) >= BLOCK_ROWS:
            self._blocks.append(zlib.compress(json.dumps(self._rows).encode(), 1))
            self._rows = []

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """Yield all rows, in the order in which they were appended."""
        for block in self._blocks:
            yield from json.loads(zlib.decompress(block))
        yield from self._rows
