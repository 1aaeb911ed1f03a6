"""N-gram models beside a slow twin that is written from the formulas, and what training is."""

import hashlib
import math
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.calibrate import ngram
from curate.calibrate.ngram import train
from curate.errors import RecipeError
from curate.kernels import unicode
from curate.signals import ngram_model
from tests.examples import examples
from tests.kneser_ney import KneserNey, spelled

FEW = st.text("abAБ 1\n漢", max_size=12)
DOCUMENTS = st.lists(st.text("aabbbАб 12.\n", min_size=1, max_size=60), min_size=1, max_size=8)


def twin(documents: list[str], model: ngram_model.NgramModel) -> KneserNey:
    """Build the slow twin of a model from the documents that it was trained on."""
    ordered = sorted(
        set(documents), key=lambda d: hashlib.blake2b(d.encode(), digest_size=16).digest()
    )
    text = "".join(" " + spelled(one) for one in ordered if spelled(one))
    times = Counter(text)
    alphabet = "".join(c for c in sorted(times) if times[c] >= 3 or c == " ")
    assert alphabet == "".join(map(chr, model.arrays["alphabet"]))
    return KneserNey(text, alphabet, model.card["limits"])


def costs(model: ngram_model.NgramModel, texts: list[str]) -> list[tuple[float, int]]:
    found, lengths = model.costs(pa.array(texts, pa.large_string()))
    return list(zip((found / 1e6).tolist(), lengths.tolist()))


@examples(150)
@given(DOCUMENTS, st.lists(FEW, max_size=4), st.integers(2, 6), st.integers(4, 200))
def test_costs_are_those_of_the_slow_twin(
    documents: list[str], texts: list[str], order: int, most: int
) -> None:
    if not any(spelled(one) for one in documents):
        return
    model = train("x", documents, order=order, most=most)
    slow = twin(documents, model)
    for text, (cost, length) in zip(texts, costs(model, texts)):
        assert length == len(spelled(text))
        assert cost == pytest.approx(slow.cost(text), abs=1e-5 * max(1, length))


def test_a_text_long_enough_for_estimated_discounts_and_rare_ngrams_left_out() -> None:
    drawn = random.Random(3)
    letters = "eeeeeeaaaaaooooiiinntttssrrlldhкқмжz   "
    documents = ["".join(drawn.choice(letters) for _ in range(500)) for _ in range(12)]
    for most in (100_000, 1500):
        model = train("x", documents, order=4, most=most)
        slow = twin(documents, model)
        assert (max(model.card["limits"]) > 1) == (most == 1500)
        assert sum(d != (0.5, 1.0, 1.5) for d in slow.discounts) >= 2
        texts = ["tensor қа bca", "zzz", "қққ ab 漢", documents[0]]
        for text, (cost, _) in zip(texts, costs(model, texts)):
            assert cost == pytest.approx(slow.cost(text), abs=1e-3)


@pytest.mark.parametrize("most", [100_000, 40])
@pytest.mark.parametrize("context", ["", "a", "ab", "the", "zzzz", "漢", "abcabcab", "cabzb"])
def test_probabilities_sum_to_one_over_all_code_points(context: str, most: int) -> None:
    documents = ["abc abd abe the cat 12 13", "bca the cab abc the", "a b c d e the abc"]
    model = train("x", documents, order=5, most=most)
    letters = [chr(c) for c in model.arrays["alphabet"] if c != ord(" ")]
    before = costs(model, [context])[0][0]
    chances = [math.exp(before - cost) for cost, _ in costs(model, [context + c for c in letters])]
    outside = math.exp(before - costs(model, [context + "Ω"])[0][0])
    # A space has no cost of its own, because none is scored at an end: it is the twin's.
    known = tuple(c if c in letters else "" for c in context)
    space = twin(documents, model).probability((" ", *known), " ")
    total = sum(chances) + (0x110000 - len(letters) - 1) * outside + space
    assert total == pytest.approx(1.0, abs=1e-4)


def test_the_twin_sums_to_one() -> None:
    documents = ["abc abd abe the cat 12 13", "bca the cab abc the", "a b c d e the abc"]
    for most in (100_000, 40):
        slow = twin(documents, train("x", documents, order=5, most=most))
        for context in ("", "a", "the ", "zzzz", "abca"):
            symbols = [*slow.alphabet, ""]
            total = sum(slow.probability(tuple(context), symbol) for symbol in symbols)
            assert total == pytest.approx(1.0, abs=1e-12)


def test_the_same_bytes_twice_in_any_order_of_documents(tmp_path: Path) -> None:
    drawn = random.Random(1)
    documents = ["".join(drawn.choice("abcdeқ ") for _ in range(200)) for _ in range(30)]
    for name, known in (("a", documents), ("b", documents[::-1] + documents[:3])):
        train("kaz_Cyrl", known).save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert not (tmp_path / "a.tmp").exists()


def test_no_document_dominates_and_no_more_characters_are_read_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long = "zy" * 50_000
    documents = [f"ab cd {n}" for n in range(100)]
    assert train("x", [long, *documents]).card["characters"] < 20_000 + 1000
    monkeypatch.setattr(ngram, "MOST_CHARACTERS", 500)
    assert train("x", documents).card["characters"] == 500


def test_more_ngrams_than_wanted_are_left_out_the_longest_first() -> None:
    drawn = random.Random(2)
    documents = ["".join(drawn.choice("abcdef ") for _ in range(400)) for _ in range(20)]
    whole = train("x", documents, most=1_000_000)
    less = train("x", documents, most=3_000)
    assert whole.card["limits"] == [1] * 6
    assert less.card["ngrams"] <= 3_000 < whole.card["ngrams"]
    assert less.card["limits"] == sorted(less.card["limits"])
    assert less.card["limits"][-1] > 1


def test_text_of_another_language_or_of_random_words_costs_more() -> None:
    drawn = random.Random(5)
    words = ["қала", "мен", "және", "үшін", "бұл", "тіл", "адам", "жыл"]
    documents = [" ".join(drawn.choice(words) for _ in range(60)) for _ in range(40)]
    own = " ".join(drawn.choice(words) for _ in range(30))
    mixed = "".join(drawn.sample(own, len(own)))
    foreign = "漢字仮名交じり文" * 5
    found = [cost / n for cost, n in costs(train("x", documents), [own, mixed, foreign])]
    assert found == sorted(found)
    assert found[1] > 2 * found[0]
    # A text wholly outside of the alphabet is not easy, although unknown follows unknown.
    assert found[2] > 10


def test_text_without_characters_is_refused() -> None:
    with pytest.raises(RecipeError, match="there is no text to train"):
        train("x", ["  \n", ""])


def test_folding_knows_digits_and_spaces_of_all_scripts() -> None:
    table = ngram_model.folded()
    assert [chr(table[ord(c)]) for c in "ҚIı7٣७\n\u3000\u00a0a"] == [
        *("қ", "i", "i", "0", "0", "0", " ", " ", " ", "a")
    ]
    assert not np.shares_memory(table, unicode.FOLD)
