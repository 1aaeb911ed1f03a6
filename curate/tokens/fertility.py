"""Measuring fertility: from texts and their languages to sums per language and tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.tokens import TokenCounter
from curate.tokens.rates import Fertility
from curate.tokens.words import count_words


def measure(
    batches: Iterable[tuple[pa.LargeStringArray, pa.StringArray]], counters: Sequence[TokenCounter]
) -> list[list[Fertility]]:
    """Measure batches of (texts, languages): per language, most bytes first, a figure per counter.

    >>> from curate.tokens import counter
    >>> texts = pa.array(["бір екі", "үш"], pa.large_string())
    >>> ((kazakh,),) = measure([(texts, pa.array(["kaz_Cyrl"] * 2))], [counter("characters")])
    >>> kazakh.tokens, kazakh.words, kazakh.tokens_per_word
    (9, 3, 3.0)
    """
    sums: dict[str, np.ndarray] = {}
    for texts, langs in batches:
        columns = [
            np.ones(len(texts), np.int64),
            np.asarray(pc.fill_null(pc.binary_length(texts), 0)),
            np.asarray(pc.fill_null(pc.utf8_length(texts), 0)),
            count_words(texts),
            *(counter.count(texts) for counter in counters),
        ]
        encoded = langs.fill_null("und").dictionary_encode()
        codes = np.asarray(encoded.indices)
        for code, lang in enumerate(encoded.dictionary.to_pylist()):
            rows = codes == code
            added = np.array([int(column[rows].sum()) for column in columns], np.int64)
            sums[lang] = sums.get(lang, np.zeros(len(columns), np.int64)) + added
    measured = []
    for lang in sorted(sums, key=lambda lang: (-int(sums[lang][1]), lang)):
        documents, size, characters, words, *tokens = sums[lang].tolist()
        measured.append([Fertility(lang, documents, size, characters, words, n) for n in tokens])
    return measured
