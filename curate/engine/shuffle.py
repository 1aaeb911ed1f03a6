"""The product's global shuffle: every copy of a document has a position in its phase.

Survivors are written in the order of ``order_key(id)``. A copy's position is that key rotated by an
offset of its phase and epoch, so the writer of one output file reads only the groups whose keys
fall into its slice, and no other pass over the text is needed. Within a file,
rows are sorted by a fresh hash, so the copies of an epoch are not in the order of the epoch before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from curate.errors import RecipeError
from curate.mixture.sampling import order_key

WHOLE = 1 << 64


def sort_by_key(table: pa.Table, seed: int) -> pa.Array:
    """Return the permutation that sorts documents by their key, ties by id."""
    keys = pa.table(
        {"key": pa.array(order_key(table.column("id"), seed)), "id": table.column("id")}
    )
    return pa.compute.sort_indices(keys, sort_keys=[("key", "ascending"), ("id", "ascending")])


def key_ranges(table: pa.Table, bounds: list[tuple[int, int]], seed: int) -> list[list[int]]:
    """Return the first and last key of stretches of a table, each of which is sorted by key."""
    rows = [row for start, end in bounds for row in (start, end - 1)]
    ends: list[list[int]] = (
        order_key(table.column("id").take(pa.array(rows)), seed).reshape(-1, 2).tolist()
    )
    return ends


def rotation(seed: int, phase: str, epoch: int) -> int:
    """Return the offset by which the keys of a phase and epoch are rotated."""
    salt = f"{seed}\0{phase}\0{epoch}".encode()
    return int.from_bytes(hashlib.blake2b(salt, digest_size=8).digest(), "little")


def slice_of(keys: np.ndarray, parts: int, offset: int) -> np.ndarray:
    """Return the slice of each key: what its rotated value is as a share of all, times ``parts``.

    >>> keys = np.array([0, 3, 4, 11, 12, 15], np.uint64) << np.uint64(60)
    >>> slice_of(keys, 2, 12 << 60)
    array([1, 1, 0, 0, 1, 1])
    """
    rotated, low = keys + np.uint64(offset), np.uint64(0xFFFFFFFF)
    number, half = np.uint64(parts), np.uint64(32)
    # The high half of a product of 96 bits.
    below = (rotated & low) * number >> half
    return (((rotated >> half) * number + below) >> half).astype(np.int64)


def parts_of(
    ranges: Sequence[Sequence[int]], parts: int, offsets: Sequence[int], together: int = 1
) -> tuple[pa.Array, pa.Array]:
    """Return which slices (`slice_of`) need which of a file's row groups.

    ``ranges`` are the first and last key of each group, ``offsets`` the rotations of the epochs.
    The pairs of slice and group are sorted. ``together`` slices count as one.

    >>> [each.to_pylist() for each in parts_of([(0, 1 << 60), (4 << 60, 5 << 60)], 2, [12 << 60])]
    [[0, 1], [1, 0]]
    """
    tasks = -(-parts // together)
    spans: list[tuple[int, int, int]] = []  #: group, first slice, the slice after the last
    for group, (first, last) in enumerate(ranges):
        for offset in offsets:
            low, high = ((key + offset) % WHOLE for key in (first, last))
            start, end = (key * parts // WHOLE // together for key in (low, high))
            end += 1
            spans += (
                [(group, start, tasks), (group, 0, end)] if low > high else [(group, start, end)]
            )
    of_group, starts, ends = np.array(spans, np.int64).reshape(-1, 3).T
    counts = ends - starts
    before = np.repeat(np.cumsum(counts) - counts, counts)
    part = np.repeat(starts, counts) + np.arange(counts.sum()) - before
    pairs = np.unique(part << 32 | np.repeat(of_group, counts))
    return pa.array((pairs >> 32).astype(np.int32)), pa.array(pairs.astype(np.int32))


def fresh_order(ids: pa.ChunkedArray, seed: int, phase: str, epochs: np.ndarray) -> np.ndarray:
    """Return the permutation that shuffles the rows of one file.

    All copies of a document are in one file: raise RecipeError for two documents with one id.
    """
    keys = np.empty(len(ids), np.uint64)
    for epoch in np.unique(epochs):
        rows = np.flatnonzero(epochs == epoch)
        # The seed is a rotation: another function of the id for each phase and epoch.
        keys[rows] = order_key(ids.take(pa.array(rows)), rotation(seed + 1, phase, int(epoch)) >> 1)
    order = pa.table({"key": pa.array(keys), "id": ids, "epoch": pa.array(epochs)})
    permutation: np.ndarray = pa.compute.sort_indices(
        order, sort_keys=[("key", "ascending"), ("id", "ascending"), ("epoch", "ascending")]
    ).to_numpy()
    behind, before = permutation[1:], permutation[:-1]
    alike = np.flatnonzero((keys[behind] == keys[before]) & (epochs[behind] == epochs[before]))
    for one, other in zip(before[alike].tolist(), behind[alike].tolist(), strict=True):
        if ids[one] == ids[other]:
            raise RecipeError(
                f"two documents have the id {ids[one].as_py()!r}",
                hint="exact_dedup drops a record that an index names twice; a dump that holds a"
                " page twice is read in one piece with shards.input_bytes above its size; a source"
                " of your own gives each record of a file another locator",
            )
    return permutation
