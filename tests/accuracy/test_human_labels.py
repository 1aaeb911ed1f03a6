"""Floors of what the profiles reject, with a model that has seen these rows.

They were set against human labels of 2,346 web pages in 22 languages.

``python -m tests.benchmarks.human_labels`` prints the same beside FineWeb2's thresholds, in
datatrove's filters with its words: precision 0.25, recall 0.52, F1 0.34, and 22 percent of the good
pages rejected (without its rule on line ends, which excerpts always fail). No limit was set on
single pages; the labels showed that Gopher's limits on repeated 5- to 10-grams mostly reject
natural pages, and which multiple of the median of clean text a limit on function words may be.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import human_labels

DATA = os.environ.get("CURATE_SHARED_DATA")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA"),
]


@cache
def rows() -> list[dict[str, Any]]:
    return human_labels.read_rows(Path(str(DATA), human_labels.ROWS))


@cache
def rejected(*, with_language: bool) -> tuple[bool, ...]:
    rules = [rule is not None for rule in human_labels.our_rules(rows())]
    other = human_labels.other_language(rows()) if with_language else [False] * len(rules)
    return tuple(a or b for a, b in zip(rules, other))


def test_the_labels_are_all_there() -> None:
    assert len(rows()) == 2346
    assert sum(row["bad"] for row in rows()) == 288


@pytest.mark.parametrize(
    ("with_language", "precision", "recall", "f1", "false_rejection"),
    [(False, 0.48, 0.30, 0.37, 0.045), (True, 0.40, 0.39, 0.40, 0.082)],
)
def test_floors(
    with_language: bool, precision: float, recall: float, f1: float, false_rejection: float
) -> None:
    measured = human_labels.score(rows(), rejected(with_language=with_language))
    assert measured["precision"] >= precision
    assert measured["recall"] >= recall
    assert measured["f1"] >= f1
    assert measured["false_rejection"] <= false_rejection


def test_no_language_loses_more_than_an_eighth_of_its_good_pages() -> None:
    labels = sorted({row["lang_predicted"] for row in rows()})
    for label in labels:
        good = [
            no
            for row, no in zip(rows(), rejected(with_language=False))
            if row["lang_predicted"] == label and not row["bad"]
        ]
        assert sum(good) / len(good) <= 0.13, label


def test_a_page_that_is_unnatural_is_rejected_six_times_as_often() -> None:
    rules = rejected(with_language=False)
    shares = []
    for value in (0, 1):
        of = [no for row, no in zip(rows(), rules) if row["unnatural"] == value]
        shares.append(sum(of) / len(of))
    assert shares[1] > 6 * shares[0]
