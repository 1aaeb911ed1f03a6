"""A changed rule is judged again from what was measured, and gives what a fresh run gives."""

import json
from collections import Counter

import pyarrow.parquet as pq
import pytest

from curate import api
from curate.engine import segment
from curate.engine.progress import Silent
from curate.errors import RefusedError
from curate.inspection import compare_runs as inspected
from tests.runs import RECIPE, ledger, tree, write_corpus
from tests.unit.cli.commands import curate

PROFILE = """
[lists]
stop_words = ["edited", "abc"]
[rules.too_few_words]
signal = "n_words"
min = {words}
[rules.stop_words]
signal = "distinct_stop_words"
min = 0
{more}
"""


class Notes(Silent):
    def __init__(self):
        self.lines = []

    def note(self, text):
        self.lines.append(text)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    write_corpus(folder / "in", documents=150)
    stages = "".join(f'[[stages]]\nuse = "{use}"\n' for use in ("identify", "measure", "judge"))
    text = RECIPE.format(folder=folder / "in", input_bytes=20000, partition_bytes=4000)
    for path in ("a*.jsonl", "b*.jsonl"):
        text = text.replace(path + '"', path + '"\nprofile = "mine"')
    at = text.index("[[stages]]")
    (folder / "small.toml").write_text(text[:at] + stages + text[at:])
    (folder / "filters").mkdir()
    write_profile(folder, 90)
    api.run(folder / "small.toml", output=folder / "strict", engine="in-process", keep_work=True)
    write_profile(folder, 70)
    api.run(folder / "small.toml", output=folder / "loose", engine="in-process", keep_work=True)
    return folder


def write_profile(folder, words, more=""):
    (folder / "filters" / "mine.toml").write_text(PROFILE.format(words=words, more=more))


def run(folder, out, *, engine="in-process", words=70, more="", **options):
    write_profile(folder, words, more)
    notes = Notes()
    result = api.run(folder / "small.toml", output=out, engine=engine, progress=notes, **options)
    return result, notes.lines


def tasks(out):
    rows = map(json.loads, (out / "timings.jsonl").read_text().splitlines())
    return {row["segment"] for row in rows if "task" in row}


@pytest.mark.parametrize("engine", ["in-process", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_changed_limit_reads_no_source_and_gives_the_bytes_of_a_fresh_run(
    engine, corpus, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    run(corpus, out, words=90, keep_work=True)
    assert tree(out) == tree(corpus / "strict")
    assert "00-segment" in tasks(out)
    monkeypatch.setattr(segment, "read_shard", None)  # in this process to read would be an error
    result, notes = run(corpus, out, engine=engine, resume=True)
    assert "00-segment" not in tasks(out)
    assert {"01-segment", "02-segment"} <= tasks(out)
    assert notes[0] == "since the work here: stage judge changed"
    shards = len(list((out / "commits/00-segment").iterdir()))
    reused = (
        f"reused {shards} tasks ({shards} of reading to measure); {shards} of {shards} of judge"
    )
    assert f"{reused} run now, then what follows" in notes, notes
    assert tree(out) == tree(corpus / "loose") != tree(corpus / "strict")
    assert ledger(out) == ledger(corpus / "loose")
    # What was kept is still there, and nothing of the run before it.
    assert len(list((out / "commits/01-segment").iterdir())) == shards > 1
    again, _ = run(corpus, out, engine="in-process", words=90, resume=True)
    assert "00-segment" not in tasks(out)
    assert tree(out) == tree(corpus / "strict")
    assert again.manifest["plan"] != result.manifest["plan"]


def test_an_uncut_run_keeps_and_drops_the_same(corpus, tmp_path):
    result, _ = run(corpus, tmp_path / "out")
    assert tree(tmp_path / "out", ["mixture"]) == tree(corpus / "loose", ["mixture"])
    assert ledger(tmp_path / "out") == ledger(corpus / "loose")
    assert (
        result.manifest["plan"] == json.loads((corpus / "loose/manifest.json").read_text())["plan"]
    )
    assert not (tmp_path / "out" / "work").exists()


def test_a_rule_on_what_was_measured_judges_and_one_on_a_new_signal_measures(corpus, tmp_path):
    out = tmp_path / "out"
    run(corpus, out, keep_work=True)
    stop_words = '[rules.again]\nsignal = "distinct_stop_words"\nmax = 0'
    result, notes = run(corpus, out, more=stop_words, resume=True)
    assert notes[0] == "since the work here: stage judge changed"
    assert "00-segment" not in tasks(out)
    assert result.manifest["ledger"]["stages"]["judge"]["dropped"] != []
    chars = '[rules.chars]\nsignal = "n_chars"\nmin = 1'
    _, notes = run(corpus, out, more=chars, resume=True)
    assert notes[0] == "since the work here: stage judge, stage measure changed"
    assert "00-segment" in tasks(out)


def test_a_folder_without_its_work_says_so(corpus, tmp_path):
    run(corpus, tmp_path / "out")
    with pytest.raises(RefusedError, match="holds another run: recipe, profiles or version"):
        run(corpus, tmp_path / "out", words=90, resume=True)


def test_fresh_ends_keeping(corpus, tmp_path):
    run(corpus, tmp_path / "out", keep_work=True)
    run(corpus, tmp_path / "out", words=90, fresh=True)
    assert not (tmp_path / "out" / "work").exists()
    assert not (tmp_path / "out" / "commits").exists()


def outcomes(out):
    """Return the outcome of each document, read in one piece."""
    kept = pq.ParquetDataset(out / "mixture").read(["id"]).column("id").to_pylist()
    found = dict.fromkeys(kept, "kept")
    for path in (out / "rejected").rglob("*.parquet"):
        rows = pq.read_table(path, columns=["id", "dropped_by"]).to_pylist()
        found |= {row["id"]: row["dropped_by"] for row in rows}
    return found


@pytest.mark.parametrize("rows", [1 << 20, 40])
def test_compare_counts_the_documents_that_changed_sides(rows, corpus, monkeypatch):
    monkeypatch.setattr(inspected, "PART_ROWS", rows)  # 40: several parts
    before, after = outcomes(corpus / "strict"), outcomes(corpus / "loose")
    expected = Counter((before[id], after[id]) for id in before if before[id] != after[id])
    found = api.compare_runs(str(corpus / "strict"), str(corpus / "loose"))
    assert {(c["before"], c["after"]): c["documents"] for c in found["changed"]} == expected
    assert ("judge:too_few_words", "kept") in expected
    for change in found["changed"]:
        assert len(change["examples"]) == min(3, change["documents"])
        for example in change["examples"]:
            assert (before[example["id"]], after[example["id"]]) == (
                change["before"],
                change["after"],
            )
            assert len(example["text"]) == 200
    taken = [list(run.values()).count("kept") for run in (before, after)]
    assert [sum(c[side] for c in found["sources"].values()) for side in (0, 1)] == taken
    assert found["totals"]["taken"] == taken
    judged = Counter(before.values())["judge:too_few_words"]
    assert found["rules"]["judge:too_few_words"][0] == judged


def test_compare_prints_no_escape_and_fits_a_terminal(corpus, tmp_path):
    shown = curate("compare", str(corpus / "strict"), str(corpus / "loose"))
    assert shown.code == 0
    assert "judge:too_few_words -> kept: " in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "no document changed sides" in curate("compare", *[str(corpus / "loose")] * 2).out
    assert curate("compare", str(corpus / "loose"), str(tmp_path)).code == 4
