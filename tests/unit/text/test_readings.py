"""What bytes cost in code pages: as adding up every reading in full finds it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.text import code_pages, readings
from curate.text.code_pages import CASE, EIGHTHS, PAGES, UNDEFINED
from tests.examples import examples
from tests.unit.sources.test_decoding import READINGS

TEXTS = [text.encode(page) for text, page in READINGS]
PIECES = st.sampled_from(
    [*(text[at : at + 9] for text in TEXTS for at in (0, 20)), b"<p>", b"&amp;", b" the ", b"\x80"]
)


def in_full(data: bytes) -> list[tuple[float, int, str, float]]:
    """Return (bits, number, page, bits of its pairs) of each reading, pair by pair."""
    known = code_pages.tables()
    plain = bytes(b if b > 127 or chr(b).isalpha() else 32 for b in data)
    pairs = list(zip(b" " + plain, plain + b" ", strict=True))
    high = [(a, b) for a, b in pairs if a > 127 or b > 127]
    letters = sum(32 < b < 128 for _, b in pairs)
    latin = {}
    for r, language in enumerate(known.language):
        if known.latin[language]:
            slot = known.slots[r]
            latin[language] = sum(
                int(known.costs[language, slot[a | 32], slot[b | 32]])
                for a, b in pairs
                if a < 128 and b < 128 and (a, b) != (32, 32)
            )
    found = []
    for p, page in enumerate(PAGES):
        for r in range(known.readings[p], known.readings[p + 1]):
            language, slot, case = known.language[r], known.slots[r], known.case[p]
            if any(slot[b] == UNDEFINED for b in plain if b > 127):
                continue
            bits = sum(
                int(known.costs[language, slot[a], slot[b]])
                + CASE * int(case[a] == 1 and case[b] == 2)
                for a, b in high
            )
            beside = latin.get(language)
            if beside is None:
                beside = min(latin.values()) + 4 * EIGHTHS * min(letters / 4, 3 * len(high))
            total = bits / EIGHTHS + beside / EIGHTHS / 4 + PAGES[page][1]
            found.append((total, r, page, bits / EIGHTHS))
    return found


@examples(60)
@given(
    data=st.lists(PIECES, min_size=1, max_size=12).map(b"".join),
    stated=st.sampled_from(list(PAGES)),
)
def test_the_cheapest_reading_is_found(data: bytes, stated: str) -> None:
    every = in_full(data)
    best = min(every, default=None)
    own = min((reading for reading in every if reading[2] == stated), default=None)
    for found, expected in zip(readings.compare(data, stated), (own, best), strict=True):
        assert (found is None) == (expected is None)
        if found and expected:
            assert (found.bits, found.page) == (expected[0], expected[2])
            assert found.mean * max(1, found.pairs) == pytest.approx(expected[3])


def test_tags_and_entities_do_not_count() -> None:
    text = "Öğleden sonra rüzgâr".encode("cp1254")
    tagged = b"<p class=\xfe\xf0>" + text + b"&#199;</p>"
    assert readings.compare(tagged, markup=True) == readings.compare(b" " + text + b"  ")
    assert readings.compare(tagged) != readings.compare(tagged, markup=True)


def test_counting_leaves_nothing_behind() -> None:
    text = "Öğleden sonra rüzgâr".encode("cp1254")
    first = readings.compare(text, "cp1252")
    readings.compare(bytes(range(256)) * 5)
    readings.holds(bytes(range(1, 256)) * 5, "cp1251")
    assert readings.compare(text, "cp1252") == first
    assert not np.any(readings._scratch()[0])


@pytest.mark.parametrize("other", PAGES)
@pytest.mark.parametrize("data", TEXTS)
def test_what_holds_is_what_the_comparison_keeps(data: bytes, other: str) -> None:
    own, best = readings.compare(data, other)
    if readings.holds(data, other):
        assert own is not None and best is not None
        clearly = best.bits < own.bits - 12 - own.pairs * 0.05
        assert not clearly or data.decode(best.page) == data.decode(other)


def test_a_foreign_letter_inside_a_word_does_not_hold() -> None:
    russian = "Рыбаки на рассвете собрали свои сети и вернулись домой с богатым уловом. "
    assert readings.holds(russian.encode("cp1251"), "cp1251")
    assert not readings.holds((russian + "теңіз бөлігі қазақ").encode("kz1048"), "cp1251")


def test_the_letter_of_another_language_is_compared_in_few_words() -> None:
    assert readings.holds("The café is open on Mondays. ".encode("cp1252"), "cp1252")
    romanian = "Ergänzungsschulen sunt şcoli secundare".encode("cp1250")
    assert not readings.holds(romanian, "cp1252")
