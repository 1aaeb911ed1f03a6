"""Columns that users bring stand where signals and columns of ours do, with their types."""

import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import api
from curate.errors import RecipeError
from curate.plan.build import build
from curate.recipe.recipe import parse_recipe
from tests.runs import ledger, tree

WORDS = ("river", "stone", "market", "letter", "winter", "garden", "engine", "signal", "forest")
TOPICS = ("news", "books", "spam")

PROFILE = """
[rules.low_quality]
signal = "quality"
min = 1
undefined = "keep"
[rules.spam]
signal = "topic"
refused = ["spam"]
undefined = "keep"
"""
RECIPE = """
name = "own"
[sources.a]
format = "jsonl"
path = "{folder}/in/a.jsonl"
id = "doc"
profile = "mine"
[sources.a.columns]
quality = "meta.q.score"
topic = "topic"
flag = "flag"
tags = "tags"
[sources.b]
format = "parquet"
path = "{folder}/in/b.parquet"
profile = "mine"
[sources.b.columns]
quality = "score"
topic = "kind"
level = "info.deep.level"
[[stages]]
use = "identify"
[[stages]]
use = "measure"
[[stages]]
use = "judge"
[[stages]]
use = "exact_dedup"
keep = "best:quality"
[[stages]]
use = "cap"
per = "topic"
documents = 12
[mixture]
unit = "documents"
shortage = "fail"
[mixture.groups.good]
weight = 8
where = {{ topic = ["news"], quality = {{ min = 2 }} }}
[mixture.groups.flags]
weight = 4
where = {{ flag = [true] }}
[mixture.groups.rest]
weight = 6
[mixture.upsample]
by = "quality"
copies = [[3, 2]]
groups = ["good"]
[shards]
input_bytes = 6000
"""


def text_of(n):
    words = (f"{word}{(n * 7 + i) % 23}" for i, word in enumerate(WORDS * 3))
    return " ".join(words) + f" number {n}."


def of_a(n):
    """Return the values of document n of the source a."""
    return {
        "quality": n / 10 if n % 7 else None,
        "topic": TOPICS[n % 3],
        "flag": n % 2 == 0,
        "tags": ["t", None],
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "in").mkdir()
    with (folder / "in/a.jsonl").open("w") as file:
        for n in range(40):
            values = of_a(n)
            meta = {"q": {"score": values.pop("quality")}, "x": n}
            record = {"text": text_of(n % 30), "doc": f"a{n}", "meta": meta, **values}
            file.write(json.dumps(record) + "\n")
    table = {
        "text": [text_of(100 + n) for n in range(20)],
        "score": pa.array([n / 4 for n in range(20)], pa.float32()),
        "kind": pa.array([("news", "maps", None)[n % 3] for n in range(20)]).dictionary_encode(),
        "info": [{"deep": {"level": n % 4}} for n in range(20)],
    }
    pq.write_table(pa.table(table), folder / "in/b.parquet", row_group_size=7)
    (folder / "filters").mkdir()
    (folder / "filters" / "mine.toml").write_text(PROFILE)
    (folder / "own.toml").write_text(RECIPE.format(folder=folder))
    api.run(folder / "own.toml", output=folder / "out", engine="in-process")
    return folder


def rows(out, *folders):
    found = [path for name in folders for path in sorted((out / name).rglob("*.parquet"))]
    return [row for path in found for row in pq.ParquetFile(path).read().to_pylist()]


def test_columns_have_the_names_that_the_recipe_gives_and_their_types(corpus):
    for path in [*(corpus / "out/mixture").rglob("*.parquet")]:
        schema = pq.read_schema(path)
        kinds = [schema.field(name).type for name in ("quality", "topic", "flag", "level")]
        assert kinds == [pa.float64(), pa.string(), pa.bool_(), pa.int64()]
        assert schema.field("tags").type.value_type == pa.string()
    seen = {row["id"]: row for row in rows(corpus / "out", "mixture", "rejected")}
    assert len(seen) == 60
    for id, row in seen.items():
        if id.startswith("a/"):
            n = int(id.partition("~a")[2])
            assert {name: row[name] for name in of_a(n)} == of_a(n)
            assert json.loads(row["meta"]) == {"doc": f"a{n}", "meta": {"x": n}}
            assert row["level"] is None
        else:
            group, at = map(int, id.partition("#")[2].split(":"))
            n = 7 * group + at
            assert (row["quality"], row["level"]) == (n / 4, n % 4)
            assert row["topic"] == ("news", "maps", None)[n % 3]


