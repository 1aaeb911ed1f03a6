"""The kernel against fastText itself, and properties that fastText does not promise."""

import gzip
import json
import os
from pathlib import Path

import fasttext
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.kernels.arrow import buffers
from curate.langid.fasttext import model
from curate.langid.identify import _large_strings
from tests.examples import examples

DATA = os.environ.get("CURATE_SHARED_DATA")


@pytest.fixture(scope="module")
def reference() -> fasttext.FastText._FastText:
    return fasttext.load_model(str(model.default_path()))


def compare(texts: list[str], reference: fasttext.FastText._FastText) -> tuple[int, float]:
    """Return how many labels differ from fastText's, and the largest difference of scores."""
    own = model.load()
    labels, scores = own.predict(*buffers(_large_strings(texts)))
    others, difference = 0, 0.0
    for text, numbers, best in zip(texts, labels, scores):
        [(score, label)] = reference.f.predict(text.replace("\n", " ") + "\n", 1, 0.0, "strict")
        others += label != f"__label__{own.labels[numbers[0]]}"
        difference = max(difference, abs(score - best[0]))
    return others, difference


WORDS = st.text(
    alphabet=st.sampled_from("aeiknrstzаеиоқәіуүһأبتيनमक中文東かな한국어'<>/_-0 \t\n\x0b"),
    max_size=60,
)


@examples(150)
@given(st.lists(st.one_of(WORDS, st.text(max_size=40)), min_size=1, max_size=4))
def test_same_answers_as_fasttext(reference: fasttext.FastText._FastText, texts: list[str]) -> None:
    own = model.load()
    labels, scores = own.predict(*buffers(_large_strings(texts)))
    for text, numbers, best in zip(texts, labels, scores):
        expected = reference.f.predict(text.replace("\n", " ") + "\n", 2, 0.0, "strict")
        assert best[0] == pytest.approx(expected[0][0], abs=2e-3)
        if len(expected) > 1 and expected[0][0] - expected[1][0] > 1e-3:
            assert expected[0][1] == f"__label__{own.labels[numbers[0]]}"
            assert best[1] == pytest.approx(expected[1][0], abs=2e-3)


@pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA")
@pytest.mark.real_data
def test_same_answers_as_fasttext_on_real_texts(reference: fasttext.FastText._FastText) -> None:
    texts = []
    for path in sorted(Path(str(DATA), "text").glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line, _ in zip(lines, range(80))]
    assert len(texts) > 2000
    others, difference = compare(texts, reference)
    assert others <= 0.0005 * len(texts)
    assert difference <= 2e-3


def test_words_that_fasttext_reserves(reference: fasttext.FastText._FastText) -> None:
    kazakh = "Бүгін ауа райы жақсы болады"
    plain, labelled, ended, alone = (
        model.load().predict(*buffers(_large_strings([text])))[1][0, 0]
        for text in (kazakh, f"__label__en {kazakh}", f"</s> {kazakh}", "</s>")
    )
    assert plain == labelled  # as in fastText
    assert plain == ended  # where fastText would stop reading
    assert alone == pytest.approx(reference.f.predict("\n", 1, 0.0, "strict")[0][0], abs=1e-4)


@examples(40)
@given(st.lists(WORDS, min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_cutting_and_shuffling_changes_no_bit(texts: list[str], random: object) -> None:
    own = model.load()
    labels, scores = own.predict(*buffers(_large_strings(texts)))
    order = list(range(len(texts)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = own.predict(*buffers(_large_strings([texts[k] for k in order])))
    assert (shuffled[0] == labels[order]).all()
    assert shuffled[1].tobytes() == scores[order].tobytes()
    for k, text in enumerate(texts):
        alone = own.predict(*buffers(_large_strings([text])))
        assert (alone[0] == labels[k]).all()
        assert alone[1].tobytes() == scores[k : k + 1].tobytes()


def test_slices_are_read_in_place() -> None:
    whole = _large_strings(["бір", "two", "üç", "", "넷"])
    own = model.load()
    labels, scores = own.predict(*buffers(whole))
    for start, stop in [(0, 2), (1, 4), (3, 4), (4, 5), (2, 2)]:
        cut = own.predict(*buffers(whole.slice(start, stop - start)))
        assert (cut[0] == labels[start:stop]).all()
        assert (cut[1] == scores[start:stop]).all()


EVERYTHING = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)

HOSTILE = {
    "empty": "",
    "NUL": "\0" * 1000,
    "all code points": EVERYTHING,
    "all code points as words": " ".join(EVERYTHING[:70_000]),
    "no space in a megabyte": "ж" * 500_000,
    "a megabyte of spaces": " " * 1_000_000,
    "marks": "а" + "\u0301" * 100_000,
    "words of one letter": "a " * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts(name: str, reference: fasttext.FastText._FastText) -> None:
    assert compare([HOSTILE[name]], reference)[1] <= 2e-3
