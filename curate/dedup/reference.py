"""Fuzzy dedup, the smallest correct version: plain Python on strings, sets and dictionaries.

Read this first. Each step is one function on a handful of documents in memory: shingles, MinHash
signature, band keys, buckets, edges, components, and verification in keeper order. `trace` returns
the table after each step; PRIMER.md prints them for six documents. `curate.dedup.fuzzy` does the
same at scale, and tests compare its removals with `removals` for the orders of `keeper_order`.
Shared with it, so that both have the same candidates, are the options, `PAIRWISE_LIMIT`, the
Unicode tables, the permutations, and `shingle_sets`: the hashes that a signature is made of. The
sets that are verified here come from this module's own normalisation and shingles.

MinHash: Broder 1997, "On the resemblance and containment of documents". Bands: Leskovec, Rajaraman
and Ullman, "Mining of Massive Datasets", section 3.4.
"""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import pyarrow as pa

from curate.dedup.fuzzy.minhash import permutations
from curate.dedup.fuzzy.steps import PAIRWISE_LIMIT
from curate.dedup.options import NearDuplicates
from curate.dedup.shingles import shingle_sets
from curate.kernels import unicode

Shingles = set[tuple[str, ...]]
Signature = tuple[int, ...]
#: The number of a band, and the values of its rows.
BandKey = tuple[int, Signature]
Row = dict[str, object]


class Removal(NamedTuple):
    """A kept document that a removed one is a near duplicate of, and their similarity."""

    witness: str
    similarity: float


def words(text: str) -> list[tuple[str, str]]:
    """Return each word twice: with a run of digits as 0, and with its digits.

    >>> words("Café No. 12!")
    [('cafe', 'cafe'), ('no', 'no'), ('0', '12')]
    """
    split: list[tuple[str, str]] = []
    kind = ""  # of the character before: "", "letter", "digit", "solo"
    loses_marks = False
    for c in map(ord, text):
        classes, base = int(unicode.CLASS[c]), chr(int(unicode.BASE[c]))
        if classes & unicode.SPACE:
            kind, loses_marks = "", False
        elif classes & unicode.MARK:
            if loses_marks:
                continue
            if kind:
                folded, raw = split[-1]
                split[-1] = (folded + base, raw + base)
                kind = kind if kind == "solo" else "letter"
            else:
                split.append((base, base))
                kind = "letter"
        elif classes & unicode.DIGIT:
            if kind in ("", "solo"):
                split.append(("0", base))
            else:
                folded, raw = split[-1]
                split[-1] = (folded if kind == "digit" else folded + "0", raw + base)
            kind, loses_marks = "digit", False
        elif classes & unicode.UNSPACED:
            split.append((base, base))
            kind, loses_marks = "solo", False
        elif classes & unicode.LETTER:
            if kind in ("", "solo"):
                split.append((base, base))
            else:
                folded, raw = split[-1]
                split[-1] = (folded + base, raw + base)
            kind = "letter"
            loses_marks = unicode.SCRIPTS[unicode.SCRIPT[c]] in ("Latn", "Grek")
        elif classes & unicode.CONTROL:
            continue
        else:
            kind, loses_marks = "", False
    return split


def is_number(word: str) -> bool:
    """Return whether a word consists of digits."""
    return all(unicode.CLASS[ord(c)] & unicode.DIGIT for c in word)


def word_shingles(text: str, ngram: int) -> Shingles:
    """Return the word n-grams of a text, digits folded to 0 unless all words of one are numbers."""
    every = words(text)
    if not every:
        return set()
    if len(every) < ngram:
        return {("short", *(raw for _, raw in every))}
    shingles = set()
    for at in range(len(every) - ngram + 1):
        window = every[at : at + ngram]
        numbers = all(is_number(raw) for _, raw in window)
        shingles.add(tuple(raw if numbers else folded for folded, raw in window))
    return shingles


def char_shingles(text: str, ngram: int) -> Shingles:
    """Return the character n-grams of a text."""
    characters: list[str] = []
    pending = False
    for c in map(ord, unicodedata.normalize("NFC", text)):
        if unicode.CLASS[c] & unicode.SPACE:
            pending = bool(characters)
            continue
        if pending:
            characters.append(" ")
            pending = False
        characters.append(chr(int(unicode.FOLD[c])))
    if not characters:
        return set()
    if len(characters) < ngram:
        return {("short", *characters)}
    return {tuple(characters[i : i + ngram]) for i in range(len(characters) - ngram + 1)}


