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


@pytest.mark.parametrize("function", [curate.identify, curate.count_tokens, curate.deduplicate])
@pytest.mark.parametrize("names", [["text", "text"], ["text", "a", "a"]])
def test_two_columns_of_one_name_are_named(function, names):
    table = pa.Table.from_arrays([pa.array(["a"])] * len(names), names=names)
    with pytest.raises(RecipeError, match=f"two columns of the table are called '{names[-1]}'"):
        function(table)


def test_columns_of_runs_are_decoded():
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array(SAME[:1]))
    found = curate.deduplicate(pa.table({"text": runs, "of": runs}))
    assert found["of"].to_pylist() == SAME
    assert found["duplicate_of"].to_pylist() == [None, "table#0"]


def test_the_column_of_rows_that_differ_in_type_is_named():
    with pytest.raises(RecipeError, match="column 'n': Could not convert"):
        curate.count_tokens([{"text": "a", "n": 1}, {"text": "b", "n": "x"}])


def test_a_column_without_any_value_has_any_type():
    for empty in (pd.DataFrame({"text": []}), pa.table({"text": pa.nulls(0, pa.float64())})):
        assert curate.deduplicate(empty).num_rows == 0
    dates = {"text": SAME, "date": ["", "2024-05-03"], "url": pa.nulls(2, pa.list_(pa.int8()))}
    found = curate.deduplicate(dates, keep="newest")
    assert found["duplicate_of"].to_pylist() == ["table#1", None]
    assert found["url"].to_pylist() == [None, None]


def test_columns_of_stages_have_their_types_too():
    labels = ["kaz_Cyrl", "eng_Latn"]
    tokens = [[2.0, 3.0], ["2", "3"], pd.array([2, 3], dtype="Int64"), pa.array([2, 3], pa.int8())]
    for counts in tokens:
        for lang in (
            labels,
            pa.array(labels, pa.string_view()),
            [each.encode() for each in labels],
        ):
            table = {"text": ["a", "b"], "lang": pa.array(lang), "n_tokens": pa.array(counts)}
            found = curate.mix(table, ratio="kaz_Cyrl=2,eng_Latn=3")
            assert found.select(["lang", "n_tokens"]).to_pydict() == {
                "lang": labels,
                "n_tokens": [2, 3],
            }
    holes = {"text": ["a", "b"], "lang": labels, "n_tokens": [float("nan"), 3.0]}
    assert curate.count_tokens(holes, tokenizer="words")["n_tokens"].to_pylist() == [1, 1]
    with pytest.raises(RecipeError, match="group 'kaz_Cyrl' has nothing to give"):
        curate.mix(holes, ratio="kaz_Cyrl=2,eng_Latn=3")
    for name, column in (("lang", [1, 2]), ("lang", [["a"], ["b"]]), ("n_tokens", [1.5, 2.0])):
        with pytest.raises(RecipeError, match=f"the column '{name}' is .* and should be"):
            curate.mix({**holes, name: column}, ratio="kaz_Cyrl=2,eng_Latn=3")
    with pytest.raises(RecipeError, match="'n_tokens' has numbers below 0"):
        curate.mix({**holes, "n_tokens": [-1, 2]}, ratio="kaz_Cyrl=2,eng_Latn=3")
    with pytest.raises(RecipeError, match="the labels of the table: none"):
        curate.mix({**holes, "lang": [None, None]}, ratio="kaz_Cyrl=2,eng_Latn=3")


def test_a_mixture_of_a_mixture_has_phases_and_epochs_of_its_own():
    table = {"text": ["a", "b"], "lang": ["kaz_Cyrl", "eng_Latn"]}
    once = curate.mix(table, ratio="kaz_Cyrl=1,eng_Latn=1", unit="documents")
    again = curate.mix(once, ratio="kaz_Cyrl=1,eng_Latn=0", unit="documents")
    assert again.select(["lang", "phase", "epoch"]).to_pylist() == [
        {"lang": "kaz_Cyrl", "phase": "main", "epoch": 1}
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"threshold": "0.8"}, "threshold is a number, without quotes"),
        ({"fold": "case"}, r'write fold = \["case"\]'),
        ({"keep": None}, "keep is a text in quotes, not null"),
        ({"keep": "source_priority", "source_priority": "wiki"}, "source_priority is a list"),
        ({"ngram": 5.5}, "ngram"),
    ],
)
def test_options_of_another_type_are_refused(options, says):
    with pytest.raises(RecipeError, match=says):
        curate.deduplicate(SAME, **options)


def test_an_order_by_what_is_no_number_is_refused():
    nothing, words = [float("nan")] * 2, ["good", "bad"]
    with pytest.raises(RecipeError, match="no row has a value in the column 'signal_x'"):
        curate.deduplicate({"text": SAME, "signal_x": nothing}, keep="best:x")
    with pytest.raises(RecipeError, match="compares numbers, and the column 'signal_x' is string"):
        curate.deduplicate({"text": SAME, "signal_x": words}, keep="best:x")


def test_bytes_that_are_no_text_are_named():
    table = pa.table({"text": pa.array([b"a", b"\xff"])})
    with pytest.raises(RecipeError, match="the column 'text' has bytes that are no UTF-8"):
        curate.deduplicate(table)


def test_a_ratio_is_text_or_a_mapping():
    with pytest.raises(RecipeError, match="a ratio is text or a dict, not list"):
        curate.mix({"text": ["a"], "lang": ["kaz_Cyrl"]}, ratio=[("kaz_Cyrl", 1)])