def test_rules_keepers_caps_upsampling_and_groups_read_them(corpus):
    rejected = rows(corpus / "out", "rejected")
    dropped = Counter(row["dropped_by"] for row in rejected)
    low = [row for row in rejected if row["dropped_by"] == "judge:low_quality"]
    assert len(low) == dropped["judge:low_quality"] == 8 + 4
    assert all(row["dropped_value"] == row["quality"] < 1 for row in low)
    spam = [row for row in rejected if row["dropped_by"] == "judge:spam"]
    assert {row["topic"] for row in spam} == {"spam"}
    assert {row["dropped_value"] for row in spam} == {None}
    copies = {row["id"].partition("~")[2]: row for row in rejected if row.get("duplicate_of")}
    # Of two copies the one with a quality is kept: 0 and 7 have none, 3 and 33 are of one text.
    assert {id: row["duplicate_of"].partition("~")[2] for id, row in copies.items()} == {
        "a0": "a30",
        "a7": "a37",
    }
    assert dropped["cap:over_cap"] == 3
    assert all(row["topic"] == "news" for row in rejected if row["dropped_by"] == "cap:over_cap")
    product = rows(corpus / "out", "mixture")
    epochs = Counter(row["id"] for row in product)
    good = {row["id"] for row in product if row["topic"] == "news" and (row["quality"] or 0) >= 2}
    twice = {row["id"] for row in product if (row["quality"] or 0) >= 3} & good
    assert good and twice
    assert {id: epochs[id] for id in epochs if epochs[id] > 1} == dict.fromkeys(twice, 2)
    over = [row for row in rejected if row["dropped_by"].startswith("mix:")]
    curated = {row["id"]: row for row in (*product, *over)}.values()
    of_groups = Counter(
        "good" if row["topic"] == "news" and (row["quality"] or 0) >= 2
        else "flags" if row["flag"]
        else "rest"
        for row in curated
    )  # fmt: skip
    manifest = json.loads((corpus / "out/manifest.json").read_text())
    available = {row["group"]: row["available"] for row in manifest["mixture"]}
    assert available == of_groups


@pytest.mark.ray
def test_ray_and_other_shards_give_the_same(corpus, tmp_path):
    api.run(corpus / "own.toml", output=tmp_path / "out", engine="ray", workers=2)
    assert tree(tmp_path / "out") == tree(corpus / "out")
    assert ledger(tmp_path / "out") == ledger(corpus / "out")


def plan_with(corpus, *changes):
    text = RECIPE.format(folder=corpus)
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    recipe = parse_recipe(text, "own.toml")
    profile = PROFILE

    def read(name):
        return profile if name == "mine" else '[rules.x]\nsignal = "n_words"\nmin = 0'

    return build(recipe.model_copy(update={"sources": recipe.sources}), read_profile=read)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('quality = "score"', 'lang = "score"', "column of curate's own: call yours 'input_lang'"),
        ('quality = "score"', 'signal_x = "score"', "of curate's own: call yours 'input_x'"),
        ('quality = "score"', 'n_words = "score"', "a signal of curate's own: call yours 'input_n"),
        ('quality = "score"', '"a b" = "score"', "'a b' is no name of a column"),
        ('quality = "score"', 'quality = "text"', "'text' is the text"),
        ('quality = "score"', 'quality = "scores"', "no file has the column 'scores' of columns"),
        ('quality = "score"', 'quality = "scores"', "did you mean 'score'?"),
        ('"meta.q.score"', '"meta.q.scores"', "no record that was looked at has the field 'meta.q"),
        ('"meta.q.score"', '"meta.q.scores"', "did you mean 'meta.q.score'?"),
        ('topic = "kind"', 'topic = "score"', "no one type holds the values of 'topic'"),
        ('"best:quality"', '"best:qualty"', "did you mean 'quality'?"),
        ('"best:quality"', '"best:topic"', "keep of stage 'exact_dedup' needs a number"),
        ('per = "topic"', 'per = "tpic"', "no cap per 'tpic': did you mean 'topic'?"),
        ('per = "topic"', 'per = "quality"', "and the column 'quality' is double"),
        ('by = "quality"', 'by = "qualty"', "did you mean 'quality'?"),
        ('by = "quality"', 'by = "tags"', "upsample needs a number"),
        ("where = { flag", "where = { flg", "did you mean 'flag'?"),
        ("where = { flag", "where = { tags", "where of a group needs a text"),
    ],
)
def test_what_cannot_be_is_refused_when_the_run_is_planned(corpus, old, new, message):
    with pytest.raises(RecipeError) as caught:
        plan_with(corpus, (old, new))
    assert message in f"{caught.value.what}: {caught.value.hint}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('signal = "quality"', 'signal = "qualty"', "no signal 'qualty': did you mean 'quality'?"),
        ("min = 1", 'allowed = ["x"]', "and the column 'quality' is double"),
        ('refused = ["spam"]', "min = 1", "needs a number, and the column 'topic' is string"),
    ],
)
def test_rules_are_checked_against_the_names_and_types(corpus, monkeypatch, old, new, message):
    monkeypatch.setattr(f"{__name__}.PROFILE", PROFILE.replace(old, new))
    with pytest.raises(RecipeError) as caught:
        plan_with(corpus)
    assert message in f"{caught.value.what}: {caught.value.hint}"
