"""Near means near in what is written: texts that are one, and texts that are not; what differs."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import api
from curate.api import tabular
from curate.dedup.fuzzy.differences import differences, written_column
from curate.dedup.in_memory import find_duplicates
from curate.protocol import in_memory
from curate.stages.exact_dedup import ExactDedup
from curate.stages.fuzzy_dedup import FuzzyDedup
from tests.unit.dedup.dedup_corpora import word

LONG = " ".join(word(number) for number in range(60))


def read(name: str) -> dict[str, list[str]]:
    lines = (Path(__file__).parent / "written" / f"{name}.jsonl").read_text("utf-8").splitlines()
    return {"text": [json.loads(line)["text"] for line in lines]}


def kept(table: dict[str, list[str]], **options: object) -> int:
    return api.deduplicate(table, **options)["dropped_by"].null_count


@pytest.mark.parametrize(
    ("name", "documents", "texts"),
    [
        ("canonical", 8, 4),
        ("case", 4, 2),
        ("tatweel", 2, 1),
        ("apostrophes", 6, 2),
        ("numbers", 10, 10),
        ("signs", 15, 15),
        ("operators", 5, 5),
        ("dotless_i", 4, 4),
    ],
)
def test_documents_are_as_many_as_texts_were_written(name, documents, texts):
    table = read(name)
    assert len(table["text"]) == documents
    assert kept(table) == texts


def test_numbers_are_folded_on_demand_and_counted():
    table = read("numbers")
    done = api.deduplicate(table, fold=["case", "width", "punctuation", "numbers"])
    rules = done["dropped_by"].to_pylist()
    assert rules.count(None) == 2
    assert rules.count("fuzzy_dedup:near_duplicate_numbers") == 8


@pytest.mark.parametrize(
    ("a", "b", "rule"),
    [
        (LONG + " in 2019", LONG + " in 2021", "near_duplicate_numbers"),
        (LONG + " BRCA1", LONG + " BRCA2", "near_duplicate_numbers"),
        (LONG + ". end", LONG + ", end", "near_duplicate_signs"),
        (LONG + " C++", LONG + " C#", "near_duplicate_signs"),
        (LONG + " ＡＢ", LONG + " AB", "near_duplicate_signs"),
        (LONG + " end", LONG + " last", "near_duplicate_words"),
        (LONG + " cafe\u0301", LONG.upper() + "\n CAFÉ", "near_duplicate"),
        (LONG + " 5 ends", LONG + " 6 end", "near_duplicate_words"),
        (LONG + " +7 701 123", LONG + " +7 701 124", "near_duplicate_numbers"),
        (LONG + " 3:16", LONG + " 3:17", "near_duplicate_numbers"),
        (LONG + " example.kz/a", LONG + " example.kz/b", "near_duplicate_words"),
        (LONG + " example.kz/?p=1", LONG + " example.kz/?p=2", "near_duplicate_numbers"),
    ],
)
def test_the_rule_says_what_alone_differs(a, b, rule):
    dropped = [row["dropped_by"] for row in find_duplicates([a, b]).to_pylist()]
    assert sorted(filter(None, dropped)) == [rule]


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ("", "contained"),
        (" and much else", "contained_words"),
        (" 17 18", "contained_numbers"),
        (" ...", "contained_signs"),
    ],
)
def test_the_rule_of_containment_says_what_differs(more, rule):
    found = find_duplicates([LONG + more, LONG.upper()], similarity="containment").to_pylist()
    assert [row["dropped_by"] for row in found if row["dropped_by"]] == [rule]


CODE = (
    "def total(price, tax, rate):\n    amount = price {} tax\n    return amount, rate, price, tax\n"
)


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "%", "&", "|", "^", "<", ">", "==", "@"])
def test_an_operator_counts_in_code_of_ten_words_and_more(operator):
    assert kept({"text": [CODE.format("**"), CODE.format(operator)]}) == 2


@pytest.mark.parametrize(
    "texts",
    [
        ["+7 701 123 45 67", "+7 701 123 45 68"],
        ["Genesis 1:3", "Genesis 1:4", "Genesis 13"],
        ["see https://example.kz/?id=1", "see https://example.kz/?id=2"],
        ["https://example.kz/a-b", "https://example.kz/a_b"],
        ["We call +7 701 123 45 67 in the morning and in the evening",
         "We call +7 701 123 45 68 in the morning and in the evening"],
    ],
)  # fmt: skip
def test_members_of_the_kind_stay_apart(texts):
    assert kept({"text": texts}) == len(texts)


@pytest.mark.parametrize(
    ("lang", "texts", "left"),
    [
        ("tur_Latn", ["ISI", "ısı"], 1),
        ("tur_Latn", ["ISI", "isi"], 2),
        ("azj_Latn", ["İSİ", "isi"], 1),
        ("tr", ["I\u0307L", "il", "ıl", "IL"], 2),
        ("eng_Latn", ["IN", "in"], 1),
        (None, ["IN", "in"], 1),
        (None, ["IŞI", "ışı"], 1),
        (None, ["IŞI", "işi"], 2),
        (None, ["DAĞI", "daği"], 2),
    ],
)
@pytest.mark.parametrize("barrier", [ExactDedup(), FuzzyDedup(), FuzzyDedup(shingle="char")])
def test_the_capital_of_dotless_i_is_that_of_the_language(lang, texts, left, barrier):
    table = {"text": texts} | ({"lang": [lang] * len(texts)} if lang else {})
    done = in_memory.apply(barrier, tabular.documents_of(table)[1])
    assert done["dropped_by"].null_count == left


@pytest.mark.parametrize(
    ("fields", "left"),
    [
        ({"lang": "tur_Latn"}, 1),
        ({"lang": "__label__tr"}, 1),
        ({"language": "tr-TR"}, 1),
        ({"a": 1, "lang": "TUR", "z": '"lang":"eng"'}, 1),
        ({"lang": "kk-Latn"}, 1),
        ({"lang": "kk"}, 2),
        ({"lang": "tr_", "language": "en"}, 1),
        ({"lang": 90, "language": "az"}, 1),
        ({"lang": "truth"}, 2),
        ({"origin": {"lang": "tr"}}, 2),
        ({"note": 'the "lang":"tr" of it'}, 2),
        ({}, 2),
    ],
)
def test_without_identify_the_language_is_the_label_of_the_input(tmp_path, fields, left):
    words = ["ISIM", "ısım"]
    texts = [f"{words[0]} {LONG}", f"{words[1]} {LONG}", *words]
    lines = [json.dumps({"text": text} | fields) + "\n" for text in texts]
    (tmp_path / "a.jsonl").write_text("".join(lines), "utf-8")
    done = api.dedup_paths(
        [str(tmp_path / "a.jsonl")], output=tmp_path / "out", threshold=1.0, engine="in-process"
    )
    assert done.manifest["totals"]["curated"] == 2 * left
    assert "lang" not in pq.read_schema(next((tmp_path / "out/mixture").rglob("*.parquet"))).names


@pytest.mark.parametrize("column", ["input_lang", "language", "meta"])
def test_labels_of_the_input_are_read_where_no_stage_has_written_one(column):
    label = {"meta": '{"lang":"tr"}'}.get(column, "tr")
    near = {"text": [f"ISIM {LONG}", f"ısım {LONG}"], column: [label] * 2}
    done = in_memory.apply(FuzzyDedup(threshold=1.0), tabular.documents_of(near)[1])
    assert done["dropped_by"].null_count == 1
    judged = tabular.documents_of(near | {"lang": ["eng_Latn"] * 2})[1]
    assert in_memory.apply(FuzzyDedup(threshold=1.0), judged)["dropped_by"].null_count == 2


def test_where_case_counts_no_capital_is_small():
    table = {"text": ["ISI", "ısı"], "lang": ["tur_Latn"] * 2}
    assert kept(table, fold=["width", "punctuation"], shingle="char") == 1  # by the exact pass
    done = in_memory.apply(FuzzyDedup(fold=("width",)), tabular.documents_of(table)[1])
    assert done["dropped_by"].null_count == 2


def test_white_space_case_and_canonical_form_are_no_difference():
    texts = ["Cafe\u0301  ΤΗΣ", "café της", "café της!", "café 5 της", "thé της"]
    column = written_column(pa.array(texts, pa.large_string()))
    found = differences(column.take(pa.array([1, 2, 3, 4])), column.take(pa.array([0] * 4)))
    assert found.tolist() == ["", "signs", "numbers", "words"]


def test_with_all_foldings_signs_and_numbers_do_not_count():
    everything = ["case", "width", "punctuation", "symbols", "numbers", "diacritics"]
    assert kept(read("operators"), fold=everything) == 1
    assert kept({"text": ["What is C++?", "What is C#?", "What is C?"]}, fold=everything) == 1
