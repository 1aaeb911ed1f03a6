"""Function words, scripts and letters of a language, counted on clean text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from curate.kernels import unicode
from curate.text.words import words

#: Only the beginning of a document counts; a long document would contain every word.
_FIRST_WORDS: Final = 300
_FIRST_CHARACTERS: Final = 20_000
#: A function word occurs in at least this share, and this number, of the documents of every domain.
MIN_DOCUMENT_SHARE: Final = 0.08
MIN_DOCUMENTS: Final = 3
#: FineWeb2's lists have at least eight words.
MIN_WORDS, MAX_WORDS = 8, 100


def function_words(domains: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the words that documents of every domain use, the most frequent first; at most 100.

    A word counts only in small letters, because names, titles and menus have capitals. A word that
    is frequent in one domain is a topic; one that occurs in a share of the documents of each is a
    function word. FineWeb2's lists, counted on one domain, have ``isbn`` for Kyrgyz and ``river``
    for Kazakh.

    >>> function_words([["the cat of the house"] * 3, ["the end of it"] * 3])
    ('the', 'of')
    """
    frequency: Counter[str] = Counter()
    shares: dict[str, float] = {}
    for number, documents in enumerate(domains):
        total: Counter[str] = Counter()
        document_count: Counter[str] = Counter()
        for document in documents:
            plain = [word for word in words(document)[:_FIRST_WORDS] if _is_plain(word)]
            total.update(plain)
            document_count.update(set(plain))
        size = max(1, total.total())
        floor = max(MIN_DOCUMENTS, MIN_DOCUMENT_SHARE * len(documents))
        fit = {word: n / size for word, n in total.items() if document_count[word] >= floor}
        shares = fit if not number else {w: min(s, fit[w]) for w, s in shares.items() if w in fit}
        frequency.update(total)
    ranked = sorted(shares, key=lambda word: (-shares[word], -frequency[word], word))
    return tuple(ranked[:MAX_WORDS])


def _is_plain(word: str) -> bool:
    return word == word.lower() and any(char.isalpha() for char in word)


def scripts_and_letters(texts: Iterable[str]) -> tuple[tuple[str, ...], str]:
    """Return the scripts of at least a twentieth of the letters, and their small letters, sorted.

    Letters rarer than one in 10,000 come from names and quotations. A script of more than 200
    letters (Han, Hangul) has no alphabet: its letters are omitted. Of a long document the beginning
    counts, so that no book outweighs all others.

    >>> scripts_and_letters(["Қазақ тілі, тіл"])
    (('Cyrl',), 'азлтіқ')
    """
    counted: Counter[str] = Counter()
    for text in texts:
        counted.update(char for char in text[:_FIRST_CHARACTERS].lower() if char.isalpha())
    by_script: Counter[str] = Counter()
    for char, count in counted.items():
        by_script[_script(char)] += count
    total = sum(by_script.values())
    shares = {script: count / max(1, total) for script, count in by_script.items()}
    scripts = tuple(s for s, _ in by_script.most_common() if shares[s] >= 0.05 and s != "Zyyy")
    letters: dict[str, list[str]] = {script: [] for script in scripts}
    for char, count in counted.items():
        if _script(char) in letters and count >= total / 10_000:
            letters[_script(char)].append(char)
    alphabets = [letters[script] for script in scripts if len(letters[script]) <= 200]
    return scripts, "".join(sorted(char for alphabet in alphabets for char in alphabet))


def _script(char: str) -> str:
    return unicode.SCRIPTS[int(np.asarray(unicode.SCRIPT)[ord(char)])]
