"""Evaluation sets in documents: found, named, dropped or cut."""

import gzip
import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import schema
from curate.errors import RecipeError
from curate.stages.decontaminate import Decontaminate

QUESTION = (
    "A farmer has seventeen goats and sells nine of them at the spring market; how many goats does he "
    "still lead home over the old bridge?"
)
OTHER = "Which of these rivers freezes first in a mild winter, and why do the others stay open until January?"
JAPANESE = (
    "古い橋のたもとに小さな茶店があり、春になると店の主人は川べりの桜を眺めながら旅人に茶を出した。"
)
PROSE = "The river rose in April. Nobody in the village could remember such water, and the old bridge shook."


@pytest.fixture
def sets(tmp_path):
    with gzip.open(tmp_path / "goats.jsonl.gz", "wt", encoding="utf-8") as lines:
        lines.write(
            json.dumps({"question": QUESTION, "choices": ["eight", "nine"], "answer": 8}) + "\n\n"
        )
    pq.write_table(pa.table({"q": [OTHER, JAPANESE, None]}), tmp_path / "rivers.parquet")
    return {"goats": str(tmp_path / "goats.jsonl.gz"), "rivers": [str(tmp_path / "rivers.parquet")]}


def rows(*texts, **columns):
    plain = {"source": "a", "dropped_by": None, "dropped_value": None}
    return schema.documents(
        [{**plain, "id": f"a/f#{n}", "text": text, **columns} for n, text in enumerate(texts)]
    )


def run(sets, *texts, **options):
    tally = Counter()
    out = Decontaminate(sets, **options).apply(rows(*texts), tally)
    schema.check(out, where="decontaminate")
    return out, tally


def test_a_document_with_a_run_of_an_example_is_dropped_under_its_name(sets):
    wrapped = QUESTION.upper().replace(" ", "\n")
    out, tally = run(sets, PROSE, f"{PROSE} {wrapped}", f"{PROSE} {OTHER[:90]}", None, "")
    assert out.column("dropped_by").to_pylist() == [
        None, "decontaminate:goats", "decontaminate:rivers", None, None,
    ]  # fmt: skip
    words = len(QUESTION.replace(";", "").split())
    assert out.column("dropped_value").to_pylist()[1] == words - 12
    assert tally["documents:goats"] == 1 and tally["runs:goats"] == words - 12


def test_twelve_words_are_no_run(sets):
    twelve, thirteen = (" ".join(QUESTION.split()[:n]) for n in (12, 13))
    out, _ = run(sets, twelve, thirteen)
    assert out.column("dropped_by").to_pylist() == [None, "decontaminate:goats"]


def test_without_spaces_twice_as_many_characters_make_a_run(sets):
    characters = JAPANESE.replace("、", "").replace("。", "")
    out, _ = run(sets, f"今日は{characters[:25]}。", f"今日は{characters[:26]}。")
    assert out.column("dropped_by").to_pylist() == [None, "decontaminate:rivers"]


def test_min_matches_asks_for_more_runs(sets):
    fourteen = " ".join(QUESTION.split()[:14])
    assert run(sets, fourteen, min_matches=2)[0].column("dropped_by").to_pylist() == [
        "decontaminate:goats"
    ]
    assert run(sets, fourteen, min_matches=3)[0].column("dropped_by").to_pylist() == [None]


def test_cut_takes_the_lines_that_hold_a_run(sets):
    half = QUESTION.index(" at the")
    text = f"{PROSE}\n{QUESTION[:half]}\n{QUESTION[half:]}\nAnd so it went."
    out, tally = run(sets, text, QUESTION, PROSE, action="cut")
    assert out.column("text").to_pylist() == [f"{PROSE}\nAnd so it went.", QUESTION, PROSE]
    assert out.column("dropped_by").to_pylist() == [None, "decontaminate:goats", None]
    assert tally["cut:documents"] == 1
    assert tally["cut:bytes"] == len(QUESTION) + 2  # with two line ends


def test_a_conversation_is_dropped_and_not_cut(sets):
    turns = [{"role": "user", "content": QUESTION, "name": None, "tool_calls": None}]
    table = rows(f"{PROSE}\n{QUESTION}", messages=turns)
    out = Decontaminate(sets, action="cut").apply(table, Counter())
    assert out.column("dropped_by").to_pylist() == ["decontaminate:goats"]


def test_an_example_shorter_than_a_run_matches_nothing(tmp_path):
    (tmp_path / "short.jsonl").write_text('{"q": "Who wrote Abai Zholy?"}\n', encoding="utf-8")
    out, _ = run({"short": str(tmp_path / "short.jsonl")}, "Who wrote Abai Zholy?")
    assert out.column("dropped_by").to_pylist() == [None]


def test_the_digest_follows_what_the_files_hold(sets, tmp_path):
    first = Decontaminate(sets).model_digest
    assert Decontaminate(sets).model_digest == first
    pq.write_table(pa.table({"q": [OTHER]}), tmp_path / "rivers.parquet")
    assert Decontaminate(sets).model_digest != first


def test_a_changed_file_is_read_again_by_the_same_process(sets, tmp_path):
    assert run(sets, OTHER)[0].column("dropped_by").to_pylist() == ["decontaminate:rivers"]
    pq.write_table(pa.table({"q": [JAPANESE]}), tmp_path / "rivers.parquet")
    assert run(sets, OTHER)[0].column("dropped_by").to_pylist() == [None]


def test_what_was_measured_on_a_cut_text_is_null(sets):
    table = rows(f"{PROSE}\n{QUESTION}", PROSE).append_column("signal_n_words", pa.array([40, 20]))
    out = Decontaminate(sets, action="cut").apply(table, Counter())
    assert out.column("signal_n_words").to_pylist() == [None, 20]
    assert Decontaminate(sets, action="cut").cuts and not Decontaminate(sets).cuts


@pytest.mark.parametrize(
    "options, said",
    [
        ({"benchmarks": {}}, "no evaluation set"),
        ({"benchmarks": {"x": "x.jsonl"}, "ngram": 1}, "ngram"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(RecipeError, match=said):
        Decontaminate(**options)


def test_a_broken_set_is_named_with_its_line(tmp_path):
    (tmp_path / "bad.jsonl").write_text('{"q": "fine"}\n{oops\n', encoding="utf-8")
    with pytest.raises(RecipeError, match=r"bad\.jsonl:2"):
        run({"bad": str(tmp_path / "bad.jsonl")}, PROSE)
    with pytest.raises(RecipeError, match="cannot be read"):
        run({"gone": str(tmp_path / "gone.jsonl")}, PROSE)
