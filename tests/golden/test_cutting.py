"""The exact counts of repeats in the sample data: menus as lines, planted near copies as spans."""

from collections import Counter

import pytest

from curate import api
from tests.runs import ledger

RECIPE = """
name = "cut_samples"
[limits]
quarantined_records = 40
[shards]
input_bytes = 40_000
partition_bytes = 30_000
[sources.web]
format = "warc"
path = "sample_data/web/*.warc.gz"
[sources.books]
format = "parquet"
path = "sample_data/books.parquet"
[[stages]]
use = "repair"
[[stages]]
use = "exact_dedup"
[[stages]]
use = "line_dedup"
min_documents = 3
[[stages]]
use = "substring_dedup"
min_bytes = 120
"""


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cut_samples")
    (folder / "cut_samples.toml").write_text(RECIPE)
    api.run(folder / "cut_samples.toml", output=folder / "out", engine="in-process")
    return ledger(folder / "out")["stages"]


def counts(stages, stage):
    dropped = Counter()
    for _, _, rule, documents, _ in stages[stage]["dropped"]:
        dropped[rule] += documents
    return stages[stage]["tally"] | dropped


def test_lines(stages):
    assert counts(stages, "line_dedup") == {
        "cut:documents": 72,
        "cut:lines": 143,
        "cut:bytes": 39098,
        "nothing_left": 1,
    }


def test_spans(stages):
    assert counts(stages, "substring_dedup") == {
        "cut:documents": 34,
        "cut:spans": 35,
        "cut:bytes": 20873,
        "nothing_left": 9,
    }
