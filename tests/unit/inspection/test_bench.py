"""`curate bench`: what it measures adds up, is kept, and is what the planner estimates with."""

import json
import re

import pytest

from curate.inspection import bench
from curate.plan import build as planning
from curate.plan import rates
from curate.plan.outline import outline
from curate.recipe.recipe import load_recipe
from tests.unit.cli.commands import curate


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """Keep rates in a folder of the test; the kernels stay where they are."""
    path = tmp_path / "rates.json"
    monkeypatch.setattr(rates, "file", lambda: path)
    return path


def test_bytes_and_seconds_are_those_of_the_shards_taken(tmp_path):
    file = tmp_path / "texts.jsonl"
    bench.write_texts(file, "kaz_Cyrl", 300_000)
    texts = [json.loads(line)["text"] for line in file.read_text().splitlines()]
    recipe = tmp_path / "bench.toml"
    recipe.write_text(bench.RECIPE.format(path=file))
    found = bench.bench(planning.build(load_recipe(str(recipe))), 200_000)
    assert found.documents == len(texts)  # one shard of 4 MB: all of it
    assert found.text_bytes == sum(len(text.encode()) for text in texts)
    assert set(found.seconds) == {
        "reading", "repair", "identify", "standardize", "trim", "measure", "judge", "count", "rest",
    }  # fmt: skip
    assert min(found.seconds.values()) >= 0
    assert found.total == pytest.approx(sum(found.seconds.values()))
    assert found.speed() == pytest.approx(found.text_bytes / 1e6 / found.total)


def test_shards_are_taken_from_each_source_in_turn():
    plan = planning.build(load_recipe("demo"))
    part, size, documents, _ = bench._part(plan, 60_000)
    taken = [shard.source for shard in part.shards]
    assert taken == list(plan.sources)[: len(taken)]
    assert size >= 60_000
    assert documents > 0


def test_dealt_texts_are_the_same_each_time_and_a_fifth_are_copies(tmp_path):
    one, two = tmp_path / "1", tmp_path / "2"
    for path in (one, two):
        bench.write_texts(path, "jpn_Jpan", 400_000)
    assert one.read_bytes() == two.read_bytes()
    lines = one.read_text().splitlines()
    assert 0.1 < 1 - len(set(lines)) / len(lines) < 0.3
    texts = [json.loads(line)["text"] for line in dict.fromkeys(lines)]
    assert all(500 <= len(text.encode()) < 25_000 for text in texts)
    # Sentences of a few passages come again and again, nearly always with another character.
    sentences = [each for text in texts for each in re.split("[。\n]", text) if each]
    assert len(set(sentences)) > 0.7 * len(sentences)


def test_the_plan_estimates_with_the_rates_of_this_machine(own_cache, tmp_path):
    plan = planning.build(load_recipe("demo"))
    assert rates.rates().measured == ""
    shipped = outline(plan)["estimate"]
    out = curate("bench", "--megabytes", "0.2", "--language", "eng_Latn")
    assert out.code == 0, out.err
    assert str(own_cache) in out.out
    kept = rates.rates()
    assert len(kept.measured) == len("2026-11-28")
    estimate = outline(plan)["estimate"]
    assert estimate["rates"] == kept.measured
    assert estimate["disk_bytes"] == shipped["disk_bytes"]
    slow = json.loads(own_cache.read_text())
    slow["stages"]["identify"] += 1e-3  # seconds per byte
    own_cache.write_text(json.dumps(slow))
    slower = outline(plan)["estimate"]
    assert slower["core_seconds"] - estimate["core_seconds"] == pytest.approx(
        1e-3 * estimate["text_bytes"], abs=0.11
    )


@pytest.mark.parametrize(
    "kept", ["", "[]", "{}", '{"version": "0"}', '{"version": 1, "measured": 2}', "\x00"]
)
def test_rates_of_another_version_or_damaged_are_not_used(own_cache, kept):
    own_cache.write_text(kept)
    assert rates.rates().measured == ""


def test_an_unknown_language_is_refused_with_the_nearest():
    out = curate("bench", "--language", "kaz_Cyrk")
    assert out.code == 2
    assert "kaz_Cyrl" in out.err
