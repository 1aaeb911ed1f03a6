from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.engine.product import beside
from curate.storage import exchange
from curate.storage.entries import FileEntry
from curate.storage.exchange import ExchangeSink, read_part
from curate.storage.store import LocalStore
from tests.examples import examples


@examples(30)
@given(st.lists(st.lists(st.integers(0, 5), max_size=20), max_size=6))
def test_every_part_gets_its_rows_in_the_order_of_writing(tmp_path_factory, tables):
    store = LocalStore(str(tmp_path_factory.mktemp("exchange")))
    sink = ExchangeSink(store, "f", "d")
    sent = {part: [] for part in range(6)}
    number = 0
    for parts in tables:
        rows = []
        for part in parts:
            sent[part].append(number)
            rows.append(number)
            number += 1
        sink.write(pa.table({"n": pa.array(rows, pa.int64()), "part": pa.array(parts, pa.int32())}))
    entries = sink.close()
    for part, numbers in sent.items():
        got = [n for t in read_part(store, entries, part) for n in t.column("n").to_pylist()]
        assert got == numbers
    everything = [n for t in read_part(store, entries, None) for n in t.column("n").to_pylist()]
    assert sorted(everything) == list(range(number))


def test_rows_of_readers_that_are_together_are_one_block_in_their_order(tmp_path):
    store = LocalStore(str(tmp_path))
    sink = ExchangeSink(store, "f", "d", together=3)
    parts = [5, 0, 2, 3, 7, 0, 5, 4]
    sink.write(pa.table({"part": pa.array(parts, pa.int32()), "n": list(range(8))}))
    (entry,) = sink.close()
    assert [block[0] for block in entry.blocks] == [0, 1, 2]
    rows = {
        part: [
            tuple(row.values()) for t in read_part(store, [entry], part) for row in t.to_pylist()
        ]
        for part in range(3)
    }
    assert rows == {
        0: [(0, 1), (2, 2), (0, 5)],
        1: [(5, 0), (3, 3), (5, 6), (4, 7)],
        2: [(7, 4)],
    }


def test_a_large_output_is_one_file_of_small_batches_sorted_in_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(exchange, "RUN_BYTES", 4000)
    monkeypatch.setattr(exchange, "BATCH_BYTES", 400)
    store = LocalStore(str(tmp_path))
    sink = ExchangeSink(store, "f", "d")
    for start in range(0, 2000, 100):
        n = list(range(start, start + 100))
        sink.write(
            pa.table(
                {"n": pa.array(n, pa.int64()), "part": pa.array([i % 3 for i in n], pa.int32())}
            )
        )
    entries = sink.close()
    (entry,) = entries
    parts = [block[0] for block in entry.blocks]
    runs = 1 + sum(after < before for before, after in pairwise(parts))
    assert runs > 3
    batches = list(read_part(store, entries, 1))
    assert max(batch.num_rows for batch in batches) <= 40
    assert [n for t in batches for n in t.column("n").to_pylist()] == list(range(1, 2000, 3))
    assert store.size(entry.path) == entry.bytes


def test_values_that_refer_to_a_dictionary_come_back(tmp_path):
    coded = pa.dictionary(pa.int32(), pa.string())
    kinds = {
        "flat": coded,
        "inside": pa.struct([("a", pa.list_(coded))]),
        "map": pa.map_(coded, coded),
    }
    values = {
        "flat": ["x", None, "y"],
        "inside": [{"a": ["x", "y"]}, None, {"a": []}],
        "map": [[("k", "x")], [], None],
    }
    table = pa.table({name: pa.array(values[name], kinds[name]) for name in kinds})
    table = table.append_column("part", pa.array([0, 1, 0], pa.int32()))
    store = LocalStore(str(tmp_path))
    sink = ExchangeSink(store, "f", "d")
    sink.write(table)
    entries = sink.close()
    (first,) = read_part(store, entries, 0)
    assert first.schema == table.schema
    assert first.to_pylist() == [table.to_pylist()[row] for row in (0, 2)]


