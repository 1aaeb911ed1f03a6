"""Near dedup on real documents whose exact similarities are known (freeCodeCamp's translations)."""

from __future__ import annotations

import gzip
import json
import lzma
import os

import pytest

from curate.dedup.options import NearDuplicates
from tests.unit.dedup.dedup_corpora import decisions, removed, table_of

DATA = os.environ.get("CURATE_SHARED_DATA")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA"),
]


@pytest.fixture(scope="module")
def oracle():
    """Documents, and all pairs of them with an exact Jaccard of at least 0.5."""
    with lzma.open(f"{DATA}/dedup/fcc-curriculum-docs.dev.jsonl.xz", "rt") as lines:
        documents = {row["id"]: row["text"] for row in map(json.loads, lines)}
    with gzip.open(f"{DATA}/dedup/fcc-curriculum-exact-jaccard.dev.tsv.gz", "rt") as lines:
        next(lines)
        pairs = {
            frozenset(fields[:2]): float(fields[2])
            for fields in (line.rstrip("\n").split("\t") for line in lines)
        }
    return documents, pairs


def test_removals_are_right_and_few_are_missed(oracle):
    documents, pairs = oracle
    near = NearDuplicates(shingle="char", ngram=5)
    table = table_of(list(documents.values()), list(documents))
    found = removed(decisions(near, table, shards=3, partitions=2))
    for name, (witness, similarity) in found.items():
        # The oracle folds case with str.lower; ours maps one code point to one.
        assert similarity == pytest.approx(pairs[frozenset((name, witness))], abs=2e-3)
    # What the rule removes when every pair is looked at: the same walk over the oracle's pairs.
    partners: dict[str, list[str]] = {}
    for pair, similarity in pairs.items():
        a, b = pair
        if similarity >= 0.8:
            partners.setdefault(a, []).append(b)
            partners.setdefault(b, []).append(a)
    kept: set[str] = set()
    for name in sorted(documents, key=lambda name: (-len(documents[name].encode()), name)):
        if not kept & set(partners.get(name, ())):
            kept.add(name)
    ideal = set(documents) - kept
    both = ideal & set(found)
    assert len(both) / len(ideal) >= 0.97
    assert len(both) / len(found) >= 0.99
