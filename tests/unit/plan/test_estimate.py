"""The estimate has the right size, grows with the input, and says what bounds a run."""

import json
import math

import pytest

from curate.plan import build as planning
from curate.plan import estimate
from curate.plan.estimate import Sampled, on_nodes
from curate.plan.outline import outline
from curate.plan.passes import ONE_PASS
from curate.recipe.recipe import load_recipe
from tests.unit.cli.commands import demo_run


def described(*settings, **inputs):
    return outline(planning.build(load_recipe("demo", inputs=inputs, settings=settings)))


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
    steps = sum(step.over == "shard" for barrier in plan.barriers for step in barrier.steps())
    assert (steps + 3) * 10_000 < cost["tasks"] < 1.5 * (steps + 3) * 10_000
    assert cost["requests"] == round(200 + 9.2 * cost["tasks"] + cost["blocks"])


def test_nodes_share_the_work_and_the_driver_does_not():
    cost = {"core_seconds": 7100.0, "request_seconds": 100.0, "driver_seconds": 90.0,
            "clusters_seconds": 10.0, "clusters_bytes": 20, "disk_bytes": 4000,
            "memory_bytes_per_worker": 10}  # fmt: skip
    assert on_nodes(cost, 4, 3, 2.5) == {
        "nodes": 4, "cores": 3, "seconds": 700.0, "seconds_alone": 100.0,
        "memory_bytes_per_node": 30, "disk_bytes_per_node": 1000, "cost": 1.94,
    }  # fmt: skip
    cost["clusters_bytes"] = 31  # of the one task that labels clusters
    assert on_nodes(cost, 4, 3, 2.5)["memory_bytes_per_node"] == 31


def test_what_a_sample_was_like_decides_the_estimate():
    plan = planning.build(load_recipe("demo", inputs={"wiki": ["sample_data/wiki"]}))
    stored = sum({p.file.path: p.file.size for s in plan.shards for p in s.pieces}.values())
    sampled = {
        "wiki": Sampled(
            text_per_stored=2.0, text_per_document=500.0, kept=0.5, clustered=0.0, tokens=0.2
        )
    }
    described = outline(plan, {}, sampled)
    cost = described["estimate"]
    assert cost["text_bytes"] == 2 * stored
    assert cost["documents"] == round(2 * stored / 500)
    assert cost["tokens"] == round(2 * stored * 0.5 * 0.2)
    assert cost["clusters_bytes"] == 0
    whole = outline(plan, {}, {"wiki": sampled["wiki"]._replace(lz4=1.0)})["estimate"]
    assert whole["disk_bytes"] - cost["disk_bytes"] == pytest.approx(0.4 * 0.5 * 2 * stored, abs=2)
    assert whole["product_bytes"] == cost["product_bytes"]


def test_blocks_between_shards_and_partitions_are_requests():
    one = described("shards.partition_bytes=100000000")["estimate"]
    many = described("shards.partition_bytes=10000")["estimate"]
    assert (one["partitions"], one["blocks"]) == (1, one["shards"])  # read by a file of the product
    assert many["partitions"] >= 10
    assert many["blocks"] > many["shards"] * 10
    assert many["requests"] == round(200 + 9.2 * many["tasks"] + many["blocks"])


def test_many_shards_exchange_in_two_passes():
    plan = planning.build(load_recipe("demo"))
    of = estimate.sources(plan, {"wiki": 10**13}, {})
    two = estimate.of_sources(plan, of, {})
    assert two["shards"] * two["partitions"] > 100 * ONE_PASS
    steps = sum(len(barrier.steps()) for barrier in plan.barriers)
    groups = math.isqrt(two["partitions"]) + 1
    assert two["blocks"] < (steps + 1) * two["shards"] * groups
    assert estimate.warnings(two)


def test_one_task_and_large_partitions_are_warned_of():
    cost = described()["estimate"]
    assert estimate.warnings(cost) == []
    plan = planning.build(load_recipe("demo"))
    web = estimate.of_sources(plan, estimate.sources(plan, {"web": 75 * 10**12}, {}), {})
    clusters, memory = estimate.warnings(web)
    documents = 75e12 * 0.23 / 3000 * Sampled().kept * Sampled().clustered
    assert web["clusters_bytes"] == pytest.approx(84 * documents, rel=0.01)
    assert f"{web['clusters_bytes'] / 1e9:,.0f} GB of memory on one node" in clusters
    assert "4,096 partitions" in memory
