"""Exact dedup with a store: A, then B against it, is A and B together when A is older."""

import json

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import api
from curate.errors import RecipeError, RefusedError
from curate.inspection.verify import verify
from curate.recipe.recipe import Recipe
from curate.storage import dedup_store
from curate.storage.store import open_store
from tests.examples import examples
from tests.unit.cli.commands import curate


def run(folder, name, months, *, on="text", store=None, **options):
    """Run exact dedup over months of rows, the earlier month first; give {dropped id: witness}."""
    sources = {}
    for month, rows in months.items():
        path = folder / f"{month}.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        sources[month] = {"format": "jsonl", "path": [str(path)], "url": "url"}
    order = {"keep": "source_priority", "source_priority": ["a", "b", "c"]}
    exact = {"use": "exact_dedup", "on": on, **order, **({"store": store} if store else {})}
    recipe = {"name": "exact", "sources": sources, "stages": [exact | options]}
    cut = {"partition_bytes": 300, "input_bytes": 200}
    api.run(
        Recipe.model_validate(recipe | {"shards": cut}), output=folder / name, engine="in-process"
    )
    assert verify(open_store(str(folder / name))) == []
    dropped = {}
    for path in (folder / name).glob("rejected/*/*.parquet"):
        for row in pq.read_table(path).to_pylist():
            dropped[row["id"]] = (row["duplicate_of"], row["dropped_by"])
    return dropped


def rows_of(numbers):
    return [{"text": f"Text {n}", "url": f"https://a.example/{n}"} for n in numbers]


MONTH = st.lists(st.integers(0, 12), min_size=1, max_size=15).map(rows_of)


@given(one=MONTH, two=MONTH, on=st.sampled_from(["text", "url"]))
@examples(6)
def test_month_after_month_is_all_months_at_once(tmp_path_factory, one, two, on):
    folder = tmp_path_factory.mktemp("exact")
    store = str(folder / "seen")
    apart = run(folder, "one", {"a": one}, on=on, store=store)
    if one != two:  # the same file twice is refused
        apart |= run(folder, "two", {"b": two}, on=on, store=store)
        assert apart == run(folder, "both", {"a": one, "b": two}, on=on)


def test_addresses_are_remembered_and_sources_taken_out(tmp_path):
    store = str(tmp_path / "seen")
    months = {name: rows_of(numbers) for name, numbers in zip("abc", ([1, 2], [2, 3], [2, 3, 4]))}
    months["b"][0]["text"] = "other words at the same address"
    first = run(tmp_path, "one", {"a": months["a"]}, on="url", store=store)
    second = run(tmp_path, "two", {"b": months["b"]}, on="url", store=store)
    assert first == {}
    assert list(second.values()) == [("a/a.jsonl#49", "exact_dedup:duplicate_url")]
    assert dedup_store.listing(store)["parameters"] == {"exact": "url"}
    against = {"against": store}
    assert len(run(tmp_path, "three", {"c": months["c"]}, on="url", **against)) == 2
    dedup_store.remove(store, source="b")
    third = run(tmp_path, "four", {"c": months["c"]}, on="url", **against)
    assert [witness for witness, _ in third.values()] == ["a/a.jsonl#49"]


def test_stores_of_other_dedups_are_refused(tmp_path):
    store = str(tmp_path / "seen")
    run(tmp_path, "one", {"a": rows_of([1])}, store=store)
    with pytest.raises(RefusedError, match="other parameters: exact = text, not url"):
        run(tmp_path, "two", {"b": rows_of([2])}, on="url", store=store)
    with pytest.raises(RecipeError, match="no similarity of whole texts"):
        api.query_store(store, ["Text 1"], min_jaccard=0.5)
    fuzzy = curate("dedup", str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "x"),
                   "--store-to", store, "--engine", "in-process")  # fmt: skip
    assert fuzzy.code == 4 and "other parameters" in fuzzy.err
    assert "exact text" in curate("store", store).out
