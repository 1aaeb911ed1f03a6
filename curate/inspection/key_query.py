"""Which documents of a store of exact dedup, lines or spans have what a text has.

The similarity of whole texts is not known from such a store, but what of the question a document
has: its text, address or prompt (all or nothing), the share of its lines, the share of its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.dedup import exact, repeated_lines
from curate.dedup.compared import compared_texts
from curate.dedup.exact_earlier import halves
from curate.dedup.options import RepeatedLines
from curate.dedup.stored_keys import find_pairs
from curate.dedup.substring.matching import repeated_windows
from curate.dedup.substring.repeated_spans import BYTES, Symbols
from curate.dedup.substring.winnowing import anchors
from curate.errors import RecipeError
from curate.schema import whole
from curate.storage.dedup_view import DedupView, open_view

#: Documents of a text that are compared span by span.
_MOST_COMPARED = 256

#: Row of the question, document number, share of the question that the document has.
Share = tuple[int, int, float]


def documents_with_keys(
    address: str, stored: Mapping[str, Any], table: pa.Table, *, limit: int
) -> Iterator[dict[str, Any]]:
    """Yield rows of ``store_query.MATCHES``, up to ``limit`` for each row, by falling share.

    A store of addresses is asked for the column ``url``, or for the text where there is none. Raise
    RecipeError where rows lack the language or source within which lines are counted, or where the
    tokenizer of spans is not at hand.
    """
    if (per := stored.get("per", "corpus")) != "corpus" and per not in table.column_names:
        raise RecipeError(
            f"the lines of this store are counted within each {per}, and the texts name none",
            where=address,
            hint=f"ask with a table that has the column {per} (curate.api.query_store)",
        )
    view = open_view(address, stored, run="", inputs="", appends=False, must_exist=True)
    if "exact" in stored:
        shares = _with_hashes(view, _hashes(stored["exact"], table), np.arange(table.num_rows))
    elif "lines" in stored:
        shares = _with_lines(view, stored, table)
    else:
        shares = _with_spans(view, stored, table)
    jaccard = 1.0 if "exact" in stored else None
    ids = table.column("id").to_pylist()
    known = {one.number: one for one in view.known}
    for row in range(table.num_rows):
        mine = sorted((-share, doc) for at, doc, share in shares if at == row)[:limit]
        docs = np.array(sorted(doc for _, doc in mine), np.int64)
        about: dict[int, dict[str, Any]] = {}
        for found in view.sources(docs):
            about |= {each.pop("doc"): each for each in found.to_pylist()}
        for share, doc in mine:
            one = known[int(view.ages(np.array([doc]))[0])]
            place = {"generation": one.number, "recipe": one.recipe, "run": one.run}
            shown = {"jaccard": jaccard, "estimate": None, "contained": -share}
            yield {"query": ids[row], **about[doc], **place, **shown}


def _hashes(on: str, table: pa.Table) -> pa.FixedSizeBinaryArray:
    values = whole(table.column("text"))
    if on == "url":
        if "url" in table.column_names:
            values = pc.coalesce(whole(table.column("url")).cast(values.type), values)
        return exact.url_hashes(values)
    if on == "prompt":
        prompts = compared_texts(table, "prompt")
        values = pc.coalesce(prompts, values)
    return exact.compared_hashes(on, table, values)


def _with_hashes(view: DedupView, hashes: pa.FixedSizeBinaryArray, rows: np.ndarray) -> list[Share]:
    valid = np.asarray(hashes.is_valid())
    high, low = halves(hashes)
    return [(row, doc, 1.0) for row, doc in _pairs(view, rows[valid], high[valid], low[valid])]


def _pairs(
    view: DedupView, rows: np.ndarray, high: np.ndarray, low: np.ndarray
) -> Iterator[tuple[int, int]]:
    """Yield the pairs of a row's key and a stored document that has it."""
    order, new = repeated_lines.sorted_pairs(high, low)
    firsts = np.flatnonzero(new)
    bounds = np.append(firsts, len(order))
    own_high, own_low = high[order][firsts], low[order][firsts]
    for table in view.keys(np.unique(own_high)):
        at = find_pairs(
            np.asarray(table.column("high")), np.asarray(table.column("low")), own_high, own_low
        )
        docs = np.asarray(table.column("doc"))
        for key, doc in zip(at[at >= 0].tolist(), docs[at >= 0].tolist(), strict=True):
            for row in rows[order[bounds[key] : bounds[key + 1]]].tolist():
                yield row, doc


def _with_lines(view: DedupView, stored: Mapping[str, Any], table: pa.Table) -> list[Share]:
    repeated = RepeatedLines(
        unit=stored["lines"], min_characters=stored["min_characters"], per=stored["per"]
    )
    lines = repeated_lines.hashed_lines(repeated, table)
    have: dict[tuple[int, int], int] = {}
    for pair in _pairs(view, lines.row, lines.high, lines.low):
        have[pair] = have.get(pair, 0) + 1
    count = np.bincount(lines.row, minlength=table.num_rows)
    return [(row, doc, number / int(count[row])) for (row, doc), number in have.items()]


def _with_spans(view: DedupView, stored: Mapping[str, Any], table: pa.Table) -> list[Share]:
    symbols, window = _symbols(view, stored), stored["spans"]
    texts = whole(table.column("text"))
    data, offsets = symbols.read(texts)
    hashes, _, counts = anchors(data, offsets, window)
    rows = np.repeat(np.arange(len(counts)), counts)
    none = np.zeros(len(hashes), np.uint64)
    shared: dict[tuple[int, int], int] = {}
    for pair in _pairs(view, rows, hashes, none):
        shared[pair] = shared.get(pair, 0) + 1
    shares = []
    for row in range(table.num_rows):
        mine = sorted((-n, doc) for (at, doc), n in shared.items() if at == row)[:_MOST_COMPARED]
        own = data[offsets[row] : offsets[row + 1]]
        for found in view.texts(np.array(sorted(doc for _, doc in mine), np.int64)):
            theirs, bounds = symbols.read(whole(found.column("text")))
            for at, doc in enumerate(found.column("doc").to_pylist()):
                pieces = [theirs[bounds[at] : bounds[at + 1]].tobytes(), own.tobytes()]
                columns = {
                    "doc": [0, 1],
                    "start": [0, 0],
                    "symbols": pa.array(pieces, pa.large_binary()),
                }
                spans = repeated_windows(pa.table(columns), window, own.itemsize)
                covered = np.zeros(len(own), np.bool_)
                for _, start, end in spans[spans[:, 0] == 1].tolist():
                    covered[start:end] = True
                if covered.any():
                    shares.append((row, doc, float(covered.mean())))
    return shares


def _symbols(view: DedupView, stored: Mapping[str, Any]) -> Symbols:
    if stored["of"] == "bytes":
        return BYTES
    from curate.tokens.spelling import lossless_tokenizer

    try:
        tokenizer = lossless_tokenizer(stored["of"])
    except RecipeError:
        tokenizer = None
    if tokenizer is None or tokenizer.digest != stored["tokenizer"]:
        raise RecipeError(
            f"the spans of this store are tokens of '{stored['of']}', which is not at hand",
            where=view.address,
            hint="ask in the folder that its file is in",
        )
    return tokenizer
