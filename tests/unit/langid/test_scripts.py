"""Scripts and letters against a slow count in Python, and the script of mixed texts."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.kernels.arrow import buffers
from curate.kernels.unicode import CLASS, LETTER, SCRIPT, SCRIPTS
from curate.langid import scripts
from curate.langid.identify import _large_strings
from tests.examples import examples

LETTER_SETS = frozenset(map(frozenset, ("әіқ", "abß", "қa漢國", "國", "ا1 ")))


def count(texts: list[str]) -> scripts.Letters:
    data, offsets = buffers(_large_strings(texts))
    return scripts.count_letters(data, offsets, LETTER_SETS)


@examples(100)
@given(st.lists(st.one_of(st.text(), st.text("әіқabß漢國ا1 жé")), max_size=5))
def test_counts_agree_with_a_loop_over_characters(texts: list[str]) -> None:
    counted = count(texts)
    for row, text in enumerate(texts):
        letters = [c for c in text if CLASS[ord(c)] & LETTER]
        assert counted.total[row] == len(letters)
        by_script = Counter(SCRIPTS[SCRIPT[ord(c)]] for c in letters)
        for script in ("Latn", "Cyrl", "Arab"):
            assert counted.scripts[row, scripts.NAMES.index(script)] == by_script[script]
        for letter_set in LETTER_SETS:
            number = counted.count_of(letter_set, np.array([row]))[0]
            assert number == sum(c in letter_set for c in letters)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("", "Zyyy"),
        ("12:30 — 5 %", "Zyyy"),
        ("Қазақ тілі and a word", "Cyrl"),
        ("東京都は日本の首都である", "Jpan"),
        ("東京大学", "Hani"),
        ("大韓民國의 首都", "Hang"),
        ("我喜歡看の字的招牌因為它讓我想起小時候跟家人一起去旅行的時光", "Hani"),
        ("مرحبا", "Arab"),
    ],
)
def test_script_of_a_text(text: str, script: str) -> None:
    assert scripts.NAMES[count([text]).script[0]] == script


@pytest.mark.parametrize(
    ("text", "traditional"),
    # 國 is in a required set, and so no sign of either.
    [("这个国家的语言", False), ("這個國家的語言", True), ("中文", False), ("國國國个", False)],
)
def test_simplified_and_traditional(text: str, traditional: bool) -> None:
    assert count([text]).traditional[0] == traditional


def test_every_code_point_is_counted() -> None:
    text = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    assert count([text]).total[0] == np.count_nonzero(CLASS & LETTER)
