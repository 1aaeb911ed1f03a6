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
from itertools import combinations, groupby
from typing import NamedTuple

import pyarrow as pa

from curate.dedup.fuzzy.minhash import permutations
from curate.dedup.fuzzy.steps import PAIRWISE_LIMIT
from curate.dedup.options import FOLD, NearDuplicates
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


#: Compatibility forms of letters and signs: `width`.
_FORMS = ((0x2F00, 0x2FD5), (0x3000, 0x3000), (0xFB00, 0xFDFF), (0xFE30, 0xFEFE), (0xFF01, 0xFFEE))
#: Signs that are typed in several ways.
_TYPED = {"'": "‘’‚‛′`´ʹʻʼʽˈꞌߴߵ", '"': "“”„‟″«»", "-": "‐‑‒–—―−"}
#: ASCII that counts as symbols, which Unicode calls punctuation.
_OPERATORS = "#%&*/@\\"


#: Letters of languages in which ı and i are two letters.
_TURKIC = set("ıİğĞşŞ")


def _nfc(text: str) -> str:
    """Return a text in NFC; of a run of combining marks only the first 30 count."""
    runs = groupby(text, lambda c: unicodedata.category(c)[0] == "M")
    cut = "".join("".join(run)[: 30 if are_marks else None] for are_marks, run in runs)
    return unicodedata.normalize("NFC", cut)


def _width(c: str) -> str:
    form = unicodedata.normalize("NFKC", c)
    inside = any(first <= ord(c) <= last for first, last in _FORMS)
    return form if inside and (form.strip() == form or form == " ") else c


def normalised(text: str, fold: tuple[str, ...]) -> str:
    """Return a text in one canonical form, with case and width folded if they are in `fold`.

    In a text with ı, İ, ğ or ş the small I is ı.

    >>> normalised("ＡＢ Straße", ("case", "width")), normalised("ISI Işık", ("case",))
    ('ab strasse', 'ısı ışık')
    """
    text = _nfc(text)
    if "width" in fold:
        text = _nfc("".join(map(_width, text)))
    if "case" in fold:
        if "diacritics" not in fold and not _TURKIC.isdisjoint(text):
            text = text.replace("I", "ı")
        text = text.replace("i\u0307", "i")
        text = _nfc("".join("i" if c == "İ" else _nfc(c.casefold()) for c in text))
    return text


