"""The keys of a stage's tally: ``<kind>``, or ``<kind>:<name>``, made and parsed here only.

A tally is a ``Counter[str]`` that a stage fills for the ledger. The kinds below are the whole
vocabulary of the package; a stage from outside may count under any other key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate import schema

FIX = "fix"  #: by name of the fix: texts that it changed
MASK = "mask"  #: by kind of personal data: occurrences masked
REWRITE = "rewrite"  #: by name of the rewrite: texts that it changed
REPAIR = "repair"  #: ``changed``, ``code_page``, ``letters``, ``spacing``, ``unsettled``
TRIMMED_LINES, TRIMMED_BYTES = "lines", "bytes"  #: by rule: lines removed or changed, their bytes
LANGUAGE = "lang"  #: by label: documents
SPAN_BYTES = "span_bytes"  #: by label: bytes of the text in spans of that language
#: ``documents``, ``bytes``, ``lines``, ``paragraphs``, ``spans``; also by evaluation set
CUT = "cut"
DOCUMENTS, RUNS = "documents", "runs"  #: by evaluation set: documents and runs that share something
CLUSTER_SIZE = "cluster_size"  #: by size: clusters
#: By two sources: documents of the first that stand in the second, too; and their bytes.
SHARED, SHARED_BYTES = "shared", "shared_bytes"
MET_MAX_WITNESSES = "met_max_witnesses"
PAIRS_COMPARED, PAIRS_VERIFIED = "pairs_compared", "pairs_verified"
NOT_HELD = "not_held"  #: by format of the product: rows with what the format has no place for
#: By phase: ``sequences``, ``documents``, ``tokens``, ``trained``, ``padding``, ``split`` documents
#: and their ``pieces``, and ``left_out`` conversations by reason.
PACKED = "packed"
TOKENS, WORDS, CHARACTERS = "tokens", "words", "characters"  #: by language: their sums
LICENSE = "license"  #: by identifier, or ``unknown``: documents
#: By ``documents``, ``bytes`` and ``tokens`` and by identifier: what the product has.
MIXED_LICENSE = "mixed_license"
ROBOTS = "robots"  #: by word that a page says to robots: documents
CARRIED = "carried"  #: documents of a finished run on which the stage has nothing left to do
#: By profile, signal and bin (`protocol.bins`): documents that were judged. The last part is
#: ``undefined`` for those that have no value.
SIGNAL, UNDEFINED = "signal", "undefined"
#: By source and language: documents of the product, each once; their bytes and tokens.
TAKEN, TAKEN_BYTES, TAKEN_TOKENS = "taken", "taken_bytes", "taken_tokens"
_FOUND = "found"  #: by evaluation set and row: documents that share something with the example
_DECLARED = (
    "declared"  #: by source, the language that records declare and the final label: documents
)
_RELABELLED = "relabelled"  #: by the model's label and the final one: documents


def tally_key(kind: str, *names: object) -> str:
    """Return the key of a count.

    >>> tally_key(FIX, "nfc"), tally_key(CUT, "bytes", "mmlu")
    ('fix:nfc', 'cut:bytes:mmlu')
    """
    return ":".join((kind, *map(str, names)))


def counts_of(tally: Mapping[str, int], kind: str) -> dict[str, int]:
    """Return the counts of one kind by name.

    >>> counts_of({"fix:nfc": 2, "fixed:x": 1}, FIX)
    {'nfc': 2}
    """
    prefix = f"{kind}:"
    return {k.removeprefix(prefix): n for k, n in tally.items() if k.startswith(prefix)}


def relabelled_key(model_label: str, label: str) -> str:
    """Return the key for documents whose final label names another language than the model's."""
    return f"{_RELABELLED}:{model_label}>{label}"


