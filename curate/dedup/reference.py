"""The dedup of curate/dedup, once more and slowly: plain Python on strings, sets and dictionaries."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict

import numpy as np

from curate.dedup.fuzzy.minhash import band_keys, sign_texts
from curate.dedup.options import NearDuplicates
from curate.kernels import unicode


def words(text: str) -> list[tuple[str, str]]:
    """Each word as (with digits as 0, with its digits)."""
    found: list[tuple[str, str]] = []
    kind = ""  # what came before: "", "letter", "digit", "solo"
    loses_marks = False
    for c in map(ord, text):
        classes, base = int(unicode.CLASS[c]), chr(int(unicode.BASE[c]))
        if classes & unicode.SPACE:
            kind, loses_marks = "", False
        elif classes & unicode.MARK:
            if loses_marks:
                continue
            if kind:
                folded, raw = found[-1]
                found[-1] = (folded + base, raw + base)
                kind = kind if kind == "solo" else "letter"
            else:
                found.append((base, base))
                kind = "letter"
        elif classes & unicode.DIGIT:
            if kind in ("", "solo"):
                found.append(("0", base))
            else:
                folded, raw = found[-1]
                found[-1] = (folded if kind == "digit" else folded + "0", raw + base)
            kind, loses_marks = "digit", False
        elif classes & unicode.UNSPACED:
            found.append((base, base))
            kind, loses_marks = "solo", False
        elif classes & unicode.LETTER:
            if kind in ("", "solo"):
                found.append((base, base))
            else:
                folded, raw = found[-1]
                found[-1] = (folded + base, raw + base)
            kind = "letter"
            loses_marks = unicode.SCRIPTS[unicode.SCRIPT[c]] in ("Latn", "Grek")
        elif classes & unicode.CONTROL:
            continue
        else:
            kind, loses_marks = "", False
    return found


def is_number(word: str) -> bool:
    """Return whether a word consists of digits."""
    return all(unicode.CLASS[ord(c)] & unicode.DIGIT for c in word)


def word_shingles(text: str, ngram: int) -> set[tuple[str, ...]]:
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


def char_shingles(text: str, ngram: int) -> set[tuple[str, ...]]:
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


def shingles(text: str, near: NearDuplicates) -> set[tuple[str, ...]]:
    """Return the shingles that the options ask for."""
    make = word_shingles if near.shingling.kind == "word" else char_shingles
    return make(text, near.shingling.ngram)


def similarity(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    """Return the Jaccard similarity of two sets; 0 for two empty ones."""
    return len(a & b) / len(a | b) if a | b else 0.0


def contained(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    """The share of the first set that stands in the second."""
    return len(a & b) / len(a)


def decide(texts: list[str], ids: list[str], near: NearDuplicates) -> dict[str, tuple[str, float]]:
    """The rule of removal, document by document: removed id → (witness, how alike).

    The longest is kept, or with any other order that of the smallest id.
    """
    import pyarrow as pa

    signatures, _ = sign_texts(
        pa.array(texts, pa.large_string()), near.shingling, near.count, near.seed
    )
    keys = band_keys(signatures, near.bands, near.rows)
    sets = [shingles(text, near) for text in texts]
    aim, measure = near.threshold, similarity
    if near.similarity == "containment":
        # d of n shingles in w of r * n share at least t * n of (1 + r - t) * n.
        aim = near.threshold / (1 + near.length_ratio - near.threshold)
        measure = contained
    sigma = math.sqrt(aim * (1 - aim) / near.count)
    by_size = near.keep == "longest"
    order = sorted(range(len(texts)), key=lambda i: (-len(texts[i].encode()) * by_size, ids[i]))
    kept: dict[tuple[int, int], list[int]] = defaultdict(list)
    removed: dict[str, tuple[str, float]] = {}
    for i in order:
        if not sets[i]:
            continue
        mine = [(int(high), int(low)) for high, low in keys[i]]
        for key in mine:
            for witness in kept[key][: near.max_witnesses]:
                estimate = np.count_nonzero(signatures[i] == signatures[witness]) / near.count
                if estimate < aim - 4 * sigma - 1e-9:
                    continue
                alike = measure(sets[i], sets[witness])
                if alike >= near.threshold:
                    removed[ids[i]] = (ids[witness], alike)
                    break
            if ids[i] in removed:
                break
        else:
            for key in mine:
                kept[key].append(i)
    return removed
