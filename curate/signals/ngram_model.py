"""Character n-gram models of clean text: their file, and perplexity by a kernel.

The unit is the character (a code point, in lower case), because it needs no words, no table of
pieces and no second training, and so is the same for Kazakh, Thai and Japanese. Six characters
reach over a word and its neighbour, and what is rare costs little: an n-gram has a row only where
clean text has it often enough.

Probabilities are those of interpolated modified Kneser-Ney smoothing (Chen and Goodman 1998; with
rare n-grams left out as KenLM does, Heafield et al. 2013). The file holds counts, whole numbers,
in an .npz that is read without pickle; its member ``card`` is JSON. Probabilities follow from the
counts when a model is read, and sum to 1 over all code points: a character outside of the alphabet
has an equal part of what the model gives to all of those.

The kernel walks an automaton, as Aho and Corasick's: a state is the longest context that the model
knows. A character that does not follow a state costs the state's backoff, and leads to the state
of the next shorter context. So a character takes at most two look-ups, averaged over a text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import int64, uint64

from curate.errors import RecipeError
from curate.kernels import unicode
from curate.kernels.arrow import buffers
from curate.kernels.jit import kernel
from curate.kernels.utf8 import decode
from curate.langid.fasttext.model import from_hub
from curate.paths import local_path, open_filesystem
from curate.signals import model_file

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

FORMAT: Final = 1
#: Costs (minus the natural logarithm) are stored in millionths, so that sums are exact.
SCALE: Final = 1_000_000
#: The symbol of every character outside of the alphabet.
UNKNOWN: Final = 0
#: Symbols of an alphabet and characters of a context: more than any language needs.
MOST_SYMBOLS, LONGEST = 1 << 13, 8
_CODE_POINTS: Final = 0x110000
#: Symbols of a state that are looked at one by one; among the others the search halves.
LIKELY: Final = 6
#: Where the number and the cost begin in a word; the place of a state is below them.
_NUMBER, _COST = 51, 26

_ARRAYS: Final = {
    "alphabet": np.uint32, "sizes": np.int64, "symbols": np.uint16, "counts": np.uint32,
    "totals": np.uint32, "children": np.uint16, "counts_of_counts": np.int64,
}  # fmt: skip


@lru_cache(maxsize=1)
def folded() -> npt.NDArray[np.uint32]:
    """Return the character that stands for each code point: lower case, 0 for digits, a space."""
    table = unicode.FOLD.copy()
    table[unicode.CLASS & unicode.DIGIT > 0] = ord("0")
    table[unicode.CLASS & (unicode.SPACE | unicode.NEWLINE) > 0] = ord(" ")
    table.setflags(write=False)
    return table


def characters(text: str) -> npt.NDArray[np.uint32]:
    r"""Return the characters of a text as a model reads them.

    >>> "".join(map(chr, characters(" A\n b٣ ")))
    'a b0'
    """
    data = np.frombuffer(text.encode(), np.uint8)
    out = np.empty(len(data), np.uint32)
    return out[: spell(data, 0, len(data), folded(), np.uint32(ord(" ")), out)]


class Automaton(NamedTuple):
    """What the kernel reads.

    A word holds a number (13 bits), a cost in millionths of a nat (25) and the place of a state
    (26). A state is a word with the number of its symbols, its backoff and the state of the next
    shorter context, and behind it a word for each symbol, with its cost and the state after it:
    the likeliest ``LIKELY`` symbols first, then the others in their order. Place 0 is the state
    without context.
    """

    symbols: Any  #: uint16[0x110000]: the symbol of each code point
    words: Any  #: uint64[...]
    first: Any  #: uint64[V]: the words of the state without context
    space: int  #: the symbol of a space
    start: int  #: the state after a space, where every text begins
    foreign: int  #: cost of one character among all outside of the alphabet


@dataclass(frozen=True, eq=False)
class NgramModel:
    """An n-gram model of the characters of a language: its card, and its counts by n-gram.

    N-grams stand by length; those of one length in the order of their context, then symbol.
    ``sizes`` counts them by length. For each n-gram ``symbols`` holds the last symbol, ``counts``
    how often it was seen (of the longest) or how many different symbols it was seen behind (of the
    others), ``totals`` the sum of the counts of all n-grams that are one symbol longer, rare ones
    too, and ``children`` how many of these have rows. ``counts_of_counts`` has a row per length:
    how many n-grams, rare ones too, have the counts 1, 2, 3 and 4.
    """

    card: dict[str, Any]
    arrays: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    automaton: Automaton = field(repr=False)

    def costs(self, texts: pa.LargeStringArray) -> tuple[Integers, Integers]:
        """Return each text's cost, in millionths of a nat, and its number of characters.

        White space at both ends does not count, and a run of it within is one space.
        """
        data, offsets = buffers(texts)
        costs, lengths = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int64)
        _costs(data, offsets, *self.automaton, costs, lengths)
        return costs, lengths

    def save(self, path: Path) -> None:
        """Write the model to a file; the same model gives the same bytes."""
        model_file.save(path, self.card, self.arrays)


def build(card: dict[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> NgramModel:
    """Build a model. Raise ValueError where its counts do not fit together."""
    _check(arrays)
    return NgramModel(card, arrays, _automaton(arrays))


def load(address: str) -> NgramModel:
    """Read a model, a local file again when it changes.

    Raise RecipeError where it is no model of this program.
    """
    return _load(address, _state(address))[0]


def digest(address: str) -> str:
    """Return the blake2b-128 of a model's file, in hex. Raise RecipeError as ``load`` does."""
    return _load(address, _state(address))[1]


