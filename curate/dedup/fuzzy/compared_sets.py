"""The shingle sets of documents, and those of conversations that hold more than words.

Two conversations that call a tool with other arguments share nearly all words, and are no copies.
So all shingles of a conversation with calls, tools or a worse answer are mixed with a hash of
these: where the hashes differ, no shingle is shared, and no signature looks alike.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from curate.dedup.compared import compared_exactly, compared_texts, without_turkic_capitals
from curate.dedup.fuzzy.minhash import sign_sets, sign_texts
from curate.dedup.options import NearDuplicates
from curate.dedup.shingles import shingle_sets


def near_texts(near: NearDuplicates, table: pa.Table) -> pa.Array:
    """Return what of each row is compared; I and İ as the row's language makes them small."""
    texts = compared_texts(table, near.on)
    return without_turkic_capitals(table, texts) if "case" in near.fold else texts


def compared_sets(near: NearDuplicates, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's set of shingles, sorted, as one uint64 array and the offsets of rows."""
    values, offsets = shingle_sets(near_texts(near, table), near.shingling)
    for row, part in compared_exactly(table, near.on):
        own = values[offsets[row] : offsets[row + 1]]
        own ^= np.uint64(int(part[:16], 16))
        own.sort()
    return values, offsets


def signatures_of(near: NearDuplicates, table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the signature of each row and its number of shingles: -1 without a prompt to compare.

    A row without a prompt is not empty, and takes no part.
    """
    texts = near_texts(near, table)
    signatures, counts = sign_texts(texts, near.shingling, near.num_permutations, near.seed)
    if near.on == "prompt":
        counts = np.where(np.asarray(texts.is_null()), -1, counts)
    rows = [row for row, _ in compared_exactly(table, near.on)]
    if rows:
        sets = compared_sets(near, table.take(rows))
        signatures[rows] = sign_sets(*sets, near.num_permutations, near.seed)
    return signatures, counts
