"""Our stages as steps of datatrove: the same answers under its executor, however many tasks."""

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datatrove.data import Document
from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter

import curate
from curate.errors import CurateError, RecipeError
from curate.integrations.datatrove import (
    CountTokens,
    DedupDecide,
    DedupFilter,
    DedupTexts,
    Identify,
    Judge,
    Standardize,
)
from curate.recipe import locate
from tests.unit.dedup.dedup_corpora import corpus

BOOKS = locate.data_path("sample_data/books.parquet")


@pytest.fixture(scope="module")
def texts():
    kept = pq.read_table(BOOKS, columns=["text"]).column("text").to_pylist()
    return [*filter(None, kept), "Ã©tÃ© Ã©tÃ©", "қысқа мәтін", "\n \n"]


def write(folder, texts, files=3):
    folder.mkdir()
    for n in range(files):
        some = texts[n::files]
        ids = [f"doc#{n}/{row}" for row in range(len(some))]
        pq.write_table(pa.table({"id": ids, "text": some}), folder / f"{n}.parquet")


def execute(tmp_path, name, *steps, tasks=3, workers=1):
    logs = tmp_path / f"logs-{name}"
    LocalPipelineExecutor(
        list(steps), tasks=tasks, workers=workers, logging_dir=str(logs), skip_completed=False
    ).run()
    parts = [json.loads(path.read_text()) for path in sorted(logs.glob("stats/*.json"))]
    totals = [{} for _ in steps]
    for part in parts:
        for total, step in zip(totals, part):
            for stat, value in step["stats"].items():
                amount = value["total"] if isinstance(value, dict) else value
                total[stat] = total.get(stat, 0) + amount
    return totals


def rows_of(folder):
    tables = [pq.read_table(path) for path in sorted(folder.rglob("*.parquet"))]
    return {row["id"]: row for table in tables for row in table.to_pylist()}


@pytest.mark.parametrize(("tasks", "workers"), [(1, 1), (3, 1)])
def test_steps_give_what_the_interface_gives(texts, tmp_path, tasks, workers):
    write(tmp_path / "in", texts)
    dropped = ParquetWriter(str(tmp_path / "dropped"))
    steps = [
        ParquetReader(str(tmp_path / "in")),
        Identify(batch_size=7),
        Standardize(),
        Judge(exclusion_writer=dropped),
        CountTokens("words"),
        ParquetWriter(str(tmp_path / "out")),
    ]
    stats = execute(tmp_path, "run", *steps, tasks=tasks, workers=workers)
    ids = [
        id for n in range(3) for id in pq.read_table(tmp_path / f"in/{n}.parquet")["id"].to_pylist()
    ]
    given = rows_of(tmp_path / "in")
    table = pa.table({"id": ids, "text": [given[id]["text"] for id in ids]})
    labels = curate.identify(table)
    table = table.append_column("lang", labels["lang"])
    judged = curate.judge(curate.standardize(table))
    expected = {row["id"]: row for row in judged.to_pylist()}
    alive = {id for id, row in expected.items() if row["dropped_by"] is None}
    kept, removed = rows_of(tmp_path / "out"), rows_of(tmp_path / "dropped")
    assert kept.keys() == alive
    lang = dict(zip(ids, labels["lang"].to_pylist()))
    for id, row in kept.items():
        metadata = row["metadata"]
        assert row["text"] == expected[id]["text"]
        assert f"{metadata['language']}_{metadata['language_script']}" == lang[id]
        assert metadata["token_count"] == len(row["text"].split())
    reasons = {id: row["metadata"]["filter_reason"] for id, row in removed.items()}
    by_judge = {i for i, r in expected.items() if (r["dropped_by"] or "").startswith("judge:")}
    assert reasons == {id: expected[id]["dropped_by"].partition(":")[2] for id in by_judge}
    assert stats[3]["total"] == stats[2]["forwarded"] == len(ids) - 1
    assert stats[2]["dropped_empty_text"] == 1
    assert stats[3]["forwarded"] == len(alive)
    assert stats[3]["dropped"] == len(by_judge) > 0
    for reason in set(reasons.values()):
        assert stats[3][f"dropped_{reason}"] == list(reasons.values()).count(reason)
    assert stats[4]["tokens"] == sum(row["metadata"]["token_count"] for row in kept.values())
    assert stats[2]["repair:changed"] >= 1
    assert stats[1]["lang:kaz_Cyrl"] == list(lang.values()).count("kaz_Cyrl")


