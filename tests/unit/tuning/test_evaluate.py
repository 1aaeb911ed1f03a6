"""Rules beside labels: counts by hand, fields of other people, and what is refused."""

import json
import lzma
import os
from pathlib import Path

import pytest

from curate import api
from curate.errors import RecipeError
from tests.unit.cli.commands import curate, demo_run

PROFILE = """
[rules.too_few_words]
signal = "n_words"
min = 3
[rules.too_many_digits]
signal = "digit_share"
max = 0.5
[rules.alone]
signal = "cluster_size"
max = 9
"""
#: (text, label, lang, source): the first rule drops a, b and c, the second b and d.
TEXTS = [
    ("a", "good", "eng_Latn", "web"),
    ("1234", "bad", "eng_Latn", "web"),
    ("two words", "bad", "tur_Latn", "books"),
    ("12 34 56", "good", "tur_Latn", "web"),
    ("three good words", "good", "eng_Latn", "books"),
    ("three bad words", "bad", "eng_Latn", "books"),
]


@pytest.fixture
def profile(tmp_path: Path) -> str:
    path = tmp_path / "own.toml"
    path.write_text(PROFILE)
    return str(path)


def write(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


@pytest.fixture
def labels(tmp_path: Path) -> str:
    names = ("text", "label", "lang", "source")
    return write(tmp_path / "labels.jsonl", [dict(zip(names, row)) for row in TEXTS])


def test_each_rule_is_counted_on_all_rows_and_on_parts(labels: str, profile: str) -> None:
    found = api.evaluate(labels, profile=profile)
    assert found["labels"] | {"populations": None} == {
        "rows": 6, "good": 3, "bad": 3, "unlabelled": 0, "empty": 0, "populations": None,
    }  # fmt: skip
    words, digits = (found["rules"][name] for name in ("too_few_words", "too_many_digits"))

    def counts(score: dict) -> tuple:
        shares = ("precision", "recall", "false_rejection")
        return (
            score["flagged"],
            *((score[s]["hits"], score[s]["of"]) for s in shares),
            score["alone_good"],
            score["alone_bad"],
        )

    assert counts(words["all"]["all"]) == (3, (2, 3), (2, 3), (1, 3), 1, 1)
    assert counts(digits["all"]["all"]) == (2, (1, 2), (1, 3), (1, 3), 1, 0)
    assert counts(words["lang"]["eng_Latn"]) == (2, (1, 2), (1, 2), (1, 2), 1, 0)
    assert counts(digits["source"]["books"]) == (0, (0, 0), (0, 2), (0, 1), 0, 0)
    whole = found["profile"]["all"]["all"]
    assert counts(whole) == (4, (2, 4), (2, 3), (2, 3), 2, 1)
    assert whole["f1"] == pytest.approx(2 * 2 / (4 + 3))
    assert whole["precision"]["value"] == 0.5
    assert found["worst_alone"] == {"rule": "too_few_words", "good": 1}


@pytest.mark.parametrize("values", [("good", "bad"), (1, 0), (True, False), ("Yes", "no")])
def test_labels_have_many_spellings(tmp_path: Path, profile: str, values: tuple) -> None:
    rows = [{"text": t, "label": values[label == "bad"]} for t, label, *_ in TEXTS]
    rows += [{"text": "open", "label": None}, {"text": "open"}, {"text": " ", "label": values[0]}]
    found = api.evaluate(write(tmp_path / "x.jsonl", rows), profile=profile)["labels"]
    assert (found["good"], found["bad"], found["unlabelled"], found["empty"]) == (3, 3, 2, 1)


def test_fields_of_other_people_and_packed_files(tmp_path: Path, profile: str) -> None:
    rows = [
        {"page": {"body": t}, "spam": int(label == "bad"), "porn": 0, "lang_predicted": lang}
        for t, label, lang, _ in TEXTS
    ]
    rows[0]["porn"] = 1
    path = tmp_path / "x.jsonl.xz"
    path.write_bytes(lzma.compress("\n".join(map(json.dumps, rows)).encode()))
    found = api.evaluate(
        str(path), profile=profile, text="page.body", bad=["spam", "porn"], lang="lang_predicted"
    )
    assert (found["labels"]["good"], found["labels"]["bad"]) == (2, 4)
    assert set(found["profile"]["lang"]) == {"eng_Latn", "tur_Latn"}


def test_a_macrolanguage_and_a_text_without_language_find_their_profile(tmp_path: Path) -> None:
    kazakh = (Path("sample_data/texts/kaz_Cyrl").resolve().glob("*.txt"), None)[0]
    rows = [{"text": p.read_text("utf-8"), "label": "good"} for p in sorted(kazakh)[:2]]
    rows.append({"text": "خبر", "label": "bad", "lang": "ara_Arab"})
    found = api.evaluate(write(tmp_path / "x.jsonl", rows))
    assert found["profiles"] == {"arb_Arab": "arb_Arab", "kaz_Cyrl": "kaz_Cyrl"}


def test_labels_of_a_sample_agree_with_the_run(tmp_path: Path) -> None:
    run, path = str(demo_run()[0]), tmp_path / "labels.jsonl"
    rows = api.sample(run, 10_000, output=None)
    judged = [r for r in rows if r["signals"] and (r["dropped_by"] or "judge:")[:6] == "judge:"]
    for row in judged:
        row["label"] = "bad" if row["dropped_by"] else "good"
    found = api.evaluate(write(path, judged), recipe=f"{run}/recipe.toml")
    whole = found["profile"]["all"]["all"]
    assert whole["precision"]["value"] == whole["recall"]["value"] == 1.0
    assert whole["false_rejection"]["hits"] == 0


def test_a_sample_that_is_not_fair_is_named(tmp_path: Path, profile: str) -> None:
    rows = [{"text": t, "label": label} for t, label, *_ in TEXTS]
    for row in rows[:4]:
        row["sampled"] = {"population": "edge n_words", "seed": 0}
    result = curate("evaluate", write(tmp_path / "x.jsonl", rows), "--profile", profile)
    assert result.code == 0
    assert "not a fair sample of the run (4 of edge n_words)" in result.err
    assert max(map(len, result.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([], {}, "the file of labels is empty"),
        ([{"text": "a", "label": "good"}] * 3, {}, "all 3 labels are good"),
        ([{"text": "a", "label": None}], {}, "none of the 1 rows has a label"),
        ([{"text": "a", "lable": 1}], {}, "did you mean 'lable'"),
        ([{"body": "a", "label": 1}], {}, "no labelled record has a text in the field 'text'"),
        ([{"text": "a", "label": "so so"}], {}, "neither good nor bad"),
        ([{"text": "a", "label": [1]}], {}, "neither good nor bad"),
        ([{"text": "a", "spam": 0}], {"bad": ["spm"]}, "did you mean 'spam'"),
        ([{"text": "a", "label": 1}], {"profile": "kaz_Cyrll"}, "did you mean 'kaz_Cyrl'"),
        ([{"text": "a", "label": 1}], {"profile": "a", "recipe": "b"}, "give one of them"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(
    tmp_path: Path, rows: list, options: dict, said: str
) -> None:
    with pytest.raises(RecipeError) as raised:
        api.evaluate(write(tmp_path / "x.jsonl", rows), **options)
    assert said in str(raised.value)


def test_damaged_lines_and_missing_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "a", "label": 1}\nnot json\n')
    with pytest.raises(RecipeError, match="bad_json at byte 26"):
        api.evaluate(str(path))
    with pytest.raises(RecipeError, match="does not exist"):
        api.evaluate(str(tmp_path / "none.jsonl"))
    with pytest.raises(RecipeError, match="one file"):
        api.evaluate(str(tmp_path))


@pytest.mark.real_data
@pytest.mark.skipif(not os.environ.get("CURATE_SHARED_DATA"), reason="needs $CURATE_SHARED_DATA")
def test_human_labels_of_web_pages_are_read_as_they_are() -> None:
    path = Path(os.environ["CURATE_SHARED_DATA"], "quality/hplt_human_labels_dev.jsonl.xz")
    result = curate("evaluate", str(path), "--bad-field", "unnatural", "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert (found["labels"]["good"], found["labels"]["bad"]) == (2114, 231)
    assert found["labels"]["empty"] == 1
    whole = found["profile"]["all"]["all"]
    assert whole["precision"]["low"] > 0.3 and whole["recall"]["value"] > 0.3
    assert whole["false_rejection"]["high"] < 0.08
