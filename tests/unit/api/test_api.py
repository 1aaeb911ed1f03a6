"""The Python interface on plain Arrow tables."""

from importlib import import_module

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import curate
from curate.errors import RecipeError

KAZAKH = (
    "Таң ата ауыл үсті тыныш еді. Балалар мектепке асығып бара жатты, ал үлкендер шаруасына"
    " кірісті. Өзен жағасындағы ескі көпірдің астынан су ағып жатыр. Бүгін күн ашық болады деп"
    " айтты. Кешке қарай ауыл адамдары жиналып, алдағы мереке туралы әңгімелесті. Бұл жылы мереке"
    " бұрынғыдан да үлкен болмақ."
)


def test_identify_is_a_table_per_text():
    found = curate.identify([KAZAKH, "12:30", "The children walked home along the river."])
    assert found["lang"].to_pylist() == ["kaz_Cyrl", "und", "eng_Latn"]
    assert found.column_names == ["lang", "lang_score", "lang2", "lang2_score"]


def test_dedup_can_be_called_before_and_after_its_package_is_imported():
    table = pa.table({"id": ["a", "b", "c"], "text": [KAZAKH, KAZAKH + " Сол күні.", "басқа сөз"]})
    first = curate.deduplicate(table, threshold=0.8)
    import_module("curate.dedup.fuzzy.lsh")
    second = curate.deduplicate(table, threshold=0.8)
    assert first.equals(second)
    assert first["dropped_by"].to_pylist() == ["fuzzy_dedup:near_duplicate_words", None, None]
    assert first["duplicate_of"].to_pylist() == ["b", None, None]
    assert first["jaccard"][0].as_py() >= 0.8


def test_judge_measures_and_names_the_rule():
    table = pa.table({"text": [KAZAKH, "тым қысқа"]})
    judged = curate.judge(table, profile="kaz_Cyrl")
    assert judged["dropped_by"].to_pylist() == [None, "judge:too_few_words"]
    assert judged["dropped_value"].to_pylist() == [None, 2.0]
    assert judged["signal_n_words"][1].as_py() == 2
    with pytest.raises(RecipeError, match="kaz_Cyrl"):
        curate.judge(table, profile="kaz_Cyr")


def test_standardize_repairs_and_fixes():
    table = pa.table({"text": ["қaлa \u200bкітапхана", "Ã©tÃ©"], "lang": ["kaz_Cyrl", "fra_Latn"]})
    assert curate.standardize(table)["text"].to_pylist() == ["қала кітапхана", "été"]


def test_mix_takes_documents_at_a_ratio():
    rows = 60
    table = pa.table(
        {
            "id": [f"t#{n}" for n in range(rows)],
            "text": ["x"] * rows,
            "lang": ["kaz_Cyrl"] * 30 + ["eng_Latn"] * 30,
            "n_tokens": pa.array([10] * rows, pa.int64()),
        }
    )
    mixed = curate.mix(table, ratio="kaz_Cyrl=3,eng_Latn=1")
    langs = mixed["lang"].to_pylist()
    assert (langs.count("kaz_Cyrl"), langs.count("eng_Latn")) == (30, 10)
    assert set(mixed["epoch"].to_pylist()) == {1}
    table = table.set_column(1, "text", pa.array([f"text {n}" for n in range(rows)]))
    mixed = curate.mix(table, ratio="kaz_Cyrl=1", validation={"share": 0.3})
    sides = {phase: set() for phase in ("main", "validation")}
    for id, phase in zip(mixed["id"].to_pylist(), mixed["phase"].to_pylist(), strict=True):
        sides[phase].add(id)
    assert len(sides["main"] | sides["validation"]) == len(mixed) == 30
    with pytest.raises(RecipeError, match="reads a column 'lang'"):
        curate.mix(table.drop_columns(["lang"]), ratio="kaz_Cyrl=1")


ROWS = {"text": ["one two three four five"] * 2 + ["other words"], "lang": ["eng_Latn"] * 3}


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        ("eng_Latin=1", "'eng_Latin' is no language label: did you mean 'eng_Latn'"),
        ("zz=1", "'zz' is no language label"),
        ("en=1,uz=1", "'uz' is written in several scripts: one of: uzn_Cyrl, uzn_Latn"),
        ("kk=1", "group 'kk' has nothing to give(.|\n)*labels of the table: eng_Latn"),
        ("deu_Latn=1", "group 'deu_Latn' has nothing to give(.|\n)*labels of the table: eng_Latn"),
        ("eng_Latn=1,eng_Cyrl=1", "group 'eng_Cyrl' has nothing to give"),
    ],
)
def test_a_ratio_of_labels_that_no_row_has_is_an_error(ratio, said):
    with pytest.raises(RecipeError, match=said):
        curate.mix(ROWS, ratio=ratio, unit="documents")


def test_an_order_that_finds_no_value_is_an_error():
    for options, said in (
        ({"keep": "newest"}, "no row has a value in the column 'date'"),
        ({"keep": "oldest"}, "no row has a value in the column 'date'"),
        ({"keep": "best:perplexity"}, "needs the column 'signal_perplexity'"),
        ({"keep": "source_priority", "source_priority": ["web"]}, "no row is of a source"),
    ):
        with pytest.raises(RecipeError, match=said):
            curate.deduplicate(ROWS, **options)


