"""Tokens and merges as the tables that kernels read, and pieces encoded with them.

`curate.tokens.merge` counts the tokens of texts, under tiktoken's rule alone; here the merges are a
list in an order of their own, as in a ``tokenizer.json``, and the numbers are the model's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.hashing import fast_mix64, table_size
from curate.kernels.jit import kernel
from curate.tokens.merge import slot_of

#: Longer pieces are not learned from; this bounds a token.
LONGEST = 256

_NONE = np.int32(-1)
#: The rank of two tokens that do not join.
NEVER = np.int64(1) << 62


class Joins(NamedTuple):
    """The merges of the base: two tokens -> the order of the merge, and the joined token."""

    keys: npt.NDArray[np.int64]  #: left << 32 | right by hash, or -1
    ranks: npt.NDArray[np.int32]
    products: npt.NDArray[np.int32]

    @classmethod
    def build(cls, merges: npt.NDArray[np.int32]) -> Joins:
        """Index rows of (left, right, joined) in order of rank; the first of equal ones counts."""
        size = int(table_size(2 * len(merges)))
        joins = cls(np.full(size, -1, np.int64), np.zeros(size, np.int32), np.zeros(size, np.int32))
        _index_merges(merges, *joins)
        return joins


class Tokens(NamedTuple):
    """Byte strings by number; a number without one, such as that of a special token, is empty."""

    content: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]  #: by number
    slots: npt.NDArray[np.int32]  #: hash of a byte string -> its number, or -1
    singles: npt.NDArray[np.int32]  #: byte -> its number

    @classmethod
    def build(cls, tokens: dict[int, bytes], more: int) -> Tokens:
        """Index tokens by number, with space for ``more``."""
        strings = [tokens.get(number, b"") for number in range(max(tokens) + 1)]
        offsets = np.zeros(len(strings) + 1, np.int64)
        np.cumsum([len(string) for string in strings], out=offsets[1:])
        content = np.frombuffer(b"".join(strings), np.uint8).copy()
        slots = np.full(int(table_size(2 * (len(strings) + more))), -1, np.int32)
        singles = np.full(256, -1, np.int32)
        _index_tokens(content, offsets, slots, singles)
        return cls(content, offsets, slots, singles)


def encode_pieces(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    tokens: Tokens,
    joins: Joins,
    whole: bool,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Encode pieces of up to LONGEST bytes: all numbers in a row, and the offsets of the pieces.

    With ``whole``, a piece that is a token is this token, whether merges lead to it or not.
    """
    encoded = np.empty(int(offsets[-1] - offsets[0]), np.int32)
    ends = np.zeros(len(offsets), np.int64)
    count = _encode_all(data, offsets, *tokens, *joins, whole, encoded, ends)
    return encoded[:count], ends


@kernel
def _index_merges(merges: Any, keys: Any, ranks: Any, products: Any) -> None:
    for rank in range(len(merges)):
        key = np.int64(merges[rank, 0]) << 32 | np.int64(merges[rank, 1])
        slot = find(keys, key)
        if keys[slot] < 0:
            keys[slot], ranks[slot], products[slot] = key, rank, merges[rank, 2]


@kernel
def _index_tokens(content: Any, offsets: Any, slots: Any, singles: Any) -> None:
    for number in range(len(offsets) - 1):
        start, stop = offsets[number], offsets[number + 1]
        if stop - start == 1:
            singles[content[start]] = number
        if stop > start:
            slots[slot_of(content, start, stop, content, offsets, slots)] = number


@kernel
def grown(values: Any, size: Any) -> Any:
    """Return an array of at least ``size`` that begins with the values."""
    if len(values) >= size:
        return values
    more = np.empty(max(size, len(values) + (len(values) >> 1) + 1024), values.dtype)
    more[: len(values)] = values
    return more


@kernel
def find(keys: Any, key: Any) -> Any:
    """Return the slot that holds a key, or the empty one where it belongs."""
    mask = np.uint64(len(keys) - 1)
    slot = fast_mix64(np.uint64(key)) & mask
    while keys[slot] != -1 and keys[slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@kernel
def _merge(part: Any, rank: Any, product: Any, n: Any, keys: Any, ranks: Any, products: Any) -> Any:
    """Merge the tokens ``part[:n]`` with the merges of the base; return how many are left."""
    for i in range(n - 1):
        slot = find(keys, np.int64(part[i]) << 32 | np.int64(part[i + 1]))
        rank[i] = np.int64(ranks[slot]) if keys[slot] >= 0 else NEVER
        product[i] = products[slot]
    while n > 1:
        at = 0
        for i in range(1, n - 1):
            if rank[i] < rank[at]:
                at = i
        if rank[at] == NEVER:
            break
        part[at] = product[at]
        n -= 1
        for i in range(at + 1, n):
            part[i] = part[i + 1]
        for i in range(at, n - 1):
            rank[i], product[i] = rank[i + 1], product[i + 1]
        for i in range(max(at - 1, 0), min(at + 1, n - 1)):
            slot = find(keys, np.int64(part[i]) << 32 | np.int64(part[i + 1]))
            rank[i] = np.int64(ranks[slot]) if keys[slot] >= 0 else NEVER
            product[i] = products[slot]
    return n


@kernel
def _encode_all(
    data: Any, offsets: Any, content: Any, starts: Any, slots: Any, singles: Any,
    keys: Any, ranks: Any, products: Any, whole: Any, encoded: Any, ends: Any,
) -> Any:  # fmt: skip
    part, product = np.empty(LONGEST, np.int32), np.empty(LONGEST, np.int32)
    rank = np.empty(LONGEST, np.int64)
    count = np.int64(0)
    for piece in range(len(offsets) - 1):
        start, stop = offsets[piece], offsets[piece + 1]
        number = _NONE
        if whole and stop > start:
            number = slots[slot_of(data, start, stop, content, starts, slots)]
        if number >= 0:
            encoded[count] = number
            count += 1
        else:
            for i in range(stop - start):
                part[i] = singles[data[start + i]]
            n = _merge(part, rank, product, stop - start, keys, ranks, products)
            for i in range(n):
                encoded[count + i] = part[i]
            count += n
        ends[piece + 1] = count
    return count