def test_an_index_lists_the_blocks_of_each_part_in_the_order_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "INDEX_BYTES", 1000)  # so that it is written in several runs
    store = LocalStore(str(tmp_path))
    index = exchange.BlockIndex(store, "index", "rows")
    for number in range(9):
        sink = ExchangeSink(store, f"file{number}", "rows")
        sink.write(pa.table({"part": pa.array([0, 2], pa.int32()), "n": [number, 100 + number]}))
        index.add(sink.close())
    index.close()
    assert len(index.part(0).blocks) > 1

    def read(part: int | None) -> list[int]:
        tables = exchange.read_listed(store, [index.part(part)])
        return [n for table in tables for n in table.column("n").to_pylist()]

    assert read(0) == list(range(9))
    assert read(2) == list(range(100, 109))
    assert read(1) == []
    assert read(None) == [*range(9), *range(100, 109)]


@pytest.mark.parametrize("rows_of_a_table", [3, 1 << 15])
def test_blocks_of_an_index_hold_several_parts_where_these_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_of_a_table: int
) -> None:
    monkeypatch.setattr(exchange, "INDEX_BYTES", 3000)
    monkeypatch.setattr(exchange, "INDEX_ROWS", rows_of_a_table)
    monkeypatch.setattr(exchange, "MANY_PARTS", 4)
    monkeypatch.setattr(exchange, "LEAST_ROWS", 6)
    store, parts, files = LocalStore(str(tmp_path)), [0, 1, 2, 3, 5, 6, 7, 8], 20
    index = exchange.BlockIndex(store, "index", "rows")
    for number in range(files):
        sink = ExchangeSink(store, f"file{number}", "rows")
        columns = {"part": pa.array(parts, pa.int32()), "n": [100 * number + p for p in parts]}
        sink.write(pa.table(columns))
        index.add(sink.close())
    index.close()
    whole = index.part(None).blocks
    assert len(index.part(5).blocks) < len(whole) < len(parts) * files

    def read(part: int | None) -> list[int]:
        tables = exchange.read_listed(store, [index.part(part)])
        return [n for table in tables for n in table.column("n").to_pylist()]

    for part in parts:
        assert read(part) == [100 * number + part for number in range(files)]
    assert read(4) == read(9) == []
    assert sorted(read(None)) == sorted(100 * n + p for n in range(files) for p in parts)


def test_a_group_of_documents_is_listed_beside_its_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "INDEX_ROWS", 2)  # so that tables of both do not end together
    store = LocalStore(str(tmp_path))
    narrow, texts = (exchange.GroupIndex(store, "index", name) for name in ("narrow", "texts"))
    left = {0: [1], 1: [], 2: [0, 2, 3]}  # the groups of each shard in which documents are left
    for shard, groups in left.items():
        blocks = [[group, 10 * group, 1, 1, 0] for group in groups]
        keys = [[group, (1 << 64) - 1] for group in groups]
        file = FileEntry("survivors", f"n{shard}", 0, "", 0, schema="s", blocks=blocks, keys=keys)
        narrow.add([file] if groups else [])
        blocks = [[group, 20 * group, 1, 1, 0] for group in range(4)]
        texts.add([FileEntry("texts", f"t{shard}", 0, "", 0, schema="s", blocks=blocks)])
    narrow.close()
    texts.close()
    found = [
        (paths[row["file"]], row["offset"], beside_paths[text["file"]], text["offset"], row["last"])
        for (paths, rows), (beside_paths, of_texts) in beside(narrow.tables(), texts.tables())
        for row, text in zip(rows, of_texts, strict=True)
    ]
    end = (1 << 64) - 1
    assert found == [
        ("n0", 10, "t0", 20, end),
        ("n2", 0, "t2", 0, end),
        ("n2", 20, "t2", 40, end),
        ("n2", 30, "t2", 60, end),
    ]
