"""Fair samples of the demo: what is chosen, from where, and what stands in a row."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from curate import api
from curate.errors import RecipeError, RefusedError
from curate.inspection.finished_rows import FinishedRun
from curate.mixture.sampling import sample_key
from curate.storage.store import open_store
from tests.unit.cli.commands import curate, demo_run


@pytest.fixture(scope="module")
def run() -> str:
    return str(demo_run()[0])


def every_row(run: str) -> dict[str, dict]:
    """Return the documents of a run by id, read without the code under test."""
    rows = {}
    for folder in ("mixture", "rejected"):
        for path in sorted(Path(run, folder).rglob("*.parquet")):
            for row in pq.ParquetFile(path).read().to_pylist():
                rows[row["id"]] = row
    return rows


def smallest(ids: list[str], n: int, seed: int = 0) -> list[str]:
    keys = sample_key(pa.array(ids), seed)
    return [ids[at] for at in np.argsort(keys)[:n]]


def test_the_sample_is_the_smallest_hashes_of_all_documents(run: str) -> None:
    rows = every_row(run)
    for seed in (0, 1):
        found = api.sample(run, 40, seed=seed)
        assert [row["id"] for row in found] == smallest(list(rows), 40, seed)
    assert {row["outcome"] for row in found} == {"kept", "dropped"}
    for row in found:
        stored = rows[row["id"]]
        assert row["text"] == stored["text"]
        assert row["signals"].get("n_words") == stored.get("signal_n_words")
        by = stored.get("dropped_by")
        assert row["dropped_by"] == (None if by is None or by.startswith("mix:") else by)


def test_a_sample_of_a_rule_of_what_was_kept_and_of_a_language(run: str) -> None:
    rows = every_row(run)
    short = [row["id"] for row in api.sample(run, 100, rule="too_few_words")]
    assert sorted(short) == sorted(
        id for id, row in rows.items() if row.get("dropped_by") == "judge:too_few_words"
    )
    assert short == [row["id"] for row in api.sample(run, 100, rule="judge:too_few_words")]
    kept = api.sample(run, 10_000, kept=True)
    passed = [i for i, r in rows.items() if (r.get("dropped_by") or "mix:").startswith("mix:")]
    assert sorted(row["id"] for row in kept) == sorted(passed)
    assert {row["lang"] for row in api.sample(run, 20, lang="kk")} == {"kaz_Cyrl"}


def test_each_source_has_its_share(run: str) -> None:
    counts = Counter(row["source"] for row in api.sample(run, 36, by_source=True))
    sizes = Counter(row["source"] for row in every_row(run).values())
    assert sum(counts.values()) == 36
    full = [count for source, count in counts.items() if count < sizes[source]]
    assert max(full) - min(full) <= 1


def test_the_edge_is_what_is_nearest_to_the_limit_on_both_sides(run: str) -> None:
    found = api.sample(run, 6, edge="short_line_share", lang="eng_Latn")
    limit = 0.67
    assert {row["lang"] for row in found} == {"eng_Latn"}
    values = [row["signals"]["short_line_share"] for row in found]
    outside = [value for value in values if value > limit]
    assert outside and all(value > limit for value in outside)
    inside = sorted((v for v in values if v <= limit), reverse=True)
    assert inside[0] == max(
        row["signal_short_line_share"]
        for row in every_row(run).values()
        if row["lang"] == "eng_Latn"
        and (row.get("signal_short_line_share") or 1) <= limit
        and not (row.get("dropped_by") or "").startswith("judge:")
        and row["source"] not in ("chat", "notes")
    )


def test_the_file_is_json_lines_and_is_never_replaced(run: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    rows = api.sample(run, 5, output=str(path))
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == rows
    assert {row["label"] for row in rows} == {None}
    assert [p.name for p in tmp_path.iterdir()] == ["labels.jsonl"]
    with pytest.raises(RefusedError, match="may hold labels"):
        api.sample(run, 5, output=str(path))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rule": "too_few_wrds"}, "did you mean 'too_few_words'"),
        ({"rule": "too_many_words"}, "dropped nothing in this run"),
        ({"edge": "n_wrds"}, "did you mean 'n_words'"),
        ({"edge": "n_chars", "lang": "fra_Latn"}, "no documents in fra_Latn"),
        ({"kept": True, "rule": "too_few_words"}, "give one of them"),
        ({"rule": "too_few_words", "lang": "cmn_Hans"}, "no document of this run is in the sample"),
    ],
)
def test_what_cannot_be_sampled_is_one_sentence(run: str, options: dict, said: str) -> None:
    with pytest.raises(RecipeError) as raised:
        api.sample(run, 5, **options)
    assert said in str(raised.value)


def test_a_run_without_signals_says_which_stages_are_missing(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_text('{"text": "one two three"}\n{"text": "four five six"}\n')
    api.dedup_paths([f"web={source}"], output=str(tmp_path / "out"), engine="in-process")
    (first, _) = api.sample(str(tmp_path / "out"), 5)
    assert first["signals"] == {}
    with pytest.raises(RecipeError, match="stored no signals"):
        api.sample(str(tmp_path / "out"), 5, edge="n_words")


def test_a_document_of_two_phases_and_epochs_counts_once(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    lines = [json.dumps({"text": f"document number {n} of a few"}) for n in range(20)]
    source.write_text("\n".join(lines))
    recipe = tmp_path / "two.toml"
    recipe.write_text(
        'name = "two"\n[[stages]]\nuse = "mix"\n'
        f'[sources.web]\nformat = "jsonl"\npath = "{source}"\n'
        '[mixture]\nunit = "bytes"\nshortage = "repeat"\nmax_epochs = 4\n'
        '[mixture.groups.all]\nsources = ["web"]\nweight = 1\n'
        '[[mixture.phases]]\nname = "first"\nbudget = 1200\n'
        '[[mixture.phases]]\nname = "second"\nbudget = 600\n'
    )
    result = curate("run", str(recipe), "--engine", "in-process", "--output", str(tmp_path / "out"))
    assert result.code == 0, result.err
    files = sorted(Path(tmp_path, "out", "mixture").rglob("*.parquet"))
    copies = sum(pq.ParquetFile(path).metadata.num_rows for path in files)
    run = FinishedRun(open_store(str(tmp_path / "out")))
    ids = [id for part in run.documents([]) for id in part.table.column("id").to_pylist()]
    phases = {path.parent.name for path in files}
    assert phases == {"first", "second"} and copies > 40
    assert len(ids) == len(set(ids)) == 20


def test_a_damaged_file_is_named(run: str, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (path, *_) = sorted((copy / "mixture").rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RefusedError, match="is damaged"):
        api.sample(str(copy), 5)


def test_the_command_prints_what_a_terminal_may_show(run: str) -> None:
    result = curate("sample", run, "--rule", "too_few_words", "-n", "3")
    assert result.code == 0
    assert "dropped by judge:too_few_words (" in result.out
    assert result.out.count("\n") == 6


def test_row_numbers_find_the_rows_again(run: str) -> None:
    opened = FinishedRun(open_store(run))
    for part in opened.documents(["text"]):
        if part.table.num_rows:
            again = opened.rows(part.path, part.group, part.rows.tolist())
            assert pc.all(pc.equal(again.column("id"), part.table.column("id"))).as_py()