def words(text: str, fold: tuple[str, ...] = FOLD, *, signs: bool = False) -> list[tuple[str, str]]:
    """Return each word twice: with what is folded, and with its digits.

    With `signs` all signs are words, else symbols, and the sign of what follows.

    >>> words("Café No. 12! -5 + x")[2:]
    [('12', '12'), ('-', '-'), ('5', '5'), ('+', '+'), ('x', 'x')]
    >>> words("No. 12!", ("case", "numbers"), signs=True)
    [('no', 'no'), ('.', '.'), ('0', '12'), ('!', '!')]
    """
    split: list[tuple[str, str]] = []
    kind = ""  # of the character before: "", "letter", "digit", "solo"
    accented = False  # whether a mark after it is dropped
    sign, kind_before_sign, in_line = "", "", False

    def add(raw: str, folded: str, new: str) -> None:
        nonlocal kind
        if kind in ("", "solo") or new == "solo":
            split.append((folded, raw))
        else:
            repeats = folded == "0" and new == kind == "digit" and "numbers" in fold
            split[-1] = (split[-1][0] + ("" if repeats else folded), split[-1][1] + raw)
        kind = new

    for character in normalised(text, fold):
        written = character
        for usual, others in _TYPED.items():
            character = usual if character in others else character
        c = ord(character)
        classes, category = int(unicode.CLASS[c]), unicodedata.category(character)
        script = unicode.SCRIPTS[unicode.SCRIPT[c]]
        folds_accents = "diacritics" in fold and (script in ("Latn", "Grek") or character in "ёЁ")
        base = chr(int(unicode.BASE[c])) if folds_accents else character
        symbol = (category[0] == "S" and character not in "`'-") or character in _OPERATORS
        symbol = symbol and "symbols" not in fold
        if character in "ـߺ" or 0xFE00 <= c < 0xFE10 or 0xE0100 <= c < 0xE01F0:
            continue
        if classes & unicode.SPACE:
            kind, accented, sign, in_line = "", False, "", character not in "\n"
        elif classes & unicode.MARK:
            if accented or ("diacritics" in fold and is_vowel_sign(c)):
                continue
            if kind:
                split[-1] = (split[-1][0] + base, split[-1][1] + base)
                kind = kind if kind == "solo" else "letter"
            else:
                add(base, base, "letter")
            sign = ""
        elif symbol or (signs and classes & unicode.PUNCTUATION):
            add(base, base, "solo")
            accented, sign, in_line = False, "", True
        elif classes & (unicode.DIGIT | unicode.LETTER) or category in ("No", "Nl"):
            digit = bool(classes & unicode.DIGIT)
            signed = (sign == "-" and (digit or in_line)) or (sign == "!" and not digit)
            signed = signed and kind_before_sign in ("", "solo")
            if signed and not classes & unicode.UNSPACED:
                split.append((sign, sign))
            sign, in_line = "", True
            if digit:
                value = str(unicodedata.decimal(character)) if "numbers" in fold else character
                add(value, "0" if "numbers" in fold else value, "digit")
                accented = False
            elif classes & unicode.UNSPACED:
                add(base, base, "solo")
                accented = False
            else:
                add(base, base, "letter")
                accented = folds_accents
        elif classes & unicode.CONTROL:
            continue
        else:
            if "symbols" not in fold and character in "-!" and written not in "—―":
                sign, kind_before_sign = character, "" if sign else kind
            else:
                sign, in_line = "", True
            kind, accented = "", False
    return split


def is_vowel_sign(code: int) -> bool:
    """Return whether a mark is a Hebrew point or an Arabic short vowel."""
    ranges = (0x0591, 0x05C7), (0x0610, 0x061A), (0x064B, 0x0652), (0x0670, 0x0670)
    return any(first <= code <= last for first, last in ranges)


def is_number(word: str) -> bool:
    """Return whether a word consists of digits."""
    return all(unicode.CLASS[ord(c)] & unicode.DIGIT for c in word)


def word_shingles(text: str, ngram: int, fold: tuple[str, ...] = FOLD) -> Shingles:
    """Return the word n-grams of a text; a short text has its signs as words.

    Where numbers are folded, a text shorter than one n-gram and an n-gram of numbers keep digits.
    """
    signs = "symbols" not in fold
    every = words(text, fold, signs=signs and "punctuation" not in fold)
    short = len(every) < ngram
    if signs and len(every) < 2 * ngram:
        every = words(text, fold, signs=True)
    short |= len(every) < ngram
    if not every:
        return set()
    if len(every) < ngram:
        return {("short", *(raw for _, raw in every))}
    shingles = set()
    for at in range(len(every) - ngram + 1):
        window = every[at : at + ngram]
        kept = short or all(is_number(raw) for _, raw in window)
        shingles.add(tuple(raw if kept else folded for folded, raw in window))
    return shingles


def char_shingles(text: str, ngram: int, fold: tuple[str, ...] = FOLD) -> Shingles:
    """Return the character n-grams of a text."""
    characters: list[str] = []
    pending = False
    for c in normalised(text, fold):
        if unicode.CLASS[ord(c)] & unicode.SPACE:
            pending = bool(characters)
            continue
        if pending:
            characters.append(" ")
            pending = False
        characters.append(c)
    if not characters:
        return set()
    if len(characters) < ngram:
        return {("short", *characters)}
    return {tuple(characters[i : i + ngram]) for i in range(len(characters) - ngram + 1)}


def shingles(text: str, near: NearDuplicates) -> Shingles:
    """Return the shingles of a text, of the kind and length of the options."""
    make = word_shingles if near.shingle == "word" else char_shingles
    return make(text, near.ngram, near.shingling.fold)


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

    Documents without words and signs are not compared.

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
