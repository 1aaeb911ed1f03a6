import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from curate.storage import parquet_sink
from curate.storage.parquet_sink import ParquetSink, row_groups, stored_rows
from curate.storage.store import LocalStore
from tests.examples import examples

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.large_string())])


def table(sizes, start=0):
    ids = [f"d{start + n}" for n in range(len(sizes))]
    return pa.table({"id": ids, "text": ["x" * size for size in sizes]}, schema=SCHEMA)


@examples(40)
@given(st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=8))
def test_row_groups_do_not_depend_on_the_tables_that_arrive(tmp_path_factory, tables):
    folder = tmp_path_factory.mktemp("sink")
    store = LocalStore(str(folder))
    before, parquet_sink.ROW_GROUP_BYTES = parquet_sink.ROW_GROUP_BYTES, 40
    try:
        sink = ParquetSink(store, "f", "d", SCHEMA)
        start = 0
        for sizes in tables:
            sink.write(table(sizes, start))
            start += len(sizes)
        sink.close()
        together = table([size for sizes in tables for size in sizes])
        expected = [len(group) for group in row_groups(together, 40)]
    finally:
        parquet_sink.ROW_GROUP_BYTES = before
    assert [entry.rows for entry in sink.entries] == ([start] if start else [])
    rows = list(stored_rows(store, sink.entries))
    assert [len(group) for group in rows] == expected
    assert pa.concat_tables([SCHEMA.empty_table(), *rows]).equals(together)


def test_a_file_ends_after_its_bytes_and_a_group_is_written_before_the_file_is_complete(tmp_path):
    store = LocalStore(str(tmp_path))
    sink = ParquetSink(store, "f", "d", SCHEMA, run_bytes=12 << 20)
    for _ in range(3):
        sink.write(table([3 << 20, 3 << 20]))
        assert len(sink._waiting) <= 1  # of at most one row group
    sink.close()
    assert [entry.rows for entry in sink.entries] == [4, 2]
    file = pq.ParquetFile(tmp_path / sink.entries[0].path)
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [1, 1, 1, 1]
