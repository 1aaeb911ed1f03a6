"""A store is asked what is near a text: the candidates of the bands, compared exactly."""

import io
import json

import pyarrow as pa
import pytest

from curate import api, schema
from curate.dedup import reference
from curate.dedup.options import NearDuplicates
from curate.errors import RecipeError
from curate.inspection import store_query
from curate.storage import dedup_store
from tests.unit.cli.commands import curate
from tests.unit.dedup.dedup_corpora import corpus, word
from tests.unit.storage.test_dedup_store import aged, run


def nearest(store, texts, **options):
    near = store_query.parameters_of(store)
    view = store_query.view_of(store, near)
    table = pa.table(
        {"id": [str(n) for n in range(len(texts))], "text": pa.array(texts, pa.large_string())}
    )
    options = {"limit": 1000, "min_jaccard": 0.0} | options
    return store_query.nearest_documents(view, near, table, **options).to_pylist()


@pytest.mark.parametrize(("seed", "split"), [(1, 12), (2, 20), (3, 5)])
def test_what_is_found_is_what_shares_a_band_key_with_its_exact_similarity(tmp_path, seed, split):
    near = NearDuplicates(threshold=0.99, bands=8, rows=3, ngram=2)
    texts = corpus(seed, originals=12)
    store = str(tmp_path / "s")
    stored = {f"a/f#{row:05d}": text for row, text in enumerate(texts[:split])}
    gone = run(near, aged(texts[:split], 0), store, name="a")
    expected = set()
    for query, text in enumerate(texts[split:]):
        own = set(reference.band_keys(reference.signature_of(text, near), near))
        sets = reference.shingles(text, near)
        for id, other in stored.items():
            theirs = reference.signature_of(other, near)
            if id not in gone and sets and own & set(reference.band_keys(theirs, near)):
                both = reference.shingles(other, near)
                pair = reference.similarity(sets, both), reference.containment(sets, both)
                estimate = reference.agreement(reference.signature_of(text, near), theirs) / 24
                expected.add((str(query), id, *pair, estimate))
    found = nearest(store, texts[split:])
    shown = "query", "id", "jaccard", "contained", "estimate"
    assert {tuple(row[name] for name in shown) for row in found} == expected
    best = sorted(found, key=lambda row: (int(row["query"]), -row["jaccard"]))
    assert [row["jaccard"] for row in found] == [row["jaccard"] for row in best]
    assert {row["source"] for row in found} <= {"a"}


def text_of(first, count=30):
    return " ".join(word(first + n) for n in range(count))


def test_generations_tombstones_and_limits(tmp_path):
    near, store = NearDuplicates(threshold=0.99, bands=8, rows=4), str(tmp_path / "s")
    run(near, aged([text_of(0), text_of(100)], 0, "a"), store, name="one")
    run(near, aged([text_of(1)], 9, "b"), store, name="two")
    rows = nearest(store, [text_of(1), text_of(500)])
    assert [(row["id"], row["generation"], row["run"]) for row in rows] == [
        ("b/f#00009", 1, "two"),
        ("a/f#00000", 0, "one"),
    ]
    assert [round(row["jaccard"], 3) for row in rows] == [1.0, round(25 / 27, 3)]
    assert [row["id"] for row in nearest(store, [text_of(1)], limit=1)] == ["b/f#00009"]
    assert [row["id"] for row in nearest(store, [text_of(1)], min_jaccard=0.95)] == ["b/f#00009"]
    dedup_store.remove(store, source="b")
    assert [row["id"] for row in nearest(store, [text_of(1)])] == ["a/f#00000"]


def test_prompts_are_compared_with_prompts(tmp_path):
    near, store = NearDuplicates(bands=8, rows=4, on="prompt"), str(tmp_path / "s")
    said = text_of(0)
    turns = [{"role": "user", "content": said}, {"role": "assistant", "content": text_of(200)}]
    table = aged([said], 0)
    messages = pa.array([turns], schema.SOURCE_COLUMNS["messages"])
    table = table.append_column("messages", messages)
    run(near, table, store, name="one", shards=1)
    for query in ({"text": [said]}, {"text": ["all of it"], "messages": [turns]}):
        assert api.query_store(store, query)["jaccard"].to_pylist() == [1.0]


def test_impossible_questions_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="no dedup store here"):
        api.query_store(str(tmp_path), ["a"])
    with pytest.raises(RecipeError, match="limit = 0"):
        api.query_store(str(tmp_path), ["a"], limit=0)


def test_the_command_takes_a_text_stdin_or_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = [text_of(0), text_of(100)]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    options = ["--engine", "in-process", "--store-to", "seen"]
    assert curate("dedup", "a.jsonl", "--output", "out", *options).code == 0
    typed = curate("store", "query", "seen", texts[0])
    assert typed.code == 0
    assert typed.out.splitlines()[1].split()[:4] == ["text", "1.000", "1.000", "jsonl/a.jsonl#0"]
    assert "1 of 1 texts have a document near them in seen" in typed.err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xff" + texts[0].encode())))
    assert curate("store", "query", "seen", "-", "--json").out.count('"jsonl/a.jsonl#0"') == 1
    (tmp_path / "b.jsonl").write_text(json.dumps({"body": texts[1]}) + '\n{"body": "new"}\n{"bo')
    of_file = curate("store", "query", "seen", "b.jsonl", "--text", "body", "--json")
    rows = [json.loads(line) for line in of_file.out.splitlines()]
    assert [[match["id"] for match in row["matches"]] for row in rows] == [
        [f"jsonl/a.jsonl#{len(json.dumps({'text': texts[0]})) + 1}"],
        [],
    ]
    assert "1 records that could not be read" in of_file.err
    assert curate("store", "query", "seen", "c.jsonl").code == 2
    assert "no dedup store" in curate("store", "query", "nowhere", "a text").err


def test_a_hostile_id_does_not_reach_the_terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": text_of(0), "name": "\x1b[31m"}))
    command = ["dedup", "x=a.jsonl", "--id-field", "name", "--output", "out", "--store-to", "seen"]
    assert curate(*command, "--engine", "in-process").code == 0
    shown = curate("store", "query", "seen", text_of(0))
    assert "[31m" in shown.out
    assert "\x1b" not in shown.out + curate("store", "query", "seen", text_of(0), "--json").out
