"""Dedup stores through whole runs: day by day, on both engines, killed, removed from, damaged.

The oracle is one run over all days together, in the order of age.
"""

import json
import random
import signal

import pyarrow.parquet as pq
import pytest

from tests.faults.points import STORE_POINTS
from tests.runs import tree

WORDS = ["".join(random.Random(n).choices("abcdefghijklm", k=7)) for n in range(4000)]


def write_days(folder, days=2, documents=60):
    """Write a JSON Lines file per day: new documents, and edited copies of earlier documents."""
    draw = random.Random(3)
    seen = []
    for day in range(days):
        new = [draw.choices(WORDS, k=90) for _ in range(documents)]
        again = [list(draw.choice(seen)) for _ in range(documents // 3)] if seen else []
        for copy in again:
            copy[draw.randrange(90)] = "edited"
        with (folder / f"{day}.jsonl").open("w") as sink:
            for words in new + again:
                line = {"body": " ".join(words), "when": f"2026-01-0{day + 1}"}
                sink.write(json.dumps(line) + "\n")
        seen += new


def arguments(folder, out, *days, store=None, **more):
    options = {"text-field": "body", "date-field": "when", "keep": "oldest"}
    options |= {"engine": "in-process", "output": out} | more
    words = [f"day{day}={folder}/{day}.jsonl" for day in days]
    words += ["--store-to", store] if store else []
    return [*words, *(word for k, v in options.items() for word in (f"--{k}", str(v)))]


def removed(out):
    found = {}
    for path in (out / "rejected").rglob("*.parquet"):
        for row in pq.read_table(path, columns=["id", "duplicate_of"]).to_pylist():
            found[row["id"]] = row["duplicate_of"]
    return found


@pytest.fixture(scope="module")
def days(tmp_path_factory, curate):
    """Return three days, their dedup together, and a store of the first day."""
    folder = tmp_path_factory.mktemp("days")
    write_days(folder, 3)
    for done in (
        curate("dedup", *arguments(folder, folder / "all", 0, 1, 2)),
        curate("dedup", *arguments(folder, folder / "first", 0, store=folder / "store")),
    ):
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def store(days, tmp_path):
    import shutil

    shutil.copytree(days / "store", tmp_path / "store")
    return tmp_path / "store"


def generations(store):
    return sorted(path.name for path in (store / "generations").iterdir())


@pytest.mark.parametrize("engine", ["in-process", pytest.param("ray", marks=pytest.mark.ray)])
def test_day_by_day_is_all_days_together(days, store, out, curate, engine):
    found = removed(days / "first")
    for day in (1, 2):
        folder = out / str(day)
        words = arguments(days, folder, day, store=store, engine=engine)
        done = curate("dedup", *words, *(("--workers", "2") if engine == "ray" else ()))
        assert done.returncode == 0, done.stderr
        found |= removed(folder)
        assert curate("verify", folder).returncode == 0
    assert found == removed(days / "all")
    new, old = next((new, old) for new, old in found.items() if new[:4] != old[:4])
    shown = curate("explain", out / new[3], new)
    assert f"duplicate of {old}" in shown.stdout
    assert f"kept by an earlier run: generation {old[3]} of" in shown.stdout


def test_a_run_against_a_store_leaves_it_alone(days, store, out, curate):
    before = sorted(path.read_bytes() for path in store.rglob("*") if path.is_file())
    done = curate("dedup", *arguments(days, out, 1, against=store))
    assert done.returncode == 0, done.stderr
    assert any(old.startswith("day0/") for old in removed(out).values())
    assert before == sorted(path.read_bytes() for path in store.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "point", [*STORE_POINTS, "publish.linked", "publish.manifest", "publish.promised"]
)
def test_killed_around_the_append_it_appends_once(days, store, out, curate, point):
    words = arguments(days, out, 1, store=store)
    killed = curate("dedup", *words, CURATE_FAILPOINT=f"{point}:kill:1")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    listed = curate("store", store, "--json")
    assert listed.returncode == 0
    counts = [row["documents"] for row in json.loads(listed.stdout)["generations"]]
    assert counts in ([60], [60, 60])  # no document of the day, or all
    again = curate("dedup", *words)
    assert again.returncode == 0, again.stderr
    assert generations(store) == ["00000.json", "00001.json"]
    assert removed(out) == {k: v for k, v in removed(days / "all").items() if k[:4] == "day1"}
    listed_files = {
        entry["path"]
        for path in (store / "generations").iterdir()
        for entry in json.loads(path.read_text())["files"]
    }
    stored = {str(path.relative_to(store)) for path in (store / "data").rglob("*.parquet")}
    assert stored == listed_files
    files = tree(out)
    assert curate("dedup", *words, "--fresh").returncode == 0
    assert generations(store) == ["00000.json", "00001.json"]
    assert tree(out) == files


def test_a_killed_task_leaves_nothing_that_counts(days, store, out, curate):
    words = arguments(days, out, 1, store=store)
    killed = curate("dedup", *words, CURATE_FAILPOINT="commit.before:kill:12")
    assert killed.returncode == -signal.SIGKILL
    assert generations(store) == ["00000.json"]
    assert curate("dedup", *words).returncode == 0
    assert curate("store", store).returncode == 0


def test_a_removed_source_is_not_compared_with(days, store, out, curate):
    assert "day0:60" in curate("store", store).stdout
    assert curate("store", store, "--remove", "day9").returncode == 2
    shown = curate("store", store, "--remove", "day0")
    assert shown.returncode == 0
    assert "day0:60" not in shown.stdout
    assert curate("dedup", *arguments(days, out, 1, store=store)).returncode == 0
    assert not any(old.startswith("day0") for old in removed(out).values())


def test_a_store_that_changed_meanwhile_is_another_input(days, store, out, curate):
    words = arguments(days, out, 1, store=store)
    killed = curate("dedup", *words, CURATE_FAILPOINT="step.done:kill:3")
    assert killed.returncode == -signal.SIGKILL
    other = arguments(days, out.parent / "other", 2, store=store)
    assert curate("dedup", *other).returncode == 0
    refused = curate("dedup", *words)
    assert refused.returncode == 4
    assert "input changed: dedup store" in refused.stderr
    assert curate("dedup", *words, "--fresh").returncode == 0
    assert generations(store) == ["00000.json", "00001.json", "00002.json"]


def test_what_cannot_be_compared_is_refused(days, store, out, curate):
    foreign = curate("dedup", *arguments(days, out, 1, store=store, ngram=4))
    assert foreign.returncode == 4
    assert "ngram = 5, not 4" in foreign.stderr
    same = curate("dedup", *arguments(days, out, 0, store=store, recall=0.971))
    assert same.returncode == 4
    assert "from these very input files" in same.stderr
    assert curate("dedup", *arguments(days, out, 1, against=out / "none")).returncode == 2
    for path in store.rglob("shingles.parquet"):
        path.write_bytes(path.read_bytes()[:-1])
    damaged = curate("dedup", *arguments(days, out, 1, store=store))
    assert damaged.returncode == 4
    assert "the dedup store is damaged: data/" in damaged.stderr
    assert "--remove-generation" in damaged.stderr
    assert curate("store", store, "--remove-generation", "0").returncode == 0
    assert curate("dedup", *arguments(days, out, 1, store=store)).returncode == 0


CUTS = {
    "line_dedup": "min_documents = 2",
    "substring_dedup": "min_bytes = 64",
}


@pytest.mark.parametrize("stage", CUTS)
def test_a_store_of_lines_or_spans_has_a_killed_run_whole_or_not_at_all(
    days, tmp_path, curate, stage
):
    recipe = tmp_path / "cut.toml"

    def run(day, store, **more):
        recipe.write_text(
            f'name = "cut"\n[sources.day{day}]\nformat = "jsonl"\npath = "{days}/{day}.jsonl"\n'
            f'text = "body"\n[[stages]]\nuse = "{stage}"\n{CUTS[stage]}\nstore = "{store}"\n'
        )
        out = tmp_path / f"{store.name}-{day}"
        return curate("run", recipe, "--output", out, "--engine", "in-process", **more)

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for day in (0, 1):
        assert run(day, whole).returncode == 0
    assert run(0, broken).returncode == 0
    for point, found in ((STORE_POINTS[0], 1), (STORE_POINTS[-1], 2)):
        killed = run(1, broken, CURATE_FAILPOINT=f"{point}:kill:1")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert len(generations(broken)) == found
    done = run(1, broken)
    assert done.returncode == 0, done.stderr
    assert len(generations(broken)) == 2
    texts = [
        pq.read_table(tmp_path / name / "mixture")["text"].to_pylist()
        for name in ("broken-1", "whole-1")
    ]
    assert texts[0] == texts[1] and len(texts[0]) >= 60
