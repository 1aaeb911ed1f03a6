"""Survivors: groups in the order of a key, texts that stay in their file, columns alone."""

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
    read_groups,
    read_survivors,
    texts_of_group,
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
        index=lambda group: [len(group), 0],
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
    read = [text for t in read_survivors(store, first) for text in t.column("text").to_pylist()]
    assert read == expected
    assert [t.schema.names for t in read_survivors(store, first)] == [
        schema.DOCUMENT_SCHEMA.names for _ in yielded
    ]
    starts = np.cumsum([0, *(len(group) for group, _ in yielded)]).tolist()
    assert [start for _, start in yielded] == starts[:-1]

    kept = []
    second = sink(store, "b")
    for number, narrow, texts_of in read_groups(store, first):
        group = joined(narrow, texts_of if data.draw(st.booleans()) else None)
        rows = narrow.column(ROW).to_numpy()
        assert texts_of.equals(texts_of_group(store, first, number))
        mask = np.array(
            data.draw(st.lists(st.booleans(), min_size=len(group), max_size=len(group)))
        )
        left = group.filter(pa.array(mask, pa.bool_()))
        kept_rows = rows[mask.astype(bool)]
        kept += texts_of.column("text").take(pa.array(kept_rows)).to_pylist()
        assert schema.text_bytes(left).tolist() == [
            len(text) for text in kept[len(kept) - len(left) :]
        ]
        list(second.write_group(number, left, kept_rows))
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
    assert read == [["d", "e"], ["f"], ["a", "b"], ["c"]]
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