def shingles(text: str, near: NearDuplicates) -> Shingles:
    """Return the shingles of a text, of the kind and length of the options."""
    make = word_shingles if near.shingle == "word" else char_shingles
    return make(text, near.ngram)


def signature_of(text: str, near: NearDuplicates) -> Signature:
    """Return the MinHash signature: for each permutation the smallest value of the text's shingles.

    A permutation maps a shingle's 32-bit hash h to (a * h + b) mod 2**32. Two signatures agree in a
    value with probability equal to the Jaccard similarity of the two sets.
    """
    hashes, _ = shingle_sets(pa.array([text], pa.large_string()), near.shingling)
    mixed = [_mix32(int(value) >> 32) for value in hashes]
    a, b = (part.tolist() for part in permutations(near.num_permutations, near.seed))
    return tuple(
        min((a[p] * h + b[p]) % 2**32 for h in mixed) for p in range(near.num_permutations)
    )


def _mix32(h: int) -> int:
    """Return a hash mixed as datasketch does before it permutes (MurmurHash3's finalizer)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = ((h ^ (h >> shift)) * factor) % 2**32
    return h ^ (h >> 16)


def band_keys(signature: Signature, near: NearDuplicates) -> list[BandKey]:
    """Cut a signature into bands; the key of a band is its number and the values of its rows."""
    bands, rows = near.band_shape
    return [(band, signature[band * rows : (band + 1) * rows]) for band in range(bands)]


def buckets_of(
    signatures: Mapping[str, Signature], near: NearDuplicates
) -> dict[BandKey, list[str]]:
    """Return the documents of each band key that two or more share: the candidates."""
    documents: dict[BandKey, list[str]] = defaultdict(list)
    for name in sorted(signatures):
        for key in band_keys(signatures[name], near):
            documents[key].append(name)
    return {key: names for key, names in documents.items() if len(names) >= 2}


def agreement(a: Signature, b: Signature) -> int:
    """Return in how many values two signatures agree."""
    return sum(x == y for x, y in zip(a, b, strict=True))


def may_verify(a: Signature, b: Signature, near: NearDuplicates) -> bool:
    """Return whether a pair is worth an exact comparison.

    The estimate of the similarity may be at most 4 standard deviations below the target.
    """
    target, count = near.target_jaccard, near.num_permutations
    sigma = math.sqrt(target * (1 - target) / count)
    return agreement(a, b) / count >= target - 4 * sigma - 1e-9


def edges_of(
    buckets: Mapping[BandKey, list[str]], signatures: Mapping[str, Signature], near: NearDuplicates
) -> set[tuple[str, str]]:
    """Return the pairs of a bucket that may verify; a large bucket is joined as a whole."""
    edges: set[tuple[str, str]] = set()
    for names in buckets.values():
        if len(names) > min(PAIRWISE_LIMIT, near.max_witnesses):
            edges |= {(names[0], other) for other in names[1:]}
        else:
            pairs = combinations(names, 2)
            edges |= {(a, b) for a, b in pairs if may_verify(signatures[a], signatures[b], near)}
    return edges


def components_of(edges: set[tuple[str, str]]) -> dict[str, str]:
    """Return each document of an edge with the smallest document that it is connected to."""
    component = {name: name for edge in edges for name in edge}
    changed = True
    while changed:
        changed = False
        for a, b in edges:
            smallest = min(component[a], component[b])
            if component[a] != smallest or component[b] != smallest:
                component[a] = component[b] = smallest
                changed = True
    return component


def similarity(a: Shingles, b: Shingles) -> float:
    """Return the Jaccard similarity of two sets; 0 for two empty ones."""
    return len(a & b) / len(a | b) if a | b else 0.0


def containment(a: Shingles, b: Shingles) -> float:
    """Return the share of the first set that is in the second."""
    return len(a & b) / len(a)


def keeper_order(documents: Mapping[str, str], near: NearDuplicates) -> list[str]:
    """Return the documents: `longest` first, or for `oldest` by id, as if all had one date.

    Raise ValueError for the other orders, which need values that documents do not have here.
    """
    if near.keep == "oldest":
        return sorted(documents)
    if near.keep != "longest":
        raise ValueError(f"the reference has no order '{near.keep}'")
    return sorted(documents, key=lambda name: (-len(documents[name].encode()), name))


def verify(
    order: list[str],
    sets: Mapping[str, Shingles],
    signatures: Mapping[str, Signature],
    near: NearDuplicates,
) -> dict[str, Removal]:
    """Apply the rule of removal in keeper order: removed document -> its witness.

    A document is removed when a kept one is its candidate and their exact similarity reaches the
    threshold. Each band key remembers the first `max_witnesses` kept documents.
    """
    measure = containment if near.similarity == "containment" else similarity
    kept: dict[BandKey, list[str]] = defaultdict(list)
    removed: dict[str, Removal] = {}
    for name in order:
        keys = band_keys(signatures[name], near)
        candidates = (witness for key in keys for witness in kept[key][: near.max_witnesses])
        for witness in candidates:
            if may_verify(signatures[name], signatures[witness], near):
                measured = measure(sets[name], sets[witness])
                if measured >= near.threshold:
                    removed[name] = Removal(witness, measured)
                    break
        else:
            for key in keys:
                kept[key].append(name)
    return removed


def removals(documents: Mapping[str, str], near: NearDuplicates) -> dict[str, Removal]:
    """Return the near duplicates among documents (id -> text): removed id -> its witness.

    Documents without words are not compared.

    >>> near = NearDuplicates(threshold=0.5, ngram=2)
    >>> removals({"a": "the cat sat on the mat", "b": "The cat sat on a mat!", "c": "rain"}, near)
    {}
    >>> removals({"a": "the cat sat on the mat", "b": "The cat sat on the mat!", "c": "rain"}, near)
    {'a': Removal(witness='b', similarity=1.0)}
    """
    sets = {name: shingles(text, near) for name, text in documents.items()}
    signatures = {name: signature_of(documents[name], near) for name in documents if sets[name]}
    order = [name for name in keeper_order(documents, near) if sets[name]]
    return verify(order, sets, signatures, near)


def trace(documents: Mapping[str, str], near: NearDuplicates) -> dict[str, list[Row]]:
    """Return the table after each step for a handful of documents (id -> text)."""
    sets = {name: shingles(text, near) for name, text in documents.items()}
    signatures = {name: signature_of(documents[name], near) for name in documents if sets[name]}
    buckets = buckets_of(signatures, near)
    edges = edges_of(buckets, signatures, near)
    order = [name for name in keeper_order(documents, near) if sets[name]]
    removed = verify(order, sets, signatures, near)
    return {
        "shingles": [
            {"id": name, "shingles": ", ".join(sorted(map(" ".join, sets[name])))} for name in sets
        ],
        "signatures": [
            {"id": name, **{f"p{p}": value for p, value in enumerate(values)}}
            for name, values in signatures.items()
        ],
        "band_keys": [
            {"id": name, **{f"band {band}": values for band, values in band_keys(whole, near)}}
            for name, whole in signatures.items()
        ],
        "buckets": [
            {"band": band, "values": values, "documents": " ".join(names)}
            for (band, values), names in sorted(buckets.items())
        ],
        "edges": [
            {"a": a, "b": b, "equal values": agreement(signatures[a], signatures[b])}
            for a, b in sorted(edges)
        ],
        "components": [
            {"id": name, "component": first} for name, first in sorted(components_of(edges).items())
        ],
        "verify": [
            {"id": name, "bytes": len(documents[name].encode()), "outcome": "kept"}
            if name not in removed
            else {
                "id": name,
                "bytes": len(documents[name].encode()),
                "outcome": "removed",
                "witness": removed[name].witness,
                near.similarity: round(removed[name].similarity, 3),
            }
            for name in order
        ],
    }


def as_text(rows: list[Row]) -> str:
    """Return a table as lines of aligned columns.

    >>> print(as_text([{"id": "a", "n": 5}, {"id": "bc"}]))
    id  n
    a   5
    bc
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, *([str(row.get(name, "")) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(padded)
