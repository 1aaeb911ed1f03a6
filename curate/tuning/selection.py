"""The n smallest rows of a stream, in memory for n of them."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

Row = TypeVar("Row")


class Smallest(Generic[Row]):
    """The ``n`` rows with the smallest (distance, key).

    With equal distances and hashes of ids as keys it is a fair sample without replacement, which
    does not depend on the order of the rows (bottom-k sampling).

    >>> chosen = Smallest(2)
    >>> chosen.offer(np.zeros(3), np.array([5, 1, 3], np.uint64), "abc".__getitem__)
    >>> chosen.rows()
    ['b', 'c']
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._heap: list[tuple[float, int, Row]] = []  # negative: the largest comes first

    def offer(
        self,
        distances: npt.NDArray[np.float64],
        keys: npt.NDArray[np.uint64],
        row: Callable[[int], Row],
    ) -> None:
        """Look at rows; ``row`` is called with the number of each that is among the smallest."""
        near = np.arange(len(keys))
        if len(self._heap) == self._n:
            worst = -self._heap[0][0] if self._heap else -np.inf
            near = np.flatnonzero(distances <= worst)
        for at in near[np.lexsort((keys[near], distances[near]))][: self._n].tolist():
            entry = (-float(distances[at]), -int(keys[at]))
            if len(self._heap) < self._n:
                heapq.heappush(self._heap, (*entry, row(at)))
            elif entry > self._heap[0][:2]:
                heapq.heapreplace(self._heap, (*entry, row(at)))
            else:
                break

    def rows(self) -> list[Row]:
        """Return the rows, the smallest first."""
        return [row for *_, row in sorted(self._heap, key=lambda one: one[:2], reverse=True)]