def _state(address: str) -> tuple[int, int] | None:
    """Return what tells two versions of a local file apart."""
    path = local_path(address)
    if "://" in address or not path.is_file():
        return None
    known = path.stat()
    return known.st_mtime_ns, known.st_size


@lru_cache(maxsize=64)
def _load(address: str, state: tuple[int, int] | None) -> tuple[NgramModel, str]:
    data = _bytes(address)
    return _read(data, address), hashlib.blake2b(data, digest_size=16).hexdigest()


def _bytes(address: str) -> bytes:
    try:
        if "://" in address and not address.startswith("hf://"):
            files, path = open_filesystem(address)
            return bytes(files.cat_file(path))
        local = from_hub(address) if "://" in address else local_path(address)
        return local.read_bytes()
    except RecipeError:
        raise
    except Exception as error:  # each filesystem behind fsspec has its own errors
        raise RecipeError(
            f"cannot read the n-gram model: {error}",
            where=address,
            hint="give the file that `curate calibrate --perplexity FILE` wrote",
        ) from None


def _read(data: bytes, address: str) -> NgramModel:
    hint = "train it again: `curate calibrate --perplexity FILE` writes such files"
    if (found := model_file.read(data, _ARRAYS)) is None:
        raise RecipeError(
            "this is no n-gram model of `curate calibrate`, or it is cut off",
            where=address,
            hint=hint,
        )
    card, arrays = found
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise RecipeError(
            f"the n-gram model's format is not {FORMAT}: another version of curate wrote it",
            where=address,
            hint=hint,
        )
    try:
        return build(card, arrays)
    except ValueError:
        raise RecipeError(
            "the n-gram model's counts do not fit together: it is damaged",
            where=address,
            hint=hint,
        ) from None


