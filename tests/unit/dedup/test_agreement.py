"""Agreement of sources: against plain sets, and through runs with several dedups and shards."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import curate
from curate.dedup.agreement import count_shared, held, united, with_counted
from curate.schema import CLUSTER_SOURCES
from tests.examples import examples

HELD = st.dictionaries(
    st.sampled_from(["a", "b", "web", "ж"]),
    st.tuples(st.integers(1, 9), st.integers(0, 1 << 40)),
    max_size=3,
)


def lists(rows: list[dict[str, tuple[int, int]] | None]) -> pa.ListArray:
    return pa.array(
        [
            row
            if row is None
            else [
                {"source": source, "documents": n, "bytes": size}
                for source, (n, size) in sorted(row.items())
            ]
            for row in rows
        ],
        CLUSTER_SOURCES,
    )


@examples(80)
@given(st.lists(st.tuples(st.one_of(st.none(), HELD), st.integers(0, 4)), max_size=12))
def test_uniting_adds_up_what_each_group_holds(rows):
    wanted: list[dict[str, tuple[int, int]]] = [{} for _ in range(5)]
    for own, group in rows:
        for source, (n, size) in (own or {}).items():
            before = wanted[group].get(source, (0, 0))
            wanted[group][source] = before[0] + n, before[1] + size
    groups = np.array([group for _, group in rows], np.int64)
    found = united(lists([own for own, _ in rows]), groups, 5)
    assert found.to_pylist() == lists(wanted).to_pylist()


def test_what_a_later_barrier_counted_replaces_a_row_s_own():
    own = lists([{"a": (1, 5)}, {"b": (1, 6)}])
    first = pa.table({"doc": [8, 7], "cluster_sources": lists([{"c": (2, 9)}, {"d": (3, 9)}])})
    second = pa.table({"doc": [8], "cluster_sources": lists([{"e": (4, 9)}])})
    found = with_counted(np.array([7, 8]), own, [first, second])
    assert [row[0]["source"] for row in found.to_pylist()] == ["d", "e"]
    assert with_counted(np.array([1, 2]), own, [first]).to_pylist() == own.to_pylist()


def test_shares_of_sources_are_counted_from_both_sides():
    table = pa.table(
        {
            "source": ["a", "b", "a"],
            "text": pa.array(["жа", None, "xyz"], pa.large_string()),
            "cluster_sources": lists([None, None, {"a": (2, 30), "b": (1, 7)}]),
        }
    )
    assert held(table).to_pylist()[0] == [{"source": "a", "documents": 1, "bytes": 4}]
    tally: Counter[str] = Counter()
    count_shared(table, tally)
    assert tally == {
        "shared:a:a": 3, "shared_bytes:a:a": 34, "shared:b:b": 2, "shared_bytes:b:b": 7,
        "shared:a:b": 2, "shared_bytes:a:b": 30, "shared:b:a": 1, "shared_bytes:b:a": 7,
    }  # fmt: skip


WORDS = [f"word{number}" for number in range(400)]
RECIPE = """
name = "agreement"
[shards]
input_bytes = {input_bytes}
partition_bytes = {partition_bytes}
{sources}
[[stages]]
use = "exact_dedup"
name = "same_address"
on = "url"
[[stages]]
use = "exact_dedup"
{between}
[[stages]]
use = "fuzzy_dedup"
"""


@pytest.mark.parametrize(
    ("input_bytes", "partition_bytes", "between"),
    [(10**9, 10**9, ""), (4000, 3000, ""), (4000, 3000, '[[stages]]\nuse = "count"')],
)
def test_a_run_knows_which_sources_hold_each_document(
    tmp_path, input_bytes, partition_bytes, between
):
    """The clusters are made to be known: an original, and what is copied of it by each means."""
    rng = random.Random(5)
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    holders: dict[int, Counter[str]] = {}
    sizes: Counter[str] = Counter()
    for number in range(60):
        words = rng.choices(WORDS, k=120)
        copies = rng.choices("abc", k=rng.choice((1, 1, 2, 3, 5)))
        holders[number] = Counter(copies)
        for source in copies:
            text = " ".join(words)
            how = rng.choice(("address", "text", "near"))
            if how == "near":
                text = text.replace(words[-1], "other", 1) + " end"
            address = f"http://e.example/{number}" if how == "address" else f"http://{rng.random()}"
            rows[source].append({"text": text + f" the document {number}", "url": address})
            sizes[source] += len(rows[source][-1]["text"])
    for source, records in rows.items():
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (tmp_path / f"{source}.jsonl").write_text(lines)
    sources = "\n".join(
        f'[sources.{s}]\nformat = "jsonl"\nurl = "url"\npath = "{tmp_path / s}.jsonl"'
        for s in "abc"
    )
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        RECIPE.format(
            input_bytes=input_bytes,
            partition_bytes=partition_bytes,
            sources=sources,
            between=between,
        )
    )
    curate.run(recipe, output=tmp_path / "out", engine="in-process")
    product = pq.read_table(tmp_path / "out" / "mixture").to_pylist()
    assert len(product) == 60
    for row in product:
        number = int(row["text"].rsplit(" ", 1)[1])
        found = {each["source"]: each["documents"] for each in row["cluster_sources"] or []}
        copies = sum(holders[number].values())
        assert found == (holders[number] if copies > 1 else {})
        assert row["n_cluster_sources"] == len(holders[number])

    report = json.loads((tmp_path / "out" / "report.json").read_text())
    shared = {(row["of"], row["in"]): row for row in report["dedup"]["shared_by_sources"]}
    assert set(shared) == {(s, t) for s in "abc" for t in "abc" if s != t}
    for (of, inside), row in shared.items():
        both = sum(n[of] for n in holders.values() if n[inside])
        assert row["documents"] == both
        assert row["share_of_documents"] == both / len(rows[of])
        assert row["bytes"] == pytest.approx(row["share_of_bytes"] * sizes[of])
    assert "also in" in (tmp_path / "out" / "report.md").read_text()
    assert "What sources hold in common" in (tmp_path / "out" / "report.html").read_text()
