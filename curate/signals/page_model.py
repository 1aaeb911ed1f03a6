"""Classifiers of pages that `curate train` makes: one .npz file of numbers, applied by kernels.

A model reads an excerpt of each text: its first characters and as many from its middle, in one
line. So its features do not grow with the text, and its cost does not either. Its features are
signals of the excerpt, the same signals relative to the language (minus the language's median, in
units of its range), and the score of a linear model on hashed character n-grams. The leaves of
a random forest add up to the chance of ``good``.

The file is read without pickle; its member ``card`` is JSON: what the model is, how it was trained
and what it is worth.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import int64, uint8, uint32, uint64

from curate.errors import RecipeError
from curate.kernels import unicode
from curate.kernels.arrow import buffers, from_buffers
from curate.kernels.hashing import GOLDEN, fast_mix64
from curate.kernels.jit import kernel
from curate.kernels.utf8 import count_code_points, decode
from curate.paths import local_path
from curate.signals import model_file

Floats = npt.NDArray[np.float64]

#: ``curate.signals.measure``, which a caller gives: it needs this module itself.
Measure = Callable[[Any, Sequence[str], Mapping[str, Sequence[str]]], Mapping[str, pa.Array]]

FORMAT: Final = 2
#: The model that is shipped, behind the signal ``page_quality``.
SHIPPED: Final = Path(__file__).with_name("page_quality.npz")

#: The features: signals that are defined on one line, and shares rather than counts.
SIGNALS: Final = (
    "letter_share", "digit_share", "punctuation_share", "upper_case_share", "script_share",
    "mean_word_length", "hash_word_ratio", "ellipsis_word_ratio", "alphabetic_word_share",
    "distinct_stop_words", "stop_word_share", "stop_word_variety", "top_2gram_char_share",
    "top_3gram_char_share", "top_4gram_char_share", "dup_5gram_char_share",
    "dup_6gram_char_share", "dup_7gram_char_share", "dup_8gram_char_share",
    "dup_9gram_char_share", "dup_10gram_char_share", "sentence_line_char_share", "longest_word",
    "alphanumeric_share", "compression_ratio", "unique_word_share", "unigram_entropy",
    "all_caps_word_share", "symbol_word_ratio", "curly_bracket_share", "main_script_share",
    "foreign_letter_share", "mixed_script_word_share",
)  # fmt: skip

_ARRAYS: Final = {
    "middle": (np.float64, 2), "range": (np.float64, 2), "undefined": (np.float64, 1),
    "prior": (np.float64, 1),
    "weights": (np.float16, 1), "feature": (np.int32, 1), "threshold": (np.float32, 1),
    "left": (np.int32, 1), "right": (np.int32, 1), "value": (np.float32, 1),
    "roots": (np.int32, 1),
}  # fmt: skip


#: The columns of the table of the trees' nodes.
_NODES: Final = ("feature", "threshold", "left", "right", "value")


@dataclass(frozen=True, eq=False)
class PageModel:
    """A classifier of pages: its card and the numbers that the kernels read."""

    card: dict[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]] = field(repr=False)

    def scores(
        self,
        texts: pa.LargeStringArray,
        lists: Mapping[str, Sequence[str]],
        lang: str,
        measure: Measure,
    ) -> Floats:
        """Return the probability of ``good`` of each text, NaN for empty and null ones.

        ``lists`` are those of the profile, which the model's signals need; a language that the
        model does not know has the features relative to a language at its median.
        """
        _, offsets = buffers(texts)
        shown = excerpts(texts, self.card["window"])
        raw = signal_features(shown, lists, self.card["signals"], measure)
        table = self.features(raw, [lang] * len(texts))
        weights = self.arrays["weights"].astype(np.float32)
        if len(weights):
            grams = gram_scores(shown, weights, self.card["longest_gram"])
            table = np.column_stack([table, grams + self.card["gram_intercept"]])
        scores = sum_trees(table, self._nodes, self.arrays["value"], self.arrays["roots"])
        return np.where(np.diff(offsets) > 0, scores, np.nan)

    @cached_property
    def _nodes(self) -> npt.NDArray[np.uint32]:
        return packed_nodes(self.arrays)

    def features(self, raw: Floats, langs: Sequence[str]) -> Floats:
        """Return signals, undefined ones at their median, the same relative to the language, and
        the language's share of ``good``: the share of all where the model does not know it.
        """
        numbers = {lang: at for at, lang in enumerate(self.card["languages"])}
        rows = np.array([numbers.get(lang, -1) for lang in langs], np.int64)
        relative = np.zeros_like(raw)
        known = np.flatnonzero(rows >= 0)
        middle, spread = self.arrays["middle"], self.arrays["range"]
        relative[known] = (raw[known] - middle[rows[known]]) / spread[rows[known]]
        relative[np.isnan(relative)] = 0.0
        whole = np.where(np.isnan(raw), self.arrays["undefined"], raw)
        return np.column_stack([whole, relative, self.arrays["prior"][rows]])

    def save(self, path: Path) -> None:
        """Write the model to a file; the same model gives the same bytes."""
        model_file.save(path, self.card, self.arrays)


@lru_cache(maxsize=8)
def load(address: str) -> PageModel:
    """Read a model once per process. Raise RecipeError where it is no model of this program."""
    return read(read_bytes(address), address)


@lru_cache(maxsize=8)
def digest(address: str) -> str:
    """Return the blake2b-128 of a model's file, in hex."""
    return hashlib.blake2b(read_bytes(address), digest_size=16).hexdigest()


