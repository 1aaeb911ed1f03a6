"""The store: A, then B against what was kept of A, is A and B together when A is older."""

import itertools
import json
import shutil
from collections import Counter
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.dedup.fuzzy.steps import fuzzy_steps, sketch
from curate.dedup.options import NearDuplicates
from curate.errors import RecipeError, RefusedError
from curate.protocol.in_memory import number, resolve_steps, run_steps
from curate.storage import dedup_store, dedup_view
from curate.storage.dedup_view import DedupView, open_view
from curate.storage.generation_sink import GenerationSink
from curate.storage.store import open_store
from tests.examples import examples
from tests.unit.dedup.dedup_corpora import corpus, table_of, word


def aged(texts, first, source="a"):
    """Documents of a source whose dates ascend, from a number on."""
    names = [f"{source}/f#{first + row:05d}" for row in range(len(texts))]
    dates = pa.array(range(first, first + len(texts)), pa.int64()).cast(pa.timestamp("us", "UTC"))
    return (
        table_of(texts, names)
        .append_column("date", dates)
        .append_column("source", pa.array([source] * len(texts)))
        .append_column("url", pa.array([f"https://{n % 7}.example/{n}" for n in range(len(texts))]))
    )


def run(near, table, address, *, name, shards=2, partitions=3):
    """Dedup a table against a store and add what is kept; gives {removed id: witness}."""
    options = {"parameters": near.stored_parameters, "run": name, "inputs": name}
    view = open_view(str(address), **options, appends=True, must_exist=False)
    cuts = [table.num_rows * at // shards for at in range(shards + 1)]
    pieces = [table.slice(a, b - a) for a, b in itertools.pairwise(cuts)]
    steps = fuzzy_steps(near, view, storing=True)
    datasets = number([{"sketch": sketch(near, piece), "text": piece} for piece in pieces])
    found = run_steps(steps, datasets, shards=shards, partitions=partitions)
    entries = []
    for step in steps:
        for task in range(shards if step.over == "shard" else partitions):
            sink = GenerationSink(open_store(str(address)), f"data/{name}/{uuid4().hex}", task)
            for dataset in step.stored:
                for rows in found[dataset].get(task, ()):
                    sink.write(dataset, rows)
            entries += sink.close()
    dedup_store.append(
        str(address),
        run=name,
        recipe="test",
        inputs=name,
        compared=[n for n, _ in view.read],
        parameters=near.stored_parameters,
        entries=entries,
    )
    return witnesses(found)


def witnesses(found):
    return {
        row["id"]: row["duplicate_of"]
        for tables in found["decisions"].values()
        for table in tables
        for row in table.to_pylist()
        if row["duplicate_of"]
    }


def together(near, *tables):
    table = pa.concat_tables(tables).combine_chunks()
    steps = fuzzy_steps(near)
    found = run_steps(
        steps, number([{"sketch": sketch(near, table), "text": table}]), shards=1, partitions=1
    )
    return witnesses(found)


@examples(15)
@given(
    seed=st.integers(0, 10_000),
    cut=st.floats(0.1, 0.9),
    shards=st.integers(1, 4),
    partitions=st.integers(1, 5),
    max_witnesses=st.sampled_from([1, 2, 64]),
    rows=st.sampled_from([1, 4]),
    component_bytes=st.sampled_from([1, 1 << 28]),
)
def test_a_then_b_is_a_and_b(
    tmp_path_factory, seed, cut, shards, partitions, max_witnesses, rows, component_bytes
):
    near = NearDuplicates(
        threshold=0.7,
        bands=12,
        rows=rows,
        keep="oldest",
        max_witnesses=max_witnesses,
        component_bytes=component_bytes,
    )
    texts = corpus(seed, originals=25)
    half = int(len(texts) * cut)
    a, b = aged(texts[:half], 0), aged(texts[half:], half, "b")
    store = tmp_path_factory.mktemp("store") / "s"
    first = run(near, a, store, name="a", shards=shards, partitions=partitions)
    second = run(near, b, store, name="b", shards=shards, partitions=partitions)
    assert first | second == together(near, a, b)
    assert not set(second.values()) & (set(first) | set(second))


def test_three_generations_and_each_removal_names_the_old_document(tmp_path):
    near = NearDuplicates(threshold=0.7, bands=16, rows=4, keep="oldest")
    texts = corpus(4, originals=90)
    cuts = [0, len(texts) // 3, len(texts) // 2, len(texts)]
    tables = [
        aged(texts[a:b], a, name)
        for (a, b), name in zip(itertools.pairwise(cuts), "abc", strict=True)
    ]
    found = {}
    for name, table in zip("abc", tables, strict=True):
        found |= run(near, table, tmp_path / "s", name=name)
    assert found == together(near, *tables)
    across = {old for new, old in found.items() if new[0] != old[0]}
    assert {old[0] for old in across} == {"a", "b"}


@examples(8)
@given(seed=st.integers(0, 1000), max_witnesses=st.sampled_from([1, 64]))
def test_a_removed_source_removes_nobody(tmp_path_factory, seed, max_witnesses):
    near = NearDuplicates(
        threshold=0.7, bands=12, rows=2, keep="oldest", max_witnesses=max_witnesses
    )
    texts = corpus(seed, originals=40)
    third = len(texts) // 3
    # Two sources in one generation; what is left must be as if the other had never been there.
    x, y = aged(texts[:third], 0, "x"), aged(texts[third : 2 * third], third, "y")
    b = aged(texts[2 * third :], 2 * third, "b")
    store = tmp_path_factory.mktemp("store") / "s"
    first = run(near, pa.concat_tables([x, y]).combine_chunks(), store, name="a")
    dedup_store.remove(str(store), source="x")
    second = run(near, b, store, name="b")
    left = y.filter(~np.isin(y["id"].to_pylist(), list(first)))
    assert second == {k: v for k, v in together(near, left, b).items() if k.startswith("b")}
    assert not any(old.startswith("x") for old in second.values())


def test_removing_everything_of_a_generation(tmp_path):
    near = NearDuplicates(bands=8, rows=4)
    table = aged(["one two three four five six seven"], 0)
    store = str(tmp_path / "s")
    run(near, table, store, name="a")
    assert dedup_store.remove(store, source="a") == 1
    assert run(near, aged(["one two three four five six seven"], 1, "b"), store, name="b") == {}
    assert list(
        run(near, aged(["one two three four five six seven"], 2, "c"), store, name="c")
    ) == ["c/f#00002"]
    dedup_store.remove(store, generation=1)
    rows = dedup_store.listing(store)["generations"]
    assert [(row["generation"], row["documents"], row["counting"]) for row in rows] == [
        (0, 1, 0),
        (2, 0, 0),
    ]
    with pytest.raises(RecipeError, match="no source 'z'"):
        dedup_store.remove(store, source="z")


def test_the_same_run_appends_once(tmp_path):
    near = NearDuplicates(bands=8, rows=4)
    table = aged(corpus(1, originals=10), 0)
    store = str(tmp_path / "s")
    assert run(near, table, store, name="a") == run(near, table, store, name="a")
    assert len(dedup_store.listing(store)["generations"]) == 1
    assert len(list((tmp_path / "s").rglob("documents.parquet"))) == 2  # one for each shard


def test_what_was_appended_meanwhile_was_not_compared(tmp_path):
    near = NearDuplicates(bands=8, rows=4)
    store = str(tmp_path / "s")
    run(near, aged(["a b c d e f"], 0), store, name="a")
    with pytest.raises(RefusedError, match="since this one began"):
        dedup_store.append(
            store,
            run="b",
            recipe="test",
            inputs="b",
            compared=[],
            parameters=near.stored_parameters,
            entries=[],
        )


def highs_of(store):
    """The high halves of all band keys."""
    tables = [pq.read_table(path, columns=["high"]) for path in store.rglob("keys.parquet")]
    return np.unique(pa.concat_tables(tables).column("high").to_numpy())


def see(store, near):
    return open_view(
        store, near.stored_parameters, run="r", inputs="r", appends=True, must_exist=True
    )


def test_other_parameters_are_refused(tmp_path):
    store = str(tmp_path / "s")
    run(NearDuplicates(bands=8, rows=4), aged(["a b c d e f"], 0), store, name="a")
    with pytest.raises(RefusedError, match="rows = 4, not 5"):
        see(store, NearDuplicates(bands=8, rows=5))
    with pytest.raises(RecipeError, match="no dedup store"):
        see(str(tmp_path / "none"), NearDuplicates())


@pytest.mark.parametrize("format", [1, dedup_store.FORMAT + 1])
def test_a_store_of_another_format_is_refused(tmp_path, format):
    store, near = tmp_path / "s", NearDuplicates(bands=8, rows=4)
    run(near, aged(["a b c d e f"], 0), str(store), name="a")
    head = json.loads((store / "store.json").read_text())
    (store / "store.json").write_text(json.dumps(head | {"format": format}))
    with pytest.raises(RefusedError, match=rf"has format {format}(?s:.*)make a new store"):
        see(str(store), near)
    with pytest.raises(RefusedError, match=f"has format {format}"):
        run(near, aged(["g h i j k l"], 0), str(store), name="b")


def damages(store):
    """Yield the name of a file of a store, and what replaces it (None: nothing), by name."""
    shingles = sorted(store.rglob("shingles.parquet"))[0]
    body, generation = shingles.read_bytes(), (store / "generations/00001.json").read_bytes()
    head, stone = (store / "store.json").read_bytes(), (store / "removed/00000.json").read_bytes()
    rows = body.rindex(b"\x16", 0, -100)  # a number in the footer
    name = str(shingles.relative_to(store))
    return {
        "gone": (name, None),
        "cut": (name, body[:-9]),
        "flipped": (name, body[:200] + bytes([body[200] ^ 1]) + body[201:]),
        "footer": (name, body[: rows + 1] + bytes([body[rows + 1] ^ 2]) + body[rows + 2 :]),
        "gap": ("generations/00000.json", None),
        "newest": ("generations/00001.json", None),
        "garbled": ("generations/00001.json", b'{"files": ['),
        "other source": ("generations/00001.json", generation.replace(b'"b"', b'"c"')),
        "other seed": ("store.json", head.replace(b'"seed": 1', b'"seed": 3')),
        "head": ("store.json", None),
        "removal": ("removed/00000.json", None),
        "removed another": ("removed/00000.json", stone.replace(b'"x"', b'"a"')),
    }


@pytest.fixture(scope="module")
def whole_store(tmp_path_factory):
    store = tmp_path_factory.mktemp("whole") / "s"
    for name in "abx":
        texts = [" ".join(name + word(8 * k + c) for c in range(8)) for k in range(50)]
        run(NearDuplicates(bands=8, rows=4), aged(texts, 0, name), str(store), name=name)
    dedup_store.remove(str(store), source="x")
    return store


def read_all(store):
    view = see(str(store), NearDuplicates(bands=8, rows=4))
    docs = np.concatenate([table["doc"].to_numpy() for table in view.keys(highs_of(store))])
    return [row for table in view.shingles(np.unique(docs)) for row in table.to_pylist()]


DAMAGES = ("gone", "cut", "flipped", "footer", "gap", "newest", "garbled", "other source",
           "other seed", "head", "removal", "removed another")  # fmt: skip


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_store_is_refused(whole_store, tmp_path, what):
    store = tmp_path / "s"
    shutil.copytree(whole_store, store)
    assert len(read_all(store)) == 100
    name, body = damages(store)[what]
    assert body is None or body != (store / name).read_bytes()
    (store / name).unlink()
    if body is not None:
        (store / name).write_bytes(body)
    dedup_view._group_ends.cache_clear()
    with pytest.raises(RefusedError, match=f"is damaged: {name}"):
        read_all(store)


def test_a_generation_that_is_gone_can_be_taken_out_of_use(whole_store, tmp_path):
    store = tmp_path / "s"
    shutil.copytree(whole_store, store)
    (store / "generations/00001.json").unlink()
    dedup_store.remove(str(store), generation=1)
    assert len(read_all(store)) == 50
    # Its number is not given again: what has it counts as removed.
    assert dedup_store.numbers(open_store(str(store))) == [0, 1, 2]


def test_a_store_of_an_older_version_has_no_digests(whole_store, tmp_path):
    store = tmp_path / "s"
    shutil.copytree(whole_store, store)
    shutil.rmtree(store / "written")
    for path in store.rglob("*.json"):
        fields = json.loads(path.read_text())
        del fields["check"]
        for entry in fields.get("files", ()):
            del entry["footer"]
        path.write_text(json.dumps(fields))
    (store / "generations/00001.json~").write_text("what an editor left")
    assert len(read_all(store)) == 100


def test_a_stored_signature_is_a_datasketch_minhash(tmp_path):
    datasketch = pytest.importorskip("datasketch")
    near = NearDuplicates(bands=8, rows=4)
    store = str(tmp_path / "s")
    table = aged(["one two three four five six seven eight"], 0)
    run(near, table, store, name="a", shards=1)
    (row,) = next(see(store, near).documents(np.array([-(1 << 63)]))).to_pylist()
    assert row["id"] == "a/f#00000"
    reference = datasketch.MinHash(
        num_perm=32, seed=1, scheme="affine32", hashvalues=np.array(row["signature"], np.uint32)
    )
    ours = sketch(near, table)["signature"].to_pylist()[0]
    assert reference.hashvalues.tolist() == ours


def test_an_unused_store_changes_nothing(tmp_path):
    near = NearDuplicates(bands=8, rows=4)
    table = aged(corpus(2, originals=15), 0)
    empty = DedupView(str(tmp_path))
    shard = [{"sketch": sketch(near, table), "text": table}]
    answers = [resolve_steps(fuzzy_steps(near, known), shard) for known in (empty, None)]
    assert answers[0]["decisions"].equals(answers[1]["decisions"])


def test_a_crowded_band_key_is_listed_for_its_first_documents_of_each_source(tmp_path):
    lead = " ".join(word(number) for number in range(60))
    texts = [
        " ".join([lead, *(word(100 + 40 * number + k) for k in range(40))]) for number in range(30)
    ]
    near = NearDuplicates(threshold=0.9, bands=60, rows=1, max_witnesses=3, keep="oldest")
    both = pa.concat_tables([aged(texts[:20], 0, "x"), aged(texts[20:], 20, "y")])
    assert run(near, both.combine_chunks(), tmp_path / "s", name="a") == {}
    view = see(str(tmp_path / "s"), near)
    keys = [
        (row["high"], row["low"])
        for table in view.keys(highs_of(tmp_path / "s"))
        for row in table.to_pylist()
    ]
    crowds = Counter(keys)
    assert max(crowds.values()) == 6
    assert len(keys) < 60 * 30 * 2 / 3


def test_what_an_abandoned_task_wrote_is_gone(tmp_path):
    sink = GenerationSink(open_store(str(tmp_path)), "data/run/task", 0)
    sink.write("shingles", pa.table({"shingles": [[1, 2]]}))
    sink.abandon()
    assert not list(tmp_path.rglob("*.parquet"))


def test_what_is_in_the_store_is_a_witness_whatever_else_is_there(tmp_path):
    """Kept at 0.9, alike at 0.7: neither stored document is given up for the other."""
    lexicon = [word(number) for number in range(140)]
    first, second, third = (" ".join(lexicon[at : at + 100]) for at in (0, 12, 24))
    strict, loose = (
        NearDuplicates(threshold=threshold, bands=60, rows=2, keep="oldest")
        for threshold in (0.9, 0.7)
    )
    store = tmp_path / "s"
    assert run(strict, aged([first, second], 0), store, name="a") == {}
    assert run(loose, aged([third], 2, "b"), store, name="b") == {"b/f#00002": "a/f#00001"}
