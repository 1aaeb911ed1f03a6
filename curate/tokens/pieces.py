"""The pieces of texts, counted: what the base's own pre-tokenizer cuts a text into.

Merges never join two pieces, so learning needs no more of a text than its pieces and how often
each occurs. In languages that are written without spaces a piece is most of a sentence, and nearly
each occurs once: to leave out rare ones, as counters of words do, would leave out most of the text,
and to cut them would forbid merges that the tokenizer makes. So all are kept, close together, until
they fill the memory that they may have; then reading ends, and the card says so.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import RecipeError
from curate.kernels.hashing import hash_span, table_size
from curate.kernels.jit import kernel
from curate.tokens.base import Base
from curate.tokens.byte_level import BYTES
from curate.tokens.token_tables import LONGEST, grown

#: Bytes of different pieces at which reading ends, with EACH for every piece. Learning takes about
#: as much again: together less than 8 GiB.
MOST_BYTES = 2_000_000_000
#: What a piece takes besides its bytes: offset, count, and slots of the table.
EACH: Final = 32
#: Characters cut at a time; a longer document is cut at the end of a line, if it has one.
_CUT = 1 << 20
#: Pieces that are counted together.
_TOGETHER = 1 << 16


class Pieces(NamedTuple):
    """Different pieces, in the order in which they came, and how often each occurs."""

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


class PieceCounter:
    """Counts pieces of texts, in bounded memory: who reads the texts stops where it is full.

    Added tokens of the base that stand in a text, special or not, are cut out of it first: nothing
    is learned from them, and nothing is joined across them.
    """

    def __init__(self, base: Base, most: int | None = None) -> None:
        from tokenizers import Tokenizer

        steps = {name: base.config.get(name) for name in ("version", "normalizer", "pre_tokenizer")}
        empty = {"type": "BPE", "vocab": {}, "merges": []}
        tokenizer = Tokenizer.from_str(json.dumps({**steps, "added_tokens": [], "model": empty}))
        self._normalizer: Any = tokenizer.normalizer
        self._pre_tokenizer: Any = tokenizer.pre_tokenizer
        longest_first = sorted(base.specials, key=len, reverse=True)
        self._specials = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._most = MOST_BYTES if most is None else most
        self._found = 0
        self._data = np.empty(0, np.uint8)
        self._offsets, self._counts = np.zeros(1, np.int64), np.empty(0, np.int64)
        self._slots = np.full(table_size(1 << 16), -1, np.int32)  # hash of a piece -> its number
        #: Occurrences that are not learned from: of pieces of more than LONGEST bytes, and of
        #: added tokens.
        self.left_out: Counter[str] = Counter(long=0, added_tokens=0)

    def add(self, texts: pa.LargeStringArray) -> None:
        """Count the pieces of texts; null and empty have none."""
        waiting: list[str] = []
        for text in texts.to_pylist():
            for part in self._parts(text or ""):
                waiting += [piece for piece, _ in self._pre_tokenizer.pre_tokenize_str(part)]
                if len(waiting) >= _TOGETHER:
                    self._count(waiting)
                    waiting = []
        self._count(waiting)

    def _count(self, pieces: list[str]) -> None:
        # No piece has a newline: each byte is written as one printable character.
        written = np.frombuffer("".join([piece + "\n" for piece in pieces]).encode(), np.uint8)
        self._data, self._offsets, self._counts, self._slots, self._found, long = _count_pieces(
            written, BYTES, self._data, self._offsets, self._counts, self._slots, self._found
        )
        if long < 0:
            raise RecipeError(
                "the pre-tokenizer of the base writes characters that stand for no byte",
                hint="nothing behind ByteLevel may add characters to a text",
            )
        self.left_out["long"] += long

    def _parts(self, text: str) -> Iterator[str]:
        at = 0
        while at < len(text):
            end = len(text)
            if end - at > _CUT:
                end = text.rfind("\n", at, at + _CUT) + 1 or at + _CUT
            part = text[at:end]
            at = end
            if self._normalizer is not None:
                part = self._normalizer.normalize_str(part)
            if self._specials.search(part) is None:
                yield part
                continue
            texts = self._specials.split(part)
            self.left_out["added_tokens"] += len(texts) - 1
            yield from filter(None, texts)

    @property
    def full(self) -> bool:
        """Whether the different pieces take so much memory that no more texts should be added."""
        return int(self._offsets[self._found]) + EACH * self._found >= self._most

    @property
    def total(self) -> int:
        """Pieces in the texts, those that are left out included."""
        return int(self._counts[: self._found].sum()) + self.left_out.total()

    def pieces(self) -> Pieces:
        """Return the pieces of up to LONGEST bytes; those that are longer are left out."""
        offsets = self._offsets[: self._found + 1]
        return Pieces(self._data[: offsets[-1]], offsets, self._counts[: self._found])


@kernel
def _count_pieces(
    written: Any, byte_of: Any, data: Any, offsets: Any, counts: Any, slots: Any, found: Any
) -> Any:
    """Count pieces, each with a newline behind it; return the arrays, which may have grown.

    And how many different pieces there are, and how many were left out because they are longer
    than LONGEST: -1 where a character stands for no byte.
    """
    long, at, size = 0, 0, 0
    end = offsets[found]
    data = grown(data, end + len(written))  # a piece is written behind the others, then looked up
    while at < len(written):
        size = 0
        while written[at] != 10:
            code = np.int64(written[at])
            at += 1
            if code >= 0x80:
                code = (code - 0xC0) << 6 | np.int64(written[at]) & 0x3F
                at += 1
            byte = byte_of[min(code, len(byte_of) - 1)]
            if byte < 0:
                return data, offsets, counts, slots, found, -1
            data[end + size] = byte
            size += 1
        at += 1
        if size > LONGEST:
            long += 1
            continue
        slot = _slot(data, end, size, offsets, slots)
        if slots[slot] >= 0:
            counts[slots[slot]] += 1
            continue
        if 2 * (found + 1) > len(slots):
            slots = np.full(2 * len(slots), np.int32(-1))
            for number in range(found):
                start = offsets[number]
                slots[_slot(data, start, offsets[number + 1] - start, offsets, slots)] = number
            slot = _slot(data, end, size, offsets, slots)
        offsets, counts = grown(offsets, found + 2), grown(counts, found + 1)
        end += size
        slots[slot], counts[found], offsets[found + 1] = found, 1, end
        found += 1
    return data, offsets, counts, slots, found, long


@kernel
def _slot(data: Any, start: Any, size: Any, offsets: Any, slots: Any) -> Any:
    """Return the slot that has a piece with the bytes at ``start``, or the empty one for it."""
    mask = np.uint64(len(slots) - 1)
    slot = hash_span(data, start, start + size) & mask
    while slots[slot] >= 0:
        first = offsets[slots[slot]]
        if offsets[slots[slot] + 1] - first == size:
            same = True
            for i in range(size):
                same &= data[first + i] == data[start + i]
            if same:
                break
        slot = (slot + np.uint64(1)) & mask
    return slot