def relabelled(tally: Mapping[str, int]) -> Counter[tuple[str, str]]:
    """Return documents by the model's label and the final one.

    >>> relabelled({relabelled_key("kir_Cyrl", "kaz_Cyrl"): 3})
    Counter({('kir_Cyrl', 'kaz_Cyrl'): 3})
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for name, count in counts_of(tally, _RELABELLED).items():
        model_label, _, label = name.partition(">")
        pairs[model_label, label] += count
    return pairs


def declared_key(source: str, code: str, label: str) -> str:
    """Return the key for documents of a source that declare a language and got a label."""
    return f"{_DECLARED}:{source}:{code}>{label}"


def declared(tally: Mapping[str, int]) -> Counter[tuple[str, str, str]]:
    """Return documents by source, declared language and final label.

    >>> declared({declared_key("wiki", "kaz", "kir_Cyrl"): 3})
    Counter({('wiki', 'kaz', 'kir_Cyrl'): 3})
    """
    cells: Counter[tuple[str, str, str]] = Counter()
    for name, count in counts_of(tally, _DECLARED).items():
        source, _, pair = name.partition(":")
        code, _, label = pair.partition(">")
        cells[source, code, label] += count
    return cells


def found_key(evaluation_set: str, row: int) -> str:
    """Return the key for documents that share something with one example of an evaluation set."""
    return tally_key(_FOUND, evaluation_set, row)


def found_rows(tally: Mapping[str, int], evaluation_set: str) -> dict[int, int]:
    """Return, by row of an evaluation set, the documents that share something with the example.

    >>> found_rows({found_key("mmlu", 7): 2, found_key("mmlu", 1): 5}, "mmlu")
    {1: 5, 7: 2}
    """
    counts = counts_of(tally, tally_key(_FOUND, evaluation_set))
    return dict(sorted((int(row), n) for row, n in counts.items() if row.isdecimal()))


def mixed_licenses(table: pa.Table) -> Counter[str]:
    """Return the documents, bytes and tokens of rows by licence; empty where none is named.

    >>> table = pa.table({"signal_license": ["MIT", None], "text": ["жа", "b"], "n_tokens": [1, 2]})
    >>> counts_of(mixed_licenses(table), MIXED_LICENSE)["bytes:MIT"]
    4
    """
    counted: Counter[str] = Counter()
    if "signal_license" not in table.column_names:
        return counted
    names = pc.fill_null(table.column("signal_license"), "unknown")
    columns: dict[str, Any] = {"name": names, "documents": np.ones(table.num_rows, np.int64)}
    columns["bytes"] = schema.text_bytes(table)
    if "n_tokens" in table.column_names:
        columns["tokens"] = pc.fill_null(table.column("n_tokens"), 0)
    sums = (
        pa.table(columns)
        .group_by("name")
        .aggregate([(one, "sum") for one in columns if one != "name"])
    )
    for row in sums.to_pylist():
        for what in ("documents", "bytes", "tokens"):
            if row.get(f"{what}_sum"):
                counted[tally_key(MIXED_LICENSE, what, row["name"])] = row[f"{what}_sum"]
    return counted


def without_details(tally: Mapping[str, int]) -> dict[str, int]:
    """Return a tally without the counts of examples and of bins, of which there may be thousands.

    >>> without_details({"fix:nfc": 1, "signal:kaz_Cyrl:n_words:70": 3, "found:mmlu:1": 5})
    {'fix:nfc': 1}
    """
    return {key: n for key, n in tally.items() if not key.startswith((f"{_FOUND}:", f"{SIGNAL}:"))}


Histograms = dict[str, dict[str, dict[str, int]]]  #: profile → signal → bin → documents


def histograms(tally: Mapping[str, int]) -> Histograms:
    """Return the documents by profile, signal and bin, in the order of their names.

    >>> histograms({"signal:kaz_Cyrl:n_words:70": 3, "signal:kaz_Cyrl:n_words:undefined": 1})
    {'kaz_Cyrl': {'n_words': {'70': 3, 'undefined': 1}}}
    """
    found: Histograms = {}
    for key, count in sorted(counts_of(tally, SIGNAL).items()):
        profile, signal, bin = key.rsplit(":", 2)
        found.setdefault(profile, {}).setdefault(signal, {})[bin] = count
    return found


def tally_of(histograms: Histograms) -> Counter[str]:
    """Return the counts that `histograms` was made of."""
    return Counter(
        {
            tally_key(SIGNAL, profile, signal, bin): count
            for profile, signals in histograms.items()
            for signal, bins in signals.items()
            for bin, count in bins.items()
        }
    )
