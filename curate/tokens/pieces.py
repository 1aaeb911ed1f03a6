"""The pieces of texts, counted: what the base's own pre-tokenizer cuts a text into.

Merges never join two pieces, so learning needs no more of a text than its pieces and how often
each occurs.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.tokens.base import Base
from curate.tokens.byte_level import read
from curate.tokens.token_tables import LONGEST

#: Different pieces at which reading ends. To leave out rare ones instead would leave out most text
#: of languages that are written without spaces.
MOST_PIECES = 6_000_000
#: Characters cut at a time; a longer document is cut at the end of a line, if it has one.
_CUT = 1 << 20


class Pieces(NamedTuple):
    """Different pieces, in the order of their bytes, and how often each occurs."""

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
        self._most = MOST_PIECES if most is None else most
        self._counts: Counter[str] = Counter()
        #: Occurrences that are not learned from: of pieces of more than LONGEST bytes, and of
        #: added tokens.
        self.left_out: Counter[str] = Counter(long=0, added_tokens=0)

    def add(self, texts: pa.LargeStringArray) -> None:
        """Count the pieces of texts; null and empty have none."""
        for text in texts.to_pylist():
            for part in self._parts(text or ""):
                cut = self._pre_tokenizer.pre_tokenize_str(part)
                self._counts.update([piece for piece, _ in cut])

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
        """Whether there are so many different pieces that no more texts should be added."""
        return len(self._counts) >= self._most

    @property
    def total(self) -> int:
        """Pieces in the texts, those that are left out included."""
        return self._counts.total() + self.left_out["added_tokens"]

    def pieces(self) -> Pieces:
        """Return the pieces of up to LONGEST bytes; those that are longer are left out."""
        kept = sorted(
            (read(piece), n) for piece, n in self._counts.items() if len(piece) <= LONGEST
        )
        self.left_out["long"] = self._counts.total() - sum(count for _, count in kept)
        offsets = np.zeros(len(kept) + 1, np.int64)
        np.cumsum([len(piece) for piece, _ in kept], out=offsets[1:])
        data = np.frombuffer(b"".join(piece for piece, _ in kept), np.uint8)
        return Pieces(data, offsets, np.array([count for _, count in kept], np.int64))
