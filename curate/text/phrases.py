"""Count how often the phrases of a list occur in a text: leftmost first, without overlap.

The count is that of ``re.findall`` with all phrases as alternatives, which is how the published
lists of Japanese words are used, in one pass: the phrases are a trie over code points. Where
several match at one place, the first of the list wins. Two guards keep short words from being found
inside longer ones:

* a phrase of only katakana counts only where no katakana is before or after it
  (such phrases are tried after the others, as hojichar does);
* with ``whole_words``, letter case does not matter and a phrase of a script with spaces counts only
  where no letter, digit or mark is before or after it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numba import int64, uint32, uint64

from curate.kernels import unicode
from curate.kernels.hashing import GOLDEN
from curate.kernels.jit import kernel
from curate.kernels.utf8 import decode

_KATAKANA: Final = re.compile("[\u30a1-\u30f4\u30fc]+")
_ONLY_KATAKANA: Final = 1
_NO_WORD_BEFORE: Final = 2
_NO_WORD_AFTER: Final = 4
_INSIDE_WORDS: Final = unicode.LETTER | unicode.DIGIT | unicode.MARK
_FIRST_BITS: Final = 0xFFFF


class Phrases(NamedTuple):
    """A list of phrases, compiled into a trie."""

    keys: Any  #: uint64[2**k]: open addressing from (node, code point), plus one, to the next node
    nodes: Any  #: int32[2**k]
    ranks: Any  #: int32[nodes]: the phrase that ends at a node, the lowest wins; -1 for none
    guards: Any  #: uint8[nodes]
    first: Any  #: bool[65536]: the low bits of code points that phrases begin with
    fold: Any  #: uint32: the form in which a code point is compared; empty where case matters


@lru_cache(maxsize=32)
def compiled(phrases: tuple[str, ...], whole_words: bool = False) -> Phrases:
    """Build the trie of a list. Blank phrases and spaces around phrases are ignored."""
    spelled = [phrase.strip() for phrase in phrases]
    ordered = sorted(filter(None, spelled), key=lambda p: _KATAKANA.fullmatch(p) is not None)
    ranks, guards, edges = [-1], [0], {}
    first = np.zeros(_FIRST_BITS + 1, np.bool_)
    for rank, phrase in enumerate(ordered):
        codes = [ord(character) for character in phrase]
        if whole_words:
            codes = unicode.FOLD[codes].tolist()
        first[codes[0] & _FIRST_BITS] = True
        node = 0
        for code in codes:
            if (node, code) not in edges:
                edges[node, code] = len(ranks)
                ranks.append(-1)
                guards.append(0)
            node = edges[node, code]
        if ranks[node] < 0:
            ranks[node], guards[node] = rank, _guard(phrase, whole_words)
    size = max(64, 1 << (3 * len(edges) - 1).bit_length())
    keys, nodes = np.zeros(size, np.uint64), np.zeros(size, np.int32)
    for (node, code), child in edges.items():
        key = (node << 21 | code) + 1
        slot = _slot(key, size)
        while keys[slot]:
            slot = (slot + 1) & (size - 1)
        keys[slot], nodes[slot] = key, child
    fold = unicode.FOLD if whole_words else np.zeros(0, np.uint32)
    arrays = (keys, nodes, np.array(ranks, np.int32), np.array(guards, np.uint8), first, fold)
    for array in arrays:
        array.setflags(write=False)
    return Phrases(*arrays)


def _guard(phrase: str, whole_words: bool) -> int:
    if _KATAKANA.fullmatch(phrase):
        return _ONLY_KATAKANA
    if not whole_words:
        return 0
    guard = 0
    for character, bit in ((phrase[0], _NO_WORD_BEFORE), (phrase[-1], _NO_WORD_AFTER)):
        kind = int(unicode.CLASS[ord(character)])
        if kind & _INSIDE_WORDS and not kind & unicode.UNSPACED:
            guard |= bit
    return guard


def _slot(key: int, size: int) -> int:
    product = key * int(GOLDEN) & 0xFFFFFFFFFFFFFFFF
    return (product >> 32) & (size - 1)


@kernel
def _refused(guard: Any, before: Any, after: Any, classes: Any) -> Any:
    """Return whether a guard refuses the code points around a phrase (0 at an end of the text)."""
    if guard & _ONLY_KATAKANA:
        for code in (before, after):
            if uint32(0x30A1) <= code <= uint32(0x30F4) or code == uint32(0x30FC):
                return True
    if guard & _NO_WORD_BEFORE and classes[before] & _INSIDE_WORDS:
        return True
    return bool(guard & _NO_WORD_AFTER and classes[after] & _INSIDE_WORDS)


@kernel
def count_phrases(
    data: Any,
    starts: Any,
    ends: Any,
    keys: Any,
    nodes: Any,
    ranks: Any,
    guards: Any,
    first: Any,
    fold: Any,
    classes: Any,
    out: Any,
) -> None:
    """Write the number of phrases in each text."""
    mask = uint64(len(keys) - 1)
    folded = len(fold) > 0
    for d in range(len(starts)):
        i, end = starts[d], ends[d]
        before = uint32(0)
        found = 0
        while i < end:
            code, size = decode(data, i)
            plain = code
            if folded:
                code = fold[code]
            resume = i + size
            if first[code & uint32(_FIRST_BITS)]:
                node = int64(0)
                at = i
                best = int64(2**31)
                while True:
                    key = (uint64(node) << uint64(21) | uint64(code)) + uint64(1)
                    slot = ((key * GOLDEN) >> uint64(32)) & mask
                    while keys[slot] != uint64(0) and keys[slot] != key:
                        slot = (slot + uint64(1)) & mask
                    if keys[slot] == uint64(0):
                        break
                    node = int64(nodes[slot])
                    at += size
                    after = uint32(0)
                    size = int64(0)
                    if at < end:
                        after, size = decode(data, at)
                    rank = int64(ranks[node])
                    if 0 <= rank < best and not _refused(guards[node], before, after, classes):
                        best = rank
                        resume = at
                    if at >= end:
                        break
                    code = fold[after] if folded else after
                if best < int64(2**31):
                    found += 1
                    # The code point before the next place is the phrase's last one.
                    back = resume - 1
                    while (data[back] & 0xC0) == 0x80:
                        back -= 1
                    plain, _ = decode(data, back)
            before = plain
            i = resume
        out[d] = found
