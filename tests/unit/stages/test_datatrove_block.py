"""Blocks of datatrove as stages: the same verdicts as datatrove's own run, with names on them."""

from collections import Counter
from importlib.util import find_spec

import pyarrow as pa
import pytest

from curate import schema
from curate.errors import CurateError, RecipeError
from curate.recipe.recipe import parse_recipe
from curate.stages.datatrove_block import DatatroveBlock

PROSE = "The cat sat on the mat, and the dog that lived with them had to be fed at noon. " * 9


def rows(*texts, **columns):
    plain = {"source": "a", "dropped_by": None, "dropped_value": None}
    return schema.documents(
        [{**plain, "id": f"a/f#{n}", "text": text, **columns} for n, text in enumerate(texts)]
    )


def run(block, table, **parameters):
    out = DatatroveBlock(block, parameters, name="trove").apply(table, Counter())
    schema.check(out, where=block)
    return out


def test_a_filter_drops_under_its_own_reason():
    out = run("FineWebQualityFilter", rows("\n", "menu\nmenu\nmenu", None))
    empty, menu = "trove:empty", "trove:line_punct_ratio"
    assert out.column("dropped_by").to_pylist() == [empty, menu, None]


def test_a_filter_without_reasons_says_rejected():
    out = run("RegexFilter", rows("lorem ipsum", "prose"), regex_exp="lorem")
    assert out.column("dropped_by").to_pylist() == ["trove:rejected", None]


def test_a_reason_that_is_no_name_becomes_one():
    out = run("C4ParagraphFilter", rows("one line"))
    assert out.column("dropped_by").to_pylist() == ["trove:3_paragraphs"]


def test_parameters_reach_the_block():
    table = rows("menu\nA sentence.")
    strict = run("FineWebQualityFilter", table, line_punct_thr=0.6)
    assert strict.column("dropped_by").to_pylist() == ["trove:line_punct_ratio"]


@pytest.mark.skipif(find_spec("spacy") is not None, reason="spacy is installed")
def test_a_package_that_a_block_needs_is_named():
    with pytest.raises(CurateError, match="spacy"):
        run("GopherQualityFilter", rows(PROSE))


def test_a_filter_that_cuts_lines_rewrites_the_text():
    out = run("C4QualityFilter", rows("A line that ends well.\nmenu\n"), min_num_sentences=-1)
    assert out.column("text").to_pylist() == ["A line that ends well."]


def test_a_formatter_gives_each_document_the_same_answer_whatever_came_before():
    out = run("PIIFormatter", rows("a@b.org", "a@b.org"))
    first, second = out.column("text").to_pylist()
    assert first == second == "email@example.com"


def test_a_block_sees_the_url(monkeypatch):
    from datatrove.pipeline.filters import RegexFilter

    monkeypatch.setattr(RegexFilter, "filter", lambda self, doc: "bad" not in doc.metadata["url"])
    table = rows("x", url="https://bad.example.org/x")
    assert run("RegexFilter", table, regex_exp="").column("dropped_by").to_pylist() == [
        "trove:rejected"
    ]


def test_a_failing_block_names_the_document(monkeypatch):
    from datatrove.pipeline.filters import RegexFilter

    monkeypatch.setattr(RegexFilter, "filter", lambda self, doc: 1 / 0)
    with pytest.raises(CurateError, match="division by zero") as raised:
        run("RegexFilter", rows("x"), regex_exp="y")
    assert "a/f#0" in str(raised.value)


@pytest.mark.parametrize(
    "stage, expected",
    [
        ('datatrove = "GopherQualtyFilter"', "GopherQualityFilter"),
        ('datatrove = "LambdaFilter"', "holds no code"),
        ('datatrove = "SamplerFilter"', "order of documents"),
        ('datatrove = "GopherQualityFilter"\nmin_words = 3', "min_doc_words"),
    ],
)
def test_a_recipe_with_a_wrong_block_is_refused_with_advice(stage, expected):
    with pytest.raises(RecipeError, match=expected) as raised:
        stages_of(stage)
    assert "gopher" in str(raised.value).lower() or "datatrove" in str(raised.value)


def stages_of(stage):
    from curate.plan import build as planning
    from curate.recipe.profile import Profiles

    text = f'name = "t"\n[sources.a]\nformat = "jsonl"\npath = []\n[[stages]]\n{stage}\n'
    return planning.segments(parse_recipe(text, "t.toml"), Profiles({}))[0].stages


def test_a_recipe_names_a_block_in_one_line():
    (stage,) = stages_of('datatrove = "GopherQualityFilter"\nmin_doc_words = 40')
    assert (stage.name, stage.block) == ("gopher_quality_filter", "GopherQualityFilter")
    assert stage.parameters == {"min_doc_words": 40}


def test_chat_is_never_cut():
    turns = [{"role": "user", "content": "menu", "name": None, "tool_calls": None}]
    table = rows("Ends well.\nmenu", messages=turns)
    with pytest.raises(CurateError, match="conversation"):
        run("C4QualityFilter", table, min_num_sentences=-1, min_words_per_line=-1)


def test_nothing_of_nothing():
    empty = rows("x").slice(0, 0)
    assert run("FineWebQualityFilter", empty).num_rows == 0
    assert isinstance(run("SymbolLinesFormatter", empty), pa.Table)
