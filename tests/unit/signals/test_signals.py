"""The registry, the cards, and what a signal is where it is not defined."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.errors import RecipeError
from curate.signals import LISTS, SIGNALS, card, column, measure, signal_type
from curate.signals.columns import TextCounts
from curate.signals.conversations import COUNTS
from curate.text.code_pages import written_letters
from tests.kneser_ney import tiny_model

#: The signals that a text has; those of conversations are tested in test_chat_signals.py.
OF_TEXTS = [name for name in SIGNALS if not set(card(name).counts) & set(COUNTS)]
LISTED = {
    "stop_words": ["the", "of"],
    "scripts": ["Latn"],
    "alphabet": ["abc"],
    "word_frequencies": [str(Path(__file__).with_name("word_counts.tsv"))],
    "perplexity": [tiny_model()],
    "perplexity_cut_points": ["2.0", "9.5"],
    **{name: ["the"] for name in ("ads", "adult", "blocked", "discrimination", "violence")},
}


@pytest.mark.parametrize("name", SIGNALS)
def test_each_signal_has_a_whole_card(name: str) -> None:
    described = card(name)
    assert SIGNALS[name].__name__ == name
    for part in (described.what, described.why, described.wrong, described.source):
        assert part.endswith(".")
    assert "  " not in described.what


@pytest.mark.parametrize("name", SIGNALS)
def test_each_signal_asks_for_counts_that_exist(name: str) -> None:
    counts = TextCounts(pa.array(["x"], pa.large_string()), LISTED)
    assert set(card(name).counts) <= set(counts if name in OF_TEXTS else COUNTS)


@pytest.mark.parametrize(
    "family",
    [
        *("basic", "c4", "code", "contacts", "conversations", "fineweb", "formula", "gopher"),
        *("japanese", "models", "perplexity", "redpajama", "repetition", "scripts"),
    ],
)
def test_doctests_of_formulas(family: str) -> None:
    assert doctest.testmod(importlib.import_module(f"curate.signals.{family}")).failed == 0


@pytest.mark.parametrize(
    "module", ["curate.signals", "curate.signals.verdict", "curate.text.words"]
)
def test_doctests(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0


def test_types_are_the_declared_ones_whatever_the_texts() -> None:
    for texts in ([], ["", None], ["One text of words.", "\n\n", "…", None]):
        for lists in ({}, LISTED):
            measured = measure(pa.array(texts, pa.large_string()), list(SIGNALS), lists)
            assert list(measured) == [column(name) for name in SIGNALS]
            for name in SIGNALS:
                values = measured[column(name)]
                assert values.type == signal_type(name)
                assert len(values) == len(texts)


def test_undefined_is_null_and_never_zero_or_nan() -> None:
    measured = measure(pa.array(["", "  ", None, "ab"], pa.large_string()), list(SIGNALS), LISTED)
    assert all(measured[column(n)].null_count == 4 for n in set(SIGNALS) - set(OF_TEXTS))
    for name in OF_TEXTS:
        values = measured[column(name)]
        assert not values.is_valid()[2].as_py(), name
        if values.type == pa.float64():
            assert not values.is_valid()[0].as_py(), name
            assert not any(np.isnan(v) for v in values.drop_null().to_pylist()), name
        elif name == "perplexity_bucket":
            assert values.to_pylist()[:2] == [None, None]
        else:
            assert values[0].as_py() == 0, name
    assert measured["signal_n_words"].to_pylist() == [0, 0, None, 1]
    assert measured["signal_mean_word_length"].to_pylist() == [None, None, None, 2.0]
    assert measured["signal_top_2gram_char_share"].to_pylist() == [None] * 4
    assert measured["signal_dup_5gram_char_share"].to_pylist() == [None, 0.0, None, 0.0]


def test_signals_of_a_list_that_is_not_given_are_null() -> None:
    names = [name for name in OF_TEXTS if set(card(name).counts) & set(LISTS)]
    assert set(names) == {
        "foreign_letter_share",
        *("script_share", "distinct_stop_words", "stop_word_share", "stop_word_variety"),
        *("n_ads", "n_adult_words", "n_discriminating_words", "n_violent_words"),
        *("n_blocked_phrases", "unigram_log_probability", "perplexity", "perplexity_bucket"),
    }
    measured = measure(pa.array(["the end of it"], pa.large_string()), names)
    assert all(values.to_pylist() == [None] for values in measured.values())
    measured = measure(pa.array(["the end of it"], pa.large_string()), names, LISTED)
    assert measured.pop("signal_perplexity").to_pylist()[0] > 9.5
    assert measured.pop("signal_perplexity_bucket").to_pylist() == ["tail"]
    assert [values.to_pylist() for _, values in sorted(measured.items())] == [
        *([2], [1.0], *[[1]] * 5, [1.0], [0.5], [2 / np.sqrt(4)]),
        [(sum(np.log([66, 6, 31, 1])) - 4 * np.log(104)).round(6) / 4],
    ]


def test_chars_and_shares_by_hand() -> None:
    text = "АБв 12, x!"
    names = ["letter_share", "digit_share", "punctuation_share", "upper_case_share", "n_bytes"]
    measured = measure(pa.array([text], pa.large_string()), names)
    assert [v[0].as_py() for v in measured.values()] == [4 / 8, 2 / 8, 2 / 8, 2 / 4, 13]


def test_unknown_signal_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match=re.escape("did you mean 'mean_word_length'?")):
        measure(pa.array(["x"], pa.large_string()), ["mean_word_lenght"])


def test_repetition_alone_or_with_others_is_the_same() -> None:
    texts = pa.array(["a b a b a b c", "x"], pa.large_string())
    alone = measure(texts, ["top_2gram_char_share"])["signal_top_2gram_char_share"]
    assert alone.equals(measure(texts, list(SIGNALS))["signal_top_2gram_char_share"])
    assert alone.to_pylist() == [9 / 13, None]


def test_the_registry_compiles_nothing() -> None:
    code = "import curate.signals, curate.signals.verdict, sys; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("text", "label", "foreign", "mixed"),
    [
        ("Öðle kasabanýn", "tur_Latn", 2 / 13, 0.0),
        ("Öğle kâğıt İZMİR ışık", "tur_Latn", 0.0, 0.0),
        ("iki takД±m vardД± dedi", "tur_Latn", 0.0, 2 / 5),
        ("балыќ таѕ ата", "kaz_Cyrl", 2 / 11, 0.0),
        ("қала туралы Intel", "kaz_Cyrl", 0.0, 0.0),
        ("iPhone-ы и 3D-модель", "rus_Cyrl", 0.0, 0.0),
        ("Mосква стоит", "rus_Cyrl", 0.0, 1 / 2),
        ("Tシャツとμm、한국의 KBS를", "jpn_Jpan", None, 0.0),
        ("Nguyễn Văn Đức", "vie_Latn", 0.0, 0.0),
        ("123", "tur_Latn", None, None),
    ],
)
def test_letters_outside_the_alphabet_and_words_of_two_scripts(
    text: str, label: str, foreign: float | None, mixed: float | None
) -> None:
    names = ["foreign_letter_share", "mixed_script_word_share"]
    lists = {"alphabet": written_letters(label)}
    measured = measure(pa.array([text], pa.large_string()), names, lists)
    assert [column[0].as_py() for column in measured.values()] == [foreign, mixed]
