"""The number *u* that decides whether a document is sampled: a keyed 64-bit hash of its id.

``u = hash(seed, id)`` is uniform, so the documents of a leaf with ``u`` below a cut are a random
sample of it; it depends only on seed and id, so neither sharding nor order can change what is
taken, and a larger budget takes a superset.

The hash chains splitmix64's finalizer (Steele, Lea, Flood: "Fast splittable pseudorandom number
generators", OOPSLA 2014; constants of Stafford's variant 13) over the id's bytes, eight at a time,
little-endian, the last word padded with zeros; the length is hashed first. It is no cryptographic
hash: a party that chooses ids can choose what is sampled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.kernels.arrow import buffers
from curate.kernels.hashing import GOLDEN, mix64
from curate.kernels.jit import kernel

UInt64 = npt.NDArray[np.uint64]

#: Keys of the hashes, mixed with the seed; any different numbers do.
_SAMPLE, _ORDER, _SIDE = 0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0


@kernel
def _hash_all(data: Any, offsets: Any, key: Any, out: Any) -> None:
    for i in range(len(offsets) - 1):
        start, end = offsets[i], offsets[i + 1]
        state = mix64(key + np.uint64(end - start) * GOLDEN)
        at = start
        while at < end:
            word = np.uint64(0)
            stop = min(at + 8, end)
            for j in range(at, stop):
                word |= np.uint64(data[j]) << np.uint64(8 * (j - at))
            state = mix64(state ^ word) + GOLDEN
            at = stop
        out[i] = mix64(state)


def _keyed(ids: pa.Array | pa.ChunkedArray, seed: int, purpose: int) -> UInt64:
    whole = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    whole = whole.cast(pa.large_string())
    out = np.empty(len(whole), np.uint64)
    _hash_all(*buffers(whole), np.uint64(seed ^ purpose), out)
    return out


def sample_key(ids: pa.Array | pa.ChunkedArray, seed: int) -> UInt64:
    """Return ``u`` for each id, the number that a cut is compared with; a null id counts as empty.

    >>> sample_key(pa.array(["web/a.jsonl#0", "web/a.jsonl#17"]), seed=0)
    array([11237101881911720086, 13624615357840190774], dtype=uint64)
    """
    return _keyed(ids, seed, _SAMPLE)


def order_key(ids: pa.Array | pa.ChunkedArray, seed: int) -> UInt64:
    """Return the key of the product's global shuffle for each id; independent of ``u``.

    Sorting by ``u`` itself would put a leaf's documents next to its cut last in every shard.
    """
    return _keyed(ids, seed, _ORDER)


def validation_side(
    clusters: pa.Array, texts: pa.Array, share: float, seed: int
) -> npt.NDArray[np.bool_]:
    """Return which rows are held out for validation, by the hash of the cluster or the text."""
    side = _keyed(texts, seed, _SIDE)
    known = np.asarray(clusters.is_valid())
    side[known] = _keyed(clusters.filter(pa.array(known)), seed, _SIDE)
    below: npt.NDArray[np.bool_] = side < np.uint64(int(share * (1 << 64)))
    return below
