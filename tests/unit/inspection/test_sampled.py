"""What a sample says of a source's documents is what the documents are."""

import gzip
import json
import random
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.inspection import sampled
from curate.inspection.sampled import sample_sources
from curate.plan import build as planning
from curate.recipe.recipe import load_recipe
from tests.unit.cli.commands import curate

RECIPE = """
name = "sampled"
[sources.text]
format = "{format}"
path = "{path}"
[[stages]]
use = "exact_dedup"
[[stages]]
use = "fuzzy_dedup"
[[stages]]
use = "count"
tokenizer = "words"
"""


def texts(documents):
    return [" ".join(f"{number}w{n}x" for n in range(100)) for number in range(documents)]


def plan_of(tmp_path, format, path, more=""):
    recipe = tmp_path / "sampled.toml"
    recipe.write_text(RECIPE.format(format=format, path=path) + more)
    return planning.build(load_recipe(str(recipe)))


def write_lines(path, rows, opened=open):
    with opened(path, "wt") as file:
        file.writelines(json.dumps({"text": text}) + "\n" for text in rows)
    return path.stat().st_size


def test_all_of_a_small_source_is_measured_exactly(tmp_path):
    rows = [*texts(90), *texts(10)]
    stored = write_lines(tmp_path / "a.jsonl", rows)
    one = sample_sources(plan_of(tmp_path, "jsonl", tmp_path / "a.jsonl"))["text"]
    size = sum(map(len, rows))
    assert one.documents == 100
    assert one.text_per_document == size / 100
    assert one.text_per_stored == pytest.approx(size / stored)
    assert one.kept == 1.0
    assert one.clustered == 0.2
    part = sample_sources(plan_of(tmp_path, "jsonl", tmp_path / "a.jsonl"), {"text": 10**12})
    assert part["text"] == one._replace(clustered=sampled.Sampled().clustered)
    assert one.tokens == pytest.approx(100 * 100 / size)
    assert one.shingles == pytest.approx(96 * 100 / size)
    assert 0 < one.zstd <= one.zstd_1 < one.lz4 < 1


def random_lines(path, count, opened=open):
    """Write texts of random digits, so that a compressed file is large; return its size."""
    draw = random.Random(3)
    rows = [" ".join(str(draw.getrandbits(60)) for _ in range(100)) for _ in range(count)]
    write_lines(path, rows, opened)
    return sum(map(len, rows)) / path.stat().st_size


@pytest.mark.parametrize("opened", [open, gzip.open])
def test_a_part_of_a_large_file_is_measured_by_what_was_read_of_it(tmp_path, monkeypatch, opened):
    path = tmp_path / ("a.jsonl" if opened is open else "a.jsonl.gz")
    expected = random_lines(path, 6000, opened)
    monkeypatch.setattr(sampled, "TEXT_BYTES", 4 << 20)
    one = sample_sources(plan_of(tmp_path, "jsonl", path))["text"]
    assert 1000 < one.documents < 5500
    assert one.text_per_stored == pytest.approx(expected, rel=0.15)
    assert one.clustered == sampled.Sampled().clustered  # the rest may hold more


@pytest.mark.parametrize("least", [64 << 10, 8 << 20])  # pieces of 16 kB, or the whole file
def test_shards_smaller_than_what_is_read_at_once_are_read_together(tmp_path, monkeypatch, least):
    path = tmp_path / "a.jsonl"
    stored = write_lines(path, texts(1000))
    expected = sum(map(len, texts(1000))) / stored
    plan = plan_of(tmp_path, "jsonl", path, "[shards]\ninput_bytes = 700\n")
    assert len(plan.shards) > 900
    pieces = []
    read = sampled.read_shard
    monkeypatch.setattr(sampled, "TEXT_BYTES", least)
    monkeypatch.setattr(sampled, "LEAST", least)
    monkeypatch.setattr(
        sampled, "read_shard", lambda *given: pieces.append(given[1]) or read(*given)
    )
    one = sample_sources(plan)["text"]
    assert one.text_per_stored == pytest.approx(expected, rel=0.15)
    assert len(pieces) == 1 if least == 8 << 20 else 4 <= len(pieces) < 8
    assert one.documents == 1000 if least == 8 << 20 else one.documents < 1000


def test_row_groups_are_shares_of_a_parquet_file(tmp_path, monkeypatch):
    rows = texts(6000)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": rows}), path, row_group_size=500)
    monkeypatch.setattr(sampled, "TEXT_BYTES", 1 << 20)
    one = sample_sources(plan_of(tmp_path, "parquet", path))["text"]
    assert one.documents in range(500, 6001, 500)
    expected = sum(map(len, rows)) / path.stat().st_size
    assert one.text_per_stored == pytest.approx(expected, rel=0.1)


def test_a_source_without_documents_is_left_out(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": 1}\n')
    assert sample_sources(plan_of(tmp_path, "jsonl", tmp_path / "a.jsonl")) == {}


def test_texts_that_are_all_empty_are_no_division_by_zero(tmp_path):
    write_lines(tmp_path / "a.jsonl", [""] * 30)
    plan_of(tmp_path, "jsonl", tmp_path / "a.jsonl")
    read = curate("plan", str(tmp_path / "sampled.toml"))
    assert read.code == 0, read.err
    assert " 30 read" in read.out


def test_stages_after_a_dedup_find_the_columns_that_it_adds(tmp_path):
    write_lines(tmp_path / "a.jsonl", texts(30))
    (tmp_path / "filters").mkdir()
    (tmp_path / "filters/p.toml").write_text(
        '[rules.alone]\nsignal = "n_cluster_sources"\nmin = 1\nwhy = "w"\nsource = "ours"\n'
    )
    plan_of(tmp_path, "jsonl", tmp_path / "a.jsonl")
    recipe = tmp_path / "sampled.toml"
    text = recipe.read_text().replace("[[stages]]", 'profile = "p"\n[[stages]]', 1)
    for use in ("identify", "measure", "judge"):
        text += f'[[stages]]\nuse = "{use}"\n'
    recipe.write_text(text)
    one = sample_sources(planning.build(load_recipe(str(recipe))))["text"]
    assert one.documents == 30


def test_the_command_says_what_it_read(tmp_path):
    write_lines(tmp_path / "a.jsonl", texts(30))
    plan_of(tmp_path, "jsonl", tmp_path / "a.jsonl")
    recipe = str(tmp_path / "sampled.toml")
    read = curate("plan", recipe)
    assert read.code == 0, read.err
    assert re.search(r"text +jsonl +1 .* 30  30 read", read.out)
    assert "estimate: 30 documents" in read.out
    usual = curate("plan", recipe, "--sample", "0", "--assume", "text=80TB")
    assert "the usual" in usual.out
    assert "warning: one task of the near dedup" in usual.out
