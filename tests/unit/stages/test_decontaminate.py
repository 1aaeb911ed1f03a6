"""Evaluation sets in documents: found, named, dropped or cut; against a twin in plain Python."""

import gzip
import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import schema
from curate.dedup.decontamination import MAX_SHARING, load
from curate.dedup.options import FOLDS
from curate.dedup.reference import is_number, words
from curate.errors import RecipeError
from curate.stages.decontaminate import Decontaminate
from tests.examples import examples

QUESTION = (
    "A farmer has seventeen goats and sells nine of them at the spring market; how many goats does"
    " he still lead home over the old bridge?"
)
OTHER = (
    "Which of these rivers freezes first in a mild winter, and why do the others stay open until"
    " January?"
)
JAPANESE = (
    "古い橋のたもとに小さな茶店があり、春になると店の主人は川べりの桜を眺めながら旅人に茶を出した。"
)
PROSE = (
    "The river rose in April. Nobody in the village could remember such water, and the old bridge"
    " shook."
)


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
    assert tally["cut:documents:goats"] == 1 and tally["cut:bytes:goats"] == tally["cut:bytes"]


def test_a_conversation_is_dropped_and_not_cut(sets):
    turns = [{"role": "user", "content": QUESTION, "name": None, "tool_calls": None}]
    table = rows(f"{PROSE}\n{QUESTION}", messages=turns)
    out = Decontaminate(sets, action="cut").apply(table, Counter())
    assert out.column("dropped_by").to_pylist() == ["decontaminate:goats"]


def written(folder, name, *rows):
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_an_example_shorter_than_a_run_is_looked_for_as_a_whole(tmp_path):
    nine = "Who first crossed the great salt desert on foot?"
    path = written(tmp_path, "short", {"q": nine, "a": "Nobody"})
    around = [f"So: {nine} Nobody knows.", nine.upper(), nine.replace("great", "grey"), nine[:-6]]
    out, tally = run({"short": path}, *around)
    gone = "decontaminate:short"
    assert out.column("dropped_by").to_pylist() == [gone, gone, None, None]
    assert tally == {"documents:short": 2, "runs:short": 2, "found:short:0": 2}


def test_what_is_too_short_to_mean_anything_is_not_looked_for_and_told(tmp_path):
    seven, eight = "Who wrote the long road of Abai", "Who wrote the long road of Abai first"
    fifteen = JAPANESE.replace("、", "")[:15]
    rows = [{"q": seven}, {"q": eight}, {"q": "4"}, {"n": 4}, {"q": fifteen}, {"q": fifteen + "川"}]
    stage = {"mixed": written(tmp_path, "mixed", *rows)}
    out, tally = run(stage, f"{seven}.", f"{eight}.", "4", fifteen, f"「{fifteen}川」")
    gone = "decontaminate:mixed"
    assert out.column("dropped_by").to_pylist() == [None, gone, None, None, gone]
    assert {key for key in tally if key.startswith("found")} == {"found:mixed:1", "found:mixed:5"}
    told = Decontaminate(stage).manifest_facts["benchmarks"]["mixed"]
    assert told == {"examples": 6, "too_short": [0, 2, 3, 4], "looked_for": 2}
    less = Decontaminate(stage, min_words=7)
    assert less.manifest_facts["benchmarks"]["mixed"]["too_short"] == [2, 3]


def test_an_example_in_a_document_of_another_script_is_found(sets):
    spaced, unspaced = f"{PROSE} {JAPANESE} {PROSE} {PROSE}", f"{JAPANESE[::-1]}\n{QUESTION}"
    out, _ = run(sets, spaced, unspaced)
    assert out.column("dropped_by").to_pylist() == ["decontaminate:rivers", "decontaminate:goats"]


def test_a_run_of_two_sets_is_of_both(sets, tmp_path):
    sets = sets | {"again": written(tmp_path, "again", {"q": f"Once more. {QUESTION}"})}
    out, tally = run(sets, QUESTION)
    assert tally["documents:goats"] == tally["documents:again"] == 1
    assert out.column("dropped_by").to_pylist() == ["decontaminate:goats"]  # the first of equals


