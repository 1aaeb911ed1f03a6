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
