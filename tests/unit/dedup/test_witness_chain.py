"""An exact copy of a near duplicate names the kept document, in whatever shard each one is."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import curate
from curate.dedup import witness_chain
from curate.inspection.verify import verify
from curate.protocol.routing import DECISIONS, decide
from curate.schema import CLUSTER_SOURCES
from curate.storage.store import open_store

LONG = " ".join(f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(100))
NEAR = LONG.replace("wordca ", "")
RECIPE = """
name = "copies"
[shards]
input_bytes = 300
partition_bytes = {partition_bytes}
[sources.a]
format = "jsonl"
path = "{folder}/*.jsonl"
url = "url"
[[stages]]
use = "exact_dedup"
name = "same_address"
on = "url"
[[stages]]
use = "exact_dedup"
[[stages]]
use = "fuzzy_dedup"
"""


def rows_of(folder):
    tables = [pq.read_table(path) for path in sorted(folder.rglob("*.parquet"))]
    return [row for table in tables for row in table.to_pylist()]


@pytest.mark.parametrize("partition_bytes", [2_000, 1 << 20])
def test_every_witness_of_a_run_is_kept(tmp_path, partition_bytes):
    # NEAR's address has another copy; NEAR has an exact copy; LONG is near and longer.
    texts = [(NEAR + " x.", "//a"), (NEAR, "//a"), (NEAR.upper(), None), (NEAR, None), (LONG, None)]
    for number, order in enumerate([1, -1]):
        folder, out = tmp_path / f"in{number}", tmp_path / f"out{number}"
        folder.mkdir()
        for at, (text, url) in enumerate(texts[::order]):
            (folder / f"{at}.jsonl").write_text(json.dumps({"text": text, "url": url}) + "\n")
        recipe = tmp_path / f"{number}.toml"
        recipe.write_text(RECIPE.format(folder=folder, partition_bytes=partition_bytes))
        curate.run(str(recipe), output=str(out), engine="in-process")
        kept = {row["id"]: row for row in rows_of(out / "mixture")}
        rejected = rows_of(out / "rejected")
        assert len(kept) == 1 and len(rejected) == 4
        (keeper,) = kept.values()
        assert keeper["text"] == LONG
        assert {row["duplicate_of"] for row in rejected} == {keeper["id"]}
        assert {row["cluster"] for row in rejected} == {keeper["id"]}
        by_address = [row for row in rejected if row["dropped_by"].startswith("same_address")]
        assert [row["jaccard"] for row in by_address] == [None]
        assert all(
            0.8 <= row["jaccard"] < 1
            for row in rejected
            if not row["dropped_by"].startswith("same_address")
        )
        assert verify(open_store(str(out))) == []


def test_every_witness_of_a_table_is_kept():
    table = curate.deduplicate(pa.table({"text": [NEAR, NEAR.upper(), LONG, "other words here"]}))
    assert table["dropped_by"].to_pylist() == [
        "fuzzy_dedup:near_duplicate_words", "exact_dedup:duplicate_text", None, None,
    ] or table["dropped_by"].to_pylist() == [
        "exact_dedup:duplicate_text", "fuzzy_dedup:near_duplicate_words", None, None,
    ]  # fmt: skip
    assert table["duplicate_of"].to_pylist() == ["table#2", "table#2", None, None]
    first, second = table["jaccard"].to_pylist()[:2]
    assert first == second < 1


def held(source: str, documents: int) -> dict[str, object]:
    return {"source": source, "documents": documents, "bytes": 10}


def test_reassigning_changes_the_evidence_and_nothing_else():
    rejects = pa.table(
        {
            "id": ["a", "b"],
            "dropped_by": ["exact:duplicate_text", "exact:duplicate_text"],
            "duplicate_of": ["w", "v"],
            "jaccard": [1.0, 1.0],
            "cluster": ["w", "v"],
            "cluster_size": pa.array([2, 2], pa.int32()),
            "cluster_sources": pa.array([[held("a", 2)], [held("a", 2)]], CLUSTER_SOURCES),
            "n_cluster_sources": pa.array([1, 1], pa.int32()),
        }
    )
    import numpy as np

    decisions = decide(
        np.array([1]),
        {
            "id": pa.array(["a"]),
            "dropped_by": pa.array([witness_chain.REASSIGNED]),
            "duplicate_of": pa.array(["k"]),
            "jaccard": pa.array([0.9]),
            "cluster": pa.array(["k"]),
            "cluster_size": pa.array([5], pa.int32()),
            "cluster_sources": pa.array([[held("a", 2), held("b", 3)]], CLUSTER_SOURCES),
        },
    )
    out = witness_chain.reassign_witness(rejects, decisions).to_pylist()
    assert out[0] == {
        "id": "a", "dropped_by": "exact:duplicate_text", "duplicate_of": "k", "jaccard": 0.9,
        "cluster": "k", "cluster_size": 5, "cluster_sources": [held("a", 2), held("b", 3)],
        "n_cluster_sources": 2,
    }  # fmt: skip
    assert out[1] == rejects.to_pylist()[1]
    assert witness_chain.reassign_witness(rejects, DECISIONS.empty_table()) is rejects
