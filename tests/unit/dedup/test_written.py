"""Near means near in what is written: texts that are one, and texts that are not; what differs."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from curate import api
from curate.dedup.fuzzy.differences import differences, written_column
from curate.dedup.in_memory import find_duplicates
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
        (LONG + " end", LONG + " last", "near_duplicate"),
        (LONG + " cafe\u0301", LONG.upper() + "\n CAFÉ", "near_duplicate"),
        (LONG + " 5 ends", LONG + " 6 end", "near_duplicate"),
    ],
)
def test_the_rule_says_what_alone_differs(a, b, rule):
    dropped = [row["dropped_by"] for row in find_duplicates([a, b]).to_pylist()]
    assert sorted(filter(None, dropped)) == [rule]


def test_white_space_case_and_canonical_form_are_no_difference():
    texts = ["Cafe\u0301  ΤΗΣ", "café της", "café της!", "café 5 της", "thé της"]
    column = written_column(pa.array(texts, pa.large_string()))
    found = differences(column.take(pa.array([1, 2, 3, 4])), column.take(pa.array([0] * 4)))
    assert found.tolist() == ["", "signs", "words", "words"]


def test_all_foldings_together_are_what_earlier_versions_compared():
    everything = ["case", "width", "punctuation", "symbols", "numbers", "diacritics"]
    assert kept(read("operators"), fold=everything) == 1
    assert kept({"text": ["What is C++?", "What is C#?", "What is C?"]}, fold=everything) == 1