def _check(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Raise ValueError where a table could not be built, or a kernel could read outside of one."""
    alphabet, sizes = arrays["alphabet"], arrays["sizes"]
    n_symbols, rows = len(alphabet) + 1, len(arrays["symbols"])
    if (
        any(arrays[n].dtype != kind for n, kind in _ARRAYS.items())
        or any(arrays[n].ndim != 1 for n in _ARRAYS if n != "counts_of_counts")
        or not 2 <= len(sizes) <= LONGEST
        or not 2 <= n_symbols <= MOST_SYMBOLS
        or arrays["counts_of_counts"].shape != (len(sizes), 4)
        or (arrays["counts_of_counts"] < 0).any()
        or sizes.min() < 0 or sizes.max() > rows or int(sizes.sum()) != rows
        or int(sizes[0]) != n_symbols
        or any(len(arrays[n]) != rows for n in ("counts", "totals", "children"))
        or not (np.diff(alphabet.astype(np.int64)) > 0).all()
        or int(alphabet[-1]) >= _CODE_POINTS or ord(" ") not in alphabet
        or (arrays["symbols"] >= n_symbols).any()
        or (arrays["symbols"][:n_symbols] != np.arange(n_symbols)).any()
    ):  # fmt: skip
        raise ValueError


def _discounts(counts_of_counts: npt.NDArray[np.int64]) -> Floats:
    """Return what modified Kneser-Ney takes off the counts 0, 1, 2 and from 3 on.

    Where the formula has no result in (0, count], as for few n-grams, 0.5, 1 and 1.5 as in KenLM.
    """
    n1, n2, n3, n4 = counts_of_counts.tolist()
    if not (n1 and n2 and n3):
        return np.array([0.0, 0.5, 1.0, 1.5])
    y = n1 / (n1 + 2 * n2)
    found = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
    if all(0 < d <= k for k, d in enumerate(found, 1)):
        return np.array([0.0, *found])
    return np.array([0.0, 0.5, 1.0, 1.5])


def _automaton(arrays: Mapping[str, npt.NDArray[Any]]) -> Automaton:
    """Compute probabilities, length by length, and the states that the kernel walks."""
    sizes, n_symbols = arrays["sizes"], len(arrays["alphabet"]) + 1
    ends = np.cumsum(sizes)
    # Of the level before: keys, n-grams without their first symbol, probabilities, states.
    keys = suffixes = states = np.zeros(1, np.int64)
    chances = np.array([1.0 / n_symbols])
    totals = np.array([arrays["counts"][:n_symbols].sum(dtype=np.int64)])
    children = np.array([n_symbols])
    n_states = 1
    shorter, backoffs = [states], []
    ways: list[tuple[Integers, ...]] = []  # state, symbol, cost and next state of each n-gram
    for level in range(len(sizes)):
        rows = slice(int(ends[level] - sizes[level]), int(ends[level]))
        symbol = arrays["symbols"][rows].astype(np.int64)
        counts = arrays["counts"][rows].astype(np.int64)
        if int(children.sum()) != len(symbol):
            raise ValueError
        parent = np.repeat(np.arange(len(children)), children)
        own = parent * n_symbols + symbol
        wanted = suffixes[parent] * n_symbols + symbol
        suffix = np.searchsorted(keys, wanted) if level else np.zeros_like(own)
        if (
            not (np.diff(own) > 0).all()
            or (totals[parent] <= 0).any()
            or (level and (keys[np.minimum(suffix, len(keys) - 1)] != wanted).any())
        ):
            raise ValueError
        discounts = _discounts(arrays["counts_of_counts"][level])
        share = (counts - discounts[np.minimum(counts, 3)]) / totals[parent]
        left = 1.0 - np.bincount(parent, share, len(children))
        backoffs.append(_cost(left[children > 0]))
        chances = share + left[parent] * chances[suffix]
        keys, suffixes, before = own, suffix, states
        totals = arrays["totals"][rows].astype(np.int64)
        children = arrays["children"][rows].astype(np.int64)
        # What nothing follows is no state: it stands where its suffix does.
        below = before[suffix] if level else np.zeros_like(own)
        has = children > 0
        states = np.where(has, n_states + np.cumsum(has) - 1, below)
        shorter.append(below[has])
        n_states += int(has.sum())
        ways.append((before[parent], symbol, _cost(chances), states))
    if children.any():
        raise ValueError
    return _packed(arrays["alphabet"], ways, np.concatenate(shorter), np.concatenate(backoffs))


def _packed(
    alphabet: npt.NDArray[np.uint32],
    ways: list[tuple[Integers, ...]],
    shorter: Integers,
    backoffs: Integers,
) -> Automaton:
    """Lay states and the ways out of them into words."""
    state, symbol, cost, following = (np.concatenate(column) for column in zip(*ways[1:]))
    degree = np.bincount(state, minlength=len(shorter))
    place = np.cumsum(degree + 1) - degree - 1
    by_cost = np.lexsort((symbol, cost, state))
    rank = np.empty(len(state), np.int64)
    rank[by_cost] = np.arange(len(state)) - (np.cumsum(degree) - degree)[state[by_cost]]
    sort = np.lexsort((np.where(rank < LIKELY, rank - LIKELY, symbol), state))
    words = np.zeros(len(state) + len(shorter), np.uint64)
    words[place] = _word(degree, backoffs, place[shorter])
    is_way = np.ones(len(words), np.bool_)
    is_way[place] = False
    words[is_way] = _word(symbol, cost, place[following])[sort]
    of_first, cost, following = ways[0][1:]
    first = _word(of_first, cost, place[following])
    symbols = np.zeros(_CODE_POINTS, np.uint16)
    symbols[alphabet] = np.arange(1, len(alphabet) + 1)
    space = int(symbols[ord(" ")])
    symbols = symbols[folded()]
    for table in (symbols, words, first):
        table.setflags(write=False)
    foreign = int(_cost(np.array([1.0 / (_CODE_POINTS - len(alphabet))]))[0])
    return Automaton(symbols, words, first, space, int(place[following[space]]), foreign)


def _word(number: Integers, cost: Integers, place: Integers) -> npt.NDArray[np.uint64]:
    if max(place.max(initial=0) >> _COST, cost.max(initial=0) >> (_NUMBER - _COST)):
        raise ValueError
    words: npt.NDArray[np.uint64] = number.astype(np.uint64) << np.uint64(_NUMBER)
    words |= cost.astype(np.uint64) << np.uint64(_COST)
    words |= place.astype(np.uint64)
    return words


def _cost(chances: npt.NDArray[Any]) -> Integers:
    if (chances <= 0).any():
        raise ValueError
    costs: Integers = np.rint(-np.log(np.minimum(chances, 1.0)) * SCALE).astype(np.int64)
    return costs


@kernel
def spell(data: Any, start: Any, stop: Any, table: Any, space: Any, out: Any) -> Any:
    """Write the symbol of each character, runs of spaces as one, none at the ends; return how many.

    ``table`` has the symbol of each code point.
    """
    n = int64(0)
    waiting = False
    i = start
    while i < stop:
        code, size = decode(data, i)
        i += size
        symbol = table[code]
        if symbol == space:
            waiting = n > 0
            continue
        if waiting:
            out[n] = space
            n += 1
            waiting = False
        out[n] = symbol
        n += 1
    return n


@kernel
def _costs(
    data: Any,
    offsets: Any,
    symbols: Any,
    words: Any,
    first: Any,
    space: Any,
    start: Any,
    foreign: Any,
    costs: Any,
    lengths: Any,
) -> None:
    place_bits = uint64((1 << _COST) - 1)
    cost_bits = uint64((1 << (_NUMBER - _COST)) - 1)
    longest = int64(0)
    for d in range(len(costs)):
        longest = max(longest, offsets[d + 1] - offsets[d])
    spelled = np.empty(longest + 1, np.uint16)
    for d in range(len(costs)):
        n = spell(data, offsets[d], offsets[d + 1], symbols, space, spelled)
        total = uint64(0)
        state = uint64(start)
        for k in range(n):
            symbol = uint64(spelled[k])
            if symbol == uint64(0):
                total += uint64(foreign)
            word = first[symbol]
            while state != uint64(0):
                head = words[state]
                at = state + uint64(1)
                end = at + (head >> uint64(_NUMBER))
                likely = min(at + uint64(LIKELY), end)
                while at < likely and words[at] >> uint64(_NUMBER) != symbol:
                    at += uint64(1)
                if at == likely and at < end:
                    high = end
                    while at < high:
                        middle = (at + high) >> uint64(1)
                        if words[middle] >> uint64(_NUMBER) < symbol:
                            at = middle + uint64(1)
                        else:
                            high = middle
                    if at < end and words[at] >> uint64(_NUMBER) != symbol:
                        at = end
                if at < end and words[at] >> uint64(_NUMBER) == symbol:
                    word = words[at]
                    break
                total += (head >> uint64(_COST)) & cost_bits
                state = head & place_bits
            total += (word >> uint64(_COST)) & cost_bits
            state = word & place_bits
        costs[d] = int64(total)
        lengths[d] = n