@pytest.mark.parametrize(
    "dates",
    [
        ["2019-01-01", "2024-01-01", None],
        [1546300800, 1704067200, None],
        [1546300800000, 1704067200000, None],
        pa.array([17897, 19723, None], pa.date32()),
        pa.array([1546300800, 1704067200, None], pa.timestamp("s")),
    ],
)
def test_dates_of_any_kind_decide_which_is_kept(dates):
    rows = ROWS | {"date": dates}
    for keep, kept in (("newest", [False, True, True]), ("oldest", [True, False, True])):
        dropped = curate.deduplicate(rows, keep=keep)["dropped_by"].to_pylist()
        assert [name is None for name in dropped] == kept


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"date": ["2019-01-01", "soon", None]}, "'soon' in row 1 of the column 'date' is no date"),
        ({"text": [1, 2, 3]}, "the column 'text' is int64"),
        ({"text": [{"a": 1}] * 3}, "the column 'text' is struct"),
        ({"messages": ["x"] * 3}, "the column 'messages' is string"),
        ({"source": [[1]] * 3}, "the column 'source' is list"),
    ],
)
def test_a_column_of_another_type_is_an_error_that_names_it(columns, said):
    for work in (curate.deduplicate, curate.judge, curate.standardize):
        with pytest.raises(RecipeError, match=said):
            work(ROWS | columns)


def test_metadata_of_any_type_is_json():
    for meta, stored in (
        ([{"a": 1}, None, {"a": 2}], ['{"a":1}', None, '{"a":2}']),
        ([[1], None, []], ["[1]", None, "[]"]),
        (['{"b": 1}', None, ""], ['{"b": 1}', None, ""]),
    ):
        found = curate.deduplicate(pa.table(ROWS | {"meta": meta}))
        assert found["meta"].to_pylist() == stored


@pytest.mark.parametrize("table", [{"text": []}, pa.table({"text": pa.array([], pa.string())})])
def test_a_table_without_rows_stays_one(table):
    for work in (curate.deduplicate, curate.judge, curate.standardize):
        assert work(table).num_rows == 0
    with pytest.raises(RecipeError, match="nothing to give"):
        curate.mix(
            pa.table(table).append_column("lang", pa.array([], pa.string())),
            ratio="eng_Latn=1",
            unit="documents",
        )


def test_what_is_no_table_is_an_error():
    for table in ([1, 2], "text", 5):
        with pytest.raises(RecipeError, match="this is no table"):
            curate.judge(table)


def test_errors_and_ratios_are_those_of_python():
    for table, said in (
        ({"body": ["a"]}, "rename the column with the text, one of: body"),
        ({"text": [1]}, "the column 'text' is int64 and should be text"),
    ):
        with pytest.raises(RecipeError, match=said):
            curate.judge(table)
    table = {"text": ["a b", "c d"], "lang": ["kaz_Cyrl", "eng_Latn"]}
    taken = curate.mix(table, ratio={"kaz_Cyrl": 1, "eng_Latn": 1}, unit="documents")
    assert sorted(taken["lang"].to_pylist()) == ["eng_Latn", "kaz_Cyrl"]


def test_jobs_on_files_keep_fields_and_refuse_orders_without_values(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one two", "n": 1, "at": "2024-01-01"}\n')
    pq.write_table(pa.table({"text": ["three four"], "n": [2]}), tmp_path / "b.parquet")
    folder = str(tmp_path)
    result = curate.api.dedup_paths([folder], output=tmp_path / "out", engine="in-process")
    kept = pq.read_table(tmp_path / "out" / "mixture").sort_by("id")
    assert kept["meta"].to_pylist() == [None, None]
    assert (kept["n"].to_pylist(), kept["at"].to_pylist()) == ([1, 2], ["2024-01-01", None])
    assert result.exit_code == 0
    with pytest.raises(RecipeError, match=r"no record has a date(.|\n)*look like dates: 'at'"):
        curate.api.dedup_paths(
            [folder], output=tmp_path / "two", engine="in-process", keep="newest"
        )
    recipe = curate.api.mix_recipe([folder], ratio="eng_Latn=1", id="n")
    assert {name: spec.options["id"] for name, spec in recipe.sources.items()} == {
        "jsonl": "n", "parquet": "n",
    }  # fmt: skip
    assert curate.api.format_of(folder) == "jsonl"


def test_a_notebook_shows_a_run_as_a_table_and_hostile_names_as_text():
    row = {
        "phase": "main", "group": "<script>\x1b[31m", "unit": "tokens", "asked": 100, "amount": 98,
        "asked_share": 0.5, "share": 0.49, "epochs": 0.25,
    }  # fmt: skip
    totals = {"documents": 3, "dropped": 1, "taken": 2}
    result = curate.RunResult("out", {"totals": totals, "mixture": [row]}, 0, (), reused=False)
    shown = result._repr_html_()
    assert repr(result) == "RunResult('out': 3 documents, 1 dropped, 2 taken; exit code 0)"
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert "\x1b" not in shown
    assert shown.count("<tr>") == 2
    assert ">98</td>" in shown
