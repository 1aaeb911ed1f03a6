"""Train an n-gram model of clean text's characters: counts of a sorted text, rare ones left out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curate.errors import RecipeError
from curate.signals import ngram_model
from curate.signals.ngram_model import MOST_SYMBOLS, NgramModel

Integers = npt.NDArray[np.int64]

#: Characters of the longest n-grams.
ORDER: Final = 6
#: N-grams that have a row: about 2 MB on disk, and 10 MB in memory.
MOST_NGRAMS: Final = 1_000_000
#: Characters that are read; more would change little in so many n-grams. They take 900 MB.
MOST_CHARACTERS: Final = 1 << 23
#: Characters below this count have no symbol: what follows them is learnt as what follows any.
_RAREST: Final = 3
#: No document gives more than this share of all characters, or this number.
_MOST_SHARE, _MOST_OF_ONE = 0.01, 20_000


def train(
    lang: str, documents: Sequence[str], *, order: int = ORDER, most: int = MOST_NGRAMS
) -> NgramModel:
    """Train a model on clean documents; the same model in whatever order they stand.

    Documents go in, each once, in the order of their hash, until ``MOST_CHARACTERS`` are reached;
    of one document at most a hundredth of these. All of them make one text, whose end is followed
    by its beginning, so that every n-gram has a character on both sides. Raise RecipeError where
    there is no text.
    """
    text = _text(documents)
    if not len(text):
        raise RecipeError("there is no text to train an n-gram model on")
    found, times = np.unique(text, return_counts=True)
    frequent = times >= _RAREST
    best = np.lexsort((found, -times))[: MOST_SYMBOLS - 2]
    is_best = np.zeros(len(found), np.bool_)
    is_best[best] = True
    alphabet = found[(frequent & is_best) | (found == ord(" "))].astype(np.uint32)
    place = np.searchsorted(alphabet, text)
    known = alphabet[np.minimum(place, len(alphabet) - 1)] == text
    symbols = np.where(known, place + 1, ngram_model.UNKNOWN).astype(np.uint16)
    arrays = _counted(symbols, len(alphabet) + 1, order, most)
    card = {
        "format": ngram_model.FORMAT,
        "kind": "character n-grams, interpolated modified Kneser-Ney",
        "lang": lang,
        "order": order,
        "documents": len(set(documents)),
        "characters": len(symbols),
        "ngrams": int(arrays["sizes"].sum()),
        "limits": arrays.pop("limits").tolist(),
    }
    return ngram_model.build(card, {"alphabet": alphabet, **arrays})


def _text(documents: Sequence[str]) -> npt.NDArray[np.uint32]:
    """Return the folded characters of documents, a space before each."""
    spelled = []
    space = np.array([ord(" ")], np.uint32)
    hashed = {hashlib.blake2b(one.encode(), digest_size=16).digest(): one for one in documents}
    everything = sum(map(len, hashed.values()))
    limit = max(_MOST_OF_ONE, int(_MOST_SHARE * min(everything, MOST_CHARACTERS)))
    size = 0
    for _, document in sorted(hashed.items()):
        known = ngram_model.characters(document)[:limit]
        if len(known):
            spelled += [space, known]
            size += len(known) + 1
        if size >= MOST_CHARACTERS:
            break
    return np.concatenate(spelled)[:MOST_CHARACTERS] if spelled else np.empty(0, np.uint32)


def _counted(
    text: npt.NDArray[np.uint16], n_symbols: int, order: int, most: int
) -> dict[str, npt.NDArray[Any]]:
    """Count the n-grams of a circular text, whose places are sorted by what follows them."""
    size = len(text)
    around = np.concatenate([text, np.resize(text, order)])
    packed = [np.zeros(size, np.uint64) for _ in range(-(-order // 4))]
    for k in range(order):
        packed[k // 4] = packed[k // 4] << np.uint64(16) | around[k : k + size].astype(np.uint64)
    places = np.lexsort(packed[::-1]).astype(np.int32)
    del packed
    levels, raws, counts = [], [], []
    by_place = np.zeros(size, np.int32)  # the n-gram of the level before, at each place
    begins = np.zeros(size, np.bool_)
    begins[0] = True
    for level in range(order):
        last = around[places + level]
        begins[1:] |= last[1:] != last[:-1]
        starts = np.flatnonzero(begins)
        levels.append((starts, last[starts].astype(np.int64)))
        raws.append(np.diff(starts, append=size))
        if level:
            # An n-gram of the level before was seen behind as many symbols as n-grams of this
            # level have it as their end.
            ended = by_place[(places[starts] + 1) % size]
            counts.append(np.bincount(ended, minlength=len(raws[-2])))
        by_place[places] = np.cumsum(begins) - 1
    counts.append(raws[-1])
    return _rows(levels, raws, counts, n_symbols, most)


def _rows(
    levels: list[tuple[Integers, Integers]],
    raws: list[Integers],
    counts: list[Integers],
    n_symbols: int,
    most: int,
) -> dict[str, npt.NDArray[Any]]:
    """Put the n-grams that are frequent enough into rows, by context, then symbol."""
    limits = _limits(raws, most)
    kept = [raw >= limit for raw, limit in zip(raws, limits)]
    columns: dict[str, list[Integers]] = {"symbols": [], "counts": [], "totals": [], "children": []}
    for level, (starts, last) in enumerate(levels):
        known = kept[level]
        totals = children = np.zeros(len(starts), np.int64)
        if level + 1 < len(levels):
            of = np.searchsorted(levels[level + 1][0], starts)
            totals = np.add.reduceat(counts[level + 1], of)
            children = np.add.reduceat(kept[level + 1].astype(np.int64), of)
        for name, column in zip(columns, (last, counts[level], totals, children)):
            if level:
                columns[name].append(column[known])
            else:  # every symbol has a row, also where the text does not have it
                row = np.arange(n_symbols) if name == "symbols" else np.zeros(n_symbols, np.int64)
                row[last] = column
                columns[name].append(row)
    kinds = {"symbols": np.uint16, "counts": np.uint32, "totals": np.uint32, "children": np.uint16}
    return {
        "sizes": np.array([len(level) for level in columns["symbols"]], np.int64),
        **{name: np.concatenate(columns[name]).astype(kind) for name, kind in kinds.items()},
        "counts_of_counts": np.array([[(c == k).sum() for k in (1, 2, 3, 4)] for c in counts]),
        "limits": np.array(limits),
    }


def _limits(raws: list[Integers], most: int) -> list[int]:
    """Return how often n-grams of each length must occur, so that at most ``most`` have rows.

    Longer n-grams are left out before shorter ones, and never a character. No limit is below that
    of shorter n-grams, and an n-gram is at least as frequent as those that contain it: so the
    context and the end of what remains remain, too.
    """
    # remaining[level][k]: the n-grams that occur at least k times
    remaining = [np.cumsum(np.bincount(np.minimum(raw, 1 << 20))[::-1])[::-1] for raw in raws]
    limits = [1] * len(raws)
    sizes = [len(raw) for raw in raws]
    while sum(sizes) > most and len(raws) > 1:
        # The longest of those whose limit is lowest: 1 1 1, 1 1 2, 1 2 2, 1 2 3 ...
        level = max(k for k in range(1, len(raws)) if limits[k] == min(limits[1:]))
        if limits[level] >= len(remaining[level]):
            break
        limits[level] += 1
        known = remaining[level]
        sizes[level] = int(known[limits[level]]) if limits[level] < len(known) else 0
    return limits
