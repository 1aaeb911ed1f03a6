"""Buckets and ranks: against a slow definition, whatever the shards, and in runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import api, schema
from curate.errors import RecipeError
from curate.inspection.dry_run import dry_run
from curate.plan import build as planning
from curate.protocol.in_memory import resolve
from curate.recipe.profile import ClassifierSection, Profile, Profiles
from curate.recipe.recipe import load_recipe
from curate.stages.bucket import Bucket, Rank
from tests.examples import examples

Row = tuple[str | None, float | None, int]

SCORES = st.one_of(
    st.none(), st.sampled_from([0.0, -0.0, 0.5, 1.0, -1e300]), st.floats(allow_nan=False)
)
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), SCORES, st.integers(0, 5)), max_size=40
)


def table_of(rows: Sequence[Row], **signals: list[float | None]) -> pa.Table:
    table = schema.documents([{"id": str(i), "source": "s", "text": ""} for i in range(len(rows))])
    columns = signals or {"edu": [score for _, score, _ in rows]}
    for name, values in columns.items():
        table = table.append_column(f"signal_{name}", pa.array(values, pa.float64()))
    table = table.append_column("lang", pa.array([lang for lang, _, _ in rows], pa.string()))
    return table.append_column("n_tokens", pa.array([n for _, _, n in rows], pa.int64()))


def slow(rows: Sequence[Row], parts: int) -> list[int | None]:
    """Return the number of cuts below each score, cut by cut, document by document."""
    found: list[int | None] = []
    with np.errstate(over="ignore"):
        scores = [None if s is None else float(np.float32(s)) for _, s, _ in rows]
    for row, (lang, _, _) in enumerate(rows):
        own = scores[row]
        if own is None:
            found.append(None)
            continue
        group = sorted(
            (s, n) for s, (other, _, n) in zip(scores, rows) if other == lang and s is not None
        )
        total = sum(n for _, n in group)
        bucket = 0
        for cut in range(1, parts):
            reached = [
                s for s, _ in group if sum(n for t, n in group if t <= s) * parts >= cut * total
            ]
            bucket += total > 0 and reached[0] < own
        found.append(bucket)
    return found


def bucketed(stage: Bucket | Rank, table: pa.Table, **cut: int) -> pa.Table:
    out = stage.apply(table, resolve(stage, table, **cut)["decisions"], Counter())
    return schema.check(out)


@examples(60)
@given(ROWS, st.integers(2, 7))
def test_buckets_are_those_of_the_definition_whatever_the_shards(
    rows: list[Row], parts: int
) -> None:
    stage = Bucket(signals=("edu",), buckets=parts, weight="tokens")
    table = table_of(rows)
    expected = slow(rows, parts)
    for cut in ({}, {"shards": 3, "partitions": 2}):
        assert bucketed(stage, table, **cut).column("signal_edu_bucket").to_pylist() == expected


def test_each_bucket_has_its_share_of_the_tokens_of_its_language() -> None:
    random = np.random.default_rng(5)
    rows = [("ab"[i % 2], float(s), 1 + i % 7) for i, s in enumerate(random.random(4000))]
    table = bucketed(Bucket(signals=("edu",), weight="tokens"), table_of(rows))
    number = np.asarray(table.column("signal_edu_bucket"))
    tokens, lang = np.array([n for _, _, n in rows]), np.array([one for one, _, _ in rows])
    for one in "ab":
        sums = np.bincount(number[lang == one], tokens[lang == one], 20)
        assert abs(sums - sums.sum() / 20).max() <= 7  # one document


def test_documents_by_source_and_dropped_ones_take_no_part() -> None:
    rows: list[Row] = [("a", float(i), 100 if i else 0) for i in range(8)]
    table = table_of(rows)
    sources = pa.array(["x", "y"] * 4)
    table = table.set_column(table.column_names.index("source"), "source", sources)
    dropped = pa.array([None, None, "judge:bad", None, None, None, None, None], pa.string())
    table = table.set_column(table.column_names.index("dropped_by"), "dropped_by", dropped)
    stage = Bucket(signals=("edu",), buckets=2, by=("lang", "source"), weight="documents")
    found = bucketed(stage, table).column("signal_edu_bucket").to_pylist()
    assert found == [0, 0, None, 0, 0, 1, 1, 1]


def test_without_a_weight_tokens_count_once_they_are_counted() -> None:
    assert "n_tokens" in Bucket(signals=("edu",), counted=True).reads
    stage = Bucket(signals=("edu",))
    assert "text" in stage.reads and "text" not in stage.sketch_reads


@pytest.mark.parametrize("options", [{"signals": ()}, {"signals": ("a",), "buckets": 1}])
def test_wrong_options(options: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        Bucket(**options)  # type: ignore[arg-type]


def test_the_mean_of_ranks_ignores_the_scale_of_the_scores() -> None:
    edu: list[float | None] = [i / 200 for i in range(200)]
    web: list[float | None] = [-1000.0 * i for i in range(199)] + [None]
    rows: list[Row] = [("a", None, 1)] * 200
    table = table_of(rows, edu=edu, web=web)
    named = {
        "edu": ClassifierSection(model="a.npz"),
        "web": ClassifierSection(model="b.npz"),
        "both": ClassifierSection(mean_rank=("edu", "web")),
    }
    stage = Rank(Profiles({"_default": Profile(name="_default", classifiers=named)}))
    assert stage.adds == ("signal_both",)
    found = bucketed(stage, table, shards=3, partitions=2).column("signal_both").to_pylist()
    assert found[0] == 0.5 and found[-1] == 1.0
    assert all(abs(value - 0.5) < 0.011 for value in found[:-1])


RECIPE = """
name = "edu"
[sources.web]
format = "jsonl"
path = "pages.jsonl"
[classifiers.en]
model = "lid.176.ftz"
label = "en"
[classifiers.es]
model = "lid.176.ftz"
label = "es"
[classifiers.both]
mean_rank = ["en", "es"]
[[stages]]
use = "identify"
[[stages]]
use = "measure"
[[stages]]
use = "exact_dedup"
[[stages]]
use = "rank"
by = ["source"]
[[stages]]
use = "bucket"
signals = ["both", "en"]
buckets = 4
by = []
"""


def run(folder: Path, recipe: str, **options: object) -> pa.Table:
    (folder / "r.toml").write_text(recipe.replace("pages.jsonl", str(folder / "pages.jsonl")))
    api.run(str(folder / "r.toml"), output=str(folder / "out"), engine="in-process", **options)
    files = sorted((folder / "out" / "mixture").rglob("*.parquet"))
    return pa.concat_tables([pq.read_table(file) for file in files]).sort_by("id")


def pages(folder: Path) -> None:
    words = "the house of a man y la casa de un hombre con sus amigos".split()  # noqa: SIM905
    texts = [" ".join([*words[k % 7 : k % 7 + 6], str(k)]) for k in [*range(80), *range(20)]]
    lines = (json.dumps({"text": text}) + "\n" for text in texts)
    (folder / "pages.jsonl").write_text("".join(lines))


def test_a_run_numbers_what_earlier_barriers_kept(tmp_path: Path) -> None:
    pages(tmp_path)
    table = run(tmp_path, RECIPE)
    kept = table.num_rows
    assert 50 < kept < 100
    for name in ("both", "en"):
        number = np.asarray(table.column(f"signal_{name}_bucket"))
        scores = np.asarray(table.column(f"signal_{name}"))
        order = np.argsort(scores, kind="stable")
        assert (np.diff(number[order]) >= 0).all() and set(number.tolist()) == {0, 1, 2, 3}
    sizes = np.bincount(np.asarray(table.column("signal_en_bucket")))
    assert sizes.min() >= kept / 8  # equal scores have one bucket


def test_small_shards_give_the_same_buckets(tmp_path: Path) -> None:
    answers = []
    for shard in (1 << 20, 500):
        folder = tmp_path / str(shard)
        folder.mkdir()
        pages(folder)
        small = f"\n[shards]\ninput_bytes = {shard}\npartition_bytes = 500\n"
        answers.append(run(folder, RECIPE + small).drop_columns(["id"]))
    assert answers[0].equals(answers[1])


def test_a_mean_of_ranks_without_its_stage_and_a_bucket_without_its_own_are_refused(
    tmp_path: Path,
) -> None:
    pages(tmp_path)
    without = RECIPE.split('[[stages]]\nuse = "rank"')[0]
    with pytest.raises(RecipeError, match="no stage computes it") as error:
        run(tmp_path, without)
    assert 'use = "rank"' in str(error.value)
    mixed = without.replace('mean_rank = ["en", "es"]', 'max = ["en", "es"]')
    mixed += '[mixture]\nratio = "1"\nunit = "documents"\nupsample = { by = "signal_en_bucket", copies = [[3, 2]] }\n[mixture.groups.all]\n'  # noqa: E501
    with pytest.raises(RecipeError, match="reads column 'signal_en_bucket'") as error:
        run(tmp_path, mixed)
    assert "put 'bucket' before it" in str(error.value)


def test_explain_and_a_dry_run_know_buckets(tmp_path: Path) -> None:
    pages(tmp_path)
    (tmp_path / "filters").mkdir()
    rule = '[rules.low]\nsignal = "en_bucket"\nmin = 2\n'
    (tmp_path / "filters" / "own.toml").write_text(rule)
    recipe = RECIPE.replace('path = "pages.jsonl"', 'path = "pages.jsonl"\nprofile = "own"')
    run(tmp_path, recipe + '[[stages]]\nuse = "judge"\n')
    files = sorted((tmp_path / "out" / "rejected").rglob("*.parquet"))
    tables = [pq.read_table(file) for file in files]
    rejected = pa.concat_tables(tables, promote_options="default")
    low = rejected.filter(pc.equal(rejected.column("dropped_by"), "judge:low"))
    assert 10 < low.num_rows < 50
    (row,) = api.explain(str(tmp_path / "out"), low.column("id")[0].as_py())
    (judged,) = [step for step in row["replay"] if step["stage"] == "judge"]
    assert judged["dropped_by"] == "judge:low"
    assert judged["dropped_value"] == row["signals"]["signal_en_bucket"] < 2
    plan = planning.build(load_recipe(str(tmp_path / "r.toml")))
    tried = dry_run(plan, "judge", sample=200, scan=1 << 20)
    assert 0.1 < tried.dropped["judge:low"][1].share < 0.7
