"""Clusters in a finished run: sizes that count all copies, and the largest side by side."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import api
from curate.engine.clusters import SHOWN, LargestClusters
from curate.errors import ToleranceError
from curate.recipe.recipe import Recipe

BASE = " ".join(f"word{'abcdefghij'[k % 10]}{'klmnopqrst'[k // 10]}" for k in range(80))
NEAR = BASE.replace("wordck", "other")


def recipe(folder, *stages, **limits):
    lines = [BASE + " end"] * 3 + [NEAR] * 4 + ["short one"] * 2 + ["alone"]
    with (folder / "in.jsonl").open("w") as sink:
        for text in lines:
            sink.write(json.dumps({"text": text}) + "\n")
    return Recipe.model_validate(
        {
            "name": "small",
            "sources": {"web": {"format": "jsonl", "path": str(folder / "in.jsonl")}},
            "stages": list(stages),
            "limits": limits,
        }
    )


@pytest.mark.parametrize(
    "stages",
    [
        ({"use": "exact_dedup"}, {"use": "fuzzy_dedup"}),
        ({"use": "exact_dedup"}, {"use": "repair"}, {"use": "fuzzy_dedup"}),
    ],
    ids=["of one read", "of two reads"],
)
def test_a_kept_row_says_for_how_many_documents_it_stands(stages, tmp_path):
    result = api.run(recipe(tmp_path, *stages), output=tmp_path / "out", engine="in-process")
    rows = pq.read_table(tmp_path / "out" / "mixture").to_pylist()
    assert {row["text"][:5]: row["cluster_size"] for row in rows} == {
        "worda": 7,
        "short": 2,
        "alone": None,
    }
    assert sum(row["cluster_size"] or 1 for row in rows) == 10
    (most, *_, least) = result.manifest["clusters"]
    assert (most["stage"], most["documents"], least["documents"]) == ("exact_dedup", 4, 2)
    near = next(one for one in result.manifest["clusters"] if one["stage"] == "fuzzy_dedup")
    assert near["kept"].startswith("worda")
    assert "other" in near["removed"]
    assert near["cluster"] == "web/in.jsonl#0"
    assert 0.8 < near["jaccard"] < 1


def test_a_guardrail_stops_before_anything_is_published_and_lets_go(tmp_path):
    stages = ({"use": "exact_dedup"}, {"use": "fuzzy_dedup"})
    strict = recipe(tmp_path, *stages, max_dedup_loss=0.5, on_dedup_loss="stop")
    with pytest.raises(ToleranceError, match=r"dedup removed 70\.0% of source 'web'"):
        api.run(strict, output=tmp_path / "out", engine="in-process")
    assert not (tmp_path / "out" / "manifest.json").exists()
    warned = recipe(tmp_path, *stages, max_dedup_loss=0.5)
    result = api.run(warned, output=tmp_path / "out", engine="in-process")
    assert result.exit_code == 3
    assert "dedup removed 70.0%" in result.complaints[0]


def test_the_largest_are_found_however_they_are_cut():
    rows = [
        {
            "doc": 100 * cluster + member,
            "id": f"d{100 * cluster + member:06d}",
            "cluster": f"d{100 * cluster:06d}",
            "cluster_size": size,
            "duplicate_of": f"d{100 * cluster:06d}" if member else None,
            "jaccard": 1 - member / 100 if member else None,
        }
        for cluster in range(60)
        for size in [2 + cluster % 31]
        for member in range(size)
    ]
    order = sorted(range(len(rows)), key=lambda at: (at * 7919) % len(rows))
    whole, cut = LargestClusters(), LargestClusters()
    whole.add("near", pa.Table.from_pylist(rows))
    for start in range(0, len(rows), 40):
        cut.add("near", pa.Table.from_pylist([rows[at] for at in order[start : start + 40]]))
    assert cut._clusters == whole._clusters
    assert [cluster.size for cluster in whole._clusters.values()] == sorted(
        (2 + cluster % 31 for cluster in range(60)), reverse=True
    )[:SHOWN]
    first = whole._clusters["near", "d003000"]
    assert (first.kept, first.removed[2]) == (3000, 3031)
