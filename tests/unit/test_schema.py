import pyarrow as pa
import pytest

from curate import schema


def test_ids_have_three_parts():
    assert schema.split_id("books/a/b.parquet#2:9") == ("books", "a/b.parquet", "2:9")
    assert schema.split_id("notes/x.txt#") == ("notes", "x.txt", "")


@pytest.mark.parametrize("file", ["a.warc.gz", "2024/b c.jsonl", "д/е.xml"])
@pytest.mark.parametrize("locator", ["", "0", "2:9"])
def test_ids_are_split_into_what_they_were_made_of(file, locator):
    key = schema.file_key("web", file)
    ids = schema.make_ids(key, pa.chunked_array([[locator]], pa.string()))
    assert ids.to_pylist() == [schema.make_id(key, locator)]
    assert schema.split_id(ids[0].as_py()) == ("web", file, locator)
    assert schema.file_of(ids).to_pylist() == [key]
    assert schema.source_of(key) == schema.source_of(ids[0].as_py()) == "web"


def test_every_column_is_described_in_one_sentence():
    for columns in (schema.COLUMNS, schema.QUARANTINE_COLUMNS, schema.DECISION_COLUMNS):
        for name, column in columns.items():
            assert column.description.endswith("."), name
            assert "\n" not in column.description, name
    kinds = (
        schema.SOURCE_COLUMNS,
        schema.VERDICT_COLUMNS,
        schema.STAGE_COLUMNS,
        schema.PRODUCT_COLUMNS,
    )
    assert [name for kind in kinds for name in kind] == list(schema.COLUMNS)
