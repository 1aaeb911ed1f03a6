"""curate's signals against datatrove's filters on the same words: same numbers, same verdicts.

datatrove's tokenizers are replaced by curate's; the rest of its filters runs as shipped. Three of
its quirks are left out on purpose: newlines around a text and line breaks other than U+000A, which
the texts here do not have, and n-grams that are equal only because it joins words with nothing
between, so that its repetition filter gets every word under another name of the same length.
"""

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)
from datatrove.pipeline.filters import (
    fineweb_quality_filter as fineweb_module,
)
from datatrove.pipeline.filters import (
    gopher_quality_filter as quality_module,
)
from datatrove.pipeline.filters import (
    gopher_repetition_filter as repetition_module,
)
from datatrove.utils.text import PUNCTUATION_SET, TERMINAL_PUNCTUATION
from hypothesis import given
from hypothesis import strategies as st

from curate.recipe.profile import Profile, TrimSection
from curate.signals import column, measure
from curate.signals.verdict import verdicts
from curate.text.trim import trim
from curate.text.words import words
from tests.examples import examples
from tests.published_rules import C4, FINEWEB, QUALITY, REPETITION

DATA = os.environ.get("CURATE_SHARED_DATA")
STOP_WORDS = {
    "eng_Latn": quality_module.STOP_WORDS,
    "rus_Cyrl": ["в", "и", "на", "с", "года", "по", "не", "что"],
    "kaz_Cyrl": ["және", "мен", "бұл", "бір", "үшін", "оның"],
    "jpn_Jpan": ["の", "は", "に", "を", "が"],
}


def renamed(text: str, language: str | None = None) -> list[str]:
    """Rename each word to one private character and padding, so that joined words stay apart."""
    names: dict[str, int] = {}
    spelled = words(text)
    return [chr(0xF0000 + names.setdefault(w, len(names))) + "_" * (len(w) - 1) for w in spelled]


@pytest.fixture(autouse=True, scope="module")
def our_words() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (quality_module, fineweb_module):
            patch.setattr(module, "split_into_words", lambda text, language=None: words(text))
        patch.setattr(repetition_module, "split_into_words", renamed)
        yield


def our_reasons(texts: list[str], rules: Profile, stop_words: list[str]) -> list[str | None]:
    names = [rule.signal for rule in rules.rules.values()]
    column_ = pa.array(texts, pa.large_string())
    table = pa.table(measure(column_, names, {"stop_words": stop_words}))
    reasons: list[str | None] = verdicts(table, rules)[0].to_pylist()
    return reasons


def their_reasons(texts: list[str], judge: Callable[[Document], object]) -> list[str | None]:
    answers = [judge(Document(text=text, id=str(i))) for i, text in enumerate(texts)]
    return [None if verdict is True else verdict[1] for verdict in answers]  # type: ignore[index]


def numbers(text: str, stop_words: list[str]) -> dict[str, float | None]:
    """Compute each signal the way the filters' source does, with their helper functions."""
    spelled = words(text)
    plain = [w for w in spelled if any(ch not in PUNCTUATION_SET for ch in w)]
    lines = text.splitlines()
    full = [line for line in text.split("\n") if line.strip() != ""]
    filled = repetition_module.GopherRepetitionFilter()._line_splitter.split(text)
    paragraphs = GopherRepetitionFilter().paragraph_exp.split(text.strip())
    n_words, n_chars = len(spelled), len(text)

    def over(part: float, whole: float) -> float | None:
        return part / whole if whole else None

    duplicates = repetition_module.find_duplicates
    expected = {
        "n_words": len(plain),
        "mean_word_length": np.mean([len(w) for w in plain]) if plain else None,
        "hash_word_ratio": over(text.count("#"), n_words),
        "ellipsis_word_ratio": over(text.count("...") + text.count("…"), n_words),
        "bullet_line_share": over(
            sum(s.lstrip().startswith("•") or s.lstrip().startswith("-") for s in lines), len(lines)
        ),
        "ellipsis_line_share": over(
            sum(s.rstrip().endswith("...") or s.rstrip().endswith("…") for s in lines), len(lines)
        ),
        "alphabetic_word_share": over(sum(any(c.isalpha() for c in w) for w in spelled), n_words),
        "distinct_stop_words": len(set(stop_words) & set(spelled)),
        "dup_paragraph_share": over(duplicates(paragraphs)[0], len(paragraphs)),
        "dup_paragraph_char_share": over(duplicates(paragraphs)[1], n_chars),
        "dup_line_share": over(duplicates(filled)[0], len(filled)),
        "dup_line_char_share": over(duplicates(filled)[1], n_chars),
        "terminal_line_share": over(
            sum(line.endswith(tuple(TERMINAL_PUNCTUATION)) for line in full), len(full)
        ),
        "short_line_share": over(sum(len(line) <= 30 for line in full), len(full)),
        "dup_full_line_char_share": over(duplicates(full)[1], len(text.replace("\n", ""))),
        "newline_word_ratio": over(text.count("\n"), n_words),
    }
    for n in (2, 3, 4):
        grams = repetition_module.get_n_grams(spelled, n)
        top = repetition_module.find_top_duplicate(grams) / n_chars if grams else None
        expected[f"top_{n}gram_char_share"] = top
    for n in range(5, 11):
        found = repetition_module.find_all_duplicate(renamed(text), n)
        expected[f"dup_{n}gram_char_share"] = over(found, n_chars)
    return expected


