"""Floors of language identification on gold sentences. Lower one only on purpose, and say why.

Measured with lid.176 and without profiles. Languages that neither the model nor an alphabet of ours
knows are left out; Chinese whose gold does not say which characters it has counts as either.
"""

import gzip
import os
from functools import cache
from pathlib import Path

import pytest

from curate.langid import labels, model
from curate.langid.alphabets import ALPHABETS
from curate.langid.identify import _buffers, _large_strings, identify

DATA = os.environ.get("CURATE_SHARED_DATA")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not DATA, reason="needs $CURATE_SHARED_DATA"),
]

SENTENCES, TURKIC = "lid_gold_dev.tsv.gz", "lid_turkic_xwmt_dev.tsv.gz"

#: Names in the gold files for a language that we name otherwise.
SAME = {"ekk": "est", "zlm": "zsm", "pbu": "pbt", "prs": "pes"}


@cache
def gold(file: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the gold labels and texts of the languages that can be told at all."""
    known = {labels.scripts_of(label)[0] for label in model.load().labels}
    known |= {label[:3] for label in ALPHABETS}
    rows = []
    with gzip.open(Path(str(DATA), "lid", file), "rt", encoding="utf-8", newline="\n") as lines:
        next(lines)
        for line in lines:
            _, lang, source, _, text = line.rstrip("\n").split("\t")
            code, _, script = lang.partition("_")
            code = SAME.get(code, code)
            if code in known and not source.startswith("udhr"):
                rows.append((f"{code}_{script}", text))
    return tuple(lang for lang, _ in rows), tuple(text for _, text in rows)


@cache
def ours(file: str) -> tuple[str, ...]:
    truth, texts = gold(file)
    found = identify(texts)["lang"].to_pylist()
    return tuple(_either(t, f) for t, f in zip(truth, found))


@cache
def model_alone(file: str) -> tuple[str, ...]:
    """Give the model's best label, with the script of the gold label as a present."""
    truth, texts = gold(file)
    loaded = model.load()
    numbers, _ = loaded.predict(*_buffers(_large_strings(texts)))
    found = []
    for lang, number in zip(truth, numbers[:, 0].tolist()):
        code, scripts = labels.scripts_of(loaded.labels[number])
        found.append(lang if code == lang[:3] else f"{code}_{scripts[0]}")
    return tuple(found)


def _either(truth: str, found: str) -> str:
    return truth if truth.endswith("_Hani") and found[:3] == truth[:3] else found


def accuracy(truth: tuple[str, ...], found: tuple[str, ...]) -> float:
    return sum(t == f for t, f in zip(truth, found)) / len(truth)


def precision_recall(truth: tuple[str, ...], found: tuple[str, ...], lang: str) -> list[float]:
    right = sum(t == f == lang for t, f in zip(truth, found))
    return [right / max(1, found.count(lang)), right / max(1, truth.count(lang))]


def macro_f1(truth: tuple[str, ...], found: tuple[str, ...]) -> float:
    scores = []
    for lang in sorted(set(truth)):
        precision, recall = precision_recall(truth, found, lang)
        scores.append(2 * precision * recall / max(precision + recall, 1e-9))
    return sum(scores) / len(scores)


@pytest.mark.parametrize(
    ("file", "floor_accuracy", "floor_f1"), [(SENTENCES, 0.899, 0.890), (TURKIC, 0.926, 0.931)]
)
def test_floors(file: str, floor_accuracy: float, floor_f1: float) -> None:
    truth, _ = gold(file)
    assert accuracy(truth, ours(file)) >= floor_accuracy
    assert macro_f1(truth, ours(file)) >= floor_f1


@pytest.mark.parametrize(
    ("file", "lang", "precision", "recall"),
    [
        (TURKIC, "kaz_Cyrl", 0.92, 0.99),  # the model alone has a precision of 0.67
        (TURKIC, "kir_Cyrl", 0.99, 0.94),
        (TURKIC, "bak_Cyrl", 0.99, 0.95),
        (TURKIC, "kaa_Cyrl", 0.99, 0.73),  # the model has no label for it
        (TURKIC, "rus_Cyrl", 0.95, 0.99),
        (SENTENCES, "kaz_Cyrl", 0.99, 0.97),
        (SENTENCES, "tur_Latn", 0.92, 0.96),
        (SENTENCES, "jpn_Jpan", 0.98, 0.99),
        (SENTENCES, "cmn_Hani", 0.99, 0.98),
        (SENTENCES, "cmn_Hant", 0.99, 0.95),
        (SENTENCES, "kor_Hang", 0.99, 0.99),
        (SENTENCES, "arb_Arab", 0.99, 0.99),
        (SENTENCES, "eng_Latn", 0.49, 0.99),  # many Somali lines are labelled English
    ],
)
def test_languages(file: str, lang: str, precision: float, recall: float) -> None:
    truth, _ = gold(file)
    found = precision_recall(truth, ours(file), lang)
    assert found[0] >= precision
    assert found[1] >= recall


@pytest.mark.parametrize("file", [SENTENCES, TURKIC])
def test_rules_never_cost_more_than_they_bring(file: str) -> None:
    truth, _ = gold(file)
    assert accuracy(truth, ours(file)) >= accuracy(truth, model_alone(file))
    assert macro_f1(truth, ours(file)) >= macro_f1(truth, model_alone(file))
