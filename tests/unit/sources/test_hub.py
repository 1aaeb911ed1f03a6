"""Datasets of the Hub as inputs, from a hub on the loopback."""

import json
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.sources.hub import serving_hub

RECIPE = """
name = "hub"
[sources.lines]
format = "jsonl"
path = "hf://datasets/team/corpus@v2/data/**/*.jsonl"
[sources.tables]
format = "parquet"
path = "hf://datasets/team/corpus/data"
[sources.one]
format = "jsonl"
path_list = "hf://datasets/team/corpus@v2/list.txt"
[[stages]]
use = "exact_dedup"
"""

#: Prints the error of each address.
REFUSED = """
import sys
from curate.paths import remote
remote.FIRST_PAUSE = 0.001
from curate.errors import CurateError
from curate.sources.files import list_files
for address in sys.argv[1:]:
    try:
        print(list_files(address).files)
    except CurateError as error:
        print(error.exit_code, str(error).replace("\\n", " "))
"""


def python(address, tmp_path, *arguments):
    """Run Python with the endpoint, which huggingface_hub reads when it is imported."""
    environment = {k: v for k, v in os.environ.items() if not k.upper().endswith("_PROXY")}
    environment |= {
        "HF_ENDPOINT": address,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=240
    )


@pytest.fixture
def dataset(tmp_path):
    root = tmp_path / "hub"
    for revision in ("main", "v2"):
        folder = root / revision / "data/x"
        folder.mkdir(parents=True)
        for name in ("data/a.jsonl", "data/x/b.jsonl", "other/c.jsonl"):
            path = root / revision / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"text": f"the lines of {name} at {revision}"}) + "\n")
        rows = {"text": [f"row {n} of the table at {revision}" for n in range(3)]}
        pq.write_table(pa.table(rows), root / revision / "data/p.parquet")
        (root / revision / "list.txt").write_text("other/c.jsonl\n")
    return root


def test_a_run_reads_patterns_folders_and_lists_at_their_revisions(dataset, tmp_path):
    recipe = tmp_path / "hub.toml"
    recipe.write_text(RECIPE)
    out = tmp_path / "out"
    with serving_hub(dataset) as (address, hub):
        hub.faults += [503, 429, 500]
        arguments = ("run", str(recipe), "--output", str(out), "--engine", "in-process")
        done = python(address, tmp_path, "-m", "curate", *arguments)
    assert done.returncode == 0, done.stderr
    assert not hub.faults
    table = pq.read_table(out / "mixture").to_pylist()
    assert {row["id"]: row["text"] for row in table} == {
        "lines/a.jsonl#0": "the lines of data/a.jsonl at v2",
        "lines/x/b.jsonl#0": "the lines of data/x/b.jsonl at v2",
        "one/other/c.jsonl#0": "the lines of other/c.jsonl at v2",
    } | {f"tables/p.parquet#0:{n}": f"row {n} of the table at main" for n in range(3)}


def test_what_is_not_there_is_said_with_the_form_of_an_address(dataset, tmp_path):
    wrong = [
        "hf://datasets/team/nothing/*.jsonl",
        "hf://datasets/team/corpus@v3/data",
        "hf://datasets/team/corpus/data/zz.jsonl",
    ]
    with serving_hub(dataset) as (address, hub):
        done = python(address, tmp_path, "-c", REFUSED, *wrong)
        hub.faults += [503] * 1000
        busy = python(address, tmp_path, "-c", REFUSED, "hf://datasets/team/corpus/data")
    assert done.returncode == busy.returncode == 0, done.stderr + busy.stderr
    nothing, revision, file = done.stdout.splitlines()
    for line in (nothing, revision):
        assert line.startswith("2 ") and "hf://datasets/OWNER/NAME@REVISION/PATH" in line
    assert "there is no such file" in file
    assert "a.jsonl" in file
    assert busy.stdout.startswith("5 no answer after 8 requests")