def test_a_run_that_all_examples_share_tells_of_none_of_them(tmp_path):
    form = " ".join(f"form{letter}" for letter in "abcdefghijklm")
    for count in (MAX_SHARING, MAX_SHARING + 1):
        rows = [{"q": f"{form} {chr(97 + n % 26)}{chr(97 + n // 26)}"} for n in range(count)]
        out, tally = run({"set": written(tmp_path, f"set{count}", *rows)}, form)
        assert out.column("dropped_by").to_pylist() == ["decontaminate:set"]
        found = [key for key in tally if key.startswith("found:")]
        assert len(found) == (count if count == MAX_SHARING else 0)


def test_fields_say_what_of_a_row_is_looked_for(tmp_path):
    sets = {"set": written(tmp_path, "set", {"id": OTHER, "q": {"text": [QUESTION]}}, {"id": "b"})}
    out, _ = run(sets, QUESTION, OTHER, fields={"set": ["q"]})
    assert out.column("dropped_by").to_pylist() == ["decontaminate:set", None]
    assert Decontaminate(sets, fields={"set": ["q"]}).manifest_facts["benchmarks"]["set"][
        "too_short"
    ] == [1]
    with pytest.raises(RecipeError, match="has a field 'question'"):
        _ = Decontaminate(sets, fields={"set": ["question"]}).model_digest
    with pytest.raises(RecipeError, match="no evaluation set 'sett'"):
        Decontaminate(sets, fields={"sett": ["q"]})


def test_a_string_too_short_for_min_matches_is_looked_for_as_a_whole(tmp_path):
    fifteen, sixteen = (" ".join(QUESTION.split()[:n]) for n in (15, 16))
    for text, left in ((fifteen, "nine"), (sixteen, "fifteen")):
        sets = {"set": written(tmp_path, left, {"q": text})}
        whole, part = run(sets, text, text.rsplit(" ", 1)[0], min_matches=4)[0], None
        assert whole.column("dropped_by").to_pylist() == ["decontaminate:set", part]


LATIN = st.sampled_from(["The", "river", "Über", "uber", "12", "7", "rose.", "a"])
WORDS = st.lists(LATIN, max_size=14).map(" ".join)
HAN = st.lists(st.sampled_from(list("東京川7")), max_size=22).map("".join)
STRINGS = st.one_of(WORDS, HAN, st.tuples(WORDS, HAN).map(" ".join))
SETS = st.lists(st.lists(st.lists(STRINGS, max_size=2), max_size=4), min_size=1, max_size=3)


def grams(text, size):
    every = words(text, FOLDS)
    windows = [every[at : at + size] for at in range(len(every) - size + 1)]
    return [
        tuple(raw if all(is_number(one) for _, one in window) else folded for folded, raw in window)
        for window in windows
    ]


def looked_for(string, ngram, min_words, min_matches):
    """What one string is looked for by: (spaced or not, words, whole or not, which words)."""
    count = len(words(string, FOLDS))
    times = 2 if count > 0.5 * len(string) else 1
    run = times * ngram
    if count < times * min(min_words, ngram):
        return set()
    whole = count < run + min_matches - 1
    size = count if whole else run
    return {(times, size, whole, gram) for gram in grams(string, size)}


