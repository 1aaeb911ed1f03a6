from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curate import api
from curate.errors import RecipeError
from curate.stages.count import Count
from curate.tokens import counter
from curate.tokens.fertility import measure
from curate.tokens.rates import Fertility
from curate.tokens.words import count_words
from tests.unit.cli.commands import curate, demo_run

DATA = os.environ.get("CURATE_SHARED_DATA")


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]))))
@example(["a\u3000b", "\u00a0", "\u1680x\u2009y\u202fz"])
@example(["\u200bx\u2028y\u205f", "\x1f\x85", "\u2060 \u180e"])
def test_words_are_what_python_splits(texts: list[str | None]) -> None:
    expected = [len((text or "").split()) for text in texts]
    column = pa.array(texts, pa.large_string())
    assert count_words(column).tolist() == expected
    assert count_words(column.slice(1)).tolist() == expected[1:]


def test_every_character_separates_or_not_as_in_python() -> None:
    signs = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    counts = count_words(pa.array([f"a{sign}b" for sign in signs], pa.large_string()))
    assert [s for s, n in zip(signs, counts, strict=True) if n != len(f"a{s}b".split())] == []


def test_ratios_are_of_sums_and_undefined_is_none() -> None:
    one = Fertility("kaz_Cyrl", documents=2, bytes=40, characters=22, words=4, tokens=10)
    assert (one.tokens_per_word, one.bytes_per_token, one.characters_per_token) == (2.5, 4.0, 2.2)
    assert Fertility("jpn_Jpan", 2, 40, 22, 4, 10).tokens_per_word is None
    nothing = Fertility("und", 1, 0, 0, 0, 0)
    assert (nothing.tokens_per_word, nothing.bytes_per_token) == (None, None)


def test_languages_and_tokenizers_are_kept_apart() -> None:
    texts = pa.array(["бір екі", "one two three", None, "үш"], pa.large_string())
    langs = pa.array(["kaz_Cyrl", "eng_Latn", None, "kaz_Cyrl"])
    batches = [(texts.slice(0, 2), langs.slice(0, 2)), (texts.slice(2), langs.slice(2))]
    measured = measure(batches, [counter("words"), counter("bytes")])
    assert [[one.lang for one in language] for language in measured] == [
        ["kaz_Cyrl"] * 2, ["eng_Latn"] * 2, ["und"] * 2,
    ]  # fmt: skip
    assert [one.tokens for one in measured[0]] == [3, 17]
    assert measured[0][0] == Fertility("kaz_Cyrl", 2, 17, 9, 3, 3)


def test_the_report_has_the_fertility_of_the_survivors() -> None:
    out, _ = demo_run()
    report = json.loads((out / "report.json").read_text())
    rows = {row["language"]: row for row in report["fertility"]}
    tallied = json.loads((out / "manifest.json").read_text())["ledger"]["stages"]["count"]["tally"]
    kazakh = rows["kaz_Cyrl"]
    assert kazakh["tokens"] == tallied["tokens:kaz_Cyrl"]
    assert kazakh["tokens_per_word"] == tallied["tokens:kaz_Cyrl"] / tallied["words:kaz_Cyrl"]
    assert 2 < kazakh["tokens_per_word"] < 5
    assert rows["jpn_Jpan"]["tokens_per_word"] is None
    assert "Tokens are those of `tekken` (digest " in (out / "report.md").read_text()
    assert "Tokens are those of `tekken` (digest " in (out / "README.md").read_text()


def test_an_old_manifest_has_no_fertility() -> None:
    from tests.unit.report.conftest import render, small_manifest

    assert "Tokens of what was kept" not in render(small_manifest(), [])["report.md"].decode()


def test_on_a_run_it_counts_what_count_counted() -> None:
    out, _ = demo_run()
    table = api.fertility(["tekken"], [str(out)])
    rows = {language[0].lang: language[0] for language in table}
    assert set(rows) >= {"kaz_Cyrl", "eng_Latn", "jpn_Jpan"}
    import pyarrow.parquet as pq

    product = pq.read_table(out / "mixture")
    once = product.filter(pc.equal(product.column("epoch"), 1))
    for lang, one in rows.items():
        of_lang = once.filter(pc.equal(once.column("lang"), lang))
        assert one.tokens == pc.sum(of_lang.column("n_tokens")).as_py()
        assert one.documents == of_lang.num_rows


def test_the_command_compares_with_the_first_tokenizer() -> None:
    out, _ = demo_run()
    result = curate("fertility", "words", "characters", "--on", str(out), "--json")
    rows = [row for row in json.loads(result.out) if row["language"] == "kaz_Cyrl"]
    assert rows[0]["tokens_per_word"] == 1
    assert rows[1]["characters_per_token"] == 1
    assert "+0.0 %" in curate("fertility", "words", "bytes", "--on", str(out)).out
    assert curate("fertility", "words").code == 2


def test_no_text_to_measure_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(RecipeError, match="no text to measure"):
        api.fertility(["words"], [str(tmp_path / "empty.jsonl")])


def test_count_tallies_lengths_by_language() -> None:
    from collections import Counter

    from curate import schema

    rows = schema.documents([{"id": "a#0", "text": "бір екі"}, {"id": "a#1", "text": "three"}])
    tally: Counter[str] = Counter()
    Count("bytes").apply(rows.append_column("lang", pa.array(["kaz_Cyrl", None])), tally)
    assert tally == {
        "tokens:kaz_Cyrl": 13, "words:kaz_Cyrl": 2, "characters:kaz_Cyrl": 7,
        "tokens:und": 5, "words:und": 1, "characters:und": 5,
    }  # fmt: skip


@pytest.mark.real_data
@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
def test_kazakh_costs_more_tokens_than_english_on_the_same_pages() -> None:
    tokens_per_word = {}
    for lang in ("kk-kazqad", "en-xquad", "tr-xquad", "ru-xquad"):
        (path,) = (Path(DATA or "") / "text").glob(f"{lang}*")
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts = pa.array([json.loads(line)["text"] for line in lines][:200], pa.large_string())
        ((one,),) = measure([(texts, pa.array([lang] * len(texts)))], [counter()])
        tokens_per_word[lang[:2]] = one.tokens / one.words
    assert tokens_per_word["kk"] > tokens_per_word["tr"] > tokens_per_word["en"]
    assert 1 < tokens_per_word["en"] < 1.6
