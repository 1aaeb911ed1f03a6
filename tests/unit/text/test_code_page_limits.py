"""Readings that are cut short at a limit decide as complete ones do."""

import pytest

from curate.text import code_pages
from tests.unit.sources.test_decoding import READINGS


@pytest.mark.parametrize(("text", "page"), READINGS)
def test_any_below_is_whether_the_best_is_below(text, page):
    readings = code_pages.Readings(text.encode(page))
    best = readings.best()
    for bits in (best.bits - 0.125, best.bits, best.bits + 0.125, 0.0, 1e6):
        assert readings.any_below(bits) == (best.bits < bits)


def test_counting_leaves_nothing_behind():
    first = code_pages.Readings("Öğleden sonra rüzgâr".encode("cp1254")).best()
    code_pages.Readings(bytes(range(256)) * 5)
    assert code_pages.Readings("Öğleden sonra rüzgâr".encode("cp1254")).best() == first


@pytest.mark.parametrize("other", code_pages.PAGES)
@pytest.mark.parametrize(("text", "page"), READINGS)
def test_a_stated_page_is_kept_unless_another_is_clearly_better(text, page, other):
    data = text.encode(page)
    readings = code_pages.Readings(data)
    own, best = readings.of(other), readings.best()
    expected = other
    if own is None or own.bits - best.bits > 12 + own.pairs * 0.05:
        expected = best.page
    if best.mean <= code_pages.LIKELY and (own is None or own.mean <= code_pages.LIKELY):
        assert code_pages.likely(data, stated=other) == expected


@pytest.mark.parametrize("other", code_pages.PAGES)
@pytest.mark.parametrize(("text", "page"), READINGS)
def test_what_fits_is_what_the_comparison_keeps(text, page, other):
    data = text.encode(page)
    readings = code_pages.Readings(data)
    own = readings.of(other)
    if code_pages.fits(data, other):
        assert own is not None
        assert not readings.any_below(own.bits - 12 - own.pairs * 0.05)


def test_a_foreign_letter_inside_a_word_does_not_fit():
    russian = "Рыбаки на рассвете собрали свои сети и вернулись домой с богатым уловом. " * 40
    assert code_pages.fits(russian.encode("cp1251"), "cp1251")
    assert not code_pages.fits((russian + "теңіз").encode("kz1048"), "cp1251")


def test_text_of_few_letters_beyond_ascii_is_compared():
    assert not code_pages.fits("The café is open on Mondays. ".encode("cp1252"), "cp1252")
