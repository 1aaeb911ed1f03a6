"""What a mixture promises, on generated corpora, through the whole stage."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.errors import RecipeError
from curate.recipe.mixture import Mixture, parse_mixture
from curate.stages.mix import Mix
from tests.examples import examples
from tests.unit.mixture.driver import decisions_of, report_of, resolve, run

GROUPS = {
    "kk": {"languages": ["kaz_Cyrl"]},
    "ru_tr": {"languages": ["rus_Cyrl", "tur_Latn"]},
    "en": {"languages": ["eng_Latn"], "sources": ["web"]},
}
LANGS = ["kaz_Cyrl", "rus_Cyrl", "tur_Latn", "eng_Latn", "und", None]


@st.composite
def corpora(draw: st.DrawFn, min_size: int = 0) -> pa.Table:
    n = draw(st.integers(min_size, 400))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([0.0, 1.0, 2.5]))
    tokens = rng.lognormal(4, spread, n).astype(np.int64)
    tokens[rng.random(n) < 0.05] = 0
    rows = [
        {
            "id": f"web/{i % 7}.warc#{i * 131}",
            "source": str(s),
            "text": "ж" * int(t % 50),
            "origin": o,
        }
        for i, (s, t, o) in enumerate(
            zip(rng.choice(["web", "wiki"], n), tokens, rng.choice(["native", "mt", None], n))
        )
    ]
    return (
        schema.documents(rows)
        .append_column("lang", pa.array(rng.choice(np.array(LANGS, object), n), pa.string()))
        .append_column("n_tokens", pa.array(tokens, pa.int64(), mask=rng.random(n) < 0.02))
    )


@st.composite
def mixtures(draw: st.DrawFn) -> dict[str, Any]:
    epochs = draw(st.sampled_from([1, 1, 2, 3.5]))
    recipe_mixture: dict[str, Any] = {
        "ratio": ":".join(str(draw(st.integers(1, 5))) for _ in GROUPS),
        "groups": GROUPS,
        "unit": draw(st.sampled_from(["tokens", "bytes", "documents"])),
        "max_epochs": epochs,
        "shortage": "shrink" if epochs == 1 else "repeat",
        "alpha": draw(st.sampled_from([1, 0.4])),
        "seed": draw(st.integers(0, 3)),
        "scale": draw(st.sampled_from([1, 0.37])),
        "caps": draw(
            st.sampled_from(
                [
                    [],
                    [
                        {"origin": "mt", "max_share": 0.24},
                        {"group": "en", "origin": "native", "max_share": 0.9},
                    ],
                ]
            )
        ),
    }
    if draw(st.booleans()):
        recipe_mixture["phases"] = [
            {"name": "a", "budget": draw(st.integers(1, 20_000)), "weights": {"kk": 1, "en": 2}},
            {"name": "b", "budget": draw(st.integers(1, 20_000))},
        ]
    else:
        recipe_mixture["budget"] = draw(st.none() | st.integers(1, 40_000))
    return recipe_mixture


def shards_of(table: pa.Table, cuts: list[int]) -> list[pa.Table]:
    edges = sorted({0, table.num_rows, *(min(cut, table.num_rows) for cut in cuts)})
    return [table.slice(a, b - a) for a, b in pairwise(edges)] or [table]


def mixed(mixture: Mixture, table: pa.Table) -> pa.Table | None:
    try:
        return resolve(Mix(mixture), [table], 2)
    except RecipeError as error:
        assert "nothing to give" in str(error)
        return None


@examples(25)
@given(corpora(), mixtures())
def test_each_group_is_within_one_document_of_its_target(
    table: pa.Table, recipe_mixture: dict[str, Any]
) -> None:
    mixture = parse_mixture(recipe_mixture)
    stored = mixed(mixture, table)
    if stored is None:
        return
    for row in report_of(stored).values():
        assert abs(row["amount"] - (row["asked"] - row["shortage"])) <= row_limit(
            row, table, mixture
        )


def row_limit(row: dict[str, Any], table: pa.Table, mixture: Mixture) -> int:
    sketch = Mix(mixture).sketch(table).to_pylist()
    return max((d["amount"] for d in sketch if d["group"] == row["group"]), default=0) + 1


@examples(25)
@given(corpora(), mixtures())
def test_the_report_is_what_the_product_holds(
    table: pa.Table, recipe_mixture: dict[str, Any]
) -> None:
    mixture = parse_mixture(recipe_mixture)
    stored = mixed(mixture, table)
    if stored is None:
        return
    product = run(Mix(mixture), [table])
    of = {
        row["id"]: row
        for row in table.append_column("i", pa.array(range(table.num_rows))).to_pylist()
    }
    documents: Counter[tuple[str, str]] = Counter()
    tokens: Counter[tuple[str, str]] = Counter()
    for name, phase, _ in product:
        row = of[name]
        group = mixture.group_of(row["source"], row["lang"], row["origin"])
        assert group is not None
        documents[phase, group] += 1
        tokens[phase, group] += row["n_tokens"] or 0
    for key, row in report_of(stored).items():
        assert (row["documents"], row["tokens"]) == (documents[key], tokens[key])


@examples(25)
@given(
    corpora(),
    mixtures(),
    st.lists(st.integers(0, 400), max_size=4),
    st.integers(1, 5),
    st.randoms(),
)
def test_partitioning_and_order_change_nothing(
    table: pa.Table, recipe_mixture: dict[str, Any], cuts: list[int], partitions: int, random: Any
) -> None:
    mixture = parse_mixture(recipe_mixture)
    if mixed(mixture, table) is None:
        return
    whole = run(Mix(mixture), [table], 1)
    order = list(range(table.num_rows))
    random.shuffle(order)
    shuffled = pa.array(order, pa.int64())
    assert run(Mix(mixture), shards_of(table.take(shuffled), cuts), partitions) == whole


@examples(25)
@given(corpora(), mixtures())
def test_passes_are_counted_and_phases_are_disjoint(
    table: pa.Table, recipe_mixture: dict[str, Any]
) -> None:
    mixture = parse_mixture(recipe_mixture)
    if mixed(mixture, table) is None:
        return
    product = run(Mix(mixture), [table])
    assert len(set(product)) == len(product)
    passes = Counter((name, epoch) for name, _, epoch in product)
    assert set(passes.values()) <= {1}  # no document twice on one pass, whatever the phase
    most = Counter(name for name, _, _ in product)
    assert max(most.values(), default=0) <= np.ceil(mixture.max_epochs)
    for name, times in most.items():
        assert {epoch for n, _, epoch in product if n == name} == set(range(1, times + 1))


@examples(15)
@given(corpora(min_size=50), mixtures())
def test_machine_translation_keeps_below_its_cap(
    table: pa.Table, recipe_mixture: dict[str, Any]
) -> None:
    mixture = parse_mixture(recipe_mixture | {"caps": [{"origin": "mt", "max_share": 0.24}]})
    stored = mixed(mixture, table)
    if stored is None:
        return
    amounts = {row["id"]: row["amount"] for row in sketch_of(mixture, table)}
    rows = {row["id"]: row for row in table.to_pylist()}
    got: Counter[tuple[str, str, bool]] = Counter()
    for name, phase, _ in run(Mix(mixture), [table]):
        row = rows[name]
        group = mixture.group_of(row["source"], row["lang"], row["origin"])
        got[phase, group, row["origin"] == "mt"] += amounts[name]
    for (phase, group), row in report_of(stored).items():
        slack = sum(leaf_largest(mixture, table, group))
        ended = sum(got[name, group, True] for name in {p for p, _ in report_of(stored)})
        whole = sum(r["amount"] for (_, g), r in report_of(stored).items() if g == group)
        # Each leaf is at most half its largest document off at the end of a phase.
        assert ended <= 0.24 * whole + slack + 1
        assert got[phase, group, True] <= 0.24 * row["amount"] + 2 * slack + 1


STEPS = [[1, 1], [2, 2], [3, 3], [5, 5], [100, 8], [1000, 1]]


def with_clusters(table: pa.Table, seed: int) -> pa.Table:
    """Half the rows were kept for clusters; rows of one cluster in a chain, three at a time."""
    rng = np.random.default_rng(seed)
    n = table.num_rows
    sizes = pa.array(
        rng.choice([2, 4, 5, 99, 100, 2000], n).astype(np.int32), mask=rng.random(n) < 0.5
    )
    cluster = [
        f"c{i // 3}" if size is not None else None for i, size in enumerate(sizes.to_pylist())
    ]
    return table.append_column("cluster", pa.array(cluster, pa.string())).append_column(
        "cluster_size", sizes
    )


def copies(size: int | None) -> int:
    return 1 if size is None else [c for least, c in STEPS if least <= size][-1]


@examples(15)
@given(corpora(min_size=30), mixtures(), st.integers(0, 99), st.randoms())
def test_copies_by_cluster_size_are_counted_exactly(
    table: pa.Table, recipe_mixture: dict[str, Any], seed: int, random: Any
) -> None:
    table = with_clusters(table, seed)
    mixture = parse_mixture(recipe_mixture | {"upsample": {"by": "cluster_size", "copies": STEPS}})
    stored = mixed(mixture, table)
    if stored is None:
        return
    product = run(Mix(mixture), [table])
    assert len(set(product)) == len(product)
    rows = {row["id"]: row for row in table.to_pylist()}
    times = Counter(name for name, _, _ in product)
    whole = Counter((name, phase) for name, phase, _ in product)
    for (name, _), taken in whole.items():
        assert taken % copies(rows[name]["cluster_size"]) == 0  # never some copies of a pass
    for name, taken in times.items():
        assert {epoch for n, _, epoch in product if n == name} == set(range(1, taken + 1))
    tokens: Counter[tuple[str, str]] = Counter()
    for name, phase, _ in product:
        row = rows[name]
        tokens[phase, mixture.group_of(row["source"], row["lang"], row["origin"])] += (
            row["n_tokens"] or 0
        )
    report = report_of(stored)
    assert sum(times.values()) == sum(row["documents"] for row in report.values())
    for key, row in report.items():
        assert row["tokens"] == tokens[key]
        assert abs(row["amount"] - (row["asked"] - row["shortage"])) <= row_limit(
            row, table, mixture
        )
    order = list(range(table.num_rows))
    random.shuffle(order)
    assert run(Mix(mixture), shards_of(table.take(order), [50, 90]), 3) == product


def test_copies_are_written_down_as_epochs() -> None:
    rows = [{"id": f"web/a#{i}", "source": "web"} for i in range(3)]
    table = schema.documents(rows).append_column("signal_quality", pa.array([0.1, 0.9, None]))
    up = {"by": "signal_quality", "copies": [[0.5, 2]]}
    mixture = parse_mixture(
        {
            "groups": {"all": {"max_epochs": 2}},
            "unit": "documents",
            "shortage": "repeat",
            "upsample": up,
        }
    )
    product = run(Mix(mixture), [table])
    assert [(n[-1], epoch) for n, _, epoch in product] == [
        ("0", 1), ("0", 2), ("1", 1), ("1", 2), ("1", 3), ("1", 4), ("2", 1), ("2", 2),
    ]  # fmt: skip
    (row,) = report_of(resolve(Mix(mixture), [table], 1)).values()
    assert (row["available"], row["amount"], row["documents"], row["epochs"]) == (3, 8, 8, 8 / 3)


@examples(12)
@given(
    corpora(min_size=30), mixtures(), st.integers(0, 99), st.sampled_from([0.05, 0.3]), st.randoms()
)
def test_what_is_held_out_is_in_no_phase(
    table: pa.Table, recipe_mixture: dict[str, Any], seed: int, share: float, random: Any
) -> None:
    table = with_clusters(table, seed)
    up = {"upsample": {"by": "cluster_size", "copies": STEPS}}
    mixture = parse_mixture(recipe_mixture | up | {"validation": {"share": share}})
    stored = mixed(mixture, table)
    if stored is None:
        return
    product = run(Mix(mixture, clustered=True), [table])
    held = [name for name, phase, _ in product if phase == "validation"]
    assert all(epoch == 1 for _, phase, epoch in product if phase == "validation")
    trained = {name for name, phase, _ in product if phase != "validation"}
    assert len(set(held)) == len(held)
    assert not trained & set(held)
    rows = {row["id"]: row for row in table.to_pylist()}

    def sides(names: Any) -> tuple[set[str], set[str]]:
        members = [rows[name] for name in names]
        return {r["cluster"] for r in members if r["cluster"]}, {
            r["text"] for r in members if not r["cluster"]
        }

    for one, other in zip(sides(held), sides(trained), strict=True):
        assert not one & other
    report = report_of(stored)
    assert sum(r["documents"] for (phase, _), r in report.items() if phase == "validation") == len(
        held
    )
    # A larger share holds out a superset; what is held out is no matter of partitions.
    more = parse_mixture(recipe_mixture | up | {"validation": {"share": share + 0.1}})
    if mixed(more, table) is not None:
        wider = {
            n for n, phase, _ in run(Mix(more, clustered=True), [table]) if phase == "validation"
        }
        assert set(held) <= wider
    order = list(range(table.num_rows))
    random.shuffle(order)
    assert run(Mix(mixture, clustered=True), shards_of(table.take(order), [17, 60]), 2) == product


def sketch_of(mixture: Mixture, table: pa.Table) -> list[dict[str, Any]]:
    sketch = Mix(mixture).sketch(table)
    return sketch.append_column("id", table.column("id")).to_pylist()


def leaf_largest(mixture: Mixture, table: pa.Table, group: str) -> list[int]:
    largest: dict[tuple[Any, ...], int] = {}
    for row in sketch_of(mixture, table):
        if row["group"] == group:
            leaf = (row["source"], row["lang"], row["origin"])
            largest[leaf] = max(largest.get(leaf, 0), row["amount"])
    return list(largest.values())


@examples(15)
@given(corpora(min_size=50), st.integers(1, 8000), st.integers(1, 8000), st.sampled_from([1, 3]))
def test_a_phase_that_reuses_takes_the_first_documents_again(
    table: pa.Table, first: int, second: int, epochs: int
) -> None:
    phases = [
        {"name": "a", "budget": first},
        {"name": "b", "budget": second, "reuse": True},
        {"name": "c", "budget": first},
    ]
    groups = {"all": {"max_epochs": epochs}}
    rule = "repeat" if epochs > 1 else "shrink"
    mixture = parse_mixture({"groups": groups, "phases": phases, "shortage": rule})
    stored = mixed(mixture, table)
    if stored is None:
        return
    product = run(Mix(mixture), [table])
    assert len(set(product)) == len(product)
    of = {name: {row[0] for row in product if row[1] == name} for name in "abc"}
    assert of["a"] <= of["b"] or of["b"] <= of["a"]
    passes = Counter((name, epoch) for name, phase, epoch in product if phase != "b")
    assert set(passes.values()) <= {1}
    tokens = {row["id"]: row["n_tokens"] or 0 for row in table.to_pylist()}
    rows = report_of(stored)
    seen: set[str] = set()
    for name in "abc":
        again = sum(tokens[row[0]] for row in product if row[1] == name and row[0] in seen)
        assert rows[name, "all"]["reused"] == again
        seen |= of[name]


@examples(25)
@given(corpora(min_size=50), mixtures(), st.integers(1, 20_000), st.integers(0, 20_000))
def test_a_larger_budget_takes_a_superset(
    table: pa.Table, recipe_mixture: dict[str, Any], budget: int, more: int
) -> None:
    # With an alpha or a cap the composition itself moves with the budget, once a leaf is used up.
    recipe_mixture = {k: v for k, v in recipe_mixture.items() if k not in ("phases", "caps")} | {
        "alpha": 1
    }
    small, large = (
        parse_mixture(recipe_mixture | {"budget": budget}),
        parse_mixture(recipe_mixture | {"budget": budget + more}),
    )
    if mixed(small, table) is None:
        return
    taken, wanted = run(Mix(small), [table]), run(Mix(large), [table])
    assert set(taken) <= set(wanted)


@examples(20)
@given(corpora())
def test_everything_takes_every_row_once(table: pa.Table) -> None:
    product = run(Mix(Mixture.everything()), [table])
    assert product == sorted((name, "main", 1) for name in table.column("id").to_pylist())


@examples(20)
@given(corpora(min_size=30), st.data())
def test_what_an_earlier_barrier_dropped_does_not_count(
    table: pa.Table, data: st.DataObject
) -> None:
    mixture = parse_mixture({"groups": GROUPS | {"rest": {}}, "unit": "documents"})
    stage = Mix(mixture)
    dropped = data.draw(st.sets(st.integers(0, table.num_rows - 1), max_size=10))
    kept = table.take([i for i in range(table.num_rows) if i not in dropped])
    try:
        expected = decisions_of(resolve(stage, [kept], 2))
    except RecipeError:
        return
    assert decisions_of(resolve(stage, [table], 2, sorted(dropped))).equals(expected)


@examples(5)
@given(corpora(min_size=50), mixtures(), st.sampled_from([4, 20, 100]))
def test_a_histogram_of_any_width_cuts_the_same(
    table: pa.Table, recipe_mixture: dict[str, Any], rows: int
) -> None:
    mixture = parse_mixture(recipe_mixture)
    stored = mixed(mixture, table)
    if stored is None:
        return
    small = resolve(Mix(mixture, most_rows=rows), [table.slice(0, 20), table.slice(20)], 3)
    assert run(Mix(mixture, most_rows=rows), [table]) == run(Mix(mixture), [table])
    assert report_of(small) == report_of(stored)


def test_only_documents_near_a_cut_are_looked_at() -> None:
    rng = np.random.default_rng(5)
    n = 30_000
    table = schema.documents([{"id": f"web/a#{i}", "source": "web"} for i in range(n)])
    table = table.append_column("n_tokens", pa.array(rng.lognormal(6, 1, n).astype(np.int64)))
    stored = resolve(Mix(parse_mixture({"groups": {"all": {}}, "budget": 2_000_000})), [table], 1)
    assert 0 < sum(rows.num_rows for rows in stored["cut_rows"]) < n / 50


def test_verdicts_name_the_reason_and_the_number() -> None:
    rows = [{"id": f"web/a#{i}", "source": "web" if i % 2 else "junk"} for i in range(100)]
    table = schema.documents(rows)
    mixture = parse_mixture(
        {"groups": {"a": {"sources": ["web"]}}, "unit": "documents", "budget": 10}
    )
    stage = Mix(mixture)
    verdicts = stage.apply(table, decisions_of(resolve(stage, [table], 1)), Counter())
    found = Counter(verdicts.column("dropped_by").to_pylist())
    assert found == {"mix:no_group": 50, "mix:over_budget": 40, None: 10}
    for row in verdicts.to_pylist():
        assert (row["dropped_value"] is not None) == (row["dropped_by"] == "mix:over_budget")
        assert row["dropped_value"] is None or 0 <= row["dropped_value"] < 1


def test_a_row_with_a_verdict_is_not_touched_and_not_placed() -> None:
    table = schema.documents(
        [{"id": "a#0", "source": "s", "dropped_by": "judge:x"}, {"id": "a#1", "source": "s"}]
    )
    stage = Mix(Mixture.everything())
    decisions = decisions_of(resolve(stage, [table.slice(1)], 1))
    assert stage.apply(table, decisions, Counter()).equals(table)
    assert stage.placements(table, decisions).to_pylist() == [
        {"row": 1, "phase": "main", "epoch": 1}
    ]


def test_an_empty_table_keeps_its_schema() -> None:
    table = schema.DOCUMENT_SCHEMA.empty_table()
    stage = Mix(Mixture.everything())
    decisions = decisions_of(resolve(stage, [table], 1))
    assert decisions.num_rows == 0
    assert stage.apply(table, decisions, Counter()).equals(table)
    assert stage.placements(table, decisions).num_rows == 0


@pytest.mark.parametrize("unit", ["tokens", "bytes", "documents"])
def test_it_reads_no_more_than_it_says(unit: str) -> None:
    mixture = parse_mixture({"groups": {"kk": {"languages": ["kaz_Cyrl"]}}, "unit": unit})
    stage = Mix(mixture)
    row = {"id": "a#0", "source": "s", "text": "үш сөз бар"}
    table = schema.documents([row])
    table = table.append_column("lang", pa.array(["kaz_Cyrl"])).append_column(
        "n_tokens", pa.array([7])
    )
    narrow = stage.sketch(table.select(list(stage.reads)))
    assert narrow.select(["group", "u", "amount"]).equals(
        stage.sketch(table).select(["group", "u", "amount"])
    )
    assert narrow.column("amount").to_pylist() == [{"tokens": 7, "bytes": 18, "documents": 1}[unit]]
