"""A plan's description: its figures follow from the inputs, its estimate has the right size."""

import json

import pytest

from curate.plan import build as planning
from curate.plan.outline import on_nodes, outline
from curate.recipe.recipe import load_recipe
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


def test_more_input_is_estimated_to_take_more():
    one, all_of_it = described(wiki="sample_data/wiki")["estimate"], described()["estimate"]
    for key in ("text_bytes", "disk_bytes", "core_seconds"):
        assert 0 < one[key] < all_of_it[key]


def test_the_number_of_tasks_is_that_of_the_run():
    tasks = sum("task" in json.loads(row) for row in (demo_run()[0] / "timings.jsonl").open())
    assert described()["estimate"]["tasks"] == pytest.approx(tasks, rel=0.1)


def test_a_source_may_be_assumed_to_be_larger():
    large = [f"shards.{key}_bytes=100000000" for key in ("input", "output", "partition")]
    plan = planning.build(load_recipe("demo", settings=large))
    now, then = outline(plan), outline(plan, {"wiki": 10**12})
    wiki = then["sources"]["wiki"]
    assert (wiki["bytes"], wiki["shards"]) == (10**12, 10_000)
    assert wiki["text_estimated"] == pytest.approx(1.7e12)
    assert then["sources"]["web"] == now["sources"]["web"]
    cost = then["estimate"]
    assert cost["text_bytes"] == pytest.approx(1.7e12, rel=1e-5)
    steps = sum(
        step.over in ("shard", "tree") for barrier in plan.barriers for step in barrier.steps()
    )
    assert (steps + 3) * 10_000 < cost["tasks"] < 1.5 * (steps + 3) * 10_000
    assert cost["requests"] > cost["tasks"]


def test_nodes_share_the_work_and_the_driver_does_not():
    cost = {"core_seconds": 7200.0, "driver_seconds": 100.0, "disk_bytes": 4000,
            "memory_bytes_per_worker": 10}  # fmt: skip
    assert on_nodes(cost, 4, 3, 2.5) == {
        "nodes": 4, "cores": 3, "seconds": 700.0, "memory_bytes_per_node": 30,
        "disk_bytes_per_node": 1000, "cost": 1.94,
    }  # fmt: skip


def test_the_curve_of_containment_is_that_of_what_it_aims_at():
    curve = described("stages.fuzzy_dedup.similarity=containment")["curves"]["fuzzy_dedup"]
    assert (curve["threshold"], curve["aim"]) == (0.8, 0.3636)
    assert (curve["bands"], curve["rows"]) == (72, 3)


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
