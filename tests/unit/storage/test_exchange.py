from itertools import pairwise

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from curate.storage import exchange
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