def assert_same(texts: list[str], stop_words: list[str]) -> None:
    expected = [numbers(text, stop_words) for text in texts]
    measured = measure(
        pa.array(texts, pa.large_string()), list(expected[0]), {"stop_words": stop_words}
    )
    for name in expected[0]:
        ours = measured[column(name)].to_pylist()
        reference = [numbers_of[name] for numbers_of in expected]
        wrong = [i for i, (a, b) in enumerate(zip(ours, reference)) if a != b]
        assert not wrong, (name, ours[wrong[0]], reference[wrong[0]], texts[wrong[0]][:500])

    texts = [text for text in texts if words(text) and text.strip()]  # datatrove divides by zero
    for filter_, rules in (
        (GopherQualityFilter(stop_words=stop_words), QUALITY),
        (GopherRepetitionFilter(), REPETITION),
        (FineWebQualityFilter(), FINEWEB),
    ):
        assert our_reasons(texts, rules, stop_words) == their_reasons(texts, filter_.filter)
    c4 = C4QualityFilter(
        remove_citations=False,
        filter_no_terminal_punct=False,
        min_num_sentences=-1,
        min_words_per_line=-1,
        max_word_length=-1,
        filter_javascript=False,
        filter_policy=False,
    )
    ours_dropped = [reason is not None for reason in our_reasons(texts, C4, stop_words)]
    assert ours_dropped == [reason is not None for reason in their_reasons(texts, c4.filter)]


def tidy(text: str) -> str:
    return "\n".join(text.splitlines()).strip("\n")


# Words that stay distinct when they are joined: each begins with its only capital letter.
WORDS = [
    "Aa",
    "Bbb",
    "Cэ",
    "Дд",
    "Қазақ",
    "Word",
    "The",
    "#",
    "…",
    "-",
    "•",
    "{",
    "Lorem ipsum",
    "1",
]
SHORT_TEXT = st.lists(
    st.tuples(
        st.sampled_from(WORDS),
        st.sampled_from(
            [" ", " ", " ", ". ", ", ", "...", "…\n", ".\n", "\n", "\n\n", " \n- ", "! "]
        ),
    ),
    min_size=1,
    max_size=50,
).map(lambda parts: tidy("".join(word + gap for word, gap in parts)))


@examples(60)
@given(st.lists(SHORT_TEXT.filter(bool), min_size=1, max_size=3))
def test_same_numbers_and_verdicts_on_small_texts(texts: list[str]) -> None:
    assert_same(texts, ["Aa", "Дд", "Word"])


@examples(40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(60, 400))
def test_same_numbers_and_verdicts_where_much_is_repeated(seed: int, known: int, size: int) -> None:
    chance = np.random.default_rng(seed)
    spelled = [f"W{'abcdefghij'[i % 10]}{'xy' * (i // 10)}" for i in range(known)]
    picked = [spelled[i] for i in chance.zipf(1.4, size) % known]
    gaps = chance.choice([" ", " ", " ", " ", ". ", "\n", ".\n\n"], size)
    assert_same([tidy("".join(w + g for w, g in zip(picked, gaps)))], ["Wa", "Wb"])


def documents(pattern: str, most: int, longest: int = 12_000) -> list[str]:
    texts: list[str] = []
    for path in sorted(Path(DATA or "").glob(pattern)):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts += [tidy(json.loads(line)["text"])[:longest].strip("\n") for line in lines]
    step = max(1, len(texts) // most)
    return [text for text in texts[::step] if text.strip()]


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("language", "pattern"),
    [
        ("eng_Latn", "text/en-*.gz"),
        ("eng_Latn", "formats/c4_demo.jsonl.gz"),
        ("rus_Cyrl", "text/ru-*.gz"),
        ("kaz_Cyrl", "text/kk-kazqad*.gz"),
        ("kaz_Cyrl", "text/kk-apertium*.gz"),
        ("jpn_Jpan", "text/ja-*.gz"),
    ],
)
def test_same_numbers_and_verdicts_on_real_documents(language: str, pattern: str) -> None:
    texts = documents(pattern, 100)
    assert texts
    assert_same(texts, STOP_WORDS[language])


#: C4's rules on lines, with datatrove's limit on words and without curate's additions.
LINES = TrimSection(
    rules=(
        *("citation_marks", "javascript_lines", "cookie_policy_lines"),
        *("terminal_punctuation_lines", "few_words_lines"),
    ),
    options={"terminal_punctuation_lines": {"marks": ".?!"}, "few_words_lines": {"min_words": 3}},
)
#: curate also ends a sentence before these, unlike C4.
CLOSERS = tuple("”’»›」』）)]】〉》'\"… ")


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
@pytest.mark.parametrize("language", ["en", "ru", "kk", "ja"])
def test_c4_keeps_the_same_lines(language: str) -> None:
    found = [
        line.strip()
        for text in documents(f"text/{language}-*.gz", 150)
        for line in text.split("\n")
    ]
    notices = [
        "Please enable Javascript now.",
        "See the [edit] terms of use here.",
        "It ends [1] here.[2]",
    ]
    lines = [s for s in dict.fromkeys(found) if s and not s.endswith(CLOSERS)] + notices
    section = LINES
    spaced = (
        language != "ja"
    )  # a character of Japanese is a word of ours, and its full stop is no "."
    if not spaced:
        section = LINES.model_copy(update={"rules": LINES.rules[:3]})
    filter_ = C4QualityFilter(
        min_num_sentences=-1,
        min_words_per_line=3 if spaced else -1,
        filter_no_terminal_punct=spaced,
        filter_lorem_ipsum=False,
        filter_curly_bracket=False,
    )
    reference = []
    for line in lines:
        document = Document(text=line, id="0")
        assert filter_.filter(document) is True
        reference.append(document.text)
    ours = trim(pa.array(lines, pa.large_string()), section)[0].to_pylist()
    assert [line.strip() for line in ours] == reference
    assert sum(line != "" for line in ours) > 100
    assert "" in ours