def deduplicate(tmp_path, name, texts, *, tasks=3, workers=1, **options):
    """Run the three steps over files of texts; give what is kept, what is dropped, and counts."""
    base = tmp_path / name
    base.mkdir()
    write(base / "in", texts)
    folder, reader = str(base / "dedup"), str(base / "in")
    execute(base, "texts", ParquetReader(reader), DedupTexts(folder), tasks=tasks)
    options = {"engine": "in-process"} | options
    (decided,) = execute(base, "decide", DedupDecide(folder, **options), tasks=1)
    dropped = ParquetWriter(str(base / "dropped"))
    steps = [ParquetReader(reader), DedupFilter(folder, dropped), ParquetWriter(str(base / "out"))]
    stats = execute(base, "filter", *steps, tasks=tasks, workers=workers)
    return rows_of(base / "out"), rows_of(base / "dropped"), stats[1], decided


def test_verified_dedup_over_several_tasks_is_that_of_one_table(tmp_path):
    texts = corpus(3, originals=40)
    kept, dropped, stats, decided = deduplicate(tmp_path, "three", texts, workers=2)
    again, _, _, _ = deduplicate(tmp_path, "again", texts)
    assert kept.keys() == again.keys()
    given = rows_of(tmp_path / "three" / "in")
    # The ids that the documents have while they are compared, which decide among equally long ones.
    ids = [f"datatrove/0000{id[4]}.parquet#0:{id[6:]}" for id in given]
    table = curate.deduplicate({"id": ids, "text": [row["text"] for row in given.values()]})
    rows = zip(given, table.to_pylist(), strict=True)
    assert kept.keys() == {id for id, row in rows if row["dropped_by"] is None}
    assert kept.keys() | dropped.keys() == given.keys() and kept.keys().isdisjoint(dropped)
    assert decided["total"] == stats["total"] == len(texts)
    assert decided["forwarded"] == stats["forwarded"] == len(kept)
    assert stats["dropped"] == len(dropped) > 10
    for row in dropped.values():
        about = row["metadata"]
        assert about["duplicate_of"] in given
        assert stats[f"dropped_{about['filter_reason']}"] >= 1
        assert math.isnan(about["jaccard"]) or about["jaccard"] >= 0.8


def test_a_store_is_compared_with_and_its_sources_are_named_apart(tmp_path):
    store = str(tmp_path / "seen")
    one = "one two three four five six seven eight nine ten"
    deduplicate(
        tmp_path, "january", [one, "another text of its own for january alone"], store=store
    )
    with pytest.raises(RecipeError, match="has documents of a source 'datatrove' already"):
        deduplicate(tmp_path, "refused", [one], tasks=1, store=store)
    kept, dropped, _, _ = deduplicate(
        tmp_path, "february", [one, "what is new in february stays here"], store=store, source="feb"
    )
    assert [row["text"] for row in kept.values()] == ["what is new in february stays here"]
    (row,) = dropped.values()
    assert row["metadata"]["duplicate_of"].startswith("datatrove/")


def documents(*texts):
    return [Document(text, str(n)) for n, text in enumerate(texts)]


def test_other_documents_than_those_compared_are_refused(tmp_path):
    folder = str(tmp_path / "dedup")
    same = ["a b c d e f g h"] * 2
    list(DedupTexts(folder).run(documents(*same)))
    with pytest.raises(CurateError, match="not decided yet"):
        list(DedupFilter(folder).run(documents(*same)))
    with pytest.raises(RecipeError, match="with tasks=1"):
        DedupDecide(folder).run(world_size=2)
    DedupDecide(folder, engine="in-process").run()
    assert len(list(DedupFilter(folder).run(documents(*same)))) == 1
    with pytest.raises(CurateError, match="task 0 has other documents"):
        list(DedupFilter(folder).run(documents(*same)[:1]))
    others = [Document(text, f"other{n}") for n, text in enumerate(same)]
    with pytest.raises(CurateError, match="task 0 has other documents"):
        list(DedupFilter(folder).run(others))


def test_a_profile_is_named_and_signals_are_kept_where_they_are_asked_for(tmp_path):
    (tmp_path / "mine.toml").write_text("[rules.few]\nsignal = 'n_words'\nmin = 3\nwhy = 'x'\n")
    mine = str(tmp_path / "mine.toml")
    (kept,) = Judge(profile=mine).run(documents("a b c d", "a"))
    assert (kept.text, kept.metadata) == ("a b c d", {})
    (kept,) = Judge(profile=mine, keep_signals=True).run(documents("a b c d"))
    assert kept.metadata["signal_n_words"] == 4
    with pytest.raises(RecipeError, match="nothing_like_it"):
        Judge(profile="nothing_like_it")