@examples(150)
@given(
    sets=SETS,
    texts=st.lists(st.lists(STRINGS, max_size=3).map("\n".join), max_size=6),
    ngram=st.integers(2, 5),
    min_words=st.integers(2, 6),
    min_matches=st.integers(1, 3),
    copies=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=4),
)
def test_finds_what_the_twin_finds(sets, texts, ngram, min_words, min_matches, copies):
    strings = [string for rows in sets for row in rows for string in row]
    for text, string in copies if texts and strings else ():
        texts[text % len(texts)] += "\n" + strings[string % len(strings)]
    limits = (ngram, min_words, min_matches)
    keys = [[set().union(*(looked_for(s, *limits) for s in row)) for row in rows] for rows in sets]
    with TemporaryDirectory() as folder:
        files = {f"set{n}": written(Path(folder), f"{n}", *rows) for n, rows in enumerate(sets)}
        options = {"ngram": ngram, "min_words": min_words, "min_matches": min_matches}
        out, tally = run(files, *texts, **options)
        told = Decontaminate(files, **options).manifest_facts["benchmarks"]
        cut, _ = run(files, *texts, **options, action="cut")
        again, _ = run(files, *[text or "" for text in cut.column("text").to_pylist()], **options)
    assert list(told.values()) == [
        {
            "examples": len(rows),
            "too_short": [n for n, row in enumerate(rows) if not row],
            "looked_for": len(set().union(*rows)),
        }
        for rows in keys
    ]
    wanted, verdicts = Counter(), []
    for text in texts:
        sizes = {key[:3] for rows in keys for row in rows for key in row}
        places = [[(*size, gram) for gram in grams(text, size[1])] for size in sizes]
        hits = [
            key
            for keys_here in places
            for key in keys_here
            if any(key in r for s in keys for r in s)
        ]
        if not (len(hits) >= min_matches or any(whole for _, _, whole, _ in hits)):
            verdicts.append((None, None))
            continue
        runs = [sum(any(key in row for row in rows) for key in hits) for rows in keys]
        for number, rows in enumerate(keys):
            if runs[number]:
                wanted[f"documents:set{number}"] += 1
                wanted[f"runs:set{number}"] += runs[number]
            for n, row in enumerate(rows):
                wanted[f"found:set{number}:{n}"] += bool(row & set(hits))
        verdicts.append((f"decontaminate:set{runs.index(max(runs))}", float(max(runs))))
    columns = (out.column(name).to_pylist() for name in ("dropped_by", "dropped_value"))
    assert list(zip(*columns, strict=True)) == verdicts
    assert tally == +wanted
    # What is cut leaves nothing; what is dropped, or has too little, keeps its text.
    for before, after, drop, (verdict, _), now in zip(
        texts,
        cut.column("text").to_pylist(),
        cut.column("dropped_by").to_pylist(),
        verdicts,
        again.column("dropped_by").to_pylist(),
        strict=True,
    ):
        if verdict is None or drop:
            assert after == before
        else:
            assert now is None and len(after) < len(before)
            left = iter(before.split("\n"))
            assert all(line in left for line in after.split("\n"))


def test_a_cut_that_brings_the_parts_of_an_example_together_cuts_on(sets):
    twenty = QUESTION.split()[:20]
    parts = " ".join(twenty[:10]), OTHER, " ".join(twenty[10:])
    text = "\n".join([PROSE, *parts, "And so it went."])
    out, _ = run(sets, text, action="cut")
    assert out.column("text").to_pylist() == [f"{PROSE}\nAnd so it went."]


def test_the_digest_follows_what_the_files_hold(sets, tmp_path):
    first = Decontaminate(sets).model_digest
    assert Decontaminate(sets).model_digest == first
    pq.write_table(pa.table({"q": [OTHER]}), tmp_path / "rivers.parquet")
    assert Decontaminate(sets).model_digest != first


def test_a_changed_file_is_read_again_by_the_same_process(sets, tmp_path):
    assert run(sets, OTHER)[0].column("dropped_by").to_pylist() == ["decontaminate:rivers"]
    pq.write_table(pa.table({"q": [JAPANESE]}), tmp_path / "rivers.parquet")
    assert run(sets, OTHER)[0].column("dropped_by").to_pylist() == [None]


def test_a_file_that_changed_since_the_run_was_planned_is_refused(sets, tmp_path):
    planned = Decontaminate(sets)
    assert planned.model_digest
    load.cache_clear()  # as in another process
    pq.write_table(pa.table({"q": [OTHER + " Why?"]}), tmp_path / "rivers.parquet")
    with pytest.raises(RecipeError, match="no longer what the run was planned with"):
        planned.apply(rows(PROSE), Counter())


def test_what_was_measured_on_a_cut_text_is_null(sets):
    table = rows(f"{PROSE}\n{QUESTION}", PROSE).append_column("signal_n_words", pa.array([40, 20]))
    out = Decontaminate(sets, action="cut").apply(table, Counter())
    assert out.column("signal_n_words").to_pylist() == [None, 20]
    assert Decontaminate(sets, action="cut").removes_text and not Decontaminate(sets).removes_text
    assert {"text", "n_tokens"} <= set(Decontaminate(sets, action="cut").rewrites)


@pytest.mark.parametrize(
    "options, said",
    [
        ({"benchmarks": {}}, "no evaluation set"),
        ({"benchmarks": {"x": "x.jsonl"}, "ngram": 1}, "ngram"),
        ({"benchmarks": {"x": "x.jsonl"}, "min_words": 1}, "min_words"),
        ({"benchmarks": {"x": "x.jsonl"}, "ngram": 33}, "too much"),
        ({"benchmarks": {"x": "x.jsonl"}, "ngram": 32, "min_matches": 2}, "too much"),
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
