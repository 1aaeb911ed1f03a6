"""A plan's description: its figures follow from the inputs, its estimate has the right size."""

import json

import pytest

from curate.plan import build as planning
from curate.plan.outline import outline
from curate.recipe.recipe import Recipe, load_recipe
from tests.unit.cli.commands import demo_run


def described(*settings, **inputs):
    return outline(planning.build(load_recipe("demo", inputs=inputs, settings=settings)))


def test_sources_and_segments_are_those_of_the_recipe():
    plan_outline = described()
    assert list(plan_outline["sources"]) == ["web", "wet", "wiki", "news", "books", "chat", "notes"]
    assert (
        plan_outline["shards"]
        == sum(source["shards"] for source in plan_outline["sources"].values())
        == 14
    )
    assert [stage["name"] for stage in plan_outline["segments"][0]["barriers"]] == [
        "exact_dedup", "fuzzy_dedup",
    ]  # fmt: skip
    assert json.loads(json.dumps(plan_outline)) == plan_outline


def test_shares_are_those_of_the_ratio():
    (phase,) = described()["mixture"]["phases"]
    assert phase["shares"] == {
        "kazakh": 0.375, "russian_turkish": 0.125, "english": 0.375, "asian": 0.125,
    }  # fmt: skip


def test_a_curve_rises_and_meets_its_recall():
    curve = described()["curves"]["fuzzy_dedup"]
    shares = [share for _, share in curve["looked_at"]]
    assert shares == sorted(shares)
    assert dict(map(tuple, curve["looked_at"]))[0.8] >= 0.97
    assert curve["bands"] * curve["rows"] == curve["permutations"]


@pytest.mark.parametrize("source", ["wet", "wiki", "news", "books", "notes"])
def test_text_is_estimated_within_a_factor_of_three(source):
    manifest = json.loads((demo_run()[0] / "manifest.json").read_text())
    assert manifest["totals"]["documents"] == 445
    plan = planning.build(load_recipe("demo"))
    estimated = outline(plan)["sources"][source]["text_estimated"]
    from curate.engine.reading import read_shard

    real = sum(
        batch.documents.column("text").nbytes
        for shard in plan.shards
        if shard.source == source
        for batch in read_shard(plan.sources[source], shard, 8 << 20)
    )
    assert real / 3 < estimated < real * 3


def test_the_curve_of_containment_is_that_of_what_it_aims_at():
    curve = described("stages.fuzzy_dedup.similarity=containment")["curves"]["fuzzy_dedup"]
    assert (curve["threshold"], curve["aim"]) == (0.8, 0.3636)
    assert (curve["bands"], curve["rows"]) == (72, 3)


@pytest.mark.parametrize(
    "stage, expected",
    [
        ({"use": "line_dedup"}, 40 + 20 * 30),
        ({"use": "substring_dedup"}, 40 + round(3000 * (30 / 200 + 0.52))),
        ({"use": "substring_dedup", "min_tokens": 50}, 40 + round(3000 * (30 / 200 + 0.52))),
    ],
)
def test_a_store_of_what_is_cut_says_what_a_document_takes(tmp_path, stage, expected):
    (tmp_path / "a.jsonl").write_text('{"text": "x"}')
    recipe = Recipe.model_validate(
        {
            "name": "cut",
            "sources": {"a": {"format": "jsonl", "path": str(tmp_path / "a.jsonl")}},
            "stages": [stage | {"store": str(tmp_path / "store")}],
        }
    )
    stores = outline(planning.build(recipe))["stores"]
    assert stores[stage["use"]]["bytes_per_document"] == expected


def test_a_store_says_what_a_document_takes(tmp_path):
    store = tmp_path / "store"
    stores = described(f"stages.fuzzy_dedup.store={store}")["stores"]["fuzzy_dedup"]
    assert stores == {
        "address": str(store),
        "adds": True,
        "generations": 0,
        "documents": 0,
        "bytes": 0,
        "bytes_per_document": 20 * 20 + 640 + round(8 * 3000 / 7) + 40,
    }
