"""Phrases of a list: the counts of re.findall, in one pass."""

import re
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.kernels import unicode
from curate.kernels.arrow import buffers
from curate.text.phrases import compiled, count_phrases
from tests.examples import examples


def counted(texts: list[str], phrases: list[str], whole_words: bool = False) -> list[int]:
    column = pa.array(texts, pa.large_string())
    out = np.zeros(len(texts), np.int64)
    data, offsets = buffers(column)
    starts, ends = offsets[:-1], offsets[1:]
    count_phrases(data, starts, ends, *compiled(tuple(phrases), whole_words), unicode.CLASS, out)
    numbers: list[int] = out.tolist()
    return numbers


def twin(text: str, phrases: list[str]) -> int:
    """Count as hojichar's pattern does, without its empty alternatives."""
    phrases = [phrase.strip() for phrase in phrases if phrase.strip()]
    katakana = [re.escape(p) for p in phrases if re.fullmatch("[ァ-ヴー]+", p)]
    others = [re.escape(p) for p in phrases if not re.fullmatch("[ァ-ヴー]+", p)]
    if katakana:
        others.append(f"(?<![ァ-ヴー])(?:{'|'.join(katakana)})(?![ァ-ヴー])")
    return len(re.findall("|".join(others), text)) if others else 0


@pytest.mark.parametrize(
    ("text", "phrases", "expected"),
    [
        ("", ["送料"], 0),
        ("送料無料、送料込み", ["送料"], 2),
        ("①②①", ["①", "②"], 3),
        ("アスパラガス", ["アス"], 0),  # inside a longer word of katakana
        ("アス、アス。", ["アス"], 2),
        ("アス", ["アス"], 1),
        ("スーパーアス", ["アス"], 0),
        ("アスー", ["アス"], 0),
        ("ガスアスガス", ["アスガ", "ア"], 0),
        ("アス男アス男", ["アス男", "アス"], 2),  # not only katakana: counts anywhere
        ("パラアス男", ["アス男"], 1),
        ("aaaa", ["aa"], 2),  # none twice
        ("abc", ["ab", "abc"], 1),
        ("abcc", ["ab", "bcc", "c"], 3),  # the first of the list wins: ab, c, c
        ("bcc", ["c", "bcc"], 1),
        ("(a+b)*", ["a+b"], 1),
        ("a  b", [" ", ""], 0),
        ("𠮷野家の𠮷", ["𠮷"], 2),
    ],
)
def test_phrases_by_hand(text: str, phrases: list[str], expected: int) -> None:
    assert counted([text], phrases) == [expected]
    assert twin(text, phrases) == expected


ALPHABET = "アイーヴンaあ字①𠮷 "


@examples(300)
@given(
    st.lists(st.text(ALPHABET, max_size=40), min_size=1, max_size=4),
    st.lists(st.text(ALPHABET, max_size=4), min_size=1, max_size=12),
)
def test_counts_are_those_of_a_regular_expression(texts: list[str], phrases: list[str]) -> None:
    assert counted(texts, phrases) == [twin(text, phrases) for text in texts]


@pytest.mark.parametrize(
    ("text", "phrases", "expected"),
    [
        ("Class, ass.", ["ass"], 1),
        ("ASS ass-hat İASS", ["Ass"], 2),
        ("dirty  word, dirty word", ["dirty word"], 1),
        ("бұл Сөз, сөзбен", ["сөз"], 1),
        ("$$$ and x$$", ["$$"], 2),  # no letters at its ends
        ("悪い言葉です", ["言葉"], 1),  # no spaces in this script
    ],
)
def test_whole_words_in_any_case(text: str, phrases: list[str], expected: int) -> None:
    assert counted([text], phrases, whole_words=True) == [expected]


def test_hojichar_finds_as_many() -> None:
    """Its lists and its patterns, where the package is installed."""
    filters = pytest.importorskip("hojichar.filters.document_filters")
    folder = filters.BASE_PATH / "dict"
    texts = ["ＳＭ、エロい。", "アダルトサイト", "送料①■よくある質問", "アスパラガス、バカ、殺す"]
    for name in ("advertisement", "adult", "discrimination", "violence"):
        path = folder / f"{name}_keywords_ja.txt"
        words = path.read_text(encoding="utf-8").split("\n")
        pattern = filters.NgWordsFilterJa(path, ignore_confused=True).keyword_pat
        seen = texts + [f"{a}{b}、{a}" for a, b in pairwise(words)] + ["".join(words)]
        if any(re.fullmatch("[ァ-ヴー]+", word) for word in words):
            expected = [sum(1 for _ in pattern.finditer(text)) for text in seen]
        else:  # its pattern has an empty alternative then
            expected = [sum(1 for _ in filters.DiscardAds().keyword_pat.finditer(t)) for t in seen]
        assert counted(seen, words) == expected
