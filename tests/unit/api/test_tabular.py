"""Whatever speaks Arrow is a table, a column of texts is one, and nothing ends in a traceback."""

import datasets
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import curate
from curate.api.tabular import as_table
from curate.errors import RecipeError

TEXTS = ["Бүгін ауылда жаңа мектеп ашылды.", None, "one two three four five six seven"]


class Exported:
    """A table that only speaks the Arrow C stream interface."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


TABLES = {
    "arrow table": pa.table({"text": TEXTS}),
    "arrow batch": pa.record_batch({"text": TEXTS}),
    "arrow array": pa.array(TEXTS),
    "arrow chunks": pa.chunked_array([TEXTS[:1], TEXTS[1:]]),
    "arrow structs": pa.array([{"text": text} for text in TEXTS]),
    "C stream": Exported(pa.table({"text": TEXTS})),
    "C stream of a column": Exported(pa.chunked_array([TEXTS])),
    "polars table": pl.DataFrame({"text": TEXTS}),
    "polars column": pl.Series("anything", TEXTS),
    "pandas table": pd.DataFrame({"text": TEXTS}),
    "pandas column": pd.Series(TEXTS),
    "duckdb": duckdb.sql("select unnest(['Бүгін ауылда жаңа мектеп ашылды.', null,"
                         " 'one two three four five six seven']) as text"),
    "datasets": datasets.Dataset.from_dict({"text": TEXTS}),
    "datasets, chosen rows": datasets.Dataset.from_dict({"text": ["x", *TEXTS]}).select([1, 2, 3]),
    "mapping": {"text": TEXTS},
    "list": TEXTS,
    "tuple": tuple(TEXTS),
    "generator": None,
    "numpy": np.array(TEXTS, dtype=object),
    "rows": [{"text": text, "n": 1} for text in TEXTS],
    "rows with holes": [{"text": TEXTS[0]}, {"n": 5}, {"text": TEXTS[2]}],
}  # fmt: skip


SAME = ["one two three four five six seven"] * 2


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"id": pa.array(["1", "2"], pa.string_view()), "text": SAME}),
        pa.table({"id": pa.array(["1", "2"]).dictionary_encode(), "text": SAME}),
        pa.table({"id": pa.array([1, 2], pa.uint64()), "text": SAME}),
        pl.DataFrame({"id": ["1", "2"], "text": SAME}),
        pl.DataFrame({"id": pl.Series(["1", "2"], dtype=pl.Categorical), "text": SAME}),
        pd.DataFrame({"id": pd.Categorical(["1", "2"]), "text": SAME}),
    ],
)
def test_ids_of_any_type_name_rows(table):
    found = curate.deduplicate(table)
    assert found.column("id").to_pylist() == ["1", "2"]
    assert found.column("duplicate_of").to_pylist() == [None, "1"]
    twice = as_table(table).slice(0, 1)
    with pytest.raises(RecipeError, match="must name each row, once"):
        curate.deduplicate(pa.concat_tables([twice, twice]))


def test_categories_come_back_as_categories():
    enum = pl.Enum(["low", "high"])
    table = pl.DataFrame(
        {"text": SAME, "topic": pl.Series(["a", None], dtype=pl.Categorical),
         "rank": pl.Series(["high", "low"], dtype=enum)}
    )  # fmt: skip
    found = pl.DataFrame(curate.measure(table, profile="en"))
    assert found["topic"].to_list() == ["a", None]
    assert found["rank"].to_list() == ["high", "low"]
    assert isinstance(found["topic"].dtype, pl.Categorical | pl.Enum)


@pytest.mark.parametrize("name", TABLES)
def test_it_is_a_table_of_these_texts(name):
    given = (text for text in TEXTS) if name == "generator" else TABLES[name]
    assert as_table(given).column("text").to_pylist() == TEXTS


@pytest.mark.parametrize("name", ["polars table", "pandas table", "duckdb", "datasets", "rows"])
def test_every_function_takes_it(name):
    given = TABLES[name]
    assert curate.identify(given)["lang"].to_pylist()[0] == "kaz_Cyrl"
    assert curate.count_tokens(given, tokenizer="words")["n_tokens"].to_pylist() == [5, 0, 7]
    assert curate.measure(given, profile="kk")["signal_n_words"].to_pylist()[2] == 7
    assert curate.judge(given, profile="Kazakh")["dropped_by"].to_pylist()[2] is not None
    assert curate.standardize(given)["text"].to_pylist()[2] == TEXTS[2]
    assert curate.deduplicate(given)["dropped_by"].to_pylist()[2] is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("one text", r"give a list: \[text\]"),
        (b"bytes", r"give a list"),
        (pl.LazyFrame({"text": TEXTS}), r"call \.collect\(\)"),
        (5, "an Arrow, Polars, pandas or DuckDB table"),
        (None, "an Arrow, Polars, pandas or DuckDB table"),
        ([1, 2], "an Arrow, Polars, pandas or DuckDB table"),
        ({"text": ["a"], "n": [1, 2]}, "an Arrow, Polars, pandas or DuckDB table"),
    ],
)
def test_what_is_no_table_is_refused_in_our_words(given, says):
    with pytest.raises(RecipeError, match=says):
        curate.identify(given)


@pytest.mark.parametrize("function", [curate.identify, curate.count_tokens, curate.measure])
def test_a_table_without_text_offers_the_nearest_name(function):
    with pytest.raises(RecipeError, match="did you mean 'texts'"):
        function({"texts": ["a"]})


def test_identify_takes_tables_whose_ids_repeat():
    table = {"text": ["a", "b"], "id": ["same", "same"]}
    assert curate.identify(table).num_rows == 2
