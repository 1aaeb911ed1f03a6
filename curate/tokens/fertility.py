"""Fertility measured: texts and their languages in, sums per language and tokenizer out."""

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
    """Measure batches of (texts, languages): a list per language, most bytes first, of each counter's.

    >>> from curate.tokens import counter
    >>> texts = pa.array(["бір екі", "үш"], pa.large_string())
    >>> ((found,),) = measure([(texts, pa.array(["kaz_Cyrl"] * 2))], [counter("characters")])
    >>> found.tokens, found.words, found.tokens_per_word
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
        found = langs.fill_null("und").dictionary_encode()
        codes = np.asarray(found.indices)
        for code, lang in enumerate(found.dictionary.to_pylist()):
            mine = codes == code
            added = np.array([int(column[mine].sum()) for column in columns], np.int64)
            sums[lang] = sums.get(lang, np.zeros(len(columns), np.int64)) + added
    order = sorted(sums, key=lambda lang: (-int(sums[lang][1]), lang))
    measured = []
    for lang in order:
        documents, size, characters, words, *tokens = sums[lang].tolist()
        measured.append([Fertility(lang, documents, size, characters, words, n) for n in tokens])
    return measured
