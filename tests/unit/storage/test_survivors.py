"""Survivors: groups in the order of a key, texts that stay in their file, columns alone."""

from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.storage import survivors as module
from curate.storage.store import Damaged, LocalStore
from curate.storage.survivors import (
    ROW,
    Survivors,
    SurvivorsSink,
    joined,
    read_batches,
    read_survivors,
    some_with_texts,
)
from tests.examples import examples


def documents(texts):
    rows = [{"id": f"s/f#{n}", "source": "s", "text": text} for n, text in enumerate(texts)]
    return schema.documents(rows)


def sink(store, folder):
    return SurvivorsSink(
        store,
        folder,
        schema.DOCUMENT_SCHEMA,
        group_bytes=600,
        order=lambda table: pc.sort_indices(table.column("text")),
        index=lambda table, bounds: [[end - start, 0] for start, end in bounds],
    )


def files_of(writer):
    entries = writer.files()
    return Survivors(
        *(tuple(e for e in entries if e.dataset == name) for name in ("survivors", "texts"))
    )


def written(store, tables):
    writer = sink(store, "a")
    yielded = []
    for table in tables:
        yielded += writer.write(table)
    yielded += writer.close()
    return files_of(writer), yielded


@examples(30)
@given(st.lists(st.text("abc", max_size=200), max_size=30), st.integers(1, 7), st.data())
def test_rows_come_back_and_what_is_dropped_later_stays_in_the_texts(
    tmp_path_factory, texts, at_once, data
):
    store = LocalStore(str(tmp_path_factory.mktemp("survivors")))
    table = documents(texts)
    pieces = [table.slice(at, at_once) for at in range(0, len(table), at_once)]
    first, yielded = written(store, pieces)
    expected = sorted(texts)
    read = list(read_survivors(store, first))
    assert [text for t in read for text in t.column("text").to_pylist()] == expected
    assert all(t.schema.names == schema.DOCUMENT_SCHEMA.names for t in read)
    starts = np.cumsum([0, *(len(group) for group, _ in yielded)]).tolist()
    assert [start for _, start in yielded] == starts[:-1]

    kept = []
    second = sink(store, "b")
    with_texts = data.draw(st.booleans())
    together = data.draw(st.sampled_from([1, 900, 4 << 20]))
    with patch.object(module, "ROW_GROUP_BYTES", together):
        read_again = list(read_batches(store, first, texts=with_texts))
    assert together > 1 or [set(b.groups) for b in read_again] == [
        {number} for number in range(len(first.narrow[0].blocks) if first.narrow else 0)
    ]
    assert together < 4 << 20 or len(read_again) <= 1
    at = 0
    for batch in read_again:
        group = joined(batch.narrow, batch.texts)
        mask = data.draw(st.lists(st.booleans(), min_size=len(group), max_size=len(group)))
        rows = np.flatnonzero(np.array(mask, bool))
        left = group.take(pa.array(rows))
        own = []
        if len(rows):
            own = some_with_texts(store, first, batch, rows).column("text").to_pylist()
        assert schema.text_bytes(left).tolist() == [len(text) for text in own]
        assert own == [expected[at + row] for row in rows]
        at += len(group)
        kept += own
        places = batch.narrow.column(ROW).to_numpy() - batch.firsts
        list(second.write_groups(batch.groups[rows], left, places[rows]))
    later = files_of(second)
    assert later.texts == ()
    later = later._replace(texts=first.texts)
    again = [text for t in read_survivors(store, later) for text in t.column("text").to_pylist()]
    assert again == kept


def test_runs_are_sorted_one_by_one(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RUN_BYTES", 3 * (module.ROW_BYTES + 1))
    files, _ = written(LocalStore(str(tmp_path)), [documents([c]) for c in "fedcba"])
    store = LocalStore(str(tmp_path))
    read = [t.column("text").to_pylist() for t in read_survivors(store, files)]
    assert read == [[*"defabc"]]
    assert [len(block) for block in files.narrow[0].blocks] == [5] * 4
    assert files.narrow[0].keys == [[2, 0], [1, 0], [2, 0], [1, 0]]


def test_narrow_columns_are_read_without_the_texts(tmp_path):
    store = LocalStore(str(tmp_path))
    files, _ = written(store, [documents(["b", "a"])])
    store.remove(files.texts[0].path)
    (table,) = read_survivors(store, files, ["source", "id"])
    assert table.to_pydict() == {"id": ["s/f#1", "s/f#0"], "source": ["s", "s"]}
    with pytest.raises(Damaged):
        list(read_survivors(store, files, ["id", "text"]))


def test_a_flipped_bit_is_found(tmp_path):
    store = LocalStore(str(tmp_path))
    files, _ = written(store, [documents(["some text"] * 9)])
    path = store.path(files.texts[0].path)
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    with pytest.raises(Damaged, match="not what was written"):
        list(read_survivors(store, files))
