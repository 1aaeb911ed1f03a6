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


#: What a broken or hostile server lists in the folder ``data``, and what is said of it.
HOSTILE = {
    "outside": ({"path": "other/a.jsonl"}, "'datasets/team/corpus@outside/other/a.jsonl'"),
    "absolute": ({"path": "/etc/passwd"}, "cannot be a file of this folder"),
    "surrogate": ({"path": "data/\ud800.jsonl"}, "data/\\ud800.jsonl'"),
    "long": ({"path": f"data/{'x' * 5000}.jsonl"}, "cannot be a file of this folder"),
    "negative": ({"size": -1}, "a file of -1 bytes"),
    "huge": ({"size": 10**30}, f"a file of {10**30} bytes"),
    "fraction": ({"size": 1.5}, "a file of 1.5 bytes"),
    "word": ({"size": "many"}, "a file of many bytes"),
    "no-path": ({"path": None}, "cannot be read"),
}


def test_what_no_hub_lists_is_refused(dataset, tmp_path):
    entry = {"type": "file", "oid": "1" * 40, "size": 10, "path": "data/a.jsonl"}
    with serving_hub(dataset) as (address, hub):
        hub.listed |= {name: [entry | change] for name, (change, _) in HOSTILE.items()}
        hub.listed |= {"object": {"error": "x"}, "text": "<html>", "number": 7}
        wrong = [f"hf://datasets/team/corpus@{name}/data" for name in hub.listed]
        for name in hub.listed:
            (dataset / name).mkdir()
        done = python(address, tmp_path, "-c", REFUSED, *wrong)
    assert done.returncode == 0, done.stderr
    for line, (_, said) in zip(done.stdout.splitlines(), HOSTILE.values(), strict=False):
        assert line.startswith("2 ")
        assert said in line
    for line in done.stdout.splitlines()[len(HOSTILE) :]:
        assert line.startswith("2 the address cannot be read")


def test_a_file_that_is_longer_than_listed_is_not_cut(dataset, tmp_path):
    recipe = tmp_path / "hub.toml"
    recipe.write_text(RECIPE.partition("[sources.tables]")[0])
    size = (dataset / "v2/data/a.jsonl").stat().st_size
    entry = {"type": "file", "oid": "1" * 40, "size": size - 1, "path": "data/a.jsonl"}
    with serving_hub(dataset) as (address, hub):
        hub.listed["v2"] = [entry]
        arguments = ("run", str(recipe), "--output", str(tmp_path / "o"), "--engine", "in-process")
        done = python(address, tmp_path, "-m", "curate", *arguments)
    assert done.returncode == 5, done.stderr
    assert f"lists a file of {size - 1} bytes and gives {size}" in done.stderr