def read_bytes(address: str) -> bytes:
    """Return the bytes of a model's file."""
    try:
        return local_path(address).read_bytes()
    except OSError as error:
        raise RecipeError(
            f"cannot read the classifier: {error}",
            where=address,
            hint="give the path of a file that `curate train` wrote",
        ) from None


def read(data: bytes, address: str) -> PageModel:
    """Build a model from the bytes of a file, and check that its numbers fit together."""

    def fail(what: str) -> RecipeError:
        return RecipeError(
            what, where=address, hint="train it again: `curate train` writes such files"
        )

    if (found := model_file.read(data, _ARRAYS)) is None:
        raise fail("this is no classifier of `curate train`, or it is cut off")
    card, arrays = found
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise fail(f"the classifier's format is not {FORMAT}: another version of curate wrote it")
    try:
        _check(card, arrays)
    except (KeyError, TypeError, ValueError):
        raise fail("the classifier's numbers do not fit together: it is damaged") from None
    return PageModel(card, arrays)


def _check(card: dict[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Raise ValueError, KeyError or TypeError where a kernel could read outside of an array."""
    if any(
        arrays[name].dtype != kind or arrays[name].ndim != axes
        for name, (kind, axes) in _ARRAYS.items()
    ):
        raise ValueError
    many, size = len(card["signals"]), len(arrays["weights"])
    by_language = (len(card["languages"]), many)
    nodes = len(arrays["feature"])
    left, right = arrays["left"], arrays["right"]
    places = np.arange(nodes)
    inner = left >= 0
    wrong = (
        arrays["middle"].shape != by_language or arrays["range"].shape != by_language
        or len(arrays["undefined"]) != many or size & (size - 1)
        or len(arrays["prior"]) != len(card["languages"]) + 1
        or not set(card["signals"]) <= set(SIGNALS) or not 1 <= int(card["window"]) <= 1 << 20
        or not 1 <= int(card["longest_gram"]) <= 8
        or any(len(arrays[name]) != nodes for name in _NODES)
        # Children lie behind their parents, so that every walk ends.
        or (inner & ((left <= places) | (right <= places))).any()
        or (inner & ((left >= nodes) | (right >= nodes))).any()
        or (inner & ((arrays["feature"] < 0) | (arrays["feature"] > 2 * many + (size > 0)))).any()
        or ((arrays["roots"] < 0) | (arrays["roots"] >= nodes)).any()
    )  # fmt: skip
    float(card["gram_intercept"])
    if wrong:
        raise ValueError


def signal_features(
    shown: pa.LargeStringArray,
    lists: Mapping[str, Sequence[str]],
    names: Sequence[str],
    measure: Measure,
) -> Floats:
    """Return the named signals of texts as float64[len(shown), len(names)], NaN: undefined."""
    measured = measure(shown, names, lists)
    columns = [measured[f"signal_{name}"].cast(pa.float64()) for name in names]
    return np.column_stack([c.to_numpy(zero_copy_only=False) for c in columns])


def excerpts(texts: pa.LargeStringArray, window: int) -> pa.LargeStringArray:
    r"""Return the first ``window`` characters of each text and as many of its middle, as a line.

    A text that is hardly longer than both is whole.

    >>> excerpts(pa.array(["ab\ncd", "aabbccddee" * 20], pa.large_string()), 5).to_pylist()
    ['ab cd', 'aabbc aabbc']
    """
    data, offsets = buffers(texts)
    shown = np.empty(int(np.minimum(np.diff(offsets), 12 * window + 4).sum()), np.uint8)
    ends = np.zeros(len(offsets), np.int64)
    _excerpts(data, offsets, window, shown, ends)
    return from_buffers(shown, ends)


@kernel
def _skip(data: Any, at: Any, stop: Any, characters: Any) -> Any:
    """Return the place after as many characters, which begin at or behind ``at``."""
    for block in (128, 32):
        while characters > block and at + block <= stop:
            characters -= count_code_points(data, at, at + block)
            at += block
    while at < stop:
        first = (data[uint64(at)] & uint8(0xC0)) != uint8(0x80)
        if first and characters == 0:
            break
        characters -= int64(first)
        at += 1
    return at


@kernel
def _write_line(data: Any, start: Any, stop: Any, out: Any, n: Any) -> Any:
    """Write data[start:stop] with white space as spaces; return the place behind it."""
    for k in range(uint64(stop - start)):
        byte = data[uint64(start) + k]
        out[uint64(n) + k] = uint8(32) if uint8(byte - uint8(9)) < uint8(5) else byte
    return n + stop - start


@kernel
def _excerpts(data: Any, offsets: Any, window: Any, out: Any, ends: Any) -> None:
    n = int64(0)
    for d in range(len(offsets) - 1):
        start, stop = offsets[d], offsets[d + 1]
        characters = count_code_points(data, start, stop)
        if characters <= 2 * window + window // 5:
            n = _write_line(data, start, stop, out, n)
        else:
            first_end = _skip(data, start, stop, window)
            middle = _skip(data, first_end, stop, characters // 2 - window)
            n = _write_line(data, start, first_end, out, n)
            out[n] = uint8(32)
            n = _write_line(data, middle, _skip(data, middle, stop, window), out, n + 1)
        ends[d + 1] = n


def gram_scores(
    shown: pa.LargeStringArray, weights: npt.NDArray[np.float32], longest: int
) -> Floats:
    """Return the sum of the weights of each text's n-grams, by the roots of their counts."""
    data, offsets = buffers(shown)
    out, most = np.empty(len(shown)), _room(offsets)
    roots = np.sqrt(np.arange(most * longest + 1, dtype=np.float64))
    _gram_scores(data, offsets, unicode.FOLD, weights, roots, longest, most, out)
    return out


def gram_counts(
    shown: pa.LargeStringArray, size: int, longest: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Return the n-grams of texts as a sparse matrix: where rows begin, columns, values.

    The value of an n-gram is the root of its count; a row has the length 1.
    """
    data, offsets = buffers(shown)
    most = _room(offsets)
    columns = np.empty(int(np.diff(offsets).sum() + 2 * len(shown)) * longest, np.int64)
    values = np.empty(len(columns))
    starts = np.zeros(len(offsets), np.int64)
    _gram_counts(data, offsets, unicode.FOLD, size, longest, most, starts, columns, values)
    return starts, columns[: starts[-1]], values[: starts[-1]]


def _room(offsets: npt.NDArray[np.int64]) -> int:
    return int(np.diff(offsets).max(initial=0)) + 2


@kernel
def _count(
    data: Any,
    start: Any,
    stop: Any,
    fold: Any,
    longest: Any,
    codes: Any,
    places: Any,
    counts: Any,
    found: Any,
) -> Any:
    """Count hashed n-grams of 1 to ``longest`` characters, folded, runs of spaces as one.

    Return how many places of ``counts`` are used, in ``found``, and the number of n-grams.
    """
    space = uint32(32)
    codes[0] = before = space
    n = uint64(1)
    i = start
    while i < stop:
        code, size = decode(data, i)
        i += size
        code = fold[code] if code > space else space
        codes[n] = code
        n += uint64((code != space) | (before != space))
        before = code
    codes[n] = space
    n += uint64(before != space)
    mask = uint64(len(counts) - 1)
    total, k = uint64(0), uint64(0)
    while longest == 4 and k + uint64(4) <= n:
        # Written out: a loop of unknown length takes five times as long.
        a = (uint64(codes[k]) + uint64(1)) * GOLDEN
        b = (a + uint64(codes[k + uint64(1)]) + uint64(1)) * GOLDEN
        c = (b + uint64(codes[k + uint64(2)]) + uint64(1)) * GOLDEN
        d = (c + uint64(codes[k + uint64(3)]) + uint64(1)) * GOLDEN
        places[total] = fast_mix64(a) & mask
        places[total + uint64(1)] = fast_mix64(b) & mask
        places[total + uint64(2)] = fast_mix64(c) & mask
        places[total + uint64(3)] = fast_mix64(d) & mask
        total += uint64(4)
        k += uint64(1)
    while k < n:
        state = uint64(0)
        for last in range(k, min(k + uint64(longest), n)):
            state = (state + uint64(codes[last]) + uint64(1)) * GOLDEN
            places[total] = fast_mix64(state) & mask
            total += uint64(1)
        k += uint64(1)
    used = uint64(0)
    for t in range(total):
        place = uint64(places[t])
        times = counts[place]
        found[used] = place  # no branch: whether an n-gram is new is unpredictable
        used += uint64(times == 0)
        counts[place] = times + 1
    return used, int64(total)


@kernel
def _gram_scores(
    data: Any,
    offsets: Any,
    fold: Any,
    weights: Any,
    roots: Any,
    longest: Any,
    most: Any,
    out: Any,
) -> None:
    codes = np.empty(most + 1, np.uint32)
    counts = np.zeros(len(weights), np.int32)
    places = np.empty(most * longest, np.uint32)
    found = np.empty(most * longest + 1, np.uint32)
    room = (codes, places, counts, found)
    for d in range(len(out)):
        used, total = _count(data, offsets[d], offsets[d + 1], fold, longest, *room)
        score = 0.0
        for k in range(used):
            place = uint64(found[k])
            score += weights[place] * roots[counts[place]]
            counts[place] = 0
        out[d] = score / np.sqrt(float(max(total, 1)))


@kernel
def _gram_counts(
    data: Any,
    offsets: Any,
    fold: Any,
    size: Any,
    longest: Any,
    most: Any,
    starts: Any,
    columns: Any,
    values: Any,
) -> None:
    codes = np.empty(most + 1, np.uint32)
    counts = np.zeros(size, np.int32)
    places = np.empty(most * longest, np.uint32)
    found = np.empty(most * longest + 1, np.uint32)
    room = (codes, places, counts, found)
    for d in range(len(offsets) - 1):
        used, total = _count(data, offsets[d], offsets[d + 1], fold, longest, *room)
        at = starts[d]
        for k in range(used):
            columns[at + k] = found[k]
            values[at + k] = np.sqrt(float(counts[found[k]]) / float(max(total, 1)))
            counts[found[k]] = 0
        starts[d + 1] = at + used


def packed_nodes(arrays: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint32]:
    """Return what a walk reads of each node side by side: bits of the threshold, feature, children.

    A leaf is its own child, so that a walk may go on in it.
    """
    left = arrays["left"]
    leaf, places = left < 0, np.arange(len(left))
    nodes = np.empty((len(left), 4), np.uint32)
    nodes[:, 0] = arrays["threshold"].view(np.uint32)
    nodes[:, 1] = np.where(leaf, 0, arrays["feature"])
    nodes[:, 2] = np.where(leaf, places, left)
    nodes[:, 3] = np.where(leaf, places, arrays["right"])
    return nodes.reshape(-1)


def sum_trees(
    table: Floats,
    nodes: npt.NDArray[np.uint32],
    values: npt.NDArray[np.float32],
    roots: npt.NDArray[np.int32],
) -> Floats:
    """Return the sum of the values of the leaves that each row of features reaches.

    ``nodes`` are those of :func:`packed_nodes`; features are compared as float32.
    """
    rows, features = table.shape
    padded = np.zeros((-(-rows // _TOGETHER) * _TOGETHER, features), np.float32)
    padded[:rows] = table
    out = np.zeros(len(padded))
    _sum_trees(padded, nodes, nodes.view(np.float32), values, roots, out)
    return out[:rows]


#: Rows that walk through a tree together: a step of one need not wait for that of another.
_TOGETHER: Final = 16


@kernel
def _sum_trees(table: Any, nodes: Any, thresholds: Any, values: Any, roots: Any, out: Any) -> None:
    flat, width = table.reshape(-1), uint64(table.shape[1])
    at = np.empty(_TOGETHER, np.uint32)
    for tree in range(len(roots)):  # each for all rows: a tree fits the CPU's cache, a forest not
        for first in range(uint64(0), uint64(len(out)), uint64(_TOGETHER)):
            at[:] = roots[tree]
            moved = uint32(1)
            while moved:
                moved = uint32(0)
                for row in range(uint64(_TOGETHER)):
                    node = uint64(at[row]) * uint64(4)
                    feature = uint64(nodes[node + uint64(1)])
                    below = flat[(first + row) * width + feature] <= thresholds[node]
                    following = nodes[node + uint64(3) - uint64(below)]
                    moved |= following ^ at[row]
                    at[row] = following
            for row in range(uint64(_TOGETHER)):
                out[first + row] += float(values[uint64(at[row])])
