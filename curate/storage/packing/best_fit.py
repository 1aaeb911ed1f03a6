"""Best-fit decreasing: which documents share a sequence."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence


def best_fit(sizes: Sequence[int], length: int) -> list[list[int]]:
    """Return the items of each bin: the longest first, each into the fullest bin with room for it.

    No item may be larger than ``length``, the size of a bin. Items of one size are taken in their
    order, and of bins with the same room the oldest, so that the answer is a function of the sizes.
    Bins are in the order of their largest items: where the items are shuffled, so are the bins, and
    the items of a bin, which are in their order. Source: Johnson 1974 (no more than 11/9 of the
    fewest bins, and 4).

    >>> best_fit([3, 5, 4, 2], 8)
    [[0, 1], [2, 3]]
    """
    bins: list[list[int]] = []
    rooms: list[tuple[int, int]] = []  # (what is free, number of the bin), in order
    for item in sorted(range(len(sizes)), key=lambda item: -sizes[item]):
        at = bisect_left(rooms, (sizes[item], 0))
        if at < len(rooms):
            room, number = rooms.pop(at)
            bins[number].append(item)
        else:
            room, number = length, len(bins)
            bins.append([item])
        if room > sizes[item]:
            insort(rooms, (room - sizes[item], number))
    return [sorted(items) for items in sorted(bins, key=lambda items: items[0])]
